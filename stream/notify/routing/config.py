"""Reader of the notification file: receivers, routes, the default, audiences of account owners.

Pure except for reading files. All mistakes in all tables are reported at once, with their lines.
"""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, Field, create_model

from schemas.codec import pseudonym
from stream.config.errors import (
    ConfigError,
    Sources,
    find_mistakes,
    found,
    nearest,
)
from stream.config.files import read_toml
from stream.config.policy_files.toml_tables import Part, numbered, parts_of, tables_of
from stream.config.values import Section
from stream.notify.routing.rules import (
    AccountOwnerRoute,
    Default,
    DeliveryOptions,
    Name,
    NotificationConfig,
    Receiver,
    Route,
    name_of,
)
from stream.notify.sinks import SINKS
from stream.notify.sinks.email import is_address

_ABSENT: Any = None
MOST_TABLES: Final = 500
OWNER_ROWS: Final = 1_000_000
CUSTOMER: Final = "customer"


class _Receiver(Section):
    name: Name = Field(description="Name by which routes and audiences refer to the receiver.")
    kind: str = Field(description=f"Kind of the receiver: {', '.join(SINKS)}.")


class _Owners(Section):
    file: str = Field(
        min_length=1, description="CSV file with the column customer and one column per role."
    )


class _OneRoute(BaseModel):
    route: Route


class _OneAudience(BaseModel):
    audience: AccountOwnerRoute


class _Tables(BaseModel):
    delivery: DeliveryOptions = DeliveryOptions()
    default: Default = Field(description="add the table [default] with receivers = [...]")
    owners: _Owners = _ABSENT


def read_plan(path: Path) -> NotificationConfig:
    """Read the notification file and the owners file that it names.

    Raises:
        ConfigError: The files have mistakes; the text has one line for each.
    """
    text, data, mistakes = read_toml(path, "notification file")
    if mistakes:
        raise ConfigError(mistakes)
    many = {}
    for key in ("receiver", "route", "audience"):
        many[key], wrong = tables_of(data, key, str(path), f"[[{key}]]", MOST_TABLES)
        mistakes += wrong
    parts = parts_of(path, text, ("receiver", "route", "audience"))
    places = {
        key: numbered([p for n, p in parts if n == key], len(tables), str(path), key)
        for key, tables in many.items()
    }
    mistakes += _strange(data, Sources(path, text, {}))
    known_tables = {key: value for key, value in data.items() if key in _Tables.model_fields}
    if "default" not in known_tables:
        mistakes.append(
            f"{path}: default: is missing: add [default] with receivers = [...] for escalations "
            "that no route matches"
        )
    else:
        mistakes += find_mistakes(_Tables, known_tables, Sources(path, text, {}))
    receivers, wrong = _read_receivers(many["receiver"], places["receiver"], path.parent)
    mistakes += wrong
    for key, model in (("route", _OneRoute), ("audience", _OneAudience)):
        for table, place in zip(many[key], places[key], strict=True):
            mistakes += find_mistakes(model, {key: table}, place)
    owners, columns, wrong = _read_owners(path, known_tables.get("owners"))
    mistakes += wrong
    names = {str(fields.get("name", "")).strip() for fields in many["receiver"]}
    mistakes += _unknown(many, places, names, columns, receivers)
    mistakes += _in_vain(many, places)
    if not wrong:  # otherwise those mistakes have to be corrected first
        mistakes += _bad_addresses(many["audience"], receivers, owners)
    mistakes += _unknown_in(known_tables, names, receivers, Sources(path, text, {}))
    if mistakes:
        raise ConfigError(mistakes)
    tables = _Tables.model_validate(known_tables)
    return NotificationConfig(
        general=tables.delivery,
        receivers=receivers,
        routes=tuple(Route.model_validate(fields) for fields in many["route"]),
        default=tables.default.receivers,
        audiences=tuple(AccountOwnerRoute.model_validate(fields) for fields in many["audience"]),
        owners=owners,
    )


def _strange(data: Mapping[str, Any], sources: Sources) -> list[str]:
    known_tables = [*_Tables.model_fields, "receiver", "route", "audience"]
    return [
        f"{sources.where(key)}: {key}: no such table; {nearest(key, known_tables)}"
        for key in data
        if key not in known_tables
    ]


