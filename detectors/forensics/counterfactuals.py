"""Counterfactuals: each changes tickets so that one reason for not counting fully is removed."""

from collections.abc import Callable
from typing import Final, Literal

import msgspec

from schemas.signals import Ticket

Counterfactual = Callable[[Ticket, int, float], Ticket | None]
"""Return the changed ticket, given the ticket, its number and the watermark; None: no ticket."""
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


def _not_a_duplicate(ticket: Ticket, number: int, clock: float) -> Ticket:
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


def _by_distinct_customer(ticket: Ticket, number: int, clock: float) -> Ticket:
    del clock
    return msgspec.structs.replace(ticket, customer=f"\x1feveryone {number}")


def _not_withdrawn(ticket: Ticket, number: int, clock: float) -> Ticket | None:
    del number, clock
    return None if ticket.event_type in ("merged", "deleted") else ticket


def _as_created(ticket: Ticket, number: int, clock: float) -> Ticket:
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
    ("withdrawn", _not_withdrawn, ("withdrawn",)),
    ("reclassified", _as_created, ("reclassified",)),
    ("repeated_customer", _by_distinct_customer, ("repeated_customer",)),
    ("duplicate", _not_a_duplicate, ("duplicate",)),
)
"""Each possible cause of a missing page, its counterfactual, and the outcomes or guards by which
the cause is recognized."""
