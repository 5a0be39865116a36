"""Records of the internal topic ``tickets.by-tenant``, the input of the step.

Intake and the ticker write them, and detect reads them. They are plain JSON, so that anybody can
read and replay a recorded log. They are msgspec structs, not pydantic models, because each ticket
is parsed once in the hot path and nobody else writes them.
"""

from typing import Final, Literal

import msgspec

MOST_REVENUE: Final = 1e12
MOST_HANDLING_SECONDS: Final = 31_536_000.0
"""One year; larger values are capped."""
Mode = Literal["live", "history", "simulated"]
"""live: wall-clock rules apply. history: nobody is paged. simulated: the sender sends ticks too."""

UNCLASSIFIED: Final = "unclassified"
"""Area of a ticket that has text but no area."""
OTHER: Final = "__other__"
"""Area (and tenant) that collects everything beyond the limit."""


CANARY: Final = "__canary__"
"""Prefix of the tenants that `spikewatch canary` uses."""


class Ticket(msgspec.Struct, tag="ticket", frozen=True, omit_defaults=True, gc=False):
    """Valid ticket event, reduced to what the step reads. Times are seconds since 1970, UTC."""

    tenant: str
    ticket_id: str
    created_at: float
    area: str = UNCLASSIFIED
    event_type: str = "created"
    occurred_at: float | None = None
    event_id: str | None = None
    customer: str | None = None
    created_by: str = "customer"
    source: str = ""
    mode: Mode = "live"
    issue_type: str | None = None
    region: str | None = None
    app_version: str | None = None
    channel: str | None = None
    merged_into: str | None = None
    feed: str | None = None
    """Source of the ticket, as a value of a dimension."""
    tier: str | None = None
    segment: str | None = None
    language: str | None = None
    revenue: float | None = None
    """Annual revenue of the customer."""
    renewal_at: float | None = None
    handled: float | None = None
    """Work on a solved ticket, in seconds."""
    elapsed: bool = False
    """Whether `handled` is the time from creation to solution instead of work."""
    text: str | None = None
    """Subject and body, shortened and without personal data."""
    url: str | None = None


class Tick(msgspec.Struct, tag="tick", frozen=True, omit_defaults=True):
    """Tick: event time has reached `now` (seconds since 1970) for a tenant or a whole partition."""

    now: float
    tenant: str | None = None


class HistoryEnd(msgspec.Struct, tag="history_end", frozen=True):
    """End of a tenant's history: its episodes page from now on."""

    tenant: str


class Verdict(msgspec.Struct, tag="verdict", frozen=True, omit_defaults=True):
    """Verdict of a person on the episode that paged; `at` is in seconds since 1970."""

    tenant: str
    episode_id: str
    action: str
    at: float
    until: float | None = None
    """End of an expected event, seconds since 1970."""
    duplicate_of: str | None = None
    """Id of the other episode."""


Signal = Ticket | Tick | HistoryEnd | Verdict

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Ticket | Tick | HistoryEnd | Verdict).decode


def read(value: bytes | None) -> Signal | None:
    """Decode a record of the internal topic; None: intake or the ticker did not write it.

    Example:
        >>> read(encode(Tick(9.0)))
        Tick(now=9.0, tenant=None)
        >>> read(b"?") is None
        True
    """
    try:
        signal: Signal = decode(value or b"")
    except (msgspec.MsgspecError, TypeError, UnicodeDecodeError):
        return None
    return signal
