"""Play a company's own history through the step, and branch injected incidents off it."""

import heapq
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, get_args

import numpy as np

from detectors.evaluation.experiments.company_run import MOST_ATTEMPTS, POSTPONED, QUIET_BEFORE
from detectors.evaluation.experiments.page_recorder import PageRecorder
from detectors.evaluation.history.injection import KINDS, Branch, Injection, Kind, Taken
from detectors.evaluation.history.page_log import PagedEpisode, PageLog
from detectors.policy.settings import Dimension, Settings
from detectors.state.tenant import Tenant
from detectors.step.partition import Partition
from detectors.timelines.whole_run import BacktestBucket, BacktestTimelines
from schemas.escalation import EscalationEvent
from schemas.signals import UNCLASSIFIED, Ticket

RECENT: Final = 500
"""Tickets of an area that are remembered, to make more like them."""
MOST_ISSUES: Final = 5
TOLD: Final = 0.1
"""Of the recent tickets: a dimension that fewer tell is not worth watching."""
LEAST_RECENT: Final = 10
"""An area with fewer recent tickets is not characterised."""

BranchOff = Callable[[Branch, int], None]
"""Called with a branch, and the place in the history of the first signal that it is to get."""


@dataclass(frozen=True, kw_only=True)
class Injections:
    """What is to be injected: each kind in each size, so many times in each area."""

    kinds: tuple[Kind, ...] = KINDS
    multiples: tuple[float, ...] = (2.0, 3.0, 5.0, 10.0)
    repeat: int = 3
    seconds: float = 24.0 * 3600.0
    """How long each lasts."""
    seed: int = 1

    def plan(
        self, areas: Sequence[tuple[str, str]], begin: float, end: float
    ) -> tuple[Injection, ...]:
        """All incidents, each repetition in its own part of the time from *begin* to *end*.

        Example:
            >>> wanted = Injections(kinds=("area",), multiples=(5.0,))
            >>> planned = wanted.plan([("acme", "api")], 0.0, 9e5)
            >>> [one.area for one in planned], planned[0].start < planned[1].start
            (['api', 'api', 'api'], True)
        """
        room = end - begin - self.seconds
        if room < 0.0:
            return ()
        tenants = list(dict.fromkeys(tenant for tenant, _ in areas))
        found = []
        for kind in self.kinds:
            places: list[tuple[str, str | None]] = (
                [(tenant, None) for tenant in tenants] if kind == "tenant" else [*areas]
            )
            for tenant, area in places:
                for multiple in self.multiples:
                    for number in range(self.repeat):
                        one = Injection(
                            kind=kind,
                            multiple=multiple,
                            tenant=tenant,
                            area=area,
                            number=number,
                            start=begin,
                            seconds=self.seconds,
                            seed=self.seed,
                        )
                        into = (number + float(one.generator(0).random())) / self.repeat
                        found.append(one.starting(round(begin + room * into, 3)))
        return tuple(found)


@dataclass(frozen=True, kw_only=True)
class Course:
    """What a history is to be played for."""

    settings: Settings
    begin: float
    """When pages begin to count, seconds since 1970: the warm-up is over."""
    end: float
    """Of the last ticket."""
    injections: tuple[Injection, ...] = ()
    followed: tuple[tuple[str, str], ...] = ()
    """Tenants and areas whose timelines are kept."""
    stretch_hours: int = 1


@dataclass(frozen=True, kw_only=True)
class AreaFacts:
    """What is known of an area at the end."""

    tenant: str
    area: str
    tickets: int
    rate: float
    """Customer-equivalents an hour, the mean since its first ticket, of a week at least."""
    coarse: bool
    """Whether its times tell the day alone."""
    mature_hours: float
    issue_types: tuple[tuple[str, float], ...] = ()
    """The most frequent of its recent tickets, and their shares."""
    known_dimensions: tuple[str, ...] = ()
    """Dimensions that at least a tenth of its recent tickets tell."""


@dataclass
class Walked:
    """What a history led to."""

    runs: list[PagedEpisode] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    """Signals by what became of them."""
    timelines: Mapping[tuple[str, str], list[BacktestBucket]] = field(default_factory=dict)
    areas: list[AreaFacts] = field(default_factory=list)
    gaps: int = 0
    """How often the source was silent longer than chance explains: those hours teach nothing."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Incidents that were not played, by the reason in words."""


