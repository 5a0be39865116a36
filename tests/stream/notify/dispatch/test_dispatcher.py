"""The desk: what becomes of episodes, digests, answers and failures; what holds for any life."""

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
    """All *receivers* are told of everything."""
    return NotificationConfig(
        general=DeliveryOptions(**general),
        receivers={one.name: one for one in receivers},
        routes=(),
        default=tuple(one.name for one in receivers),
    )


class Office:
    """A desk whose messages arrive at once, or not at all."""

    def __init__(self, used: NotificationConfig) -> None:
        self.silences = Silences()
        self.now = NOW
        self.dispatcher = Dispatcher(used, COOLDOWN, self.silences, lambda _: None)
        self.notified: list[tuple[str, str, str, int]] = []
        self.entries: list[AuditEntry] = []
        self.ids: set[tuple[str, str]] = set()
        self.heard: list[tuple[str, str, str]] = []
        self.durable: dict[str, tuple[int, bytes]] = {}

    def take(self, *events: EscalationEvent) -> None:
        """As one batch of the topic."""
        over = resolved_episodes(list(events))
        for event in events:
            ended = event.data.episode_id in over
            self.keep(self.dispatcher.handle_event(event, 0, self.now, over=ended))

    def keep(self, changes: PendingWrites) -> None:
        """What would be durable."""
        self.entries += [one for found in changes.entries.values() for one in found]
        for partition, found in changes.threads.items():
            for key, one in found.items():
                assert decode(encode(one)) == one
                self.durable[key] = (partition, encode(one))
        for forgotten in changes.forgotten.values():
            for key in forgotten:
                del self.durable[key]

    def still_open(self) -> set[tuple[str, str]]:
        """What receivers believe to be open: receiver and key."""
        found: dict[tuple[str, str], bool] = {}
        for receiver, key, action in self.heard:
            if action in ("open", "update", "resolve"):
                found[receiver, key] = action != "resolve"
        return {place for place, is_open in found.items() if is_open}

    def restart(self) -> None:
        """The process dies, and another one reads what is durable."""
        self.dispatcher = Dispatcher(self.dispatcher.plan, COOLDOWN, self.silences, lambda _: None)
        found: dict[int, dict[str, NotificationState]] = {}
        for key, (partition, data) in self.durable.items():
            found.setdefault(partition, {})[key] = decode(data)
        for partition, threads in found.items():
            self.keep(self.dispatcher.assign(partition, threads, self.now))

    def pass_time(self, seconds: float, *, works: bool = True) -> None:
        """Ticks, and sends what is due."""
        self.now += seconds
        self.keep(self.dispatcher.tick(self.now))
        for _ in range(100):
            due = self.dispatcher.due(self.now)
            if not due:
                return
            for one in due:
                item = next_due(one, self.now)
                assert item is not None
                message = self.dispatcher.messages.build(one, item, self.now)
                if works:
                    self.notified.append(
                        (one.receiver, message.action, message.reason, item.sequence)
                    )
                    self.heard.append((one.receiver, message.key, message.action))
                    assert (one.receiver, message.id) not in self.ids
                    self.ids.add((one.receiver, message.id))
                self.keep(
                    self.dispatcher.outcomes.record_result(
                        one, item, self.now, delivered=works, handle={"h": "1"}, attempts=1,
                        why="" if works else "it is down",
                    )
                )  # fmt: skip
        raise AssertionError("it never ends")


def feedback(action: str, at: float, number: int = 1, until: float | None = None) -> Feedback:
    """An answer to the first episode."""
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


def test_an_end_waits_for_the_cool_down_where_it_cannot_be_undone() -> None:
    """And never was one if it comes back before."""
    office = Office(plan(PAGER, FOLDER))
    office.take(escalation())
    office.pass_time(1.0)
    office.take(escalation(sequence=2, transition="resolved"))
    office.pass_time(1.0)
    assert sorted(office.notified[2:]) == [
        ("folder", "resolve", "resolved", 2),
        ("pager", "update", "resolved", 2),
    ]
    office.take(escalation(sequence=3, transition="reopened", tickets=40))
    office.pass_time(COOLDOWN + 9.0)
    assert sorted(office.notified[4:]) == [
        ("folder", "open", "reopened", 3),
        ("pager", "update", "reopened", 3),
    ]
    office.take(escalation(sequence=4, transition="resolved"))
    office.pass_time(COOLDOWN - 1.0)
    assert ("pager", "resolve", "resolved", 4) not in office.notified
    office.pass_time(2.0)
    assert ("pager", "resolve", "resolved", 4) in office.notified


