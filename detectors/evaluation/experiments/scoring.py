"""Summarize played incidents in tables: shares with confidence intervals, delays, pages."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import gammaincinv

from detectors.evaluation.experiments.benign_run import BenignRun
from detectors.evaluation.experiments.company_run import Healthy, Played
from detectors.evaluation.synthetic.benign_events import GUARDS, HIDDEN_SPIKE
from detectors.evaluation.synthetic.incidents import KINDS
from detectors.evaluation.tables import CONFIDENCE, Share, Table, minutes, number, quantile, verdict

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
"""The lowest acceptable share of possible incidents that are found before they end, by class."""
MOST_PAGES: Final = {"platform": 1.3}
MOST_LATER_PAGES: Final = {"level shift": 0.25}
MOST_BUDGETS: Final = {True: 2.0, False: 1.5}
"""Highest acceptable ratio of false pages to the budget: in the first four weeks, and later."""
LEAST_BUDGETS: Final = 0.4
YOUNG_WEEKS: Final = 4
MOST_WRONG_IN_100: Final = {True: 1.0, False: 10.0}
"""Highest acceptable number of wrong pages per 100 benign events: structural events, and unusual
healthy traffic."""
LEAST_UNHIDDEN: Final = 0.95
"""Of the spikes that are found on their own, the lowest acceptable share that is also found beside
a noisy customer."""


@dataclass(frozen=True)
class ClassFigures:
    """The figures of one class of incidents. Delays are in minutes."""

    kind: str
    found: Share
    found_possible: Share
    median: float
    ninth: float
    """The 90th percentile of the found incidents."""
    median_all: float
    """The median with misses counted as infinite."""
    ninth_all: float
    """The 90th percentile with misses counted as infinite."""
    over_bound: float
    """Median ratio of the delay to Lorden's bound, over the possible incidents that were found."""
    pages: float
    """Pages per found incident."""
    later_pages: float
    """Pages after the first one per found incident."""


def class_figures(kind: str, played: Iterable[Played]) -> ClassFigures:
    """Summarize the incidents of one class."""
    incidents = [incident for incident in played if incident.kind == kind]
    found = [incident for incident in incidents if math.isfinite(incident.delay)]
    possible = [incident for incident in incidents if incident.possible]
    found_possible = [incident for incident in found if incident.possible]
    delays = [incident.delay for incident in found]
    all_delays = [incident.delay for incident in incidents]
    return ClassFigures(
        kind,
        Share(len(found), len(incidents)),
        Share(len(found_possible), len(possible)),
        quantile(delays, 0.5),
        quantile(delays, 0.9),
        quantile(all_delays, 0.5),
        quantile(all_delays, 0.9),
        quantile([incident.delay / incident.bound for incident in found_possible], 0.5),
        _mean([incident.pages for incident in found]),
        _mean([incident.later_pages for incident in found]),
    )


def incident_table(played: Sequence[Played], title: str = "Incidents") -> Table:
    """Return a table with one row per class of incidents."""
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
        "of possible (95%)",
        "target",
        "",
        "median min",
        "90%",
        "median, all",
        "90%, all",
        "delay/bound",
        "pages each",
        "later pages",
    )
    notes = (
        "possible: longer than Lorden's figure; all: misses are infinite; pages: of found ones",
    )
    return Table(title, heads, tuple(rows), notes)


def healthy_table(found: Sequence[Healthy], title: str = "Healthy traffic") -> Table:
    """Return a table of false pages per week relative to the budget.

    It has one row for each number of areas, budget and age.
    """
    rows = []
    cells = sorted({(run.areas, run.budget, len(run.opened)) for run in found})
    for areas, budget, weeks in cells:
        runs = [
            run
            for run in found
            if (run.areas, run.budget, len(run.opened)) == (areas, budget, weeks)
        ]
        for begin, end in ((0, YOUNG_WEEKS), (YOUNG_WEEKS, weeks)):
            if begin >= end:
                continue
            run_weeks = len(runs) * (end - begin)
            by_seed = [sum(run.opened[begin:end]) for run in runs]
            low, high = _bounds(by_seed)
            pages = sum(by_seed)
            reopened = sum(sum(run.reopened[begin:end]) for run in runs)
            scale = 1.0 / (run_weeks * budget)
            is_young = begin == 0
            ratio, most = pages * scale, MOST_BUDGETS[is_young]
            least = 0.0 if is_young else LEAST_BUDGETS
            kinds = [sum(run.by_kind[index] for run in runs) for index in range(3)]
            rows.append(
                (
                    f"{areas} areas, budget {budget:g}, weeks {begin}-{end}",
                    str(len(runs)),
                    str(pages),
                    f"{pages / run_weeks:.2f}",
                    f"{ratio:.2f} ({low * scale:.2f}-{high * scale:.2f})",
                    f"<= {most:g}" if is_young else f"{least:g}-{most:g}",
                    verdict(least <= ratio <= most),
                    f"{reopened / run_weeks:.2f}",
                    "/".join(map(str, kinds)) if not is_young or weeks <= YOUNG_WEEKS else "",
                )
            )
    heads = (
        "cell",
        "seeds",
        "pages",
        "a week",
        "of budget (95%)",
        "target",
        "",
        "reopened a week",
        "area/slice/tenant",
    )
    return Table(title, heads, tuple(rows), ("area/slice/tenant: of all weeks of the cell",))


