"""Output of commands: lines, tables, JSON, files and progress bars."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from stream.errors import UserError

if TYPE_CHECKING:  # this imports scipy, which most commands do not need
    from detectors.evaluation.tables import Table


def say(text: str) -> None:
    """Print a line and flush it, so that a pipe receives it at once."""
    print(text, flush=True)


def say_json(value: Any) -> None:
    """Print a value as indented JSON."""
    say(json.dumps(value, indent=2, ensure_ascii=False))


def show(table: "Table") -> None:
    """Print a table with its title and notes."""
    say(table.title)
    lines = aligned((table.heads, *table.rows))
    say(next(lines))
    widths = [max(map(len, column)) for column in zip(table.heads, *table.rows, strict=True)]
    say("  ".join("-" * width for width in widths))
    for line in lines:
        say(line)
    for note in table.notes:
        say(f"({note})")
    say("")


def aligned(rows: tuple[tuple[str, ...], ...], left: tuple[int, ...] = (0,)) -> Iterator[str]:
    """Yield each row as a line of aligned columns.

    Args:
        rows: Cells of each row; all rows have the same number of cells.
        left: Indexes of the columns to left-align; the others are right-aligned.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(width) if number in left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


@contextmanager
def output_file(name: str) -> Iterator[BinaryIO]:
    """Open a file to write bytes to; ``-`` is standard output.

    The file gets its name only when it is complete, so a failed run leaves an existing file
    unchanged.

    Raises:
        UserError: The file cannot be written.
    """
    if name == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = Path(f"{name}.part")
    try:
        file = part.open("wb")
    except OSError as error:
        raise UserError(f"{name} cannot be written: {error.strerror}") from None
    try:
        with file:
            yield file
        part.replace(name)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8.

    Raises:
        UserError: The file cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from None


def counting_bar(*, transient: bool = False) -> Progress:
    """Return a progress bar on standard error that shows the number done and the total."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        console=Console(stderr=True),
        transient=transient,
    )


@contextmanager
def progress(name: str, total: float = 1.0) -> Iterator[Callable[[float], None]]:
    """Show a progress bar on standard error, with the remaining time.

    Args:
        name: Name of the task.
        total: Total amount of work.

    Yields:
        A function to call with the amount of work done so far.
    """
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task(name, total=total)
        yield lambda done: bar.update(task, completed=done)
