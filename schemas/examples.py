"""Examples of all input and output records, for documentation, doctests and tests.

They belong to a fictional company whose single sign-on fails with version 4.2.1.
"""

from datetime import UTC, datetime
from typing import Final

from schemas.audit import AuditEntry, audit_id
from schemas.dead_letter import DeadLetter, Rejected
from schemas.escalation import (
    Account,
    Actions,
    Budget,
    Escalation,
    EscalationEvent,
    Example,
    Explanation,
    Impact,
    Slice,
    Term,
)
from schemas.feedback import Feedback
from schemas.silence import Matcher, Silence
from schemas.tick import Tick
from schemas.ticket import TicketEvent

_OPENED: Final = datetime(2024, 4, 15, 9, 3, 27, tzinfo=UTC)
_SINCE: Final = datetime(2024, 4, 15, 9, 1, 44, tzinfo=UTC)

TICKET: Final = TicketEvent.model_validate_json(
    '{"ticket_id": "37676", "created_at": "2024-04-15T09:01:44Z", "tenant": "acme",'
    ' "product_area": "login", "issue_type": "sso error", "app_version": "4.2.1",'
    ' "customer": {"id": "customer-7", "tier": "enterprise", "region": "eu"},'
    ' "subject": "The sign-on form shows an error", "source": "helpdesk",'
    ' "url": "https://acme.example.com/tickets/37676"}'
)

TICK: Final = Tick(type="history_end", now=_OPENED, tenant="acme")

EVENT: Final = EscalationEvent(
    id="3b1c6f0a9d2e4857b6c1d0e9f8a7b6c5",
    source="/spikewatch/acme",
    type="com.spikewatch.escalation.opened.v1",
    subject="ba0e80aba3f94c1d8e7f6a5b4c3d2e1f",
    time=_OPENED,
    data=Escalation(
        episode_id="ba0e80aba3f94c1d8e7f6a5b4c3d2e1f",
        sequence=1,
        tenant="acme",
        product_area="login",
        product=None,
        areas=None,
        children=None,
        issue_type="sso error",
        slice=Slice(dimension="issue_type", value="sso error"),
        reason="slice_spike",
        severity="warning",
        severity_rule="by counts: customers >= 4, ratio >= 2, excess >= 0.5/h",
        since=_SINCE,
        detected_at=_OPENED,
        observed=7.0,
        expected=0.345,
        ratio=20.29,
        ratio_low=7.4,
        ratio_high=43.0,
        p_value=1.2e-7,
        once_in_days=163.0,
        tickets=7,
        customers=7,
        score=4.2,
        limit=3.1,
        model="cusum_bank",
        config_hash="6d0f2a41",
        suppressed=None,
        budget=Budget(
            per_week=1.0, allowed=0.05, expected=0.04, pages=0.25, false_pages=0.0, burn=0.25
        ),
        explanation=[
            Explanation(
                dimension="app_version",
                value="4.2.1",
                also=None,
                observed=7.0,
                expected=0.018,
                share=1.0,
                lift=19.2,
                p_value=2.4e-9,
            )
        ],
        not_explained_by=["region", "channel"],
        terms=[
            Term(term="sso", tickets=7, share=1.0, usual_share=0.25, log_odds=3.4, new=False),
        ],
        examples=[
            Example(
                ticket_id="37676",
                created_at=_SINCE,
                text="The sign-on form shows an error",
                customer="customer-7",
                url="https://acme.example.com/tickets/37676",
            )
        ],
        impact=Impact(
            excess=6.655,
            customers=7,
            customers_estimated=False,
            by_tier={"team": 4, "free": 2, "enterprise": 1},
            by_region={"us": 4, "apac": 2, "eu": 1},
            revenue=69_600.0,
            revenue_customers=7,
            renewals_soon=0,
            renewals=[],
            accounts=[
                Account(
                    customer="customer-7",
                    tickets=1,
                    tier="enterprise",
                    region="eu",
                    revenue=30_000.0,
                )
            ],
            handling_hours=2.22,
            handling_basis="configured",
        ),
        actions=Actions(
            entry="single sign-on",
            team="identity",
            runbook="https://runbooks.example.com/login/single-sign-on",
            steps=["Look for failed requests at the identity provider's status page"],
            tell=["customer success"],
        ),
    ),
)

LETTER: Final = DeadLetter.of(
    Rejected("no_offset", "created_at: a time needs an offset, such as Z or +01:00"),
    b'{"ticket_id":"1","created_at":"2024-04-15T09:00:00","product_area":"login"}',
    "tickets",
    2,
    1041,
)

AUDIT: Final = AuditEntry(
    audit_id=audit_id(EVENT.data.episode_id, 1, "on-call"),
    at=datetime(2024, 4, 15, 9, 3, 28, tzinfo=UTC),
    kind="sent",
    tenant="acme",
    episode_id=EVENT.data.episode_id,
    sequence=1,
    transition="opened",
    receiver="on-call",
    reason="first",
)

SILENCE: Final = Silence(
    silence_id="load-test-1",
    matchers=(Matcher.parse("product_area=login"), Matcher.parse("severity!=critical")),
    starts_at=datetime(2024, 4, 15, 9, 30, tzinfo=UTC),
    ends_at=datetime(2024, 4, 15, 11, 0, tzinfo=UTC),
    by="on-call",
    comment="A load test until eleven.",
)

FEEDBACK: Final = Feedback(
    feedback_id="verdict-1",
    tenant="acme",
    episode_id=EVENT.data.episode_id,
    action="false_alarm",
    by="on-call",
    at=datetime(2024, 4, 15, 9, 20, tzinfo=UTC),
    until=None,
    duplicate_of=None,
    note="A load test that nobody had announced.",
)
