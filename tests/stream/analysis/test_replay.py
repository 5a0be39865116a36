"""Test ``spikewatch replay`` and the other commands that need no Kafka as a user runs them."""

import gzip
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from schemas.escalation import EscalationEvent
from schemas.feedback import Feedback
from tests.support.command_line import run_command_as_text as run


@pytest.fixture(scope="module", name="stream")
def _stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write two and a half weeks of tickets of a simulated company with one incident."""
    folder = tmp_path_factory.mktemp("stream")
    done = run(
        folder,
        *("simulate", "--weeks", "2.5", "--seed", "4", "--incident", "billing,16.4,3,8"),
        *("--out", "in.jsonl"),
    )
    assert done.returncode == 0, done.stderr
    return folder / "in.jsonl"


@pytest.fixture(scope="module", name="replayed")
def _replayed(stream: Path) -> bytes:
    """Replay the whole stream with the default configuration."""
    assert run(stream.parent, "replay", str(stream), "--out", "all.out").returncode == 0
    return (stream.parent / "all.out").read_bytes()


@pytest.mark.slow
def test_two_runs_give_identical_output(stream: Path, tmp_path: Path) -> None:
    """The same tickets and end time give identical output for every hash seed of Python."""
    command = ["replay", str(stream), "--until", "2024-03-24T00:00:00Z"]
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-m", "stream.cli", *command, "--out", f"{seed}.jsonl"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    first = (tmp_path / "1.jsonl").read_bytes()
    assert first == (tmp_path / "2.jsonl").read_bytes()
    events = [EscalationEvent.model_validate_json(line) for line in first.splitlines()]
    billing = [e for e in events if e.data.product_area == "billing"]
    assert billing[0].transition == "opened"
    assert billing[-1].transition == "resolved"


@pytest.mark.slow
def test_later_tickets_do_not_change_an_earlier_decision(
    stream: Path, replayed: bytes, tmp_path: Path
) -> None:
    """The output for a prefix of the file is a prefix of the output for the whole file."""
    lines = stream.read_bytes().splitlines(keepends=True)
    half = tmp_path / "half.jsonl"
    half.write_bytes(b"".join(lines[: len(lines) * 9 // 10]))
    assert run(tmp_path, "replay", str(half), "--out", "half.out").returncode == 0
    begun = (tmp_path / "half.out").read_bytes()
    assert begun
    assert replayed.startswith(begun)


@pytest.mark.slow
def test_replay_writes_the_events_that_a_verdict_causes(
    stream: Path, replayed: bytes, tmp_path: Path
) -> None:
    """A "new normal" verdict resolves its episode at once, as it does in the worker."""
    events = [EscalationEvent.model_validate_json(line) for line in replayed.splitlines()]
    opened = next(event for event in events if event.data.suppressed is None)
    at = opened.time + timedelta(minutes=10)
    feedback = Feedback.model_validate(
        {
            "feedback_id": "1", "episode_id": opened.subject, "action": "new_normal", "by": "lead",
            "tenant": opened.data.tenant, "at": at,
        }
    )  # fmt: skip
    (tmp_path / "feedback.jsonl").write_text(feedback.model_dump_json() + "\n")
    done = run(
        tmp_path,
        *("replay", str(stream), "--feedback", "feedback.jsonl", "--out", "all.out"),
    )
    assert done.returncode == 0, done.stderr
    events = [
        EscalationEvent.model_validate_json(line)
        for line in (tmp_path / "all.out").read_bytes().splitlines()
    ]
    ends = [
        event
        for event in events
        if (event.subject, event.transition) == (opened.subject, "resolved")
    ]
    assert ends
    assert ends[0].time - at < timedelta(minutes=30)
    assert [event.data.sequence for event in events if event.subject == opened.subject] == list(
        range(1, 1 + sum(event.subject == opened.subject for event in events))
    )


@pytest.mark.slow
def test_sequences_have_no_gaps_and_ids_are_unique(replayed: bytes) -> None:
    """Each episode counts 1, 2, 3, ...; event ids are unique, and all times are in UTC with Z."""
    raw = [json.loads(line) for line in replayed.splitlines()]
    assert len({event["id"] for event in raw}) == len(raw)
    count: dict[str, int] = {}
    for event in raw:
        data = event["data"]
        count[event["subject"]] = count.get(event["subject"], 0) + 1
        assert data["sequence"] == count[event["subject"]]
        assert data["episode_id"] == event["subject"]
        assert event["time"].endswith("Z")
        assert data["since"].endswith("Z")
        assert data["ratio_low"] <= data["ratio"] <= data["ratio_high"]
        assert event["source"] == "/spikewatch/acme"


@pytest.mark.slow
def test_bad_lines_are_counted_and_kept_with_their_reason(tmp_path: Path) -> None:
    """A bad line is written with its number and reason, and the other lines still count."""
    good = {"ticket_id": "1", "created_at": "2026-03-02T09:00:00Z", "product_area": "login"}
    late = {**good, "ticket_id": "2", "created_at": "2026-03-03T09:00:00Z"}
    lines = [
        json.dumps(good),
        "{",
        json.dumps({**good, "created_at": "2026-03-02"}),
        json.dumps(late),
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    done = run(
        tmp_path,
        *("replay", "in.jsonl", "--out", "out.jsonl", "--dead", "dead.jsonl"),
        *("--until", "2026-03-02T12:00:00+00:00"),
    )
    assert done.returncode == 1
    assert "2 of 4 records could not be read" in done.stderr
    assert (tmp_path / "out.jsonl").read_bytes() == b""
    letters = [json.loads(line) for line in (tmp_path / "dead.jsonl").read_text().splitlines()]
    assert [(letter["reason"], letter["offset"]) for letter in letters] == [
        ("undecodable", 2),
        ("no_offset", 3),
        ("future", 4),
    ]
    assert "1 counted" in done.stderr


@pytest.mark.slow
def test_history_is_learned_without_paging(stream: Path, tmp_path: Path) -> None:
    """Escalations from the history file are marked as history; later ones are not."""
    lines = stream.read_bytes().splitlines(keepends=True)
    cut = len(lines) * 4 // 5
    (tmp_path / "past.jsonl").write_bytes(b"".join(lines[:cut]))
    with gzip.open(tmp_path / "now.jsonl.gz", "wb") as file:
        file.write(b"".join(lines[cut:]))
    done = run(tmp_path, "replay", "now.jsonl.gz", "--history", "past.jsonl", "--out", "out.jsonl")
    assert done.returncode == 0, done.stderr
    border = json.loads(lines[cut])["created_at"]
    raw = [json.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert raw
    for event in raw:
        assert (event["data"]["suppressed"] == "history") == (event["data"]["detected_at"] < border)


@pytest.mark.slow
def test_a_csv_with_mapped_columns_gives_the_same_escalations(stream: Path, tmp_path: Path) -> None:
    """A CSV with other column names and local times gives the same escalations as JSONL."""
    kept = ("ticket_id", "event_id", "created_at", "tenant", "product_area")
    rows = [json.loads(line) for line in stream.read_bytes().splitlines()]
    fewer = [
        {name: row[name] for name in kept} | {"customer": row["customer"]["id"]} for row in rows
    ]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in fewer))
    with (tmp_path / "in.csv").open("w") as file:
        file.write("Id;Event;Opened;Company;Component;Account\n")
        for row in rows:
            opened = row["created_at"].replace("T", " ").removesuffix("Z")
            account = row["customer"]["id"]
            file.write(
                f"{row['ticket_id']};{row['event_id']};{opened};acme;{row['product_area']};{account}\n"
            )
    columns = (
        "ticket_id=Id,event_id=Event,created_at=Opened,tenant=Company,product_area=Component,"
        "customer.id=Account"
    )
    done = run(
        tmp_path, "replay", "in.csv", "--out", "csv.out", "--map", columns, "--timezone", "UTC"
    )
    assert done.returncode == 0, done.stderr
    assert run(tmp_path, "replay", "in.jsonl", "--out", "jsonl.out").returncode == 0
    assert (tmp_path / "csv.out").read_bytes() == (tmp_path / "jsonl.out").read_bytes()


@pytest.mark.slow
def test_the_configuration_selects_the_model(stream: Path, tmp_path: Path) -> None:
    """The events name the configured model, and the configuration hash differs."""
    hashes = set()
    for name in ("cusum_bank", "gaussian"):
        (tmp_path / "c.toml").write_text(f'[model]\nname = "{name}"\n')
        done = run(tmp_path, "replay", str(stream), "--out", "out.jsonl", "--config", "c.toml")
        assert done.returncode == 0, done.stderr
        raw = [json.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
        of_areas = [event for event in raw if event["data"]["product_area"] is not None]
        assert {event["data"]["model"] for event in of_areas} == {name}
        hashes |= {event["data"]["config_hash"] for event in raw}
    assert len(hashes) == 2


def test_all_configuration_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    """Three mistakes give three lines and exit code 2, without a traceback."""
    (tmp_path / "spikewatch.toml").write_text(
        "[budget]\nfalse_pages_per_week = -1\n[time]\ntimezon = 'UTC'\n"
    )
    done = run(tmp_path, "config", "check", SPIKEWATCH_KAFKA__PARTITIONS="many")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for part in ("false_pages_per_week", "timezone", "SPIKEWATCH_KAFKA__PARTITIONS"):
        assert part in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ("replay", "no-such-file.jsonl", "--out", "out.jsonl"),
        ("replay", "in.jsonl", "--out", "no-such-folder/out.jsonl"),
    ],
)
def test_a_missing_file_is_reported_in_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """A missing file gives exit code 1 and an error message that names it, without a traceback."""
    (tmp_path / "in.jsonl").write_text("")
    done = run(tmp_path, *arguments)
    assert done.returncode == 1
    assert "no-such-" in done.stderr
    assert "Traceback" not in done.stderr


def test_version_prints_the_release(tmp_path: Path) -> None:
    """`--version` prints the release."""
    done = run(tmp_path, "--version")
    assert done.returncode == 0
    assert done.stdout.startswith("spikewatch 0.")


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        *("demo", "broker", "worker", "ticker", "send", "simulate", "tail", "replay"),
        *("backtest", "evaluate", "report", "taxonomy check"),
        *("config check", "config show", "topics create", "topics check"),
    ],
)
def test_each_command_has_help(tmp_path: Path, command: str) -> None:
    """`--help` describes what each command does."""
    done = run(tmp_path, *command.split(), "--help")
    assert done.returncode == 0
    assert "Usage: " in done.stdout


def test_replay_reports_the_fields_that_it_left_out(tmp_path: Path) -> None:
    """Mistakes in optional fields cost no ticket, and are counted by field."""
    good = {"ticket_id": 1, "created_at": "2026-03-02T09:00:00Z", "product_area": "login"}
    rows = [
        {**good, "csat": "4", "priority": 3},
        {**good, "ticket_id": 2, "csat": "5", "customer": {"id": 7, "arr": "12,000.50"}},
        {**good, "ticket_id": 3, "customer": "", "tags": [None]},
    ]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = run(tmp_path, "replay", "t.jsonl", "--out", "-")
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip().splitlines() == [
        "tickets: 3 counted; 0 escalations",
        "optional fields that could not be read and were left out: "
        "2 csat, 1 customer, 1 customer.arr, 1 priority, 1 tags",
    ]
