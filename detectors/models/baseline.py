# whole: the numbers of one expectation are learned together
"""The baseline of a series: its rate by hour of the week, and its dispersion.

    rate(hour) = level x the tenant's hour-of-week profile
                       x own profile (hour of a weekday or weekend day)
                       x own hour-of-week profile
                       x factors of announced events

Each profile factor is a gamma-shrunk ratio (n + k) / (e + k) of observed to expected tickets, so a
young series starts with the tenant's profile and develops its own. An hour has weight 1 / (1 +
dispersion x mean): a hundred tickets in one noisy hour count as 1 / dispersion tickets, not as a
hundred. A day is learned as a whole once it is a day old. Its hours are winsorised at four standard
deviations, so that a spike does not raise its own threshold. Skipping the spike instead would
censor one side of the distribution and bias the level downwards.

Dispersion has two scales, both estimated from clipped moments: from hour to hour (it averages out
over several hours) and from day to day (releases, weather; it does not average out within a day).

Learning day by day, in arrays, makes quiet series very cheap, and the expected count up to any
moment takes one addition.
"""

import math
from array import array
from typing import Final

import msgspec
import numpy as np

from detectors.foundation.calendar import SLOTS, day_factors, is_masked
from detectors.foundation.local_days import Day, day_of
from detectors.foundation.state_codec import Floats
from detectors.models.day_totals import Totals
from detectors.models.seasonal_profile import (
    FADES,
    SEASON_DECAY,
    Context,
    Profile,
    Row,
    view,
    zeros,
    zone,
)

__all__ = ["Baseline", "Context", "Profile"]

YOUNG_HOURS: Final = 336
"""Below this age, a day is learned as soon as it ends, because learning early helps a young series
more than a spike can harm it."""
NEWBORN_HOURS: Final = 72
"""Below this age, an hour is learned as soon as it ends."""
LONGEST_HOLD_HOURS: Final = 120
"""Tickets of a slow rise that may be an incident are learned after at most this time."""
LONGEST_GAP_HOURS: Final = 1_344
"""The longest silence that is learned: eight weeks."""
MOST_GAPS: Final = 16
"""The most feed gaps and incidents that wait to be left out."""
LATE_DEVIATIONS: Final = 4.0
"""On each day, late tickets for learned hours are learned up to the expected count of a day plus
this many standard deviations."""
DAY_CLIP: Final = 2.25
"""A day's squared deviation is clipped at this many variances, because holidays, incidents and
quiet weeks are not the noise of ordinary days."""
DAY_CLIP_KEEPS: Final = 0.778
"""Share of the variance of a normal distribution that remains after the clipping."""
LEAST_DISPERSION: Final = 0.003
LEAST_RATE: Final = 1e-4
"""The lowest expected rate, in customer-equivalents per hour."""

_HOUR_FADE: Final = 0.999
_DAY_FADE: Final = 0.98
"""Decay of the dispersions per hour and per day: time constants of six and seven weeks."""
_OWN_DAY: Final = 3.0
_OWN_WEEK: Final = 50.0
QUIET_SHARE: Final = 0.85
"""The level never falls below this share of its long-term average (half-life five weeks)."""
_LONG_DECAY: Final = 0.5 ** (1 / 840)
SPARSE_RATE: Final = 0.25
"""Customer-equivalents per hour below which a series uses the tenant's profile without a profile of
its own."""
LEVEL_TICKETS: Final = 200.0
"""The half-life of a level is long enough for this many tickets, but at most eight weeks."""
_LEAST_IGNORANCE: Final = 0.005
AREA_IGNORANCE: Final = 0.2
"""Relative variance of the rate of a new series, because its own season is unknown; it fades within
weeks."""
SEASON_IGNORANCE: Final = 0.6
"""Relative variance of the rate of an hour whose season no day has shown yet; it also fades within
weeks."""
DAYS_PER_DOUBT: Final = 4.0
"""How quickly days reduce `SEASON_IGNORANCE`: one day to a fifth, two days to a ninth."""
_GROWN_HOURS: Final = 2_016
"""From this age, twelve weeks, a series has no additional uncertainty."""


