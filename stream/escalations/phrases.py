"""Formatting of numbers, percentages and plurals in all output."""

from collections.abc import Mapping


def plural(count: int, noun: str, nouns: str = "") -> str:
    """Return a count with its noun in the singular or plural.

    Args:
        count: The count.
        noun: The singular.
        nouns: The plural; default: the singular with an s.

    Example:
        >>> plural(1, "ticket"), plural(1200, "ticket"), plural(2, "entry", "entries")
        ('1 ticket', '1,200 tickets', '2 entries')
    """
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


def counts(by_name: Mapping[str, int]) -> str:
    """Return counts with their names, sorted by name.

    Example:
        >>> counts({"tags": 1, "csat": 3})
        '3 csat, 1 tags'
    """
    return ", ".join(f"{count} {name}" for name, count in sorted(by_name.items()))


def format_number(number: float) -> str:
    """Format a number with three significant digits, or all digits of a whole number.

    Example:
        >>> format_number(12345.6), format_number(3.14159), format_number(7.0)
        ('12,346', '3.14', '7')
    """
    return f"{number:,.0f}" if number >= 100 or number == round(number) else f"{number:.3g}"


def rounded(number: float, digits: int = 3) -> str:
    """Format a non-negative number with a maximum of significant digits and without an exponent.

    Example:
        >>> rounded(1234.5), rounded(0.125), rounded(0.0001)
        ('1234', '0.125', 'less than 0.001')
    """
    if number >= 100:
        return f"{number:.0f}"
    return f"{number:.{digits}g}" if number >= 0.001 or number == 0.0 else "less than 0.001"


def percent(share: float) -> str:
    """Format a share from 0 to 1 as a percentage that is 0% or 100% only for exactly 0 or 1.

    Example:
        >>> percent(0.256), percent(0.999), percent(0.001), percent(0.0)
        ('26%', 'over 99%', 'under 1%', '0%')
    """
    if 0.0 < share < 0.005:
        return "under 1%"
    if 0.995 <= share < 1.0:
        return "over 99%"
    return f"{100.0 * max(share, 0.0):.0f}%"
