"""Test that no damaged or hostile file ends in a traceback, and that each record is counted."""

import gzip
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from stream.inputs.ticket_files import (
    ReadOptions,
    Refusal,
    TicketFile,
    TicketFileError,
    read_tickets,
)
from tests.support.helpdesk_exports import EXPORTS, ZONE, simulated
from tests.support.mutations import mutated

HEADER = "ticket_id,created_at,product_area\n"
SEEDS = 30
ROWS = 150
AT = "2026-03-01T12:30:00Z"


@pytest.mark.parametrize("helpdesk", EXPORTS)
def test_each_record_of_a_mutated_export_is_counted_or_refused(helpdesk: str) -> None:
    """Whatever happens to an export, it is read or refused in a sentence, and the counts agree."""
    original = EXPORTS[helpdesk][1](simulated(days=1.2)[:ROWS])
    read = 0
    for seed in range(SEEDS):
        refused: list[Refusal] = []
        file = TicketFile(
            io.BytesIO(mutated(original, seed)), ReadOptions(timezone=ZONE), refused.append
        )
        try:
            tickets = list(file)
        except TicketFileError:
            continue
        read += 1
        assert file.reading.dead == len(refused)
        assert file.reading.rows == len(tickets) + len(refused)
        assert all(isinstance(json.loads(event), dict) for _, event in tickets if refused)
        for each in refused:
            assert each.line >= 1
            assert each.detail
            assert each.advice
            json.dumps(each.as_json("t"))
    assert read > (SEEDS // 3 if helpdesk != "hubspot" else 0)


def bomb(kind: str, path: Path) -> None:
    """Write a small file that unpacks to 400 MB, twice of what the refusal may take."""
    block = b"a,b\n" * 250_000
    if kind == "gzip":
        with gzip.open(path, "wb", compresslevel=9) as file:
            file.write(HEADER.encode())
            for _ in range(400):
                file.write(block)
        return
    name = "xl/worksheets/sheet1.xml" if kind == "xlsx" else "a.csv"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        if kind == "xlsx":
            archive.writestr("[Content_Types].xml", "<Types/>")
            archive.writestr("xl/workbook.xml", "<workbook/>")
        with archive.open(name, "w", force_zip64=True) as member:
            member.write(HEADER.encode())
            for _ in range(400):
                member.write(block)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gzip", "zip", "xlsx"])
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, kind: str) -> None:
    """The refusal needs less than 200 MB beyond what the program itself takes."""
    path = tmp_path / f"bomb.{kind}"
    bomb(kind, path)
    assert path.stat().st_size < 3_000_000
    code = (
        "import resource, sys\n"
        "from stream.inputs.ticket_files import TicketFileError, read_tickets\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: print(len(list(read_tickets(sys.argv[1]))))\n"
        "except TicketFileError as error: print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    said, kilobytes = done.stdout.splitlines()
    assert "unpacks to more than 200 times its size" in said
    assert int(kilobytes) < 200_000


def test_a_million_columns_are_refused() -> None:
    """A header that no table has is refused."""
    with pytest.raises(TicketFileError, match="first line is longer than 1,000,000 characters"):
        list(read_tickets(io.BytesIO(b"a," * 1_000_000 + b"\n1,2\n")))


def test_a_damaged_row_costs_only_itself() -> None:
    """A stray quote, a lone CR, an escaped quote and wrong bytes leave the other rows alone."""
    text = (
        HEADER.encode()
        + f"1,{AT},login\n".encode()
        + f'2,{AT},"stray" quote\n'.encode()
        + f"3,{AT},lone\rreturn\n".encode()
        + f'4,{AT},"escaped \\"quote\\""\n'.encode()
        + f'5,{AT},"never closed\n'.encode()
        + f"6,{AT},caf".encode()
        + b"\xe9\n"
        + f"7,{AT},größe\n".encode()
        + f"8,{AT},größe\n".encode()
    )
    refused: list[Refusal] = []
    tickets = [
        json.loads(event) for _, event in read_tickets(io.BytesIO(text), None, refused.append)
    ]
    assert {each["ticket_id"]: each["product_area"] for each in tickets} == {
        "1": "login",
        "3": "lone return",
        "4": 'escaped "quote"',
        "7": "größe",
        "8": "größe",
    }
    assert [(each.line, each.reason) for each in refused] == [
        (3, "undecodable"),
        (6, "undecodable"),
        (7, "undecodable"),
    ]
    assert refused[2].advice == "name the encoding of the file with --encoding"


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
def test_any_line_ends_are_read(end: str) -> None:
    """Line ends of old Macs, of Windows and of Unix."""
    text = (HEADER + f"1,{AT},a\n2,{AT},b\n").replace("\n", end)
    assert [line for line, _ in read_tickets(io.BytesIO(text.encode()))] == [2, 3]
