"""Decoding of tickets: what is needed must be right, and what is optional may be left out.

A producer's mistake in an optional field must not cost a complaint. So a ticket that is not valid
as a whole is read once more, without the optional fields that cannot be read. The JSON schema that
producers get stays strict.
"""

import json
from collections.abc import Callable
from typing import Any, Final, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from schemas.dead_letter import Rejected
from schemas.decoding.moments import Moment
from schemas.decoding.rejections import problems, rejection
from schemas.ticket import Customer, TicketEvent

_Model = TypeVar("_Model", bound=BaseModel)
Omit = Callable[[str], None]
"""Called with each field that is left out, such as ``csat`` or ``customer.arr``."""

NEEDED_FIELDS: Final = frozenset(
    {
        "schema_version",
        "ticket_id",
        "created_at",
        "event_type",
        "tenant",
        "product_area",
        "created_by",
    }
)
"""Fields that decide whether, when and where a ticket counts; they are never left out."""
OPTIONAL_FIELDS: Final = (
    *(name for name in TicketEvent.model_fields if name not in NEEDED_FIELDS),
    *(f"customer.{name}" for name in Customer.model_fields),
)
"""Fields that are left out if they cannot be read."""
TIMES: Final[dict[type[BaseModel], tuple[str, ...]]] = {
    TicketEvent: ("created_at", "occurred_at", "first_replied_at", "solved_at"),
    Customer: ("renewal_at",),
}
"""Fields that are times."""
_MOMENT: Final[TypeAdapter[Any]] = TypeAdapter(Moment)


def decode_ticket(value: bytes, omit: Omit | None = None) -> TicketEvent:
    """Parse a ticket event; leave out optional fields that cannot be read.

    A null is treated as an absent field.

    Args:
        value: The event as a JSON object.
        omit: Called with each field that is left out; None: fields are left out silently.

    Raises:
        Rejected: undecodable, missing_field, no_offset or wrong_type, because of a needed field.

    Example:
        >>> left_out = []
        >>> ticket = b'{"ticket_id": 7, "created_at": "2026-03-02T09:00:00Z", "csat": "4", '
        >>> event = decode_ticket(ticket + b'"product_area": "login"}', left_out.append)
        >>> event.ticket_id, event.csat, left_out
        ('7', None, ['csat'])
    """
    try:
        return TicketEvent.model_validate_json(value)
    except ValidationError as error:
        findings = problems(error)
    if any(finding["type"] == "json_invalid" for finding in findings):
        raise rejection(findings)
    try:
        fields = json.loads(value)
    except (ValueError, RecursionError):
        raise Rejected("undecodable", "record: is not JSON in UTF-8") from None
    if not isinstance(fields, dict):
        raise rejection(findings)
    return _without_unreadable(fields, omit or (lambda _: None))


def _without_unreadable(fields: dict[str, Any], omit: Omit) -> TicketEvent:
    customer = fields.get("customer")
    if isinstance(customer, dict):
        account = _readable(Customer, customer, frozenset(), lambda name: omit(f"customer.{name}"))
        fields["customer"] = account.model_dump(mode="json", exclude_unset=True)
    return _readable(TicketEvent, fields, NEEDED_FIELDS, omit)


def _readable(
    model: type[_Model], fields: dict[str, Any], needed: frozenset[str], omit: Omit
) -> _Model:
    """Return a model of the fields that can be read.

    Raises:
        Rejected: A needed field is missing or cannot be read.
    """
    known = {name: fields[name] for name in model.model_fields if fields.get(name) is not None}
    wrong_times = {}
    for name in TIMES[model]:
        if name in known:
            try:
                known[name] = _MOMENT.validate_python(known[name]).isoformat()
            except ValidationError as error:
                wrong_times[name] = {**problems(error)[0], "loc": (name,)}
    try:
        return model.model_validate_json(json.dumps(known))
    except ValidationError as error:
        findings = [wrong_times.get(str(each["loc"][0]), each) for each in problems(error)]
    wrong = {str(finding["loc"][0]) for finding in findings}
    if wrong & needed:
        raise rejection([finding for finding in findings if finding["loc"][0] in needed])
    for name in sorted(wrong):
        omit(name)
        del known[name]
    return model.model_validate_json(json.dumps(known))
