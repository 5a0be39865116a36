"""Exports of ten helpdesks, written from simulated tickets as each helpdesk writes them.

Each is newest first, with its own columns, its own pattern of times and language settings.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from openpyxl import Workbook

from detectors.simulation.tickets import COMPANY, Incident, World, tickets

Ticket = Mapping[str, Any]
ZONE: Final = "Europe/Berlin"
GERMAN_MONTHS: Final = ("Jan", "Feb", "Mär", "Apr", "Mai", "Jun", "Jul", "Aug", "Sep", "Okt",
                        "Nov", "Dez")  # fmt: skip


def simulated(
    days: float = 1.5, seed: int = 7, areas: Mapping[str, float] = COMPANY
) -> list[Ticket]:
    """Return tickets of a company in March 2026, newest first, with an incident in the login."""
    begin = datetime(2026, 3, 1, tzinfo=ZoneInfo("UTC")).timestamp()
    outage = Incident("login", begin + (days - 0.5) * 86_400.0, 3.0, 8.0)
    world = World(begin, days * 24.0, dict(areas), (outage,), seed)
    return sorted(tickets(world), key=lambda each: str(each["created_at"]), reverse=True)


def number_of(ticket: Ticket) -> int:
    """Return the number of a ticket, from its id such as ``acme-1-17``."""
    return int(str(ticket["ticket_id"]).rpartition("-")[2])


def local(ticket: Ticket, zone: str = ZONE) -> datetime:
    """Return the creation time of a ticket in a time zone."""
    return datetime.fromisoformat(str(ticket["created_at"])).astimezone(ZoneInfo(zone))


def table(rows: Sequence[Sequence[object]], delimiter: str = ",", **options: Any) -> str:
    """Return rows as CSV."""
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, **options).writerows(rows)
    return out.getvalue()


def account(ticket: Ticket) -> str:
    """Return the customer's id."""
    customer = ticket["customer"]
    return str(customer["id"] if isinstance(customer, Mapping) else customer)


def zendesk(found: Sequence[Ticket]) -> bytes:
    """Return a CSV of a view, with American times."""
    head = ["Summation column", "Id", "Requester", "Requester id", "Subject", "Tags", "Status",
            "Priority", "Via", "Ticket type", "Created at", "Updated at", "Organization",
            "Product area [list]"]  # fmt: skip
    rows = [
        ["1", number_of(t), "Somebody", "9", t["subject"], "a b", "Open", "High", "Web form",
         "Incident", _american(local(t)), _american(local(t)), account(t), t["product_area"]]
        for t in found
    ]  # fmt: skip
    return table([head, *rows], quoting=csv.QUOTE_ALL).encode()


def _american(at: datetime) -> str:
    return f"{at.month}/{at.day}/{at.year} {at.hour % 12 or 12}:{at:%M} {at:%p}"


def freshdesk(found: Sequence[Ticket]) -> bytes:
    """Return a CSV with times as in ISO 8601, without an offset."""
    head = ["Ticket ID", "Subject", "Status", "Priority", "Source", "Type", "Agent", "Group",
            "Created time", "Due by Time", "Resolved time", "Tags", "Product", "Full name",
            "Company Name"]  # fmt: skip
    rows = [
        [number_of(t), t["subject"], "Open", "Medium", "Portal", "Problem", "No Agent", "Support",
         f"{local(t):%Y-%m-%d %H:%M:%S}", "", "", "", t["product_area"], "Somebody", account(t)]
        for t in found
    ]  # fmt: skip
    return table([head, *rows]).encode()


def jira(found: Sequence[Ticket]) -> bytes:
    """Return a CSV of issues with repeated headers and German month names, in cp1252."""
    head = ["Zusammenfassung", "Vorgangsschlüssel", "Vorgangs-ID", "Vorgangstyp", "Status",
            "Projektschlüssel", "Priorität", "Autor", "Erstellt", "Aktualisiert", "Komponente/n",
            "Komponente/n", "Stichwörter", "Stichwörter", "Beschreibung"]  # fmt: skip
    rows = []
    for t in found:
        at = local(t)
        written = f"{at:%d}/{GERMAN_MONTHS[at.month - 1]}/{at:%y} {at.hour % 12 or 12}:{at:%M %p}"
        rows.append(
            [t["subject"], f"SUP-{number_of(t)}", "1", "Störung", "Offen", "SUP", "Hoch",
             account(t), written, written, t["product_area"], "andere", "", "eins", "größer"]
        )  # fmt: skip
    return table([head, *rows], ";").encode("cp1252")


def servicenow(found: Sequence[Ticket]) -> bytes:
    """Return a CSV of incidents with the names of fields, and times with the day first."""
    head = ["number", "opened_at", "short_description", "caller_id", "priority", "state",
            "category", "assignment_group", "company", "sys_updated_on"]  # fmt: skip
    rows = [
        [f"INC{number_of(t)}", f"{local(t):%d-%m-%Y %H:%M:%S}", t["subject"], "Somebody",
         "3 - Moderate", "New", t["product_area"], "Service Desk", account(t), ""]
        for t in found
    ]  # fmt: skip
    return table([head, *rows]).encode()


