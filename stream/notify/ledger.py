"""What notify remembers, on Kafka: threads on a compacted topic, the audit on another.

Delivery: what `Ledger.save` returned from is on all in-sync replicas. Where it cannot be, the
process ends; whoever owns the partition next reads what is there and goes on.
"""

import asyncio
import sys
from collections.abc import Iterable
from typing import Any, Final, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from schemas.audit import AuditEntry
from schemas.feedback import Feedback
from schemas.silence import Silence
from schemas.topics import Topics
from stream.config import Config, kafka_client_options
from stream.errors import UserError
from stream.fatal import fatal
from stream.notify.errors import RefusedError
from stream.notify.thread import Thread, decode, encode
from stream.routing import partition_of
from stream.topics import no_broker

SAVE_SECONDS: Final = 30.0
READ_MS: Final = 300


class Ledger:
    """The one producer of the process, and the reading of what it wrote."""

    def __init__(self, config: Config) -> None:
        """Nothing is opened before ``async with``."""
        self._config = config
        self.topics = Topics(config.kafka.topic_prefix)
        self._saving: dict[str, asyncio.Future[None]] = {}

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            UserError: No broker answers.
        """
        self._producer = AIOKafkaProducer(
            **kafka_client_options(self._config),
            acks="all",
            enable_idempotence=True,
            compression_type="gzip",
            linger_ms=2,
            request_timeout_ms=int(SAVE_SECONDS * 1000),
        )
        try:
            await self._producer.start()
        except KafkaConnectionError:
            await self._producer.stop()
            raise UserError(no_broker(self._config.kafka.bootstrap_servers)) from None
        return self

    async def __aexit__(self, *_: object) -> None:
        """Send what is left, and close."""
        await asyncio.shield(self._producer.stop())

    async def save(
        self, partition: int, threads: Iterable[Thread] = (), entries: Iterable[AuditEntry] = ()
    ) -> None:
        """Make threads, and what is said of them, durable; in this order, of one partition.

        What a thread holds at the time of the call counts, whatever becomes of it meanwhile.
        """
        entries = list(entries)
        records: list[tuple[str, bytes, bytes]] = [
            (self.topics.notified, thread.key.encode(), encode(thread)) for thread in threads
        ]
        keys = [thread.key for thread in threads]
        records += [
            (self.topics.audit, entry.episode_id.encode(), entry.model_dump_json().encode())
            for entry in entries
        ]
        for entry in entries:
            print(entry.model_dump_json(exclude_defaults=True), flush=True)
        await self._write(partition, records, keys)

    async def forget(self, partition: int, keys: Iterable[str]) -> None:
        """Threads that nothing will come of any more."""
        await self._write(
            partition, [(self.topics.notified, key.encode(), None) for key in keys], ()
        )

    async def _write(
        self, partition: int, records: list[tuple[str, bytes, Any]], keys: Iterable[str]
    ) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        keys = list(keys)
        self._saving.update(dict.fromkeys(keys, done))
        try:
            async with asyncio.timeout(SAVE_SECONDS):
                sent = [
                    await self._producer.send(topic, value, key=key, partition=partition)
                    for topic, key, value in records
                ]
                await asyncio.gather(*sent)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # whatever it was, it is not safe
            fatal(f"produce to {self.topics.notified} failed: {error!r}")
        finally:
            if not done.done():
                done.set_result(None)
            for key in keys:
                if self._saving.get(key) is done:
                    del self._saving[key]

    async def saved(self, key: str) -> None:
        """Wait until the last call to `save` with that thread is through."""
        if (saving := self._saving.get(key)) is not None:
            await asyncio.shield(saving)

    async def answer(self, feedback: Feedback) -> None:
        """Put what somebody answered on its topic, where all who are concerned read it."""
        await self._producer.send_and_wait(
            self.topics.feedback,
            feedback.model_dump_json().encode(),
            key=feedback.tenant.encode(),
            partition=partition_of(feedback.tenant, self._config.kafka.partitions),
        )

    async def silence(self, silence: Silence) -> None:
        """Begin, change or end a silence."""
        await self._producer.send_and_wait(
            self.topics.silences,
            silence.model_dump_json().encode(),
            key=silence.silence_id.encode(),
            partition=0,
        )

    async def load(self, partition: int) -> dict[str, Thread]:
        """All threads of a partition, by key.

        Raises:
            UserError: A record cannot be read.
        """
        found: dict[str, Thread] = {}
        async for key, value in read_all(self._config, self.topics.notified, partition):
            if value is None:
                found.pop(key, None)
                continue
            try:
                found[key] = decode(value)
            except RefusedError as error:
                raise UserError(f"{self.topics.notified}[{partition}]: {error}") from None
        return found


async def read_all(config: Config, topic: str, partition: int) -> Any:
    """Key and value of each record of a partition, up to its end as of now."""
    async for record in read_records(config, topic, partition):
        yield (record.key or b"").decode("utf-8", "replace"), record.value


async def read_records(config: Config, topic: str, partition: int) -> Any:
    """Each record of a partition, up to its end as of now."""
    consumer = AIOKafkaConsumer(
        **kafka_client_options(config), enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        tp = TopicPartition(topic, partition)
        consumer.assign([tp])
        end = (await consumer.end_offsets([tp]))[tp]
        await consumer.seek_to_beginning(tp)
        while await consumer.position(tp) < end:
            batch = await consumer.getmany(tp, timeout_ms=READ_MS)
            for record in batch.get(tp, ()):
                yield record
    finally:
        await consumer.stop()


def complain(text: str) -> None:
    """Say something to whoever looks after the process."""
    sys.stderr.write(f"spikewatch notify: {text}\n")
    sys.stderr.flush()
