"""Follower of the escalations topic."""

import time
from collections.abc import AsyncIterator

from schemas.cloudevents import EventError, decode
from schemas.escalation import EscalationEvent
from schemas.topics import Topics
from stream.config.sections import Config
from stream.kafka.reading import POLL_MS, Reader, partitions_of, seek_to_time
from stream.kafka.topics import verify

MATURE_HOURS = 336.0
"""Warm-up of an area: two weeks, after which each hour of the week has occurred twice."""


async def follow(
    config: Config,
    *,
    from_start: bool = False,
    since: float | None = None,
    idle_seconds: float | None = None,
) -> AsyncIterator[EscalationEvent]:
    """Yield escalations as they arrive, in either content mode.

    Repeats, with the same source and id, are left out.

    Args:
        config: The configuration.
        from_start: Whether to yield the existing escalations first.
        since: Time from which existing escalations are yielded first, by record timestamp, in
            seconds since 1970; not together with `from_start`.
        idle_seconds: End after this many seconds without an escalation; None: never.

    Raises:
        UserError: No broker responds, or the topics are wrong.
    """
    await verify(config)
    topic = Topics(config.kafka.topic_prefix).escalations
    async with Reader(config) as reader:
        partitions = partitions_of(topic, config.kafka.partitions)
        reader.assign(partitions)
        if from_start:
            await reader.seek_to_beginning(*partitions)
        elif since is not None:
            await seek_to_time(reader, partitions, since)
        else:
            await reader.seek_to_end(*partitions)
        seen: dict[tuple[str, str], None] = {}
        heard = time.monotonic()
        while idle_seconds is None or time.monotonic() - heard < idle_seconds:
            for records in (await reader.getmany(timeout_ms=POLL_MS)).values():
                for record in records:
                    heard = time.monotonic()
                    try:
                        event = decode(record.headers, record.value)
                    except EventError:
                        continue  # a foreign event, or one of a later release
                    if (event.source, event.id) not in seen:
                        seen[event.source, event.id] = None
                        if len(seen) > 100_000:
                            del seen[next(iter(seen))]
                        yield event
