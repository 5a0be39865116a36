"""Test ticket files: which files are read, and with which messages others are refused."""

import contextlib
import csv
import gzip
import io
import json
import os
import subprocess
import sys
import tempfile
import tracemalloc
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook
from typer.testing import CliRunner

from schemas.codec import read_ticket, to_signal
from schemas.ticket import TicketEvent
from stream.cli import app
from stream.inputs.exports.mapping import parse_mapping
from stream.inputs.label_files import read_labels
from stream.inputs.lines import MAX_LINE_BYTES, numbered
from stream.inputs.ticket_files import (
    ReadOptions,
    Refusal,
    TicketFile,
    TicketFileError,
    read_tickets,
)

LINE = b'{"ticket_id":"1","created_at":"2026-03-02T09:00:00Z","product_area":"login"}'
HEADER = "ticket_id,created_at,product_area"


def rows(text: str | bytes, **options: Any) -> list[tuple[int, dict[str, Any]]]:
    """Return the tickets in a text, with the lines on which they begin."""
    data = io.BytesIO(text.encode() if isinstance(text, str) else text)
    return [(n, json.loads(t)) for n, t in read_tickets(data, ReadOptions(**options))]


def refused(text: str | bytes, **options: Any) -> list[Refusal]:
    """Return the records of a text that cannot be read."""
    found: list[Refusal] = []
    data = io.BytesIO(text.encode() if isinstance(text, str) else text)
    list(read_tickets(data, ReadOptions(**options), found.append))
    return found


def error_of(text: str | bytes, **options: Any) -> str:
    """Return the error message for a text that cannot be read."""
    with pytest.raises(TicketFileError) as caught:
        rows(text, **options)
    return str(caught.value)


def test_jsonl_lines_are_passed_on_unchanged(tmp_path: Path) -> None:
    """Lines keep their bytes and numbers; blank lines, line ends and the BOM are removed."""
    path = tmp_path / "tickets.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + LINE + b"\r\n\n  \nnot json \xff\n" + LINE)
    assert list(read_tickets(path)) == [(1, LINE), (4, b"not json \xff"), (5, LINE)]


def test_an_empty_jsonl_file_has_no_tickets(tmp_path: Path) -> None:
    """An empty file is not an error."""
    path = tmp_path / "tickets.jsonl"
    path.touch()
    assert list(read_tickets(path)) == []


class Long(io.RawIOBase):
    """A file with a line of so many bytes and another line."""

    def __init__(self, size: int) -> None:
        self.left, self.then = size, io.BytesIO(b"\n" + LINE + b"\n")

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes."""
        if not (count := min(len(buffer), self.left)):
            return self.then.readinto(buffer)
        buffer[:count] = b"x" * count
        self.left -= count
        return count


def test_a_long_line_is_cut() -> None:
    """A line over 1 MB is cut one byte above the limit, in constant memory."""
    tracemalloc.start()
    lines = numbered(io.BufferedReader(Long(20 * MAX_LINE_BYTES)), "t.jsonl")
    assert [(number, len(line)) for number, line in lines] == [
        (1, MAX_LINE_BYTES + 1),
        (2, len(LINE)),
    ]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * MAX_LINE_BYTES


@pytest.mark.parametrize("start", [b"", b"id,created_at,area\n", b'{"ticket_id":"1', b"["])
def test_a_file_of_one_endless_line_is_refused(start: bytes) -> None:
    """A gigabyte without a line end is refused after its first megabytes, in constant memory."""
    endless = Long(1_000 * MAX_LINE_BYTES)
    tracemalloc.start()
    with pytest.raises(TicketFileError, match="is it a ticket file"):
        list(read_tickets(io.BufferedReader(Prefixed(start, endless))))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * MAX_LINE_BYTES
    assert endless.left > 900 * MAX_LINE_BYTES


class Prefixed(io.RawIOBase):
    """A file that begins with some bytes and goes on with another file."""

    def __init__(self, start: bytes, rest: io.RawIOBase) -> None:
        self.start, self.rest = start, rest

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read the next bytes."""
        if self.start:
            count = min(len(buffer), len(self.start))
            buffer[:count], self.start = self.start[:count], self.start[count:]
            return count
        return self.rest.readinto(buffer)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_a_line_of_exactly_1_mb_is_complete(end: bytes) -> None:
    """A line of exactly 1 MB is not cut, whatever its line end is."""
    line = b"x" * MAX_LINE_BYTES
    file = io.BytesIO(line + end + (LINE if end else b""))
    assert next(numbered(file, "t.jsonl")) == (1, line)


