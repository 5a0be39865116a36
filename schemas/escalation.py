"""Escalation event on the topic ``escalations``, a CloudEvent."""

import hashlib
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.decoding.moments import BoundedTime

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
"""Severities, mildest first."""


class Slice(BaseModel):
    """Slice: one value of one dimension."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dimension: str = Field(description="The dimension, such as app_version.")
    value: str = Field(description="The value, such as 4.2.1.")


class Budget(BaseModel):
    """Alert budget and its use. All fields except `burn` are in pages per week."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    per_week: float = Field(
        gt=0, description="False pages that the operator accepts for the whole tenant."
    )
    allowed: float = Field(gt=0, description="Share of per_week that this series may spend.")
    expected: float = Field(
        ge=0,
        description="Expected false pages of this series at this threshold, from its past scores.",
    )
    pages: float = Field(ge=0, description="Pages of the tenant over the last four weeks.")
    false_pages: float = Field(
        ge=0,
        description="Pages with the verdict false alarm or expected event, over the last four "
        "weeks.",
    )
    burn: float = Field(
        ge=0, description="pages / per_week: upper bound on the share of the budget that was spent."
    )


class Explanation(BaseModel):
    """Driver: a slice, or two together, that is more frequent in the episode than usual.

    All counts are customer-equivalents, except those of a single customer, which are tickets.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dimension: str = Field(
        description="The dimension, such as app_version; customer for a single customer."
    )
    value: str = Field(description="The value, such as 4.2.1.")
    also: Slice | None = Field(
        None, description="The other slice, if two slices together are the driver."
    )
    observed: float = Field(ge=0, description="Customer-equivalents in the episode with the value.")
    expected: float = Field(ge=0, description="Customer-equivalents expected with the value.")
    share: float = Field(le=1, description="Share of the excess of the whole episode.")
    lift: float = Field(
        ge=0, description="Ratio of its share of the tickets in the episode to its usual share."
    )
    p_value: float = Field(
        ge=0,
        le=1,
        description="Probability of at least as many by chance, times the number of values tested.",
    )


class Term(BaseModel):
    """Distinctive term: more frequent in the episode than in the area's usual tickets."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    term: str = Field(
        description="A word or two adjacent words, case-folded; untrusted text from tickets."
    )
    tickets: int = Field(
        ge=0, description="Number of examined tickets with the term; at most 24 are examined."
    )
    share: float = Field(ge=0, le=1, description="Share of the examined tickets.")
    usual_share: float = Field(
        ge=0, le=1, description="Upper bound on the share of the area's usual tickets."
    )
    log_odds: float = Field(description="Log-odds ratio, with a prior; natural logarithm.")
    new: bool = Field(description="Whether none of the examined usual tickets had the term.")


class Example(BaseModel):
    """Typical ticket of the episode."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ticket_id: str = Field(description="Id of the ticket in its help desk.")
    created_at: BoundedTime = Field(description="Time at which the ticket was counted.")
    text: str = Field(
        max_length=200, description="Beginning of the ticket's text, without personal data."
    )
    customer: str | None = Field(None, description="Id of the account.")
    url: str | None = Field(None, description="Link to the ticket, if it is safe to show.")


class Renewal(BaseModel):
    """Contract of an affected customer that ends soon."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    customer: str = Field(description="Id of the account.")
    renewal_at: BoundedTime = Field(description="Time at which the contract renews.")
    revenue: float = Field(ge=0, description="Annual revenue; 0 if it is unknown.")


class Account(BaseModel):
    """Affected customer."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    customer: str = Field(description="Id of the account.")
    tickets: int = Field(ge=1, description="Tickets of this customer in the episode.")
    tier: str | None = Field(None, description="Tier of the customer, if known.")
    region: str | None = Field(None, description="Region of the customer, if known.")
    revenue: float | None = Field(None, ge=0, description="Annual revenue, if known.")


class Impact(BaseModel):
    """Estimated impact of an episode, as far as the tickets show it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    excess: float = Field(ge=0, description="Customer-equivalents above expectation.")
    customers: int = Field(ge=0, description="Distinct affected customers.")
    customers_estimated: bool = Field(
        description="Whether customers is an estimate, accurate to about 3% above 1,000."
    )
    by_tier: dict[str, int] = Field(description="Affected customers by tier, where known.")
    by_region: dict[str, int] = Field(description="Affected customers by region, where known.")
    revenue: float | None = Field(
        ge=0, description="Annual revenue of the affected customers, as far as known."
    )
    revenue_customers: int = Field(ge=0, description="Affected customers whose revenue is known.")
    renewals_soon: int = Field(ge=0, description="Affected customers whose contract ends soon.")
    renewals: list[Renewal] = Field(description="Contracts that end soonest.")
    accounts: list[Account] = Field(
        [], description="Affected customers, highest revenue first; at most 100."
    )
    handling_hours: float | None = Field(
        ge=0,
        description="Hours of extra work: excess times the median time of solved tickets.",
    )
    handling_basis: Literal["work", "time_to_solve", "configured"] | None = Field(
        description="Basis of handling_hours: the work on solved tickets, their time from "
        "creation to solution (an upper bound on the work), or the configured minutes."
    )


