"""Backtests of a history: injected incidents run on branches that leave the trunk unchanged."""

import itertools
from collections.abc import Iterator

import pytest

from detectors.evaluation.experiments.company_run import POSTPONED
from detectors.evaluation.history.backtest import Course, Injections, Walk, Walked, stretch_hours
from detectors.evaluation.history.injection import (
    Branch,
    Injected,
    Injection,
    Taken,
    merged,
    play,
    sizes,
    undisturbed,
)
from detectors.policy.settings import Settings
from detectors.simulation.tickets import Incident, World, tickets
from detectors.step.partition import Partition
from schemas.codec import to_signal, write_escalation
from schemas.signals import Ticket
from schemas.ticket import TicketEvent

DAY = 86_400.0
START = 1_709_510_400.0  # Monday, 2024-03-04
SETTINGS = Settings()
AREAS = {"login": 12.0, "billing": 5.0, "exports": 0.6}


def history(weeks: float = 3.0, incidents: tuple[Incident, ...] = ()) -> list[Taken]:
    world = World(START, weeks * 168.0, AREAS, incidents, seed=5, customers=900)
    signals = [to_signal(TicketEvent.model_validate(one), "simulated") for one in tickets(world)]
    return [Taken(one.created_at, one) for one in signals]


@pytest.fixture(scope="module", name="quiet")
def _quiet() -> list[Taken]:
    return history()


def walked(
    history: list[Taken], injections: tuple[Injection, ...], settings: Settings = SETTINGS
) -> tuple[Walked, list[Injected], list[Branch]]:
    """Run the whole of *history*, and each branch as soon as it starts."""
    found, branches = [], []

    def off(branch: Branch, place: int) -> None:
        branches.append(branch)
        one = play(branch, iter(history[place:]), settings)
        if one is not None:
            found.append(one)

    course = Course(
        settings=settings,
        begin=START + 10 * DAY,
        end=history[-1].at,
        injections=injections,
        followed=tuple(("acme", area) for area in AREAS),
        stretch_hours=4,
    )
    walk = Walk(course, off)
    for place, taken in enumerate(history):
        walk.take(place, taken)
    return walk.finish(), found, branches


def injection_of(
    multiple: float, kind: str = "area", area: str | None = "login", day: float = 16.4
) -> Injection:
    return Injection(
        kind=kind,  # type: ignore[arg-type]  # a kind from the parametrized test
        multiple=multiple,
        tenant="acme",
        area=area,
        number=0,
        start=START + day * DAY,
        seconds=DAY,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "area", "within"),
    [("area", "login", 60.0), ("slice", "login", 360.0), ("tenant", None, 60.0)],
)
def test_an_injected_incident_of_ten_times_the_rate_is_found(
    quiet: list[Taken], kind: str, area: str | None, within: float
) -> None:
    _, (found,), _ = walked(quiet, (injection_of(10.0, kind, area),))
    assert 0.0 < found.delay < within
    assert found.added > 3
    assert (found.slice is not None) == (kind == "slice")


@pytest.mark.slow
def test_an_injection_of_the_usual_rate_adds_no_tickets(quiet: list[Taken]) -> None:
    _, (found,), _ = walked(quiet, (injection_of(1.0),))
    assert found.added == 0
    assert found.delay == float("inf")


@pytest.mark.slow
def test_a_branch_without_added_tickets_equals_the_trunk() -> None:
    """Even with an incident in the window, the copy gives the same bytes as the trunk."""
    spike = Incident("login", START + 17 * DAY, 3.0, 8.0)
    whole = history(3.0, (spike,))
    trunk = Partition(0, 0, SETTINGS)
    trunk_events: list[bytes] = []
    branch, rest = None, iter(())  # type: tuple[Branch | None, Iterator[Taken]]
    injection = injection_of(1.0, day=16.4)
    for place, taken in enumerate(whole):
        if branch is None and taken.at >= injection.start:
            branch = Branch(injection, trunk.tenants["acme"].copy(), 0, {})
            rest = iter(whole[place:])
            trunk_events.clear()
        if branch is not None and taken.at > injection.end:
            break
        trunk_events += map(write_escalation, trunk.take(taken.signal).escalations)
    assert branch is not None
    copy = Partition(0, 0, SETTINGS)
    copy.tenants["acme"] = branch.tenant
    branch_events = [
        write_escalation(event)
        for taken, added in merged(branch, iter(()), rest)
        for event in copy.take(taken.signal).escalations
        if not added
    ]
    assert trunk_events
    assert branch_events == trunk_events
    assert branch.tenant.encode() == trunk.tenants["acme"].encode()


