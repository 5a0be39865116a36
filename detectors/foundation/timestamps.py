"""Round times and numbers for events."""

from datetime import UTC, datetime


def moment(at: float) -> datetime:
    """Return a time, given in seconds since 1970, as a UTC datetime rounded to milliseconds."""
    return datetime.fromtimestamp(round(at, 3), UTC)


def significant(value: float, digits: int) -> float:
    """Round a number to a number of significant digits.

    Example:
        >>> significant(0.00123456, 3)
        0.00123
    """
    return float(f"{value:.{digits}g}")
