"""The escalation event: what spikewatch says on the topic ``escalations``, as a CloudEvent."""

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
"""All severities, the lowest first."""


class Slice(BaseModel):
    """The one value of one dimension that spiked, where a slice paged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dimension: str = Field(description="Such as app_version.")
    value: str = Field(description="Such as 4.2.1.")


class Budget(BaseModel):
    """What false pages may cost, and what they do cost. All but `burn` in pages a week."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    per_week: float = Field(gt=0, description="What the operator allows for the whole tenant.")
    allowed: float = Field(gt=0, description="The part of it that this series may spend.")
    expected: float = Field(
        ge=0, description="False pages a week of this series, by its own scores, at this limit."
    )
    pages: float = Field(ge=0, description="Pages of the tenant a week, over four weeks.")
    false_pages: float = Field(
        ge=0, description="Those of them that people called a false alarm or an expected event."
    )
    burn: float = Field(ge=0, description="pages / per_week: at most so much of it is spent.")


class Explanation(BaseModel):
    """A value (or two together) that the tickets inside share more often than usual ones do.

    All counts are customer-equivalents, but those of a single customer: they are tickets.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dimension: str = Field(description="Such as app_version; customer: a single one.")
    value: str = Field(description="Such as 4.2.1.")
    also: Slice | None = Field(None, description="The other value, where both explain it together.")
    observed: float = Field(ge=0, description="Inside, with it.")
    expected: float = Field(ge=0, description="The same, as usual.")
    share: float = Field(le=1, description="Of the excess of the whole episode.")
    lift: float = Field(ge=0, description="Its share of the tickets inside / of usual ones.")
    p_value: float = Field(
        ge=0, le=1, description="Chance of so many, times the number of values tried."
    )


class Term(BaseModel):
    """A word, or two in a row, that comes more often inside than in the area's usual tickets."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    term: str = Field(description="Case-folded; text of strangers.")
    tickets: int = Field(
        ge=0, description="Tickets with it, of the at most 24 inside that were looked at."
    )
    share: float = Field(ge=0, le=1, description="Of those that were looked at.")
    usual_share: float = Field(ge=0, le=1, description="Of the area's usual tickets, at most.")
    log_odds: float = Field(description="Log-odds ratio, with a prior; natural logarithm.")
    new: bool = Field(description="Whether none of the usual tickets looked at had it.")


class Example(BaseModel):
    """A ticket that is typical of those inside."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ticket_id: str = Field(description="In its helpdesk.")
    created_at: AwareDatetime = Field(description="As it counted.")
    text: str = Field(max_length=200, description="Its beginning, without personal data.")
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
    tickets: int = Field(ge=1, description="Inside.")
    tier: str | None = Field(None, description="Null if unknown.")
    region: str | None = Field(None, description="Null if unknown.")
    revenue: float | None = Field(None, ge=0, description="Annual revenue; null if unknown.")


class Impact(BaseModel):
    """What it costs, as far as the tickets tell."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    excess: float = Field(ge=0, description="Customer-equivalents above expectation.")
    customers: int = Field(ge=0, description="Distinct customers inside.")
    customers_estimated: bool = Field(description="Above 1,000: within some 3 %.")
    by_tier: dict[str, int] = Field(description="Customers by tier, where it is known.")
    by_region: dict[str, int] = Field(description="Customers by region, where it is known.")
    revenue: float | None = Field(
        ge=0, description="Annual revenue of the affected customers; null if unknown."
    )
    revenue_customers: int = Field(ge=0, description="Customers whose revenue is known.")
    renewals_soon: int = Field(ge=0, description="Affected customers whose contract ends soon.")
    renewals: list[Renewal] = Field(description="The soonest of them.")
    accounts: list[Account] = Field(
        [], description="Affected customers, those with most revenue first, at most 100."
    )
    handling_hours: float | None = Field(
        ge=0, description="Extra work: excess x median time of the area's solved tickets."
    )
    handling_basis: Literal["work", "time_to_solve", "configured"] | None = Field(
        description="What that rests on: minutes of work of solved tickets, their time from "
        "creation to solution (an upper bound of the work), or the configured minutes."
    )


