"""Batches that a broker accepts, although no honest producer writes them."""

import gzip
import json
from datetime import UTC, datetime
from typing import Final

import pytest
from aiokafka import codec

from stream.kafka import batches
from stream.kafka.batches import UNREAD_HEADER, LenientRecords
from stream.kafka.partitioner import partition_of
from tests.support.kafka_rig import Rig
from tests.support.raw_batches import batch, produce, record

JUNK: Final = b"no part of the packed data"


def two_records(first: int = 0) -> bytes:
    """Return two encoded records with values from 1 on, and their offsets from *first* on."""
    return record(first, b"1") + record(first + 1, b"2")


UNREADABLE: Final = {
    "gzip": (1, gzip.compress(two_records()) + JUNK),
    "snappy": (2, codec.snappy_encode(two_records()) + codec.snappy_encode(b"")),
    "snappy, short": (2, codec.snappy_encode(two_records()) + b"\0\0"),
    "lz4": (3, codec.lz4_encode(two_records()) + JUNK),
}
"""Codec and data that Java unpacks, but our libraries do not: the rest behind the data is junk."""
WRONG_OFFSETS: Final = {
    "far ahead": (0, 2**31 - 1),
    "ahead": (0, 1_000_000),
    "equal": (0, 0),
    "descending": (1, 0),
    "negative": (-7, -5),
}


def read(data: bytes) -> list[tuple[int, bytes | None, list[tuple[str, bytes | None]]]]:
    """Return the offset, value and headers of each record."""
    batches.install()
    records = LenientRecords(data)
    found = []
    while records.has_next():
        found += [(r.offset, r.value, list(r.headers)) for r in records.next_batch()]
    return found


@pytest.mark.parametrize("name", UNREADABLE)
def test_one_record_stands_for_a_batch_that_cannot_be_unpacked(name: str) -> None:
    """aiokafka would raise an exception with each attempt to read it."""
    number, packed = UNREADABLE[name]
    assert read(batch(packed, 2, number)) == [(1, None, [(UNREAD_HEADER, b"undecodable")])]


def test_many_unreadable_batches_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Their dead letters are complete, and the log names one of them from time to time."""
    number, packed = UNREADABLE["gzip"]
    assert len(read(batch(packed, 2, number) * 50)) == 50
    assert len(caplog.records) <= 1


@pytest.mark.parametrize("name", WRONG_OFFSETS)
def test_records_have_the_offsets_that_the_broker_counted(name: str) -> None:
    """A consumer that believes the producer's offsets would skip all records up to them."""
    first, second = WRONG_OFFSETS[name]
    data = batch(record(first, b"1") + record(second, b"2"), 2)
    assert read(data) == [(0, b"1", []), (1, b"2", [])]


@pytest.mark.parametrize("attributes", [1, 127, 128, 255])
def test_attributes_of_records_have_no_meaning(attributes: int) -> None:
    """aiokafka would take some of them for the beginning of a longer number."""
    data = batch(record(0, b"1", headers=2, attributes=attributes) + record(1, b"2"), 2)
    assert read(data) == [(0, b"1", [("", None), ("", None)]), (1, b"2", [])]


@pytest.mark.kafka
def test_hostile_batches_neither_stop_a_worker_nor_hide_other_tickets(rig: Rig) -> None:
    """The broker accepts every batch, and all readable tickets are counted before and after it."""
    rig.create_topics()
    now = datetime.now(UTC).isoformat()

    def ticket(name: str) -> bytes:
        fields = {"ticket_id": name, "created_at": now, "product_area": "login"}
        return json.dumps(fields).encode()

    hostile = [
        batch(record(first, ticket(f"{name} 1")) + record(second, ticket(f"{name} 2")), 2)
        for name, (first, second) in WRONG_OFFSETS.items()
    ]
    hostile.append(batch(record(0, ticket("attributes"), attributes=255), 1))
    hostile += [batch(packed, 2, number) for number, packed in UNREADABLE.values()]
    sent = [batch(record(0, ticket("first")), 1), *hostile, batch(record(0, ticket("last")), 1)]
    partition = partition_of("default", rig.config.kafka.partitions)
    worker = rig.start("worker")
    produce(rig, rig.topics.tickets, partition, sent)
    rig.settle()
    expected = [
        "first",
        *(f"{name} {n}" for name in WRONG_OFFSETS for n in (1, 2)),
        "attributes",
        "last",
    ]
    internal = [json.loads(r.value) for r in rig.read(rig.topics.by_tenant) if r.headers]
    assert [signal["ticket_id"] for signal in internal] == expected
    letters = [json.loads(r.value)["reason"] for r in rig.read(rig.topics.dead)]
    assert letters == ["undecodable"] * len(UNREADABLE)
    assert worker.end() == 0
    again = rig.start("worker")
    produce(rig, rig.topics.tickets, partition, [batch(record(0, ticket("new")), 1)])
    rig.settle()
    assert again.popen.poll() is None
