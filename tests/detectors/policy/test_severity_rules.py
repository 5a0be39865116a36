"""How bad: the first rule that holds."""

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
        (900, 500.0, 600.0, 1.0, "info"),  # fallen below what is due
    ],
)
def test_the_gravest_rule_whose_bounds_are_all_reached(
    customers: int, observed: float, expected: float, hours: float, severity: Severity
) -> None:
    """Customers, ratio and excess an hour must all reach a rule's bounds."""
    assert severity_of(RULES, customers, observed, expected, hours).severity == severity


@given(st.integers(0, 10**6), st.floats(0, 1e6), st.floats(0, 1e6), st.floats(-1.0, 1e5))
def test_there_is_always_a_rule(
    customers: int, observed: float, expected: float, hours: float
) -> None:
    """Whatever the counts, also below what was expected, some rule holds."""
    assert severity_of(RULES, customers, observed, expected, hours).severity in SEVERITIES


def test_a_short_window_counts_as_a_quarter_of_an_hour() -> None:
    """Four tickets within a second are not fourteen thousand an hour."""
    assert (
        severity_of(RULES, 4, 4.0, 0.01, 0.0).severity
        == severity_of(RULES, 4, 4.0, 0.01, 0.25).severity
    )
    assert severity_of(RULES, 60, 5.0, 0.01, 0.0001).severity == "error"


def test_the_order_of_severities() -> None:
    """Info, warning, error, critical: each is graver than those before, none than itself."""
    for place, severity in enumerate(SEVERITIES):
        assert [is_graver(severity, other) for other in SEVERITIES] == [
            place > other for other in range(len(SEVERITIES))
        ]


def test_the_rule_says_its_bounds_in_words() -> None:
    """The event can say why: the words hold each bound."""
    assert RULES[0].words == "by counts: customers >= 50, ratio >= 4, excess >= 20/h"
    assert RULES[2].words == "by counts: customers >= 4, ratio >= 2, excess >= 0.5/h"


def test_a_rule_by_tier_or_by_revenue() -> None:
    """Two enterprise customers, or a million at stake, are grave whatever the counts."""
    tier = Rule(severity="critical", name="by tier", tier="enterprise", tier_customers=2)
    revenue = Rule(severity="error", name="by revenue", revenue=1e6)
    rules = (tier, revenue)
    assert severity_of(rules, 3, 3.0, 2.0, 1.0, {"enterprise": 2}).words == (
        "by tier: enterprise customers >= 2"
    )
    assert severity_of(rules, 3, 3.0, 2.0, 1.0, {"enterprise": 1}).severity == "info"
    assert severity_of(rules, 3, 3.0, 2.0, 1.0, {"enterprise": 1}, 2e6).severity == "error"
