"""Batches that unpack to far more than their size."""

import asyncio
import gzip
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from aiokafka import AIOKafkaProducer, codec
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from stream.kafka import batches, unpacking
from stream.kafka.batches import UNREAD_HEADER, LenientRecords
from stream.kafka.unpacking import MOST_BYTES, MOST_ENTRIES
from tests.support.kafka_rig import Process, Rig
from tests.support.raw_batches import batch as raw_batch
from tests.support.raw_batches import produce, record

CODECS: Final[dict[str, tuple[int, Callable[..., bytes], Callable[[Any], bytes]]]] = {
    "gzip": (1, codec.gzip_encode, unpacking.unpack_gzip),
    "snappy": (2, codec.snappy_encode, unpacking.unpack_snappy),
    "lz4": (3, codec.lz4_encode, unpacking.unpack_lz4),
    "zstd": (4, codec.zstd_encode, unpacking.unpack_zstd),
}
MIB: Final = 1024 * 1024
RESIDENT_MIB: Final = 400
"""A worker has about 150 MiB; one batch at its limit is held at most a few times at once."""


def batch(name: str, first: int, sizes: list[int]) -> bytes:
    """Return a compressed batch with records of zeros."""
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=CODECS[name][0], is_transactional=0, producer_id=-1,
        producer_epoch=-1, base_sequence=-1, batch_size=2 * sum(sizes) + 1000,
    )  # fmt: skip
    for place, size in enumerate(sizes):
        builder.append(place, timestamp=1, key=b"k", value=bytes(size), headers=[])
    encoded = bytearray(builder.build())
    encoded[:8] = first.to_bytes(8, "big")
    return bytes(encoded)


def records_without_values(count: int) -> bytes:
    """Return many encoded records; a test makes them itself, since this takes a second."""
    return b"".join(record(number, b"") for number in range(count))


def peak_kib(worker: Process) -> int:
    """Return the most memory that a process has had, in KiB."""
    status = Path(f"/proc/{worker.popen.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if "VmHWM" in line).split()[1])


@pytest.mark.parametrize("name", CODECS)
def test_unpacked_data_equals_what_was_packed(name: str) -> None:
    """Data that packs well, badly or not at all is returned whole, up to the limit."""
    _, pack, unpack = CODECS[name]
    noise = random.Random(1).randbytes(100_000)
    for data in (b"", b"x", noise, b"ticket " * 300_000, bytes(MOST_BYTES)):
        assert unpack(memoryview(pack(data))) == data


def test_snappy_without_the_header_of_xerial_is_unpacked() -> None:
    """Some producers write one plain block."""
    packed = codec.snappy_encode(b"ticket" * 9, xerial_compatible=False)
    assert unpacking.unpack_snappy(packed) == b"ticket" * 9


@pytest.mark.parametrize("name", CODECS)
def test_data_above_the_limit_is_refused(name: str) -> None:
    """One byte more than the limit is too much."""
    _, pack, unpack = CODECS[name]
    with pytest.raises(unpacking.UnpackedTooLargeError):
        unpack(memoryview(pack(bytes(MOST_BYTES + 1))))


@pytest.mark.parametrize("name", CODECS)
def test_one_record_stands_for_a_batch_that_is_too_large(name: str) -> None:
    """The batches before and after it are read."""
    batches.install()
    records = LenientRecords(
        batch(name, 0, [10, 10]) + batch(name, 2, [MOST_BYTES, 10]) + batch(name, 4, [10])
    )
    read = []
    while records.has_next():
        read += [(record.offset, record.value, record.headers) for record in records.next_batch()]
    small = bytes(10)
    unread = (3, None, [(UNREAD_HEADER, b"oversized")])
    assert read == [(0, small, []), (1, small, []), unread, (4, small, [])]


def test_a_response_ends_once_its_batches_have_unpacked_to_the_limit() -> None:
    """Many batches below the limit do not fill the memory either; the next fetch goes on."""
    batches.install()
    records = LenientRecords(b"".join(batch("gzip", n, [3 * MIB]) for n in range(5)))
    offsets = []
    while records.has_next():
        offsets += [record.offset for record in records.next_batch()]
    assert offsets == [0, 1]


@pytest.mark.parametrize(
    "large",
    [
        {"key": None, "value": bytes(MIB + 1), "headers": []},
        {"key": bytes(MIB + 1), "value": b"{}", "headers": []},
        {"key": None, "value": b"{}", "headers": [("name", bytes(MIB))]},
        {"key": None, "value": b"{}", "headers": [("n" * MIB, b"1")]},
    ],
    ids=["value", "key", "header", "header name"],
)
def test_one_record_stands_for_each_record_that_is_too_large(large: dict[str, Any]) -> None:
    """Many large records that wait to be processed would fill the memory."""
    batches.install()
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=1, is_transactional=0, producer_id=-1,
        producer_epoch=-1, base_sequence=-1, batch_size=9 * MIB,
    )  # fmt: skip
    builder.append(0, timestamp=1, key=None, value=bytes(MIB), headers=[])
    builder.append(1, timestamp=1, **large)
    builder.append(2, timestamp=1, key=b"k", value=b"{}", headers=[])
    records = LenientRecords(bytes(builder.build())).next_batch()
    read = [(one.offset, one.value, one.headers) for one in records]
    unread = (1, None, [(UNREAD_HEADER, b"oversized")])
    assert read == [(0, bytes(MIB), []), unread, (2, b"{}", [])]


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda: records_without_values(MOST_ENTRIES + 1), MOST_ENTRIES + 1),
        (lambda: record(0, b"{}", headers=MOST_ENTRIES), 1),
    ],
    ids=["records", "headers"],
)
def test_a_batch_of_too_many_records_or_headers_is_refused(
    make: Callable[[], bytes], count: int
) -> None:
    """Their objects would take a hundred times the memory of the bytes."""
    batches.install()
    ((offset, value, headers),) = [
        (one.offset, one.value, one.headers)
        for one in LenientRecords(raw_batch(gzip.compress(make(), 1), count, 1)).next_batch()
    ]
    assert (offset, value, headers) == (count - 1, None, [(UNREAD_HEADER, b"oversized")])


