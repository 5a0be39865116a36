"""Recognition of the helpdesk that wrote an export, and of common names of columns."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from stream.inputs.exports.preset_tables import (
    AREAS,
    FRESHDESK,
    GITHUB,
    GITLAB,
    HELPSCOUT,
    HUBSPOT,
    INTERCOM,
    JIRA,
    SERVICENOW,
    ZAMMAD,
    ZENDESK,
    Preset,
)  # fmt: skip

LISTS: Final = frozenset({"labels", "label", "tags", "tag", "etiquetas", "étiquettes"})
"""Columns whose cells hold several names, separated by commas."""

_CUSTOMERS: Final = (
    "customer.id", "customer id", "customer_id", "account id", "account", "account name",
    "company id", "company", "company name", "company_name", "organization", "organisation",
    "organization name", "customer", "client", "kunde", "firma", "entreprise", "empresa",
    "requester id", "requester email", "requester", "contact id", "contact email", "contact",
    "email", "user_id", "user id", "user",
)  # fmt: skip


PRESETS: Final = {
    preset.name: preset
    for preset in (
        GITLAB, JIRA, SERVICENOW, FRESHDESK, HUBSPOT, INTERCOM, ZENDESK, HELPSCOUT, ZAMMAD, GITHUB,
    )
}  # fmt: skip
"""All presets, in the order in which they are tried: those with rare names come first."""

GENERIC: Final = Preset(
    name="generic",
    columns={
        "ticket_id": (
            "ticket_id", "ticket id", "ticketid", "ticket number", "ticket no", "ticket", "id",
            "case id", "case number", "caseid", "case", "issue id", "incident id", "complaint id",
            "number", "reference", "key", "uuid",
        ),
        "created_at": (
            "created date+created time", "open date+open time", "opened date+opened time",
            "creation date+creation time", "date+time", "datum+uhrzeit", "fecha+hora",
            "created_at", "created at", "created", "creation date", "create date", "created date",
            "created time", "createdat", "date created", "opened_at", "opened at", "opened",
            "open date", "date opened", "submitted at", "submitted", "date received", "received",
            "reported at", "timestamp", "datetime", "date", "time", "erstellt", "datum", "fecha",
        ),
        "product_area": (*AREAS, "complaint type", "request type", "problem area", "topic",
                         "queue", "team", "group", "department", "service"),
        "issue_type": ("issue_type", "issue type", "type", "issue", "sub-issue", "reason"),
        "subject": ("subject", "title", "summary", "short description", "headline", "betreff",
                    "customer complaint", "complaint text"),
        "body": ("body", "description", "text", "content", "message", "details", "comment",
                 "complaint", "narrative", "review"),
        "customer.id": _CUSTOMERS,
        "customer.tier": ("customer.tier", "tier", "plan"),
        "customer.region": ("customer.region", "region", "country"),
        "channel": ("channel", "source", "via", "submitted via"),
        "priority": ("priority", "urgency"),
        "app_version": ("app_version", "app version", "appversion", "version"),
        "language": ("language", "lang"),
        "tags": ("tags", "labels"),
        "url": ("url", "link"),
    },
)  # fmt: skip
"""Names that exports of no known helpdesk often use."""

_TYPED = re.compile(r"(.+) \[(?:list|txt|int|flag|dec|date|reg|tag|multi)\]")
_CUSTOM = re.compile(r"custom field \((.+)\)")
_AREA_LABEL = re.compile(
    r"(?:area|component|comp|product|module|feature|domain|service)\s?(?:::|[:/])\s?(.+)",
    re.IGNORECASE,
)


def plain(column: str) -> str:
    """Return the folded name of a column without what a helpdesk adds to custom fields.

    Example:
        >>> plain("product area [list]"), plain("custom field (product area)")
        ('product area', 'product area')
    """
    for wrapper in (_TYPED, _CUSTOM):
        if (found := wrapper.fullmatch(column)) is not None:
            return found[1]
    return column


def of_table(header: Sequence[str]) -> Preset | None:
    """Return the preset that the folded columns of a table show; None: none of them.

    Example:
        >>> of_table(["summary", "issue key", "created", "component/s", "component/s"]).name
        'jira'
    """
    names = set(header)
    for preset in PRESETS.values():
        if all(names.intersection(group) for group in preset.signature):
            return preset
    return None


def of_object(record: Mapping[str, Any]) -> Preset | None:
    """Return the preset that the keys of a JSON object show; None: none of them.

    Example:
        >>> of_object({"key": "A-1", "fields": {"created": "2026-03-01T12:30:00.000+0000"}}).name
        'jira'
    """
    for preset in PRESETS.values():
        if all(any(key in record for key in group) for group in preset.keys):
            return preset
    return None


def area_label(label: str) -> str | None:
    """Return the area that a label names by its prefix, such as ``area: login``; None: none.

    Example:
        >>> area_label("area::login"), area_label("component/billing"), area_label("bug")
        ('login', 'billing', None)
    """
    found = _AREA_LABEL.fullmatch(label.strip())
    return found[1] if found else None
