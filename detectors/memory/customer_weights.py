"""Weights of repeated tickets, so that one noisy customer does not count as many customers."""

import math
import zlib
from array import array
from typing import Final

import msgspec

from detectors.foundation.state_codec import Integers

MEMORY_SECONDS: Final = 24 * 3600
"""The k-th ticket of a customer within this time after the first has weight 2^-(k-1)."""
TWICE_SECONDS: Final = 60
"""A further ticket of a customer within this time has weight 0, because the same form was probably
submitted twice."""
SETS: Final = 40
WAYS: Final = 4
"""Customers in one set, 160 in all sets; a full set replaces the least recently seen customer."""
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
    """The recent customers of one series, in 2.1 kB regardless of their number.

    A forgotten customer counts as new. The least recently seen customers are forgotten first, so a
    noisy customer is remembered.

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
            tag: The `customer_tag` of the customer. An unknown customer counts as new.
            at: Time of the ticket, seconds since 1970.

        Returns:
            The weight of the ticket in customer-equivalents, 0 to 1, and when the customer was last
            seen here, seconds since 1970, or `NEVER`.
        """
        if tag == UNKNOWN_CUSTOMER:
            return 1.0, NEVER
        # Rounded up, so that the ticket that starts a window never counts as seen before it.
        now = math.ceil(at)
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
