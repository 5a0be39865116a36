"""Records whose header names are no UTF-8: what another language's producer may write."""

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

from stream.kafka.lenient_headers import LenientRecords
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
    """Text that is written as bytes that are none."""

    __slots__ = ()

    def encode(self, *_: Any) -> bytes:
        return b"\xff\xfe"


def batches() -> bytes:
    """Two batches of three records; the second of each has the name."""
    found = b""
    for first in (0, 3):
        builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, -1, 99_999)
        for place, headers in enumerate(([], [(Name("x"), b"1")], [("ok", b"2")])):
            builder.append(place, timestamp=1, key=b"k", value=b"%d" % first, headers=headers)
        found += bytes(builder.build())
    return found


def test_the_stock_reader_refuses_the_name() -> None:
    """What this is for: aiokafka itself cannot read such a batch."""
    records = MemoryRecords(batches())
    with pytest.raises(UnicodeDecodeError):
        list(records.next_batch())


def test_all_records_are_read() -> None:
    """Every record comes, once its offset was not had before, and good names stay as they are."""
    records = LenientRecords(batches())
    found = []
    while records.has_next():
        had: set[int] = set()
        for record in records.next_batch():
            if record.offset not in had:  # as the fetcher skips what it had
                had.add(record.offset)
                found.append((record.value, record.headers))
    assert [value for value, _ in found] == [b"0"] * 3 + [b"3"] * 3
    assert [headers for _, headers in found[:3]] == [[], [("\\xff\\xfe", b"1")], [("ok", b"2")]]


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
def test_it_stops_no_other_process(rig: Any) -> None:
    """On a real broker: notify, the page and `tail` read past it on every topic that they read."""
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
        env={**os.environ, "AIOKAFKA_NO_EXTENSIONS": "1"},  # the quick writer checks the name
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
def test_it_stops_no_worker(rig: Rig) -> None:
    """On a real broker: the record is taken in like any other, and so are those after it."""
    rig.create_topics()
    rig.start("worker")
    now = datetime.now(UTC).isoformat()
    subprocess.run(
        [sys.executable, "-c", PRODUCER, rig.servers, rig.topics.tickets, now],
        env={**os.environ, "AIOKAFKA_NO_EXTENSIONS": "1"},  # the quick writer checks the name
        check=True,
        timeout=60,
    )
    rig.settle()
    read = [json.loads(record.value) for record in rig.read(rig.topics.by_tenant)]
    assert [r["ticket_id"] for r in read if r["type"] == "ticket"] == [str(n) for n in range(6)]
