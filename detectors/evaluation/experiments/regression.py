"""Whether detection became worse than a recorded run: shares and false pages, never times.

A recorded figure has a confidence interval; a new figure is a regression if it lies outside on the
bad side. The same seeds are played, so that most of the chance is the same in both.
"""

from collections.abc import Sequence

import msgspec
from scipy import stats

from detectors.evaluation.experiments.benign_run import BenignRun
from detectors.evaluation.experiments.company_run import Healthy, Played
from detectors.evaluation.experiments.scoring import YOUNG_WEEKS, class_figures
from detectors.evaluation.synthetic.benign_events import GUARDS
from detectors.evaluation.synthetic.incidents import KINDS
from detectors.evaluation.tables import CONFIDENCE, Share


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one run."""

    found: dict[str, tuple[int, int]]
    """By class: found, of so many possible ones."""
    false_pages: dict[str, tuple[int, int]]
    """By cell and age: pages, in so many weeks."""
    guards: dict[str, tuple[int, int]]
    """Structural and other guards: wrong pages, of so many plays."""


def record(
    played: Sequence[Played], healthy: Sequence[Healthy], patrolled: Sequence[BenignRun]
) -> Recorded:
    """The figures of a run."""
    found = {}
    for kind in KINDS:
        share = class_figures(kind, played).found_possible
        if share.of:
            found[kind] = share.hits, share.of
    pages: dict[str, tuple[int, int]] = {}
    for one in healthy:
        for name, weeks in (
            ("young", one.opened[:YOUNG_WEEKS]),
            ("mature", one.opened[YOUNG_WEEKS:]),
        ):
            if not weeks:
                continue
            cell = f"{one.areas} areas, budget {one.budget:g}, {name}"
            before = pages.get(cell, (0, 0))
            pages[cell] = before[0] + sum(weeks), before[1] + len(weeks)
    guards: dict[str, tuple[int, int]] = {}
    for each in patrolled:
        for guarded in each.guarded:
            name = "structural" if GUARDS[guarded.name].structural else "life"
            wrong = max(0, guarded.pages - guarded.pages_without)
            before = guards.get(name, (0, 0))
            guards[name] = before[0] + wrong, before[1] + 1
    return Recorded(found=found, false_pages=pages, guards=guards)


def regressions(now: Recorded, before: Recorded) -> list[str]:
    """What became worse, a sentence each; none: nothing did.

    Example:
        >>> before = Recorded(found={"ramp": (9, 10)}, false_pages={"all": (4, 20)}, guards={})
        >>> now = Recorded(found={"ramp": (5, 10)}, false_pages={"all": (12, 20)}, guards={})
        >>> regressions(before, before)
        []
        >>> for sentence in regressions(now, before):
        ...     print(sentence)
        ramp: found 5 of 10 possible, at least 5.96 were to be expected (9 of 10 before)
        all: 12 false pages in 20 weeks, at most 10.2 were to be expected (4 in 20 before)
    """
    sentences = []
    for kind, (hits, of) in before.found.items():
        new, new_of = now.found.get(kind, (0, 0))
        least = Share(hits, of).bounds[0] * new_of
        if new < least:
            sentences.append(
                f"{kind}: found {new} of {new_of} possible, at least {least:.3g} were to be "
                f"expected ({hits} of {of} before)"
            )
    for cells, news, what, among in (
        (before.false_pages, now.false_pages, "false pages", "weeks"),
        (before.guards, now.guards, "wrong pages", "plays"),
    ):
        for cell, (pages, weeks) in cells.items():
            new, new_weeks = news.get(cell, (0, 0))
            tail = 1.0 - (1.0 - CONFIDENCE) / 2.0
            most = float(stats.gamma.ppf(tail, pages + 1)) / weeks * new_weeks
            if new > most:
                sentences.append(
                    f"{cell}: {new} {what} in {new_weeks} {among}, at most {most:.3g} were to be "
                    f"expected ({pages} in {weeks} before)"
                )
    return sentences
