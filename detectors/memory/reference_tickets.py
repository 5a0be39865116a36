"""The usual tickets of an area, outside episodes: their terms, and which values occur together.

They are kept in two small sketches, in which old tickets fade, and which a restart does not change:

- `TermSketch` counts in how many tickets each term occurred. It is a count-min sketch (Cormode and
  Muthukrishnan 2005) with two rows of `WIDTH` small counters. It underestimates only counts from
  before a halving. With long texts, a term that never occurred may have a count of one to three.
- `ValueReservoir` keeps the values of `DOCUMENTS` tickets. It is a weighted reservoir sample
  (Efraimidis and Spirakis 2006, "Weighted random sampling with a reservoir") with weights that grow
  over time (Cormode et al. 2009, "Forward decay"), so that it prefers recent tickets.
"""

import math
from array import array
from collections.abc import Iterable
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from detectors.foundation.state_codec import Floats, Integers
from detectors.foundation.tokens import hashed

WIDTH: Final = 768
"""Counters per row."""
MOST_LEARNED: Final = 128.0
"""From this number of tickets, all counts are halved, so that old tickets fade."""
ALL_LEARN: Final = 64.0
EVERY: Final = 16
"""Beyond `ALL_LEARN` tickets, one ticket in this many is learned."""
DOCUMENTS: Final = 32
VALUES: Final = 10
"""The most values that are kept per ticket."""
HALF_LIFE_HOURS: Final = 168.0

_GROWTH: Final = math.log(2.0) / HALF_LIFE_HOURS

Row = npt.NDArray[np.intp]


def places(terms: Iterable[str]) -> tuple[Row, Row]:
    """Return the indices of the counters of terms, in the first row and in the second row."""
    marks = np.array([hashed(term) for term in terms], dtype=np.int64)
    return (marks & 0xFFFF) % WIDTH, (marks >> 16) % WIDTH + WIDTH


class TermSketch(msgspec.Struct, array_like=True):
    """Counts of tickets by term.

    Example:
        >>> words = TermSketch()
        >>> words.learn(["sso", "error"])
        >>> words.counts_of(["sso", "coupon"]).tolist(), words.tickets
        ([1, 0], 1.0)
    """

    tickets: float = 0.0
    counts: Integers = msgspec.field(default_factory=lambda: array("B"))
    """Empty until a ticket with text is learned."""

    def wants(self, ticket_hash: int) -> bool:
        """Return whether a ticket should be learned."""
        return self.tickets < ALL_LEARN or ticket_hash % EVERY == 0

    def learn(self, terms: Iterable[str]) -> None:
        """Count a ticket, given its distinct terms."""
        if not self.counts:
            self.counts.frombytes(bytes(2 * WIDTH))
        mine = np.frombuffer(self.counts, dtype=np.uint8)
        if self.tickets >= MOST_LEARNED:
            self.tickets /= 2.0
            mine >>= 1
        self.tickets += 1.0
        for row in places(terms):
            mine[row] += mine[row] < 255  # adds 1 even if two terms share a counter

    def counts_of(self, terms: Iterable[str]) -> npt.NDArray[np.uint8]:
        """Return an upper bound of the number of tickets that contained each term."""
        first, second = places(terms)
        if not self.counts:
            return np.zeros(len(first), dtype=np.uint8)
        mine = np.frombuffer(self.counts, dtype=np.uint8)
        found: npt.NDArray[np.uint8] = np.minimum(mine[first], mine[second])
        return found


class ValueReservoir(msgspec.Struct, array_like=True):
    """A sample of tickets with their values, each hashed to 16 bits.

    Example:
        >>> mix = ValueReservoir()
        >>> for mark in range(1, 9):
        ...     mix.take(mix.rank(mark, 0.0), ("region=eu", f"version={mark % 2}"))
        >>> mix.count(("region=eu",), ("region=eu", "version=1")), len(mix)
        ((8.0, 4.0), 8)
    """

    ranks: Floats = msgspec.field(default_factory=lambda: array("d"))
    """The ranks of the sampled tickets; the tickets with the smallest ranks are kept."""
    values: Integers = msgspec.field(default_factory=lambda: array("H"))
    """`VALUES` hashes for each rank; 0: no value."""

    def __len__(self) -> int:
        """Return the number of tickets in the sample."""
        return len(self.ranks)

    def rank(self, ticket_hash: int, hours: float) -> float:
        """Return the rank of a ticket; the tickets with the smallest ranks are kept.

        Args:
            ticket_hash: The fingerprint of the ticket.
            hours: When the ticket was created, hours since 1970.
        """
        # Multiplying spreads the hash uniformly over 48 bits.
        even = ((ticket_hash * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFF) + 1
        return math.log(-math.log(even / (2.0**48 + 2.0))) - hours * _GROWTH

    def wants(self, rank: float) -> bool:
        """Return whether a ticket with this rank belongs in the sample."""
        return len(self.ranks) < DOCUMENTS or rank < max(self.ranks)

    def take(self, rank: float, keys: Iterable[str]) -> None:
        """Add a ticket that belongs in the sample; see `wants`.

        Args:
            rank: The rank of the ticket.
            keys: The keys of its values.
        """
        ranks = self.ranks
        if len(ranks) < DOCUMENTS:
            place = len(ranks)
            ranks.append(rank)
            self.values.extend([0] * VALUES)
        else:
            place = ranks.index(max(ranks))
            ranks[place] = rank
        mine = [_short(key) for key in keys][:VALUES]
        self.values[place * VALUES : (place + 1) * VALUES] = array(
            "H", mine + [0] * (VALUES - len(mine))
        )

    def count(self, *groups: Iterable[str]) -> tuple[float, ...]:
        """Return how many tickets in the sample have all keys of each group."""
        if not self.ranks:
            return tuple(0.0 for _ in groups)
        mine = np.frombuffer(self.values, dtype=np.uint16).reshape(-1, VALUES)
        found = []
        for keys in groups:
            having = np.ones(len(mine), dtype=bool)
            for key in keys:
                having &= (mine == _short(key)).any(axis=1)
            found.append(float(having.sum()))
        return tuple(found)


def _short(key: str) -> int:
    return hashed(key) & 0xFFFF or 1
