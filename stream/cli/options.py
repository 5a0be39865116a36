"""What several commands share: options, times, ticket files with a progress bar, outputs."""

import asyncio
import re
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Literal, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn

from stream.errors import UserError

if TYPE_CHECKING:  # scipy takes a while to import
    from detectors.evaluation.tables import Table

T = TypeVar("T")


def time(text: str) -> datetime:
    """An RFC 3339 time, or a date; UTC where it carries no offset."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time such as 2026-03-02T09:00:00Z") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


_AGO = re.compile(r"(\d{1,9})([smhdw])")
_UNITS: dict[str, str] = {
    "s": "seconds",
    "m": "minutes",
    "h": "hours",
    "d": "days",
    "w": "weeks",
}


def time_or_ago(text: str, now: datetime | None = None) -> datetime:
    """A time as `time` reads it, or how long before *now* (default: this moment) it was.

    Raises:
        typer.BadParameter: It is neither, or lies before 1970.

    Example:
        >>> time_or_ago("2h", datetime(2026, 3, 2, 9, tzinfo=UTC)).isoformat()
        '2026-03-02T07:00:00+00:00'
        >>> time_or_ago("2026-03-02T09:00:00+01:00").isoformat()
        '2026-03-02T09:00:00+01:00'
    """
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    if found := _AGO.fullmatch(text.strip()):
        try:
            at = (now or datetime.now(UTC)) - timedelta(**{_UNITS[found[2]]: int(found[1])})
        except OverflowError:
            at = datetime.min.replace(tzinfo=UTC)
    else:
        try:
            at = time(text)
        except typer.BadParameter:
            raise typer.BadParameter(
                f"{text!r} is no time such as 2026-03-02T09:00:00Z and no duration such as 2h or 3d"
            ) from None
    if at < epoch:
        raise typer.BadParameter(f"{text!r} lies before 1970, when no record was written")
    return at


ConfigPath = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="TOML file; default: SPIKEWATCH_CONFIG, then ./spikewatch.toml if it is there.",
    ),
]
Input = Annotated[
    str, typer.Argument(help="File of tickets, .jsonl or .csv, also .gz; - for stdin.")
]
Mapping = Annotated[
    str | None,
    typer.Option(
        "--map", help="CSV: our field=your column, such as created_at=Opened,ticket_id=Id."
    ),
]
Zone = Annotated[
    str | None, typer.Option(help="CSV: IANA time zone of times that carry no offset.")
]
TimeFormat = Annotated[
    str | None, typer.Option(help="CSV: strptime pattern of times, such as '%d/%m/%Y %H:%M'.")
]
FileFormat = Annotated[
    Literal["jsonl", "csv"] | None, typer.Option("--format", help="Default: by the file's name.")
]


FeedbackFile = Annotated[
    Path | None,
    typer.Option(
        "--feedback", help="File of answers to pages, .jsonl: each counts from its time on."
    ),
]


def duration(text: str) -> float:
    """Seconds of a length of time.

    Example:
        >>> duration("2w") / 86_400.0, duration("36h") / 3600.0
        (14.0, 36.0)
    """
    found = _AGO.fullmatch(text.strip())
    if not found:
        raise typer.BadParameter(f"{text!r} is no length of time such as 36h, 10d or 2w")
    return timedelta(**{_UNITS[found[2]]: min(int(found[1]), 1_000_000)}).total_seconds()


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def show(table: "Table") -> None:
    """Print it in columns; the first flush left, the others flush right."""
    say(table.title)
    widths = [max(map(len, column)) for column in zip(table.heads, *table.rows, strict=True)]
    for place, row in enumerate((table.heads, *table.rows)):
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        say("  ".join(cells).rstrip())
        if place == 0:
            say("  ".join("-" * width for width in widths))
    for note in table.notes:
        say(f"({note})")
    say("")


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run *work* to its end."""
    return asyncio.run(work)


@contextmanager
def ticket_file(
    source: str,
    mapping: str | None,
    timezone: str | None,
    time_format: str | None,
    file_format: Literal["jsonl", "csv"] | None,
) -> Iterator[tuple[Iterator[tuple[int, bytes]], Callable[[], None]]]:
    """Numbered lines of a ticket file, and what to call after each so that the bar moves."""
    from stream.inputs.ticket_files import TicketFile, parse_mapping  # noqa: PLC0415 - pydantic's fields

    fields = parse_mapping(mapping) if mapping else None
    with (
        TicketFile(
            source,
            mapping=fields,
            format=file_format,
            assume_timezone=timezone,
            time_format=time_format,
        ) as file,
        Progress(*columns(), console=Console(stderr=True), transient=True) as bar,
    ):
        task = bar.add_task(Path(source).name, total=file.size)
        count = 0

        def seen() -> None:
            nonlocal count
            count += 1
            if count % 500 == 0:
                bar.update(task, completed=file.position)

        yield iter(file), seen


def watched(
    lines: Iterator[tuple[int, bytes]], seen: Callable[[], None]
) -> Iterator[tuple[int, bytes]]:
    """*lines*; after each one *seen* is called."""
    for line in lines:
        yield line
        seen()


@contextmanager
def output(name: str) -> Iterator[BinaryIO]:
    """The file *name* to write to; - is stdout.

    Raises:
        UserError: It cannot be written.
    """
    if name == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = Path(f"{name}.part")  # so that a run that fails leaves an earlier file as it was
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


def columns() -> tuple[Any, ...]:
    """Of every progress bar."""
    return (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
    )
