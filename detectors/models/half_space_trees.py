"""A model that applies river's `HalfSpaceTrees` to bucket counts.

The score of the trees is not a probability and does not say whether a count is unusually high or
low. This model scores only counts above the mean; the probability is the share of learned buckets
that scored at least as high. Beyond the largest bucket learned so far, the probability falls with
each further ticket like a Poisson tail. With river's default settings, the trees would score both
20 and 200 tickets as 0.0. Small trees over a scaled count avoid that, but this is still the
coarsest of the models, and it must not become the default.
"""

from typing import ClassVar, Final

from river import anomaly

from detectors.models.seasonal_profile import Context
from detectors.models.time_buckets import BucketedModel

TREES: Final = 5
HEIGHT: Final = 4
WINDOW: Final = 96
"""Buckets between two updates of the tree masses: one day."""
BINS: Final = 32
FADE: Final = 0.9998
"""Decay of the histogram of scores per bucket: a half-life of five weeks."""


class HalfSpaceBuckets(BucketedModel):
    """Half-space trees over the bucket count, scaled to 0..1 by the mean."""

    name: ClassVar[str] = "half_space_trees"

    def __init__(self, context: Context, start: float) -> None:
        """See `Model`."""
        super().__init__(context, start)
        self._trees = anomaly.HalfSpaceTrees(
            n_trees=TREES,
            height=HEIGHT,
            window_size=WINDOW,
            limits={"count": (0.0, 1.0)},
            seed=1,
        )
        self._histogram = [0.0] * BINS
        self._largest = 0.0

    def _feature(self, count: float) -> dict[str, float]:
        scale = 4.0 * (self._counts.mean.get() + 1.0)
        return {"count": count / (count + scale)}

    def _bin(self, count: float) -> int:
        return min(BINS - 1, int(BINS * self._trees.score_one(self._feature(count))))

    def _chance(self, count: float) -> float:
        learned = sum(self._histogram)
        if learned < 7 * WINDOW:
            return 1.0
        share = (sum(self._histogram[self._bin(count) :]) + 1.0) / (learned + 1.0)
        beyond = max(0.0, count - self._largest)
        return share * float((self._counts.mean.get() / count) ** beyond)

    def _learn(self, count: float) -> None:
        if not self._trees._first_window:
            score_bin = self._bin(count)
            self._histogram = [mass * FADE for mass in self._histogram]
            self._histogram[score_bin] += 1.0
        self._trees.learn_one(self._feature(count))
        self._largest = max(count, self._largest * FADE)

    def _learned_numbers(self) -> list[float]:
        trees = self._trees
        masses = [
            float(mass)
            for nodes in trees._tree_nodes
            for node in nodes
            for mass in (node.l_mass, node.r_mass)
        ]
        first = float(trees._first_window)
        return [self._largest, float(trees.counter), first, *self._histogram, *masses]

    def _restore_numbers(self, numbers: list[float]) -> None:
        trees = self._trees
        self._largest, counter, first = numbers[:3]
        self._histogram = numbers[3 : 3 + BINS]
        masses = iter(numbers[3 + BINS :])
        if len(numbers) > 3 + BINS:
            # The first call builds the trees; the fixed seed makes them equal to the encoded ones.
            trees.learn_one(self._feature(0.0))
        for nodes in trees._tree_nodes:
            for node in nodes:
                node.l_mass, node.r_mass = int(next(masses)), int(next(masses))
        trees.counter, trees._first_window = int(counter), bool(first)