def _read_receivers(
    tables: list[dict[str, Any]], places: list[Part], folder: Path
) -> tuple[dict[str, Receiver], list[str]]:
    made: dict[str, Receiver] = {}
    mistakes = []
    for table, place in zip(tables, places, strict=True):
        kind = table.get("kind")
        sink = SINKS.get(kind) if isinstance(kind, str) else None
        if sink is None:
            problem = f"found {found(kind)}; {nearest(str(kind), SINKS)}" if kind else (
                f"is missing: one of {', '.join(SINKS)}")  # fmt: skip
            mistakes.append(place.mistake("receiver.kind", problem))
            continue
        both = create_model("Receiver", __base__=(sink.options, _Receiver))
        file = create_model("_OneReceiver", receiver=(both, ...))
        wrong = find_mistakes(file, {"receiver": table}, place)
        mistakes += wrong
        if wrong:
            continue
        name = name_of(table["name"])
        if name in made:
            mistakes.append(place.mistake("receiver.name", f"{found(name)} is defined twice"))
        options = {k: v for k, v in table.items() if k not in ("name", "kind")}
        made[name] = Receiver(name, sink, sink.options.model_validate(options).at(folder))
    return made, mistakes


def _read_owners(
    path: Path, table: object
) -> tuple[dict[str, dict[str, str]], list[str] | None, list[str]]:
    """Return the addresses by customer and column, the columns (None: unknown), and mistakes."""
    named = table.get("file") if isinstance(table, Mapping) else None
    if not isinstance(named, str) or not named:
        return {}, [] if table is None else None, []
    file = path.parent / named
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        return {}, None, [f"{file}: the owners file cannot be read: {reason}"]
    rows = csv.DictReader(io.StringIO(text), strict=True)
    owners: dict[str, dict[str, str]] = {}
    mistakes = []
    try:
        columns = [name.strip() for name in rows.fieldnames or ()]
        rows.fieldnames = columns
        if CUSTOMER not in columns:
            return {}, None, [f"{file}:1: the column {CUSTOMER} is missing; found {columns}"]
        for row in rows:
            named_so = (row.get(CUSTOMER) or "").strip()
            customer = pseudonym(
                named_so
            )  # same as in intake, which does not keep e-mail addresses
            if not named_so:
                mistakes.append(f"{file}:{rows.line_num}: the customer is missing")
            elif customer in owners:
                mistakes.append(f"{file}:{rows.line_num}: {found(named_so)} is listed twice")
            if len(owners) >= OWNER_ROWS:
                return {}, None, [f"{file}: more than {OWNER_ROWS:,} customers"]
            owners[customer] = {
                name: value.strip()
                for name, value in row.items()
                if name and name != CUSTOMER and isinstance(value, str) and value.strip()
            }
    except csv.Error as error:
        return {}, None, [f"{file}:{rows.reader.line_num}: not valid CSV: {error}"]
    return owners, [name for name in columns if name != CUSTOMER], mistakes[:20]


def _unknown(
    many: Mapping[str, list[dict[str, Any]]],
    places: Mapping[str, list[Part]],
    names: set[str],
    columns: list[str] | None,
    receivers: Mapping[str, Receiver],
) -> list[str]:
    """Return a mistake for each receiver and column that does not exist."""
    mistakes = []
    for table, place in zip(many["route"], places["route"], strict=True):
        listed = table.get("receivers")
        if isinstance(listed, list):
            if not listed:
                mistakes.append(place.mistake("route.receivers", "is empty: name at least one"))
            mistakes += [
                place.mistake("route.receivers", _no_receiver(listed_name, names))
                for listed_name in listed
                if isinstance(listed_name, str) and listed_name.strip() not in names
            ]
            mistakes += [
                place.mistake("route.receivers", _nobody(listed_name))
                for listed_name in listed
                if isinstance(listed_name, str) and not _has_own(receivers.get(listed_name.strip()))
            ]
    for table, place in zip(many["audience"], places["audience"], strict=True):
        name, owner = table.get("receiver"), table.get("owner")
        if isinstance(name, str) and name.strip() not in names:
            mistakes.append(place.mistake("audience.receiver", _no_receiver(name, names)))
        elif isinstance(name, str) and not _addressable(receivers.get(name.strip())):
            able = ", ".join(kind for kind, sink in SINKS.items() if sink.takes_address)
            problem = f"{found(name)} cannot send messages to a person; kinds that can: {able}"
            mistakes.append(place.mistake("audience.receiver", problem))
        if isinstance(owner, str) and columns is not None and owner.strip() not in columns:
            hint = nearest(owner, columns) if columns else "there is no [owners] file"
            mistakes.append(place.mistake("audience.owner", f"no such column; {hint}"))
    return mistakes


