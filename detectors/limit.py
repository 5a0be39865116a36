"""From the alert budget to the limit of one series: peaks over a low level of its own score.

A score says how rare a window is by the model; the model is not the world. Peaks above `LEVEL`
(clusters six hours apart) come at some rate nu and exceed it by beta on average; both are shrunk to
a prior and learned from the series itself, and the limit that is passed as often as the budget
allows is beta log(nu / allowed). Source: the peaks-over-threshold method (Davison and Smith 1990,
"Models for exceedances over high thresholds") with an exponential tail.
"""

import math
from typing import Final

import msgspec

LEVEL: Final = 0.0
"""By the model's own count passed by chance once a week."""
CLUSTER_HOURS: Final = 6.0
GUARD_HOURS: Final = 24.0
"""A peak teaches when it is a day old."""
WARM_UP_HOURS: Final = 336.0
"""Peaks of the first two weeks teach nothing: the baseline was still a guess."""
LEAST: Final = 1.0
PRIOR_PER_WEEK: Final = 4.0
PRIOR_WEEKS: Final = 6.0
PRIOR_EXCESS: Final = 1.7
PRIOR_PEAKS: Final = 12.0
MOST_EXCESSES: Final = 3.0
"""A peak teaches no more than so many mean excesses: a real incident is no false alarm."""


class Limit(msgspec.Struct, array_like=True):
    """The limit of one series. Times are hours since 1970.

    Example:
        >>> limit = Limit(0.0)
        >>> [round(limit.at(400.0, per_week), 2) for per_week in (1.0, 0.1)]
        [2.25, 6.17]
    """

    born: float
    peaks: float = 0.0
    excess: float = 0.0
    recent: list[tuple[float, float]] = []
    """Clusters that are not a day old: when they began, and their peak."""
    last: float = -1e9
    """When the score was last above the level."""

    def note(self, at: float, score: float) -> None:
        """*score* was seen *at*; it teaches later, if it was the peak of its cluster."""
        if score < LEVEL:
            return
        if self.recent and at - self.last <= CLUSTER_HOURS:
            began, peak = self.recent[-1]
            self.recent[-1] = (began, max(peak, score))
        else:
            self.recent.append((at, score))
        self.last = at

    def at(self, at: float, per_week: float) -> float:
        """The limit for *per_week* false pages a week; learns peaks that are old enough *at*."""
        while self.recent and self._is_old(at):
            began, peak = self.recent.pop(0)
            if began > self.born + WARM_UP_HOURS:
                self.excess += min(peak - LEVEL, MOST_EXCESSES * self._mean_excess())
                self.peaks += 1.0
        weeks = max(0.0, at - self.born - WARM_UP_HOURS) / 168.0
        rate = (self.peaks + PRIOR_PER_WEEK * PRIOR_WEEKS) / (weeks + PRIOR_WEEKS)
        return max(LEAST, self._mean_excess() * math.log(rate / per_week))

    def _is_old(self, at: float) -> bool:
        runs = len(self.recent) == 1 and at - self.last <= CLUSTER_HOURS
        return self.recent[0][0] < at - GUARD_HOURS and not runs

    def _mean_excess(self) -> float:
        return (self.excess + PRIOR_PEAKS * PRIOR_EXCESS) / (self.peaks + PRIOR_PEAKS)
