# whole: the numbers of one expectation are learned together
"""The baseline of a series: its rate by hour of the week, and its dispersion.

    rate(hour) = level x the tenant's hour-of-week profile x own (weekday|weekend x hour) x own hour
                       of week    x announced events

Each factor is a gamma-shrunk ratio (n + k) / (e + k) of observed to expected tickets. So a young
series has the tenant's profile and develops its own. An hour counts with weight 1 / (1 + dispersion
x mean): a hundred tickets of one noisy hour are worth 1 / dispersion tickets, not a hundred. A day
is learned as a whole once it lies a day back, with its hours winsorised at four standard
deviations, so that a spike neither raises its own threshold nor is skipped (skipping would censor
one side and underestimate).

The noise has two scales, both estimated by clipped moments: hours differ (which averages out over
hours), and days differ (releases, weather; which does not average out within the day).

Learning by the day, in arrays, makes a quiet series cost next to nothing, and what is expected by
any moment is one addition away.
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
from detectors.models.seasonal_profile import SEASON_DECAY, Context, Profile, Row, view, zeros, zone

__all__ = ["Baseline", "Context", "Profile"]

YOUNG_HOURS: Final = 336
"""Until this age days are learned as they end: a young series has more to gain than to lose."""
NEWBORN_HOURS: Final = 72
"""Until this age hours are learned as they end."""
LONGEST_HOLD_HOURS: Final = 120
"""Tickets of a slow rise that may be an incident are learned after this time at the latest."""
LONGEST_GAP_HOURS: Final = 1_344
"""Silence beyond eight weeks is not learned."""
LATE_DEVIATIONS: Final = 4.0
"""Late tickets for learned hours count, each day, for the day's expectation and this many standard
deviations of it."""
DAY_CLIP: Final = 2.25
"""A day's squared deviation counts for this many variances at most: holidays, incidents and quiet
weeks are not the noise of ordinary days."""
DAY_CLIP_KEEPS: Final = 0.778
"""The share of a normal variance that remains after that clipping."""
LEAST_DISPERSION: Final = 0.003
LEAST_RATE: Final = 1e-4
"""Tickets per hour; no series is expected to be quieter."""

_WORKDAY_FADE: Final = 1.0 - (1.0 - SEASON_DECAY) / 5.0
_WEEKEND_FADE: Final = 1.0 - (1.0 - SEASON_DECAY) / 2.0
_FADES: Final = np.array([_WORKDAY_FADE] * 24 + [_WEEKEND_FADE] * 24)
_HOUR_FADE: Final = 0.999
_DAY_FADE: Final = 0.98
"""Fading of the dispersions: time constants of six and seven weeks."""
_OWN_DAY: Final = 3.0
_OWN_WEEK: Final = 50.0
QUIET_SHARE: Final = 0.85
"""A level never falls below this share of its average over the last two months."""
_LONG_DECAY: Final = 0.5 ** (1 / 840)
SPARSE_RATE: Final = 0.25
"""Customer-equivalents per hour below which a series has the tenant's season and none of its
own."""
LEVEL_TICKETS: Final = 200.0
"""Tickets that a level is based on at least, if they arrive within eight weeks."""
_LEAST_IGNORANCE: Final = 0.005
_GROWN_HOURS: Final = 2_016
"""After twelve weeks a series is no longer young."""


class Baseline(msgspec.Struct, array_like=True):
    """Rate and dispersion of one series. Hours are counted from 1970 UTC.

    Call `advance` to reach an hour, then read `rate`; `add` tickets. Days are learned on the way.

    Array shapes: `rates` has one entry for each of the 23 to 25 hours of the local day;
    `day_observed` and `day_expected` have 48, the hours of a weekday and of a weekend day;
    `week_observed` and `week_expected` have 168, the hours of the week from Monday 0:00 local time.
    """

    born: int
    """The first hour."""
    hour: int
    """The current hour."""
    learned: int
    """Hours before this one are learned; the counts of later ones are in `pending`."""
    start: int = 0
    """The first hour of `rates`, which is the first of the current local day."""
    rates: Floats = msgspec.field(default_factory=lambda: zeros(0))
    """Expected customer-equivalents per hour, for the hours of the current local day."""
    expected_before: float = 0.0
    """Customer-equivalents expected from birth to `start`."""
    squares_before: float = 0.0
    """Sum of (expected rate per hour) squared from birth to `start`; needed for the variance of a
    window."""
    observed: float = 0.3
    """Effective number of customer-equivalents that the level is based on. It starts with little
    weight at one per hour."""
    expected: float = 0.3
    long_observed: float = 0.3
    """Like `observed`, remembered for longer: a quiet week is not a new normal."""
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
    """Of the day that is being learned: observed, expected, and the sum of squared expectations."""
    today_observed: float = 0.0
    """Observed in the past hours of today, each hour bounded and weighted by its information."""
    today_hour: int = 0
    """The first hour that is not included in `today_observed`."""
    late: float = 0.0
    """Customer-equivalents that arrived today for hours that were learned already."""
    hour_dispersion: float = 0.05
    day_dispersion: float = 0.02
    ignorance: float = 5.0
    """Relative variance of the rate because it is not known exactly."""
    gaps: list[tuple[int, int]] = []
    """Begin and end (exclusive) of the hours without a feed; they are not learned."""

    @classmethod
    def starting(cls, hour: int, context: Context) -> "Baseline":
        """Return the baseline of a series whose first hour is *hour*."""
        self = cls(born=hour, hour=hour, learned=hour, today_hour=hour)
        self._expect(day_of(hour, *zone(context)), context)
        return self

    def add(self, hour: int, weight: float) -> bool:
        """Count customer-equivalents in an hour.

        Returns:
            Whether they were counted: False if the hour is learned already, or before the series
            began.
        """
        if hour < self.learned:
            return False
        self.pending[hour] = max(0.0, self.pending.get(hour, 0.0) + weight)
        return True

    def learn_late(
        self, hour: int, weight: float, context: Context, *, bounded: bool = False
    ) -> bool:
        """Learn a late ticket of an hour that is learned already.

        Args:
            hour: When it was created, hours since 1970.
            weight: Customer-equivalents.
            context: The context of the series.
            bounded: Whether many late tickets in a day teach little.

        Returns:
            Whether it was learned: False if the hour is before the series began.
        """
        if hour < self.born:
            return False
        expected = sum(self.rates)
        if bounded and self.late + weight > expected + LATE_DEVIATIONS * math.sqrt(expected + 1.0):
            return True  # a flood of old tickets: it is counted, and teaches no more today
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
        """Return the expected rate of any hour; of other days as of the current one."""
        return self.rates[(hour - self.start) % len(self.rates)]

    def expected_between(self, begin: int, end: int, context: Context) -> float:
        """Return what is expected from *begin* to before *end*, a week at most."""
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
        """Move to an hour: learn old days, and compute the rates of the current one.

        Args:
            hour: Hours since 1970.
            context: The context of the series.
            suspect: The hour from which a slow rise may be an incident: its tickets are learned
                later, at most `LONGEST_HOLD_HOURS` later, so that it does not raise its own
                threshold. None: there is no such rise.

        Returns:
            Whether the rates of the day were computed anew.
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
        return self.rates is not before

    def totals(self) -> Totals:
        """Return the running totals over the hours of the current day."""
        return Totals(self.rates, self.expected_before, self.squares_before, self.hour_dispersion)

    def today_so_far(self, totals: Totals) -> tuple[float, float]:
        """Return observed and expected of the past hours of today, weighted.

        They are the evidence of a gamma filter of today's level.
        """
        hour = self.hour
        if hour - self.born <= NEWBORN_HOURS:
            return 0.0, 0.0
        if self.today_hour < hour:
            pending = self.pending
            for over in range(max(self.today_hour, self.start), hour):
                if self.gaps and self._in_gap(over):  # as if the expected count had been observed
                    rate = self.rates[over - self.start]
                    self.today_observed += rate / (1.0 + self.hour_dispersion * rate)
                elif over in pending:
                    rate = self.rates[over - self.start]
                    bound = 3.0 * rate + 3.0
                    count = pending[over]
                    self.today_observed += (count if count < bound else bound) / (
                        1.0 + self.hour_dispersion * rate
                    )
            self.today_hour = hour
        return self.today_observed, totals.information[hour - self.start]

    def rebase(self, factor: float) -> None:
        """Multiply the level by *factor* from the current hour on: a new normal."""
        self.expected /= factor
        self.long_expected /= factor
        into = self.hour - self.start
        self.rates = array("f", [*self.rates[:into], *(r * factor for r in self.rates[into:])])

    def mature(self) -> None:
        """Drop the uncertainty of a young series."""
        self.born -= _GROWN_HOURS
        self.ignorance = _LEAST_IGNORANCE + 1.0 / self.observed

    def mark_gap(self, begin: int, end: int) -> None:
        """Exclude the hours from *begin* to before *end* from learning: there was no feed."""
        self.gaps = [*(gap for gap in self.gaps if gap[1] > self.learned), (begin, end)][-8:]

    def _in_gap(self, hour: int) -> bool:
        return any(begin <= hour < end for begin, end in self.gaps)

    def inherit(self, other: "Baseline", share: float, context: Context) -> None:
        """Continue what another baseline has learned, at *share* (0 to 1) of its level."""
        for name in _INHERITED:
            value = getattr(other, name)
            setattr(self, name, value[:] if isinstance(value, array) else value)
        self.expected = other.expected / max(share, 1e-6)
        self.long_observed, self.long_expected = self.observed, self.expected
        self.born = min(self.born, other.born)
        self._expect(day_of(self.hour, *zone(context)), context)

    def _skip_to(self, hour: int, context: Context) -> None:
        """Skip the part of a silence that is longer than eight weeks."""
        if hour > self.hour:
            self.pending = {}
            self.day_so_far = (0.0, 0.0, 0.0)
            self._close_day(hour)
            self.hour = self.learned = hour
            day = day_of(hour, *zone(context))
            self.learned = day.start
            self._expect(day, context)

    def _close_day(self, until: int) -> None:
        """Add the expectation of the current day to the totals, and begin today's level anew."""
        totals = self.totals()
        self.expected_before = totals.expected[-1]
        self.squares_before = totals.squares[-1]
        self.today_observed, self.today_hour, self.late = 0.0, until, 0.0

    def _enter_day(self, context: Context, suspect: int | None) -> None:
        """Begin the next day: learn what is old enough, and compute its rates."""
        yesterday, begin = self.start, self.start + len(self.rates)
        self._close_day(begin)
        self.hour = begin
        until = begin if begin - self.born <= YOUNG_HOURS else yesterday
        if suspect is not None and begin - self.born > SLOTS:
            until = min(until, max(suspect, begin - LONGEST_HOLD_HOURS))
        self._learn_until(until, context)
        self._expect(day_of(begin, *zone(context)), context)

    def _expect(self, day: Day, context: Context) -> None:
        """Compute the rates of a day; those of past hours stay."""
        level = max(
            self.observed / self.expected, QUIET_SHARE * self.long_observed / self.long_expected
        )
        if self._is_sparse(context):
            factors = context.profile.of_day(day)
            fresh = array("f", [max(level * factor, LEAST_RATE) for factor in factors])
        else:
            rates = np.maximum(level * self._season(day, context), LEAST_RATE)
            if context.calendar.events:
                rates *= _factors(day, context)
            fresh = array("f", rates.astype(np.float32).tobytes())
        if self.start == day.start and len(self.rates) == len(fresh):
            kept = self.hour - self.start
            fresh = self.rates[:kept] + fresh[kept:]
        self.start, self.rates = day.start, fresh
        age, tenant_age = self.hour - self.born, self.hour - context.tenant_born
        self.ignorance = _LEAST_IGNORANCE + 1.0 / self.observed
        if age < _GROWN_HOURS:
            self.ignorance += 0.3 * math.exp(-age / 240.0)
        if tenant_age < _GROWN_HOURS:
            self.ignorance += 2.0 * math.exp(-tenant_age / 100.0)

    def _is_sparse(self, context: Context) -> bool:
        """Whether there are too few tickets to learn a season; then the tenant's is used."""
        return (
            self.observed < SPARSE_RATE * self.expected
            and not context.teaches
            and not context.calendar.events
            and not self.gaps
        )

    def _learn_sparse(self, day: Day, begin: int, end: int, context: Context) -> None:
        """Learn level and dispersion of days from the hours *begin* to before *end*."""
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
        worth = 1.0 / (1.0 + self.day_dispersion * mean)
        self._learn_level(worth * kept, worth * season, decay, end - begin)
        if begin - self.born > SLOTS:
            self._learn_day(kept, mean, mean * mean / max(end - begin, 1), whole=end == day.end)

    def _season(self, day: Day, context: Context) -> Row:
        shared = context.profile.at(day.slots)
        if context.teaches:  # the profile is its own season
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
        """Learn the level: *observed* tickets where the season alone expects *expected*."""
        self.observed = self.observed * decay + observed
        self.expected = self.expected * decay + expected
        longer = decay if self.hour - self.born < YOUNG_HOURS else max(decay, _LONG_DECAY**hours)
        self.long_observed = self.long_observed * longer + observed
        self.long_expected = self.long_expected * longer + expected

    def _level_decay(self) -> float:
        """Return the decay of the level per hour: half-life a quarter of the age, a day to a week.

        It is longer where tickets are few, up to eight weeks: there chance hides more than drift
        does.
        """
        longest = min(max(168.0, LEVEL_TICKETS * self.expected / self.observed), 1_344.0)
        half_life = min(max(0.25 * (self.hour - self.born), 24.0), longest)
        return 0.5 ** (1.0 / half_life)  # type: ignore[no-any-return]  # float ** float is Any in typeshed

    def _learn_until(self, hour: int, context: Context) -> None:
        """Learn all hours before *hour*, day by day."""
        while self.learned < hour:
            day = day_of(self.learned, *zone(context))
            end = min(hour, day.end)
            self._learn(day, self.learned, end, context)
            self.learned = end
        if self.gaps:
            self.gaps = [gap for gap in self.gaps if gap[1] > self.learned]

    def _learn(self, day: Day, begin: int, end: int, context: Context) -> None:
        """Learn the hours from *begin* to before *end* of *day*."""
        if self._is_sparse(context):
            self._learn_sparse(day, begin, end, context)
            return
        slots, shapes = day.slots, day.shapes
        hours = np.arange(begin - day.start, end - day.start)
        counts = np.array([self.pending.pop(hour, 0.0) for hour in range(begin, end)])
        if self.gaps or context.calendar.events:
            taught = [self._teaches(hour, context) for hour in range(begin, end)]
            if not all(taught):
                hours, counts = hours[taught], counts[taught]
                if not len(hours):
                    if end == day.end:
                        self.day_so_far = (0.0, 0.0, 0.0)
                    return
        slots, shapes = slots[hours], shapes[hours]
        day_came, day_due = view(self.day_observed), view(self.day_expected)
        week_came, week_due = view(self.week_observed), view(self.week_expected)
        shared = context.profile.at(slots)
        if context.teaches:
            own_day = np.ones(len(slots))
            season = shared
        else:
            own_day = (day_came[shapes] + _OWN_DAY) / (day_due[shapes] + _OWN_DAY)
            season = shared * own_day
            season = season * ((week_came[slots] + _OWN_WEEK) / (week_due[slots] + _OWN_WEEK))
        level = self.observed / self.expected
        means = np.maximum(level * season, 1e-6)
        dispersion = self.hour_dispersion + self.day_dispersion
        deviations = np.sqrt(means + (dispersion + self.ignorance) * means * means)
        if begin - context.tenant_born <= NEWBORN_HOURS:  # all there was before was a guess
            kept = counts
        else:
            kept = np.minimum(
                np.maximum(counts, means - 3.0 * deviations), means + 4.0 * deviations + 1.0
            )
        if begin - self.born > SLOTS:
            self._learn_dispersion(counts, kept, means, deviations, whole=end == day.end)
        worth = 1.0 / (1.0 + dispersion * means)
        decay = self._level_decay() ** len(hours)
        taught_came = worth * kept
        self._learn_level(
            float(taught_came.sum()), float((worth * season).sum()), decay, end - begin
        )
        if begin - self.born < YOUNG_HOURS:  # what it started from was a guess
            level = self.observed / self.expected
        if context.teaches:
            context.profile.learn(slots, kept, max(level, LEAST_RATE))
            return
        fades = _FADES[shapes]
        expected = worth * shared * level
        day_came[shapes] = day_came[shapes] * fades + taught_came
        day_due[shapes] = day_due[shapes] * fades + expected
        week_came[slots] = week_came[slots] * SEASON_DECAY + taught_came
        week_due[slots] = week_due[slots] * SEASON_DECAY + expected * own_day

    def _teaches(self, hour: int, context: Context) -> bool:
        if self._in_gap(hour):
            return False
        return not is_masked(hour, context.calendar.events, context.area)

    def _learn_dispersion(
        self, counts: Row, kept: Row, means: Row, deviations: Row, *, whole: bool
    ) -> None:
        """Learn the moments of hours and days, clipped and weighted by their information."""
        dispersion = self.hour_dispersion + self.day_dispersion
        reach = (2.0 + 1.5 / (1.0 + means)) * deviations
        off = np.minimum(np.maximum(counts - means, -reach), reach)
        weights = np.minimum(3.0, 0.5 / (1.0 / means + dispersion) ** 2)
        moments = weights * (off * off * 1.085 - means) / (means * means)
        fade = _HOUR_FADE ** len(means)
        self.hour_moment = self.hour_moment * fade + float(moments.sum())
        self.hour_weight = self.hour_weight * fade + float(weights.sum())
        squares = float((means * means).sum())
        self._learn_day(float(kept.sum()), float(means.sum()), squares, whole=whole)

    def _learn_day(self, kept: float, mean: float, squared: float, *, whole: bool) -> None:
        """Add hours to the current day; learn its moment once the day is complete.

        Args:
            kept: Observed customer-equivalents, winsorised.
            mean: Expected customer-equivalents.
            squared: Sum of the squared expectations of the hours.
            whole: Whether the day is complete.
        """
        observed, expected, squares = self.day_so_far
        observed, expected, squares = observed + kept, expected + mean, squares + squared
        self.day_so_far = (observed, expected, squares)
        if whole:
            noise = 1.0 / expected + self.hour_dispersion * squares / expected**2
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
    hours = range(day.start, day.end)
    found = []
    for hour in hours:
        factors = day_factors(hour // 24, context.calendar.events, context.area)
        found.append(1.0 if factors is None else factors[hour % 24])
    return np.array(found)
