"""What would be normal: the rate of a series by hour of the week, and how far it scatters.

    rate(hour) = level x the tenant's hour-of-week profile
                       x own (weekday|weekend x hour) x own hour of week

Each factor is a gamma-shrunk ratio (n + k) / (e + k) of what came to what was expected. A young
series thus has the tenant's profile, and grows its own. An hour teaches with weight 1 / (1 +
dispersion x mean): a hundred tickets of one noisy hour are worth 1 / dispersion tickets, not a
hundred. It teaches only when it is a day old, winsorised at four standard deviations, so that a
spike neither raises its own bar nor is skipped (skipping censors one side and underestimates).

The noise has two scales, both estimated by clipped moments: hours differ (averages out over hours),
and days differ (releases, weather: does not average out within the day).
"""

import math
from array import array
from typing import Final

import msgspec

from detectors.calendar import SATURDAY, SLOTS, hour_of_week
from detectors.state_codec import Floats

GUARD_HOURS: Final = 24
"""An hour is learned when it is this old: time enough to notice that it was not normal."""
YOUNG_HOURS: Final = 336
"""Until this age hours are learned at once: a young series has more to gain than to lose."""
LONGEST_GAP_HOURS: Final = 1_344
"""After eight silent weeks older silence teaches nothing more."""
LEAST_DISPERSION: Final = 0.003
LEAST_RATE: Final = 1e-4
"""Tickets an hour; a series is never expected to be quieter."""

_SEASON_DECAY: Final = 0.5 ** (1 / 6)
_GROWN_DECAY: Final = 0.5 ** (1 / 240)
_WORKDAY_FADE: Final = 1.0 - (1.0 - _SEASON_DECAY) / 5.0
_WEEKEND_FADE: Final = 1.0 - (1.0 - _SEASON_DECAY) / 2.0
_OWN_DAY: Final = 3.0
_OWN_WEEK: Final = 50.0
_PROFILE: Final = 2.0
_GROWN_HOURS: Final = 2_016
"""After twelve weeks the ignorance of youth is gone."""


def _zeros(length: int) -> Floats:
    return array("f", bytes(4 * length))


class Profile(msgspec.Struct, array_like=True):
    """Hour-of-week shape of a whole tenant: what its areas share. Mean 1 over a week, roughly."""

    came: Floats = msgspec.field(default_factory=lambda: array("f", [_PROFILE] * SLOTS))
    due: Floats = msgspec.field(default_factory=lambda: array("f", [_PROFILE] * SLOTS))

    def at(self, slot: int) -> float:
        """Factor of the hour of week *slot*."""
        return self.came[slot] / self.due[slot]

    def learn(self, slot: int, came: float, due: float) -> None:
        """One hour of *slot* is over: *came* tickets where the level alone said *due*."""
        self.came[slot] = self.came[slot] * _SEASON_DECAY + came / due
        self.due[slot] = self.due[slot] * _SEASON_DECAY + 1.0


