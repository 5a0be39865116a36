"""Other methods that detect spikes in the tickets of one area, behind one interface.

Each method scores every ticket, and pages if the score is above a threshold after six quiet hours.
A method has one threshold for all areas, set so that it has as many false pages in the same healthy
weeks as spikewatch. Like spikewatch, the methods count customer-equivalents and need a minimum of
evidence.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

import numpy as np
from river import anomaly, stats

from detectors.evaluation.synthetic.company import Numbers
from detectors.foundation.count_statistics import negative_log_tail
from detectors.foundation.units import HOURS_PER_WEEK
from detectors.memory.customer_weights import CustomerMemory, customer_tag

NOTHING: Final = -99.0
LEAST_EVIDENCE: Final = 4.0
WINDOWS: Final = (0.25, 1.0, 4.0, 24.0)
"""Window lengths in hours."""
FADE_A_WEEK: Final = 0.85
LONGEST: Final = 25


class View:
    """The input of all methods for one area: learned seasonality and recent counts.

    The seasonality is a decaying mean for each hour of the week. After only a few weeks, it is
    shrunk towards the mean of the same hour of the day on workdays or at weekends.
    """

    def __init__(self, hour: int) -> None:
        """Start at an hour (counted from 1970) without tickets."""
        self.hour = hour
        self.at = float(hour)
        """Hours since 1970."""
        self.slot = 0
        self.mean = 1e-3
        """Expected count of the current hour."""
        self.variance = 1.0
        """Observed variance of the count in this hour of the week."""
        self.so_far = 0.0
        """Count in the current hour."""
        self.last_weight = 0.0
        """Weight of the last ticket."""
        self.residuals = [0.0] * len(WINDOWS)
        self.scales = [0.0] * len(WINDOWS)
        self._sums: Numbers = np.zeros(HOURS_PER_WEEK)
        self._squares: Numbers = np.zeros(HOURS_PER_WEEK)
        self._weights: Numbers = np.zeros(HOURS_PER_WEEK)
        self._times: list[float] = []
        self._totals: list[float] = [0.0]
        """Cumulative sums of the weights; one entry more than `_times`."""
        self._firsts = [0] * len(WINDOWS)
        self._expected: list[float] = [0.0]
        """Cumulative expected count at the start of each of the last hours, the newest last."""
        self._observed: list[float] = [0.0]
        """Cumulative observed count at the start of each of the last hours, the newest last."""

    def start_hour(self, slot: int) -> None:
        """Start an hour, given its hour of the week (0 to 167)."""
        self.slot = slot
        day, hour = divmod(slot, 24)
        similar = np.arange(hour, 120, 24) if day < 5 else np.array([120 + hour, 144 + hour])
        weight = float(self._weights[similar].sum())
        pooled = (float(self._sums[similar].sum()) + 0.02) / (weight + 1.0)
        own = float(self._weights[slot])
        self.mean = (float(self._sums[slot]) + 3.0 * pooled) / (own + 3.0)
        squares = float(self._squares[similar].sum()) / max(weight, 1e-9)
        similar_mean = float(self._sums[similar].sum()) / max(weight, 1e-9)
        self.variance = max(squares - similar_mean * similar_mean, self.mean, 1e-3)
        self.so_far = 0.0

    def ticket(self, at: float, weight: float) -> None:
        """Count a ticket; the time is in hours since 1970."""
        self.at = at
        self.so_far += weight
        self.last_weight = weight
        self._times.append(at)
        self._totals.append(self._totals[-1] + weight)

    def count(self, window: int) -> float:
        """Return the count in a window that ends now, given its index in `WINDOWS`."""
        since, first, times = self.at - WINDOWS[window], self._firsts[window], self._times
        while first < len(times) and times[first] <= since:
            first += 1
        self._firsts[window] = first
        return self._totals[-1] - self._totals[first]

    def expected(self, window: int) -> float:
        """Return the expected count in a window that ends now, given its index in `WINDOWS`."""
        begin = self.at - WINDOWS[window]
        now = self._expected[-1] + (self.at - self.hour) * self.mean
        back = self.hour - math.floor(begin)
        if back <= 0:
            return (self.at - begin) * self.mean
        if back >= len(self._expected):
            return max(now - self._expected[0], 1e-3)
        earlier = self._expected[-1 - back]
        share = begin - math.floor(begin)
        return max(now - earlier - share * (self._expected[-back] - earlier), 1e-3)

    def dispersion(self, window: int) -> float:
        """Return the dispersion of counts in blocks of a window's length, but at least an hour."""
        return max(1e-4, self.residuals[window] / max(self.scales[window], 1e-9))

    def end_hour(self) -> None:
        """End the hour and learn from it."""
        count, slot = self.so_far, self.slot
        fade = FADE_A_WEEK
        self._sums[slot] = fade * self._sums[slot] + count
        self._squares[slot] = fade * self._squares[slot] + count * count
        self._weights[slot] = fade * self._weights[slot] + 1.0
        self._expected.append(self._expected[-1] + self.mean)
        self._observed.append(self._observed[-1] + count)
        self.hour += 1
        self.at = float(self.hour)
        for window, hours in enumerate(WINDOWS):
            block = max(1, int(hours))
            if self.hour % block or len(self._expected) <= block:
                continue
            mean = self._expected[-1] - self._expected[-1 - block]
            observed = self._observed[-1] - self._observed[-1 - block]
            fade = 0.999**block
            self.residuals[window] = fade * self.residuals[window] + (observed - mean) ** 2 - mean
            self.scales[window] = fade * self.scales[window] + mean * mean
        del self._expected[: -LONGEST - 1], self._observed[: -LONGEST - 1]
        unused = self._firsts[-1]
        if unused > 500:
            del self._times[:unused], self._totals[:unused]
            self._firsts = [first - unused for first in self._firsts]


