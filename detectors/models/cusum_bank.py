"""The default model: a bank of CUSUMs finds where a window starts, its tail what it is worth.

For each multiple m of the expected rate one CUSUM (Page 1954, "Continuous inspection schemes"): S
+= log m per ticket, S -= (m - 1) per expected ticket, never below 0. It finds only the *start* of
the window (S = 0: starts now). The window is then judged by the chance of so many tickets since,
under a negative binomial whose variance holds the noise of hours, of days, and what is not known of
the rate:

    mean M = expected since the start
    1 / size = sum M_h^2 phi_h / M^2  +  phi_d / max(1, days)  +  ignorance

and scored as -log(expected chance windows of that length in a week). One scale for all, so that no
multiple and no rate taxes another. The window starts *at* a ticket, so the tail begins one ticket
earlier.
"""

import math
from typing import ClassVar, Final, Self

import msgspec

from detectors import state_codec
from detectors.arithmetic import negative_log_tail
from detectors.baseline import Baseline
from detectors.models.interface import (
    HOURS_A_WEEK,
    LEAST_EVIDENCE,
    Arrival,
    Model,
    Score,
    Shared,
)

LONGEST_WINDOW_HOURS: Final = 96.0
SHORTEST_WINDOW_HOURS: Final = 1.0 / 60.0
"""A window is judged as if it were this long: many feeds know no better than the minute."""
NEW_NORMAL_HOURS: Final = 48.0
"""A window that is this long and beyond doubt is no spike any more: the level is re-based."""
NEW_NORMAL_RATIO: Final = 1.3
NEW_NORMAL_DOUBT: Final = 12.0
"""-log p that counts as beyond doubt."""

MULTIPLES: Final = (1.5, 2.0, 3.0, 5.0, 10.0)
FOLLOWS_TODAY_ABOVE: Final = 2.5
"""Members above this multiple expect today's level; for slower ones a ramp would hide in it."""
_DRIFTS: Final = tuple(m - 1.0 for m in MULTIPLES)
_GAINS: Final = tuple(math.log(m) for m in MULTIPLES)
_FOLLOW_TODAY: Final = tuple(m > FOLLOWS_TODAY_ABOVE for m in MULTIPLES)


class Window(msgspec.Struct, array_like=True, gc=False):
    """What runs in one member of the bank while ``cusum`` is above 0. Times: hours since 1970."""

    cusum: float = 0.0
    observed: float = 0.0
    due_at_start: float = 0.0
    start: float = 0.0
    squares: float = 0.0
    """Sum of M_h^2 phi_h over the hours that are over."""
    due_at_last: float = 0.0
    tickets: int = 0
    customers: int = 0


def _no_windows() -> list[Window]:
    return [Window() for _ in MULTIPLES]


class _State(msgspec.Struct, array_like=True):
    baseline: Baseline
    windows: list[Window] = msgspec.field(default_factory=_no_windows)
    """As many as `MULTIPLES`."""
    due: float = 0.0
    """Expected since birth, up to the hour that runs."""
    due_today: float = 0.0
    """The same with today's level."""