class Actions(BaseModel):
    """Actions according to the playbook."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    entry: str | None = Field(description="Name of the matching entry; null if none matches.")
    team: str | None = Field(default=None, description="The responsible team.")
    runbook: str | None = Field(default=None, description="URL or path of the runbook.")
    steps: list[str] = Field(default=[], description="First steps, at most three.")
    tell: list[str] = Field(default=[], description="Others to inform.")
    customer_text: str | None = Field(default=None, description="Text for customers.")


class Child(BaseModel):
    """Area in a tenant-wide episode."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    product_area: str
    episode_id: str | None = Field(
        description="Id of the area's own suppressed episode, if there is one."
    )
    observed: float = Field(ge=0, description="Customer-equivalents of the area in the episode.")
    expected: float = Field(
        ge=0, description="Customer-equivalents expected in the area in the same time."
    )


class Escalation(BaseModel):
    """One transition of one episode, with the evidence at that time.

    ``observed`` is in customer-equivalents and comparable with ``expected``: the k-th ticket of one
    customer within 24 hours counts 2^-(k-1), and a ticket within a minute of the previous one
    counts 0. ``tickets`` counts every ticket with a nonzero count as 1. If a slice paged, all
    counts are those of the slice. In a tenant-wide episode, tickets of a busy and noisy area count
    less, in both ``observed`` and ``expected``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    episode_id: str = Field(
        pattern="^[0-9a-f]{32}$", description="Id of the episode, the same in all its events."
    )
    sequence: int = Field(
        ge=1, description="Number of the event within the episode: 1, 2, 3, ... without gaps."
    )
    tenant: str
    product_area: str | None = Field(description="Null in a tenant-wide episode.")
    product: str | None = Field(
        None, description="Product of the area according to the taxonomy; null if there is none."
    )
    areas: list[str] | None = Field(None, description="The areas of a tenant-wide episode.")
    children: list[Child] | None = Field(
        None,
        description="Areas of a tenant-wide episode, largest excess first; at most 20.",
    )
    issue_type: str | None = Field(
        None, description="The issue type, if a slice by issue type paged."
    )
    slice: Slice | None = Field(None, description="The slice that paged, if it was a slice.")
    reason: Reason = Field(description="Kind of series that crossed its threshold.")
    severity: Severity
    severity_rule: str = Field(description="The rule that determined the severity.")
    since: BoundedTime = Field(description="Time from which tickets exceeded the expectation.")
    detected_at: BoundedTime = Field(
        description="Event time of the decision that opened the episode."
    )
    observed: float = Field(ge=0, description="Customer-equivalents since `since`.")
    expected: float = Field(ge=0, description="Customer-equivalents expected since `since`.")
    ratio: float = Field(ge=0, description="observed / expected.")
    ratio_low: float = Field(ge=0, description="Lower end of the 90% interval of the ratio.")
    ratio_high: float = Field(ge=0, description="Upper end of the 90% interval of the ratio.")
    p_value: float = Field(
        ge=0,
        le=1,
        description="Probability of at least as many tickets by chance in such a window, at the "
        "peak.",
    )
    once_in_days: float = Field(
        gt=0,
        description="Chance alone would do this about once in this many days; capped at 1,000,000.",
    )
    tickets: int = Field(ge=0, description="Tickets since `since`.")
    customers: int = Field(ge=0, description="Distinct customers since `since`.")
    score: float = Field(
        description="Highest score: negative natural logarithm of how often chance does this per "
        "week."
    )
    limit: float = Field(description="Threshold of the score when the episode opened.")
    model: str = Field(description="Name of the model that computed the score.")
    config_hash: str = Field(description="Hash of the settings on which the decision depends.")
    budget: Budget | None = Field(None, description="False pages: allowed, expected, spent.")
    suppressed: Suppressed | None = Field(
        None, description="Reason why nobody is paged; null: the event pages."
    )
    explanation: list[Explanation] = Field(
        [], description="Drivers, strongest first; at most five."
    )
    not_explained_by: list[str] = Field(
        [], description="Dimensions that are not a factor: their values are distributed as usual."
    )
    terms: list[Term] = Field([], description="Distinctive terms, strongest first; at most five.")
    examples: list[Example] = Field([], description="Example tickets; at most three.")
    impact: Impact | None = Field(None, description="Affected customers, revenue and work.")
    actions: Actions | None = Field(
        None, description="Actions from the playbook; null without a playbook."
    )


class EscalationEvent(BaseModel):
    """CloudEvent 1.0 in structured mode around an `Escalation`.

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
    time: BoundedTime = Field(description="Event time of this decision.")
    datacontenttype: Literal["application/json"] = "application/json"
    data: Escalation

    @property
    def transition(self) -> str:
        """Transition in the type: opened, updated, resolved, reopened or amended."""
        return self.type.removeprefix(EVENT_TYPE_PREFIX).removesuffix(".v1")


def event_id(episode: str, sequence: int) -> str:
    """Return the id of an event, 32 hexadecimal digits, by which consumers deduplicate."""
    return hashlib.sha256(f"{episode}\x1f{sequence}".encode()).hexdigest()[:32]
