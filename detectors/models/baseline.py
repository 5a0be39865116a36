# whole: the numbers of one expectation are learned together
"""What would be normal: the rate of a series by hour of the week, and how far it scatters.

    rate(hour) = level x the tenant's hour-of-week profile
                       x own (weekday|weekend x hour) x own hour of week    x announced events

Each factor is a gamma-shrunk ratio (n + k) / (e + k) of what came to what was expected. A young
series thus has the tenant's profile, and grows its own. An hour teaches with weight 1 / (1 +
dispersion x mean): a hundred tickets of one noisy hour are worth 1 / dispersion tickets, not a
hundred. A day is learned whole, when it lies a day back, and its hours winsorised at four standard
deviations, so that a spike neither raises its own bar nor is skipped (skipping censors one side and
underestimates).

The noise has two scales, both estimated by clipped moments: hours differ (averages out over hours),
and days differ (releases, weather: does not average out within the day).

Learning by the day, in rows of numbers, makes a quiet series cost next to nothing, and what is due
by any moment one addition away.
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
"""Until this age even hours are."""
LONGEST_HOLD_HOURS: Final = 120
"""What came during a slow rise that may be an incident is learned no later than this."""
LONGEST_GAP_HOURS: Final = 1_344
"""After eight silent weeks older silence teaches nothing more."""
LATE_DEVIATIONS: Final = 4.0
"""Of a day's count: what comes late for learned hours teaches no more than a day and so much."""
DAY_CLIP: Final = 2.25
"""A day's squared deviation counts for no more than so many variances: holidays, incidents and
quiet weeks are not the noise of ordinary days."""
DAY_CLIP_KEEPS: Final = 0.778
"""What is left of a normal variance that is clipped so."""
LEAST_DISPERSION: Final = 0.003
LEAST_RATE: Final = 1e-4
"""Tickets an hour; a series is never expected to be quieter."""

_WORKDAY_FADE: Final = 1.0 - (1.0 - SEASON_DECAY) / 5.0
_WEEKEND_FADE: Final = 1.0 - (1.0 - SEASON_DECAY) / 2.0
_FADES: Final = np.array([_WORKDAY_FADE] * 24 + [_WEEKEND_FADE] * 24)
_HOUR_FADE: Final = 0.999
_DAY_FADE: Final = 0.98
"""Of what is known of the dispersions: time constants six and seven weeks."""
_OWN_DAY: Final = 3.0
_OWN_WEEK: Final = 50.0
QUIET_SHARE: Final = 0.85
"""A level is not thought to have fallen below so much of what it was over the last two months."""
_LONG_DECAY: Final = 0.5 ** (1 / 840)
SPARSE_RATE: Final = 0.25
"""Customer-equivalents an hour below which a series has the tenant's season and none of its own."""
LEVEL_TICKETS: Final = 200.0
"""Tickets that a level rests on at least, if they come within eight weeks."""
_LEAST_IGNORANCE: Final = 0.005
_GROWN_HOURS: Final = 2_016
"""After twelve weeks the ignorance of youth is gone."""