class CusumBank(Model):
    """Baseline and windows of one series.

    Example:
        >>> from detectors.baseline import Profile
        >>> model = CusumBank(Shared("UTC", 0, Profile()), start=0.0)
        >>> for hour in range(24 * 7 * 6):
        ...     _ = model.observe(Arrival(hour * 3600.0))  # one an hour for six weeks
        >>> now = 24 * 7 * 6 * 3600.0
        >>> burst = [model.observe(Arrival(now + 60.0 * minute)).value for minute in range(8)]
        >>> burst[2] < 0 < burst[-1]
        True
    """

    name: ClassVar[str] = "cusum_bank"

    def __init__(self, shared: Shared, start: float) -> None:
        """See `Model`."""
        self._shared = shared
        self._state = _State(Baseline.starting(int(start // 3600)))

    def observe(self, x: Arrival) -> Score:
        """See `Model`."""
        state = self._state
        baseline = state.baseline
        at = x.at / 3600.0
        if at >= baseline.hour + 1:
            self.advance(x.at)
        hour, weight = baseline.hour, x.weight
        baseline.add(hour, weight)
        return self._fold(at if at >= hour else float(hour), weight, x.last_seen / 3600.0)

    def advance(self, at: float) -> None:
        """See `Model`."""
        hour = int(at // 3600)
        state = self._state
        baseline = state.baseline
        if hour - baseline.hour > 1:
            baseline.skip_gap(hour)
        shared = self._shared
        while baseline.hour < hour:
            self._close_hour()
            state.due += baseline.rate
            state.due_today += baseline.rate * baseline.today
            baseline.advance_one(shared.timezone, shared.profile, baseline.hour - shared.born)

    def learn_late(self, at: float, weight: float) -> bool:
        """See `Model`."""
        hour = int(at // 3600)
        baseline = self._state.baseline
        return baseline.add(hour, weight) or baseline.learn_late(
            hour, weight, self._shared.timezone
        )

    def restart(self) -> None:
        """See `Model`."""
        self._state.windows = _no_windows()

    @property
    def rate(self) -> float:
        """See `Model`."""
        return self._state.baseline.rate

    @property
    def maturity_hours(self) -> float:
        """See `Model`."""
        return float(self._state.baseline.learned - self._state.baseline.born)

    def encode(self) -> bytes:
        """See `Model`."""
        return state_codec.encode(self._state)

    @classmethod
    def restore(cls, data: bytes, shared: Shared) -> Self:
        """See `Model`."""
        self = cls.__new__(cls)
        self._shared = shared
        self._state = state_codec.decode(data, _State)
        return self

    def _fold(self, at: float, weight: float, last_seen: float) -> Score:
        """Take one more ticket into every window; the best score of those that end with it."""
        state = self._state
        baseline = state.baseline
        into = baseline.rate * (at - baseline.hour)
        slow_due = state.due + into
        fast_due = state.due_today + into * baseline.today
        least_mean = baseline.rate * SHORTEST_WINDOW_HOURS
        best_value, best = 0.0, None
        new_normal = 0.0
        for window, drift, gain, is_fast in zip(
            state.windows, _DRIFTS, _GAINS, _FOLLOW_TODAY, strict=True
        ):
            due = fast_due if is_fast else slow_due
            cusum = window.cusum
            if cusum > 0.0:
                cusum -= drift * (due - window.due_at_last)
            start = window.start
            window.due_at_last = due
            if cusum <= 0.0 or at - start > LONGEST_WINDOW_HOURS:
                window.cusum = weight * gain
                window.observed = weight
                window.due_at_start = due
                window.start = at
                window.squares = 0.0
                window.tickets = window.customers = 1
                continue
            window.cusum = cusum + weight * gain
            window.observed = observed = window.observed + weight
            window.tickets += 1
            if last_seen < start:
                window.customers += 1
            due_at_start = window.due_at_start
            if observed < LEAST_EVIDENCE or window.customers < LEAST_EVIDENCE:
                continue
            mean = due - due_at_start
            if mean < least_mean:
                mean = least_mean
            excess = observed - 1.0 - mean
            if excess <= 0.0:
                continue
            length = at - start
            if length < SHORTEST_WINDOW_HOURS:
                length = SHORTEST_WINDOW_HOURS
            if is_fast:  # today's level is partly known
                due_at_hour = state.due_today
                day_dispersion = baseline.day_dispersion / (
                    1.0 + baseline.day_dispersion * baseline.today_due
                )
            else:
                due_at_hour, day_dispersion = state.due, baseline.day_dispersion
            this_hour = due - (due_at_start if due_at_start > due_at_hour else due_at_hour)
            variance = (
                (window.squares + this_hour * this_hour * baseline.hour_dispersion) / (mean * mean)
                + (day_dispersion if length < 24.0 else day_dispersion * 24.0 / length)
                + baseline.ignorance
            )
            squared = excess * excess / (mean + mean * mean * variance)
            if squared < 1.0:
                continue  # within one standard deviation: nothing that a week would not see
            chances = math.log(HOURS_A_WEEK / (length + length / mean))
            spread = math.log(math.tau * observed * (1.0 + observed * variance) + 1.0)
            if 0.5 * (squared + spread) < chances + best_value:
                continue  # the tail is at most that: the deviance's slope falls beyond the mean
            tail = negative_log_tail(observed - 1.0, mean, 1.0 / variance)
            value = tail - chances
            if value > best_value:
                best_value, best = value, (window, mean, tail, variance)
            lasting = not is_fast and length > NEW_NORMAL_HOURS and tail > NEW_NORMAL_DOUBT
            if lasting and observed > NEW_NORMAL_RATIO * mean:
                new_normal = min(observed / mean, 10.0)
        if best is None:
            return _NO_SCORE
        window, mean, tail, variance = best
        score = Score(
            best_value,
            window.start * 3600.0,
            window.observed,
            mean,
            window.tickets,
            window.customers,
            tail,
            variance,
        )
        if new_normal:  # two days beyond doubt are no spike
            baseline.rebase(new_normal)
            self.restart()
        return score

    def _close_hour(self) -> None:
        """The hour is over: what it adds to the variance of the windows that run."""
        state = self._state
        baseline = state.baseline
        for window, is_fast in zip(state.windows, _FOLLOW_TODAY, strict=True):
            if window.cusum > 0.0:
                due = state.due_today if is_fast else state.due
                rate = baseline.rate * (baseline.today if is_fast else 1.0)
                mean = due + rate - max(due, window.due_at_start)
                window.squares += mean * mean * baseline.hour_dispersion


_NO_SCORE: Final = Score()
