# whole: one detector, its formulas beside the code that computes them
"""The default model: Shiryaev-Roberts over a bank of multiples, with all uncertainty of the rate.

For each multiple m of the expected rate, two statistics are updated. The CUSUM (Page 1954,
"Continuous inspection schemes") of a negative binomial process with mean lam and size r per hour,

    S += log(m (lam + r) / (m lam + r)) per ticket
    S -= r log((m lam + r) / (lam + r)) / lam per expected ticket, never below 0

(without dispersion: log m and m - 1), finds the most likely start of a window. Shiryaev-Roberts
(Pollak and Tartakovsky 2009, "Optimality properties of the Shiryaev-Roberts procedure") adds up the
likelihood ratios of *all* starts, one per hour: R grows by one per hour, and by the same factors as
exp(S). R / exp(S) is the width, in hours, of the range of starts about as likely as the best start.
This quotient is stored, because only sums are needed to update it.

These statistics alone are overconfident, because daily noise and uncertainty of the rate do not
average out within a window. Each window is therefore scored by its own likelihood ratio, with a
negative binomial whose variance includes the dispersion of hours, the dispersion of days, and the
uncertainty of the rate:

    mean M = expected count since the start (at today's level if the window starts today)
    1 / size = sum M_h^2 phi_h / M^2  +  phi_d / max(1, days)  +  uncertainty
    log ratio = n log m - (n + size) log((m M + size) / (M + size))

The hours of starts are the larger of R / exp(S) and the width that follows from how fast this ratio
falls if the window begins earlier.

The score is the log of the mean, over all m, of hours of starts x ratio / 168. If the rate were
known exactly, the statistic minus the elapsed time would be a martingale, so chance alone would
reach a score of s at most once in e^s weeks, whatever the rate. All multiples and all rates are
treated alike, and no score has to wait for the end of a bucket.
"""

import math
from collections.abc import Sequence
from typing import ClassVar, Final, Self

import msgspec

from detectors.foundation import state_codec
from detectors.foundation.count_statistics import (
    hours_of_starts,
    log_likelihood_ratio,
)
from detectors.foundation.units import HOURS_PER_DAY, HOURS_PER_WEEK, SECONDS_PER_HOUR
from detectors.models.base import (
    LEAST_EVIDENCE,
    Arrival,
    Expectation,
    Model,
    Score,
    WindowShare,
)
from detectors.models.baseline import Baseline, Context
from detectors.models.window_score import WindowEvidence, combine_windows

NEW_NORMAL_HOURS: Final = 120.0
"""If a window is longer than this and its log ratio exceeds `NEW_NORMAL_DOUBT`, it is not a spike
but a new normal, and the level is rebased."""
NEW_NORMAL_RATIO: Final = 1.3
NEW_NORMAL_DOUBT: Final = 9.0
"""The log ratio from which a window is certain enough for a new normal."""
TODAY_BOUNDS: Final = (0.7, 1.5)
"""Bounds of the factor for today's level; a wider range would hide a slow rise."""

MULTIPLES: Final = (1.5, 2.0, 3.0, 5.0, 10.0, 25.0, 100.0)
LONGEST_HOURS: Final = (336.0, 168.0, 96.0, 48.0, 48.0, 48.0, 48.0)
"""The longest window of each member of the bank; a window that reaches it is restarted."""
_ALL_STARTS: Final = HOURS_PER_WEEK * len(MULTIPLES)
FIRST_HOURS: Final = 2
"""In these first hours of a tenant, windows are restarted every hour, because each hour corrects
the rates."""
JUDGED_ABOVE: Final = 1.5
"""A window is scored only if its CUSUM exceeds this; other windows contribute almost nothing."""
SUSPECT: Final = 4.0
"""The CUSUM of a member with a low multiple above which a slow rise may be an incident."""
SHORTEST_HOURS: Final = 1.0 / 60.0
"""The shortest duration with which a window is scored, because many feeds have a resolution of one
minute."""


