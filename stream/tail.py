"""Follow the escalations, or look at what the workers know."""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from detectors.partition import Partition
from detectors.twins import Recovery, StateError
from schemas.cloudevents import EventError, decode
from schemas.escalation import EscalationEvent
from schemas.topics import Topics
from stream.config import Config, kafka_client_options
from stream.errors import UserError
from stream.reader import Reader
from stream.settings import settings_of
from stream.topics import verify

MATURE_HOURS = 336.0
"""Two weeks: each hour of the week was seen twice, and the own tail begins to count."""
IDLE_MS = 300


@dataclass
class AreaStatus:
    """One area, as of the last snapshot."""

    tenant: str
    area: str
    phase: str
    tickets: int
    last_hour: float
    expected: float
    warm_up_hours: float
    """What is left of it."""


@dataclass
class Status:
    """What the workers know, as of their last snapshots."""

    tickets: int
    areas: list[AreaStatus]
    clocks: dict[str, float]
    """Tenant -> its clock, seconds since 1970."""
    lag: dict[str, int]
    """Topic -> records that are not durably worked on."""


async def follow(
    config: Config,
    *,
    from_start: bool = False,
    since: float | None = None,
    idle_seconds: float | None = None,
) -> AsyncIterator[EscalationEvent]:
    """Escalations as they come, in whichever content mode; repeats (same source and id) left out.

    Args:
        config: Where to read.
        from_start: Also those that are on the topic already.
        since: Also those from the first one on whose record timestamp is at or after it, in
            seconds since 1970, in each partition; not together with *from_start*.
        idle_seconds: End after so long without one; None: never.

    Raises:
        UserError: No broker, or the topics are not as they must be.
    """
    await verify(config)
    topic = Topics(config.kafka.topic_prefix).escalations
    async with Reader(config) as reader:
        partitions = [TopicPartition(topic, p) for p in range(config.kafka.partitions)]
        reader.assign(partitions)
        if from_start:
            await reader.seek_to_beginning(*partitions)
        elif since is not None:
            await seek(reader, partitions, since)
        else:
            await reader.seek_to_end(*partitions)
        seen: dict[tuple[str, str], None] = {}
        heard = time.monotonic()
        while idle_seconds is None or time.monotonic() - heard < idle_seconds:
            for records in (await reader.getmany(timeout_ms=IDLE_MS)).values():
                for record in records:
                    heard = time.monotonic()
                    try:
                        event = decode(record.headers, record.value)
                    except EventError:
                        continue  # somebody else's, or of a later release
                    if (event.source, event.id) not in seen:
                        seen[event.source, event.id] = None
                        if len(seen) > 100_000:
                            del seen[next(iter(seen))]
                        yield event


async def seek(reader: AIOKafkaConsumer, partitions: list[TopicPartition], since: float) -> None:
    """To the first record of each partition that is at or after *since*, else to its end."""
    # The ends are asked for first: what comes between the two questions is not jumped over.
    ends = await reader.end_offsets(partitions)
    milliseconds = math.ceil(since * 1000)
    found = await reader.offsets_for_times(dict.fromkeys(partitions, milliseconds))
    for partition in partitions:
        first = found.get(partition)
        reader.seek(partition, ends[partition] if first is None else first.offset)


async def status(config: Config) -> Status:
    """Read the changelog and say what it holds.

    Raises:
        UserError: No broker, the topics are not as they must be, or the state cannot be read.
    """
    await verify(config)
    topics = Topics(config.kafka.topic_prefix)
    changelog = topics.changelog(config.kafka.group)
    settings = settings_of(config)
    found = Status(0, [], {}, {})
    async with Reader(config) as reader:
        for number in range(config.kafka.partitions):
            recovery = await read_partition(reader, TopicPartition(changelog, number))
            try:
                _add(found, Partition(number, 0, settings, recovery))
            except StateError as error:
                raise UserError(f"the state cannot be read: {error}") from None
        committed = await _committed(config)
        for topic in (topics.tickets, topics.by_tenant):
            partitions = [TopicPartition(topic, p) for p in range(config.kafka.partitions)]
            ends = await reader.end_offsets(partitions)
            starts = await reader.beginning_offsets(partitions)
            found.lag[topic] = sum(
                max(0, ends[tp] - max(committed.get(tp, 0), starts[tp])) for tp in partitions
            )
    found.areas.sort(key=lambda a: (a.tenant, a.area))
    return found


def _add(found: Status, partition: Partition) -> None:
    for tenant in partition.tenants.values():
        clock = tenant.clock or 0.0
        found.clocks[tenant.name] = clock
        for area, series in tenant.areas.items():
            found.tickets += series.tickets
            found.areas.append(
                AreaStatus(
                    tenant.name,
                    area,
                    series.phase,
                    series.tickets,
                    series.last_hour(clock),
                    series.model.rate,
                    max(0.0, MATURE_HOURS - series.model.maturity_hours),
                )
            )


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


async def _committed(config: Config) -> dict[TopicPartition, int]:
    admin = AIOKafkaAdminClient(**kafka_client_options(config))
    await admin.start()
    try:
        group = Topics(config.kafka.topic_prefix).group(config.kafka.group)
        for wait in (
            0.2,
            0.5,
            1.0,
            2.0,
            4.0,
            0.0,
        ):  # a fresh broker makes its coordinator when first asked
            try:
                offsets = await admin.list_consumer_group_offsets(group)
                break
            except GroupCoordinatorNotAvailableError:
                if not wait:
                    raise UserError("the broker has no group coordinator: try again") from None
                await asyncio.sleep(wait)
        return {tp: found.offset for tp, found in offsets.items() if found.offset >= 0}
    finally:
        await admin.close()