def test_an_open_episode_is_told_when_quiet_or_silence_or_snooze_ends() -> None:
    """Though nothing new came; what was resolved meanwhile is not."""
    for ends in (False, True):
        office = Office(plan(FOLDER))
        office.silences.set(
            Silence(
                silence_id="s", matchers=(Matcher.parse("tenant=acme"),), by="lead",
                starts_at=BEGIN, ends_at=BEGIN + timedelta(hours=1),
            )
        )  # fmt: skip
        office.take(escalation())
        office.pass_time(60.0)
        assert office.notified == []
        if ends:
            office.take(escalation(sequence=2, transition="resolved"))
        office.pass_time(3_600.0)
        assert office.notified == ([] if ends else [("folder", "open", "hold_ended", 1)])


def test_what_comes_twice_is_decided_once() -> None:
    """The topic may hold an event more than once."""
    office = Office(plan(FOLDER))
    office.take(escalation(), escalation())
    office.pass_time(1.0)
    office.take(escalation())
    office.pass_time(1.0)
    assert office.notified == [("folder", "open", "first", 1)]


def test_a_receiver_that_is_down_is_not_asked_for_ever_and_the_other_hears_of_it() -> None:
    """No loop between two that are both down."""
    office = Office(plan(FOLDER, replace(FOLDER, name="other")))
    office.take(escalation())
    office.pass_time(1.0, works=False)
    assert office.notified == []
    assert sum(one.kind == "given_up" for one in office.entries) == 4
    assert office.dispatcher.due(office.now) == []


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
    [  # the only member of a digest leaves it: the digest has to end all the same
        ("opened", 2, 0, "info"),
        ("wait", 1, 0, "info"),
        ("opened", 1, 0, "info"),
        ("wait", 1, 0, "info"),
        ("updated", 1, 0, "critical"),
    ],
    1,
)
@given(STEPS, st.integers(1, 3))
def test_whatever_happens_order_and_end_are_kept(steps: list[Any], storm: int) -> None:
    """For each episode and receiver: opened before resolved, never two ends in a row, an end of all

    that was opened once it is over and time has passed; memory that comes to its end.
    """
    office = Office(plan(PAGER, FOLDER, storm_pages=storm, storm_minutes=1.0))
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
                at=datetime.fromtimestamp(office.now, UTC),
            )  # fmt: skip
            office.take(last)
        elif what == "again" and last is not None:
            office.take(last)
        elif what in ("ack", "snooze", "unsnooze", "verdict"):
            action = {"ack": "acknowledge", "verdict": "false_alarm"}.get(what, what)
            until = office.now + 10.0 * (tickets + 1)
            office.keep(
                office.dispatcher.handle_feedback(
                    feedback(action, office.now, number, until), 0, office.now
                )
            )
        elif what == "silence":
            office.silences.set(
                Silence(
                    silence_id="s", matchers=(Matcher.parse("tenant=acme"),), by="lead",
                    starts_at=datetime.fromtimestamp(office.now, UTC),
                    ends_at=datetime.fromtimestamp(office.now + 30.0, UTC),
                )
            )  # fmt: skip
        elif what == "restart":
            office.restart()
        office.pass_time({"wait": 30.0, "long": 4_000.0}.get(what, 1.0), works=what != "fail")
    failed = any(what == "fail" for what, _, _, _ in steps)
    office.pass_time(4_000.0)
    office.pass_time(60.0)
    if not failed:
        for number in [number for number, runs in running.items() if runs]:
            for one in office.dispatcher.register.threads_of(episode_id("acme", number)):
                digest = office.dispatcher.register.digest(one)
                assert one.open or (digest is not None and digest.notified == digest.count), one
    for number, runs in running.items():
        if runs:
            sequences[number] += 1
            office.take(escalation("acme", number, sequences[number], "resolved"))
    office.pass_time(60.0)
    office.pass_time(COOLDOWN + 60.0)
    for each in office.dispatcher.register.all.values():
        assert not each.pending
        assert not each.open, each
        assert not each.running, each
    if not failed:
        assert office.still_open() == set()
    office.pass_time(61.0)
    office.pass_time(30 * 86_400.0)
    assert office.dispatcher.register.all == {}
    assert office.durable == {}


