"""Test `spikewatch import` with several files: what tells their tickets apart, and repeats."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from detectors.forensics.redecide import LoggedSignal
from schemas.signals import Ticket
from stream.cli import app
from stream.cli.look.decision_log import signals_of_files
from stream.cli.ticket_files import TicketFormat
from stream.config.loading import load


def imported(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    """Return the ticket events that the command writes."""
    out = folder / "out.jsonl"
    done = CliRunner().invoke(app, ["import", *arguments, "--out", str(out)])
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in out.read_bytes().splitlines()]


def without_ids(path: Path, *days: int) -> str:
    """Write a table of tickets that have no ids, and return its name."""
    rows = "".join(f"2026-03-{day:02d}T09:00:00Z,login\n" for day in days)
    path.write_text("created_at,product_area\n" + rows)
    return str(path)


def test_tickets_of_files_without_ids_are_different_tickets(tmp_path: Path) -> None:
    """The line numbers of each file get a prefix, so no row is a change of another file's row."""
    files = [without_ids(tmp_path / "a.csv", 1, 2), without_ids(tmp_path / "b.csv", 3, 4)]
    events = imported(tmp_path, *files)
    assert [event["ticket_id"] for event in events] == ["1:2", "1:3", "2:2", "2:3"]
    assert all("event_type" not in event for event in events)
    assert imported(tmp_path, *files) == events
    assert [event["ticket_id"] for event in imported(tmp_path, files[0])] == ["2", "3"]


def test_ids_of_one_file_are_not_those_made_up_for_another(tmp_path: Path) -> None:
    """An id that is only a number may be the number of a line in the other file."""
    (tmp_path / "ids.csv").write_text(
        "ticket_id,created_at,product_area\n2,2026-03-05T09:00:00Z,login\n"
    )
    for files in (("none.csv", "ids.csv"), ("ids.csv", "none.csv")):
        without_ids(tmp_path / "none.csv", 1, 2)
        events = imported(tmp_path, *(str(tmp_path / file) for file in files))
        assert len({event["ticket_id"] for event in events}) == 3
        assert all("event_type" not in event for event in events)


def test_tickets_of_a_history_without_ids_are_not_those_of_the_file(tmp_path: Path) -> None:
    """The step would take the file's first tickets for repeats of the history's last ones."""
    history = without_ids(tmp_path / "history.csv", 1, 2)
    source = without_ids(tmp_path / "file.csv", 3, 4)
    ids: list[str] = []
    with signals_of_files(source, history, None, TicketFormat(), load(None)) as log:
        ids += [ticket.ticket_id for ticket in map(ticket_of, log) if ticket is not None]
    assert len(ids) == 4
    assert len(set(ids)) == 4


def ticket_of(record: LoggedSignal) -> Ticket | None:
    """Return the ticket of a record of the log, if it is one."""
    return record.signal if isinstance(record.signal, Ticket) else None


@pytest.mark.parametrize("kind", ["same name", "dot", "symbolic link", "hard link"])
@pytest.mark.parametrize("command", ["import", "taxonomy"])
def test_the_same_file_given_twice_is_refused(tmp_path: Path, kind: str, command: str) -> None:
    """Its tickets would count twice, whatever its second name is."""
    file = without_ids(tmp_path / "a.csv", 1)
    again = {
        "same name": file,
        "dot": f"{tmp_path}/./a.csv",
        "symbolic link": str(tmp_path / "symbolic.csv"),
        "hard link": str(tmp_path / "hard.csv"),
    }[kind]
    (tmp_path / "symbolic.csv").symlink_to(file)
    os.link(file, tmp_path / "hard.csv")
    arguments = ["import", file, again, "--out", str(tmp_path / "out.jsonl")]
    if command == "taxonomy":
        (tmp_path / "taxonomy.toml").write_text(
            '[[area]]\nname = "login"\nkeywords = ["password"]\n'
        )
        taxonomy = str(tmp_path / "taxonomy.toml")
        arguments = ["taxonomy", "check", taxonomy, "--tickets", file, "--tickets", again]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1, done.output
    assert "give it once" in str(done.exception)
    assert not (tmp_path / "out.jsonl").exists()
