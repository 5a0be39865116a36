"""Compare the product with other methods on the same tickets, at the same number of false pages.

The other methods see the baseline run of a company and each of its branches. What is kept of them
needs no
threshold: peaks of the score in healthy weeks, record highs in incidents. The threshold of each
method is then set so that it has as many false pages as the product, over all companies.
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
"""Peaks of the healthy weeks that are kept; more false pages than that are never needed."""


@dataclass(frozen=True, kw_only=True)
class IncidentOutcome:
    """One incident as all methods saw it."""

    ours: Played
    before: tuple[float, ...]
    """By method, the highest score of the six hours before the start."""
    highs: tuple[tuple[tuple[float, float], ...], ...]
    """By method, record highs from start to end: minutes from the start, and score."""
    start: float
    end: float
    """Seconds since 1970."""
    counts: dict[str, tuple[int, ...]]
    """By area of the incident, the tickets of each hour from its start."""


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


class _Field:
    """The methods for all areas of a company, or for those of a branch."""

    def __init__(self, world: World, hour: int, names: Sequence[str]) -> None:
        self._world = world
        self.areas = {name: AreaRivals(hour) for name in names}
        for rivals in self.areas.values():
            rivals.view.start_hour(_slot(world, hour))

    def fork(self, names: Sequence[str]) -> "_Field":
        other = _Field.__new__(_Field)
        other._world = self._world
        other.areas = {name: copy.deepcopy(self.areas[name]) for name in names}
        return other

    def hour(self, hour: int, tickets: Sequence[Ticket]) -> list[tuple[float, str, list[float]]]:
        """Score all *tickets* of ours: time, area, scores."""
        found = []
        for ticket in tickets:
            rivals = self.areas.get(ticket.area)
            if rivals is not None:
                scores = rivals.ticket(ticket.created_at, ticket.customer)
                found.append((ticket.created_at, ticket.area, scores))
        slot = _slot(self._world, hour + 1)
        for rivals in self.areas.values():
            rivals.end_hour(slot)
        return found


def compare_methods(plan: Plan) -> Comparison:
    """Play the incidents of *plan* with the product and the other methods side by side."""
    spec, settings = plan.spec, plan.settings
    world = World(spec)
    first = spec.first_hour
    weeks = plan.warm_weeks + plan.weeks
    trunk = _Field(world, first, world.names)
    highs: Numbers = np.full((len(RIVALS), spec.areas, HOURS_PER_WEEK * weeks), NOTHING)
    places = {name: place for place, name in enumerate(world.names)}
    met: list[IncidentOutcome] = []

    observed: dict[str, list[int]] = {name: [] for name in world.names}

    def listen(hour: int, tickets: Sequence[Ticket]) -> None:
        _count(observed, tickets)
        here = highs[:, :, hour - first]
        for _, area, scores in trunk.hour(hour, tickets):
            column = here[:, places[area]]
            np.maximum(column, scores, out=column)

    def go(tenant: Tenant, number: int, incident: Incident) -> None:
        area = area_of(world, incident)
        names = world.names if area is None else [area]
        hour = int(incident.start // SECONDS_PER_HOUR) - first
        chosen = [places[name] for name in names]
        before = highs[:, chosen, max(0, hour - QUIET_HOURS) : hour].max(axis=(1, 2))
        record = _Record(trunk.fork(names), incident, before.tolist())
        ours = play(fork(tenant), world, incident, settings, number, record.hour)
        met.append(
            IncidentOutcome(
                ours=ours,
                before=tuple(record.before),
                highs=tuple(map(tuple, record.highs)),
                start=incident.start,
                end=incident.end,
                counts={name: tuple(counts) for name, counts in record.counts.items()},
            )
        )

    agenda = Agenda(plan, world, go)
    watch = walk(plan, world, agenda.visits, listen)
    healthy = summary(watch, spec, settings, weeks)
    travelled = CompanyRun(
        seed=spec.seed,
        played=tuple(each.ours for each in met),
        healthy=healthy,
        skipped=agenda.skipped,
    )
    warm = HOURS_PER_WEEK * plan.warm_weeks
    return Comparison(
        travelled=travelled,
        met=tuple(met),
        peaks=tuple(peaks_of(each[:, warm:], PEAKS_A_WEEK * plan.weeks) for each in highs),
        false_pages=sum(healthy.opened[plan.warm_weeks :]),
        counts={name: tuple(counts) for name, counts in observed.items()},
    )


class _Record:
    """Record highs of one branch."""

    def __init__(self, field: _Field, incident: Incident, before: list[float]) -> None:
        self._field, self._incident = field, incident
        self.before = before
        self._best = [NOTHING] * len(before)
        self.highs: list[list[tuple[float, float]]] = [[] for _ in before]
        self.counts: dict[str, list[int]] = {name: [] for name in field.areas}

    def hour(self, hour: int, tickets: Sequence[Ticket]) -> None:
        start, end = self._incident.start, self._incident.end
        if hour * SECONDS_PER_HOUR > end:
            return
        _count(self.counts, tickets)
        for at, _, scores in self._field.hour(hour, tickets):
            if at > end:
                break
            for place, score in enumerate(scores):
                if at < start:
                    self.before[place] = max(self.before[place], score)
                elif score > self._best[place]:
                    self._best[place] = score
                    self.highs[place].append((round((at - start) / 60.0, 3), score))


def thresholds(contested: Sequence[Comparison]) -> list[float]:
    """Return by method the threshold at which it has as many false pages as the product."""
    wanted = max(1, sum(each.false_pages for each in contested))
    found = []
    for place in range(len(contested[0].peaks)):
        peaks = sorted((peak for each in contested for peak in each.peaks[place]), reverse=True)
        found.append(peaks[min(wanted, len(peaks)) - 1] if peaks else math.inf)
    return found


def rival_tables(contested: Sequence[Comparison]) -> list[Table]:
    """Return the share found and the median delay by class, at the same number of false pages."""
    limits, names = thresholds(contested), contested[0].names
    met = [one for each in contested for one in each.met]
    rows = []
    for kind in KINDS:
        ours = [one for one in met if one.ours.kind == kind]
        if not ours:
            continue
        contenders = [[one.ours.delay for one in ours]]
        contenders += [_delays(ours, place, limit) for place, limit in enumerate(limits)]
        shares = [_share(delays) for delays in contenders]
        middles = [
            quantile([delay for delay in delays if math.isfinite(delay)], 0.5)
            for delays in contenders
        ]
        best = max(range(1, len(shares)), key=lambda place: shares[place])
        ahead = round(100.0 * (shares[best] - shares[0]))
        first = "ours" if shares[0] >= shares[best] else f"{names[best - 1]} +{ahead} %"
        cells = [
            f"{share:.2f}/{minutes(middle)}" for share, middle in zip(shares, middles, strict=True)
        ]
        rows.append((kind, str(len(ours)), first, *cells))
    wanted = sum(each.false_pages for each in contested)
    title = f"Rivals at the same false pages ({wanted} in the same healthy weeks)"
    heads = ("share found / median min", "n", "first", "ours", *names)
    row = ("threshold", "", "", "", *(f"{limit:.1f}" for limit in limits))
    return [Table(title, heads, (*rows, row))]


def _delays(met: Sequence[IncidentOutcome], place: int, limit: float) -> list[float]:
    """Return the delays of one method; a score that was high before the start does not count."""
    return [
        next((at for at, score in one.highs[place] if score >= limit), math.inf)
        for one in met
        if one.before[place] < limit
    ]


def _share(delays: Sequence[float]) -> float:
    return sum(map(math.isfinite, delays)) / len(delays) if delays else 0.0


def peaks_of(highs: Numbers, most: float) -> tuple[float, ...]:
    """The highest score of each run of hours over a level, such that there are *most* runs.

    Args:
        highs: The highest score of each area (row) and hour.
        most: How many runs, six quiet hours apart, are wanted at least.
    """
    found: list[float] = []
    for level in np.unique(np.quantile(highs, 1.0 - np.geomspace(1e-4, 0.2, 40)))[::-1]:
        if level <= NOTHING:
            break
        found = []
        for row in highs:
            last = -QUIET_HOURS - 1
            for hour in np.flatnonzero(row >= level).tolist():
                if hour - last > QUIET_HOURS:
                    found.append(float(row[hour]))
                else:
                    found[-1] = max(found[-1], float(row[hour]))
                last = hour
        if len(found) >= most:
            break
    return tuple(sorted(found, reverse=True))


def _count(counts: dict[str, list[int]], tickets: Sequence[Ticket]) -> None:
    """One more hour, with *tickets*, for each area that is counted."""
    for each in counts.values():
        each.append(0)
    for ticket in tickets:
        if ticket.area in counts:
            counts[ticket.area][-1] += 1


def _slot(world: World, hour: int) -> int:
    local = world.local(hour)
    return local.weekday() * 24 + local.hour
