"""``spikewatch notify``: reads escalations and answers, decides, makes it durable, sends.

The order is the promise: decisions are on the topic ``escalations.notified`` before the offset of
what they are about is committed, and before anything is sent; what came of it is written after.
A crash anywhere sends again under the same key, and forgets nothing.
"""

import asyncio
import contextlib
import signal
import time
from collections import defaultdict
from collections.abc import Coroutine, Iterable
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from pydantic import ValidationError

from schemas.cloudevents import EventError, decode
from schemas.escalation import EscalationEvent
from schemas.feedback import Feedback
from schemas.silence import Silence
from stream.config import Config, kafka_client_options
from stream.errors import UserError
from stream.fatal import fatal
from stream.health import HealthServer, Progress
from stream.notify.delivery import Channel, Outcome
from stream.notify.desk import Changes, Desk, over_in
from stream.notify.errors import RefusedError, TryAgainError
from stream.notify.http import Http
from stream.notify.ledger import Ledger, complain, read_all
from stream.notify.metrics import NotifyMetrics
from stream.notify.plan import Plan
from stream.notify.silences import Silences, of_alertmanager
from stream.notify.thread import Thread
from stream.routing import partition_of
from stream.topics import verify

POLL_MS: Final = 100
AHEAD_RECORDS: Final = 5_000
"""Read before the first of them is decided, where there is a backlog: which is over already?"""
TICK_SECONDS: Final = 0.25
ALERTMANAGER_SECONDS: Final = 15.0
BEAT_SECONDS: Final = 1.0