def test_a_dash_reads_standard_input_as_jsonl() -> None:
    """Each line is passed on as soon as it arrives."""
    code = (
        "from stream.inputs.ticket_files import read_tickets\n"
        "for number, line in read_tickets('-'): print(number, line.decode(), flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(LINE + b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"1 " + LINE + os.linesep.encode()
        process.stdin.close()


def test_gzipped_files_are_unpacked(tmp_path: Path) -> None:
    """A path that ends in .gz is unpacked in both formats."""
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(LINE + b"\n"))
    (tmp_path / "a.CSV.gz").write_bytes(
        gzip.compress(f"{HEADER}\n1,2026-03-01 12:30,login\n".encode())
    )
    assert list(read_tickets(tmp_path / "a.jsonl.gz")) == [(1, LINE)]
    options = ReadOptions(timezone="UTC")
    ((_, ticket),) = read_tickets(tmp_path / "a.CSV.gz", options)
    assert json.loads(ticket)["product_area"] == "login"


@pytest.mark.parametrize("harm", ["cut", "garbled"])
def test_a_damaged_gzip_file_is_refused(tmp_path: Path, harm: str) -> None:
    """The error message is one sentence."""
    lines = (LINE + b"%d%r\n" % (n, os.urandom(9)) for n in range(9999))
    packed = gzip.compress(b"".join(lines))
    path = tmp_path / "a.jsonl.gz"
    broken = {
        "cut": packed[:-9],
        "garbled": packed[:99] + b"\0" * 99 + packed[198:],
    }
    path.write_bytes(broken[harm])
    with pytest.raises(TicketFileError, match="reading failed"):
        list(read_tickets(path))


def table_of(suffix: str, count: int = 9_000) -> bytes:
    """Return a file of so many tickets."""
    at = datetime(2026, 3, 1, tzinfo=UTC)
    table = [[str(n), (at + timedelta(minutes=n)).isoformat(), f"{n * n:x}"] for n in range(count)]
    out = io.BytesIO()
    if suffix == "xlsx":
        book = Workbook(write_only=True)
        sheet = book.create_sheet()
        for row in [HEADER.split(","), *table]:
            sheet.append(row)
        book.save(out)
        return out.getvalue()
    lines = [HEADER, *map(",".join, table)]
    if suffix.startswith("jsonl"):
        lines = [json.dumps(dict(zip(HEADER.split(","), row, strict=True))) for row in table]
    text = "\n".join(lines).encode()
    if suffix == "zip":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("tickets.csv", text)
            archive.writestr("__MACOSX/tickets.csv", os.urandom(9_000))
        return out.getvalue()
    return gzip.compress(text) if suffix.endswith("gz") else text


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "csv", "zip", "xlsx"])
def test_progress_runs_from_0_to_the_size_on_disk(tmp_path: Path, suffix: str) -> None:
    """The position counts bytes on disk, also of an archive, and while tickets are sorted."""
    path = tmp_path / f"tickets.{suffix}"
    path.write_bytes(table_of(suffix))
    seen: list[int] = []
    with TicketFile(path) as tickets:
        tickets.watch = seen.append
        assert tickets.size == path.stat().st_size
        assert tickets.position == 0
        assert next(iter(tickets))
        assert tickets.position == tickets.size
    assert seen == sorted(seen)
    assert 0 < seen[0] < tickets.size
    assert len(set(seen)) > 1


def open_files() -> list[str]:
    """Return the files that this process has open."""
    names = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            names.append(str(link.readlink()))
    return sorted(name for name in names if name.startswith("/"))


