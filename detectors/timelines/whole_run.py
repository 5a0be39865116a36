"""The timeline of an area over a whole run: observed, expected, score and threshold.

A pure collector beside the step: it reads the series and changes nothing.
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
"""Buckets of one timeline; when there are more, each becomes twice as long."""


@dataclass
class BacktestBucket:
    """One bucket of an area's timeline; counts are those of the whole bucket."""

    at: float
    """Its start, seconds since 1970."""
    seconds: float
    observed: float
    """Observed customer-equivalents."""
    expected: float
    """Expected customer-equivalents, as known when it began."""
    variance: float
    """Relative variance of what was expected."""
    score: float = 0.0
    """The highest score in it; chance reaches 0 once a week."""
    limit: float | None = None
    """The threshold when it began; None: not known yet."""


class BacktestTimelines:
    """The timelines of some areas of some tenants, in buckets of whole hours.

    Call `look` before a signal of a tenant is processed, and `scored` after it.
    """

    def __init__(self, areas: Collection[tuple[str, str]], hours: int = 1) -> None:
        """Start without any bucket.

        Args:
            areas: Tenant and area of the timelines; an empty tenant stands for every tenant.
            hours: Hours of a bucket at first.
        """
        self._areas: dict[str, set[str]] = {}
        for tenant, area in areas:
            self._areas.setdefault(tenant, set()).add(area)
        self.seconds = hours * SECONDS_PER_HOUR
        """Seconds of a bucket."""
        self._next: dict[str, float] = {}
        self._seen: dict[tuple[str, str], float] = {}
        self.stretches: dict[tuple[str, str], list[BacktestBucket]] = {}
        """The buckets by tenant and area, in order."""

    def look(self, tenant: Tenant, at: float, settings: Settings) -> None:
        """Begin all buckets until *at* (seconds since 1970)."""
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
            if any(len(found) > MOST_STRETCHES for found in self.stretches.values()):
                self._double()
                begin = self._next[tenant.name]

    def scored(self, tenant: Tenant) -> None:
        """Record the scores of the areas that the last signal changed."""
        for area in tenant.touched:
            found = self.stretches.get((tenant.name, area))
            if found:
                found[-1].score = max(found[-1].score, tenant.areas[area].last_score[1])
        tenant.touched.clear()

    def finish(self, tenants: Iterable[Tenant]) -> None:
        """Complete the last buckets; there are no more signals."""
        for tenant in tenants:
            for area in self._followed(tenant):
                self._count(tenant, area)

    def _followed(self, tenant: Tenant) -> set[str]:
        return self._areas.get(tenant.name, set()) | self._areas.get("", set())

    def _begin(self, tenant: Tenant, area: str, begin: float, limit: float | None) -> None:
        self._count(tenant, area)
        model = tenant.areas[area].model
        known = min(self.seconds, SECONDS_PER_WEEK)  # further ahead a model does not look
        expected = model.expected_between(begin, begin + known) * self.seconds / known
        stretch = BacktestBucket(
            begin,
            self.seconds,
            0.0,
            expected,
            model.variance(self.seconds / SECONDS_PER_HOUR),
            limit=limit,
        )
        self.stretches.setdefault((tenant.name, area), []).append(stretch)

    def _count(self, tenant: Tenant, area: str) -> None:
        """Add what was observed since the last bucket of *area* began to that bucket."""
        series = tenant.areas.get(area)
        if series is None:
            return
        key = (tenant.name, area)
        found = self.stretches.get(key)
        if found:
            found[-1].observed += max(0.0, series.seen - self._seen[key])
        self._seen[key] = series.seen

    def _double(self) -> None:
        self.seconds *= 2.0
        for key, found in self.stretches.items():
            self.stretches[key] = _in_pairs(found, self.seconds)
        for name, begin in self._next.items():
            self._next[name] = math.ceil(begin / self.seconds) * self.seconds


def bands(stretches: list[BacktestBucket]) -> list[tuple[float, float]]:
    """Return the normal range of each bucket.

    Example:
        >>> bands([BacktestBucket(0.0, 3600.0, 5.0, 4.0, 0.05)])
        [(0.0, 10.0)]
    """
    expected, variances = [one.expected for one in stretches], [one.variance for one in stretches]
    return list(zip(*prediction_band(expected, variances), strict=True))


def _in_pairs(stretches: list[BacktestBucket], seconds: float) -> list[BacktestBucket]:
    found: list[BacktestBucket] = []
    for one in stretches:
        begin = one.at // seconds * seconds
        if not found or found[-1].at != begin:
            one.at, one.seconds = begin, seconds
            found.append(one)
            continue
        last = found[-1]
        expected = last.expected + one.expected
        # As if both were wrong the same way: noise of days and ignorance are.
        spread = math.sqrt(last.variance) * last.expected + math.sqrt(one.variance) * one.expected
        last.variance = (
            (spread / expected) ** 2 if expected > 0.0 else max(last.variance, one.variance)
        )
        last.expected, last.observed = expected, last.observed + one.observed
        last.score = max(last.score, one.score)
        if one.limit is not None:
            last.limit = one.limit if last.limit is None else min(last.limit, one.limit)
    return found
