"""Losses that are reported, and none that are not."""

import asyncio
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from stream.kafka.lost_records import MOST_RANGES, LossWatch, LostRecords, SkippedOffsets
from tests.support.kafka_rig import Rig


def test_an_aborted_transaction_of_any_number_of_batches_is_no_loss() -> None:
    """No record is returned, and so nothing is forgotten, before the transaction ends."""
    skipped = SkippedOffsets()
    for offset in range(MOST_RANGES + 10):
        skipped.add("tickets", 0, (offset, offset + 1))
    end = MOST_RANGES + 10
    assert skipped.missing("tickets", 0, [(0, end)]) == []
    assert skipped.missing("tickets", 0, [(0, end + 1)]) == [(end, end + 1)]
    skipped.forget("tickets", 0, end)
    assert skipped.missing("tickets", 0, [(0, 1)]) == [(0, 1)]


class RevokingConsumer(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka has no types
    """A consumer whose partition is revoked while it asks for the committed offset."""

    watch: LossWatch

    async def committed(self, partition: TopicPartition) -> int | None:
        """Return the offset after the revocation."""
        offset: int | None = await super().committed(partition)
        self.watch.forget(partition.partition)
        return offset


@pytest.mark.kafka
def test_records_that_another_owner_read_meanwhile_are_no_loss(rig: Rig) -> None:
    """A partition that comes back after a rebalance goes on where the other owner committed."""
    rig.create_topics()
    tp = TopicPartition(rig.topics.escalations, 0)
    rig.put(tp.topic, [(b"%d" % number, []) for number in range(20)], 0)

    async def take(consumer: AIOKafkaConsumer, count: int) -> list[Any]:
        found = await consumer.getmany(tp, timeout_ms=10_000, max_records=count)
        return list(found[tp])

    async def run() -> list[LostRecords]:
        options: dict[str, Any] = {
            "bootstrap_servers": rig.servers,
            "group_id": f"{rig.prefix}group",
        }
        options |= {"enable_auto_commit": False, "auto_offset_reset": "earliest"}
        watch = LossWatch()
        async with RevokingConsumer(**options) as first:
            first.watch = watch
            first.assign([tp])
            assert await watch.check(first, tp, await take(first, 5)) == []
        async with AIOKafkaConsumer(**options) as other:
            other.assign([tp])
            assert len(await take(other, 10)) == 10
            await other.commit({tp: 10})
        async with AIOKafkaConsumer(**options) as again:
            again.assign([tp])
            records = await take(again, 10)
            assert records[0].offset == 10
            return await watch.check(again, tp, records)

    assert asyncio.run(run()) == []