class Actions(BaseModel):
    """What to do, by the playbook."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    entry: str | None = Field(description="The entry that matched; null: no entry matches.")
    team: str | None = Field(default=None, description="Who takes it.")
    runbook: str | None = Field(default=None, description="URL or path of what to do in full.")
    steps: list[str] = Field(default=[], description="What to do first, at most three.")
    tell: list[str] = Field(default=[], description="Who else should know.")
    customer_text: str | None = Field(default=None, description="What to tell customers.")


class Child(BaseModel):
    """An area inside a page of the whole tenant."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    product_area: str
    episode_id: str | None = Field(description="Of its own suppressed episode, if it has one.")
    observed: float = Field(ge=0, description="Customer-equivalents inside.")
    expected: float = Field(ge=0, description="Customer-equivalents expected there meanwhile.")


class Escalation(BaseModel):
    """One transition of one episode, with the evidence as it stood at that moment.

    ``observed`` is in customer-equivalents and comparable with ``expected``: the k-th ticket of one
    customer within 24 hours counts 2^-(k-1), one within a minute of the last nothing. ``tickets``
    counts all that count anything alike. Where a slice
    paged, all of them count that slice alone. Where the whole tenant did, a ticket of a busy and
    noisy area counts less, in both ``observed`` and ``expected``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    episode_id: str = Field(pattern="^[0-9a-f]{32}$", description="One id for the whole episode.")
    sequence: int = Field(ge=1, description="1, 2, 3, ... within the episode, without gaps.")
    tenant: str
    product_area: str | None = Field(description="Null when the whole tenant is up.")
    product: str | None = Field(None, description="By the taxonomy; null if unknown.")
    areas: list[str] | None = Field(None, description="Areas inside, when the whole tenant is up.")
    children: list[Child] | None = Field(
        None, description="The same, those with most excess first, at most 20."
    )
    issue_type: str | None = Field(None, description="Null unless that slice paged.")
    slice: Slice | None = Field(None, description="The slice that paged, if one did.")
    reason: Reason = Field(description="What kind of series crossed its limit.")
    severity: Severity
    severity_rule: str = Field(description="The rule that gave the severity, in words.")
    since: AwareDatetime = Field(description="When the complaints began to come faster.")
    detected_at: AwareDatetime = Field(description="Event time of the decision that opened it.")
    observed: float = Field(ge=0, description="Customer-equivalents since `since`.")
    expected: float = Field(ge=0, description="Customer-equivalents expected since `since`.")
    ratio: float = Field(ge=0, description="observed / expected.")
    ratio_low: float = Field(ge=0, description="Lower end of the 90 % interval of the ratio.")
    ratio_high: float = Field(ge=0, description="Upper end of the 90 % interval of the ratio.")
    p_value: float = Field(
        ge=0, le=1, description="Chance of so many in such a window, at its peak."
    )
    once_in_days: float = Field(
        gt=0, description="By chance once in so many days in this series; 1,000,000 means or more."
    )
    tickets: int = Field(ge=0, description="Tickets since `since`.")
    customers: int = Field(ge=0, description="Distinct customers since `since`.")
    score: float = Field(description="Highest -log(chance windows a week), natural logarithm.")
    limit: float = Field(description="The score that had to be reached when the episode opened.")
    model: str = Field(description="Name of the model that scored.")
    config_hash: str = Field(description="Of the settings that the step reads, and nothing else.")
    budget: Budget | None = Field(None, description="False pages: allowed, expected, spent.")
    suppressed: Suppressed | None = Field(
        None, description="Why nobody is to be paged; null: page."
    )
    explanation: list[Explanation] = Field([], description="Most telling first, at most five.")
    not_explained_by: list[str] = Field(
        [], description="Dimensions whose values are alike inside and as usual."
    )
    terms: list[Term] = Field([], description="Most surprising first, at most five.")
    examples: list[Example] = Field([], description="At most three tickets.")
    impact: Impact | None = Field(None, description="Customers, revenue, work.")
    actions: Actions | None = Field(None, description="Null where there is no playbook.")


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
    """Return the id by which consumers drop repeats: 32 hexadecimal digits."""
    return hashlib.sha256(f"{episode}\x1f{sequence}".encode()).hexdigest()[:32]
