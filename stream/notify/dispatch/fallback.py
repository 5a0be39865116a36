"""Fallback for receivers that cannot be reached: a failed notification is itself an alert."""

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
    """Notifier of the receivers in ``[delivery] fallback``, or else of the default receivers."""

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
            begin: Creates the thread of a receiver that had none for the episode.
        """
        self._register = register
        self._plan = plan
        self._queues = queues
        self._digests = digests
        self._begin = begin

    def notify(
        self,
        failed: NotificationState,
        item: QueuedMessage,
        why: str,
        now: float,
        changes: PendingWrites,
    ) -> None:
        """Notify the fallback receivers that another receiver was not notified.

        Args:
            failed: The thread or digest that failed.
            item: The queued message that failed.
            why: The error.
            now: Wall clock, seconds since 1970.
            changes: Collects what has to be made durable.
        """
        if item.reason == "fallback" or item.action not in ("open", "update", "resolve"):
            return
        who = f"{failed.receiver} ({failed.address})" if failed.address else failed.receiver
        text = f"{who} could not be notified: {why}"
        event = unpack(item.event)
        for name in self._plan.general.fallback or self._plan.default:
            if name == failed.receiver:
                continue
            if isinstance(failed, Digest) or event is None:
                self._notify_of_digest(failed, name, text, now, changes)
            else:
                self._notify_of_episode(failed, event, item, name, text, now, changes)

    def _notify_of_digest(
        self, failed: NotificationState, name: str, text: str, now: float, changes: PendingWrites
    ) -> None:
        fallback_thread = self._register.thread(thread_key(failed.episode, name))
        if fallback_thread is None:
            fallback_thread = ReceiverThread(
                tenant=failed.tenant, episode=failed.episode, receiver=name, route="fallback"
            )
            self._register.add(fallback_thread, self._register.partition_of[failed.key])
        actions: tuple[Action, ...] = ("open", "resolve")
        for action in actions:  # open and resolve at once, so that nothing stays open
            self._queues.append(
                fallback_thread, action, "fallback", now, changes, due=now, sequence=0, detail=text
            )

    def _notify_of_episode(
        self,
        failed: ReceiverThread,
        event: EscalationEvent,
        item: QueuedMessage,
        name: str,
        text: str,
        now: float,
        changes: PendingWrites,
    ) -> None:
        chosen = Chosen(name, "", "fallback", None)
        partition = self._register.partition_of[failed.key]
        fallback_thread = self._register.thread(thread_key(failed.episode, name))
        if fallback_thread is None:
            fallback_thread = self._begin(event, chosen, partition, now)
            fallback_thread.event, fallback_thread.running, fallback_thread.seen = (
                failed.event,
                failed.running,
                failed.seen,
            )
        if item.action == "resolve" and not fallback_thread.open:
            return  # the fallback was not notified of the opening
        self._queues.take_back_its_end(fallback_thread, now, changes)
        if not fallback_thread.open:
            if self._register.had_its_share(name, "", now):
                if not fallback_thread.digest:
                    fallback_thread.notified = notification_of(event)
                    self._digests.join(fallback_thread, "storm", now, changes)
                    self._queues.keep(fallback_thread, changes)
                return
            fallback_thread.paged_at = now
        action: Action = "update" if fallback_thread.open else "open"
        if item.action == "resolve":
            action = "resolve"
        fallback_thread.open, fallback_thread.notified = action != "resolve", notification_of(event)
        self._queues.append(
            fallback_thread, action, "fallback", now, changes, due=now, sequence=item.sequence,
            event=item.event, detail=text, transition=item.transition,
        )  # fmt: skip
        if fallback_thread.open and not fallback_thread.running:
            fallback_thread.open = False
            self._queues.append(
                fallback_thread, "resolve", "fallback", now, changes, due=now,
                sequence=fallback_thread.seen, event=fallback_thread.event,
                detail=text, transition="resolved",
            )  # fmt: skip
