"""Deduplication of events and of tickets that were created twice, over 48 hours of event time.

It is exact: a false positive of a Bloom filter would drop a real complaint. It is bounded by
forgetting the oldest hashes: a tenant with more than `MOST` of them has a shorter memory. Hashes
are kept in segments, so that a snapshot writes only the segment that changed.
"""

from array import array
from collections import deque
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from heapq import heappop, heappush
from typing import Final

import msgspec

from detectors.foundation.state_codec import Integers

MEMORY_HOURS: Final = 48
SEGMENT: Final = 4_096
"""Hashes in one segment: 32 kB."""
QUICK: Final = 50_000
"""Hashes that are remembered whatever their age while event time runs fast."""
MOST: Final = 1_000_000
"""Hashes that are remembered of one tenant at most."""


def fingerprint(text: str) -> int:
    """Return eight bytes of BLAKE2b; two of a million texts share one with a chance of 3e-8."""
    return _from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def fingerprints(ticket_id: str, event_id: str | None, source: str) -> tuple[int, ...]:
    """Return the hashes that a repetition of a ticket shares with it: of its id and its event id.

    Ids belong to their *source*, because two helpdesks may number their tickets alike.
    """
    of = source.encode() + b"\x1f"
    of_ticket = blake2b(b"t" + of + ticket_id.encode(), digest_size=8).digest()
    if event_id is None:
        return (_from_bytes(of_ticket, "little"),)
    of_event = blake2b(b"e" + of + event_id.encode(), digest_size=8).digest()
    return _from_bytes(of_ticket, "little"), _from_bytes(of_event, "little")


_from_bytes = int.from_bytes


class Segment(msgspec.Struct, array_like=True):
    """Hashes first seen in one hour of event time. A retired segment is empty and is used again."""

    serial: int
    hour: int
    hashes: Integers = msgspec.field(default_factory=lambda: array("Q"))

    @property
    def retired(self) -> bool:
        """Whether the segment holds nothing that is still remembered."""
        return not self.hashes


class Deduplicator:
    """The ids that one tenant remembers.

    Example:
        >>> memory = Deduplicator()
        >>> [memory.is_new([fingerprint("a")], hour) for hour in (0, 1, 48, 49)]
        [True, False, False, True]
    """

    def __init__(self, segments: Iterable[Segment] = (), most: int = MOST) -> None:
        """Restore the *segments* of a snapshot, in the order of their slots."""
        self.segments = list(segments)
        self.touched: set[int] = set()
        """Slots that changed since the owner last cleared this set."""
        self._most = most
        self._hours: dict[int, int] = {}
        living = sorted((s.serial, slot) for slot, s in enumerate(self.segments) if not s.retired)
        self._living = deque(slot for _, slot in living)
        """Slots in use, the oldest first."""
        self._free = [slot for slot, s in enumerate(self.segments) if s.retired]
        """A heap of the other slots."""
        for slot in self._living:
            segment = self.segments[slot]
            self._hours.update(dict.fromkeys(segment.hashes, segment.hour))
        self._open = self._living[-1] if self._living else -1

    def __len__(self) -> int:
        """Return the number of remembered hashes."""
        return len(self._hours)

    def is_new(
        self, hashes: Sequence[int], hour: int, *, late: bool = False, quick: bool = False
    ) -> bool:
        """Remember the hashes of an event; return whether none was seen within 48 hours.

        Args:
            hashes: All hashes of one event.
            hour: Event time, hours since 1970.
            late: Whether the event is behind the clock: then it is a repetition of whatever is
                remembered.
            quick: Whether event time runs fast (history, simulated time): then the last `QUICK`
                hashes are remembered even if they are older, because a crash may send weeks of
                event time again.
        """
        hours = self._hours
        for found in hashes:
            seen = hours.get(found)
            if seen is not None and (late or hour - seen <= MEMORY_HOURS):
                return False
        segment = self.segments[self._open] if self._open >= 0 else None
        if segment is None or segment.hour != hour or len(segment.hashes) >= SEGMENT:
            segment = self._new_segment(hour, QUICK if quick else 0)
        segment.hashes.extend(hashes)
        for found in hashes:
            hours[found] = hour
        self.touched.add(self._open)
        return True

    def _new_segment(self, hour: int, keep: int) -> Segment:
        serial = self.segments[self._open].serial + 1 if self._open >= 0 else 0
        while self._living:
            hours_ago = hour - self.segments[self._living[0]].hour
            wanted = hours_ago <= MEMORY_HOURS or len(self._hours) <= keep
            if wanted and len(self._hours) < self._most:
                break
            self._retire(self._living.popleft())
        free = heappop(self._free) if self._free else len(self.segments)
        if free == len(self.segments):
            self.segments.append(Segment(serial, hour))
        else:
            self.segments[free] = Segment(serial, hour)
        self._living.append(free)
        self._open = free
        return self.segments[free]

    def _retire(self, slot: int) -> None:
        segment = self.segments[slot]
        for found in segment.hashes:
            if self._hours.get(found) == segment.hour:
                del self._hours[found]
        self.segments[slot] = Segment(segment.serial, segment.hour)
        heappush(self._free, slot)
        self.touched.add(slot)
