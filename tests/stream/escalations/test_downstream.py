"""Test each content mode of the escalations topic with every part of ours that reads the topic."""

import asyncio
import json
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from detectors.simulation.tickets import Incident, World, tickets
from schemas.cloudevents import STRUCTURED_TYPE, ContentMode, decode, encode
from schemas.codec import write_escalation
from schemas.escalation import EscalationEvent
from schemas.examples import EVENT
from stream.cli.options import time_or_ago
from stream.config.sections import Config
from stream.kafka.partitioner import partition_of
from stream.kafka.ticket_sender import Pace
from stream.kafka.topic_settings import DAY_MS
from stream.kafka.topics import specs
from tests.support.command_line import run_command_as_text
from tests.support.kafka_rig import Rig, wait_for

TOPICS_PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "architecture.md"
HOUR = 3600.0
DAY = 24 * HOUR


def event(number: int) -> EscalationEvent:
    """Return the example event as event *number* of the same episode."""
    data = EVENT.data.model_copy(update={"sequence": number})
    return EVENT.model_copy(update={"id": f"{number:032x}", "data": data})


def put(
    rig: Rig, records: Iterable[tuple[EscalationEvent, ContentMode, int, float | None]]
) -> None:
    """Produce events, each with its mode, partition and timestamp; None is now."""

    async def work() -> None:
        async with AIOKafkaProducer(bootstrap_servers=rig.servers) as producer:
            for event_, mode, partition, at in records:
                headers, value = encode(event_, mode)
                await producer.send_and_wait(
                    rig.topics.escalations,
                    value,
                    key=b"acme",
                    headers=headers,
                    partition=partition,
                    timestamp_ms=None if at is None else int(at * 1000),
                )

    asyncio.run(work())


def tailed_sequences(rig: Rig, *options: str) -> list[int]:
    """Return the sorted sequence numbers that ``tail --json`` prints."""
    done = rig.run("tail", "--json", "--idle", "2", *options)
    assert done.returncode == 0, done.stderr
    return sorted(json.loads(line)["data"]["sequence"] for line in done.stdout.splitlines())


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_both_content_modes_carry_the_same_events(rig: Rig, mode: ContentMode) -> None:
    """The worker writes the configured mode with the same events, keys and source headers."""
    start = datetime(2024, 3, 4, tzinfo=UTC).timestamp()
    world = World(
        start,
        3 * 168.0,
        areas={"login": 6.0},
        incidents=[Incident("login", start + 450 * HOUR, 3.0, 8.0)],
    )
    lines = [json.dumps(ticket).encode() for ticket in tickets(world)]
    rig.extra = {"SPIKEWATCH_KAFKA__CONTENT_MODE": mode}
    rig.create_topics()
    rig.start("worker")
    rig.send(lines, Pace("simulated", until=start + 3.2 * 168 * HOUR))
    rig.settle()
    expected = rig.replay(lines, start + 3.2 * 168 * HOUR)
    assert len(expected) >= 3
    records = {decode(r.headers, r.value).id: r for r in rig.read(rig.topics.escalations)}
    ordered = sorted(records.values(), key=lambda record: record.offset)
    assert [write_escalation(decode(r.headers, r.value)) for r in ordered] == expected
    for record in ordered:
        headers = dict(record.headers)
        assert {"source-partition", "source-offset"} <= headers.keys()
        named = decode(record.headers, record.value)
        assert record.key == named.data.tenant.encode()
        if mode == "structured":
            assert headers["content-type"] == STRUCTURED_TYPE.encode()
            assert record.value == write_escalation(named)
        else:
            assert headers["content-type"] == b"application/json"
            assert headers["ce_id"] == named.id.encode()
            assert json.loads(record.value)["episode_id"] == named.subject
    episode = json.loads(expected[0])["subject"]
    tail = rig.run("tail", "--json", "--from-start", "--idle", "3")
    assert tail.stdout.encode().splitlines() == expected
    report = rig.run("report", episode, "--format", "json")
    assert json.loads(report.stdout)["episode_id"] == episode, report.stderr


@pytest.mark.kafka
def test_tail_reads_both_modes_on_one_topic(rig: Rig) -> None:
    """A repeat in the other mode is printed once, as after a change of the setting."""
    rig.create_topics()
    put(rig, [(event(1), "structured", 0, None), (event(2), "binary", 0, None)])
    put(rig, [(event(1), "binary", 0, None), (event(3), "structured", 1, None)])
    rig.put(rig.topics.escalations, [(None, []), (b"{", []), (b"{}", [("ce_id", b"7")])], 0)
    put(rig, [(event(4), "binary", 0, None)])
    assert tailed_sequences(rig, "--from-start") == [1, 2, 3, 4]


