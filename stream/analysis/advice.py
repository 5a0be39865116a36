"""Advice from somebody's own history: the same incidents at several budgets; words and TOML."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.pool import Pool
from typing import Final

import msgspec

from detectors.evaluation.history.advice import Advice, Point, advise, budget_of
from detectors.evaluation.history.backtest import AreaFacts, Injections
from detectors.evaluation.tables import Table
from schemas.codec import clean
from stream.analysis.backtest import Backtest, Order, run
from stream.analysis.backtest_tables import span
from stream.inputs.ticket_archive import History

BUDGETS: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
INJECTIONS: Final = Injections(kinds=("area",), multiples=(3.0, 10.0), repeat=2)
NAMELESS: Final = 0.02
"""Share of the tickets; if more name no area, a taxonomy is worth its work."""
MOST_NAMED: Final = 12


@dataclass(frozen=True, kw_only=True)
class Advised:
    """What came of a history at several budgets."""

    points: tuple[Point, ...]
    chosen: Point
    backtest: Backtest
    """Under the budget that was chosen."""
    advice: Advice

    @property
    def nameless(self) -> float:
        """Share of the tickets that name no area."""
        return self.backtest.facts.nameless / self.backtest.facts.tickets


def weigh(
    history: History,
    order: Order,
    budgets: Sequence[float] = BUDGETS,
    pool: Pool | None = None,
    tell: Callable[[float], None] = lambda _share: None,
) -> Advised:
    """Play *history* at each of *budgets*, with the same incidents.

    Raises:
        UserError: It is too short for incidents.
    """
    orders = [
        replace(
            order,
            settings=msgspec.structs.replace(order.settings, false_pages_per_week=budget),
            injections=order.injections or INJECTIONS,
        )
        for budget in budgets
    ]
    arguments = [(history.path, history.facts, one) for one in orders]
    waiting: list[Callable[[], Backtest]]
    if pool is None:
        waiting = [partial(run, *given) for given in arguments]
    else:
        under_way = [pool.apply_async(run, given) for given in arguments]
        waiting = [partial(one.get, None) for one in under_way]
    found = []
    for number, wait in enumerate(waiting, 1):
        found.append(wait())
        tell(number / len(waiting))
    points = [
        Point.of(budget, one.weeks.per_week, one.injected)
        for budget, one in zip(budgets, found, strict=True)
    ]
    chosen = budget_of(points)
    best = found[points.index(chosen)]
    return Advised(
        points=tuple(points),
        chosen=chosen,
        backtest=best,
        advice=advise(best.walked.areas, best.injected),
    )


def budget_table(found: Advised) -> Table:
    """Pages a week against delay."""
    rows = [
        (
            f"{one.budget:g}" + (" (proposed)" if one == found.chosen else ""),
            f"{one.pages_a_week:.2f}",
            f"{one.found:.0%}",
            span(one.median) if math.isfinite(one.median) else "more than half not found",
        )
        for one in found.points
    ]
    injections = found.backtest.injections
    assert injections is not None
    note = (
        "incidents of "
        + " and ".join(f"{multiple:g}" for multiple in injections.multiples)
        + f" times the usual tickets, within {injections.seconds / 3600.0:g} hours; pages are "
        "those of the history itself, real ones included"
    )
    heads = ("false pages a week", "pages a week", "incidents found", "median delay of all")
    return Table("What a budget buys", heads, tuple(rows), (note,))


def advice_lines(found: Advised) -> list[str]:
    """What to do about areas, a sentence each."""
    advice, lines = found.advice, []
    if advice.quiet:
        lines.append(
            f"too quiet to be watched alone (less than one a week): {_names(advice.quiet)}"
        )
    for group in advice.merge:
        together = sum(one.rate for one in group) * 168.0
        lines.append(
            f"merge, since their names begin alike: {_names(group)} ({together:.2g} a week)"
        )
    if advice.blind:
        lines.append(
            "not even the largest incident was always found within its time: "
            f"{_names(advice.blind)}; merge those that break together"
        )
    if advice.coarse:
        lines.append(
            f"times tell the day alone, so nothing is seen before the next day: "
            f"{_names(advice.coarse)}; export created_at with its time"
        )
    for one in advice.split:
        parts = ", ".join(f"{clean(name, 64)} {share:.0%}" for name, share in one.issue_types)
        lines.append(f"split {clean(one.area, 64)}, most of all tickets are its: {parts}")
    share = found.nameless
    if share > 0.0:
        told = f"{share:.1%} of the tickets name no area"
        if share > NAMELESS:
            told += ": give them rules in a taxonomy, see `spikewatch taxonomy check`"
        lines.append(told)
    return lines or ["nothing speaks against the areas as they are"]


def starting_config(found: Advised) -> str:
    """A configuration to start from, as TOML with comments; `spikewatch config check` takes it."""
    settings, chosen = found.backtest.settings, found.chosen
    lines = [
        f"# From a history of {found.backtest.facts.tickets:,} tickets.",
        "# false pages a week: pages a week, incidents found, median delay of all incidents",
    ]
    for one in found.points:
        told = span(one.median) if math.isfinite(one.median) else "more than half not found"
        lines.append(f"#   {one.budget:g}: {one.pages_a_week:.2f}, {one.found:.0%}, {told}")
    lines += ["", "[budget]", f"false_pages_per_week = {float(chosen.budget)!r}"]
    lines += ["", "[time]", "# Whose hours of the week: name yours, such as Europe/Berlin."]
    lines.append(f'timezone = "{settings.timezone}"')
    lines += [
        "",
        "[calendar]",
        "# Whose public holidays count as Sundays, such as DE; empty: none.",
    ]
    lines.append(f'country = "{settings.country}"')
    tellable = [name for name in settings.slice_dimensions if name in found.advice.dimensions]
    lines += ["", "[slices]", "# Those that the tickets tell."]
    lines.append(f"dimensions = {json.dumps(tellable)}")
    lines += ["", *(f"# {line}" for line in advice_lines(found)), ""]
    return "\n".join(lines)


def _names(areas: Sequence[AreaFacts]) -> str:
    named = ", ".join(clean(one.area, 64) for one in areas[:MOST_NAMED])
    more = len(areas) - MOST_NAMED
    return named + (f" and {more} more" if more > 0 else "")
