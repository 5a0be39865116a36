"""The file that says who is told what: receivers, routes, a default, and the account team's part.

Pure but for reading the files. All mistakes of all tables are found at once, with their lines.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, create_model, model_validator

from schemas.codec import pseudonym
from schemas.escalation import Severity
from stream.config import ConfigError
from stream.config.errors import Disagreement, Sources, disagree, find_mistakes, found, nearest
from stream.config.files import read_toml
from stream.config.taxonomy import Part, numbered, parts_of, tables_of
from stream.config.values import Section, folded_names, one_line, zone
from stream.config.values import host as host_name
from stream.notify.message import LINK_FIELDS
from stream.notify.sinks import SINKS
from stream.notify.sinks.base import Options, Sink, form_of_url
from stream.notify.sinks.mail import is_address

_ABSENT: Any = None
MOST_TABLES: Final = 500
OWNER_ROWS: Final = 1_000_000
NAME_CHARACTERS: Final = 80
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CUSTOMER: Final = "customer"
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


_name = one_line(NAME_CHARACTERS)


def _plain_names(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_name(text) for text in texts))


def _clock(text: str) -> str:
    try:
        found_time = time.fromisoformat(text)
    except ValueError:
        found_time = None
    if found_time is None or found_time.tzinfo is not None:
        raise ValueError('a time of day such as "22:00"; its time zone is quiet_zone')
    return text


def _link(text: str) -> str:
    rest = text
    for name in LINK_FIELDS:
        rest = rest.replace(name, "")
    if text and (not text.startswith(("https://", "http://")) or "{" in rest or "}" in rest):
        raise ValueError(
            'a URL such as "https://spikewatch.example.com/#/episode/{episode}", in braces only '
            "tenant and episode"
        )
    return text


def _hosts(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(host_name(text) for text in texts))


def _url_or_none(text: str) -> str:
    return form_of_url(text) if text else text


Names = Annotated[tuple[str, ...], AfterValidator(folded_names)]
PlainNames = Annotated[tuple[str, ...], AfterValidator(_plain_names)]
Name = Annotated[str, AfterValidator(_name)]
Clock = Annotated[str, AfterValidator(_clock)]


class General(Section):
    """The table ``[delivery]``."""

    link: Annotated[str, AfterValidator(_link)] = Field(
        default="", description="URL of an episode's page, with {tenant} and {episode}; in messages"
    )
    private_hosts: Annotated[tuple[str, ...], AfterValidator(_hosts)] = Field(
        default=(), description="hosts that may have private addresses, and no https"
    )
    stale_minutes: float = Field(
        default=30.0, ge=1, le=10_080, description="older, and over already: in a digest alone"
    )
    timeout_seconds: float = Field(default=10.0, ge=0.1, le=120, description="of one HTTP request")
    give_up_minutes: float = Field(
        default=60.0, gt=0, le=10_080, description="of trying, after which a message is given up"
    )
    fallback: PlainNames = Field(
        default=(), description="receivers that hear of failures; empty: those of the default"
    )
    fallback_minutes: float = Field(
        default=5.0, ge=0, le=1_440, description="of failures, after which they hear of it"
    )
    storm_pages: int = Field(
        default=10, ge=1, le=10_000, description="first messages to one receiver; then a digest"
    )
    storm_minutes: float = Field(default=10.0, gt=0, le=1_440, description="within so many minutes")
    digest_seconds: float = Field(
        default=15.0, ge=0.1, le=600, description="that a digest waits for more"
    )
    update_percent: float = Field(
        default=100.0, ge=1, le=10_000, description="growth that is told ..."
    )
    update_tickets: float = Field(
        default=10.0, ge=1, le=1_000_000, description="... if it is so many tickets as well"
    )
    alertmanager_silences: Annotated[str, AfterValidator(_url_or_none)] = Field(
        default="", description="URL of an Alertmanager whose silences hold here too"
    )


class Quiet(Section):
    """When a route holds back what is not grave enough; see `Route`."""

    quiet_start: Clock = Field(default="", description="when quiet hours begin, such as 22:00")
    quiet_end: Clock = Field(default="", description="when they end, such as 07:00")
    quiet_days: tuple[Weekday, ...] = Field(
        default=(), description="mon to sun, on which they begin; empty: every day"
    )
    quiet_zone: Annotated[str, AfterValidator(zone)] = Field(
        default="UTC", description="IANA zone of both, such as Europe/Berlin"
    )
    quiet_below: Severity = Field(
        default="critical", description="what is as grave goes out in quiet hours too"
    )

    @model_validator(mode="after")
    def _both(self) -> Self:
        if bool(self.quiet_start) != bool(self.quiet_end):
            key, other = ("quiet_end", "quiet_start") if self.quiet_start else (
                "quiet_start", "quiet_end")  # fmt: skip
            self._wrong(key, other, f"is missing: {other} is there")
        if self.quiet_start and self.quiet_start == self.quiet_end:
            self._wrong("quiet_end", "quiet_start", "is quiet_start: that would hold for ever")
        if self.quiet_days and not self.quiet_start:
            self._wrong("quiet_days", "quiet_start", "needs quiet_start and quiet_end")
        return self

    def _wrong(self, key: str, other: str, text: str) -> None:
        table = type(self).__name__.lower()
        disagree([Disagreement(f"{table}.{key}", (f"{table}.{other}",), text)])


class Route(Quiet):
    """One ``[[route]]``: whom an escalation concerns; what it leaves out may be anything."""

    name: Name = Field(description="what to call it, in quotes")
    tenants: PlainNames = Field(default=(), description="names of tenants")
    products: Names = Field(default=(), description="by the taxonomy")
    areas: Names = Field(
        default=(), description="product areas; one of them is enough for a page of a whole tenant"
    )
    issue_types: Names = Field(
        default=(), description="of the slice that paged, or that explains it best"
    )
    teams: PlainNames = Field(default=(), description="of the playbook")
    tiers: Names = Field(default=(), description="of customers inside")
    severity: Severity = Field(default="info", description="the least")
    receivers: PlainNames = Field(description="names of receivers, in a list")
    go_on: bool = Field(default=False, description="whether routes below are looked at as well")


class Audience(Quiet):
    """One ``[[audience]]``: owners of customers, each told of their own ones inside."""

    name: Name = Field(description="what to call it, in quotes")
    owner: Name = Field(description="the column of the owners' file that says who")
    receiver: Name = Field(description="the receiver that takes addresses")
    severity: Severity = Field(default="warning", description="the least")
    tiers: Names = Field(default=(), description="of the owner's customers; empty: any")
    least_revenue: float = Field(default=0.0, ge=0, description="a year, of a customer")
    least_tickets: int = Field(default=1, ge=1, description="inside, of a customer")


class Default(Section):
    """The table ``[default]``: who is told where no route matches."""

    receivers: PlainNames = Field(min_length=1, description="names of receivers, at least one")


class _Receiver(Section):
    name: Name = Field(description="what to call it, in quotes")
    kind: str = Field(description=f"one of {', '.join(SINKS)}")


class _Owners(Section):
    file: str = Field(min_length=1, description="CSV with the column customer and one per role")


class _OneRoute(BaseModel):
    route: Route


class _OneAudience(BaseModel):
    audience: Audience


class _Tables(BaseModel):
    delivery: General = General()
    default: Default = Field(description="the table [default] with receivers")
    owners: _Owners = _ABSENT


@dataclass(frozen=True)
class Receiver:
    """Somebody who can be told."""

    name: str
    sink: type[Sink]
    options: Options


@dataclass(frozen=True)
class Plan:
    """All that stands in the file, checked."""

    general: General
    receivers: Mapping[str, Receiver]
    routes: tuple[Route, ...]
    default: tuple[str, ...]
    audiences: tuple[Audience, ...] = ()
    owners: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Customer -> column -> address."""

    @property
    def alone(self) -> list[str]:
        """Receivers of whose failures nobody else would hear."""
        others = self.general.fallback or self.default
        return [name for name in self.receivers if not set(others) - {name}]

    def linked_to(self, page_url: str) -> "Plan":
        """The same, with a link to our own page in every message where the file names none."""
        if self.general.link or not page_url:
            return self
        link = f"{page_url}#/episode/{{episode}}"
        return replace(self, general=self.general.model_copy(update={"link": link}))