class Baseline(msgspec.Struct, array_like=True):
    """Rate and scatter of one series. Hours are counted from 1970 UTC.

    Use `advance` to come to a moment, then read `due_at`; `add` what comes. Days are learned on
    the way.
    """

    born: int
    """The first hour."""
    hour: int
    """The hour that runs."""
    learned: int
    """Hours before this one are learned; from here on they stand in `pending`."""
    start: int = 0
    """The first hour of `rates`: of the local day that runs."""
    rates: Floats = msgspec.field(default_factory=lambda: zeros(0))
    """Customer-equivalents an hour, expected in the hours of the day."""
    expected_before: float = 0.0
    """Expected from birth to `start`."""
    squares_before: float = 0.0
    """The same of the square of each hour's rate."""
    observed: float = 0.3
    """Customer-equivalents the level rests on, faded. The weak start: one an hour, or anything."""
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
    """Of the day that is being learned: came, due, sum of due^2."""
    today_observed: float = 0.0
    """Of the hours of the day that are over, each bounded and weighted by what it tells."""
    today_hour: int = 0
    """The first hour that is not in it."""
    late: float = 0.0
    """What came today for hours that were learned already."""
    hour_dispersion: float = 0.05
    day_dispersion: float = 0.02
    ignorance: float = 5.0
    """Relative variance of the rate from not knowing it better."""
    gaps: list[tuple[int, int]] = []
    """Hours in which the feed was silent: they teach nothing."""

    @classmethod
    def starting(cls, hour: int, context: Context) -> "Baseline":
        """A series whose first hour is *hour*."""
        self = cls(born=hour, hour=hour, learned=hour, today_hour=hour)
        self._expect(day_of(hour, *zone(context)), context)
        return self

    def add(self, hour: int, weight: float) -> bool:
        """*weight* customer-equivalents came in *hour*. False where it is learned, or too early."""
        if hour < self.learned:
            return False
        self.pending[hour] = max(0.0, self.pending.get(hour, 0.0) + weight)
        return True

    def learn_late(
        self, hour: int, weight: float, context: Context, *, bounded: bool = False
    ) -> bool:
        """A ticket of history for an hour that is learned already: raise what came.

        By as much as has not faded since. False where the hour lies before the series was born.
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
        """Customer-equivalents expected in the hour that runs."""
        return self.rates[self.hour - self.start]

    def rate_at(self, hour: int) -> float:
        """The same of any hour: of another day as of this one, for want of better."""
        return self.rates[(hour - self.start) % len(self.rates)]

    def expected_between(self, begin: int, end: int, context: Context) -> float:
        """Expected from hour *begin* to before *end*, a week at most, each day by its season."""
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
        """Come to *hour*: learn the days that are old enough, expect the day that runs anew.

        What came since the hour *suspect* is learned later, if there is one: a slow rise must not
        raise its own bar. Later, not never, and `LONGEST_HOLD_HOURS` at most.

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
        """What came and what was due in the hours of the day that are over, weighted.

        For a gamma filter of today's level. Each hour counts with the weight of what it tells.
        """
        hour = self.hour
        if hour - self.born <= NEWBORN_HOURS:
            return 0.0, 0.0
        if self.today_hour < hour:
            pending = self.pending
            for over in range(max(self.today_hour, self.start), hour):
                if self.gaps and self._in_gap(over):  # as if what was due had come
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
        """The level is *factor* times what was thought: a new normal, from this hour on."""
        self.expected /= factor
        self.long_expected /= factor
        into = self.hour - self.start
        self.rates = array("f", [*self.rates[:into], *(r * factor for r in self.rates[into:])])

    def mature(self) -> None:
        """As if it were old enough that nothing is laid on youth."""
        self.born -= _GROWN_HOURS
        self.ignorance = _LEAST_IGNORANCE + 1.0 / self.observed

    def mark_gap(self, begin: int, end: int) -> None:
        """From hour *begin* to before *end* the feed was silent: those hours teach nothing."""
        self.gaps = [*(gap for gap in self.gaps if gap[1] > self.learned), (begin, end)][-8:]

    def _in_gap(self, hour: int) -> bool:
        return any(begin <= hour < end for begin, end in self.gaps)

    def inherit(self, other: "Baseline", share: float, context: Context) -> None:
        """This series carries on what *other* was, at *share* of its level."""
        for name in _INHERITED:
            value = getattr(other, name)
            setattr(self, name, value[:] if isinstance(value, array) else value)
        self.expected = other.expected / max(share, 1e-6)
        self.long_observed, self.long_expected = self.observed, self.expected
        self.born = min(self.born, other.born)
        self._expect(day_of(self.hour, *zone(context)), context)

    def _skip_to(self, hour: int, context: Context) -> None:
        """Skip what is beyond eight weeks of silence: it teaches nothing more."""
        if hour > self.hour:
            self.pending = {}
            self.day_so_far = (0.0, 0.0, 0.0)
            self._close_day(hour)
            self.hour = self.learned = hour
            day = day_of(hour, *zone(context))
            self.learned = day.start
            self._expect(day, context)

    def _close_day(self, until: int) -> None:
        """Count what was due in the day that runs; today's level begins anew."""
        totals = self.totals()
        self.expected_before = totals.expected[-1]
        self.squares_before = totals.squares[-1]
        self.today_observed, self.today_hour, self.late = 0.0, until, 0.0

    def _enter_day(self, context: Context, suspect: int | None) -> None:
        """The next day begins: learn what is old enough, and expect its hours."""
        yesterday, begin = self.start, self.start + len(self.rates)
        self._close_day(begin)
        self.hour = begin
        until = begin if begin - self.born <= YOUNG_HOURS else yesterday
        if suspect is not None and begin - self.born > SLOTS:
            until = min(until, max(suspect, begin - LONGEST_HOLD_HOURS))
        self._learn_until(until, context)
        self._expect(day_of(begin, *zone(context)), context)

    def _expect(self, day: Day, context: Context) -> None:
        """The rates of *day*, as far as is known now; of the hours that are over they stay."""
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
        """Whether there is too little to learn a season of its own from: the shared one will do."""
        return (
            self.observed < SPARSE_RATE * self.expected
            and not context.teaches
            and not context.calendar.events
            and not self.gaps
        )

    def _learn_sparse(self, day: Day, begin: int, end: int, context: Context) -> None:
        """Learn the hours from *begin* to before *end*: the level, and how far days scatter."""
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
        """So much *came* where the season alone was *due*, in so many *hours*."""
        self.observed = self.observed * decay + observed
        self.expected = self.expected * decay + expected
        longer = decay if self.hour - self.born < YOUNG_HOURS else max(decay, _LONG_DECAY**hours)
        self.long_observed = self.long_observed * longer + observed
        self.long_expected = self.long_expected * longer + expected

    def _level_decay(self) -> float:
        """Of the level, an hour: half-life a quarter of the age, one day to one week.

        Longer where tickets are few, up to eight weeks: there chance hides more than drift does.
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
        """Moments of hours and of days, clipped, and weighted by what each can tell."""
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
        """The moment of a day, once it is *whole*: what came and was due of it, and its squares."""
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
