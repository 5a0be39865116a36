"""Times and numbers as events show them."""

from datetime import UTC, datetime


def moment(at: float) -> datetime:
    """Return seconds since 1970 as a time in UTC, to the millisecond."""
    return datetime.fromtimestamp(round(at, 3), UTC)


def significant(value: float, digits: int) -> float:
    """Return *value* rounded to a number of significant digits.

    Example:
        >>> significant(0.00123456, 3)
        0.00123
    """
    return float(f"{value:.{digits}g}")
