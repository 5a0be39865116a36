"""The desk where every escalation and answer is looked at, and turned into messages to be sent.

Pure but for what it remembers: no IO, no clock; each method says which threads it changed, and what
is to be written into the audit. Who calls it makes that durable, and then sends.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from pydantic import ValidationError

from schemas.audit import AuditEntry, Kind, Reason, audit_id
from schemas.codec import clean
from schemas.escalation import EscalationEvent, Severity
from schemas.feedback import Feedback
from stream.notify.decide import Circumstances, Decision, Hold, decide
from stream.notify.message import Message, labels_of, of_event
from stream.notify.plan import Plan
from stream.notify.routing import Chosen, quiet_until, route
from stream.notify.silences import Silences
from stream.notify.thread import MOST_PENDING, Pending, Thread, Told, thread_key, told_of
from stream.wording import headline

SNOOZE_SECONDS: Final = 3_600.0
"""Where nobody said how long."""
KEPT_SECONDS: Final = 7 * 86_400.0
"""After its end: what is answered or reopened then still finds its thread."""
RESOLVED_REPEATS: Final = 300.0
"""How long who has to be repeated to hears of the end."""
MOST_NAMED: Final = 500
"""Of the episodes of a digest, whose headline is kept."""
SHOWN_NAMED: Final = 15
SWEEP_SECONDS: Final = 60.0


class Changes:
    """What has to be made durable, by partition."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.threads: defaultdict[int, dict[str, Thread]] = defaultdict(dict)
        self.entries: defaultdict[int, list[AuditEntry]] = defaultdict(list)
        self.forgotten: defaultdict[int, list[str]] = defaultdict(list)

    @property
    def partitions(self) -> set[int]:
        """Those in which something changed."""
        return {*self.threads, *self.entries, *self.forgotten}


class Step(NamedTuple):
    """Who and what a change is about; short for the many arguments of an audit entry."""

    partition: int
    now: float


