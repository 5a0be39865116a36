"""Responses of people to an escalation: verdicts, acknowledgements, snoozes."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.decoding.moments import Moment

Action = Literal[
    "acknowledge",
    "snooze",
    "unsnooze",
    "incident",
    "expected_event",
    "false_alarm",
    "new_normal",
    "duplicate_of",
    "withdraw",
    "note",
]
"""Actions of a response; ``withdraw`` retracts the verdict on an episode."""


class Feedback(BaseModel):
    """One response of one person to one episode.

    Example:
        >>> Feedback.model_validate_json(
        ...     '{"feedback_id": "f1", "tenant": "acme",'
        ...     ' "episode_id": "00000000000000000000000000000000",'
        ...     ' "action": "false_alarm", "by": "on-call", "at": "2026-03-02T09:00:00Z"}'
        ... ).action
        'false_alarm'
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    feedback_id: str = Field(
        min_length=1, max_length=256, description="Id of the response; a repeat is ignored."
    )
    tenant: str = Field(min_length=1, max_length=128)
    episode_id: str = Field(pattern="^[0-9a-f]{32}$", description="Id of the episode.")
    action: Action
    by: str = Field(min_length=1, max_length=256, description="Name of the person who responded.")
    at: Moment
    until: Moment | None = Field(None, description="End of a snooze or an expected event.")
    duplicate_of: str | None = Field(
        None,
        pattern="^[0-9a-f]{32}$",
        description="Id of the episode that this episode duplicates.",
    )
    note: str | None = Field(None, max_length=4096)
