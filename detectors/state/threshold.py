"""The threshold of a series, computed from the alert budget and from the peaks of its own score.

A score says how rare a window is according to the model, and the model may be wrong. Peaks above
`LEVEL` (clusters at least six hours apart) occur at a rate nu and exceed the level by beta on
average. Both, and the shape xi of the tail, are learned from the series itself and shrunk towards
those of similar series (`ThresholdPool`), which in turn are shrunk towards a simulated table
(`detectors.state.threshold_priors`). The threshold that is crossed as often as the budget allows is

    beta log(nu / allowed)                           for an exponential tail
    beta (1 - xi) ((nu / allowed)^xi - 1) / xi       for a heavier tail

Source: the peaks-over-threshold method (Davison and Smith 1990, "Models for exceedances over high
thresholds") with a generalised Pareto tail.

Incidents cause the highest peaks, and they must not teach caution. Each peak therefore has a chance
that an incident caused it: its local false discovery rate (Efron 2004, "Large-scale simultaneous
hypothesis testing") subtracted from 1, from the density of the tail at its height and a broad
density of incidents. A peak is learned with the chance that no incident caused it as its weight.
What makes a series heavy-tailed is that it peaks often, so the number of incidents that a series
can have is bounded.

The learned tail may still be wrong for a series. A page raises the threshold by a step that is
weighted in the same way, grows with the height of the page, and fades at the rate of the allowed
pages (Gibbs and Candes 2021, "Adaptive conformal inference"; Angelopoulos, Candes and Tibshirani
2023, "Conformal PID control"). Because large raises fade faster than small ones, a series with a
very heavy tail can exceed its part of the budget; the account of the tenant (`overspent`) then
raises the thresholds of all its series.
"""

import math
from typing import Final, NamedTuple

import msgspec

from detectors.state.score_tail import LEVEL, ThresholdPool, density, quantile, shape_of, survival
from detectors.state.threshold_priors import Prior

CLUSTER_HOURS: Final = 6.0
GUARD_HOURS: Final = 24.0
"""Age at which a peak is learned."""
AFTERMATH_HOURS: Final = 24.0
"""Scores of this time after an episode are not recorded, because they belong to its aftermath."""
WARM_UP_HOURS: Final = 336.0
"""Warm-up: peaks of the first two weeks are not learned, because the baseline is still a guess."""
LEAST: Final = 0.5
OWN_WEEKS: Final = 8.0
"""Weeks of data after which the rate of a series has the same weight as that of its pool."""
OWN_PEAKS: Final = 10.0
MOST_EXCESSES: Final = 4.0
"""A peak is capped at this many mean excesses before it is learned. Peaks that reach the cap again
and again are not incidents, so each one doubles the cap."""
HALF_LIFE_WEEKS: Final = 26.0
"""Half-life of what a series has learned."""
MOST_WEEKS_AT_ONCE: Final = 1.0
"""The most weeks without a signal that are learned at once, because a long silence does not show
that a series is quiet."""
STEP: Final = 0.7
"""How much a false page raises the threshold at least, in mean excesses."""
OVERSHOOT_SHARE: Final = 0.5
"""How much a false page raises the threshold at least, as a share of the height above it."""
MOST_STEP: Final = 4.0
"""How much a false page raises the threshold at most, in mean excesses, because a great incident
that people call a false alarm must not silence its series."""
TENANT_STEP: Final = 0.35
"""How much each false page beyond the budget of the tenant raises the thresholds of all its series,
in mean excesses; unspent pages lower them by as much."""
INCIDENTS_PER_WEEK: Final = 0.02
"""Incidents of a series per week that are expected before there are data, spread over heights."""
INCIDENTS_PER_ALLOWED: Final = 0.5
"""At most this many incidents are expected per allowed page."""
FIRST_INCIDENTS: Final = 1.5
LATER_INCIDENTS: Final = 0.25
"""A series can have `FIRST_INCIDENTS`, and `LATER_INCIDENTS` more per week. Beyond that, its peaks
are increasingly those of a heavy tail."""


