"""Weights of repeated tickets: one noisy customer must not look like many."""

import math
import zlib
from array import array
from typing import Final

import msgspec

from detectors.foundation.state_codec import Integers

MEMORY_SECONDS: Final = 24 * 3600
"""The k-th ticket of a customer within this time of the first one counts 2^-(k-1)."""
TWICE_SECONDS: Final = 60
"""The next ticket of a customer within this time is the same form sent twice, and counts
nothing."""
SETS: Final = 40
WAYS: Final = 4
"""Customers in one set, 160 in all; a set forgets the one that was unseen for longest."""
NEVER: Final = float("-inf")
MOST_TIMES: Final = 60
UNKNOWN_CUSTOMER: Final = 0
"""The tag of an unknown customer; also that of an unused entry."""
_WEIGHTS: Final = (1.0, *(0.5**k for k in range(MOST_TIMES)), 0.5 ** (MOST_TIMES - 1))


def customer_tag(customer: str | None) -> int:
    """Return the number under which `CustomerMemory` remembers a customer.

    Args:
        customer: A pseudonym, or None if the customer is unknown.

    Returns:
        An odd number of 32 bits, or `UNKNOWN_CUSTOMER`.
    """
    if customer is None:
        return UNKNOWN_CUSTOMER
    return zlib.crc32(customer.encode("utf-8", "replace")) | 1


def _row(typecode: str) -> Integers:
    return array(typecode)


class CustomerMemory(msgspec.Struct, array_like=True):
    """The customers of one series within a day, in 2.1 kB however many there are.

    A forgotten customer counts as a new one. The customers unseen for longest are forgotten
    first, so a noisy one is remembered.

    Example:
        >>> memory, acme = CustomerMemory(), customer_tag("acme")
        >>> [memory.see(acme, at)[0] for at in (0.0, 60.0, 120.0)]
        [1.0, 0.5, 0.25]
        >>> memory.see(acme, 25 * 3600.0)
        (1.0, 120.0)
        >>> memory.see(customer_tag(None), 130.0)
        (1.0, -inf)
    """

    tags: Integers = msgspec.field(default_factory=lambda: _row("I"))
    first: Integers = msgspec.field(default_factory=lambda: _row("I"))
    last: Integers = msgspec.field(default_factory=lambda: _row("I"))
    times: Integers = msgspec.field(default_factory=lambda: _row("B"))

    def see(self, tag: int, at: float) -> tuple[float, float]:
        """Record a ticket of a customer.

        Args:
            tag: The `customer_tag` of the customer. A ticket of an unknown customer counts as that
                of a new customer.
            at: Seconds since 1970.

        Returns:
            The weight of the ticket in customer-equivalents, 0 to 1, and when the customer was last
            seen here, seconds since 1970, or `NEVER`.
        """
        if tag == UNKNOWN_CUSTOMER:
            return 1.0, NEVER
        now = math.ceil(at)  # a customer whose ticket began a window was not seen before it
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
