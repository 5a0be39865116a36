"""The example consumers that downstream teams copy, run unchanged against a real broker."""

import asyncio
import hashlib
import json
import os
import shutil
import sys
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from schemas.cloudevents import ContentMode, Header, encode
from schemas.codec import write_escalation
from schemas.escalation import EscalationEvent, Transition
from schemas.examples import EVENT
from tests.support.kafka_rig import Process, Rig, wait_for

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

CONSUMERS = Path(__file__).parents[2] / "deploy" / "consumers"
Record = tuple[Sequence[Header], bytes | None]


def event(sequence: int, transition: Transition, episode: str = "a" * 32) -> EscalationEvent:
    """Return the example event with a transition of *episode*."""
    data = EVENT.data.model_copy(
        update={"episode_id": episode, "sequence": sequence, "tickets": 7 * sequence}
    )
    if episode != "a" * 32:
        data = data.model_copy(update={"suppressed": "storm", "product_area": None, "areas": []})
    return EVENT.model_copy(
        update={
            "id": hashlib.sha256(f"{episode}{sequence}".encode()).hexdigest()[:32],
            "type": f"com.spikewatch.escalation.{transition}.v1",
            "subject": episode,
            "data": data,
        }
    )


def story(mode: ContentMode) -> list[Record]:
    """Return the records of two episodes, with repeats and unreadable records."""
    events = [
        event(1, "opened"),
        event(2, "updated"),
        event(1, "opened", "b" * 32),
        event(3, "resolved"),
        event(4, "reopened"),
        event(5, "resolved"),
    ]
    records: list[Record] = []
    for one in events:
        records += [encode(one, mode), encode(one, mode)]
    incomplete = json.loads(write_escalation(event(9, "opened")))
    del incomplete["subject"]
    unreadable: list[Record] = [
        ([], None),
        ([], b"{"),
        ([("content-type", b"application/json"), ("ce_id", b"\xff")], b"{}"),
        ([], json.dumps(incomplete).encode()),
        ([], b"[]"),
    ]
    other: ContentMode = "binary" if mode == "structured" else "structured"
    return [*records[:4], *unreadable, *records[4:], encode(events[0], other)]


START = "2024-04-15T09:03:27Z"
LINES = [
    f"{START} OPENED warning login of acme: 7 tickets, 20.29 x; 1 open",
    f"{START} UPDATED warning login of acme: 14 tickets, 20.29 x; 1 open",
    f"{START} OPENED warning everything of acme: 7 tickets, 20.29 x; 2 open (do not page: storm)",
    f"{START} RESOLVED warning login of acme: 21 tickets, 20.29 x; 1 open",
    f"{START} REOPENED warning login of acme: 28 tickets, 20.29 x; 2 open",
    f"{START} RESOLVED warning login of acme: 35 tickets, 20.29 x; 1 open",
]
LAST = f"{START} OPENED warning login of acme: 49 tickets, 20.29 x; 2 open"


@pytest.fixture(scope="session")
def node_consumer(request: pytest.FixtureRequest, node: Any) -> list[str]:
    """Return the command of the JavaScript consumer, with its locked packages installed."""
    files = [CONSUMERS / "node" / n for n in ("consumer.mjs", "package.json", "package-lock.json")]
    digest = hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:16]
    kept = request.config.cache.mkdir("node-consumer") / digest
    if not kept.exists():
        part = kept.with_name(
            f"{digest}-{uuid.uuid4().hex}"
        )  # other processes may install at the same time
        part.mkdir()
        for file in files:
            shutil.copy(file, part)
        node.npm("ci", folder=part)
        with suppress(OSError):
            part.rename(kept)
    return [node.program, str(kept / "consumer.mjs")]


@pytest.fixture
def command(request: pytest.FixtureRequest) -> list[str]:
    """Return the command of the consumer under test."""
    if request.param == "node":
        found: list[str] = request.getfixturevalue("node_consumer")
        return found
    if request.param == "faust":
        return [sys.executable, str(CONSUMERS / "with_faust.py")]
    return [sys.executable, str(CONSUMERS / "with_aiokafka.py")]


def put(rig: Rig, records: Sequence[Record]) -> None:
    """Produce the records to one partition, in order."""

    async def work() -> None:
        async with AIOKafkaProducer(bootstrap_servers=rig.servers) as producer:
            for headers, value in records:
                await producer.send_and_wait(
                    rig.topics.escalations, value, key=b"acme", headers=list(headers), partition=1
                )

    asyncio.run(work())


def event_lines(process: Process) -> list[str]:
    """Return the lines about events, without banners and errors."""
    return [line for line in process.text().splitlines() if line.startswith("2024-")]


def skip_lines(process: Process) -> list[str]:
    """Return the lines about records that could not be read."""
    return [line for line in process.text().splitlines() if line.startswith("skipped ")]


@pytest.mark.parametrize("mode", ["structured", "binary"])
@pytest.mark.parametrize("command", ["aiokafka", "faust", "node"], indirect=True)
def test_an_example_consumer_prints_each_event_once(
    rig: Rig, command: list[str], mode: ContentMode
) -> None:
    """The consumer prints one line per event in order and skips repeats and unreadable records.

    After a restart it continues behind the handled records, and SIGTERM ends it with status 0.
    """
    environ = {
        "KAFKA_SERVERS": rig.servers,
        "TOPIC": rig.topics.escalations,
        "GROUP": rig.topics.group("consumer"),
        "PYTHONPATH": "",  # the consumer must not import this project
    }
    rig.create_topics()
    put(rig, story(mode))
    first = rig.start_command(command, environ)
    wait_for(lambda: len(event_lines(first)) >= len(LINES), 60, "the lines about the events", rig)
    wait_for(lambda: len(skip_lines(first)) >= 5, 10, "the lines about skipped records", rig)
    put(rig, [encode(event(7, "opened"), mode)])
    wait_for(lambda: LAST in event_lines(first), 30, "the line of the last event", rig)
    assert event_lines(first) == [*LINES, LAST]
    assert len(skip_lines(first)) == 5
    assert first.end() == 0, first.text()
    put(rig, [encode(event(8, "updated"), mode)])
    second = rig.start_command(command, environ)
    wait_for(lambda: bool(event_lines(second)), 60, "the line after the restart", rig)
    assert [line.split(": ")[1] for line in event_lines(second)] == ["56 tickets, 20.29 x; 1 open"]
    assert second.end() == 0, second.text()


def test_the_lock_file_names_no_registry() -> None:
    """Users install the packages from the registry that they have configured."""
    lock = json.loads((CONSUMERS / "node" / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert "node_modules/@platformatic/kafka" in packages
    assert all(
        "integrity" in package and "resolved" not in package for package in packages.values()
    )
    assert not os.path.lexists(CONSUMERS / "node" / "node_modules")
