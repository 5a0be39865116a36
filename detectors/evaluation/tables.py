"""Tables as data, and the format of the figures in them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from detectors.foundation.count_statistics import wilson_interval

CONFIDENCE: Final = 0.95


@dataclass(frozen=True)
class Table:
    """A table; the first column names the row."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Share:
    """A proportion with its 95% confidence interval (Wilson)."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        """The proportion; NaN if the denominator is 0."""
        return self.hits / self.of if self.of else math.nan

    @property
    def bounds(self) -> tuple[float, float]:
        """The bounds of the confidence interval.

        Example:
            >>> low, high = Share(9, 10).bounds
            >>> round(low, 2), round(high, 2)
            (0.6, 0.98)
        """
        if not self.of:
            return 0.0, 1.0
        return wilson_interval(self.hits, self.of, CONFIDENCE)

    def __str__(self) -> str:
        if not self.of:
            return "-"
        low, high = self.bounds
        return f"{self.value:.2f} ({low:.2f}-{high:.2f})"


def quantile(values: Sequence[float], share: float) -> float:
    """Return a quantile of values that may be infinite; NaN if there are none.

    Args:
        values: The values in any order.
        share: Share of the values that do not exceed the quantile, 0 to 1.
    """
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def verdict(good: bool) -> str:
    """Return the table entry for a target that was met or missed."""
    return "ok" if good else "MISSED"


def minutes(value: float) -> str:
    """Format a delay in minutes for a table."""
    return number(value) if value < 10.0 or not math.isfinite(value) else f"{value:.0f}"


def number(value: float) -> str:
    """Format a figure for a table: NaN as ``-``, infinity as ``missed``."""
    if math.isnan(value):
        return "-"
    return "missed" if math.isinf(value) else f"{value:.2f}"
