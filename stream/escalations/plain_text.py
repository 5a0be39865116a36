"""Escalation events as plain text for on-call, for lists and for account teams.

Text from tickets is shown literally, on one line and without control characters.
"""

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from schemas.codec import clean
from schemas.escalation import Actions, Escalation, EscalationEvent, Explanation, Impact
from stream.escalations.phrases import rounded
from stream.escalations.severity_text import severity_in_words

MOST_AREAS: Final = 8
"""Maximum number of areas named in a tenant-wide escalation."""
MOST_CHILDREN: Final = 5
"""Maximum number of areas listed with their own counts."""
MOST_DRIVERS: Final = 3
MOST_TERMS: Final = 3
MOST_KINDS: Final = 4
"""Maximum number of tiers or regions listed with their number of customers."""
EXAMPLE_CHARACTERS: Final = 110
"""Maximum number of characters of an example ticket, so that it fits on one line."""
BUDGET_LINE: Final = "alert budget: "
"""Beginning of the line about the alert budget, which messages to receivers leave out."""


def render(event: EscalationEvent) -> str:
    """Return an escalation as text for on-call.

    Args:
        event: The escalation.

    Returns:
        A few lines: what happened and where, since when, how certain the detector is, what drives
        the episode, whom it affects and what to do.
    """
    data = event.data
    head = f"[{data.severity.upper()}] {event.transition.upper()}: {_where(data)}"
    if data.suppressed:
        head += f" (suppressed: {data.suppressed.replace('_', ' ')})"
    lines = [f"{clock(event.time)}  {head}"]
    counts = f"{_tickets(data.tickets)} from {_customers(data.customers)}"
    if event.transition == "resolved":
        lines.append(
            f"  lasted {_duration(event.time, data.since)}: {counts} "
            f"({observed_and_expected(data.observed, data.expected)})"
        )
    else:
        lines += [
            f"  {counts} since {clock(data.since)} ({_duration(event.time, data.since)})",
            f"  {observed_and_expected(data.observed, data.expected)}",
            f"  {rounded(data.ratio)} times the expected rate (90% interval: "
            f"{rounded(data.ratio_low, 2)} to {rounded(data.ratio_high, 2)}); "
            f"chance alone would do this about once in {in_days(data.once_in_days)}",
        ]
    if data.budget is not None and event.transition == "opened":
        lines.append(
            f"  {BUDGET_LINE}{_plural(data.budget.per_week, 'false page')} per week; in the "
            "last four "
            f"weeks: {_plural(data.budget.pages * 4, 'page')}, "
            f"{rounded(data.budget.false_pages * 4)} of them marked as false alarms"
        )
    lines += [f"  {line}" for line in _details(data)]
    lines.append(
        f"  {_shown(severity_in_words(data.severity, data.severity_rule), 400)}  |  "
        f"episode {data.episode_id[:12]} #{data.sequence}"
    )
    return "\n".join(lines)


def subject(event: EscalationEvent) -> str:
    """Return the subject of e-mails about an episode: the same for all its events in one place."""
    return f"spikewatch: {_where(event.data)} ({event.data.episode_id[:12]})"


def headline(event: EscalationEvent) -> str:
    """Return an escalation as one line, for subjects and lists.

    Args:
        event: The escalation.

    Returns:
        Severity, location, number of tickets and customers, duration and expected count.
    """
    data = event.data
    where = _where(data)
    counts = f"{_tickets(data.tickets)} from {_customers(data.customers)}"
    duration, expected = _duration(event.time, data.since), rounded(data.expected)
    if event.transition == "resolved":
        return f"[RESOLVED] {where} after {duration}: {counts}, {expected} expected"
    again = " again" if event.transition == "reopened" else ""
    return f"[{data.severity.upper()}] {where}{again}: {counts} in {duration}, {expected} expected"


def for_accounts(event: EscalationEvent) -> list[str]:
    """Return the text for an account team: the status, the main driver and a text for customers.

    The text mentions no tickets of other customers and no internal steps of the playbook.

    Args:
        event: The escalation.

    Returns:
        Lines of plain text.
    """
    data = event.data
    state = "Resolved." if event.transition == "resolved" else "Ongoing."
    lines = [f"{state} It started at {clock(data.since)}: {_where(data)}."]
    lines += [f"Driver: {explained(driver)}" for driver in data.explanation[:1]]
    if data.actions is not None:
        lines.append(f"Responsible team: {_shown(data.actions.team or 'not specified')}")
        if data.actions.customer_text:
            lines.append(f'Text for customers: "{_shown(data.actions.customer_text, 400)}"')
        else:
            lines.append("The playbook has no text for customers.")
    lines.append(f"Episode {data.episode_id[:12]} #{data.sequence}, severity {data.severity}")
    return lines


def _details(data: Escalation) -> Iterator[str]:
    """Yield lines with the areas, drivers, terms, examples, impact and actions of an escalation."""
    if data.children:
        most = data.children[:MOST_CHILDREN]
        yield "areas: " + ", ".join(
            f"{_shown(area.product_area)} {rounded(area.observed)} observed "
            f"({rounded(area.expected)} expected)"
            for area in most
        )
    for driver in data.explanation[:MOST_DRIVERS]:
        yield f"driver: {explained(driver)}"
    if data.not_explained_by:
        dimensions = ", ".join(name.replace("_", " ") for name in data.not_explained_by)
        yield f"not a factor: {dimensions}"
    if data.terms:
        yield "distinctive terms: " + ", ".join(
            f"{_shown(term.term)} in {term.share:.0%} of tickets "
            f"({'new' if term.new else f'usually {term.usual_share:.0%}'})"
            for term in data.terms[:MOST_TERMS]
        )
    for example in data.examples:
        link = f" {_shown(example.url, 200)}" if example.url else ""
        text = _shown(example.text, EXAMPLE_CHARACTERS)
        yield f'ticket {_shown(example.ticket_id)}: "{text}"{link}'
    if data.impact is not None:
        yield "impact: " + "; ".join(_impact(data.impact))
    if data.actions is not None:
        yield from _actions(data.actions)


