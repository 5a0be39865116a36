"""Ticket event, one JSON object, as sent by a help desk, a file or a webhook."""

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

TICKET_SCHEMA_VERSION: Final = 1
"""Newest ``schema_version`` that this release reads."""

EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)
"""The first time that no record may contain, so that conversions to time zones and additions cannot
overflow. It is before 2106, because `detectors.memory.customer_weights` stores times in 32 bits."""

Identifier = Annotated[str, Field(min_length=1, max_length=256)]
Label = Annotated[str, Field(max_length=256)]


def is_within_bounds(time: datetime) -> bool:
    """Return whether a time, with an offset, is from 1970 through 2099."""
    return EARLIEST <= time < LATEST


def _bounded(time: datetime) -> datetime:
    if not is_within_bounds(time):
        raise ValueError("must be between 1970 and 2099")
    return time


BoundedTime = Annotated[AwareDatetime, AfterValidator(_bounded)]
"""A time with an offset, from 1970 through 2099; the type of every time in a record."""


def _written_out(value: object) -> object:
    """Reject seconds since 1970, as a number or in quotes, because they show no offset."""
    if isinstance(value, str) and not value.replace(".", "", 1).lstrip("+-").isdigit():
        return value
    raise ValueError("must be an RFC 3339 time such as 2026-03-02T09:00:00Z")


def _or_unknown(value: datetime | None) -> datetime | None:
    """Return None for a time that means "never" or "not set", such as 9999-12-31 or 0001-01-01."""
    return value if value is None or is_within_bounds(value) else None


Moment = Annotated[BoundedTime, BeforeValidator(_written_out), Field(strict=False)]
_Written = Annotated[AwareDatetime, BeforeValidator(_written_out), Field(strict=False)]
OptionalMoment = Annotated[_Written | None, AfterValidator(_or_unknown)]
"""A time that only describes a ticket, and may not cost the ticket."""


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
    renewal_at: OptionalMoment = Field(None, description="Time at which the contract renews.")


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
    created_at: Moment = Field(description="Time of creation, RFC 3339 with an offset.")
    event_id: Identifier | None = Field(
        None, description="Id of this event; repeats of the id are ignored for 48 hours."
    )
    occurred_at: Moment | None = Field(None, description="Time of this event; default: created_at.")
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
    first_replied_at: OptionalMoment = Field(None, description="Time of the first reply.")
    solved_at: OptionalMoment = Field(None, description="Time of the solution.")
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
