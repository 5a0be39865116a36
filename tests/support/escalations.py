"""Escalations for tests of notify, with every field set unless a test changes it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.escalation import Account, Escalation, EscalationEvent

SINCE = datetime(2026, 3, 2, 9, 1, tzinfo=UTC)
EPISODE = f"{0xABC:032x}"
HOSTILE = (
    "<!channel>",
    "*x*",
    "{{7*7}}",
    "{0.__class__}",
    "<http://evil|ok>",
    "=cmd()",
    "<b>&amp;",
    "[a](http://evil)",
)
"""Strings that are markup, a template or a formula for some program."""
UNSEEN = "\r\nBcc: x@y\u202e\u2066\u200b\x00\x1b[31m\x7f\u2028"
"""A header that a line break would inject, and invisible characters."""


def escalation(transition: str = "opened", **changes: Any) -> EscalationEvent:
    """Return an escalation of login at acme; *changes* replace fields of its data."""
    data: dict[str, Any] = {
        "episode_id": EPISODE,
        "sequence": 1,
        "tenant": "acme",
        "product_area": "login",
        "product": "suite",
        "areas": None,
        "issue_type": None,
        "reason": "area_spike",
        "severity": "warning",
        "severity_rule": "by counts",
        "since": SINCE,
        "detected_at": SINCE + timedelta(minutes=2),
        "observed": 7.0,
        "expected": 0.345,
        "ratio": 20.3,
        "ratio_low": 7.4,
        "ratio_high": 43.0,
        "p_value": 1e-6,
        "once_in_days": 163.0,
        "tickets": 7,
        "customers": 7,
        "score": 9.0,
        "limit": 6.0,
        "model": "cusum_bank",
        "config_hash": "",
        "explanation": [
            {
                "dimension": "issue_type",
                "value": "sso error",
                "observed": 7,
                "expected": 0.02,
                "share": 1,
                "lift": 9,
                "p_value": 1e-9,
            }
        ],
        "terms": [
            {
                "term": "sso",
                "tickets": 7,
                "share": 1,
                "usual_share": 0.25,
                "log_odds": 2,
                "new": False,
            }
        ],
        "examples": [
            {
                "ticket_id": "acme-7",
                "created_at": SINCE,
                "text": "sso is broken",
                "customer": "c1",
                "url": "https://acme.example.com/tickets/7",
            }
        ],
        "impact": {
            "excess": 6.7,
            "customers": 7,
            "customers_estimated": False,
            "by_tier": {"team": 4, "enterprise": 1},
            "by_region": {"eu": 1},
            "revenue": 69_600,
            "revenue_customers": 7,
            "renewals_soon": 1,
            "renewals": [],
            "accounts": [
                {"customer": "c1", "tickets": 2, "tier": "enterprise", "revenue": 50_000},
                {"customer": "c2", "tickets": 1, "tier": "team", "revenue": 900},
                {"customer": "c3", "tickets": 1},
            ],
            "handling_hours": 2.2,
            "handling_basis": "work",
        },
        "actions": {
            "entry": "login",
            "team": "identity",
            "runbook": "https://runbooks.example.com/login",
            "steps": ["Look at the status page"],
            "tell": ["customer success"],
            "customer_text": "Some customers cannot log in.",
        },
    } | changes
    parsed = Escalation.model_validate(data)
    return EscalationEvent(
        id=f"{parsed.sequence:032x}",
        source=f"/spikewatch/{parsed.tenant}",
        type=f"com.spikewatch.escalation.{transition}.v1",
        subject=parsed.episode_id,
        time=parsed.detected_at,
        data=parsed,
    )


def hostile(transition: str = "opened") -> EscalationEvent:
    """Return an escalation in which every text from users or operators is hostile."""
    text = f"{' '.join(HOSTILE)} {UNSEEN}"
    plain = escalation().data.model_dump()
    explained = plain["explanation"][0] | {"value": text}
    terms = [item | {"term": text} for item in plain["terms"]]
    examples = [item | {"ticket_id": text, "text": text[:200]} for item in plain["examples"]]
    impact = plain["impact"] | {"by_tier": {text: 1}, "accounts": [account(text)]}
    actions = plain["actions"] | {"team": text, "steps": [text], "customer_text": text}
    return escalation(
        transition,
        tenant=text,
        product_area=text,
        issue_type=text,
        explanation=[explained],
        terms=terms,
        examples=examples,
        impact=impact,
        actions=actions,
    )


def account(customer: str, **changes: Any) -> Account:
    """Return an affected customer."""
    return Account.model_validate({"customer": customer, "tickets": 1} | changes)
