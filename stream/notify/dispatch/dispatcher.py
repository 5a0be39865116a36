"""The desk where every escalation and answer is looked at, and turned into messages to be sent.

Pure but for what it remembers: no IO, no clock; each method says what it changed, and what is to be
written into the audit. Who calls it makes that durable, and then sends.
"""

from collections.abc import Callable, Mapping
from typing import Final

from detectors.alerting.verdict_handling import EFFECTS
from schemas.codec import clean
from schemas.escalation import EscalationEvent
from schemas.feedback import Feedback
from schemas.signals import CANARY
from stream.notify.dispatch import audit_entries
from stream.notify.dispatch.digests import Digests
from stream.notify.dispatch.fallback import Fallback
from stream.notify.dispatch.pending import Queues
from stream.notify.dispatch.policy import Decision, DecisionContext, Mute, decide
from stream.notify.dispatch.silences import Silences
from stream.notify.dispatch.thread_index import PendingWrites, ThreadIndex
from stream.notify.model.message import Action, Message, labels_of, notice, of_event
from stream.notify.model.threads import (
    MOST_ANSWERS,
    Digest,
    DigestKind,
    NotificationState,
    QueuedMessage,
    ReceiverThread,
    next_due,
    pack,
    thread_key,
    told_of,
    unpack,
)
from stream.notify.routing.router import Chosen, quiet_until, route
from stream.notify.routing.rules import NotificationConfig

SNOOZE_SECONDS: Final = 3_600.0
"""Where nobody said how long."""
LONGEST_SNOOZE: Final = 366 * 86_400.0
KEPT_SECONDS: Final = 7 * 86_400.0
"""After its end: what is answered or reopened then still finds its thread."""
RESOLVED_REPEATS: Final = 300.0
"""How long who has to be repeated to hears of the end."""
SWEEP_SECONDS: Final = 60.0
MOST_EARLY: Final = 1_000
"""Answers that came before their episode, which are remembered."""


