"""The tail of a score: how often it peaks, and how high the peaks are.

A tail is a generalised Pareto distribution of the excess of a peak over `LEVEL`. Its mean is
learned directly and its shape by moments (Hosking and Wallis 1987, "Parameter and quantile
estimation for the generalized Pareto distribution"). A shape of 0 is an exponential tail; a
positive shape is a heavier one.
"""

import math
from typing import Final

import msgspec

from detectors.state.threshold_priors import Prior

LEVEL: Final = 0.0
"""The score above which peaks are learned; by the model, chance alone reaches it once a week."""
POOL_WEEKS: Final = 40.0
POOL_PEAKS: Final = 30.0
"""Peaks after which the mean excess of a pool has the same weight as that of the table."""
MOST_POOLED: Final = 400.0
SHAPE_PEAKS: Final = 30.0
"""Peaks after which the moments of a series have the same weight as the shape of its pool."""
MOST_SHAPE: Final = 0.4
LIGHTEST_SHAPE: Final = -0.5
"""Lower bound of the moments, so that a few alike peaks do not outweigh a pool's heavy tail."""
LEAST_SHAPE: Final = 0.01
"""A smaller shape counts as 0."""


class ThresholdPool(msgspec.Struct, array_like=True):
    """The weeks, peaks and excess of all series of one tenant, kind and rate class."""

    weeks: float = 0.0
    peaks: float = 0.0
    excess: float = 0.0
    squares: float | None = None
    """Sum of the squared excesses; None: not known yet, so the tail counts as exponential."""

    def take(self, excess: float, weight: float) -> None:
        """Learn a peak; above `MOST_POOLED` peaks, all sums are halved so that old peaks fade.

        Args:
            excess: Excess of the peak over `LEVEL`.
            weight: The chance that no incident caused the peak, 0 to 1.
        """
        squares = self._squares()
        self.peaks += weight
        self.excess += weight * excess
        self.squares = squares + weight * excess * excess
        if self.peaks > MOST_POOLED:
            self.weeks, self.peaks = 0.5 * self.weeks, 0.5 * self.peaks
            self.excess, self.squares = 0.5 * self.excess, 0.5 * self.squares

    def prior(self, table: Prior) -> Prior:
        """Return the prior of a series: the pool's tail, shrunk towards the table's."""
        return Prior(
            (self.peaks + table.per_week * POOL_WEEKS) / (self.weeks + POOL_WEEKS),
            (self.excess + table.excess * POOL_PEAKS) / (self.peaks + POOL_PEAKS),
            shape_of(self.peaks, self.excess, self._squares(), table.shape),
        )

    def _squares(self) -> float:
        if self.squares is not None:
            return self.squares
        return 2.0 * self.excess * self.excess / self.peaks if self.peaks > 0.0 else 0.0


def shape_of(peaks: float, excess: float, squares: float, prior: float) -> float:
    """Estimate the shape of a tail by moments, shrunk towards a prior; 0 is exponential.

    Args:
        peaks: Effective number of peaks.
        excess: Sum of their excesses.
        squares: Sum of the squares of their excesses.
        prior: The shape without any peak.

    Example:
        >>> shape_of(0.0, 0.0, 0.0, 0.2)
        0.2
        >>> shape_of(1000.0, 1000.0, 2000.0, 0.2) < 0.01
        True
    """
    if peaks <= 3.0 or excess <= 0.0:
        return prior
    mean = excess / peaks
    spread = max(squares / peaks - mean * mean, 1e-9)
    own = max(0.5 * (1.0 - mean * mean / spread), LIGHTEST_SHAPE)
    shape = (own * peaks + prior * SHAPE_PEAKS) / (peaks + SHAPE_PEAKS)
    return min(shape, MOST_SHAPE)


def quantile(odds: float, excess: float, shape: float) -> float:
    """Return the excess that one peak in a number of peaks reaches.

    Args:
        odds: The number of peaks.
        excess: Mean excess of the peaks.
        shape: Shape of the tail.

    Example:
        >>> round(quantile(math.e, 2.0, 0.0), 6), quantile(0.5, 2.0, 0.0)
        (2.0, 0.0)
    """
    if odds <= 1.0:
        return 0.0
    if shape <= LEAST_SHAPE:
        return excess * math.log(odds)
    return excess * (1.0 - shape) * float(odds**shape - 1.0) / shape


def survival(height: float, excess: float, shape: float) -> float:
    """Return the share of peaks that exceed `LEVEL` by more than a height; see `quantile`."""
    above = max(0.0, height)
    if shape <= LEAST_SHAPE:
        return math.exp(-above / excess)
    return float((1.0 + shape * above / (excess * (1.0 - shape))) ** (-1.0 / shape))


def density(height: float, excess: float, shape: float) -> float:
    """Return the share of peaks per unit of excess at a height; see `quantile`."""
    above = max(0.0, height)
    if shape <= LEAST_SHAPE:
        return math.exp(-above / excess) / excess
    scale = excess * (1.0 - shape)
    return survival(above, excess, shape) / (scale + shape * above)