class CompetingMethod(ABC):
    """Interface of a competing method."""

    @abstractmethod
    def score(self, view: View) -> float:
        """Return the score of the last ticket; `NOTHING` if there is not enough evidence."""

    def end_hour(self, view: View) -> None:
        """Learn from the hour; this is called before the hour ends in the view."""
        del view


class SeasonalZ(CompetingMethod):
    """Deviation of the last hour's count from the seasonal mean, in standard deviations."""

    def score(self, view: View) -> float:
        """See `CompetingMethod`."""
        count = view.count(1)
        if count < LEAST_EVIDENCE:
            return NOTHING
        return (count - view.expected(1)) / math.sqrt(view.variance)


class Ewma(CompetingMethod):
    """A control chart of exponentially weighted hourly deviations, including the current hour."""

    def __init__(self, weight: float = 0.3) -> None:
        """Start without tickets.

        Args:
            weight: Weight of the newest hour, 0 to 1.
        """
        self._weight, self._level = weight, 0.0

    def _next(self, view: View) -> float:
        deviation = (view.so_far - view.mean) / math.sqrt(view.variance)
        return (1.0 - self._weight) * self._level + self._weight * deviation

    def score(self, view: View) -> float:
        """See `CompetingMethod`."""
        if view.count(2) < LEAST_EVIDENCE:
            return NOTHING
        return self._next(view) / math.sqrt(self._weight / (2.0 - self._weight))

    def end_hour(self, view: View) -> None:
        """See `CompetingMethod`."""
        self._level = self._next(view)


class FixedWindow(CompetingMethod):
    """The negative binomial tail of the count in windows of fixed length."""

    def __init__(self, *windows: int) -> None:
        """Choose windows by their indices in `WINDOWS`; the highest score of all windows counts."""
        self._windows = windows

    def score(self, view: View) -> float:
        """See `CompetingMethod`."""
        best = NOTHING
        for window in self._windows:
            count, mean = view.count(window), view.expected(window)
            if count < LEAST_EVIDENCE or count <= mean:
                continue
            tail = negative_log_tail(count, mean, 1.0 / view.dispersion(window))
            best = max(best, tail - math.log(HOURS_PER_WEEK / WINDOWS[window]))
        return best


class Ears(CompetingMethod):
    """EARS C2: the last 24 hours against mean and deviation of seven days that end two days ago."""

    def __init__(self) -> None:
        """Start without tickets."""
        self._hours: list[float] = []

    def score(self, view: View) -> float:
        """See `CompetingMethod`."""
        count = view.count(3)
        if count < LEAST_EVIDENCE or len(self._hours) < 9 * 24:
            return NOTHING
        past = self._hours[: 7 * 24]
        days = [sum(past[day * 24 : day * 24 + 24]) for day in range(7)]
        mean = sum(days) / 7.0
        deviation = math.sqrt(sum((day - mean) ** 2 for day in days) / 6.0)
        return (count - mean) / max(deviation, 0.5)

    def end_hour(self, view: View) -> None:
        """See `CompetingMethod`."""
        self._hours.append(view.so_far)
        del self._hours[: -9 * 24]


