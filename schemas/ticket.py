"""The ticket event, as a helpdesk, a file or a webhook sends it: one JSON object each."""

from typing import Annotated, Final

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

TICKET_SCHEMA_VERSION: Final = 1
"""The newest ``schema_version`` that this release reads."""

Identifier = Annotated[str, Field(min_length=1, max_length=256)]
Label = Annotated[str, Field(max_length=256)]


def _written_out(value: object) -> object:
    """Refuse seconds since 1970, as a number or in quotes: their offset is not visible."""
    if isinstance(value, str) and not value.replace(".", "", 1).lstrip("+-").isdigit():
        return value
    raise ValueError("a time in RFC 3339 is needed, such as 2026-03-02T09:00:00Z")


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), Field(strict=False)]


class Customer(BaseModel):
    """Who complained: the account, not the person.

    Example:
        >>> Customer(id="acme", tier="enterprise").tier
        'enterprise'
    """

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)

    id: Identifier = Field(description="Stable id of the account.")
    tier: Label | None = Field(None, description="Plan or tier, such as enterprise.")
    segment: Label | None = Field(None, description="Market segment.")
    region: Label | None = Field(None, description="Region the customer is served from.")
    arr: float | None = Field(None, ge=0, description="Annual recurring revenue, in one currency.")
    renewal_at: Moment | None = Field(None, description="When the contract is renewed.")


class TicketEvent(BaseModel):
    """Something that happened to a support ticket.

    Only the first ``created`` event of a ticket counts as a complaint; it counts at ``created_at``.
    Unknown fields are dropped, not an error.

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
    ticket_id: Identifier = Field(description="Id of the ticket in its helpdesk.")
    created_at: Moment = Field(description="When the ticket was created: RFC 3339 with an offset.")
    event_id: Identifier | None = Field(
        None, description="Id of this event; the same id again is ignored for 48 hours."
    )
    occurred_at: Moment | None = Field(
        None, description="When this event happened; created_at if it is absent."
    )
    event_type: str = Field(
        "created",
        min_length=1,
        max_length=64,
        description="created, updated, reclassified, merged, deleted, solved, rated, ...",
    )
    tenant: str = Field(
        "default", min_length=1, max_length=128, description="The company that is watched."
    )
    product_area: Label | None = Field(
        None, description="Part of the product; compared case-folded, at most 64 characters kept."
    )
    issue_type: Label | None = Field(None, description="Kind of complaint within the area.")
    subject: str | None = Field(None, description="First line of the ticket.")
    body: str | None = Field(None, description="Text of the ticket.")
    customer: Customer | Identifier | None = Field(
        None, description="The account; a bare string is its id."
    )
    requester: Label | None = Field(None, description="The person who wrote it.")
    channel: Label | None = Field(None, description="email, web, chat, phone, social, ...")
    priority: Label | None = Field(None, description="Priority in the helpdesk.")
    tags: list[Label] | None = Field(None, max_length=256, description="Tags in the helpdesk.")
    app_version: Label | None = Field(None, description="Version of the product in use.")
    language: Label | None = Field(None, description="Language of the text, BCP 47.")
    csat: float | None = Field(None, description="Customer satisfaction rating.")
    nps: float | None = Field(None, description="Net promoter score given.")
    first_replied_at: Moment | None = Field(None, description="When it was first replied to.")
    solved_at: Moment | None = Field(None, description="When it was solved.")
    handling_minutes: float | None = Field(
        None, ge=0, description="Minutes that agents worked on it; on a solved event."
    )
    merged_into: Identifier | None = Field(
        None, description="On a merged event: the ticket that stays."
    )
    created_by: str = Field(
        "customer", max_length=64, description="customer, agent or import; only customers complain."
    )
    source: Label | None = Field(
        None, description="Helpdesk or feed that sent it; ids are unique within it."
    )
    url: str | None = Field(
        None, description="Link to the ticket; a link of more than 2,048 characters is dropped."
    )

    @property
    def customer_id(self) -> str | None:
        """The id of the account, in either form."""
        return self.customer.id if isinstance(self.customer, Customer) else self.customer

    @property
    def account(self) -> Customer | None:
        """The attributes of the account beside its id."""
        return self.customer if isinstance(self.customer, Customer) else None

    @property
    def has_text(self) -> bool:
        """Whether there is text to classify a ticket without an area by."""
        return bool((self.subject or "").strip() or (self.body or "").strip())
