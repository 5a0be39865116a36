"""Service ``spikewatch notify``: reads escalations and responses, decides, stores, and sends.

Decisions are written to the topic ``escalations.notified`` before the offset of their event is
committed and before anything is sent. Outcomes are written afterwards. So a crash at any point may
repeat a message, under the same key, but never loses one.
"""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from pydantic import ValidationError

from schemas.cloudevents import EventError, decode
from schemas.escalation import EscalationEvent
from schemas.feedback import Feedback
from stream.config.sections import Config
from stream.engine import fencing
from stream.errors import UserError
from stream.kafka import lost_records
from stream.kafka.batches import MOST_POLLED
from stream.kafka.clients import kafka_client_options
from stream.kafka.lost_records import LossWatch
from stream.kafka.partitioner import partition_of
from stream.kafka.reading import Reader, key_of, read_to_end
from stream.kafka.topic_ids import read_recreated_topics
from stream.kafka.topics import verify
from stream.notify.delivery.channel import Channel
from stream.notify.delivery.metrics import NotifyMetrics
from stream.notify.delivery.sender import Sender
from stream.notify.dispatch.dispatcher import Dispatcher
from stream.notify.dispatch.policy import resolved_episodes
from stream.notify.dispatch.silences import Silences, of_alertmanager
from stream.notify.dispatch.thread_index import PendingWrites
from stream.notify.model.errors import RefusedError, TryAgainError
from stream.notify.routing.rules import NotificationConfig
from stream.notify.sinks.safe_http import Http
from stream.notify.store.notify_topics import NotifyTopics, complain
from stream.process.fail_fast import fatal
from stream.process.health import HealthServer, Progress
from stream.process.signals import on_stop
from stream.process.tracing import Traces

POLL_MS: Final = 100
AHEAD_RECORDS: Final = 5_000
"""Number of records that are read from a backlog before the first decision, so that episodes
that are already resolved are recognized."""
TICK_SECONDS: Final = 0.25
ALERTMANAGER_SECONDS: Final = 15.0
SILENCES_BYTES: Final = 16_000_000
BEAT_SECONDS: Final = 1.0


