"""Compare the product with other methods on the same tickets, at the same number of false pages.

The other methods process the baseline run of a company and each of its branches. The recorded
results do not depend on a threshold: peaks of the score in healthy weeks, and record highs in
incidents. The threshold of each method is then set so that the method has as many false pages over
all companies as the product.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from detectors.evaluation.experiments.company_run import (
    Agenda,
    CompanyRun,
    Plan,
    Played,
    area_of,
    play,
    summary,
    walk,
)
from detectors.evaluation.experiments.competing_methods import NOTHING, RIVALS, AreaRivals
from detectors.evaluation.experiments.page_recorder import fork
from detectors.evaluation.synthetic.company import Numbers, World
from detectors.evaluation.synthetic.incidents import KINDS, Incident
from detectors.evaluation.tables import Table, minutes, quantile
from detectors.foundation.units import HOURS_PER_WEEK, SECONDS_PER_HOUR
from detectors.state.tenant import Tenant
from schemas.signals import Ticket

QUIET_HOURS: Final = 6
"""Hours for which a score must stay below the threshold before the next page."""
PEAKS_A_WEEK: Final = 8.0
"""Peaks that are kept per healthy week; no method needs more false pages than that."""


@dataclass(frozen=True, kw_only=True)
class IncidentOutcome:
    """The results of all methods for one incident."""

    ours: Played
    """The result of the product."""
    before: tuple[float, ...]
    """By method, the highest score of the six hours before the start."""
    highs: tuple[tuple[tuple[float, float], ...], ...]
    """By method, the record highs during the incident: minutes from the start, and score."""
    start: float
    """Seconds since 1970."""
    end: float
    """Seconds since 1970."""
    counts: dict[str, tuple[int, ...]]
    """By area of the incident, the tickets of each hour from the start."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The results of one company."""

    travelled: CompanyRun
    met: tuple[IncidentOutcome, ...]
    peaks: tuple[tuple[float, ...], ...]
    """By method, the highest scores of the healthy weeks after the warm-up."""
    false_pages: int
    """False pages of the product in the same weeks."""
    names: tuple[str, ...] = RIVALS
    counts: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """By area, the healthy tickets of each hour."""


class _MethodsByArea:
    """The other methods for all areas of a company, or for the areas of a branch."""

    def __init__(self, world: World, hour: int, names: Sequence[str]) -> None:
        self._world = world
        self.areas = {name: AreaRivals(hour) for name in names}
        for rivals in self.areas.values():
            rivals.view.start_hour(_slot(world, hour))

    def fork(self, names: Sequence[str]) -> "_MethodsByArea":
        other = _MethodsByArea.__new__(_MethodsByArea)
        other._world = self._world
        other.areas = {name: copy.deepcopy(self.areas[name]) for name in names}
        return other

    def hour(self, hour: int, tickets: Sequence[Ticket]) -> list[tuple[float, str, list[float]]]:
        """Score the tickets of an hour; return time, area and scores of each."""
        scored = []
        for ticket in tickets:
            rivals = self.areas.get(ticket.area)
            if rivals is not None:
                scores = rivals.ticket(ticket.created_at, ticket.customer)
                scored.append((ticket.created_at, ticket.area, scores))
        slot = _slot(self._world, hour + 1)
        for rivals in self.areas.values():
            rivals.end_hour(slot)
        return scored


