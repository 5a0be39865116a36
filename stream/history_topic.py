"""A history from Kafka: a range of the topic ``tickets.by-tenant``, in the workers' own order."""

import math
from collections.abc import Callable

import msgspec
from aiokafka import TopicPartition

from detectors.evaluation.injection import Taken
from schemas import signals
from schemas.signals import CANARY
from schemas.topics import Topics
from stream.config import Config
from stream.reader import Reader
from stream.topics import verify

IDLE_MS = 300


async def read_topic(
    config: Config, since: float, until: float, take: Callable[[Taken], None]
) -> int:
    """Give all signals that the topic took in from *since* to *until* to *take*.

    Times are the broker's, in seconds since 1970; infinite ones mean all that is there now. Without
    a consumer group: nobody else's offsets move. What the canary made up is left out.

    Returns:
        How many records cannot be read; they are passed over, as by the workers.

    Raises:
        UserError: No broker, or the topics are not as they must be.
    """
    await verify(config)
    undecodable = 0
    topic = Topics(config.kafka.topic_prefix).by_tenant
    async with Reader(config) as reader:
        partitions = [TopicPartition(topic, p) for p in range(config.kafka.partitions)]
        ends = await reader.end_offsets(partitions)
        starts = await reader.beginning_offsets(partitions)
        if math.isfinite(since):
            wanted = dict.fromkeys(partitions, math.ceil(since * 1000))
            found = await reader.offsets_for_times(wanted)
            starts = {tp: ends[tp] if one is None else one.offset for tp, one in found.items()}
        for tp in partitions:
            reader.assign([tp])
            reader.seek(tp, starts[tp])
            while await reader.position(tp) < ends[tp]:
                for record in (await reader.getmany(tp, timeout_ms=IDLE_MS)).get(tp, ()):
                    at = record.timestamp / 1000.0
                    if record.offset >= ends[tp] or at > until or record.value is None:
                        continue
                    try:
                        signal = signals.decode(record.value)
                    except (msgspec.MsgspecError, TypeError, UnicodeDecodeError):
                        undecodable += 1
                        continue
                    if not (signal.tenant or "").startswith(CANARY):
                        take(Taken(at, signal, at, tp.partition))
    return undecodable
