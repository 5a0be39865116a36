"""How bad: the first rule that holds, from the gravest down."""

from typing import Final, NamedTuple

from schemas.escalation import SEVERITIES, Severity


class Rule(NamedTuple):
    """All bounds must be reached."""

    severity: Severity
    customers: int
    ratio: float
    excess_per_hour: float

    @property
    def words(self) -> str:
        """As it stands in the event."""
        return (
            f"customers >= {self.customers}, ratio >= {self.ratio:g}, "
            f"excess >= {self.excess_per_hour:g}/h"
        )


RULES: Final = (
    Rule("critical", 50, 4.0, 20.0),
    Rule("error", 15, 3.0, 5.0),
    Rule("warning", 4, 2.0, 0.5),
    Rule("info", 0, 0.0, 0.0),
)


def judge(customers: int, observed: float, expected: float, hours: float) -> Rule:
    """The rule for an episode of *hours* with these counts.

    Example:
        >>> judge(customers=60, observed=60, expected=3, hours=0.5).severity
        'critical'
    """
    ratio = observed / max(expected, 1e-9)
    excess = max(observed - expected, 0.0) / max(hours, 0.25)  # it may have fallen below by now
    return next(
        rule
        for rule in RULES
        if customers >= rule.customers and ratio >= rule.ratio and excess >= rule.excess_per_hour
    )


def is_graver(one: Severity, other: Severity) -> bool:
    """Whether *one* is worse than *other*."""
    return SEVERITIES.index(one) > SEVERITIES.index(other)
