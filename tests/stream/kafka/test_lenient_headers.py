"""Records whose header names are no UTF-8: what another language's producer may write."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.record.memory_records import MemoryRecords

from stream.kafka.lenient_headers import LenientRecords
from tests.support.kafka_rig import Rig

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