class Walk:
    """One way through a history, signal by signal."""

    def __init__(
        self,
        course: Course,
        branch_off: BranchOff = lambda _branch, _place: None,
        hear: Callable[[EscalationEvent], None] = lambda _event: None,
    ) -> None:
        """Start without signals.

        Args:
            course: What it is played for.
            branch_off: Gets each incident, to be played at once or elsewhere.
            hear: Gets each escalation.
        """
        self._course, self._branch_off, self._hear = course, branch_off, hear
        self._partitions: dict[int, Partition] = {}
        self._watches: dict[str, PageRecorder] = {}
        self._diary = PageLog()
        self._lines = BacktestTimelines(course.followed, course.stretch_hours)
        self._due: dict[str, list[tuple[float, int, int, Injection]]] = {}
        self.walked = Walked(runs=self._diary.runs, timelines=self._lines.stretches)
        self._recent: dict[tuple[str, str], deque[Ticket]] = {}
        for place, one in enumerate(course.injections):
            heapq.heappush(self._due.setdefault(one.tenant, []), (one.start, place, 0, one))
            if one.area is not None:
                self._recent[one.tenant, one.area] = deque(maxlen=RECENT)
        if any(one.area is None for one in course.injections):
            for key in course.followed:
                self._recent.setdefault(key, deque(maxlen=RECENT))

    def take(self, place: int, taken: Taken) -> None:
        """The signal that stands at *place* of the history."""
        signal, settings = taken.signal, self._course.settings
        partition = self._partitions.get(taken.partition)
        if partition is None:
            partition = self._partitions[taken.partition] = Partition(taken.partition, 0, settings)
        tenant = partition.tenants.get(signal.tenant) if signal.tenant is not None else None
        if tenant is not None and isinstance(signal, Ticket):
            expected = self._due.get(tenant.name)
            if expected and expected[0][0] <= signal.created_at:
                self._begin(tenant, taken.partition, expected, signal.created_at, place)
            self._lines.look(tenant, signal.created_at, settings)
        done = partition.take(signal, taken.received_at)
        self.walked.outcomes[done.outcome] += 1
        self.walked.gaps += "feed_gap" in done.guards
        if isinstance(signal, Ticket) and done.outcome == "counted":
            self._remember(signal, placed=done.placed in ("rule", "model"))
        if tenant is not None:
            self._lines.scored(tenant)
        if done.escalations:
            self._diary.hear(done.escalations)
            for event in done.escalations:
                self._watches.setdefault(event.data.tenant, PageRecorder()).hear((event,))
                self._hear(event)

    def finish(self) -> Walked:
        """No more comes."""
        tenants = [t for p in self._partitions.values() for _, t in sorted(p.tenants.items())]
        self._lines.finish(tenants)
        for tenant in tenants:
            self.walked.areas += _facts(tenant, self._recent)
        left = sum(map(len, self._due.values()))
        if left:
            self.walked.skipped["the history ended before"] += left
        return self.walked

    def _remember(self, ticket: Ticket, *, placed: bool) -> None:
        area = self._course.settings.taxonomy.canonical(ticket.area)
        recent = self._recent.get((ticket.tenant, area))
        if recent is not None and not (placed and area == UNCLASSIFIED):
            recent.append(ticket)

    def _begin(
        self,
        tenant: Tenant,
        partition: int,
        expected: list[tuple[float, int, int, Injection]],
        at: float,
        place: int,
    ) -> None:
        """Branch off what begins before *at*, or put it off where an episode runs."""
        while expected and expected[0][0] <= at:
            _, number, attempt, one = heapq.heappop(expected)
            recent = {
                area: tuple(found)
                for (name, area), found in self._recent.items()
                if name == one.tenant
                and one.area in (None, area)
                and len(found) >= LEAST_RECENT
                and area in tenant.areas
            }
            if not recent:
                self.walked.skipped["too few tickets of the area had come"] += 1
                continue
            watch = self._watches.setdefault(one.tenant, PageRecorder())
            if watch.quiet(one.area, one.start - QUIET_BEFORE) and not tenant.in_history:
                branch = Branch(one, tenant.copy(), partition, recent)
                self._branch_off(branch, place)
                continue
            later = one.start + POSTPONED
            if attempt < MOST_ATTEMPTS and later + one.seconds <= self._course.end:
                heapq.heappush(expected, (later, number, attempt + 1, one.starting(later)))
            else:
                self.walked.skipped["an episode ran, or history that pages nobody"] += 1


def stretch_hours(begin: float, end: float, most: int) -> int:
    """Hours of a stretch so that at most *most* reach from *begin* to *end* (seconds).

    Those that make up a day, or whole days.

    Example:
        >>> stretch_hours(0.0, 26 * 7 * 86400.0, 400)
        12
    """
    needed = (end - begin) / 3600.0 / most
    return next(
        (h for h in (1, 2, 3, 4, 6, 8, 12, 24) if h >= needed), 24 * int(np.ceil(needed / 24))
    )


def _facts(tenant: Tenant, recents: Mapping[tuple[str, str], Sequence[Ticket]]) -> list[AreaFacts]:
    if tenant.clock is None:
        return []
    found = []
    for area, series in sorted(tenant.areas.items()):
        hours = max(tenant.clock / 3600.0 - series.born, 168.0)
        recent = recents.get((tenant.name, area), ())
        issues = Counter(one.issue_type for one in recent if one.issue_type)
        found.append(
            AreaFacts(
                tenant=tenant.name,
                area=area,
                tickets=series.tickets,
                rate=series.seen / hours,
                coarse=series.coarse > 0.5 or tenant.whole.coarse > 0.5,
                mature_hours=series.model.maturity_hours,
                issue_types=tuple(
                    (name, count / len(recent)) for name, count in issues.most_common(MOST_ISSUES)
                ),
                known_dimensions=tuple(
                    name
                    for name in get_args(Dimension)
                    if sum(getattr(one, name) is not None for one in recent) > TOLD * len(recent)
                ),
            )
        )
    return found
