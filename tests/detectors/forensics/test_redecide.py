"""Decisions made again: the same bytes after restarts and verdicts, and all their numbers."""

import msgspec
import pytest

from detectors.forensics.redecide import LoggedSignal, differences, redecide
from detectors.step.partition import Partition
from schemas.codec import write_escalation
from schemas.signals import Tick, Ticket
from tests.bench.bench_explain import SETTINGS, make_signals, run_worker

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", [1, 2])
def test_every_decision_comes_out_the_same(seed: int) -> None:
    """What a worker with restarts and verdicts wrote is made again by one that never stopped."""
    signals = make_signals(seed)
    log, stored = run_worker(signals[: len(signals) // 2])
    assert len({event.data.episode_id for event in stored}) >= 5
    partition = Partition(0, 0, SETTINGS)
    found = {event.id: event for event, _ in redecide(partition, log, lambda _: True)}
    assert [write_escalation(found[event.id]) for event in stored] == [
        write_escalation(event) for event in stored
    ]


def test_a_decision_names_its_place_and_its_numbers() -> None:
    """Where it stands in the log, what it was held against, and windows that share the score."""
    log, _ = run_worker(make_signals(3)[:6_000])
    partition = Partition(0, 0, SETTINGS)
    told = [
        (event, decision)
        for event, decision in redecide(partition, log, lambda e: e.transition == "opened")
        if decision.kind == "area"
    ]
    assert told
    for event, decision in told:
        assert decision.decided_by.startswith("log@")
        assert decision.score >= decision.bar
        assert decision.limit is not None
        limit = decision.limit
        parts = limit.reach + limit.by_pages + limit.by_verdicts
        assert limit.limit == max(0.5, parts)
        assert sum(member.share for member in decision.members) == pytest.approx(1.0)
        assert {guard.name for guard in decision.guards} >= {"newborn", "called_false", "storm"}
        assert round(decision.score, 4) == event.data.score


def test_an_end_by_time_alone_has_no_limit_of_the_ticket_before() -> None:
    """A tick that names no tenant ends what the last ticket opened: nothing was held against it."""
    partition, log = Partition(0, owner=0, settings=SETTINGS), list[LoggedSignal]()
    live_tickets = [
        msgspec.structs.replace(signal, mode="live")  # simulated time has ticks of its own
        for signal in make_signals(3)[:6_000]
        if isinstance(signal, Ticket)
    ]
    for signal in live_tickets:
        log.append(LoggedSignal(f"{len(log)}", signal))
        if any(event.transition == "opened" for event in partition.take(signal).escalations):
            break
    log.append(LoggedSignal("tick", Tick(signal.created_at + 86_400.0)))
    told = {
        event.transition: decision
        for event, decision in redecide(Partition(0, 0, SETTINGS), log, lambda _: True)
    }
    assert told["opened"].limit is not None
    assert told["resolved"].decided_by == "tick"
    assert (told["resolved"].limit, told["resolved"].bar) == (None, float("inf"))
    assert told["resolved"].members == []


def test_events_that_differ_say_where() -> None:
    """The first fields that differ, by their paths."""
    _, stored = run_worker(make_signals(3)[:6_000])
    event = stored[0]
    changed = event.model_copy(update={"data": event.data.model_copy(update={"tickets": 99})})
    assert differences(event, changed) == [("data.tickets", event.data.tickets, 99)]
