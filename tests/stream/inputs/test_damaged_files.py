"""Test that no damaged or hostile file ends in a traceback, and that each record is counted."""

import gzip
import io
import json
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path
from typing import Any

import pytest

from stream.inputs.exports.records.delimited import Record
from stream.inputs.exports.records.documents import objects
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


def objects_of(text: str) -> tuple[list[Any], list[Refusal]]:
    """Return the ids of the records in a JSON file, and what was refused."""
    chunks = [text[at : at + 100] for at in range(0, len(text), 100)]
    found = list(objects(iter(chunks), "t.json"))
    ids = [each.value.get("id") for each in found if isinstance(each, Record)]  # type: ignore[attr-defined]
    return ids, [each for each in found if isinstance(each, Refusal)]


COMMENTS = '"comments": [{"id": 90}, {"id": 91},{"id": 92}]'
DAMAGES = {
    "a value without quotes": f'{{"id": 2, "x": oops, {COMMENTS}}}',
    "a value without quotes at the end": f'{{"id": 2, {COMMENTS}, "x": oops}}',
    "a missing comma": f'{{"id": 2 {COMMENTS}}}',
    "a missing bracket": f'{{"id": 2, {COMMENTS[:-1]}, "x": 1}}',
    "a stray bracket": f'{{"id": 2, {COMMENTS}], "x": 1}}',
    "a missing quote": f'{{"id": 2, "x": "one, {COMMENTS}}}',
    "a stray quote": f'{{"id": 2, "x": "o"ne", {COMMENTS}}}',
    "a cut line": f'{{"id": 2, {COMMENTS[:30]}',
    "a cut list": f'{{"id": 2, {COMMENTS[:24]}',
    "a cut text": '{"id": 2, "x": "on',
    "text before it": f'WARN {{"id": 2, {COMMENTS}}}',
    "no JSON": "Traceback (most recent call last):",
}


LAYOUTS = ("lines", "array", "commas first", "in an answer", "windows")
DAMAGED_LINES = [
    (damage, layout, place)
    for damage, line in DAMAGES.items()
    for layout in LAYOUTS
    for place in (0, 1, 3)
    # An answer whose list begins with something else than an object is no list of records.
    if line.startswith("{") or (layout, place) != ("in an answer", 0)
]


@pytest.mark.parametrize(("damage", "layout", "place"), DAMAGED_LINES)
def test_a_damaged_line_of_json_costs_only_itself(damage: str, layout: str, place: int) -> None:
    """Neither does it swallow the next line, nor does an object within it become a record."""
    lines = [f'{{"id": {n}, {COMMENTS}}}' for n in (11, 12, 13)]
    lines.insert(place, DAMAGES[damage])
    text = {
        "lines": "\n".join(lines) + "\n",
        "windows": "\r\n".join(lines) + "\r\n",
        "array": "[" + ",\n".join(lines) + "]\n",
        "commas first": "[\n " + "\n,".join(lines) + "\n]\n",
        "in an answer": '{"tickets": [\n  ' + ",\n  ".join(lines) + "\n]}\n",
    }[layout]
    ids, refused = objects_of(text)
    assert ids == [11, 12, 13]
    assert refused
    assert {each.reason for each in refused} == {"undecodable"}
    assert refused[0].line == place + 1 + (layout in ("commas first", "in an answer"))


@pytest.mark.parametrize("place", [0, 1, 3])
@pytest.mark.parametrize("layout", ["one line", "pretty", "pretty in a row", "in a row"])
@pytest.mark.parametrize("damage", ["a value without quotes", "a missing comma", "a missing quote"])
def test_a_damaged_object_costs_only_itself(damage: str, layout: str, place: int) -> None:
    """Also in JSON that does not have a line for each record."""
    comments = [{"id": 90}, {"id": 91}]
    if damage == "a missing quote" and layout != "pretty":
        comments = comments[:1]  # nothing tells two objects within from two records
    good = [{"id": n, "x": "one", "comments": comments} for n in (11, 12, 2, 13)]
    indent = 2 if layout.startswith("pretty") else None
    parts = [json.dumps(each, indent=indent) for each in good]
    parts.insert(place, parts.pop(2))
    old, new = {
        "a value without quotes": ('"one"', "one"),
        "a missing comma": ('"one",', '"one"'),
        "a missing quote": ('"one"', '"one'),
    }[damage]
    parts[place] = parts[place].replace(old, new)
    text = "".join(parts) if layout.endswith("row") else f"[{', '.join(parts)}]\n"
    if layout == "pretty":
        text = "[\n" + textwrap.indent(",\n".join(parts), "  ") + "\n]\n"
    ids, refused = objects_of(text)
    assert ids == [11, 12, 13]
    assert [each.reason for each in refused] == ["undecodable"]


@pytest.mark.parametrize("layout", ["lines", "array", "one line", "pretty"])
@pytest.mark.parametrize("length", [999_000, 1_100_000, 3_000_000])
def test_a_long_record_of_json_is_oversized_not_damaged(length: int, layout: str) -> None:
    """The refusal says why, and neither it nor an object within it harms the others."""
    comments = [{"id": 90, "x": 'a \\ " }, {'}, {"id": 91}]
    long = [*comments, {"id": 92, "x": "y" * (length - 400)}, *comments]
    records = [{"id": 11, "comments": comments}, {"id": 12, "comments": long}]
    parts = [json.dumps(each, indent=2 if layout == "pretty" else None) for each in records]
    parts.append(json.dumps({"id": 13}))
    text = {
        "lines": "\n".join(parts) + "\n",
        "array": "[" + ",\n".join(parts) + "]",
        "one line": "[" + ", ".join(parts) + "]",
        "pretty": "[\n" + ",\n".join(parts) + "\n]\n",
    }[layout]
    chunks = (text[at : at + 65_536] for at in range(0, len(text), 65_536))
    found = list(objects(chunks, "t.json"))
    ids = [each.value["id"] for each in found if isinstance(each, Record)]  # type: ignore[index]
    if length < 1_000_000:
        assert ids == [11, 12, 13]
        return
    assert ids == [11, 13]
    (refused,) = (each for each in found if isinstance(each, Refusal))
    assert (refused.reason, refused.detail) == ("oversized", "longer than 1,000,000 characters")
    assert refused.advice == "shorten the texts of this record"
    assert len(refused.raw) <= 1_000_001


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
def test_any_line_ends_are_read(end: str) -> None:
    """Line ends of old Macs, of Windows and of Unix."""
    text = (HEADER + f"1,{AT},a\n2,{AT},b\n").replace("\n", end)
    assert [line for line, _ in read_tickets(io.BytesIO(text.encode()))] == [2, 3]
