"""What the tickets of an area are like outside episodes: their words, and which values go together.

Two small sketches, both fading with age, both the same whatever restarts in between:

- `TermSketch`: in how many of the tickets each word stood, a count-min sketch (Cormode and
  Muthukrishnan 2005) of two rows of `WIDTH` small counters. It reads too few only of what came
  before the counts were halved; a word that never came reads as one to three where texts are long.
- `ValueReservoir`: the values of `DOCUMENTS` tickets, a sample by the smallest marks (Efraimidis
and Spirakis
  2006, "Weighted random sampling with a reservoir"), with weights that grow with time (Cormode et
  al. 2009, "Forward decay"): each is a ticket of the last weeks, recent ones likelier.
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
"""Counters of a row; two rows."""
MOST_LEARNED: Final = 128.0
"""Tickets; then all counts are halved: what came long ago fades."""
ALL_LEARN: Final = 64.0
EVERY: Final = 16
"""Beyond `ALL_LEARN` tickets one of so many is learned."""
DOCUMENTS: Final = 32
VALUES: Final = 10
"""Of a ticket that are kept: one a dimension."""
HALF_LIFE_HOURS: Final = 168.0

_GROWTH: Final = math.log(2.0) / HALF_LIFE_HOURS

Row = npt.NDArray[np.intp]


def places(terms: Iterable[str]) -> tuple[Row, Row]:
    """Where *terms* are counted: in the first row, and in the second."""
    marks = np.array([hashed(term) for term in terms], dtype=np.int64)
    return (marks & 0xFFFF) % WIDTH, (marks >> 16) % WIDTH + WIDTH


class TermSketch(msgspec.Struct, array_like=True):
    """How many tickets held which words.

    Example:
        >>> words = TermSketch()
        >>> words.learn(["sso", "error"])
        >>> words.counts_of(["sso", "coupon"]).tolist(), words.tickets
        ([1, 0], 1.0)
    """

    tickets: float = 0.0
    counts: Integers = msgspec.field(default_factory=lambda: array("B"))
    """Empty until a ticket with text comes."""

    def wants(self, ticket_hash: int) -> bool:
        """Whether the ticket with that *mark* should be learned."""
        return self.tickets < ALL_LEARN or ticket_hash % EVERY == 0

    def learn(self, terms: Iterable[str]) -> None:
        """One ticket with these different *terms*."""
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
        """In how many of the `tickets` each of *terms* stood, at most."""
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
    """The smallest ones stay."""
    values: Integers = msgspec.field(default_factory=lambda: array("H"))
    """`VALUES` for each rank; 0: none."""

    def __len__(self) -> int:
        """How many tickets it holds."""
        return len(self.ranks)

    def rank(self, ticket_hash: int, hours: float) -> float:
        """Of a ticket with that *mark* that came at *hours*: the smallest ranks stay."""
        even = (
            (ticket_hash * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFF
        ) + 1  # 48 bits, whatever marks are
        return math.log(-math.log(even / (2.0**48 + 2.0))) - hours * _GROWTH

    def wants(self, rank: float) -> bool:
        """Whether a ticket of that *rank* is kept."""
        return len(self.ranks) < DOCUMENTS or rank < max(self.ranks)

    def take(self, rank: float, keys: Iterable[str]) -> None:
        """Keep a ticket that it `wants`, with these *keys*."""
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
        """How many of the tickets had all keys of each group."""
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
