"""What the tickets of an area are like outside episodes: their words, and which values coincide.

Two small sketches, which fade with age and are unaffected by restarts:

- `TermSketch`: in how many tickets each word occurred; a count-min sketch (Cormode and
  Muthukrishnan 2005) of two rows of `WIDTH` small counters. It underestimates only what was counted
  before the counts were halved; a word that never occurred may read as one to three where texts are
  long.
- `ValueReservoir`: the values of `DOCUMENTS` tickets, a weighted reservoir sample (Efraimidis and
  Spirakis 2006, "Weighted random sampling with a reservoir") whose weights grow with time (Cormode
  et al. 2009, "Forward decay"): recent tickets are more likely to be in it.
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
"""Counters in one of the two rows."""
MOST_LEARNED: Final = 128.0
"""After this many tickets all counts are halved, so that old tickets fade."""
ALL_LEARN: Final = 64.0
EVERY: Final = 16
"""Beyond `ALL_LEARN` tickets, one ticket in this many is learned."""
DOCUMENTS: Final = 32
VALUES: Final = 10
"""Values that are kept of a ticket: one for each dimension."""
HALF_LIFE_HOURS: Final = 168.0

_GROWTH: Final = math.log(2.0) / HALF_LIFE_HOURS

Row = npt.NDArray[np.intp]


def places(terms: Iterable[str]) -> tuple[Row, Row]:
    """Return the columns in which *terms* are counted, in the first and in the second row."""
    marks = np.array([hashed(term) for term in terms], dtype=np.int64)
    return (marks & 0xFFFF) % WIDTH, (marks >> 16) % WIDTH + WIDTH


class TermSketch(msgspec.Struct, array_like=True):
    """How many tickets contained which words.

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
        """Whether the ticket with that hash should be learned."""
        return self.tickets < ALL_LEARN or ticket_hash % EVERY == 0

    def learn(self, terms: Iterable[str]) -> None:
        """Count one ticket with these distinct terms."""
        if not self.counts:
            self.counts.frombytes(bytes(2 * WIDTH))
        mine = np.frombuffer(self.counts, dtype=np.uint8)
        if self.tickets >= MOST_LEARNED:
            self.tickets /= 2.0
            mine >>= 1
        self.tickets += 1.0
        for row in places(terms):
            mine[row] += mine[row] < 255  # once, also where two terms share a counter

    def counts_of(self, terms: Iterable[str]) -> npt.NDArray[np.uint8]:
        """Return in how many of the `tickets` each of *terms* occurred, at most."""
        first, second = places(terms)
        if not self.counts:
            return np.zeros(len(first), dtype=np.uint8)
        mine = np.frombuffer(self.counts, dtype=np.uint8)
        found: npt.NDArray[np.uint8] = np.minimum(mine[first], mine[second])
        return found


class ValueReservoir(msgspec.Struct, array_like=True):
    """The values of some tickets, as 16 bits each.

    Example:
        >>> mix = ValueReservoir()
        >>> for mark in range(1, 9):
        ...     mix.take(mix.rank(mark, 0.0), ("region=eu", f"version={mark % 2}"))
        >>> mix.count(("region=eu",), ("region=eu", "version=1")), len(mix)
        ((8.0, 4.0), 8)
    """

    ranks: Floats = msgspec.field(default_factory=lambda: array("d"))
    """The ranks of the tickets in the sample; the smallest ones stay."""
    values: Integers = msgspec.field(default_factory=lambda: array("H"))
    """`VALUES` hashes for each rank; 0: no value."""

    def __len__(self) -> int:
        """Return the number of tickets in the sample."""
        return len(self.ranks)

    def rank(self, ticket_hash: int, hours: float) -> float:
        """Return the rank of a ticket; the smallest ranks stay in the sample.

        Args:
            ticket_hash: The fingerprint of the ticket.
            hours: When it was created, hours since 1970.
        """
        even = (
            (ticket_hash * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFF
        ) + 1  # 48 bits, whatever marks are
        return math.log(-math.log(even / (2.0**48 + 2.0))) - hours * _GROWTH

    def wants(self, rank: float) -> bool:
        """Whether a ticket of that rank belongs to the sample."""
        return len(self.ranks) < DOCUMENTS or rank < max(self.ranks)

    def take(self, rank: float, keys: Iterable[str]) -> None:
        """Add a ticket that the sample `wants`, with the keys of its values."""
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
