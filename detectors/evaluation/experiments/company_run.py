"""The run of one company: weeks of warm-up, then healthy weeks from which incidents branch off.

The baseline run stays healthy. At random moments the mature tenant is copied, and the copy lives
through an incident. So hundreds of incidents need only a few dozen warm-ups, and each meets a
tenant in a different state.
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
"""An incident is only played if its area had no episode for this time, in seconds."""
POSTPONED: Final = 45.0 * SECONDS_PER_HOUR
"""An incident that could not be played is drawn again this much later, in seconds."""
MOST_ATTEMPTS: Final = 4


REMEMBERED: Final = 3_000
"""The last tickets of the baseline run that are remembered, so that they can be repeated."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one company is to go through."""

    spec: Spec
    settings: Settings
    warm_weeks: int = 8
    weeks: int = 6
    """Weeks after the warm-up; incidents begin within them."""
    incidents: dict[str, int] = field(default_factory=dict)
    """The number of incidents of each class."""


@dataclass(frozen=True, kw_only=True)
class Played:
    """The outcome of one incident. Times are in minutes from its start."""

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
    """Pages of healthy weeks; the index in the lists is the age of the tenant in weeks."""

    seed: int
    areas: int
    budget: float
    opened: tuple[int, ...]
    reopened: tuple[int, ...]
    by_kind: tuple[int, int, int]
    """Opened pages of areas, of slices, and of the tenant."""


@dataclass(frozen=True, kw_only=True)
class CompanyRun:
    """The results of one company."""

    seed: int
    played: tuple[Played, ...]
    healthy: Healthy
    """Of the baseline run, warm-up included."""
    skipped: int
    """Incidents that were not played, because their area had an episode each time."""


Visit = Callable[[Tenant, PageRecorder, Sequence[Ticket]], None]
"""Called with the tenant of the baseline run (to be copied, not changed), its recorder, its last
tickets."""


PlayOne = Callable[[Tenant, int, Incident], None]
"""Called with the tenant of the baseline run (to be copied), the number of an incident, and the
incident."""
Listen = Callable[[int, Sequence[Ticket]], None]
"""Called with an hour, counted from 1970, and its tickets."""


class Agenda:
    """When incidents branch off a baseline run: planned ones, and those that had to wait."""

    def __init__(self, plan: Plan, world: World, play_one: PlayOne) -> None:
        """Draw all incidents of *plan*; *play_one* is called with each when its hour comes."""
        self.visits: dict[int, list[Visit]] = {}
        self.skipped = 0
        """Incidents that were not played, because their area had an episode each time."""
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
    """Play the incidents of *plan*."""
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
    """Run the healthy weeks of *plan*; the *visits* of an hour are made before it begins.

    *listen* receives the tickets of each hour.
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
    """Play one incident in a copy of the tenant; *listen* receives the tickets."""
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
    """Return the pages of healthy weeks."""
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
    """Run the same healthy weeks under each of several settings."""
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
