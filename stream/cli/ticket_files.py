"""Ticket files on the command line: the options that describe one, and reading with progress."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

from stream.cli.output import counting_bar
from stream.inputs.ticket_files import TicketFile, parse_mapping

Lines = Iterator[tuple[int, bytes]]
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class TicketFormat:
    """How to read a ticket file; a default for everything that the file itself says."""

    mapping: Annotated[
        str | None,
        typer.Option(
            "--map",
            metavar="FIELD=COLUMN,...",
            help="CSV: the column of each field, such as created_at=Opened,ticket_id=Id.",
        ),
    ] = None
    timezone: Annotated[
        str | None,
        typer.Option(metavar="ZONE", help="CSV: IANA time zone of times without an offset."),
    ] = None
    time_format: Annotated[
        str | None,
        typer.Option(metavar="PATTERN", help="CSV: strptime pattern, such as '%d/%m/%Y %H:%M'."),
    ] = None
    file_format: Annotated[
        Literal["jsonl", "csv"] | None,
        typer.Option("--format", help="Format of the file; default: by its name."),
    ] = None


def with_ticket_format(command: Callable[..., Result]) -> Callable[..., Result]:
    """Give a command the options of `TicketFormat`.

    The command's parameter ``ticket_format`` is replaced on the command line by --map, --timezone,
    --time-format and --format.
    """
    own = inspect.signature(command, eval_str=True).parameters
    shared = inspect.signature(TicketFormat, eval_str=True).parameters
    parameters: list[inspect.Parameter] = []
    for name, parameter in own.items():
        parameters += shared.values() if name == "ticket_format" else [parameter]
    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]

    @wraps(command)
    def wrapper(**arguments: Any) -> Result:
        ticket_format = TicketFormat(**{name: arguments.pop(name) for name in shared})
        return command(**arguments, ticket_format=ticket_format)

    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {each.name: each.annotation for each in parameters}
    del wrapper.__wrapped__
    return wrapper


@contextmanager
def open_tickets(source: str, ticket_format: TicketFormat | None = None) -> Iterator[Lines]:
    """Open a ticket file; the progress bar on standard error follows what is read.

    Args:
        source: Path of the file, or ``-`` for standard input.
        ticket_format: How to read it.

    Yields:
        The numbered lines of the file, each as JSON.
    """
    known = ticket_format or TicketFormat()
    with (
        TicketFile(
            source,
            mapping=parse_mapping(known.mapping) if known.mapping else None,
            format=known.file_format,
            assume_timezone=known.timezone,
            time_format=known.time_format,
        ) as file,
        counting_bar(transient=True) as bar,
    ):
        task = bar.add_task(Path(source).name, total=file.size)

        def lines() -> Lines:
            for count, line in enumerate(file, 1):
                yield line
                if count % 500 == 0:
                    bar.update(task, completed=file.position)

        yield lines()