class Service:
    """One notify process; several processes share the partitions."""

    def __init__(
        self, config: Config, plan: NotificationConfig, http: Http, ledger: NotifyTopics
    ) -> None:
        """Create the service without starting it.

        Args:
            config: The configuration.
            plan: The notification file.
            http: An open HTTP client.
            ledger: The open topics of notify.
        """
        self.config = config
        self.plan = plan
        self.silences = Silences()
        self.metrics = NotifyMetrics()
        self.progress = Progress()
        cooldown = config.episode.cooldown_minutes * 60.0
        self.dispatcher = Dispatcher(plan, cooldown, self.silences, complain)
        channels = {
            name: Channel(one.sink(name, one.options, http), plan.general.give_up_minutes * 60.0)
            for name, one in plan.receivers.items()
        }
        self.metrics.know(plan.receivers, (ledger.topics.escalations, ledger.topics.feedback))
        self.traces = Traces(config, "notify")
        self.sender = Sender(self.dispatcher, ledger, channels, self.metrics, self.traces)
        self.owned: set[int] = set()
        """Assigned partitions whose records are loaded."""
        self._http = http
        self._store = ledger
        self._stopping = asyncio.Event()
        self._done: dict[TopicPartition, int] = {}
        """Offsets below which all records have been decided on."""
        self._losses = LossWatch()

    async def run(self) -> None:
        """Run until `stop` is called."""
        lost_records.install()
        fencing.install()
        consumer = AIOKafkaConsumer(
            **kafka_client_options(self.config),
            group_id=self._store.topics.group(f"{self.config.kafka.group}-notify"),
            group_instance_id=self.config.notify.instance_id or None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=(RangePartitionAssignor,),
            session_timeout_ms=self.config.kafka.session_timeout_seconds * 1000,
            heartbeat_interval_ms=min(3000, self.config.kafka.session_timeout_seconds * 250),
            max_poll_interval_ms=600_000,
            max_poll_records=MOST_POLLED,
        )
        async with Reader(self.config) as silences:
            await self._know_silences(silences)
            await consumer.start()
            try:
                await self._work(consumer, silences)
            finally:
                await self.sender.close()
                await asyncio.shield(consumer.stop())
                self.traces.close()

    async def _work(self, consumer: AIOKafkaConsumer, silences: AIOKafkaConsumer) -> None:
        topics = [self._store.topics.escalations, self._store.topics.feedback]
        consumer.subscribe(topics, listener=_Assignment(self))
        async with asyncio.TaskGroup() as group:
            work = [
                group.create_task(self._read(consumer)),
                group.create_task(self._pass_time()),
                group.create_task(self._beat(consumer)),
                group.create_task(read_recreated_topics(consumer, topics, complain)),
                group.create_task(self._follow_silences(silences)),
                group.create_task(self._follow_alertmanager()),
            ]
            await self._stopping.wait()
            for task in work:
                task.cancel()

    def stop(self) -> None:
        """End `run` and leave pending messages to the next owner."""
        self._stopping.set()

    # Assignment of partitions.

    async def own(self, partition: int) -> None:
        """Take over a partition: load its threads and digests."""
        records = await self._store.load(partition)
        await self.sender.save(self.dispatcher.assign(partition, records, time.time()))
        self.owned.add(partition)

    async def disown(self, partition: int) -> None:
        """Release a partition; after the return, this process writes nothing more to it."""
        self.owned.discard(partition)
        self._losses.forget(partition)
        self.progress.partitions.clear()
        self._done = {tp: at for tp, at in self._done.items() if tp.partition != partition}
        await self.sender.stop(self.dispatcher.revoke(partition))
        await self._store.drained(partition)

    # Escalations and responses.

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        escalations = self._store.topics.escalations
        while True:
            batch = await self._poll(consumer)
            if not batch:
                continue
            answers = {
                tp.partition: found for tp, found in batch.items() if tp.topic != escalations
            }
            changes = self._take({tp: r for tp, r in batch.items() if tp.topic == escalations})
            strays = self._answers(answers, changes)
            await asyncio.shield(self.sender.save(changes))
            for feedback in strays:
                await self._store.answer(
                    feedback
                )  # the owner of the right partition reads it there
            ends = {tp: records[-1].offset + 1 for tp, records in batch.items()}
            self._done |= {tp: at for tp, at in ends.items() if tp.partition in self.owned}
            try:
                await consumer.commit(ends)
            except (CommitFailedError, IllegalStateError) as error:
                complain(f"another process owns the partition now: {error}")
            self.sender.send_what_is_due()

    async def _poll(self, consumer: AIOKafkaConsumer) -> dict[TopicPartition, list[Any]]:
        """Return new records; from a backlog, enough of them to recognize resolved episodes."""
        batch: dict[TopicPartition, list[Any]] = defaultdict(list)
        fetched = await consumer.getmany(timeout_ms=POLL_MS)
        while fetched:
            for tp, records in fetched.items():
                batch[tp] += records
            if sum(map(len, batch.values())) >= AHEAD_RECORDS:
                break
            if not await self._behind(consumer, batch):
                break
            fetched = await consumer.getmany(timeout_ms=POLL_MS)
        # aiokafka hands out records before `on_partitions_assigned` has returned.
        while any(tp in consumer.assignment() and tp.partition not in self.owned for tp in batch):
            await asyncio.sleep(0.01)
        await self._report_losses(consumer, batch)
        return {
            tp: records
            for tp, records in batch.items()
            if tp in consumer.assignment() and tp.partition in self.owned
        }

    async def _report_losses(
        self, consumer: AIOKafkaConsumer, batch: dict[TopicPartition, list[Any]]
    ) -> None:
        for tp, records in batch.items():
            if tp.partition not in self.owned:
                continue  # it was just revoked, so the next owner checks these records
            with contextlib.suppress(IllegalStateError):  # likewise
                for loss in await self._losses.check(consumer, tp, records):
                    complain(str(loss))
                    self.metrics.record_loss(loss.topic, loss.number)

    async def _behind(
        self, consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]
    ) -> bool:
        for tp in partitions:
            if tp in consumer.assignment():
                end = consumer.highwater(tp)
                if end is not None and await consumer.position(tp) < end:
                    return True
        return False

    def _take(self, batch: dict[TopicPartition, list[Any]]) -> PendingWrites:
        """Decide about escalations."""
        read = [
            (event, record.timestamp / 1000.0, tp.partition)
            for tp, records in batch.items()
            for record in records
            if (event := _event_in(record)) is not None
        ]
        over = resolved_episodes([event for event, _, _ in read])
        changes = PendingWrites()
        for event, arrived, partition in read:
            ended = event.data.episode_id in over
            changes.add(
                self.dispatcher.handle_event(
                    event, partition, time.time(), over=ended, arrived=arrived
                )
            )
        return changes

    def _answers(self, batch: dict[int, list[Any]], changes: PendingWrites) -> list[Feedback]:
        """Apply responses, and return those that were written to the wrong partition."""
        strays = []
        for partition, records in batch.items():
            for record in records:
                try:
                    feedback = Feedback.model_validate_json(record.value or b"")
                except ValidationError:
                    continue  # intake writes it to the dead letters with the reason
                if partition_of(feedback.tenant, self.config.kafka.partitions) != partition:
                    strays.append(feedback)
                    continue
                try:
                    changes.add(self.dispatcher.handle_feedback(feedback, partition, time.time()))
                except (ValueError, OverflowError) as error:  # anybody may write to that topic
                    complain(f"skipped an invalid response: {type(error).__name__}")
        return strays

    # Elapsed time.

    async def _pass_time(self) -> None:
        looked = 0.0
        while True:
            await asyncio.sleep(TICK_SECONDS)
            await asyncio.shield(self.sender.save(self.dispatcher.tick(time.time())))
            self.sender.send_what_is_due()
            self.sender.repeat()
            if time.monotonic() - looked >= BEAT_SECONDS:
                looked = time.monotonic()
                self.metrics.look(self.dispatcher.register)
                self.silences.forget_ended(time.time())

    async def _beat(self, consumer: AIOKafkaConsumer) -> None:
        """Report that the loop is running, and the position of each partition."""
        while True:
            now = time.monotonic()
            self.progress.loop_beat = now
            self.progress.ready = bool(self.owned)
            for tp in [tp for tp in consumer.assignment() if tp.partition in self.owned]:
                with contextlib.suppress(IllegalStateError):  # the partition was just revoked
                    end = consumer.highwater(tp)
                    done = self._done.setdefault(tp, await consumer.position(tp))
                    if end is not None:
                        self.progress.record(tp, next_offset=done, log_end=end, now=now)
            await asyncio.sleep(BEAT_SECONDS)

    # Silences.

    async def _know_silences(self, reader: AIOKafkaConsumer) -> None:
        """Load all silences before the first decision."""
        async for record in read_to_end(reader, TopicPartition(self._store.topics.silences, 0)):
            self._heard(record)
        await self._ask_alertmanager()

    async def _follow_silences(self, reader: AIOKafkaConsumer) -> None:
        """Apply new records of the silences topic."""
        while True:
            for records in (await reader.getmany(timeout_ms=1_000)).values():
                for record in records:
                    self._heard(record)

    def _heard(self, record: Any) -> None:
        if not self.silences.apply_record(key_of(record), record.value):
            complain(f"ignored an invalid silence: {key_of(record)[:64]!r}")

    async def _follow_alertmanager(self) -> None:
        while True:
            await asyncio.sleep(ALERTMANAGER_SECONDS)
            await self._ask_alertmanager()

    async def _ask_alertmanager(self) -> None:
        url = self.plan.general.alertmanager_silences.rstrip("/")
        if not url:
            return
        try:
            answer = await self._http.request(
                "GET", f"{url}/api/v2/silences?active=true", most=SILENCES_BYTES
            )
            found, invalid = of_alertmanager(answer.json_list())
            self.silences.replace_alertmanagers(found)
            if invalid:
                complain(f"ignored {invalid} invalid silences from Alertmanager")
        except (TryAgainError, RefusedError) as error:
            # Known silences stay until they end; new ones remain unknown until the next attempt.
            complain(f"cannot read silences from Alertmanager: {error}")


