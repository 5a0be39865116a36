"""Counterfactuals: tickets without the one thing that kept them from counting fully."""

from collections.abc import Callable
from typing import Final, Literal

import msgspec

from schemas.signals import Ticket

Counterfactual = Callable[[Ticket, int, float], Ticket | None]
"""What a ticket would have been, from its number and the clock; None: it would not exist."""
Cause = Literal[
    "late",
    "agent_created",
    "imported",
    "withdrawn",
    "reclassified",
    "repeated_customer",
    "duplicate",
]


def _in_time(ticket: Ticket, number: int, clock: float) -> Ticket:
    del number
    late = ticket.event_type == "created" and ticket.created_at < clock
    return msgspec.structs.replace(ticket, created_at=clock) if late else ticket


def _own(ticket: Ticket, number: int, clock: float) -> Ticket:
    del clock
    if ticket.event_type != "created":
        return ticket
    return msgspec.structs.replace(
        ticket,
        ticket_id=f"{ticket.ticket_id}\x1f{number}",
        event_id=None,
        customer=f"\x1fown {number}",
    )


def _by_customer(ticket: Ticket, number: int, clock: float) -> Ticket:
    del number, clock
    return msgspec.structs.replace(ticket, created_by="customer")


def _everyone(ticket: Ticket, number: int, clock: float) -> Ticket:
    del clock
    return msgspec.structs.replace(ticket, customer=f"\x1feveryone {number}")


def _stays(ticket: Ticket, number: int, clock: float) -> Ticket | None:
    del number, clock
    return None if ticket.event_type in ("merged", "deleted") else ticket


def _tagged(ticket: Ticket, number: int, clock: float) -> Ticket:
    if ticket.event_type != "reclassified":
        return ticket
    return msgspec.structs.replace(
        ticket,
        ticket_id=f"{ticket.ticket_id}\x1f{number}",
        event_id=None,
        event_type="created",
        created_at=clock,
    )


COUNTERFACTUALS: Final[tuple[tuple[Cause, Counterfactual, tuple[str, ...]], ...]] = (
    ("late", _in_time, ("late", "too_late")),
    ("agent_created", _by_customer, ("agent_created",)),
    ("imported", _by_customer, ("imported",)),
    ("withdrawn", _stays, ("withdrawn",)),
    ("reclassified", _tagged, ("reclassified",)),
    ("repeated_customer", _everyone, ("repeated_customer",)),
    ("duplicate", _own, ("duplicate",)),
)
"""Each possible cause of silence, the ticket without it, and the outcomes or guards that show
it."""
