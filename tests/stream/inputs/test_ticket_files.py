"""Ticket files: what is read from what users have, and what is refused in words."""

import csv
import gzip
import io
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from schemas.codec import read_ticket, to_signal
from schemas.ticket import TicketEvent
from stream.cli import app
from stream.inputs.label_files import read_labels
from stream.inputs.ticket_files import (
    MAX_LINE_BYTES,
    TicketFile,
    TicketFileError,
    parse_mapping,
    read_tickets,
)

LINE = b'{"ticket_id":"1"}'
HEADER = "ticket_id,created_at,product_area"


def rows(text: str | bytes, **options: Any) -> list[tuple[int, dict[str, Any]]]:
    """The tickets in a text, CSV unless said otherwise."""
    data = io.BytesIO(text.encode() if isinstance(text, str) else text)
    return [(n, json.loads(t)) for n, t in read_tickets(data, **{"format": "csv"} | options)]


def refused(text: str | bytes, **options: Any) -> str:
    """What is said of a text that cannot be read."""
    with pytest.raises(TicketFileError) as caught:
        rows(text, **options)
    return str(caught.value)


def test_jsonl_is_passed_on_as_it_is(tmp_path: Path) -> None:
    """Lines come byte for byte with their numbers; blank lines, line ends and BOM go."""
    path = tmp_path / "tickets.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + LINE + b"\r\n\n  \nnot json \xff\n" + LINE)
    assert list(read_tickets(path)) == [(1, LINE), (4, b"not json \xff"), (5, LINE)]


def test_empty_jsonl(tmp_path: Path) -> None:
    """An empty JSONL file has no tickets, which is no error."""
    path = tmp_path / "tickets.jsonl"
    path.touch()
    assert list(read_tickets(path)) == []


def test_endless_line_is_cut() -> None:
    """A line over 1 MB comes one byte too long, in constant memory, and the next one whole."""

    class Long(io.RawIOBase):
        """A line of 200 MB, and another."""

        left = 200 * MAX_LINE_BYTES
        then = io.BytesIO(b"\n" + LINE + b"\n")

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            if not (count := min(len(buffer), self.left)):
                return self.then.readinto(buffer)
            buffer[:count] = b"x" * count
            self.left -= count
            return count

    tracemalloc.start()
    lines = read_tickets(io.BufferedReader(Long()))
    assert [(number, len(line)) for number, line in lines] == [
        (1, MAX_LINE_BYTES + 1),
        (2, len(LINE)),
    ]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * MAX_LINE_BYTES


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_line_of_just_1_mb_is_whole(end: bytes) -> None:
    """A line of exactly 1 MB is not cut, whatever ends it."""
    line = b"x" * MAX_LINE_BYTES
    assert next(read_tickets(io.BytesIO(line + end + (LINE if end else b"")))) == (1, line)


def test_standard_input() -> None:
    """A dash is standard input, taken as JSONL, and a line is handed on as soon as it is there."""
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


def test_gzip(tmp_path: Path) -> None:
    """A path that ends in .gz is unpacked, in both formats."""
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(LINE + b"\n"))
    (tmp_path / "a.CSV.gz").write_bytes(gzip.compress(f"{HEADER}\n1,t,login\n".encode()))
    assert list(read_tickets(tmp_path / "a.jsonl.gz")) == [(1, LINE)]
    assert json.loads(next(read_tickets(tmp_path / "a.CSV.gz"))[1])["product_area"] == "login"


@pytest.mark.parametrize("harm", ["cut", "no gzip", "garbled"])
def test_broken_gzip(tmp_path: Path, harm: str) -> None:
    """A damaged gzip file is refused in a sentence."""
    packed = gzip.compress(b"".join(b"%d %r\n" % (n, os.urandom(9)) for n in range(9999)))
    path = tmp_path / "a.jsonl.gz"
    broken = {
        "cut": packed[:-9],
        "no gzip": LINE,
        "garbled": packed[:99] + b"\0" * 99 + packed[198:],
    }
    path.write_bytes(broken[harm])
    with pytest.raises(TicketFileError, match="reading failed"):
        list(read_tickets(path))


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "csv"])
def test_progress(tmp_path: Path, suffix: str) -> None:
    """The position goes from 0 to the size on disk, also of a packed file."""
    lines = (
        HEADER.encode()
        + b"\n"
        + b"".join(b"%d,%s,a\n" % (n, os.urandom(8).hex().encode()) for n in range(50_000))
    )
    path = tmp_path / f"tickets.{suffix}"
    path.write_bytes(gzip.compress(lines) if suffix.endswith("gz") else lines)
    with TicketFile(path) as tickets:
        assert tickets.size == path.stat().st_size
        assert tickets.position == 0
        positions = [tickets.position for _ in tickets]
        assert tickets.position == tickets.size
    assert positions == sorted(positions)
    # Unpacking reads up to 128 kB ahead.
    assert 0.4 < positions[25_000] / path.stat().st_size < 0.9


