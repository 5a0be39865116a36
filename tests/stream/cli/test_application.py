"""Test the command line as a whole: help, table of commands, completion and exit codes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from stream.cli import app
from stream.cli.command_table import COMMANDS, CommandEntry
from stream.cli.lazy_group import load_command

HEAVY = {"aiokafka", "faust", "numpy", "pydantic", "rich", "scipy"}
WIDTH = 80


def run(
    *arguments: str, folder: Path | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run ``spikewatch ARGUMENTS`` in a process of its own."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("SPIKEWATCH_")}
    return subprocess.run(
        [sys.executable, "-m", "stream.cli", *arguments],
        env={**clean, **environ},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def subcommands() -> Iterator[tuple[str, Any]]:
    """Yield each command that can be run with its name."""
    for entry in COMMANDS.values():
        command = load_command(entry)
        inner = getattr(command, "commands", None)
        if inner is None:
            yield entry.name, command
        else:
            for name, each in inner.items():
                yield f"{entry.name} {name}", each


@pytest.mark.parametrize("entry", COMMANDS.values(), ids=lambda entry: entry.name)
def test_command_summaries_match_the_first_lines_of_the_help(entry: CommandEntry) -> None:
    """A summary in the group's help cannot differ from the help of its command."""
    command = load_command(entry)
    assert command.name == entry.name
    assert (command.help or "").split("\n")[0] == entry.summary
    assert len(entry.summary) <= 65


def test_the_help_imports_no_large_library() -> None:
    """The help must appear at once, so it imports neither commands nor large libraries."""
    code = (
        "import sys; from stream.cli import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    imported = set(eval(done.stdout.splitlines()[-1]))  # noqa: S307 - a list that we printed
    assert not imported & HEAVY


def test_the_help_is_grouped_and_fits_80_columns() -> None:
    """`-h` and a call without arguments show the same help as `--help`."""
    text = run("--help", COLUMNS=str(WIDTH)).stdout
    places = [text.index(f"{panel}:\n") for panel in ("Try it", "Run it", "Respond", "Tune")]
    assert places == sorted(places)
    assert max(map(len, text.splitlines())) <= WIDTH
    for name in COMMANDS:
        assert f"\n  {name} " in text
    assert run("-h", COLUMNS=str(WIDTH)).stdout == text
    assert CliRunner().invoke(app, []).output == CliRunner().invoke(app, ["--help"]).output


def test_the_help_of_every_command_fits_80_columns() -> None:
    """`-h` works for every command, and every option has a description."""
    for words, command in subcommands():
        done = CliRunner(env={"COLUMNS": str(WIDTH)}).invoke(app, [*words.split(), "-h"])
        assert done.exit_code == 0, done.output
        assert max(map(len, done.output.splitlines())) <= WIDTH, words
        for parameter in command.params:
            assert getattr(parameter, "hidden", False) or parameter.help, (words, parameter.name)


@pytest.mark.slow
def test_output_has_no_colors_in_a_pipe_or_with_no_color() -> None:
    """No escape sequence is written to a file."""
    for arguments in (("--help",), ("tail", "--help"), ("tail", "--since", "soon")):
        for done in (run(*arguments), run(*arguments, NO_COLOR="1", TERM="xterm-256color")):
            assert "\x1b" not in done.stdout + done.stderr


def test_an_unknown_command_suggests_a_similar_one() -> None:
    """The command exits with 2 and names the command that was probably meant."""
    done = run("evalute")
    assert done.returncode == 2
    assert "Did you mean 'evaluate'?" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "completions"),
    [
        ("spikewatch ev", ["evaluate"]),
        ("spikewatch topics ", ["create", "check", "list"]),
        ("spikewatch backtest --inj", ["--inject", "--inject-hours"]),
    ],
)
def test_the_shell_completes_commands_and_options(line: str, completions: list[str]) -> None:
    """Bash gets the completions for a partial command line."""
    done = subprocess.run(
        [Path(sys.executable).with_name("spikewatch")],
        env={
            **os.environ,
            "_SPIKEWATCH_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split(" ")) - 1),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split() == completions


@pytest.mark.parametrize(
    "arguments",
    [
        ["own.csv"],
        ["own file.csv", "--labels", "known.csv"],
        ["--from-topic", "--since", "60d"],
        ["--compare", "a.toml", "b.toml", "own.csv"],
        ["--inject=", "own.csv"],
    ],
)
def test_evaluate_points_to_backtest(arguments: list[str]) -> None:
    """Arguments for a user's own history lead to the equivalent backtest command."""
    done = CliRunner().invoke(app, ["evaluate", *arguments])
    assert done.exit_code == 2
    words = " ".join(f"'{each}'" if " " in each else each for each in arguments)
    assert f"spikewatch backtest {words}" in " ".join(done.output.split())


def test_an_option_is_spelled_alike_in_every_command() -> None:
    """Each shared parameter has the same option in all commands."""
    spellings: dict[str, set[tuple[str, ...]]] = {}
    for _, command in subcommands():
        for parameter in command.params:
            if parameter.name in ("by", "config", "as_json", "processes", "feedback", "warm_up"):
                spellings.setdefault(parameter.name, set()).add(tuple(parameter.opts))
    assert spellings
    assert {name: len(each) for name, each in spellings.items()} == dict.fromkeys(spellings, 1)


def test_a_time_out_of_range_is_refused_by_every_command() -> None:
    """A time in the year 9999 overflows in some time zones, and not in every process."""
    for words in (
        ["verdict", "0" * 32, "expected_event", "--until", "9999-12-31T23:59:59-14:00"],
        ["why-not", "login", "9999-12-31", "--from", "t.jsonl"],
    ):
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 2
        assert "is not between 1970 and 2099" in " ".join(done.output.split())


def test_topics_are_listed_without_a_broker() -> None:
    """`topics list` prints the topics as text and as JSON."""
    listed = json.loads(CliRunner().invoke(app, ["topics", "list", "--json"]).output)
    text = CliRunner().invoke(app, ["topics", "list"]).output.splitlines()
    assert [line.split()[0] for line in text[1:]] == [each["name"] for each in listed]
    assert listed[0]["settings"]["retention.ms"] == str(14 * 86_400_000)


@pytest.mark.kafka
def test_missing_topics_are_reported_at_once(rig: Any) -> None:
    """The command fails without waiting and without a traceback."""
    for command in (["episodes"], ["episodes", "--json"], ["status"], ["silence"]):
        done = rig.run(*command)
        assert done.returncode == 1
        assert "spikewatch topics create" in done.stderr
        assert "Traceback" not in done.stderr
