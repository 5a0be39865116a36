"""The pages of a history: each run of an episode, from its page to its end."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from detectors.foundation.units import SECONDS_PER_WEEK
from schemas.escalation import EscalationEvent

MATCHED_SECONDS: Final = 6.0 * 3600.0
"""Pages of two configurations that are further apart are not the same page."""


@dataclass(kw_only=True)
class PagedEpisode:
    """One run of an episode that paged. Times are in seconds since 1970."""

    tenant: str
    episode_id: str
    opened: float
    """When on-call was paged."""
    scopes: list[tuple[float, str | None, tuple[str, ...]]]
    """From when on it was about which area (None: the whole tenant), and which areas it
    included."""
    slice: tuple[str, str] | None = None
    again: bool = False
    """Whether the episode was reopened, which is no page of its own in the budget."""
    severity: str = "info"
    ended: float = math.inf

    @property
    def area(self) -> str | None:
        """Return what it was about when it paged; None: the whole tenant."""
        return self.scopes[0][1]

    def about(self, area: str | None) -> float | None:
        """Return from when on it was about *area* (None: any); None: never."""
        for at, whole, inside in self.scopes:
            if area is None or whole == area or (whole is None and (not inside or area in inside)):
                return at
        return None


class PageLog:
    """All runs that paged; suppressed episodes are left out.

    It grows with the pages, not with the tickets.
    """

    def __init__(self) -> None:
        """Start without pages."""
        self.runs: list[PagedEpisode] = []
        """In the order of their pages."""
        self._running: dict[str, PagedEpisode] = {}

    def hear(self, events: Iterable[EscalationEvent]) -> list[PagedEpisode]:
        """Record the escalations of a step, and return the runs that began with them."""
        begun = []
        for event in events:
            data, at = event.data, event.time.timestamp()
            scope = (at, data.product_area, tuple(data.areas or ()))
            run = self._running.get(event.subject)
            if data.suppressed is not None:
                if run is not None:  # it went into another one
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
                )
                self._running[event.subject] = run
                self.runs.append(run)
                begun.append(run)
            elif run is not None and event.transition == "resolved":
                self._running.pop(event.subject).ended = at
            elif run is not None and scope[1:] != run.scopes[-1][1:]:
                run.scopes.append(scope)
        return begun


@dataclass(frozen=True, kw_only=True)
class Weeks:
    """Pages that opened, by week and by area, from the end of the warm-up on."""

    begin: float
    weeks: float
    by_week: tuple[int, ...]
    """The last week may be a part of one."""
    by_area: dict[str, int] = field(default_factory=dict)
    """The area, or the name of the tenant as a whole."""
    reopened: int = 0

    @property
    def pages(self) -> int:
        """All that opened."""
        return sum(self.by_week)

    @property
    def per_week(self) -> float:
        """The mean; not a number where no time is counted."""
        return self.pages / self.weeks if self.weeks > 0.0 else math.nan


def weeks_of(runs: Sequence[PagedEpisode], begin: float, end: float) -> Weeks:
    """Pages from *begin* to *end* (seconds since 1970), week by week.

    Example:
        >>> scopes = [(9.0, "login", ())]
        >>> run = PagedEpisode(tenant="acme", episode_id="1", opened=9.0, scopes=scopes)
        >>> weeks_of([run], 0.0, 2 * SECONDS_PER_WEEK).by_week
        (1, 0)
    """
    counted = [run for run in runs if begin <= run.opened <= end]
    first = [run for run in counted if not run.again]
    found = [0] * max(1, math.ceil((end - begin) / SECONDS_PER_WEEK))
    for run in first:
        found[min(int((run.opened - begin) // SECONDS_PER_WEEK), len(found) - 1)] += 1
    names = Counter(run.area or f"all of {run.tenant}" for run in first)
    return Weeks(
        begin=begin,
        weeks=max(0.0, end - begin) / SECONDS_PER_WEEK,
        by_week=tuple(found),
        by_area=dict(sorted(names.items(), key=lambda item: (-item[1], item[0]))),
        reopened=len(counted) - len(first),
    )


@dataclass(frozen=True)
class Difference:
    """A page of one configuration beside that of the other; one of them may be missing."""

    left: PagedEpisode | None
    right: PagedEpisode | None

    @property
    def later(self) -> float:
        """Return how many seconds the right one is later; not a number if one is missing."""
        if self.left is None or self.right is None:
            return math.nan
        return self.right.opened - self.left.opened

    @property
    def at(self) -> float:
        """Return the time of the earlier one."""
        return min(run.opened for run in (self.left, self.right) if run is not None)


def differences(left: Sequence[PagedEpisode], right: Sequence[PagedEpisode]) -> list[Difference]:
    """Return the pages of two runs side by side, in the order of time.

    Two are the same if they are about the same area (or one of them is about the tenant) and run at
    the same time or begin within `MATCHED_SECONDS`; of several, the nearest in time.
    """
    pairs = sorted(
        (abs(a.opened - b.opened), i, j)
        for i, a in enumerate(left)
        for j, b in enumerate(right)
        if _same(a, b)
    )
    found, used_left, used_right = [], set(), set()
    for _, i, j in pairs:
        if i not in used_left and j not in used_right:
            used_left.add(i)
            used_right.add(j)
            found.append(Difference(left[i], right[j]))
    found += [Difference(run, None) for i, run in enumerate(left) if i not in used_left]
    found += [Difference(None, run) for j, run in enumerate(right) if j not in used_right]
    return sorted(found, key=lambda one: one.at)


def _same(a: PagedEpisode, b: PagedEpisode) -> bool:
    if a.tenant != b.tenant:
        return False
    together = a.opened <= b.ended and b.opened <= a.ended
    if not together and abs(a.opened - b.opened) > MATCHED_SECONDS:
        return False
    return a.about(b.area) is not None if b.area is not None else b.about(a.area) is not None
