"""Process a company's own history, and branch injected incidents off it."""

import heapq
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
"""Number of recent tickets that are kept per area, as templates for injected tickets."""
MOST_ISSUES: Final = 5
KNOWN_SHARE: Final = 0.1
"""The smallest share of recent tickets with a value from which a dimension is worth watching."""
LEAST_RECENT: Final = 10
"""The fewest recent tickets from which an area can receive injected tickets."""

BranchOff = Callable[[Branch, int], None]
"""Receives a branch, and the position of its first signal in the history."""


@dataclass(frozen=True, kw_only=True)
class Injections:
    """The incidents to inject: each kind in each size, several times in each area."""

    kinds: tuple[Kind, ...] = KINDS
    multiples: tuple[float, ...] = (2.0, 3.0, 5.0, 10.0)
    repeat: int = 3
    seconds: float = 24.0 * 3600.0
    """Duration of each incident."""
    seed: int = 1

    def plan(
        self, areas: Sequence[tuple[str, str]], begin: float, end: float
    ) -> tuple[Injection, ...]:
        """Return all incidents, each repetition in a separate part of the time.

        Args:
            areas: Pairs of tenant and area.
            begin: Start of the time, seconds since 1970.
            end: End of the time, seconds since 1970.

        Example:
            >>> injections = Injections(kinds=("area",), multiples=(5.0,))
            >>> planned = injections.plan([("acme", "api")], 0.0, 9e5)
            >>> [injection.area for injection in planned], planned[0].start < planned[1].start
            (['api', 'api', 'api'], True)
        """
        room = end - begin - self.seconds
        if room < 0.0:
            return ()
        tenants = list(dict.fromkeys(tenant for tenant, _ in areas))
        injections = []
        for kind in self.kinds:
            scopes: list[tuple[str, str | None]] = (
                [(tenant, None) for tenant in tenants] if kind == "tenant" else [*areas]
            )
            for tenant, area in scopes:
                for multiple in self.multiples:
                    for number in range(self.repeat):
                        injection = Injection(
                            kind=kind,
                            multiple=multiple,
                            tenant=tenant,
                            area=area,
                            number=number,
                            start=begin,
                            seconds=self.seconds,
                            seed=self.seed,
                        )
                        hours = replace(injection, multiple=1.0).generator(0)  # the same hours for
                        part = (
                            number + float(hours.random())
                        ) / self.repeat  # incidents of any size
                        injections.append(injection.starting(round(begin + room * part, 3)))
        return tuple(injections)


@dataclass(frozen=True, kw_only=True)
class Course:
    """How to process a history."""

    settings: Settings
    begin: float
    """End of the warm-up, from which pages count, seconds since 1970."""
    end: float
    """Time of the last ticket, seconds since 1970."""
    injections: tuple[Injection, ...] = ()
    followed: tuple[tuple[str, str], ...] = ()
    """Pairs of tenant and area whose timelines are recorded."""
    stretch_hours: int = 1
    """Length of a bucket in the timelines, in hours."""


@dataclass(frozen=True, kw_only=True)
class AreaFacts:
    """Figures of an area at the end of the history."""

    tenant: str
    area: str
    tickets: int
    rate: float
    """Mean customer-equivalents per hour since the area's first ticket, over at least a week."""
    coarse: bool
    """Whether the timestamps have only day resolution."""
    mature_hours: float
    """Hours that the model has learned from."""
    issue_types: tuple[tuple[str, float], ...] = ()
    """The most frequent issue types of the recent tickets, with their shares."""
    known_dimensions: tuple[str, ...] = ()
    """Dimensions with a value on more than `KNOWN_SHARE` of the recent tickets."""


@dataclass
class Walked:
    """The result of processing a history."""

    runs: list[PagedEpisode] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    """Number of signals by outcome."""
    timelines: Mapping[tuple[str, str], list[BacktestBucket]] = field(default_factory=dict)
    areas: list[AreaFacts] = field(default_factory=list)
    gaps: int = 0
    """Number of feed gaps."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Number of incidents that were not injected, by reason."""


