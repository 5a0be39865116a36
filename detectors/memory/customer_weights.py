"""Who complained lately: so that one noisy customer is not mistaken for many."""

import math
import zlib
from array import array
from typing import Final

import msgspec

from detectors.foundation.state_codec import Integers

MEMORY_SECONDS: Final = 24 * 3600
"""The k-th ticket of a customer within this time of the first counts 2^-(k-1)."""
TWICE_SECONDS: Final = 60
"""A customer's next ticket within this time is the same form sent twice: it counts nothing."""
SETS: Final = 40
WAYS: Final = 4
"""Room for 160 customers; of those that fall into one set the longest unseen is forgotten."""
NEVER: Final = float("-inf")
MOST_TIMES: Final = 60
_WEIGHTS: Final = (1.0, *(0.5**k for k in range(MOST_TIMES)), 0.5 ** (MOST_TIMES - 1))


def _row(typecode: str) -> Integers:
    return array(typecode)


class CustomerMemory(msgspec.Struct, array_like=True):
    """The customers of one series within a day, bounded: 2.1 kB however many there are.

    A forgotten customer counts as a new one. Forgotten are those longest unseen, so a noisy one is
    remembered.

    Example:
        >>> memory = CustomerMemory()
        >>> [memory.see("acme", at)[0] for at in (0.0, 60.0, 120.0)]
        [1.0, 0.5, 0.25]
        >>> memory.see("acme", 25 * 3600.0)
        (1.0, 120.0)
        >>> memory.see(None, 130.0)
        (1.0, -inf)
    """

    tags: Integers = msgspec.field(default_factory=lambda: _row("I"))
    first: Integers = msgspec.field(default_factory=lambda: _row("I"))
    last: Integers = msgspec.field(default_factory=lambda: _row("I"))
    times: Integers = msgspec.field(default_factory=lambda: _row("B"))

    def see(self, customer: str | None, at: float) -> tuple[float, float]:
        """A ticket of *customer* at *at*, seconds since 1970.

        Returns:
            Its weight in customer-equivalents, and when the customer was last seen here (`NEVER`).
            A ticket without a customer is a customer of its own.
        """
        if customer is None:
            return 1.0, NEVER
        now = math.ceil(at)  # never before *at*: who began a window was not seen before it
        tag = zlib.crc32(customer.encode("utf-8", "replace")) | 1  # 0 is an empty place
        if not self.tags:
            self._make_room()
        start = (tag >> 1) % SETS * WAYS
        of_set = self.tags[start : start + WAYS]
        if tag in of_set:
            return self._again(start + of_set.index(tag), now)
        of_set = self.last[start : start + WAYS]
        place = start + of_set.index(min(of_set))
        self.tags[place] = tag
        self.first[place] = self.last[place] = now
        self.times[place] = 1
        return 1.0, NEVER

    def _again(self, place: int, now: int) -> tuple[float, float]:
        seen = self.last[place]
        times = self.times[place] + 1
        if now - self.first[place] >= MEMORY_SECONDS:
            self.first[place] = now
            times = 1
        if now > seen:
            self.last[place] = now
        if times <= MOST_TIMES:
            self.times[place] = times
        if 0 <= now - seen < TWICE_SECONDS:
            return 0.0, float(seen)
        return _WEIGHTS[times], float(seen)

    def _make_room(self) -> None:
        size = SETS * WAYS
        for row in (self.tags, self.first, self.last):
            row.frombytes(bytes(row.itemsize * size))
        self.times.frombytes(bytes(size))
