"""Options that describe a ticket file, and a reader that shows its progress and what it found."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
import typer

from detectors.policy.settings import Settings
from stream.cli.dead_letters import DeadLetters
from stream.cli.output import counting_bar, warn
from stream.config.sections import Config
from stream.config.step_settings import settings_of
from stream.escalations.phrases import plural
from stream.inputs.exports.mapping import parse_mapping
from stream.inputs.exports.plan import Lists, ReadOptions, given_preset
from stream.inputs.exports.presets import PRESETS
from stream.inputs.exports.records.encodings import checked_encoding
from stream.inputs.exports.times import check_pattern
from stream.inputs.ticket_files import Reading, TicketFile, TicketFileError, zone_of

Lines = Iterator[tuple[int, bytes]]
Result = TypeVar("Result")
FileFormat = Literal["jsonl", "json", "csv", "xlsx"]
HISTORY_IDS: Final = "history:"
"""Prefix of the ids of a history's tickets without one, so that they differ from those of FILE."""


@dataclass(frozen=True, kw_only=True)
class TicketFormat:
    """How to read a ticket file; the defaults recognize the exports of many helpdesks."""

    mapping: Annotated[
        str | None,
        typer.Option(
            "--map",
            metavar="FIELD=COLUMN,...",
            help="Column or JSON path of each field, such as created_at=Opened,ticket_id=Id; "
            "default: recognized.",
        ),
    ] = None
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"Helpdesk of the export; default: recognized. One of: "
            f"{', '.join(sorted(PRESETS))}.",
        ),
    ] = None
    timezone: Annotated[
        str | None,
        typer.Option(
            metavar="ZONE",
            help="IANA time zone of times without an offset, in FILE and in options, and of daily "
            "and weekly seasonality.",
        ),
    ] = None
    time_format: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN",
            help="strptime pattern of the times, such as '%d/%m/%Y %H:%M'; default: recognized.",
        ),
    ] = None
    encoding: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Encoding of the text, such as cp1252; default: detected."
        ),
    ] = None
    file_format: Annotated[
        FileFormat | None,
        typer.Option("--format", help="Format of the file; default: by its content."),
    ] = None
    lists: Annotated[
        Lists,
        typer.Option(
            help="Of several areas of a ticket: the first, all joined, or one ticket each."
        ),
    ] = "first"

    def options(self, zone: str | None = None) -> ReadOptions:
        """Return the options of the reader.

        Args:
            zone: Time zone of times without an offset if --timezone is not given.

        Raises:
            typer.BadParameter: A value is not valid.
        """
        try:
            options = self._options(zone)
            zone_of(options.timezone)
            check_pattern(options.time_format)
            checked_encoding(options.encoding)
            given_preset(options)
        except TicketFileError as error:
            raise typer.BadParameter(str(error)) from None
        return options

    def _options(self, zone: str | None) -> ReadOptions:
        return ReadOptions(
            mapping=parse_mapping(self.mapping) if self.mapping else {},
            preset=self.preset,
            timezone=self.timezone or zone,
            time_format=self.time_format,
            encoding=self.encoding,
            format=self.file_format,
            lists=self.lists,
        )

    def settings(self, config: Config) -> Settings:
        """Return the settings of the step; seasonality follows --timezone if it is given.

        Raises:
            typer.BadParameter: There is no such time zone.
        """
        settings = settings_of(config)
        if self.timezone is None:
            return settings
        self.options()
        return msgspec.structs.replace(settings, timezone=self.timezone)

    def moment(self, at: datetime) -> datetime:
        """Return a time from the command line; without an offset, it is in --timezone, or UTC."""
        return at if at.tzinfo else at.replace(tzinfo=zone_of(self.timezone) or UTC)


def with_ticket_format(command: Callable[..., Result]) -> Callable[..., Result]:
    """Add the options of `TicketFormat` to a command.

    On the command line, they take the place of the command's parameter ``ticket_format``.
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


@dataclass
class OpenTickets:
    """The numbered ticket events of an open file, to be iterated once."""

    lines: Lines
    reading: Reading
    name: str

    def __iter__(self) -> Lines:
        """Yield the events in order of time."""
        return self.lines


@contextmanager
def open_tickets(
    source: str,
    ticket_format: TicketFormat | None = None,
    letters: DeadLetters | None = None,
    config: Config | None = None,
    *,
    id_prefix: str = "",
) -> Iterator[OpenTickets]:
    """Open a ticket file, show the progress of reading it, and tell at the end what was found.

    Args:
        source: Path of the file, or ``-`` for standard input.
        ticket_format: Hints for reading the file.
        letters: Collector of the records that cannot be read.
        config: Gives the time zone of times without an offset, if it names one.
        id_prefix: Beginning of the ids of tickets without one; each of several files needs its own.

    Yields:
        The numbered lines of the file, each as JSON, and what the reader has found so far.
    """
    settings = ticket_format or TicketFormat()
    zone = None if config is None or config.time.timezone == "UTC" else config.time.timezone
    name = "standard input" if source == "-" else source
    refused = letters if letters is not None else DeadLetters()
    with (
        TicketFile(
            source,
            settings.options(zone),
            lambda refusal: refused.refuse(refusal, name),
            id_prefix=id_prefix,
        ) as file,
        counting_bar(transient=True) as bar,
    ):
        task = bar.add_task(Path(source).name, total=file.size)
        file.watch = lambda position: bar.update(task, completed=position)
        yield OpenTickets((line for line in file), file.reading, name)
    refused.rows += file.reading.rows
    for sentence in sentences(file.reading, name):
        warn(sentence)
    if letters is None:
        refused.explain()


def sentences(reading: Reading, name: str) -> Iterator[str]:
    """Yield what was found in a file as sentences; nothing for ticket events in order.

    Example:
        >>> found = Reading(rows=3, preset="jira", mapping={"created_at": "Created"}, sorted=True)
        >>> list(sentences(found, "t.csv"))
        ['t.csv: read as jira: created_at=Created', 't.csv: not in order of time: sorted']
    """
    if reading.mapping and not all(source == each for each, source in reading.mapping.items()):
        as_what = f"read as {reading.preset}" if reading.preset else "read with"
        pairs = ", ".join(f"{each}={source}" for each, source in reading.mapping.items())
        yield f"{name}: {as_what}: {pairs}"
    details = []
    if reading.time_format and reading.time_format != "RFC 3339":
        zone = f" in {reading.timezone}" if reading.timezone else ""
        details.append(f"times as {reading.time_format}{zone}")
    if reading.encoding not in (None, "utf-8"):
        details.append(f"text in {reading.encoding}")
    if details:
        yield f"{name}: {'; '.join(details)}"
    if reading.sorted:
        yield f"{name}: not in order of time: sorted"
    if reading.repeated:
        yield (
            f"{name}: {plural(reading.repeated, 'record')} with the id of an earlier one: read as "
            "changes of that ticket"
        )
    if reading.left_out:
        fields = ", ".join(f"{each} ({count:,})" for each, count in reading.left_out.items())
        yield f"{name}: values that cannot be read were left out: {fields}"
    for note in reading.notes:
        yield f"{name}: {note}"
