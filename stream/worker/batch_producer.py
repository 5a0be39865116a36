"""Produce in batches, and wait until all in-sync replicas have them.

Delivery: what `BatchProducer.send` returned from is durable. Where it cannot be, the process ends:
whoever owns the partition next does the work again.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import faust

from stream.process.fail_fast import fatal
from stream.worker.metrics import Metrics

SEND_SECONDS: Final = 30.0
"""A broker that does not acknowledge within this time is given up."""


class Record(NamedTuple):
    """One record to produce."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes
    headers: Sequence[tuple[str, bytes]] = ()


class BatchProducer:
    """The application's producer, in batches by partition, in order."""

    def __init__(self, app: faust.App, metrics: Metrics) -> None:
        """Use the producer of *app*, once that runs."""
        self._app, self._metrics = app, metrics

    async def send(self, records: Iterable[Record]) -> None:
        """Produce *records*, awaited.

        Those of one partition keep their order. Ends the process if that fails.
        """
        by_partition: dict[tuple[str, int], list[Record]] = defaultdict(list)
        for record in records:
            by_partition[record.topic, record.partition].append(record)
        if not by_partition:
            return
        began = time.perf_counter()
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await asyncio.gather(
                    *(self._submit(*where, found) for where, found in by_partition.items())
                )
        except Exception as error:  # whatever it was, the records are not safe
            names = ", ".join(sorted({topic for topic, _ in by_partition}))
            fatal(f"produce to {names} failed: {error!r}")
        self._metrics.record_produce(time.perf_counter() - began)

    async def _submit(self, topic: str, partition: int, records: list[Record]) -> None:
        """Batch by batch, each only after the one before: what is written is always a prefix."""
        producer = (await self._app.maybe_start_producer())._ensure_producer()
        batch = producer.create_batch()
        for record in records:
            if not _append(batch, record):
                await (await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                if not _append(batch, record):
                    raise ValueError(f"a record of {len(record.value)} bytes fits no batch")
        await (await producer.send_batch(batch, topic, partition=partition))


def _append(batch: Any, record: Record) -> bool:
    added = batch.append(
        timestamp=None, key=record.key, value=record.value, headers=list(record.headers)
    )
    return added is not None
