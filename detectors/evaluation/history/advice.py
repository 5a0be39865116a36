"""Advice from a history: how many pages buy how much delay, and which areas to redefine."""

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
"""Share of all tickets above which an area hides incidents inside it."""
PART_SHARE: Final = 0.15
"""Share of an area's tickets above which an issue type could be an area of its own."""
WORTH_FOUND: Final = 0.05
"""Doubling the budget is worth it if at least this share of all incidents is found in addition."""
WORTH_DELAY: Final = 0.85
"""It is also worth it if the delay falls to at most this share of the former one."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """The results with one budget. Delays are in minutes."""

    budget: float
    pages_a_week: float
    found: float
    """Share of the incidents that were found."""
    median: float
    """Median delay of all incidents; infinite if fewer than half were found."""

    @classmethod
    def of(cls, budget: float, pages_a_week: float, injected: Sequence[Injected]) -> "Point":
        """Compute the point from the incidents that were played with this budget."""
        delays = [one.delay for one in injected if not one.disturbed]
        found = sum(map(math.isfinite, delays)) / len(delays) if delays else math.nan
        return cls(
            budget=budget, pages_a_week=pages_a_week, found=found, median=quantile(delays, 0.5)
        )


def budget_of(points: Sequence[Point]) -> Point:
    """Return the smallest budget beyond which a doubling is no longer worth its pages.

    Example:
        >>> curve = [(0.2, 0.5, 90.0), (1.0, 0.8, 40.0), (5.0, 0.82, 38.0)]
        >>> budget_of(
        ...     [Point(budget=b, pages_a_week=b, found=f, median=m) for b, f, m in curve]
        ... ).budget
        1.0
    """
    ordered = sorted(points, key=lambda one: one.budget)
    chosen = ordered[0]
    for one in ordered[1:]:
        doublings = math.log2(one.budget / chosen.budget)
        more = one.found - chosen.found >= WORTH_FOUND * doublings
        worth = WORTH_DELAY**doublings * chosen.median
        sooner = math.isfinite(one.median) and one.median <= worth
        if more or sooner:
            chosen = one
    return chosen


@dataclass(frozen=True)
class Advice:
    """Advice about areas, each given as tenant and area."""

    quiet: tuple[AreaFacts, ...]
    """Areas with too few tickets to be watched alone."""
    blind: tuple[AreaFacts, ...]
    """Areas that are not quiet, but in which some of the largest incidents were missed."""
    coarse: tuple[AreaFacts, ...]
    """Areas whose timestamps have day resolution: an incident is seen the next day at the
    earliest."""
    merge: tuple[tuple[AreaFacts, ...], ...]
    """Quiet areas whose names begin alike: merged, they might have enough tickets."""
    split: tuple[AreaFacts, ...]
    """Very large areas with issue types that could be areas."""
    dimensions: tuple[str, ...]
    """Dimensions that have values in the tickets of some area."""


def advise(areas: Sequence[AreaFacts], injected: Sequence[Injected]) -> Advice:
    """Derive advice from the areas and the results of the *injected* incidents."""
    named = [one for one in areas if one.area not in (UNCLASSIFIED, OTHER)]
    totals: dict[str, int] = {}
    for one in areas:
        totals[one.tenant] = totals.get(one.tenant, 0) + one.tickets
    quiet = [one for one in named if one.rate * 168.0 < QUIET_A_WEEK]
    missed = _missed(sizes(injected))
    counts = {tenant: sum(one.tenant == tenant for one in named) for tenant in totals}
    return Advice(
        quiet=tuple(quiet),
        blind=tuple(one for one in named if (one.tenant, one.area) in missed and one not in quiet),
        coarse=tuple(one for one in named if one.coarse),
        merge=tuple(_alike(quiet)),
        split=tuple(
            one
            for one in named
            if one.tickets > LARGE_SHARE * totals[one.tenant]
            and counts[one.tenant] > 1
            and sum(share >= PART_SHARE for _, share in one.issue_types) >= 2
        ),
        dimensions=tuple(dict.fromkeys(name for one in areas for name in one.known_dimensions)),
    )


def _missed(played: Sequence[Size]) -> set[tuple[str, str | None]]:
    """Return the areas in which an incident of the largest size was missed."""
    largest: dict[tuple[str, str | None], Size] = {}
    for one in played:
        key = one.tenant, one.area
        if one.kind == "area" and (key not in largest or one.multiple > largest[key].multiple):
            largest[key] = one
    return {key for key, one in largest.items() if one.found < one.played}


def _alike(quiet: Sequence[AreaFacts]) -> list[tuple[AreaFacts, ...]]:
    groups: dict[tuple[str, str], list[AreaFacts]] = {}
    for one in quiet:
        groups.setdefault((one.tenant, one.area.split()[0].split("/")[0]), []).append(one)
    return [tuple(group) for group in groups.values() if len(group) > 1]
