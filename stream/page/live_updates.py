"""Feed that pushes changes to all viewers as server-sent events, encoded once for all.

A viewer that does not keep up has to reload everything, so it does not delay the others.

Source: WHATWG HTML, "Server-sent events".
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any, Final

import msgspec

MOST_VIEWERS: Final = 500
MOST_WAITING: Final = 64
"""Maximum number of messages queued for one viewer."""
PING_SECONDS: Final = 15.0
"""Interval of pings, because proxies and viewers close silent connections."""
RELOAD: Final = b"event: reload\ndata: {}\n\n"


class Feed:
    """Feed to all current viewers."""

    def __init__(self) -> None:
        """Create a feed without viewers."""
        self.last_record_at = time.time()
        """Time at which Kafka last had a new record, wall clock, seconds since 1970."""
        self._viewers: set[asyncio.Queue[bytes]] = set()
        self.sent_count = 0
        """Number of messages pushed, whether or not there were viewers."""

    @property
    def viewers(self) -> int:
        """Number of viewers."""
        return len(self._viewers)

    def standing(self) -> dict[str, float]:
        """Return the seconds without a new record; with a ticker, many mean a lost broker."""
        return {"idle_seconds": round(max(0.0, time.time() - self.last_record_at), 1)}

    def tell(self, kind: str, value: Any) -> None:
        """Push a value to all viewers."""
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
        """Yield messages for one new viewer, endlessly."""
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
    """Return one server-sent event as bytes."""
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), msgspec.json.encode(value))
