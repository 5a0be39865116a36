"""Reader of ticket files: JSONL or CSV, plain or gzipped, from a file or a pipe.

It streams in constant memory. JSONL is passed on unchanged, for intake to judge. A CSV row becomes
the JSON of a ticket event, with columns matched by our field names or by a mapping.
"""

import gzip
import io
import os
import re
import stat
import sys
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from stream.inputs.ticket_csv import MAX_LINE_BYTES, TicketFileError, parse_mapping, read_rows

__all__ = ["MAX_LINE_BYTES", "TicketFile", "TicketFileError", "parse_mapping", "read_tickets"]

_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")

Format = Literal["jsonl", "csv"]


def read_tickets(
    path_or_stdin: Path | str | BinaryIO,
    *,
    mapping: Mapping[str, str] | None = None,
    format: Format | None = None,
    assume_timezone: str | None = None,
    time_format: str | None = None,
) -> Iterator[tuple[int, bytes]]:
    """Yield all tickets of a file in order; `TicketFile` also reports progress.

    Yields:
        The line on which the ticket begins, from 1, and the ticket as JSON.

    Raises:
        TicketFileError: The file cannot be opened or an option is wrong, raised with the first
            ticket; or reading fails later.
    """
    with TicketFile(
        path_or_stdin,
        mapping=mapping,
        format=format,
        assume_timezone=assume_timezone,
        time_format=time_format,
    ) as tickets:
        yield from tickets


class TicketFile:
    r"""An open ticket file that can be iterated once.

    Example:
        >>> import io
        >>> text = b"Id,Opened,product_area\n7,2026-03-01 12:30,login\n"
        >>> mapping = parse_mapping("ticket_id=Id,created_at=Opened")
        >>> with TicketFile(
        ...     io.BytesIO(text), mapping=mapping, format="csv", assume_timezone="Europe/Berlin"
        ... ) as tickets:
        ...     for line, ticket in tickets:
        ...         print(line, ticket.decode())
        2 {"ticket_id":"7","created_at":"2026-03-01T12:30:00+01:00","product_area":"login"}
    """

    def __init__(
        self,
        path_or_stdin: Path | str | BinaryIO,
        *,
        mapping: Mapping[str, str] | None = None,
        format: Format | None = None,
        assume_timezone: str | None = None,
        time_format: str | None = None,
    ) -> None:
        """Open the file without reading it yet.

        Args:
            path_or_stdin: A path, ``"-"`` for standard input, or an open binary file, which stays
                open. A path that ends in ``.gz`` is decompressed.
            mapping: CSV only: column of each mapped field, such as ``{"customer.id": "Account"}``.
            format: Format of the file; None: CSV if the path ends in ``.csv`` or ``.tsv`` (before
                ``.gz``), else JSONL.
            assume_timezone: CSV only: IANA time zone of times without an offset. A local time that
                occurs twice, when clocks go back, is taken as the first.
            time_format: CSV only: ``strptime`` pattern of all times, such as ``%d/%m/%Y %H:%M``; a
                time that does not match is passed on unchanged.

        Raises:
            TicketFileError: The file cannot be opened, or an option is wrong.
        """
        self._zone = _zone(assume_timezone)
        _check_pattern(time_format)
        self._mapping, self._time_format = mapping, time_format
        self._owned = path_or_stdin != "-" and isinstance(path_or_stdin, str | Path)
        name = str(path_or_stdin) if isinstance(path_or_stdin, str | Path) else "-"
        self.name = "standard input" if name == "-" else name
        zipped = name.lower().endswith(".gz")
        self.format: Format = format or _format(name.lower().removesuffix(".gz"))
        if self.format == "jsonl" and (mapping or assume_timezone or time_format):
            text = "columns and times can only be mapped in CSV; JSONL is read unchanged"
            raise TicketFileError(f"{self.name}: {text}.")
        self._raw = _Counted(_open(path_or_stdin, self.name))
        self.size = _size(self._raw.file)
        """Size of the file on disk in bytes; None for a pipe."""
        whole = io.BufferedReader(self._raw, 1 << 16)
        self._file: BinaryIO = gzip.GzipFile(fileobj=whole) if zipped else whole  # type: ignore[assignment]

    @property
    def position(self) -> int:
        """Return how many of the ``size`` bytes on disk have been read so far."""
        return self._raw.count

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Yield the tickets, each with the number of its first line.

        Raises:
            TicketFileError: The file is damaged, or is not CSV with the required columns.
        """
        if self.format == "jsonl":
            return self._jsonl()
        return read_rows(
            self._lines(),
            name=self.name,
            mapping=self._mapping,
            zone=self._zone,
            time_format=self._time_format,
        )

    def _jsonl(self) -> Iterator[tuple[int, bytes]]:
        for number, line in enumerate(self._lines(), 1):
            if line.strip():
                yield number, line.rstrip(b"\r\n")

    def _lines(self) -> Iterator[bytes]:
        """Yield lines with their line ends, without a BOM; cut lines that are too long."""
        first = True
        try:
            while line := self._file.readline(MAX_LINE_BYTES + 1):
                rest = line
                while len(rest) > MAX_LINE_BYTES and not rest.endswith(b"\n"):
                    rest = self._file.readline(MAX_LINE_BYTES + 1)
                if first and line.startswith(_UTF16):
                    raise TicketFileError(f"{self.name} is UTF-16: save it as UTF-8.")
                yield line.removeprefix(_BOM) if first else line
                first = False
        except (OSError, EOFError, zlib.error) as error:
            raise TicketFileError(f"{self.name}: reading failed: {error}.") from error

    def close(self) -> None:
        """Close the file, unless it was passed as an open file."""
        if self._owned:
            self._raw.file.close()

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


class _Counted(io.RawIOBase):
    """Wrapper that counts the bytes read from a file that it does not own."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        # A read from a pipe returns what is available, so tickets are not held back.
        read = getattr(self.file, "read1", self.file.read)(len(buffer))
        buffer[: len(read)] = read
        self.count += len(read)
        return len(read)


def _open(path: Path | str | BinaryIO, name: str) -> BinaryIO:
    if path == "-":
        return sys.stdin.buffer
    if not isinstance(path, str | Path):
        return path
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise TicketFileError(f"{name} cannot be opened: {error.strerror}.") from error


def _size(file: BinaryIO) -> int | None:
    try:
        status = os.fstat(file.fileno())
    except (OSError, ValueError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _format(name: str) -> Format:
    return "csv" if name.endswith((".csv", ".tsv")) else "jsonl"


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        text = f'"{name}" is not an IANA time zone such as Europe/Berlin'
        raise TicketFileError(f"{text}.") from error


def _check_pattern(time_format: str | None) -> None:
    if time_format is None:
        return
    sample = datetime(2026, 12, 31, 12, 30, tzinfo=UTC)
    try:
        datetime.strptime(sample.strftime(time_format), time_format)  # noqa: DTZ007  (a trial)
    except (ValueError, re.error) as error:
        text = f'"{time_format}" is not a time pattern such as %d/%m/%Y %H:%M'
        raise TicketFileError(f"{text}.") from error
