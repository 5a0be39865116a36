"""Sections of the configuration for processes: limits, state, ports, traces, logs."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from stream.config.errors import Disagreement, disagree
from stream.config.values import Section, host, page_url, web_address

Port = Annotated[int, Field(ge=0, le=65535)]
Host = Annotated[str, AfterValidator(host)]


class Limits(Section):
    """Limits on the memory that the input can make a worker use."""

    areas_per_tenant: int = Field(
        default=500,
        ge=1,
        le=100_000,
        description="Maximum number of areas per tenant that have their own model; further areas "
        "share the model of __other__.",
    )
    tenants_per_partition: int = Field(
        default=10_000,
        ge=1,
        le=10_000_000,
        description="Maximum number of tenants per partition that have their own models; further "
        "tenants share one set of models.",
    )
    ticket_bytes: int = Field(
        default=65_536,
        ge=1024,
        le=1_000_000,
        description="Maximum size of a ticket, in bytes; larger tickets become dead letters.",
    )


class State(Section):
    """How often learned state is written to its topic, and when Kafka may delete old versions."""

    snapshot_seconds: float = Field(
        default=1.0, ge=0.1, le=300, description="Interval between snapshots, in seconds."
    )
    rewrite_seconds: int = Field(
        default=86_400,
        ge=1,
        le=31_536_000,
        description="An unchanged series is written again after this many seconds.",
    )
    compaction_lag_seconds: int = Field(
        default=172_800,
        ge=1,
        le=63_072_000,
        description="Kafka compacts records only after this many seconds; must exceed "
        "rewrite_seconds.",
    )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.compaction_lag_seconds <= self.rewrite_seconds:
            text = (
                f"found {self.compaction_lag_seconds}; allowed: more than rewrite_seconds "
                f"({self.rewrite_seconds}), or else compaction can delete state"
            )
            disagree(
                [Disagreement("state.compaction_lag_seconds", ("state.rewrite_seconds",), text)]
            )
        return self


class Metrics(Section):
    """Endpoint where Prometheus scrapes a worker."""

    host: Host = Field(
        default="127.0.0.1", description="Address to listen on; use a private address."
    )
    port: Port = Field(default=9464, description="Port to listen on; 0: off.")


class Health(Section):
    """Endpoint where the orchestrator probes whether a worker is alive and ready."""

    host: Host = Field(
        default="127.0.0.1", description="Address to listen on; use a private address."
    )
    port: Port = Field(default=9465, description="Port of /live and /ready; 0: off.")


class Notify(Section):
    """The process ``spikewatch notify``: its receivers, and how people respond."""

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
        default=0, description="Port of the API, which also handles Slack's buttons; 0: off."
    )
    api_token_file: str = Field(
        default="",
        description="File with the bearer token of the API; empty: read it from the variable "
        "SPIKEWATCH_API_TOKEN.",
    )
    slack_signing_secret_file: str = Field(
        default="",
        description="File with Slack's signing secret; empty: read it from the variable "
        "SLACK_SIGNING_SECRET.",
    )


class Canary(Section):
    """The process ``spikewatch canary``: simulated spikes that must be detected."""

    every_minutes: float = Field(
        default=30.0, ge=0.05, le=10_080, description="Interval between spikes, in minutes."
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
        default="127.0.0.1", description="Address to listen on; the page requires no password."
    )
    port: Annotated[int, Field(ge=1, le=65535)] = Field(
        default=9470, description="Port to listen on."
    )
    url: Annotated[str, AfterValidator(page_url)] = Field(
        default="",
        description="Public URL of the page, such as https://spikewatch.example.com/; every "
        "notification then links to it.",
    )
    days: float = Field(
        default=14.0,
        gt=0,
        le=90,
        description="At startup, the page reads the episodes of this many days.",
    )
    areas: int = Field(
        default=5_000,
        ge=1,
        le=100_000,
        description="Maximum number of areas to show; those with the most tickets are shown.",
    )
    reports: str = Field(
        default="",
        description="Folder of reports to show, written by spikewatch backtest --html; empty: "
        "none.",
    )
    metrics_port: Port = Field(
        default=9471, description="Port where Prometheus scrapes the page; 0: off."
    )


class Traces(Section):
    """OpenTelemetry traces, from a ticket to its escalation and its notifications."""

    endpoint: Annotated[str, AfterValidator(web_address)] = Field(
        default="",
        description="URL of an OTLP/HTTP collector, such as http://127.0.0.1:4318/v1/traces; "
        "empty: off.",
    )


class Log(Section):
    """Logging of processes to standard error."""

    level: Annotated[
        Literal["debug", "info", "warning", "error", "critical"],
        BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value),
    ] = Field(
        default="warning",
        description="Minimum level to log: debug, info, warning, error or critical.",
    )
