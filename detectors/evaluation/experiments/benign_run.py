"""Play benign events, which must not page, on a mature simulated tenant."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np

from detectors.evaluation.experiments.company_run import (
    QUIET_BEFORE,
    TENANT,
    Healthy,
    Plan,
    Visit,
    healthy_weeks,
    summary,
    walk,
)
from detectors.evaluation.experiments.page_recorder import PageRecorder, fork
from detectors.evaluation.synthetic.benign_events import (
    GUARDS,
    NEW_AREA,
    Arrival,
    Guard,
    Situation,
    new_area,
    noisy_customer,
)
from detectors.evaluation.synthetic.company import Spec, World
from detectors.evaluation.synthetic.incidents import Incident, draw
from detectors.evaluation.synthetic.traffic import Feed
from detectors.foundation.units import HOURS_PER_WEEK, SECONDS_PER_HOUR
from detectors.policy.settings import Settings
from detectors.state.tenant import Tenant
from detectors.step.pipeline import step
from schemas.signals import Tick, Ticket

SEASONS: Final = (5, 35, 43)
"""First weeks of three periods: with Easter and a clock change, with the other clock change, and
with Christmas."""
SUNDAY: Final = 6


@dataclass(frozen=True, kw_only=True)
class BenignResult:
    """The result of one benign event."""

    name: str
    seed: int
    number: int
    pages: int
    pages_without: int
    """Pages in the same hours without the event; computed only for paired events that paged."""
    hours: float
    whole_tenant: bool


@dataclass(frozen=True, kw_only=True)
class Hidden:
    """The results of a real spike, with and without a noisy customer."""

    seed: int
    number: int
    possible: bool
    alone: float
    """Delay in minutes without the noisy customer; infinite if the spike was not found."""
    together: float
    """Delay in minutes with the noisy customer; infinite if the spike was not found."""


@dataclass(frozen=True, kw_only=True)
class BenignRun:
    """The results of the benign events of one company."""

    seed: int
    guarded: tuple[BenignResult, ...]
    hidden: tuple[Hidden, ...]
    healthy: Healthy
    """Pages of the healthy weeks, including the warm-up."""


def run_benign_events(
    plan: Plan, each: int, spikes: int, names: Sequence[str] = tuple(GUARDS)
) -> BenignRun:
    """Play benign events, and spikes beside a noisy customer, on one company.

    Args:
        plan: The plan of the baseline run.
        each: How often each benign event is played.
        spikes: Number of spikes.
        names: The benign events to play.
    """
    world = World(plan.spec)
    guarded: list[BenignResult] = []
    hidden: list[Hidden] = []
    visits: dict[int, list[Visit]] = {}
    for guard_index, name in enumerate(GUARDS):
        if name not in names:
            continue
        guard = GUARDS[name]
        if guard.new_tenant:
            guarded += [_new_tenant(plan, number) for number in range(math.ceil(each / 5))]
            continue
        for number in range(each):
            rng = np.random.default_rng([plan.spec.seed, 4, guard_index, number])
            start = _start(guard, world, plan, rng, number)
            if start is not None:
                visit = _visit(guard, number, start, world, rng, plan.settings, guarded)
                first = int(start // SECONDS_PER_HOUR) - guard.lead_hours
                visits.setdefault(first, []).append(visit)
    for number in range(spikes):
        rng = np.random.default_rng([plan.spec.seed, 5, number])
        incident = draw(
            "step x5", world, rng, _any_time(plan, rng), plan.settings.false_pages_per_week
        )
        visits.setdefault(int(incident.start // SECONDS_PER_HOUR) - 2, []).append(
            _spike(number, incident, world, rng, plan.settings, hidden)
        )
    watch = walk(plan, world, visits)
    healthy = summary(watch, plan.spec, plan.settings, plan.warm_weeks + plan.weeks)
    return BenignRun(
        seed=plan.spec.seed, guarded=tuple(guarded), hidden=tuple(hidden), healthy=healthy
    )


def _any_time(plan: Plan, rng: np.random.Generator) -> float:
    first = plan.spec.first_hour + HOURS_PER_WEEK * plan.warm_weeks
    return (
        float(first + 2.0 + rng.uniform(0.0, HOURS_PER_WEEK * plan.weeks - 36.0)) * SECONDS_PER_HOUR
    )


def _start(
    guard: Guard, world: World, plan: Plan, rng: np.random.Generator, number: int
) -> float | None:
    """Return when an event begins, in seconds since 1970; None if the weeks have no such day."""
    if guard.name not in ("holiday and day after", "daylight saving") and not guard.lead_hours:
        return _any_time(plan, rng)
    first = plan.spec.first_hour + HOURS_PER_WEEK * plan.warm_weeks
    matching = []
    for hour in range(first + 72, first + HOURS_PER_WEEK * plan.weeks - 48):
        local = world.local(hour)
        if local.hour:
            continue
        if guard.lead_hours:
            fits = local.weekday() == 0
        elif guard.name == "daylight saving":
            later = world.local(hour + 24)
            fits = local.weekday() == SUNDAY and local.utcoffset() != later.utcoffset()
        else:
            yesterday = local.date() - timedelta(days=1)
            fits = (
                world.is_holiday(local.date())
                and local.weekday() < SUNDAY - 1
                and not world.is_holiday(yesterday)
            )
        if fits:
            matching.append(hour)
    return matching[number % len(matching)] * SECONDS_PER_HOUR if matching else None


def _visit(
    guard: Guard,
    number: int,
    start: float,
    world: World,
    rng: np.random.Generator,
    settings: Settings,
    results: list[BenignResult],
) -> Visit:
    def visit(tenant: Tenant, watch: PageRecorder, recent: Sequence[Ticket]) -> None:
        area = int(rng.integers(len(world.rates)))
        name = None if guard.whole_tenant else NEW_AREA if guard.new_area else world.names[area]
        if not watch.quiet(name, start - QUIET_BEFORE):
            return
        here = Situation(
            world=world,
            rng=rng,
            start=start,
            end=start + guard.hours * SECONDS_PER_HOUR,
            area=area,
            recent=tuple(recent),
        )
        healthy = _healthy(guard, here, number)
        arrivals = healthy if guard.change is None else guard.change(healthy, here)
        pages = _pages(fork(tenant), arrivals, here, settings, name)
        pages_without = 0
        if pages and guard.paired:
            pages_without = _pages(fork(tenant), healthy, here, settings, name)
        results.append(
            BenignResult(
                name=guard.name,
                seed=world.spec.seed,
                number=number,
                pages=pages,
                pages_without=pages_without,
                hours=guard.hours,
                whole_tenant=guard.whole_tenant,
            )
        )

    return visit


def _healthy(guard: Guard, here: Situation, number: int) -> list[Arrival]:
    guard_index = tuple(GUARDS).index(guard.name)
    feeds = [Feed(here.world, [4, guard_index, number], mode="live")]
    if guard.new_area:
        feeds.append(new_area(here, number))
    tickets: list[Ticket] = []
    first = int(here.start // SECONDS_PER_HOUR)
    for hour in range(first - guard.lead_hours, math.ceil(here.end / SECONDS_PER_HOUR)):
        scale = 1.0 if guard.scale is None else guard.scale(here, hour)
        tickets += feeds[0].hour(hour, scale=scale)
        if guard.new_area and hour > first:
            tickets += feeds[1].hour(hour)
    return [(ticket.created_at, ticket) for ticket in tickets]


def _pages(
    tenant: Tenant,
    arrivals: list[Arrival],
    here: Situation,
    settings: Settings,
    area: str | None,
) -> int:
    watch = arrive(tenant, arrivals, settings)
    return len(watch.opened(here.start, here.end, area))


def arrive(tenant: Tenant, arrivals: list[Arrival], settings: Settings) -> PageRecorder:
    """Process live tickets in the order of their arrival, with a tick every hour.

    Args:
        tenant: The tenant, changed in place.
        arrivals: The arrivals in any order.
        settings: The settings.

    Returns:
        A recorder with the resulting pages.
    """
    watch = PageRecorder()
    now = int(arrivals[0][0] // SECONDS_PER_HOUR) if arrivals else 0
    for at, ticket in sorted(arrivals, key=lambda arrival: arrival[0]):
        while now < at // SECONDS_PER_HOUR:
            now += 1
            watch.hear(
                step(
                    tenant, Tick(now * SECONDS_PER_HOUR, TENANT), settings, now * SECONDS_PER_HOUR
                ).escalations
            )
        events = step(tenant, ticket, settings, at).escalations
        if events:
            watch.hear(events)
    return watch


def _spike(
    number: int,
    incident: Incident,
    world: World,
    rng: np.random.Generator,
    settings: Settings,
    results: list[Hidden],
) -> Visit:
    """Return a visit that plays a real spike twice: alone, and beside a noisy customer.

    The noisy customer starts within the hour before the spike.
    """

    def visit(tenant: Tenant, watch: PageRecorder, recent: Sequence[Ticket]) -> None:
        area_index = incident.surge.area or 0
        area = world.names[area_index]
        if not watch.quiet(area, incident.start - QUIET_BEFORE):
            return
        branch = Feed(world, [5, number], mode="live")
        alone = [
            (ticket.created_at, ticket)
            for hour in range(
                int(incident.start // SECONDS_PER_HOUR) - 2,
                math.ceil(incident.end / SECONDS_PER_HOUR),
            )
            for ticket in branch.hour(hour, (incident.surge,))
        ]
        here = Situation(
            world=world,
            rng=rng,
            start=incident.start - SECONDS_PER_HOUR * float(rng.uniform(0.0, 1.0)),
            end=incident.end,
            area=area_index,
            recent=recent,
        )
        delays = []
        for arrivals in (alone, noisy_customer(alone, here)):
            recorder = arrive(fork(tenant), arrivals, settings)
            paged_at = recorder.first(incident.start, incident.end, area)
            delays.append(math.inf if paged_at is None else (paged_at - incident.start) / 60.0)
        results.append(
            Hidden(
                seed=world.spec.seed,
                number=number,
                possible=incident.possible,
                alone=delays[0],
                together=delays[1],
            )
        )

    return visit


def _new_tenant(plan: Plan, number: int) -> BenignResult:
    guard = GUARDS["new tenant"]
    spec = plan.spec
    other = Spec(
        seed=2_000 + spec.seed * 50 + number,
        areas=spec.areas,
        lowest_rate=spec.lowest_rate,
        highest_rate=spec.highest_rate,
    )
    (healthy,) = healthy_weeks(other, [plan.settings], 1)
    return BenignResult(
        name=guard.name,
        seed=spec.seed,
        number=number,
        pages=healthy.opened[0],
        pages_without=0,
        hours=guard.hours,
        whole_tenant=True,
    )
