"""Severity rules: the first rule whose bounds are all reached applies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.policy.severity_rules import RULES, Rule, is_graver, severity_of
from schemas.escalation import SEVERITIES, Severity


@pytest.mark.parametrize(
    ("customers", "observed", "expected", "hours", "severity"),
    [
        (50, 60.0, 3.0, 2.0, "critical"),
        (49, 60.0, 3.0, 2.0, "error"),
        (50, 60.0, 16.0, 2.0, "error"),  # not four times
        (50, 60.0, 3.0, 3.0, "error"),  # fewer than twenty an hour too many
        (15, 15.0, 3.0, 2.0, "error"),
        (14, 15.0, 3.0, 2.0, "warning"),
        (15, 15.0, 3.0, 4.0, "warning"),
        (4, 4.0, 2.0, 4.0, "warning"),
        (3, 4.0, 2.0, 4.0, "info"),
        (4, 4.0, 2.0, 4.1, "info"),
        (4, 3.9, 2.0, 1.0, "info"),
        (900, 500.0, 600.0, 1.0, "info"),  # below the expected count
    ],
)
def test_the_most_severe_rule_with_all_bounds_reached_applies(
    customers: int, observed: float, expected: float, hours: float, severity: Severity
) -> None:
    """Customers, ratio and excess per hour must all reach the bounds of a rule."""
    assert severity_of(RULES, customers, observed, expected, hours).severity == severity


@given(st.integers(0, 10**6), st.floats(0, 1e6), st.floats(0, 1e6), st.floats(-1.0, 1e5))
def test_some_rule_always_applies(
    customers: int, observed: float, expected: float, hours: float
) -> None:
    """A rule applies to any counts, also below the expected one."""
    assert severity_of(RULES, customers, observed, expected, hours).severity in SEVERITIES


def test_a_short_window_counts_as_a_quarter_of_an_hour() -> None:
    """Four tickets within a second are not fourteen thousand an hour."""
    assert (
        severity_of(RULES, 4, 4.0, 0.01, 0.0).severity
        == severity_of(RULES, 4, 4.0, 0.01, 0.25).severity
    )
    assert severity_of(RULES, 60, 5.0, 0.01, 0.0001).severity == "error"


def test_severities_are_ordered() -> None:
    """Info, warning, error and critical are each higher than those before."""
    for place, severity in enumerate(SEVERITIES):
        assert [is_graver(severity, other) for other in SEVERITIES] == [
            place > other for other in range(len(SEVERITIES))
        ]


def test_the_description_of_a_rule_contains_its_bounds() -> None:
    """The event can quote the description as its reason."""
    assert RULES[0].words == "by counts: customers >= 50, ratio >= 4, excess >= 20/h"
    assert RULES[2].words == "by counts: customers >= 4, ratio >= 2, excess >= 0.5/h"


def test_a_rule_can_require_a_tier_or_a_revenue() -> None:
    """Two enterprise customers, or a million in revenue, are severe whatever the counts."""
    tier = Rule(severity="critical", name="by tier", tier="enterprise", tier_customers=2)
    revenue = Rule(severity="error", name="by revenue", revenue=1e6)
    rules = (tier, revenue)
    assert severity_of(rules, 3, 3.0, 2.0, 1.0, {"enterprise": 2}).words == (
        "by tier: enterprise customers >= 2"
    )
    assert severity_of(rules, 3, 3.0, 2.0, 1.0, {"enterprise": 1}).severity == "info"
    assert severity_of(rules, 3, 3.0, 2.0, 1.0, {"enterprise": 1}, 2e6).severity == "error"
