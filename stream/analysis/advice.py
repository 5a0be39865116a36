"""`spikewatch advise`: one history under several budgets, as a table, sentences and TOML."""

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
from stream.escalations.phrases import percent
from stream.inputs.ticket_archive import History

BUDGETS: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
INJECTIONS: Final = Injections(kinds=("area",), multiples=(3.0, 10.0), repeat=2)
NAMELESS: Final = 0.02
"""Share of tickets without an area from which a taxonomy is recommended."""
MOST_NAMED: Final = 12


@dataclass(frozen=True, kw_only=True)
class Advised:
    """The results of a history under several budgets."""

    points: tuple[Point, ...]
    chosen: Point
    backtest: Backtest
    """The run under the proposed budget."""
    advice: Advice

    @property
    def nameless(self) -> float:
        """Return the share of tickets without an area."""
        return self.backtest.facts.nameless / self.backtest.facts.tickets


def weigh(
    history: History,
    order: Order,
    budgets: Sequence[float] = BUDGETS,
    pool: Pool | None = None,
    report_progress: Callable[[float], None] = lambda _share: None,
) -> Advised:
    """Play a history under each budget, with the same injected incidents.

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
        report_progress(number / len(waiting))
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
    """Return pages per week, incidents found and delay of each budget."""
    rows = [
        (
            f"{one.budget:g}" + (" (proposed)" if one == found.chosen else ""),
            f"{one.pages_a_week:.2f}",
            percent(one.found),
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
        "those of the history itself, including real incidents"
    )
    heads = ("false pages per week", "pages per week", "incidents found", "median delay of all")
    return Table("Budgets compared", heads, tuple(rows), (note,))


def advice_lines(found: Advised) -> list[str]:
    """Return what to change about areas, one sentence each."""
    advice, lines = found.advice, []
    if advice.quiet:
        lines.append(
            f"too few tickets to watch alone (less than one per week): {_names(advice.quiet)}"
        )
    for group in advice.merge:
        together = sum(one.rate for one in group) * 168.0
        lines.append(
            f"merge these areas, whose names begin alike: {_names(group)} "
            f"({together:.2g} tickets per week)"
        )
    if advice.blind:
        lines.append(
            "even the largest incident was not always found in these areas: "
            f"{_names(advice.blind)}; merge those that fail together"
        )
    if advice.coarse:
        lines.append(
            f"created_at has no time of day, so incidents are found only on the next day: "
            f"{_names(advice.coarse)}; export created_at with its time of day"
        )
    for one in advice.split:
        parts = ", ".join(f"{clean(name, 64)} {percent(share)}" for name, share in one.issue_types)
        lines.append(f"split {clean(one.area, 64)}, which has most of all tickets: {parts}")
    share = found.nameless
    if share > 0.0:
        line = f"{percent(share)} of the tickets have no area"
        if share > NAMELESS:
            line += ": write rules for them in a taxonomy; see spikewatch taxonomy check"
        lines.append(line)
    return lines or ["the areas are fine as they are"]


def starting_config(found: Advised) -> str:
    """Return a configuration to start from, as TOML with comments."""
    settings, chosen = found.backtest.settings, found.chosen
    lines = [
        f"# Proposed from a history of {found.backtest.facts.tickets:,} tickets.",
        "# False pages per week: pages per week, incidents found, median delay of all incidents",
    ]
    for one in found.points:
        delay = span(one.median) if math.isfinite(one.median) else "more than half not found"
        lines.append(f"#   {one.budget:g}: {one.pages_a_week:.2f}, {percent(one.found)}, {delay}")
    lines += ["", "[budget]", f"false_pages_per_week = {float(chosen.budget)!r}"]
    lines += [
        "",
        "[time]",
        "# Time zone in which your days and weeks repeat, such as Europe/Berlin.",
    ]
    lines.append(f'timezone = "{settings.timezone}"')
    lines += [
        "",
        "[calendar]",
        "# Country whose public holidays count as Sundays, such as DE; empty: none.",
    ]
    lines.append(f'country = "{settings.country}"')
    dimensions = [name for name in settings.slice_dimensions if name in found.advice.dimensions]
    lines += ["", "[slices]", "# The dimensions that your tickets have."]
    lines.append(f"dimensions = {json.dumps(dimensions)}")
    lines += ["", *(f"# {line}" for line in advice_lines(found)), ""]
    return "\n".join(lines)


def _names(areas: Sequence[AreaFacts]) -> str:
    named = ", ".join(clean(one.area, 64) for one in areas[:MOST_NAMED])
    more = len(areas) - MOST_NAMED
    return named + (f" and {more} more" if more > 0 else "")
