"""A model that applies river's `GaussianScorer` to bucket counts.

The scorer is two-sided, 2 |CDF(y) - 1/2|, so it scores a silent bucket like a full one. This model
scores only counts above the mean, with the one-sided probability (1 - score) / 2. It ignores the
hour of the week, and counts are not normally distributed: on sparse series it pages more often than
the budget allows until the threshold has learned the tail of its scores. It must not become the
default.
"""

from typing import ClassVar, cast

from river import anomaly, proba

from detectors.models.seasonal_profile import Context
from detectors.models.time_buckets import BUCKETS_A_WEEK, BucketedModel


class GaussianBuckets(BucketedModel):
    """A normal distribution of bucket counts."""

    name: ClassVar[str] = "gaussian"

    def __init__(self, context: Context, start: float) -> None:
        """See `Model`."""
        super().__init__(context, start)
        self._scorer = anomaly.GaussianScorer(window_size=None, grace_period=int(BUCKETS_A_WEEK))
        # Without a window size, the scorer holds a plain Gaussian and not a Rolling wrapper.
        self._gaussian = cast("proba.Gaussian", self._scorer.gaussian)

    def _chance(self, count: float) -> float:
        if self._gaussian.n_samples < BUCKETS_A_WEEK:
            return 1.0
        return (1.0 - float(self._scorer.score_one(None, count))) / 2.0

    def _learn(self, count: float) -> None:
        self._scorer.learn_one(None, count)

    def _learned_numbers(self) -> list[float]:
        variance = self._gaussian._var
        return [variance.mean.n, variance.mean.get(), variance._S]

    def _restore_numbers(self, numbers: list[float]) -> None:
        variance = self._gaussian._var
        variance.mean.n, variance.mean._mean, variance._S = numbers
