"""Process of the page: reads the topics without a consumer group and pushes changes to viewers."""

import asyncio
import contextlib
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError
from prometheus_client import CollectorRegistry, Counter, Gauge
from pydantic import ValidationError

from detectors.state.snapshots import StateError
from schemas.audit import AuditEntry
from schemas.cloudevents import EventError, decode
from schemas.feedback import Feedback
from schemas.silence import Silence
from schemas.topics import Topics
from stream.config.sections import Config
from stream.config.step_settings import reloaded, settings_of
from stream.errors import ConfigError, UserError
from stream.kafka.reading import Reader, partitions_of, read_changelog, seek_to_time
from stream.kafka.topic_ids import read_recreated_topics
from stream.kafka.topics import verify
from stream.page import json_views
from stream.page.episode_views import EpisodeViews
from stream.page.live_updates import Feed
from stream.page.server import Server
from stream.page.state_follower import Follower
from stream.process import metrics_http
from stream.process.signals import on_hangup, stop_event

PUSH_SECONDS: Final = 0.5
"""Interval between updates of areas; episodes are pushed at once."""
AT_ONCE: Final = 500
"""Number of records to process before other tasks run."""
POLL_MS: Final = 200
REFRESH_SECONDS: Final = 30.0
"""Interval between updates of all areas, because hourly counts fall even without new tickets."""
Say = Callable[[str], None]


class PageMetrics:
    """Metrics of the page process."""

    def __init__(self) -> None:
        """Register all metrics."""
        self.registry = CollectorRegistry()
        self.viewers = Gauge(
            "spikewatch_page_viewers", "Connected browsers.", registry=self.registry
        )
        self.records = Counter(
            "spikewatch_page_records", "Records read, by topic.", ["topic"], registry=self.registry
        )
        self.heard = Gauge(
            "spikewatch_page_last_record_timestamp_seconds",
            "Time at which the last record was read; wall clock. Always recent with a ticker.",
            registry=self.registry,
        )


