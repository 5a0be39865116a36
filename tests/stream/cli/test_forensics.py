"""Test `explain`, `why-not` and `verdict` on files and on a real Kafka."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detectors.simulation.tickets import HOUR, Incident, World, tickets
from stream.cli import app
from stream.kafka.ticket_sender import Pace
from tests.support.kafka_rig import Rig, wait_for

START = 1_772_409_600.0
AREAS = {"login": 6.0, "billing": 2.0}
DAYS = 24.0


def company(start: float = START, incident: float = 500.0) -> list[bytes]:
    """Return three weeks of tickets of two areas, with an incident in the last week."""
    broken = Incident("login", start + incident * HOUR, 1.5, 8.0)
    world = World(start, DAYS * 24.0, areas=AREAS, incidents=[broken])
    return [json.dumps(ticket).encode() for ticket in tickets(world)]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """Write tickets and their escalations; return both files and the episode id of the incident."""
    folder = tmp_path_factory.mktemp("asking")
    source, written = folder / "tickets.jsonl", folder / "escalations.jsonl"
    source.write_bytes(b"\n".join(company()) + b"\n")
    done = CliRunner().invoke(app, ["replay", str(source), "--out", str(written)])
    assert done.exit_code == 0, done.output
    events = [json.loads(line) for line in written.read_text().splitlines()]
    ours = [event for event in events if event["data"]["product_area"] == "login"]
    assert ours, "the incident must open an episode of login"
    return source, written, ours[-1]["data"]["episode_id"]


def ask(*words: str) -> tuple[int, str]:
    """Run a command, and return its exit code and output."""
    done = CliRunner().invoke(app, list(words))
    text = f"{done.output}{done.exception or ''}"
    return (1 if done.exception is not None and done.exit_code != 2 else done.exit_code), text


@pytest.mark.slow
def test_explain_reproduces_the_decision_from_the_tickets(files: tuple[Path, Path, str]) -> None:
    """The event is identical byte for byte, and the JSON contains every number of the decision."""
    source, written, episode = files
    code, text = ask("explain", episode, "--from", str(source), "--events", str(written))
    assert code == 0, text
    assert "byte for byte" in text
    code, text = ask(
        "explain", episode[:8], "--from", str(source), "--events", str(written), "--json"
    )
    explanation = json.loads(text)
    assert (code, explanation["wrong"]) == (0, [])
    decision = explanation["decision"]
    assert decision["score"] >= decision["bar"] >= decision["limit"]["limit"]
    assert sum(member["share"] for member in decision["members"]) == pytest.approx(1.0)
    assert decision["decided_by"].startswith(str(source))


@pytest.mark.slow
def test_explain_reports_what_differs(files: tuple[Path, Path, str], tmp_path: Path) -> None:
    """A changed event, other settings and an incomplete log each give exit code 1."""
    source, written, episode = files
    changed = tmp_path / "changed.jsonl"
    changed.write_text(written.read_text().replace('"tickets":', '"tickets":1'))
    code, text = ask("explain", episode, "--from", str(source), "--events", str(changed))
    assert code == 1
    assert "data.tickets" in text
    other = tmp_path / "other.toml"
    other.write_text("[budget]\nfalse_pages_per_week = 5.0\n")
    code, text = ask(
        "explain", episode, "--from", str(source), "--events", str(written), "--config", str(other)
    )
    assert code == 1
    assert "config hash" in text or "was not reproduced" in text
    late = tmp_path / "late.jsonl"
    lines = source.read_bytes().splitlines(keepends=True)
    late.write_bytes(b"".join(lines[len(lines) // 2 :]))
    code, _ = ask("explain", episode, "--from", str(late), "--events", str(written))
    assert code == 1


@pytest.mark.slow
def test_why_not_explains_a_quiet_area_as_text_and_as_json(files: tuple[Path, Path, str]) -> None:
    """The answer is that there were too few tickets, and how many more would have paged."""
    source, _, _ = files
    moment = "2026-03-22T12:00:00Z"
    words = ("why-not", "billing", moment, "--tenant", "acme", "--from", str(source))
    code, text = ask(*words)
    assert code == 0, text
    assert "more tickets, each of another new customer" in text
    code, text = ask(*words, "--json")
    assert json.loads(text)["because"] in ("too_few", "no_tickets")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["explain", "why-not"])
def test_unreadable_tickets_are_kept_in_a_file(
    files: tuple[Path, Path, str], tmp_path: Path, command: str
) -> None:
    """`--dead` keeps what replay would refuse, also of the history."""
    source, _, episode = files
    lines = source.read_bytes().splitlines(keepends=True)
    history, rest, dead = (tmp_path / name for name in ("h.jsonl", "t.jsonl", "dead.jsonl"))
    bad = b'{"ticket_id": "x", "product_area": "login"}\n'
    history.write_bytes(b"".join(lines[:100]) + bad)
    rest.write_bytes(b"".join(lines[100:110]) + bad + b"no JSON\n" + b"".join(lines[110:]))
    words = ["explain", episode]
    if command == "why-not":
        words = ["why-not", "billing", "2026-03-22T12:00:00Z", "--tenant", "acme"]
    words += ["--from", str(rest), "--history", str(history), "--dead", str(dead)]
    code, text = ask(*words)
    assert code == 0, text
    letters = [json.loads(line) for line in dead.read_text().splitlines()]
    assert [letter["reason"] for letter in letters] == [
        "missing_field",
        "missing_field",
        "undecodable",
    ]
    assert "created_at" in text
    words[words.index("--dead") + 1] = str(rest)
    code, text = ask(*words)
    assert code == 1
    assert "--dead would overwrite --from" in text
    assert rest.read_bytes().startswith(lines[100])


@pytest.mark.slow
def test_verdict_preview_shows_the_effect_without_a_broker(files: tuple[Path, Path, str]) -> None:
    """`--preview` counts the pages with and without the verdict."""
    source, _, episode = files
    code, text = ask("verdict", episode, "false_alarm", "--preview", "--history", str(source))
    assert code == 0, text
    assert "without the verdict, " in text


@pytest.mark.slow
def test_explain_applies_feedback_from_a_file_at_its_time(
    files: tuple[Path, Path, str], tmp_path: Path
) -> None:
    """With a "new normal" verdict from `--feedback`, the episode is resolved at once."""
    source, written, episode = files
    events = [json.loads(line) for line in written.read_text().splitlines()]
    opened = next(event for event in events if event["data"]["episode_id"] == episode)
    feedback = {
        "feedback_id": "f1",
        "tenant": "acme",
        "episode_id": episode,
        "action": "new_normal",
        "by": "on-call",
        "at": opened["time"],
    }
    answers = tmp_path / "answers.jsonl"
    answers.write_text(json.dumps(feedback) + "\n")
    code, text = ask(
        "explain", episode, "--from", str(source), "--feedback", str(answers), "--sequence", "2"
    )
    assert code == 0, text
    assert "resolved" in text
    answers.write_text("no answer\n")
    code, _ = ask("explain", episode, "--from", str(source), "--feedback", str(answers))
    assert code == 1


@pytest.mark.kafka
def test_a_verdict_reaches_the_worker_and_explain_reads_the_topics(rig: Rig) -> None:
    """Explain reproduces the page from Kafka after a verdict was given on the command line."""
    rig.create_topics()
    rig.start("worker")
    start = time.time() - DAYS * 24.0 * HOUR
    rig.send(company(start), Pace("simulated", until=start + DAYS * 24.0 * HOUR))
    rig.settle()
    stored = [json.loads(line) for line in rig.escalations()]
    episode = next(
        event["data"]["episode_id"]
        for event in reversed(stored)
        if event["data"]["product_area"] == "login" and event["data"]["suppressed"] is None
    )
    done = rig.run("verdict", episode, "false_alarm", "--by", "on-call")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "raises the threshold" in done.stdout

    def has_verdict() -> bool:
        known = [p.tenants["acme"] for p in rig.partitions() if "acme" in p.tenants]
        return any(page.verdict == "false_alarm" for tenant in known for page in tenant.pages)

    wait_for(has_verdict, 30.0, "the verdict in the worker's state", rig)
    done = rig.run("explain", episode)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "  matches the headers of the stored event: " in done.stdout
    moment = datetime.fromtimestamp(start + 300.0 * HOUR, UTC).isoformat()
    done = rig.run("why-not", "billing", moment, "--tenant", "acme")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "because:" in done.stdout


@pytest.mark.slow
def test_why_not_rejects_an_unknown_time_or_area(files: tuple[Path, Path, str]) -> None:
    """A mistyped time or area gives exit code 1 and the range of the records."""
    given = ("--tenant", "acme", "--from", str(files[0]))
    code, text = ask("why-not", "login", "2031-04-01T09:40:00Z", *given)
    assert code == 1
    assert "is outside the records of tenant acme, which cover" in text
    at = datetime.fromtimestamp(START + 400.0 * HOUR, UTC).isoformat()
    code, text = ask("why-not", "nope", at, *given)
    assert code == 1
    assert "tenant acme had no area nope at that time" in text
    assert ask("why-not", "login", at, *given)[0] == 0
