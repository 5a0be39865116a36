"""The tables of the notification file: routes, receivers, quiet hours, delivery options."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import time
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from schemas.escalation import Severity
from stream.config.errors import Disagreement, disagree
from stream.config.values import Section, folded_names, one_line, zone
from stream.config.values import host as host_name
from stream.notify.model.message import LINK_FIELDS
from stream.notify.sinks.base import Options, Sink, form_of_url

NAME_CHARACTERS: Final = 80


WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


name_of = one_line(NAME_CHARACTERS)


def _plain_names(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name_of(text) for text in texts))


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


Name = Annotated[str, AfterValidator(name_of)]


Clock = Annotated[str, AfterValidator(_clock)]


class DeliveryOptions(Section):
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


class QuietHours(Section):
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


class Route(QuietHours):
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


class AccountOwnerRoute(QuietHours):
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


@dataclass(frozen=True)
class Receiver:
    """Somebody who can be told."""

    name: str
    sink: type[Sink]
    options: Options


@dataclass(frozen=True)
class NotificationConfig:
    """All that stands in the file, checked."""

    general: DeliveryOptions
    receivers: Mapping[str, Receiver]
    routes: tuple[Route, ...]
    default: tuple[str, ...]
    audiences: tuple[AccountOwnerRoute, ...] = ()
    owners: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Customer -> column -> address."""

    @property
    def alone(self) -> list[str]:
        """Receivers of whose failures nobody else would hear."""
        others = self.general.fallback or self.default
        return [name for name in self.receivers if not set(others) - {name}]

    def linked_to(self, page_url: str) -> "NotificationConfig":
        """The same, with a link to our own page in every message where the file names none."""
        if self.general.link or not page_url:
            return self
        link = f"{page_url}#/episode/{{episode}}"
        return replace(self, general=self.general.model_copy(update={"link": link}))