class Dispatcher:
    """Everything that is known in the partitions that are ours."""

    def __init__(
        self,
        plan: NotificationConfig,
        cooldown_seconds: float,
        silences: Silences,
        log: Callable[[str], None],
    ) -> None:
        """Nothing is known yet.

        Args:
            plan: Who is told what.
            cooldown_seconds: Within which an episode may come back.
            silences: Those that hold.
            log: Told of what went wrong.
        """
        self.plan = plan
        self.register = ThreadIndex(plan)
        self._digests = Digests(self.register, plan.general)
        self._queues = Queues(self.register, plan)
        self._fallback = Fallback(self.register, plan, self._queues, self._digests, self._begin)
        self._cooldown = cooldown_seconds
        self._silences = silences
        self._log = log
        self._swept = 0.0
        self._looked_at = -1
        """The state of the silences that held threads were last looked at with."""
        self._again: dict[str, float] = {}
        """Key -> when the receiver was last told again of what it knows."""
        self._early: dict[str, list[Feedback]] = {}

    # Partitions come and go.

    def own(
        self, partition: int, found: Mapping[str, NotificationState], now: float
    ) -> PendingWrites:
        """A partition is ours from now on; this is what is known of it.

        What was to be sent to a receiver that is not in the file any more is given up.
        """
        changes = PendingWrites()
        gone = []
        for one in found.values():
            self.register.add(one, partition)
            receiver = self.plan.receivers.get(one.receiver)
            if receiver is None:
                gone.append(one)
            elif one.sink not in ("", receiver.sink.kind):
                self._begin_anew(one, receiver.sink.kind, changes)
        for one in gone:
            self._give_up(one, partition, now, changes)
        return changes

    def _begin_anew(self, one: NotificationState, kind: str, changes: PendingWrites) -> None:
        """Its receiver has become another: what the old one was told the new one does not know."""
        if one.open:
            self._log(
                f"{one.receiver} was {one.sink} and is {kind} now: what it was told of "
                f"{one.episode} stays there as it is"
            )
        one.sink, one.handle, one.open = "", {}, False
        if isinstance(one, ReceiverThread):
            one.told = None
        self._queues.keep(one, changes)

    def _give_up(
        self, one: NotificationState, partition: int, now: float, changes: PendingWrites
    ) -> None:
        """Its receiver is not in the file any more: others hear of what it was not told."""
        why = "there is no such receiver any more"
        for item in one.pending:
            changes.entries[partition].append(
                audit_entries.of_item(one, item, "given_up", now, detail=why)
            )
        if one.pending:
            self._log(f"{one.receiver} could not be told of {one.episode}: {why}")
            if one.running:
                self._fallback.tell(one, one.pending[-1], why, now, changes)
        changes.forgotten[partition].append(one.key)
        changes.threads[partition].pop(one.key, None)
        self.register.drop(one.key)

    def disown(self, partition: int) -> list[str]:
        """A partition is another's; the keys of what it held."""
        keys = self.register.keys_of(partition)
        for key in keys:
            self.register.drop(key)
        return keys

    # What comes in.

    def take(
        self,
        event: EscalationEvent,
        partition: int,
        now: float,
        *,
        over: bool = False,
        arrived: float = 0.0,
    ) -> PendingWrites:
        """A transition of an episode came.

        Args:
            event: It.
            partition: Where it stands.
            now: Wall clock, seconds since 1970.
            over: Whether a later transition, read already, ends the episode.
            arrived: When it was appended to its topic.
        """
        changes = PendingWrites()
        packed = b""  # once for all receivers, where one needs it
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
        """Who is concerned now, and who was told before; nobody of the canary's made-up spikes."""
        if event.data.tenant.startswith(CANARY):
            return []
        chosen = {(one.receiver, one.address): one for one in route(event, self.plan)}
        for thread in self.register.threads_of(event.data.episode_id):
            known = Chosen(thread.receiver, thread.address, thread.route, None)
            chosen.setdefault((thread.receiver, thread.address), known)
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
        for other in self.register.threads_of(thread.episode):  # what was answered holds for all
            if other.snoozed_until > thread.snoozed_until:
                thread.snoozed_until, thread.snoozed_by = other.snoozed_until, other.snoozed_by
            thread.acknowledged_by = thread.acknowledged_by or other.acknowledged_by
        for feedback in self._early.get(thread.episode, ()):
            if feedback.tenant == thread.tenant:
                _apply(thread, feedback, _until(feedback, now))
        thread.notice_owed = thread.snoozed_until > now
        self.register.add(thread, partition)
        return thread

    def _look_at(
        self, thread: ReceiverThread, event: EscalationEvent, now: float, changes: PendingWrites
    ) -> None:
        """What *event* says of the episode, whatever is decided about it."""
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
        around = DecisionContext(
            general=self.plan.general,
            hold=self._hold(event, chosen, now),
            over=over,
            age=now - event.time.timestamp(),
            storm=lambda: self.register.had_its_share(thread.receiver, thread.address, now),
        )
        decision = decide(thread, event, now, around)
        partition = self.register.partition_of[thread.key]
        changes.entries[partition].append(
            audit_entries.decided(thread, event, decision, chosen.route, now)
        )
        thread.held, thread.held_until = "", decision.held_until
        if decision.held_until > 0.0 and thread.running:
            thread.held = decision.reason
        if decision.send:
            self._queue_event(thread, event, decision, now, changes, arrived=arrived)
        elif decision.reason in ("in_storm_digest", "stale") and not thread.digest:
            thread.told = told_of(event)
            kind: DigestKind = "stale" if decision.reason == "stale" else "storm"
            self._digests.join(thread, kind, now, changes)
        self._queues.keep(thread, changes)

    def _hold(self, event: EscalationEvent, chosen: Chosen, now: float) -> Mute | None:
        silence = self._silences.holding(labels_of(event), now)
        if silence is not None:
            until = silence.ends_at
            said = f"by {silence.by} ({silence.origin}) until {until:%Y-%m-%d %H:%M} UTC"
            said += f": {silence.comment}" if silence.comment else ""
            return Mute("silenced", until.timestamp(), clean(said, 500))
        quiet = quiet_until(chosen.quiet, event.data.severity, now)
        if quiet is not None:
            return Mute("quiet_hours", quiet, f"of {chosen.route}")
        return None

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
                detail=f"It is over, and is closed here at {audit_entries.moment(due):%H:%M} UTC "
                "unless it comes back",
                transition=event.transition,
                arrived=arrived,
            )
        if decision.action == "open":
            thread.paged_at = now
            self._digests.leave(thread, now, changes)
        thread.open = decision.action != "resolve"
        thread.told = told_of(event)
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

    # What people answer.

    def answer(self, feedback: Feedback, partition: int, now: float) -> PendingWrites:
        """Somebody answered; the same answer again changes nothing."""
        changes = PendingWrites()
        until = _until(feedback, now)
        words = _in_words(feedback, until)
        threads = [
            one
            for one in self.register.threads_of(feedback.episode_id)
            if one.tenant == feedback.tenant
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
            _apply(thread, feedback, until)
            if feedback.action == "snooze":
                thread.notice_owed = thread.running and until > now
                self._queues.hush(thread, now, changes)
            if thread.open or thread.handle:
                action: Action = "acknowledge" if feedback.action == "acknowledge" else "answer"
                self._queues.append(
                    thread, action, "answered", now, changes, due=now, sequence=thread.seen,
                    event=thread.event, detail=words, by=feedback.by, transition=feedback.action,
                )  # fmt: skip
            self._queues.keep(thread, changes)
        return changes

    # What time brings.

    def tick(self, now: float) -> PendingWrites:
        """Look again at what was held, and forget what nothing will come of any more."""
        changes = PendingWrites()
        look_at_all = self._silences.version != self._looked_at
        self._looked_at = self._silences.version
        for one in self.register.of(self.register.held):
            if isinstance(one, ReceiverThread) and (now >= one.held_until or look_at_all):
                self._decide_again(one, now, changes)
        for one in self.register.of(self.register.snoozed):
            if isinstance(one, ReceiverThread) and now >= one.snoozed_until:
                self._end_snooze(one, now, changes)
        if now - self._swept >= SWEEP_SECONDS:
            self._swept = now
            self._sweep(changes, now)
        return changes

    def _decide_again(self, thread: ReceiverThread, now: float, changes: PendingWrites) -> None:
        event = unpack(thread.event)
        if event is None:
            thread.held = ""
            self._queues.keep(thread, changes)
            return
        chosen = self._chosen(thread, event)
        hold = self._hold(event, chosen, now)
        if hold is None or now >= thread.held_until:
            self._decide(thread, event, chosen, now, changes)

    def _chosen(self, thread: ReceiverThread, event: EscalationEvent) -> Chosen:
        """Why the receiver of *thread* is told of *event*."""
        known = {(one.receiver, one.address): one for one in route(event, self.plan)}
        return known.get(
            (thread.receiver, thread.address),
            Chosen(thread.receiver, thread.address, thread.route, None),
        )

    def _end_snooze(self, thread: ReceiverThread, now: float, changes: PendingWrites) -> None:
        """Say that it is over, unless there is nothing to say any more; it may have to wait."""
        event = unpack(thread.event)
        if event is None or not thread.running or thread.digest:
            thread.notice_owed = False
            self._queues.keep(thread, changes)
            return
        chosen = self._chosen(thread, event)
        if not thread.open:
            thread.notice_owed = False
            thread.held = thread.held or "snoozed"
            self._decide(thread, event, chosen, now, changes)
        elif self._hold(event, chosen, now) is None:
            thread.notice_owed, thread.acknowledged_by = False, ""
            detail = f"the snooze by {thread.snoozed_by} is over"
            decision = Decision(True, "hold_ended", "update", detail)
            partition = self.register.partition_of[thread.key]
            changes.entries[partition].append(
                audit_entries.decided(thread, event, decision, thread.route, now)
            )
            self._queue_event(thread, event, decision, now, changes)

    def _sweep(self, changes: PendingWrites, now: float) -> None:
        for key, one in list(self.register.all.items()):
            if isinstance(one, ReceiverThread):
                self._digests.mend(one, now, changes)
            if one.running or one.pending:
                continue
            if not one.ended_at:
                one.ended_at = now
                self._queues.keep(one, changes)
            elif now - one.ended_at > KEPT_SECONDS + self._cooldown:
                changes.forgotten[self.register.partition_of[key]].append(key)
                self.register.drop(key)
                self._again.pop(key, None)

    def due(self, now: float) -> list[NotificationState]:
        """That of which something is to be sent now."""
        return [
            one for one in self.register.of(self.register.waiting) if next_due(one, now) is not None
        ]

    def to_repeat(self, now: float) -> list[ReceiverThread]:
        """Threads whose receiver has to hear again of what it knows; each is then taken as told."""
        found = []
        for thread in self.register.of(self.register.repeated):
            receiver = self.plan.receivers[thread.receiver]
            every = receiver.sink.repeats(receiver.options)
            if every is None or not isinstance(thread, ReceiverThread) or thread.pending:
                continue
            lately = thread.ended_at and now - thread.ended_at < RESOLVED_REPEATS
            if (
                thread.handle
                and (thread.open or lately)
                and now - self._again.get(thread.key, 0.0) >= every
            ):
                self._again[thread.key] = now
                found.append(thread)
        return found

    # What is sent, and what came of it.

    def message(self, one: NotificationState, item: QueuedMessage, now: float) -> Message:
        """The message of *item*, as it is to be sent now."""
        if isinstance(one, Digest):
            return self._digests.message(one, item)
        event = unpack(item.event)
        number = f"{one.episode}.{item.sequence}.{item.reason}-{item.number}"
        if event is None:
            return notice(one.identity, number, item.action, item.reason, one.tenant, item.detail,
                          audit_entries.moment(item.since), one.address)  # fmt: skip
        return of_event(
            event,
            action=item.action,
            reason=item.reason,
            identity=one.identity,
            number=number,
            link=self.plan.general.link,
            address=one.address,
            accounts=self._chosen(one, event).accounts if one.address else (),
            now=now,
            note=item.detail,
            by=item.by,
            peak=one.peak,
        )

    def again(self, thread: ReceiverThread, now: float) -> Message:
        """What the receiver knows already, to be told again."""
        action: Action = "update" if thread.open else "resolve"
        item = QueuedMessage(action, "first", thread.seen, thread.counter, now, now, thread.event)
        return self.message(thread, item, now)

    def knows(self, one: NotificationState) -> bool:
        """Whether it is still ours."""
        return self.register.all.get(one.key) is one

    def sent(
        self,
        one: NotificationState,
        item: QueuedMessage,
        now: float,
        *,
        delivered: bool,
        handle: dict[str, str],
        attempts: int,
        why: str = "",
    ) -> PendingWrites:
        """What became of *item*; of what is not ours any more nothing is said."""
        changes = PendingWrites()
        if not self.knows(one):
            return changes
        if item in one.pending:
            one.pending.remove(item)
        one.sink, one.handle = self.plan.receivers[one.receiver].sink.kind, handle
        self._again[one.key] = now
        detail = f"{attempts} attempt{'' if attempts == 1 else 's'}" + (f": {why}" if why else "")
        partition = self.register.partition_of[one.key]
        changes.entries[partition].append(
            audit_entries.of_item(
                one, item, "sent" if delivered else "given_up", now, detail=detail
            )
        )
        if not delivered:
            self._log(f"{one.receiver} could not be told of {one.episode}: {why}")
            if isinstance(one, ReceiverThread) and item.action == "open":
                self._never_heard(one, now, changes)
            if not item.others_know:
                self._fallback.tell(one, item, why, now, changes)
        if isinstance(one, Digest):
            self._digests.sent(one, item, now, changes, delivered=delivered)
        if not one.pending and not one.running:
            one.ended_at = now
        self._queues.keep(one, changes)
        return changes

    def _never_heard(self, thread: ReceiverThread, now: float, changes: PendingWrites) -> None:
        """It heard of no beginning: of an end it need not hear, and what comes is new to it."""
        if not thread.running:
            rest = [p for p in thread.pending if p.action in ("update", "resolve")]
            self._queues.leave_out(thread, rest, "it heard of no beginning", now, changes)
        if not thread.pending:
            thread.open, thread.told = False, None

    def failed(
        self, one: NotificationState, item: QueuedMessage, attempt: int, why: str, now: float
    ) -> PendingWrites:
        """An attempt did not work, and is repeated; after a while somebody else hears of it."""
        changes = PendingWrites()
        if not self.knows(one):
            return changes
        partition = self.register.partition_of[one.key]
        if attempt & (attempt - 1) == 0:  # 1, 2, 4, 8, ...: an hour of them is no news
            changes.entries[partition].append(
                audit_entries.of_item(
                    one, item, "failed", now, detail=why, what=f"{item.action}{attempt}"
                )
            )
        waited = now - max(item.since, item.due)
        if not item.others_know and waited >= self.plan.general.fallback_minutes * 60.0:
            item.others_know = True
            self._fallback.tell(one, item, f"{why}; it is tried on", now, changes)
            self._queues.keep(one, changes)
        return changes


def over_in(events: "list[EscalationEvent]") -> set[str]:
    """Episodes whose last event among *events* ends them."""
    last = {event.data.episode_id: event.transition for event in events}
    return {episode for episode, transition in last.items() if transition == "resolved"}


def _until(feedback: Feedback, now: float) -> float:
    """When a snooze ends: as said, else an hour after it was said; within a year."""
    asked = feedback.until.timestamp() if feedback.until is not None else 0.0
    return min(asked or feedback.at.timestamp() + SNOOZE_SECONDS, now + LONGEST_SNOOZE)


def _apply(thread: ReceiverThread, feedback: Feedback, until: float) -> None:
    """What an answer means for a thread."""
    if feedback.action == "acknowledge":
        thread.acknowledged_by = feedback.by
    elif feedback.action == "snooze":
        thread.snoozed_until, thread.snoozed_by = until, feedback.by
    elif feedback.action == "unsnooze":
        thread.snoozed_until = 0.0


def _in_words(feedback: Feedback, until: float) -> str:
    said = feedback.action.replace("_", " ")
    if feedback.action == "snooze":
        said += f" until {audit_entries.moment(until):%Y-%m-%d %H:%M} UTC"
    if feedback.duplicate_of:
        said += f" {feedback.duplicate_of}"
    if feedback.action == "expected_event" and feedback.until is not None:
        said += f" until {audit_entries.moment(feedback.until.timestamp()):%Y-%m-%d %H:%M} UTC"
    said += f" by {feedback.by}"
    said = f"{said}: {feedback.note}" if feedback.note else said
    effect = EFFECTS.get(feedback.action)
    return f"{said} ({effect})" if effect else said
