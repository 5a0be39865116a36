"""The command line as a whole: its help, its table of commands, completion, exit codes."""

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
    """``spikewatch ARGUMENTS`` in a process of its own."""
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
    """Every command that can be run, with its words."""
    for entry in COMMANDS.values():
        command = load_command(entry)
        inner = getattr(command, "commands", None)
        if inner is None:
            yield entry.name, command
        else:
            for name, each in inner.items():
                yield f"{entry.name} {name}", each


@pytest.mark.parametrize("entry", COMMANDS.values(), ids=lambda entry: entry.name)
def test_the_table_repeats_the_first_line_of_the_help(entry: CommandEntry) -> None:
    """The summaries of the group's help cannot lag behind the commands."""
    command = load_command(entry)
    assert command.name == entry.name
    assert (command.help or "").split("\n")[0] == entry.summary
    assert len(entry.summary) <= 65


def test_the_help_imports_no_command() -> None:
    """Nor any of the large libraries: it is to appear at once."""
    code = (
        "import sys; from stream.cli import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    imported = set(eval(done.stdout.splitlines()[-1]))  # noqa: S307 - a list of our own printing
    assert not imported & HEAVY


def test_the_help_is_grouped_and_fits() -> None:
    """Panels in order; 80 columns; -h is --help; without arguments it is shown as well."""
    text = run("--help", COLUMNS=str(WIDTH)).stdout
    places = [text.index(f"{panel}:\n") for panel in ("Try it", "Run it", "Respond", "Tune")]
    assert places == sorted(places)
    assert max(map(len, text.splitlines())) <= WIDTH
    for name in COMMANDS:
        assert f"\n  {name} " in text
    assert run("-h", COLUMNS=str(WIDTH)).stdout == text
    assert CliRunner().invoke(app, []).output == CliRunner().invoke(app, ["--help"]).output


def test_every_command_has_a_help_of_80_columns() -> None:
    """With -h as well; every option is described."""
    for words, command in subcommands():
        done = CliRunner(env={"COLUMNS": str(WIDTH)}).invoke(app, [*words.split(), "-h"])
        assert done.exit_code == 0, done.output
        assert max(map(len, done.output.splitlines())) <= WIDTH, words
        for parameter in command.params:
            assert getattr(parameter, "hidden", False) or parameter.help, (words, parameter.name)


@pytest.mark.slow
def test_output_is_plain_in_a_pipe_and_with_no_color() -> None:
    """No escape sequence reaches a file."""
    for arguments in (("--help",), ("tail", "--help"), ("tail", "--since", "soon")):
        for done in (run(*arguments), run(*arguments, NO_COLOR="1", TERM="xterm-256color")):
            assert "\x1b" not in done.stdout + done.stderr


def test_an_unknown_command_is_corrected() -> None:
    """Exit code 2."""
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
    """As bash asks for it."""
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
    """A history of one's own is the business of another command; the same arguments are shown."""
    done = CliRunner().invoke(app, ["evaluate", *arguments])
    assert done.exit_code == 2
    words = " ".join(f"'{each}'" if " " in each else each for each in arguments)
    assert f"spikewatch backtest {words}" in " ".join(done.output.split())


def test_one_option_has_one_spelling() -> None:
    """The same parameter is called by the same option wherever it is."""
    spellings: dict[str, set[tuple[str, ...]]] = {}
    for _, command in subcommands():
        for parameter in command.params:
            if parameter.name in ("by", "config", "as_json", "processes", "feedback", "warm_up"):
                spellings.setdefault(parameter.name, set()).add(tuple(parameter.opts))
    assert spellings
    assert {name: len(each) for name, each in spellings.items()} == dict.fromkeys(spellings, 1)


def test_topics_are_listed_without_a_broker() -> None:
    """As text and as JSON."""
    listed = json.loads(CliRunner().invoke(app, ["topics", "list", "--json"]).output)
    text = CliRunner().invoke(app, ["topics", "list"]).output.splitlines()
    assert [line.split()[0] for line in text[1:]] == [each["name"] for each in listed]
    assert listed[0]["settings"]["retention.ms"] == str(14 * 86_400_000)


@pytest.mark.kafka
def test_missing_topics_are_said_at_once(rig: Any) -> None:
    """Not after a wait, and without a traceback."""
    for command in (["episodes"], ["episodes", "--json"], ["status"], ["silence"]):
        done = rig.run(*command)
        assert done.returncode == 1
        assert "spikewatch topics create" in done.stderr
        assert "Traceback" not in done.stderr
