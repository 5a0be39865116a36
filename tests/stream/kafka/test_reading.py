"""Test reading a partition to its end on a real broker."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from stream.kafka.reading import read_to_end
from tests.support.kafka_rig import Rig

READINGS = 15


@pytest.mark.kafka
def test_a_reset_by_aiokafka_does_not_move_a_consumer_that_reads_from_the_start(
    rig: Rig,
) -> None:
    """A reset that aiokafka has begun must not move a consumer that reads from the beginning."""
    rig.create_topics()
    topic = rig.topics.audit
    rig.put(topic, [(b"one", []), (b"two", [])], 0)

    async def read(reset: str) -> set[int]:
        counts = set()
        consumer = AIOKafkaConsumer(
            bootstrap_servers=rig.servers, enable_auto_commit=False, auto_offset_reset=reset
        )
        async with consumer:
            for _ in range(READINGS):
                records = [
                    record async for record in read_to_end(consumer, TopicPartition(topic, 0))
                ]
                counts.add(len(records))
        return counts

    for reset in ("latest", "none"):
        assert asyncio.run(read(reset)) == {2}, reset
