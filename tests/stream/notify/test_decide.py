"""Whether a receiver is told, and why: each named reason, and what holds for any life at all."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.audit import AuditEntry
from schemas.escalation import EscalationEvent
from schemas.feedback import Feedback
from schemas.silence import Matcher, Silence
from stream.notify.decide import Circumstances, Hold, decide, worth_telling
from stream.notify.desk import Changes, Desk, over_in
from stream.notify.plan import General, Plan, Receiver
from stream.notify.silences import Silences
from stream.notify.sinks.folder import Folder, FolderOptions
from stream.notify.sinks.pagerduty import PagerDuty
from stream.notify.thread import Thread, decode, encode, told_of
from tests.notify_rig import BEGIN, episode_id, escalation

GENERAL = General()
NOW = BEGIN.timestamp() + 60.0
QUIET = Circumstances(GENERAL)
COOLDOWN = 6 * 3_600.0
FOLDER = Receiver("folder", Folder, FolderOptions(path="inbox"))
PAGER = Receiver("pager", PagerDuty, FolderOptions(path="inbox"))


def thread(told: EscalationEvent | None = None, **changes: Any) -> Thread:
    """Of a receiver who was told of *told*, if of anything."""
    made = Thread("acme", episode_id("acme", 1), "folder")
    if told is not None:
        made.open, made.told, made.paged_at = True, told_of(told), NOW
    for name, value in changes.items():
        setattr(made, name, value)
    return made


FIRST = escalation()


@pytest.mark.parametrize(
    ("known", "event", "around", "wanted"),
    [
        (thread(), FIRST, QUIET, (True, "first", "open")),
        (thread(), escalation(suppressed="storm"), QUIET, (False, "suppressed", "update")),
        (thread(), escalation(sequence=2, transition="resolved"), QUIET,
         (False, "never_told", "update")),
        (thread(FIRST), escalation(sequence=2, transition="resolved"), QUIET,
         (True, "resolved", "resolve")),
        (thread(FIRST), escalation(sequence=2, transition="updated", tickets=20), QUIET,
         (False, "too_little_changed", "update")),
        (thread(FIRST), escalation(sequence=2, transition="updated", tickets=24), QUIET,
         (True, "grew", "update")),
        (thread(FIRST), escalation(sequence=2, transition="updated", severity="error"), QUIET,
         (True, "severity_raised", "update")),
        (thread(FIRST), escalation(sequence=2, transition="updated", severity="info"), QUIET,
         (False, "too_little_changed", "update")),
        (thread(FIRST), escalation(sequence=2, transition="updated", product_area=None,
                                   areas=["login", "billing"]), QUIET,
         (True, "became_tenant_wide", "update")),
        (thread(FIRST), escalation(sequence=2, transition="amended", tickets=1), QUIET,
         (True, "amended", "update")),
        (thread(FIRST), escalation(sequence=2, transition="reopened"), QUIET,
         (True, "reopened", "update")),
        (thread(), escalation(sequence=3, transition="reopened"), QUIET,
         (True, "reopened", "open")),
        (thread(FIRST, acknowledged_by="on-call"),
         escalation(sequence=2, transition="updated", tickets=90), QUIET,
         (False, "acknowledged", "update")),
        (thread(FIRST, acknowledged_by="on-call"),
         escalation(sequence=2, transition="updated", severity="critical"), QUIET,
         (True, "severity_raised", "update")),
        (thread(snoozed_until=NOW + 9.0, snoozed_by="on-call"), FIRST, QUIET,
         (False, "snoozed", "open")),
        (thread(snoozed_until=NOW - 9.0), FIRST, QUIET, (True, "first", "open")),
        (thread(FIRST, snoozed_until=NOW + 9.0),
         escalation(sequence=2, transition="resolved"), QUIET, (True, "resolved", "resolve")),
        (thread(), FIRST, QUIET._replace(hold=Hold("silenced", NOW + 5.0, "by lead")),
         (False, "silenced", "open")),
        (thread(), FIRST, QUIET._replace(over=True, age=1_801.0), (False, "stale", "open")),
        (thread(), FIRST, QUIET._replace(over=True, age=1_799.0), (True, "first", "open")),
        (thread(), FIRST, QUIET._replace(over=False, age=90_000.0), (True, "first", "open")),
        (thread(), FIRST, QUIET._replace(storm=lambda: True), (False, "in_storm_digest", "open")),
        (thread(digest="d"), escalation(sequence=2, transition="updated", severity="critical"),
         QUIET, (False, "in_storm_digest", "update")),
        (thread(held="silenced"), FIRST, QUIET, (True, "hold_ended", "open")),
    ],
)  # fmt: skip
def test_each_decision_has_its_reason(
    known: Thread, event: EscalationEvent, around: Circumstances, wanted: tuple[Any, ...]
) -> None:
    """See the rows."""
    found = decide(known, event, NOW, around)
    assert (found.send, found.reason, found.action) == wanted


def test_a_new_explanation_is_worth_telling_and_the_same_one_is_not() -> None:
    """By dimension and value; losing it is nothing."""
    one = {"dimension": "region", "value": "eu", "observed": 9.0, "expected": 1.0, "share": 0.8,
           "lift": 3.0, "p_value": 0.01}  # fmt: skip
    known = told_of(escalation(explanation=[one]))
    other = escalation(sequence=2, transition="updated", explanation=[{**one, "value": "us"}])
    same = escalation(sequence=2, transition="updated", explanation=[{**one, "share": 0.9}])
    none = escalation(sequence=2, transition="updated")
    assert worth_telling(other, known, GENERAL) == "new_explanation"
    assert worth_telling(same, known, GENERAL) is None
    assert worth_telling(none, known, GENERAL) is None


def plan(*receivers: Receiver, **general: Any) -> Plan:
    """All *receivers* are told of everything."""
    return Plan(
        general=General(**general),
        receivers={one.name: one for one in receivers},
        routes=(),
        default=tuple(one.name for one in receivers),
    )


class Office:
    """A desk whose messages arrive at once, or not at all."""

    def __init__(self, used: Plan) -> None:
        self.silences = Silences()
        self.now = NOW
        self.desk = Desk(used, COOLDOWN, self.silences, lambda _: None)
        self.told: list[tuple[str, str, str, int]] = []
        self.entries: list[AuditEntry] = []

    def take(self, *events: EscalationEvent) -> None:
        """As one batch of the topic."""
        over = over_in(events)
        for event in events:
            ended = event.data.episode_id in over
            self.keep(self.desk.take(event, 0, self.now, over=ended))

    def keep(self, changes: Changes) -> None:
        """What would be durable."""
        self.entries += [one for found in changes.entries.values() for one in found]
        for found in changes.threads.values():
            for one in found.values():
                assert decode(encode(one)) == one

    def pass_time(self, seconds: float, *, works: bool = True) -> None:
        """Ticks, and sends what is due."""
        self.now += seconds
        self.keep(self.desk.tick(self.now))
        for _ in range(100):
            due = self.desk.due(self.now)
            if not due:
                return
            for one in due:
                item = one.pending[0]
                message = self.desk.message(one, item, self.now)
                if works:
                    self.told.append((one.receiver, message.action, message.reason, item.sequence))
                self.keep(
                    self.desk.sent(
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
    assert office.told[2:] == [("folder", "resolve", "resolved", 2)]
    office.take(escalation(sequence=3, transition="reopened", tickets=40))
    office.pass_time(COOLDOWN + 9.0)
    assert sorted(office.told[3:]) == [
        ("folder", "open", "reopened", 3),
        ("pager", "update", "reopened", 3),
    ]
    office.take(escalation(sequence=4, transition="resolved"))
    office.pass_time(COOLDOWN - 1.0)
    assert ("pager", "resolve", "resolved", 4) not in office.told
    office.pass_time(2.0)
    assert ("pager", "resolve", "resolved", 4) in office.told


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
        assert office.told == []
        if ends:
            office.take(escalation(sequence=2, transition="resolved"))
        office.pass_time(3_600.0)
        assert office.told == ([] if ends else [("folder", "open", "hold_ended", 1)])


def test_what_comes_twice_is_decided_once() -> None:
    """The topic may hold an event more than once."""
    office = Office(plan(FOLDER))
    office.take(escalation(), escalation())
    office.pass_time(1.0)
    office.take(escalation())
    office.pass_time(1.0)
    assert office.told == [("folder", "open", "first", 1)]


def test_a_receiver_that_is_down_is_not_asked_for_ever_and_the_other_hears_of_it() -> None:
    """No loop between two that are both down."""
    office = Office(plan(FOLDER, replace(FOLDER, name="other")))
    office.take(escalation())
    office.pass_time(1.0, works=False)
    assert office.told == []
    assert sum(one.kind == "given_up" for one in office.entries) == 4
    assert office.desk.due(office.now) == []


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["opened", "updated", "amended", "resolved", "reopened", "ack", "snooze", "unsnooze",
             "verdict", "silence", "wait", "long", "fail", "again"]
        ),
        st.integers(1, 3),
        st.integers(0, 200),
        st.sampled_from(["info", "warning", "error", "critical"]),
    ),
    max_size=40,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
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
                office.desk.answer(feedback(action, office.now, number, until), 0, office.now)
            )
        elif what == "silence":
            office.silences.set(
                Silence(
                    silence_id="s", matchers=(Matcher.parse("tenant=acme"),), by="lead",
                    starts_at=datetime.fromtimestamp(office.now, UTC),
                    ends_at=datetime.fromtimestamp(office.now + 30.0, UTC),
                )
            )  # fmt: skip
        office.pass_time({"wait": 30.0, "long": 4_000.0}.get(what, 1.0), works=what != "fail")
    for number, runs in running.items():
        if runs:
            sequences[number] += 1
            office.take(escalation("acme", number, sequences[number], "resolved"))
    office.pass_time(60.0)
    office.pass_time(COOLDOWN + 60.0)
    for one in office.desk.threads.values():
        assert not one.pending
        assert not one.open, one
        assert not one.running, one
    office.pass_time(1.0)
    office.pass_time(30 * 86_400.0)
    assert office.desk.threads == {}


@settings(max_examples=200, deadline=None)
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
        for receiver, action, _, _ in office.told:
            if receiver != name:
                continue
            if action == "open":
                open_now = True
            elif action == "resolve":
                assert open_now
                open_now = False