def test_as_many_records_and_headers_as_allowed_are_read() -> None:
    """The limit itself is allowed, and the count is exact."""
    batches.install()
    packed = gzip.compress(record(0, b"{}", headers=MOST_ENTRIES - 2) + record(1, b"{}"), 1)
    read = list(LenientRecords(raw_batch(packed, 2, 1)).next_batch())
    assert [(one.value, len(one.headers)) for one in read] == [
        (b"{}", MOST_ENTRIES - 2),
        (b"{}", 0),
    ]
    assert unpacking.last_size().entries == MOST_ENTRIES


@pytest.mark.kafka
def test_a_bomb_among_tickets_becomes_a_dead_letter(rig: Rig) -> None:
    """The worker needs little memory, and counts the tickets before and after each bomb."""
    rig.create_topics()
    worker = rig.start("worker")
    now = datetime.now(UTC).isoformat()

    def ticket(number: int) -> bytes:
        fields = {"ticket_id": str(number), "created_at": now, "product_area": "login"}
        return json.dumps(fields).encode()

    async def send() -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=rig.servers,
            compression_type="gzip",
            max_request_size=500 * MIB,
            max_batch_size=500 * MIB,
        )
        async with producer:
            for number in range(3):
                for value in (ticket(number), bytes(200 * MIB)):
                    await producer.send_and_wait(rig.topics.tickets, value, key=b"k")
            await producer.send_and_wait(rig.topics.tickets, ticket(3), key=b"k")

    asyncio.run(send())
    rig.settle()
    letters = [json.loads(record.value) for record in rig.read(rig.topics.dead)]
    assert [letter["reason"] for letter in letters] == ["oversized"] * 3
    assert len({record.value for record in rig.read(rig.topics.by_tenant) if record.headers}) == 4
    assert peak_kib(worker) < RESIDENT_MIB * 1024


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda: record(0, b"{}", headers=15 * MIB), 1),
        (lambda: records_without_values(500_000), 500_000),
        (lambda: record(0, bytes(31 * MIB)), 1),
    ],
    ids=["headers", "records", "values"],
)
def test_bombs_in_every_partition_need_little_memory(
    rig: Rig, make: Callable[[], bytes], count: int
) -> None:
    """Each batch unpacks to less than the limit of bytes; many of them wait at the same time."""
    rig.create_topics()
    bomb = raw_batch(gzip.compress(make()), count, 1)
    for number in range(rig.config.kafka.partitions):
        produce(rig, rig.topics.tickets, number, [bomb] * 8)
    worker = rig.start("worker")
    rig.settle()
    assert worker.popen.poll() is None
    assert len(rig.read(rig.topics.dead)) == 8 * rig.config.kafka.partitions
    assert peak_kib(worker) < RESIDENT_MIB * 1024
