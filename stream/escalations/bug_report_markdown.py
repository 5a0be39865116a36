"""Bug report as Markdown for a bug tracker.

Text from tickets appears literally, whatever it contains: unless it consists of plain words and
numbers, it is a code span, in which there are no mentions, references, links or tags.
"""

import re
from collections.abc import Iterator
from typing import Final

from stream.escalations.bug_report_model import Report
from stream.escalations.bug_report_text import (
    HASH,
    LINK,
    PLAIN,
    PLAIN_CHARACTERS,
    Style,
    clock,
    one_line,
    reproduction,
    suspicion,
    title,
    together,
)
from stream.escalations.phrases import format_number, percent
from stream.escalations.severity_text import severity_in_words

MOST_KINDS: Final = 6
"""Maximum number of tiers, regions or areas to list."""


def as_markdown(report: Report) -> str:
    """Return a report as the body of an issue in a bug tracker."""
    sections = [
        ("", _head(report)),
        ("What is affected", _affected(report)),
        ("Distinctive terms", _terms(report)),
        ("Examples", _examples(report)),
        ("To reproduce", (f"- {hint}" for hint in reproduction(report, _MARKDOWN))),
        ("Impact", _impact(report)),
        ("What to do", _actions(report)),
        ("History", _history(report)),
    ]
    lines = [f"# {title(report, _MARKDOWN)}", "", suspicion(report, _MARKDOWN)]
    for name, section in sections:
        if section_lines := list(section):
            lines += ["", *([f"## {name}", ""] if name else []), *section_lines]
    return "\n".join(lines) + "\n"


def literal(text: str) -> str:
    """Return Markdown that shows a text literally: plain words unchanged, all else as a code span.

    Example:
        >>> literal("mobile app"), literal("4.2.1"), literal("@ann #12")
        ('mobile app', '4.2.1', '`@ann #12`')
    """
    if len(text) <= PLAIN_CHARACTERS and PLAIN.fullmatch(text) and not HASH.search(text):
        return text
    return quoted(text)


def quoted(text: str) -> str:
    """Return a text as a code span on one line, whatever backticks it contains.

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
    until = "ongoing" if report.until is None else clock(report.until)
    reason = (report.suppressed or "").replace("_", " ")
    suppressed = f", suppressed: {reason}" if reason else ""
    counts = report.frequency
    yield f"- **Since** {clock(report.since)}, **until** {until}"
    yield f"- **Status** {report.status}{suppressed}"
    rule = severity_in_words(report.severity, report.severity_rule)
    yield f"- **Severity** {report.severity}: {literal(rule.partition(': ')[2])}"
    tickets, customers = format_number(counts.tickets), format_number(counts.customers)
    yield f"- **Frequency** {tickets} tickets from {customers} customers"
    yield (
        f"- **Per hour** {format_number(counts.observed_per_hour)} customer-equivalents observed, "
        f"{format_number(counts.expected_per_hour)} expected: "
        f"{format_number(counts.ratio)} times the expected rate "
        f"(90% interval: {format_number(counts.ratio_low)} to {format_number(counts.ratio_high)}). "
        "Repeated tickets of one customer count less in customer-equivalents."
    )
    yield f"- **Episode** `{report.episode_id}` of {literal(report.tenant)}"


def _affected(report: Report) -> Iterator[str]:
    for driver in report.segment:
        observed, expected = format_number(driver.observed), format_number(driver.expected)
        yield (
            f"- {together(driver.values, _MARKDOWN)}: {percent(driver.share_of_excess)} of the "
            f"excess; {observed} observed, {expected} expected"
        )
    if report.not_explained_by:
        yield f"- not a factor: {', '.join(literal(name) for name in report.not_explained_by)}"
    for area in report.areas[:MOST_KINDS]:
        observed, expected = format_number(area.observed), format_number(area.expected)
        name = literal(area.product_area)
        yield f"- product area {name}: {observed} observed, {expected} expected"
    if len(report.areas) > MOST_KINDS:
        yield f"- and {len(report.areas) - MOST_KINDS} more product areas"


def _terms(report: Report) -> Iterator[str]:
    for term in report.terms:
        usual = "**new**" if term.new else f"usually {percent(term.usual_share)}"
        yield f"- {quoted(term.term)} in {percent(term.share)} of the tickets, {usual}"


def _examples(report: Report) -> Iterator[str]:
    for number, example in enumerate(report.examples, 1):
        who = f", customer {literal(example.customer)}" if example.customer else ""
        link = f": {_link(example.url)}" if example.url else ""
        yield f"{number}. {quoted(example.ticket_id)} at {clock(example.created_at)}{who}{link}"
        yield ""
        # Text from a ticket never starts a line, because a parser could take backticks for a fence.
        yield f"   > “{quoted(example.text)}”"
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
            listed = ", ".join(f"{literal(kind)} {format_number(counts[kind])}" for kind in most)
            yield f"- **{name}** {listed}{', ...' if len(counts) > MOST_KINDS else ''}"
    if impact.revenue is not None:
        yield (
            f"- **Revenue** {impact.revenue:,.0f} a year, from "
            f"{format_number(impact.revenue_customers)} customers with known revenue"
        )
    if impact.renewals_soon:
        soonest = ", ".join(
            f"{literal(renewal.customer)} on {renewal.renewal_at:%Y-%m-%d}"
            + (f" ({renewal.revenue:,.0f} a year)" if renewal.revenue else "")
            for renewal in impact.renewals
        )
        first = f"; the first: {soonest}" if soonest else ""
        contracts = "contract renews" if impact.renewals_soon == 1 else "contracts renew"
        yield f"- **Renewals** {format_number(impact.renewals_soon)} {contracts} soon{first}"
    if impact.handling_hours is not None:
        basis = {
            "work": "from the work logged on solved tickets",
            "time_to_solve": "an upper bound from the time to solve of solved tickets",
            "configured": "from the configured minutes per ticket",
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


def _history(report: Report) -> Iterator[str]:
    for entry in report.history:
        yield (
            f"- {clock(entry.at)} {entry.transition}, {entry.severity}: "
            f"{format_number(entry.tickets)} tickets "
            f"from {format_number(entry.customers)} customers, "
            f"{format_number(entry.expected)} expected"
        )


def _link(target: str) -> str:
    return f"<{target}>" if LINK.fullmatch(target) else quoted(target)
