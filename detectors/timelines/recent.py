"""Observed counts of the recent past in buckets of five minutes, for charts.

They are kept beside the state, not in it, by whoever follows the signals through the step. For the
time before that, there are the hours that the baseline has not learned yet.
"""

from array import array
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, NamedTuple

from detectors.foundation.prediction_band import prediction_band
from detectors.foundation.state_codec import Floats
from detectors.state.series import Series
from detectors.state.tenant import Tenant

STRETCH: Final = 300
"""Seconds of one bucket."""
KEPT: Final = 576
"""Buckets that are kept: two days."""
HOUR: Final = 3600
MOST_SERIES: Final = 12_000
"""Series that are followed at a time, 5 kB each; of the others there are the hours of the
baseline."""
STEPS: Final = (300, 600, 900, 1800, 3600)
MOST_STRETCHES: Final = 300
LEAST_DUE: Final = 0.5
"""A shown bucket is long enough that this much is expected in it, an hour at most."""


class RecentBucket(NamedTuple):
    """Observed and expected customer-equivalents of one bucket."""

    at: float
    """Its start, seconds since 1970."""
    seconds: float
    observed: float
    expected: float
    low: float
    """Lower end of the normal range: 99 of 100 normal buckets reach it."""
    high: float
    """Upper end of the normal range: 99 of 100 normal buckets stay below it."""
    score: float | None
    """The highest score in it, at least 0; None: unknown."""


