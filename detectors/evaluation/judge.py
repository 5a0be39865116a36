"""From what was played to tables: shares with their confidence, delays, pages."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats

from detectors.evaluation.incidents import KINDS
from detectors.evaluation.journey import Healthy, Played

CONFIDENCE: Final = 0.95
TARGETS: Final = {
    "step x2": 0.5,
    "step x3": 0.7,
    "step x5": 0.8,
    "step x10": 0.9,
    "night": 0.9,
    "ramp": 0.95,
    "rare issue type": 0.7,
    "new issue type": 0.7,
    "one region": 0.7,
    "one version": 0.7,
    "platform": 0.95,
    "level shift": 0.9,
}
"""Share of the possible ones that is to be found before the end."""
MOST_PAGES: Final = {"platform": 1.3}
MOST_LATER_PAGES: Final = {"level shift": 0.25}
MOST_BUDGETS: Final = {True: 2.0, False: 1.5}
"""Realised false pages over the budget: in the first four weeks, and later."""
LEAST_BUDGETS: Final = 0.4
YOUNG_WEEKS: Final = 4


@dataclass(frozen=True)
class Table:
    """What is shown: the first column names the row."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Share:
    """So many of so many, with the bounds of its 95 % confidence (Wilson)."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        """The share; not a number where there is nothing to share."""
        return self.hits / self.of if self.of else math.nan

    @property
    def bounds(self) -> tuple[float, float]:
        """Where the true share lies.

        Example:
            >>> low, high = Share(9, 10).bounds
            >>> round(low, 2), round(high, 2)
            (0.6, 0.98)
        """
        if not self.of:
            return 0.0, 1.0
        found = stats.binomtest(self.hits, self.of).proportion_ci(CONFIDENCE, "wilson")
        return float(found.low), float(found.high)

    def __str__(self) -> str:
        if not self.of:
            return "-"
        low, high = self.bounds
        return f"{self.value:.2f} ({low:.2f}-{high:.2f})"


@dataclass(frozen=True)
class ClassFigures:
    """The figures of one class of incidents. Delays in minutes."""

    kind: str
    found: Share
    found_possible: Share
    median: float
    ninth: float
    """The ninth decile."""
    median_all: float
    ninth_all: float
    """With misses as infinite."""
    over_bound: float
    """Median of delay over Lorden's figure, of the possible ones that were found."""
    pages: float
    """Of each found one."""
    later_pages: float


def class_figures(kind: str, played: Iterable[Played]) -> ClassFigures:
    """Sum up the incidents of one class."""
    ours = [one for one in played if one.kind == kind]
    found = [one for one in ours if math.isfinite(one.delay)]
    possible = [one for one in ours if one.possible]
    both = [one for one in found if one.possible]
    delays = [one.delay for one in found]
    every = [one.delay for one in ours]
    return ClassFigures(
        kind,
        Share(len(found), len(ours)),
        Share(len(both), len(possible)),
        quantile(delays, 0.5),
        quantile(delays, 0.9),
        quantile(every, 0.5),
        quantile(every, 0.9),
        quantile([one.delay / one.bound for one in both], 0.5),
        _mean([one.pages for one in found]),
        _mean([one.later_pages for one in found]),
    )


def incident_table(played: Sequence[Played], title: str = "Incidents") -> Table:
    """A row for each class."""
    rows = []
    for kind in KINDS:
        figures = class_figures(kind, played)
        if not figures.found.of:
            continue
        target = TARGETS.get(kind)
        rows.append(
            (
                kind,
                str(figures.found.of),
                str(figures.found_possible.of),
                f"{figures.found.value:.2f}",
                str(figures.found_possible),
                "" if target is None else f">= {target:.2f}",
                ""
                if target is None or not figures.found_possible.of
                else verdict(figures.found_possible.value >= target),
                minutes(figures.median),
                minutes(figures.ninth),
                minutes(figures.median_all),
                minutes(figures.ninth_all),
                number(figures.over_bound),
                _against(figures.pages, MOST_PAGES.get(kind)),
                _against(figures.later_pages, MOST_LATER_PAGES.get(kind)),
            )
        )
    heads = (
        "class",
        "n",
        "possible",
        "found",
        "of possible (95 %)",
        "target",
        "",
        "median min",
        "90 %",
        "median, all",
        "90 %, all",
        "delay/bound",
        "pages each",
        "later pages",
    )
    notes = (
        "possible: longer than Lorden's figure; all: misses are infinite; pages: of found ones",
    )
    return Table(title, heads, tuple(rows), notes)


