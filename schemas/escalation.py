"""The escalation event: what spikewatch says on the topic ``escalations``, as a CloudEvent."""

from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Transition = Literal["opened", "updated", "resolved", "reopened", "amended"]
Severity = Literal["info", "warning", "error", "critical"]
Reason = Literal["area_spike", "slice_spike", "new_value", "tenant_spike", "became_tenant_wide"]
Suppressed = Literal["history", "inside_tenant", "same_slice"]

EVENT_TYPE_PREFIX: Final = "com.spikewatch.escalation."
SEVERITIES: Final[tuple[Severity, ...]] = ("info", "warning", "error", "critical")
"""Mildest first."""


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
    areas: list[str] | None = Field(None, description="Areas inside, when the whole tenant is up.")
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
