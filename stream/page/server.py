"""Web server of the page: read-only, without a password, and without requests to other hosts.

Anybody who can reach the port can read the page, so the server listens on loopback by default. It
accepts only its own host names, so that no other web page can read it through a visitor's browser
(DNS rebinding).

Source: W3C, "Content Security Policy Level 3"; WHATWG, "Fetch" (Cross-Origin-Resource-Policy).
"""

import asyncio
import contextlib
import ipaddress
import socket
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from detectors.foundation.units import SECONDS_PER_DAY
from detectors.state.tenant import TENANT_SERIES
from stream.charts.vega import Theme, svg, timeline
from stream.config.sections import Config
from stream.config.values import zone as known_zone
from stream.page import json_views
from stream.page.episode_views import EpisodeView, EpisodeViews
from stream.page.live_updates import MOST_VIEWERS, Feed
from stream.page.state_follower import Follower
from stream.process.http_listener import FAILED, listen, log_failure

ASSETS: Final = Path(__file__).parent / "assets"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
REPORT_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
TYPES: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
WIDTHS: Final = (280, 440, 640, 880)
"""Widths of charts in pixels; only a few, so that viewers share charts."""
MOST_CHARTS: Final = 200
NOW_SECONDS: Final = 1.0


class Server:
    """Web server that listens inside an ``async with``."""

    def __init__(
        self,
        config: Config,
        follower: Follower,
        stories: EpisodeViews,
        rows: json_views.Rows,
        feed: Feed,
    ) -> None:
        """Create the server without listening yet."""
        self._page = config.page
        self._zone = config.time.timezone
        self._follower, self._stories, self._rows, self._feed = follower, stories, rows, feed
        self._hosts = _hosts(config)
        self._charts: OrderedDict[tuple[Any, ...], bytes] = OrderedDict()
        self._drawing, self._looking = asyncio.Lock(), asyncio.Lock()
        self._seen = (float("-inf"), 0, b"")
        """Time, number of pushed messages and body of the last full response."""
        self.ready = False
        """Whether everything on the topics has been read."""

    async def __aenter__(self) -> Self:
        """Start listening.

        Raises:
            UserError: The port cannot be bound.
        """
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/", self._asset)
        app.router.add_get("/assets/{name}", self._asset)
        app.router.add_get("/api/now", self._now)
        app.router.add_get("/api/sparks", self._sparks)
        app.router.add_get("/api/episodes/{episode}", self._episode)
        app.router.add_get("/api/episodes/{episode}/timeline.svg", self._episode_chart)
        app.router.add_get("/api/areas/{number}/timeline.svg", self._area_chart)
        app.router.add_get("/api/reports", self._reports)
        app.router.add_get("/reports/{name}", self._report)
        app.router.add_get("/events", self._events)
        app.router.add_get("/live", self._live)
        self._runner = await listen(
            app,
            self._page.host,
            self._page.port,
            "the page cannot be served on",
            "set another [page] host or port",
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening and close the connections of viewers."""
        await self._runner.cleanup()

    @web.middleware
    async def _guard(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Accept only known host names, and set the same headers on every response."""
        if not self._is_ours(request.host):
            return _refused(
                421,
                f"the host name {request.host[:100]!r} is not allowed: set [page] url to the URL "
                "that people open",
            )
        try:
            if not self.ready and request.path.startswith(("/api/", "/events")):
                raise web.HTTPServiceUnavailable(reason="the topics are still being read")
            response = await handler(request)
        except web.HTTPException as error:
            response = _refused(error.status, error.reason)
        except Exception:
            log_failure(request)
            if request.writer.output_size:  # a stream that has begun cannot get another status
                raise
            response = _refused(500, FAILED)
        if not response.prepared:
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
        return response

    def _is_ours(self, called: str) -> bool:
        try:
            name = urlsplit(f"//{called}").hostname or ""
        except ValueError:
            return False
        return name in self._hosts or (self._page.host in ("0.0.0.0", "::") and _is_address(name))  # noqa: S104 - compared, not listened on

    async def _asset(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info.get("name", "index.html")
        file = next((asset for asset in ASSETS.iterdir() if asset.name == name), None)
        if file is None or file.suffix not in TYPES:
            raise web.HTTPNotFound
        return web.Response(
            body=file.read_bytes(), content_type=TYPES[file.suffix], charset="utf-8"
        )

    async def _now(self, _: web.Request) -> web.StreamResponse:
        """Return everything for the first view; nearly simultaneous requests share a response."""
        async with self._looking:
            at, sent, body = self._seen
            if sent != self._feed.sent_count or time.monotonic() - at > NOW_SECONDS:
                at, sent = time.monotonic(), self._feed.sent_count
                body = msgspec.json.encode(await self._look())
                self._seen = (at, sent, body)
        return web.Response(body=body, content_type="application/json")

    async def _look(self) -> dict[str, Any]:
        self._rows.choose(self._follower)
        rows: list[json_views.Row] = []
        for some in self._rows.in_parts(self._follower, list(self._rows.numbers)):
            rows += some
            await asyncio.sleep(0)  # let other tasks run
        return {
            "zone": self._zone,
            "tenants": json_views.tenants(self._follower),
            "areas": rows,
            "omitted": self._rows.omitted,
            "episodes": json_views.summaries(self._stories),
            "forgotten": self._stories.forgotten,
            "silences": json_views.silences(self._stories),
            "reports": bool(self._page.reports),
        }

    async def _sparks(self, request: web.Request) -> web.StreamResponse:
        asked = request.query.get("of", "").split(",")
        numbers = [_number(text) for text in asked]
        known = [number for number in numbers if number is not None]
        return _json(json_views.sparks(self._follower, self._rows, known))

    async def _episode(self, request: web.Request) -> web.StreamResponse:
        return _json(json_views.story(self._found(request)))

    def _found(self, request: web.Request) -> EpisodeView:
        """Return the episode with this id or id prefix."""
        asked = request.match_info["episode"]
        story = self._stories.stories.get(asked)
        if story is None and len(asked) >= 6:
            matches = [key for key in self._stories.stories if key.startswith(asked)]
            story = self._stories.stories[matches[0]] if len(matches) == 1 else None
        if story is None:
            raise web.HTTPNotFound(reason=f"no such episode in the last {self._page.days:g} days")
        return story

    async def _episode_chart(self, request: web.Request) -> web.StreamResponse:
        story = self._found(request)
        data = story.event.data
        tenant = self._follower.tenant(data.tenant)
        area = data.product_area or TENANT_SERIES
        clock = tenant.clock if tenant is not None and tenant.clock is not None else 0.0
        end = story.event.time.timestamp()
        until = max(clock if story.running else end + json_views.AFTER, end)
        since = data.since.timestamp() - json_views.BEFORE
        moments = []
        if tenant is not None and (area == TENANT_SERIES or area in tenant.areas):
            moments = json_views.moments_of_area(self._follower, tenant, area, since, until)
        if not moments or moments[0].at > data.since.timestamp():
            moments = json_views.moments_of_events(story)
        marks = json_views.spans(self._stories, data.tenant, data.product_area, until)
        return await self._drawn(request, (data.episode_id, data.sequence), moments, marks)

    async def _area_chart(self, request: web.Request) -> web.StreamResponse:
        number = _number(request.match_info["number"])
        key = None if number is None else self._rows.key(number)
        tenant = self._follower.tenant(key[0]) if key is not None else None
        if key is None or tenant is None or key[1] not in tenant.areas:
            raise web.HTTPNotFound(reason="no such area")
        until = tenant.clock or 0.0
        moments = json_views.moments_of_area(
            self._follower, tenant, key[1], until - 2 * SECONDS_PER_DAY, until
        )
        marks = json_views.spans(self._stories, key[0], key[1], until)
        return await self._drawn(request, key, moments, marks)

    async def _drawn(
        self, request: web.Request, of: tuple[Any, ...], moments: list[Any], marks: Any
    ) -> web.StreamResponse:
        """Return a chart as SVG in the requested width, theme and zone; draw one at a time."""
        theme: Theme = "dark" if request.query.get("theme") == "dark" else "light"
        asked = _number(request.query.get("width", ""))
        wide = 640 if asked is None else asked
        width = max((candidate for candidate in WIDTHS if candidate <= wide), default=WIDTHS[0])
        try:
            zone = known_zone(request.query.get("zone", self._zone))
        except ValueError:
            zone = "UTC"
        marks = tuple(marks)
        key = (*of, theme, width, zone, tuple(moments[-2:]), len(moments), marks)
        async with self._drawing:
            drawn = self._charts.get(key)
            if drawn is None:
                chart = timeline(moments, marks, zone=zone, theme=theme, width=width)
                drawn = (await asyncio.to_thread(svg, chart)).encode()
                self._charts[key] = drawn
                if len(self._charts) > MOST_CHARTS:
                    self._charts.popitem(last=False)
        return web.Response(body=drawn, content_type="image/svg+xml", charset="utf-8")

    async def _reports(self, _: web.Request) -> web.StreamResponse:
        reports = sorted(self._report_files(), key=lambda file: -file.stat().st_mtime)
        return _json([{"name": report.name, "at": report.stat().st_mtime} for report in reports])

    async def _report(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        file = next((report for report in self._report_files() if report.name == name), None)
        if file is None:
            raise web.HTTPNotFound(reason="no such report")
        body = await asyncio.to_thread(file.read_bytes)
        response = web.Response(body=body, content_type="text/html", charset="utf-8")
        response.headers["Content-Security-Policy"] = REPORT_POLICY
        return response

    def _report_files(self) -> list[Path]:
        folder = Path(self._page.reports)
        if not self._page.reports or not folder.is_dir():
            return []
        return [
            path
            for path in folder.glob("*.html")
            # a name that is no UTF-8 holds lone surrogates, which JSON cannot carry
            if path.is_file() and not path.is_symlink() and path.name.isprintable()
        ]

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Send server-sent events as long as the viewer is connected."""
        if self._feed.viewers >= MOST_VIEWERS:
            raise web.HTTPServiceUnavailable(reason=f"{MOST_VIEWERS} viewers are already connected")
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            async with contextlib.aclosing(self._feed.watch()) as watching:
                async for event in watching:
                    await response.write(event)
        return response

    async def _live(self, _: web.Request) -> web.StreamResponse:
        """Answer liveness probes."""
        status = "ok" if self.ready else "reading"
        return _json({"status": status, "viewers": self._feed.viewers, **self._feed.standing()})


def _hosts(config: Config) -> frozenset[str]:
    """Return the host names that the page accepts."""
    names = {"127.0.0.1", "localhost", "::1", config.page.host, socket.gethostname()}
    if config.page.url:
        names.add(urlsplit(config.page.url).hostname or "")
    return frozenset(name.lower() for name in names if name)


def _is_address(name: str) -> bool:
    """Return whether a host name is an IP address, which DNS rebinding cannot use."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _number(text: str) -> int | None:
    """Return a number of at most eight digits; None: the text is not such a number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 8 else None


def _json(value: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")


def _refused(status: int, reason: str | None) -> web.Response:
    body = msgspec.json.encode({"error": reason or "the request failed"})
    return web.Response(
        status=status, body=body, content_type="application/json", headers=dict(HEADERS)
    )
