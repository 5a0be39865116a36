"""Sections of the configuration that govern detection and the description of episodes."""

from typing import Annotated, Self, get_args

from pydantic import AfterValidator, Field, model_validator

from detectors.policy.settings import Dimension, ModelName
from schemas.codec import value_name
from stream.config.errors import Disagreement, disagree
from stream.config.values import Section, zone


class Budget(Section):
    """Number of false pages that on-call accepts."""

    false_pages_per_week: float = Field(
        default=1.0,
        ge=0.001,
        le=1000,
        description="Expected number of false pages per week over all areas of a tenant. A lower "
        "number makes pages later and more certain.",
    )


class Time(Section):
    """Time zone and event time."""

    timezone: Annotated[str, AfterValidator(zone)] = Field(
        default="UTC",
        description="IANA time zone that daily and weekly seasonality follows, such as "
        "Europe/Berlin.",
    )
    lateness_seconds: int = Field(
        default=60,
        ge=0,
        le=3600,
        description="A ticket that is more than this many seconds behind the tenant's clock is "
        "counted but never causes a page.",
    )
    tick_seconds: float = Field(
        default=5.0, ge=0.1, le=60, description="Interval between clock ticks, in seconds."
    )
    future_seconds: int = Field(
        default=300,
        ge=0,
        le=86400,
        description="A ticket whose created_at is later than its arrival by more than this "
        "many seconds is a dead letter.",
    )


class Model(Section):
    """Detection model of an area."""

    name: ModelName = Field(
        default="cusum_bank", description=f"Name of the model: {', '.join(get_args(ModelName))}."
    )


def _unique(names: tuple[Dimension, ...]) -> tuple[Dimension, ...]:
    if len(set(names)) < len(names):
        raise ValueError("a list without duplicates")
    return names


class Slices(Section):
    """Slices that are watched within each area in addition to its total."""

    dimensions: Annotated[tuple[Dimension, ...], AfterValidator(_unique)] = Field(
        default=("issue_type", "region", "app_version", "channel"),
        description="Dimensions whose values are each watched as a slice: issue_type, region, "
        "app_version, channel.",
    )


class Episode(Section):
    """When an episode is resolved, reopened and updated."""

    clear_minutes: int = Field(
        default=30,
        ge=1,
        le=10080,
        description=(
            "An episode is resolved at the earliest once the rate has been normal for this many "
            "minutes; in quiet areas, more evidence is needed."
        ),
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
    """When many pages are combined into one digest."""

    pages: int = Field(
        default=5,
        ge=1,
        le=1000,
        description="Maximum number of pages of a tenant within the period; further episodes "
        "are reported in one digest.",
    )
    minutes: int = Field(
        default=10, ge=1, le=1440, description="Length of the period for pages, in minutes."
    )


class Severity(Section):
    """Severity of an episode: the highest severity whose three bounds are all reached.

    Independently of these bounds, the number of affected customers of one tier, or the revenue of
    all affected customers, can raise an episode to error or critical.
    """

    critical_customers: int = Field(
        default=50, ge=0, description="Critical: minimum number of distinct customers."
    )
    critical_ratio: float = Field(
        default=4.0,
        ge=0,
        description="Critical: minimum ratio of the observed to the expected rate.",
    )
    critical_excess_per_hour: float = Field(
        default=20.0,
        ge=0,
        description="Critical: minimum excess over the expected rate, in customer-equivalents per "
        "hour.",
    )
    error_customers: int = Field(
        default=15, ge=0, description="Error: minimum number of distinct customers."
    )
    error_ratio: float = Field(
        default=3.0, ge=0, description="Error: minimum ratio of the observed to the expected rate."
    )
    error_excess_per_hour: float = Field(
        default=5.0,
        ge=0,
        description="Error: minimum excess over the expected rate, in customer-equivalents per "
        "hour.",
    )
    warning_customers: int = Field(
        default=4, ge=0, description="Warning: minimum number of distinct customers."
    )
    warning_ratio: float = Field(
        default=2.0,
        ge=0,
        description="Warning: minimum ratio of the observed to the expected rate.",
    )
    warning_excess_per_hour: float = Field(
        default=0.5,
        ge=0,
        description="Warning: minimum excess over the expected rate, in customer-equivalents per "
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
        description="An episode with at least this many customers of that tier is critical; "
        "0: never.",
    )
    error_tier_customers: int = Field(
        default=0,
        ge=0,
        description="An episode with at least this many customers of that tier is at least an "
        "error; 0: never.",
    )
    critical_revenue: float = Field(
        default=0.0,
        ge=0,
        description="An episode whose affected customers have at least this much annual revenue "
        "is critical; 0: never.",
    )
    error_revenue: float = Field(
        default=0.0,
        ge=0,
        description="An episode whose affected customers have at least this much annual revenue "
        "is at least an error; 0: never.",
    )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if not self.tier and (self.critical_tier_customers or self.error_tier_customers):
            text = "is empty: name the tier whose customers are counted"
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
        description="TOML file of the playbook: who does what about which escalation; empty: none.",
    )
    placing_confidence: float = Field(
        default=0.7,
        ge=0.5,
        le=1.0,
        description="Minimum probability from which the classifier assigns an area to a ticket "
        "without one; 1: never.",
    )
    examples: bool = Field(
        default=True, description="Whether events quote the text of three tickets."
    )


class Impact(Section):
    """Estimation of the impact of an episode."""

    renewal_days: int = Field(
        default=90,
        ge=1,
        le=3650,
        description="A contract that ends within this many days counts as renewing soon.",
    )
    handling_minutes: float = Field(
        default=0.0,
        ge=0,
        le=100_000,
        description="Minutes of work per ticket in areas without solved tickets; 0: unknown.",
    )
