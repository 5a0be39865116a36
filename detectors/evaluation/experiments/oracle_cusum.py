"""The oracle: a CUSUM that knows the rate, the multiple and the noise, for many series at once.

Its increments are exact log-likelihood ratios. Without noise, they are log m per ticket and
-(m - 1) per expected ticket. With gamma noise from hour to hour (variance phi, r = 1 / phi), the
likelihood ratio of an hour with n observed and x expected tickets so far is

    m^n ((r + x) / (r + m x))^(r + n)

and the increments are the changes of its logarithm.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.evaluation.synthetic.company import Numbers

SETTLE_HOURS: Final = 48
ALARMS: Final = 150
"""Number of false alarms from which the threshold is estimated."""
MOST_SERIES_TICKETS: Final = 2e7


@dataclass(frozen=True)
class SteadyTraffic:
    """Traffic with a constant mean rate."""

    rate: float
    """Tickets per hour."""
    dispersion: float = 0.0
    """Variance of the hourly noise factor, which has mean 1."""

    def information(self, multiple: float, hours: float) -> float:
        """Return the expected log-likelihood ratio of the first hours of a surge.

        With noise, an hour has less information than its number of tickets suggests, because all
        tickets of the hour share the same noise factor.
        """
        full_hours = math.floor(hours) * self._within(multiple, 1.0) if self.dispersion else 0.0
        rest = hours - math.floor(hours) if self.dispersion else hours
        return full_hours + self._within(multiple, rest)

    def lorden(self, multiple: float, quiet_hours: float) -> float:
        """Return Lorden's bound of the delay, in minutes.

        Args:
            multiple: Multiple of the rate during the surge.
            quiet_hours: Mean time between false alarms, in hours.

        Example:
            >>> round(SteadyTraffic(3.0).lorden(2.0, 13 * 168.0))
            455
            >>> round(SteadyTraffic(3.0, 0.05).lorden(2.0, 13 * 168.0))
            542
        """
        needed = math.log(max(quiet_hours * self.rate, math.e))
        low, high = 0.0, 1.0
        while self.information(multiple, high) < needed:
            high *= 2.0
        for _ in range(60):
            middle = 0.5 * (low + high)
            if self.information(multiple, middle) < needed:
                low = middle
            else:
                high = middle
        return 60.0 * high

    def _within(self, multiple: float, part: float) -> float:
        """Return the information of the first part of an hour.

        Args:
            multiple: Multiple of the rate during the surge.
            part: Fraction of the hour, 0 to 1; without noise, any number of hours.
        """
        expected, m = self.rate * part, multiple
        if not self.dispersion:
            return expected * (m * math.log(m) - m + 1.0)
        r = 1.0 / self.dispersion
        return m * expected * math.log(m * (r + expected) / (r + m * expected)) - r * math.log(
            (r + m * expected) / (r + expected)
        )


class Cusums:
    """One CUSUM per series, advanced hour by hour."""

    def __init__(
        self, steady: SteadyTraffic, multiple: float, series: int, rng: np.random.Generator
    ) -> None:
        """Start all series at 0."""
        self._steady, self._multiple, self._rng = steady, multiple, rng
        self.level: Numbers = np.zeros(series)
        self.peak: Numbers = np.zeros(series)
        """Peak of the current excursion from 0, by series."""
        self.ended: list[Numbers] = []
        """Peaks above `keep` of the completed excursions."""
        self.keep = math.inf

    def hour(
        self, surge_from: NDArray[np.float64] | None = None, threshold: float = math.inf
    ) -> Numbers:
        """Advance each series by one hour.

        Args:
            surge_from: For each series, the fraction of the hour at which the surge begins; None:
                no surge.
            threshold: The level from which a series raises an alarm.

        Returns:
            The time of the first alarm of each series as a fraction of the hour; infinite: none.
        """
        steady, rng, m = self._steady, self._rng, self._multiple
        count = len(self.level)
        phi = steady.dispersion
        noise = rng.gamma(1.0 / phi, phi, count) if phi else np.ones(count)
        begin = np.ones(count) if surge_from is None else surge_from
        before = rng.poisson(steady.rate * noise * begin)
        after = rng.poisson(steady.rate * noise * m * (1.0 - begin))
        total = before + after
        most = int(total.max(initial=0))
        indices = np.arange(most)
        drawn = rng.random((count, most))
        is_before = indices < before[:, None]
        begin_column = begin[:, None]
        at = np.where(is_before, drawn * begin_column, begin_column + drawn * (1.0 - begin_column))
        at = np.sort(np.where(indices < total[:, None], at, 2.0), axis=1)
        alarm = np.full(count, np.inf)
        last = np.zeros(count)
        for index in range(most + 1):
            if index < most:
                now = np.minimum(at[:, index], 1.0)
                has_ticket = at[:, index] <= 1.0
            else:
                now, has_ticket = np.ones(count), np.zeros(count, dtype=bool)
            self._wait(last, now, np.minimum(index, total))
            last = now
            if index < most:
                self._ticket(now, has_ticket)
                new = has_ticket & (self.level >= threshold) & np.isinf(alarm)
                alarm[new] = now[new]
        return alarm

    def _wait(self, last: Numbers, now: Numbers, observed: NDArray[np.int64]) -> None:
        rate, phi, m = self._steady.rate, self._steady.dispersion, self._multiple
        if phi:
            r = 1.0 / phi
            log_ratio = np.log((r + m * rate * now) / (r + rate * now))
            last_log_ratio = np.log((r + m * rate * last) / (r + rate * last))
            self.level -= (r + observed) * (log_ratio - last_log_ratio)
        else:
            self.level -= (m - 1.0) * rate * (now - last)
        ended = self.level <= 0.0
        if not math.isinf(self.keep):
            kept = ended & (self.peak > self.keep)
            if kept.any():
                self.ended.append(self.peak[kept])
        self.peak[ended] = 0.0
        self.level[ended] = 0.0

    def _ticket(self, now: Numbers, has_ticket: NDArray[np.bool_]) -> None:
        rate, phi, m = self._steady.rate, self._steady.dispersion, self._multiple
        if phi:
            r = 1.0 / phi
            gain = np.log(m * (r + rate * now) / (r + m * rate * now))
        else:
            gain = np.full(len(now), math.log(m))
        self.level += np.where(has_ticket, gain, 0.0)
        np.maximum(self.peak, self.level, out=self.peak)


def threshold(
    steady: SteadyTraffic, multiple: float, quiet_hours: float, rng: np.random.Generator
) -> float:
    """Simulate the level that a healthy series reaches once per a number of hours.

    Args:
        steady: The traffic.
        multiple: The multiple that the oracle tests for.
        quiet_hours: Mean time between false alarms, in hours.
        rng: The random generator.
    """
    series_hours = min(ALARMS * quiet_hours, MOST_SERIES_TICKETS / max(steady.rate, 1.0))
    series = int(min(2_000.0, max(200.0, series_hours / 1_000.0)))
    hours = math.ceil(series_hours / series)
    cusums = Cusums(steady, multiple, series, rng)
    for _ in range(SETTLE_HOURS):
        cusums.hour()
    cusums.keep = 1.0
    for _ in range(hours):
        cusums.hour()
    peaks = np.sort(np.concatenate([*cusums.ended, cusums.peak]))[::-1]
    alarms = max(1, round(series * hours / quiet_hours))
    return float(peaks[min(alarms, len(peaks)) - 1])


def delays(
    steady: SteadyTraffic,
    multiple: float,
    level: float,
    series: int,
    rng: np.random.Generator,
    most_hours: float,
) -> list[float]:
    """Simulate the delays from the start of a surge to the alarm.

    Series that are at the threshold before the surge begins are left out.

    Args:
        steady: The traffic.
        multiple: Multiple of the rate during the surge.
        level: The threshold of the oracle.
        series: Number of simulated series.
        rng: The random generator.
        most_hours: Duration of the surge, in hours.

    Returns:
        Minutes; infinite if there is no alarm before the end of the surge.
    """
    cusums = Cusums(steady, multiple, series, rng)
    for _ in range(SETTLE_HOURS):
        cusums.hour()
    is_below = cusums.level < level
    begin = rng.random(series)
    delay_hours = np.full(series, np.inf)
    for hour in range(math.ceil(most_hours) + 1):
        alarm = cusums.hour(begin if hour == 0 else np.zeros(series), level)
        if hour == 0:
            is_below &= ~(alarm < begin)
        new = np.isinf(delay_hours) & np.isfinite(alarm)
        delay_hours[new] = hour + alarm[new] - begin[new]
        if np.isfinite(delay_hours[is_below]).all():
            break
    return [60.0 * hours for hours in delay_hours[is_below].tolist()]
