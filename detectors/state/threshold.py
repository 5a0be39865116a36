"""From the alert budget to the limit of one series: peaks over a low level of its own score.

A score says how rare a window is by the model; the model is not the world. Peaks above `LEVEL`
(clusters six hours apart) come at some rate nu and exceed it by beta on average. Both are learned
from the series itself, shrunk to what series like it have shown (`ThresholdPool`), which in turn
is shrunk to a table simulated beforehand (`detectors.state.threshold_priors`). The limit that is
passed as often as the budget allows is

    beta log(nu / allowed)               or, where the tail is heavier than exponential,
    beta (1 - xi) ((nu / allowed)^xi - 1) / xi

Source: the peaks-over-threshold method (Davison and Smith 1990, "Models for exceedances over high
thresholds") with a generalised Pareto tail whose shape xi comes from the moments (Hosking and
Wallis 1987), shrunk to 0.

What was learned may still be wrong for a series. So each page raises its limit by a step that fades
as fast as pages are allowed (Gibbs and Candes 2021, "Adaptive conformal inference"): in the long
run a series cannot spend more than its part, whatever its tail.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from detectors.state.threshold_priors import Prior

LEVEL: Final = 0.0
"""By the model's own count passed by chance once a week."""
CLUSTER_HOURS: Final = 6.0
GUARD_HOURS: Final = 24.0
"""A peak teaches when it is a day old."""
WARM_UP_HOURS: Final = 336.0
"""Peaks of the first two weeks teach nothing: the baseline was still a guess."""
LEAST: Final = 0.5
OWN_WEEKS: Final = 8.0
"""How many weeks of its own it takes for a series to count as much as its pool."""
OWN_PEAKS: Final = 10.0
POOL_WEEKS: Final = 40.0
POOL_PEAKS: Final = 30.0
"""The same of a pool against the table."""
MOST_POOLED: Final = 400.0
SHAPE_PEAKS: Final = 30.0
"""How many peaks it takes for the moments to count as much as an exponential tail."""
MOST_SHAPE: Final = 0.4
LEAST_SHAPE: Final = 0.01
MOST_EXCESSES: Final = 4.0
"""A peak teaches no more than so many mean excesses: a real incident is no false alarm ..."""
HITS_PER_EXCESS: Final = 1.0
"""... but peaks that keep hitting that cap are no incidents: each hit raises it by as much."""
HALF_LIFE_WEEKS: Final = 26.0
"""Of what a series has shown."""
MOST_WEEKS_AT_ONCE: Final = 1.0
"""A silence of years is no proof of health."""
STEP: Final = 0.7
"""By how much a page raises the limit, in mean excesses."""
MOST_RAISED: Final = 4.0


class ThresholdPool(msgspec.Struct, array_like=True):
    """What the series of one tenant and class have shown together, faded."""

    weeks: float = 0.0
    peaks: float = 0.0
    excess: float = 0.0

    def take(self, excess: float) -> None:
        """One of them had a peak; beyond `MOST_POOLED` the older ones fade."""
        self.peaks += 1.0
        self.excess += excess
        if self.peaks > MOST_POOLED:
            self.weeks, self.peaks, self.excess = (
                0.5 * self.weeks,
                0.5 * self.peaks,
                0.5 * self.excess,
            )

    def prior(self, table: Prior) -> Prior:
        """What is expected of a series of this class: *table* and what was seen."""
        return Prior(
            (self.peaks + table.per_week * POOL_WEEKS) / (self.weeks + POOL_WEEKS),
            (self.excess + table.excess * POOL_PEAKS) / (self.peaks + POOL_PEAKS),
        )


class ComputedThreshold(NamedTuple):
    """How a limit comes about: ``limit`` is the sum of what follows ``shape``, `LEAST` at least."""

    limit: float
    allowed: float
    """False pages a week that the series may spend."""
    per_week: float
    """Peaks a week above `LEVEL`."""
    excess: float
    """By how much they exceed it on average."""
    shape: float
    """Of the tail; 0 is exponential."""
    reach: float
    """What is passed as often as allowed."""
    by_pages: float
    """By how much its pages have raised it, less those that people confirmed."""
    by_verdicts: float
    """And verdicts."""


