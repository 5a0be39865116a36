"""Producer of batches that waits until all in-sync replicas have them.

When `BatchProducer.send` returns, the records are durable. If producing fails, the process ends,
and the next owner of the partition repeats the work.
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
"""Maximum wait for the acknowledgement of a broker."""


class Record(NamedTuple):
    """One record to produce."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes
    headers: Sequence[tuple[str, bytes]] = ()


class BatchProducer:
    """Producer of the application; sends batches by partition, in order."""

    def __init__(self, app: faust.App, metrics: Metrics) -> None:
        """Use the producer of the application once it runs."""
        self._app, self._metrics = app, metrics

    async def send(self, records: Iterable[Record]) -> None:
        """Produce records and wait until they are durable; end the process if that fails.

        Records of one partition keep their order.
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
                    *(
                        self._submit(*where, records_of_partition)
                        for where, records_of_partition in by_partition.items()
                    )
                )
        except Exception as error:  # after any error the records may not be durable
            names = ", ".join(sorted({topic for topic, _ in by_partition}))
            fatal(f"produce to {names} failed: {error!r}")
        self._metrics.record_produce(time.perf_counter() - began)

    async def _submit(self, topic: str, partition: int, records: list[Record]) -> None:
        """Produce one batch at a time, so that the log always holds a prefix of the records."""
        producer = (await self._app.maybe_start_producer())._ensure_producer()
        batch = producer.create_batch()
        for record in records:
            if not _append(batch, record):
                await (await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                if not _append(batch, record):
                    raise ValueError(
                        f"a record of {len(record.value)} bytes does not fit into a batch"
                    )
        await (await producer.send_batch(batch, topic, partition=partition))


def _append(batch: Any, record: Record) -> bool:
    added = batch.append(
        timestamp=None, key=record.key, value=record.value, headers=list(record.headers)
    )
    return added is not None
