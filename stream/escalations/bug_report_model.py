"""Data model of a bug report about one episode; its JSON form is public."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from schemas.escalation import Actions, Child, Example, Impact, Severity, Slice, Suppressed, Term


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Frequency(_Part):
    """Number of tickets of an episode, compared with the expected number."""

    tickets: int
    customers: int
    observed: float = Field(description="Observed customer-equivalents.")
    expected: float = Field(description="Expected customer-equivalents in the same time.")
    observed_per_hour: float = Field(description="Observed customer-equivalents per hour.")
    expected_per_hour: float = Field(description="Expected customer-equivalents per hour.")
    ratio: float = Field(description="Observed divided by expected rate.")
    ratio_low: float = Field(description="Lower end of the 90% interval of the ratio.")
    ratio_high: float = Field(description="Upper end of the 90% interval of the ratio.")


class Segment(_Part):
    """Driver of the episode: a slice, or a combination of two, that carries the excess."""

    what: str = Field(description="In words, such as: app version 4.2.1 and region eu.")
    values: list[Slice]
    share_of_excess: float = Field(description="Share of the excess, 0 to 1.")
    share_of_tickets: float | None = Field(
        description="Share of the episode's tickets, 0 to 1; null if unknown."
    )
    observed: float
    expected: float
    lift: float


class Link(_Part):
    """Reference to further information."""

    what: str = Field(description="The runbook, or a ticket with its id.")
    target: str = Field(description="A URL, or the path of the runbook.")


class HistoryEntry(_Part):
    """One transition of the episode."""

    at: AwareDatetime
    transition: str
    severity: Severity
    tickets: int
    customers: int
    expected: float


class Report(_Part):
    """One episode as described by its last event, with the history of all its events."""

    title: str
    suspicion: str = Field(
        description="One sentence: the likely cause, or that no slice explains the excess."
    )
    episode_id: str
    tenant: str
    where: str = Field(description="The product area; for several areas, a summary of them.")
    since: AwareDatetime
    until: AwareDatetime | None = Field(description="Null while the episode is open.")
    status: Literal["open", "resolved"]
    suppressed: Suppressed | None = Field(
        description="Reason why nobody was paged; null if the episode paged."
    )
    severity: Severity
    severity_rule: str
    frequency: Frequency
    impact: Impact | None
    slice: Slice | None = Field(
        description="The slice that paged; all tickets of the episode share it."
    )
    segment: list[Segment]
    not_explained_by: list[str]
    areas: list[Child] = Field(description="The product areas of an episode of several areas.")
    terms: list[Term]
    examples: list[Example]
    reproduction: list[str] = Field(description="What the tickets have in common, in sentences.")
    actions: Actions | None
    links: list[Link]
    history: list[HistoryEntry]