class Baseline(msgspec.Struct, array_like=True):
    """Rate and scatter of one series. Hours are counted from 1970 UTC.

    Use `advance` to enter an hour, then read `rate`; `add` what comes. The hours are learned on the
    way.
    """

    born: int
    """The first hour."""
    hour: int
    """The hour that runs."""
    learned: int
    """Hours before this one are learned; from here on they stand in `pending`."""
    came: float = 0.3
    """Customer-equivalents the level rests on, faded. The weak start: one an hour, or anything."""
    due: float = 0.3
    day_came: Floats = msgspec.field(default_factory=lambda: _zeros(48))
    day_due: Floats = msgspec.field(default_factory=lambda: _zeros(48))
    week_came: Floats = msgspec.field(default_factory=lambda: _zeros(SLOTS))
    week_due: Floats = msgspec.field(default_factory=lambda: _zeros(SLOTS))
    pending: dict[int, float] = {}
    hour_moment: float = 20.0
    hour_weight: float = 400.0
    day_moment: float = 8.0
    day_weight: float = 400.0
    day_so_far: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Of the day that is being learned: came, due, sum of due^2."""
    today_came: float = 0.0
    today_due: float = 0.0
    rate: float = 1.0
    """Customer-equivalents expected in the hour that runs."""
    today: float = 1.0
    """Factor of today's level, from today's counts; bounded."""
    hour_dispersion: float = 0.05
    day_dispersion: float = 0.02
    ignorance: float = 5.0
    """Relative variance of the rate from not knowing it better."""

    @classmethod
    def starting(cls, hour: int) -> "Baseline":
        """A series whose first hour is *hour*."""
        return cls(born=hour, hour=hour, learned=hour)

    def add(self, hour: int, weight: float) -> bool:
        """*weight* customer-equivalents came in *hour*. False where it is learned, or too early."""
        if hour < self.learned:
            return False
        self.pending[hour] = self.pending.get(hour, 0.0) + weight
        return True

    def learn_late(self, hour: int, weight: float, timezone: str) -> bool:
        """A ticket of history for an hour that is learned already: raise what came.

        By as much as has not faded since. False where the hour lies before the series was born.
        """
        if hour < self.born:
            return False
        slot = hour_of_week(hour, timezone)
        level = max(self.came / self.due, LEAST_RATE)
        age = self.learned - hour
        self.came += weight * self._level_decay() ** age / (1.0 + self.hour_dispersion * level)
        self.week_came[slot] += weight * _SEASON_DECAY ** (age / SLOTS)
        return True

    def season(self, slot: int, profile: Profile) -> float:
        """How busy the hour of week *slot* is against the level."""
        shared, day, week = self._season(slot, profile)
        return shared * day * week

    def expected(self, hour: int, timezone: str, profile: Profile) -> float:
        """Customer-equivalents expected in *hour* as far as is known now; changes nothing."""
        return self._rate(hour_of_week(hour, timezone), profile)

    def advance_one(self, timezone: str, profile: Profile, tenant_age: float | None) -> None:
        """Enter the next hour: close today's count, learn what is old enough, expect anew.

        Args:
            timezone: Whose hours of the week.
            profile: The tenant's.
            tenant_age: Hours since the tenant was first seen; None for the tenant's own baseline,
                which teaches the profile.
        """
        over = self.hour
        self.hour = hour = over + 1
        slot = hour_of_week(hour, timezone)
        self._follow_today(over, new_day=slot % 24 == 0)
        age = hour - self.born
        due_until = hour - (GUARD_HOURS if age > YOUNG_HOURS else 0)
        if self.learned < due_until:
            decay = self._level_decay()
            while self.learned < due_until:
                self._learn_hour(timezone, profile, decay, teach=tenant_age is None)
            self.day_dispersion = day = max(self.day_moment / self.day_weight, LEAST_DISPERSION)
            self.hour_dispersion = max(self.hour_moment / self.hour_weight - day, LEAST_DISPERSION)
        self.rate = self._rate(slot, profile)
        self.ignorance = 0.005 + 1.0 / self.came
        if age < _GROWN_HOURS:
            self.ignorance += 0.3 * math.exp(-age / 240.0)
        if (tenant_age := age if tenant_age is None else tenant_age) < _GROWN_HOURS:
            self.ignorance += 2.0 * math.exp(-tenant_age / 100.0)

    def skip_gap(self, hour: int) -> None:
        """Skip what is beyond eight weeks of silence: it teaches nothing more."""
        start = hour - LONGEST_GAP_HOURS
        if start > self.hour:
            self.hour = start
            self.learned = start
            self.pending = {}
            self.day_so_far = (0.0, 0.0, 0.0)

    def rebase(self, factor: float) -> None:
        """The level is *factor* times what was thought: a new normal."""
        self.due /= factor
        self.rate *= factor

    def _level_decay(self) -> float:
        """Half-life of the level: a quarter of the age, one to ten days: growth is followed."""
        age = self.hour - self.born
        if age >= 960:
            return _GROWN_DECAY
        return 0.5 ** (4.0 / max(age, 96))  # type: ignore[no-any-return]  # float ** float is Any in typeshed

    def _rate(self, slot: int, profile: Profile) -> float:
        return max(LEAST_RATE, self.came / self.due * self.season(slot, profile))

    def _season(self, slot: int, profile: Profile) -> tuple[float, float, float]:
        day = slot % 24 + (24 if slot >= SATURDAY else 0)
        return (
            profile.came[slot] / profile.due[slot],
            (self.day_came[day] + _OWN_DAY) / (self.day_due[day] + _OWN_DAY),
            (self.week_came[slot] + _OWN_WEEK) / (self.week_due[slot] + _OWN_WEEK),
        )

    def _follow_today(self, over: int, *, new_day: bool) -> None:
        """Today's level: a gamma filter of its counts, for members that look for fast spikes."""
        if new_day:
            self.today_came = self.today_due = 0.0
            self.today = 1.0
            return
        rate = self.rate
        worth = 1.0 / (1.0 + self.hour_dispersion * rate)
        bound = 3.0 * rate + 3.0
        count = self.pending.get(over, 0.0)
        self.today_came += worth * (count if count < bound else bound)
        self.today_due += worth * rate
        prior = 1.0 / self.day_dispersion
        today = (prior + self.today_came) / (prior + self.today_due)
        self.today = 0.4 if today < 0.4 else 1.5 if today > 1.5 else today

    def _learn_hour(self, timezone: str, profile: Profile, decay: float, *, teach: bool) -> None:
        hour = self.learned
        self.learned = hour + 1
        count = self.pending.pop(hour, 0.0)
        slot = hour_of_week(hour, timezone)
        weekend = slot >= SATURDAY
        day = slot % 24 + 24 * weekend
        day_came, day_due = self.day_came[day], self.day_due[day]
        week_came, week_due = self.week_came[slot], self.week_due[slot]
        shared = profile.came[slot] / profile.due[slot]
        day_factor = (day_came + _OWN_DAY) / (day_due + _OWN_DAY)
        season = shared * day_factor * ((week_came + _OWN_WEEK) / (week_due + _OWN_WEEK))
        level = self.came / self.due
        mean = level * season
        if mean < 1e-6:
            mean = 1e-6
        dispersion = self.hour_dispersion + self.day_dispersion
        deviation = math.sqrt(mean + (dispersion + self.ignorance) * mean * mean)
        least, most = mean - 3.0 * deviation, mean + 4.0 * deviation + 1.0
        kept = least if count < least else most if count > most else count
        if hour - self.born > SLOTS:
            self._learn_dispersion(slot, count, kept, mean, deviation)
        worth = 1.0 / (1.0 + dispersion * mean)
        self.came = self.came * decay + worth * kept
        self.due = self.due * decay + worth * season
        fade = _WEEKEND_FADE if weekend else _WORKDAY_FADE
        known = level * shared
        taught = worth * kept
        known = worth * known
        self.day_came[day] = day_came * fade + taught
        self.day_due[day] = day_due * fade + known
        self.week_came[slot] = week_came * _SEASON_DECAY + taught
        self.week_due[slot] = week_due * _SEASON_DECAY + known * day_factor
        if teach:
            profile.learn(slot, kept, max(level, LEAST_RATE))

    def _learn_dispersion(
        self, slot: int, count: float, kept: float, mean: float, deviation: float
    ) -> None:
        """Moments of hours and of days, clipped, and weighted by what each can tell."""
        dispersion = self.hour_dispersion + self.day_dispersion
        clip = 2.0 + 1.5 / (1.0 + mean)
        off = min(max(count, mean - clip * deviation), mean + clip * deviation) - mean
        weight = min(3.0, 0.5 / (1.0 / mean + dispersion) ** 2)
        self.hour_moment = self.hour_moment * 0.9995 + weight * (off * off * 1.085 - mean) / mean**2
        self.hour_weight = self.hour_weight * 0.9995 + weight
        came, due, squares = self.day_so_far
        came, due, squares = came + kept, due + mean, squares + mean * mean
        self.day_so_far = (came, due, squares)
        if slot % 24 == 23:
            noise = 1.0 / due + self.hour_dispersion * squares / due**2
            moment = ((came - due) ** 2 - came - self.hour_dispersion * squares) / due**2
            moment = min(moment, (4.0 if came > due else 3.0) * (self.day_dispersion + noise))
            weight = min(40.0, 0.5 / (noise + self.day_dispersion) ** 2)
            self.day_moment = self.day_moment * 0.99 + weight * moment
            self.day_weight = self.day_weight * 0.99 + weight
            self.day_so_far = (0.0, 0.0, 0.0)
