"""The severity of an episode: the first rule that holds, from the gravest to the mildest."""

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
    """Customer-equivalents."""
    tier: str = ""
    """Customer tier, of which at least `tier_customers` must be affected. Empty: any."""
    tier_customers: int = 1
    revenue: float = 0.0
    """Yearly revenue of the affected customers."""

    @property
    def words(self) -> str:
        """Return the rule as the event shows it."""
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
    """Return the first of *rules* that holds for an episode of *hours* with these counts.

    If none holds, the severity is ``info``.

    Example:
        >>> severity_of(RULES, customers=60, observed=60, expected=3, hours=0.5).severity
        'critical'
        >>> vip = Rule(severity="critical", name="big account", tier="enterprise", tier_customers=2)
        >>> severity_of((vip,), 9, 9.0, 3.0, 1.0, tiers={"enterprise": 2}).words
        'big account: enterprise customers >= 2'
    """
    ratio = observed / max(expected, 1e-9)
    excess = max(observed - expected, 0.0) / max(hours, 0.25)  # it may have fallen below by now
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


def is_graver(one: Severity, other: Severity) -> bool:
    """Return whether *one* is worse than *other*."""
    return SEVERITIES.index(one) > SEVERITIES.index(other)