def test_pipe_has_no_size() -> None:
    """What is no file on disk has no size, but still a position."""
    tickets = TicketFile(io.BytesIO(LINE + b"\n"))
    assert tickets.size is None
    assert len(list(tickets)) == 1
    assert tickets.position == len(LINE) + 1


def test_given_file_stays_open() -> None:
    """A file that was given open is left open."""
    data = io.BytesIO(LINE)
    with TicketFile(data) as tickets:
        list(tickets)
    assert not data.closed


def test_csv_by_our_names() -> None:
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
        (6, {"ticket_id": "2", "created_at": "2026-03-01T12:31:00Z", "product_area": "login"}),
    ]


def test_what_comes_out_is_a_ticket_event() -> None:
    """A row with every field is a valid ticket event."""
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


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_dialects(delimiter: str) -> None:
    """Commas, semicolons and tabs are told apart by the header."""
    header = delimiter.join(['"a, b; c"', *HEADER.split(",")])
    assert rows(f"{header}\n{delimiter.join(['x', '1', 't', 'login'])}\n")[0][1] == {
        "ticket_id": "1",
        "created_at": "t",
        "product_area": "login",
    }


def test_mapping() -> None:
    """Mapped columns win over our names, and one column may serve two fields."""
    mapping = parse_mapping("ticket_id=Id, created_at=Created At,product_area=Group,subject=Group")
    text = "Id,ticket_id,Created At,Group\n7,no,t,login\n"
    assert rows(text, mapping=mapping)[0][1] == {
        "ticket_id": "7",
        "created_at": "t",
        "product_area": "login",
        "subject": "login",
    }


def test_mapping_with_a_comma() -> None:
    """A comma in a column's name is written with a backslash."""
    assert parse_mapping(r"subject=Title\, short,body=a=b") == {
        "subject": "Title, short",
        "body": "a=b",
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", '"" is not a mapping such as created_at=Created At.'),
        ("subject", '"subject" is not a mapping'),
        ("subject=", '"subject=" is not a mapping'),
        ("subject=a,subject=b", "subject is mapped twice"),
        ("create_at=a", "create_at is not a field of a ticket; did you mean created_at?"),
        ("zzz=a", "zzz is not a field of a ticket; the fields are schema_version, ticket_id,"),
    ],
)
def test_refused_mappings(text: str, said: str) -> None:
    """A mapping that cannot be meant is refused with a hint."""
    with pytest.raises(TicketFileError) as caught:
        parse_mapping(text)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("cell", "pattern", "time"),
    [
        ("2026-07-01T12:30:00Z", None, "2026-07-01T12:30:00Z"),
        ("2026-07-01t12:30:00.5-03:00", None, "2026-07-01t12:30:00.5-03:00"),
        ("2026-07-01 12:30", None, "2026-07-01T12:30:00+02:00"),
        ("2026-01-01 12:30:15", None, "2026-01-01T12:30:15+01:00"),
        ("2026/07/01 12:30", None, "2026-07-01T12:30:00+02:00"),
        ("2026-07-01 12:30:00 UTC", None, "2026-07-01T12:30:00+00:00"),
        ("2026-07-01 12:30:00 +0530", None, "2026-07-01T12:30:00+05:30"),
        ("2026-10-25 02:30", None, "2026-10-25T02:30:00+02:00"),
        ("2026-07-01", None, "2026-07-01"),
        ("01/07/2026 12:30", None, "01/07/2026 12:30"),
        ("01/07/2026 12:30", "%d/%m/%Y %H:%M", "2026-07-01T12:30:00+02:00"),
        ("01/07/2026 12:30 +0000", "%d/%m/%Y %H:%M %z", "2026-07-01T12:30:00+00:00"),
        ("yesterday", "%d/%m/%Y %H:%M", "yesterday"),
    ],
)
def test_times(cell: str, pattern: str | None, time: str) -> None:
    """Times become RFC 3339 where nothing is guessed; what would be a guess is left as it is."""
    text = f"{HEADER}\n1,{cell},login\n"
    ((_, ticket),) = rows(text, assume_timezone="Europe/Berlin", time_format=pattern)
    assert ticket["created_at"] == time


