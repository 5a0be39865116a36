"""river's `GaussianScorer` over bucket counts.

Its score is two-sided, 2 |CDF(y) - 1/2|: a silent bucket scores like a full one. Here only counts
above the mean score, with the one-sided chance (1 - score) / 2. It knows no hour of the week, and
counts are not normal: on sparse series it spends more than its budget until the limit has learned
its tail. Never the default.
"""

from typing import ClassVar, cast

from river import anomaly, proba

from detectors.models.seasonal_profile import Context
from detectors.models.time_buckets import BUCKETS_A_WEEK, BucketedModel


class GaussianBuckets(BucketedModel):
    """A normal distribution of counts."""

    name: ClassVar[str] = "gaussian"

    def __init__(self, context: Context, start: float) -> None:
        """See `Model`."""
        super().__init__(context, start)
        self._scorer = anomaly.GaussianScorer(window_size=None, grace_period=int(BUCKETS_A_WEEK))
        self._gaussian = cast("proba.Gaussian", self._scorer.gaussian)  # no window: not a Rolling

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
