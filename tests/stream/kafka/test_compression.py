"""Every codec of Kafka, on every topic that spikewatch reads."""

import asyncio
import itertools
import json
from datetime import UTC, datetime

import pytest
from aiokafka import codec
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from schemas.codec import write_escalation
from stream.kafka.topics import specs
from tests.support.kafka_rig import Rig
from tests.support.notify_rig import escalation

CODECS = ("lz4", "zstd", "snappy", "gzip")


@pytest.mark.parametrize("name", CODECS)
def test_the_codec_is_installed(name: str) -> None:
    """A batch that any producer compressed can be read."""
    assert getattr(codec, f"has_{name}")()


@pytest.mark.kafka
def test_compressed_topics_are_read_by_workers_and_commands(rig: Rig) -> None:
    """The broker compresses every topic, the changelog of the state included."""
    rig.create_topics()
    codecs = itertools.cycle(CODECS)
    resources = [
        ConfigResource(
            ConfigResourceType.TOPIC, spec.name, {**spec.settings, "compression.type": next(codecs)}
        )
        for spec in specs(rig.config)
    ]

    async def compress() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=rig.servers)
        await admin.start()
        try:
            await admin.alter_configs(resources)
        finally:
            await admin.close()

    asyncio.run(compress())
    now = datetime.now(UTC)
    tickets = [
        json.dumps(
            {"ticket_id": str(number), "created_at": now.isoformat(), "product_area": "login"}
        ).encode()
        for number in range(50)
    ]
    for part in (tickets[:30], tickets[30:]):  # the second worker recovers from the changelog
        worker = rig.start("worker")
        rig.put(rig.topics.tickets, [(line, []) for line in part])
        rig.settle()
        assert worker.end() == 0, rig.logs()
    events, state = rig.oracle()
    assert rig.state() == state
    assert rig.escalations() == events
    event = escalation("acme", at=now)
    rig.put(rig.topics.escalations, [(write_escalation(event), [])], 0)
    tail = rig.run("tail", "--from-start", "--json", "--idle", "3")
    assert event.data.episode_id in tail.stdout, tail.stderr