class _Recent:
    """The last two days of one series."""

    __slots__ = ("newest", "observed", "scores", "seen", "since")

    def __init__(self, seen: float, at: float) -> None:
        self.seen = seen
        """All that was counted in the series when it was last looked at."""
        self.newest = int(at // STRETCH)
        self.since = self.newest + 1
        """The first bucket that was followed completely."""
        self.observed: Floats = array("f", bytes(4 * KEPT))
        self.scores: Floats = array("f", bytes(4 * KEPT))

    def come_to(self, stretch: int) -> None:
        """Move to a bucket; nothing was observed before it."""
        for passed in range(max(self.newest + 1, stretch - KEPT + 1), stretch + 1):
            self.observed[passed % KEPT] = 0.0
            self.scores[passed % KEPT] = 0.0
        self.newest = max(self.newest, stretch)

    def observed_between(self, begin: int, end: int) -> float:
        """Return what was observed in the buckets from *begin* to before *end*."""
        begin, end = max(begin, self.newest - KEPT + 1), min(end, self.newest + 1)
        return sum(self.observed[each % KEPT] for each in range(begin, end))

    def score(self, begin: int, end: int) -> float:
        begin, end = max(begin, self.newest - KEPT + 1), min(end, self.newest + 1)
        return max((self.scores[each % KEPT] for each in range(begin, end)), default=0.0)


class RecentTimelines:
    """The recent past of every series that is followed.

    Example:
        >>> from detectors.step.partition import Partition
        >>> from detectors.policy.settings import Settings
        >>> from schemas.signals import Ticket
        >>> partition, timelines = Partition(0, 0, Settings()), RecentTimelines()
        >>> for n in range(30):
        ...     at = 400.0 * n
        ...     _ = partition.take(Ticket("acme", str(n), created_at=at, area="login"))
        ...     timelines.follow(partition.tenants["acme"], ["login"])
        >>> found = timelines.stretches(partition.tenants["acme"], "login", 300.0, 12_000.0)
        >>> round(sum(one.observed for one in found))
        29
    """

    def __init__(self) -> None:
        """Start without any series."""
        self._recent: OrderedDict[tuple[str, str], _Recent] = OrderedDict()
        """Ordered by the last change."""

    def follow(self, tenant: Tenant, keys: Iterable[str]) -> None:
        """Record that series of a tenant changed at its present clock."""
        assert tenant.clock is not None
        stretch = int(tenant.clock // STRETCH)
        for key in keys:
            series = tenant.series(key)
            recent = self._recent.get((tenant.name, key))
            if recent is None:
                whole = series.tickets <= 1  # it begins with this ticket: nothing was missed
                recent = _Recent(0.0 if whole else series.seen, tenant.clock)
                recent.since -= whole
                self._recent[tenant.name, key] = recent
                if len(self._recent) > MOST_SERIES:
                    self._recent.popitem(last=False)
            else:
                self._recent.move_to_end((tenant.name, key))
            recent.come_to(stretch)
            place = stretch % KEPT
            recent.observed[place] = max(0.0, recent.observed[place] + series.seen - recent.seen)
            recent.seen = series.seen
            scored_at, score = series.last_score
            if int(scored_at // STRETCH) == stretch:
                recent.scores[place] = max(recent.scores[place], score)

    def stretches(self, tenant: Tenant, key: str, since: float, until: float) -> list[RecentBucket]:
        """Return the buckets of a series between two times, as far as they are known, in order.

        They are hours for the time before the series was followed, and shorter buckets since, as
        short as its rate allows. Times are in seconds since 1970.
        """
        series = tenant.series(key)
        until = min(until, tenant.clock or 0.0)
        recent, followed = self._look(tenant, key)
        step = step_for(until - since, series.model.rate)
        found: list[tuple[float, float, float, float | None]] = []
        for hour in _known_hours(series, since, min(followed, until) + HOUR - 1):
            begin, end = float(hour * HOUR), min((hour + 1.0) * HOUR, max(followed, since))
            observed = series.model.expected_and_observed(hour * HOUR, hour * HOUR + HOUR - 1)[1]
            if recent is not None and end < begin + HOUR:
                observed -= recent.observed_between(
                    int(end // STRETCH), (hour + 1) * HOUR // STRETCH
                )
            if end > begin:
                found.append((begin, end - begin, max(0.0, observed), None))
        at = int(max(since, followed) // STRETCH) * STRETCH
        while recent is not None and at < until:
            end = (at // step + 1) * step
            here, there = at // STRETCH, end // STRETCH
            seconds = max(min(float(end), until) - at, 1.0)
            found.append(
                (
                    float(at),
                    seconds,
                    recent.observed_between(here, there),
                    recent.score(here, there),
                )
            )
            at = end
        return _with_band(series, found)

    def hours(self, tenant: Tenant, key: str, since: int, until: int) -> dict[int, float]:
        """Return what was observed in the known hours of a time, in hours since 1970."""
        series = tenant.series(key)
        recent, followed = self._look(tenant, key)
        known = _known_hours(series, since * HOUR, (until + 1) * HOUR)
        found = {
            hour: series.model.expected_and_observed(hour * HOUR, hour * HOUR + HOUR - 1)[1]
            for hour in known
        }
        if recent is not None:
            for hour in range(max(since, -(-int(followed) // HOUR)), until + 1):
                here = hour * HOUR // STRETCH
                found.setdefault(hour, recent.observed_between(here, here + HOUR // STRETCH))
        return found

    def _look(self, tenant: Tenant, key: str) -> tuple[_Recent | None, float]:
        """Return the recent past of a series, and since when it is known in buckets."""
        recent, now = self._recent.get((tenant.name, key)), tenant.clock or 0.0
        if recent is None:
            return None, now
        recent.come_to(int(now // STRETCH))
        return recent, float(max(recent.since, recent.newest - KEPT + 1) * STRETCH)


def step_for(span: float, rate: float) -> int:
    """Return the seconds of a shown bucket for a *span* in seconds and a *rate* per hour.

    Example:
        >>> step_for(86_400.0, 60.0), step_for(86_400.0, 0.1), step_for(172_800.0, 60.0)
        (300, 3600, 600)
    """
    enough = (step for step in STEPS if step / HOUR * rate >= LEAST_DUE)
    step = next(enough, STEPS[-1])
    return next((one for one in STEPS if one >= step and span / one <= MOST_STRETCHES), STEPS[-1])


def _known_hours(series: Series, since: float, until: float) -> range:
    """Return the whole hours of a time that the baseline still holds; earlier ones are learned."""
    if series.model.name != "cusum_bank":
        return range(0)  # keeps no hours
    first = int(series.born) + int(series.model.maturity_hours)
    return range(max(int(since // HOUR), first), int(until // HOUR))


def _with_band(
    series: Series, found: list[tuple[float, float, float, float | None]]
) -> list[RecentBucket]:
    expected: dict[int, float] = {}
    means, variances = [], []
    for at, seconds, _, _ in found:
        hour = int(at // HOUR)
        if hour not in expected:
            expected[hour] = series.model.expected_between(hour * HOUR, (hour + 1) * HOUR)
        means.append(expected[hour] * seconds / HOUR)
        variances.append(series.model.variance(seconds / HOUR))
    lows, highs = prediction_band(means, variances)
    return [
        RecentBucket(at, seconds, observed, mean, low, high, score)
        for (at, seconds, observed, score), mean, low, high in zip(
            found, means, lows, highs, strict=True
        )
    ]
