"""Record of a ticket file that cannot be read: where, which field, why, and what would help."""

import json
import re
from dataclasses import dataclass
from typing import Final, Self

from schemas.dead_letter import DeadLetter, DeadReason, Rejected
from stream.errors import UserError

VALUE_CHARACTERS: Final = 200
"""Number of characters to keep of a value that could not be read."""

_FIELD = re.compile(r"[a-z_]+(\.[a-z_0-9]+)*")
_REMEDIES: Final[dict[DeadReason, str]] = {
    "undecodable": "repair or remove this record",
    "oversized": "shorten the texts of this record",
    "wrong_type": "name the right column or path with --map, or correct the value",
    "missing_field": "name the column or path of this field with --map",
    "no_offset": "name the time zone with --timezone, such as --timezone Europe/Berlin",
    "future": "raise --until, or correct the time",
    "unknown_version": "upgrade spikewatch, or leave schema_version out",
    "bad_tick": "remove this record",
}


class TicketFileError(UserError):
    """A ticket file that cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A record that cannot become a ticket event.

    Example:
        >>> refusal = Refusal(line=2, reason="no_offset", detail="no offset", field="created_at")
        >>> refusal.as_json("t.csv")["remedy"]
        'name the time zone with --timezone, such as --timezone Europe/Berlin'
    """

    line: int
    """Line on which the record begins, from 1; for a workbook, its row."""
    reason: DeadReason
    detail: str
    field: str | None = None
    """Field of the ticket event, such as ``created_at``; None: the whole record."""
    value: str = ""
    """Value of that field as it was found."""
    remedy: str = ""
    """What the user can do; empty: the usual remedy for the reason."""
    raw: bytes = b""

    @classmethod
    def of(cls, why: Rejected, line: int, raw: bytes) -> Self:
        """Return the refusal of a ticket event that the schema rejects."""
        field, colon, _ = why.detail.partition(":")
        named = field if colon and _FIELD.fullmatch(field) and field != "record" else None
        value = "" if named is None else _value_of(raw, named)
        return cls(
            line=line, reason=why.reason, detail=why.detail, field=named, value=value, raw=raw
        )

    @property
    def advice(self) -> str:
        """What the user can do about it."""
        return self.remedy or _REMEDIES[self.reason]

    def as_json(self, name: str) -> dict[str, object]:
        """Return the record for a file of dead letters: readable fields beside the raw bytes.

        Args:
            name: Name of the ticket file.
        """
        letter = DeadLetter.of(Rejected(self.reason, self.detail), self.raw, name, 0, self.line)
        return {
            "line": self.line,
            "field": self.field,
            "value": self.value[:VALUE_CHARACTERS],
            "remedy": self.advice,
            **letter.model_dump(),
        }


def _value_of(raw: bytes, field: str) -> str:
    """Return the value of a field in a ticket event in JSON, as far as it can be found."""
    try:
        value = json.loads(raw)
        for name in field.split("."):
            value = value[name]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return value if isinstance(value, str) else json.dumps(value)
