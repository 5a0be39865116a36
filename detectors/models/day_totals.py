"""Running totals over the hours of a day: what is due by any moment is one addition away."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detectors.models.baseline import Baseline


class Totals:
    """Running totals over the hours of a baseline's day, one entry more than hours."""

    __slots__ = ("due", "of", "squares", "worth")

    def __init__(self, baseline: "Baseline") -> None:
        """Add up the rates of *baseline*."""
        self.of = baseline.rates
        due, squares, worth = baseline.due_before, baseline.squares_before, 0.0
        self.due, self.squares, self.worth = [due], [squares], [worth]
        dispersion = baseline.hour_dispersion
        for rate in baseline.rates:
            due += rate
            squares += rate * rate
            worth += rate / (1.0 + dispersion * rate)
            self.due.append(due)
            self.squares.append(squares)
            self.worth.append(worth)
