"""Test what a user reads after the first run: episodes in the terminal, lists and reports."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from schemas.ticket import TicketEvent
from stream.cli import app


@pytest.fixture(name="tickets", scope="module")
def _tickets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine days of tickets with an outage of the login near the end."""
    path = tmp_path_factory.mktemp("history") / "tickets.jsonl"
    done = CliRunner().invoke(
        app, ["simulate", "--weeks", "1.3", "--incident", "login,8.4,3,6", "--out", str(path)]
    )
    assert done.exit_code == 0, done.output
    return path


@pytest.fixture(name="events", scope="module")
def _events(tickets: Path) -> Path:
    """Replay the tickets to a file of escalations."""
    path = tickets.with_name("events.jsonl")
    done = CliRunner().invoke(app, ["replay", str(tickets), "--out", str(path)])
    assert done.exit_code == 0, done.output
    return path


def test_replay_prints_what_on_call_reads(tickets: Path) -> None:
    """The page, its rise in severity and its end are printed, and other updates are not."""
    done = CliRunner().invoke(app, ["replay", str(tickets)])
    assert done.exit_code == 0, done.output
    heads = [line for line in done.stdout.splitlines() if line.startswith("2024-")]
    assert "OPENED: login of acme" in heads[0]
    assert "RESOLVED: login of acme" in heads[-1]
    severities = [head.partition("[")[2].partition("]")[0] for head in heads[:-1]]
    assert severities == ["WARNING", "ERROR", "CRITICAL"]


@pytest.mark.slow
def test_replay_json_is_what_out_writes(tickets: Path, events: Path) -> None:
    """--json prints one CloudEvent per line, the same bytes as --out."""
    printed = CliRunner().invoke(app, ["replay", str(tickets), "--json"])
    assert printed.stdout_bytes == events.read_bytes() != b""


def test_episodes_and_the_last_report_from_a_file(events: Path) -> None:
    """An escalation file is listed without Kafka, and its last episode needs no id."""
    listed = CliRunner().invoke(app, ["episodes", "--from", str(events), "--json"])
    (episode,) = json.loads(listed.stdout)
    assert (episode["product_area"], episode["transition"]) == ("login", "resolved")
    for option, expected in (
        (["--area", "Login"], 1), (["--area", "billing"], 0), (["--severity", "error"], 1),
        (["--tenant", "other"], 0),
    ):  # fmt: skip
        filtered = CliRunner().invoke(app, ["episodes", "--from", str(events), "--json", *option])
        assert len(json.loads(filtered.stdout)) == expected, option
    report = CliRunner().invoke(app, ["report", "--from", str(events)])
    assert report.exit_code == 0, report.output
    assert report.stdout.startswith("# login: ")


