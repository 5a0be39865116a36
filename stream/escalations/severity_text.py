"""Readable text for the rule that gave an escalation its severity.

Events and state hold the compact form, such as ``by counts: customers >= 4, ratio >= 2``, because
consumers compare it. Only texts for people use this module.
"""

import re
from typing import Final

from schemas.escalation import Severity

_NAMES: Final = ("by counts: ", "by tier: ", "by revenue: ")
"""Names of the built-in rules, which are left out because the bounds are sufficient."""
_NUMBER: Final = r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)"
_CUSTOMERS: Final = re.compile(r"customers >= (\d+)")
_RATIO: Final = re.compile(rf"ratio >= {_NUMBER}")
_EXCESS: Final = re.compile(rf"excess >= {_NUMBER}/h")
_TIER: Final = re.compile(r"(.+) customers >= (\d+)")
_REVENUE: Final = re.compile(rf"revenue >= {_NUMBER}")
_NO_RULE: Final = "nothing graver holds"


def severity_in_words(severity: Severity, rule: str) -> str:
    """Describe the severity and the rule that gave it.

    Args:
        severity: The severity of the escalation.
        rule: ``severity_rule`` of the escalation.

    Returns:
        The bounds in words. A rule in an unknown form is returned unchanged.

    Example:
        >>> severity_in_words("warning", "by counts: customers >= 4, ratio >= 2")
        'severity warning: at least 4 customers and twice the expected rate'
        >>> severity_in_words("error", "by tier: enterprise customers >= 1")
        'severity error: at least 1 enterprise customer'
        >>> severity_in_words("critical", "our own words")
        'severity critical: our own words'
    """
    bounds = rule
    for name in _NAMES:
        bounds = bounds.removeprefix(name)
    if bounds == _NO_RULE:
        return f"severity {severity}: no rule for a higher severity matches"
    phrases = []
    for bound in bounds.split(", "):
        phrase = _phrase(bound)
        if phrase is None:
            return f"severity {severity}: {rule}"
        phrases.append(phrase)
    *others, last = phrases
    listed = f"{', '.join(others)} and {last}" if others else last
    return f"severity {severity}: at least {listed}"


def _phrase(bound: str) -> str | None:
    """Describe one bound, without "at least"; None: its form is unknown."""
    if match := _CUSTOMERS.fullmatch(bound):
        return _customers("", match[1])
    if match := _RATIO.fullmatch(bound):
        times = "twice" if float(match[1]) == 2.0 else f"{match[1]} times"
        return f"{times} the expected rate"
    if match := _EXCESS.fullmatch(bound):
        return f"{match[1]} customer-equivalents per hour above the expected rate"
    if match := _REVENUE.fullmatch(bound):
        return f"{float(match[1]):,.0f} of annual revenue"
    if (match := _TIER.fullmatch(bound)) and ":" not in match[1] and ">=" not in match[1]:
        return _customers(f"{match[1]} ", match[2])
    return None


def _customers(tier: str, count: str) -> str:
    return f"{count} {tier}{'customer' if count == '1' else 'customers'}"
