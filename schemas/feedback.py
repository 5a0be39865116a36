"""People's answers to an escalation: verdicts, acknowledgements, snoozes."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

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
"""The kinds of answers; ``withdraw`` takes back the verdict on an episode."""


class Feedback(BaseModel):
    """One answer of one person to one episode.

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
        min_length=1, max_length=256, description="The same id again is ignored."
    )
    tenant: str = Field(min_length=1, max_length=128)
    episode_id: str = Field(pattern="^[0-9a-f]{32}$", description="The episode that is answered.")
    action: Action
    by: str = Field(min_length=1, max_length=256, description="Who answered.")
    at: AwareDatetime
    until: AwareDatetime | None = Field(None, description="End of a snooze or an expected event.")
    duplicate_of: str | None = Field(
        None, pattern="^[0-9a-f]{32}$", description="The other episode."
    )
    note: str | None = Field(None, max_length=4096)
