"""The escalation event on the topic ``escalations``, a CloudEvent."""

import hashlib
from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Transition = Literal["opened", "updated", "resolved", "reopened", "amended"]
Severity = Literal["info", "warning", "error", "critical"]
Reason = Literal[
    "area_spike",
    "slice_spike",
    "new_value",
    "tenant_spike",
    "became_tenant_wide",
    "unknown_areas_surge",
    "storm",
]
Suppressed = Literal["history", "inside_tenant", "same_slice", "storm"]

EVENT_TYPE_PREFIX: Final = "com.spikewatch.escalation."
SEVERITIES: Final[tuple[Severity, ...]] = ("info", "warning", "error", "critical")
"""The mildest first."""


class Slice(BaseModel):
    """One value of one dimension: the slice that paged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dimension: str = Field(description="The dimension, such as app_version.")
    value: str = Field(description="The value, such as 4.2.1.")


class Budget(BaseModel):
    """The alert budget, and what was spent of it. All but `burn` are in pages per week."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    per_week: float = Field(
        gt=0, description="False pages that the operator accepts for the whole tenant."
    )
    allowed: float = Field(gt=0, description="The part of per_week that this series may spend.")
    expected: float = Field(
        ge=0,
        description="False pages expected of this series at this threshold, from its past scores.",
    )
    pages: float = Field(ge=0, description="Pages of the tenant, over the last four weeks.")
    false_pages: float = Field(
        ge=0, description="Pages with the verdict false alarm or expected event, over four weeks."
    )
    burn: float = Field(
        ge=0, description="pages / per_week: the share of the budget that is spent, at most."
    )


class Explanation(BaseModel):
    """A driver: a value, or two together, more frequent in the episode than in usual tickets.

    All counts are customer-equivalents, but those of a single customer: they are tickets.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dimension: str = Field(
        description="The dimension, such as app_version; customer for a single customer."
    )
    value: str = Field(description="The value, such as 4.2.1.")
    also: Slice | None = Field(None, description="The other value, if two values are one driver.")
    observed: float = Field(ge=0, description="Customer-equivalents in the episode with the value.")
    expected: float = Field(ge=0, description="Customer-equivalents expected with the value.")
    share: float = Field(le=1, description="Share of the excess of the whole episode.")
    lift: float = Field(
        ge=0, description="Its share of the tickets in the episode over its usual share."
    )
    p_value: float = Field(
        ge=0, le=1, description="Chance of at least as many, times the number of values tried."
    )


class Term(BaseModel):
    """A distinctive term: more frequent in the episode than in the area's usual tickets."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    term: str = Field(description="A word or two adjacent words, case-folded; text of strangers.")
    tickets: int = Field(
        ge=0, description="Examined tickets with the term; at most 24 are examined."
    )
    share: float = Field(ge=0, le=1, description="Share of the examined tickets.")
    usual_share: float = Field(
        ge=0, le=1, description="Share of the area's usual tickets, at most."
    )
    log_odds: float = Field(description="Log-odds ratio, with a prior; natural logarithm.")
    new: bool = Field(description="Whether none of the examined usual tickets had it.")


class Example(BaseModel):
    """A typical ticket of the episode."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ticket_id: str = Field(description="The id of the ticket in its helpdesk.")
    created_at: AwareDatetime = Field(description="The time at which the ticket counted.")
    text: str = Field(
        max_length=200, description="The beginning of its text, without personal data."
    )
    customer: str | None = Field(None, description="Id of the account.")
    url: str | None = Field(None, description="Link to the ticket, as far as it is safe to show.")


class Renewal(BaseModel):
    """A contract of an affected customer that ends soon."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    customer: str = Field(description="Id of the account.")
    renewal_at: AwareDatetime = Field(description="When the contract is renewed.")
    revenue: float = Field(ge=0, description="Annual revenue; 0 if it is unknown.")


class Account(BaseModel):
    """An affected customer."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    customer: str = Field(description="Id of the account.")
    tickets: int = Field(ge=1, description="Tickets of this customer in the episode.")
    tier: str | None = Field(None, description="Tier of the customer, if known.")
    region: str | None = Field(None, description="Region of the customer, if known.")
    revenue: float | None = Field(None, ge=0, description="Annual revenue, if known.")


class Impact(BaseModel):
    """What an episode costs, as far as the tickets say."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    excess: float = Field(ge=0, description="Customer-equivalents above expectation.")
    customers: int = Field(ge=0, description="Distinct affected customers.")
    customers_estimated: bool = Field(
        description="Whether customers is an estimate: above 1,000 it is within about 3 %."
    )
    by_tier: dict[str, int] = Field(description="Affected customers by tier, where it is known.")
    by_region: dict[str, int] = Field(
        description="Affected customers by region, where it is known."
    )
    revenue: float | None = Field(
        ge=0, description="Annual revenue of the affected customers, as far as it is known."
    )
    revenue_customers: int = Field(ge=0, description="Affected customers whose revenue is known.")
    renewals_soon: int = Field(ge=0, description="Affected customers whose contract ends soon.")
    renewals: list[Renewal] = Field(description="The contracts that end soonest.")
    accounts: list[Account] = Field(
        [], description="Affected customers, those with most revenue first; at most 100."
    )
    handling_hours: float | None = Field(
        ge=0,
        description="Hours of extra work: excess times the median time of solved tickets.",
    )
    handling_basis: Literal["work", "time_to_solve", "configured"] | None = Field(
        description="What handling_hours is based on: the work on solved tickets, their time from "
        "creation to solution (an upper bound of the work), or the configured minutes."
    )