@pytest.mark.parametrize("suffix", ["jsonl", "csv.gz", "zip", "xlsx", "xlsx.gz"])
def test_closing_leaves_no_file_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """Temporary copies, archives and workbooks are closed, however far the file was read."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    data = table_of(suffix.removesuffix(".gz"), 1_000)
    path = tmp_path / "tickets"
    path.write_bytes(gzip.compress(data) if suffix.endswith(".gz") else data)
    before = open_files()
    tickets = TicketFile(path)
    iterator = iter(tickets)
    assert next(iterator)
    tickets.close()
    assert open_files() == before
    assert list(temporary.iterdir()) == []
    assert list(iterator) == []


@pytest.mark.parametrize("suffix", ["zip", "xlsx"])
def test_an_archive_is_closed_with_its_file(tmp_path: Path, suffix: str) -> None:
    """Not only when the garbage collector finds it."""
    path = tmp_path / "tickets"
    path.write_bytes(table_of(suffix, 1_000))
    opened = zipfile.ZipFile.__init__
    kept: list[zipfile.ZipFile] = []

    def init(archive: zipfile.ZipFile, *arguments: Any, **options: Any) -> None:
        opened(archive, *arguments, **options)
        kept.append(archive)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "__init__", init)
        with TicketFile(path) as tickets:
            assert next(iter(tickets))
    assert kept
    assert all(archive.fp is None for archive in kept)


def test_a_pipe_has_a_position_but_no_size() -> None:
    """Only a file on disk has a size."""
    tickets = TicketFile(io.BytesIO(LINE + b"\n"))
    assert tickets.size is None
    assert len(list(tickets)) == 1
    assert tickets.position == len(LINE) + 1


def test_an_open_file_stays_open() -> None:
    """A file that the caller opened is not closed."""
    data = io.BytesIO(LINE)
    with TicketFile(data) as tickets:
        list(tickets)
    assert not data.closed


def test_csv_columns_with_our_names_are_found() -> None:
    """Columns named like our fields are found; empty cells and blank rows are left out."""
    text = (
        "ticket_id,created_at,product_area,subject,customer.id,customer.tier,customer.arr,tags,theirs\n"
        '1,2026-03-01T12:30:00Z,login,"a, ""b""\nc",acme,gold,12.5,"vip; eu,",x\n'
        "\n,,,,,,,,\n"
        "2,2026-03-01T12:31:00Z,login,,,gold,,,\n"
    )
    assert rows("\ufeff" + text) == [
        (
            2,
            {
                "ticket_id": "1",
                "created_at": "2026-03-01T12:30:00Z",
                "product_area": "login",
                "subject": 'a, "b"\nc',
                "tags": ["vip", "eu"],
                "customer": {"id": "acme", "tier": "gold", "arr": 12.5},
            },
        ),
        (
            6,
            {
                "ticket_id": "2",
                "created_at": "2026-03-01T12:31:00Z",
                "product_area": "login",
                "customer": {"tier": "gold"},
            },
        ),
    ]


def test_a_row_with_every_field_is_a_valid_ticket_event() -> None:
    """Every field of a ticket event can be read from a CSV file."""
    cells = {
        name: "2026-03-01T12:30:00+01:00" if name.endswith("_at") else "1"
        for name in TicketEvent.model_fields
    } | {"customer.arr": "1200", "customer.renewal_at": "2026-03-01T12:30:00+01:00"}
    out = io.StringIO()
    csv.writer(out).writerows([list(cells), list(cells.values())])
    ((_, ticket),) = rows(out.getvalue())
    event = TicketEvent.model_validate_json(json.dumps(ticket))
    assert event.customer_id == "1"
    assert event.csat == 1
    assert set(ticket) == set(TicketEvent.model_fields)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_detected_from_the_header(delimiter: str) -> None:
    """Commas, semicolons, tabs and vertical bars are recognized."""
    header = delimiter.join(['"a, b; c"', *HEADER.split(",")])
    row = delimiter.join(["x", "1", "2026-03-01T12:30:00Z", "login"])
    assert rows(f"{header}\n{row}\n")[0][1] == {
        "ticket_id": "1",
        "created_at": "2026-03-01T12:30:00Z",
        "product_area": "login",
    }


def test_mapped_columns_take_precedence() -> None:
    """A mapped column wins over a column with our name, and one column may fill two fields."""
    mapping = parse_mapping("ticket_id=Id, created_at=Created At,product_area=Group,subject=Group")
    text = "Id,ticket_id,Created At,Group\n7,no,2026-03-01T12:30:00Z,login\n"
    assert rows(text, mapping=mapping)[0][1] == {
        "ticket_id": "7",
        "created_at": "2026-03-01T12:30:00Z",
        "product_area": "login",
        "subject": "login",
    }


def test_a_comma_in_a_mapped_column_is_escaped() -> None:
    """A comma in the name of a column is written with a backslash."""
    assert parse_mapping(r"subject=Title\, short,body=a=b") == {
        "subject": "Title, short",
        "body": "a=b",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", '"" is not a mapping such as created_at=Created At.'),
        ("subject", '"subject" is not a mapping'),
        ("subject=", '"subject=" is not a mapping'),
        ("subject=a,subject=b", "subject is mapped twice"),
        ("create_at=a", "create_at is not a field of a ticket; did you mean created_at?"),
        ("zzz=a", "zzz is not a field of a ticket; the fields are schema_version, ticket_id,"),
    ],
)
def test_an_invalid_mapping_is_refused_with_a_hint(text: str, message: str) -> None:
    """The error names the invalid part, and suggests a field with a similar name."""
    with pytest.raises(TicketFileError) as caught:
        parse_mapping(text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timezone": "Berlin"}, '"Berlin" is not an IANA time zone such as "Europe/Berlin"'),
        ({"timezone": "Berlim"}, "did you mean Europe/Berlin"),
        ({"time_format": "%d/%Q"}, '"%d/%Q" is not a time pattern such as %d/%m/%Y %H:%M.'),
        ({"time_format": "dd/MM/yyyy HH:mm"}, "do you mean %d/%m/%Y %H:%M?"),
        (
            {"mapping": {"subject": "Title"}},
            "standard input has no column Title; its columns are ticket_id, created_at, "
            "product_area.",
        ),
        (
            {"mapping": {"created_at": "create_at"}},
            "product_area; did you mean created_at?",
        ),
        ({"mapping": {"subjct": "x"}}, "subjct is not a field of a ticket; did you mean subject?"),
        ({"preset": "remedy"}, '"remedy" is not a preset; the presets are freshdesk, github,'),
        ({"encoding": "utf-9"}, '"utf-9" is not an encoding such as utf-8, cp1252 or shift_jis.'),
    ],
)
def test_an_invalid_option_is_refused(options: Mapping[str, Any], message: str) -> None:
    """The error says what is possible, and suggests a similar name."""
    assert message in error_of(f"{HEADER}\n1,2026-03-01T12:30:00Z,login\n", **options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty: its first line must name the columns."),
        (b"\xef\xbb\xbf\n", "is empty: its first line must name the columns."),
        ("Id,When\n", "has no column created_at; its columns are Id, When; name the column"),
        ("ticket_id,created_at,x\n", "has no column product_area or subject or body"),
        ("7,2026-03-01 12:30,login\n", "or by its number, as in --map ticket_id=#1,"),
        (f"{HEADER}\n1,2026-03-01,{'x' * 34_000_000}\n", "has a line of more than 32,000,000"),
        ('{"id": 1}', "has no created_at in its objects; the first has id; name its path"),
    ],
)
def test_a_file_that_holds_no_tickets_is_refused(text: str | bytes, message: str) -> None:
    """The error message says what to do."""
    assert message in error_of(text)


def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path) -> None:
    """The error message is one sentence."""
    with pytest.raises(TicketFileError, match="cannot be opened: No such file"):
        next(read_tickets(tmp_path / "none.jsonl"))
    with pytest.raises(TicketFileError, match="cannot be opened: Is a directory"):
        next(read_tickets(str(tmp_path)))


def test_invalid_numbers_are_left_out_and_counted() -> None:
    """An optional value that cannot be read does not cost the ticket."""
    at = "2026-03-01T12:30:00Z"
    text = f"{HEADER},csat,nps\n1,{at},a,{'9' * 5000},1e999\n2,{at},a,-3,007\n"
    file = TicketFile(io.BytesIO(text.encode()))
    first, second = (json.loads(ticket) for _, ticket in file)
    assert "csat" not in first
    assert "nps" not in first
    assert (second["csat"], second["nps"]) == (-3, 7)
    assert file.reading.left_out == {"csat": 1, "nps": 1}


def test_a_large_cell_is_passed_on_completely() -> None:
    """The intake decides about a text of 500 kB."""
    text = f"{HEADER},body\n1,2026-03-01T12:30:00Z,a,{'x' * 500_000}\n"
    assert len(rows(text)[0][1]["body"]) == 500_000


@pytest.mark.slow
def test_csv_is_read_in_constant_memory(tmp_path: Path) -> None:
    """A long file takes no more memory than a short one."""
    path = tmp_path / "long.csv"
    row = f"1,2026-07-01 12:30,login,{'x' * 5000}\n"
    path.write_text(f"{HEADER},body\n" + row * 12_000)
    tracemalloc.start()
    assert sum(1 for _ in read_tickets(path, ReadOptions(timezone="UTC"))) == 12_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 25_000_000 < path.stat().st_size / 2


@given(
    cells=st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0")).map(str.strip), min_size=1
    ),
    delimiter=st.sampled_from(",;\t"),
)
def test_any_csv_text_is_read_correctly(cells: list[str], delimiter: str) -> None:
    """Quotes, line breaks and delimiters within cells are preserved."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(["ticket_id", "created_at", "subject"])
    at = "2026-03-01T12:30:00Z"
    writer.writerows([str(number), at, cell] for number, cell in enumerate(cells))
    assert [ticket.get("subject", "") for _, ticket in rows(out.getvalue())] == cells


@pytest.mark.slow
def test_a_simulated_company_is_the_same_as_csv_and_as_jsonl(tmp_path: Path) -> None:
    """Both files are read as the same signals, and their labels as the same labels."""
    options = ["simulate", "--weeks", "0.3", "--incident", "login,1,2,6"]
    signals_by_file = []
    for name in ("a.jsonl", "a.csv"):
        path, labels = tmp_path / name, tmp_path / "labels.csv"
        done = CliRunner().invoke(app, [*options, "--out", str(path), "--labels", str(labels)])
        assert done.exit_code == 0, done.output
        signals_by_file.append([to_signal(read_ticket(line)) for _, line in read_tickets(path)])
    assert signals_by_file[0] == signals_by_file[1]
    assert len(signals_by_file[0]) > 500
    assert [(label.area, label.end - label.start) for label in read_labels(labels)] == [
        ("login", 7200.0)
    ]
