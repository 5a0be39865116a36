"""Kafka consumers without a group, for one-off reads and full scans; they commit nothing."""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from typing import Final, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from detectors.state.snapshots import Recovery, StateError
from stream.config.sections import Config
from stream.errors import UserError
from stream.kafka.clients import kafka_client_options
from stream.kafka.topics import no_broker

POLL_MS: Final = 300
"""How long one request waits for records, milliseconds."""


class KafkaRecord(Protocol):
    """One record as aiokafka's consumers return it.

    See https://aiokafka.readthedocs.io/en/stable/api.html#aiokafka.structs.ConsumerRecord.
    """

    @property
    def topic(self) -> str:
        """The topic."""

    @property
    def partition(self) -> int:
        """The partition of the topic."""

    @property
    def offset(self) -> int:
        """The place in the partition."""

    @property
    def timestamp(self) -> int:
        """Milliseconds since 1970, by the producer or by the broker as the topic is configured."""

    @property
    def key(self) -> bytes | None:
        """The key."""

    @property
    def value(self) -> bytes | None:
        """The value; None marks the key as deleted."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Names and values of the headers."""


class Reader:
    """A consumer without a group, for the duration of an ``async with``."""

    def __init__(self, config: Config, *, jumps: bool = True) -> None:
        """Configure the consumer; nothing is connected yet.

        Args:
            config: Where the brokers are.
            jumps: Whether to continue with the earliest record that exists where the next one is
                gone; otherwise the consumer raises.
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


def partitions_of(topic: str, count: int) -> list[TopicPartition]:
    """Return the partitions of *topic*, which has *count* of them."""
    return [TopicPartition(topic, number) for number in range(count)]


async def read_all(
    config: Config, topic: str, partition: int
) -> AsyncIterator[tuple[str, bytes | None]]:
    """Yield key and value of each record of a partition, up to its present end."""
    async for record in read_records(config, topic, partition):
        yield key_of(record), record.value


def key_of(record: KafkaRecord) -> str:
    """Return the key of a record as text; bytes that are no UTF-8 are replaced."""
    return (record.key or b"").decode("utf-8", "replace")


async def read_records(config: Config, topic: str, partition: int) -> AsyncIterator[KafkaRecord]:
    """Yield each record of a partition, up to its present end."""
    async with Reader(config) as consumer:
        async for record in read_to_end(consumer, TopicPartition(topic, partition)):
            yield record


async def read_to_end(
    consumer: AIOKafkaConsumer,
    partition: TopicPartition,
    *,
    since: float | None = None,
    end: int | None = None,
) -> AsyncIterator[KafkaRecord]:
    """Yield the records of one partition, up to an end that is known before the first is read.

    Args:
        consumer: It is assigned to the partition alone, and stands at the end afterwards.
        partition: What to read.
        since: Begin with the first record at or after this time, seconds since 1970; None: with
            the first record that exists.
        end: The offset to stop before; None: the present end of the partition.
    """
    if end is None:
        end = (await consumer.end_offsets([partition]))[partition]
    # Nothing may be awaited between `assign` and `seek_to_beginning`. aiokafka would begin to reset
    # the partition by `auto_offset_reset`, and that answer would replace the beginning.
    consumer.assign([partition])
    if since is None:
        await consumer.seek_to_beginning(partition)
    else:
        await seek_to_time(consumer, [partition], since)
    while await consumer.position(partition) < end:
        found = await consumer.getmany(partition, timeout_ms=POLL_MS)
        for record in found.get(partition, ()):
            if record.offset < end:
                yield record


async def seek_to_time(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], since: float
) -> None:
    """Seek each partition to its first record at or after a time, or else to its end.

    Args:
        consumer: Assigned to the partitions.
        partitions: Which ones.
        since: Seconds since 1970, by the timestamps of the records.
    """
    # The ends are asked for first: a record that arrives between the two requests is not skipped.
    ends = await consumer.end_offsets(partitions)
    milliseconds = math.ceil(since * 1000)
    found = await consumer.offsets_for_times(dict.fromkeys(partitions, milliseconds))
    for partition in partitions:
        first = found.get(partition)
        consumer.seek(partition, ends[partition] if first is None else first.offset)


async def read_changelog(consumer: AIOKafkaConsumer, partition: TopicPartition) -> Recovery:
    """Return what one partition of the changelog holds.

    Raises:
        UserError: A record of it cannot be read.
    """
    recovery = Recovery()
    async for record in read_to_end(consumer, partition):
        try:
            recovery.read(record.key or b"", record.value or b"", record.timestamp / 1000.0)
        except StateError as error:
            raise UserError(f"the state cannot be read: {error}") from None
    return recovery
