# whole: one class, whose methods change the same threads, digests and queues
"""Dispatcher that turns escalations, responses and elapsed time into queued messages.

It keeps state but does no IO and reads no clock. Each method returns what has to be made durable,
including audit entries. The caller makes it durable and then sends.
"""

from collections.abc import Callable, Mapping
from typing import Final

from schemas.escalation import EscalationEvent
from schemas.feedback import Feedback
from schemas.signals import CANARY
from stream.notify.dispatch import audit_entries
from stream.notify.dispatch.digests import Digests
from stream.notify.dispatch.fallback import Fallback
from stream.notify.dispatch.feedback_effects import (
    apply_feedback,
    feedback_in_words,
    snooze_end,
)
from stream.notify.dispatch.message_builder import MessageBuilder
from stream.notify.dispatch.outcomes import Outcomes
from stream.notify.dispatch.pending import Queues
from stream.notify.dispatch.policy import Decision, DecisionContext, Mute, decide, mute_of
from stream.notify.dispatch.repeats import Repeats
from stream.notify.dispatch.silences import Silences
from stream.notify.dispatch.thread_index import PendingWrites, ThreadIndex
from stream.notify.model.message import Action
from stream.notify.model.threads import (
    MOST_ANSWERS,
    DigestKind,
    NotificationState,
    ReceiverThread,
    next_due,
    notification_of,
    pack,
    thread_key,
    unpack,
)
from stream.notify.routing.router import Chosen, chosen_for, route
from stream.notify.routing.rules import NotificationConfig

KEPT_SECONDS: Final = 7 * 86_400.0
"""Time for which a finished thread is kept, so that late responses and reopenings find it."""
SWEEP_SECONDS: Final = 60.0
MOST_EARLY: Final = 1_000
"""Maximum number of episodes whose responses are kept before any of their events was read."""


