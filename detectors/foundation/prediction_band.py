"""What usual stretches of time stay within: for display, never for a decision."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.stats import nbinom

TAIL: Final = 0.01
"""Of usual stretches, this part lies above the band, and as much below."""


def prediction_band(
    means: Sequence[float], variances: Sequence[float]
) -> tuple[list[float], list[float]]:
    """Lower and upper ends: quantiles of a negative binomial, by mean and relative variance.

    Args:
        means: Customer-equivalents due in each stretch.
        variances: Relative variance of each, beyond that of chance; see `Model.variance`.

    Returns:
        What 99 of 100 usual stretches reach, and what they stay below.

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
