"""The timeline of an area over a whole run: observed, expected, score and threshold.

The collector only reads the series; it changes no state.
"""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from detectors.alerting.budget import thresholds
from detectors.foundation.prediction_band import prediction_band
from detectors.foundation.units import SECONDS_PER_HOUR, SECONDS_PER_WEEK
from detectors.policy.settings import Settings
from detectors.state.tenant import Tenant

MOST_STRETCHES: Final = 400
"""The most buckets in one timeline; when there are more, the bucket length is doubled."""


@dataclass
class BacktestBucket:
    """One bucket of an area's timeline; counts are for the whole bucket."""

    at: float
    """Start of the bucket, seconds since 1970."""
    seconds: float
    observed: float
    """Observed customer-equivalents."""
    expected: float
    """Expected customer-equivalents, as predicted when the bucket began."""
    variance: float
    """Relative variance of the expectation."""
    score: float = 0.0
    """The highest score in the bucket; chance alone reaches 0 once a week."""
    limit: float | None = None
    """The threshold when the bucket began; None: not known yet."""


class BacktestTimelines:
    """The timelines of selected areas, in buckets of whole hours.

    Call `look` before each signal of a tenant is processed, and `scored` after it.
    """

    def __init__(self, areas: Collection[tuple[str, str]], hours: int = 1) -> None:
        """Start without buckets.

        Args:
            areas: Pairs of tenant and area to record; an empty tenant means every tenant.
            hours: Initial length of a bucket, in hours.
        """
        self._areas: dict[str, set[str]] = {}
        for tenant, area in areas:
            self._areas.setdefault(tenant, set()).add(area)
        self.seconds = hours * SECONDS_PER_HOUR
        """Current length of a bucket, in seconds."""
        self._next: dict[str, float] = {}
        self._seen: dict[tuple[str, str], float] = {}
        self.stretches: dict[tuple[str, str], list[BacktestBucket]] = {}
        """The buckets by tenant and area, in order."""

    def look(self, tenant: Tenant, at: float, settings: Settings) -> None:
        """Begin all buckets of a tenant up to a time, in seconds since 1970."""
        if at < self._next.get(tenant.name, -math.inf) or tenant.clock is None:
            return
        followed = self._followed(tenant)
        if not followed:
            return
        begin = self._next.get(tenant.name, at // self.seconds * self.seconds)
        by_area: dict[str, float] | None = None
        while begin <= at:
            if by_area is None:
                by_area = {
                    key: limit
                    for key, kind, limit, _ in thresholds(tenant, settings)
                    if kind == "area" and key in followed
                }
            for area in sorted(followed & tenant.areas.keys()):
                self._begin(tenant, area, begin, by_area.get(area))
            begin += self.seconds
            self._next[tenant.name] = begin
            if any(len(buckets) > MOST_STRETCHES for buckets in self.stretches.values()):
                self._double()
                begin = self._next[tenant.name]

    def scored(self, tenant: Tenant) -> None:
        """Record the scores of the areas that the last signal changed."""
        for area in tenant.touched:
            buckets = self.stretches.get((tenant.name, area))
            if buckets:
                buckets[-1].score = max(buckets[-1].score, tenant.areas[area].last_score[1])
        tenant.touched.clear()

    def finish(self, tenants: Iterable[Tenant]) -> None:
        """Complete the last buckets after the last signal."""
        for tenant in tenants:
            for area in self._followed(tenant):
                self._count(tenant, area)

    def _followed(self, tenant: Tenant) -> set[str]:
        return self._areas.get(tenant.name, set()) | self._areas.get("", set())

    def _begin(self, tenant: Tenant, area: str, begin: float, limit: float | None) -> None:
        self._count(tenant, area)
        model = tenant.areas[area].model
        horizon = min(self.seconds, SECONDS_PER_WEEK)  # a model predicts at most a week ahead
        expected = model.expected_between(begin, begin + horizon) * self.seconds / horizon
        bucket = BacktestBucket(
            begin,
            self.seconds,
            0.0,
            expected,
            model.variance(self.seconds / SECONDS_PER_HOUR),
            limit=limit,
        )
        self.stretches.setdefault((tenant.name, area), []).append(bucket)

    def _count(self, tenant: Tenant, area: str) -> None:
        """Add the customer-equivalents counted since the last call to the area's last bucket."""
        series = tenant.areas.get(area)
        if series is None:
            return
        key = (tenant.name, area)
        buckets = self.stretches.get(key)
        if buckets:
            buckets[-1].observed += max(0.0, series.seen - self._seen[key])
        self._seen[key] = series.seen

    def _double(self) -> None:
        self.seconds *= 2.0
        for key, buckets in self.stretches.items():
            self.stretches[key] = _merged(buckets, self.seconds)
        for name, begin in self._next.items():
            self._next[name] = math.ceil(begin / self.seconds) * self.seconds


def bands(stretches: list[BacktestBucket]) -> list[tuple[float, float]]:
    """Return the normal range of each bucket.

    Example:
        >>> bands([BacktestBucket(0.0, 3600.0, 5.0, 4.0, 0.05)])
        [(0.0, 10.0)]
    """
    expected = [bucket.expected for bucket in stretches]
    variances = [bucket.variance for bucket in stretches]
    return list(zip(*prediction_band(expected, variances), strict=True))


def _merged(buckets: list[BacktestBucket], seconds: float) -> list[BacktestBucket]:
    """Merge the buckets that fall into the same longer bucket."""
    merged: list[BacktestBucket] = []
    for bucket in buckets:
        begin = bucket.at // seconds * seconds
        if not merged or merged[-1].at != begin:
            bucket.at, bucket.seconds = begin, seconds
            merged.append(bucket)
            continue
        last = merged[-1]
        expected = last.expected + bucket.expected
        # The errors of both expectations are treated as fully correlated, because daily noise and
        # the uncertainty of the level affect both in the same way.
        spread = (
            math.sqrt(last.variance) * last.expected + math.sqrt(bucket.variance) * bucket.expected
        )
        last.variance = (
            (spread / expected) ** 2 if expected > 0.0 else max(last.variance, bucket.variance)
        )
        last.expected, last.observed = expected, last.observed + bucket.observed
        last.score = max(last.score, bucket.score)
        if bucket.limit is not None:
            last.limit = bucket.limit if last.limit is None else min(last.limit, bucket.limit)
    return merged
