"""Reader of ticket files: any format in which helpdesks export, from a file or a pipe.

Ticket events in JSONL are passed on unchanged, for intake to judge. Other records become ticket
events by the plan that their first records suggest or that the user gives. All are yielded in order
of time; memory does not grow with the file.
"""

import io
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from datetime import UTC
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self, cast
from zoneinfo import ZoneInfo

import msgspec

from stream.config.values import zone
from stream.inputs.exports.conversion import Converter
from stream.inputs.exports.ordering import Ordering
from stream.inputs.exports.plan import Plan, ReadOptions, plan_of_objects, plan_of_table
from stream.inputs.exports.records import delimited, documents, workbooks
from stream.inputs.exports.records.containers import Container, open_file, size_on_disk, unpack
from stream.inputs.exports.records.delimited import Record
from stream.inputs.exports.records.encodings import Decoder
from stream.inputs.exports.refusal import Refusal, TicketFileError
from stream.inputs.exports.times import AmbiguousTimeError, TimeReader, check_pattern, is_rfc3339
from stream.inputs.lines import numbered

__all__ = ["ReadOptions", "Reading", "Refusal", "TicketFile", "TicketFileError", "read_tickets"]

SAMPLE: Final = 1_000
"""Number of first records by which columns and times are recognized."""
MOST_SAMPLE: Final = 50_000
"""Number of records up to which more are looked at while day and month cannot be told apart."""
SAMPLE_CHARACTERS: Final = 8_000_000
HEAD_BYTES: Final = 4_096
WATCHED: Final = 500
"""Number of tickets after which the position is reported."""
LATE_SHARE: Final = 0.05
"""Share of misplaced tickets above which JSONL is sorted; fewer are late, as in the stream."""
DEDUP_SECONDS: Final = 172_800.0
"""Time within which the step itself recognizes a repeated ticket."""


@dataclass
class Reading:
    """What was found in a ticket file; complete when all tickets have been read.

    Attributes:
        rows: Number of records, with those that were refused.
        tickets: Number of ticket events.
        dead: Number of records that were refused.
        preset: Helpdesk whose export it is; ``generic``: columns with common names; None: the
            columns have the names of our fields, or were given.
        mapping: Column or path of each field.
        time_format: Patterns of the creation times, most frequent first.
        timezone: Time zone of times without an offset.
        encoding: Encoding of the text.
        sorted: Whether the tickets had to be put in order of time.
        disordered: Number of tickets that were older than an earlier one.
        repeated: Number of records about a ticket that the file had already.
        left_out: Number of values of optional fields that could not be read, by field.
        notes: Sentences about what a user should know.
    """

    rows: int = 0
    tickets: int = 0
    dead: int = 0
    preset: str | None = None
    mapping: dict[str, str] = field(default_factory=dict)
    time_format: str | None = None
    timezone: str | None = None
    encoding: str | None = None
    sorted: bool = False
    disordered: int = 0
    repeated: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_tickets(
    path_or_stdin: Path | str | BinaryIO,
    options: ReadOptions | None = None,
    refuse: Callable[[Refusal], None] | None = None,
) -> Iterator[tuple[int, bytes]]:
    """Yield all tickets of a file in order; `TicketFile` also reports progress.

    Yields:
        The line on which the ticket begins, from 1, and the ticket as JSON.

    Raises:
        TicketFileError: The file cannot be opened or an option is wrong, raised with the first
            ticket; or reading fails later.
    """
    with TicketFile(path_or_stdin, options, refuse) as tickets:
        yield from tickets


