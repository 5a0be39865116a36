"""Escalations as on-call reads them, in plain text.

Text of strangers appears literally, without control characters.
"""

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from schemas.codec import clean
from schemas.escalation import Actions, Escalation, EscalationEvent, Explanation, Impact
from stream.escalations.phrases import rounded as rounded  # for those who import it from here

MOST_AREAS: Final = 8
"""Areas of a tenant-wide page that are named."""
MOST_CHILDREN: Final = 5
MOST_EXPLANATIONS: Final = 3
MOST_WORDS: Final = 3
MOST_KINDS: Final = 4
EXAMPLE: Final = 110
"""Characters of an example that fit a line."""


def render(event: EscalationEvent) -> str:
    """A few lines that say what happened, since when, and how sure we are."""
    data = event.data
    head = f"[{data.severity.upper()}] {event.transition.upper()}: {_where(data)}"
    if data.suppressed:
        head += f" (not paged: {data.suppressed})"
    lines = [f"{clock(event.time)}  {head}"]
    if event.transition == "resolved":
        lines.append(
            f"  lasted {_duration(event.time, data.since)}: {data.tickets} tickets of "
            f"{data.customers} customers, {rounded(data.expected)} expected"
        )
    else:
        lines += [
            f"  {data.tickets} tickets of {data.customers} customers since {clock(data.since)} "
            f"({_duration(event.time, data.since)}): {rounded(data.observed)} "
            f"customer-equivalents, {rounded(data.expected)} expected",
            f"  {rounded(data.ratio)} times the expected rate (90 %: {rounded(data.ratio_low, 2)} "
            f"to {rounded(data.ratio_high, 2)}); by chance once in {_days(data.once_in_days)}",
        ]
    if data.budget is not None and event.transition == "opened":
        lines.append(
            f"  budget: {rounded(data.budget.per_week)} false pages a week; pages in four weeks: "
            f"{rounded(data.budget.pages * 4)}, called false: "
            f"{rounded(data.budget.false_pages * 4)}"
        )
    lines += [f"  {line}" for line in _story(data)]
    lines.append(f"  {data.severity_rule}  |  episode {data.episode_id[:12]} #{data.sequence}")
    return "\n".join(lines)


def headline(event: EscalationEvent) -> str:
    """The same in one line, for subjects and lists."""
    data = event.data
    where = _where(data)
    if event.transition == "resolved":
        return (
            f"[RESOLVED] {where} after {_duration(event.time, data.since)}: {data.tickets} tickets "
            f"of {data.customers} customers, {rounded(data.expected)} expected"
        )
    again = " again" if event.transition == "reopened" else ""
    return (
        f"[{data.severity.upper()}] {where}{again}: {data.tickets} tickets of {data.customers} "
        f"customers in {_duration(event.time, data.since)}, {rounded(data.expected)} expected"
    )


def for_accounts(event: EscalationEvent) -> list[str]:
    """What the account team needs: how it stands, what explains it, what to tell customers.

    No other customer's tickets, and nothing of how it is mended.
    """
    data = event.data
    state = "It is over." if event.transition == "resolved" else "It is going on."
    lines = [f"{state} It began {clock(data.since)}: {_where(data)}."]
    lines += [f"What they have in common: {explained(one)}" for one in data.explanation[:1]]
    if data.actions is not None:
        lines.append(f"Who takes it: {_shown(data.actions.team or 'nobody is named')}")
        if data.actions.customer_text:
            lines.append(f'To tell customers: "{_shown(data.actions.customer_text, 400)}"')
        else:
            lines.append("The playbook has no text for customers.")
    lines.append(f"Episode {data.episode_id[:12]} #{data.sequence}, {data.severity}")
    return lines


