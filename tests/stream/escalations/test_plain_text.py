"""Test escalations in plain text: the words for severity rules, chance and places."""

import pytest

from detectors.policy.severity_rules import RULES, Rule
from schemas.escalation import EscalationEvent
from schemas.examples import EVENT
from stream.escalations.plain_text import headline, in_days, render
from stream.escalations.severity_text import severity_in_words


def changed(transition: str = "opened", **data: object) -> EscalationEvent:
    """Return the example event with another transition and other data."""
    return EVENT.model_copy(
        update={
            "type": f"com.spikewatch.escalation.{transition}.v1",
            "data": EVENT.data.model_copy(update=data),
        }
    )


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (
            RULES[2].words,
            "at least 4 customers, twice the expected rate and 0.5 customer-equivalents per hour "
            "above the expected rate",
        ),
        (RULES[0].words.partition(",")[0], "at least 50 customers"),
        (
            Rule(severity="error", name="by tier", tier="enterprise, eu", tier_customers=3).words,
            "by tier: enterprise, eu customers >= 3",
        ),
        (
            Rule(severity="error", name="by tier", tier="enterprise", tier_customers=3).words,
            "at least 3 enterprise customers",
        ),
        (
            Rule(severity="critical", name="by revenue", revenue=2_500_000.0).words,
            "at least 2,500,000 of annual revenue",
        ),
        (Rule(severity="info").words, "no rule for a higher severity matches"),
        ("vip: customers >= 4", "vip: customers >= 4"),
        ("", ""),
    ],
)
def test_built_in_severity_rules_are_worded_and_others_shown_unchanged(
    rule: str, words: str
) -> None:
    """The words include every bound of a built-in rule."""
    assert severity_in_words("error", rule) == f"severity error: {words}"


def test_an_escalation_uses_the_terms_of_the_documentation() -> None:
    """Observed and expected, drivers, chance and severity are named as in the documentation."""
    text = render(EVENT)
    assert "customer-equivalents observed, " in text
    assert "chance alone would do this about once in " in text
    assert "severity warning: at least 4 customers, twice the expected rate" in text
    for word in ("came", "explained by", "as usual", ">="):
        assert word not in text


def test_one_ticket_of_one_customer_is_singular() -> None:
    """Counts of one use the singular."""
    assert "1 ticket from 1 customer in" in headline(changed(tickets=1, customers=1))
    assert "[RESOLVED]" in headline(changed("resolved"))


@pytest.mark.parametrize(
    ("days", "words"),
    [(0.04, "0.96 hours"), (1.2, "1 day"), (163.0, "163 days"), (800.0, "2 years")],
)
def test_chance_is_worded_in_a_suitable_unit(days: float, words: str) -> None:
    """Chance is given in hours below a day, and in years from two years on."""
    assert in_days(days) == words
