"""A bug report as Markdown."""

import re
from collections.abc import Iterator
from typing import Final

from stream.escalations.bug_report import (
    HASH,
    LINK,
    MOST_KINDS,
    PLAIN,
    PLAIN_CHARACTERS,
    Report,
    Style,
    clock,
    one_line,
    reproduction,
    suspicion,
    title,
    together,
)
from stream.escalations.phrases import format_number, percent


def as_markdown(report: Report) -> str:
    """*report* as a body for the bug tracker."""
    sections = [
        ("", _head(report)),
        ("What is affected", _affected(report)),
        ("Words", _terms(report)),
        ("Examples", _examples(report)),
        ("To reproduce", (f"- {hint}" for hint in reproduction(report, _MARKDOWN))),
        ("Impact", _impact(report)),
        ("What to do", _actions(report)),
        ("History", _past(report)),
    ]
    lines = [f"# {title(report, _MARKDOWN)}", "", suspicion(report, _MARKDOWN)]
    for name, section in sections:
        if told := list(section):
            lines += ["", *([f"## {name}", ""] if name else []), *told]
    return "\n".join(lines) + "\n"


def literal(text: str) -> str:
    """*text* as Markdown that shows it as it is: plain words bare, all else as a code span.

    Example:
        >>> literal("mobile app"), literal("4.2.1"), literal("@ann #12")
        ('mobile app', '4.2.1', '`@ann #12`')
    """
    if len(text) <= PLAIN_CHARACTERS and PLAIN.fullmatch(text) and not HASH.search(text):
        return text
    return quoted(text)


def quoted(text: str) -> str:
    """*text* as a code span, in one line, whatever backticks it holds.

    Example:
        >>> print(quoted("a `b` c"), quoted("`"), quoted(""))
        ``a `b` c`` `` ` `` (no text)
    """
    text = one_line(text)
    if not text:
        return "(no text)"
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    space = " " if text[0] == "`" or text[-1] == "`" else ""
    return f"{fence}{space}{text}{space}{fence}"


_MARKDOWN: Final = Style(literal, quoted)


def _head(report: Report) -> Iterator[str]:
    until = "it lasts" if report.until is None else clock(report.until)
    paged = f", not paged: {report.suppressed.replace('_', ' ')}" if report.suppressed else ""
    many = report.frequency
    yield f"- **Since** {clock(report.since)}, **until** {until}"
    yield f"- **Status** {report.status}{paged}"
    yield f"- **Severity** {report.severity}: {literal(report.severity_rule)}"
    tickets, customers = format_number(many.tickets), format_number(many.customers)
    yield f"- **Frequency** {tickets} tickets of {customers} customers"
    yield (
        f"- **Per hour** {format_number(many.observed_per_hour)} where "
        f"{format_number(many.expected_per_hour)} are expected: "
        f"{format_number(many.ratio)} times as many "
        f"(90 %: {format_number(many.ratio_low)} to {format_number(many.ratio_high)}); "
        "repeated tickets of one customer count less"
    )
    yield f"- **Episode** `{report.episode_id}` of {literal(report.tenant)}"


def _affected(report: Report) -> Iterator[str]:
    for one in report.segment:
        yield (
            f"- {together(one.values, _MARKDOWN)}: {percent(one.share_of_excess)} of what is too "
            f"much; {format_number(one.observed)} came, {format_number(one.expected)} expected"
        )
    if report.not_explained_by:
        yield f"- not: {', '.join(literal(name) for name in report.not_explained_by)}"
    for area in report.areas[:MOST_KINDS]:
        came, due = format_number(area.observed), format_number(area.expected)
        yield f"- product area {literal(area.product_area)}: {came} came, {due} expected"
    if len(report.areas) > MOST_KINDS:
        yield f"- and {len(report.areas) - MOST_KINDS} product areas more"


def _terms(report: Report) -> Iterator[str]:
    for one in report.terms:
        usual = "**new**" if one.new else f"usually {percent(one.usual_share)}"
        yield f"- {quoted(one.term)} in {percent(one.share)} of the tickets, {usual}"


def _examples(report: Report) -> Iterator[str]:
    for number, one in enumerate(report.examples, 1):
        who = f", customer {literal(one.customer)}" if one.customer else ""
        link = f": {_link(one.url)}" if one.url else ""
        yield f"{number}. {quoted(one.ticket_id)} at {clock(one.created_at)}{who}{link}"
        yield ""
        # Nothing of a stranger begins a line: what reads it might take backticks for a fence.
        yield f"   > “{quoted(one.text)}”"
        if number < len(report.examples):
            yield ""


def _impact(report: Report) -> Iterator[str]:
    impact = report.impact
    if impact is None:
        return
    about = "about " if impact.customers_estimated else ""
    yield f"- **Customers** {about}{format_number(impact.customers)}"
    for name, counts in (("Tiers", impact.by_tier), ("Regions", impact.by_region)):
        if counts:
            most = sorted(counts, key=lambda kind: (-counts[kind], kind))[:MOST_KINDS]
            told = ", ".join(f"{literal(kind)} {format_number(counts[kind])}" for kind in most)
            yield f"- **{name}** {told}{', ...' if len(counts) > MOST_KINDS else ''}"
    if impact.revenue is not None:
        yield (
            f"- **Revenue** {impact.revenue:,.0f} a year, of "
            f"{format_number(impact.revenue_customers)} customers whose revenue is told"
        )
    if impact.renewals_soon:
        soonest = ", ".join(
            f"{literal(one.customer)} on {one.renewal_at:%Y-%m-%d}"
            + (f" ({one.revenue:,.0f} a year)" if one.revenue else "")
            for one in impact.renewals
        )
        told = f"; the soonest: {soonest}" if soonest else ""
        yield f"- **Renewals** {format_number(impact.renewals_soon)} contracts end soon{told}"
    if impact.handling_hours is not None:
        basis = {
            "work": "by the work on solved tickets",
            "time_to_solve": "at most: by the time that solved tickets took",
            "configured": "by the configured minutes of a ticket",
            None: "estimated",
        }[impact.handling_basis]
        yield f"- **Work** {format_number(impact.handling_hours)} extra hours, {basis}"


def _actions(report: Report) -> Iterator[str]:
    actions = report.actions
    if actions is None or actions.entry is None:
        return
    if actions.team:
        yield f"- **Team** {literal(actions.team)}"
    if actions.runbook:
        yield f"- **Runbook** {_link(actions.runbook)}"
    for number, step in enumerate(actions.steps, 1):
        yield f"- Step {number}: {literal(step)}"


def _past(report: Report) -> Iterator[str]:
    for one in report.history:
        yield (
            f"- {clock(one.at)} {one.transition}, {one.severity}: "
            f"{format_number(one.tickets)} tickets of {format_number(one.customers)} customers, "
            f"{format_number(one.expected)} expected"
        )


def _link(target: str) -> str:
    return f"<{target}>" if LINK.fullmatch(target) else quoted(target)
