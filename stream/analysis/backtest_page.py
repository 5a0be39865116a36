"""Report of a backtest as one HTML file without scripts, forms or requests to any host.

Charts are inline SVG in the colors of a light page; the style sheet changes the colors in dark
mode. Text from tickets is escaped.
"""

import math
from collections.abc import Sequence
from typing import Any, Final

from detectors.evaluation.history.labels import Label
from detectors.evaluation.tables import Table
from detectors.foundation.units import SECONDS_PER_WEEK
from schemas.codec import clean
from stream.analysis.backtest import Backtest
from stream.analysis.backtest_tables import (
    clock,
    notes,
    page_table,
    sentences,
    summary,
    tables,
)
from stream.charts.backtest_charts import chart, slim, spans
from stream.charts.html import Html, element, join
from stream.charts.vega import FAINT, INK, OBSERVED, Curve, curves, svg, weekly_bars

MOST_TIMELINES: Final = 24
"""Maximum number of areas to draw: those with pages or labels first, then the busiest."""
MOST_CURVES: Final = 4
"""Maximum number of lines per chart of delays, because more colors are hard to distinguish."""
MOST_DELAYS: Final = 4
"""Maximum number of charts of delays: of the whole tenant and of the busiest areas."""
MOST_TEXTS: Final = 50
"""Maximum number of pages whose text is shown; the last are shown."""

_STYLE: Final = (
    f"""
:root {{ color-scheme: light dark; --ink: {INK["light"]}; --faint: {FAINT["light"]}; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: {INK["dark"]}; --faint: {FAINT["dark"]}; }}
  svg [fill="{INK["light"]}"] {{ fill: {INK["dark"]}; }}
  svg [stroke="{INK["light"]}"] {{ stroke: {INK["dark"]}; }}
  svg [stroke="{FAINT["light"]}"] {{ stroke: {FAINT["dark"]}; }}
  svg [fill="{OBSERVED["light"]}"] {{ fill: {OBSERVED["dark"]}; }}
  svg [stroke="{OBSERVED["light"]}"] {{ stroke: {OBSERVED["dark"]}; }}
}}
"""
    + """
body { background: Canvas; color: var(--ink); font: 15px/1.5 system-ui, sans-serif;
  margin: 2rem auto; max-width: 56rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
h3 { font-size: 1rem; margin-bottom: .3rem; }
table { border-collapse: collapse; margin: .5rem 0; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--faint); padding: .2rem .8rem .2rem 0; text-align: right; }
th:first-child, td:first-child { text-align: left; }
figure { margin: .5rem 0 1.5rem; overflow-x: auto; } figcaption { font-size: .9rem; }
svg { max-width: 100%; height: auto; }
pre { border: 1px solid var(--faint); border-radius: 4px; font-size: 12px; padding: .6rem;
  overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
"""
)
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
"""Policy that the browser enforces, whatever a ticket contains."""