@pytest.mark.parametrize(
    ("text", "exit_code", "said"),
    [
        ("id,created_at,area\n", 1, "there is no ticket in what was read"),
        ("id,created_at,area\n1,2026-03-01 12:30,a\n", 1, "--timezone Europe/Berlin"),
        ("id,created_at,area\n1,yesterday,a\n", 1, "--time-format '%d/%m/%Y %H:%M'"),
        (
            "id,created_at,area\n" + "1,2026-03-01T12:30:00Z,a\n" * 5 + "1,yesterday,a\n",
            1,
            "1 of 6 records could not be read",
        ),
        (
            "id,created_at,area\n" + "1,2026-03-01T12:30:00Z,a\n" * 9 + "1,yesterday,a\n",
            0,
            'line 11: created_at: "yesterday" is not a time',
        ),
    ],
)
@pytest.mark.parametrize("command", ["replay", "import"])
def test_little_readable_is_not_success(
    tmp_path: Path, command: str, text: str, exit_code: int, said: str
) -> None:
    """Less than nine tenths readable is exit code 1, with the field, value and remedy."""
    source, dead = tmp_path / "t.csv", tmp_path / "dead.jsonl"
    source.write_text(text)
    arguments = [command, str(source), "--out", str(tmp_path / "out"), "--dead", str(dead)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == exit_code, done.output
    assert said in done.output + str(done.exception)
    for line in dead.read_text().splitlines():
        letter = json.loads(line)
        assert letter["field"] == "created_at"
        assert letter["value"] in text
        assert letter["reason"] in ("no_offset", "wrong_type")
        assert letter["remedy"]


@pytest.mark.slow
def test_backtest_lists_its_pages_in_the_terminal_as_json_and_first_in_the_report(
    tickets: Path, tmp_path: Path
) -> None:
    """When, where, how severe and how soon: the same in the terminal, as data and in the report."""
    html = tmp_path / "r.html"
    done = CliRunner().invoke(
        app, ["backtest", str(tickets), "--html", str(html), "--timezone", "Europe/Berlin"]
    )
    assert done.exit_code == 0, done.output
    assert "2024-03-12 10:3" in done.stdout
    assert "Europe/Berlin" in done.stdout
    page = html.read_text()
    assert page.index(">Pages</h3>") < page.index("Pages against the budget")
    as_json = CliRunner().invoke(app, ["backtest", str(tickets), "--json", "--processes", "1"])
    (paged,) = json.loads(as_json.stdout)["pages"]
    assert (paged["area"], paged["severity"]) == ("login", "critical")


def test_old_tickets_are_not_sent_as_live_by_mistake(tickets: Path) -> None:
    """The first ticket of years ago is history; nothing is sent until the user decides."""
    done = CliRunner().invoke(app, ["send", str(tickets), "--dry-run"])
    assert done.exit_code == 1
    assert "--history" in str(done.exception)
    for option in ("--history", "--live"):
        done = CliRunner().invoke(app, ["send", str(tickets), "--dry-run", option])
        assert done.exit_code == 0, done.output
        assert "tickets would be sent" in done.stdout


def test_send_reports_the_fields_that_will_be_left_out(tmp_path: Path) -> None:
    """The sender learns of mistakes in optional fields before the tickets are on the topic."""
    now = datetime.now(UTC).isoformat()
    ticket = {"ticket_id": 1, "created_at": now, "product_area": "login", "csat": "4"}
    tickets = tmp_path / "t.jsonl"
    tickets.write_text(json.dumps(ticket) + "\n")
    done = CliRunner().invoke(app, ["send", str(tickets), "--dry-run"])
    assert done.exit_code == 0, done.output
    assert "1 ticket would be sent" in done.output
    assert "cannot be read and will be left out: 1 csat" in done.output


def test_import_writes_events_that_are_valid_by_the_published_schema(tmp_path: Path) -> None:
    """Numbers as ids, unreadable optional values and envelopes become strictly valid events."""
    at = '"created_at": "2026-03-01T12:30:00Z", "product_area": "a"'
    lines = [
        f'{{"ticket_id": "0", {at}}}',
        f'{{"ticket_id": 1, {at}, "csat": "good", "customer": {{"id": "c", "arr": "x"}}}}',
        '{"specversion": "1.0", "id": "e", "source": "/s", "type": "t", "data": '
        f'{{"ticket_id": "2", {at}}}}}',
    ]
    source, out = tmp_path / "t.jsonl", tmp_path / "o.jsonl"
    source.write_text("\n".join(lines) + "\n")
    done = CliRunner().invoke(app, ["import", str(source), "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    assert "csat" in done.stderr
    events = [TicketEvent.model_validate_json(line) for line in out.read_bytes().splitlines()]
    assert [event.ticket_id for event in events] == ["0", "1", "2"]
    assert events[1].csat is None
    assert events[1].customer_id == "c"


@pytest.mark.parametrize(
    "options",
    [
        ("--preset", "nix"),
        ("--time-format", "%q"),
        ("--encoding", "klingon"),
        ("--map", "foo=bar"),
        ("--timezone", "Berlin"),
    ],
)
def test_a_wrong_option_is_an_error_of_the_command_line(
    tickets: Path, tmp_path: Path, options: tuple[str, str]
) -> None:
    """As docs/reference/exit-codes.md says."""
    out = str(tmp_path / "o.jsonl")
    done = CliRunner().invoke(app, ["import", str(tickets), "--out", out, *options])
    assert done.exit_code == 2, done.output


@pytest.mark.slow
def test_times_on_the_command_line_are_in_the_time_zone_of_the_file(
    tickets: Path, tmp_path: Path
) -> None:
    """--until without an offset means the same as with the offset of --timezone."""
    outputs = []
    options = ["replay", str(tickets), "--timezone", "Europe/Berlin"]
    for number, until in enumerate(("2024-03-18 10:50", "2024-03-18T09:50:00Z")):
        out = tmp_path / f"{number}.jsonl"
        done = CliRunner().invoke(
            app,
            [*options, "--out", str(out), "--until", until],
        )
        assert done.exit_code == 0, done.output
        outputs.append(out.read_bytes())
    assert outputs[0] == outputs[1] != b""


def test_a_full_temporary_folder_is_a_sentence(tickets: Path, tmp_path: Path) -> None:
    """The tickets wait in a temporary folder; the old output stays as it was."""
    out = tmp_path / "o.jsonl"
    out.write_text("old")
    command = f"ulimit -f 64; trap '' XFSZ; exec {sys.executable} -m stream.cli import"
    done = subprocess.run(
        ["/bin/sh", "-c", f"{command} {tickets} --out {out}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "TMPDIR" in done.stderr
    assert out.read_text() == "old"


def test_a_file_of_tickets_is_no_file_of_escalations(tickets: Path) -> None:
    """The listing of episodes says so, instead of finding none."""
    done = CliRunner().invoke(app, ["episodes", "--from", str(tickets)])
    assert done.exit_code == 1
    assert "holds no escalations" in str(done.exception)


def test_a_damaged_row_with_wrong_bytes_is_kept_as_a_dead_letter(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 do not stop the file of dead letters."""
    source, dead = tmp_path / "t.csv", tmp_path / "d.jsonl"
    good = "".join(f"{n},2026-03-01T12:30:00Z,größe\n" for n in range(20))
    row = b'99,2026-03-01T12:30:00Z,"a\xff no end\n'
    source.write_bytes(b"ticket_id,created_at,product_area\n" + good.encode() + row)
    arguments = ["import", str(source), "--out", str(tmp_path / "o"), "--dead", str(dead)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    (letter,) = map(json.loads, dead.read_text().splitlines())
    assert letter["reason"] == "undecodable"
