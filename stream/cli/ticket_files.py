"""Options that describe a ticket file, and a reader that shows its progress."""

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
    """How to read a ticket file; the defaults fit a file that needs no hints."""

    mapping: Annotated[
        str | None,
        typer.Option(
            "--map",
            metavar="FIELD=COLUMN,...",
            help="CSV: column of each field, such as created_at=Opened,ticket_id=Id.",
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
        typer.Option("--format", help="Format of the file; default: according to its name."),
    ] = None


def with_ticket_format(command: Callable[..., Result]) -> Callable[..., Result]:
    """Add the options of `TicketFormat` to a command.

    On the command line, --map, --timezone, --time-format and --format take the place of the
    command's parameter ``ticket_format``.
    """
    own_parameters = inspect.signature(command, eval_str=True).parameters
    shared = inspect.signature(TicketFormat, eval_str=True).parameters
    parameters: list[inspect.Parameter] = []
    for name, parameter in own_parameters.items():
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
    """Open a ticket file and show the progress of reading it on standard error.

    Args:
        source: Path of the file, or ``-`` for standard input.
        ticket_format: Hints for reading the file.

    Yields:
        The numbered lines of the file, each as JSON.
    """
    settings = ticket_format or TicketFormat()
    with (
        TicketFile(
            source,
            mapping=parse_mapping(settings.mapping) if settings.mapping else None,
            format=settings.file_format,
            assume_timezone=settings.timezone,
            time_format=settings.time_format,
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