class Desk:
    """Everything that is known in the partitions that are ours."""

    def __init__(
        self, plan: Plan, cooldown_seconds: float, silences: Silences, log: Callable[[str], None]
    ) -> None:
        """Nothing is known yet.

        Args:
            plan: Who is told what.
            cooldown_seconds: Within which an episode may come back.
            silences: Those that hold.
            log: Told of what went wrong.
        """
        self.plan = plan
        self.threads: dict[str, Thread] = {}
        self.partition_of: dict[str, int] = {}
        self._by_episode: defaultdict[str, set[str]] = defaultdict(set)
        self._cooldown = cooldown_seconds
        self._silences = silences
        self._log = log
        self._pages: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)
        self._held: set[str] = set()
        self._waiting: set[str] = set()
        """Threads with something to send."""
        self._repeated: set[str] = set()
        """Threads whose receiver has to hear again of what runs."""
        self._swept = 0.0
        self._answers_seen: dict[str, None] = {}

    def own(self, partition: int, threads: Mapping[str, Thread]) -> None:
        """A partition is ours from now on; these are its threads."""
        for thread in sorted(threads.values(), key=lambda one: one.paged_at):
            self._add(thread, partition)
            if thread.paged_at:
                self._pages[thread.receiver, thread.address].append(thread.paged_at)

    def disown(self, partition: int) -> None:
        """A partition is another's."""
        for key in [k for k, number in self.partition_of.items() if number == partition]:
            self._drop(key)

    def owns(self, partition: int, tenant_partition: int) -> bool:
        """Whether what belongs to *tenant_partition* is found in *partition*."""
        return partition == tenant_partition

    # What comes in.

    def take(
        self, event: EscalationEvent, partition: int, now: float, *, over: bool = False
    ) -> Changes:
        """A transition of an episode came; *over*: a later one, read already, ends it."""
        changes, step = Changes(), Step(partition, now)
        told = self._concerned(event)
        for chosen in told:
            key = thread_key(event.data.episode_id, chosen.receiver, chosen.address)
            thread = self.threads.get(key)
            if thread is None:
                if event.data.suppressed is not None:
                    self._note_unsent(event, chosen, step, changes)
                    continue
                thread = self._begin(event, chosen, partition)
            if event.data.sequence <= thread.seen:
                continue
            thread.seen = event.data.sequence
            thread.event = event.model_dump_json().encode()
            thread.running = event.transition != "resolved"
            self._decide(thread, event, chosen, step, changes, over=over)
            self._follow(thread, changes, now)
        return changes

    def _concerned(self, event: EscalationEvent) -> list[Chosen]:
        """Who is concerned now, and who was told before."""
        chosen = {(one.receiver, one.address): one for one in route(event, self.plan)}
        for key in sorted(self._by_episode.get(event.data.episode_id, ())):
            thread = self.threads[key]
            if thread.receiver in self.plan.receivers:
                known = Chosen(thread.receiver, thread.address, thread.route, None)
                chosen.setdefault((thread.receiver, thread.address), known)
        return list(chosen.values())

    def _begin(self, event: EscalationEvent, chosen: Chosen, partition: int) -> Thread:
        thread = Thread(
            tenant=event.data.tenant,
            episode=event.data.episode_id,
            receiver=chosen.receiver,
            address=chosen.address,
            route=chosen.route,
        )
        for key in self._by_episode.get(
            event.data.episode_id, ()
        ):  # what was answered holds for all
            other = self.threads[key]
            thread.snoozed_until = max(thread.snoozed_until, other.snoozed_until)
            thread.snoozed_by = thread.snoozed_by or other.snoozed_by
            thread.acknowledged_by = thread.acknowledged_by or other.acknowledged_by
        self._add(thread, partition)
        return thread

    def _decide(
        self,
        thread: Thread,
        event: EscalationEvent,
        chosen: Chosen,
        step: Step,
        changes: Changes,
        *,
        over: bool = False,
    ) -> None:
        around = Circumstances(
            general=self.plan.general,
            hold=self._hold(event, chosen, step.now),
            over=over,
            age=step.now - event.time.timestamp(),
            storm=lambda: self._had_its_share(thread, step.now),
        )
        decision = decide(thread, event, step.now, around)
        self._note(thread, event, decision, chosen.route, step, changes)
        thread.held, thread.held_until = "", decision.held_until
        self._held.discard(thread.key)
        if decision.held_until > 0.0 and thread.running:
            thread.held = decision.reason
            self._held.add(thread.key)
        if decision.send:
            self._queue_event(thread, event, decision, step, changes)
        elif decision.reason in ("in_storm_digest", "stale") and not thread.digest:
            kind = "stale" if decision.reason == "stale" else "storm"
            self._into_digest(thread, event, kind, step, changes)
        changes.threads[step.partition][thread.key] = thread

    def _hold(self, event: EscalationEvent, chosen: Chosen, now: float) -> Hold | None:
        silence = self._silences.holding(labels_of(event), now)
        if silence is not None:
            until = silence.ends_at
            said = f"by {silence.by} ({silence.origin}) until {until:%Y-%m-%d %H:%M} UTC"
            said += f": {silence.comment}" if silence.comment else ""
            return Hold("silenced", until.timestamp(), clean(said, 500))
        quiet = quiet_until(chosen.quiet, event.data.severity, now)
        if quiet is not None:
            return Hold("quiet_hours", quiet, f"of {chosen.route}")
        return None

    def _had_its_share(self, thread: Thread, now: float) -> bool:
        """Whether the receiver was told first of as many episodes as the storm limit allows."""
        general = self.plan.general
        pages = self._pages[thread.receiver, thread.address]
        while pages and pages[0] <= now - general.storm_minutes * 60.0:
            pages.popleft()
        return len(pages) >= general.storm_pages

    def _queue_event(
        self,
        thread: Thread,
        event: EscalationEvent,
        decision: Decision,
        step: Step,
        changes: Changes,
    ) -> None:
        due, withdrawn = step.now, False
        sink = self.plan.receivers[thread.receiver].sink
        if decision.action == "resolve" and not sink.can_reopen:
            due += self._cooldown
        elif decision.action != "resolve":
            # It is back, or goes on: an end that was not told yet never was.
            for old in [p for p in thread.pending if p.action == "resolve" and p.due > step.now]:
                thread.pending.remove(old)
                withdrawn = True
                self._say(thread, "decided", "superseded", old.sequence, "resolve", step, changes)
        if decision.action == "open" and not thread.paged_at:
            thread.paged_at = step.now
            self._pages[thread.receiver, thread.address].append(step.now)
        thread.open = decision.action != "resolve"
        thread.told = told_of(event)
        action = decision.action
        if action == "open" and withdrawn:
            action = "update"
        self._append(
            thread,
            Pending(
                action,
                decision.reason,
                event.data.sequence,
                thread.event,
                step.now,
                due,
                decision.detail,
                transition=event.transition,
            ),
            step,
            changes,
        )

    def _append(self, thread: Thread, item: Pending, step: Step, changes: Changes) -> None:
        receiver = self.plan.receivers.get(thread.receiver)  # None: taken out of the file since
        if receiver is None or item.action not in receiver.sink.actions:
            return
        thread.pending.append(item)
        self._waiting.add(thread.key)
        if len(thread.pending) > MOST_PENDING:
            for old in thread.pending[1:-1]:  # the first may be on its way
                if old.action in ("update", "answer"):
                    thread.pending.remove(old)
                    self._say(
                        thread, "decided", "superseded", old.sequence, old.transition, step, changes
                    )
                    break
        changes.threads[step.partition][thread.key] = thread

    # Digests.

    def _into_digest(
        self, thread: Thread, event: EscalationEvent, kind: str, step: Step, changes: Changes
    ) -> None:
        digest = next(
            (
                one
                for one in self.threads.values()
                if one.kind == kind
                and (one.receiver, one.address) == (thread.receiver, thread.address)
                and (one.running if kind == "storm" else not one.open)
            ),
            None,
        )
        if digest is None:
            digest = Thread(
                tenant="",
                episode=audit_id("digest", kind, thread.key, step.now),
                receiver=thread.receiver,
                address=thread.address,
                route=thread.route,
                running=True,
                kind="stale" if kind == "stale" else "storm",
            )
            self._add(digest, step.partition)
        where = Step(self.partition_of[digest.key], step.now)
        thread.digest = digest.episode
        shown = clean(headline(event), 200) if len(digest.members) < MOST_NAMED else ""
        digest.members[thread.episode] = (shown, kind == "storm")
        told = digest.told.tickets if digest.told is not None else 0
        waiting = any(item.action in ("open", "update") for item in digest.pending)
        if not waiting and (len(digest.members) >= 2 * told):
            reason: Reason = "stale_digest" if kind == "stale" else "storm_digest"
            due = step.now + self.plan.general.digest_seconds
            action = "update" if digest.open else "open"
            digest.seen += 1
            self._append(
                digest,
                Pending("update" if action == "update" else "open", reason, digest.seen, b"",
                        step.now, due),
                where,
                changes,
            )  # fmt: skip
        changes.threads[where.partition][digest.key] = digest

    def _follow(self, thread: Thread, changes: Changes, now: float) -> None:
        """Tell a digest that one of its episodes is over, or is back."""
        if not thread.digest:
            return
        digest = self.threads.get(thread_key(thread.digest, thread.receiver, thread.address))
        if digest is None or digest.kind != "storm" or thread.episode not in digest.members:
            return
        digest.members[thread.episode] = (digest.members[thread.episode][0], thread.running)
        where = Step(self.partition_of[digest.key], now)
        if digest.running and not any(runs for _, runs in digest.members.values()):
            digest.running = False
            digest.seen += 1
            self._append(
                digest,
                Pending("resolve", "storm_digest", digest.seen, b"", now, now),
                where,
                changes,
            )
        changes.threads[where.partition][digest.key] = digest

    # What people answer.

    def answer(self, feedback: Feedback, partition: int, now: float) -> Changes:
        """Somebody answered; the same answer again changes nothing."""
        changes, step = Changes(), Step(partition, now)
        if feedback.feedback_id in self._answers_seen:
            return changes
        self._answers_seen[feedback.feedback_id] = None
        if len(self._answers_seen) > 10_000:
            del self._answers_seen[next(iter(self._answers_seen))]
        keys = sorted(self._by_episode.get(feedback.episode_id, ()))
        until = feedback.until.timestamp() if feedback.until else now + SNOOZE_SECONDS
        said = _answer_in_words(feedback, until)
        changes.entries[partition].append(
            AuditEntry(
                audit_id=audit_id("answered", feedback.feedback_id),
                at=_moment(now),
                kind="answered",
                tenant=feedback.tenant,
                episode_id=feedback.episode_id,
                sequence=0,
                reason=None if keys else "unknown_episode",
                detail=clean(said, 900),
                by=clean(feedback.by, 200),
            )
        )
        for key in keys:
            thread = self.threads[key]
            if feedback.action == "acknowledge":
                thread.acknowledged_by = feedback.by
            elif feedback.action == "snooze":
                thread.snoozed_until, thread.snoozed_by = until, feedback.by
                if thread.running:
                    thread.held, thread.held_until = "snoozed", until
                    self._held.add(thread.key)
            elif feedback.action == "unsnooze":
                thread.snoozed_until = now
                thread.held_until = min(thread.held_until, now)
            if thread.open or thread.handle:
                action = "acknowledge" if feedback.action == "acknowledge" else "answer"
                item = Pending(
                    "acknowledge" if action == "acknowledge" else "answer",
                    "answered",
                    thread.seen,
                    thread.event,
                    now,
                    now,
                    said,
                    feedback.by,
                    feedback.action,
                )
                self._append(thread, item, step, changes)
            changes.threads[partition][key] = thread
        return changes

    # What time brings.

    def tick(self, now: float) -> Changes:
        """Look again at what was held, and forget what nothing will come of any more."""
        changes = Changes()
        for key in sorted(self._held):
            thread = self.threads[key]
            event = _event(thread.event)
            if event is None or not thread.running:
                self._held.discard(key)
                thread.held = ""
                continue
            if now < thread.held_until and not self._hold_is_over(thread, event, now):
                continue
            step = Step(self.partition_of[key], now)
            known = {(c.receiver, c.address): c for c in route(event, self.plan)}
            chosen = known.get(
                (thread.receiver, thread.address),
                Chosen(thread.receiver, thread.address, thread.route, None),
            )
            snooze_ended = thread.held == "snoozed" and thread.open
            if snooze_ended and self._hold(event, chosen, now) is None:
                thread.held = ""
                self._held.discard(key)
                thread.acknowledged_by = ""
                decision = Decision(
                    True, "hold_ended", "update", f"the snooze by {thread.snoozed_by} ended"
                )
                self._note(thread, event, decision, thread.route, step, changes)
                self._queue_event(thread, event, decision, step, changes)
            else:
                self._decide(thread, event, chosen, step, changes)
        if now - self._swept >= SWEEP_SECONDS:
            self._swept = now
            self._forget_what_ended(changes, now)
        return changes

    def _forget_what_ended(self, changes: Changes, now: float) -> None:
        for key, thread in list(self.threads.items()):
            if not thread.running and not thread.pending:
                if not thread.ended_at:
                    thread.ended_at = now
                elif now - thread.ended_at > KEPT_SECONDS + self._cooldown:
                    changes.forgotten[self.partition_of[key]].append(key)
                    self._drop(key)

    def _hold_is_over(self, thread: Thread, event: EscalationEvent, now: float) -> bool:
        """Whether somebody ended the silence early."""
        if thread.held != "silenced":
            return False
        return self._silences.holding(labels_of(event), now) is None

    def due(self, now: float) -> list[Thread]:
        """Threads of which something is to be sent now."""
        waiting = (self.threads[key] for key in self._waiting)
        return [one for one in waiting if one.pending and one.pending[0].due <= now]

    def to_repeat(self, now: float) -> list[Thread]:
        """Threads whose receiver has to hear again of what it knows."""
        found = []
        for thread in map(self.threads.__getitem__, self._repeated):
            receiver = self.plan.receivers.get(thread.receiver)
            every = receiver.sink.repeats(receiver.options) if receiver is not None else None
            if every is None or thread.pending or not thread.handle:
                continue
            lately = thread.ended_at and now - thread.ended_at < RESOLVED_REPEATS
            if (thread.open or lately) and now - thread.repeated_at >= every:
                found.append(thread)
        return found

    # What is sent, and what came of it.

    def message(self, thread: Thread, item: Pending, now: float) -> Message:
        """The message of *item*, as it is to be sent now."""
        if thread.kind:
            return self._digest_message(thread, item)
        event = EscalationEvent.model_validate_json(item.event or thread.event)
        accounts = next(
            (
                one.accounts
                for one in (route(event, self.plan) if thread.address else ())
                if (one.receiver, one.address) == (thread.receiver, thread.address)
            ),
            (),
        )
        return of_event(
            event,
            action=item.action,
            reason=item.reason,
            link=self.plan.general.link,
            address=thread.address,
            accounts=accounts,
            now=now,
            note=item.detail,
            by=item.by,
        )

    def again(self, thread: Thread, now: float) -> Message:
        """What the receiver knows already, to be told again."""
        action = "update" if thread.open else "resolve"
        item = Pending(
            "update" if action == "update" else "resolve", "first", thread.seen, b"", now, now
        )
        return self.message(thread, item, now)

    def _digest_message(self, digest: Thread, item: Pending) -> Message:
        running = sum(runs for _, runs in digest.members.values())
        count = len(digest.members)
        minutes = f"{self.plan.general.storm_minutes:g}"
        severity: Severity = "error"
        if digest.kind == "stale":
            severity = "info"
            title = f"[DIGEST] {count} episodes were over before they could be told of"
            lines = ["Notifications were behind: these opened and were resolved meanwhile."]
        elif item.action == "resolve":
            title = f"[RESOLVED] all {count} episodes of the storm are over"
            lines = []
        else:
            title = f"[STORM] {count} more episodes, {running} of them run"
            lines = [
                f"More than {self.plan.general.storm_pages} pages in {minutes} minutes: "
                "those after are here, and each is in the audit as in_storm_digest."
            ]
        named = [shown for shown, _ in digest.members.values() if shown][:SHOWN_NAMED]
        lines += named
        if count > len(named):
            lines.append(f"and {count - len(named)} more")
        key = f"{digest.episode}/{digest.address}" if digest.address else digest.episode
        return Message(
            key=key,
            id=f"{digest.episode}.{item.sequence}.{item.action}",
            action=item.action,
            reason=item.reason,
            title=title,
            lines=tuple(lines),
            severity=severity,
            labels={"alertname": "TicketStorm", "severity": severity},
            since=_moment(item.since),
            address=digest.address,
        )

    def sent(
        self,
        thread: Thread,
        item: Pending,
        now: float,
        *,
        delivered: bool,
        handle: dict[str, str],
        attempts: int,
        why: str = "",
    ) -> Changes:
        """What became of *item*."""
        changes = Changes()
        step = Step(self.partition_of.get(thread.key, 0), now)
        if item in thread.pending:
            thread.pending.remove(item)
        thread.handle = handle
        thread.repeated_at = now
        if not thread.pending:
            self._waiting.discard(thread.key)
            thread.ended_at = 0.0 if thread.running else now
        kind: Kind = "sent" if delivered else "given_up"
        detail = f"{attempts} attempt{'s' if attempts > 1 else ''}" + (f": {why}" if why else "")
        reason: Reason = item.reason  # type: ignore[assignment]  # written by a decision
        self._say(
            thread, kind, reason, item.sequence, item.transition, step, changes, detail, item.action
        )
        if thread.kind and delivered and item.action != "resolve":
            thread.told = Told("error", len(thread.members), 0.0, "", whole=True)
            thread.open = True
            if thread.kind == "stale":
                thread.running = False
                thread.seen += 1
                self._append(
                    thread,
                    Pending("resolve", "stale_digest", thread.seen, b"", now, now),
                    step,
                    changes,
                )
        elif thread.kind and delivered:
            thread.open = False
        if not delivered:
            self._log(f"{thread.receiver} could not be told of {thread.episode}: {why}")
            self._fall_back(thread, item, why, step, changes)
        changes.threads[step.partition][thread.key] = thread
        return changes

    def _fall_back(
        self, thread: Thread, item: Pending, why: str, step: Step, changes: Changes
    ) -> None:
        """Somebody else hears that somebody could not be told."""
        if item.reason == "fallback" or item.action not in ("open", "update", "resolve"):
            return
        names = self.plan.general.fallback or self.plan.default
        event = _event(item.event)
        for name in names:
            if name == thread.receiver or event is None:
                continue
            key = thread_key(thread.episode, name)
            other = self.threads.get(key)
            if other is None:
                other = self._begin(event, Chosen(name, "", "fallback", None), step.partition)
                other.event, other.running = thread.event, thread.running
                other.seen = thread.seen
            action = "update" if other.open else "open"
            other.open = True
            other.told = told_of(event)
            who = f"{thread.receiver} ({thread.address})" if thread.address else thread.receiver
            self._append(
                other,
                Pending(
                    "update" if action == "update" else "open",
                    "fallback",
                    item.sequence,
                    item.event,
                    step.now,
                    step.now,
                    clean(f"{who} could not be told: {why}", 400),
                    transition=item.transition,
                ),
                step,
                changes,
            )

    # The audit.

    def failed(self, thread: Thread, item: Pending, attempt: int, why: str, now: float) -> Changes:
        """An attempt did not work, and is repeated."""
        changes = Changes()
        step = Step(self.partition_of.get(thread.key, 0), now)
        reason: Reason = item.reason  # type: ignore[assignment]  # written by a decision
        self._say(
            thread, "failed", reason, item.sequence, item.transition, step, changes, why,
            f"{item.action}{attempt}",
        )  # fmt: skip
        return changes

    def _note(
        self,
        thread: Thread,
        event: EscalationEvent,
        decision: Decision,
        by: str,
        step: Step,
        changes: Changes,
    ) -> None:
        changes.entries[step.partition].append(
            AuditEntry(
                audit_id=audit_id("decided", thread.key, event.data.sequence, decision.reason),
                at=_moment(step.now),
                kind="decided",
                tenant=thread.tenant,
                episode_id=thread.episode,
                sequence=event.data.sequence,
                transition=event.transition,
                receiver=thread.receiver,
                address=thread.address,
                reason=decision.reason,
                detail=decision.detail,
                by=by,
                send=decision.send,
            )
        )

    def _note_unsent(
        self, event: EscalationEvent, chosen: Chosen, step: Step, changes: Changes
    ) -> None:
        """Nobody is to be paged for it: no thread is needed to say so."""
        data = event.data
        changes.entries[step.partition].append(
            AuditEntry(
                audit_id=audit_id("suppressed", data.episode_id, data.sequence, chosen.receiver),
                at=_moment(step.now),
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
        )

    def _say(
        self,
        thread: Thread,
        kind: Kind,
        reason: Reason,
        sequence: int,
        transition: str,
        step: Step,
        changes: Changes,
        detail: str = "",
        what: str = "",
    ) -> None:
        changes.entries[step.partition].append(
            AuditEntry(
                audit_id=audit_id(kind, thread.key, sequence, reason, what),
                at=_moment(step.now),
                kind=kind,
                tenant=thread.tenant,
                episode_id=thread.episode,
                sequence=sequence,
                transition=transition,
                receiver=thread.receiver,
                address=thread.address,
                reason=reason,
                detail=clean(detail, 900),
            )
        )

    def _add(self, thread: Thread, partition: int) -> None:
        self.threads[thread.key] = thread
        self.partition_of[thread.key] = partition
        self._by_episode[thread.episode].add(thread.key)
        if thread.held:
            self._held.add(thread.key)
        if thread.pending:
            self._waiting.add(thread.key)
        receiver = self.plan.receivers.get(thread.receiver)
        if receiver is not None and receiver.sink.repeats(receiver.options) is not None:
            self._repeated.add(thread.key)

    def _drop(self, key: str) -> None:
        thread = self.threads.pop(key)
        del self.partition_of[key]
        for keys in (self._held, self._waiting, self._repeated):
            keys.discard(key)
        self._by_episode[thread.episode].discard(key)
        if not self._by_episode[thread.episode]:
            del self._by_episode[thread.episode]


def over_in(events: Iterable[EscalationEvent]) -> set[str]:
    """Episodes whose last event among *events* ends them."""
    last = {event.data.episode_id: event.transition for event in events}
    return {episode for episode, transition in last.items() if transition == "resolved"}


def _answer_in_words(feedback: Feedback, until: float) -> str:
    said = feedback.action.replace("_", " ")
    if feedback.action == "snooze":
        said += f" until {_moment(until):%Y-%m-%d %H:%M} UTC"
    if feedback.duplicate_of:
        said += f" {feedback.duplicate_of}"
    said += f" by {feedback.by}"
    return f"{said}: {feedback.note}" if feedback.note else said


def _event(data: bytes) -> EscalationEvent | None:
    try:
        return EscalationEvent.model_validate_json(data) if data else None
    except ValidationError:
        return None  # of another release: nothing can be said of it


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