def guard_table(
    patrolled: Sequence[BenignRun], trunks: Sequence[Healthy], title: str = "What must not page"
) -> Table:
    """Return a table with one row per guard.

    Args:
        patrolled: The results of the benign events.
        trunks: Healthy runs, from which the pages by chance alone are estimated.
        title: The title of the table.
    """
    hourly = _mature_pages_an_hour(trunks)
    rows = []
    for name, guard in GUARDS.items():
        results = [result for run in patrolled for result in run.guarded if result.name == name]
        if not results:
            continue
        n, pages = len(results), sum(result.pages for result in results)
        areas = 1 if guard.whole_tenant else trunks[0].areas
        chance = 0.0 if guard.paired else n * guard.hours * hourly / areas
        wrong = (
            sum(max(0, result.pages - result.pages_without) for result in results)
            if guard.paired
            else max(0.0, pages - chance)
        )
        most = MOST_WRONG_IN_100[guard.structural]
        rows.append(
            (
                name,
                str(n),
                str(sum(result.pages > 0 for result in results)),
                str(pages),
                str(sum(result.pages_without for result in results))
                if guard.paired
                else f"{chance:.1f} by chance",
                f"{100.0 * wrong / n:.1f}",
                f"<= {most:g}",
                verdict(100.0 * wrong / n <= most),
            )
        )
    heads = ("guard", "n", "paged", "pages", "without it", "wrong per 100", "target", "")
    return Table(title, heads, tuple(rows))


def hidden_table(patrolled: Sequence[BenignRun]) -> Table:
    """Return a table of the real spikes beside a noisy customer."""
    hidden = [spike for run in patrolled for spike in run.hidden]
    alone = [spike for spike in hidden if math.isfinite(spike.alone)]
    together = Share(sum(math.isfinite(spike.together) for spike in alone), len(alone))
    row = (
        HIDDEN_SPIKE,
        str(len(hidden)),
        str(len(alone)),
        str(together),
        f">= {LEAST_UNHIDDEN:.2f}",
        verdict(together.value >= LEAST_UNHIDDEN) if alone else "",
        minutes(quantile([spike.alone for spike in alone], 0.5)),
        minutes(quantile([spike.together for spike in alone], 0.5)),
    )
    heads = ("", "n", "found alone", "of those with it", "target", "", "median min", "with it")
    return Table("Spikes behind a guard", heads, (row,))


def _mature_pages_an_hour(trunks: Sequence[Healthy]) -> float:
    pages = sum(sum(run.opened[YOUNG_WEEKS:]) for run in trunks)
    weeks = sum(len(run.opened[YOUNG_WEEKS:]) for run in trunks)
    return pages / (weeks * 168.0) if weeks else 0.0


def _against(value: float, most: float | None) -> str:
    if most is None or math.isnan(value):
        return number(value)
    return f"{value:.2f} <= {most:g} {verdict(value <= most)}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _bounds(counts: Sequence[int]) -> tuple[float, float]:
    """Return the confidence interval of a sum.

    It is a bootstrap interval over seeds, but at least as wide as the Poisson interval.
    """
    total = sum(counts)
    tail = (1.0 - CONFIDENCE) / 2.0
    low = float(gammaincinv(total, tail)) if total else 0.0
    high = float(gammaincinv(total + 1, 1.0 - tail))
    if len(counts) >= 8:
        rng = np.random.default_rng(0)
        sums = rng.choice(np.array(counts), (2_000, len(counts))).sum(axis=1)
        low = min(low, float(np.quantile(sums, tail)))
        high = max(high, float(np.quantile(sums, 1.0 - tail)))
    return low, high