class Actions(BaseModel):
    """What to do, according to the playbook."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    entry: str | None = Field(description="The entry that matches; null if none does.")
    team: str | None = Field(default=None, description="The responsible team.")
    runbook: str | None = Field(default=None, description="URL or path of the runbook.")
    steps: list[str] = Field(default=[], description="What to do first, at most three.")
    tell: list[str] = Field(default=[], description="Who else should know.")
    customer_text: str | None = Field(default=None, description="What to tell customers.")


class Child(BaseModel):
    """An area in a tenant-wide episode."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    product_area: str
    episode_id: str | None = Field(
        description="The id of the area's own suppressed episode, if it has one."
    )
    observed: float = Field(ge=0, description="Customer-equivalents of the area in the episode.")
    expected: float = Field(
        ge=0, description="Customer-equivalents expected in the area meanwhile."
    )


class Escalation(BaseModel):
    """One transition of one episode, with the evidence as it stood at that moment.

    ``observed`` is in customer-equivalents and comparable with ``expected``: the k-th ticket of one
    customer within 24 hours counts 2^-(k-1), and one within a minute of the last counts nothing.
    ``tickets`` counts all tickets that count anything, each as 1. If a slice paged, all counts are
    those of the slice. In a tenant-wide episode, a ticket of a busy and noisy area counts less, in
    both ``observed`` and ``expected``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    episode_id: str = Field(pattern="^[0-9a-f]{32}$", description="One id for the whole episode.")
    sequence: int = Field(ge=1, description="1, 2, 3, ... within the episode, without gaps.")
    tenant: str
    product_area: str | None = Field(description="Null in a tenant-wide episode.")
    product: str | None = Field(
        None, description="The product of the area by the taxonomy; null if it has none."
    )
    areas: list[str] | None = Field(None, description="The areas of a tenant-wide episode.")
    children: list[Child] | None = Field(
        None,
        description="The areas of a tenant-wide episode, those with most excess first; at most 20.",
    )
    issue_type: str | None = Field(None, description="The issue type, if a slice of one paged.")
    slice: Slice | None = Field(None, description="The slice that paged, if one did.")
    reason: Reason = Field(description="What kind of series crossed its threshold.")
    severity: Severity
    severity_rule: str = Field(description="The rule that determined the severity.")
    since: AwareDatetime = Field(description="When complaints began to exceed the expectation.")
    detected_at: AwareDatetime = Field(description="Event time of the decision that opened it.")
    observed: float = Field(ge=0, description="Customer-equivalents since `since`.")
    expected: float = Field(ge=0, description="Customer-equivalents expected since `since`.")
    ratio: float = Field(ge=0, description="observed / expected.")
    ratio_low: float = Field(ge=0, description="Lower end of the 90 % interval of the ratio.")
    ratio_high: float = Field(ge=0, description="Upper end of the 90 % interval of the ratio.")
    p_value: float = Field(
        ge=0,
        le=1,
        description="Chance of at least as many complaints in such a window, at its peak.",
    )
    once_in_days: float = Field(
        gt=0,
        description="Chance alone would do this about once in so many days; capped at 1,000,000.",
    )
    tickets: int = Field(ge=0, description="Tickets since `since`.")
    customers: int = Field(ge=0, description="Distinct customers since `since`.")
    score: float = Field(
        description="Highest score: -log (natural) of how often chance does this per week."
    )
    limit: float = Field(description="The threshold of the score when the episode opened.")
    model: str = Field(description="Name of the model that scored.")
    config_hash: str = Field(description="Hash of the settings that the decision depends on.")
    budget: Budget | None = Field(None, description="False pages: allowed, expected, spent.")
    suppressed: Suppressed | None = Field(None, description="Why nobody is paged; null: page.")
    explanation: list[Explanation] = Field(
        [], description="The drivers, the strongest first; at most five."
    )
    not_explained_by: list[str] = Field(
        [], description="Dimensions that are not a factor: their values are distributed as usual."
    )
    terms: list[Term] = Field(
        [], description="Distinctive terms, the strongest first; at most five."
    )
    examples: list[Example] = Field([], description="Example tickets; at most three.")
    impact: Impact | None = Field(None, description="Customers, revenue, work.")
    actions: Actions | None = Field(None, description="What to do; null without a playbook.")


class EscalationEvent(BaseModel):
    """A CloudEvent 1.0 in structured mode around an `Escalation`.

    The subject is the episode; (source, id) is unique.

    Source: cloudevents/spec, cloudevents/formats/json-format.md.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(pattern="^[0-9a-f]{32}$", description="Hash of episode and sequence.")
    source: str = Field(description="/spikewatch/<tenant>")
    type: str = Field(
        pattern=r"^com\.spikewatch\.escalation\.[a-z]+\.v1$",
        description="com.spikewatch.escalation.opened.v1; or updated, resolved, reopened, amended.",
    )
    subject: str = Field(description="The episode id.")
    time: AwareDatetime = Field(description="Event time of this decision.")
    datacontenttype: Literal["application/json"] = "application/json"
    data: Escalation

    @property
    def transition(self) -> str:
        """The word in the type: opened, updated, resolved, reopened or amended."""
        return self.type.removeprefix(EVENT_TYPE_PREFIX).removesuffix(".v1")


def event_id(episode: str, sequence: int) -> str:
    """Return the id of an event, 32 hexadecimal digits, by which consumers drop repeats."""
    return hashlib.sha256(f"{episode}\x1f{sequence}".encode()).hexdigest()[:32]
