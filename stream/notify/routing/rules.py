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
    """The table ``[delivery]``: how messages are sent, retried, grouped and limited."""

    link: Annotated[str, AfterValidator(_link)] = Field(
        default="",
        description="Every message links to this URL of the episode's page; {tenant} and {episode} "
        "are filled in.",
    )
    private_hosts: Annotated[tuple[str, ...], AfterValidator(_hosts)] = Field(
        default=(),
        description="These hosts may have private addresses and may be reached over plain http.",
    )
    stale_minutes: float = Field(
        default=30.0,
        ge=1,
        le=10_080,
        description="An escalation older than this many minutes whose episode is already resolved "
        "is sent only in a digest.",
    )
    timeout_seconds: float = Field(
        default=10.0,
        ge=0.1,
        le=120,
        description="One HTTP request may take this many seconds.",
    )
    give_up_minutes: float = Field(
        default=60.0,
        gt=0,
        le=10_080,
        description="A message is given up after this many minutes of failed attempts.",
    )
    fallback: PlainNames = Field(
        default=(),
        description="These receivers are notified when another receiver cannot be reached; without "
        "any, the receivers of [default] are.",
    )
    fallback_minutes: float = Field(
        default=5.0,
        ge=0,
        le=1_440,
        description="The fallback is notified after this many minutes of failed attempts.",
    )
    storm_pages: int = Field(
        default=10,
        ge=1,
        le=10_000,
        description="After this many new episodes for one receiver within storm_minutes, further "
        "ones are grouped into one digest.",
    )
    storm_minutes: float = Field(
        default=10.0,
        gt=0,
        le=1_440,
        description="New episodes are counted over this many minutes for storm_pages.",
    )
    digest_seconds: float = Field(
        default=15.0,
        ge=0.1,
        le=600,
        description="A digest waits this many seconds for more episodes before it is sent.",
    )
    update_percent: float = Field(
        default=100.0,
        ge=1,
        le=10_000,
        description="An update about growth is sent once the number of tickets has grown by this "
        "many per cent since the last message, and by update_tickets.",
    )
    update_tickets: float = Field(
        default=10.0,
        ge=1,
        le=1_000_000,
        description="This is the minimum growth, in tickets, before an update is sent.",
    )
    alertmanager_silences: Annotated[str, AfterValidator(_url_or_none)] = Field(
        default="",
        description="The silences of the Alertmanager at this URL mute notifications here too.",
    )


class QuietHours(Section):
    """Hours in which a route or audience mutes severities below a bound, like a mute timing."""

    table: ClassVar[str] = "route"
    """Name of the table in the file, for messages about mistakes."""

    quiet_start: Clock = Field(
        default="", description="Quiet hours start at this time of day, such as 22:00."
    )
    quiet_end: Clock = Field(
        default="", description="Quiet hours end at this time of day, such as 07:00."
    )
    quiet_days: tuple[Weekday, ...] = Field(
        default=(),
        description="Quiet hours start only on these days, from mon to sun; without any, every "
        "day.",
    )
    quiet_zone: Annotated[str, AfterValidator(zone)] = Field(
        default="UTC",
        description="Both times are in this IANA time zone, such as Europe/Berlin.",
    )
    quiet_below: Severity = Field(
        default="critical",
        description="Escalations of this severity and above are sent in quiet hours too.",
    )

    @model_validator(mode="after")
    def _both(self) -> Self:
        if bool(self.quiet_start) != bool(self.quiet_end):
            key, other = ("quiet_end", "quiet_start") if self.quiet_start else (
                "quiet_start", "quiet_end")  # fmt: skip
            self._disagree(key, other, f"is missing: {other} needs it")
        if self.quiet_start and self.quiet_start == self.quiet_end:
            self._disagree(
                "quiet_end", "quiet_start", "equals quiet_start: quiet hours would never end"
            )
        if self.quiet_days and not self.quiet_start:
            self._disagree("quiet_days", "quiet_start", "needs quiet_start and quiet_end")
        return self

    def _disagree(self, key: str, other: str, text: str) -> None:
        disagree([Disagreement(f"{self.table}.{key}", (f"{self.table}.{other}",), text)])


class Route(QuietHours):
    """One ``[[route]]``: which escalations go to which receivers. A list left out matches all."""

    name: Name = Field(
        description="The route has this name in the audit trail and in `spikewatch route`."
    )
    tenants: PlainNames = Field(
        default=(), description="The route matches escalations of these tenants."
    )
    products: Names = Field(
        default=(),
        description="The route matches escalations of these products of the taxonomy.",
    )
    areas: Names = Field(
        default=(),
        description="The route matches escalations of these product areas; a tenant-wide "
        "escalation matches if it includes one of them.",
    )
    issue_types: Names = Field(
        default=(),
        description="The route matches escalations whose slice, or main driver, is one of these "
        "issue types.",
    )
    teams: PlainNames = Field(
        default=(),
        description="The route matches escalations that the playbook assigns to these teams.",
    )
    tiers: Names = Field(
        default=(),
        description="The route matches escalations that affect a customer of one of these tiers.",
    )
    severity: Severity = Field(
        default="info", description="The route matches this severity and above."
    )
    receivers: PlainNames = Field(description="These receivers are notified; at least one.")
    continue_: bool = Field(
        default=False,
        validation_alias=AliasChoices("continue", "go_on"),
        description="If true, the routes after this one are tried as well (formerly go_on).",
    )


class AccountOwnerRoute(QuietHours):
    """One ``[[audience]]``: account owners, each notified of their own affected customers."""

    table: ClassVar[str] = "audience"

    name: Name = Field(
        description="The audience has this name in the audit trail and in `spikewatch route`."
    )
    owner: Name = Field(
        description="This column of the owners file holds the address of the owner."
    )
    receiver: Name = Field(
        description="This receiver sends the messages; its kind must be able to write to a person."
    )
    severity: Severity = Field(
        default="warning", description="Owners are notified of this severity and above."
    )
    tiers: Names = Field(
        default=(),
        description="Only customers of these tiers count; without any, customers of every tier.",
    )
    least_revenue: float = Field(
        default=0.0,
        ge=0,
        description="Only customers with at least this much revenue a year count.",
    )
    least_tickets: int = Field(
        default=1,
        ge=1,
        description="Only customers with at least this many tickets in the episode count.",
    )


class Default(Section):
    """The table ``[default]``: receivers of escalations that no route matches."""

    receivers: PlainNames = Field(
        min_length=1,
        description="These receivers are notified of escalations that no route matches; at least "
        "one.",
    )


@dataclass(frozen=True)
class Receiver:
    """One ``[[receiver]]`` of the notification file."""

    name: str
    sink: type[Sink]
    options: Options


@dataclass(frozen=True)
class NotificationConfig:
    """The notification file, checked."""

    general: DeliveryOptions
    receivers: Mapping[str, Receiver]
    routes: tuple[Route, ...]
    default: tuple[str, ...]
    audiences: tuple[AccountOwnerRoute, ...] = ()
    owners: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Address of an owner, by customer and column of the owners file."""

    @property
    def alone(self) -> list[str]:
        """Names of receivers whose failures no other receiver is notified of."""
        others = self.general.fallback or self.default
        return [name for name in self.receivers if not set(others) - {name}]

    def linked_to(self, page_url: str) -> "NotificationConfig":
        """Return a copy whose messages link to *page_url*, if the file names no link."""
        if self.general.link or not page_url:
            return self
        link = f"{page_url}#/episode/{{episode}}"
        return replace(self, general=self.general.model_copy(update={"link": link}))
