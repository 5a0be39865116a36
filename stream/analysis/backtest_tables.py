"""The results of a backtest as tables and sentences, for the terminal and for the report."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
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
"""Share of tickets out of order from which a note says so."""
LONG_SILENCE: Final = 30.0 * DAY
SILENT_SHARE: Final = 0.25
"""Share of the history: a longer silence is probably a wrong date."""
MOST_ROWS: Final = 40


def clock(at: float, zone: str) -> str:
    """Return a time to the minute, in a time zone.

    Args:
        at: Seconds since 1970.
        zone: IANA time zone.
    """
    return f"{datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"


def span(minutes: float) -> str:
    """Return a delay, given in minutes, in the unit that people would use.

    Example:
        >>> [span(each) for each in (0.4, 40.0, 540.0, 3000.0, math.inf)]
        ['under a minute', '40 minutes', '9 hours', '2.1 days', 'not found']
    """
    if not math.isfinite(minutes):
        return "-" if math.isnan(minutes) else "not found"
    if minutes < 1.0:
        return "under a minute"
    if minutes < 119.5:
        return plural(round(minutes), "minute")
    hours = minutes / 60.0
    return f"{hours:.{0 if hours >= 3 else 1}f} hours" if hours < 47.5 else f"{hours / 24:.1f} days"


def summary(found: Backtest) -> list[str]:
    """Return the history, the warm-up, the pages and the known incidents, one sentence each."""
    facts, zone = found.facts, found.settings.timezone
    days = (facts.end - facts.begin) / DAY
    tenants = len({tenant for tenant, _ in facts.areas})
    lines = [
        f"{plural(facts.tickets, 'ticket')} in {plural(len(facts.areas), 'area')}"
        + (f" of {tenants} tenants" if tenants > 1 else "")
        + f" from {clock(facts.begin, zone)} to {clock(facts.end, zone)} ({zone}), {days:.1f} days",
        f"warm-up: {(found.begin - facts.begin) / DAY:.1f} days, in which pages do not count; "
        f"counted: {found.weeks.weeks:.1f} weeks from {clock(found.begin, zone)}",
        f"pages: {found.weeks.pages}, {found.weeks.per_week:.2f} per week, against a budget of "
        f"{found.settings.false_pages_per_week:g} false pages per week"
        + (f"; reopened: {found.weeks.reopened}" if found.weeks.reopened else ""),
    ]
    if (judged := found.judgement) is not None:
        lines.append(
            f"known incidents: {judged.recall.hits} of {judged.recall.of} paged, half of them "
            f"within {span(judged.delay(0.5))}, 90 % within {span(judged.delay(0.9))}; "
            f"{judged.precision.hits} of {judged.precision.of} pages belong to a known incident"
        )
    return lines


def notes(found: Backtest) -> list[str]:
    """Return what a reader must know about the history to judge the figures."""
    facts, zone, lines = found.facts, found.settings.timezone, list[str]()
    if facts.dead:
        reasons = ", ".join(f"{count} {why}" for why, count in sorted(facts.dead.items()))
        lines.append(f"tickets that cannot be read: {reasons}")
        if facts.dead["no_offset"]:
            lines.append("some times have no UTC offset: give their time zone with --timezone")
    if facts.disordered > LATE_SHARE * facts.tickets:
        lines.append(f"{facts.disordered:,} tickets were out of order and were sorted")
    late = found.walked.outcomes["late"] + found.walked.outcomes["too_late"]
    if late > LATE_SHARE * facts.tickets:
        lines.append(
            f"{late:,} tickets arrived late: the models learned from them, but did not judge them"
        )
    since, until = found.silence
    if until - since > max(LONG_SILENCE, SILENT_SHARE * (facts.end - facts.begin)):
        lines.append(
            f"no ticket from {clock(since, zone)} to {clock(until, zone)}: if a date is wrong, cut "
            "it off with --since or --until, because such times count"
        )
    if found.walked.gaps:
        lines.append(
            f"the history has {plural(found.walked.gaps, 'gap')} longer than chance explains: the "
            "models learn nothing from those hours"
        )
    for outcome, text in (("duplicate", "are duplicates"),
                          ("not_by_customer", "were not created by a customer")):  # fmt: skip
        if count := found.walked.outcomes[outcome]:
            lines.append(f"{count:,} tickets {text}: not counted")
    if facts.verdicts:
        fed = found.walked.outcomes["verdict"]
        lines.append(f"verdicts: {facts.verdicts}, of which {fed} belong to a page")
    if found.judgement is not None and found.judgement.outside:
        lines.append(
            f"{found.judgement.outside} labels are in the warm-up or outside the history and were "
            "left out"
        )
    if found.left_out:
        lines.append(
            f"{found.left_out} quieter areas are judged, but have no timeline and no "
            "injected incident"
        )
    disturbed = sum(one.disturbed for one in found.injected)
    if disturbed:
        lines.append(
            f"{disturbed} injected incidents were left out, because the history itself paged then"
        )
    lines += [
        f"injected incidents not played: {n} ({why})" for why, n in found.walked.skipped.items()
    ]
    return lines


def week_table(found: Backtest) -> Table:
    """Return the pages of each week."""
    weeks, zone = found.weeks, found.settings.timezone
    rows = [
        (clock(weeks.begin + number * SECONDS_PER_WEEK, zone)[:10], str(pages))
        for number, pages in enumerate(weeks.by_week)
    ]
    return Table("Pages by week", ("week from", "pages"), tuple(rows))


def area_table(found: Backtest) -> Table:
    """Return the pages of each area."""
    weeks = found.weeks
    rows = [
        (clean(area, 64), str(pages), f"{pages / weeks.weeks:.2f}" if weeks.weeks else "-")
        for area, pages in list(weeks.by_area.items())[:MOST_ROWS]
    ]
    return Table("Pages by area", ("area", "pages", "per week"), tuple(rows))


def label_table(found: Backtest) -> Table:
    """Return what became of each known incident, with precision and recall."""
    judged, zone = found.judgement, found.settings.timezone
    assert judged is not None
    rows = []
    for one in judged.met[:MOST_ROWS]:
        label = one.label
        what = "the whole tenant" if label.area is None else clean(label.area, 64)
        delay = "paged before it began" if one.before else span(one.delay)
        rows.append((what, clock(label.start, zone), clock(label.end, zone), delay))
    more = len(judged.met) - len(rows)
    sums = (
        f"precision {judged.precision}, recall {judged.recall}; median {span(judged.delay(0.5))}, "
        f"90 % {span(judged.delay(0.9))}"
    )
    table_notes = (sums, f"and {more} more") if more > 0 else (sums,)
    return Table("Known incidents", ("area", "from", "to", "paged after"), tuple(rows), table_notes)


def size_tables(found: Backtest) -> list[Table]:
    """Return the delay of injected incidents: a row for each area, a column for each size."""
    titles = {
        "area": "Injected incidents: the tickets of an area multiplied",
        "slice": "Injected incidents: the tickets of one region or version of an area multiplied",
        "tenant": "Injected incidents: the tickets of all areas multiplied",
    }
    tables = []
    for kind, title in titles.items():
        of_kind = [one for one in found.sizes if one.kind == kind]
        if not of_kind:
            continue
        multiples = sorted({one.multiple for one in of_kind})
        several = len({one.tenant for one in of_kind}) > 1
        rows: dict[tuple[str, str], dict[float, Size]] = {}
        for one in of_kind:
            rows.setdefault((one.tenant, one.area or "all areas"), {})[one.multiple] = one
        cells = tuple(
            (
                clean(f"{tenant}: {area}" if several else area, 64),
                *(_cell(sizes.get(multiple)) for multiple in multiples),
            )
            for (tenant, area), sizes in rows.items()
        )
        heads = ("area", *(f"x{multiple:g}" for multiple in multiples))
        assert found.injections is not None
        hours = found.injections.seconds / 3600.0
        note = (
            f"median delay of those found within {hours:g} hours; found/played where not all were"
        )
        tables.append(Table(title, heads, cells, (note,)))
    return tables


def sentences(found: Backtest) -> list[str]:
    """Return the delay of the smallest size that was always found in each area, fastest first."""
    sure = [one for one in found.sizes if one.kind == "area" and one.found == one.played]
    least: dict[tuple[str, str | None], Size] = {}
    for one in sorted(sure, key=lambda one: one.multiple):
        least.setdefault((one.tenant, one.area), one)
    return [
        f"{one.multiple:g} times the tickets of {clean(one.area or '', 64)} would page after "
        f"{span(one.median)}"
        for one in sorted(least.values(), key=lambda one: one.median)
    ]


def difference_table(found: Sequence[Difference], names: tuple[str, str], zone: str) -> Table:
    """Return page by page what two configurations send."""
    rows = []
    for one in found:
        run = one.left or one.right
        assert run is not None
        left, right = ("-" if r is None else clock(r.opened, zone) for r in (one.left, one.right))
        if one.left is None or one.right is None:
            difference = f"only {names[one.left is None]}"
        else:
            later = one.later / 60.0
            when = "at the same time" if not later else f"{span(abs(later))} "
            difference = when if not later else when + ("later" if later > 0 else "earlier")
        rows.append((_about(run), left, right, difference))
    both = sum(one.left is not None and one.right is not None for one in found)
    alone = [sum(one.right is None for one in found), sum(one.left is None for one in found)]
    note = f"both: {both}; only {names[0]}: {alone[0]}; only {names[1]}: {alone[1]}"
    heads = ("about", *names, f"{names[1]} is")
    return Table("Page by page", heads, tuple(rows), (note,))


def tables(found: Backtest) -> list[Table]:
    """Return all tables of a backtest."""
    result = [week_table(found), area_table(found)]
    if found.judgement is not None:
        result.append(label_table(found))
    return result + size_tables(found)


def _about(run: PagedEpisode) -> str:
    what = f"all of {run.tenant}" if run.area is None else run.area
    return clean(what if run.slice is None else f"{what}, {run.slice[1]}", 64)


def _cell(size: Size | None) -> str:
    if size is None:
        return "-"
    if not size.found:
        return "not found"
    delay = span(size.median)
    return delay if size.found == size.played else f"{delay} ({size.found}/{size.played})"
