"""Backtest of a history with the production step, with known and injected incidents.

`detectors.evaluation` defines the measurements; this module runs processes, reports progress and
collects the texts of pages.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.pool import AsyncResult, Pool
from pathlib import Path
from typing import Final

from detectors.evaluation.history.backtest import Course, Injections, Walk, Walked, stretch_hours
from detectors.evaluation.history.injection import Branch, Injected, Size, play, sizes, undisturbed
from detectors.evaluation.history.labels import Judgement, Label, judge_labels
from detectors.evaluation.history.page_log import PagedEpisode, Weeks, weeks_of
from detectors.policy.settings import Settings
from detectors.timelines.whole_run import MOST_STRETCHES
from schemas.escalation import EscalationEvent
from schemas.signals import Ticket
from stream.errors import UserError
from stream.escalations.plain_text import render
from stream.inputs.ticket_archive import Facts, History, signals

WARM_UP: Final = 14.0 * 86_400.0
"""Default warm-up of two weeks, the warm-up of a series; a third of a shorter history."""
MOST_AREAS: Final = 40
"""Maximum number of areas, the busiest ones, with a timeline and injected incidents."""
MOST_PAGES: Final = 200
"""Maximum number of pages whose text is kept; the last are kept."""
BRANCHES_UNDER_WAY: Final = 4
"""Maximum number of injected incidents that processes work on; each holds a tenant."""
TOLD_EVERY: Final = 2_000
"""Number of signals between progress reports."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """Instructions for a backtest."""

    settings: Settings
    warm_up: float | None = None
    """Warm-up in seconds; None: `WARM_UP`, or a third of a shorter history."""
    injections: Injections | None = None
    labels: Sequence[Label] = ()


@dataclass(kw_only=True)
class Backtest:
    """Results of a backtest."""

    settings: Settings
    facts: Facts
    begin: float
    """Time from which pages are counted, seconds since 1970."""
    weeks: Weeks
    walked: Walked
    judgement: Judgement | None
    injections: Injections | None
    injected: list[Injected]
    left_out: int
    """Number of areas without a timeline and injected incidents, because others are busier."""
    pages: list[tuple[float, str]]
    """Time and text of each page; the last `MOST_PAGES` after the warm-up."""
    silence: tuple[float, float]
    """Start and end of the longest period without tickets, seconds since 1970."""

    @property
    def runs(self) -> list[PagedEpisode]:
        """Return the episodes that paged after the warm-up."""
        return [run for run in self.walked.runs if run.opened >= self.begin]

    @property
    def sizes(self) -> list[Size]:
        """Return the results of injected incidents by area, kind and size."""
        return sizes(self.injected)


def backtest(
    history: History,
    order: Order,
    pool: Pool | None = None,
    report_progress: Callable[[float], None] = lambda _share: None,
) -> Backtest:
    """Run a backtest of a history.

    Args:
        history: The sorted history.
        order: Instructions for the backtest.
        pool: Processes for the injected incidents; None: this process. Results are the same.
        report_progress: Called with the share of work that is done, from 0 to 1.

    Raises:
        UserError: The history has no tickets, or is too short for incidents.
    """
    return run(history.path, history.facts, order, pool, report_progress)


def run(
    path: Path,
    facts: Facts,
    order: Order,
    pool: Pool | None = None,
    report_progress: Callable[[float], None] = lambda _share: None,
) -> Backtest:
    """Run a backtest of the file of a `History`, in any process; see `backtest`."""
    if not facts.tickets:
        raise UserError("the history has no valid ticket, so there is nothing to backtest")
    begin = facts.begin + warm_up_of(facts, order)
    settings = order.settings
    areas = _areas(facts, settings)
    followed = tuple(areas[:MOST_AREAS])
    planned = order.injections.plan(followed, begin, facts.end) if order.injections else ()
    if order.injections and not planned:
        raise UserError(_too_short(facts, begin, order.injections.seconds))
    course = Course(
        settings=settings,
        begin=begin,
        end=facts.end,
        injections=planned,
        followed=followed,
        stretch_hours=stretch_hours(facts.begin, facts.end, MOST_STRETCHES - 1),
    )
    branches = _Branches(path, settings, pool)
    pages: deque[tuple[float, str]] = deque(maxlen=MOST_PAGES)

    def hear(event: EscalationEvent) -> None:
        at = event.time.timestamp()
        if event.transition in ("opened", "reopened") and not event.data.suppressed and at >= begin:
            pages.append((at, render(event)))

    silence = _LongestSilence(facts.begin)
    walk = Walk(course, branches.begin, hear)
    size = path.stat().st_size
    for number, (place, taken) in enumerate(signals(path)):
        walk.take(place, taken)
        if isinstance(taken.signal, Ticket):
            silence.add(taken.signal.created_at)
        if number % TOLD_EVERY == 0:
            report_progress(place / size)
    walked = walk.finish()
    injected = undisturbed(branches.finish(walked), walked.runs)
    report_progress(1.0)
    judged = judge_labels(order.labels, walked.runs, begin, facts.end) if order.labels else None
    return Backtest(
        settings=settings,
        facts=facts,
        begin=begin,
        weeks=weeks_of(walked.runs, begin, facts.end),
        walked=walked,
        judgement=judged,
        injections=order.injections,
        injected=injected,
        left_out=max(0, len(areas) - len(followed)),
        pages=list(pages),
        silence=silence.span,
    )


class _LongestSilence:
    """Longest time between two tickets."""

    def __init__(self, begin: float) -> None:
        self._latest = begin
        self.span = (begin, begin)

    def add(self, at: float) -> None:
        """Add the time of a ticket, in seconds since 1970."""
        if at - self._latest > self.span[1] - self.span[0]:
            self.span = (self._latest, at)
        self._latest = max(self._latest, at)


def warm_up_of(facts: Facts, order: Order) -> float:
    """Return the length of the warm-up in seconds."""
    span = facts.end - facts.begin
    return min(WARM_UP, span / 3.0) if order.warm_up is None else min(order.warm_up, span)


class _Branches:
    """Injected incidents in progress, in this process or in others."""

    def __init__(self, path: Path, settings: Settings, pool: Pool | None) -> None:
        self._path, self._settings, self._pool = path, settings, pool
        self._under_way: deque[AsyncResult[Injected | None]] = deque()
        self._found: list[Injected | None] = []

    def begin(self, branch: Branch, place: int) -> None:
        if self._pool is None:
            self._found.append(_play(branch, self._path, place, self._settings))
            return
        if len(self._under_way) >= BRANCHES_UNDER_WAY:
            self._found.append(self._under_way.popleft().get())
        arguments = (branch, self._path, place, self._settings)
        self._under_way.append(self._pool.apply_async(_play, arguments))

    def finish(self, walked: Walked) -> list[Injected]:
        """Wait for all injected incidents and return them, sorted by start."""
        self._found += [outcome.get() for outcome in self._under_way]
        results = [outcome for outcome in self._found if outcome is not None]
        if missing := len(self._found) - len(results):
            walked.skipped["the area has no values for a slice"] += missing
        return results


def _play(branch: Branch, path: Path, place: int, settings: Settings) -> Injected | None:
    return play(branch, (taken for _, taken in signals(path, place)), settings)


def _areas(facts: Facts, settings: Settings) -> list[tuple[str, str]]:
    """Return tenants and areas by their canonical names, most tickets first."""
    tickets: dict[tuple[str, str], int] = {}
    for (tenant, area), count in facts.areas.items():
        key = tenant, settings.taxonomy.canonical(area)
        tickets[key] = tickets.get(key, 0) + count
    return sorted(tickets, key=lambda key: (-tickets[key], key))


def _too_short(facts: Facts, begin: float, seconds: float) -> str:
    days = (facts.end - facts.begin) / 86_400.0
    left = max(0.0, facts.end - begin) / 86_400.0
    return (
        f"the history is too short for incidents: {left:.1f} of its {days:.1f} days remain after "
        f"the warm-up, and each incident needs {seconds / 86_400.0:.1f}; use a shorter "
        "--warm-up or --inject-hours, or a longer history"
    )
