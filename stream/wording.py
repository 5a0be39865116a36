"""Escalations as on-call reads them, in plain text.

Text of strangers appears literally, without control characters.
"""

import math
from datetime import datetime

from schemas.codec import clean
from schemas.escalation import Escalation, EscalationEvent


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
    lines.append(f"  {data.severity_rule}  |  episode {data.episode_id[:12]} #{data.sequence}")
    return "\n".join(lines)


def _where(data: Escalation) -> str:
    area = "all areas" if data.product_area is None else clean(data.product_area, 64)
    return f"{area} of {clean(data.tenant, 128)}"


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
