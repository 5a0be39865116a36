"""Kafka consumers without a group, for one-off reads and full scans that commit nothing."""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from typing import Final, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from detectors.state.snapshots import Recovery, StateError
from stream.config.sections import Config
from stream.errors import UserError
from stream.kafka.batches import MOST_POLLED
from stream.kafka.clients import kafka_client_options
from stream.kafka.topics import no_broker

POLL_MS: Final = 300
"""Time that one request waits for records, in milliseconds."""


class KafkaRecord(Protocol):
    """Record as returned by aiokafka's consumers.

    See https://aiokafka.readthedocs.io/en/stable/api.html#aiokafka.structs.ConsumerRecord.
    """

    @property
    def topic(self) -> str:
        """Name of the topic."""

    @property
    def partition(self) -> int:
        """Number of the partition."""

    @property
    def offset(self) -> int:
        """Offset in the partition."""

    @property
    def timestamp(self) -> int:
        """Milliseconds since 1970, set by the producer or the broker as the topic is configured."""

    @property
    def key(self) -> bytes | None:
        """Key of the record."""

    @property
    def value(self) -> bytes | None:
        """Value of the record; None marks the key as deleted."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Names and values of the headers."""


class Reader:
    """Consumer without a group, open for the duration of an ``async with``."""

    def __init__(self, config: Config, *, jumps: bool = True) -> None:
        """Configure the consumer without connecting yet.

        Args:
            config: Names the brokers.
            jumps: Whether to continue with the earliest existing record if the next record was
                deleted; otherwise the consumer raises.
        """
        self._servers = config.kafka.bootstrap_servers
        self._consumer = AIOKafkaConsumer(
            **kafka_client_options(config),
            enable_auto_commit=False,
            max_poll_records=MOST_POLLED,
            auto_offset_reset="earliest" if jumps else "none",
        )

    async def __aenter__(self) -> AIOKafkaConsumer:
        """Connect to the brokers.

        Raises:
            UserError: No broker responds.
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
    """Return all partitions of a topic with the given number of partitions."""
    return [TopicPartition(topic, number) for number in range(count)]


async def read_all(
    config: Config, topic: str, partition: int
) -> AsyncIterator[tuple[str, bytes | None]]:
    """Yield the key and value of each record of a partition, up to its current end."""
    async for record in read_records(config, topic, partition):
        yield key_of(record), record.value


def key_of(record: KafkaRecord) -> str:
    """Return the key of a record as text, with bytes that are not UTF-8 replaced."""
    return (record.key or b"").decode("utf-8", "replace")


async def read_records(config: Config, topic: str, partition: int) -> AsyncIterator[KafkaRecord]:
    """Yield each record of a partition, up to its current end."""
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
    """Yield the records of one partition, up to an end that is fixed before reading starts.

    Args:
        consumer: Consumer that is assigned to this partition only; at the end afterwards.
        partition: Partition to read.
        since: Time of the first record to read, seconds since 1970; None: start with the first
            existing record.
        end: Offset to stop before; None: the current end of the partition.
    """
    if end is None:
        end = (await consumer.end_offsets([partition]))[partition]
    # Nothing may be awaited between `assign` and `seek_to_beginning`. Otherwise aiokafka would
    # reset the partition by `auto_offset_reset`, and the result would replace the beginning.
    consumer.assign([partition])
    if since is None:
        await consumer.seek_to_beginning(partition)
    else:
        await seek_to_time(consumer, [partition], since)
    while await consumer.position(partition) < end:
        batches = await consumer.getmany(partition, timeout_ms=POLL_MS)
        for record in batches.get(partition, ()):
            if record.offset < end:
                yield record


async def seek_to_time(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], since: float
) -> None:
    """Seek each partition to its first record at or after a time, or else to its end.

    Args:
        consumer: Consumer that is assigned to the partitions.
        partitions: Partitions to seek in.
        since: Seconds since 1970, compared with the timestamps of the records.
    """
    # Request the ends first, so that a record that arrives between the requests is not skipped.
    ends = await consumer.end_offsets(partitions)
    milliseconds = math.ceil(since * 1000)
    offsets = await consumer.offsets_for_times(dict.fromkeys(partitions, milliseconds))
    for partition in partitions:
        first = offsets.get(partition)
        consumer.seek(partition, ends[partition] if first is None else first.offset)


async def read_changelog(consumer: AIOKafkaConsumer, partition: TopicPartition) -> Recovery:
    """Return the contents of one partition of the changelog.

    Raises:
        UserError: A record is not readable.
    """
    recovery = Recovery()
    async for record in read_to_end(consumer, partition):
        try:
            recovery.read(record.key or b"", record.value or b"", record.timestamp / 1000.0)
        except StateError as error:
            raise UserError(f"the state cannot be read: {error}") from None
    return recovery
