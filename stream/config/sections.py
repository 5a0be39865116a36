"""The configuration's sections and keys: types, defaults, ranges, meanings, rules between keys."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    model_validator,
)

from detectors.policy.playbook import Playbook
from detectors.policy.settings import Dimension
from detectors.policy.taxonomy import Taxonomy
from schemas.codec import value_name
from stream.config.errors import Disagreement, disagree
from stream.config.kafka import Kafka
from stream.config.policy_files.calendar import Calendar
from stream.config.values import Section, host, page_url, web_address, zone

Port = Annotated[int, Field(ge=0, le=65535)]
Host = Annotated[str, AfterValidator(host)]


class Budget(Section):
    """How many false pages the on-call accepts."""

    false_pages_per_week: float = Field(
        default=1.0,
        ge=0.001,
        le=1000,
        description="over all areas of a tenant; fewer: later, surer pages",
    )


class Time(Section):
    """Clocks and zones."""

    timezone: Annotated[str, AfterValidator(zone)] = Field(
        default="UTC", description="IANA zone in which days and weeks repeat, such as Europe/Berlin"
    )
    lateness_seconds: int = Field(
        default=60, ge=0, le=3600, description="how late a ticket may still page"
    )
    tick_seconds: float = Field(default=5.0, ge=0.1, le=60, description="time between two ticks")
    future_seconds: int = Field(
        default=300, ge=0, le=86400, description="how far ahead of its arrival a live ticket may be"
    )


class Model(Section):
    """Which detector judges an area."""

    name: Literal["cusum_bank", "gaussian", "half_space_trees"] = Field(
        default="cusum_bank", description="cusum_bank, gaussian or half_space_trees"
    )


def _once(names: tuple[Dimension, ...]) -> tuple[Dimension, ...]:
    if len(set(names)) < len(names):
        raise ValueError("each name once")
    return names


class Slices(Section):
    """What is watched within each area, beside its total."""

    dimensions: Annotated[tuple[Dimension, ...], AfterValidator(_once)] = Field(
        default=("issue_type", "region", "app_version", "channel"),
        description="whose values are watched one by one: issue_type, region, app_version, channel",
    )


class Episode(Section):
    """When one spike ends, and when it is worth another word."""

    clear_minutes: int = Field(
        default=30, ge=1, le=10080, description="calm time before it is resolved"
    )
    cooldown_minutes: int = Field(
        default=360,
        ge=0,
        le=43200,
        description="after it, in which a new spike reopens the old episode",
    )
    update_percent: int = Field(
        default=100, ge=1, le=10000, description="growth that is worth an update"
    )
    update_tickets: int = Field(
        default=10, ge=1, le=1_000_000, description="the same in tickets; both must be reached"
    )


class Storm(Section):
    """When many pages become one."""

    pages: int = Field(
        default=5, ge=1, le=1000, description="pages of a tenant; what comes after is in one digest"
    )
    minutes: int = Field(default=10, ge=1, le=1440, description="within so many minutes")


class Severity(Section):
    """How bad an episode is: all bounds of a line must be reached; the gravest that holds counts.

    Beside the counts, customers of one tier or the revenue that is affected can make it grave.
    """

    critical_customers: int = Field(default=50, ge=0, description="distinct customers")
    critical_ratio: float = Field(default=4.0, ge=0, description="observed / expected")
    critical_excess_per_hour: float = Field(default=20.0, ge=0, description="tickets too many")
    error_customers: int = Field(default=15, ge=0, description="distinct customers")
    error_ratio: float = Field(default=3.0, ge=0, description="observed / expected")
    error_excess_per_hour: float = Field(default=5.0, ge=0, description="tickets too many")
    warning_customers: int = Field(default=4, ge=0, description="distinct customers")
    warning_ratio: float = Field(default=2.0, ge=0, description="observed / expected")
    warning_excess_per_hour: float = Field(default=0.5, ge=0, description="tickets too many")
    tier: Annotated[str, AfterValidator(lambda text: value_name(text) or "")] = Field(
        default="", description="customers of this tier count for the next two; empty: none"
    )
    critical_tier_customers: int = Field(
        default=0, ge=0, description="so many of that tier are critical by themselves; 0: never"
    )
    error_tier_customers: int = Field(
        default=0, ge=0, description="so many of that tier are an error by themselves; 0: never"
    )
    critical_revenue: float = Field(
        default=0.0, ge=0, description="annual revenue of affected customers, critical; 0: never"
    )
    error_revenue: float = Field(
        default=0.0, ge=0, description="annual revenue of affected customers, error; 0: never"
    )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if not self.tier and (self.critical_tier_customers or self.error_tier_customers):
            text = "is empty: name the tier whose customers count"
            keys = ("severity.critical_tier_customers", "severity.error_tier_customers")
            disagree([Disagreement("severity.tier", keys, text)])
        return self


class Text(Section):
    """What is known of areas and of what to do, and how tickets without an area are placed."""

    taxonomy: str = Field(
        default="", description="TOML file of areas, aliases, keywords, issue types; empty: none"
    )
    playbook: str = Field(
        default="", description="TOML file of who does what about which escalation; empty: none"
    )
    placing_confidence: float = Field(
        default=0.7,
        ge=0.5,
        le=1.0,
        description="how sure the model must be of the area of a ticket without one; 1: never",
    )
    examples: bool = Field(default=True, description="whether events hold three tickets' text")


class Impact(Section):
    """What an episode costs."""

    renewal_days: int = Field(
        default=90, ge=1, le=3650, description="a contract that ends within it ends soon"
    )
    handling_minutes: float = Field(
        default=0.0,
        ge=0,
        le=100_000,
        description="work of one ticket, where solved tickets tell none; 0: not known",
    )


class Limits(Section):
    """What strangers can make us hold in memory."""

    areas_per_tenant: int = Field(
        default=500,
        ge=1,
        le=100_000,
        description="areas; further ones are judged together as __other__",
    )
    tenants_per_partition: int = Field(
        default=10_000, ge=1, le=10_000_000, description="tenants; further ones are judged together"
    )
    ticket_bytes: int = Field(
        default=65_536,
        ge=1024,
        le=1_000_000,
        description="size of a ticket; longer ones are dead letters",
    )


class State(Section):
    """How often learned state is written to its topic, and how long Kafka keeps the old."""

    snapshot_seconds: float = Field(
        default=1.0, ge=0.1, le=300, description="time between two snapshots"
    )
    rewrite_seconds: int = Field(
        default=86_400,
        ge=1,
        le=31_536_000,
        description="a quiet series is written again after this",
    )
    compaction_lag_seconds: int = Field(
        default=172_800,
        ge=1,
        le=63_072_000,
        description="kept from compaction; above rewrite_seconds",
    )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.compaction_lag_seconds <= self.rewrite_seconds:
            text = (
                f"found {self.compaction_lag_seconds}; allowed: more than rewrite_seconds "
                f"({self.rewrite_seconds}), else state can be compacted away"
            )
            disagree(
                [Disagreement("state.compaction_lag_seconds", ("state.rewrite_seconds",), text)]
            )
        return self


class Metrics(Section):
    """Where Prometheus scrapes."""

    host: Host = Field(default="127.0.0.1", description="address to listen on; keep it private")
    port: Port = Field(default=9464, description="port to listen on; 0: off")


class Health(Section):
    """Where the orchestrator asks whether we live."""

    host: Host = Field(default="127.0.0.1", description="address to listen on; keep it private")
    port: Port = Field(default=9465, description="port to listen on; 0: off")


class Notify(Section):
    """Who is told, and how people answer; for ``spikewatch notify``."""

    file: str = Field(
        default="", description="TOML file of receivers and routes, as deploy/config/notify.toml"
    )
    instance_id: str = Field(
        default="", max_length=200, description="name of this process, for static membership"
    )
    metrics_port: Port = Field(default=9466, description="where Prometheus scrapes notify; 0: off")
    health_port: Port = Field(default=9467, description="/live and /ready of notify; 0: off")
    api_host: Host = Field(default="127.0.0.1", description="address the API listens on")
    api_port: Port = Field(default=0, description="port of the API, and of Slack's buttons; 0: off")
    api_token_file: str = Field(
        default="", description="file of the API's bearer token; empty: SPIKEWATCH_API_TOKEN"
    )
    slack_signing_secret_file: str = Field(
        default="", description="file of Slack's signing secret; empty: SLACK_SIGNING_SECRET"
    )


class Canary(Section):
    """A made-up spike that has to come back; for ``spikewatch canary``."""

    every_minutes: float = Field(
        default=30.0, ge=0.05, le=10_080, description="time between two of them"
    )
    seconds: float = Field(
        default=60.0, ge=1, le=3600, description="in which its escalation has to be back"
    )
    metrics_port: Port = Field(default=9468, description="where Prometheus scrapes it; 0: off")


class Page(Section):
    """The page of our own; for ``spikewatch page``."""

    host: Host = Field(default="127.0.0.1", description="address to listen on; it asks no password")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(
        default=9470, description="port to listen on"
    )
    url: Annotated[str, AfterValidator(page_url)] = Field(
        default="",
        description="where people find it, as https://spikewatch.example.com/; every notification "
        "links to it then",
    )
    days: float = Field(
        default=14.0, gt=0, le=90, description="how far back episodes are looked for at the start"
    )
    areas: int = Field(default=5_000, ge=1, le=100_000, description="so many at most are shown")
    reports: str = Field(
        default="", description="folder whose *.html, of evaluate --html, are shown; empty: none"
    )
    metrics_port: Port = Field(default=9471, description="where Prometheus scrapes it; 0: off")


class Traces(Section):
    """OpenTelemetry: from a ticket to its escalation, and to who was told."""

    endpoint: Annotated[str, AfterValidator(web_address)] = Field(
        default="",
        description="OTLP over HTTP, as http://127.0.0.1:4318/v1/traces; empty: off",
    )


class Log(Section):
    """What is written to standard error."""

    level: Annotated[
        Literal["debug", "info", "warning", "error", "critical"],
        BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value),
    ] = Field(default="warning", description="debug, info, warning, error or critical")


class Config(BaseModel):
    """The whole configuration; ``Config()`` is all defaults and reads nothing.

    Example:
        >>> Config().kafka.partitions
        4
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kafka: Kafka = Kafka()
    budget: Budget = Budget()
    time: Time = Time()
    calendar: Calendar = Calendar()
    model: Model = Model()
    slices: Slices = Slices()
    episode: Episode = Episode()
    storm: Storm = Storm()
    severity: Severity = Severity()
    text: Text = Text()
    impact: Impact = Impact()
    limits: Limits = Limits()
    state: State = State()
    metrics: Metrics = Metrics()
    health: Health = Health()
    notify: Notify = Notify()
    canary: Canary = Canary()
    page: Page = Page()
    traces: Traces = Traces()
    log: Log = Log()
    _taxonomy: Taxonomy = PrivateAttr(default=Taxonomy())
    _playbook: Playbook = PrivateAttr(default=Playbook())

    @property
    def known_areas(self) -> Taxonomy:
        """What was in the file of areas when the configuration was loaded."""
        return self._taxonomy

    @property
    def what_to_do(self) -> Playbook:
        """What was in the playbook when the configuration was loaded."""
        return self._playbook

    def model_post_init(self, context: Any) -> None:
        """Take over what was read from the files, if whoever validates read them."""
        self._taxonomy = (context or {}).get("taxonomy", Taxonomy())
        self._playbook = (context or {}).get("playbook", Playbook())

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.health.port and self.health.port == self.metrics.port:
            text = f"found {self.health.port}, which is metrics.port; allowed: another port, or 0"
            disagree([Disagreement("health.port", ("metrics.port",), text)])
        return self
