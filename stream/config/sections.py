"""Sections and keys of the configuration: types, defaults, ranges, descriptions, rules."""

from typing import Annotated, Any, Literal, Self, get_args

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
from detectors.policy.settings import Dimension, ModelName
from detectors.policy.taxonomy import Taxonomy
from schemas.codec import value_name
from stream.config.errors import Disagreement, disagree
from stream.config.kafka import Kafka
from stream.config.policy_files.calendar import Calendar
from stream.config.values import Section, host, page_url, web_address, zone

Port = Annotated[int, Field(ge=0, le=65535)]
Host = Annotated[str, AfterValidator(host)]


class Budget(Section):
    """How many false pages on-call accepts."""

    false_pages_per_week: float = Field(
        default=1.0,
        ge=0.001,
        le=1000,
        description="Expected number of false pages per week over all areas of a tenant. A lower "
        "number pages later and with more certainty.",
    )


class Time(Section):
    """Time zone and event time."""

    timezone: Annotated[str, AfterValidator(zone)] = Field(
        default="UTC",
        description="IANA time zone in which daily and weekly seasons repeat, such as "
        "Europe/Berlin.",
    )
    lateness_seconds: int = Field(
        default=60,
        ge=0,
        le=3600,
        description="A ticket older than the tenant's clock by more than this many seconds is "
        "counted but never pages.",
    )
    tick_seconds: float = Field(
        default=5.0, ge=0.1, le=60, description="Interval between two clock ticks, in seconds."
    )
    future_seconds: int = Field(
        default=300,
        ge=0,
        le=86400,
        description="A live ticket whose created_at is later than its arrival by more than this "
        "many seconds is a dead letter.",
    )


class Model(Section):
    """The detection model of an area."""

    name: ModelName = Field(
        default="cusum_bank", description=f"Name of the model: {', '.join(get_args(ModelName))}."
    )


def _unique(names: tuple[Dimension, ...]) -> tuple[Dimension, ...]:
    if len(set(names)) < len(names):
        raise ValueError("each name once")
    return names


class Slices(Section):
    """Slices that are watched within each area, beside its total."""

    dimensions: Annotated[tuple[Dimension, ...], AfterValidator(_unique)] = Field(
        default=("issue_type", "region", "app_version", "channel"),
        description="Dimensions whose values are watched one by one: issue_type, region, "
        "app_version, channel.",
    )


class Episode(Section):
    """When an episode is resolved, reopened and updated."""

    clear_minutes: int = Field(
        default=30,
        ge=1,
        le=10080,
        description="An episode is resolved after this many minutes at the normal rate.",
    )
    cooldown_minutes: int = Field(
        default=360,
        ge=0,
        le=43200,
        description="A spike within this many minutes of the resolution reopens the episode.",
    )
    update_percent: int = Field(
        default=100,
        ge=1,
        le=10000,
        description="An update is published when the observed count has grown by more than "
        "this percentage since the last event, and by more than update_tickets.",
    )
    update_tickets: int = Field(
        default=10,
        ge=1,
        le=1_000_000,
        description="An update is published when the observed count has grown by more than "
        "this many customer-equivalents since the last event, and by more than update_percent.",
    )


class Storm(Section):
    """When many pages become one digest."""

    pages: int = Field(
        default=5,
        ge=1,
        le=1000,
        description="A tenant has at most this many pages within the period; further episodes "
        "are reported in one digest.",
    )
    minutes: int = Field(
        default=10, ge=1, le=1440, description="Length of that period, in minutes."
    )


