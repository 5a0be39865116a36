"""Standard output that is full, closed, or not UTF-8: a sentence and an exit code, no traceback."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from stream.cli.command_table import COMMANDS
from stream.cli.look.status import print_text
from stream.worker.status import AreaStatus, Status

pytestmark = pytest.mark.slow

AREA = "zażółć 📦"
MOST_BYTES = 512
"""Size at which every file of a command is full; the outputs here are longer."""
READERS = [
    ("--help",),
    ("backtest", "--help"),
    ("config", "show"),
    ("topics", "list", "--json"),
    ("simulate", "--weeks", "0.2", "--out", "-"),
]


@pytest.fixture(name="ticket_file")
def _ticket_file(tmp_path: Path) -> Path:
    """A file with one ticket of an area whose name is not ASCII."""
    ticket = {"ticket_id": "1", "created_at": "2026-03-02T09:00:00Z", "product_area": AREA}
    file = tmp_path / "t.jsonl"
    file.write_text(json.dumps(ticket))
    return file


def start(arguments: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start ``spikewatch ARGUMENTS``."""
    return subprocess.Popen(
        [sys.executable, "-m", "stream.cli", *arguments], stderr=subprocess.PIPE, **options
    )


def limit_files() -> None:
    """Let no file of this process grow beyond `MOST_BYTES`, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_BYTES, MOST_BYTES))


@pytest.mark.parametrize("arguments", READERS, ids=" ".join)
def test_a_full_disk_is_reported_in_a_sentence(arguments: tuple[str, ...], tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        process = start(arguments, stdout=out, preexec_fn=limit_files)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    said = errors.decode().splitlines()[-1]
    assert said == "spikewatch: standard output cannot be written: File too large"
    assert b"Traceback" not in errors


def test_a_full_disk_leaves_no_part_of_the_named_file(tmp_path: Path) -> None:
    arguments = ("simulate", "--weeks", "0.2", "--out", "big.jsonl")
    process = start(arguments, cwd=tmp_path, preexec_fn=limit_files)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.decode().splitlines()[-1] == (
        "spikewatch: big.jsonl cannot be written: File too large"
    )
    assert not list(tmp_path.iterdir())


def test_a_full_disk_for_temporary_files_is_reported_in_a_sentence(tmp_path: Path) -> None:
    """Tickets from standard input are kept in a temporary file, because they are read twice."""
    tickets = "".join(
        json.dumps({"ticket_id": str(n), "created_at": "2026-03-02T09:00:00Z", "body": "x" * 99})
        + "\n"
        for n in range(5_000)
    )
    process = start(
        ("backtest", "-"),
        stdin=subprocess.PIPE,
        preexec_fn=limit_files,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    _, errors = process.communicate(tickets.encode(), timeout=60)
    assert process.returncode == 1
    assert "cannot be written: File too large" in errors.decode().splitlines()[-1]
    assert b"Traceback" not in errors


@pytest.mark.parametrize("arguments", READERS, ids=" ".join)
def test_a_reader_that_has_enough_is_no_error(arguments: tuple[str, ...]) -> None:
    """Scripts with `set -o pipefail` can pipe every command that prints into `head`."""
    reading, writing = os.pipe()
    process = start(arguments, stdout=writing)
    os.close(writing)
    os.close(reading)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"Traceback" not in errors
    assert b"Exception ignored" not in errors


@pytest.mark.kafka
def test_a_process_whose_standard_output_is_closed_ends_with_an_error(rig: Any) -> None:
    """With exit code 0, a supervisor would take its end for intended and not start it again."""
    assert {name for name, entry in COMMANDS.items() if entry.runs_until_stopped} == {
        "broker", "worker", "ticker", "notify", "page", "canary"
    }  # fmt: skip
    rig.create_topics()
    reading, writing = os.pipe()
    process = start(("ticker",), stdout=writing, env=rig.environ)
    os.close(writing)
    os.close(reading)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"standard output is closed" in errors.splitlines()[-1]
    assert b"Traceback" not in errors


def test_standard_output_that_was_closed_before_the_start_is_no_traceback(
    ticket_file: Path,
) -> None:
    for command, code in (("config show", 0), (f"replay {ticket_file} --out -", 1)):
        done = subprocess.run(
            ["/bin/sh", "-c", f"{sys.executable} -m stream.cli {command} >&-"],
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_any_text_is_printed_in_any_encoding(ticket_file: Path, encoding: str) -> None:
    """What the terminal cannot show is printed as an escape, and everything after it as well."""
    arguments = ("why-not", AREA, "2026-03-02T09:00:00Z", "--from", str(ticket_file))
    process = start(
        arguments,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "1"},
    )
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    shown = AREA.encode(encoding, "backslashreplace")
    assert shown in output.splitlines()[0]
    assert b"tickets of the area" in output


def test_json_stays_json_in_any_encoding(ticket_file: Path, tmp_path: Path) -> None:
    """An escape for a terminal, such as \\xf3, would be none of JSON's."""
    taxonomy = tmp_path / f"{AREA}.toml"
    taxonomy.write_text('[[area]]\nname = "login"\n')
    process = start(
        ("taxonomy", "check", str(taxonomy), "--tickets", str(ticket_file), "--json"),
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "1"},
    )
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert json.loads(output)["file"] == str(taxonomy)


def test_names_of_areas_are_no_markup_in_the_table_of_the_status(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Areas come from tickets: a bracket must neither end the command nor become a link."""
    names = ["[/x]", "[red]a", "[link=https://evil.example]b[/link]", ":smile:", "\\[x]", "日本"]
    areas = [AreaStatus("[b]m", name, "warm", 1, 0.5, 0.1, 3.0) for name in names]
    print_text(Status(6, areas, {}, {}))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines[2:]] == names
