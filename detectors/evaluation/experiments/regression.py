"""Detect regressions against a recorded run: in shares found and false pages, not in delays.

A recorded figure has a confidence interval; a new figure is a regression if it is worse than that
interval. Both runs use the same seeds, so that most random variation is the same in both.
"""

from collections.abc import Sequence

import msgspec
from scipy.special import gammaincinv

from detectors.evaluation.experiments.benign_run import BenignRun
from detectors.evaluation.experiments.company_run import Healthy, Played
from detectors.evaluation.experiments.scoring import YOUNG_WEEKS, class_figures
from detectors.evaluation.synthetic.benign_events import GUARDS
from detectors.evaluation.synthetic.incidents import KINDS
from detectors.evaluation.tables import CONFIDENCE, Share


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one run."""

    found: dict[str, tuple[int, int]]
    """By class of incidents: the number of found and of possible incidents."""
    false_pages: dict[str, tuple[int, int]]
    """By cell and age: the number of pages and of weeks."""
    guards: dict[str, tuple[int, int]]
    """By kind of guard (structural or not): the number of wrong pages and of plays."""


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
    return Recorded(found=found, false_pages=pages, guards=guards)


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