def explained(driver: Explanation) -> str:
    """Describe a driver.

    Args:
        driver: One explanation of an escalation: a slice, or a combination of two slices.

    Returns:
        The slice, its share of the excess, and its observed and expected counts.
    """
    what = f"{driver.dimension.replace('_', ' ')} {_shown(driver.value)}"
    if driver.also is not None:
        what += f" with {driver.also.dimension.replace('_', ' ')} {_shown(driver.also.value)}"
    return (
        f"{what}: {max(driver.share, 0.0):.0%} of the excess, {rounded(driver.observed)} observed, "
        f"{rounded(driver.expected)} expected"
    )


def observed_and_expected(observed: float, expected: float) -> str:
    """Return both counts with their unit.

    Args:
        observed: Observed customer-equivalents.
        expected: Customer-equivalents that the model predicts for the same time.

    Returns:
        Text such as "12.5 customer-equivalents observed, 3.1 expected".
    """
    return f"{rounded(observed)} customer-equivalents observed, {rounded(expected)} expected"


def _tickets(count: int) -> str:
    return f"{count} ticket" if count == 1 else f"{count} tickets"


def _customers(count: int) -> str:
    return f"{count} customer" if count == 1 else f"{count} customers"


def _plural(count: float, noun: str) -> str:
    return f"{rounded(count)} {noun}{'' if count == 1 else 's'}"


def _impact(impact: Impact) -> Iterator[str]:
    about = "about " if impact.customers_estimated else ""
    tiers = ", ".join(f"{count} {_shown(name)}" for name, count in _most(impact.by_tier))
    regions = ", ".join(f"{count} {_shown(name)}" for name, count in _most(impact.by_region))
    kinds = "; ".join(part for part in (tiers, regions) if part)
    yield f"{about}{_customers(impact.customers)}" + (f" ({kinds})" if kinds else "")
    if impact.revenue is not None:
        yield f"annual revenue of {impact.revenue_customers} of them: {impact.revenue:,.0f}"
    if impact.renewals_soon:
        renews = "renews" if impact.renewals_soon == 1 else "renew"
        yield f"{impact.renewals_soon} {renews} soon"
    if impact.handling_hours is not None:
        bound = "at most " if impact.handling_basis == "time_to_solve" else ""
        yield f"{bound}{rounded(impact.handling_hours)} h of extra work"


def _most(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_KINDS]


def _actions(actions: Actions) -> Iterator[str]:
    if actions.entry is None:
        yield "playbook: no entry matches"
        return
    runbook = f", runbook {_shown(actions.runbook, 200)}" if actions.runbook else ""
    yield f"team: {_shown(actions.team or 'none named')}{runbook}"
    for number, step in enumerate(actions.steps, 1):
        yield f"  {number}. {_shown(step, 200)}"
    if actions.tell:
        yield "inform: " + ", ".join(_shown(who) for who in actions.tell)
    if actions.customer_text:
        yield f'text for customers: "{_shown(actions.customer_text, 300)}"'


def _shown(text: str, characters: int = 64) -> str:
    """Return text from tickets or configuration on one line, without control characters."""
    return clean(" ".join(text.split()), characters)


def _where(data: Escalation) -> str:
    tenant = clean(data.tenant, 128)
    if data.reason == "storm":
        return f"{len(data.areas or ())} areas of {tenant} at once{_listed(data)}"
    if data.product_area is None:
        return f"all of {tenant}{_listed(data)}"
    area = clean(data.product_area, 64)
    if data.reason == "unknown_areas_surge":
        area = "unknown areas"
    if data.slice is not None:
        area += f", {data.slice.dimension.replace('_', ' ')} {clean(data.slice.value, 64)}"
        area += " (never seen before)" if data.reason == "new_value" else ""
    return f"{area} of {tenant}"


def _listed(data: Escalation) -> str:
    inside = [clean(area, 64) for area in data.areas or ()]
    ellipsis = ", ..." if len(inside) > MOST_AREAS else ""
    return f" ({', '.join(inside[:MOST_AREAS])}{ellipsis})" if inside else ""


def clock(at: datetime) -> str:
    """Format a time to the second, in UTC.

    Args:
        at: Time in the time zone UTC.
    """
    return f"{at:%Y-%m-%d %H:%M:%S}Z"


def _duration(end: datetime, start: datetime) -> str:
    minutes = max(0, round((end - start).total_seconds() / 60))
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def in_days(days: float) -> str:
    """Format a mean time between chance alerts in a suitable unit.

    Args:
        days: Number of days, at least 0.

    Example:
        >>> in_days(163.2), in_days(0.25), in_days(1.0), in_days(1e7)
        ('163 days', '6 hours', '1 day', 'more than a million days')
    """
    if days >= 1_000_000:
        return "more than a million days"
    if days >= 730:
        return f"{math.floor(days / 365.25):,} years"
    if days < 1.0:
        return f"{rounded(24.0 * days, 2)} hours"
    return "1 day" if f"{days:.0f}" == "1" else f"{days:.0f} days"
