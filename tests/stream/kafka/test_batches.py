"""Test records whose header names are not UTF-8, which other producers may write."""

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any
from urllib.request import urlopen

import pytest
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.record.memory_records import MemoryRecords

from stream.kafka.batches import LenientRecords
from stream.kafka.partitioner import partition_of
from tests.support.kafka_rig import Rig, free_port, wait_for
from tests.support.notify_rig import escalation, put

PRODUCER = """
import asyncio, json, sys
from aiokafka import AIOKafkaProducer
class Name(str):
    def encode(self, *_): return b"\\xff\\xfe"
async def main():
    servers, topic, now = sys.argv[1:]
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        for number in range(6):
            ticket = {"ticket_id": str(number), "created_at": now, "product_area": "login"}
            headers = [(Name("x"), b"1")] if number == 3 else []
            await producer.send_and_wait(topic, json.dumps(ticket).encode(), b"k", headers=headers)
asyncio.run(main())
"""


class Name(str):
    """Text that is written as bytes that are not UTF-8."""

    __slots__ = ()

    def encode(self, *_: Any) -> bytes:
        return b"\xff\xfe"


def batches() -> bytes:
    """Return two batches of three records, in which the second record has the invalid name."""
    encoded = b""
    for first in (0, 3):
        builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, -1, 99_999)
        for place, headers in enumerate(([], [(Name("x"), b"1")], [("ok", b"2")])):
            builder.append(place, timestamp=1, key=b"k", value=b"%d" % first, headers=headers)
        encoded += bytes(builder.build())
    return encoded


def test_aiokafka_alone_cannot_read_an_invalid_header_name() -> None:
    """This is the defect that the lenient reader corrects."""
    records = MemoryRecords(batches())
    with pytest.raises(UnicodeDecodeError):
        list(records.next_batch())


def test_all_records_with_invalid_header_names_are_read() -> None:
    """Every record is read once, and valid header names are unchanged."""
    records = LenientRecords(batches())
    values_and_headers = []
    while records.has_next():
        seen_offsets: set[int] = set()
        for record in records.next_batch():
            if (
                record.offset not in seen_offsets
            ):  # as the fetcher skips records that it had already
                seen_offsets.add(record.offset)
                values_and_headers.append((record.value, record.headers))
    assert [value for value, _ in values_and_headers] == [b"0"] * 3 + [b"3"] * 3
    assert [headers for _, headers in values_and_headers[:3]] == [
        [],
        [("\\xff\\xfe", b"1")],
        [("ok", b"2")],
    ]


HOSTILE = """
import asyncio, sys
from aiokafka import AIOKafkaProducer
class Name(str):
    def encode(self, *_): return b"\\xff\\xfe"
async def main():
    servers, partition, *topics = sys.argv[1:]
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        for topic in topics:
            known = await producer.partitions_for(topic)
            place = int(partition) if int(partition) in known else 0
            await producer.send_and_wait(
                topic, b"{}", b"acme", partition=place, headers=[(Name("x"), b"1")]
            )
asyncio.run(main())
"""


@pytest.mark.kafka
def test_invalid_header_names_do_not_stop_notify_page_or_tail(rig: Any) -> None:
    """On a real broker, each process reads past such a record on every topic that it reads."""
    inbox = rig.folder / "inbox"
    plan = rig.folder / "notify.toml"
    plan.write_text(
        '[default]\nreceivers = ["inbox"]\n[[receiver]]\nname = "inbox"\n'
        f'kind = "folder"\npath = "{inbox}"\n'
    )
    port = free_port()
    rig.extra = {
        "SPIKEWATCH_NOTIFY__FILE": str(plan),
        "SPIKEWATCH_NOTIFY__METRICS_PORT": "0",
        "SPIKEWATCH_NOTIFY__HEALTH_PORT": "0",
        "SPIKEWATCH_PAGE__PORT": str(port),
        "SPIKEWATCH_PAGE__METRICS_PORT": "0",
    }
    rig.create_topics()
    topics = rig.topics
    read = [topics.escalations, topics.feedback, topics.silences, topics.audit, topics.by_tenant]
    partition = partition_of("acme", rig.config.kafka.partitions)
    subprocess.run(
        [sys.executable, "-c", HOSTILE, rig.servers, str(partition), *read],
        env={**os.environ, "AIOKAFKA_NO_EXTENSIONS": "1"},  # the C code rejects the name
        check=True,
        timeout=60,
    )
    event = escalation("acme", at=datetime.now(UTC))
    asyncio.run(put(rig.config, [event]))
    processes = [rig.start("notify"), rig.start("page")]
    wait_for(lambda: any(inbox.rglob("*.*")), 60, "the message", rig)

    def shown() -> bool:
        url = f"http://127.0.0.1:{port}/api/episodes/{event.data.episode_id}"
        try:
            with urlopen(url, timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    wait_for(shown, 60, "the page", rig)
    tail = rig.run("tail", "--from-start", "--json", "--idle", "3")
    assert event.data.episode_id in tail.stdout, tail.stderr
    assert [process.popen.poll() for process in processes] == [None, None]


@pytest.mark.kafka
def test_invalid_header_names_do_not_stop_the_worker(rig: Rig) -> None:
    """On a real broker, the record and the records after it are taken in like any other."""
    rig.create_topics()
    rig.start("worker")
    now = datetime.now(UTC).isoformat()
    subprocess.run(
        [sys.executable, "-c", PRODUCER, rig.servers, rig.topics.tickets, now],
        env={**os.environ, "AIOKAFKA_NO_EXTENSIONS": "1"},  # the C code rejects the name
        check=True,
        timeout=60,
    )
    rig.settle()
    read = [json.loads(record.value) for record in rig.read(rig.topics.by_tenant)]
    assert [r["ticket_id"] for r in read if r["type"] == "ticket"] == [str(n) for n in range(6)]
