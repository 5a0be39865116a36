"""The threshold of one series, from the alert budget: peaks over a low level of its own score.

A score says how rare a window is according to the model, but the model is not the world. Peaks
above `LEVEL` (clusters six hours apart) occur at some rate nu and exceed it by beta on average.
Both are learned from the series itself, shrunk towards what similar series have shown
(`ThresholdPool`), which in turn is shrunk towards a simulated table
(`detectors.state.threshold_priors`). The threshold that is passed as often as the budget allows is

    beta log(nu / allowed)               or, where the tail is heavier than exponential, beta (1 -
    xi) ((nu / allowed)^xi - 1) / xi

Source: the peaks-over-threshold method (Davison and Smith 1990, "Models for exceedances over high
thresholds") with a generalised Pareto tail whose shape xi comes from the moments (Hosking and
Wallis 1987), shrunk towards 0.

What was learned may still be wrong for a series. So each page raises its threshold by a step that
fades as fast as pages are allowed (Gibbs and Candes 2021, "Adaptive conformal inference"): in the
long run a series cannot spend more than its part of the budget, whatever its tail.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from detectors.state.threshold_priors import Prior

LEVEL: Final = 0.0
"""Chance passes this score once a week, by the model's own count."""
CLUSTER_HOURS: Final = 6.0
GUARD_HOURS: Final = 24.0
"""The threshold learns a peak once it is a day old."""
WARM_UP_HOURS: Final = 336.0
"""Peaks of the first two weeks are not learned, because the baseline was still a guess."""
LEAST: Final = 0.5
OWN_WEEKS: Final = 8.0
"""Weeks of its own after which a series counts as much as its pool."""
OWN_PEAKS: Final = 10.0
POOL_WEEKS: Final = 40.0
POOL_PEAKS: Final = 30.0
"""Peaks after which a pool counts as much as the table."""
MOST_POOLED: Final = 400.0
SHAPE_PEAKS: Final = 30.0
"""Peaks after which the moments count as much as an exponential tail."""
MOST_SHAPE: Final = 0.4
LEAST_SHAPE: Final = 0.01
MOST_EXCESSES: Final = 4.0
"""A peak is learned as at most this many mean excesses, because a real incident is not a false
alarm."""
HITS_PER_EXCESS: Final = 1.0
"""Peaks that keep hitting that cap are not incidents: each hit raises the cap by this much."""
HALF_LIFE_WEEKS: Final = 26.0
"""Half-life of what a series has learned."""
MOST_WEEKS_AT_ONCE: Final = 1.0
"""The most weeks of silence that are learned at once, because years of silence do not prove
health."""
STEP: Final = 0.7
"""How much a page raises the threshold, in mean excesses."""
MOST_RAISED: Final = 4.0


class ThresholdPool(msgspec.Struct, array_like=True):
    """What the series of one tenant and one rate class have shown together, fading with age."""

    weeks: float = 0.0
    peaks: float = 0.0
    excess: float = 0.0

    def take(self, excess: float) -> None:
        """Learn the peak of one of the series; beyond `MOST_POOLED` peaks the older ones fade."""
        self.peaks += 1.0
        self.excess += excess
        if self.peaks > MOST_POOLED:
            self.weeks, self.peaks, self.excess = (
                0.5 * self.weeks,
                0.5 * self.peaks,
                0.5 * self.excess,
            )

    def prior(self, table: Prior) -> Prior:
        """Return what is expected of a series of this class, from *table* and what was seen."""
        return Prior(
            (self.peaks + table.per_week * POOL_WEEKS) / (self.weeks + POOL_WEEKS),
            (self.excess + table.excess * POOL_PEAKS) / (self.peaks + POOL_PEAKS),
        )


class ComputedThreshold(NamedTuple):
    """A threshold with terms: ``limit`` is the sum of those after ``shape``, `LEAST` at least."""

    limit: float
    allowed: float
    """False pages per week that the series may spend."""
    per_week: float
    """Peaks per week above `LEVEL`."""
    excess: float
    """Their mean excess over `LEVEL`."""
    shape: float
    """Shape of the tail; 0 is exponential."""
    reach: float
    """The score that is passed as often as allowed."""
    by_pages: float
    """How much its pages have raised it, without those that people confirmed."""
    by_verdicts: float
    """How much verdicts have raised it."""