class Dispatcher:
    """Owner of the threads and digests of the assigned partitions, and of decisions about them."""

    def __init__(
        self,
        plan: NotificationConfig,
        cooldown_seconds: float,
        silences: Silences,
        log: Callable[[str], None],
    ) -> None:
        """Create a dispatcher without assigned partitions.

        Args:
            plan: The notification file.
            cooldown_seconds: Time after the resolution within which an episode may be reopened.
            silences: All silences.
            log: Called with a log line when a message is given up.
        """
        self.plan = plan
        self.register = ThreadIndex(plan)
        self._digests = Digests(self.register, plan.general)
        self._queues = Queues(self.register, plan)
        self._fallback = Fallback(self.register, plan, self._queues, self._digests, self._begin)
        self.messages = MessageBuilder(plan, self._digests)
        self.repeats = Repeats(plan, self.register)
        self.outcomes = Outcomes(
            plan, self.register, self._queues, self._digests, self._fallback, self.repeats, log
        )
        self._cooldown = cooldown_seconds
        self._silences = silences
        self._swept = 0.0
        self._looked_at = -1
        """Version of the silences at the last check of all muted threads."""
        self._early: dict[str, list[Feedback]] = {}

    # Assignment of partitions.

    def assign(
        self, partition: int, records: Mapping[str, NotificationState], now: float
    ) -> PendingWrites:
        """Take over a partition with its stored records.

        Messages queued for a receiver that is no longer in the notification file are given up.

        Args:
            partition: Number of the partition.
            records: Threads and digests by key, as read from the topic.
            now: Wall clock, seconds since 1970.

        Returns:
            What has to be made durable.
        """
        changes = PendingWrites()
        removed = []
        for state in records.values():
            self.register.add(state, partition)
            receiver = self.plan.receivers.get(state.receiver)
            if receiver is None:
                removed.append(state)
            elif state.sink not in ("", receiver.sink.kind):
                self.outcomes.reset_receiver(state, receiver.sink.kind, changes)
        for state in removed:
            self.outcomes.give_up_receiver(state, partition, now, changes)
        return changes

    def revoke(self, partition: int) -> list[str]:
        """Release a partition and return the keys of its threads and digests."""
        keys = self.register.keys_of(partition)
        for key in keys:
            self.register.drop(key)
        return keys

    # Escalations.

    def handle_event(
        self,
        event: EscalationEvent,
        partition: int,
        now: float,
        *,
        over: bool = False,
        arrived: float = 0.0,
    ) -> PendingWrites:
        """Decide for every receiver concerned whether to notify it of an event.

        Args:
            event: The escalation.
            partition: The partition that the event was read from.
            now: Wall clock, seconds since 1970.
            over: Whether a later event that was already read resolves the episode.
            arrived: Time at which the event was appended to its topic, seconds since 1970.

        Returns:
            What has to be made durable.
        """
        changes = PendingWrites()
        packed = b""  # packed at most once for all receivers
        for chosen in self._concerned(event):
            key = thread_key(event.data.episode_id, chosen.receiver, chosen.address)
            thread = self.register.thread(key)
            if thread is None:
                if event.data.suppressed is not None:
                    changes.entries[partition].append(audit_entries.unsent(event, chosen, now))
                    continue
                thread = self._begin(event, chosen, partition, now)
            if event.data.sequence <= thread.seen:
                continue
            packed = packed or pack(event)
            thread.event = packed
            self._look_at(thread, event, now, changes)
            self._decide(thread, event, chosen, now, changes, over=over, arrived=arrived)
            if not thread.running:
                self._digests.settle(self.register.digest(thread), now, changes)
        return changes

    def _concerned(self, event: EscalationEvent) -> list[Chosen]:
        """Return the receivers chosen now or earlier; none for tenants of the canary."""
        if event.data.tenant.startswith(CANARY):
            return []
        chosen = {(choice.receiver, choice.address): choice for choice in route(event, self.plan)}
        for thread in self.register.threads_of(event.data.episode_id):
            previous = Chosen(thread.receiver, thread.address, thread.route, None)
            chosen.setdefault((thread.receiver, thread.address), previous)
        return list(chosen.values())

    def _begin(
        self, event: EscalationEvent, chosen: Chosen, partition: int, now: float
    ) -> ReceiverThread:
        thread = ReceiverThread(
            tenant=event.data.tenant,
            episode=event.data.episode_id,
            receiver=chosen.receiver,
            address=chosen.address,
            route=chosen.route,
        )
        for other in self.register.threads_of(thread.episode):  # responses apply to all receivers
            if other.snoozed_until > thread.snoozed_until:
                thread.snoozed_until, thread.snoozed_by = other.snoozed_until, other.snoozed_by
            thread.acknowledged_by = thread.acknowledged_by or other.acknowledged_by
        for feedback in self._early.get(thread.episode, ()):
            if feedback.tenant == thread.tenant:
                apply_feedback(thread, feedback, snooze_end(feedback, now))
        thread.snooze_end_pending = thread.snoozed_until > now
        self.register.add(thread, partition)
        return thread

    def _look_at(
        self, thread: ReceiverThread, event: EscalationEvent, now: float, changes: PendingWrites
    ) -> None:
        """Update a thread with the state of the episode, whatever is decided about the event."""
        thread.seen = event.data.sequence
        thread.running = event.transition != "resolved"
        thread.peak = max(thread.peak, event.data.ratio)
        if not thread.running:
            return
        thread.ended_at = 0.0
        if event.transition == "reopened":
            thread.acknowledged_by = ""
            self._digests.leave(thread, now, changes)
        self._queues.take_back_its_end(thread, now, changes)

    def _decide(
        self,
        thread: ReceiverThread,
        event: EscalationEvent,
        chosen: Chosen,
        now: float,
        changes: PendingWrites,
        *,
        over: bool = False,
        arrived: float = 0.0,
    ) -> None:
        context = DecisionContext(
            general=self.plan.general,
            hold=self._mute_of(event, chosen, now),
            over=over,
            age=now - event.time.timestamp(),
            storm=lambda: self.register.had_its_share(thread.receiver, thread.address, now),
        )
        decision = decide(thread, event, now, context)
        partition = self.register.partition_of[thread.key]
        changes.entries[partition].append(
            audit_entries.decided(thread, event, decision, chosen.route, now)
        )
        thread.muted_by, thread.muted_until = "", decision.muted_until
        if decision.muted_until > 0.0 and thread.running:
            thread.muted_by = decision.reason
        if decision.send:
            self._queue_event(thread, event, decision, now, changes, arrived=arrived)
        elif decision.reason in ("in_storm_digest", "stale") and not thread.digest:
            thread.notified = notification_of(event)
            kind: DigestKind = "stale" if decision.reason == "stale" else "storm"
            self._digests.join(thread, kind, now, changes)
        self._queues.keep(thread, changes)

    def _mute_of(self, event: EscalationEvent, chosen: Chosen, now: float) -> Mute | None:
        alerts = self.register.alerts_of(event.data.episode_id)
        return mute_of(event, chosen, self._silences, now, alerts)

    def _queue_event(
        self,
        thread: ReceiverThread,
        event: EscalationEvent,
        decision: Decision,
        now: float,
        changes: PendingWrites,
        *,
        arrived: float = 0.0,
    ) -> None:
        due, sink = now, self.plan.receivers[thread.receiver].sink
        if decision.action == "resolve" and not sink.can_reopen and self._cooldown > 0.0:
            due += self._cooldown
            self._queues.append(
                thread,
                "update",
                "resolved",
                now,
                changes,
                due=now,
                sequence=event.data.sequence,
                event=thread.event,
                detail="Resolved; this alert closes at "
                f"{audit_entries.moment(due):%H:%M} UTC unless the episode is reopened",
                transition=event.transition,
                arrived=arrived,
            )
        if decision.action == "open":
            thread.paged_at = now
            self._digests.leave(thread, now, changes)
        thread.open = decision.action != "resolve"
        thread.notified = notification_of(event)
        self._queues.append(
            thread,
            decision.action,
            decision.reason,
            now,
            changes,
            due=due,
            sequence=event.data.sequence,
            event=thread.event,
            detail=decision.detail,
            transition=event.transition,
            arrived=arrived,
        )

    # Responses.

    def handle_feedback(self, feedback: Feedback, partition: int, now: float) -> PendingWrites:
        """Apply a person's response to the threads of the episode; repeats change nothing.

        Args:
            feedback: The response.
            partition: The partition that the response was read from.
            now: Wall clock, seconds since 1970.

        Returns:
            What has to be made durable.
        """
        changes = PendingWrites()
        until = snooze_end(feedback, now)
        words = feedback_in_words(feedback, until)
        threads = [
            member
            for member in self.register.threads_of(feedback.episode_id)
            if member.tenant == feedback.tenant
        ]
        changes.entries[partition].append(
            audit_entries.answered(feedback, words, now, known=bool(threads))
        )
        if not threads:
            self._early.setdefault(feedback.episode_id, []).append(feedback)
            while len(self._early) > MOST_EARLY:
                del self._early[next(iter(self._early))]
        for thread in threads:
            if feedback.feedback_id in thread.answers:
                continue
            thread.answers = [*thread.answers, feedback.feedback_id][-MOST_ANSWERS:]
            apply_feedback(thread, feedback, until)
            if feedback.action == "snooze":
                thread.snooze_end_pending = thread.running and until > now
                self._queues.hush(thread, now, changes)
            if thread.open or thread.handle:
                action: Action = "acknowledge" if feedback.action == "acknowledge" else "answer"
                self._queues.append(
                    thread, action, "answered", now, changes, due=now, sequence=thread.seen,
                    event=thread.event, detail=words, by=feedback.by, transition=feedback.action,
                )  # fmt: skip
            self._queues.keep(thread, changes)
        return changes

    # Elapsed time.

    def tick(self, now: float) -> PendingWrites:
        """Reconsider muted threads, end snoozes, and forget finished threads.

        Args:
            now: Wall clock, seconds since 1970.

        Returns:
            What has to be made durable.
        """
        changes = PendingWrites()
        look_at_all = self._silences.version != self._looked_at
        self._looked_at = self._silences.version
        for thread in self.register.of(self.register.muted):
            if isinstance(thread, ReceiverThread) and (now >= thread.muted_until or look_at_all):
                self._decide_again(thread, now, changes)
        for thread in self.register.of(self.register.snoozed):
            if isinstance(thread, ReceiverThread) and now >= thread.snoozed_until:
                self._end_snooze(thread, now, changes)
        if now - self._swept >= SWEEP_SECONDS:
            self._swept = now
            self._sweep(changes, now)
        return changes

    def due(self, now: float) -> list[NotificationState]:
        """Return threads and digests whose first queued message is due, sorted by key.

        Args:
            now: Wall clock, seconds since 1970.
        """
        waiting = self.register.of(self.register.waiting)
        return [state for state in waiting if next_due(state, now) is not None]

    def _decide_again(self, thread: ReceiverThread, now: float, changes: PendingWrites) -> None:
        event = unpack(thread.event)
        if event is None:
            thread.muted_by = ""
            self._queues.keep(thread, changes)
            return
        chosen = chosen_for(thread, event, self.plan)
        hold = self._mute_of(event, chosen, now)
        if hold is None or now >= thread.muted_until:
            self._decide(thread, event, chosen, now, changes)

    def _end_snooze(self, thread: ReceiverThread, now: float, changes: PendingWrites) -> None:
        """Notify the receiver that the snooze ended, unless the episode is muted or resolved."""
        event = unpack(thread.event)
        if event is None or not thread.running or thread.digest:
            thread.snooze_end_pending = False
            self._queues.keep(thread, changes)
            return
        chosen = chosen_for(thread, event, self.plan)
        if not thread.open:
            thread.snooze_end_pending = False
            thread.muted_by = thread.muted_by or "snoozed"
            self._decide(thread, event, chosen, now, changes)
        elif self._mute_of(event, chosen, now) is None:
            thread.snooze_end_pending, thread.acknowledged_by = False, ""
            detail = f"the snooze by {thread.snoozed_by} ended"
            decision = Decision(True, "hold_ended", "update", detail)
            partition = self.register.partition_of[thread.key]
            changes.entries[partition].append(
                audit_entries.decided(thread, event, decision, thread.route, now)
            )
            self._queue_event(thread, event, decision, now, changes)

    def _sweep(self, changes: PendingWrites, now: float) -> None:
        for key, state in list(self.register.all.items()):
            if isinstance(state, ReceiverThread):
                self._digests.mend(state, now, changes)
            if state.running or state.pending:
                continue
            if not state.ended_at:
                state.ended_at = now
                self._queues.keep(state, changes)
            elif now - state.ended_at > KEPT_SECONDS + self._cooldown:
                changes.forgotten[self.register.partition_of[key]].append(key)
                self.register.drop(key)
                self.repeats.forget(key)