class ComputedThreshold(NamedTuple):
    """A threshold with its terms.

    `limit` is the sum of `reach`, `by_pages`, `by_tenant` and `by_verdicts`, but at least `LEAST`.
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
    """How much the pages of the series raise the threshold, as far as they may be false."""
    by_verdicts: float
    """How much verdicts raise the threshold."""
    by_tenant: float = 0.0
    """How much the false pages of the whole tenant beyond its budget raise the threshold; negative:
    how much unspent pages lower it."""


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
    incidents: float = 0.0
    """Effective number of peaks and pages that incidents caused."""
    quiet_until: float = 0.0
    """Scores before this time are not recorded."""

    def note(self, at: float, score: float) -> None:
        """Record a score; it is learned later if it is the peak of its cluster.

        Args:
            at: Hours since 1970.
            score: The score of a window.
        """
        if score < LEVEL or at < self.quiet_until:
            return
        if self.recent and at - self.last <= CLUSTER_HOURS:
            began, peak = self.recent[-1]
            self.recent[-1] = (began, max(peak, score))
        else:
            self.recent.append((at, score))
        self.last = at

    def drop(self, since: float, at: float) -> bool:
        """Drop the clusters that belong to an episode; `settle` learns its peak.

        Args:
            since: Start of the window that opened the episode, hours since 1970.
            at: Now, hours since 1970.

        Returns:
            Whether there was such a cluster.
        """
        before = len(self.recent)
        if self.recent and at - self.last <= CLUSTER_HOURS:
            self.recent.pop()
        self.recent = [cluster for cluster in self.recent if cluster[0] < since]
        if len(self.recent) == before:
            return False
        self.last = -1e9  # the remaining clusters have ended
        return True

    def mute(self, at: float) -> None:
        """Do not record the scores of the aftermath of an episode that ends now."""
        self.quiet_until = at + AFTERMATH_HOURS

    def settle(
        self,
        at: float,
        height: float,
        limit: float,
        per_week: float,
        pool: ThresholdPool,
        table: Prior,
        *,
        learns: bool = True,
    ) -> tuple[float, float]:
        """Learn the peak of an episode that ends now.

        The peak is learned with the chance that the page was false as its weight.

        Args:
            at: Now, hours since 1970.
            height: The highest score of the episode.
            limit: The threshold that it crossed.
            per_week: False pages per week that the budget allows the series.
            pool: The pool of the series, which learns too.
            table: The simulated prior of the pool.
            learns: Whether to learn the peak; False if it was learned before.

        Returns:
            The chance that the page was false, and the step by which a false page raises the
            threshold.
        """
        prior = pool.prior(table)
        excess = self.tail(prior).excess
        raised = max(limit - self._reach(per_week, prior), 0.0)
        belief = self._belief(height, raised, per_week, prior)
        if learns:
            self.incidents += belief
            if at > self.born + WARM_UP_HOURS:
                self._take(height - LEVEL, 1.0 - belief, pool, prior)
        step = max(STEP * excess, OVERSHOOT_SHARE * (height - limit))
        return 1.0 - belief, min(step, MOST_STEP * excess)

    def raise_by(self, at: float, amount: float, per_week: float) -> None:
        """Raise the threshold; the raise fades at the rate of the allowed pages.

        Args:
            at: Now, hours since 1970.
            amount: The raise; a negative one takes back an earlier one.
            per_week: False pages per week that the budget allows the series.
        """
        self.raised = max(0.0, self._raised_now(at, per_week) + amount)
        self.raised_at = at

    def elapse(
        self,
        at: float,
        per_week: float,
        pool: ThresholdPool,
        table: Prior,
        *,
        records: bool = True,
    ) -> None:
        """Learn from the time until now; time without peaks lowers the threshold.

        Args:
            at: Now, hours since 1970.
            per_week: False pages per week that the budget allows the series.
            pool: The pool of the series, which learns too.
            table: The simulated prior of the pool.
            records: Whether peaks are recorded now. If not, the time since the last call does not
                count as time without peaks.
        """
        if not records:
            self.counted = max(self.counted, at)
        self._learn(at, per_week, pool, pool.prior(table))

    def at(self, at: float, per_week: float, pool: ThresholdPool, table: Prior) -> float:
        """Learn the peaks that are old enough, then return the threshold.

        Args:
            at: Now, hours since 1970.
            per_week: False pages per week that the budget allows the series.
            pool: The pool of the series, which learns too.
            table: The simulated prior of the pool.
        """
        self._learn(at, per_week, pool, pool.prior(table))
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
        correction: float = 0.0,
        raised: float = 0.0,
        overspent: float = 0.0,
    ) -> ComputedThreshold:
        """Return the threshold with its terms, without learning.

        Args:
            at: Now, hours since 1970.
            per_week: False pages per week that the budget allows the series.
            pool: The pool of the series.
            table: The simulated prior of the pool.
            correction: How much verdicts change what pages have raised.
            raised: How much verdicts raise the threshold besides.
            overspent: False pages of the tenant beyond its budget; negative: unspent pages.
        """
        prior = pool.prior(table)
        rate, excess, shape = self.tail(prior)
        by_pages = max(0.0, self._raised_now(at, per_week) + correction)
        by_tenant = TENANT_STEP * overspent * excess
        reach = self._reach(per_week, prior)
        limit = max(LEAST, reach + by_pages + raised + by_tenant)
        return ComputedThreshold(
            limit, per_week, rate, excess, shape, reach, by_pages, raised, by_tenant
        )

    def expected(self, limit: float, pool: ThresholdPool, table: Prior) -> float:
        """Return the expected false pages per week at a threshold.

        Args:
            limit: The threshold.
            pool: The pool of the series.
            table: The simulated prior of the pool.
        """
        rate, excess, shape = self.tail(pool.prior(table))
        return rate * survival(limit - LEVEL, excess, shape)

    def tail(self, prior: Prior) -> Prior:
        """Return the tail of the series' score, shrunk towards a prior."""
        return Prior(
            (self.peaks + prior.per_week * OWN_WEEKS) / (self.weeks + OWN_WEEKS),
            (self.excess + prior.excess * OWN_PEAKS) / (self.peaks + OWN_PEAKS),
            shape_of(self.peaks, self.excess, self.squares, prior.shape),
        )

    def _raised_now(self, at: float, per_week: float) -> float:
        return self.raised * faded(self.raised_at, at, per_week)

    def _reach(self, per_week: float, prior: Prior) -> float:
        """Return the score that chance alone reaches as often as the budget allows."""
        rate, excess, shape = self.tail(prior)
        return quantile(rate / per_week, excess, shape)

    def _belief(self, height: float, raised: float, per_week: float, prior: Prior) -> float:
        """Return the chance that an incident caused a peak.

        Args:
            height: The score of the peak.
            raised: How far the threshold is above `_reach`. The tail is stretched accordingly,
                because a raised threshold shows that it is heavier than the learned one.
            per_week: False pages per week that the budget allows the series.
            prior: The prior of the series.
        """
        rate, excess, shape = self.tail(prior)
        stretch = 1.0 + raised / max(self._reach(per_week, prior), excess)
        false = rate * density((height - LEVEL) / stretch, excess, shape) / stretch
        true = min(INCIDENTS_PER_WEEK, INCIDENTS_PER_ALLOWED * per_week) / (1.0 + excess)
        possible = (FIRST_INCIDENTS + LATER_INCIDENTS * self.weeks) / (self.incidents + 1.0)
        return true / (true + false) * min(1.0, possible)

    def _learn(self, at: float, per_week: float, pool: ThresholdPool, prior: Prior) -> None:
        since = self.born + WARM_UP_HOURS
        if at <= since:
            self.recent = [peak for peak in self.recent if peak[0] > at - GUARD_HOURS]
            return
        weeks = (at - max(self.counted, since, self.quiet_until)) / 168.0
        if weeks > 0.0:
            weeks = min(weeks, MOST_WEEKS_AT_ONCE)
            fade = 0.5 ** (weeks / HALF_LIFE_WEEKS)
            self.weeks = self.weeks * fade + weeks
            self.peaks, self.excess = self.peaks * fade, self.excess * fade
            self.squares, self.incidents = self.squares * fade, self.incidents * fade
            pool.weeks += weeks
            self.counted = at
        while self.recent and self._is_old(at):
            began, peak = self.recent.pop(0)
            if began > since:
                self._learn_peak(at, peak, per_week, pool, prior)

    def _learn_peak(
        self, at: float, peak: float, per_week: float, pool: ThresholdPool, prior: Prior
    ) -> None:
        """Learn a peak that did not page."""
        belief = self._belief(peak, self._raised_now(at, per_week), per_week, prior)
        self.incidents += belief
        self._take(peak - LEVEL, 1.0 - belief, pool, prior)

    def _take(self, excess: float, weight: float, pool: ThresholdPool, prior: Prior) -> None:
        doublings = max(0.0, self.hits - 1.0)
        cap = float(self.tail(prior).excess * MOST_EXCESSES * 2.0**doublings)
        self.hits *= 0.97
        if excess > cap:
            self.hits += weight
            excess = cap
        self.peaks += weight
        self.excess += weight * excess
        self.squares += weight * excess * excess
        pool.take(excess, weight)

    def _is_old(self, at: float) -> bool:
        """Return whether the oldest cluster has ended and is old enough to be learned."""
        is_growing = len(self.recent) == 1 and at - self.last <= CLUSTER_HOURS
        return self.recent[0][0] < at - GUARD_HOURS and not is_growing


def faded(since: float, at: float, per_week: float) -> float:
    """Return the share of a raise that remains, 0 to 1.

    Args:
        since: When the threshold was raised, hours since 1970.
        at: Now, hours since 1970.
        per_week: False pages per week that the budget allows the series.
    """
    return math.exp(-per_week * max(0.0, at - since) / 168.0)