class TicketFile:
    r"""An open ticket file that can be iterated once.

    Example:
        >>> import io
        >>> text = b"Id;Opened;Component\n7;13.03.2026 12:30;login\n"
        >>> options = ReadOptions(timezone="Europe/Berlin")
        >>> with TicketFile(io.BytesIO(text), options) as tickets:
        ...     for line, ticket in tickets:
        ...         print(line, ticket.decode())
        2 {"ticket_id":"7","created_at":"2026-03-13T12:30:00+01:00","product_area":"login"}
        >>> tickets.reading.preset, tickets.reading.time_format
        ('generic', '%d.%m.%Y %H:%M')
    """

    def __init__(
        self,
        path_or_stdin: Path | str | BinaryIO,
        options: ReadOptions | None = None,
        refuse: Callable[[Refusal], None] | None = None,
        *,
        id_prefix: str = "",
    ) -> None:
        """Open the file without reading it yet.

        Args:
            path_or_stdin: A path, ``"-"`` for standard input, or an open binary file, which stays
                open.
            options: What the user says about the file.
            refuse: Called with each record that cannot become a ticket event.
            id_prefix: Beginning of the ids of tickets that have none in the file; the line number
                follows. Files that are read together need different prefixes.

        Raises:
            TicketFileError: The file cannot be opened, or an option is wrong.
        """
        self._options = options or ReadOptions()
        self._zone = zone_of(self._options.timezone)
        check_pattern(self._options.time_format)
        self._refuse = refuse
        self._id_prefix = id_prefix
        self._owned = path_or_stdin != "-" and isinstance(path_or_stdin, str | Path)
        name = str(path_or_stdin) if isinstance(path_or_stdin, str | Path) else "-"
        self.name = "standard input" if name == "-" else name
        self.reading = Reading(timezone=self._options.timezone)
        self._file = open_file(path_or_stdin, self.name)
        self._container: Container | None = None
        self._tickets: Generator[tuple[int, bytes]] | None = None
        self._is_read = False
        self.size = size_on_disk(self._file)
        """Size of the file on disk in bytes; None for a pipe."""
        self.watch: Callable[[int], None] | None = None
        """Called with the `position` now and then, also while the tickets are sorted."""

    @property
    def position(self) -> int:
        """Return how many of the ``size`` bytes on disk have been read so far."""
        if self._container is None:
            return 0
        if self._is_read and self.size is not None:
            return self.size  # an archive may hold more than what is read
        count = self._container.counted.count
        return count if self.size is None else min(count, self.size)

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Yield the tickets, each with the number of its first line, in order of time.

        Ticket events from a pipe are passed on as they come.

        Raises:
            TicketFileError: The file is damaged, or has no usable columns.
        """
        self._container = unpack(self._file, self.name)
        self._tickets = self._opened(self._container)
        return self._tickets

    def _opened(self, container: Container) -> Generator[tuple[int, bytes]]:
        stream = container.stream
        if container.is_workbook:
            rows = workbooks.rows(stream, self.name, container.resources)
            return self._ordered(self._table(rows))
        head = cast("io.BufferedReader", stream).peek(HEAD_BYTES)
        if self._holds_events(head):
            self.reading.encoding = "utf-8"
            events = self._events(stream)
            if self.size is None:
                return self._watched(events)
            return self._ordered(events, are_events=True)
        return self._ordered(self._records(stream))

    def _holds_events(self, head: bytes) -> bool:
        """Return whether a file begins with a ticket event in JSON, to be passed on as it is."""
        options = self._options
        if not options.are_default or options.format not in (None, "jsonl"):
            return False
        if not head.strip():
            return options.format == "jsonl" or self._named(".jsonl")
        line, end, _ = head.removeprefix(b"\xef\xbb\xbf").lstrip().partition(b"\n")
        try:
            first = msgspec.json.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            # A long first line is cut; a pretty-printed object has its brace alone on the line.
            is_object = line.startswith(b"{") and len(line) > 1
            is_event = b'"ticket_id"' in line and b'"created_at"' in line
            return options.format == "jsonl" or (is_object and not end and is_event)
        if not isinstance(first, dict):
            return options.format == "jsonl"
        is_event = "ticket_id" in first and is_rfc3339(str(first.get("created_at", "")))
        is_given = options.format == "jsonl" and options.timezone is None
        return is_event or "specversion" in first or is_given

    def _named(self, *suffixes: str) -> bool:
        return self.name.lower().removesuffix(".gz").endswith(suffixes)

    def _events(self, stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
        for number, line in numbered(stream, self.name):
            self.reading.rows += 1
            self.reading.tickets += 1
            yield number, line

    def _records(self, stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
        decoder = Decoder(stream, self.name, self._options.encoding)
        chunks = decoder.chunks()
        first = next(chunks, "")
        text = chain([first], chunks)
        is_json = documents.looks_like_json(first) or self._named(".jsonl", ".ndjson", ".json")
        if self._options.format is not None:
            is_json = self._options.format in ("json", "jsonl")
        if is_json:
            found = self._objects(documents.objects(text, self.name))
        else:
            found = self._table(delimited.rows(text, self.name))
        for event in found:
            self.reading.encoding = decoder.encoding
            yield event

    def _table(self, rows: Iterator[Record | Refusal]) -> Iterator[tuple[int, bytes]]:
        sample, rest = _split(rows)
        if sample and isinstance(sample[0], Refusal) and sample[0].reason == "oversized":
            raise TicketFileError(f"{self.name}: its first line is {sample[0].detail}.")
        good = [each for each in sample if isinstance(each, Record)]
        plan = plan_of_table(good, self.name, self._options)
        above = {id(row) for row in good[: plan.skip]}
        heads = good[plan.skip - 1].value if plan.skip else None

        def is_data(row: Record | Refusal) -> bool:
            # Exports that were put together by hand repeat the header.
            is_header = isinstance(row, Record) and row.value == heads
            return id(row) not in above and not is_header

        return self._converted(plan, [row for row in sample if is_data(row)], filter(is_data, rest))

    def _objects(self, records: Iterator[Record | Refusal]) -> Iterator[tuple[int, bytes]]:
        sample, rest = _split(records)
        good = [each for each in sample if isinstance(each, Record)]
        plan = plan_of_objects(good, self.name, self._options)
        return self._converted(plan, sample, rest)

    def _converted(
        self, plan: Plan, sample: list[Record | Refusal], rest: Iterator[Record | Refusal]
    ) -> Iterator[tuple[int, bytes]]:
        times = TimeReader(UTC if plan.is_utc else self._zone, self._options.time_format)
        converter = Converter(plan, times, self._options.lists, self._id_prefix)
        while True:
            try:
                converter.learn([each for each in sample if isinstance(each, Record)])
                break
            except AmbiguousTimeError:
                more, rest = _split(rest)
                if not more or len(sample) >= MOST_SAMPLE:
                    raise
                sample = sample + more
        reading = self.reading
        reading.preset, reading.mapping = plan.preset, plan.mapping
        reading.time_format = times.patterns or None
        reading.timezone = "UTC" if plan.is_utc else reading.timezone
        reading.notes += plan.notes
        for record in chain(sample, rest):
            outcomes = [record] if isinstance(record, Refusal) else converter.convert(record)
            counted = False
            for outcome in outcomes:
                reading.rows += not counted
                counted = True
                if isinstance(outcome, Refusal):
                    self._bury(outcome)
                else:
                    reading.tickets += 1
                    yield outcome
        reading.left_out = dict(converter.left_out)
        if converter.areas_left:
            reading.notes.append(
                f"{converter.areas_left} tickets name several areas: the first counts (--lists)"
            )
        if times.ambiguous:
            reading.notes.append(
                f"{times.ambiguous} times are in an hour that occurs twice: the first is assumed, "
                "because the file is not in order"
            )

    def _bury(self, refusal: Refusal) -> None:
        """Count a record that cannot become a ticket event, and pass it on."""
        self.reading.dead += 1
        if self._refuse is not None:
            self._refuse(refusal)

    def _ordered(
        self, events: Iterator[tuple[int, bytes]], *, are_events: bool = False
    ) -> Generator[tuple[int, bytes]]:
        """Yield events by time; ticket events that are mostly in order keep the order of the file.

        A ticket that comes again is a change of the same ticket. In a file of ticket events, this
        holds for repeats that the step does not recognize itself.
        """
        with Ordering() as ordering:
            for line, event in self._watched(events):
                ordering.add(line, event)
            self._is_read = True
            ordering.close(DEDUP_SECONDS if are_events else 0.0)
            by_time = ordering.disordered > 0
            if are_events:
                by_time = ordering.misplaced > LATE_SHARE * ordering.count
            self.reading.sorted, self.reading.repeated = by_time, ordering.repeated
            self.reading.disordered = ordering.disordered
            yield from ordering.events(by_time=by_time)

    def _watched(self, events: Iterator[tuple[int, bytes]]) -> Generator[tuple[int, bytes]]:
        for count, event in enumerate(events, 1):
            yield event
            if self.watch is not None and count % WATCHED == 0:
                self.watch(self.position)

    def close(self) -> None:
        """Close the file, unless it was passed as an open file; delete temporary files."""
        if self._tickets is not None:
            self._tickets.close()
        if self._container is not None:
            self._container.resources.close()
        if self._owned:
            self._file.close()

    def __enter__(self) -> Self:
        """Return the file."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()


def _split(
    records: Iterator[Record | Refusal],
) -> tuple[list[Record | Refusal], Iterator[Record | Refusal]]:
    """Return the first records of a file and the others, with bounded memory."""
    sample: list[Record | Refusal] = []
    left = SAMPLE_CHARACTERS
    for record in islice(records, SAMPLE):
        sample.append(record)
        left -= len(record.raw)
        if left < 0:
            break
    return sample, records


def zone_of(name: str | None) -> ZoneInfo | None:
    """Return a time zone by its IANA name; None stays None.

    Raises:
        TicketFileError: There is no such zone; the message suggests a similar one.
    """
    if not name:
        return None
    try:
        return ZoneInfo(zone(name))
    except ValueError as error:
        raise TicketFileError(f'"{name}" is not {error}') from error
