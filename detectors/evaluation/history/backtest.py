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
"""Number of recent tickets of an area that are kept, as a source for similar ones."""
MOST_ISSUES: Final = 5
KNOWN_SHARE: Final = 0.1
"""A dimension with a value on a smaller share of the recent tickets is not worth watching."""
LEAST_RECENT: Final = 10
"""An area with fewer recent tickets is not characterised."""

BranchOff = Callable[[Branch, int], None]
"""Called with a branch and the position in the history of the first signal that it receives."""


@dataclass(frozen=True, kw_only=True)
class Injections:
    """The incidents to inject: each kind in each size, a number of times in each area."""

    kinds: tuple[Kind, ...] = KINDS
    multiples: tuple[float, ...] = (2.0, 3.0, 5.0, 10.0)
    repeat: int = 3
    seconds: float = 24.0 * 3600.0
    """How long each lasts."""
    seed: int = 1

    def plan(
        self, areas: Sequence[tuple[str, str]], begin: float, end: float
    ) -> tuple[Injection, ...]:
        """Return all incidents, each repetition in its own part of the time from *begin* to *end*.

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
    """How a history is to be played."""

    settings: Settings
    begin: float
    """When the warm-up is over and pages begin to count, in seconds since 1970."""
    end: float
    """Time of the last ticket."""
    injections: tuple[Injection, ...] = ()
    followed: tuple[tuple[str, str], ...] = ()
    """Tenants and areas whose timelines are recorded."""
    stretch_hours: int = 1


@dataclass(frozen=True, kw_only=True)
class AreaFacts:
    """What is known about an area at the end of the history."""

    tenant: str
    area: str
    tickets: int
    rate: float
    """Customer-equivalents per hour: the mean since its first ticket, over at least a week."""
    coarse: bool
    """Whether its timestamps have day resolution only."""
    mature_hours: float
    issue_types: tuple[tuple[str, float], ...] = ()
    """The most frequent issue types of its recent tickets, with their shares."""
    known_dimensions: tuple[str, ...] = ()
    """Dimensions that have a value on at least a tenth of its recent tickets."""


@dataclass
class Walked:
    """The result of playing a history."""

    runs: list[PagedEpisode] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    """Number of signals by outcome."""
    timelines: Mapping[tuple[str, str], list[BacktestBucket]] = field(default_factory=dict)
    areas: list[AreaFacts] = field(default_factory=list)
    gaps: int = 0
    """How often the source was silent for longer than chance explains. Nothing is learned from
    those hours."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Number of incidents that were not played, by reason."""


class Walk:
    """Plays a history, signal by signal."""

    def __init__(
        self,
        course: Course,
        branch_off: BranchOff = lambda _branch, _place: None,
        hear: Callable[[EscalationEvent], None] = lambda _event: None,
    ) -> None:
        """Start before the first signal.

        Args:
            course: How the history is to be played.
            branch_off: Receives each incident, and plays it at once or elsewhere.
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
        for place, one in enumerate(course.injections):
            heapq.heappush(self._due.setdefault(one.tenant, []), (one.start, place, 0, one))
            if one.area is not None:
                self._recent[one.tenant, one.area] = deque(maxlen=RECENT)
        if any(one.area is None for one in course.injections):
            for key in course.followed:
                self._recent.setdefault(key, deque(maxlen=RECENT))

    def take(self, place: int, taken: Taken) -> None:
        """Play the signal at *place* of the history."""
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
        """End the history and return its result."""
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
        """Branch off incidents that begin before *at*, or postpone them during an episode."""
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
    """Return the length of a stretch in hours: at most *most* stretches cover the time.

    *begin* and *end* are in seconds. The length divides a day, or is a number of whole days.

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
                    if sum(getattr(one, name) is not None for one in recent)
                    > KNOWN_SHARE * len(recent)
                ),
            )
        )
    return found
