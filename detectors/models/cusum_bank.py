"""The default model: Shiryaev-Roberts over a bank of multiples, judged with all that is not known.

For each multiple m of the expected rate two statistics run. The CUSUM (Page 1954, "Continuous
inspection schemes") of a negative binomial process with mean lam and size r an hour,

    S += log(m (lam + r) / (m lam + r)) per ticket
    S -= r log((m lam + r) / (lam + r)) / lam per expected ticket, never below 0

(without dispersion log m and m - 1), finds where the most likely window starts. Shiryaev-Roberts
(Pollak and Tartakovsky 2009, "Optimality properties of the Shiryaev-Roberts procedure") adds up the
likelihood ratios of *all* starts, one an hour: R grows by one an hour, and by the same factors.
R / exp(S) is how many hours of starts are about as likely as the best one; it is what is kept,
since it grows by sums alone.

That is too sure of itself: noise of days and ignorance do not average out. The window's own ratio
is taken instead, of a negative binomial whose variance holds the noise of hours, of days, and what
is not known of the rate:

    mean M = expected since the start (at today's level, where today had one before it)
    1 / size = sum M_h^2 phi_h / M^2  +  phi_d / max(1, days)  +  ignorance
    log ratio = n log m - (n + size) log((m M + size) / (M + size))

and hours of starts from how it falls if the window began earlier, where that says more.

The score is log(mean over m of hours of starts x ratio, / 168): were all known, the statistic less
the time is a martingale, so a score of s is passed by chance at most once in e^s weeks, whatever
the rate. No multiple and no rate taxes another, and nothing waits for a bucket to end.
"""

import copy
import math
from typing import ClassVar, Final, Self

import msgspec

from detectors.foundation import state_codec
from detectors.foundation.count_statistics import (
    hours_of_starts,
    log_likelihood_ratio,
    negative_log_tail,
)
from detectors.models.base import (
    HOURS_A_WEEK,
    LEAST_EVIDENCE,
    Arrival,
    Expectation,
    Model,
    Score,
    WindowShare,
)
from detectors.models.baseline import Baseline, Context
from detectors.models.day_totals import Totals

NEW_NORMAL_HOURS: Final = 48.0
"""A window that is this long and beyond doubt is no spike any more: the level is re-based."""
NEW_NORMAL_RATIO: Final = 1.3
NEW_NORMAL_DOUBT: Final = 9.0
"""Log ratio that counts as beyond doubt."""
TODAY_BOUNDS: Final = (0.7, 1.5)
"""Today's level is taken for no more than this, or a ramp would hide in it."""

MULTIPLES: Final = (1.5, 2.0, 3.0, 5.0, 10.0, 25.0)
LONGEST_HOURS: Final = (336.0, 168.0, 96.0, 48.0, 48.0, 48.0)
"""A window that is older begins anew: nothing is blamed on last month."""
_ALL_STARTS: Final = HOURS_A_WEEK * len(MULTIPLES)
FIRST_HOURS: Final = 2
"""Of a tenant; in them no window is longer than the hour, since each hour mends the rates."""
JUDGED_ABOVE: Final = 1.5
"""A member whose CUSUM is lower adds nothing that matters."""
SUSPECT: Final = 4.0
"""A slow member with a CUSUM above this may be seeing the start of an incident."""
SHORTEST_HOURS: Final = 1.0 / 60.0
"""A window is judged as if it were this long: many feeds know no better than the minute."""


class Window(msgspec.Struct, array_like=True, gc=False):
    """What runs in one member of the bank. Times: hours since 1970."""

    cusum: float = 0.0
    starts: float = 0.0
    """Hours of starts that are as likely as the best one: Shiryaev-Roberts over exp(cusum)."""
    observed: float = 0.0
    start: float = 0.0
    due_at_start: float = 0.0
    squares_at_start: float = 0.0
    """Running total of each hour's squared rate, less what of the first hour is not inside."""
    tickets: int = 0
    customers: int = 0
    today_came: float = 0.0
    """What today had told before the window began; see `Baseline.today_so_far`."""
    today_due: float = 0.0