@pytest.mark.slow
def test_branches_leave_no_trace_on_the_trunk(quiet: list[Taken]) -> None:
    alone, _, _ = walked(quiet, ())
    together, _, _ = walked(
        quiet,
        (injection_of(10.0), injection_of(3.0, "tenant", None), injection_of(5.0, area="billing")),
    )
    assert alone.runs == together.runs
    assert alone.timelines == together.timelines
    assert alone.outcomes == together.outcomes


@pytest.mark.slow
def test_the_same_seed_gives_the_same_injections(quiet: list[Taken]) -> None:
    planned = Injections(kinds=("area", "slice"), multiples=(5.0,), repeat=1).plan(
        [("acme", "login"), ("acme", "billing")], START + 10 * DAY, quiet[-1].at
    )
    assert walked(quiet, planned)[1] == walked(quiet, planned)[1]
    other = Injections(kinds=("area",), multiples=(5.0,), repeat=1, seed=2).plan(
        [("acme", "login")], START + 10 * DAY, quiet[-1].at
    )
    assert other[0].start != planned[0].start


@pytest.mark.slow
def test_added_tickets_resemble_recent_ones_of_the_area(quiet: list[Taken]) -> None:
    """Their values are those of recent tickets, and their ids are new."""
    _, _, (branch,) = walked(quiet, (injection_of(5.0),))
    recent = branch.recent["login"]
    known = {one.ticket_id for one in recent}
    place = next(n for n, taken in enumerate(quiet) if taken.at >= branch.injection.start)
    seen = [
        taken.signal
        for taken, added in merged(branch, _more(branch), iter(quiet[place:]))
        if added and isinstance(taken.signal, Ticket)
    ]
    assert len(seen) > 200
    assert [one.created_at for one in seen] == sorted(one.created_at for one in seen)
    assert not known & {one.ticket_id for one in seen}
    assert len({one.ticket_id for one in seen}) == len(seen)
    for name in ("customer", "region", "app_version", "issue_type", "text"):
        assert {getattr(one, name) for one in seen} <= {getattr(one, name) for one in recent}


@pytest.mark.slow
def test_an_injection_into_a_running_incident_is_postponed_or_skipped() -> None:
    spike = Incident("login", START + 17 * DAY, 6.0, 10.0)
    whole = history(3.0, (spike,))
    during = injection_of(10.0, day=17.1)
    found, (later,), _ = walked(whole, (during,))
    assert later.injection.start == during.start + POSTPONED
    found, played, _ = walked(whole[: len(whole) * 17 // 21], (during,))
    assert not played
    assert sum(found.skipped.values()) == 1
    before = injection_of(1.5, day=16.9)
    found, played, _ = walked(whole, (before,))
    (injected,) = undisturbed(played, found.runs)
    assert injected.disturbed
    assert sizes([injected]) == []


def test_injections_are_spread_over_the_evaluated_time() -> None:
    begin, end = START, START + 30 * DAY
    planned = Injections(repeat=5).plan([("acme", "login"), ("acme", "api")], begin, end)
    assert len(planned) == 4 * 5 * (2 + 2 + 1)
    for number in range(5):
        part = [one.start for one in planned if one.number == number]
        room = (end - begin - DAY) / 5
        assert begin + number * room <= min(part)
        assert max(part) <= begin + (number + 1) * room
    assert Injections().plan([("acme", "login")], begin, begin + DAY / 2) == ()


@pytest.mark.slow
def test_timelines_hold_observed_and_expected_counts(quiet: list[Taken]) -> None:
    found, _, _ = walked(quiet, ())
    stretches = found.timelines["acme", "login"]
    assert [b.at - a.at for a, b in itertools.pairwise(stretches)] == [4 * 3600.0] * (
        len(stretches) - 1
    )
    late = [one for one in stretches if one.at >= START + 17 * DAY]
    observed, expected = sum(one.observed for one in late), sum(one.expected for one in late)
    assert 0.85 < observed / expected < 1.15
    counted = sum(taken.signal.area == "login" for taken in quiet if taken.at >= late[0].at)  # type: ignore[union-attr]  # all are tickets
    assert observed < counted  # the observed count is in customer-equivalents
    assert all(one.limit is not None and one.limit >= 0.5 for one in late)


def test_stretches_grow_with_the_length_of_the_history() -> None:
    assert [stretch_hours(0.0, days * DAY, 400) for days in (1, 30, 60, 180, 3_000)] == [
        1, 2, 4, 12, 192,
    ]  # fmt: skip


def _more(branch: Branch) -> Iterator[Ticket]:
    from detectors.evaluation.history import injection  # noqa: PLC0415 - the private part under test

    return injection._additional_tickets(branch, None, branch.injection.generator(1))
