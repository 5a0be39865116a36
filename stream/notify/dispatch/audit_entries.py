"""Entries of the audit trail. Pure; the same fact always gets the same id."""

from datetime import UTC, datetime

from schemas.audit import AuditEntry, Kind, Reason, audit_id
from schemas.codec import clean
from schemas.escalation import EscalationEvent
from schemas.feedback import Feedback
from stream.notify.dispatch.policy import Decision
from stream.notify.model.threads import NotificationState, QueuedMessage, ReceiverThread
from stream.notify.routing.router import Chosen

DETAIL_CHARACTERS = 900


def moment(at: float) -> datetime:
    """Convert seconds since 1970 to a time in UTC."""
    return datetime.fromtimestamp(at, UTC)


def decided(
    thread: ReceiverThread, event: EscalationEvent, decision: Decision, by: str, now: float
) -> AuditEntry:
    """Return the entry for a decision whether to notify a receiver of a transition."""
    return AuditEntry(
        audit_id=audit_id(
            "decided", thread.key, event.data.sequence, decision.reason, decision.muted_until
        ),
        at=moment(now),
        kind="decided",
        tenant=thread.tenant,
        episode_id=thread.episode,
        sequence=event.data.sequence,
        transition=event.transition,
        receiver=thread.receiver,
        address=thread.address,
        reason=decision.reason,
        detail=clean(decision.detail, DETAIL_CHARACTERS),
        by=by,
        send=decision.send,
    )


def unsent(event: EscalationEvent, chosen: Chosen, now: float) -> AuditEntry:
    """Return the entry for a suppressed event, of which nobody is notified."""
    data = event.data
    return AuditEntry(
        audit_id=audit_id("suppressed", data.episode_id, data.sequence, chosen.receiver),
        at=moment(now),
        kind="decided",
        tenant=data.tenant,
        episode_id=data.episode_id,
        sequence=data.sequence,
        transition=event.transition,
        receiver=chosen.receiver,
        address=chosen.address,
        reason="suppressed",
        detail=str(data.suppressed),
        by=chosen.route,
    )


def of_item(
    state: NotificationState,
    item: QueuedMessage,
    kind: Kind,
    now: float,
    *,
    reason: Reason | None = None,
    detail: str = "",
    what: str = "",
) -> AuditEntry:
    """Return the entry for the outcome of a message.

    Args:
        state: The thread or digest of the message.
        item: The queued message.
        kind: The outcome.
        now: Wall clock, seconds since 1970.
        reason: Reason to record; None: the reason of the message.
        detail: Free text, such as the last error.
        what: Distinguishes entries of the same message and kind; empty: the message's action.
    """
    because: Reason = reason or item.reason  # type: ignore[assignment]  # written by a decision
    return AuditEntry(
        audit_id=audit_id(
            kind, state.key, item.sequence, item.number, because, what or item.action
        ),
        at=moment(now),
        kind=kind,
        tenant=state.tenant,
        episode_id=state.episode,
        sequence=item.sequence,
        transition=item.transition,
        receiver=state.receiver,
        address=state.address,
        reason=because,
        detail=clean(detail, DETAIL_CHARACTERS),
    )


def superseded(state: NotificationState, item: QueuedMessage, now: float, why: str) -> AuditEntry:
    """Return the entry for a message that is dropped because a newer one replaces it."""
    return of_item(state, item, "decided", now, reason="superseded", detail=why)


def answered(feedback: Feedback, words: str, now: float, *, known: bool) -> AuditEntry:
    """Return the entry for a person's response."""
    return AuditEntry(
        audit_id=audit_id("answered", feedback.feedback_id),
        at=moment(now),
        kind="answered",
        tenant=feedback.tenant,
        episode_id=feedback.episode_id,
        sequence=0,
        reason=None if known else "unknown_episode",
        detail=clean(words, DETAIL_CHARACTERS),
        by=clean(feedback.by, 200),
    )
