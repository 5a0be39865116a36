"""Files that commands write: never an input, and in place only when complete."""

import os
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stream.cli import app
from stream.cli.output import keep_files_apart, output_file
from stream.errors import UserError

TICKET = '{"ticket_id": "1", "created_at": "2026-03-02T09:00:00Z", "product_area": "login"}\n'


@pytest.fixture(name="tickets")
def _tickets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with one ticket, in the current directory."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "t.jsonl"
    file.write_text(TICKET)
    return file


def run(*arguments: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay", "t.jsonl", "--out", "t.jsonl"),
        ("replay", "t.jsonl", "--out", "./t.jsonl"),
        ("replay", "t.jsonl", "--out", "link.jsonl"),
        ("replay", "t.jsonl", "--out", "hard.jsonl"),
        ("replay", "t.jsonl", "--out", "o.jsonl", "--dead", "t.jsonl"),
        ("replay", "t.jsonl", "--out", "-", "--plot", "login", "--plot-file", "t.jsonl"),
        ("replay", "t.jsonl", "--out", "-", "--feedback", "f.jsonl", "--dead", "f.jsonl"),
        ("replay", "t.jsonl", "--out", "-", "--config", "c.toml", "--dead", "c.toml"),
        ("backtest", "t.jsonl", "--html", "t.jsonl"),
        ("backtest", "t.jsonl", "--labels", "l.csv", "--html", "l.csv"),
        ("advise", "t.jsonl", "--out", "t.jsonl"),
        ("evaluate", "--against", "f.json", "--record", "f.json"),
    ],
)
def test_no_command_overwrites_what_it_reads(tickets: Path, arguments: tuple[str, ...]) -> None:
    """The command refuses in one sentence and leaves every file as it was."""
    Path("link.jsonl").symlink_to(tickets)
    os.link(tickets, "hard.jsonl")
    for name in ("f.jsonl", "c.toml", "l.csv", "f.json"):
        Path(name).write_text("")
    result = run(*arguments)
    assert result.exit_code == 1, result.output
    assert "would overwrite" in str(result.exception) + result.output
    assert tickets.read_text() == TICKET
    assert all(Path(name).read_text() == "" for name in ("f.jsonl", "c.toml", "l.csv", "f.json"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay", "t.jsonl", "--out", "o.jsonl", "--dead", "o.jsonl"),
        ("replay", "t.jsonl", "--out", "o.svg", "--plot", "login", "--plot-file", "o.svg"),
        ("simulate", "--weeks", "0.1", "--out", "o.csv", "--labels", "./o.csv"),
    ],
)
def test_two_outputs_need_two_files(tickets: Path, arguments: tuple[str, ...]) -> None:
    """The command refuses before it writes anything."""
    del tickets
    result = run(*arguments)
    assert result.exit_code == 1, result.output
    assert "are the same file" in str(result.exception) + result.output
    assert not list(Path.cwd().glob("o.*"))


def test_advise_replaces_a_configuration_only_with_force(tickets: Path) -> None:
    """A file that is in use is not replaced by accident."""
    del tickets
    Path("prod.toml").write_text("# in use\n")
    result = run("advise", "t.jsonl", "--out", "prod.toml")
    assert result.exit_code == 1
    assert "--force" in str(result.exception) + result.output
    assert Path("prod.toml").read_text() == "# in use\n"


def test_standard_streams_may_be_given_twice() -> None:
    """A dash is no file."""
    keep_files_apart(reads={"FILE": "-"}, writes={"--out": "-", "--dead": None})


def test_a_pipe_stays_a_pipe_and_receives_the_output(tmp_path: Path) -> None:
    """What is not a regular file is written to; nothing is put in its place."""
    pipe = tmp_path / "pipe"
    received: list[bytes] = []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    with output_file(pipe) as file:
        file.write(b"one\n")
    reader.join(10.0)
    assert received == [b"one\n"]
    assert pipe.is_fifo()
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_a_process_substitution_receives_the_output() -> None:
    """A shell's ``>(command)`` is an open pipe below /dev/fd."""
    reading, writing = os.pipe()
    with output_file(f"/dev/fd/{writing}") as file:
        file.write(b"one\n")
    os.close(writing)
    with os.fdopen(reading, "rb") as received:
        assert received.read() == b"one\n"


def test_a_link_stays_a_link_and_its_target_is_replaced(tmp_path: Path) -> None:
    """The target keeps its permissions, and the link still leads to it."""
    target, link = tmp_path / "target.jsonl", tmp_path / "link.jsonl"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    with output_file(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o640


def test_a_failed_run_leaves_the_file_of_the_run_before(tmp_path: Path) -> None:
    """The file is replaced at the end or not at all."""
    file = tmp_path / "out.jsonl"
    file.write_text("before")

    def fail_half_way() -> None:
        with output_file(file) as opened:
            opened.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert file.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    """The error names the file and the reason."""
    with (
        pytest.raises(UserError, match=r"missing/out\.jsonl cannot be written"),
        output_file(tmp_path / "missing" / "out.jsonl"),
    ):
        pass