class _State(msgspec.Struct, array_like=True):
    baseline: Baseline
    windows: list[Window] = msgspec.field(default_factory=lambda: [Window() for _ in MULTIPLES])
    due: float = 0.0
    """Expected from birth to the last ticket."""
    at: float = 0.0
    """When that was, in hours since 1970."""


class CusumBank(Model):
    """Baseline and windows of one series.

    Example:
        >>> from detectors.models.baseline import Profile
        >>> model = CusumBank(Context(profile=Profile(), tenant_born=0), start=0.0)
        >>> for hour in range(24 * 7 * 6):
        ...     _ = model.observe(Arrival(hour * 3600.0))  # one an hour for six weeks
        >>> now = 24 * 7 * 6 * 3600.0
        >>> burst = [model.observe(Arrival(now + 60.0 * minute)).value for minute in range(8)]
        >>> burst[2] < 0 < burst[-1]
        True
    """

    name: ClassVar[str] = "cusum_bank"

    def __init__(self, context: Context, start: float) -> None:
        """See `Model`."""
        self._context = context
        hours = start / 3600.0
        self._state = _State(Baseline.starting(int(start // 3600), context), at=hours)
        self._look()
        self._state.due = self._due(hours)

    def observe(self, x: Arrival) -> Score:
        """See `Model`."""
        baseline = self._state.baseline
        at = x.at / 3600.0
        hour = baseline.hour
        if at >= hour + 1:
            self.advance(x.at)
            hour = baseline.hour
        elif at < hour:
            at = float(hour)
        baseline.add(hour, x.weight)
        return self._fold(at, x.weight, x.last_seen / 3600.0, x.until / 3600.0)

    def advance(self, at: float) -> None:
        """See `Model`."""
        hour = int(at // 3600)
        baseline = self._state.baseline
        if hour > baseline.hour:
            baseline.advance(hour, self._context, self._suspect())
            if hour - self._context.tenant_born <= FIRST_HOURS:  # what was due was a guess
                self.restart()
            if self._totals.of is not baseline.rates:
                self._look()
            else:
                self._steps = _steps(baseline)

    def learn_late(self, at: float, weight: float, *, bounded: bool = False) -> bool:
        """See `Model`."""
        hour = int(at // 3600)
        baseline = self._state.baseline
        return baseline.add(hour, weight) or baseline.learn_late(
            hour, weight, self._context, bounded=bounded
        )

    def withdraw(self, at: float, weight: float) -> None:
        """See `Model`."""
        self._state.baseline.add(int(at // 3600), -weight)
        hours = at / 3600.0
        for window, (gain, _) in zip(self._state.windows, self._steps, strict=True):
            if window.cusum > 0.0 and window.start <= hours:
                window.cusum = max(0.0, window.cusum - weight * gain)
                window.observed = max(0.0, window.observed - weight)
                window.tickets = max(0, window.tickets - 1)
                window.customers = max(0, window.customers - (weight >= 1.0))

    def restart(self) -> None:
        """See `Model`."""
        self._state.windows = [Window() for _ in MULTIPLES]

    def mark_gap(self, since: float, until: float) -> None:
        """See `Model`."""
        self._state.baseline.mark_gap(int(since // 3600), int(until // 3600) + 1)
        self.restart()

    def adopt(self, other: Model, share: float) -> None:
        """See `Model`."""
        assert isinstance(other, CusumBank)
        self._state.baseline.adopt(other._state.baseline, share, self._context)
        self._look()
        self.restart()

    def rebase(self, factor: float) -> None:
        """See `Model`."""
        state = self._state
        state.baseline.rebase(factor)
        self._look()
        state.due = self._due(max(state.at, float(state.baseline.hour)))
        self.restart()

    def due_by(self, at: float) -> float:
        """See `Model`."""
        return self._due(max(at / 3600.0, self._state.at))

    @property
    def rate(self) -> float:
        """See `Model`."""
        return self._state.baseline.rate

    def rate_at(self, at: float) -> float:
        """See `Model`."""
        return self._state.baseline.rate_at(int(at // 3600))

    def lately(self, since: float, at: float) -> tuple[float, float]:
        """See `Model`."""
        baseline = self._state.baseline
        hours = range(max(int(since), int(at // 3600) - 24), int(at // 3600) + 1)
        due = sum(baseline.rate_at(hour) for hour in hours) - baseline.rate_at(hours[-1]) * (
            1.0 - at % 3600.0 / 3600.0
        )
        return due, sum(baseline.pending.get(hour, 0.0) for hour in hours)

    def due_between(self, since: float, until: float) -> float:
        """See `Model`."""
        return self._state.baseline.due_between(
            int(since // 3600), int(until // 3600), self._context
        )

    def variance(self, hours: float) -> float:
        """See `Model`."""
        baseline = self._state.baseline
        return (
            baseline.hour_dispersion / max(1.0, hours)
            + baseline.day_dispersion / max(1.0, hours / 24.0)
            + baseline.ignorance
        )

    @property
    def information(self) -> float:
        """See `Model`."""
        baseline = self._state.baseline
        return 1.0 / (1.0 + baseline.hour_dispersion * baseline.rate)

    @property
    def maturity_hours(self) -> float:
        """See `Model`."""
        return float(self._state.baseline.learned - self._state.baseline.born)

    def grow(self) -> None:
        """See `Model`."""
        self._state.baseline.grow()

    def expectation(self) -> Expectation:
        """See `Model`."""
        baseline = self._state.baseline
        level = baseline.came / baseline.due
        return Expectation(
            baseline.rate,
            level,
            baseline.rate / level,
            baseline.hour_dispersion,
            baseline.day_dispersion,
            baseline.ignorance,
            baseline.came,
            self.maturity_hours / HOURS_A_WEEK,
        )

    def members(self) -> list[WindowShare]:
        """See `Model`."""
        twin = self.restore(self.encode(), copy.deepcopy(self._context))
        told: list[WindowShare] = []
        twin._judge(twin._state.at, twin._state.due, told)
        total = sum(member.share for member in told)
        return [msgspec.structs.replace(member, share=member.share / total) for member in told]

    def encode(self) -> bytes:
        """See `Model`."""
        return state_codec.encode(self._state)

    @classmethod
    def restore(cls, data: bytes, context: Context) -> Self:
        """See `Model`."""
        self = cls.__new__(cls)
        self._context = context
        self._state = state_codec.decode(data, _State)
        self._look()
        return self

    def _suspect(self) -> int | None:
        """Since when complaints may be coming faster, slowly; None: they do not seem to."""
        slow = [window for window in self._state.windows[:2] if window.cusum > SUSPECT]
        return int(min(window.start for window in slow)) if slow else None

    def _look(self) -> None:
        """Derive from the state what is read most."""
        baseline = self._state.baseline
        self._totals = Totals(baseline)
        self._steps = _steps(baseline)

    def _due(self, at: float) -> float:
        """Expected from birth until *at* (hours), within the hour that runs."""
        baseline = self._state.baseline
        into = baseline.hour - baseline.start
        return self._totals.due[into] + self._totals.of[into] * (at - baseline.hour)

    def _fold(self, at: float, weight: float, last_seen: float, until: float) -> Score:
        """Take one more ticket into every window, and judge where it may matter."""
        state = self._state
        due = self._due(at)
        step, hours = due - state.due, at - state.at
        state.due, state.at = due, at
        step = step if step > 0.0 else 0.0
        hours = hours if hours > 0.0 else 0.0
        judged = False
        begin: tuple[float, float, float] | None = None
        exp = math.exp
        for window, (gain, drift), longest in zip(
            state.windows, self._steps, LONGEST_HOURS, strict=True
        ):
            fallen = drift * step
            cusum = window.cusum - fallen
            fresh = hours * (1.0 - exp(-fallen)) / fallen if fallen > 1e-9 else hours
            if cusum <= 0.0 or at - window.start > longest:
                if cusum <= 0.0:
                    window.starts = window.starts * exp(cusum) + fresh
                else:
                    window.starts += fresh * exp(-cusum)
                if begin is None:
                    begin = self._begin(at)
                window.cusum = weight * gain
                window.observed = weight
                window.start = at
                window.due_at_start = due
                window.squares_at_start, window.today_came, window.today_due = begin
                window.tickets = window.customers = 1
                continue
            window.starts += fresh * exp(-cusum)
            window.cusum = cusum = cusum + weight * gain
            window.observed += weight
            window.tickets += 1
            if last_seen < window.start:
                window.customers += 1
            if cusum > JUDGED_ABOVE and window.customers >= LEAST_EVIDENCE:
                judged = True
        if until > at:  # it may have come at any time of the day: all of the day is due
            at, due = until, max(due, self._totals.due[-1])
        return self._judge(at, due) if judged else _NO_SCORE

    def _begin(self, at: float) -> tuple[float, float, float]:
        """Of a window that begins *at*: squares before it, and what today had told."""
        baseline, totals = self._state.baseline, self._totals
        into = baseline.hour - baseline.start
        outside = totals.of[into] * (baseline.hour + 1 - at)
        came, due = baseline.today_so_far(totals)
        return totals.squares[into + 1] - outside * outside, came, due

    def _judge(self, at: float, due: float, told: list[WindowShare] | None = None) -> Score:
        """The score of the windows that end now; each one is *told*, for those who ask."""
        state = self._state
        baseline, totals = state.baseline, self._totals
        into = baseline.hour - baseline.start
        least_mean = baseline.rate * SHORTEST_HOURS
        this_hour = totals.of[into] * (at - baseline.hour)
        squares_now = totals.squares[into] + this_hour * this_hour
        total, best_value, best = 0.0, 0.0, None
        new_normal = 0.0
        for window, multiple in zip(state.windows, MULTIPLES, strict=True):
            observed = window.observed
            if (
                window.cusum <= JUDGED_ABOVE
                or observed < LEAST_EVIDENCE
                or window.customers < LEAST_EVIDENCE
            ):
                continue
            length = max(at - window.start, SHORTEST_HOURS)
            mean = max(due - window.due_at_start, least_mean)
            day = baseline.day_dispersion
            squares = (
                mean * mean
                if window.start >= baseline.hour
                else squares_now - window.squares_at_start
            )
            noise = max(squares, 0.0) * baseline.hour_dispersion / (mean * mean)
            if window.start >= baseline.start:  # what today told before is part of what is due
                prior = 1.0 / day
                today = (prior + window.today_came) / (prior + window.today_due)
                mean *= min(max(today, TODAY_BOUNDS[0]), TODAY_BOUNDS[1])
                day = 1.0 / (prior + window.today_due)
            elif length > 24.0:
                day *= 24.0 / length
            variance = noise + day + baseline.ignorance
            size = 1.0 / variance
            ratio = log_likelihood_ratio(observed, mean, size, multiple)
            if ratio < 1.0:
                continue
            starts = max(
                window.starts, hours_of_starts(observed, mean, size, multiple, ratio, length)
            )
            value = starts * math.exp(min(ratio, 500.0))
            total += value
            if told is not None:
                told.append(
                    WindowShare(
                        multiple,
                        window.start * 3600.0,
                        observed,
                        mean,
                        variance,
                        ratio,
                        starts,
                        value,
                    )
                )
            if value > best_value:
                best_value, best = value, (window, mean, variance)
            lasting = length > NEW_NORMAL_HOURS and ratio > NEW_NORMAL_DOUBT
            if lasting and observed > NEW_NORMAL_RATIO * mean:
                new_normal = min(observed / mean, 10.0)
        if best is None or total < _ALL_STARTS:
            return _NO_SCORE
        window, mean, variance = best
        score = Score(
            math.log(total / _ALL_STARTS),
            window.start * 3600.0,
            window.observed,
            mean,
            window.tickets,
            window.customers,
            negative_log_tail(window.observed, mean, 1.0 / variance),
            variance,
        )
        if new_normal:  # two days beyond doubt are no spike
            self.rebase(new_normal)
            state.due = self._due(at)
        return score


def _steps(baseline: Baseline) -> tuple[tuple[float, float], ...]:
    """Of each member, what a ticket adds to its CUSUM, and what an expected one takes away."""
    rate = baseline.rate
    size = 1.0 / baseline.hour_dispersion
    before = rate + size
    steps = []
    for multiple in MULTIPLES:
        raised = (multiple * rate + size) / before
        steps.append((math.log(multiple / raised), size * math.log(raised) / rate))
    return tuple(steps)


_NO_SCORE: Final = Score()
