"""One company's way: weeks of warm-up, then healthy weeks from which incidents branch off.

The trunk stays healthy for ever. At random moments the warm tenant is copied, and the copy lives
through an incident in a continuation of its own; so that hundreds of incidents need a few dozen
warm-ups only, and each meets a tenant in another state.
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
"""An incident is only played where its area had no episode for so long."""
POSTPONED: Final = 45.0 * SECONDS_PER_HOUR
"""So much later it is drawn anew where it had."""
MOST_ATTEMPTS: Final = 4


REMEMBERED: Final = 3_000
"""Of the trunk's last tickets, so that they can come again."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one company is to live through."""

    spec: Spec
    settings: Settings
    warm_weeks: int = 8
    weeks: int = 6
    """After the warm-up; incidents begin within them."""
    incidents: dict[str, int] = field(default_factory=dict)
    """How many of each class."""


@dataclass(frozen=True, kw_only=True)
class Played:
    """What became of one incident. Times in minutes from its start."""

    kind: str
    seed: int
    number: int
    area: str | None
    possible: bool
    bound: float
    lasted: float
    delay: float
    """Infinite if nobody was paged in time."""
    pages: int
    later_pages: int
    """After the first page; for level shifts those of the two weeks that follow."""


@dataclass(frozen=True, kw_only=True)
class Healthy:
    """Pages of healthy weeks, the age of the tenant in weeks by place in the lists."""

    seed: int
    areas: int
    budget: float
    opened: tuple[int, ...]
    reopened: tuple[int, ...]
    by_kind: tuple[int, int, int]
    """Opened ones that were an area's, a slice's, the tenant's."""


@dataclass(frozen=True, kw_only=True)
class CompanyRun:
    """What one company gave."""

    seed: int
    played: tuple[Played, ...]
    healthy: Healthy
    """Of the trunk, warm-up included."""
    skipped: int
    """Incidents that were not played, for their area had an episode each time."""


Visit = Callable[[Tenant, PageRecorder, Sequence[Ticket]], None]
"""Called with the trunk's tenant (to be forked, not changed), what it said, its last tickets."""


PlayOne = Callable[[Tenant, int, Incident], None]
"""Called with the trunk's tenant (to be forked), the number of an incident, and the incident."""
Listen = Callable[[int, Sequence[Ticket]], None]
"""Hears an hour, counted from 1970, and its tickets."""


class Agenda:
    """When incidents are played in a trunk: those that are due, and those that had to wait."""

    def __init__(self, plan: Plan, world: World, play_one: PlayOne) -> None:
        """Draw all incidents of *plan*; each is given to *play_one* when its hour comes."""
        self.visits: dict[int, list[Visit]] = {}
        self.skipped = 0
        """Incidents that were not played at all, for their area had an episode each time."""
        self._plan, self._world, self._play = plan, world, play_one
        first = plan.spec.first_hour + HOURS_PER_WEEK * plan.warm_weeks
        self._end = (first + HOURS_PER_WEEK * plan.weeks - 24.0) * SECONDS_PER_HOUR
        for place, kind in enumerate(KINDS):
            for number in range(plan.incidents.get(kind, 0)):
                rng = np.random.default_rng([plan.spec.seed, 3, place, number])
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
            place = KINDS.index(kind)
            anew = np.random.default_rng([world.spec.seed, 6, place, number, attempt])
            self._add(kind, number, anew, later, attempt + 1)

        self.visits.setdefault(int(incident.start // SECONDS_PER_HOUR), []).append(visit)


def run_company(plan: Plan) -> CompanyRun:
    """Live through the incidents of *plan*."""
    spec, settings = plan.spec, plan.settings
    world = World(spec)
    played: list[Played] = []

    def go(tenant: Tenant, number: int, incident: Incident) -> None:
        played.append(play(fork(tenant), world, incident, settings, number))

    agenda = Agenda(plan, world, go)
    watch = walk(plan, world, agenda.visits)
    healthy = summary(watch, spec, settings, plan.warm_weeks + plan.weeks)
    return CompanyRun(seed=spec.seed, played=tuple(played), healthy=healthy, skipped=agenda.skipped)


def walk(
    plan: Plan,
    world: World,
    visits: Mapping[int, Sequence[Visit]],
    listen: Listen = lambda _hour, _tickets: None,
) -> PageRecorder:
    """Live through the healthy weeks of *plan*; before an hour begins its *visits* are made.

    *listen* hears each hour's tickets.
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
    """One incident, in a copy of the tenant that is used up; *listen* hears the tickets too."""
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
    found = watch.first(incident.start, incident.end, area)
    pages = watch.opened(incident.start, incident.plays_until, area)
    return Played(
        kind=incident.kind,
        seed=world.spec.seed,
        number=number,
        area=area,
        possible=incident.possible,
        bound=incident.bound,
        lasted=(incident.end - incident.start) / 60.0,
        delay=math.inf if found is None else (found - incident.start) / 60.0,
        pages=len(pages),
        later_pages=sum(page.at > found for page in pages) if found is not None else len(pages),
    )


def summary(watch: PageRecorder, spec: Spec, settings: Settings, weeks: int) -> Healthy:
    """What *watch* heard in healthy weeks."""
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
    """The same healthy weeks under each of several settings."""
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
    """The name of the area it is in; None: all are."""
    return None if incident.surge.area is None else world.names[incident.surge.area]
