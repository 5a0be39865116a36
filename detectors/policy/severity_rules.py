"""The severity of an episode: the first rule that holds, from the most to the least severe."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from schemas.escalation import SEVERITIES, Severity


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule for one severity. It holds if all its bounds are reached."""

    severity: Severity
    name: str = ""
    """The name that the event shows. Empty: the event lists the bounds."""
    customers: int = 0
    """Distinct customers."""
    ratio: float = 0.0
    """Observed / expected."""
    excess_per_hour: float = 0.0
    """Observed minus expected customer-equivalents per hour."""
    tier: str = ""
    """Customer tier in which at least `tier_customers` must be affected. Empty: any."""
    tier_customers: int = 1
    revenue: float = 0.0
    """Total yearly revenue of the affected customers."""

    @property
    def words(self) -> str:
        """The rule as the event shows it."""
        conditions = []
        if self.customers:
            conditions.append(f"customers >= {self.customers}")
        if self.ratio:
            conditions.append(f"ratio >= {self.ratio:g}")
        if self.excess_per_hour:
            conditions.append(f"excess >= {self.excess_per_hour:g}/h")
        if self.tier:
            conditions.append(f"{self.tier} customers >= {self.tier_customers}")
        if self.revenue:
            conditions.append(f"revenue >= {self.revenue:g}")
        bounds = ", ".join(conditions) or "nothing graver holds"
        return f"{self.name}: {bounds}" if self.name else bounds


RULES: Final = (
    Rule(severity="critical", name="by counts", customers=50, ratio=4.0, excess_per_hour=20.0),
    Rule(severity="error", name="by counts", customers=15, ratio=3.0, excess_per_hour=5.0),
    Rule(severity="warning", name="by counts", customers=4, ratio=2.0, excess_per_hour=0.5),
)
_ELSE: Final = Rule(severity="info")


def severity_of(
    rules: Sequence[Rule],
    customers: int,
    observed: float,
    expected: float,
    hours: float,
    tiers: Mapping[str, int] | None = None,
    revenue: float = 0.0,
) -> Rule:
    """Return the first rule that holds for an episode; if none holds, a rule for ``info``.

    Args:
        rules: The rules in the order in which they are tried.
        customers: Distinct affected customers.
        observed: Observed customer-equivalents.
        expected: Expected customer-equivalents.
        hours: Duration of the episode, in hours.
        tiers: Affected customers by tier.
        revenue: Total yearly revenue of the affected customers.

    Example:
        >>> severity_of(RULES, customers=60, observed=60, expected=3, hours=0.5).severity
        'critical'
        >>> vip = Rule(severity="critical", name="big account", tier="enterprise", tier_customers=2)
        >>> severity_of((vip,), 9, 9.0, 3.0, 1.0, tiers={"enterprise": 2}).words
        'big account: enterprise customers >= 2'
    """
    ratio = observed / max(expected, 1e-9)
    # The observed count may have fallen below the expectation by now.
    excess = max(observed - expected, 0.0) / max(hours, 0.25)
    for rule in rules:
        if (
            customers >= rule.customers
            and ratio >= rule.ratio
            and excess >= rule.excess_per_hour
            and (not rule.tier or (tiers or {}).get(rule.tier, 0) >= rule.tier_customers)
            and revenue >= rule.revenue
        ):
            return rule
    return _ELSE


def is_graver(severity: Severity, other: Severity) -> bool:
    """Return whether the first severity is higher than the second."""
    return SEVERITIES.index(severity) > SEVERITIES.index(other)
