"""What came already: an event id, or a ticket's second ``created``, within 48 hours of event time.

Exact, not a Bloom filter: its false positive would drop a real complaint. Bounded instead by
forgetting the oldest: beyond `MOST` remembered hashes the memory is shorter than 48 hours. The
hashes are kept in segments, so that a snapshot writes only the last one.
"""

from array import array
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Final

import msgspec

from detectors.state_codec import Integers

MEMORY_HOURS: Final = 48
SEGMENT: Final = 4_096
"""Hashes in one segment: 32 kB."""
MOST: Final = 1_000_000
"""Hashes remembered of one tenant."""


def fingerprint(text: str) -> int:
    """Eight bytes of BLAKE2b; that any two of a million texts share one has a chance of 3e-8."""
    return _from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def fingerprints(ticket_id: str, event_id: str | None) -> tuple[int, ...]:
    """What a repeat of a ticket shares with it: its id, and the event's if it has one."""
    of_ticket = _from_bytes(blake2b(b"t" + ticket_id.encode(), digest_size=8).digest(), "little")
    if event_id is None:
        return (of_ticket,)
    return of_ticket, _from_bytes(
        blake2b(b"e" + event_id.encode(), digest_size=8).digest(), "little"
    )


_from_bytes = int.from_bytes


class Segment(msgspec.Struct, array_like=True):
    """Hashes first seen in one hour of event time. A retired one is empty, to be used again."""

    serial: int
    hour: int
    hashes: Integers = msgspec.field(default_factory=lambda: array("Q"))

    @property
    def retired(self) -> bool:
        """Whether nothing in it counts any more."""
        return not self.hashes


class Duplicates:
    """The memory of one tenant.

    Example:
        >>> memory = Duplicates()
        >>> [memory.is_new([fingerprint("a")], hour) for hour in (0, 1, 48, 49)]
        [True, False, False, True]
    """

    def __init__(self, segments: Iterable[Segment] = (), most: int = MOST) -> None:
        """Start with the *segments* of an earlier life, by slot."""
        self.segments = list(segments)
        self.touched: set[int] = set()
        """Slots changed since the owner last cleared this."""
        self._most = most
        self._hours: dict[int, int] = {}
        living = sorted((s.serial, slot) for slot, s in enumerate(self.segments) if not s.retired)
        for _, slot in living:
            segment = self.segments[slot]
            self._hours.update(dict.fromkeys(segment.hashes, segment.hour))
        self._open = living[-1][1] if living else -1

    def __len__(self) -> int:
        """How many hashes are remembered."""
        return len(self._hours)

    def is_new(self, hashes: Sequence[int], hour: int) -> bool:
        """Whether none of *hashes* was seen in the 48 hours before *hour*; if so, remember them."""
        hours = self._hours
        for found in hashes:
            seen = hours.get(found)
            if seen is not None and hour - seen <= MEMORY_HOURS:
                return False
        segment = self.segments[self._open] if self._open >= 0 else None
        if segment is None or segment.hour != hour or len(segment.hashes) >= SEGMENT:
            segment = self._new_segment(hour)
        segment.hashes.extend(hashes)
        for found in hashes:
            hours[found] = hour
        self.touched.add(self._open)
        return True

    def _new_segment(self, hour: int) -> Segment:
        serial = self.segments[self._open].serial + 1 if self._open >= 0 else 0
        living = sorted((s.serial, slot) for slot, s in enumerate(self.segments) if not s.retired)
        for _, slot in living:
            if hour - self.segments[slot].hour <= MEMORY_HOURS and len(self._hours) < self._most:
                break
            self._retire(slot)
        free = next((slot for slot, s in enumerate(self.segments) if s.retired), len(self.segments))
        if free == len(self.segments):
            self.segments.append(Segment(serial, hour))
        else:
            self.segments[free] = Segment(serial, hour)
        self._open = free
        return self.segments[free]

    def _retire(self, slot: int) -> None:
        segment = self.segments[slot]
        for found in segment.hashes:
            if self._hours.get(found) == segment.hour:
                del self._hours[found]
        self.segments[slot] = Segment(segment.serial, segment.hour)
        self.touched.add(slot)
