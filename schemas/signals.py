"""The records of the internal topic ``tickets.by-tenant``: what the step is called with.

Written by intake, read by detect. Plain JSON, so that a recorded log can be read and replayed by
anyone. They are msgspec structs, not pydantic models: they are parsed once per ticket in the hot
path, and nobody else writes them.
"""

from typing import Final, Literal

import msgspec

MOST_REVENUE: Final = 1e12
MOST_HANDLING_SECONDS: Final = 31_536_000.0
"""A year; what is larger is cut, so that sums stay numbers."""
Mode = Literal["live", "history", "simulated"]
"""Live: wall-clock rules apply. History: pages nobody. Simulated: the sender ticks too."""

UNCLASSIFIED: Final = "unclassified"
"""The area of a ticket that has text and no area."""
OTHER: Final = "__other__"
"""The area (and tenant) that takes in what is beyond the cap."""


CANARY: Final = "__canary__"
"""Begins the names of tenants that nobody is: `spikewatch canary` makes them up."""


class Ticket(msgspec.Struct, tag="ticket", frozen=True, omit_defaults=True, gc=False):
    """A valid ticket event, reduced to what the step reads. Times are seconds since 1970, UTC."""

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
    """The source, as a value like any other."""
    tier: str | None = None
    segment: str | None = None
    language: str | None = None
    revenue: float | None = None
    """Of the customer, a year."""
    renewal_at: float | None = None
    handled: float | None = None
    """Seconds that a solved ticket took: of work ..."""
    elapsed: bool = False
    """... or only from its creation to its solution."""
    text: str | None = None
    """Subject and body, without personal data, cut."""
    url: str | None = None


class Tick(msgspec.Struct, tag="tick", frozen=True, omit_defaults=True):
    """Event time *now* (seconds since 1970) has passed; for one tenant, or for the partition."""

    now: float
    tenant: str | None = None


class HistoryEnd(msgspec.Struct, tag="history_end", frozen=True):
    """The history of *tenant* is complete: from here on its episodes page."""

    tenant: str


class Verdict(msgspec.Struct, tag="verdict", frozen=True, omit_defaults=True):
    """What somebody answered to the page *episode_id*, at *at* (seconds since 1970)."""

    tenant: str
    episode_id: str
    action: str
    at: float
    until: float | None = None
    """Of an expected event: its end, seconds since 1970."""
    duplicate_of: str | None = None
    """The other episode."""


Signal = Ticket | Tick | HistoryEnd | Verdict

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Ticket | Tick | HistoryEnd | Verdict).decode


def read(value: bytes | None) -> Signal | None:
    """A record of the internal topic; None where it is not written by intake or ticker.

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
