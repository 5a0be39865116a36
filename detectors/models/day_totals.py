"""Running totals over the hours of a day: what is expected by any moment is one addition away."""

from collections.abc import Sequence


class Totals:
    """Running totals over the hours of one day.

    Attributes:
        rates: Customer-equivalents per hour; one for each of the 23 to 25 hours of the local day.
        expected: Customer-equivalents expected from birth until the start of each hour; one entry
            more than hours, so that the last is the end of the day.
        squares: Sum of the squared rates from birth until the start of each hour.
        information: Sum of rate / (1 + dispersion x rate) from the start of the day.
    """

    __slots__ = ("expected", "information", "rates", "squares")

    def __init__(
        self,
        rates: Sequence[float],
        expected_before: float,
        squares_before: float,
        dispersion: float,
    ) -> None:
        """Add up the rates of one day.

        Args:
            rates: Customer-equivalents per hour.
            expected_before: Customer-equivalents expected from birth until the day begins.
            squares_before: Sum of the squared rates until the day begins.
            dispersion: Relative variance from hour to hour, above 0.
        """
        self.rates = rates
        expected, squares, information = expected_before, squares_before, 0.0
        self.expected, self.squares, self.information = [expected], [squares], [information]
        for rate in rates:
            expected += rate
            squares += rate * rate
            information += rate / (1.0 + dispersion * rate)
            self.expected.append(expected)
            self.squares.append(squares)
            self.information.append(information)
