"""Priors of thresholds: the tail of scores in healthy series, by kind and rate.

``tests/bench/calibrate.py`` simulates the table and prints its result beside `TABLE`.
"""

from typing import Final, Literal, NamedTuple

Kind = Literal["area", "slice", "tenant"]
KINDS: Final[tuple[Kind, ...]] = ("area", "slice", "tenant")

SPLIT: Final[dict[Kind, float]] = {"area": 0.6, "slice": 0.25, "tenant": 0.15}
"""Shares of the alert budget. Areas detect most incidents, slices detect incidents that are too
small for their area, and the tenant's series detects incidents that affect many areas."""
CLASSES: Final = (0.3, 3.0, 30.0)
"""Upper bounds of all rate classes except the last, in customer-equivalents per hour."""


class Prior(NamedTuple):
    """The tail of a score: peaks per week above 0, their mean excess, and the shape of the tail."""

    per_week: float
    excess: float
    shape: float = 0.0
    """Shape of the generalised Pareto tail; 0 is exponential."""


TABLE: Final[dict[Kind, tuple[Prior, ...]]] = {
    "area": (Prior(1.0, 1.0), Prior(0.7, 1.0), Prior(0.7, 1.0), Prior(0.7, 1.0)),
    "slice": (Prior(0.1, 0.8), Prior(0.2, 1.1), Prior(0.5, 1.4), Prior(0.5, 1.4)),
    "tenant": (Prior(0.35, 0.9),) * 4,
}


def rate_class(rate: float) -> int:
    """Return the class of a rate (customer-equivalents per hour) as an index into `TABLE`.

    Example:
        >>> [rate_class(rate) for rate in (0.05, 1.0, 200.0)]
        [0, 1, 3]
    """
    return sum(rate >= bound for bound in CLASSES)
