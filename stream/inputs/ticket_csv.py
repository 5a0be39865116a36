"""Conversion of CSV rows to ticket events: mapping of columns to fields, parsing of cells."""

import csv
import difflib
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, tzinfo
from typing import Any

from schemas.ticket import Customer, TicketEvent
from stream.errors import UserError

MAX_LINE_BYTES = 1_000_000
"""Length to which longer lines are cut, plus one byte; exceeds any ``[limits] ticket_bytes``."""

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?", re.ASCII)
_REQUIRED = ("ticket_id", "created_at")
_AREA_OR_TEXT = ("product_area", "subject", "body")


class TicketFileError(UserError):
    """A ticket file that cannot be used; the text says why and what to do."""


def _kinds() -> dict[str, str]:
    """Return the kind of each field of a ticket; fields of the customer have dotted names."""
    kinds = {}
    for prefix, model in (("", TicketEvent), ("customer.", Customer)):
        for name, schema in model.model_json_schema()["properties"].items():
            one = next((s for s in schema.get("anyOf", []) if s.get("type") != "null"), schema)
            kind = "time" if one.get("format") == "date-time" else one.get("type", "string")
            kinds[prefix + name] = kind
    return kinds


_KINDS = _kinds()


def parse_mapping(text: str) -> dict[str, str]:
    """Parse the mapping of a ``--map`` option from ticket fields to columns.

    Args:
        text: Comma-separated ``field=Column`` pairs. A comma in the name of a column is
            escaped with a backslash.

    Raises:
        TicketFileError: A pair has no ``=``, a field is unknown, or a field is mapped twice.

    Example:
        >>> parse_mapping("created_at=Created At,customer.id=Account")
        {'created_at': 'Created At', 'customer.id': 'Account'}
    """
    mapping: dict[str, str] = {}
    for pair in re.split(r"(?<!\\),", text):
        field, equals, column = (part.strip() for part in pair.partition("="))
        if not (field and equals and column):
            raise TicketFileError(
                f'"{pair.strip()}" is not a mapping such as created_at=Created At.'
            )
        if field in mapping:
            raise TicketFileError(f"{field} is mapped twice.")
        mapping[field] = column.replace("\\,", ",")
    _check_fields(mapping)
    return mapping


