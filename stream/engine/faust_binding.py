"""Faust transport: one list of records per fetched chunk, resumed from our own durable offsets.

An agent gets a list of Kafka records of one partition as one event, which is 20 to 40 times faster
than one event per record. The consumer seeks each source to the position in `Assignment`, holds
records back until recovery has ended, hands out only contiguous offsets, and commits only durable
offsets (for lag monitors).

The module uses private methods of faust-streaming 0.15.3, which is pinned;
``tests/stream/worker/test_worker.py`` is the contract.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

import faust
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from stream.engine.assignment import Assignment, Position
from stream.kafka.batches import MOST_POLLED
from stream.kafka.lost_records import SKIPPED, LostRecords, Offsets, gaps, lost_records
from stream.kafka.topic_ids import topic_ids
from stream.process.fail_fast import fatal

log = logging.getLogger(__name__)

MAX_CHUNK: Final = 500
"""Maximum number of records per chunk: about 10 ms of work, so heartbeats are not delayed."""
HOLD_SECONDS: Final = 0.005
FETCH_WAIT_MS: Final = 100
"""Maximum wait of a fetch; Faust's default is 1,500."""

Chunk = list[ConsumerRecord]


class LedgerApp(faust.App):
    """Faust application with an `Assignment`."""

    ledger: Assignment
    record_loss: Callable[[LostRecords], None]
    """Called for records of a source that were removed before they were read."""

    def _new_transport(self) -> "ChunkTransport":
        return ChunkTransport(self.conf.broker_consumer, self)

    @property
    def generation(self) -> int:
        """Number of the current assignment."""
        return self.consumer_generation_id


