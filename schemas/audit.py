"""Audit trail: decisions about notifications, attempts to send them, and responses of people."""

import hashlib
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.decoding.moments import BoundedTime

SentReason = Literal[
    "first",
    "reopened",
    "severity_raised",
    "severity_lowered",
    "became_tenant_wide",
    "new_explanation",
    "grew",
    "amended",
    "resolved",
    "storm_digest",
    "stale_digest",
    "hold_ended",
    "answered",
    "fallback",
]
"""Reasons why a message is sent."""
HeldReason = Literal["silenced", "snoozed", "quiet_hours"]
"""Reasons why a notification is muted; it is reconsidered when the mute ends."""
DroppedReason = Literal[
    "suppressed",
    "in_storm_digest",
    "stale",
    "too_little_changed",
    "acknowledged",
    "never_told",
    "superseded",
    "unknown_episode",
]
"""Reasons why a message is not sent at all."""
Reason = SentReason | HeldReason | DroppedReason
Kind = Literal["decided", "sent", "failed", "given_up", "answered"]


class AuditEntry(BaseModel):
    """Entry of the audit trail.

    Example:
        >>> entry = AuditEntry.model_validate_json(
        ...     '{"audit_id": "a1", "at": "2026-03-02T09:00:01Z", "kind": "sent", "tenant": "acme",'
        ...     ' "episode_id": "00000000000000000000000000000000", "sequence": 1,'
        ...     ' "receiver": "on-call", "reason": "first"}'
        ... )
        >>> entry.reason
        'first'
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    audit_id: str = Field(
        min_length=1, max_length=64, description="Id of the entry; a repeat has the same id."
    )
    at: BoundedTime = Field(description="Wall-clock time.")
    kind: Kind = Field(
        description="decided: to send, to mute or not to send; sent: the provider accepted it; "
        "failed: an attempt that is retried; given_up: no more retries; answered: by a person."
    )
    tenant: str
    episode_id: str = Field(description="Id of the episode or the digest.")
    sequence: int = Field(ge=0, description="Sequence of the escalation event; 0: none.")
    transition: str = Field(
        default="", description="Transition of the escalation event; empty: none."
    )
    receiver: str = Field(default="", description="Name of the receiver; empty: all.")
    address: str = Field(
        default="", description="Address of an account owner; empty: the receiver's own recipients."
    )
    reason: Reason | None = Field(default=None, description="The reason, from a closed list.")
    detail: str = Field(default="", max_length=1000, description="Further details, in words.")
    by: str = Field(default="", max_length=256, description="Name of the person or the route.")
    send: bool = Field(default=False, description="Whether the decision is to send.")


def audit_id(*parts: object) -> str:
    """Return the id of an entry; the same parts always give the same id.

    Example:
        >>> audit_id("e", 1) == audit_id("e", 1), len(audit_id("e", 1))
        (True, 32)
    """
    text = "\x1f".join(str(part) for part in parts)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