def _bad_addresses(
    audiences: list[dict[str, Any]],
    receivers: Mapping[str, Receiver],
    owners: Mapping[str, Mapping[str, str]],
) -> list[str]:
    """Return a mistake for each of the first invalid e-mail addresses of account owners."""
    mistakes = []
    for table in audiences:
        receiver = receivers.get(str(table.get("receiver", "")).strip())
        column = str(table.get("owner", "")).strip()
        if receiver is None or receiver.sink.kind != "email":
            continue
        bad: dict[str, list[str]] = {}
        for customer, row in owners.items():
            text = row.get(column, "")
            if text and not is_address(text):
                bad.setdefault(text, []).append(customer)
        for text, customers in list(bad.items())[:20]:
            owners_of = f"{customers[0]}" + (
                f" and {len(customers) - 1} more" if customers[1:] else ""
            )
            mistakes.append(
                f"owners: {column} of {owners_of}: {found(text)} is not an e-mail address"
            )
    return mistakes


def _in_vain(
    many: Mapping[str, list[dict[str, Any]]], places: Mapping[str, list[Part]]
) -> list[str]:
    """Return a mistake for each duplicate name and for each route that is never reached."""
    mistakes = []
    for key in ("route", "audience"):
        names: set[str] = set()
        for table, place in zip(many[key], places[key], strict=True):
            name = str(table.get("name", "")).strip()
            if name in names:
                mistakes.append(place.mistake(f"{key}.name", f"{found(name)} is defined twice"))
            names.add(name)
    conditions = {"tenants", "products", "areas", "issue_types", "teams", "tiers"}
    catches_all = None
    for table, place in zip(many["route"], places["route"], strict=True):
        if catches_all is not None:
            problem = (
                f"is never reached: the earlier route {found(catches_all)} matches everything; set "
                "continue = true in it"
            )
            mistakes.append(place.mistake("route.name", problem))
        elif not (
            any(table.get(key) for key in conditions)
            or table.get("severity", "info") != "info"
            or table.get("continue", table.get("go_on"))
        ):
            catches_all = str(table.get("name", ""))
    return mistakes


def _unknown_in(
    data: Mapping[str, Any], names: set[str], receivers: Mapping[str, Receiver], sources: Sources
) -> list[str]:
    listed = {
        "default.receivers": (data.get("default") or {}),
        "delivery.fallback": (data.get("delivery") or {}),
    }
    mistakes = []
    for key, table in listed.items():
        found_there = table.get(key.partition(".")[2]) if isinstance(table, Mapping) else None
        for name in found_there if isinstance(found_there, list) else ():
            if isinstance(name, str) and name.strip() not in names:
                mistakes.append(f"{sources.where(key)}: {key}: {_no_receiver(name, names)}")
            elif isinstance(name, str) and not _has_own(receivers.get(name.strip())):
                mistakes.append(f"{sources.where(key)}: {key}: {_nobody(name)}")
    return mistakes


def _addressable(receiver: Receiver | None) -> bool:
    """Return whether a receiver can send to an address; True if the receiver is invalid."""
    return receiver is None or receiver.sink.can_write_to_people(receiver.options)


def _has_own(receiver: Receiver | None) -> bool:
    """Return whether a receiver has recipients of its own; True if the receiver is invalid."""
    return receiver is None or receiver.sink.has_own_recipients(receiver.options)


def _nobody(name: str) -> str:
    return f"{found(name)} has no recipients of its own: only an audience can use it"


def _no_receiver(name: str, names: set[str]) -> str:
    return (
        f"no receiver {found(name)}; {nearest(name, names) if names else 'there are no receivers'}"
    )
