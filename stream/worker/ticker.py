"""Ticker that produces clock ticks: every few seconds, one message to each partition.

Ticks are in the same log as the tickets, so no tick overtakes a backlog and a replay of the log is
deterministic. Several tickers are harmless, because clocks only advance.
"""

import asyncio
import contextlib
import time

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError

from schemas import signals
from schemas.topics import Topics
from stream.config.sections import Config
from stream.errors import UserError
from stream.kafka.clients import kafka_client_options
from stream.kafka.topics import no_broker, verify
from stream.process.signals import stop_event


async def run(config: Config) -> None:
    """Produce ticks until SIGTERM or SIGINT.

    Raises:
        UserError: No broker responds, topics are missing, or producing ticks fails for a minute.
    """
    await verify(config)
    stop = stop_event()
    producer = AIOKafkaProducer(**kafka_client_options(config), acks="all", linger_ms=0)
    try:
        await producer.start()
    except KafkaConnectionError:
        raise UserError(no_broker(config.kafka.bootstrap_servers)) from None
    count, seconds = config.kafka.partitions, config.time.tick_seconds
    try:
        print(f"sending ticks to {count} partitions every {seconds:g} s", flush=True)
        await _tick_until(stop, producer, config)
    finally:
        await producer.stop()


async def _tick_until(stop: asyncio.Event, producer: AIOKafkaProducer, config: Config) -> None:
    topic = Topics(config.kafka.topic_prefix).by_tenant
    while not stop.is_set():
        tick = signals.encode(
            signals.Tick(now=round(time.time() - config.time.lateness_seconds, 3))
        )
        try:
            async with asyncio.timeout(60):
                for partition in range(config.kafka.partitions):
                    await producer.send_and_wait(topic, tick, partition=partition)
        except (KafkaError, TimeoutError) as error:
            raise UserError(f"ticks cannot be produced to {topic}: {error!r}") from None
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), config.time.tick_seconds)
