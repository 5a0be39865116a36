"""Repeated decisions: they give the same bytes after restarts and verdicts, with all numbers."""

import msgspec
import pytest

from detectors.forensics.redecide import LoggedSignal, differences, redecide
from detectors.step.partition import Partition
from schemas.codec import write_escalation
from schemas.escalation import EscalationEvent
from schemas.signals import Tick, Ticket
from tests.bench.bench_explain import SETTINGS, make_signals, run_worker

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", name="short_run")
def _short_run() -> tuple[list[LoggedSignal], list[EscalationEvent]]:
    """Return the log and the events of a worker that took 6,000 signals."""
    return run_worker(make_signals(3)[:6_000])


@pytest.mark.parametrize("seed", [1, 2])
def test_every_repeated_decision_is_the_same(seed: int) -> None:
    """An uninterrupted run repeats the events of a worker with restarts and verdicts."""
    signals = make_signals(seed)
    log, stored = run_worker(signals[: len(signals) // 2])
    assert len({event.data.episode_id for event in stored}) >= 5
    partition = Partition(0, 0, SETTINGS)
    found = {event.id: event for event, _ in redecide(partition, log, lambda _: True)}
    assert [write_escalation(found[event.id]) for event in stored] == [
        write_escalation(event) for event in stored
    ]


def test_a_decision_has_its_position_and_its_numbers(
    short_run: tuple[list[LoggedSignal], list[EscalationEvent]],
) -> None:
    """A decision has its log position, its threshold, and the windows that share the score."""
    log, _ = short_run
    partition = Partition(0, 0, SETTINGS)
    decisions = [
        (event, decision)
        for event, decision in redecide(partition, log, lambda e: e.transition == "opened")
        if decision.kind == "area"
    ]
    assert decisions
    for event, decision in decisions:
        assert decision.decided_by.startswith("log@")
        assert decision.score >= decision.bar
        assert decision.limit is not None
        limit = decision.limit
        parts = limit.reach + limit.by_pages + limit.by_verdicts + limit.by_tenant
        assert limit.limit == max(0.5, parts)
        assert sum(member.share for member in decision.members) == pytest.approx(1.0)
        assert {guard.name for guard in decision.guards} >= {"newborn", "called_false", "storm"}
        assert round(decision.score, 4) == event.data.score


def test_an_episode_resolved_by_a_tick_has_no_threshold() -> None:
    """A tick without a tenant resolves the episode without comparing a score."""
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
    decisions = {
        event.transition: decision
        for event, decision in redecide(Partition(0, 0, SETTINGS), log, lambda _: True)
    }
    assert decisions["opened"].limit is not None
    assert decisions["resolved"].decided_by == "tick"
    assert (decisions["resolved"].limit, decisions["resolved"].bar) == (None, float("inf"))
    assert decisions["resolved"].members == []


def test_differences_between_events_name_their_fields(
    short_run: tuple[list[LoggedSignal], list[EscalationEvent]],
) -> None:
    """The first fields that differ are listed by their paths."""
    _, stored = short_run
    event = stored[0]
    changed = event.model_copy(update={"data": event.data.model_copy(update={"tickets": 99})})
    assert differences(event, changed) == [("data.tickets", event.data.tickets, 99)]