def read_plan(path: Path) -> Plan:
    """What stands in *path*, and in the file of owners that it names.

    Raises:
        ConfigError: with all mistakes, one a line.
    """
    text, data, mistakes = read_toml(path, "file of receivers and routes")
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
    known = {key: value for key, value in data.items() if key in _Tables.model_fields}
    if "default" not in known:
        mistakes.append(
            f"{path}: default: is missing: [default] with receivers = [...], who is told where no "
            "route matches"
        )
    else:
        mistakes += find_mistakes(_Tables, known, Sources(path, text, {}))
    receivers, wrong = _read_receivers(many["receiver"], places["receiver"], path.parent)
    mistakes += wrong
    for key, model in (("route", _OneRoute), ("audience", _OneAudience)):
        for table, place in zip(many[key], places[key], strict=True):
            mistakes += find_mistakes(model, {key: table}, place)
    owners, columns, wrong = _read_owners(path, known.get("owners"))
    mistakes += wrong
    names = {str(one.get("name", "")).strip() for one in many["receiver"]}
    mistakes += _unknown(many, places, names, columns, receivers)
    mistakes += _in_vain(many, places)
    if not wrong:  # else their lines are to be mended first
        mistakes += _bad_addresses(many["audience"], receivers, owners)
    mistakes += _unknown_in(known, names, receivers, Sources(path, text, {}))
    if mistakes:
        raise ConfigError(mistakes)
    tables = _Tables.model_validate(known)
    return Plan(
        general=tables.delivery,
        receivers=receivers,
        routes=tuple(Route.model_validate(one) for one in many["route"]),
        default=tables.default.receivers,
        audiences=tuple(Audience.model_validate(one) for one in many["audience"]),
        owners=owners,
    )


