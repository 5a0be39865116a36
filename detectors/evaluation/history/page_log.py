"""The pages of a history: each run of an episode, from its page to its resolution."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, get_args

from detectors.foundation.units import SECONDS_PER_WEEK
from schemas.escalation import EscalationEvent, Severity

SEVERITIES: Final = get_args(Severity)
"""The severities, lowest first."""
MATCHED_SECONDS: Final = 6.0 * 3600.0
"""The longest time between pages of two configurations that count as the same page."""


@dataclass(kw_only=True)
class PagedEpisode:
    """One run of an episode that paged. Times are in seconds since 1970."""

    tenant: str
    episode_id: str
    opened: float
    """When the episode paged."""
    scopes: list[tuple[float, str | None, tuple[str, ...]]]
    """The scopes of the episode over time: start, area (None: the whole tenant), and the areas of a
    tenant-wide episode."""
    slice: tuple[str, str] | None = None
    again: bool = False
    """Whether the episode was reopened; such a page does not count in the budget."""
    severity: str = "info"
    """The highest severity."""
    since: float = math.nan
    """When the excess of tickets began."""
    tickets: int = 0
    """The number of tickets at the last event."""
    customers: int = 0
    ended: float = math.inf

    @property
    def area(self) -> str | None:
        """The area of the episode when it paged; None: the whole tenant."""
        return self.scopes[0][1]

    def about(self, area: str | None) -> float | None:
        """Return the time from which the episode included an area, or None if it never did.

        Args:
            area: The area; None: any area.
        """
        for at, whole, inside in self.scopes:
            if area is None or whole == area or (whole is None and (not inside or area in inside)):
                return at
        return None


class PageLog:
    """All runs that paged, without suppressed episodes.

    Its size grows with the number of pages, not with the number of tickets.
    """

    def __init__(self) -> None:
        """Start without pages."""
        self.runs: list[PagedEpisode] = []
        """The runs in the order of their pages."""
        self._running: dict[str, PagedEpisode] = {}

    def hear(self, events: Iterable[EscalationEvent]) -> list[PagedEpisode]:
        """Record the events of a step, and return the runs that begin with them."""
        started = []
        for event in events:
            data, at = event.data, event.time.timestamp()
            scope = (at, data.product_area, tuple(data.areas or ()))
            run = self._running.get(event.subject)
            if data.suppressed is not None:
                if run is not None:  # it became part of another episode
                    self._running.pop(event.subject).ended = at
                continue
            if event.transition in ("opened", "reopened"):
                run = PagedEpisode(
                    tenant=data.tenant,
                    episode_id=event.subject,
                    opened=at,
                    scopes=[scope],
                    slice=None if data.slice is None else (data.slice.dimension, data.slice.value),
                    again=event.transition == "reopened",
                    severity=data.severity,
                    since=data.since.timestamp(),
                    tickets=data.tickets,
                    customers=data.customers,
                )
                self._running[event.subject] = run
                self.runs.append(run)
                started.append(run)
            elif run is not None:
                run.tickets, run.customers = data.tickets, data.customers
                run.severity = max(run.severity, data.severity, key=SEVERITIES.index)
                if event.transition == "resolved":
                    self._running.pop(event.subject).ended = at
                elif scope[1:] != run.scopes[-1][1:]:
                    run.scopes.append(scope)
        return started


@dataclass(frozen=True, kw_only=True)
class Weeks:
    """Opened pages since the end of the warm-up, by week and by area."""

    begin: float
    weeks: float
    by_week: tuple[int, ...]
    """Pages of each week; the last week may be incomplete."""
    by_area: dict[str, int] = field(default_factory=dict)
    """Pages by area; tenant-wide pages are counted as "all of" the tenant."""
    reopened: int = 0

    @property
    def pages(self) -> int:
        """The number of opened pages."""
        return sum(self.by_week)

    @property
    def per_week(self) -> float:
        """The mean number of pages per week; NaN if no time is counted."""
        return self.pages / self.weeks if self.weeks > 0.0 else math.nan


def weeks_of(runs: Sequence[PagedEpisode], begin: float, end: float) -> Weeks:
    """Count pages week by week.

    Args:
        runs: The episodes that paged.
        begin: Start of the first week, seconds since 1970.
        end: End of the last week, seconds since 1970.

    Example:
        >>> scopes = [(9.0, "login", ())]
        >>> run = PagedEpisode(tenant="acme", episode_id="1", opened=9.0, scopes=scopes)
        >>> weeks_of([run], 0.0, 2 * SECONDS_PER_WEEK).by_week
        (1, 0)
    """
    counted = [run for run in runs if begin <= run.opened <= end]
    first = [run for run in counted if not run.again]
    by_week = [0] * max(1, math.ceil((end - begin) / SECONDS_PER_WEEK))
    for run in first:
        by_week[min(int((run.opened - begin) // SECONDS_PER_WEEK), len(by_week) - 1)] += 1
    names = Counter(run.area or f"all of {run.tenant}" for run in first)
    return Weeks(
        begin=begin,
        weeks=max(0.0, end - begin) / SECONDS_PER_WEEK,
        by_week=tuple(by_week),
        by_area=dict(sorted(names.items(), key=lambda item: (-item[1], item[0]))),
        reopened=len(counted) - len(first),
    )


@dataclass(frozen=True)
class Difference:
    """A page of one configuration and the matching page of another; one of them may be missing."""

    left: PagedEpisode | None
    right: PagedEpisode | None

    @property
    def later(self) -> float:
        """How much later the right page is, in seconds; NaN if a page is missing."""
        if self.left is None or self.right is None:
            return math.nan
        return self.right.opened - self.left.opened

    @property
    def at(self) -> float:
        """The time of the earlier page."""
        return min(run.opened for run in (self.left, self.right) if run is not None)


def differences(left: Sequence[PagedEpisode], right: Sequence[PagedEpisode]) -> list[Difference]:
    """Match the pages of two configurations, and return them in order of time.

    Two pages match if they include the same area (or one of them is tenant-wide), and if their
    episodes overlap or open within `MATCHED_SECONDS`. If several match, the nearest in time is
    taken.
    """
    pairs = sorted(
        (abs(a.opened - b.opened), i, j)
        for i, a in enumerate(left)
        for j, b in enumerate(right)
        if _same(a, b)
    )
    matched, used_left, used_right = [], set(), set()
    for _, i, j in pairs:
        if i not in used_left and j not in used_right:
            used_left.add(i)
            used_right.add(j)
            matched.append(Difference(left[i], right[j]))
    matched += [Difference(run, None) for i, run in enumerate(left) if i not in used_left]
    matched += [Difference(None, run) for j, run in enumerate(right) if j not in used_right]
    return sorted(matched, key=lambda difference: difference.at)


def _same(a: PagedEpisode, b: PagedEpisode) -> bool:
    if a.tenant != b.tenant:
        return False
    overlap = a.opened <= b.ended and b.opened <= a.ended
    if not overlap and abs(a.opened - b.opened) > MATCHED_SECONDS:
        return False
    return a.about(b.area) is not None if b.area is not None else b.about(a.area) is not None
