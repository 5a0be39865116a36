"""Detect regressions against a recorded run: in shares found, delays and false pages.

A recorded share or number of pages has a confidence interval; a new figure is a regression if it is
worse than that interval. Both runs use the same seeds, so they play the same incidents. Delays are
compared incident by incident, which finds a loss that is too small to change the shares.
"""

import math
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from scipy.special import gammaincinv, ndtri

from detectors.evaluation.experiments.benign_run import BenignRun
from detectors.evaluation.experiments.company_run import Healthy, Played
from detectors.evaluation.experiments.scoring import YOUNG_WEEKS, class_figures
from detectors.evaluation.synthetic.benign_events import GUARDS
from detectors.evaluation.synthetic.incidents import KINDS
from detectors.evaluation.tables import CONFIDENCE, Share

LEAST_PAIRS: Final = 10
"""Delays are compared only if both runs have at least so many incidents in common."""


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one run."""

    found: dict[str, tuple[int, int]]
    """By class of incidents: the number of found and of possible incidents."""
    false_pages: dict[str, tuple[int, int]]
    """By cell and age: the number of pages and of weeks."""
    guards: dict[str, tuple[int, int]]
    """By kind of guard (structural or not): the number of wrong pages and of plays."""
    delays: dict[str, float] = {}
    """By incident: minutes from its start to its page, or to its end if there was no page."""


def record(
    played: Sequence[Played], healthy: Sequence[Healthy], patrolled: Sequence[BenignRun]
) -> Recorded:
    """Return the figures of a run."""
    found = {}
    for kind in KINDS:
        share = class_figures(kind, played).found_possible
        if share.of:
            found[kind] = share.hits, share.of
    pages: dict[str, tuple[int, int]] = {}
    for run in healthy:
        for name, weeks in (
            ("young", run.opened[:YOUNG_WEEKS]),
            ("mature", run.opened[YOUNG_WEEKS:]),
        ):
            if not weeks:
                continue
            cell = f"{run.areas} areas, budget {run.budget:g}, {name}"
            before = pages.get(cell, (0, 0))
            pages[cell] = before[0] + sum(weeks), before[1] + len(weeks)
    guards: dict[str, tuple[int, int]] = {}
    for benign_run in patrolled:
        for guarded in benign_run.guarded:
            name = "structural" if GUARDS[guarded.name].structural else "life"
            wrong = max(0, guarded.pages - guarded.pages_without)
            before = guards.get(name, (0, 0))
            guards[name] = before[0] + wrong, before[1] + 1
    delays = {
        f"{one.kind}, company {one.seed}, number {one.number}": min(one.delay, one.lasted)
        for one in played
    }
    return Recorded(found=found, false_pages=pages, guards=guards, delays=delays)


def regressions(now: Recorded, before: Recorded) -> list[str]:
    """Return a sentence for each figure that became worse.

    Example:
        >>> before = Recorded(found={"ramp": (9, 10)}, false_pages={"all": (4, 20)}, guards={})
        >>> now = Recorded(found={"ramp": (5, 10)}, false_pages={"all": (12, 20)}, guards={})
        >>> regressions(before, before)
        []
        >>> for sentence in regressions(now, before):
        ...     print(sentence)
        ramp: found 5 of 10 possible, expected at least 5.96 (9 of 10 before)
        all: 12 false pages in 20 weeks, expected at most 10.2 (4 in 20 before)

        >>> def run(longer: float) -> Recorded:
        ...     delays = {f"ramp, company 1, number {n}": (20.0 + n) * longer for n in range(20)}
        ...     return Recorded(found={}, false_pages={}, guards={}, delays=delays)
        >>> regressions(run(longer=0.9), before=run(longer=1.0))
        []
        >>> print(*regressions(run(longer=1.1), before=run(longer=1.0)))
        delays: 9.67% longer in the geometric mean of 20 incidents, 20 of which ...
    """
    sentences = []
    for kind, (hits, of) in before.found.items():
        new, new_of = now.found.get(kind, (0, 0))
        least = Share(hits, of).bounds[0] * new_of
        if new < least:
            sentences.append(
                f"{kind}: found {new} of {new_of} possible, expected at least {least:.3g} "
                f"({hits} of {of} before)"
            )
    sentences += _longer_delays(now.delays, before.delays)
    for cells, new_cells, figure, unit in (
        (before.false_pages, now.false_pages, "false pages", "weeks"),
        (before.guards, now.guards, "wrong pages", "plays"),
    ):
        for cell, (pages, weeks) in cells.items():
            new, new_weeks = new_cells.get(cell, (0, 0))
            tail = 1.0 - (1.0 - CONFIDENCE) / 2.0
            most = float(gammaincinv(pages + 1, tail)) / weeks * new_weeks
            if new > most:
                sentences.append(
                    f"{cell}: {new} {figure} in {new_weeks} {unit}, expected at most {most:.3g} "
                    f"({pages} in {weeks} before)"
                )
    return sentences


def _longer_delays(now: dict[str, float], before: dict[str, float]) -> list[str]:
    """Return a sentence if the incidents of both runs were found later than before.

    The mean logarithm of the ratio of delays is compared with its confidence interval. Delays have
    one minute added, so that the first minutes do not dominate.
    """
    both = sorted(now.keys() & before.keys())
    if len(both) < LEAST_PAIRS:
        return []
    logs = np.array([math.log((now[name] + 1.0) / (before[name] + 1.0)) for name in both])
    mean, error = float(logs.mean()), float(logs.std(ddof=1)) / math.sqrt(len(both))
    if mean <= error * float(ndtri(0.5 + 0.5 * CONFIDENCE)):
        return []
    later = int((logs > 0.0).sum())
    return [
        f"delays: {100.0 * math.expm1(mean):.3g}% longer in the geometric mean of {len(both)} "
        f"incidents, {later} of which were found later than before"
    ]
