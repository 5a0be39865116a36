"""Tables and sentences of the results of a backtest, for the terminal and for the report."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, Final
from zoneinfo import ZoneInfo

from detectors.evaluation.history.injection import Size
from detectors.evaluation.history.page_log import Difference, PagedEpisode
from detectors.evaluation.tables import Table
from detectors.foundation.units import SECONDS_PER_WEEK
from schemas.codec import clean
from stream.analysis.backtest import Backtest
from stream.escalations.phrases import plural

DAY: Final = 86_400.0
LATE_SHARE: Final = 0.01
"""Share of late or unordered tickets from which a note is added."""
LONG_SILENCE: Final = 30.0 * DAY
SILENT_SHARE: Final = 0.25
"""Share of the history from which a period without tickets suggests a wrong date."""
MOST_ROWS: Final = 40


def clock(at: float, zone: str) -> str:
    """Format a time to the minute, in a time zone.

    Args:
        at: Seconds since 1970.
        zone: IANA time zone.
    """
    return f"{datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"


def span(minutes: float) -> str:
    """Format a delay, given in minutes, in a suitable unit.

    Example:
        >>> [span(each) for each in (0.4, 40.0, 540.0, 3000.0, math.inf)]
        ['under a minute', '40 minutes', '9 hours', '2.1 days', 'not detected']
    """
    if not math.isfinite(minutes):
        return "-" if math.isnan(minutes) else "not detected"
    if minutes < 1.0:
        return "under a minute"
    if minutes < 119.5:
        return plural(round(minutes), "minute")
    hours = minutes / 60.0
    return f"{hours:.{0 if hours >= 3 else 1}f} hours" if hours < 47.5 else f"{hours / 24:.1f} days"


def summary(result: Backtest) -> list[str]:
    """Summarize the history, the warm-up, the pages and the known incidents, one sentence each."""
    facts, zone = result.facts, result.settings.timezone
    days = (facts.end - facts.begin) / DAY
    tenants = len({tenant for tenant, _ in facts.areas})
    lines = [
        f"{plural(facts.tickets, 'ticket')} in {plural(len(facts.areas), 'area')}"
        + (f" of {tenants} tenants" if tenants > 1 else "")
        + f" from {clock(facts.begin, zone)} to {clock(facts.end, zone)} ({zone}), {days:.1f} days",
        f"warm-up: {(result.begin - facts.begin) / DAY:.1f} days, in which pages are not counted; "
        f"counted: {result.weeks.weeks:.1f} weeks from {clock(result.begin, zone)}",
        f"pages: {result.weeks.pages}, {result.weeks.per_week:.2f} per week, with a budget of "
        f"{result.settings.false_pages_per_week:g} false "
        f"{'page' if result.settings.false_pages_per_week == 1.0 else 'pages'} per week"
        + (f"; reopened: {result.weeks.reopened}" if result.weeks.reopened else ""),
    ]
    if (judged := result.judgement) is not None:
        lines.append(
            f"known incidents: {judged.recall.hits} of {judged.recall.of} paged, half of them "
            f"within {span(judged.delay(0.5))}, 90% within {span(judged.delay(0.9))}; "
            f"{judged.precision.hits} of {judged.precision.of} pages belong to a known incident"
        )
    return lines


def notes(result: Backtest) -> list[str]:
    """Return caveats about the history that matter for the figures."""
    facts, zone, lines = result.facts, result.settings.timezone, list[str]()
    if facts.dead:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(facts.dead.items()))
        lines.append(f"rejected tickets: {reasons}")
    if facts.disordered > LATE_SHARE * facts.tickets:
        lines.append(f"{facts.disordered:,} tickets were out of order and were sorted")
    if facts.repeated:
        lines.append(
            f"{facts.repeated:,} records have the id of an earlier one: read as changes of that "
            "ticket, not as complaints"
        )
    late = result.walked.outcomes["late"] + result.walked.outcomes["too_late"]
    if late > LATE_SHARE * facts.tickets:
        lines.append(
            f"{late:,} tickets arrived late: the models learned from them but did not score them"
        )
    since, until = result.silence
    if until - since > max(LONG_SILENCE, SILENT_SHARE * (facts.end - facts.begin)):
        lines.append(
            f"no tickets from {clock(since, zone)} to {clock(until, zone)}: if a date is wrong, "
            "exclude it with --since or --until, because this period is counted"
        )
    if result.walked.gaps:
        lines.append(
            f"the history has {plural(result.walked.gaps, 'gap')} longer than chance explains: the "
            "models learn nothing from those hours"
        )
    for outcome, text in (("duplicate", "are duplicates"),
                          ("not_by_customer", "were not created by a customer")):  # fmt: skip
        if count := result.walked.outcomes[outcome]:
            lines.append(f"{count:,} tickets {text}: not counted")
    if facts.verdicts:
        fed = result.walked.outcomes["verdict"]
        lines.append(f"verdicts: {facts.verdicts}, of which {fed} belong to a page")
    if result.judgement is not None and result.judgement.outside:
        lines.append(
            f"{result.judgement.outside} labels are in the warm-up or outside the history and were "
            "left out"
        )
    lines += _unknown_labels(result)
    if result.left_out:
        lines.append(
            f"{result.left_out} quieter areas are evaluated, but have no timeline and no "
            "injected incidents"
        )
    disturbed = sum(incident.disturbed for incident in result.injected)
    if disturbed:
        lines.append(
            f"{disturbed} injected incidents were left out, because the history itself paged then"
        )
    lines += [
        f"injected incidents not run: {n} ({reason})" for reason, n in result.walked.skipped.items()
    ]
    return lines


def _unknown_labels(result: Backtest) -> list[str]:
    """Return a sentence for each area of a known incident that the history does not have."""
    if result.judgement is None:
        return []
    known = {area for _, area in result.facts.areas}
    labeled = {outcome.label.area for outcome in result.judgement.met}
    lines = []
    for area in sorted(filter(None, labeled - known)):
        close = get_close_matches(area, known, n=1)
        hint = f"; did you mean {clean(close[0], 64)}?" if close else ""
        lines.append(f"no ticket is in the area {clean(area, 64)} of a known incident{hint}")
    return lines


def page_table(result: Backtest) -> Table:
    """Return a table of the pages, the last ones if there are many."""
    zone = result.settings.timezone
    shown = result.runs[-MOST_ROWS:]
    rows = tuple(
        (
            clock(run.opened, zone),
            _about(run),
            run.severity,
            str(run.tickets),
            str(run.customers),
            span((run.opened - run.since) / 60.0),
            "open" if math.isinf(run.ended) else span((run.ended - run.opened) / 60.0),
        )
        for run in shown
    )
    heads = ("paged", "area", "severity", "tickets", "customers", "after", "lasted")
    table_notes = [f"times in {zone}; after: from the beginning of the excess to the page"]
    if len(shown) < len(result.runs):
        table_notes.append(f"the last {len(shown)} of {len(result.runs)} pages")
    return Table("Pages", heads, rows, tuple(table_notes))


def week_table(result: Backtest) -> Table:
    """Return a table of the weeks with pages."""
    weeks, zone = result.weeks, result.settings.timezone
    rows = [
        (clock(weeks.begin + number * SECONDS_PER_WEEK, zone)[:10], str(pages))
        for number, pages in enumerate(weeks.by_week)
        if pages
    ]
    quiet = len(weeks.by_week) - len(rows)
    note = (f"{plural(quiet, 'week')} without a page",) if quiet else ()
    return Table("Pages by week", ("week from", "pages"), tuple(rows[-MOST_ROWS:]), note)


def area_table(result: Backtest) -> Table:
    """Return a table of the pages of each area."""
    weeks = result.weeks
    rows = [
        (clean(area, 64), str(pages), f"{pages / weeks.weeks:.2f}" if weeks.weeks else "-")
        for area, pages in list(weeks.by_area.items())[:MOST_ROWS]
    ]
    return Table("Pages by area", ("area", "pages", "per week"), tuple(rows))


def label_table(result: Backtest) -> Table:
    """Return a table of the known incidents and when each paged, with precision and recall."""
    judged, zone = result.judgement, result.settings.timezone
    assert judged is not None
    rows = []
    for outcome in judged.met[:MOST_ROWS]:
        label = outcome.label
        what = "the whole tenant" if label.area is None else clean(label.area, 64)
        delay = "paged before it began" if outcome.before else span(outcome.delay)
        rows.append((what, clock(label.start, zone), clock(label.end, zone), delay))
    more = len(judged.met) - len(rows)
    sums = (
        f"precision {judged.precision}, recall {judged.recall}; median {span(judged.delay(0.5))}, "
        f"90% {span(judged.delay(0.9))}"
    )
    table_notes = (sums, f"and {more} more") if more > 0 else (sums,)
    return Table("Known incidents", ("area", "from", "to", "paged after"), tuple(rows), table_notes)


def size_tables(result: Backtest) -> list[Table]:
    """Return tables of the delay of injected incidents, by area and size."""
    titles = {
        "area": "Injected incidents: the tickets of an area multiplied",
        "slice": "Injected incidents: the tickets of one region or version of an area multiplied",
        "tenant": "Injected incidents: the tickets of all areas multiplied",
    }
    tables = []
    for kind, title in titles.items():
        of_kind = [size for size in result.sizes if size.kind == kind]
        if not of_kind:
            continue
        multiples = sorted({size.multiple for size in of_kind})
        several = len({size.tenant for size in of_kind}) > 1
        rows: dict[tuple[str, str], dict[float, Size]] = {}
        for size in of_kind:
            rows.setdefault((size.tenant, size.area or "all areas"), {})[size.multiple] = size
        cells = tuple(
            (
                clean(f"{tenant}: {area}" if several else area, 64),
                *(_cell(sizes.get(multiple)) for multiple in multiples),
            )
            for (tenant, area), sizes in rows.items()
        )
        heads = ("area", *(f"x{multiple:g}" for multiple in multiples))
        assert result.injections is not None
        hours = result.injections.seconds / 3600.0
        note = (
            f"median delay of all; those not detected within {hours:g} hours count as never; "
            "(detected/run) if not all were"
        )
        tables.append(Table(title, heads, cells, (note,)))
    return tables


def sentences(result: Backtest) -> list[str]:
    """Return the delay of the smallest size always detected in each area, fastest first."""
    sure = [size for size in result.sizes if size.kind == "area" and size.found == size.played]
    least: dict[tuple[str, str | None], Size] = {}
    for size in sorted(sure, key=lambda size: size.multiple):
        least.setdefault((size.tenant, size.area), size)
    return [
        f"{size.multiple:g} times the tickets of {clean(size.area or '', 64)} would page after "
        f"{span(size.median)}"
        for size in sorted(least.values(), key=lambda size: size.median)
    ]


def as_json(result: Backtest) -> dict[str, Any]:
    """Return the results of a backtest as plain data; times are RFC 3339, delays in minutes."""
    zone, weeks, judged = result.settings.timezone, result.weeks, result.judgement
    return {
        "tickets": result.facts.tickets,
        "begin": _iso(result.facts.begin, zone),
        "end": _iso(result.facts.end, zone),
        "counted_from": _iso(result.begin, zone),
        "timezone": zone,
        "weeks": round(weeks.weeks, 3),
        "budget": result.settings.false_pages_per_week,
        "pages_per_week": None if math.isnan(weeks.per_week) else round(weeks.per_week, 3),
        "reopened": weeks.reopened,
        "pages": [
            {
                "paged": _iso(run.opened, zone),
                "since": _iso(run.since, zone),
                "ended": None if math.isinf(run.ended) else _iso(run.ended, zone),
                "tenant": run.tenant,
                "area": run.area,
                "slice": None if run.slice is None else dict([run.slice]),
                "severity": run.severity,
                "tickets": run.tickets,
                "customers": run.customers,
                "episode_id": run.episode_id,
                "reopened": run.again,
            }
            for run in result.runs
        ],
        "pages_by_area": weeks.by_area,
        "known_incidents": [
            {
                "area": met.label.area,
                "start": _iso(met.label.start, zone),
                "end": _iso(met.label.end, zone),
                "delay": _finite(met.delay),
            }
            for met in (judged.met if judged else ())
        ],
        "injected": [
            {
                "kind": size.kind,
                "tenant": size.tenant,
                "area": size.area,
                "multiple": size.multiple,
                "run": size.played,
                "detected": size.found,
                "median_delay": _finite(size.median),
            }
            for size in result.sizes
        ],
        "notes": notes(result),
    }


def _iso(at: float, zone: str) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(zone)).isoformat()


def _finite(minutes: float) -> float | None:
    return round(minutes, 2) if math.isfinite(minutes) else None


def difference_table(differences: Sequence[Difference], names: tuple[str, str], zone: str) -> Table:
    """Return a table that compares two configurations page by page."""
    rows = []
    for pair in differences:
        run = pair.left or pair.right
        assert run is not None
        left, right = ("-" if r is None else clock(r.opened, zone) for r in (pair.left, pair.right))
        if pair.left is None or pair.right is None:
            difference = f"only {names[pair.left is None]}"
        else:
            later = pair.later / 60.0
            when = "at the same time" if not later else f"{span(abs(later))} "
            difference = when if not later else when + ("later" if later > 0 else "earlier")
        rows.append((_about(run), left, right, difference))
    both = sum(pair.left is not None and pair.right is not None for pair in differences)
    alone = [
        sum(pair.right is None for pair in differences),
        sum(pair.left is None for pair in differences),
    ]
    note = f"both: {both}; only {names[0]}: {alone[0]}; only {names[1]}: {alone[1]}"
    heads = ("about", *names, f"{names[1]} is")
    return Table("Page by page", heads, tuple(rows), (note,))


def tables(backtest: Backtest) -> list[Table]:
    """Return all tables of a backtest."""
    result = [page_table(backtest), week_table(backtest), area_table(backtest)]
    if backtest.judgement is not None:
        result.append(label_table(backtest))
    return result + size_tables(backtest)


def _about(run: PagedEpisode) -> str:
    what = f"all of {run.tenant}" if run.area is None else run.area
    return clean(what if run.slice is None else f"{what}, {run.slice[1]}", 64)


def _cell(size: Size | None) -> str:
    if size is None:
        return "-"
    if not size.found:
        return "not detected"
    delay = span(size.median) if math.isfinite(size.median) else "half not detected"
    return delay if size.found == size.played else f"{delay} ({size.found}/{size.played})"