def compare_methods(plan: Plan) -> Comparison:
    """Play the incidents of a plan with the product and the other methods side by side."""
    spec, settings = plan.spec, plan.settings
    world = World(spec)
    first = spec.first_hour
    weeks = plan.warm_weeks + plan.weeks
    trunk = _MethodsByArea(world, first, world.names)
    highs: Numbers = np.full((len(RIVALS), spec.areas, HOURS_PER_WEEK * weeks), NOTHING)
    index_by_area = {name: index for index, name in enumerate(world.names)}
    outcomes: list[IncidentOutcome] = []

    observed: dict[str, list[int]] = {name: [] for name in world.names}

    def listen(hour: int, tickets: Sequence[Ticket]) -> None:
        _count(observed, tickets)
        hour_highs = highs[:, :, hour - first]
        for _, area, scores in trunk.hour(hour, tickets):
            column = hour_highs[:, index_by_area[area]]
            np.maximum(column, scores, out=column)

    def play_one(tenant: Tenant, number: int, incident: Incident) -> None:
        area = area_of(world, incident)
        names = world.names if area is None else [area]
        hour = int(incident.start // SECONDS_PER_HOUR) - first
        affected = [index_by_area[name] for name in names]
        before = highs[:, affected, max(0, hour - QUIET_HOURS) : hour].max(axis=(1, 2))
        record = _Record(trunk.fork(names), incident, before.tolist())
        ours = play(fork(tenant), world, incident, settings, number, record.hour)
        outcomes.append(
            IncidentOutcome(
                ours=ours,
                before=tuple(record.before),
                highs=tuple(map(tuple, record.highs)),
                start=incident.start,
                end=incident.end,
                counts={name: tuple(counts) for name, counts in record.counts.items()},
            )
        )

    agenda = Agenda(plan, world, play_one)
    watch = walk(plan, world, agenda.visits, listen)
    healthy = summary(watch, spec, settings, weeks)
    company_run = CompanyRun(
        seed=spec.seed,
        played=tuple(outcome.ours for outcome in outcomes),
        healthy=healthy,
        skipped=agenda.skipped,
    )
    warm = HOURS_PER_WEEK * plan.warm_weeks
    return Comparison(
        travelled=company_run,
        met=tuple(outcomes),
        peaks=tuple(peaks_of(scores[:, warm:], PEAKS_A_WEEK * plan.weeks) for scores in highs),
        false_pages=sum(healthy.opened[plan.warm_weeks :]),
        counts={name: tuple(counts) for name, counts in observed.items()},
    )


class _Record:
    """The record highs of one branch."""

    def __init__(self, methods: _MethodsByArea, incident: Incident, before: list[float]) -> None:
        self._methods, self._incident = methods, incident
        self.before = before
        self._best = [NOTHING] * len(before)
        self.highs: list[list[tuple[float, float]]] = [[] for _ in before]
        self.counts: dict[str, list[int]] = {name: [] for name in methods.areas}

    def hour(self, hour: int, tickets: Sequence[Ticket]) -> None:
        start, end = self._incident.start, self._incident.end
        if hour * SECONDS_PER_HOUR > end:
            return
        _count(self.counts, tickets)
        for at, _, scores in self._methods.hour(hour, tickets):
            if at > end:
                break
            for method, score in enumerate(scores):
                if at < start:
                    self.before[method] = max(self.before[method], score)
                elif score > self._best[method]:
                    self._best[method] = score
                    self.highs[method].append((round((at - start) / 60.0, 3), score))


def thresholds(contested: Sequence[Comparison]) -> list[float]:
    """Return for each method the threshold at which it has as many false pages as the product."""
    false_pages = max(1, sum(comparison.false_pages for comparison in contested))
    result = []
    for method in range(len(contested[0].peaks)):
        peaks = sorted((peak for c in contested for peak in c.peaks[method]), reverse=True)
        result.append(peaks[min(false_pages, len(peaks)) - 1] if peaks else math.inf)
    return result


def rival_tables(contested: Sequence[Comparison]) -> list[Table]:
    """Return the share found and the median delay by class, at the same number of false pages."""
    limits, names = thresholds(contested), contested[0].names
    outcomes = [outcome for comparison in contested for outcome in comparison.met]
    rows = []
    for kind in KINDS:
        of_kind = [outcome for outcome in outcomes if outcome.ours.kind == kind]
        if not of_kind:
            continue
        by_method = [[outcome.ours.delay for outcome in of_kind]]
        by_method += [_delays(of_kind, method, limit) for method, limit in enumerate(limits)]
        shares = [_share(delays) for delays in by_method]
        medians = [
            quantile([delay for delay in delays if math.isfinite(delay)], 0.5)
            for delays in by_method
        ]
        best = max(range(1, len(shares)), key=lambda method: shares[method])
        ahead = round(100.0 * (shares[best] - shares[0]))
        first = "ours" if shares[0] >= shares[best] else f"{names[best - 1]} +{ahead}%"
        cells = [
            f"{share:.2f}/{minutes(median)}" for share, median in zip(shares, medians, strict=True)
        ]
        rows.append((kind, str(len(of_kind)), first, *cells))
    false_pages = sum(comparison.false_pages for comparison in contested)
    title = f"Rivals at the same false pages ({false_pages} in the same healthy weeks)"
    heads = ("share found / median min", "n", "first", "ours", *names)
    row = ("threshold", "", "", "", *(f"{limit:.1f}" for limit in limits))
    return [Table(title, heads, (*rows, row))]


def _delays(outcomes: Sequence[IncidentOutcome], method: int, limit: float) -> list[float]:
    """Return the delays of one method.

    Incidents before which the score was already at the threshold are left out.
    """
    return [
        next((at for at, score in outcome.highs[method] if score >= limit), math.inf)
        for outcome in outcomes
        if outcome.before[method] < limit
    ]


def _share(delays: Sequence[float]) -> float:
    return sum(map(math.isfinite, delays)) / len(delays) if delays else 0.0


def peaks_of(highs: Numbers, most: float) -> tuple[float, ...]:
    """Return the peaks of the scores: the highest score of each run of hours above a level.

    The level is chosen as high as possible, but low enough for the wanted number of runs.

    Args:
        highs: The highest score of each area (row) in each hour (column).
        most: The wanted number of runs, which are separated by more than `QUIET_HOURS`.

    Returns:
        The peaks, the highest first.
    """
    peaks: list[float] = []
    for level in np.unique(np.quantile(highs, 1.0 - np.geomspace(1e-4, 0.2, 40)))[::-1]:
        if level <= NOTHING:
            break
        peaks = []
        for row in highs:
            last = -QUIET_HOURS - 1
            for hour in np.flatnonzero(row >= level).tolist():
                if hour - last > QUIET_HOURS:
                    peaks.append(float(row[hour]))
                else:
                    peaks[-1] = max(peaks[-1], float(row[hour]))
                last = hour
        if len(peaks) >= most:
            break
    return tuple(sorted(peaks, reverse=True))


def _count(counts: dict[str, list[int]], tickets: Sequence[Ticket]) -> None:
    """Add an hour with its tickets to the hourly counts of each area."""
    for hourly in counts.values():
        hourly.append(0)
    for ticket in tickets:
        if ticket.area in counts:
            counts[ticket.area][-1] += 1


def _slot(world: World, hour: int) -> int:
    local = world.local(hour)
    return local.weekday() * 24 + local.hour
