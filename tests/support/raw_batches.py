"""Record batches as a hostile producer writes them: no client library creates these.

See https://kafka.apache.org/documentation/#recordbatch for the format.
"""

import asyncio
import struct
import time
from collections.abc import Sequence

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import for_code
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.util import calc_crc32c

from tests.support.kafka_rig import Rig


def varint(number: int) -> bytes:
    """Return a signed number in zigzag encoding."""
    rest = ((number << 1) ^ (number >> 63)) & (2**64 - 1)
    encoded = bytearray()
    while rest >= 0x80:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*encoded, rest])


def record(offset_delta: int, value: bytes, headers: int = 0, attributes: int = 0) -> bytes:
    """Return an encoded record without a key.

    Args:
        offset_delta: Its offset, relative to the batch; a broker does not check it.
        value: Its value.
        headers: Number of headers, each with an empty name and no value.
        attributes: A byte without meaning, which a broker does not check.
    """
    body = (
        bytes([attributes])
        + varint(0)
        + varint(offset_delta)
        + varint(-1)
        + varint(len(value))
        + value
    )
    body += varint(headers) + (varint(0) + varint(-1)) * headers
    return varint(len(body)) + body


def batch(records: bytes, count: int, codec: int = 0) -> bytes:
    """Return a batch of format 2 with a valid checksum.

    Args:
        records: The encoded records, packed with the codec.
        count: Number of records.
        codec: Number of the codec: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    """
    now = int(time.time() * 1000)
    checked = struct.pack(">hiqqqhii", codec, count - 1, now, now, -1, -1, -1, count) + records
    rest = struct.pack(">ibI", -1, 2, calc_crc32c(checked)) + checked
    return struct.pack(">qi", 0, len(rest)) + rest


def produce(rig: Rig, topic: str, partition: int, batches: Sequence[bytes]) -> None:
    """Produce batches, and fail if the broker does not accept them."""

    async def run() -> None:
        client = AIOKafkaClient(bootstrap_servers=rig.servers)
        await client.bootstrap()
        try:
            await client.set_topics([topic])
            leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
            for data in batches:
                request = ProduceRequest(None, -1, 30_000, [(topic, [(partition, data)])])
                while True:
                    response = await client.send(leader, request)
                    ((_, ((_, code, *_),)),) = response.topics
                    error = for_code(code)
                    if not error.retriable:  # the leader of a new topic needs a moment
                        break
                    await asyncio.sleep(0.1)
                if code:
                    raise error
        finally:
            await client.close()

    asyncio.run(run())
