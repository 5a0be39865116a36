"""Ticket event, one JSON object, as sent by a help desk, a file or a webhook."""

import math
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from schemas.decoding.moments import UsualMoment

TICKET_SCHEMA_VERSION: Final = 1
"""Newest ``schema_version`` that this release reads."""


def _finite(value: object) -> object:
    """Refuse a number that is too large for JSON readers: its text would be ``inf``."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be a text or a finite number")
    return value


Identifier = Annotated[
    str,
    Field(min_length=1, max_length=256, strict=False, coerce_numbers_to_str=True),
    BeforeValidator(_finite),
]
"""Id of something in another system; many have numbers as ids."""
Label = Annotated[str, Field(max_length=256)]


class Customer(BaseModel):
    """Customer who complained: the account, not the person.

    Example:
        >>> Customer(id="acme", tier="enterprise").tier
        'enterprise'
    """

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)

    id: Identifier | None = Field(
        None, description="Stable id of the account; without it, customers are not counted."
    )
    tier: Label | None = Field(None, description="Plan or tier, such as enterprise.")
    segment: Label | None = Field(None, description="Market segment.")
    region: Label | None = Field(None, description="Region from which the customer is served.")
    arr: float | None = Field(None, ge=0, description="Annual recurring revenue, in one currency.")
    renewal_at: UsualMoment | None = Field(None, description="Time at which the contract renews.")


class TicketEvent(BaseModel):
    """Something that happened to a support ticket.

    Only the first ``created`` event of a ticket is counted, at ``created_at``. Unknown fields are
    ignored.

    Raises:
        pydantic.ValidationError: A field is missing, a type is wrong, or a time has no offset.

    Example:
        >>> event = TicketEvent.model_validate_json(
        ...     '{"ticket_id": "42", "created_at": "2026-03-02T09:00:00+01:00",'
        ...     ' "product_area": "login"}'
        ... )
        >>> event.tenant, event.event_type, event.created_at.isoformat()
        ('default', 'created', '2026-03-02T09:00:00+01:00')
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)

    schema_version: int = Field(TICKET_SCHEMA_VERSION, ge=1, description="Version of this format.")
    ticket_id: Identifier = Field(description="Id of the ticket in its help desk.")
    created_at: UsualMoment = Field(description="Time of creation, RFC 3339 with an offset.")
    event_id: Identifier | None = Field(
        None, description="Id of this event; repeats of the id are ignored for 48 hours."
    )
    occurred_at: UsualMoment | None = Field(
        None, description="Time of this event; default: created_at."
    )
    event_type: str = Field(
        "created",
        min_length=1,
        max_length=64,
        description="created, updated, reclassified, merged, deleted, solved, rated, ...",
    )
    tenant: str = Field(
        "default",
        min_length=1,
        max_length=128,
        description="Tenant whose tickets are watched together.",
    )
    product_area: Label | None = Field(
        None, description="Product area; compared case-folded, cut to 64 characters."
    )
    issue_type: Label | None = Field(None, description="Kind of complaint within the area.")
    subject: str | None = Field(None, description="First line of the ticket.")
    body: str | None = Field(None, description="Text of the ticket.")
    customer: Customer | Identifier | None = Field(
        None, description="The account; a plain string is its id."
    )
    requester: Label | None = Field(None, description="Person who wrote the ticket.")
    channel: Label | None = Field(None, description="email, web, chat, phone, social, ...")
    priority: Label | None = Field(None, description="Priority in the help desk.")
    tags: list[Label] | None = Field(None, max_length=256, description="Tags in the help desk.")
    app_version: Label | None = Field(None, description="Version of the product in use.")
    language: Label | None = Field(None, description="Language of the text, BCP 47.")
    csat: float | None = Field(None, description="Customer satisfaction rating.")
    nps: float | None = Field(None, description="Net promoter score given.")
    first_replied_at: UsualMoment | None = Field(None, description="Time of the first reply.")
    solved_at: UsualMoment | None = Field(None, description="Time of the solution.")
    handling_minutes: float | None = Field(
        None, ge=0, description="Minutes of work by agents; on a solved event."
    )
    merged_into: Identifier | None = Field(
        None, description="On a merged event: id of the ticket that remains."
    )
    created_by: str = Field(
        "customer",
        max_length=64,
        description="customer, agent or import; only tickets created by customers are counted.",
    )
    source: Label | None = Field(
        None, description="Help desk or feed that sent the event; ids are unique within it."
    )
    url: str | None = Field(
        None, description="Link to the ticket; links longer than 2,048 characters are dropped."
    )

    @property
    def customer_id(self) -> str | None:
        """Id of the account, in either form."""
        return self.customer.id if isinstance(self.customer, Customer) else self.customer

    @property
    def account(self) -> Customer | None:
        """Attributes of the account besides its id."""
        return self.customer if isinstance(self.customer, Customer) else None

    @property
    def has_text(self) -> bool:
        """Whether there is text by which to classify a ticket without an area."""
        return bool((self.subject or "").strip() or (self.body or "").strip())
