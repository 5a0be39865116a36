"""Records of ticket files that could not be read: counted, explained, and written to a file."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Annotated, BinaryIO, Final

import typer

from schemas.dead_letter import DeadReason, Rejected
from stream.cli.output import output_file, warn
from stream.errors import UserError
from stream.escalations.phrases import plural
from stream.inputs.exports.refusal import Refusal

MOST_DEAD: Final = 0.1
"""Share of refused records above which a command ends with exit code 1."""
MOST_GROUPS: Final = 5

DeadFile = Annotated[
    str | None,
    typer.Option(
        "--dead", metavar="FILE", help="File for records that cannot be read, with what would help."
    ),
]


@dataclass
class DeadLetters:
    """Collector of the records that one command could not read."""

    file: BinaryIO | None = None
    count: int = 0
    rows: int = 0
    """Number of records in all files that were read, with those that could not be read."""
    groups: dict[tuple[str, str | None], tuple[int, Refusal, str]] = field(default_factory=dict)
    """Number, first example and its file, by reason and field."""

    def refuse(self, refusal: Refusal, name: str) -> None:
        """Count a record, and write it to the file if there is one.

        Args:
            refusal: The record.
            name: Name of the ticket file.
        """
        self.count += 1
        key = refusal.reason, refusal.field
        count, first, where = self.groups.get(key, (0, refusal, name))
        self.groups[key] = count + 1, first, where
        if self.file is not None:
            text = json.dumps(refusal.as_json(name), ensure_ascii=False)
            self.file.write(text.encode("utf-8", "replace") + b"\n")

    @property
    def reasons(self) -> Counter[DeadReason]:
        """Number of records by reason."""
        counts: Counter[DeadReason] = Counter()
        for count, first, _ in self.groups.values():
            counts[first.reason] += count
        return counts

    def reject(self, why: Rejected, line: int, raw: bytes, name: str) -> None:
        """Count a ticket event that the schema rejects, as `refuse` does."""
        self.refuse(Refusal.of(why, line, raw), name)

    def explain(self) -> None:
        """Print to standard error an example of each kind of refusal, and what would help."""
        by_count = sorted(self.groups.values(), key=lambda group: -group[0])
        for count, first, name in by_count[:MOST_GROUPS]:
            alike = f" ({count - 1:,} more like it)" if count > 1 else ""
            warn(f"{name}, line {first.line}: {first.detail}{alike}: {first.advice}")
        if len(by_count) > MOST_GROUPS:
            warn(f"and {plural(len(by_count) - MOST_GROUPS, 'other kind')} of unreadable records")

    def require_readable(self) -> None:
        """End the command if nothing or too little could be read; call it after all output.

        Raises:
            UserError: There was no record, or fewer than nine tenths of them could be read.
        """
        if not self.rows:
            raise UserError("there is no ticket in what was read")
        unreadable = self.count - self.reasons["future"]  # those can be read
        if unreadable == self.rows:
            raise UserError("no record could be read; see above")
        if unreadable > MOST_DEAD * self.rows:
            raise UserError(
                f"{unreadable:,} of {self.rows:,} records could not be read; see above"
                + ("" if self.file is not None else ", and use --dead FILE to keep them")
            )


@contextmanager
def dead_letters(name: str | None) -> Iterator[DeadLetters]:
    """Collect dead letters, in a file if one is named, and explain them at the end."""
    failure: UserError | None = None
    with ExitStack() as stack:
        letters = DeadLetters(stack.enter_context(output_file(name)) if name else None)
        try:
            yield letters
        except UserError as error:  # the file must not show the letters of an earlier run
            failure = error
        finally:
            letters.explain()
    if failure is not None:
        raise failure
