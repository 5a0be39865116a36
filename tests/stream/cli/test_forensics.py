"""The commands that answer for what was decided, on files and on a real Kafka."""

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
    """Three weeks of tickets of two areas, with an incident in the last one."""
    broken = Incident("login", start + incident * HOUR, 1.5, 8.0)
    world = World(start, DAYS * 24.0, areas=AREAS, incidents=[broken])
    return [json.dumps(ticket).encode() for ticket in tickets(world)]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """Tickets, the escalations they lead to, and the id of the page of the incident."""
    folder = tmp_path_factory.mktemp("asking")
    source, written = folder / "tickets.jsonl", folder / "escalations.jsonl"
    source.write_bytes(b"\n".join(company()) + b"\n")
    done = CliRunner().invoke(app, ["replay", str(source), "--out", str(written)])
    assert done.exit_code == 0, done.output
    events = [json.loads(line) for line in written.read_text().splitlines()]
    ours = [event for event in events if event["data"]["product_area"] == "login"]
    assert ours, "else this proves nothing"
    return source, written, ours[-1]["data"]["episode_id"]


def ask(*words: str) -> tuple[int, str]:
    """Exit code of a command, and what it said."""
    done = CliRunner().invoke(app, list(words))
    text = f"{done.output}{done.exception or ''}"
    return (1 if done.exception is not None and done.exit_code != 2 else done.exit_code), text


@pytest.mark.slow
def test_explain_comes_to_the_same_decision(files: tuple[Path, Path, str]) -> None:
    """From the tickets alone: same bytes, exit code 0; every number as JSON."""
    source, written, episode = files
    code, text = ask("explain", episode, "--from", str(source), "--events", str(written))
    assert code == 0, text
    assert "byte for byte" in text
    code, text = ask(
        "explain", episode[:8], "--from", str(source), "--events", str(written), "--json"
    )
    told = json.loads(text)
    assert (code, told["wrong"]) == (0, [])
    decision = told["decision"]
    assert decision["score"] >= decision["bar"] >= decision["limit"]["limit"]
    assert sum(one["share"] for one in decision["members"]) == pytest.approx(1.0)
    assert decision["decided_by"].startswith(str(source))


@pytest.mark.slow
def test_explain_says_what_differs(files: tuple[Path, Path, str], tmp_path: Path) -> None:
    """Another stored event, other settings, a log that begins too late: each is said."""
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
def test_why_not_answers_in_words_and_as_json(files: tuple[Path, Path, str]) -> None:
    """A quiet area: too few came, and so many more would have paged."""
    source, _, _ = files
    moment = "2026-03-22T12:00:00Z"
    words = ("why-not", "billing", moment, "--tenant", "acme", "--from", str(source))
    code, text = ask(*words)
    assert code == 0, text
    assert "more tickets, each of another new customer" in text
    code, text = ask(*words, "--json")
    assert json.loads(text)["because"] in ("too_few", "no_tickets")


@pytest.mark.slow
def test_a_verdict_is_shown_before_it_is_said(files: tuple[Path, Path, str]) -> None:
    """--preview counts pages with and without, and needs no broker."""
    source, _, episode = files
    code, text = ask("verdict", episode, "false_alarm", "--preview", "--history", str(source))
    assert code == 0, text
    assert "without the verdict, " in text


@pytest.mark.slow
def test_answers_in_a_file_are_heard_in_their_time(
    files: tuple[Path, Path, str], tmp_path: Path
) -> None:
    """With --feedback the end of an episode that was called the new normal comes at once."""
    source, written, episode = files
    events = [json.loads(line) for line in written.read_text().splitlines()]
    opened = next(event for event in events if event["data"]["episode_id"] == episode)
    said = {
        "feedback_id": "f1",
        "tenant": "acme",
        "episode_id": episode,
        "action": "new_normal",
        "by": "on-call",
        "at": opened["time"],
    }
    answers = tmp_path / "answers.jsonl"
    answers.write_text(json.dumps(said) + "\n")
    code, text = ask(
        "explain", episode, "--from", str(source), "--feedback", str(answers), "--sequence", "2"
    )
    assert code == 0, text
    assert "resolved" in text
    answers.write_text("no answer\n")
    code, _ = ask("explain", episode, "--from", str(source), "--feedback", str(answers))
    assert code == 1


@pytest.mark.kafka
def test_a_verdict_reaches_the_worker_and_the_topics_explain_the_page(rig: Rig) -> None:
    """A page on a real Kafka; a verdict by command; explain from the topics comes to the same."""
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

    def heard() -> bool:
        known = [p.tenants["acme"] for p in rig.partitions() if "acme" in p.tenants]
        return any(page.verdict == "false_alarm" for one in known for page in one.pages)

    wait_for(heard, 30.0, "the verdict in the worker's state", rig)
    done = rig.run("explain", episode)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "  matches the headers of the stored event: " in done.stdout
    moment = datetime.fromtimestamp(start + 300.0 * HOUR, UTC).isoformat()
    done = rig.run("why-not", "billing", moment, "--tenant", "acme")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "because:" in done.stdout


@pytest.mark.slow
def test_why_not_says_so_where_nothing_can_be_said(files: tuple[Path, Path, str]) -> None:
    """A typing error is no answer: exit code 1, and what is known."""
    given = ("--tenant", "acme", "--from", str(files[0]))
    code, said = ask("why-not", "login", "2031-04-01T09:40:00Z", *given)
    assert code == 1
    assert "is outside the records of tenant acme, which cover" in said
    at = datetime.fromtimestamp(START + 400.0 * HOUR, UTC).isoformat()
    code, said = ask("why-not", "nope", at, *given)
    assert code == 1
    assert "tenant acme had no area nope at that time" in said
    assert ask("why-not", "login", at, *given)[0] == 0