class Severity(Section):
    """How severe an episode is: the highest severity whose three bounds are all reached.

    Independently of these bounds, the number of affected customers of one tier, or their revenue,
    can make an episode an error or critical.
    """

    critical_customers: int = Field(
        default=50, ge=0, description="Critical: least number of distinct customers."
    )
    critical_ratio: float = Field(
        default=4.0, ge=0, description="Critical: least ratio of the observed to the expected rate."
    )
    critical_excess_per_hour: float = Field(
        default=20.0,
        ge=0,
        description="Critical: least excess over the expected rate, in customer-equivalents per "
        "hour.",
    )
    error_customers: int = Field(
        default=15, ge=0, description="Error: least number of distinct customers."
    )
    error_ratio: float = Field(
        default=3.0, ge=0, description="Error: least ratio of the observed to the expected rate."
    )
    error_excess_per_hour: float = Field(
        default=5.0,
        ge=0,
        description="Error: least excess over the expected rate, in customer-equivalents per hour.",
    )
    warning_customers: int = Field(
        default=4, ge=0, description="Warning: least number of distinct customers."
    )
    warning_ratio: float = Field(
        default=2.0, ge=0, description="Warning: least ratio of the observed to the expected rate."
    )
    warning_excess_per_hour: float = Field(
        default=0.5,
        ge=0,
        description="Warning: least excess over the expected rate, in customer-equivalents per "
        "hour.",
    )
    tier: Annotated[str, AfterValidator(lambda text: value_name(text) or "")] = Field(
        default="",
        description="Customer tier that critical_tier_customers and error_tier_customers count; "
        "empty: none.",
    )
    critical_tier_customers: int = Field(
        default=0,
        ge=0,
        description="An episode with this many customers of that tier is critical; 0: never.",
    )
    error_tier_customers: int = Field(
        default=0,
        ge=0,
        description="An episode with this many customers of that tier is at least an error; "
        "0: never.",
    )
    critical_revenue: float = Field(
        default=0.0,
        ge=0,
        description="An episode whose affected customers have this much annual revenue is "
        "critical; 0: never.",
    )
    error_revenue: float = Field(
        default=0.0,
        ge=0,
        description="An episode whose affected customers have this much annual revenue is at "
        "least an error; 0: never.",
    )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if not self.tier and (self.critical_tier_customers or self.error_tier_customers):
            text = "is empty: name the tier whose customers count"
            keys = ("severity.critical_tier_customers", "severity.error_tier_customers")
            disagree([Disagreement("severity.tier", keys, text)])
        return self


class Text(Section):
    """Product areas, the playbook, and the classification of tickets without an area."""

    taxonomy: str = Field(
        default="",
        description="TOML file of products, areas, aliases, keywords and issue types; empty: none.",
    )
    playbook: str = Field(
        default="",
        description="TOML file that says who does what about which escalation; empty: none.",
    )
    placing_confidence: float = Field(
        default=0.7,
        ge=0.5,
        le=1.0,
        description="Least probability at which the classifier gives a ticket without an area its "
        "area; 1: it never does.",
    )
    examples: bool = Field(
        default=True, description="Whether events quote the text of three tickets."
    )


class Impact(Section):
    """How the impact of an episode is estimated."""

    renewal_days: int = Field(
        default=90,
        ge=1,
        le=3650,
        description="A contract that ends within this many days counts as one that renews soon.",
    )
    handling_minutes: float = Field(
        default=0.0,
        ge=0,
        le=100_000,
        description="Minutes of work per ticket in areas without solved tickets; 0: not known.",
    )


class Limits(Section):
    """Limits on what the input can make a worker hold in memory."""

    areas_per_tenant: int = Field(
        default=500,
        ge=1,
        le=100_000,
        description="Number of areas per tenant with a model of their own; further areas share "
        "the model of __other__.",
    )
    tenants_per_partition: int = Field(
        default=10_000,
        ge=1,
        le=10_000_000,
        description="Number of tenants per partition with models of their own; further tenants "
        "share one.",
    )
    ticket_bytes: int = Field(
        default=65_536,
        ge=1024,
        le=1_000_000,
        description="Largest ticket, in bytes; larger ones are dead letters.",
    )


