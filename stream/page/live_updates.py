"""Every viewer hears what changed: server-sent events, encoded once for all.

A viewer that does not keep up is told to load everything anew, instead of holding back the others.

Source: WHATWG HTML, "Server-sent events".
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any, Final

import msgspec

MOST_VIEWERS: Final = 500
MOST_WAITING: Final = 64
"""Messages that wait for one viewer."""
PING_SECONDS: Final = 15.0
"""So often something is sent: proxies cut a silent line, and viewers take it for dead."""
RELOAD: Final = b"event: reload\ndata: {}\n\n"


class Feed:
    """Those who watch."""

    def __init__(self) -> None:
        """Nobody yet."""
        self.heard_at = time.time()
        """When Kafka last had something new, wall clock."""
        self._viewers: set[asyncio.Queue[bytes]] = set()
        self.sent_count = 0
        """How often something was told, whoever heard it."""

    @property
    def viewers(self) -> int:
        """How many watch."""
        return len(self._viewers)

    def standing(self) -> dict[str, float]:
        """How long nothing new was read: long, with a ticker, means that the broker is away."""
        return {"idle_seconds": round(max(0.0, time.time() - self.heard_at), 1)}

    def tell(self, kind: str, value: Any) -> None:
        """All who watch hear of *value*."""
        self.sent_count += 1
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

    async def watch(self) -> AsyncGenerator[bytes, None]:
        """What one viewer is to hear, from now on, without an end."""
        waiting: asyncio.Queue[bytes] = asyncio.Queue(MOST_WAITING)
        self._viewers.add(waiting)
        try:
            yield message("ping", self.standing())
            while True:
                try:
                    event = await asyncio.wait_for(waiting.get(), PING_SECONDS)
                except TimeoutError:
                    event = message("ping", self.standing())
                yield event
        finally:
            self._viewers.discard(waiting)


def message(kind: str, value: Any) -> bytes:
    """One event, as it goes over the line."""
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), msgspec.json.encode(value))
