"""Status of the workers, read from their changelog."""

import asyncio
import time
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from detectors.state.snapshots import StateError
from detectors.step.partition import Partition
from schemas import signals
from schemas.topics import Topics
from stream.config.sections import Config
from stream.config.step_settings import settings_of
from stream.errors import UserError
from stream.escalations.follow import MATURE_HOURS
from stream.kafka.clients import kafka_client_options
from stream.kafka.reading import Reader, partitions_of, read_changelog, read_to_end
from stream.kafka.topics import verify
from stream.worker.feed_lateness import WINDOW_SECONDS, FeedLateness, LateFeed


@dataclass
class AreaStatus:
    """Status of one area as of the last snapshot."""

    tenant: str
    area: str
    phase: str
    tickets: int
    last_hour: float
    expected: float
    warm_up_hours: float
    """Hours of warm-up left."""


@dataclass
class Status:
    """Status of all workers as of their last snapshots."""

    tickets: int
    areas: list[AreaStatus]
    clocks: dict[str, float]
    """Event-time clock of each tenant, seconds since 1970."""
    lag: dict[str, int]
    """Number of records that are not durably processed yet, by topic."""
    late_feeds: list[LateFeed] = field(default_factory=list)
    """Tenants most of whose live tickets of the last hour arrived too late to page."""


async def status(config: Config) -> Status:
    """Return the status of all workers, from their changelog.

    Raises:
        UserError: No broker responds, the topics are wrong, or the state is not readable.
    """
    await verify(config)
    topics = Topics(config.kafka.topic_prefix)
    changelog = topics.changelog(config.kafka.group)
    settings = settings_of(config)
    result = Status(0, [], {}, {})
    async with Reader(config) as reader:
        for tp in partitions_of(changelog, config.kafka.partitions):
            recovery = await read_changelog(reader, tp)
            try:
                _add(result, Partition(tp.partition, 0, settings, recovery))
            except StateError as error:
                raise UserError(f"the state cannot be read: {error}") from None
        committed = await committed_offsets(config)
        for topic in (topics.tickets, topics.by_tenant):
            partitions = partitions_of(topic, config.kafka.partitions)
            ends = await reader.end_offsets(partitions)
            starts = await reader.beginning_offsets(partitions)
            result.lag[topic] = sum(
                max(0, ends[tp] - max(committed.get(tp, 0), starts[tp])) for tp in partitions
            )
        result.late_feeds = await _late_feeds(reader, config)
    result.areas.sort(key=lambda a: (a.tenant, a.area))
    return result


async def _late_feeds(reader: AIOKafkaConsumer, config: Config) -> list[LateFeed]:
    """Return the late feeds by the tickets of the last hour on ``tickets.by-tenant``."""
    now = time.time()
    feeds = FeedLateness(config.time.lateness_seconds, config.time.timezone)
    topic = Topics(config.kafka.topic_prefix).by_tenant
    for tp in partitions_of(topic, config.kafka.partitions):
        async for record in read_to_end(reader, tp, since=now - WINDOW_SECONDS):
            signal = signals.read(record.value)
            if isinstance(signal, signals.Ticket):
                feeds.observe(signal, record.timestamp / 1000.0)
    return feeds.late_feeds(now)


def _add(result: Status, partition: Partition) -> None:
    for tenant in partition.tenants.values():
        clock = tenant.clock or 0.0
        result.clocks[tenant.name] = clock
        for area, series in tenant.areas.items():
            result.tickets += series.tickets
            result.areas.append(
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


async def committed_offsets(config: Config) -> dict[TopicPartition, int]:
    """Return the committed offsets of the workers' consumer group."""
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
        ):  # a new broker creates its coordinator on the first request
            try:
                offsets = await admin.list_consumer_group_offsets(group)
                break
            except GroupCoordinatorNotAvailableError:
                if not wait:
                    raise UserError("the broker has no group coordinator yet: try again") from None
                await asyncio.sleep(wait)
        return {tp: committed.offset for tp, committed in offsets.items() if committed.offset >= 0}
    finally:
        await admin.close()