def report(result: Backtest, labels: Sequence[Label] = ()) -> str:
    """Return the report as the text of an HTML file.

    Args:
        result: Results of the backtest.
        labels: Known incidents to mark in the timelines.
    """
    parts: list[str | Html] = [
        element("h1", "Pages that spikewatch would have sent in this history"),
        _list(summary(result)),
        _table(page_table(result)),
    ]
    if about := notes(result):
        parts += [element("h2", "About the history"), _list(about)]
    parts += [element("h2", "Pages against the budget"), _budget(result)]
    parts += [_table(table) for table in tables(result)[1:]]
    if result.injected:
        parts += [element("h2", "How soon injected incidents page"), _list(sentences(result))]
        parts.append(_delays(result))
    parts.append(element("h2", "Timelines of the areas"))
    parts.append(
        element(
            "p",
            "Counts are customer-equivalents per hour: repeated tickets of a customer count less. "
            "98 of 100 normal intervals are inside the normal range. An area pages when its score "
            "reaches the threshold. Shaded: episodes that paged (red), known incidents (green).",
        )
    )
    parts += _timelines(result, labels)
    if result.pages:
        parts.append(element("h2", "Messages to on-call"))
        shown = result.pages[-MOST_TEXTS:]
        if len(shown) < result.weeks.pages + result.weeks.reopened:
            parts.append(element("p", f"The last {len(shown)} pages."))
        parts += [element("pre", text) for _, text in shown]
    head = join(
        (
            Html('<meta charset="utf-8">'),
            Html(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
            Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            element("title", "spikewatch: backtest"),
            element("style", Html(_STYLE)),
        )
    )
    body = element("body", element("main", *parts))
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>{body}</html>\n'


def _list(lines: Sequence[str]) -> Html:
    return element("ul", *(element("li", line) for line in lines))


def _table(table: Table) -> Html:
    heads = element("tr", *(element("th", head, scope="col") for head in table.heads))
    rows = [element("tr", *(element("td", cell) for cell in row)) for row in table.rows]
    whole = element("table", element("thead", heads), element("tbody", *rows))
    return join(
        (
            element("h3", table.title),
            element("div", whole, class_="scroll"),
            *(element("p", note) for note in table.notes),
        )
    )


def _figure(drawn: dict[str, Any], caption: str) -> Html:
    picture = Html(slim(svg(drawn)))
    shown = element("div", picture, role="img", aria_label=caption)
    return element("figure", shown, element("figcaption", caption))


def _budget(result: Backtest) -> Html:
    budget, weeks = result.settings.false_pages_per_week, result.weeks
    begins = [weeks.begin + number * SECONDS_PER_WEEK for number in range(len(weeks.by_week))]
    bars = list(zip(begins, weeks.by_week, strict=True))
    drawn = weekly_bars(bars, budget, zone=result.settings.timezone)
    return _figure(
        drawn,
        f"{result.weeks.per_week:.2f} pages per week, including true ones, with a budget of "
        f"{budget:g} false pages per week",
    )


def _delays(result: Backtest) -> Html:
    """Return charts of the delay by the size of incidents, for each area."""
    busiest = [area.area for area in sorted(result.walked.areas, key=lambda facts: -facts.tickets)]
    wanted = {area: place for place, area in enumerate(busiest)}
    groups: dict[tuple[str, str | None], list[tuple[float, float]]] = {}
    for size in result.sizes:
        if size.kind != "slice" and math.isfinite(size.median):
            point = (size.multiple, max(size.median, 1.0))
            groups.setdefault((size.tenant, size.area), []).append(point)
    chosen = sorted(groups, key=lambda key: (key[1] is not None, wanted.get(key[1] or "", 0), key))
    if not chosen:
        return element("p", "No injected incident was detected.")
    figures = []
    for first in range(0, min(len(chosen), MOST_CURVES * MOST_DELAYS), MOST_CURVES):
        keys = chosen[first : first + MOST_CURVES]
        names = [clean(area or f"all of {tenant}", 32) for tenant, area in keys]
        lines = [Curve(name, groups[key]) for name, key in zip(names, keys, strict=True)]
        drawn = curves(
            lines, "times the usual tickets", "median delay, minutes", logarithmic=True, height=180
        )
        caption = (
            f"Median delay by size of the incident: {', '.join(names)}; sizes of which half were "
            "not detected have no point"
        )
        figures.append(_figure(drawn, caption))
    return join(figures)


def _timelines(backtest: Backtest, labels: Sequence[Label]) -> list[Html]:
    lines = backtest.walked.timelines
    tickets = {
        (area_facts.tenant, area_facts.area): area_facts.tickets
        for area_facts in backtest.walked.areas
    }
    marked = {
        (tenant, area): spans(backtest.walked.runs, labels, tenant, area) for tenant, area in lines
    }
    chosen = sorted(
        (key for key in lines if lines[key]),
        key=lambda key: (not marked[key], -tickets.get(key, 0), key),
    )[:MOST_TIMELINES]
    several = len({tenant for tenant, _ in lines}) > 1
    zone, result = backtest.settings.timezone, []
    for tenant, area in sorted(chosen, key=lambda key: (-tickets.get(key, 0), key)):
        name = clean(f"{tenant}: {area}" if several else area, 64)
        stretches = lines[tenant, area]
        caption = (
            f"{name}: {tickets.get((tenant, area), 0):,} tickets, in intervals of "
            f"{stretches[-1].seconds / 3600.0:g} h from {clock(stretches[0].at, zone)} on"
        )
        result.append(element("h3", name))
        result.append(_figure(chart(stretches, marked[tenant, area], zone), caption))
    return result