class Service:
    """Service that reads topics and pushes changes."""

    def __init__(self, config: Config, metrics: PageMetrics) -> None:
        """Create the service without reading yet."""
        self._config, self._metrics = config, metrics
        self._topics = Topics(config.kafka.topic_prefix)
        self.follower = Follower(settings_of(config))
        self.stories = EpisodeViews()
        self.rows = json_views.Rows(config.page.areas)
        self.feed = Feed()
        self._shown: dict[int, json_views.Row] = {}
        """Row of each area that viewers got last."""
        self._changed_stories: set[str] = set()
        self._silences_changed = False

    async def run(self, listening: Callable[[], Awaitable[None]], server: Server) -> None:
        """Read endlessly; call `listening` once everything on the topics has been read.

        Raises:
            UserError: The state is not readable.
        """
        async with Reader(self._config, jumps=False) as reader:
            ends = await self._begin(reader)
            topics = self._topics
            followed = [topics.escalations, topics.feedback, topics.audit, topics.silences]
            tasks = [
                asyncio.create_task(self.push()),
                asyncio.create_task(
                    read_recreated_topics(reader, followed, partial(print, flush=True))
                ),
            ]
            try:
                while True:
                    read = await self._read(reader)
                    for tp, records in read.items():
                        self.take(tp.topic, tp.partition, records)
                    self.push_episodes()
                    if ends and await _reached(reader, ends):
                        ends = {}
                        server.ready = True
                        await listening()
                    for task in tasks:
                        if task.done():
                            task.result()
                    await asyncio.sleep(0)
            finally:
                for task in tasks:
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task

    async def _read(self, reader: AIOKafkaConsumer) -> dict[TopicPartition, list[Any]]:
        try:
            records: dict[TopicPartition, list[Any]] = await reader.getmany(
                timeout_ms=POLL_MS, max_records=AT_ONCE
            )
        except (NoOffsetForPartitionError, OffsetOutOfRangeError) as error:
            raise UserError(
                "the next records are no longer on the topics (were they recreated or "
                "truncated?), so "
                f"the page's copy of the state would be wrong: restart the page; {error}"
            ) from None
        return records

    async def _begin(self, reader: AIOKafkaConsumer) -> dict[TopicPartition, int]:
        """Load the state from its changelog, seek other topics, and return the current ends."""
        topics, count = self._topics, self._config.kafka.partitions
        changelog = topics.changelog(self._config.kafka.group)
        next_offsets = {}
        for number in range(count):
            recovery = await read_changelog(reader, TopicPartition(changelog, number))
            try:
                next_offsets[number] = self.follower.recover(number, recovery)
            except StateError as error:
                raise UserError(f"the state cannot be read: {error}") from None
        looked_back = [
            partition
            for topic in (topics.escalations, topics.feedback, topics.audit)
            for partition in partitions_of(topic, count)
        ]
        signals = partitions_of(topics.by_tenant, count)
        silences = TopicPartition(topics.silences, 0)
        assigned = [*looked_back, *signals, silences]
        reader.assign(assigned)
        await seek_to_time(reader, looked_back, time.time() - 86_400.0 * self._config.page.days)
        await reader.seek_to_beginning(silences)
        starts = await reader.beginning_offsets(signals)
        for tp in signals:
            reader.seek(tp, max(next_offsets[tp.partition], starts[tp]))
        ends: dict[TopicPartition, int] = await reader.end_offsets(assigned)
        return ends

    def take(self, topic: str, partition: int, records: list[Any]) -> None:
        """Process the next records of a partition."""
        topics = self._topics
        self._metrics.records.labels(topic).inc(len(records))
        self.feed.last_record_at = time.time()
        self._metrics.heard.set(self.feed.last_record_at)
        for record in records:
            value = record.value or b""
            if topic == topics.by_tenant:
                self.follower.take(partition, record.offset, value, record.timestamp / 1000.0)
            elif topic == topics.escalations:
                self._take_event(record)
            elif topic == topics.silences:
                with contextlib.suppress(ValidationError):
                    self.stories.add_silence(Silence.model_validate_json(value))
                    self._silences_changed = True
            elif topic == topics.audit:
                with contextlib.suppress(ValidationError):
                    entry = AuditEntry.model_validate_json(value)
                    if self.stories.add_audit_entry(entry):
                        self._changed_stories.add(entry.episode_id)
            else:
                with contextlib.suppress(ValidationError):
                    answer = Feedback.model_validate_json(value)
                    if self.stories.apply_feedback(answer):
                        self._changed_stories.add(answer.episode_id)

    def _take_event(self, record: Any) -> None:
        with contextlib.suppress(EventError):  # a foreign event, or one of a later release
            event = decode(record.headers, record.value)
            if self.stories.add_event(event):
                self._changed_stories.add(event.data.episode_id)

    def push_episodes(self) -> None:
        """Push changed episodes at once."""
        for key in self._changed_stories:
            story = self.stories.stories.get(key)
            if story is not None:
                self.feed.tell("episode", json_views.summary(story))
        self._changed_stories.clear()
        if self._silences_changed:
            self._silences_changed = False
            self.feed.tell("silences", json_views.silences(self.stories))

    async def push(self) -> None:
        """Push changed areas twice a second, and all areas from time to time."""
        looked = 0.0
        while True:
            await asyncio.sleep(PUSH_SECONDS)
            self._metrics.viewers.set(self.feed.viewers)
            now = asyncio.get_running_loop().time()
            changed = set(self.follower.changed)
            self.follower.changed.clear()
            if not self.feed.viewers:
                self._shown.clear()
                continue
            if now - looked >= REFRESH_SECONDS:
                looked = now
                self.rows.choose(self.follower)
                changed.update(self.rows.numbers)
            for rows in self.rows.in_parts(self.follower, list(changed)):
                news = [row for row in rows if self._shown.get(row[0]) != row]
                self._shown.update((row[0], row) for row in news)
                if news:
                    of_these = json_views.tenants(self.follower, {row[1] for row in news})
                    self.feed.tell("areas", {"areas": news, "tenants": of_these})
                await asyncio.sleep(0)  # somebody else's turn


async def _reached(reader: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> bool:
    for tp, end in ends.items():
        if await reader.position(tp) < end:
            return False
    return True


async def serve(config: Config, say: Say) -> None:
    """Serve the page until SIGTERM or SIGINT.

    Raises:
        UserError: No broker responds, topics are wrong, the port is taken, or the state is not
                readable.
    """
    await verify(config)
    metrics = PageMetrics()
    service = Service(config, metrics)
    server = Server(config, service.follower, service.stories, service.rows, service.feed)
    metrics_http.serve(
        metrics.registry, config.page.host, config.page.metrics_port, "[page] metrics_port"
    )

    async def listening() -> None:
        say(f"the page is at {address(config)}")
        sys.stdout.flush()

    stopped = stop_event()
    on_hangup(partial(_reload, service, config))
    async with server:
        running = asyncio.create_task(service.run(listening, server))
        waiting = asyncio.create_task(stopped.wait())
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if running.done():
            running.result()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def _reload(service: Service, config: Config) -> None:
    """Reload the taxonomy and the playbook, as workers do on the same signal."""
    settings = reloaded(config, service.follower.settings)
    if isinstance(settings, ConfigError):
        print(f"taxonomy and playbook were not reloaded:\n{settings}", flush=True)
    else:
        service.follower.change(settings)


def address(config: Config) -> str:
    """Return the URL of the page."""
    host = f"[{config.page.host}]" if ":" in config.page.host else config.page.host
    return config.page.url or f"http://{host}:{config.page.port}/"
