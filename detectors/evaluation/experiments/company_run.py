"""The run of one company: weeks of warm-up, then healthy weeks from which incidents branch off.

The baseline run stays healthy. At random times, the mature tenant is copied, and an incident is
played with the copy. Hundreds of incidents thus need only a few dozen warm-ups, and each incident
affects a tenant in a different state.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from detectors.evaluation.experiments.page_recorder import PageRecorder, fork, run_signals
from detectors.evaluation.synthetic.company import Spec, World
from detectors.evaluation.synthetic.incidents import KINDS, Incident, draw
from detectors.evaluation.synthetic.traffic import Feed
from detectors.foundation.units import HOURS_PER_WEEK, SECONDS_PER_HOUR
from detectors.policy.settings import Settings
from detectors.state.tenant import Tenant
from schemas.signals import Tick, Ticket

TENANT: Final = "acme"
QUIET_BEFORE: Final = 6.5 * SECONDS_PER_HOUR
"""An incident is played only if its area had no episode for this long, in seconds."""
POSTPONED: Final = 45.0 * SECONDS_PER_HOUR
"""An incident that cannot be played is drawn again this much later, in seconds."""
MOST_ATTEMPTS: Final = 4
REMEMBERED: Final = 3_000
"""Number of recent tickets of the baseline run that are kept, so that they can be repeated."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The plan for the run of one company."""

    spec: Spec
    settings: Settings
    warm_weeks: int = 8
    weeks: int = 6
    """Weeks after the warm-up; incidents begin within them."""
    incidents: dict[str, int] = field(default_factory=dict)
    """Number of incidents by class."""


@dataclass(frozen=True, kw_only=True)
class Played:
    """The outcome of one incident. Times are in minutes since the start of the incident."""

    kind: str
    seed: int
    number: int
    area: str | None
    possible: bool
    bound: float
    lasted: float
    delay: float
    """Infinite if there was no page in time."""
    pages: int
    later_pages: int
    """Pages after the first one; for level shifts, those of the two weeks that follow."""


@dataclass(frozen=True, kw_only=True)
class Healthy:
    """Pages in healthy weeks; the index in the tuples is the age of the tenant in weeks."""

    seed: int
    areas: int
    budget: float
    opened: tuple[int, ...]
    reopened: tuple[int, ...]
    by_kind: tuple[int, int, int]
    """Opened pages for areas, for slices, and for the tenant."""


@dataclass(frozen=True, kw_only=True)
class CompanyRun:
    """The results of one company."""

    seed: int
    played: tuple[Played, ...]
    healthy: Healthy
    """Pages of the baseline run, including the warm-up."""
    skipped: int
    """Incidents that were not played, because their area had an episode at each attempt."""


Visit = Callable[[Tenant, PageRecorder, Sequence[Ticket]], None]
"""Receives the tenant of the baseline run (to be copied, not changed), its recorder, and its last
tickets."""
PlayOne = Callable[[Tenant, int, Incident], None]
"""Receives the tenant of the baseline run (to be copied, not changed), the number of an incident,
and the incident."""
Listen = Callable[[int, Sequence[Ticket]], None]
"""Receives an hour, counted from 1970, and its tickets."""


