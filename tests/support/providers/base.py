"""What the fake providers share: a server, scripted faults, and records of what they received."""

import asyncio
import contextlib
import json
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from aiohttp import web

HOST = "127.0.0.1"
URL = re.compile(r"https?://[^\s/]+(/\S*)?", re.ASCII)
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
ECHO = "the provider repeats all it was sent: "


@dataclass(frozen=True)
class Fault:
    """A scripted response that replaces the usual one."""

    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    reset: bool = False
    hang: float = 0.0
    body: str | None = None
    """Body of the response; None repeats the request with its headers."""


class Provider:
    """Base of the fakes: a server, scripted faults, and records of what it received.

    Attributes:
        secret: Secret that a request must prove to know.
        heard: Key of each accepted message, in order.
        state: State of each episode by key: open, acknowledged or resolved.
        shown: Every text that a person would see.
        ids: Ids of the messages, if the provider receives ids.
        wrong: Sentences about violations of the documented contract.
    """

    secret: ClassVar[str] = "marker-5ecret-0123456789abcdef99"
    most_bytes: ClassVar[int] = 16_000_000

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.state: dict[str, str] = {}
        self.shown: list[str] = []
        self.ids: list[str] = []
        self.wrong: list[str] = []
        self.faults: deque[Fault] = deque()
        self.requests = 0
        self.port = 0
        self._runner: web.AppRunner | None = None
        self._hanging = asyncio.Event()

    @property
    def url(self) -> str:
        """Base URL of the server."""
        return f"http://{HOST}:{self.port}"

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=16_000_000)
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._hanging.set()
        if self._runner is not None:
            await self._runner.cleanup()
        assert not self.wrong, "\n".join(self.wrong)

    def must(self, holds: object, sentence: str) -> None:
        """Record *sentence* as a violation unless *holds*."""
        if not holds:
            self.wrong.append(f"{type(self).__name__}: {sentence}")

    def text(self, value: object, name: str, least: int = 0, most: int = 10**9) -> None:
        """Require a string of *least* to *most* characters."""
        self.must(isinstance(value, str), f"{name} is no string: {value!r:.80}")
        if isinstance(value, str):
            self.must(
                least <= len(value) <= most,
                f"{name} has {len(value)} characters, allowed are {least} to {most}",
            )

    def only(self, value: object, name: str, allowed: str, needed: str = "") -> bool:
        """Require an object with the needed keys, and with no others than the allowed ones."""
        self.must(isinstance(value, dict), f"{name} is no object")
        if not isinstance(value, dict):
            return False
        strange = set(value) - set(allowed.split()) - set(needed.split())
        missing = set(needed.split()) - set(value)
        self.must(not strange, f"{name} has keys that are not documented: {sorted(strange)}")
        self.must(not missing, f"{name} lacks {sorted(missing)}")
        return not missing

    def link(self, value: object, name: str, most: int = 10**9) -> None:
        """Require the URL of a web page."""
        self.text(value, name, 1, most)
        self.must(URL.fullmatch(str(value)), f"{name} is no URL of a page: {value!r:.80}")

    def accept(self, key: str, action: str, *shown: str) -> None:
        """Record an accepted message about an episode."""
        self.heard.append(key)
        self.state[key] = action
        self.shown += shown

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        body = await request.read()
        if self.faults:
            return await self._fail(self.faults.popleft(), request, body)
        self.must(len(body) <= self.most_bytes, f"{len(body)} bytes, allowed {self.most_bytes}")
        data: Any = None
        if body:
            content = request.headers.get("Content-Type", "").replace(" ", "")
            self.must("json" in content, f"the body is declared as {content}")
            try:
                data = json.loads(body.decode("utf-8"))
            except ValueError as error:
                self.must(False, f"the body is no JSON in UTF-8: {error}")
        return self.take(request, data, body)

    async def _fail(self, fault: Fault, request: web.Request, body: bytes) -> web.Response:
        if fault.reset:
            assert request.transport is not None
            request.transport.abort()
        if fault.hang:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hanging.wait(), fault.hang)
        text = fault.body
        if text is None:
            text = f"{ECHO}{request.path_qs} {dict(request.headers)} "[:500]
            text += body.decode("utf-8", "replace")
        return web.Response(status=fault.status, text=text, headers=dict(fault.headers))

    def take(self, request: web.Request, data: Any, body: bytes) -> web.StreamResponse:
        """Validate and record a request, and return the response."""
        raise NotImplementedError


def strings(value: Any) -> list[str]:
    """Return all strings within a value."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for item in value.values() for text in strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return []