@settings(max_examples=examples(200))
@given(STEPS)
def test_nobody_hears_of_an_end_before_a_beginning(steps: list[Any]) -> None:
    """In the order in which messages are sent."""
    office = Office(plan(PAGER, FOLDER))
    sequence = 0
    runs: bool | None = None
    for what, _, tickets, severity in steps:
        if what not in ("opened", "updated", "resolved", "reopened"):
            office.pass_time(4_000.0 if what == "long" else 1.0)
            continue
        if (what == "opened") is not (runs is None) or (what == "reopened") is not (runs is False):
            continue
        sequence += 1
        runs = what != "resolved"
        office.take(escalation("acme", 1, sequence, what, tickets=tickets, severity=severity))
        office.pass_time(1.0)
    for name in ("pager", "folder"):
        open_now = False
        for receiver, action, _, _ in office.notified:
            if receiver != name:
                continue
            if action == "open":
                open_now = True
            elif action == "resolve":
                assert open_now
                open_now = False


def storm(count: int, **general: Any) -> Office:
    """So many episodes of as many tenants at once, two pages allowed."""
    office = Office(plan(FOLDER, storm_pages=2, **general))
    office.take(*(escalation(f"tenant-{n}", 1, at=stamp(office)) for n in range(count)))
    office.pass_time(1.0)
    return office


def stamp(office: Office) -> datetime:
    """Its wall clock."""
    return datetime.fromtimestamp(office.now, UTC)


def reasons(office: Office) -> list[str]:
    """Of all that was told."""
    return [reason for _, _, reason, _ in office.notified]


def test_a_later_storm_has_a_digest_of_its_own() -> None:
    """Though one episode of the first still runs."""
    office = storm(30)
    office.pass_time(20.0)
    assert reasons(office) == ["first", "first", "storm_digest"]
    office.pass_time(86_400.0)
    office.take(*(escalation(f"tenant-{n}", 2, at=stamp(office)) for n in range(30)))
    office.pass_time(20.0)
    assert sorted(reasons(office)[3:]) == ["first", "first", "storm_digest"]


def test_a_digest_tells_what_joined_later_and_its_end() -> None:
    """Soon where it doubles, else when the window is over; once all of it is over, that."""
    office = storm(12)
    office.pass_time(20.0)
    office.take(*(escalation(f"more-{n}", 1, at=stamp(office)) for n in range(3)))
    office.pass_time(30.0)
    assert reasons(office).count("storm_digest") == 1
    office.pass_time(600.0)
    assert reasons(office).count("storm_digest") == 2
    for name in [f"tenant-{n}" for n in range(12)] + [f"more-{n}" for n in range(3)]:
        office.take(escalation(name, 1, 2, "resolved", at=stamp(office)))
    office.pass_time(1.0)
    assert office.notified[-1][1:3] == ("resolve", "storm_digest") or (
        ("folder", "resolve", "storm_digest", 0) in office.notified
    )
    assert office.still_open() == set()


def test_an_episode_of_a_digest_that_comes_back_or_becomes_critical_is_told() -> None:
    """By itself, once the storm is over."""
    office = storm(5)
    office.pass_time(3_600.0)
    office.take(
        escalation("tenant-3", 1, 2, "updated", severity="critical", at=stamp(office)),
        escalation("tenant-4", 1, 2, "resolved", at=stamp(office)),
    )
    office.take(escalation("tenant-4", 1, 3, "reopened", at=stamp(office)))
    office.pass_time(1.0)
    assert sorted(reasons(office)[3:]) == ["reopened", "severity_raised"]


def test_a_digest_ends_when_its_only_member_leaves_it() -> None:
    """The episode runs on and is notified on its own; the digest does not say that it is over."""
    office = storm(3)
    office.pass_time(3_600.0)
    (digest,) = office.dispatcher.register.digests("storm", "folder", "")
    office.take(escalation("tenant-2", 1, 2, "updated", severity="critical", at=stamp(office)))
    assert digest.closed
    (end,) = digest.pending
    message = office.dispatcher.messages.build(digest, end, office.now)
    assert message.title == "[RESOLVED] the remaining episodes of the storm are resolved"
    office.pass_time(1.0)
    assert sorted(reasons(office)[3:]) == ["severity_raised", "storm_digest"]
    assert (digest.receiver, digest.identity) not in office.still_open()


def test_a_stale_episode_that_comes_back_is_told() -> None:
    """It runs: however old it is."""
    office = Office(plan(FOLDER))
    office.now += 90_000.0
    office.take(escalation(), escalation(sequence=2, transition="resolved"))
    office.pass_time(60.0)
    assert reasons(office) == ["stale_digest", "stale_digest"]
    office.take(escalation(sequence=3, transition="reopened"))
    office.pass_time(1.0)
    assert reasons(office)[2:] == ["reopened"]