def _check_fields(mapping: Iterable[str]) -> None:
    for field in mapping:
        if field not in _KINDS:
            close = difflib.get_close_matches(field, _KINDS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"the fields are {', '.join(_KINDS)}."
            raise TicketFileError(f"{field} is not a field of a ticket; {hint}")


def read_rows(
    lines: Iterator[bytes],
    *,
    name: str,
    mapping: Mapping[str, str] | None,
    zone: tzinfo | None,
    time_format: str | None,
) -> Iterator[tuple[int, bytes]]:
    """Yield the rows of a CSV file as ticket events, in order.

    Empty cells and rows with only empty cells are left out. Tags are split at commas, semicolons
    and vertical bars. A customer without an id is left out, but the ticket is kept.

    Args:
        lines: Lines of the file with their line ends, UTF-8.
        name: Name of the file, for messages.
        mapping: Column of each mapped field; other fields are looked up by their own names.
        zone: Time zone of times without an offset; None: these times are unchanged and will be
            rejected later.
        time_format: ``strptime`` pattern of all times; None: ISO 8601 and similar formats.

    Yields:
        The line on which the row begins, from 1, and the ticket as JSON.

    Raises:
        TicketFileError: The file has no header, lacks columns, or is not valid UTF-8 or CSV.
    """
    text = _decoded(lines, name)
    header = next(text, "")
    if not header.strip():
        raise TicketFileError(f"{name} is empty: its first line must name the columns.")
    # The limit is global; the default would reject cells that intake can judge.
    csv.field_size_limit(MAX_LINE_BYTES)
    # Without strict, an unclosed quote would silently swallow the rest of the file.
    reader = csv.reader(_chain(header, text), delimiter=_delimiter(header), strict=True)
    line = 1
    try:
        columns = _columns([cell.strip() for cell in next(reader)], mapping or {}, name)
        line = reader.line_num + 1
        for row in reader:
            if ticket := _ticket(row, columns, zone, time_format):
                yield line, json.dumps(ticket, ensure_ascii=False, separators=(",", ":")).encode()
            line = reader.line_num + 1
    except csv.Error as error:
        raise TicketFileError(f"{name}, line {line}: not valid CSV ({error}).") from error


def _chain(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _decoded(lines: Iterator[bytes], name: str) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE_BYTES:
            text = f"is longer than {MAX_LINE_BYTES:,} bytes; is a line break missing?"
            raise TicketFileError(f"{name}, line {number} {text}")
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            text = f"byte {error.start + 1} is not UTF-8; save the file as CSV UTF-8"
            raise TicketFileError(f"{name}, line {number}: {text}.") from error


def _delimiter(header: str) -> str:
    # csv.Sniffer also guesses letters as delimiters, and fails if there is only one column.
    return max(",;\t", key=lambda one: len(next(csv.reader([header], delimiter=one))))


def _columns(header: list[str], mapping: Mapping[str, str], name: str) -> dict[str, int]:
    """Return the column numbers of the fields that the file has."""
    _check_fields(mapping)
    wanted = {field: mapping.get(field, field) for field in _KINDS}
    available = f"its columns are {', '.join(column for column in header if column)}"
    if missing := [mapping[field] for field in mapping if mapping[field] not in header]:
        raise TicketFileError(f"{name} has no column {' and no '.join(missing)}; {available}.")
    if twice := [column for column in wanted.values() if header.count(column) > 1]:
        raise TicketFileError(f"{name} has more than one column {twice[0]}; {available}.")
    columns = {field: header.index(col) for field, col in wanted.items() if col in header}
    absent = [field for field in _REQUIRED if field not in columns]
    if not any(field in columns for field in _AREA_OR_TEXT):
        absent.append(" or ".join(_AREA_OR_TEXT))
    if absent:
        advice = f"name the column, as in --map {absent[0].partition(' ')[0]}=Column"
        raise TicketFileError(
            f"{name} has no column {' and no '.join(absent)}; {available}; {advice}."
        )
    return columns


def _ticket(
    row: list[str], columns: Mapping[str, int], zone: tzinfo | None, time_format: str | None
) -> dict[str, Any]:
    ticket: dict[str, Any] = {}
    customer: dict[str, Any] = {}
    for field, index in columns.items():
        cell = row[index].strip() if index < len(row) else ""
        if cell:
            outer, _, inner = field.rpartition(".")
            value = _value(cell, _KINDS[field], zone, time_format)
            (customer if outer else ticket)[inner] = value
    if customer:
        customer.setdefault("id", ticket.get("customer"))
        if customer["id"]:
            ticket["customer"] = customer
    return ticket


def _value(cell: str, kind: str, zone: tzinfo | None, time_format: str | None) -> object:
    if kind == "time":
        return read_time(cell, zone, time_format)
    if kind in {"integer", "number"} and _NUMBER.fullmatch(cell):
        return float(cell) if "." in cell else int(cell)
    if kind == "array":
        return [tag for tag in (part.strip() for part in re.split(r"[,;|]", cell)) if tag]
    return cell


def read_time(text: str, zone: tzinfo | None = None, time_format: str | None = None) -> str:
    """Convert a time to RFC 3339 if that is possible without guessing, else leave it unchanged.

    Whether day or month comes first depends on the locale, so ``01/03/2026`` requires a pattern.
    A date without a time gets no hour, because all tickets of a day would then be at midnight.

    Args:
        text: Content of the cell.
        zone: Time zone of times without an offset; None: these times are unchanged.
        time_format: ``strptime`` pattern; None: RFC 3339 and ISO-like times.

    Example:
        >>> from zoneinfo import ZoneInfo
        >>> read_time("2026-03-01 12:30", ZoneInfo("Asia/Tokyo"))
        '2026-03-01T12:30:00+09:00'
        >>> read_time("2026/03/01 12:30:05 UTC")
        '2026-03-01T12:30:05+00:00'
        >>> read_time("01/03/2026 12:30")
        '01/03/2026 12:30'
    """
    if _RFC3339.fullmatch(text):
        return text
    try:
        if time_format is not None:
            time = datetime.strptime(text, time_format)  # noqa: DTZ007  (zone is added below)
        elif ":" in text:
            tidy = re.sub(r"^(\d{4})/(\d\d)/(\d\d)\b", r"\1-\2-\3", text)
            tidy = re.sub(r" (?:UTC|GMT|Z)$", "+00:00", tidy)
            time = datetime.fromisoformat(re.sub(r" (?=[+-]\d\d:?\d\d$)", "", tidy))
        else:
            return text
    except ValueError:
        return text
    if time.tzinfo is None and zone is not None:
        time = time.replace(tzinfo=zone)
    return text if time.tzinfo is None else time.isoformat()


def csv_lines(tickets: Iterable[Mapping[str, object]]) -> Iterator[bytes]:
    """Yield ticket events as CSV lines, with a column for each field of the first event.

    Example:
        >>> list(csv_lines([{"ticket_id": "1", "customer": {"id": "a, b"}}]))
        [b'ticket_id,customer.id', b'1,"a, b"']
    """
    names: list[str] | None = None
    row = io.StringIO()
    writer = csv.writer(row, lineterminator="")
    for ticket in tickets:
        flat = {
            f"{name}.{inner}" if inner else name: cell
            for name, value in ticket.items()
            for inner, cell in (value.items() if isinstance(value, Mapping) else [("", value)])
        }
        if names is None:
            names = list(flat)
            writer.writerow(names)
            yield row.getvalue().encode()
        row.seek(0)
        row.truncate()
        writer.writerow([flat.get(name, "") for name in names])
        yield row.getvalue().encode()