class ChunkSchema(faust.Schema[Any, Any]):
    """Schema that passes a chunk to the agent without decoding it."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002 - Faust's
        """Return the key, undecoded."""
        return message.key

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002 - Faust's
        """Return the chunk, undecoded."""
        return message.value


class ChunkThread(driver.AIOKafkaConsumerThread):
    """aiokafka consumer that waits less for idle partitions and skips aborted transactions.

    aiokafka has one fetch at a time in flight to each broker. While that fetch waits for partitions
    without new records, partitions that were just drained are not fetched.
    """

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        consumer._max_poll_records = MOST_POLLED
        consumer._isolation_level = "read_committed"  # an aborted ticket was never sent
        return consumer


class ChunkConsumer(driver.Consumer):
    """Consumer that delivers chunks from the positions of the assignment."""

    app: LedgerApp

    def _new_consumer_thread(self) -> ChunkThread:
        return ChunkThread(self, loop=self.loop, beacon=self.beacon)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """See Faust."""
        super().__init__(*args, **kwargs)
        self._handed_out: dict[TP, int] = {}
        """Next offset to hand out, by source partition."""
        self._asked_again: dict[TP, tuple[int, int]] = {}

    def read_from(self, starts: Mapping[TP, int]) -> None:
        """Start a recovery: hand out only changelogs, each from its start.

        Otherwise records fetched before the seek would look like the end of the changelog, and all
        records before them would be missed.
        """
        self._handed_out = dict(starts)
        self._asked_again.clear()

    def handed_out(self, tp: TP) -> int | None:
        """Return the offset after the last record that was handed to an agent."""
        return self._handed_out.get(tp)

    def fetch_position(self, tp: TP) -> int:
        """Return the offset that the fetcher requests next."""
        consumer = cast(ChunkThread, self._thread)._ensure_consumer()
        state = consumer._subscription.subscription.assignment.state_value(tp)
        return cast(int, state.position)

    async def _seek(self, partition: TP, offset: int) -> None:
        """Seek in the consumer's thread; Faust seeks in the caller's, which races with fetches."""
        thread = cast(ChunkThread, self._thread)
        await thread.call_thread(thread._ensure_consumer().seek, partition, offset)

    def _is_source(self, tp: TP) -> bool:
        return tp.topic in self.app.ledger.sources

    async def check_sources(self) -> None:
        """End the process if a source topic was recreated while this worker reads it.

        The offsets of the new topic start again, so its records would be skipped or waited for.
        """
        known = dict(self.app.ledger.source_ids)
        with contextlib.suppress(KafkaError):  # the next call asks again
            current = await self._source_ids()
            if not self.app.ledger.open:
                return
            for topic in sorted(known.keys() & current.keys()):
                if known[topic] != current[topic]:
                    fatal(
                        f"the topic {topic} was recreated while this worker was reading it. "
                        "Restart the worker: it continues from the state, and reports if it cannot"
                    )

    async def _source_ids(self) -> dict[str, str]:
        thread = cast(ChunkThread, self._thread)
        client = thread._ensure_consumer()._client
        return cast(
            dict[str, str],
            await thread.call_thread(topic_ids, client, self.app.ledger.sources),
        )

    async def perform_seek(self) -> None:
        """Seek to the positions at the end of a recovery, while the flow is off."""
        await super().perform_seek()
        source_ids = await self._source_ids()
        if self.app.in_recovery or not self.app.ledger.loaded:
            return
        sources = [tp for tp in self.assignment() if self._is_source(tp)]
        if not sources:
            return
        earliest = await self.earliest_offsets(*sources)
        ends = await self.highwaters(*sources)
        self.app.ledger.source_ids = source_ids
        for tp in sources:
            await self._resume(tp, earliest[tp] or 0, ends[tp] or 0)

    async def _resume(self, tp: TP, earliest: int, end: int) -> None:
        ledger = self.app.ledger
        wanted = ledger.resume_offset(tp, self._committed_offset.get(tp))
        is_recreated = ledger.is_recreated(tp)
        if is_recreated and tp.topic != ledger.topics.by_tenant:
            log.warning(
                "%s[%d]: the topic was recreated, so it is read from its start",
                tp.topic,
                tp.partition,
            )
            wanted = None
        start = earliest if wanted is None else wanted
        if wanted is not None and (is_recreated or start > end):
            fatal(
                f"{tp.topic}[{tp.partition}] ends at offset {end}, and the state is at offset "
                f"{start} of a topic that was there before: the topic was recreated. Start under "
                "another [kafka] group, or restore the topic"
            )
        if start < earliest:
            self._report_loss(tp, [(start, earliest)], earliest)
            start = earliest
        self.app.ledger.positions[tp] = Position(start, start)
        self._handed_out[tp] = start
        self._asked_again.pop(tp, None)
        await self._seek(tp, start)
        self._read_offset[tp] = start or None  # None, not 0: Faust tests truthiness
        # Otherwise acknowledgements below the committed offset would be ignored.
        self._committed_offset[tp] = min(self._committed_offset.get(tp) or 0, start) or None
        self._acked.pop(tp, None)
        self._acked_index.pop(tp, None)

    def _new_offset(self, tp: TP) -> int | None:
        """Return the offset to commit, never beyond what is durable."""
        if not self._is_source(tp):
            return super()._new_offset(tp)
        self._acked[tp].clear()
        self._acked_index[tp].clear()
        position = self.app.ledger.positions.get(tp)
        return position.durable if position is not None else None

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        """Always include the sources.

        After a crash, the committed offset may lag the state without a new record to acknowledge.
        """
        for tp in super()._filter_tps_with_pending_acks(topics):
            if not self._is_source(tp):
                yield tp
        if self.app.ledger.loaded:
            yield from (tp for tp in self.assignment() if self._is_source(tp))

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        if not self._is_source(tp):
            await super()._add_gap(tp, offset_from, offset_to)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """Yield one message per partition and chunk.

        The value of the message is the list of records, and its offset is that of the last record.
        """
        records, active = await self._wait_next_records(timeout)
        if records is None or self.should_stop:
            return
        # Not read before the wait: changelog records that a new assignment's recovery fetched
        # during the wait would be dropped and missed. Stale source records are caught by offset.
        generation = self.app.generation
        if not self.flow_active:
            try:
                await self.perform_seek()
            except Exception as error:  # after any error, the next recovery seeks again
                log.warning("seek failed while the flow is off: %r", error)
            return
        # Changelogs come first, because nothing that waits for recovery may precede them.
        for tp, found in sorted(records.items(), key=lambda item: self._is_source(item[0])):
            if not self._is_current(generation):
                return
            if active is not None and tp not in active and tp not in self._buffered_partitions:
                continue
            if not found:
                continue
            # Hold the records: dropped records would not be fetched again.
            while self._is_source(tp) and not self.app.ledger.open:
                if not self._is_current(generation):
                    return
                await asyncio.sleep(HOLD_SECONDS)
            if tp not in self._handed_out:
                continue
            for chunk in await self._contiguous(tp, found):
                if not self._is_current(generation):
                    return
                if self._is_source(tp):
                    self._note_gap(tp, chunk[0].offset)
                self._handed_out[tp] = chunk[-1].offset + 1
                yield tp, _message(tp, chunk, generation)

    def _note_gap(self, tp: TP, first: int) -> None:
        """Tell the agent that no records precede a chunk that does not follow its predecessor."""
        expected = self._handed_out[tp]
        if first > expected:
            self.app.ledger.positions[tp].gaps[expected] = first

    def _is_current(self, generation: int) -> bool:
        going_on = self.flow_active and not self.should_stop
        return bool(going_on) and self.app.generation == generation

    async def _contiguous(self, tp: TP, records: Chunk) -> list[Chunk]:
        """Split records into chunks from the current position on.

        Returns nothing if the first records are missing, and requests them once more. If they are
        still missing, or if others are missing in between, those of a source are reported as lost.
        Compaction leaves such gaps in a changelog.
        """
        wanted = self._handed_out[tp]
        if records[0].offset < wanted:
            records = [record for record in records if record.offset >= wanted]
        if not records:
            return []
        missing = SKIPPED.missing(tp.topic, tp.partition, list(gaps(records, wanted)))
        is_first_missing = bool(missing) and missing[0][0] < records[0].offset
        if is_first_missing or (records[0].offset > wanted and not self._is_source(tp)):
            hole = (wanted, records[0].offset)
            if self._asked_again.get(tp) != hole:
                # Either fetched before a seek or a real hole: a second fetch shows which.
                self._asked_again[tp] = hole
                await self._seek(tp, wanted)
                return []
        if missing and self._is_source(tp):
            log_starts = await self.earliest_offsets(tp)
            self._report_loss(tp, missing, log_starts[tp] or 0)
        SKIPPED.forget(tp.topic, tp.partition, records[-1].offset)
        return [records[i : i + MAX_CHUNK] for i in range(0, len(records), MAX_CHUNK)]

    def _report_loss(self, tp: TP, missing: Sequence[Offsets], log_start: int) -> None:
        for loss in lost_records(tp, missing, log_start):
            log.error("%s", loss)
            self.app.record_loss(loss)


class ChunkTransport(driver.Transport):
    """aiokafka transport with our consumer."""

    Consumer = ChunkConsumer


def _message(tp: TP, chunk: Chunk, generation: int) -> ConsumerMessage:
    last = chunk[-1]
    return ConsumerMessage(
        last.topic,
        last.partition,
        last.offset,
        last.timestamp / 1000.0,
        last.timestamp_type,
        [],
        None,
        cast(Any, chunk),
        None,
        None,
        None,
        tp,
        generation_id=generation,
    )


def is_ours(app: LedgerApp, message: Any) -> bool:
    """Return whether a chunk belongs to the current assignment, which is recovered and open.

    Otherwise the next owner processes it.
    """
    return bool(app.ledger.open) and app.generation == message.generation_id
