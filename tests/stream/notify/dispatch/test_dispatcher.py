"""Test the dispatcher: episodes, digests, feedback, failures, and invariants of any sequence."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.audit import AuditEntry
from schemas.escalation import EscalationEvent
from schemas.feedback import Feedback
from schemas.silence import Matcher, Silence
from stream.notify.dispatch.dispatcher import Dispatcher
from stream.notify.dispatch.policy import resolved_episodes
from stream.notify.dispatch.silences import Silences
from stream.notify.dispatch.thread_index import PendingWrites
from stream.notify.model.threads import (
    NotificationState,
    ReceiverThread,
    decode,
    encode,
    next_due,
    notification_of,
)
from stream.notify.routing.rules import DeliveryOptions, NotificationConfig, Receiver
from stream.notify.sinks.folder import Folder, FolderOptions
from stream.notify.sinks.pagerduty import PagerDuty
from tests.support.examples import examples
from tests.support.notify_rig import BEGIN, episode_id, escalation

NOW = BEGIN.timestamp() + 60.0
COOLDOWN = 6 * 3_600.0
FOLDER = Receiver("folder", Folder, FolderOptions(path="inbox"))
PAGER = Receiver("pager", PagerDuty, FolderOptions(path="inbox"))


def plan(*receivers: Receiver, **general: Any) -> NotificationConfig:
    """Return a configuration in which all *receivers* receive everything."""
    return NotificationConfig(
        general=DeliveryOptions(**general),
        receivers={receiver.name: receiver for receiver in receivers},
        routes=(),
        default=tuple(receiver.name for receiver in receivers),
    )


class Notifier:
    """A dispatcher with a clock of its own whose messages are all delivered, or all fail."""

    def __init__(self, used: NotificationConfig) -> None:
        self.silences = Silences()
        self.now = NOW
        self.dispatcher = Dispatcher(used, COOLDOWN, self.silences, lambda _: None)
        self.notified: list[tuple[str, str, str, int]] = []
        self.entries: list[AuditEntry] = []
        self.ids: set[tuple[str, str]] = set()
        self.delivered: list[tuple[str, str, str]] = []
        self.durable: dict[str, tuple[int, bytes]] = {}

    def take(self, *events: EscalationEvent) -> None:
        """Handle events as one batch of the topic."""
        over = resolved_episodes(list(events))
        for event in events:
            ended = event.data.episode_id in over
            self.keep(self.dispatcher.handle_event(event, 0, self.now, over=ended))

    def keep(self, changes: PendingWrites) -> None:
        """Record what would become durable."""
        self.entries += [entry for entries in changes.entries.values() for entry in entries]
        for partition, threads in changes.threads.items():
            for key, thread in threads.items():
                assert decode(encode(thread)) == thread
                self.durable[key] = (partition, encode(thread))
        for forgotten in changes.forgotten.values():
            for key in forgotten:
                del self.durable[key]

    def still_open(self) -> set[tuple[str, str]]:
        """Return each receiver and key whose last message was not a resolution."""
        is_open_by_key: dict[tuple[str, str], bool] = {}
        for receiver, key, action in self.delivered:
            if action in ("open", "update", "resolve"):
                is_open_by_key[receiver, key] = action != "resolve"
        return {key for key, is_open in is_open_by_key.items() if is_open}

    def restart(self) -> None:
        """Replace the dispatcher by one that knows only what is durable."""
        self.dispatcher = Dispatcher(self.dispatcher.plan, COOLDOWN, self.silences, lambda _: None)
        states: dict[int, dict[str, NotificationState]] = {}
        for key, (partition, data) in self.durable.items():
            states.setdefault(partition, {})[key] = decode(data)
        for partition, threads in states.items():
            self.keep(self.dispatcher.assign(partition, threads, self.now))

    def pass_time(self, seconds: float, *, works: bool = True) -> None:
        """Advance the clock, and deliver or fail the messages that are due."""
        self.now += seconds
        self.keep(self.dispatcher.tick(self.now))
        for _ in range(100):
            due = self.dispatcher.due(self.now)
            if not due:
                return
            for thread in due:
                item = next_due(thread, self.now)
                assert item is not None
                message = self.dispatcher.messages.build(thread, item, self.now)
                if works:
                    self.notified.append(
                        (thread.receiver, message.action, message.reason, item.sequence)
                    )
                    self.delivered.append((thread.receiver, message.key, message.action))
                    assert (thread.receiver, message.id) not in self.ids
                    self.ids.add((thread.receiver, message.id))
                self.keep(
                    self.dispatcher.outcomes.record_result(
                        thread, item, self.now, delivered=works, handle={"h": "1"}, attempts=1,
                        why="" if works else "it is down",
                    )
                )  # fmt: skip
        raise AssertionError("the dispatcher always has another message that is due")


def feedback(action: str, at: float, number: int = 1, until: float | None = None) -> Feedback:
    """Return feedback on the first episode."""
    return Feedback.model_validate(
        {
            "feedback_id": f"{action}{at}",
            "tenant": "acme",
            "episode_id": episode_id("acme", number),
            "action": action,
            "by": "on-call",
            "at": datetime.fromtimestamp(at, UTC),
            "until": None if until is None else datetime.fromtimestamp(until, UTC),
        }
    )


def test_a_resolution_that_cannot_be_undone_waits_for_the_cool_down() -> None:
    """A pager is sent no resolution if the episode reopens within the cool-down."""
    notifier = Notifier(plan(PAGER, FOLDER))
    notifier.take(escalation())
    notifier.pass_time(1.0)
    notifier.take(escalation(sequence=2, transition="resolved"))
    notifier.pass_time(1.0)
    assert sorted(notifier.notified[2:]) == [
        ("folder", "resolve", "resolved", 2),
        ("pager", "update", "resolved", 2),
    ]
    notifier.take(escalation(sequence=3, transition="reopened", tickets=40))
    notifier.pass_time(COOLDOWN + 9.0)
    assert sorted(notifier.notified[4:]) == [
        ("folder", "open", "reopened", 3),
        ("pager", "update", "reopened", 3),
    ]
    notifier.take(escalation(sequence=4, transition="resolved"))
    notifier.pass_time(COOLDOWN - 1.0)
    assert ("pager", "resolve", "resolved", 4) not in notifier.notified
    notifier.pass_time(2.0)
    assert ("pager", "resolve", "resolved", 4) in notifier.notified


def test_an_open_episode_is_notified_when_its_silence_ends() -> None:
    """The page is sent without a new event, unless the episode was resolved meanwhile."""
    for ends in (False, True):
        notifier = Notifier(plan(FOLDER))
        notifier.silences.set(
            Silence(
                silence_id="s", matchers=(Matcher.parse("tenant=acme"),), by="lead",
                starts_at=BEGIN, ends_at=BEGIN + timedelta(hours=1),
            )
        )  # fmt: skip
        notifier.take(escalation())
        notifier.pass_time(60.0)
        assert notifier.notified == []
        if ends:
            notifier.take(escalation(sequence=2, transition="resolved"))
        notifier.pass_time(3_600.0)
        assert notifier.notified == ([] if ends else [("folder", "open", "hold_ended", 1)])


def test_a_repeated_event_is_notified_once() -> None:
    """The topic may contain an event more than once."""
    notifier = Notifier(plan(FOLDER))
    notifier.take(escalation(), escalation())
    notifier.pass_time(1.0)
    notifier.take(escalation())
    notifier.pass_time(1.0)
    assert notifier.notified == [("folder", "open", "first", 1)]


def test_two_receivers_that_are_down_are_both_given_up() -> None:
    """Messages do not circulate between two receivers that both fail."""
    notifier = Notifier(plan(FOLDER, replace(FOLDER, name="other")))
    notifier.take(escalation())
    notifier.pass_time(1.0, works=False)
    assert notifier.notified == []
    assert sum(entry.kind == "given_up" for entry in notifier.entries) == 4
    assert notifier.dispatcher.due(notifier.now) == []


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["opened", "updated", "amended", "resolved", "reopened", "ack", "snooze", "unsnooze",
             "verdict", "silence", "wait", "long", "fail", "again", "restart"]
        ),
        st.integers(1, 3),
        st.integers(0, 200),
        st.sampled_from(["info", "warning", "error", "critical"]),
    ),
    max_size=40,
)  # fmt: skip


@settings(max_examples=examples(300))
@example(
    [  # the digest must be resolved although its only member leaves it
        ("opened", 2, 0, "info"),
        ("wait", 1, 0, "info"),
        ("opened", 1, 0, "info"),
        ("wait", 1, 0, "info"),
        ("updated", 1, 0, "critical"),
    ],
    1,
)
@given(STEPS, st.integers(1, 3))
def test_any_sequence_is_notified_in_order_and_completely_resolved(
    steps: list[Any], storm: int
) -> None:
    """Each receiver is sent the opening before the resolution, and no state remains at the end."""
    notifier = Notifier(plan(PAGER, FOLDER, storm_pages=storm, storm_minutes=1.0))
    sequences: dict[int, int] = {}
    running: dict[int, bool] = {}
    last: EscalationEvent | None = None
    for what, number, tickets, severity in steps:
        if what in ("opened", "updated", "amended", "resolved", "reopened"):
            legal = running.get(number) is None if what == "opened" else (
                running.get(number) is (what != "reopened"))  # fmt: skip
            if what == "reopened":
                legal = running.get(number) is False
            if not legal:
                continue
            sequences[number] = sequences.get(number, 0) + 1
            running[number] = what != "resolved"
            last = escalation(
                "acme", number, sequences[number], what, tickets=tickets, severity=severity,
                at=datetime.fromtimestamp(notifier.now, UTC),
            )  # fmt: skip
            notifier.take(last)
        elif what == "again" and last is not None:
            notifier.take(last)
        elif what in ("ack", "snooze", "unsnooze", "verdict"):
            action = {"ack": "acknowledge", "verdict": "false_alarm"}.get(what, what)
            until = notifier.now + 10.0 * (tickets + 1)
            notifier.keep(
                notifier.dispatcher.handle_feedback(
                    feedback(action, notifier.now, number, until), 0, notifier.now
                )
            )
        elif what == "silence":
            notifier.silences.set(
                Silence(
                    silence_id="s", matchers=(Matcher.parse("tenant=acme"),), by="lead",
                    starts_at=datetime.fromtimestamp(notifier.now, UTC),
                    ends_at=datetime.fromtimestamp(notifier.now + 30.0, UTC),
                )
            )  # fmt: skip
        elif what == "restart":
            notifier.restart()
        notifier.pass_time({"wait": 30.0, "long": 4_000.0}.get(what, 1.0), works=what != "fail")
    failed = any(what == "fail" for what, _, _, _ in steps)
    notifier.pass_time(4_000.0)
    notifier.pass_time(60.0)
    if not failed:
        for number in [number for number, runs in running.items() if runs]:
            for thread in notifier.dispatcher.register.threads_of(episode_id("acme", number)):
                digest = notifier.dispatcher.register.digest(thread)
                assert thread.open or (digest is not None and digest.notified == digest.count), (
                    thread
                )
    for number, runs in running.items():
        if runs:
            sequences[number] += 1
            notifier.take(escalation("acme", number, sequences[number], "resolved"))
    notifier.pass_time(60.0)
    notifier.pass_time(COOLDOWN + 60.0)
    for each in notifier.dispatcher.register.all.values():
        assert not each.pending
        assert not each.open, each
        assert not each.running, each
    if not failed:
        assert notifier.still_open() == set()
    notifier.pass_time(61.0)
    notifier.pass_time(30 * 86_400.0)
    assert notifier.dispatcher.register.all == {}
    assert notifier.durable == {}


@settings(max_examples=examples(200))
@given(STEPS)
def test_no_receiver_is_sent_a_resolution_before_an_opening(steps: list[Any]) -> None:
    """The order of delivery counts, whatever the order of events was."""
    notifier = Notifier(plan(PAGER, FOLDER))
    sequence = 0
    runs: bool | None = None
    for what, _, tickets, severity in steps:
        if what not in ("opened", "updated", "resolved", "reopened"):
            notifier.pass_time(4_000.0 if what == "long" else 1.0)
            continue
        if (what == "opened") is not (runs is None) or (what == "reopened") is not (runs is False):
            continue
        sequence += 1
        runs = what != "resolved"
        notifier.take(escalation("acme", 1, sequence, what, tickets=tickets, severity=severity))
        notifier.pass_time(1.0)
    for name in ("pager", "folder"):
        open_now = False
        for receiver, action, _, _ in notifier.notified:
            if receiver != name:
                continue
            if action == "open":
                open_now = True
            elif action == "resolve":
                assert open_now
                open_now = False


def storm(count: int, **general: Any) -> Notifier:
    """Open episodes of *count* tenants at once where a storm starts after two pages."""
    notifier = Notifier(plan(FOLDER, storm_pages=2, **general))
    notifier.take(*(escalation(f"tenant-{n}", 1, at=stamp(notifier)) for n in range(count)))
    notifier.pass_time(1.0)
    return notifier


def stamp(notifier: Notifier) -> datetime:
    """Return the current time of the clock."""
    return datetime.fromtimestamp(notifier.now, UTC)


def reasons(notifier: Notifier) -> list[str]:
    """Return the reasons of all delivered messages."""
    return [reason for _, _, reason, _ in notifier.notified]


def test_a_later_storm_has_its_own_digest() -> None:
    """A second storm gets a new digest although episodes of the first storm are still open."""
    notifier = storm(30)
    notifier.pass_time(20.0)
    assert reasons(notifier) == ["first", "first", "storm_digest"]
    notifier.pass_time(86_400.0)
    notifier.take(*(escalation(f"tenant-{n}", 2, at=stamp(notifier)) for n in range(30)))
    notifier.pass_time(20.0)
    assert sorted(reasons(notifier)[3:]) == ["first", "first", "storm_digest"]


def test_a_digest_is_updated_when_it_grows_and_resolved_at_the_end() -> None:
    """The update waits for the digest window, and the resolution for the last episode."""
    notifier = storm(12)
    notifier.pass_time(20.0)
    notifier.take(*(escalation(f"more-{n}", 1, at=stamp(notifier)) for n in range(3)))
    notifier.pass_time(30.0)
    assert reasons(notifier).count("storm_digest") == 1
    notifier.pass_time(600.0)
    assert reasons(notifier).count("storm_digest") == 2
    for name in [f"tenant-{n}" for n in range(12)] + [f"more-{n}" for n in range(3)]:
        notifier.take(escalation(name, 1, 2, "resolved", at=stamp(notifier)))
    notifier.pass_time(1.0)
    assert notifier.notified[-1][1:3] == ("resolve", "storm_digest") or (
        ("folder", "resolve", "storm_digest", 0) in notifier.notified
    )
    assert notifier.still_open() == set()


def test_a_digest_member_that_reopens_or_becomes_critical_is_notified() -> None:
    """After the storm the episode is notified by itself."""
    notifier = storm(5)
    notifier.pass_time(3_600.0)
    notifier.take(
        escalation("tenant-3", 1, 2, "updated", severity="critical", at=stamp(notifier)),
        escalation("tenant-4", 1, 2, "resolved", at=stamp(notifier)),
    )
    notifier.take(escalation("tenant-4", 1, 3, "reopened", at=stamp(notifier)))
    notifier.pass_time(1.0)
    assert sorted(reasons(notifier)[3:]) == ["reopened", "severity_raised"]


def test_a_digest_is_resolved_when_its_only_member_leaves_it() -> None:
    """The episode stays open and is notified by itself, which the digest does not contradict."""
    notifier = storm(3)
    notifier.pass_time(3_600.0)
    (digest,) = notifier.dispatcher.register.digests("storm", "folder", "")
    notifier.take(escalation("tenant-2", 1, 2, "updated", severity="critical", at=stamp(notifier)))
    assert digest.closed
    (end,) = digest.pending
    message = notifier.dispatcher.messages.build(digest, end, notifier.now)
    assert message.title == "[RESOLVED] the remaining episodes of the storm are resolved"
    notifier.pass_time(1.0)
    assert sorted(reasons(notifier)[3:]) == ["severity_raised", "storm_digest"]
    assert (digest.receiver, digest.identity) not in notifier.still_open()


def test_a_stale_episode_that_reopens_is_notified() -> None:
    """A reopened episode is notified however old it is."""
    notifier = Notifier(plan(FOLDER))
    notifier.now += 90_000.0
    notifier.take(escalation(), escalation(sequence=2, transition="resolved"))
    notifier.pass_time(60.0)
    assert reasons(notifier) == ["stale_digest", "stale_digest"]
    notifier.take(escalation(sequence=3, transition="reopened"))
    notifier.pass_time(1.0)
    assert reasons(notifier)[2:] == ["reopened"]


def test_the_storm_limit_survives_restarts_and_its_window_moves() -> None:
    """Pages are counted once, and only those within the window count."""
    notifier = storm(2)
    for _ in range(4):
        notifier.restart()
    notifier.take(escalation("late", 1, at=stamp(notifier)))
    notifier.pass_time(20.0)
    assert reasons(notifier) == ["first", "first", "storm_digest"]
    notifier.pass_time(86_400.0)
    notifier.restart()
    notifier.take(escalation("later", 1, at=stamp(notifier)))
    notifier.pass_time(1.0)
    assert reasons(notifier)[3:] == ["first"]


def test_a_digest_whose_record_is_lost_is_recreated() -> None:
    """The process may die after it wrote the threads and before it wrote the digest."""
    notifier = storm(6)
    for key in [key for key, (_, data) in notifier.durable.items() if not isinstance(
            decode(data), ReceiverThread)]:  # fmt: skip
        del notifier.durable[key]
    notifier.restart()
    notifier.pass_time(61.0)
    notifier.pass_time(20.0)
    assert reasons(notifier) == ["first", "first", "storm_digest"]
    for number in range(6):
        notifier.take(escalation(f"tenant-{number}", 1, 2, "resolved", at=stamp(notifier)))
    notifier.pass_time(1.0)
    assert notifier.still_open() == set()


def test_the_end_of_a_snooze_is_notified_despite_updates_and_silences() -> None:
    """A small update does not cancel the notice, and neither does a silence that ends later."""
    notifier = Notifier(plan(FOLDER))
    notifier.take(escalation())
    notifier.pass_time(1.0)
    until = notifier.now + 600.0
    notifier.keep(
        notifier.dispatcher.handle_feedback(
            feedback("snooze", notifier.now, 1, until), 0, notifier.now
        )
    )
    notifier.pass_time(1.0)
    notifier.take(escalation(sequence=2, transition="updated", tickets=13))
    notifier.silences.set(
        Silence(
            silence_id="s", matchers=(Matcher.parse("tenant=acme"),), by="lead",
            starts_at=stamp(notifier), ends_at=stamp(notifier) + timedelta(minutes=20),
        )
    )  # fmt: skip
    notifier.pass_time(700.0)
    notifier.restart()
    assert reasons(notifier) == ["first", "answered"]
    notifier.pass_time(700.0)
    assert reasons(notifier) == ["first", "answered", "hold_ended"]


def test_feedback_is_sent_before_a_delayed_resolution() -> None:
    """The acknowledgement is sent at once, and the resolution after the cool-down."""
    notifier = Notifier(plan(PAGER))
    notifier.take(escalation())
    notifier.pass_time(1.0)
    notifier.take(escalation(sequence=2, transition="resolved"))
    notifier.keep(
        notifier.dispatcher.handle_feedback(feedback("acknowledge", notifier.now), 0, notifier.now)
    )
    notifier.pass_time(1.0)
    assert notifier.notified[-1][1] == "acknowledge"
    notifier.pass_time(COOLDOWN + 1.0)
    assert notifier.notified[-1][1] == "resolve"


def test_an_episode_that_reopens_while_snoozed_stays_open_at_the_pager() -> None:
    """The delayed resolution is cancelled, although the reopening is not notified."""
    notifier = Notifier(plan(PAGER))
    notifier.take(escalation())
    notifier.pass_time(1.0)
    notifier.take(escalation(sequence=2, transition="resolved"))
    until = notifier.now + 2 * COOLDOWN
    notifier.keep(
        notifier.dispatcher.handle_feedback(
            feedback("snooze", notifier.now, 1, until), 0, notifier.now
        )
    )
    notifier.take(escalation(sequence=3, transition="reopened", severity="critical"))
    notifier.pass_time(COOLDOWN + 60.0)
    assert notifier.still_open() == {("pager", episode_id("acme", 1))}


def test_feedback_on_a_wrong_tenant_or_unknown_episode_changes_nothing() -> None:
    """The audit records the feedback; feedback that precedes its episode applies to it later."""
    notifier = Notifier(plan(FOLDER))
    notifier.take(escalation())
    wrong = feedback("snooze", notifier.now).model_copy(update={"tenant": "other"})
    notifier.keep(notifier.dispatcher.handle_feedback(wrong, 3, notifier.now))
    assert notifier.entries[-1].reason == "unknown_episode"
    assert all(thread.snoozed_until == 0.0 for thread in notifier.dispatcher.register.threads_of(
        episode_id("acme", 1)))  # fmt: skip
    early = feedback("acknowledge", notifier.now, number=2)
    notifier.keep(notifier.dispatcher.handle_feedback(early, 0, notifier.now))
    notifier.take(escalation(number=2))
    notifier.take(escalation(number=2, sequence=2, transition="updated", tickets=900))
    notifier.pass_time(1.0)
    assert [r for r in reasons(notifier) if r == "grew"] == []


def test_an_acknowledgement_ends_with_the_episode() -> None:
    """A reopened episode is not acknowledged."""
    notifier = Notifier(plan(FOLDER))
    notifier.take(escalation())
    notifier.keep(
        notifier.dispatcher.handle_feedback(feedback("acknowledge", notifier.now), 0, notifier.now)
    )
    notifier.take(escalation(sequence=2, transition="resolved"))
    notifier.take(escalation(sequence=3, transition="reopened"))
    notifier.take(escalation(sequence=4, transition="updated", tickets=900))
    notifier.pass_time(1.0)
    assert reasons(notifier)[-1] == "grew"


def test_a_digest_that_cannot_be_sent_goes_to_the_fallback() -> None:
    """The digest is given up at its receiver and sent to the fallback."""
    other = replace(FOLDER, name="other")
    used = NotificationConfig(
        general=DeliveryOptions(storm_pages=1, fallback=("other",)),
        receivers={"folder": FOLDER, "other": other}, routes=(), default=("folder",),
    )  # fmt: skip
    notifier = Notifier(used)
    notifier.take(*(escalation(f"tenant-{n}", 1, at=stamp(notifier)) for n in range(4)))
    notifier.pass_time(20.0, works=False)
    given_up = [(e.receiver, e.reason) for e in notifier.entries if e.kind == "given_up"]
    assert ("folder", "storm_digest") in given_up
    assert ("other", "fallback") in given_up


def test_a_fallback_is_sent_the_resolution_of_what_it_was_sent() -> None:
    """The fallback is sent an opening and a resolution, and no resolution alone."""
    other = replace(FOLDER, name="other")
    used = NotificationConfig(
        general=DeliveryOptions(fallback=("other",)), receivers={"pager": PAGER, "other": other},
        routes=(), default=("pager",),
    )  # fmt: skip
    notifier = Notifier(used)
    notifier.take(escalation())
    (page,) = notifier.dispatcher.due(notifier.now)
    notifier.take(escalation(sequence=2, transition="resolved"))
    item = page.pending[0]
    notifier.keep(
        notifier.dispatcher.outcomes.record_result(
            page, item, notifier.now, delivered=False, handle={}, attempts=9, why="it is down"
        )
    )
    notifier.pass_time(1.0)
    assert [(a, r) for _, a, r, _ in notifier.notified] == [
        ("open", "fallback"),
        ("resolve", "fallback"),
    ]
    notifier.pass_time(COOLDOWN + 1.0)
    assert notifier.still_open() == set()


def test_the_fallback_is_notified_once_while_the_receiver_is_retried() -> None:
    """After `fallback_minutes` the fallback has one message, however often the receiver fails."""
    other = replace(FOLDER, name="other")
    used = NotificationConfig(
        general=DeliveryOptions(fallback=("other",), fallback_minutes=5.0),
        receivers={"pager": PAGER, "other": other}, routes=(), default=("pager",),
    )  # fmt: skip
    notifier = Notifier(used)
    notifier.take(escalation())
    (page,) = notifier.dispatcher.due(notifier.now)
    for minutes in (1, 6, 7):
        notifier.keep(
            notifier.dispatcher.outcomes.record_failure(
                page, page.pending[0], minutes, "500", notifier.now + 60.0 * minutes
            )
        )
    threads = notifier.dispatcher.register.threads_of(episode_id("acme", 1))
    assert [len(thread.pending) for thread in threads if thread.receiver == "other"] == [1]


def test_a_queue_is_bounded_and_keeps_openings_and_resolutions_in_order() -> None:
    """An episode may flap for hours while the receiver is down."""
    notifier = Notifier(plan(FOLDER))
    sequence = 0
    for _ in range(100):
        for what in ("reopened" if sequence else "opened", "updated", "resolved"):
            sequence += 1
            notifier.take(escalation(sequence=sequence, transition=what, tickets=10 * sequence))
    (thread,) = notifier.dispatcher.due(notifier.now)
    assert len(thread.pending) <= 40
    assert len(encode(thread)) < 200_000
    notifier.pass_time(1.0)
    actions = [action for _, action, _, _ in notifier.notified]
    assert actions[0] == "open"
    assert actions[-1] == "resolve"
    assert notifier.still_open() == set()


def test_idle_threads_cost_nothing() -> None:
    """A tick over twenty thousand threads without work looks at none of them."""
    notifier = Notifier(plan(FOLDER, storm_pages=10_000))
    event = escalation()
    thread_ = ReceiverThread(
        "acme", "e", "folder", running=True, open=True, notified=notification_of(event)
    )
    for number in range(20_000):
        made = ReceiverThread(**{**{f: getattr(thread_, f) for f in thread_.__struct_fields__},
                         "episode": f"{number:032x}"})  # fmt: skip
        notifier.dispatcher.register.add(made, 0)
    looked = 0
    original = notifier.dispatcher.register.of

    def counted(keys: Any) -> Any:
        nonlocal looked
        threads = original(keys)
        looked += len(threads)
        return threads

    notifier.dispatcher.register.of = counted  # type: ignore[method-assign]  # counts the calls
    notifier.dispatcher.tick(notifier.now)
    notifier.dispatcher.due(notifier.now)
    notifier.dispatcher.repeats.take_due(notifier.now)
    assert looked == 0
