"""Agents ``intake`` and ``feedback``: convert raw records to valid signals, keyed by tenant.

The agents are stateless. Delivery is at least once; detect recognizes repeats after a crash.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from faust.types import TP

from schemas import signals
from schemas.codec import header_text
from schemas.dead_letter import Rejected
from schemas.decoding.tickets import Omit
from schemas.signals import Signal
from stream.config.sections import Config
from stream.engine.faust_binding import Chunk, LedgerApp, is_ours
from stream.kafka.batches import MOST_RECORD_BYTES, UNREAD_HEADER
from stream.kafka.partitioner import partition_of
from stream.kafka.unpacking import MOST_BYTES, MOST_ENTRIES
from stream.process.fail_fast import fatal
from stream.process.tracing import Traces
from stream.worker.batch_producer import BatchProducer, Record
from stream.worker.dead_letters import dead_letter
from stream.worker.metrics import Metrics

Read = Callable[[bytes | None, Mapping[str, str], int, Omit], Signal]
"""Reader of a signal from the value, headers and size limit of a record; raises `Rejected`. It
reports each field that it leaves out."""

log = logging.getLogger(__name__)


class Intake:
    """Agent body that processes one chunk of raw records at a time."""

    def __init__(
        self,
        app: LedgerApp,
        config: Config,
        outbox: BatchProducer,
        metrics: Metrics,
        read: Read,
        traces: Traces,
    ) -> None:
        """Read records of the application's assignment, and write through the outbox."""
        self._traces = traces
        self._read = read
        self._app, self._outbox, self._metrics = app, outbox, metrics
        self._topics = app.ledger.topics
        self._partitions = config.kafka.partitions
        self._max_bytes = config.limits.ticket_bytes

    async def take(self, event: Any) -> None:
        """Validate a chunk and forward it; the chunk is finished once the output is durable."""
        message = event.message
        if not is_ours(self._app, message):
            return
        chunk: Chunk = event.value
        position = self._app.ledger.positions[TP(message.topic, message.partition)]
        first = chunk[0].offset
        if not position.follows(first):
            fatal(f"{message.topic}[{message.partition}]: expected {position.next}, got {first}")
        fresh = [record for record in chunk if record.offset >= position.next]
        await self._outbox.send([self._onward(record) for record in fresh])
        if is_ours(self._app, message):
            position.next = position.durable = chunk[-1].offset + 1

    def _onward(self, record: Any) -> Record:
        headers = header_text(record.headers)
        try:
            if record.value is None and (reason := headers.get(UNREAD_HEADER)):
                raise _unread(reason)
            signal = self._read(
                record.value, headers, self._max_bytes, self._metrics.record_omitted_field
            )
        except Rejected as rejection:
            self._metrics.record_dead_letter(rejection.reason)
            return dead_letter(
                self._topics, rejection, record.value, record.topic, record.partition, record.offset
            )
        tenant = signal.tenant or "default"
        where = [
            ("source-partition", b"%d" % record.partition),
            ("source-offset", b"%d" % record.offset),
        ]
        if self._traces.on and (
            passed := self._traces.taken_in(
                headers, record.topic, record.partition, record.offset, tenant
            )
        ):
            where.append(("traceparent", passed.encode()))
        return Record(
            self._topics.by_tenant,
            partition_of(tenant, self._partitions),
            tenant.encode(),
            signals.encode(signal),
            where,
        )


def _unread(reason: str) -> Rejected:
    """Return the rejection of records for which one record stands."""
    if reason == "oversized":
        return Rejected(
            "oversized",
            f"it has more than {MOST_RECORD_BYTES} bytes, or its batch unpacks to more than "
            f"{MOST_BYTES} bytes or more than {MOST_ENTRIES} records and headers",
        )
    return Rejected("undecodable", "the batch cannot be unpacked")


def body(handle: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
    """Return the body of an agent that calls a handler.

    No exception may escape, because Faust acknowledges records whose processing raised one.
    """

    async def agent(stream: Any) -> None:
        async for event in stream.events():
            try:
                await handle(event)
            except Exception as error:  # a bug: stop before anything is committed
                log.exception("an agent failed")
                fatal(f"{handle.__qualname__}: {error!r}")

    return agent