def _story(data: Escalation) -> Iterator[str]:
    """Why, in which words, at what cost, what to do: each a line, if there is anything to say."""
    if data.children:
        most = data.children[:MOST_CHILDREN]
        yield "most in: " + ", ".join(
            f"{_shown(one.product_area)} {rounded(one.observed)} ({rounded(one.expected)} expected)"
            for one in most
        )
    for number, one in enumerate(data.explanation[:MOST_EXPLANATIONS]):
        yield f"{'explained by' if number == 0 else 'and by'}: {explained(one)}"
    if data.not_explained_by:
        alike = ", ".join(name.replace("_", " ") for name in data.not_explained_by)
        yield f"as usual: {alike}"
    if data.terms:
        yield "words: " + ", ".join(
            f"{_shown(one.term)}{' (new)' if one.new else ''} in {one.share:.0%}"
            f" (usually {one.usual_share:.0%})"
            for one in data.terms[:MOST_WORDS]
        )
    for example in data.examples:
        link = f" {_shown(example.url, 200)}" if example.url else ""
        yield f'ticket {_shown(example.ticket_id)}: "{_shown(example.text, EXAMPLE)}"{link}'
    if data.impact is not None:
        yield "impact: " + "; ".join(_impact(data.impact))
    if data.actions is not None:
        yield from _actions(data.actions)


def explained(one: Explanation) -> str:
    """A claim in words: the value or the two, its part of the excess, how often it came."""
    what = f"{one.dimension.replace('_', ' ')} {_shown(one.value)}"
    if one.also is not None:
        what += f" with {one.also.dimension.replace('_', ' ')} {_shown(one.also.value)}"
    return (
        f"{what}: {max(one.share, 0.0):.0%} of the excess, {rounded(one.observed)} came, "
        f"{rounded(one.expected)} expected"
    )


def _impact(impact: Impact) -> Iterator[str]:
    about = "about " if impact.customers_estimated else ""
    tiers = ", ".join(f"{count} {_shown(name)}" for name, count in _most(impact.by_tier))
    regions = ", ".join(f"{count} {_shown(name)}" for name, count in _most(impact.by_region))
    kinds = "; ".join(part for part in (tiers, regions) if part)
    yield f"{about}{impact.customers} customers" + (f" ({kinds})" if kinds else "")
    if impact.revenue is not None:
        yield f"annual revenue of {impact.revenue_customers} of them {impact.revenue:,.0f}"
    if impact.renewals_soon:
        yield f"{impact.renewals_soon} renew soon"
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
        yield "tell: " + ", ".join(_shown(who) for who in actions.tell)
    if actions.customer_text:
        yield f'to customers: "{_shown(actions.customer_text, 300)}"'


def _shown(text: str, characters: int = 64) -> str:
    """Text of others in one line, without control characters."""
    return clean(" ".join(text.split()), characters)


def _where(data: Escalation) -> str:
    tenant = clean(data.tenant, 128)
    if data.reason == "storm":
        return f"{len(data.areas or ())} areas of {tenant} at once{_listed(data)}"
    if data.product_area is None:
        return f"all of {tenant}{_listed(data)}"
    area = clean(data.product_area, 64)
    if data.reason == "unknown_areas_surge":
        area = "areas that nobody named"
    if data.slice is not None:
        area += f", {data.slice.dimension.replace('_', ' ')} {clean(data.slice.value, 64)}"
        area += " (never seen before)" if data.reason == "new_value" else ""
    return f"{area} of {tenant}"


def _listed(data: Escalation) -> str:
    inside = [clean(area, 64) for area in data.areas or ()]
    more = ", ..." if len(inside) > MOST_AREAS else ""
    return f" ({', '.join(inside[:MOST_AREAS])}{more})" if inside else ""


def clock(at: datetime) -> str:
    """To the second, in UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S}Z"


def _duration(end: datetime, start: datetime) -> str:
    minutes = max(0, round((end - start).total_seconds() / 60))
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _days(days: float) -> str:
    if days >= 1_000_000:
        return "more than a million days"
    if days >= 730:
        return f"{math.floor(days / 365.25):,} years"
    return f"{days:.0f} days"
