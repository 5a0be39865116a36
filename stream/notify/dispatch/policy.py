"""Policy: whether a receiver is notified of a transition, and why. Pure; every reason has a name.

The checks apply in this order. Suppressed events are not sent. A resolution goes only to receivers
that were notified of the opening. Episodes in a digest get no message of their own unless they
became critical. Changes below the minimum are dropped. Receivers that acknowledged the episode are
notified only if it becomes more severe. Then mutes apply: snooze (unless the episode became
critical), silence, quiet hours. Finally, an opening may be stale or part of a storm of pages.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, cast

from schemas.audit import Reason
from schemas.codec import clean
from schemas.escalation import SEVERITIES, EscalationEvent, Severity
from stream.notify.dispatch.silences import Silences
from stream.notify.model.message import Action, labels_of
from stream.notify.model.threads import LastNotified, ReceiverThread, notification_of
from stream.notify.routing.router import Chosen, quiet_until
from stream.notify.routing.rules import DeliveryOptions

LOUD: Final = frozenset(("severity_raised", "became_tenant_wide", "resolved", "reopened"))
"""Reasons of which even receivers that acknowledged the episode are notified."""


class Mute(NamedTuple):
    """Snooze, silence or quiet hours that mute notifications."""

    reason: Reason
    until: float
    """End of the mute, seconds since 1970."""
    detail: str


class Decision(NamedTuple):
    """Decision about one transition for one receiver."""

    send: bool
    reason: Reason
    action: Action = "update"
    detail: str = ""
    muted_until: float = 0.0
    """Time to decide again, seconds since 1970; 0: never."""


class DecisionContext(NamedTuple):
    """Context of a decision.

    Attributes:
        general: Bounds of the notification file.
        hold: Mute that applies to the receiver; None: there is none.
        over: Whether a later event that was already read resolves the episode.
        age: Seconds since the time of the event.
        storm: Returns whether the receiver had too many pages; called only if it matters.
    """

    general: DeliveryOptions
    hold: Mute | None = None
    over: bool = False
    age: float = 0.0
    storm: Callable[[], bool] = lambda: False


def decide(
    thread: ReceiverThread, event: EscalationEvent, now: float, context: DecisionContext
) -> Decision:
    """Decide whether to notify one receiver of the next event of an episode.

    Args:
        thread: The receiver's thread; not modified.
        event: The event.
        now: Wall clock, seconds since 1970.
        context: The context of the decision.
    """
    data = event.data
    if event.transition == "resolved":
        return _end(thread, data.suppressed)
    if data.suppressed is not None:
        return Decision(False, "suppressed", detail=data.suppressed)
    if thread.digest:
        reason = _reason_outside_digest(thread, event, context)
        if reason is None:
            return Decision(False, "in_storm_digest", detail=thread.digest)
        action: Action = "open"
    elif thread.open and thread.notified is not None:
        action = "update"
        reason = reason_to_notify(event, thread.notified, context.general)
        if reason is None:
            return Decision(False, "too_little_changed")
        if thread.acknowledged_by and reason not in LOUD:
            return Decision(False, "acknowledged", detail=f"by {thread.acknowledged_by}")
    else:
        action = "open"
        reason = "reopened" if event.transition == "reopened" else "first"
        if thread.muted_by:
            reason = "hold_ended"
    hold = context.hold
    became_critical = reason == "severity_raised" and data.severity == "critical"
    if thread.snoozed_until > now and not became_critical:
        hold = Mute("snoozed", thread.snoozed_until, f"by {thread.snoozed_by}")
    if hold is not None:
        return Decision(False, hold.reason, action, hold.detail, hold.until)
    if action == "open":
        if context.over and context.age > context.general.stale_minutes * 60.0:
            return Decision(
                False, "stale", action, f"already resolved, and {context.age:.0f} s old"
            )
        if context.storm():
            return Decision(False, "in_storm_digest", action)
    return Decision(True, reason, action, _change(thread.notified, event, reason))


def mute_of(
    event: EscalationEvent,
    chosen: Chosen,
    silences: Silences,
    now: float,
    alerts: Iterable[Mapping[str, str]],
) -> Mute | None:
    """Return the silence or quiet hours that mute an event for a receiver; None: there are none.

    Args:
        event: The escalation.
        chosen: The receiver and the route that chose it.
        silences: All silences.
        now: Wall clock, seconds since 1970.
        alerts: Labels of the alerts that an Alertmanager has about the episode.
    """
    silence = silences.holding(labels_of(event), now, alerts)
    if silence is not None:
        until = silence.ends_at
        detail = f"by {silence.by} ({silence.origin}) until {until:%Y-%m-%d %H:%M} UTC"
        detail += f": {silence.comment}" if silence.comment else ""
        return Mute("silenced", until.timestamp(), clean(detail, 500))
    end = quiet_until(chosen.quiet, event.data.severity, now)
    if end is not None:
        return Mute("quiet_hours", end, f"quiet hours of {chosen.route}")
    return None


def _change(notified: LastNotified | None, event: EscalationEvent, reason: Reason) -> str:
    """Describe what changed since the last notification; empty: there is no description."""
    if notified is None:
        return ""
    now = notification_of(event)
    if reason in ("grew", "amended"):
        return f"the count changed from {notified.tickets} to {now.tickets} tickets"
    if reason in ("severity_raised", "severity_lowered"):
        return f"the severity changed from {notified.severity} to {now.severity}"
    return ""


def _end(thread: ReceiverThread, suppressed: str | None) -> Decision:
    if thread.open:
        return Decision(True, "resolved", "resolve")
    if thread.digest:
        return Decision(False, "in_storm_digest", detail=thread.digest)
    if suppressed is not None:
        return Decision(False, "suppressed", detail=suppressed)
    return Decision(False, "never_told")


def _reason_outside_digest(
    thread: ReceiverThread, event: EscalationEvent, context: DecisionContext
) -> Reason | None:
    """Return the reason to notify of a digest's episode separately: it became critical."""
    if event.data.severity != "critical" or thread.notified is None:
        return None
    reason = reason_to_notify(event, thread.notified, context.general)
    return reason if reason == "severity_raised" else None


