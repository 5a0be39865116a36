"""The shares of values among all tickets of a tenant, over hours and over days."""

from typing import Final, NamedTuple

import msgspec

MOST_SHARES: Final = 200
HALF_LIVES: Final = (8.0, 72.0)
"""Half-lives of the short-term and the long-term counts, in hours."""
RENEWED_HOURS: Final = 96.0
MOST_USUAL: Final = 0.98


class Usual(NamedTuple):
    """The usual share of a value."""

    share: float
    """Share of the tickets, above 0 and at most `MOST_USUAL`."""
    variance: float
    """Relative variance of the share, due to uncertainty and clumping."""


class Shares(msgspec.Struct, array_like=True):
    """How the tickets of a tenant are distributed over values, over hours and over days.

    A change in all areas is not an incident: a version is rolled out or retired, or the working day
    begins in a region. The counts decay with `HALF_LIVES`. Instead of reducing all counts, a ticket
    adds more the later it arrives (Cormode et al. 2009, "Forward decay"), so that it changes only
    the counts of its own values.
    """

    since: float = 0.0
    """The time at which a ticket adds 1, hours since 1970."""
    total: tuple[float, float] = (0.0, 0.0)
    counts: dict[str, tuple[float, float]] = {}

    def units(self, at: float) -> tuple[float, float]:
        """Return what a ticket adds to the short-term and the long-term counts.

        Args:
            at: Time of the ticket, hours since 1970.
        """
        elapsed = at - self.since
        if elapsed > RENEWED_HOURS:
            self._renew(at)
            elapsed = 0.0
        return 2.0 ** (elapsed / HALF_LIVES[0]), 2.0 ** (elapsed / HALF_LIVES[1])

    def add(self, lately: float, days: float, keys: list[str]) -> None:
        """Count a ticket.

        Args:
            lately: What it adds to the short-term counts; see `units`.
            days: What it adds to the long-term counts; see `units`.
            keys: The keys of its values.
        """
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
