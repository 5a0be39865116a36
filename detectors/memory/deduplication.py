"""Deduplication of events and of tickets over 48 hours of event time.

Hashes are kept exactly, because a false positive of a Bloom filter would drop a real ticket. Memory
is bounded: a tenant with more than `MOST` hashes forgets the oldest ones earlier. Hashes are kept
in segments, so that a snapshot writes only the segments that changed.
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
"""The most hashes in one segment: 32 kB."""
QUICK: Final = 50_000
"""Hashes that are remembered regardless of age while event time runs faster than real time."""
MOST: Final = 1_000_000
"""The most hashes that are remembered per tenant."""


def fingerprint(text: str) -> int:
    """Return a 64-bit BLAKE2b hash; the chance of any collision among a million texts is 3e-8."""
    return _from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def fingerprints(ticket_id: str, event_id: str | None, source: str) -> tuple[int, ...]:
    """Return the hashes by which a duplicate is detected: of the ticket id and of the event id.

    Args:
        ticket_id: The id of the ticket.
        event_id: The id of the event; None: it has none.
        source: The source of the ticket. It is part of the hashes, because two helpdesks may use
            the same ids.
    """
    of = source.encode() + b"\x1f"
    of_ticket = blake2b(b"t" + of + ticket_id.encode(), digest_size=8).digest()
    if event_id is None:
        return (_from_bytes(of_ticket, "little"),)
    of_event = blake2b(b"e" + of + event_id.encode(), digest_size=8).digest()
    return _from_bytes(of_ticket, "little"), _from_bytes(of_event, "little")


_from_bytes = int.from_bytes


class Segment(msgspec.Struct, array_like=True):
    """Hashes first seen in one hour of event time. A retired segment is empty and can be reused."""

    serial: int
    hour: int
    hashes: Integers = msgspec.field(default_factory=lambda: array("Q"))

    @property
    def retired(self) -> bool:
        """Whether the segment is empty."""
        return not self.hashes


class Deduplicator:
    """The hashes of event and ticket ids that are remembered for one tenant.

    Example:
        >>> memory = Deduplicator()
        >>> [memory.is_new([fingerprint("a")], hour) for hour in (0, 1, 48, 49)]
        [True, False, False, True]
    """

    def __init__(self, segments: Iterable[Segment] = (), most: int = MOST) -> None:
        """Restore a deduplicator from a snapshot.

        Args:
            segments: The segments of the snapshot, in the order of their slots.
            most: The most hashes that are remembered.
        """
        self.segments = list(segments)
        self.touched: set[int] = set()
        """Slots that changed since the owner last cleared this set."""
        self._most = most
        self._hours: dict[int, int] = {}
        living = sorted((s.serial, slot) for slot, s in enumerate(self.segments) if not s.retired)
        self._living = deque(slot for _, slot in living)
        """Slots in use, the oldest segment first."""
        self._free = [slot for slot, s in enumerate(self.segments) if s.retired]
        """A heap of the unused slots."""
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
        """Return whether an event is new, and remember its hashes if it is.

        An event is a duplicate if one of its hashes was first seen within the last 48 hours.

        Args:
            hashes: All hashes of one event.
            hour: Event time, hours since 1970.
            late: Whether the event is older than the watermark; then any remembered hash makes it a
                duplicate, whatever its age.
            quick: Whether event time runs fast (history, simulated time). Then the last `QUICK`
                hashes are remembered even if they are older, because weeks of event time may be
                processed again after a crash.
        """
        hours = self._hours
        for event_hash in hashes:
            seen = hours.get(event_hash)
            if seen is not None and (late or hour - seen <= MEMORY_HOURS):
                return False
        segment = self.segments[self._open] if self._open >= 0 else None
        if segment is None or segment.hour != hour or len(segment.hashes) >= SEGMENT:
            segment = self._new_segment(hour, QUICK if quick else 0)
        segment.hashes.extend(hashes)
        for event_hash in hashes:
            hours[event_hash] = hour
        self.touched.add(self._open)
        return True

    def _new_segment(self, hour: int, keep: int) -> Segment:
        serial = self.segments[self._open].serial + 1 if self._open >= 0 else 0
        while self._living:
            age_hours = hour - self.segments[self._living[0]].hour
            is_needed = age_hours <= MEMORY_HOURS or len(self._hours) <= keep
            if is_needed and len(self._hours) < self._most:
                break
            self._retire(self._living.popleft())
        slot = heappop(self._free) if self._free else len(self.segments)
        if slot == len(self.segments):
            self.segments.append(Segment(serial, hour))
        else:
            self.segments[slot] = Segment(serial, hour)
        self._living.append(slot)
        self._open = slot
        return self.segments[slot]

    def _retire(self, slot: int) -> None:
        segment = self.segments[slot]
        for event_hash in segment.hashes:
            if self._hours.get(event_hash) == segment.hour:
                del self._hours[event_hash]
        self.segments[slot] = Segment(segment.serial, segment.hour)
        heappush(self._free, slot)
        self.touched.add(slot)