def healthy_table(found: Sequence[Healthy], title: str = "Healthy traffic") -> Table:
    """False pages a week over the budget, by number of areas, budget and age."""
    rows = []
    cells = sorted({(one.areas, one.budget, len(one.opened)) for one in found})
    for areas, budget, weeks in cells:
        ours = [
            one
            for one in found
            if (one.areas, one.budget, len(one.opened)) == (areas, budget, weeks)
        ]
        for begin, end in ((0, YOUNG_WEEKS), (YOUNG_WEEKS, weeks)):
            if begin >= end:
                continue
            among = len(ours) * (end - begin)
            by_seed = [sum(one.opened[begin:end]) for one in ours]
            low, high = _bounds(by_seed)
            pages = sum(by_seed)
            reopened = sum(sum(one.reopened[begin:end]) for one in ours)
            scale = 1.0 / (among * budget)
            young = begin == 0
            ratio, most = pages * scale, MOST_BUDGETS[young]
            least = 0.0 if young else LEAST_BUDGETS
            kinds = [sum(one.by_kind[place] for one in ours) for place in range(3)]
            rows.append(
                (
                    f"{areas} areas, budget {budget:g}, weeks {begin}-{end}",
                    str(len(ours)),
                    str(pages),
                    f"{pages / among:.2f}",
                    f"{ratio:.2f} ({low * scale:.2f}-{high * scale:.2f})",
                    f"<= {most:g}" if young else f"{least:g}-{most:g}",
                    verdict(least <= ratio <= most),
                    f"{reopened / among:.2f}",
                    "/".join(map(str, kinds)) if not young or weeks <= YOUNG_WEEKS else "",
                )
            )
    heads = (
        "cell",
        "seeds",
        "pages",
        "a week",
        "of budget (95 %)",
        "target",
        "",
        "reopened a week",
        "area/slice/tenant",
    )
    return Table(title, heads, tuple(rows), ("area/slice/tenant: of all weeks of the cell",))


def quantile(values: Sequence[float], share: float) -> float:
    """The value that *share* of *values* do not exceed; values may be infinite."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def verdict(good: bool) -> str:
    """The word in a table."""
    return "ok" if good else "MISSED"


def minutes(value: float) -> str:
    """A delay for a table."""
    return number(value) if value < 10.0 or not math.isfinite(value) else f"{value:.0f}"


def number(value: float) -> str:
    """A figure for a table: - where there is none."""
    if math.isnan(value):
        return "-"
    return "missed" if math.isinf(value) else f"{value:.2f}"


def _against(value: float, most: float | None) -> str:
    if most is None or math.isnan(value):
        return number(value)
    return f"{value:.2f} <= {most:g} {verdict(value <= most)}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _bounds(counts: Sequence[int]) -> tuple[float, float]:
    """Of the sum: from seed to seed (bootstrap), and at least as wide as Poisson's law has it."""
    total = sum(counts)
    tail = (1.0 - CONFIDENCE) / 2.0
    low = float(stats.gamma.ppf(tail, total)) if total else 0.0
    high = float(stats.gamma.ppf(1.0 - tail, total + 1))
    if len(counts) >= 8:
        rng = np.random.default_rng(0)
        sums = rng.choice(np.array(counts), (2_000, len(counts))).sum(axis=1)
        low = min(low, float(np.quantile(sums, tail)))
        high = max(high, float(np.quantile(sums, 1.0 - tail)))
    return low, high
