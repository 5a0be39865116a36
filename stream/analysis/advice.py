"""`spikewatch advise`: backtests of one history under several budgets, and the advice."""

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
from detectors.policy.settings import Settings
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
    """Results of a history under several budgets."""

    points: tuple[Point, ...]
    chosen: Point
    backtest: Backtest
    """Backtest under the proposed budget."""
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
    """Backtest a history under each budget, with the same injected incidents.

    Raises:
        UserError: The history is too short for incidents.
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
    chosen = budget_of(points, default=Settings().false_pages_per_week)
    best = found[points.index(chosen)]
    return Advised(
        points=tuple(points),
        chosen=chosen,
        backtest=best,
        advice=advise(best.walked.areas, best.injected),
    )


def budget_table(advised: Advised) -> Table:
    """Return the pages per week, incidents detected and delay of each budget."""
    rows = [
        (
            f"{result.budget:g}" + (" (proposed)" if result == advised.chosen else ""),
            f"{result.pages_a_week:.2f}",
            percent(result.found),
            span(result.median) if math.isfinite(result.median) else "more than half not detected",
        )
        for result in advised.points
    ]
    injections = advised.backtest.injections
    assert injections is not None
    note = (
        "injected incidents of "
        + " and ".join(f"{multiple:g}" for multiple in injections.multiples)
        + f" times the usual tickets, detected within {injections.seconds / 3600.0:g} hours; pages "
        "are those of the history itself, including real incidents"
    )
    heads = ("false pages per week", "pages per week", "incidents detected", "median delay of all")
    return Table("Budgets compared", heads, tuple(rows), (note,))


def advice_lines(advised: Advised) -> list[str]:
    """Return the advice about the budget and the areas, one sentence each."""
    advice, lines = advised.advice, []
    if len(advised.points) > 1 and advised.chosen.budget == advised.points[-1].budget:
        lines.append(
            f"the gain does not level off within what was tried: {advised.chosen.budget:g} false "
            "pages per week is the largest budget; choose what on-call can tolerate"
        )
    if advice.quiet:
        lines.append(
            f"too few tickets to watch alone (less than one per week): {_names(advice.quiet)}"
        )
    for group in advice.merge:
        together = sum(crowded.rate for crowded in group) * 168.0
        lines.append(
            f"merge these areas, whose names begin alike: {_names(group)} "
            f"({together:.2g} tickets per week)"
        )
    if advice.blind:
        lines.append(
            "even the largest incidents were not always detected in these areas: "
            f"{_names(advice.blind)}; merge those that fail together"
        )
    if advice.coarse:
        lines.append(
            f"created_at has no time of day, so incidents are detected only on the next day: "
            f"{_names(advice.coarse)}; export created_at with its time of day"
        )
    for crowded in advice.split:
        parts = ", ".join(
            f"{clean(name, 64)} {percent(share)}" for name, share in crowded.issue_types
        )
        lines.append(f"split {clean(crowded.area, 64)}, which has most of the tickets: {parts}")
    share = advised.nameless
    if share > 0.0:
        line = f"{percent(share)} of the tickets have no area"
        if share > NAMELESS:
            line += ": write rules for them in a taxonomy; see spikewatch taxonomy check"
        lines.append(line)
    return lines or ["the areas need no changes"]


def starting_config(advised: Advised) -> str:
    """Return a starting configuration as TOML with comments."""
    settings, chosen = advised.backtest.settings, advised.chosen
    lines = [
        f"# Proposed from a history of {advised.backtest.facts.tickets:,} tickets.",
        "# False pages per week: pages per week, incidents detected, median delay of all incidents",
    ]
    for result in advised.points:
        delay = (
            span(result.median) if math.isfinite(result.median) else "more than half not detected"
        )
        lines.append(
            f"#   {result.budget:g}: {result.pages_a_week:.2f}, {percent(result.found)}, {delay}"
        )
    lines += ["", "[budget]", f"false_pages_per_week = {float(chosen.budget)!r}"]
    lines += [
        "",
        "[time]",
        "# Time zone of your daily and weekly seasonality, such as Europe/Berlin.",
    ]
    lines.append(f'timezone = "{settings.timezone}"')
    lines += [
        "",
        "[calendar]",
        "# Country whose public holidays are treated as Sundays, such as DE; empty: none.",
    ]
    lines.append(f'country = "{settings.country}"')
    dimensions = [name for name in settings.slice_dimensions if name in advised.advice.dimensions]
    lines += ["", "[slices]", "# The dimensions that your tickets have."]
    lines.append(f"dimensions = {json.dumps(dimensions)}")
    lines += ["", *(f"# {line}" for line in advice_lines(advised)), ""]
    return "\n".join(lines)


def _names(areas: Sequence[AreaFacts]) -> str:
    named = ", ".join(clean(one.area, 64) for one in areas[:MOST_NAMED])
    more = len(areas) - MOST_NAMED
    return named + (f" and {more} more" if more > 0 else "")