def test_the_storm_limit_survives_restarts_and_moves() -> None:
    """Pages are counted once, and only those of the window."""
    office = storm(2)
    for _ in range(4):
        office.restart()
    office.take(escalation("late", 1, at=stamp(office)))
    office.pass_time(20.0)
    assert reasons(office) == ["first", "first", "storm_digest"]
    office.pass_time(86_400.0)
    office.restart()
    office.take(escalation("later", 1, at=stamp(office)))
    office.pass_time(1.0)
    assert reasons(office)[3:] == ["first"]


def test_a_digest_whose_record_is_lost_is_made_again() -> None:
    """The process died between two partitions."""
    office = storm(6)
    for key in [key for key, (_, data) in office.durable.items() if not isinstance(
            decode(data), ReceiverThread)]:  # fmt: skip
        del office.durable[key]
    office.restart()
    office.pass_time(61.0)
    office.pass_time(20.0)
    assert reasons(office) == ["first", "first", "storm_digest"]
    for number in range(6):
        office.take(escalation(f"tenant-{number}", 1, 2, "resolved", at=stamp(office)))
    office.pass_time(1.0)
    assert office.still_open() == set()


def test_the_end_of_a_snooze_is_told_whatever_came_meanwhile() -> None:
    """A small change does not take the notice away, nor does a silence that ends later."""
    office = Office(plan(FOLDER))
    office.take(escalation())
    office.pass_time(1.0)
    until = office.now + 600.0
    office.keep(
        office.dispatcher.handle_feedback(feedback("snooze", office.now, 1, until), 0, office.now)
    )
    office.pass_time(1.0)
    office.take(escalation(sequence=2, transition="updated", tickets=13))
    office.silences.set(
        Silence(
            silence_id="s", matchers=(Matcher.parse("tenant=acme"),), by="lead",
            starts_at=stamp(office), ends_at=stamp(office) + timedelta(minutes=20),
        )
    )  # fmt: skip
    office.pass_time(700.0)
    office.restart()
    assert reasons(office) == ["first", "answered"]
    office.pass_time(700.0)
    assert reasons(office) == ["first", "answered", "hold_ended"]


def test_an_answer_does_not_wait_for_a_delayed_end() -> None:
    """It is sent at once; the end when its time has come."""
    office = Office(plan(PAGER))
    office.take(escalation())
    office.pass_time(1.0)
    office.take(escalation(sequence=2, transition="resolved"))
    office.keep(
        office.dispatcher.handle_feedback(feedback("acknowledge", office.now), 0, office.now)
    )
    office.pass_time(1.0)
    assert office.notified[-1][1] == "acknowledge"
    office.pass_time(COOLDOWN + 1.0)
    assert office.notified[-1][1] == "resolve"


def test_what_comes_back_while_it_is_snoozed_stays_open_at_the_pager() -> None:
    """Its end was not told yet, and never is."""
    office = Office(plan(PAGER))
    office.take(escalation())
    office.pass_time(1.0)
    office.take(escalation(sequence=2, transition="resolved"))
    until = office.now + 2 * COOLDOWN
    office.keep(
        office.dispatcher.handle_feedback(feedback("snooze", office.now, 1, until), 0, office.now)
    )
    office.take(escalation(sequence=3, transition="reopened", severity="critical"))
    office.pass_time(COOLDOWN + 60.0)
    assert office.still_open() == {("pager", episode_id("acme", 1))}


def test_an_answer_for_another_tenant_or_an_unknown_episode_changes_nothing() -> None:
    """It is in the audit; what comes before its episode counts once that is there."""
    office = Office(plan(FOLDER))
    office.take(escalation())
    wrong = feedback("snooze", office.now).model_copy(update={"tenant": "other"})
    office.keep(office.dispatcher.handle_feedback(wrong, 3, office.now))
    assert office.entries[-1].reason == "unknown_episode"
    assert all(one.snoozed_until == 0.0 for one in office.dispatcher.register.threads_of(
        episode_id("acme", 1)))  # fmt: skip
    early = feedback("acknowledge", office.now, number=2)
    office.keep(office.dispatcher.handle_feedback(early, 0, office.now))
    office.take(escalation(number=2))
    office.take(escalation(number=2, sequence=2, transition="updated", tickets=900))
    office.pass_time(1.0)
    assert [r for r in reasons(office) if r == "grew"] == []


def test_an_acknowledgement_ends_with_the_episode() -> None:
    """What comes back is nobody's yet."""
    office = Office(plan(FOLDER))
    office.take(escalation())
    office.keep(
        office.dispatcher.handle_feedback(feedback("acknowledge", office.now), 0, office.now)
    )
    office.take(escalation(sequence=2, transition="resolved"))
    office.take(escalation(sequence=3, transition="reopened"))
    office.take(escalation(sequence=4, transition="updated", tickets=900))
    office.pass_time(1.0)
    assert reasons(office)[-1] == "grew"


