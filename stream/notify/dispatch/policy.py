"""Decide whether a receiver is notified of a transition, and why. Pure; every reason has a name.

The checks, in this order: suppressed events are not sent. An end goes only to receivers that were
notified of the opening. Episodes in a digest get no message of their own, unless they became
critical. Changes too small to read are dropped. Receivers that acknowledged get only what is more
severe. Then mutes apply: snooze (except when it became critical), silence, quiet hours. An opening
is last checked for being stale and for a storm of pages.
"""

from collections.abc import Callable, Iterable
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
"""Reasons that are sent to receivers that acknowledged as well."""


class Mute(NamedTuple):
    """A snooze, a silence or quiet hours that mute notifications."""

    reason: Reason
    until: float
    """End of the mute, seconds since 1970."""
    detail: str


class Decision(NamedTuple):
    """The decision about one transition for one receiver."""

    send: bool
    reason: Reason
    action: Action = "update"
    detail: str = ""
    muted_until: float = 0.0
    """When to decide again, seconds since 1970; 0: never."""


class DecisionContext(NamedTuple):
    """The circumstances of a decision.

    Attributes:
        general: bounds of the notification file.
        hold: what mutes the receiver; None: nothing.
        over: whether a later event, read already, resolves the episode.
        age: seconds since the event's own time.
        storm: whether the receiver had too many pages; called only where it matters.
    """

    general: DeliveryOptions
    hold: Mute | None = None
    over: bool = False
    age: float = 0.0
    storm: Callable[[], bool] = lambda: False


def decide(
    thread: ReceiverThread, event: EscalationEvent, now: float, around: DecisionContext
) -> Decision:
    """Decide about the next event of an episode for one receiver.

    Args:
        thread: What the receiver knows; not changed.
        event: The event.
        now: Wall clock, seconds since 1970.
        around: The circumstances.
    """
    data = event.data
    if event.transition == "resolved":
        return _end(thread, data.suppressed)
    if data.suppressed is not None:
        return Decision(False, "suppressed", detail=data.suppressed)
    if thread.digest:
        reason = _reason_outside_digest(thread, event, around)
        if reason is None:
            return Decision(False, "in_storm_digest", detail=thread.digest)
        action: Action = "open"
    elif thread.open and thread.notified is not None:
        action = "update"
        reason = reason_to_notify(event, thread.notified, around.general)
        if reason is None:
            return Decision(False, "too_little_changed")
        if thread.acknowledged_by and reason not in LOUD:
            return Decision(False, "acknowledged", detail=f"by {thread.acknowledged_by}")
    else:
        action = "open"
        reason = "reopened" if event.transition == "reopened" else "first"
        if thread.muted_by:
            reason = "hold_ended"
    hold = around.hold
    became_critical = reason == "severity_raised" and data.severity == "critical"
    if thread.snoozed_until > now and not became_critical:
        hold = Mute("snoozed", thread.snoozed_until, f"by {thread.snoozed_by}")
    if hold is not None:
        return Decision(False, hold.reason, action, hold.detail, hold.until)
    if action == "open":
        if around.over and around.age > around.general.stale_minutes * 60.0:
            return Decision(False, "stale", action, f"already resolved, and {around.age:.0f} s old")
        if around.storm():
            return Decision(False, "in_storm_digest", action)
    return Decision(True, reason, action, _change(thread.notified, event, reason))


def mute_of(event: EscalationEvent, chosen: Chosen, silences: Silences, now: float) -> Mute | None:
    """Return the silence or the quiet hours that mute *event* for a receiver; None: none do.

    Args:
        event: The escalation.
        chosen: The receiver and the route that chose it.
        silences: All silences.
        now: Wall clock, seconds since 1970.
    """
    silence = silences.holding(labels_of(event), now)
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
    """Return what changed since the last notification, in words; empty if it has no words."""
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
    thread: ReceiverThread, event: EscalationEvent, around: DecisionContext
) -> Reason | None:
    """Return the reason to notify of a digest's episode alone: it became critical."""
    if event.data.severity != "critical" or thread.notified is None:
        return None
    reason = reason_to_notify(event, thread.notified, around.general)
    return reason if reason == "severity_raised" else None


def reason_to_notify(
    event: EscalationEvent, notified: LastNotified, general: DeliveryOptions
) -> Reason | None:
    """Return the reason why *event* is worth a notification; None: it is not.

    Growth counts if it reaches both ``update_percent`` of the last notified count and
    ``update_tickets`` tickets; an amendment if it changes the count by ``update_tickets`` and by
    half.

    Args:
        event: The event.
        notified: What the receiver was last notified of.
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
    """Return the ids of episodes whose last event among *events* resolves them.

    Args:
        events: Events of any episodes, those of one episode in their order.
    """
    last = {event.data.episode_id: event.transition for event in events}
    return {episode for episode, transition in last.items() if transition == "resolved"}
