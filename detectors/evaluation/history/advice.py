"""Recommendations from a backtest: the alert budget, and areas that should be redefined."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from detectors.evaluation.history.backtest import AreaFacts
from detectors.evaluation.history.injection import Injected, Size, sizes
from detectors.evaluation.tables import quantile
from schemas.signals import OTHER, UNCLASSIFIED

QUIET_A_WEEK: Final = 1.0
"""Customer-equivalents per week below which even ten times the rate is only a few tickets a day."""
LARGE_SHARE: Final = 0.4
"""Share of all tickets above which an area is so large that it hides incidents."""
PART_SHARE: Final = 0.15
"""Share of an area's tickets from which an issue type could be a separate area."""
WORTH_FOUND: Final = 0.05
"""Doubling the budget pays off if the share of found incidents rises by at least this much."""
WORTH_DELAY: Final = 0.85
"""Doubling the budget also pays off if the median delay falls to this share or less."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """The results of a backtest with one alert budget. Delays are in minutes."""

    budget: float
    pages_a_week: float
    found: float
    """Share of the incidents that were found."""
    median: float
    """Median delay of all incidents; infinite if fewer than half were found."""

    @classmethod
    def of(cls, budget: float, pages_a_week: float, injected: Sequence[Injected]) -> "Point":
        """Compute the results from the incidents that were injected with this budget."""
        delays = [result.delay for result in injected if not result.disturbed]
        found = sum(map(math.isfinite, delays)) / len(delays) if delays else math.nan
        return cls(
            budget=budget, pages_a_week=pages_a_week, found=found, median=quantile(delays, 0.5)
        )


def budget_of(points: Sequence[Point], default: float = math.nan) -> Point:
    """Return the smallest budget beyond which doubling the budget does not pay off.

    Args:
        points: Results by budget.
        default: Budget to prefer to another one with the same results.

    Example:
        >>> curve = [(0.2, 0.5, 90.0), (1.0, 0.8, 40.0), (5.0, 0.82, 38.0)]
        >>> budget_of(
        ...     [Point(budget=b, pages_a_week=b, found=f, median=m) for b, f, m in curve]
        ... ).budget
        1.0
    """
    ordered = sorted(points, key=lambda point: point.budget)
    chosen = ordered[0]
    for point in ordered[1:]:
        doublings = math.log2(point.budget / chosen.budget)
        finds_more = point.found - chosen.found >= WORTH_FOUND * doublings
        most_delay = WORTH_DELAY**doublings * chosen.median
        is_faster = math.isfinite(point.median) and point.median <= most_delay
        if finds_more or is_faster:
            chosen = point
    for point in ordered:
        is_alike = point.found == chosen.found and point.median == chosen.median
        if point.budget == default and is_alike:
            return point
    return chosen


@dataclass(frozen=True)
class Advice:
    """Recommendations about areas and dimensions."""

    quiet: tuple[AreaFacts, ...]
    """Areas with too few tickets to be watched on their own."""
    blind: tuple[AreaFacts, ...]
    """Areas that are not quiet, but in which some of the largest incidents were missed."""
    coarse: tuple[AreaFacts, ...]
    """Areas whose timestamps have only day resolution, so that an incident is detected on the next
    day at the earliest."""
    merge: tuple[tuple[AreaFacts, ...], ...]
    """Groups of quiet areas whose names have the same first word; merged, they might have enough
    tickets."""
    split: tuple[AreaFacts, ...]
    """Very large areas with issue types that could be separate areas."""
    dimensions: tuple[str, ...]
    """Dimensions that have values in the tickets of at least one area."""


def advise(areas: Sequence[AreaFacts], injected: Sequence[Injected]) -> Advice:
    """Derive recommendations from the areas and the results of the injected incidents."""
    named = [area for area in areas if area.area not in (UNCLASSIFIED, OTHER)]
    totals: dict[str, int] = {}
    for area in areas:
        totals[area.tenant] = totals.get(area.tenant, 0) + area.tickets
    quiet = [area for area in named if area.rate * 168.0 < QUIET_A_WEEK]
    missed = _missed(sizes(injected))
    counts = {tenant: sum(area.tenant == tenant for area in named) for tenant in totals}
    return Advice(
        quiet=tuple(quiet),
        blind=tuple(a for a in named if (a.tenant, a.area) in missed and a not in quiet),
        coarse=tuple(area for area in named if area.coarse),
        merge=tuple(_groups_by_first_word(quiet)),
        split=tuple(
            area
            for area in named
            if area.tickets > LARGE_SHARE * totals[area.tenant]
            and counts[area.tenant] > 1
            and sum(share >= PART_SHARE for _, share in area.issue_types) >= 2
        ),
        dimensions=tuple(dict.fromkeys(name for area in areas for name in area.known_dimensions)),
    )


def _missed(results: Sequence[Size]) -> set[tuple[str, str | None]]:
    """Return the areas in which an incident of the largest size was missed."""
    largest: dict[tuple[str, str | None], Size] = {}
    for size in results:
        key = size.tenant, size.area
        if size.kind == "area" and (key not in largest or size.multiple > largest[key].multiple):
            largest[key] = size
    return {key for key, size in largest.items() if size.found < size.played}


def _groups_by_first_word(quiet: Sequence[AreaFacts]) -> list[tuple[AreaFacts, ...]]:
    groups: dict[tuple[str, str], list[AreaFacts]] = {}
    for area in quiet:
        groups.setdefault((area.tenant, area.area.split()[0].split("/")[0]), []).append(area)
    return [tuple(group) for group in groups.values() if len(group) > 1]
