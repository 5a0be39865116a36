"""Running totals over the hours of a day; the expected count up to any time takes one addition."""

from collections.abc import Sequence


class Totals:
    """Running totals over the hours of one day.

    Attributes:
        rates: Customer-equivalents per hour, for each of the 23 to 25 hours of the local day.
        expected: Customer-equivalents expected since the series was first seen, up to the start of
            each hour; the additional last entry is for the end of the day.
        squares: Sums of the squared rates, for the same times as `expected`.
        information: Sums of rate / (1 + dispersion x rate) since the start of the day, for the same
            times as `expected`.
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
            expected_before: Customer-equivalents expected before the day.
            squares_before: Sum of the squared rates before the day.
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
