"""Escalations as on-call reads them, in plain text.

Text of strangers appears literally, without control characters.
"""

import math
from datetime import datetime
from typing import Final

from schemas.codec import clean
from schemas.escalation import Escalation, EscalationEvent

MOST_AREAS: Final = 8
"""Areas of a tenant-wide page that are named."""


def page(event: EscalationEvent) -> str:
    """A few lines that say what happened, since when, and how sure we are."""
    data = event.data
    head = f"[{data.severity.upper()}] {event.transition.upper()}: {_where(data)}"
    if data.suppressed:
        head += f" (not paged: {data.suppressed})"
    lines = [f"{_clock(event.time)}  {head}"]
    if event.transition == "resolved":
        lines.append(
            f"  lasted {_duration(event.time, data.since)}: {data.tickets} tickets of "
            f"{data.customers} customers, {_round(data.expected)} expected"
        )
    else:
        lines += [
            f"  {data.tickets} tickets of {data.customers} customers since {_clock(data.since)} "
            f"({_duration(event.time, data.since)}): {_round(data.observed)} customer-equivalents, "
            f"{_round(data.expected)} expected",
            f"  {_round(data.ratio)} times the expected rate (90 %: {_round(data.ratio_low, 2)} to "
            f"{_round(data.ratio_high, 2)}); by chance once in {_days(data.once_in_days)}",
        ]
    if data.budget is not None and event.transition == "opened":
        lines.append(
            f"  budget: {_round(data.budget.per_week)} false pages a week; pages in four weeks: "
            f"{_round(data.budget.pages * 4)}, called false: {_round(data.budget.false_pages * 4)}"
        )
    lines.append(f"  {data.severity_rule}  |  episode {data.episode_id[:12]} #{data.sequence}")
    return "\n".join(lines)


def _where(data: Escalation) -> str:
    tenant = clean(data.tenant, 128)
    if data.product_area is None:
        inside = [clean(area, 64) for area in data.areas or ()]
        told = f" ({', '.join(inside[:MOST_AREAS])}{', ...' if len(inside) > MOST_AREAS else ''})"
        return f"all of {tenant}{told if inside else ''}"
    area = clean(data.product_area, 64)
    if data.slice is not None:
        area += f", {data.slice.dimension.replace('_', ' ')} {clean(data.slice.value, 64)}"
        area += " (never seen before)" if data.reason == "new_value" else ""
    return f"{area} of {tenant}"


def _clock(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}Z"


def _duration(end: datetime, start: datetime) -> str:
    minutes = max(0, round((end - start).total_seconds() / 60))
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _round(number: float, digits: int = 3) -> str:
    return f"{number:.0f}" if number >= 100 else f"{number:.{digits}g}"


def _days(days: float) -> str:
    if days >= 1_000_000:
        return "more than a million days"
    if days >= 730:
        return f"{math.floor(days / 365.25):,} years"
    return f"{days:.0f} days"