def intercom(found: Sequence[Ticket]) -> bytes:
    """Return an answer of the API: conversations with epoch seconds."""
    conversations = [
        {"type": "conversation", "id": str(number_of(t)),
         "created_at": int(local(t).timestamp()), "updated_at": 1, "state": "open",
         "source": {"type": "email", "subject": f"<p>{t['subject']}</p>", "body": "",
                    "author": {"id": account(t)}},
         "tags": {"type": "tag.list", "tags": [{"type": "tag", "id": "7", "name": "vip"}]},
         "topics": {"topics": [{"name": t["product_area"]}]},
         "statistics": {}, "conversation_parts": {"parts": [], "total_count": 0},
         "contacts": {"contacts": [{"id": "x", "external_id": account(t)}]}}
        for t in found
    ]  # fmt: skip
    document = {"type": "conversation.list", "pages": {"page": 1}, "conversations": conversations}
    return json.dumps(document).encode()


def hubspot(found: Sequence[Ticket]) -> bytes:
    """Return a workbook with times as Excel keeps them."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Tickets")
    sheet.append(["Ticket ID", "Ticket name", "Pipeline", "Ticket status", "Create date",
                  "Priority", "Ticket owner", "Category", "Associated Company IDs"])  # fmt: skip
    for t in found:
        sheet.append([number_of(t), t["subject"], "Support", "New",
                      local(t).replace(tzinfo=None, microsecond=0), "HIGH", "Nobody",
                      t["product_area"], account(t)])  # fmt: skip
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def helpscout(found: Sequence[Ticket]) -> bytes:
    """Return an answer of the API, pretty-printed."""
    conversations = [
        {"id": 1, "number": number_of(t), "type": "email", "status": "active", "mailboxId": 5,
         "subject": t["subject"], "preview": "...",
         "createdAt": f"{local(t, 'UTC'):%Y-%m-%dT%H:%M:%SZ}",
         "source": {"type": "email", "via": "customer"}, "tags": [],
         "customFields": [{"id": 1, "name": "Product area", "text": t["product_area"]}],
         "primaryCustomer": {"id": account(t), "email": "somebody@example.com"}}
        for t in found
    ]  # fmt: skip
    document = {"_embedded": {"conversations": conversations}, "page": {"number": 1}}
    return json.dumps(document, indent=2).encode()


def zammad(found: Sequence[Ticket]) -> bytes:
    """Return a CSV with a semicolon and German times, in UTF-16 as Excel saves text."""
    head = ["#", "Titel", "Status", "Priorität", "Gruppe", "Besitzer", "Kunde", "Organisation",
            "Erstellt am", "Aktualisiert am"]  # fmt: skip
    rows = [
        [number_of(t), t["subject"], "offen", "2 normal", t["product_area"], "-", "jemand",
         account(t), f"{local(t):%d.%m.%Y %H:%M}", f"{local(t):%d.%m.%Y %H:%M}"]
        for t in found
    ]  # fmt: skip
    return table([head, *rows], "\t").encode("utf-16")


def github(found: Sequence[Ticket]) -> bytes:
    """Return an answer of the API: an array of issues with labels."""
    return json.dumps(
        [
            {"id": 1, "number": number_of(t), "title": t["subject"],
             "body": None, "created_at": f"{local(t, 'UTC'):%Y-%m-%dT%H:%M:%SZ}",
             "user": {"login": account(t)}, "html_url": "https://example.com/1",
             "labels": [{"name": "bug"}, {"name": f"area: {t['product_area']}"}]}
            for t in found
        ]
    ).encode()  # fmt: skip


def gitlab(found: Sequence[Ticket]) -> bytes:
    """Return a CSV of issues, whose times are in UTC whatever the zone of the user."""
    head = ["Title", "Description", "Issue ID", "URL", "State", "Author", "Author Username",
            "Created At (UTC)", "Updated At (UTC)", "Closed At (UTC)", "Milestone",
            "Labels"]  # fmt: skip
    rows = [
        [t["subject"], "", number_of(t), "https://example.com/1", "Open",
         "Somebody", account(t), f"{local(t, 'UTC'):%Y-%m-%d %H:%M:%S}", "", "", "",
         f"type::bug,area::{t['product_area']}"]
        for t in found
    ]  # fmt: skip
    return table([head, *rows]).encode()


EXPORTS: Final[Mapping[str, tuple[str, Callable[[Sequence[Ticket]], bytes]]]] = {
    "zendesk": ("csv", zendesk),
    "freshdesk": ("csv", freshdesk),
    "jira": ("csv", jira),
    "servicenow": ("csv", servicenow),
    "intercom": ("json", intercom),
    "hubspot": ("xlsx", hubspot),
    "helpscout": ("json", helpscout),
    "zammad": ("txt", zammad),
    "github": ("json", github),
    "gitlab": ("csv", gitlab),
}
"""Name suffix and writer of each helpdesk's export."""
