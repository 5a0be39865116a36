"""Observed counts of the recent past in buckets of five minutes, for charts.

The buckets are not part of the state: a caller records them while it sends signals through the
step. For the time before recording began, the timelines show the hourly counts that the baseline
still holds.
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
"""Seconds in one bucket."""
KEPT: Final = 576
"""Buckets kept per series: two days."""
HOUR: Final = 3600
MOST_SERIES: Final = 12_000
"""Series recorded at a time, 5 kB each; for the others, only the hourly counts of the baseline are
available."""
STEPS: Final = (300, 600, 900, 1800, 3600)
MOST_STRETCHES: Final = 300
LEAST_DUE: Final = 0.5
"""A shown bucket is long enough that this many customer-equivalents are expected in it, but no
longer than an hour."""


class RecentBucket(NamedTuple):
    """Observed and expected customer-equivalents of one bucket."""

    at: float
    """Start of the bucket, seconds since 1970."""
    seconds: float
    observed: float
    expected: float
    low: float
    """Lower end of the normal range: 99 of 100 normal buckets reach it."""
    high: float
    """Upper end of the normal range: 99 of 100 normal buckets do not exceed it."""
    score: float | None
    """The highest score in the bucket, at least 0; None: unknown."""


class _Recent:
    """The last two days of one series."""

    __slots__ = ("newest", "observed", "scores", "seen", "since")

    def __init__(self, seen: float, at: float) -> None:
        self.seen = seen
        """Value of `Series.seen` at the last update."""
        self.newest = int(at // STRETCH)
        self.since = self.newest + 1
        """The first bucket that was recorded completely."""
        self.observed: Floats = array("f", bytes(4 * KEPT))
        self.scores: Floats = array("f", bytes(4 * KEPT))

    def advance_to(self, bucket: int) -> None:
        """Make a bucket the newest; the buckets skipped until then are empty."""
        for skipped in range(max(self.newest + 1, bucket - KEPT + 1), bucket + 1):
            self.observed[skipped % KEPT] = 0.0
            self.scores[skipped % KEPT] = 0.0
        self.newest = max(self.newest, bucket)

    def observed_between(self, begin: int, end: int) -> float:
        """Return the observed customer-equivalents of a range of buckets; the end is exclusive."""
        begin, end = max(begin, self.newest - KEPT + 1), min(end, self.newest + 1)
        return sum(self.observed[bucket % KEPT] for bucket in range(begin, end))

    def score(self, begin: int, end: int) -> float:
        """Return the highest score in a range of buckets; the end is exclusive."""
        begin, end = max(begin, self.newest - KEPT + 1), min(end, self.newest + 1)
        return max((self.scores[bucket % KEPT] for bucket in range(begin, end)), default=0.0)


class RecentTimelines:
    """The recent counts of every recorded series.

    Example:
        >>> from detectors.step.partition import Partition
        >>> from detectors.policy.settings import Settings
        >>> from schemas.signals import Ticket
        >>> partition, timelines = Partition(0, 0, Settings()), RecentTimelines()
        >>> for n in range(30):
        ...     at = 400.0 * n
        ...     _ = partition.take(Ticket("acme", str(n), created_at=at, area="login"))
        ...     timelines.follow(partition.tenants["acme"], ["login"])
        >>> buckets = timelines.stretches(partition.tenants["acme"], "login", 300.0, 12_000.0)
        >>> round(sum(bucket.observed for bucket in buckets))
        29
    """

    def __init__(self) -> None:
        """Start without any series."""
        self._recent: OrderedDict[tuple[str, str], _Recent] = OrderedDict()
        """Ordered by the last change."""

    def follow(self, tenant: Tenant, keys: Iterable[str]) -> None:
        """Record the counts of series that just changed.

        Args:
            tenant: The tenant; its clock gives the current bucket.
            keys: The series that the last signal changed.
        """
        assert tenant.clock is not None
        bucket = int(tenant.clock // STRETCH)
        for key in keys:
            series = tenant.series(key)
            recent = self._recent.get((tenant.name, key))
            if recent is None:
                whole = series.tickets <= 1  # the first ticket of the series: nothing was missed
                recent = _Recent(0.0 if whole else series.seen, tenant.clock)
                recent.since -= whole
                self._recent[tenant.name, key] = recent
                if len(self._recent) > MOST_SERIES:
                    self._recent.popitem(last=False)
            else:
                self._recent.move_to_end((tenant.name, key))
            recent.advance_to(bucket)
            index = bucket % KEPT
            recent.observed[index] = max(0.0, recent.observed[index] + series.seen - recent.seen)
            recent.seen = series.seen
            scored_at, score = series.last_score
            if int(scored_at // STRETCH) == bucket:
                recent.scores[index] = max(recent.scores[index], score)

    def stretches(self, tenant: Tenant, key: str, since: float, until: float) -> list[RecentBucket]:
        """Return the known buckets of a series between two times, in order.

        For the time before the series was recorded, the buckets are hours. After that, they are as
        short as the rate of the series allows.

        Args:
            tenant: The tenant; its series are only read.
            key: The series: an area, or `detectors.state.tenant.TENANT_SERIES`.
            since: Start, seconds since 1970.
            until: End, seconds since 1970.
        """
        series = tenant.series(key)
        until = min(until, tenant.clock or 0.0)
        recent, followed = self._recent_counts(tenant, key)
        step = step_for(until - since, series.model.rate)
        buckets: list[tuple[float, float, float, float | None]] = []
        for hour in _known_hours(series, since, min(followed, until) + HOUR - 1):
            begin, end = float(hour * HOUR), min((hour + 1.0) * HOUR, max(followed, since))
            observed = series.model.expected_and_observed(hour * HOUR, hour * HOUR + HOUR - 1)[1]
            if recent is not None and end < begin + HOUR:
                observed -= recent.observed_between(
                    int(end // STRETCH), (hour + 1) * HOUR // STRETCH
                )
            if end > begin:
                buckets.append((begin, end - begin, max(0.0, observed), None))
        at = int(max(since, followed) // STRETCH) * STRETCH
        while recent is not None and at < until:
            end = (at // step + 1) * step
            first, last = at // STRETCH, end // STRETCH
            seconds = max(min(float(end), until) - at, 1.0)
            buckets.append(
                (
                    float(at),
                    seconds,
                    recent.observed_between(first, last),
                    recent.score(first, last),
                )
            )
            at = end
        return _with_band(series, buckets)

    def hours(self, tenant: Tenant, key: str, since: int, until: int) -> dict[int, float]:
        """Return the observed customer-equivalents of the known hours in a range.

        Args:
            tenant: The tenant; its series are only read.
            key: The series: an area, or `detectors.state.tenant.TENANT_SERIES`.
            since: The first hour, hours since 1970.
            until: The last hour, hours since 1970.
        """
        series = tenant.series(key)
        recent, followed = self._recent_counts(tenant, key)
        hours = _known_hours(series, since * HOUR, (until + 1) * HOUR)
        observed = {
            hour: series.model.expected_and_observed(hour * HOUR, hour * HOUR + HOUR - 1)[1]
            for hour in hours
        }
        if recent is not None:
            for hour in range(max(since, -(-int(followed) // HOUR)), until + 1):
                first = hour * HOUR // STRETCH
                observed.setdefault(hour, recent.observed_between(first, first + HOUR // STRETCH))
        return observed

    def _recent_counts(self, tenant: Tenant, key: str) -> tuple[_Recent | None, float]:
        """Return the recorded counts of a series and the time from which they are complete."""
        recent, now = self._recent.get((tenant.name, key)), tenant.clock or 0.0
        if recent is None:
            return None, now
        recent.advance_to(int(now // STRETCH))
        return recent, float(max(recent.since, recent.newest - KEPT + 1) * STRETCH)


def step_for(span: float, rate: float) -> int:
    """Return how long a shown bucket is, in seconds.

    Args:
        span: Length of the timeline, in seconds.
        rate: Expected customer-equivalents per hour.

    Example:
        >>> step_for(86_400.0, 60.0), step_for(86_400.0, 0.1), step_for(172_800.0, 60.0)
        (300, 3600, 600)
    """
    long_enough = (step for step in STEPS if step / HOUR * rate >= LEAST_DUE)
    shortest = next(long_enough, STEPS[-1])
    return next((s for s in STEPS if s >= shortest and span / s <= MOST_STRETCHES), STEPS[-1])


def _known_hours(series: Series, since: float, until: float) -> range:
    """Return the whole hours between two times whose counts the baseline still holds.

    The baseline drops the counts of an hour when it learns from them.
    """
    if series.model.name != "cusum_bank":
        return range(0)  # the other models keep no hourly counts
    first = int(series.born) + int(series.model.maturity_hours)
    return range(max(int(since // HOUR), first), int(until // HOUR))


def _with_band(
    series: Series, buckets: list[tuple[float, float, float, float | None]]
) -> list[RecentBucket]:
    """Add the expectation and the normal range to (start, seconds, observed, score) buckets."""
    expected: dict[int, float] = {}
    means, variances = [], []
    for at, seconds, _, _ in buckets:
        hour = int(at // HOUR)
        if hour not in expected:
            expected[hour] = series.model.expected_between(hour * HOUR, (hour + 1) * HOUR)
        means.append(expected[hour] * seconds / HOUR)
        variances.append(series.model.variance(seconds / HOUR))
    lows, highs = prediction_band(means, variances)
    return [
        RecentBucket(at, seconds, observed, mean, low, high, score)
        for (at, seconds, observed, score), mean, low, high in zip(
            buckets, means, lows, highs, strict=True
        )
    ]
