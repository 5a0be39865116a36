"""Dead letter: a record that could not be processed, kept with the reason."""

import base64
import hashlib
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

DeadReason = Literal[
    "undecodable",
    "oversized",
    "wrong_type",
    "missing_field",
    "no_offset",
    "future",
    "unknown_version",
    "bad_tick",
]
WHOLE_BYTES: Final = 65_536
"""Length up to which raw values are kept in full."""
HEAD_BYTES: Final = 1_024
"""Number of raw bytes to keep of a longer record, along with its digest."""


class Rejected(Exception):  # noqa: N818 - an outcome, not an error of the program
    """A record that cannot be processed.

    Args:
        reason: Reason from the closed list `DeadReason`.
        detail: Sentence about the problem: the field, what it must be, and its value, redacted.
    """

    def __init__(self, reason: DeadReason, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason: DeadReason = reason
        self.detail = detail

    def __str__(self) -> str:
        """Return the reason and the description."""
        return f"{self.reason}: {self.detail}"


class DeadLetter(BaseModel):
    """A rejected record: the reason, its content, and its origin.

    Example:
        >>> letter = DeadLetter.of(Rejected("undecodable", "not JSON"), b"{", "tickets", 0, 7)
        >>> letter.reason, letter.raw, letter.offset
        ('undecodable', 'ew==', 7)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: DeadReason
    detail: str = Field(description="Description of the problem.")
    origin: str = Field(description="Name of the topic or of the file.")
    partition: int = Field(ge=0, description="Partition; 0 for a file.")
    offset: int = Field(ge=0, description="Offset in the partition, or line number in the file.")
    raw: str = Field(
        description=f"The raw bytes in base64; only the first {HEAD_BYTES} if there are more than "
        f"{WHOLE_BYTES}."
    )
    raw_bytes: int = Field(ge=0, description="Number of raw bytes.")
    sha256: str | None = Field(None, description="SHA-256 of all bytes, if raw was cut.")

    @classmethod
    def of(cls, why: Rejected, raw: bytes, origin: str, partition: int, offset: int) -> Self:
        """Return the dead letter of a rejected record, with its raw bytes capped."""
        cut = len(raw) > WHOLE_BYTES
        return cls(
            reason=why.reason,
            detail=why.detail,
            origin=origin,
            partition=partition,
            offset=offset,
            raw=base64.b64encode(raw[:HEAD_BYTES] if cut else raw).decode(),
            raw_bytes=len(raw),
            sha256=hashlib.sha256(raw).hexdigest() if cut else None,
        )
