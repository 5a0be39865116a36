"""The base class of models built on river: counts per quarter of an hour, including zeros.

River scores observations, but tickets are points in time. The count of the current bucket is scored
at each ticket and learned when the bucket ends. These models therefore never score a spike that
straddles two buckets as a whole.
"""

import math
from abc import abstractmethod
from typing import Final, Self

import msgspec
from river import stats

from detectors.foundation import state_codec
from detectors.foundation.units import HOURS_PER_WEEK
from detectors.models.base import LEAST_EVIDENCE, Arrival, Model, Score
from detectors.models.baseline import LEAST_DISPERSION
from detectors.models.seasonal_profile import Context

BUCKET_SECONDS: Final = 900.0
BUCKETS_A_WEEK: Final = HOURS_PER_WEEK * 3600.0 / BUCKET_SECONDS
LONGEST_GAP: Final = 672
"""The most empty buckets that are learned at once: a week."""
LEAST_P: Final = 1e-12


class Bucket(msgspec.Struct, array_like=True):
    """The current bucket, and the mean and variance of all earlier buckets in river's form."""

    index: int
    first: int
    count: float = 0.0
    tickets: int = 0
    customers: int = 0
    n: float = 0.0
    mean: float = 0.0
    squares: float = 0.0
    muted: bool = False
    """Whether the tickets of the bucket have been handled, so that it no longer scores."""


class BucketedModel(Model):
    """A model that scores the count of the current bucket."""

    def __init__(self, context: Context, start: float) -> None:
        """See `Model`."""
        self._context = context
        index = int(start // BUCKET_SECONDS)
        self._bucket = Bucket(index, index)
        self._counts = stats.Var()

    @abstractmethod
    def _chance(self, count: float) -> float:
        """Return the probability of a bucket count at least this high; 1 if unknown."""

    @abstractmethod
    def _learn(self, count: float) -> None:
        """Learn the count of a completed bucket."""

    @abstractmethod
    def _learned_numbers(self) -> list[float]:
        """Return the state of the river model as numbers."""

    @abstractmethod
    def _restore_numbers(self, numbers: list[float]) -> None:
        """Restore the state of the river model from what `_learned_numbers` returned."""

    def observe(self, x: Arrival) -> Score:
        """See `Model`."""
        self.advance(x.at)
        bucket = self._bucket
        since = bucket.index * BUCKET_SECONDS
        bucket.count += x.weight
        bucket.tickets += 1
        bucket.customers += x.last_seen < since
        mean = max(self._counts.mean.get(), 1e-6)
        if (
            bucket.muted
            or min(bucket.count, bucket.customers) < LEAST_EVIDENCE
            or bucket.count <= mean
        ):
            return Score()
        tail = -math.log(max(self._chance(bucket.count), LEAST_P))
        variance = max(0.0, self._counts.get() - mean) / (mean * mean)
        return Score(
            tail - math.log(BUCKETS_A_WEEK),
            since,
            bucket.count,
            mean,
            bucket.tickets,
            bucket.customers,
            tail,
            variance,
        )

    def advance(self, at: float) -> None:
        """See `Model`."""
        index = int(at // BUCKET_SECONDS)
        bucket = self._bucket
        if index <= bucket.index:
            return
        self._close(bucket.count)
        for _ in range(min(index - bucket.index - 1, LONGEST_GAP)):
            self._close(0.0)
        bucket.index = index
        bucket.count, bucket.tickets, bucket.customers, bucket.muted = 0.0, 0, 0, False

    def learn_late(self, at: float, weight: float, *, bounded: bool = False) -> bool:
        """See `Model`. Only a ticket of the current bucket can be counted."""
        del bounded
        if int(at // BUCKET_SECONDS) != self._bucket.index:
            return False
        self._bucket.count += weight
        return True

    def withdraw(self, at: float, weight: float) -> None:
        """See `Model`. Only a ticket of the current bucket can be removed."""
        if int(at // BUCKET_SECONDS) == self._bucket.index:
            self._bucket.count = max(0.0, self._bucket.count - weight)

    def mark_gap(self, since: float, until: float) -> None:
        """See `Model`. The empty buckets of the gap are skipped, so they are never learned."""
        del since
        self._bucket.index = max(self._bucket.index, int(until // BUCKET_SECONDS) - 1)

    def inherit(self, other: Model, share: float) -> None:
        """See `Model`."""
        assert isinstance(other, BucketedModel)
        donor = other._counts
        self._counts.mean.n, self._counts.mean._mean = donor.mean.n, donor.mean.get() * share
        self._counts._S = donor._S * share * share

    def rebase(self, factor: float) -> None:
        """See `Model`."""
        self._counts.mean._mean *= factor
        self._counts._S *= factor * factor
        self.restart()

    def restart(self) -> None:
        """See `Model`."""
        self._bucket.muted = True

    def expected_until(self, at: float) -> float:
        """See `Model`."""
        return (at / 3600.0 - self._bucket.first * BUCKET_SECONDS / 3600.0) * self.rate

    def variance(self, hours: float) -> float:
        """See `Model`."""
        mean = max(float(self._counts.mean.get()), 1e-6)
        dispersion = max(0.0, self._counts.get() - mean) / (mean * mean)
        bucket = BUCKET_SECONDS / 3600.0
        uncertainty = 1.0 / max(mean * self._counts.mean.n, 1.0)
        return max(dispersion * bucket / max(hours, bucket), LEAST_DISPERSION) + uncertainty

    @property
    def rate(self) -> float:
        """See `Model`."""
        return max(float(self._counts.mean.get()), 1e-6) * 3600.0 / BUCKET_SECONDS

    @property
    def maturity_hours(self) -> float:
        """See `Model`."""
        return float(self._counts.mean.n) * BUCKET_SECONDS / 3600.0

    def encode(self) -> bytes:
        """See `Model`."""
        bucket, counts = self._bucket, self._counts
        bucket.n, bucket.mean, bucket.squares = counts.mean.n, counts.mean.get(), counts._S
        return state_codec.encode((bucket, self._learned_numbers()))

    @classmethod
    def restore(cls, data: bytes, context: Context) -> Self:
        """See `Model`."""
        bucket, numbers = state_codec.decode(data, tuple[Bucket, list[float]])
        self = cls(context, bucket.first * BUCKET_SECONDS)
        self._bucket = bucket
        self._counts.mean.n, self._counts.mean._mean = bucket.n, bucket.mean
        self._counts._S = bucket.squares
        self._restore_numbers(numbers)
        return self

    def _close(self, count: float) -> None:
        """Learn a bucket, winsorised at six standard deviations so that a spike cannot dominate."""
        if self._counts.mean.n >= BUCKETS_A_WEEK:
            bound = self._counts.mean.get() + 6.0 * math.sqrt(self._counts.get() + 1.0)
            count = min(count, bound)
        self._counts.update(count)
        self._learn(count)
