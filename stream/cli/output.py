"""Output of commands: lines, tables, JSON, files and progress bars."""

import io
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
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

from stream.cli.checked_writer import CheckedWriter
from stream.errors import UserError

if TYPE_CHECKING:  # this imports scipy, which most commands do not need
    from detectors.evaluation.tables import Table


def say(text: str) -> None:
    """Print a line and flush it, so that a pipe receives it at once."""
    print(text, flush=True)


def say_json(value: Any) -> None:
    """Print a value as indented JSON, in ASCII if the terminal's encoding is not Unicode."""
    is_unicode = sys.stdout.encoding.lower().startswith("utf")
    say(json.dumps(value, indent=2, ensure_ascii=not is_unicode))


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


def keep_files_apart(
    *, reads: Mapping[str, str | Path | None], writes: Mapping[str, str | Path | None]
) -> None:
    """Refuse an output that is also an input or another output of the same command.

    Args:
        reads: Names of the files that the command reads, by the option or argument that gave them;
            None: not given.
        writes: Those that it writes. ``-`` (a standard stream) may be given several times.

    Raises:
        UserError: An output is the same file as another one, also through a link.

    Example:
        >>> keep_files_apart(reads={"FILE": "a.csv"}, writes={"--out": "b.jsonl"})
        >>> keep_files_apart(reads={"FILE": "a.csv"}, writes={"--html": "./a.csv"})
        Traceback (most recent call last):
        ...
        stream.errors.UserError: --html would overwrite FILE (a.csv): give another file
    """
    outputs: dict[str, Path] = {}
    inputs = _given(reads)
    for option, path in _given(writes).items():
        for other, used in inputs.items():
            if _is_same_file(path, used):
                raise UserError(f"{option} would overwrite {other} ({used}): give another file")
        for other, used in outputs.items():
            if _is_same_file(path, used):
                raise UserError(f"{other} and {option} are the same file ({used}): give two files")
        outputs[option] = path


def require_different_files(files: Sequence[str]) -> None:
    """Refuse a file that is given twice, because its tickets would count twice.

    Args:
        files: Paths of the files that one command reads; ``-`` is standard input.

    Raises:
        UserError: Two of them are the same file, also through a link.

    Example:
        >>> require_different_files(["a.csv", "b.csv", "./a.csv"])
        Traceback (most recent call last):
        ...
        stream.errors.UserError: a.csv and ./a.csv are the same file: give it once
    """
    for number, file in enumerate(files):
        for earlier in files[:number]:
            if file == earlier:
                raise UserError(f"{file} was given twice: give it once")
            if "-" not in (file, earlier) and _is_same_file(Path(file), Path(earlier)):
                raise UserError(f"{earlier} and {file} are the same file: give it once")


def _given(names: Mapping[str, str | Path | None]) -> dict[str, Path]:
    files = {option: Path(name) for option, name in names.items() if name is not None}
    return {option: file for option, file in files.items() if str(file) != "-"}


def _is_same_file(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:  # one of them does not exist yet
        return path.resolve() == other.resolve()


@contextmanager
def output_file(name: str | Path) -> Iterator[BinaryIO]:
    """Open a file to write bytes to; ``-`` is standard output.

    A regular file gets its name only when it is complete, so a failed run leaves an existing file
    unchanged. It keeps its permissions, and a symbolic link to it stays. A pipe or a device is
    written to as it is.

    Raises:
        UserError: The file cannot be written.
    """
    if str(name) == "-":
        if sys.stdout is None:
            raise UserError("standard output is closed: give the name of a file")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(name)
    is_stream = path.exists() and not path.is_file()
    target = path if is_stream else path.resolve()  # a link stays, and its target is replaced
    part = target if is_stream else target.with_name(f"{target.name}.part")
    try:
        file = io.BufferedWriter(CheckedWriter(str(part), str(name)))
    except OSError as error:
        raise UserError(f"{name} cannot be written: {error.strerror}") from None
    if is_stream:
        with file:
            yield file
        return
    try:
        with file:
            yield file
        if target.exists():
            shutil.copymode(target, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8; see `output_file`.

    Raises:
        UserError: The file cannot be written.
    """
    with output_file(path) as file:
        file.write(text.encode())


def counting_bar(*, transient: bool = False) -> Progress:
    """Return a progress bar on standard error that shows the number done and the total."""
    return Progress(
        TextColumn("{task.description}", markup=False),
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
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task(name, total=total)
        yield lambda done: bar.update(task, completed=done)


def warn(text: str) -> None:
    """Print a line to standard error, where it does not mix with the output of the command."""
    print(text, file=sys.stderr, flush=True)
