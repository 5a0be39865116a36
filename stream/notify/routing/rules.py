"""Tables of the notification file: delivery options, routes, audiences, quiet hours, receivers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import time
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, AliasChoices, Field, model_validator

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
        raise ValueError('a time of day such as "22:00", in the time zone quiet_zone')
    return text


def _link(text: str) -> str:
    rest = text
    for name in LINK_FIELDS:
        rest = rest.replace(name, "")
    if text and (not text.startswith(("https://", "http://")) or "{" in rest or "}" in rest):
        raise ValueError(
            'a URL such as "https://spikewatch.example.com/#/episode/{episode}", with only tenant '
            "and episode in braces"
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
    """Table ``[delivery]``: how messages are sent, retried, grouped and limited."""

    link: Annotated[str, AfterValidator(_link)] = Field(
        default="",
        description="URL of an episode's page that every message links to; {tenant} and {episode} "
        "are replaced.",
    )
    private_hosts: Annotated[tuple[str, ...], AfterValidator(_hosts)] = Field(
        default=(),
        description="Hosts that may have private addresses and may be reached over plain http.",
    )
    stale_minutes: float = Field(
        default=30.0,
        ge=1,
        le=10_080,
        description="An escalation that is older than this many minutes and whose episode is "
        "already resolved is sent only in a digest.",
    )
    timeout_seconds: float = Field(
        default=10.0,
        ge=0.1,
        le=120,
        description="Timeout of an HTTP request, in seconds.",
    )
    give_up_minutes: float = Field(
        default=60.0,
        gt=0,
        le=10_080,
        description="Minutes of failed attempts after which a message is given up.",
    )
    fallback: PlainNames = Field(
        default=(),
        description="Receivers that are notified when another receiver cannot be reached; empty: "
        "the receivers of [default].",
    )
    fallback_minutes: float = Field(
        default=5.0,
        ge=0,
        le=1_440,
        description="Minutes of failed attempts after which the fallback is notified.",
    )
    storm_pages: int = Field(
        default=10,
        ge=1,
        le=10_000,
        description="Number of new episodes for one receiver within storm_minutes after which "
        "further ones are grouped into one digest.",
    )
    storm_minutes: float = Field(
        default=10.0,
        gt=0,
        le=1_440,
        description="Length of the window over which storm_pages counts new episodes, in minutes.",
    )
    digest_seconds: float = Field(
        default=15.0,
        ge=0.1,
        le=600,
        description="Seconds that a digest waits for more episodes before it is sent.",
    )
    update_percent: float = Field(
        default=100.0,
        ge=1,
        le=10_000,
        description="Minimum growth since the last message, in percent, before an update is sent; "
        "update_tickets must be reached too.",
    )
    update_tickets: float = Field(
        default=10.0,
        ge=1,
        le=1_000_000,
        description="Minimum growth since the last message, in tickets, before an update is sent; "
        "update_percent must be reached too.",
    )
    alertmanager_silences: Annotated[str, AfterValidator(_url_or_none)] = Field(
        default="",
        description="URL of an Alertmanager whose silences mute notifications here too.",
    )


class QuietHours(Section):
    """Hours in which a route or audience mutes lower severities, like a mute timing."""

    table: ClassVar[str] = "route"
    """Name of the table in the file, for messages about mistakes."""

    quiet_start: Clock = Field(
        default="", description="Time of day at which quiet hours start, such as 22:00."
    )
    quiet_end: Clock = Field(
        default="", description="Time of day at which quiet hours end, such as 07:00."
    )
    quiet_days: tuple[Weekday, ...] = Field(
        default=(),
        description="Days on which quiet hours start, from mon to sun; empty: every day.",
    )
    quiet_zone: Annotated[str, AfterValidator(zone)] = Field(
        default="UTC",
        description="IANA time zone of both times, such as Europe/Berlin.",
    )
    quiet_below: Severity = Field(
        default="critical",
        description="Minimum severity of escalations that are sent even in quiet hours.",
    )

    @model_validator(mode="after")
    def _both(self) -> Self:
        if bool(self.quiet_start) != bool(self.quiet_end):
            key, other = ("quiet_end", "quiet_start") if self.quiet_start else (
                "quiet_start", "quiet_end")  # fmt: skip
            self._disagree(key, other, f"is missing: {other} requires it")
        if self.quiet_start and self.quiet_start == self.quiet_end:
            self._disagree(
                "quiet_end", "quiet_start", "equals quiet_start: quiet hours would never end"
            )
        if self.quiet_days and not self.quiet_start:
            self._disagree("quiet_days", "quiet_start", "requires quiet_start and quiet_end")
        return self

    def _disagree(self, key: str, other: str, text: str) -> None:
        disagree([Disagreement(f"{self.table}.{key}", (f"{self.table}.{other}",), text)])


class Route(QuietHours):
    """Table ``[[route]]``: which escalations go to which receivers. An omitted list matches all."""

    name: Name = Field(
        description="Name of the route in the audit trail and in `spikewatch route`."
    )
    tenants: PlainNames = Field(
        default=(), description="Tenants whose escalations the route matches."
    )
    products: Names = Field(
        default=(),
        description="Products of the taxonomy whose escalations the route matches.",
    )
    areas: Names = Field(
        default=(),
        description="Product areas whose escalations the route matches; a tenant-wide escalation "
        "matches if it includes one of them.",
    )
    issue_types: Names = Field(
        default=(),
        description="Issue types that the route matches, as the slice or the main driver of an "
        "escalation.",
    )
    teams: PlainNames = Field(
        default=(),
        description="Teams to which the playbook must assign an escalation for the route to match.",
    )
    tiers: Names = Field(
        default=(),
        description="Customer tiers of which an escalation must affect a customer for the route to "
        "match.",
    )
    severity: Severity = Field(
        default="info", description="Minimum severity that the route matches."
    )
    receivers: PlainNames = Field(description="Receivers to notify; at least one.")
    continue_: bool = Field(
        default=False,
        validation_alias=AliasChoices("continue", "go_on"),
        description="Whether the routes after this one are tried as well (formerly go_on).",
    )


class AccountOwnerRoute(QuietHours):
    """Table ``[[audience]]``: account owners, each notified of their own affected customers."""

    table: ClassVar[str] = "audience"

    name: Name = Field(
        description="Name of the audience in the audit trail and in `spikewatch route`."
    )
    owner: Name = Field(description="Column of the owners file with the address of the owner.")
    receiver: Name = Field(
        description="Receiver that sends the messages; its kind must be able to address a person."
    )
    severity: Severity = Field(
        default="warning", description="Minimum severity of which owners are notified."
    )
    tiers: Names = Field(
        default=(),
        description="Tiers of the customers that count; empty: every tier.",
    )
    least_revenue: float = Field(
        default=0.0,
        ge=0,
        description="Minimum annual revenue of the customers that count.",
    )
    least_tickets: int = Field(
        default=1,
        ge=1,
        description="Minimum number of tickets in the episode of the customers that count.",
    )


class Default(Section):
    """Table ``[default]``: receivers of escalations that no route matches."""

    receivers: PlainNames = Field(
        min_length=1,
        description="Receivers to notify of escalations that no route matches; at least one.",
    )


@dataclass(frozen=True)
class Receiver:
    """Table ``[[receiver]]`` of the notification file."""

    name: str
    sink: type[Sink]
    options: Options


@dataclass(frozen=True)
class NotificationConfig:
    """Validated content of the notification file."""

    general: DeliveryOptions
    receivers: Mapping[str, Receiver]
    routes: tuple[Route, ...]
    default: tuple[str, ...]
    audiences: tuple[AccountOwnerRoute, ...] = ()
    owners: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Addresses of account owners, by customer and column of the owners file."""

    @property
    def alone(self) -> list[str]:
        """Names of the receivers of whose failures no other receiver is notified."""
        others = self.general.fallback or self.default
        return [name for name in self.receivers if not set(others) - {name}]

    def linked_to(self, page_url: str) -> "NotificationConfig":
        """Return a copy whose messages link to a page URL, unless the file sets its own link."""
        if self.general.link or not page_url:
            return self
        link = f"{page_url}#/episode/{{episode}}"
        return replace(self, general=self.general.model_copy(update={"link": link}))