class Service:
    """One process; several share the partitions."""

    def __init__(self, config: Config, plan: Plan, http: Http, ledger: Ledger) -> None:
        """Nothing runs before `run`.

        Args:
            config: Where to read from.
            plan: Who is told what.
            http: Open.
            ledger: Open.
        """
        self.config = config
        self.plan = plan
        self.silences = Silences()
        self.metrics = NotifyMetrics()
        cooldown = config.episode.cooldown_minutes * 60.0
        self.desk = Desk(plan, cooldown, self.silences, complain)
        self._http = http
        self._ledger = ledger
        self._channels = {
            name: Channel(one.sink(name, one.options, http), plan.general.give_up_minutes * 60.0)
            for name, one in plan.receivers.items()
        }
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._arrived: dict[tuple[str, int], float] = {}
        self._stopping = asyncio.Event()
        self.progress = Progress()
        self._done: dict[TopicPartition, int] = {}
        """Offsets up to which everything is decided."""
        self.owned: set[int] = set()
        """Partitions of which everything is known."""

    async def run(self) -> None:
        """Until `stop`."""
        consumer = AIOKafkaConsumer(
            **kafka_client_options(self.config),
            group_id=self._ledger.topics.group(f"{self.config.kafka.group}-notify"),
            group_instance_id=self.config.notify.instance_id or None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=(RangePartitionAssignor,),
            session_timeout_ms=self.config.kafka.session_timeout_seconds * 1000,
            heartbeat_interval_ms=min(3000, self.config.kafka.session_timeout_seconds * 250),
            max_poll_interval_ms=600_000,
        )
        await consumer.start()
        try:
            await self._follow_silences_once()
            consumer.subscribe(
                [self._ledger.topics.escalations, self._ledger.topics.feedback],
                listener=_Assignment(self),
            )
            async with asyncio.TaskGroup() as group:
                work = [
                    group.create_task(self._read(consumer)),
                    group.create_task(self._pass_time()),
                    group.create_task(self._beat(consumer)),
                    group.create_task(self._follow_silences()),
                    group.create_task(self._ask_alertmanager()),
                ]
                await self._stopping.wait()
                for task in work:
                    task.cancel()
        finally:
            for task in self._sending.values():
                task.cancel()
            await asyncio.gather(*self._sending.values(), return_exceptions=True)
            await asyncio.shield(consumer.stop())

    def stop(self) -> None:
        """End `run`; what is not sent yet is sent by whoever runs next."""
        self._stopping.set()

    # Partitions come and go.

    async def own(self, partition: int) -> None:
        """Take over a partition: everything that is known of it."""
        self.desk.own(partition, await self._ledger.load(partition))
        self.owned.add(partition)

    async def disown(self, partition: int) -> None:
        """Give a partition away: nothing more is sent for it."""
        self.progress.partitions.clear()
        self.owned.discard(partition)
        keys = [k for k, number in self.desk.partition_of.items() if number == partition]
        tasks = [self._sending.pop(key) for key in keys if key in self._sending]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.desk.disown(partition)

    # What comes in.

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        escalations = self._ledger.topics.escalations
        while True:
            batch = await self._poll(consumer)
            if not batch:
                continue
            events: dict[int, list[tuple[EscalationEvent, float]]] = defaultdict(list)
            for tp, records in batch.items():
                if tp.topic == escalations:
                    for record in records:
                        event = _read_event(record)
                        if event is not None:
                            events[tp.partition].append((event, record.timestamp / 1000.0))
            over = over_in(event for found in events.values() for event, _ in found)
            changes = Changes()
            for partition, found in events.items():
                for event, arrived in found:
                    self._arrived[event.data.episode_id, event.data.sequence] = arrived
                    _merge(
                        changes,
                        self.desk.take(
                            event, partition, time.time(), over=event.data.episode_id in over
                        ),
                    )
            for tp, records in batch.items():
                if tp.topic != escalations:
                    for record in records:
                        await self._answered(record.value, tp.partition, changes)
            await self._save(changes)
            ends = {tp: records[-1].offset + 1 for tp, records in batch.items()}
            self._done |= ends
            try:
                await consumer.commit(ends)
            except (CommitFailedError, IllegalStateError) as error:
                complain(f"another instance has the partition now: {error}")
            self._send_what_is_due()

    async def _poll(self, consumer: AIOKafkaConsumer) -> dict[TopicPartition, list[Any]]:
        """What there is; with a backlog, as much of it as tells what is over already."""
        found: dict[TopicPartition, list[Any]] = defaultdict(list)
        count = 0
        for tp, records in (await consumer.getmany(timeout_ms=POLL_MS)).items():
            found[tp] += records
            count += len(records)
        while count and count < AHEAD_RECORDS and await self._behind(consumer, found):
            more = await consumer.getmany(timeout_ms=POLL_MS)
            for tp, records in more.items():
                found[tp] += records
                count += len(records)
            if not more:
                break
        # aiokafka hands out records before `on_partitions_assigned` has come back.
        while any(tp in consumer.assignment() and tp.partition not in self.owned for tp in found):
            await asyncio.sleep(0.01)
        return {
            tp: records
            for tp, records in found.items()
            if tp in consumer.assignment() and tp.partition in self.owned
        }

    async def _behind(self, consumer: AIOKafkaConsumer, found: Iterable[TopicPartition]) -> bool:
        for tp in found:
            if tp in consumer.assignment():
                end = consumer.highwater(tp)
                if end is not None and await consumer.position(tp) < end:
                    return True
        return False

    async def _answered(self, value: bytes | None, partition: int, changes: Changes) -> None:
        try:
            feedback = Feedback.model_validate_json(value or b"")
        except ValidationError:
            return  # intake tells why, on the topic of dead letters
        mine = partition_of(feedback.tenant, self.config.kafka.partitions)
        if mine != partition:
            await self._ledger.answer(feedback)  # whoever has its episodes reads it there
            return
        _merge(changes, self.desk.answer(feedback, partition, time.time()))

    async def _beat(self, consumer: AIOKafkaConsumer) -> None:
        """Say that the loop runs and where each partition stands."""
        while True:
            moment = time.monotonic()
            self.progress.loop_beat = moment
            self.progress.ready = bool(self.owned)
            for tp in consumer.assignment() if self.owned else ():
                end = consumer.highwater(tp)
                if tp.partition in self.owned and end is not None:
                    done = self._done.get(tp, end)
                    self.progress.record(tp, next_offset=done, log_end=end, now=moment)
            await asyncio.sleep(BEAT_SECONDS)

    # What time brings.

    async def _pass_time(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = time.time()
            await self._save(self.desk.tick(now))
            self._send_what_is_due()
            for thread in self.desk.to_repeat(now):
                channel = self._channels.get(thread.receiver)
                if channel is not None:
                    thread.repeated_at = now
                    self._spawn(
                        f"again {thread.key}",
                        channel.once(self.desk.again(thread, now), thread.handle),
                    )
            self.metrics.look(self.desk.threads.values())

    def _send_what_is_due(self) -> None:
        for thread in self.desk.due(time.time()):
            if thread.key not in self._sending:
                self._spawn(thread.key, self._deliver(thread))

    def _spawn(self, key: str, work: Coroutine[Any, Any, None]) -> None:
        if key in self._sending:
            work.close()
            return
        task = asyncio.create_task(work)
        self._sending[key] = task
        task.add_done_callback(lambda done: self._ended(key, done))

    def _ended(self, key: str, task: asyncio.Task[None]) -> None:
        if self._sending.get(key) is task:
            del self._sending[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            fatal(f"sending {key!r}: {error!r}")

    async def _deliver(self, thread: Thread) -> None:
        """Send what a thread has to send, one after the other."""
        while thread.pending and thread.pending[0].due <= time.time():
            item = thread.pending[0]
            await self._ledger.saved(thread.key)
            channel = self._channels.get(thread.receiver)
            outcome = Outcome(False, thread.handle, 0, "there is no such receiver any more")
            if channel is not None:
                message = self.desk.message(thread, item, time.time())

                async def failed(attempt: int, why: str, item: Any = item) -> None:
                    self.metrics.attempt_failed(thread.receiver)
                    changes = self.desk.failed(thread, item, attempt, why, time.time())
                    await self._save(changes)

                outcome = await channel.deliver(message, thread.handle, item.since, failed)
            arrived = self._arrived.pop((thread.episode, item.sequence), None)
            self.metrics.sent(
                thread.receiver,
                item.reason,
                delivered=outcome.delivered,
                arrived=arrived,
                now=time.time(),
            )
            await self._save(
                self.desk.sent(
                    thread,
                    item,
                    time.time(),
                    delivered=outcome.delivered,
                    handle=outcome.handle,
                    attempts=outcome.attempts,
                    why=outcome.why,
                )
            )
            self._send_what_is_due()

    async def _save(self, changes: Changes) -> None:
        for partition in changes.partitions:
            entries = changes.entries[partition]
            for entry in entries:
                self.metrics.audited(entry)
            await self._ledger.save(partition, changes.threads[partition].values(), entries)
            if changes.forgotten[partition]:
                await self._ledger.forget(partition, changes.forgotten[partition])

    # Silences.

    async def _follow_silences_once(self) -> None:
        async for key, value in read_all(self.config, self._ledger.topics.silences, 0):
            self._heard(key, value)

    async def _follow_silences(self) -> None:
        consumer = AIOKafkaConsumer(
            **kafka_client_options(self.config),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            tp = TopicPartition(self._ledger.topics.silences, 0)
            consumer.assign([tp])
            await consumer.seek_to_beginning(tp)
            while True:
                found = await consumer.getmany(tp, timeout_ms=1_000)
                for record in found.get(tp, ()):
                    self._heard((record.key or b"").decode("utf-8", "replace"), record.value)
        finally:
            await asyncio.shield(consumer.stop())

    def _heard(self, key: str, value: bytes | None) -> None:
        if value is None:
            self.silences.forget(key)
            return
        try:
            self.silences.set(Silence.model_validate_json(value))
        except ValidationError:
            complain(f"a silence cannot be read and does not hold: {key[:64]!r}")

    async def _ask_alertmanager(self) -> None:
        url = self.plan.general.alertmanager_silences.rstrip("/")
        while url:
            try:
                answer = await self._http.request("GET", f"{url}/api/v2/silences?active=true")
                self.silences.replace_alertmanagers(of_alertmanager(answer.json_list()))
            except (TryAgainError, RefusedError) as error:
                # What was silenced stays so until its own end; what is new is not known.
                complain(f"silences of Alertmanager: {error}")
            await asyncio.sleep(ALERTMANAGER_SECONDS)


class _Assignment(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Brings the desk in line with the partitions that are ours."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        for partition in {tp.partition for tp in revoked}:
            await self._service.disown(partition)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        for partition in sorted({tp.partition for tp in assigned} - self._service.owned):
            try:
                await self._service.own(partition)
            except (UserError, KafkaError) as error:
                fatal(f"partition {partition} cannot be taken over: {error}")
        names = ", ".join(str(number) for number in sorted(self._service.owned)) or "none"
        print(f"notify: working on partitions: {names}", flush=True)


def _read_event(record: Any) -> EscalationEvent | None:
    try:
        return decode(record.headers, record.value)
    except EventError as error:
        complain(
            f"{record.topic}[{record.partition}] offset {record.offset} is no escalation of this "
            f"release; nobody is told of it: {error}"
        )
        return None


def _merge(into: Changes, more: Changes) -> None:
    for partition in more.partitions:
        into.threads[partition].update(more.threads[partition])
        into.entries[partition] += more.entries[partition]
        into.forgotten[partition] += more.forgotten[partition]


async def serve(config: Config, plan: Plan) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        UserError: It cannot start.
    """
    from stream.notify.api import Api  # noqa: PLC0415 - the server is needed here alone

    await verify(config)
    async with (
        Http(plan.general.private_hosts, plan.general.timeout_seconds) as http,
        Ledger(config) as ledger,
    ):
        service = Service(config, plan, http, ledger)
        service.metrics.serve(config.metrics.host, config.notify.metrics_port)
        health = HealthServer(
            service.progress, host=config.health.host, port=config.notify.health_port
        )
        health.start()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, service.stop)
        async with contextlib.AsyncExitStack() as stack:
            if config.notify.api_port:
                await stack.enter_async_context(Api(config, ledger, service.silences))
            stack.callback(health.stop)
            await service.run()
