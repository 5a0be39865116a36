"""Agent ``detect``: runs the signals of a partition through the models to escalations.

For each chunk, the agent decodes and processes the signals in memory, produces the escalations
and waits for them, and about every second writes a snapshot. Only then is the chunk finished. After
an interruption, the next owner of the partition repeats the chunk with the same ids.
"""

import time
from typing import Any

from faust.types import TP

from detectors.step.result import Step
from schemas import signals
from schemas.cloudevents import Header, encode
from schemas.dead_letter import Rejected
from schemas.escalation import EscalationEvent
from schemas.signals import Ticket
from stream.config.sections import Config
from stream.engine.faust_binding import Chunk, LedgerApp, is_ours
from stream.kafka.partitioner import partition_of
from stream.process.fail_fast import fatal
from stream.process.tracing import Traces
from stream.worker.batch_producer import BatchProducer, Record
from stream.worker.dead_letters import dead_letter
from stream.worker.metrics import Metrics


class Detect:
    """Agent body that processes one chunk of signals at a time."""

    def __init__(
        self,
        app: LedgerApp,
        config: Config,
        outbox: BatchProducer,
        metrics: Metrics,
        changelog: str,
        traces: Traces,
    ) -> None:
        """Process the assignment of the application, and write through the outbox."""
        self._traces = traces
        self._app, self._outbox, self._metrics = app, outbox, metrics
        self._topics = app.ledger.topics
        self._changelog = changelog
        self._partitions = config.kafka.partitions
        self._content_mode = config.kafka.content_mode
        self._snapshot_seconds = config.state.snapshot_seconds
        self._rewrite_seconds = float(config.state.rewrite_seconds)

    async def take(self, event: Any) -> None:
        """Process a chunk, produce its escalations, and periodically write a snapshot."""
        message = event.message
        if not is_ours(self._app, message):
            return
        number = message.partition
        position = self._app.ledger.positions[TP(message.topic, number)]
        chunk: Chunk = event.value
        first = chunk[0].offset
        if not position.follows(first):
            fatal(f"{message.topic}[{number}]: expected {position.next}, got {first}")
        fresh = [record for record in chunk if record.offset >= position.next]
        started = time.perf_counter()
        outgoing = self._fold(number, fresh)
        self._metrics.record_chunk(time.perf_counter() - started, time.time())
        await self._outbox.send(outgoing)
        position.next = chunk[-1].offset + 1
        if is_ours(self._app, message):
            await self._save(number, message)

    def _fold(self, number: int, records: Chunk) -> list[Record]:
        """Decode and process a chunk in memory, without writing anything."""
        partition = self._app.ledger.partitions[number]
        metrics = self._metrics
        outgoing: list[Record] = []
        for record in records:
            signal = signals.read(record.value)
            if signal is None:
                rejection = Rejected("undecodable", "not written by intake or ticker")
                outgoing.append(self._dead(rejection, record))
                continue
            received_at = record.timestamp / 1000.0
            done = partition.take(signal, received_at)
            metrics.record_step(signal, done, received_at)
            if done.outcome == "future":
                rejection = Rejected("future", "created_at lies too far ahead of the arrival")
                outgoing.append(self._dead(rejection, record))
            if self._traces.on and isinstance(signal, Ticket) and done.outcome == "counted":
                self._traces.counted(signal, record.headers)
            if done.escalations:
                outgoing += self._escalations(done, record)
        return outgoing

    def _dead(self, rejection: Rejected, record: Any) -> Record:
        self._metrics.record_dead_letter(rejection.reason)
        return dead_letter(
            self._topics, rejection, record.value, record.topic, record.partition, record.offset
        )

    def _escalations(self, done: Step, record: Any) -> list[Record]:
        where = [
            ("source-partition", b"%d" % record.partition),
            ("source-offset", b"%d" % record.offset),
        ]
        return [self._escalation(event, where) for event in done.escalations]

    def _escalation(self, event: EscalationEvent, where: list[Header]) -> Record:
        tenant = event.data.tenant
        headers, value = encode(event, self._content_mode)
        if passed := self._traces.escalated(event):
            headers = [*headers, ("traceparent", passed.encode())]
        return Record(
            self._topics.escalations,
            partition_of(tenant, self._partitions),
            tenant.encode(),
            value,
            [*headers, *where],
        )

    async def _save(self, number: int, message: Any) -> None:
        ledger = self._app.ledger
        now = time.monotonic()
        if now - ledger.saved_at.get(number, 0.0) < self._snapshot_seconds:
            return
        position = ledger.positions[TP(self._topics.by_tenant, number)]
        reached = position.next
        records = ledger.snapshot(number, time.time(), self._rewrite_seconds)
        await self._outbox.send(
            Record(self._changelog, number, key, value) for key, value in records
        )
        if is_ours(self._app, message):
            position.durable = reached
            ledger.saved_at[number] = now
            self._metrics.record_snapshot(sum(len(value) for _, value in records))
