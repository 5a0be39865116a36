"""The normal range of counts, for display; no decision depends on it."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import betainc, nbdtrik

TAIL: Final = 0.01
"""Share of normal buckets above the range, and share below it."""


def prediction_band(
    means: Sequence[float], variances: Sequence[float]
) -> tuple[list[float], list[float]]:
    """Return the normal range of each bucket: two quantiles of a negative binomial.

    Args:
        means: Customer-equivalents expected in each bucket.
        variances: Relative variance of each expectation, in addition to Poisson variance; see
            `Model.variance`.

    Returns:
        Lower ends, which 99 of 100 normal buckets reach, and upper ends, which 99 of 100 normal
        buckets do not exceed.

    Example:
        >>> prediction_band([10.0], [0.05])
        ([3.0], [20.0])
    """
    if not means:
        return [], []
    mean = np.maximum(np.asarray(means, dtype=float), 1e-6)
    size = 1.0 / np.maximum(np.asarray(variances, dtype=float), 1e-6)
    chance = size / (size + mean)
    lows, highs = _quantiles(TAIL, size, chance), _quantiles(1.0 - TAIL, size, chance)
    return lows.tolist(), highs.tolist()


def _quantiles(
    probability: float, size: npt.NDArray[np.float64], chance: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the smallest counts that negative binomials do not exceed with a probability.

    `scipy.stats.nbinom.ppf` returns the same; see `beta_binomial_tail` for why it is not used.

    Args:
        probability: Above 0 and below 1.
        size: Sizes of the negative binomials.
        chance: Their chances of success, size / (size + mean).
    """
    counts = np.maximum(np.ceil(nbdtrik(probability, size, chance)), 0.0)
    one_less = np.maximum(counts - 1.0, 0.0)
    # nbdtrik may end just above a whole number.
    is_enough = betainc(size, one_less + 1.0, chance) >= probability
    return np.where(is_enough, one_less, counts)
