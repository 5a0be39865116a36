"""Ids of topics on a real broker."""

import asyncio

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.structs import BrokerMetadata

from stream.kafka import topic_ids
from tests.support.kafka_rig import Rig, free_port
from tests.support.topic_admin import recreate

pytestmark = pytest.mark.kafka


async def ids_of(rig: Rig, *topics: str, dead_brokers: int = 0) -> dict[str, str]:
    """Return the ids by a client that knows the broker, and some that are down."""
    client = AIOKafkaClient(bootstrap_servers=rig.servers)
    await client.bootstrap()
    try:
        for number in range(1_000, 1_000 + dead_brokers):
            dead = BrokerMetadata(number, "127.0.0.1", free_port(), None)
            client.cluster._brokers[number] = dead
        return await topic_ids.topic_ids(client, topics)
    finally:
        await client.close()


def test_a_recreated_topic_has_another_id(rig: Rig) -> None:
    """The other topics keep theirs."""
    rig.create_topics()
    topics = (rig.topics.tickets, rig.topics.feedback)
    before = asyncio.run(ids_of(rig, *topics))
    assert set(before) == set(topics)
    recreate(rig, rig.topics.tickets)
    after = asyncio.run(ids_of(rig, *topics))
    assert after[rig.topics.tickets] != before[rig.topics.tickets]
    assert after[rig.topics.feedback] == before[rig.topics.feedback]


def test_brokers_that_are_down_do_not_matter_while_another_responds(rig: Rig) -> None:
    """The recovery of a worker needs the ids, and must not end with the first broker it asks."""
    rig.create_topics()
    for _ in range(3):
        assert len(asyncio.run(ids_of(rig, rig.topics.tickets, dead_brokers=2))) == 1


def test_a_topic_that_does_not_exist_has_no_id(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others have one."""
    monkeypatch.setattr(topic_ids, "MOST_ATTEMPTS", 2)
    rig.create_topics()
    found = asyncio.run(ids_of(rig, rig.topics.tickets, f"{rig.prefix}nothing"))
    assert list(found) == [rig.topics.tickets]
