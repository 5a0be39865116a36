"""Times and numbers as events state them."""

from datetime import UTC, datetime


def moment(at: float) -> datetime:
    """Seconds since 1970 as a time in UTC, to the millisecond."""
    return datetime.fromtimestamp(round(at, 3), UTC)


def significant(value: float, digits: int) -> float:
    """*value* with so many significant digits.

    Example:
        >>> significant(0.00123456, 3)
        0.00123
    """
    return float(f"{value:.{digits}g}")