@pytest.mark.kafka
@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_notify_delivers_events_of_both_content_modes(rig: Rig, mode: ContentMode) -> None:
    """An event of either mode is delivered and appears in the history."""
    inbox = rig.folder / "inbox"
    plan = rig.folder / "notify.toml"
    plan.write_text(
        f"""[default]
receivers = ["inbox"]
[[receiver]]
name = "inbox"
kind = "folder"
path = "{inbox}"
""",
        encoding="utf-8",
    )
    rig.create_topics()
    opened = event(1).model_copy(update={"time": datetime.now(UTC)})
    put(rig, [(opened, mode, partition_of("acme", rig.config.kafka.partitions), None)])
    rig.extra = {
        "SPIKEWATCH_NOTIFY__FILE": str(plan),
        "SPIKEWATCH_NOTIFY__API_PORT": "0",
        "SPIKEWATCH_NOTIFY__METRICS_PORT": "0",
    }
    rig.start("notify")
    wait_for(lambda: any(inbox.glob("*.txt")), 60, "the message in the inbox", rig)
    (message,) = inbox.glob("*.txt")
    assert "sso error of acme" in message.read_text(encoding="utf-8")
    past = rig.run("history", opened.subject)
    assert "event" in past.stdout, past.stderr
    assert "sso error of acme" in past.stdout


@pytest.mark.kafka
@pytest.mark.slow
def test_since_starts_at_the_first_record_at_or_after_the_time(rig: Rig) -> None:
    """Timestamps decide in each partition; a partition without later records prints nothing."""
    now = time.time()
    # The time must be recent, because the broker deletes records after the retention time.
    day = (datetime.now(UTC) - timedelta(days=10)).date()
    at = datetime(day.year, day.month, day.day, 9, 0, 0, 500_000, tzinfo=UTC).timestamp()
    rig.create_topics()
    put(
        rig,
        [
            (event(1), "structured", 0, at - 0.001),
            (event(2), "structured", 0, at),
            (event(3), "binary", 0, at + 60),
            (event(4), "binary", 1, at - DAY),  # before every start below, so never printed
            (event(5), "binary", 2, at + DAY),
            (event(6), "structured", 2, now - 60),
        ],
    )
    assert tailed_sequences(rig, "--since", f"{day}T09:00:00.5Z") == [2, 3, 5, 6]
    assert tailed_sequences(rig, "--since", f"{day}T10:00:00.501+01:00") == [3, 5, 6]
    assert tailed_sequences(rig, "--since", f"{day + timedelta(days=1)}") == [5, 6]
    assert tailed_sequences(rig, "--since", "2h") == [6]
    assert tailed_sequences(rig, "--since", "30s") == []
    text = rig.run("tail", "--since", "2h", "--idle", "2")
    assert "OPENED" in text.stdout


@pytest.mark.kafka
def test_since_follows_a_partition_that_had_no_later_record(rig: Rig) -> None:
    """Records that are written after the start are printed."""
    rig.create_topics()
    put(rig, [(event(1), "structured", 3, time.time() - DAY)])
    follower = rig.start("tail", "--json", "--since", "1h")
    deadline = time.monotonic() + 30
    number = 2
    while not follower.text() and time.monotonic() < deadline:
        put(rig, [(event(number), "binary", 3, None)])
        number += 1
        time.sleep(0.5)
    first = json.loads(follower.text().splitlines()[0])
    assert first["data"]["sequence"] == 2


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("90s", "2026-03-02T08:58:30+00:00"),
        ("45m", "2026-03-02T08:15:00+00:00"),
        (" 2h ", "2026-03-02T07:00:00+00:00"),
        ("3d", "2026-02-27T09:00:00+00:00"),
        ("1w", "2026-02-23T09:00:00+00:00"),
        ("2026-03-02T09:00:00.5+01:00", "2026-03-02T09:00:00.500000+01:00"),
        ("2026-03-02T09:00:00Z", "2026-03-02T09:00:00+00:00"),
        ("2026-03-02", "2026-03-02T00:00:00+00:00"),
    ],
)
def test_since_accepts_a_time_or_a_duration(text: str, at: str) -> None:
    """A time without an offset is in UTC, and a duration counts back from now."""
    assert time_or_ago(text, datetime(2026, 3, 2, 9, tzinfo=UTC)).isoformat() == at


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--since", "2h", "--from-start"], "--since and --from-start cannot be combined"),
        (["--since", "soon"], "neither a time such as 2026-03-02T09:00:00Z nor a duration such as"),
        (["--since", "2h30"], "nor a duration such as 2h or 3d"),
        (["--since", "99999999w"], "is before 1970"),
        (["--since", "1960-01-01"], "is before 1970"),
    ],
)
def test_an_invalid_since_is_rejected_with_one_sentence(
    tmp_path: Any, options: list[str], sentence: str
) -> None:
    """The command exits with 2 before it contacts a broker."""
    done = run_command_as_text(tmp_path, "tail", *options)
    assert done.returncode == 2
    assert sentence in " ".join(done.stderr.split())


def test_the_documentation_states_the_retention_of_every_topic() -> None:
    """The table has a row per topic with the retention and clean-up policy that we create."""
    lines = TOPICS_PAGE.read_text(encoding="utf-8").splitlines()
    for spec in specs(Config()):
        rows = [line.split("|") for line in lines if line.startswith(f"| `{spec.name}` |")]
        assert len(rows) == 1, f"{TOPICS_PAGE.name}: one row for the topic {spec.name} is needed"
        compacted = "compact" in spec.settings.get("cleanup.policy", "")
        kept = spec.settings.get("retention.ms")
        assert rows[0][3].strip() == (f"{int(kept) // DAY_MS} days" if kept else "for ever")
        assert rows[0][4].strip() == ("yes" if compacted else "no")
        assert len(rows[0][5]) > len("  because")
