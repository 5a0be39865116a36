"""On which values the tickets of a whole tenant fell, lately and in the last days."""

from typing import Final, NamedTuple

import msgspec

MOST_SHARES: Final = 200
HALF_LIVES: Final = (8.0, 72.0)
"""Hours, of what is known of the shares in the whole tenant: lately, and in the last days."""
RENEWED_HOURS: Final = 96.0
MOST_USUAL: Final = 0.98


class Usual(NamedTuple):
    """The share that a value usually has."""

    share: float
    """Above 0, and at most `MOST_USUAL`."""
    variance: float
    """Relative: of not knowing it better, and of its clumping."""


class Shares(msgspec.Struct, array_like=True):
    """How the tickets of a whole tenant fell on values, lately and in the last days.

    What changes everywhere is no news: a version that is rolled out or retired, a region that wakes
    up. Counts fade with the half-lives of `HALF_LIVES`. They are kept in units that grow instead
    (Cormode et al. 2009, "Forward decay"), so that a ticket changes only what it is about.
    """

    since: float = 0.0
    """Hours since 1970, when the units were 1."""
    total: tuple[float, float] = (0.0, 0.0)
    counts: dict[str, tuple[float, float]] = {}

    def units(self, at: float) -> tuple[float, float]:
        """What a ticket *at* (hours) is worth in the units of the counts."""
        gone = at - self.since
        if gone > RENEWED_HOURS:
            self._renew(at)
            gone = 0.0
        return 2.0 ** (gone / HALF_LIVES[0]), 2.0 ** (gone / HALF_LIVES[1])

    def add(self, lately: float, days: float, keys: list[str]) -> None:
        """One ticket with the values *keys*, worth so much in each unit."""
        counts = self.counts
        self.total = (self.total[0] + lately, self.total[1] + days)
        for key in keys:
            old = counts.get(key)
            if old is not None:
                counts[key] = (old[0] + lately, old[1] + days)
            elif len(counts) < MOST_SHARES:
                counts[key] = (lately, days)

    def _renew(self, at: float) -> None:
        quick, slow = (2.0 ** ((self.since - at) / half_life) for half_life in HALF_LIVES)
        self.total = (self.total[0] * quick, self.total[1] * slow)
        self.counts = {
            key: (lately * quick, days * slow)
            for key, (lately, days) in self.counts.items()
            if days * slow > 0.01
        }
        self.since = at
