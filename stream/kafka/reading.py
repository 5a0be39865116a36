"""Reading topics without a group: for a look, or to know all that is there."""

import asyncio
import math
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from detectors.state.snapshots import Recovery, StateError
from stream.config.sections import Config
from stream.errors import UserError
from stream.kafka.clients import kafka_client_options
from stream.kafka.topics import no_broker


class Reader:
    """A consumer of no group, for the time of an ``async with``."""

    def __init__(self, config: Config, *, jumps: bool = True) -> None:
        """Nothing is connected yet.

        Args:
            config: Where the brokers are.
            jumps: Where what comes next is gone, go on with the earliest that is there; else raise.
        """
        self._servers = config.kafka.bootstrap_servers
        self._consumer = AIOKafkaConsumer(
            **kafka_client_options(config),
            enable_auto_commit=False,
            auto_offset_reset="earliest" if jumps else "none",
        )

    async def __aenter__(self) -> AIOKafkaConsumer:
        """Connect.

        Raises:
            UserError: No broker answers.
        """
        try:
            await self._consumer.start()
        except KafkaConnectionError:
            await self._consumer.stop()
            raise UserError(no_broker(self._servers)) from None
        return self._consumer

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""
        await asyncio.shield(self._consumer.stop())


READ_MS: Final = 300


async def read_all(config: Config, topic: str, partition: int) -> Any:
    """Key and value of each record of a partition, up to its end as of now."""
    async for record in read_records(config, topic, partition):
        yield key_of(record), record.value


def key_of(record: Any) -> str:
    """The key of a record, as text."""
    return (record.key or b"").decode("utf-8", "replace")


async def read_records(config: Config, topic: str, partition: int) -> Any:
    """Each record of a partition, up to its end as of now."""
    async with Reader(config) as consumer:
        async for record in read_to_end(consumer, TopicPartition(topic, partition)):
            yield record


async def read_to_end(consumer: AIOKafkaConsumer, tp: TopicPartition) -> Any:
    """Each record of *tp*, up to its end as of now; *consumer* stands there afterwards."""
    consumer.assign([tp])
    end = (await consumer.end_offsets([tp]))[tp]
    await consumer.seek_to_beginning(tp)
    while await consumer.position(tp) < end:
        for record in (await consumer.getmany(tp, timeout_ms=READ_MS)).get(tp, ()):
            yield record


IDLE_MS = 300


async def seek(reader: AIOKafkaConsumer, partitions: list[TopicPartition], since: float) -> None:
    """To the first record of each partition that is at or after *since*, else to its end."""
    # The ends are asked for first: what comes between the two questions is not jumped over.
    ends = await reader.end_offsets(partitions)
    milliseconds = math.ceil(since * 1000)
    found = await reader.offsets_for_times(dict.fromkeys(partitions, milliseconds))
    for partition in partitions:
        first = found.get(partition)
        reader.seek(partition, ends[partition] if first is None else first.offset)


async def read_partition(reader: AIOKafkaConsumer, tp: TopicPartition) -> Recovery:
    """What one partition of the changelog holds.

    Raises:
        UserError: A record of it cannot be read.
    """
    recovery = Recovery()
    reader.assign([tp])
    await reader.seek_to_beginning(tp)
    end = (await reader.end_offsets([tp]))[tp]
    while await reader.position(tp) < end:
        for record in (await reader.getmany(tp, timeout_ms=IDLE_MS)).get(tp, ()):
            try:
                recovery.read(record.key, record.value, record.timestamp / 1000.0)
            except StateError as error:
                raise UserError(f"the state cannot be read: {error}") from None
    return recovery