class Walk:
    """Processes a history, signal by signal."""

    def __init__(
        self,
        course: Course,
        branch_off: BranchOff = lambda _branch, _place: None,
        hear: Callable[[EscalationEvent], None] = lambda _event: None,
    ) -> None:
        """Start before the first signal.

        Args:
            course: How to process the history.
            branch_off: Receives each branch, to play its incident now or later.
            hear: Receives each escalation event.
        """
        self._course, self._branch_off, self._hear = course, branch_off, hear
        self._partitions: dict[int, Partition] = {}
        self._watches: dict[str, PageRecorder] = {}
        self._diary = PageLog()
        self._lines = BacktestTimelines(course.followed, course.stretch_hours)
        self._due: dict[str, list[tuple[float, int, int, Injection]]] = {}
        self.walked = Walked(runs=self._diary.runs, timelines=self._lines.stretches)
        self._recent: dict[tuple[str, str], deque[Ticket]] = {}
        for number, injection in enumerate(course.injections):
            queue = self._due.setdefault(injection.tenant, [])
            heapq.heappush(queue, (injection.start, number, 0, injection))
            if injection.area is not None:
                self._recent[injection.tenant, injection.area] = deque(maxlen=RECENT)
        if any(injection.area is None for injection in course.injections):
            for key in course.followed:
                self._recent.setdefault(key, deque(maxlen=RECENT))

    def take(self, place: int, taken: Taken) -> None:
        """Process a signal.

        Args:
            place: Position of the signal in the history.
            taken: The signal.
        """
        signal, settings = taken.signal, self._course.settings
        partition = self._partitions.get(taken.partition)
        if partition is None:
            partition = self._partitions[taken.partition] = Partition(taken.partition, 0, settings)
        tenant = partition.tenants.get(signal.tenant) if signal.tenant is not None else None
        if tenant is not None and isinstance(signal, Ticket):
            queue = self._due.get(tenant.name)
            if queue and queue[0][0] <= signal.created_at:
                self._begin(tenant, taken.partition, queue, signal.created_at, place)
            self._lines.look(tenant, signal.created_at, settings)
        result = partition.take(signal, taken.received_at)
        self.walked.outcomes[result.outcome] += 1
        self.walked.gaps += "feed_gap" in result.guards
        if isinstance(signal, Ticket) and result.outcome == "counted":
            self._remember(signal, is_classified=result.placed in ("rule", "model"))
        if tenant is not None:
            self._lines.scored(tenant)
        if result.escalations:
            self._diary.hear(result.escalations)
            for event in result.escalations:
                self._watches.setdefault(event.data.tenant, PageRecorder()).hear((event,))
                self._hear(event)

    def finish(self) -> Walked:
        """End the history and return the result."""
        tenants = [t for p in self._partitions.values() for _, t in sorted(p.tenants.items())]
        self._lines.finish(tenants)
        for tenant in tenants:
            self.walked.areas += _facts(tenant, self._recent)
        remaining = sum(map(len, self._due.values()))
        if remaining:
            self.walked.skipped["the history ended first"] += remaining
        return self.walked

    def _remember(self, ticket: Ticket, *, is_classified: bool) -> None:
        area = self._course.settings.taxonomy.canonical(ticket.area)
        recent = self._recent.get((ticket.tenant, area))
        if recent is not None and not (is_classified and area == UNCLASSIFIED):
            recent.append(ticket)

    def _begin(
        self,
        tenant: Tenant,
        partition: int,
        queue: list[tuple[float, int, int, Injection]],
        at: float,
        place: int,
    ) -> None:
        """Branch off incidents that begin until *at*; postpone them if an episode is running."""
        while queue and queue[0][0] <= at:
            _, number, attempt, injection = heapq.heappop(queue)
            recent = {
                area: tuple(tickets)
                for (name, area), tickets in self._recent.items()
                if name == injection.tenant
                and injection.area in (None, area)
                and len(tickets) >= LEAST_RECENT
                and area in tenant.areas
            }
            if not recent:
                self.walked.skipped["the area had too few recent tickets"] += 1
                continue
            watch = self._watches.setdefault(injection.tenant, PageRecorder())
            is_quiet = watch.quiet(injection.area, injection.start - QUIET_BEFORE)
            if is_quiet and not tenant.in_history:
                branch = Branch(injection, tenant.copy(), partition, recent)
                self._branch_off(branch, place)
                continue
            later = injection.start + POSTPONED
            if attempt < MOST_ATTEMPTS and later + injection.seconds <= self._course.end:
                postponed = injection.starting(later)
                heapq.heappush(queue, (later, number, attempt + 1, postponed))
            else:
                reason = "an episode was running, or the tickets were sent as history"
                self.walked.skipped[reason] += 1


def stretch_hours(begin: float, end: float, most: int) -> int:
    """Return the bucket length of a timeline, in hours.

    The length divides a day, or is a number of whole days.

    Args:
        begin: Start of the timeline, in seconds.
        end: End of the timeline, in seconds.
        most: The most buckets in the timeline.

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
    facts = []
    for area, series in sorted(tenant.areas.items()):
        hours = max(tenant.clock / 3600.0 - series.born, 168.0)
        recent = recents.get((tenant.name, area), ())
        issues = Counter(ticket.issue_type for ticket in recent if ticket.issue_type)
        facts.append(
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
                    if sum(getattr(ticket, name) is not None for ticket in recent)
                    > KNOWN_SHARE * len(recent)
                ),
            )
        )
    return facts