class _Assignment(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Listener that keeps the dispatcher in sync with the assigned partitions."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        for partition in {tp.partition for tp in revoked}:
            await self._service.disown(partition)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        for partition in sorted({tp.partition for tp in assigned} - self._service.owned):
            try:
                await self._service.own(partition)
            except (KafkaError, UserError) as error:
                fatal(f"cannot take over partition {partition}: {error}")
        names = ", ".join(str(number) for number in sorted(self._service.owned)) or "none"
        print(f"notify: assigned partitions: {names}", flush=True)


def _event_in(record: Any) -> EscalationEvent | None:
    try:
        return decode(record.headers, record.value)
    except EventError as error:
        complain(f"{record.topic}[{record.partition}] offset {record.offset}: skipped: {error}")
        return None


async def serve(config: Config, plan: NotificationConfig) -> None:
    """Run notify until SIGTERM or SIGINT.

    Raises:
        UserError: The service cannot start.
    """
    from stream.notify.responses.http_api import Api  # noqa: PLC0415 - only needed here

    await verify(config)
    general = plan.general
    async with contextlib.AsyncExitStack() as stack:
        http = await stack.enter_async_context(Http(general.private_hosts, general.timeout_seconds))
        ledger = await stack.enter_async_context(NotifyTopics(config))
        service = Service(config, plan, http, ledger)
        service.metrics.serve(config.metrics.host, config.notify.metrics_port)
        health = HealthServer(
            service.progress, host=config.health.host, port=config.notify.health_port
        )
        health.start()
        stack.callback(health.stop)
        on_stop(service.stop)
        if config.notify.api_port:
            await stack.enter_async_context(Api(config, ledger, service.silences))
        await service.run()