class Window(msgspec.Struct, array_like=True, gc=False):
    """A running window of one member of the bank. Times are in hours since 1970.

    Each ticket replaces the windows that it counts in, because creating a struct takes less time
    than assigning its fields.
    """

    cusum: float = 0.0
    starts: float = 0.0
    """Width, in hours, of the range of starts about as likely as the best start: Shiryaev-Roberts
    divided by exp(cusum)."""
    observed: float = 0.0
    start: float = 0.0
    expected_at_start: float = 0.0
    squares_at_start: float = 0.0
    """Running total of the squared rates at the start of the window."""
    tickets: int = 0
    customers: int = 0
    today_observed: float = 0.0
    """Observed count of today before the window began; see `Baseline.today_so_far`."""
    today_expected: float = 0.0


class _State(msgspec.Struct, array_like=True):
    baseline: Baseline
    windows: list[Window] = msgspec.field(default_factory=lambda: [Window() for _ in MULTIPLES])
    expected: float = 0.0
    """Customer-equivalents expected from the first hour to the last ticket."""
    at: float = 0.0
    """The time of the last ticket, hours since 1970."""


class CusumBank(Model):
    """The baseline and the windows of one series.

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
        self._state.expected = self._expected(hours)

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
            has_new_rates = baseline.advance(hour, self._context, self._suspect())
            if hour - self._context.tenant_born <= FIRST_HOURS:  # the rates were still a guess
                self.restart()
            if has_new_rates:
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
        for window, (gain, _, _) in zip(self._state.windows, self._steps, strict=True):
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

    def hold(self, since: float) -> None:
        """See `Model`."""
        self._state.baseline.hold(int(since // 3600))

    def release(self, until: float, *, keeps: bool) -> None:
        """See `Model`."""
        self._state.baseline.release(int(until // 3600) + 1, keeps=keeps)

    @property
    def is_held(self) -> bool:
        """Whether an episode keeps the model from learning."""
        return self._state.baseline.held_since >= 0

    def inherit(self, other: Model, share: float) -> None:
        """See `Model`."""
        assert isinstance(other, CusumBank)
        self._state.baseline.inherit(other._state.baseline, share, self._context)
        self._look()
        self.restart()

    def rebase(self, factor: float) -> None:
        """See `Model`."""
        state = self._state
        state.baseline.rebase(factor)
        self._look()
        state.expected = self._expected(max(state.at, float(state.baseline.hour)))
        self.restart()

    def expected_until(self, at: float) -> float:
        """See `Model`."""
        return self._expected(max(at / 3600.0, self._state.at))

    @property
    def rate(self) -> float:
        """See `Model`."""
        return self._state.baseline.rate

    @property
    def shared_variance(self) -> float:
        """See `Model`."""
        return self._state.baseline.season_ignorance(self._context)

    @property
    def level(self) -> float:
        """See `Model`."""
        return self._state.baseline.observed / self._state.baseline.expected

    def rate_at(self, at: float) -> float:
        """See `Model`."""
        return self._state.baseline.rate_at(int(at // 3600))

    def expected_and_observed(self, since: float, at: float) -> tuple[float, float]:
        """See `Model`."""
        baseline = self._state.baseline
        hours = range(max(int(since / 3600.0), int(at // 3600) - 24), int(at // 3600) + 1)
        expected = sum(baseline.rate_at(hour) for hour in hours) - baseline.rate_at(hours[-1]) * (
            1.0 - at % 3600.0 / 3600.0
        )
        return expected, sum(baseline.pending.get(hour, 0.0) for hour in hours)

    def expected_between(self, since: float, until: float) -> float:
        """See `Model`."""
        return self._state.baseline.expected_between(
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
    def ticket_weight(self) -> float:
        """See `Model`."""
        baseline = self._state.baseline
        return 1.0 / (1.0 + baseline.hour_dispersion * baseline.rate)

    @property
    def maturity_hours(self) -> float:
        """See `Model`."""
        return float(self._state.baseline.learned - self._state.baseline.born)

    def mature(self) -> None:
        """See `Model`."""
        self._state.baseline.mature()

    def expectation(self) -> Expectation:
        """See `Model`."""
        baseline = self._state.baseline
        return Expectation(
            baseline.rate,
            self.level,
            baseline.rate / self.level,
            baseline.hour_dispersion,
            baseline.day_dispersion,
            baseline.ignorance,
            baseline.observed,
            self.maturity_hours / HOURS_PER_WEEK,
        )

    def window_shares(self) -> list[WindowShare]:
        """See `Model`."""
        windows = self._evidence(self._state.at, self._state.expected)
        total = sum(evidence.value for evidence in windows)
        return [
            WindowShare(
                evidence.multiple,
                evidence.window.start * 3600.0,
                evidence.window.observed,
                evidence.expected,
                evidence.variance,
                evidence.log_ratio,
                evidence.hours_of_starts,
                evidence.value / total,
            )
            for evidence in windows
        ]

    def encode(self) -> bytes:
        """See `Model`."""
        return state_codec.encode(self._state)

    @classmethod
    def restore(cls, data: bytes, context: Context) -> Self:
        """See `Model`."""
        self = cls.__new__(cls)
        self._context = context
        self._state = state_codec.decode(data, _State)
        missing = len(MULTIPLES) - len(self._state.windows)
        self._state.windows += [Window() for _ in range(missing)]  # a state with fewer members
        self._look()
        return self

    def _suspect(self) -> int | None:
        """Return the first hour of a slow rise that may be an incident, or None."""
        slow = [window for window in self._state.windows[:2] if window.cusum > SUSPECT]
        return int(min(window.start for window in slow)) if slow else None

    def _look(self) -> None:
        """Cache values that are derived from the state and read often."""
        baseline = self._state.baseline
        self._totals = baseline.totals()
        self._steps = _steps(baseline)

    def _expected(self, at: float) -> float:
        """Return the customer-equivalents expected from the first hour until a time.

        Args:
            at: Hours since 1970, in the current hour.
        """
        baseline = self._state.baseline
        into = baseline.hour - baseline.start
        return self._totals.expected[into] + self._totals.rates[into] * (at - baseline.hour)

    def _fold(self, at: float, weight: float, last_seen: float, until: float) -> Score:
        """Count a ticket in every window, and return the score if a window has enough evidence."""
        state = self._state
        expected = self._expected(at)
        step, hours = expected - state.expected, at - state.at
        state.expected, state.at = expected, at
        step = step if step > 0.0 else 0.0
        hours = hours if hours > 0.0 else 0.0
        judged = False
        begin: tuple[float, float, float] | None = None
        exp = math.exp
        windows = state.windows
        for place, (gain, drift, longest) in enumerate(self._steps):
            window = windows[place]
            fallen = drift * step
            cusum = window.cusum - fallen
            fresh = hours * (1.0 - exp(-fallen)) / fallen if fallen > 1e-9 else hours
            if cusum <= 0.0 or at - window.start > longest:
                if cusum <= 0.0:
                    starts = window.starts * exp(cusum) + fresh
                else:
                    starts = window.starts + fresh * exp(-cusum)
                if begin is None:
                    begin = self._begin(at)
                squares, today_observed, today_expected = begin
                windows[place] = Window(
                    weight * gain,
                    starts,
                    weight,
                    at,
                    expected,
                    squares,
                    1,
                    1,
                    today_observed,
                    today_expected,
                )
                continue
            start, customers = window.start, window.customers
            if last_seen < start:
                customers += 1
            starts = window.starts + fresh * exp(-cusum)
            cusum += weight * gain
            windows[place] = Window(
                cusum,
                starts,
                window.observed + weight,
                start,
                window.expected_at_start,
                window.squares_at_start,
                window.tickets + 1,
                customers,
                window.today_observed,
                window.today_expected,
            )
            if cusum > JUDGED_ABOVE and customers >= LEAST_EVIDENCE:
                judged = True
        if until > at:  # the ticket may have been created at any time of the day
            at, expected = until, max(expected, self._totals.expected[-1])
        return self._score(at, expected) if judged else _NO_SCORE

    def _begin(self, at: float) -> tuple[float, float, float]:
        """Return the totals that a window stores when it begins.

        Args:
            at: When the window begins, hours since 1970.

        Returns:
            The running total of the squared rates, and the observed and expected counts of today.
        """
        baseline, totals = self._state.baseline, self._totals
        into = baseline.hour - baseline.start
        outside = totals.rates[into] * (baseline.hour + 1 - at)
        observed, expected = baseline.today_so_far(totals)
        return totals.squares[into + 1] - outside * outside, observed, expected

    def _score(self, at: float, expected: float) -> Score:
        """Return the score of the windows that end now; rebase the level if it is a new normal."""
        windows = self._evidence(at, expected)
        score = combine_windows(windows, _ALL_STARTS)
        if score is None:
            return _NO_SCORE
        factor = _new_normal(windows, at)
        if factor and self._is_still_elevated(factor, at):
            self.rebase(factor)
            self._state.expected = self._expected(at)
        return score

    def _is_still_elevated(self, factor: float, at: float) -> bool:
        """Return whether the last day is as high as a window that would be a new normal.

        A running episode must also have lasted that long; the window may begin before it.
        """
        held_since = self._state.baseline.held_since
        if held_since >= 0 and at - held_since < NEW_NORMAL_HOURS:
            return False
        since = (at - HOURS_PER_DAY) * SECONDS_PER_HOUR
        expected, observed = self.expected_and_observed(since, at * SECONDS_PER_HOUR)
        return observed + 1.0 >= math.sqrt(factor) * (expected + 1.0)

    def _evidence(self, at: float, expected: float) -> list[WindowEvidence]:
        """Return the windows with enough evidence, in the order of their multiples.

        Args:
            at: Now, hours since 1970.
            expected: Customer-equivalents expected from the first hour until now.
        """
        state = self._state
        baseline, totals = state.baseline, self._totals
        into = baseline.hour - baseline.start
        least_mean = baseline.rate * SHORTEST_HOURS
        this_hour = totals.rates[into] * (at - baseline.hour)
        squares_now = totals.squares[into] + this_hour * this_hour
        found = []
        for window, multiple in zip(state.windows, MULTIPLES, strict=True):
            observed = window.observed
            if (
                window.cusum <= JUDGED_ABOVE
                or observed < LEAST_EVIDENCE
                or window.customers < LEAST_EVIDENCE
            ):
                continue
            length = max(at - window.start, SHORTEST_HOURS)
            mean = max(expected - window.expected_at_start, least_mean)
            day = baseline.day_dispersion
            squares = (
                mean * mean
                if window.start >= baseline.hour
                else squares_now - window.squares_at_start
            )
            noise = max(squares, 0.0) * baseline.hour_dispersion / (mean * mean)
            if window.start >= baseline.start:  # the earlier hours of today give today's level
                prior = 1.0 / day
                today = (prior + window.today_observed) / (prior + window.today_expected)
                mean *= min(max(today, TODAY_BOUNDS[0]), TODAY_BOUNDS[1])
                day = 1.0 / (prior + window.today_expected)
            elif length > HOURS_PER_DAY:
                day *= HOURS_PER_DAY / length
            variance = noise + day + baseline.ignorance
            size = 1.0 / variance
            ratio = log_likelihood_ratio(observed, mean, size, multiple)
            if ratio < 1.0:
                continue
            starts = hours_of_starts(observed, mean, size, multiple, ratio, length)
            starts = max(window.starts, starts)
            found.append(WindowEvidence(window, multiple, mean, variance, ratio, starts))
        return found


def _new_normal(windows: Sequence[WindowEvidence], at: float) -> float:
    """Return the factor of a new normal that has lasted for `NEW_NORMAL_HOURS`; 0: none."""
    factor = 0.0
    for evidence in windows:
        window = evidence.window
        is_lasting = max(at - window.start, SHORTEST_HOURS) > NEW_NORMAL_HOURS
        if (
            is_lasting
            and evidence.log_ratio > NEW_NORMAL_DOUBT
            and window.observed > NEW_NORMAL_RATIO * evidence.expected
        ):
            factor = min(window.observed / evidence.expected, 10.0)
    return factor


def _steps(baseline: Baseline) -> tuple[tuple[float, float, float], ...]:
    """Return the steps of the CUSUM of each member of the bank.

    Returns:
        The gain per ticket, the loss per expected ticket, and the longest window in hours.
    """
    rate = baseline.rate
    size = 1.0 / baseline.hour_dispersion
    before = rate + size
    steps = []
    for multiple, longest in zip(MULTIPLES, LONGEST_HOURS, strict=True):
        raised = (multiple * rate + size) / before
        steps.append((math.log(multiple / raised), size * math.log(raised) / rate, longest))
    return tuple(steps)


_NO_SCORE: Final = Score()
