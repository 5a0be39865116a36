"""The normal range of counts, for display; no decision reads it."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.stats import nbinom

TAIL: Final = 0.01
"""Share of normal buckets above the band, and below it."""


def prediction_band(
    means: Sequence[float], variances: Sequence[float]
) -> tuple[list[float], list[float]]:
    """Return the normal range: quantiles of a negative binomial by mean and relative variance.

    Args:
        means: Customer-equivalents expected in each bucket.
        variances: Relative variance of each, beyond that of chance; see `Model.variance`.

    Returns:
        Lower ends, which 99 of 100 normal buckets reach, and upper ends, which as many stay below.

    Example:
        >>> prediction_band([10.0], [0.05])
        ([3.0], [20.0])
    """
    if not means:
        return [], []
    mean = np.maximum(np.asarray(means, dtype=float), 1e-6)
    size = 1.0 / np.maximum(np.asarray(variances, dtype=float), 1e-6)
    chance = size / (size + mean)
    lows, highs = nbinom.ppf(TAIL, size, chance), nbinom.ppf(1.0 - TAIL, size, chance)
    return np.asarray(lows).tolist(), np.asarray(highs).tolist()
