"""Every viewer hears what changed: server-sent events, encoded once for all.

A viewer that does not keep up is told to load everything anew, instead of holding back the others.

Source: WHATWG HTML, "Server-sent events".
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

MOST_VIEWERS: Final = 500
MOST_WAITING: Final = 64
"""Messages that wait for one viewer."""
PING_SECONDS: Final = 15.0
"""So often something is sent, or proxies cut the line."""
RELOAD: Final = b"event: reload\ndata: {}\n\n"
PING: Final = b": still here\n\n"


class Feed:
    """Those who watch."""

    def __init__(self) -> None:
        """Nobody yet."""
        self._viewers: set[asyncio.Queue[bytes]] = set()

    @property
    def viewers(self) -> int:
        """How many watch."""
        return len(self._viewers)

    def tell(self, kind: str, value: Any) -> None:
        """All who watch hear of *value*."""
        if not self._viewers:
            return
        encoded = message(kind, value)
        for waiting in self._viewers:
            if waiting.full():
                while not waiting.empty():
                    waiting.get_nowait()
                waiting.put_nowait(RELOAD)
            else:
                waiting.put_nowait(encoded)

    async def watch(self) -> AsyncIterator[bytes]:
        """What one viewer is to hear, from now on, without an end."""
        waiting: asyncio.Queue[bytes] = asyncio.Queue(MOST_WAITING)
        self._viewers.add(waiting)
        try:
            yield PING
            while True:
                try:
                    async with asyncio.timeout(PING_SECONDS):
                        yield await waiting.get()
                except TimeoutError:
                    yield PING
        finally:
            self._viewers.discard(waiting)


def message(kind: str, value: Any) -> bytes:
    """One event, as it goes over the line."""
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), msgspec.json.encode(value))
