"""Test whether a receiver is notified of an event, and the named reason for it."""

from typing import Any

import pytest

from schemas.escalation import EscalationEvent
from stream.notify.dispatch.policy import DecisionContext, Mute, decide, reason_to_notify
from stream.notify.model.threads import ReceiverThread, notification_of
from stream.notify.routing.rules import DeliveryOptions
from tests.support.notify_rig import BEGIN, episode_id, escalation

GENERAL = DeliveryOptions()
NOW = BEGIN.timestamp() + 60.0
QUIET = DecisionContext(GENERAL)


def thread(notified: EscalationEvent | None = None, **changes: Any) -> ReceiverThread:
    """Return a receiver's thread in which *notified*, if given, is the last notification."""
    made = ReceiverThread("acme", episode_id("acme", 1), "folder")
    if notified is not None:
        made.open, made.notified, made.paged_at = True, notification_of(notified), NOW
    for name, value in changes.items():
        setattr(made, name, value)
    return made


FIRST = escalation()


@pytest.mark.parametrize(
    ("known", "event", "around", "wanted"),
    [
        (thread(), FIRST, QUIET, (True, "first", "open")),
        (thread(), escalation(suppressed="storm"), QUIET, (False, "suppressed", "update")),
        (thread(), escalation(sequence=2, transition="resolved"), QUIET,
         (False, "never_told", "update")),
        (thread(FIRST), escalation(sequence=2, transition="resolved"), QUIET,
         (True, "resolved", "resolve")),
        (thread(FIRST), escalation(sequence=2, transition="updated", tickets=20), QUIET,
         (False, "too_little_changed", "update")),
        (thread(FIRST), escalation(sequence=2, transition="updated", tickets=24), QUIET,
         (True, "grew", "update")),
        (thread(FIRST), escalation(sequence=2, transition="updated", severity="error"), QUIET,
         (True, "severity_raised", "update")),
        (thread(FIRST), escalation(sequence=2, transition="updated", severity="info"), QUIET,
         (True, "severity_lowered", "update")),
        (thread(FIRST), escalation(sequence=2, transition="updated", product_area=None,
                                   areas=["login", "billing"]), QUIET,
         (True, "became_tenant_wide", "update")),
        (thread(FIRST), escalation(sequence=2, transition="amended", tickets=1), QUIET,
         (True, "amended", "update")),
        (thread(FIRST), escalation(sequence=2, transition="reopened"), QUIET,
         (True, "reopened", "update")),
        (thread(), escalation(sequence=3, transition="reopened"), QUIET,
         (True, "reopened", "open")),
        (thread(FIRST, acknowledged_by="on-call"),
         escalation(sequence=2, transition="updated", tickets=90), QUIET,
         (False, "acknowledged", "update")),
        (thread(FIRST, acknowledged_by="on-call"),
         escalation(sequence=2, transition="updated", severity="critical"), QUIET,
         (True, "severity_raised", "update")),
        (thread(snoozed_until=NOW + 9.0, snoozed_by="on-call"), FIRST, QUIET,
         (False, "snoozed", "open")),
        (thread(snoozed_until=NOW - 9.0), FIRST, QUIET, (True, "first", "open")),
        (thread(FIRST, snoozed_until=NOW + 9.0),
         escalation(sequence=2, transition="resolved"), QUIET, (True, "resolved", "resolve")),
        (thread(), FIRST, QUIET._replace(hold=Mute("silenced", NOW + 5.0, "by lead")),
         (False, "silenced", "open")),
        (thread(), FIRST, QUIET._replace(over=True, age=1_801.0), (False, "stale", "open")),
        (thread(), FIRST, QUIET._replace(over=True, age=1_799.0), (True, "first", "open")),
        (thread(), FIRST, QUIET._replace(over=False, age=90_000.0), (True, "first", "open")),
        (thread(), FIRST, QUIET._replace(storm=lambda: True), (False, "in_storm_digest", "open")),
        (thread(FIRST, open=False, digest="d"),
         escalation(sequence=2, transition="updated", severity="error", tickets=900),
         QUIET, (False, "in_storm_digest", "update")),
        (thread(FIRST, open=False, digest="d"),
         escalation(sequence=2, transition="updated", severity="critical"),
         QUIET, (True, "severity_raised", "open")),
        (thread(FIRST, open=False, digest="d"),
         escalation(sequence=2, transition="updated", severity="critical"),
         QUIET._replace(storm=lambda: True), (False, "in_storm_digest", "open")),
        (thread(digest="d"), escalation(sequence=2, transition="resolved"), QUIET,
         (False, "in_storm_digest", "update")),
        (thread(muted_by="silenced"), FIRST, QUIET, (True, "hold_ended", "open")),
    ],
)  # fmt: skip
def test_each_decision_has_its_reason(
    known: ReceiverThread, event: EscalationEvent, around: DecisionContext, wanted: tuple[Any, ...]
) -> None:
    """Each combination of thread, event and context gives the expected decision and reason."""
    decision = decide(known, event, NOW, around)
    assert (decision.send, decision.reason, decision.action) == wanted


def test_a_new_driver_is_notified_and_an_unchanged_driver_is_not() -> None:
    """A driver is new if its dimension or value differs; losing a driver is not notified."""
    driver = {"dimension": "region", "value": "eu", "observed": 9.0, "expected": 1.0, "share": 0.8,
           "lift": 3.0, "p_value": 0.01}  # fmt: skip
    known = notification_of(escalation(explanation=[driver]))
    other = escalation(sequence=2, transition="updated", explanation=[{**driver, "value": "us"}])
    same = escalation(sequence=2, transition="updated", explanation=[{**driver, "share": 0.9}])
    none = escalation(sequence=2, transition="updated")
    assert reason_to_notify(other, known, GENERAL) == "new_explanation"
    assert reason_to_notify(same, known, GENERAL) is None
    assert reason_to_notify(none, known, GENERAL) is None
