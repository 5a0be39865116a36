"""Changes to topics that an administrator or the broker itself makes."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from tests.support.kafka_rig import Process, Rig, wait_for

FETCH_SECONDS: Final = 1.0
"""Seconds after which a broker answers a fetch without records at the latest."""


def administer(rig: Rig, work: Callable[[AIOKafkaAdminClient], Awaitable[Any]]) -> None:
    """Let an admin client do some work."""

    async def run() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=rig.servers)
        await admin.start()
        try:
            await work(admin)
        finally:
            await admin.close()

    asyncio.run(run())


def configure(rig: Rig, topic: str, **settings: str) -> None:
    """Replace the settings of a topic; underscores in names stand for dots."""
    named = {name.replace("_", "."): value for name, value in settings.items()}
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, named)
    administer(rig, lambda admin: admin.alter_configs([resource]))


def delete_records(rig: Rig, topic: str, partition: int) -> None:
    """Remove every record of a partition, as retention does with old segments."""
    tp = TopicPartition(topic, partition)
    end = max(record.offset for record in rig.read(topic) if record.partition == partition) + 1
    administer(rig, lambda admin: admin.delete_records({tp: RecordsToDelete(before_offset=end)}))


def pause(process: Process) -> None:
    """Stop a process, and wait until the broker has answered its last fetch with no records."""
    process.send(signal.SIGSTOP)
    time.sleep(FETCH_SECONDS)


def recreate(rig: Rig, topic: str) -> None:
    """Delete a topic, and create it again under the same name."""
    administer(rig, lambda admin: admin.delete_topics([topic]))
    wait_for(lambda: topic not in existing(rig), 30, "the deletion", rig)
    rig.create_topics()


def existing(rig: Rig) -> list[str]:
    """Return the names of the topics on the broker."""
    names: list[str] = []

    async def work(admin: AIOKafkaAdminClient) -> None:
        names.extend(await admin.list_topics())

    administer(rig, work)
    return names