class SeriesThreshold(msgspec.Struct, array_like=True):
    """The limit of one series. Times are hours since 1970.

    Example:
        >>> limit, pool, table = SeriesThreshold(0.0), ThresholdPool(), Prior(1.0, 1.0)
        >>> [round(limit.at(400.0, per_week, pool, table), 2) for per_week in (0.1, 0.01)]
        [2.26, 4.55]
    """

    born: float
    counted: float = 0.0
    """Until when its time is in `weeks`; 0: not at all."""
    weeks: float = 0.0
    peaks: float = 0.0
    excess: float = 0.0
    squares: float = 0.0
    hits: float = 0.0
    """Peaks that were capped, faded."""
    raised: float = 0.0
    """By how much pages have raised it, as of `raised_at`; fades at the rate that is allowed."""
    raised_at: float = 0.0
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

    def elapse(self, at: float, pool: ThresholdPool, table: Prior) -> None:
        """Time has come to *at*: quiet weeks teach as well."""
        self._learn(at, pool, pool.prior(table))

    def at(self, at: float, per_week: float, pool: ThresholdPool, table: Prior) -> float:
        """The limit for *per_week* false pages a week; learns what is old enough *at*.

        Args:
            at: Hours since 1970.
            per_week: Pages a week that this series may spend.
            pool: Of its class; learns with it.
            table: What the class is expected to show.
        """
        self._learn(at, pool, pool.prior(table))
        return self.now(at, per_week, pool, table)

    def now(self, at: float, per_week: float, pool: ThresholdPool, table: Prior) -> float:
        """The same as far as was learned already; changes nothing."""
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
        """The same, and how it comes about; changes nothing.

        Args:
            at: Hours since 1970.
            per_week: Pages a week that this series may spend.
            pool: Of its class.
            table: What the class is expected to show.
            confirmed: When pages of this series went out (hours) that were true: what is left of
                their steps is taken off again.
            raised: By verdicts.
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
        """Pages a week by chance at *limit*, by all that was learned."""
        rate, excess = self.tail(pool.prior(table))
        shape, over = self._shape(), max(0.0, limit - LEVEL)
        if shape <= LEAST_SHAPE:
            return rate * math.exp(-over / excess)
        return rate * float((1.0 + shape * over / (excess * (1.0 - shape))) ** (-1.0 / shape))

    def paged(self, at: float, per_week: float, pool: ThresholdPool, table: Prior) -> None:
        """A page went out *at*: the limit rises, and falls again at the rate that is allowed."""
        _, excess = self.tail(pool.prior(table))
        fading = excess * STEP * per_week * max(0.0, at - self.raised_at) / 168.0
        self.raised = min(max(0.0, self.raised - fading) + STEP * excess, MOST_RAISED * excess)
        self.raised_at = at

    def tail(self, prior: Prior) -> tuple[float, float]:
        """Peaks a week, and their mean excess."""
        rate = (self.peaks + prior.per_week * OWN_WEEKS) / (self.weeks + OWN_WEEKS)
        excess = (self.excess + prior.excess * OWN_PEAKS) / (self.peaks + OWN_PEAKS)
        return rate, excess

    def _shape(self) -> float:
        """Of the generalised Pareto tail, by its moments; 0 is exponential."""
        if self.peaks <= 3.0:
            return 0.0
        mean = self.excess / self.peaks
        spread = max(self.squares / self.peaks - mean * mean, 1e-9)
        shape = 0.5 * (1.0 - mean * mean / spread) * self.peaks / (self.peaks + SHAPE_PEAKS)
        return min(shape, MOST_SHAPE)

    def _reach(self, odds: float, excess: float) -> float:
        """The excess that is passed once in *odds* peaks."""
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