class Agenda:
    """The times at which incidents branch off a baseline run, including postponed incidents."""

    def __init__(self, plan: Plan, world: World, play_one: PlayOne) -> None:
        """Draw all incidents of a plan.

        Args:
            plan: The plan.
            world: The company.
            play_one: Called for each incident when its time comes.
        """
        self.visits: dict[int, list[Visit]] = {}
        """Visits by hour since 1970."""
        self.skipped = 0
        """Incidents that were not played, because their area had an episode at each attempt."""
        self._plan, self._world, self._play = plan, world, play_one
        first = plan.spec.first_hour + HOURS_PER_WEEK * plan.warm_weeks
        self._end = (first + HOURS_PER_WEEK * plan.weeks - 24.0) * SECONDS_PER_HOUR
        for kind_index, kind in enumerate(KINDS):
            for number in range(plan.incidents.get(kind, 0)):
                rng = np.random.default_rng([plan.spec.seed, 3, kind_index, number])
                start = first * SECONDS_PER_HOUR + rng.uniform(
                    0.0, self._end - first * SECONDS_PER_HOUR
                )
                self._add(kind, number, rng, start, 0)

    def _add(
        self, kind: str, number: int, rng: np.random.Generator, start: float, attempt: int
    ) -> None:
        world = self._world
        incident = draw(kind, world, rng, start, self._plan.settings.false_pages_per_week)

        def visit(tenant: Tenant, watch: PageRecorder, recent: Sequence[Ticket]) -> None:
            del recent
            if watch.quiet(area_of(world, incident), incident.start - QUIET_BEFORE):
                self._play(tenant, number, incident)
                return
            later = incident.start + POSTPONED
            if attempt >= MOST_ATTEMPTS or later >= self._end:
                self.skipped += 1
                return
            seed = [world.spec.seed, 6, KINDS.index(kind), number, attempt]
            self._add(kind, number, np.random.default_rng(seed), later, attempt + 1)

        self.visits.setdefault(int(incident.start // SECONDS_PER_HOUR), []).append(visit)


def run_company(plan: Plan) -> CompanyRun:
    """Run a company and play the incidents of its plan."""
    spec, settings = plan.spec, plan.settings
    world = World(spec)
    played: list[Played] = []

    def play_one(tenant: Tenant, number: int, incident: Incident) -> None:
        played.append(play(fork(tenant), world, incident, settings, number))

    agenda = Agenda(plan, world, play_one)
    watch = walk(plan, world, agenda.visits)
    healthy = summary(watch, spec, settings, plan.warm_weeks + plan.weeks)
    return CompanyRun(seed=spec.seed, played=tuple(played), healthy=healthy, skipped=agenda.skipped)


def walk(
    plan: Plan,
    world: World,
    visits: Mapping[int, Sequence[Visit]],
    listen: Listen = lambda _hour, _tickets: None,
) -> PageRecorder:
    """Run the healthy weeks of a plan.

    Args:
        plan: The plan.
        world: The company.
        visits: Called before each hour, by hour since 1970.
        listen: Receives the tickets of each hour.
    """
    settings = plan.settings
    tenant, watch, trunk = Tenant(TENANT, settings), PageRecorder(), Feed(world, [0])
    recent: deque[Ticket] = deque(maxlen=REMEMBERED)
    first = plan.spec.first_hour
    for hour in range(first, first + HOURS_PER_WEEK * (plan.warm_weeks + plan.weeks)):
        for visit in visits.get(hour, ()):
            visit(tenant, watch, recent)
        tickets = trunk.hour(hour)
        recent.extend(tickets)
        listen(hour, tickets)
        run_signals(tenant, tickets, settings, watch)
        run_signals(tenant, (Tick((hour + 1) * SECONDS_PER_HOUR, TENANT),), settings, watch)
    return watch


def play(
    tenant: Tenant,
    world: World,
    incident: Incident,
    settings: Settings,
    number: int,
    listen: Listen = lambda _hour, _tickets: None,
) -> Played:
    """Play one incident.

    Args:
        tenant: A copy of the tenant, changed in place.
        world: The company.
        incident: The incident.
        settings: The settings.
        number: The number of the incident in its class.
        listen: Receives the tickets of each hour.
    """
    watch = PageRecorder()
    branch = Feed(world, [1, KINDS.index(incident.kind), number])
    for hour in range(
        int(incident.start // SECONDS_PER_HOUR), math.ceil(incident.plays_until / SECONDS_PER_HOUR)
    ):
        tickets = branch.hour(hour, (incident.surge,))
        listen(hour, tickets)
        run_signals(tenant, tickets, settings, watch)
        run_signals(tenant, (Tick((hour + 1) * SECONDS_PER_HOUR, TENANT),), settings, watch)
    area = area_of(world, incident)
    paged_at = watch.first(incident.start, incident.end, area)
    pages = watch.opened(incident.start, incident.plays_until, area)
    later_pages = sum(page.at > paged_at for page in pages) if paged_at is not None else len(pages)
    return Played(
        kind=incident.kind,
        seed=world.spec.seed,
        number=number,
        area=area,
        possible=incident.possible,
        bound=incident.bound,
        lasted=(incident.end - incident.start) / 60.0,
        delay=math.inf if paged_at is None else (paged_at - incident.start) / 60.0,
        pages=len(pages),
        later_pages=later_pages,
    )


def summary(watch: PageRecorder, spec: Spec, settings: Settings, weeks: int) -> Healthy:
    """Count the recorded pages of healthy weeks by week and kind."""
    opened, reopened, kinds = [0] * weeks, [0] * weeks, [0, 0, 0]
    for page in watch.pages:
        week = min(int((page.at / SECONDS_PER_HOUR - spec.first_hour) // HOURS_PER_WEEK), weeks - 1)
        if page.transition == "opened":
            opened[week] += 1
            kinds[2 if page.area is None else 0 if page.slice is None else 1] += 1
        reopened[week] += page.transition == "reopened"
    return Healthy(
        seed=spec.seed,
        areas=spec.areas,
        budget=settings.false_pages_per_week,
        opened=tuple(opened),
        reopened=tuple(reopened),
        by_kind=(kinds[0], kinds[1], kinds[2]),
    )


def healthy_weeks(spec: Spec, variants: Sequence[Settings], weeks: int) -> list[Healthy]:
    """Run the same healthy weeks with each of several settings."""
    trunk = Feed(World(spec), [0])
    tenants = [Tenant(TENANT, settings) for settings in variants]
    watches = [PageRecorder() for _ in variants]
    for hour in range(spec.first_hour, spec.first_hour + HOURS_PER_WEEK * weeks):
        tickets = trunk.hour(hour)
        tick = (Tick((hour + 1) * SECONDS_PER_HOUR, TENANT),)
        for tenant, watch, settings in zip(tenants, watches, variants, strict=True):
            run_signals(tenant, tickets, settings, watch)
            run_signals(tenant, tick, settings, watch)
    return [
        summary(watch, spec, settings, weeks)
        for watch, settings in zip(watches, variants, strict=True)
    ]


def area_of(world: World, incident: Incident) -> str | None:
    """Return the area of an incident; None: all areas."""
    return None if incident.surge.area is None else world.names[incident.surge.area]
