"""Notify other receivers when one cannot be reached: a failed notification is itself an alert."""

from collections.abc import Callable

from schemas.escalation import EscalationEvent
from stream.notify.dispatch.digests import Digests
from stream.notify.dispatch.pending import Queues
from stream.notify.dispatch.thread_index import PendingWrites, ThreadIndex
from stream.notify.model.message import Action
from stream.notify.model.threads import (
    Digest,
    NotificationState,
    QueuedMessage,
    ReceiverThread,
    notification_of,
    thread_key,
    unpack,
)
from stream.notify.routing.router import Chosen
from stream.notify.routing.rules import NotificationConfig

Begin = Callable[[EscalationEvent, Chosen, int, float], ReceiverThread]


class Fallback:
    """Notifies the receivers in ``[delivery] fallback``, or else those of the default."""

    def __init__(
        self,
        register: ThreadIndex,
        plan: NotificationConfig,
        queues: Queues,
        digests: Digests,
        begin: Begin,
    ) -> None:
        """Create the fallback.

        Args:
            register: All threads and digests of the assigned partitions.
            plan: The notification file.
            queues: The queues of the threads.
            digests: Used when the fallback receiver itself gets too many pages.
            begin: Creates the thread of a receiver that was not concerned before.
        """
        self._register = register
        self._plan = plan
        self._queues = queues
        self._digests = digests
        self._begin = begin

    def notify(
        self,
        one: NotificationState,
        item: QueuedMessage,
        why: str,
        now: float,
        changes: PendingWrites,
    ) -> None:
        """Notify the fallback receivers that the receiver of *one* was not notified.

        Args:
            one: The thread or digest that failed.
            item: The queued message that failed.
            why: The error.
            now: Wall clock, seconds since 1970.
            changes: What has to be made durable; added to.
        """
        if item.reason == "fallback" or item.action not in ("open", "update", "resolve"):
            return
        who = f"{one.receiver} ({one.address})" if one.address else one.receiver
        text = f"{who} could not be notified: {why}"
        event = unpack(item.event)
        for name in self._plan.general.fallback or self._plan.default:
            if name == one.receiver:
                continue
            if isinstance(one, Digest) or event is None:
                self._notify_of_digest(one, name, text, now, changes)
            else:
                self._notify_of_episode(one, event, item, name, text, now, changes)

    def _notify_of_digest(
        self, one: NotificationState, name: str, text: str, now: float, changes: PendingWrites
    ) -> None:
        other = self._register.thread(thread_key(one.episode, name))
        if other is None:
            other = ReceiverThread(
                tenant=one.tenant, episode=one.episode, receiver=name, route="fallback"
            )
            self._register.add(other, self._register.partition_of[one.key])
        actions: tuple[Action, ...] = ("open", "resolve")
        for action in actions:  # a short note: nothing stays open
            self._queues.append(
                other, action, "fallback", now, changes, due=now, sequence=0, detail=text
            )

    def _notify_of_episode(
        self,
        one: ReceiverThread,
        event: EscalationEvent,
        item: QueuedMessage,
        name: str,
        text: str,
        now: float,
        changes: PendingWrites,
    ) -> None:
        chosen = Chosen(name, "", "fallback", None)
        partition = self._register.partition_of[one.key]
        other = self._register.thread(thread_key(one.episode, name))
        if other is None:
            other = self._begin(event, chosen, partition, now)
            other.event, other.running, other.seen = one.event, one.running, one.seen
        if item.action == "resolve" and not other.open:
            return  # it was not notified of the opening
        self._queues.take_back_its_end(other, now, changes)
        if not other.open:
            if self._register.had_its_share(name, "", now):
                if not other.digest:
                    other.notified = notification_of(event)
                    self._digests.join(other, "storm", now, changes)
                    self._queues.keep(other, changes)
                return
            other.paged_at = now
        action: Action = "update" if other.open else "open"
        if item.action == "resolve":
            action = "resolve"
        other.open, other.notified = action != "resolve", notification_of(event)
        self._queues.append(
            other, action, "fallback", now, changes, due=now, sequence=item.sequence,
            event=item.event, detail=text, transition=item.transition,
        )  # fmt: skip
        if other.open and not other.running:
            other.open = False
            self._queues.append(
                other, "resolve", "fallback", now, changes, due=now, sequence=other.seen,
                event=other.event, detail=text, transition="resolved",
            )  # fmt: skip
