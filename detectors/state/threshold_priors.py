"""What healthy series show, by kind and rate: thresholds start from it before they have learned.

The table is simulated by ``tests/bench/calibrate.py``, which prints its result beside `TABLE`.
"""

from typing import Final, Literal, NamedTuple

Kind = Literal["area", "slice", "tenant"]
KINDS: Final[tuple[Kind, ...]] = ("area", "slice", "tenant")

SPLIT: Final[dict[Kind, float]] = {"area": 0.6, "slice": 0.25, "tenant": 0.15}
"""Shares of the alert budget. Areas find most incidents, slices find what areas cannot see, and the
tenant finds what is broad."""
CLASSES: Final = (0.3, 3.0, 30.0)
"""Upper bounds of the rate classes but the last, customer-equivalents per hour."""


class Prior(NamedTuple):
    """The tail of a score: peaks per week above 0, and their mean excess."""

    per_week: float
    excess: float


TABLE: Final[dict[Kind, tuple[Prior, ...]]] = {
    "area": (Prior(1.0, 1.0), Prior(0.7, 1.0), Prior(0.7, 1.0), Prior(0.7, 1.0)),
    "slice": (Prior(0.1, 0.8), Prior(0.2, 1.1), Prior(0.5, 1.4), Prior(0.5, 1.4)),
    "tenant": (Prior(0.35, 0.9),) * 4,
}


def rate_class(rate: float) -> int:
    """Return the class of a rate (customer-equivalents per hour), an index into `TABLE`.

    Example:
        >>> [rate_class(rate) for rate in (0.05, 1.0, 200.0)]
        [0, 1, 3]
    """
    return sum(rate >= bound for bound in CLASSES)