def reason_to_notify(
    event: EscalationEvent, notified: LastNotified, general: DeliveryOptions
) -> Reason | None:
    """Return the reason to notify a receiver of an event; None: there is none.

    Growth counts if it reaches both ``update_percent`` of the last notified count and
    ``update_tickets`` tickets. An amendment counts if it changes the count by ``update_tickets``
    and by half.

    Args:
        event: The event.
        notified: Content of the receiver's last notification.
        general: Bounds of the notification file.
    """
    now = notification_of(event)
    if event.transition == "reopened":
        return "reopened"
    if now.whole and not notified.whole:
        return "became_tenant_wide"
    if _grade(now.severity) > _grade(notified.severity):
        return "severity_raised"
    if _grade(now.severity) < _grade(notified.severity):
        return "severity_lowered"
    if now.explanation and now.explanation != notified.explanation:
        return "new_explanation"
    change = now.tickets - notified.tickets
    if change >= max(general.update_tickets, notified.tickets * general.update_percent / 100.0):
        return "grew"
    if event.transition == "amended" and abs(change) >= max(
        general.update_tickets, notified.tickets / 2.0
    ):
        return "amended"
    return None


def _grade(severity: str) -> int:
    return SEVERITIES.index(cast("Severity", severity))


def resolved_episodes(events: Iterable[EscalationEvent]) -> set[str]:
    """Return the ids of the episodes whose last given event resolves them.

    Args:
        events: Events of any episodes; those of one episode are in order.
    """
    last = {event.data.episode_id: event.transition for event in events}
    return {episode for episode, transition in last.items() if transition == "resolved"}