class Baseline(msgspec.Struct, array_like=True):
    """Rate and dispersion of one series. Hours are counted from 1970 UTC.

    Call `advance` to move to an hour, then read `rate`, and call `add` for each ticket. `advance`
    learns the days that have become old enough.

    Array shapes: `rates` has one entry for each of the 23 to 25 hours of the local day;
    `day_observed` and `day_expected` have 48, the hours of a weekday and of a weekend day;
    `week_observed` and `week_expected` have 168, the hours of the week from Monday 0:00 local time.
    """

    born: int
    """The first hour."""
    hour: int
    """The current hour."""
    learned: int
    """All hours before this one are learned; the counts of later hours are in `pending`."""
    start: int = 0
    """The first hour of the current local day, and of `rates`."""
    rates: Floats = msgspec.field(default_factory=lambda: zeros(0))
    """Expected customer-equivalents per hour, for the hours of the current local day."""
    expected_before: float = 0.0
    """Customer-equivalents expected from `born` to `start`."""
    squares_before: float = 0.0
    """Sum of the squared hourly rates from `born` to `start`, for the variance of windows."""
    observed: float = 0.3
    """Effective number of customer-equivalents that the level (`observed` / `expected`) is based
    on. The level starts at one per hour, with little weight."""
    expected: float = 0.3
    long_observed: float = 0.3
    """Like `observed` with a longer memory, because a quiet week is not a new normal."""
    long_expected: float = 0.3
    day_observed: Floats = msgspec.field(default_factory=lambda: zeros(48))
    day_expected: Floats = msgspec.field(default_factory=lambda: zeros(48))
    week_observed: Floats = msgspec.field(default_factory=lambda: zeros(SLOTS))
    week_expected: Floats = msgspec.field(default_factory=lambda: zeros(SLOTS))
    pending: dict[int, float] = {}
    hour_moment: float = 20.0
    hour_weight: float = 400.0
    day_moment: float = 8.0
    day_weight: float = 400.0
    day_so_far: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Observed count, expected count and sum of squared expectations of the day that is being
    learned."""
    today_observed: float = 0.0
    """Observed count of today's past hours, each hour bounded and weighted by its information."""
    today_hour: int = 0
    """The first hour that is not included in `today_observed`."""
    late: float = 0.0
    """Customer-equivalents that arrived today for hours that were already learned."""
    hour_dispersion: float = 0.05
    day_dispersion: float = 0.02
    ignorance: float = 5.0
    """Relative variance due to uncertainty about the rate."""
    gaps: list[tuple[int, int]] = []
    """Start and end (exclusive) of the hours of feed gaps and incidents; these hours are not
    learned."""
    held_since: int = -1
    """The first hour of an episode that is running; no hour from this one on is learned. -1: none.
    """

    @classmethod
    def starting(cls, hour: int, context: Context) -> "Baseline":
        """Return the baseline of a new series, given its first hour."""
        self = cls(born=hour, hour=hour, learned=hour, today_hour=hour)
        self._expect(day_of(hour, *zone(context)), context)
        return self

    def add(self, hour: int, weight: float) -> bool:
        """Count customer-equivalents in an hour.

        Returns:
            Whether they were counted: False if the hour is already learned or is before the first
            hour of the series.
        """
        if hour < self.learned:
            return False
        self.pending[hour] = max(0.0, self.pending.get(hour, 0.0) + weight)
        return True

    def learn_late(
        self, hour: int, weight: float, context: Context, *, bounded: bool = False
    ) -> bool:
        """Learn from a late ticket of an hour that is already learned.

        Args:
            hour: When the ticket was created, hours since 1970.
            weight: Customer-equivalents of the ticket.
            context: The context of the series.
            bounded: Whether to limit how much is learned from late tickets per day.

        Returns:
            Whether the ticket was accepted: False if its hour is before the first hour of the
            series.
        """
        if hour < self.born:
            return False
        expected = sum(self.rates)
        if bounded and self.late + weight > expected + LATE_DEVIATIONS * math.sqrt(expected + 1.0):
            return True  # too many old tickets today: this one is accepted but not learned
        self.late += weight
        day = day_of(hour, *zone(context))
        slot = int(day.slots[hour - day.start])
        level = max(self.observed / self.expected, LEAST_RATE)
        age = self.learned - hour
        self.observed += weight * self._level_decay() ** age / (1.0 + self.hour_dispersion * level)
        self.week_observed[slot] += weight * SEASON_DECAY ** (age / SLOTS)
        return True

    @property
    def rate(self) -> float:
        """Expected customer-equivalents in the current hour."""
        return self.rates[self.hour - self.start]

    def rate_at(self, hour: int) -> float:
        """Return the expected rate of an hour; for other days, the rate of the same hour today."""
        return self.rates[(hour - self.start) % len(self.rates)]

    def expected_between(self, begin: int, end: int, context: Context) -> float:
        """Return the customer-equivalents expected in a range of hours, at most a week.

        The end is exclusive.
        """
        total, level = 0.0, self.observed / self.expected
        end = min(end, begin + SLOTS)
        while begin < end:
            day = day_of(begin, *zone(context))
            season = self._season(day, context)
            until = min(end, day.end)
            total += level * float(season[begin - day.start : until - day.start].sum())
            begin = until
        return total

    def advance(self, hour: int, context: Context, suspect: int | None = None) -> bool:
        """Move to an hour: learn days that are old enough and compute the rates of the current day.

        Args:
            hour: Hours since 1970.
            context: The context of the series.
            suspect: First hour of a slow rise that may be an incident. Its tickets are learned at
                most `LONGEST_HOLD_HOURS` later, so that they do not raise the threshold for the
                incident itself. None: there is no such rise.

        Returns:
            Whether the rates of the day were recomputed.
        """
        before = self.rates
        if hour - self.hour > LONGEST_GAP_HOURS:
            self._skip_to(hour - LONGEST_GAP_HOURS, context)
        while hour >= self.start + len(self.rates):
            self._enter_day(context, suspect)
        if hour > self.hour:
            self.hour = hour
            if hour - self.born <= NEWBORN_HOURS:
                self._learn_until(hour, context)
                self._expect(day_of(hour, *zone(context)), context)
            elif hour - context.tenant_born < _GROWN_HOURS:
                self._judge_ignorance(context)
        return self.rates is not before

    def totals(self) -> Totals:
        """Return the running totals over the hours of the current day."""
        return Totals(self.rates, self.expected_before, self.squares_before, self.hour_dispersion)

    def today_so_far(self, totals: Totals) -> tuple[float, float]:
        """Return the weighted observed and expected counts of today's past hours.

        A gamma filter estimates today's level from them.
        """
        hour = self.hour
        if hour - self.born <= NEWBORN_HOURS:
            return 0.0, 0.0
        if self.today_hour < hour:
            pending = self.pending
            for past in range(max(self.today_hour, self.start), hour):
                if self._has_gaps and self._in_gap(past):
                    # as if the expected count had been observed
                    rate = self.rates[past - self.start]
                    self.today_observed += rate / (1.0 + self.hour_dispersion * rate)
                elif past in pending:
                    rate = self.rates[past - self.start]
                    bound = 3.0 * rate + 3.0
                    count = pending[past]
                    self.today_observed += (count if count < bound else bound) / (
                        1.0 + self.hour_dispersion * rate
                    )
            self.today_hour = hour
        return self.today_observed, totals.information[hour - self.start]

    def rebase(self, factor: float) -> None:
        """Multiply the level by a factor, from the current hour on, because it is a new normal."""
        self.expected /= factor
        self.long_expected /= factor
        if self.held_since >= 0:  # the earlier hours of the episode belong to neither level
            self.mark_gap(self.held_since, self.hour)
            self.held_since = self.hour
        past = self.hour - self.start
        self.rates = array("f", [*self.rates[:past], *(r * factor for r in self.rates[past:])])

    def mature(self) -> None:
        """Drop the additional uncertainty of a young series."""
        self.born -= _GROWN_HOURS
        self.ignorance = _LEAST_IGNORANCE + 1.0 / self.observed

    def mark_gap(self, begin: int, end: int) -> None:
        """Exclude the hours of a feed gap or an incident from learning; the end is exclusive."""
        kept = [gap for gap in self.gaps if gap[1] > self.learned]
        self.gaps = [*kept, (begin, end)][-MOST_GAPS:]

    def hold(self, hour: int) -> None:
        """Exclude all hours from this one on from learning, until `release`."""
        if self.held_since < 0:
            self.held_since = hour

    def release(self, hour: int, *, keeps: bool) -> None:
        """Learn again from an hour on.

        Args:
            hour: The hour, hours since 1970.
            keeps: Whether the hours since `hold` stay excluded, as far as they are not learned.
        """
        if keeps and self.held_since >= 0:
            self.mark_gap(self.held_since, hour)
        self.held_since = -1

    def _in_gap(self, hour: int) -> bool:
        if 0 <= self.held_since <= hour:
            return True
        return any(begin <= hour < end for begin, end in self.gaps)

    @property
    def _has_gaps(self) -> bool:
        return bool(self.gaps) or self.held_since >= 0

    def inherit(self, other: "Baseline", share: float, context: Context) -> None:
        """Take over what another baseline has learned, with a share (0 to 1) of its level."""
        for name in _INHERITED:
            value = getattr(other, name)
            setattr(self, name, value[:] if isinstance(value, array) else value)
        self.expected = other.expected / max(share, 1e-6)
        self.long_observed, self.long_expected = self.observed, self.expected
        self.born = min(self.born, other.born)
        self._expect(day_of(self.hour, *zone(context)), context)

    def _skip_to(self, hour: int, context: Context) -> None:
        """Skip the part of a silence that exceeds eight weeks."""
        if hour > self.hour:
            self.pending = {}
            self.day_so_far = (0.0, 0.0, 0.0)
            self._close_day(hour)
            self.hour = self.learned = hour
            day = day_of(hour, *zone(context))
            self.learned = day.start
            self._expect(day, context)

    def _close_day(self, until: int) -> None:
        """Add the expectation of the current day to the totals, and reset today's counts."""
        totals = self.totals()
        self.expected_before = totals.expected[-1]
        self.squares_before = totals.squares[-1]
        self.today_observed, self.today_hour, self.late = 0.0, until, 0.0

    def _enter_day(self, context: Context, suspect: int | None) -> None:
        """Begin the next day: learn the hours that are old enough and compute the day's rates."""
        yesterday, begin = self.start, self.start + len(self.rates)
        self._close_day(begin)
        self.hour = begin
        self._judge_ignorance(context)
        until = begin if begin - self.born <= YOUNG_HOURS else yesterday
        if suspect is not None and begin - self.born > SLOTS:
            until = min(until, max(suspect, begin - LONGEST_HOLD_HOURS))
        self._learn_until(until, context)
        self._expect(day_of(begin, *zone(context)), context)

    def _expect(self, day: Day, context: Context) -> None:
        """Compute the rates of a day without changing those of past hours."""
        level = max(
            self.observed / self.expected, QUIET_SHARE * self.long_observed / self.long_expected
        )
        if self._is_sparse(context):
            factors = context.profile.of_day(day)
            new_rates = array("f", [max(level * factor, LEAST_RATE) for factor in factors])
        else:
            rates = np.maximum(level * self._season(day, context), LEAST_RATE)
            if context.calendar.events:
                rates *= _factors(day, context)
            new_rates = array("f", rates.astype(np.float32).tobytes())
        if self.start == day.start and len(self.rates) == len(new_rates):
            past_hours = self.hour - self.start
            new_rates = self.rates[:past_hours] + new_rates[past_hours:]
        self.start, self.rates = day.start, new_rates
        self._judge_ignorance(context)

    def _judge_ignorance(self, context: Context) -> None:
        """Set the uncertainty about the rate of the current hour."""
        self.ignorance = _LEAST_IGNORANCE + 1.0 / self.observed
        age = self.hour - self.born
        if age < _GROWN_HOURS:
            self.ignorance += AREA_IGNORANCE * math.exp(-age / 240.0)
        self.ignorance += self.season_ignorance(context)

    def season_ignorance(self, context: Context) -> float:
        """Return the relative variance of the current hour due to the tenant's unknown season.

        All series of the tenant share it.
        """
        age = self.hour - context.tenant_born
        if age >= _GROWN_HOURS:
            return 0.0
        day = day_of(self.hour, *zone(context))
        seen = context.profile.days_seen(int(day.shapes[self.hour - day.start]))
        return SEASON_IGNORANCE * math.exp(-age / 240.0) / (1.0 + DAYS_PER_DOUBT * seen)

    def _is_sparse(self, context: Context) -> bool:
        """Return whether there are too few tickets to learn a profile of the series itself."""
        return (
            self.observed < SPARSE_RATE * self.expected
            and not context.teaches
            and not context.calendar.events
            and not self._has_gaps
        )

    def _learn_sparse(self, day: Day, begin: int, end: int, context: Context) -> None:
        """Learn the level and the day dispersion from a range of hours; the end is exclusive."""
        factors = context.profile.of_day(day)
        season = sum(factors[begin - day.start : end - day.start])
        level = self.observed / self.expected
        mean = max(level * season, 1e-6)
        variance = self.hour_dispersion + self.day_dispersion + self.ignorance
        deviation = math.sqrt(mean + variance * mean * mean)
        count = 0.0
        for hour in range(begin, end):
            if hour in self.pending:
                count += self.pending.pop(hour)
        newborn = begin - context.tenant_born <= NEWBORN_HOURS
        kept = count if newborn else min(count, mean + 4.0 * deviation + 1.0)
        decay = self._level_decay() ** (end - begin)
        weight = 1.0 / (1.0 + self.day_dispersion * mean)
        self._learn_level(weight * kept, weight * season, decay, end - begin)
        if begin - self.born > NEWBORN_HOURS:
            self._learn_day(kept, mean, mean * mean / max(end - begin, 1), whole=end == day.end)

    def _season(self, day: Day, context: Context) -> Row:
        shared = context.profile.at(day.slots)
        if context.teaches:  # the tenant's own series has no profile besides the shared one
            return shared
        own_day = (view(self.day_observed)[day.shapes] + _OWN_DAY) / (
            view(self.day_expected)[day.shapes] + _OWN_DAY
        )
        own_week = (view(self.week_observed)[day.slots] + _OWN_WEEK) / (
            view(self.week_expected)[day.slots] + _OWN_WEEK
        )
        result: Row = shared * own_day * own_week
        return result

    def _learn_level(self, observed: float, expected: float, decay: float, hours: int) -> None:
        """Learn the level from observed tickets and the count that seasonality alone expects."""
        self.observed = self.observed * decay + observed
        self.expected = self.expected * decay + expected
        long_decay = (
            decay if self.hour - self.born < YOUNG_HOURS else max(decay, _LONG_DECAY**hours)
        )
        self.long_observed = self.long_observed * long_decay + observed
        self.long_expected = self.long_expected * long_decay + expected

    def _level_decay(self) -> float:
        """Return the decay of the level per hour.

        The half-life is a quarter of the age, between a day and a week. It is longer, up to eight
        weeks, for series with few tickets, where chance matters more than drift.
        """
        longest = min(max(168.0, LEVEL_TICKETS * self.expected / self.observed), 1_344.0)
        half_life = min(max(0.25 * (self.hour - self.born), 24.0), longest)
        return 0.5 ** (1.0 / half_life)  # type: ignore[no-any-return]  # float ** float is Any in typeshed

    def _learn_until(self, hour: int, context: Context) -> None:
        """Learn all hours before an hour, day by day."""
        while self.learned < hour:
            day = day_of(self.learned, *zone(context))
            end = min(hour, day.end)
            self._learn(day, self.learned, end, context)
            self.learned = end
        if self.gaps:
            self.gaps = [gap for gap in self.gaps if gap[1] > self.learned]

    def _learn(self, day: Day, begin: int, end: int, context: Context) -> None:
        """Learn a range of hours of a day; the end is exclusive."""
        if self._is_sparse(context):
            self._learn_sparse(day, begin, end, context)
            return
        slots, shapes = day.slots, day.shapes
        hours = np.arange(begin - day.start, end - day.start)
        counts = np.array([self.pending.pop(hour, 0.0) for hour in range(begin, end)])
        if self._has_gaps or context.calendar.events:
            learnable = [self._is_learnable(hour, context) for hour in range(begin, end)]
            if not all(learnable):
                hours, counts = hours[learnable], counts[learnable]
                if not len(hours):
                    if end == day.end:
                        self.day_so_far = (0.0, 0.0, 0.0)
                    return
        slots, shapes = slots[hours], shapes[hours]
        day_observed, day_expected = view(self.day_observed), view(self.day_expected)
        week_observed, week_expected = view(self.week_observed), view(self.week_expected)
        shared = context.profile.at(slots)
        if context.teaches:
            own_day = np.ones(len(slots))
            season = shared
        else:
            own_day = (day_observed[shapes] + _OWN_DAY) / (day_expected[shapes] + _OWN_DAY)
            season = shared * own_day
            season = season * (
                (week_observed[slots] + _OWN_WEEK) / (week_expected[slots] + _OWN_WEEK)
            )
        level = self.observed / self.expected
        means = np.maximum(level * season, 1e-6)
        dispersion = self.hour_dispersion + self.day_dispersion
        deviations = np.sqrt(means + (dispersion + self.ignorance) * means * means)
        if begin - context.tenant_born <= NEWBORN_HOURS:  # the expectation is still a guess
            kept = counts
        else:
            kept = np.minimum(
                np.maximum(counts, means - 3.0 * deviations), means + 4.0 * deviations + 1.0
            )
        if begin - self.born > NEWBORN_HOURS:
            self._learn_dispersion(counts, kept, means, deviations, whole=end == day.end)
        hour_weights = 1.0 / (1.0 + dispersion * means)
        decay = self._level_decay() ** len(hours)
        learned_counts = hour_weights * kept
        self._learn_level(
            float(learned_counts.sum()), float((hour_weights * season).sum()), decay, end - begin
        )
        if begin - self.born < YOUNG_HOURS:  # the level before these hours was still a guess
            level = self.observed / self.expected
        if context.teaches:
            context.profile.learn(slots, kept, max(level, LEAST_RATE))
            return
        fades = FADES[shapes]
        expected = hour_weights * shared * level
        day_observed[shapes] = day_observed[shapes] * fades + learned_counts
        day_expected[shapes] = day_expected[shapes] * fades + expected
        week_observed[slots] = week_observed[slots] * SEASON_DECAY + learned_counts
        week_expected[slots] = week_expected[slots] * SEASON_DECAY + expected * own_day

    def _is_learnable(self, hour: int, context: Context) -> bool:
        if self._in_gap(hour):
            return False
        return not is_masked(hour, context.calendar.events, context.area)

    def _learn_dispersion(
        self, counts: Row, kept: Row, means: Row, deviations: Row, *, whole: bool
    ) -> None:
        """Learn the dispersion moments of hours and days, clipped and weighted by information."""
        dispersion = self.hour_dispersion + self.day_dispersion
        bounds = (2.0 + 1.5 / (1.0 + means)) * deviations
        residuals = np.minimum(np.maximum(counts - means, -bounds), bounds)
        weights = np.minimum(3.0, 0.5 / (1.0 / means + dispersion + self.ignorance) ** 2)
        moments = weights * (residuals * residuals * 1.085 - means) / (means * means)
        fade = _HOUR_FADE ** len(means)
        self.hour_moment = self.hour_moment * fade + float(moments.sum())
        self.hour_weight = self.hour_weight * fade + float(weights.sum())
        squares = float((means * means).sum())
        self._learn_day(float(kept.sum()), float(means.sum()), squares, whole=whole)

    def _learn_day(self, kept: float, mean: float, squared: float, *, whole: bool) -> None:
        """Add hours to the current day; learn the moment of the day once it is complete.

        Args:
            kept: Observed customer-equivalents of the hours, winsorised.
            mean: Expected customer-equivalents of the hours.
            squared: Sum of the squared expectations of the hours.
            whole: Whether the day is complete.
        """
        observed, expected, squares = self.day_so_far
        observed, expected, squares = observed + kept, expected + mean, squares + squared
        self.day_so_far = (observed, expected, squares)
        if whole:
            noise = 1.0 / expected + self.hour_dispersion * squares / expected**2 + self.ignorance
            moment = (
                (observed - expected) ** 2 - observed - self.hour_dispersion * squares
            ) / expected**2
            moment = min(moment, DAY_CLIP * (self.day_dispersion + noise)) / DAY_CLIP_KEEPS
            weight = min(40.0, 0.5 / (noise + self.day_dispersion) ** 2)
            self.day_moment = self.day_moment * _DAY_FADE + weight * moment
            self.day_weight = self.day_weight * _DAY_FADE + weight
            self.day_so_far = (0.0, 0.0, 0.0)
        self.day_dispersion = day = max(self.day_moment / self.day_weight, LEAST_DISPERSION)
        self.hour_dispersion = max(self.hour_moment / self.hour_weight - day, LEAST_DISPERSION)


_INHERITED: Final = (
    "observed",
    "day_observed",
    "day_expected",
    "week_observed",
    "week_expected",
    "hour_moment",
    "hour_weight",
    "day_moment",
    "day_weight",
    "hour_dispersion",
    "day_dispersion",
)


def _factors(day: Day, context: Context) -> Row:
    """Return the factors of announced events for the hours of a local day."""
    factors = []
    for hour in range(day.start, day.end):
        by_hour = day_factors(hour // 24, context.calendar.events, context.area)
        factors.append(1.0 if by_hour is None else by_hour[hour % 24])
    return np.array(factors)