def test_no_zone_no_guess() -> None:
    """Without a zone a time without offset stays as it is, to be rejected by the intake."""
    assert rows(f"{HEADER}\n1,2026-07-01 12:30,a\n")[0][1]["created_at"] == "2026-07-01 12:30"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"assume_timezone": "Berlin"}, '"Berlin" is not an IANA time zone such as Europe/Berlin.'),
        ({"assume_timezone": "../x"}, '"../x" is not an IANA time zone such as Europe/Berlin.'),
        ({"time_format": "%d/%Q"}, '"%d/%Q" is not a time pattern such as %d/%m/%Y %H:%M.'),
        (
            {"mapping": {"subject": "Title"}},
            "standard input has no column Title; its columns are ticket_id, created_at, "
            "product_area.",
        ),
        ({"mapping": {"subjct": "x"}}, "subjct is not a field of a ticket; did you mean subject?"),
        (
            {"format": "jsonl", "mapping": {"subject": "x"}},
            "standard input: columns and times can only be mapped in CSV; JSONL is read unchanged.",
        ),
    ],
)
def test_refused_options(options: Mapping[str, Any], said: str) -> None:
    """An option that cannot be followed is refused, and missing columns name those there are."""
    assert refused(f"{HEADER}\n", **options) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty: its first line must name the columns."),
        (b"\xef\xbb\xbf\n", "is empty: its first line must name the columns."),
        ("Id,When\n", "has no column ticket_id and no created_at and no product_area or subject"),
        ("ticket_id,created_at,x\n", "its columns are ticket_id, created_at, x; name the column"),
        (f"{HEADER},ticket_id\n", "has more than one column ticket_id"),
        (
            f"{HEADER}\n1,t,caf".encode() + b"\xe9\n",
            "line 2: byte 8 is not UTF-8; save the file as",
        ),
        (HEADER.encode("utf-16"), "is UTF-16: save it as UTF-8."),
        (f'{HEADER}\n1,t,"a\n2,t,b\n', "line 2: not valid CSV (unexpected end of data)."),
        (f"{HEADER}\n1,t,{'x' * 1_000_001}\n", "line 2 is longer than 1,000,000 bytes"),
        (
            f'{HEADER}\n1,t,"{"x" * 999_000}\n{"x" * 9_000}"\n',
            "line 2: not valid CSV (field larger",
        ),
    ],
)
def test_refused_files(text: str | bytes, said: str) -> None:
    """A file that is no CSV of tickets is refused in a sentence that says what to do."""
    assert said in refused(text)


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there, or is a folder, is a sentence."""
    with pytest.raises(TicketFileError, match="cannot be opened: No such file"):
        next(read_tickets(tmp_path / "none.jsonl"))
    with pytest.raises(TicketFileError, match="cannot be opened: Is a directory"):
        next(read_tickets(str(tmp_path)))


def test_numbers_that_are_none() -> None:
    """What only looks like a number stays text, however long, and the JSON stays valid."""
    text = f"{HEADER},csat,nps\n1,t,a,{'9' * 5000},1e999\n2,t,a,-3,007\n"
    first, second = (ticket for _, ticket in rows(text))
    assert first["csat"] == "9" * 5000
    assert first["nps"] == "1e999"
    assert (second["csat"], second["nps"]) == (-3, "007")


def test_big_cell_is_for_the_intake_to_judge() -> None:
    """A text of 500 kB comes through whole."""
    assert len(rows(f"{HEADER},body\n1,t,a,{'x' * 500_000}\n")[0][1]["body"]) == 500_000


def test_csv_in_constant_memory(tmp_path: Path) -> None:
    """Reading a long file takes no more memory than a short one."""
    path = tmp_path / "long.csv"
    row = f"1,2026-07-01 12:30,login,{'x' * 5000}\n"
    path.write_text(f"{HEADER},body\n" + row * 4000)
    tracemalloc.start()
    assert sum(1 for _ in read_tickets(path)) == 4000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000 < path.stat().st_size


@given(
    cells=st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0")).map(str.strip), min_size=1
    ),
    delimiter=st.sampled_from(",;\t"),
)
def test_any_text_comes_through(cells: list[str], delimiter: str) -> None:
    """Whatever a CSV writer writes comes through: quotes, line breaks, delimiters."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(["ticket_id", "created_at", "subject"])
    writer.writerows([str(number), "t", cell] for number, cell in enumerate(cells))
    assert [ticket.get("subject", "") for _, ticket in rows(out.getvalue())] == cells


@pytest.mark.slow
def test_a_made_up_company_as_csv_is_the_same_company(tmp_path: Path) -> None:
    """Simulate writes by the file's name; both are read as the same signals, labels as labels."""
    options = ["simulate", "--weeks", "0.3", "--incident", "login,1,2,6"]
    found = []
    for name in ("a.jsonl", "a.csv"):
        path, labels = tmp_path / name, tmp_path / "labels.csv"
        done = CliRunner().invoke(app, [*options, "--out", str(path), "--labels", str(labels)])
        assert done.exit_code == 0, done.output
        found.append([to_signal(read_ticket(line)) for _, line in read_tickets(path)])
    assert found[0] == found[1]
    assert len(found[0]) > 500
    assert [(one.area, one.end - one.start) for one in read_labels(labels)] == [("login", 7200.0)]