class _Buckets(CompetingMethod):
    """A method that applies a river model to counts per quarter of an hour, including zeros.

    The count of the current quarter is scored at each ticket and learned when the quarter ends.
    """

    def __init__(self) -> None:
        """Start without tickets."""
        self._counts = stats.Var()
        self._bucket = 0
        self._count = 0.0

    def score(self, view: View) -> float:
        """See `CompetingMethod`."""
        self._close_until(int((view.at - view.hour) / WINDOWS[0]))
        self._count += view.last_weight
        mean = self._counts.mean.get()
        if (
            self._count < LEAST_EVIDENCE
            or self._count <= mean
            or self._counts.mean.n < HOURS_PER_WEEK
        ):
            return NOTHING
        return self._score(self._count, mean)

    def end_hour(self, view: View) -> None:
        """See `CompetingMethod`."""
        del view
        self._close_until(round(1.0 / WINDOWS[0]))
        self._bucket = 0

    def _close_until(self, bucket: int) -> None:
        while self._bucket < bucket:
            self._counts.update(self._count)
            self._learn(self._count)
            self._count = 0.0
            self._bucket += 1

    @abstractmethod
    def _score(self, count: float, mean: float) -> float:
        """Return the score of a count above the mean."""

    def _learn(self, count: float) -> None:
        """Learn the count of a completed quarter."""
        del count


class Gaussian(_Buckets):
    """The score of river's `GaussianScorer` for high counts only.

    It is expressed in standard deviations, because the probability rounds to 1.0 above about six
    standard deviations.
    """

    def _score(self, count: float, mean: float) -> float:
        return (count - mean) / math.sqrt(self._counts.get() + 1e-9)


class HalfSpace(_Buckets):
    """A method that applies river's `HalfSpaceTrees` to the count, scaled to 0..1 by the mean.

    The score of the trees is not a probability, so it is ranked among the scores of the learned
    quarters. Beyond the largest learned count, each further ticket counts as in a Poisson tail.
    """

    def __init__(self) -> None:
        """Start without tickets."""
        super().__init__()
        self._trees = anomaly.HalfSpaceTrees(
            n_trees=5, height=4, window_size=96, limits={"count": (0.0, 1.0)}, seed=1
        )
        self._histogram = [0.0] * 32
        self._largest = 0.0

    def _bin(self, count: float) -> int:
        feature = {"count": count / (count + 4.0 * (self._counts.mean.get() + 1.0))}
        return min(31, int(32.0 * self._trees.score_one(feature)))

    def _score(self, count: float, mean: float) -> float:
        learned = sum(self._histogram) + 1.0
        share = (sum(self._histogram[self._bin(count) :]) + 1.0) / learned
        return max(0.0, count - self._largest) * math.log(count / mean) - math.log(share)

    def _learn(self, count: float) -> None:
        if not self._trees._first_window:
            self._histogram[self._bin(count)] += 1.0
        mean = self._counts.mean.get()
        self._trees.learn_one({"count": count / (count + 4.0 * (mean + 1.0))})
        self._largest = max(count, 0.9998 * self._largest)


_MAKE: Final[dict[str, Callable[[], CompetingMethod]]] = {
    "seasonal z": SeasonalZ,
    "EWMA": Ewma,
    "NB 15 min": lambda: FixedWindow(0),
    "NB 1 h": lambda: FixedWindow(1),
    "NB 4 h": lambda: FixedWindow(2),
    "NB 24 h": lambda: FixedWindow(3),
    "NB all four": lambda: FixedWindow(0, 1, 2, 3),
    "EARS C2": Ears,
    "gaussian": Gaussian,
    "half-space": HalfSpace,
}
RIVALS: Final = tuple(_MAKE)


class AreaRivals:
    """All competing methods for one area."""

    def __init__(self, hour: int) -> None:
        """Start at an hour (counted from 1970) without tickets."""
        self.view = View(hour)
        self.rivals = [make() for make in _MAKE.values()]
        self._customers = CustomerMemory()

    def ticket(self, at: float, customer: str | None) -> list[float]:
        """Count a ticket and return its scores.

        Args:
            at: Time of the ticket, seconds since 1970.
            customer: The customer; None: unknown.

        Returns:
            The score of each method, in the order of `RIVALS`.
        """
        weight = self._customers.see(customer_tag(customer), at)[0]
        self.view.ticket(at / 3600.0, weight)
        return [rival.score(self.view) for rival in self.rivals]

    def end_hour(self, next_slot: int) -> None:
        """End the hour, given the hour of the week (0 to 167) of the next one."""
        for rival in self.rivals:
            rival.end_hour(self.view)
        self.view.end_hour()
        self.view.start_hour(next_slot)