class State(Section):
    """How often learned state is written to its topic, and how long Kafka keeps old versions."""

    snapshot_seconds: float = Field(
        default=1.0, ge=0.1, le=300, description="Interval between two snapshots, in seconds."
    )
    rewrite_seconds: int = Field(
        default=86_400,
        ge=1,
        le=31_536_000,
        description="A series without changes is written again after this many seconds.",
    )
    compaction_lag_seconds: int = Field(
        default=172_800,
        ge=1,
        le=63_072_000,
        description="Kafka compacts records only after this many seconds; must be more than "
        "rewrite_seconds.",
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
    """Where Prometheus scrapes a worker."""

    host: Host = Field(default="127.0.0.1", description="Address to listen on; use a private one.")
    port: Port = Field(default=9464, description="Port to listen on; 0: off.")


class Health(Section):
    """Where the orchestrator asks whether a worker is alive and ready."""

    host: Host = Field(default="127.0.0.1", description="Address to listen on; use a private one.")
    port: Port = Field(default=9465, description="Port of /live and /ready; 0: off.")


class Notify(Section):
    """The process ``spikewatch notify``: receivers, and how people respond."""

    file: str = Field(
        default="",
        description="TOML file of receivers and routes; start from deploy/config/notify.toml.",
    )
    instance_id: str = Field(
        default="",
        max_length=200,
        description="Name of this process for static group membership; empty: none.",
    )
    metrics_port: Port = Field(
        default=9466, description="Port where Prometheus scrapes notify; 0: off."
    )
    health_port: Port = Field(default=9467, description="Port of /live and /ready; 0: off.")
    api_host: Host = Field(default="127.0.0.1", description="Address that the API listens on.")
    api_port: Port = Field(
        default=0, description="Port of the API, which also takes Slack's buttons; 0: off."
    )
    api_token_file: str = Field(
        default="",
        description="File with the bearer token of the API; empty: the variable "
        "SPIKEWATCH_API_TOKEN.",
    )
    slack_signing_secret_file: str = Field(
        default="",
        description="File with Slack's signing secret; empty: the variable SLACK_SIGNING_SECRET.",
    )


class Canary(Section):
    """The process ``spikewatch canary``: simulated spikes that must be detected."""

    every_minutes: float = Field(
        default=30.0, ge=0.05, le=10_080, description="Interval between two spikes, in minutes."
    )
    seconds: float = Field(
        default=60.0,
        ge=1,
        le=3600,
        description="The escalation of a spike must be published within this many seconds.",
    )
    metrics_port: Port = Field(
        default=9468, description="Port where Prometheus scrapes the canary; 0: off."
    )


class Page(Section):
    """The web page of ``spikewatch page``."""

    host: Host = Field(
        default="127.0.0.1", description="Address to listen on; the page asks for no password."
    )
    port: Annotated[int, Field(ge=1, le=65535)] = Field(
        default=9470, description="Port to listen on."
    )
    url: Annotated[str, AfterValidator(page_url)] = Field(
        default="",
        description="Address under which people open the page, such as "
        "https://spikewatch.example.com/; every notification then links to it.",
    )
    days: float = Field(
        default=14.0,
        gt=0,
        le=90,
        description="At its start the page reads the episodes of this many days.",
    )
    areas: int = Field(
        default=5_000,
        ge=1,
        le=100_000,
        description="Number of areas that are shown, those with the most tickets first.",
    )
    reports: str = Field(
        default="",
        description="Folder of reports written by spikewatch backtest --html, to be shown; "
        "empty: none.",
    )
    metrics_port: Port = Field(
        default=9471, description="Port where Prometheus scrapes the page; 0: off."
    )


class Traces(Section):
    """OpenTelemetry traces, from a ticket to its escalation and its notifications."""

    endpoint: Annotated[str, AfterValidator(web_address)] = Field(
        default="",
        description="Address of an OTLP collector over HTTP, such as "
        "http://127.0.0.1:4318/v1/traces; empty: off.",
    )


class Log(Section):
    """What processes write to standard error."""

    level: Annotated[
        Literal["debug", "info", "warning", "error", "critical"],
        BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value),
    ] = Field(
        default="warning",
        description="Lowest level that is written: debug, info, warning, error or critical.",
    )


class Config(BaseModel):
    """The whole configuration. ``Config()`` has all defaults and reads no file.

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
        """Return the taxonomy that was read when the configuration was loaded."""
        return self._taxonomy

    @property
    def what_to_do(self) -> Playbook:
        """Return the playbook that was read when the configuration was loaded."""
        return self._playbook

    def model_post_init(self, context: Any) -> None:
        """Keep the files that the validation context holds, if it holds any."""
        self._taxonomy = (context or {}).get("taxonomy", Taxonomy())
        self._playbook = (context or {}).get("playbook", Playbook())

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.health.port and self.health.port == self.metrics.port:
            text = f"found {self.health.port}, which is metrics.port; allowed: another port, or 0"
            disagree([Disagreement("health.port", ("metrics.port",), text)])
        return self
