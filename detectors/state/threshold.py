"""The threshold of a series, computed from the alert budget and from the peaks of its own score.

A score says how rare a window is according to the model, and the model may be wrong. Peaks above
`LEVEL` (clusters at least six hours apart) occur at a rate nu and exceed the level by beta on
average. Both are learned from the series itself and shrunk towards those of similar series
(`ThresholdPool`), which in turn are shrunk towards a simulated table
(`detectors.state.threshold_priors`). The threshold that is crossed as often as the budget allows is

    beta log(nu / allowed)                           for an exponential tail
    beta (1 - xi) ((nu / allowed)^xi - 1) / xi       for a heavier tail

Source: the peaks-over-threshold method (Davison and Smith 1990, "Models for exceedances over high
thresholds") with a generalised Pareto tail. Its shape xi is estimated by moments (Hosking and
Wallis 1987) and shrunk towards 0.

The learned tail may still be wrong for a series. Each page therefore raises the threshold by a step
that fades at the rate of the allowed pages (Gibbs and Candes 2021, "Adaptive conformal inference").
In the long run, a series cannot page more often than its part of the budget, whatever its tail.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from detectors.state.threshold_priors import Prior

LEVEL: Final = 0.0
"""The score above which peaks are learned; by the model, chance alone reaches it once a week."""
CLUSTER_HOURS: Final = 6.0
GUARD_HOURS: Final = 24.0
"""Age at which a peak is learned."""
WARM_UP_HOURS: Final = 336.0
"""Warm-up: peaks of the first two weeks are not learned, because the baseline is still a guess."""
LEAST: Final = 0.5
OWN_WEEKS: Final = 8.0
"""Weeks of data after which the rate of a series has the same weight as that of its pool."""
OWN_PEAKS: Final = 10.0
POOL_WEEKS: Final = 40.0
POOL_PEAKS: Final = 30.0
"""Peaks after which the mean excess of a pool has the same weight as that of the table."""
MOST_POOLED: Final = 400.0
SHAPE_PEAKS: Final = 30.0
"""Peaks after which the moments have the same weight as an exponential tail."""
MOST_SHAPE: Final = 0.4
LEAST_SHAPE: Final = 0.01
MOST_EXCESSES: Final = 4.0
"""A peak is capped at this many mean excesses before it is learned, because a real incident is not
a false alarm."""
HITS_PER_EXCESS: Final = 1.0
"""Peaks that reach the cap again and again are not incidents, so each one raises the cap by this
many mean excesses."""
HALF_LIFE_WEEKS: Final = 26.0
"""Half-life of what a series has learned."""
MOST_WEEKS_AT_ONCE: Final = 1.0
"""The most weeks without a signal that are learned at once, because a long silence does not show
that a series is quiet."""
STEP: Final = 0.7
"""How much a page raises the threshold, in mean excesses."""
MOST_RAISED: Final = 4.0


class ThresholdPool(msgspec.Struct, array_like=True):
    """The weeks, peaks and excess of all series of one tenant, kind and rate class."""

    weeks: float = 0.0
    peaks: float = 0.0
    excess: float = 0.0

    def take(self, excess: float) -> None:
        """Learn a peak; above `MOST_POOLED` peaks, all sums are halved so that old peaks fade."""
        self.peaks += 1.0
        self.excess += excess
        if self.peaks > MOST_POOLED:
            self.weeks, self.peaks, self.excess = (
                0.5 * self.weeks,
                0.5 * self.peaks,
                0.5 * self.excess,
            )

    def prior(self, table: Prior) -> Prior:
        """Return the prior of a series: the pool's tail, shrunk towards the table's."""
        return Prior(
            (self.peaks + table.per_week * POOL_WEEKS) / (self.weeks + POOL_WEEKS),
            (self.excess + table.excess * POOL_PEAKS) / (self.peaks + POOL_PEAKS),
        )


class ComputedThreshold(NamedTuple):
    """A threshold with its terms: `limit` is the sum of `reach`, `by_pages` and `by_verdicts`.

    It is at least `LEAST`.
    """

    limit: float
    allowed: float
    """False pages per week that the budget allows the series."""
    per_week: float
    """Peaks per week above `LEVEL`."""
    excess: float
    """Mean excess of the peaks over `LEVEL`."""
    shape: float
    """Shape of the tail; 0 is exponential."""
    reach: float
    """The score that chance alone reaches as often as the budget allows."""
    by_pages: float
    """How much the pages of the series raise the threshold, except pages confirmed as true."""
    by_verdicts: float
    """How much verdicts raise the threshold."""


class SeriesThreshold(msgspec.Struct, array_like=True):
    """The threshold of one series, with the peaks that it has learned.

    Times are in hours since 1970.

    Example:
        >>> limit, pool, table = SeriesThreshold(0.0), ThresholdPool(), Prior(1.0, 1.0)
        >>> [round(limit.at(400.0, per_week, pool, table), 2) for per_week in (0.1, 0.01)]
        [2.26, 4.55]
    """

    born: float
    counted: float = 0.0
    """The time up to which `weeks` is counted; 0: nothing is counted yet."""
    weeks: float = 0.0
    peaks: float = 0.0
    excess: float = 0.0
    squares: float = 0.0
    hits: float = 0.0
    """Effective number of peaks that were capped."""
    raised: float = 0.0
    """How much pages raised the threshold as of `raised_at`; it fades at the allowed rate."""
    raised_at: float = 0.0
    recent: list[tuple[float, float]] = []
    """Start and peak score of the clusters that are not learned yet."""
    last: float = -1e9
    """When the score was last at or above `LEVEL`."""

    def note(self, at: float, score: float) -> None:
        """Record a score; it is learned later if it is the peak of its cluster.

        Args:
            at: Hours since 1970.
            score: The score of a window.
        """
        if score < LEVEL:
            return
        if self.recent and at - self.last <= CLUSTER_HOURS:
            began, peak = self.recent[-1]
            self.recent[-1] = (began, max(peak, score))
        else:
            self.recent.append((at, score))
        self.last = at

    def elapse(self, at: float, pool: ThresholdPool, table: Prior) -> None:
        """Learn from the time until now; time without peaks lowers the threshold.

        Args:
            at: Now, hours since 1970.
            pool: The pool of the series, which learns too.
            table: The simulated prior of the pool.
        """
        self._learn(at, pool, pool.prior(table))

    def at(self, at: float, per_week: float, pool: ThresholdPool, table: Prior) -> float:
        """Learn the peaks that are old enough, then return the threshold.

        Args:
            at: Now, hours since 1970.
            per_week: False pages per week that the budget allows the series.
            pool: The pool of the series, which learns too.
            table: The simulated prior of the pool.
        """
        self._learn(at, pool, pool.prior(table))
        return self.now(at, per_week, pool, table)

    def now(self, at: float, per_week: float, pool: ThresholdPool, table: Prior) -> float:
        """Return the threshold without learning.

        Args:
            at: Now, hours since 1970.
            per_week: False pages per week that the budget allows the series.
            pool: The pool of the series.
            table: The simulated prior of the pool.
        """
        return self.reckon(at, per_week, pool, table).limit

    def reckon(
        self,
        at: float,
        per_week: float,
        pool: ThresholdPool,
        table: Prior,
        confirmed: Sequence[float] = (),
        raised: float = 0.0,
    ) -> ComputedThreshold:
        """Return the threshold with its terms, without learning.

        Args:
            at: Now, hours since 1970.
            per_week: False pages per week that the budget allows the series.
            pool: The pool of the series.
            table: The simulated prior of the pool.
            confirmed: Times of the series' true pages, hours since 1970. The remaining parts of
                their steps are subtracted.
            raised: How much verdicts raise the threshold.
        """
        rate, excess = self.tail(pool.prior(table))
        fades = excess * STEP * per_week / 168.0
        by_pages = max(0.0, self.raised - fades * max(0.0, at - self.raised_at))
        for page in confirmed:
            by_pages -= max(0.0, STEP * excess - fades * (at - page))
        by_pages = max(0.0, by_pages)
        reach = self._reach(rate / per_week, excess)
        limit = max(LEAST, reach + by_pages + raised)
        return ComputedThreshold(
            limit, per_week, rate, excess, self._shape(), reach, by_pages, raised
        )

    def expected(self, limit: float, pool: ThresholdPool, table: Prior) -> float:
        """Return the expected false pages per week at a threshold.

        Args:
            limit: The threshold.
            pool: The pool of the series.
            table: The simulated prior of the pool.
        """
        rate, excess = self.tail(pool.prior(table))
        shape, above = self._shape(), max(0.0, limit - LEVEL)
        if shape <= LEAST_SHAPE:
            return rate * math.exp(-above / excess)
        return rate * float((1.0 + shape * above / (excess * (1.0 - shape))) ** (-1.0 / shape))

    def paged(self, at: float, per_week: float, pool: ThresholdPool, table: Prior) -> None:
        """Raise the threshold after a page; the raise fades at the rate of the allowed pages.

        Args:
            at: When the series paged, hours since 1970.
            per_week: False pages per week that the budget allows the series.
            pool: The pool of the series.
            table: The simulated prior of the pool.
        """
        _, excess = self.tail(pool.prior(table))
        fading = excess * STEP * per_week * max(0.0, at - self.raised_at) / 168.0
        self.raised = min(max(0.0, self.raised - fading) + STEP * excess, MOST_RAISED * excess)
        self.raised_at = at

    def tail(self, prior: Prior) -> tuple[float, float]:
        """Return the peaks per week and their mean excess, both shrunk towards a prior."""
        rate = (self.peaks + prior.per_week * OWN_WEEKS) / (self.weeks + OWN_WEEKS)
        excess = (self.excess + prior.excess * OWN_PEAKS) / (self.peaks + OWN_PEAKS)
        return rate, excess

    def _shape(self) -> float:
        """Estimate the shape of the generalised Pareto tail by moments; 0 is exponential."""
        if self.peaks <= 3.0:
            return 0.0
        mean = self.excess / self.peaks
        spread = max(self.squares / self.peaks - mean * mean, 1e-9)
        shape = 0.5 * (1.0 - mean * mean / spread) * self.peaks / (self.peaks + SHAPE_PEAKS)
        return min(shape, MOST_SHAPE)

    def _reach(self, odds: float, excess: float) -> float:
        """Return the upper 1 / odds quantile of the excess of a peak."""
        if odds <= 1.0:
            return 0.0
        shape = self._shape()
        if shape <= LEAST_SHAPE:
            return excess * math.log(odds)
        return excess * (1.0 - shape) * float(odds**shape - 1.0) / shape

    def _learn(self, at: float, pool: ThresholdPool, prior: Prior) -> None:
        since = self.born + WARM_UP_HOURS
        if at <= since:
            self.recent = [peak for peak in self.recent if peak[0] > at - GUARD_HOURS]
            return
        weeks = (at - max(self.counted, since)) / 168.0
        if weeks > 0.0:
            weeks = min(weeks, MOST_WEEKS_AT_ONCE)
            fade = 0.5 ** (weeks / HALF_LIFE_WEEKS)
            self.weeks = self.weeks * fade + weeks
            self.peaks, self.excess = self.peaks * fade, self.excess * fade
            self.squares *= fade
            pool.weeks += weeks
            self.counted = at
        while self.recent and self._is_old(at):
            began, peak = self.recent.pop(0)
            if began > since:
                self._take(peak - LEVEL, pool, prior)

    def _take(self, excess: float, pool: ThresholdPool, prior: Prior) -> None:
        cap = self.tail(prior)[1] * (MOST_EXCESSES + HITS_PER_EXCESS * max(0.0, self.hits - 1.0))
        self.hits *= 0.97
        if excess > cap:
            self.hits += 1.0
            excess = cap
        self.peaks += 1.0
        self.excess += excess
        self.squares += excess * excess
        pool.take(excess)

    def _is_old(self, at: float) -> bool:
        """Return whether the oldest cluster has ended and is old enough to be learned."""
        is_growing = len(self.recent) == 1 and at - self.last <= CLUSTER_HOURS
        return self.recent[0][0] < at - GUARD_HOURS and not is_growing
