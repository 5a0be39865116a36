"""Topics of notify: threads on a compacted topic, the audit trail on another.

When `NotifyTopics.save` returns, all in-sync replicas have the records. If writing fails, the
process ends, and the next owner of the partition continues from what is stored.
"""

import asyncio
import contextlib
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from typing import Final, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError

from schemas.audit import AuditEntry
from schemas.feedback import Feedback
from schemas.silence import Silence
from schemas.topics import Topics
from stream.config.sections import Config
from stream.errors import UserError
from stream.kafka.clients import kafka_client_options
from stream.kafka.partitioner import partition_of
from stream.kafka.reading import read_all
from stream.kafka.topics import no_broker
from stream.notify.model.errors import RefusedError
from stream.notify.model.threads import NotificationState, decode, encode
from stream.process.fail_fast import fatal

SAVE_SECONDS: Final = 30.0


class NotifyTopics:
    """Only producer of the process, and reader of its records."""

    def __init__(self, config: Config) -> None:
        """Create the client; connections are opened only in ``async with``."""
        self._config = config
        self.topics = Topics(config.kafka.topic_prefix)
        self._turns: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._under_way: defaultdict[int, int] = defaultdict(int)

    async def __aenter__(self) -> Self:
        """Connect to the brokers.

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
        """Flush and close the producer."""
        await asyncio.shield(self._producer.stop())

    async def save(
        self,
        partition: int,
        found: Iterable[NotificationState] = (),
        entries: Iterable[AuditEntry] = (),
    ) -> None:
        """Make threads, digests and audit entries of one partition durable."""
        entries = list(entries)
        for entry in entries:
            print(entry.model_dump_json(exclude_defaults=True), flush=True)
        async with self._durable(partition):
            await self._write(partition, list(found), entries, ())

    async def forget(self, partition: int, keys: Iterable[str]) -> None:
        """Delete finished threads and digests."""
        async with self._durable(partition):
            await self._write(partition, [], [], keys)

    @contextlib.asynccontextmanager
    async def _durable(self, partition: int) -> AsyncIterator[None]:
        """Limit the time that a write may take; end the process if it takes longer."""
        self._under_way[partition] += 1
        try:
            async with asyncio.timeout(SAVE_SECONDS):
                yield
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError):
                raise
            fatal(f"produce to {self.topics.notified} failed: {error!r}")
        finally:
            self._under_way[partition] -= 1

    async def _write(
        self,
        partition: int,
        states: list[NotificationState],
        entries: list[AuditEntry],
        keys: Iterable[str],
    ) -> None:
        sent = []
        async with self._turns[partition]:  # the latest version must be written last
            records: list[tuple[str, bytes, bytes | None]] = [
                (self.topics.notified, state.key.encode(), encode(state)) for state in states
            ]
            records += [
                (self.topics.audit, entry.episode_id.encode(), entry.model_dump_json().encode())
                for entry in entries
            ]
            records += [(self.topics.notified, key.encode(), None) for key in keys]
            for topic, key, value in records:
                sent.append(await self._producer.send(topic, value, key=key, partition=partition))
        await asyncio.gather(*sent)

    async def drained(self, partition: int) -> None:
        """Wait until no write to the partition is in flight."""
        while self._under_way[partition]:
            await asyncio.sleep(0.01)

    async def answer(self, feedback: Feedback) -> None:
        """Produce a person's response to the feedback topic."""
        await self._producer.send_and_wait(
            self.topics.feedback,
            feedback.model_dump_json().encode(),
            key=feedback.tenant.encode(),
            partition=partition_of(feedback.tenant, self._config.kafka.partitions),
        )

    async def silence(self, silence: Silence) -> None:
        """Produce a new, changed or ended silence."""
        await self._producer.send_and_wait(
            self.topics.silences,
            silence.model_dump_json().encode(),
            key=silence.silence_id.encode(),
            partition=0,
        )

    async def load(self, partition: int) -> dict[str, NotificationState]:
        """Return all readable threads and digests of a partition by key."""
        states: dict[str, NotificationState] = {}
        async for key, value in read_all(self._config, self.topics.notified, partition):
            if value is None:
                states.pop(key, None)
                continue
            try:
                states[key] = decode(value)
            except RefusedError as error:
                complain(f"{self.topics.notified}[{partition}]: skipped a record: {error}")
        return states


def complain(text: str) -> None:
    """Print a line to standard error for the operator."""
    sys.stderr.write(f"spikewatch notify: {text}\n")
    sys.stderr.flush()