def test_a_digest_that_cannot_be_sent_is_told_to_another_and_ends() -> None:
    """No receiver waits for ever."""
    other = replace(FOLDER, name="other")
    used = NotificationConfig(
        general=DeliveryOptions(storm_pages=1, fallback=("other",)),
        receivers={"folder": FOLDER, "other": other}, routes=(), default=("folder",),
    )  # fmt: skip
    office = Office(used)
    office.take(*(escalation(f"tenant-{n}", 1, at=stamp(office)) for n in range(4)))
    office.pass_time(20.0, works=False)
    given_up = [(e.receiver, e.reason) for e in office.entries if e.kind == "given_up"]
    assert ("folder", "storm_digest") in given_up
    assert ("other", "fallback") in given_up


def test_a_fallback_hears_of_the_end_as_an_end() -> None:
    """And of what is over already as over; of an end alone not at all."""
    other = replace(FOLDER, name="other")
    used = NotificationConfig(
        general=DeliveryOptions(fallback=("other",)), receivers={"pager": PAGER, "other": other},
        routes=(), default=("pager",),
    )  # fmt: skip
    office = Office(used)
    office.take(escalation())
    (page,) = office.dispatcher.due(office.now)
    office.take(escalation(sequence=2, transition="resolved"))
    item = page.pending[0]
    office.keep(
        office.dispatcher.outcomes.record_result(
            page, item, office.now, delivered=False, handle={}, attempts=9, why="it is down"
        )
    )
    office.pass_time(1.0)
    assert [(a, r) for _, a, r, _ in office.notified] == [
        ("open", "fallback"),
        ("resolve", "fallback"),
    ]
    office.pass_time(COOLDOWN + 1.0)
    assert office.still_open() == set()


def test_a_fallback_hears_early_and_the_rest_is_tried_on() -> None:
    """After some minutes, once."""
    other = replace(FOLDER, name="other")
    used = NotificationConfig(
        general=DeliveryOptions(fallback=("other",), fallback_minutes=5.0),
        receivers={"pager": PAGER, "other": other}, routes=(), default=("pager",),
    )  # fmt: skip
    office = Office(used)
    office.take(escalation())
    (page,) = office.dispatcher.due(office.now)
    for minutes in (1, 6, 7):
        office.keep(
            office.dispatcher.outcomes.record_failure(
                page, page.pending[0], minutes, "500", office.now + 60.0 * minutes
            )
        )
    others = office.dispatcher.register.threads_of(episode_id("acme", 1))
    assert [len(one.pending) for one in others if one.receiver == "other"] == [1]


def test_a_queue_is_bounded_and_keeps_beginnings_and_ends_in_order() -> None:
    """Hours of flapping while the receiver is down."""
    office = Office(plan(FOLDER))
    sequence = 0
    for _ in range(100):
        for what in ("reopened" if sequence else "opened", "updated", "resolved"):
            sequence += 1
            office.take(escalation(sequence=sequence, transition=what, tickets=10 * sequence))
    (one,) = office.dispatcher.due(office.now)
    assert len(one.pending) <= 40
    assert len(encode(one)) < 200_000
    office.pass_time(1.0)
    actions = [action for _, action, _, _ in office.notified]
    assert actions[0] == "open"
    assert actions[-1] == "resolve"
    assert office.still_open() == set()


def test_it_takes_no_longer_with_many_threads() -> None:
    """What has nothing to do is not looked at: ticks over twenty thousand are quick."""
    office = Office(plan(FOLDER, storm_pages=10_000))
    event = escalation()
    thread_ = ReceiverThread(
        "acme", "e", "folder", running=True, open=True, notified=notification_of(event)
    )
    for number in range(20_000):
        made = ReceiverThread(**{**{f: getattr(thread_, f) for f in thread_.__struct_fields__},
                         "episode": f"{number:032x}"})  # fmt: skip
        office.dispatcher.register.add(made, 0)
    looked = 0
    original = office.dispatcher.register.of

    def counted(keys: Any) -> Any:
        nonlocal looked
        found = original(keys)
        looked += len(found)
        return found

    office.dispatcher.register.of = counted  # type: ignore[method-assign]  # only counts
    office.dispatcher.tick(office.now)
    office.dispatcher.due(office.now)
    office.dispatcher.repeats.take_due(office.now)
    assert looked == 0
