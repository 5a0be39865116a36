"""The shares of values among all tickets of a tenant, recently and over the last days."""

from typing import Final, NamedTuple

import msgspec

MOST_SHARES: Final = 200
HALF_LIVES: Final = (8.0, 72.0)
"""Half-lives of the two counts, in hours: recently, and over the last days."""
RENEWED_HOURS: Final = 96.0
MOST_USUAL: Final = 0.98


class Usual(NamedTuple):
    """The share that a value usually has."""

    share: float
    """Above 0, and at most `MOST_USUAL`."""
    variance: float
    """Relative variance, from uncertainty and clumping."""


class Shares(msgspec.Struct, array_like=True):
    """How the tickets of a tenant are distributed over values, recently and over the last days.

    A change that happens everywhere is no incident: a version that is rolled out or retired, a
    region that wakes up. Counts fade with the half-lives of `HALF_LIVES`. Instead they are kept in
    units that grow (Cormode et al. 2009, "Forward decay"), so that a ticket changes only its own
    values.
    """

    since: float = 0.0
    """When the units were 1, hours since 1970."""
    total: tuple[float, float] = (0.0, 0.0)
    counts: dict[str, tuple[float, float]] = {}

    def units(self, at: float) -> tuple[float, float]:
        """Return the worth of a ticket at *at* (hours since 1970) in the units of both counts."""
        gone = at - self.since
        if gone > RENEWED_HOURS:
            self._renew(at)
            gone = 0.0
        return 2.0 ** (gone / HALF_LIVES[0]), 2.0 ** (gone / HALF_LIVES[1])

    def add(self, lately: float, days: float, keys: list[str]) -> None:
        """Count a ticket with the values *keys*, with its worth in each unit."""
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
