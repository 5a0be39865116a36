"""The oracle: a CUSUM that knows the rate, the multiple and the noise, for many series at once.

Its increments are exact log-likelihood ratios. Without noise: log m per ticket, minus (m - 1) per
expected ticket. With gamma noise between hours (variance phi, r = 1 / phi), after n tickets and x
expected ones in the hour, the likelihood ratio of the hour so far is m^n ((r + x) / (r + m x))^(r +
n), and the increments are the changes of its logarithm.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.evaluation.synthetic.company import Numbers

SETTLE_HOURS: Final = 48
ALARMS: Final = 150
"""Number of false alarms that the threshold is estimated from."""
MOST_SERIES_TICKETS: Final = 2e7


@dataclass(frozen=True)
class SteadyTraffic:
    """Traffic with a constant rate that varies only by chance."""

    rate: float
    """Tickets per hour."""
    dispersion: float = 0.0
    """Variance of the factor of the hour."""

    def information(self, multiple: float, hours: float) -> float:
        """Return the expected log-likelihood ratio of the first *hours* of a surge.

        With noise, an hour is worth less than its tickets, because they rise and fall together.
        """
        found = math.floor(hours) * self._within(multiple, 1.0) if self.dispersion else 0.0
        rest = hours - math.floor(hours) if self.dispersion else hours
        return found + self._within(multiple, rest)

    def lorden(self, multiple: float, quiet_hours: float) -> float:
        """Return the first-order delay in minutes at one false alarm per *quiet_hours*.

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
        """Return the information of the first *part* of an hour (without noise, of any time)."""
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
        """Start all at 0."""
        self._steady, self._multiple, self._rng = steady, multiple, rng
        self.level: Numbers = np.zeros(series)
        self.peak: Numbers = np.zeros(series)
        """Peak of the current excursion from 0."""
        self.ended: list[Numbers] = []
        """Peaks of the finished excursions; only those above `keep`."""
        self.keep = math.inf

    def hour(
        self, surge_from: NDArray[np.float64] | None = None, threshold: float = math.inf
    ) -> Numbers:
        """Advance each series by one hour.

        Args:
            surge_from: For each series, the part of the hour at which the surge begins; None: no
                surge.
            threshold: The level of an alarm.

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
        places = np.arange(most)
        drawn = rng.random((count, most))
        is_before = places < before[:, None]
        begin_column = begin[:, None]
        at = np.where(is_before, drawn * begin_column, begin_column + drawn * (1.0 - begin_column))
        at = np.sort(np.where(places < total[:, None], at, 2.0), axis=1)
        alarm = np.full(count, np.inf)
        last = np.zeros(count)
        for place in range(most + 1):
            if place < most:
                here = np.minimum(at[:, place], 1.0)
                comes = at[:, place] <= 1.0
            else:
                here, comes = np.ones(count), np.zeros(count, dtype=bool)
            self._wait(last, here, np.minimum(place, total))
            last = here
            if place < most:
                self._ticket(here, comes)
                new = comes & (self.level >= threshold) & np.isinf(alarm)
                alarm[new] = here[new]
        return alarm

    def _wait(self, last: Numbers, here: Numbers, observed: NDArray[np.int64]) -> None:
        rate, phi, m = self._steady.rate, self._steady.dispersion, self._multiple
        if phi:
            r = 1.0 / phi
            now = np.log((r + m * rate * here) / (r + rate * here))
            then = np.log((r + m * rate * last) / (r + rate * last))
            self.level -= (r + observed) * (now - then)
        else:
            self.level -= (m - 1.0) * rate * (here - last)
        over = self.level <= 0.0
        if not math.isinf(self.keep):
            kept = over & (self.peak > self.keep)
            if kept.any():
                self.ended.append(self.peak[kept])
        self.peak[over] = 0.0
        self.level[over] = 0.0

    def _ticket(self, here: Numbers, comes: NDArray[np.bool_]) -> None:
        rate, phi, m = self._steady.rate, self._steady.dispersion, self._multiple
        if phi:
            r = 1.0 / phi
            gain = np.log(m * (r + rate * here) / (r + m * rate * here))
        else:
            gain = np.full(len(here), math.log(m))
        self.level += np.where(comes, gain, 0.0)
        np.maximum(self.peak, self.level, out=self.peak)


def threshold(
    steady: SteadyTraffic, multiple: float, quiet_hours: float, rng: np.random.Generator
) -> float:
    """Return the level that a healthy series reaches once in *quiet_hours*, by simulation."""
    wanted = min(ALARMS * quiet_hours, MOST_SERIES_TICKETS / max(steady.rate, 1.0))
    series = int(min(2_000.0, max(200.0, wanted / 1_000.0)))
    hours = math.ceil(wanted / series)
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
    """Return the minutes from the start of a surge to the alarm at *level*, for *series* series.

    Infinite after *most_hours*. A series that is at *level* when the surge begins is left out.
    """
    cusums = Cusums(steady, multiple, series, rng)
    for _ in range(SETTLE_HOURS):
        cusums.hour()
    fresh = cusums.level < level
    begin = rng.random(series)
    found = np.full(series, np.inf)
    for hour in range(math.ceil(most_hours) + 1):
        alarm = cusums.hour(begin if hour == 0 else np.zeros(series), level)
        if hour == 0:
            fresh &= ~(alarm < begin)
        new = np.isinf(found) & np.isfinite(alarm)
        found[new] = hour + alarm[new] - begin[new]
        if np.isfinite(found[fresh]).all():
            break
    return [60.0 * value for value in found[fresh].tolist()]