def _strange(data: Mapping[str, Any], whole: Sources) -> list[str]:
    known = [*_Tables.model_fields, "receiver", "route", "audience"]
    return [
        f"{whole.where(key)}: {key}: no such table; {nearest(key, known)}"
        for key in data
        if key not in known
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
            said = f"found {found(kind)}; {nearest(str(kind), SINKS)}" if kind else (
                f"is missing: one of {', '.join(SINKS)}")  # fmt: skip
            mistakes.append(place.mistake("receiver.kind", said))
            continue
        both = create_model("Receiver", __base__=(sink.options, _Receiver))
        file = create_model("_OneReceiver", receiver=(both, ...))
        wrong = find_mistakes(file, {"receiver": table}, place)
        mistakes += wrong
        if wrong:
            continue
        name = _name(table["name"])
        if name in made:
            mistakes.append(place.mistake("receiver.name", f"{found(name)} is there already"))
        options = {k: v for k, v in table.items() if k not in ("name", "kind")}
        made[name] = Receiver(name, sink, sink.options.model_validate(options).at(folder))
    return made, mistakes


def _read_owners(
    path: Path, table: object
) -> tuple[dict[str, dict[str, str]], list[str] | None, list[str]]:
    """Customer -> column -> address; the columns, None if they cannot be known; what is wrong."""
    named = table.get("file") if isinstance(table, Mapping) else None
    if not isinstance(named, str) or not named:
        return {}, [] if table is None else None, []
    file = path.parent / named
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        return {}, None, [f"{file}: the file of owners cannot be read: {reason}"]
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
            customer = pseudonym(named_so)  # as intake names it: an e-mail address is not kept
            if not named_so:
                mistakes.append(f"{file}:{rows.line_num}: the customer is missing")
            elif customer in owners:
                mistakes.append(f"{file}:{rows.line_num}: {found(named_so)} is there already")
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
    """Receivers and columns that nobody defined."""
    mistakes = []
    for table, place in zip(many["route"], places["route"], strict=True):
        listed = table.get("receivers")
        if isinstance(listed, list):
            if not listed:
                mistakes.append(place.mistake("route.receivers", "is empty: name at least one"))
            mistakes += [
                place.mistake("route.receivers", _no_receiver(one, names))
                for one in listed
                if isinstance(one, str) and one.strip() not in names
            ]
            mistakes += [
                place.mistake("route.receivers", _nobody(one))
                for one in listed
                if isinstance(one, str) and not _has_own(receivers.get(one.strip()))
            ]
    for table, place in zip(many["audience"], places["audience"], strict=True):
        name, owner = table.get("receiver"), table.get("owner")
        if isinstance(name, str) and name.strip() not in names:
            mistakes.append(place.mistake("audience.receiver", _no_receiver(name, names)))
        elif isinstance(name, str) and not _addressable(receivers.get(name.strip())):
            able = ", ".join(kind for kind, sink in SINKS.items() if sink.takes_address)
            said = f"{found(name)} cannot write to a person; kinds that can: {able}"
            mistakes.append(place.mistake("audience.receiver", said))
        if isinstance(owner, str) and columns is not None and owner.strip() not in columns:
            hint = nearest(owner, columns) if columns else "there is no [owners] file"
            mistakes.append(place.mistake("audience.owner", f"no such column; {hint}"))
    return mistakes


def _bad_addresses(
    audiences: list[dict[str, Any]],
    receivers: Mapping[str, Receiver],
    owners: Mapping[str, Mapping[str, str]],
) -> list[str]:
    """Owners that mails would go to, and that are no address; the first few."""
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
            of = f"{customers[0]}" + (f" and {len(customers) - 1} more" if customers[1:] else "")
            mistakes.append(f"owners: {column} of {of}: {found(text)} is no e-mail address")
    return mistakes


def _in_vain(
    many: Mapping[str, list[dict[str, Any]]], places: Mapping[str, list[Part]]
) -> list[str]:
    """Names that are there already, and routes that never count."""
    mistakes = []
    for key in ("route", "audience"):
        names: set[str] = set()
        for table, place in zip(many[key], places[key], strict=True):
            name = str(table.get("name", "")).strip()
            if name in names:
                mistakes.append(place.mistake(f"{key}.name", f"{found(name)} is there already"))
            names.add(name)
    conditions = {"tenants", "products", "areas", "issue_types", "teams", "tiers"}
    catches_all = None
    for table, place in zip(many["route"], places["route"], strict=True):
        if catches_all is not None:
            said = f"never counts: {found(catches_all)} before it takes everything; go_on = true?"
            mistakes.append(place.mistake("route.name", said))
        elif not (
            any(table.get(key) for key in conditions)
            or table.get("severity", "info") != "info"
            or table.get("go_on")
        ):
            catches_all = str(table.get("name", ""))
    return mistakes


def _unknown_in(
    data: Mapping[str, Any], names: set[str], receivers: Mapping[str, Receiver], whole: Sources
) -> list[str]:
    listed = {
        "default.receivers": (data.get("default") or {}),
        "delivery.fallback": (data.get("delivery") or {}),
    }
    mistakes = []
    for key, table in listed.items():
        found_there = table.get(key.partition(".")[2]) if isinstance(table, Mapping) else None
        for one in found_there if isinstance(found_there, list) else ():
            if isinstance(one, str) and one.strip() not in names:
                mistakes.append(f"{whole.where(key)}: {key}: {_no_receiver(one, names)}")
            elif isinstance(one, str) and not _has_own(receivers.get(one.strip())):
                mistakes.append(f"{whole.where(key)}: {key}: {_nobody(one)}")
    return mistakes


def _addressable(receiver: Receiver | None) -> bool:
    """Whether it takes addresses; of one that is wrong itself nothing is said."""
    return receiver is None or receiver.sink.writes_to_people(receiver.options)


def _has_own(receiver: Receiver | None) -> bool:
    """Whether it says itself whom it tells; of one that is wrong itself nothing is said."""
    return receiver is None or receiver.sink.tells_its_own(receiver.options)


def _nobody(name: str) -> str:
    return f"{found(name)} has nobody of its own to tell: only an audience can use it as it is"


def _no_receiver(name: str, names: set[str]) -> str:
    return f"no receiver {found(name)}; {nearest(name, names) if names else 'there is none'}"
