"""Tables as data, and how figures are written in them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from scipy import stats

CONFIDENCE: Final = 0.95


@dataclass(frozen=True)
class Table:
    """What is shown: the first column names the row."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Share:
    """So many of so many, with the bounds of its 95 % confidence (Wilson)."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        """The share; not a number where there is nothing to share."""
        return self.hits / self.of if self.of else math.nan

    @property
    def bounds(self) -> tuple[float, float]:
        """Where the true share lies.

        Example:
            >>> low, high = Share(9, 10).bounds
            >>> round(low, 2), round(high, 2)
            (0.6, 0.98)
        """
        if not self.of:
            return 0.0, 1.0
        found = stats.binomtest(self.hits, self.of).proportion_ci(CONFIDENCE, "wilson")
        return float(found.low), float(found.high)

    def __str__(self) -> str:
        if not self.of:
            return "-"
        low, high = self.bounds
        return f"{self.value:.2f} ({low:.2f}-{high:.2f})"


def quantile(values: Sequence[float], share: float) -> float:
    """The value that *share* of *values* do not exceed; values may be infinite."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def verdict(good: bool) -> str:
    """The word in a table."""
    return "ok" if good else "MISSED"


def minutes(value: float) -> str:
    """A delay for a table."""
    return number(value) if value < 10.0 or not math.isfinite(value) else f"{value:.0f}"


def number(value: float) -> str:
    """A figure for a table: - where there is none."""
    if math.isnan(value):
        return "-"
    return "missed" if math.isinf(value) else f"{value:.2f}"