class SeriesThreshold(msgspec.Struct, array_like=True):
    """The threshold of one series. Times are in hours since 1970.

    Example:
        >>> limit, pool, table = SeriesThreshold(0.0), ThresholdPool(), Prior(1.0, 1.0)
        >>> [round(limit.at(400.0, per_week, pool, table), 2) for per_week in (0.1, 0.01)]
        [2.26, 4.55]
    """

    born: float
    counted: float = 0.0
    """The time up to which `weeks` is counted; 0: not at all."""
    weeks: float = 0.0
    peaks: float = 0.0
    excess: float = 0.0
    squares: float = 0.0
    hits: float = 0.0
    """Effective number of peaks that were capped."""
    raised: float = 0.0
    """How much pages have raised it, as of `raised_at`; fades at the rate that is allowed."""
    raised_at: float = 0.0
    recent: list[tuple[float, float]] = []
    """Start and peak of the clusters that are less than a day old."""
    last: float = -1e9
    """When the score was last above the level."""

    def note(self, at: float, score: float) -> None:
        """Record a score; it is learned later if it is the peak of its cluster."""
        if score < LEVEL:
            return
        if self.recent and at - self.last <= CLUSTER_HOURS:
            began, peak = self.recent[-1]
            self.recent[-1] = (began, max(peak, score))
        else:
            self.recent.append((at, score))
        self.last = at

    def elapse(self, at: float, pool: ThresholdPool, table: Prior) -> None:
        """Learn the time until *at*: quiet weeks lower the threshold."""
        self._learn(at, pool, pool.prior(table))

    def at(self, at: float, per_week: float, pool: ThresholdPool, table: Prior) -> float:
        """Return the threshold for a number of false pages per week, and learn what is old enough.

        Args:
            at: Hours since 1970.
            per_week: False pages per week that this series may spend.
            pool: The pool of its class; learns with it.
            table: What the class is expected to show.
        """
        self._learn(at, pool, pool.prior(table))
        return self.now(at, per_week, pool, table)

    def now(self, at: float, per_week: float, pool: ThresholdPool, table: Prior) -> float:
        """Return the same as `at` without learning anything."""
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
        """Return the threshold with its terms; changes nothing.

        Args:
            at: Hours since 1970.
            per_week: False pages per week that this series may spend.
            pool: The pool of its class.
            table: What the class is expected to show.
            confirmed: Times of the true pages of this series, hours since 1970: what is left of
                their steps is taken off again.
            raised: How much verdicts raise it.
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
        """Return the pages per week that chance brings at *limit*, by all that was learned."""
        rate, excess = self.tail(pool.prior(table))
        shape, over = self._shape(), max(0.0, limit - LEVEL)
        if shape <= LEAST_SHAPE:
            return rate * math.exp(-over / excess)
        return rate * float((1.0 + shape * over / (excess * (1.0 - shape))) ** (-1.0 / shape))

    def paged(self, at: float, per_week: float, pool: ThresholdPool, table: Prior) -> None:
        """Raise the threshold because of a page; it falls again at the rate that is allowed."""
        _, excess = self.tail(pool.prior(table))
        fading = excess * STEP * per_week * max(0.0, at - self.raised_at) / 168.0
        self.raised = min(max(0.0, self.raised - fading) + STEP * excess, MOST_RAISED * excess)
        self.raised_at = at

    def tail(self, prior: Prior) -> tuple[float, float]:
        """Return the peaks per week and their mean excess."""
        rate = (self.peaks + prior.per_week * OWN_WEEKS) / (self.weeks + OWN_WEEKS)
        excess = (self.excess + prior.excess * OWN_PEAKS) / (self.peaks + OWN_PEAKS)
        return rate, excess

    def _shape(self) -> float:
        """Return the shape of the generalised Pareto tail by its moments; 0 is exponential."""
        if self.peaks <= 3.0:
            return 0.0
        mean = self.excess / self.peaks
        spread = max(self.squares / self.peaks - mean * mean, 1e-9)
        shape = 0.5 * (1.0 - mean * mean / spread) * self.peaks / (self.peaks + SHAPE_PEAKS)
        return min(shape, MOST_SHAPE)

    def _reach(self, odds: float, excess: float) -> float:
        """Return the excess that is passed once in *odds* peaks."""
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
        gone = (at - max(self.counted, since)) / 168.0
        if gone > 0.0:
            gone = min(gone, MOST_WEEKS_AT_ONCE)
            fade = 0.5 ** (gone / HALF_LIFE_WEEKS)
            self.weeks = self.weeks * fade + gone
            self.peaks, self.excess = self.peaks * fade, self.excess * fade
            self.squares *= fade
            pool.weeks += gone
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
        runs = len(self.recent) == 1 and at - self.last <= CLUSTER_HOURS
        return self.recent[0][0] < at - GUARD_HOURS and not runs
