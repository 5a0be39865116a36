"""The configuration's sections and keys: types, defaults, ranges, meanings, rules between keys."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from detectors.settings import Dimension
from stream.config.calendar import Calendar
from stream.config.errors import Disagreement, disagree
from stream.config.kafka import Kafka
from stream.config.values import Section, host, zone

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
    limits: Limits = Limits()
    state: State = State()
    metrics: Metrics = Metrics()
    health: Health = Health()
    log: Log = Log()

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.health.port and self.health.port == self.metrics.port:
            text = f"found {self.health.port}, which is metrics.port; allowed: another port, or 0"
            disagree([Disagreement("health.port", ("metrics.port",), text)])
        return self
