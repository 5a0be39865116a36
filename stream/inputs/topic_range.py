"""Reader of a history from Kafka: a time range of the topic ``tickets.by-tenant``, in order."""

import math
from collections.abc import Callable

from detectors.evaluation.history.injection import Taken
from schemas import signals
from schemas.signals import CANARY
from schemas.topics import Topics
from stream.config.sections import Config
from stream.kafka.reading import Reader, partitions_of, read_to_end
from stream.kafka.topics import verify


async def read_topic(
    config: Config, since: float, until: float, take: Callable[[Taken], None]
) -> int:
    """Pass the signals that were written within a time range to a function.

    Times are those of the broker, in seconds since 1970; infinite times mean everything up to now.
    There is no consumer group, so no committed offset changes. Tickets of the canary are left out.

    Returns:
        The number of invalid records, which are skipped, as by the workers.

    Raises:
        UserError: No broker is reachable, or the topics are missing or wrong.
    """
    await verify(config)
    undecodable = 0
    topic = Topics(config.kafka.topic_prefix).by_tenant
    async with Reader(config) as reader:
        partitions = partitions_of(topic, config.kafka.partitions)
        ends = await reader.end_offsets(partitions)
        begin = since if math.isfinite(since) else None
        for tp in partitions:
            async for record in read_to_end(reader, tp, since=begin, end=ends[tp]):
                at = record.timestamp / 1000.0
                if at > until or record.value is None:
                    continue
                signal = signals.read(record.value)
                if signal is None:
                    undecodable += 1
                    continue
                if not (signal.tenant or "").startswith(CANARY):
                    take(Taken(at, signal, at, tp.partition))
    return undecodable
