"""Ids of topics, which tell a recreated topic from the one before.

A topic that is deleted and created again has the same name and offsets that start again, but
another id (KIP-516, https://cwiki.apache.org/confluence/display/KAFKA/KIP-516%3A+Topic+Identifiers).
aiokafka 0.14.0 knows no version of the metadata request that returns ids, so this module defines
version 10. Kafka supports it since 2.8.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any, Final, NoReturn

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

UNKNOWN_ID: Final = bytes(16)
MOST_ATTEMPTS: Final = 20
RETRY_SECONDS: Final = 0.25
LOOK_SECONDS: Final = 5.0


class _Uuid(AbstractType[bytes]):  # type: ignore[misc]  # aiokafka ships no types
    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        return data.read(16)


class _MetadataResponse(Response):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("topic", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _MetadataRequestStruct(RequestStruct):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = 3
    API_VERSION = 10
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic_id", _Uuid), ("topic", CompactString("utf-8")), ("tags", TaggedFields)
            ),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _MetadataRequest(Request[_MetadataRequestStruct]):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = 3

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: Any) -> Any:
        no_tags: dict[int, bytes] = {}
        topics = [(UNKNOWN_ID, name, no_tags) for name in self._topics]
        return request_struct_class(topics, False, False, False, no_tags)


async def topic_ids(client: Any, topics: Sequence[str]) -> dict[str, str]:
    """Return the ids of topics by name, without those that do not exist.

    One broker of several may be down, or may not know a new topic yet, so this function asks again.

    Args:
        client: A connected aiokafka client.
        topics: Names of topics.

    Returns:
        Empty if the broker is older than Kafka 2.8 and has no ids.

    Raises:
        KafkaError: No broker responds.
    """
    attempts = MOST_ATTEMPTS
    while True:
        attempts -= 1
        try:
            response = await client.send(client.get_random_node(), _MetadataRequest(topics))
        except NotImplementedError:  # aiokafka raises it if broker and client share no version
            return {}
        except KafkaError:
            if not attempts:
                raise
        else:
            ids = {
                name: str(uuid.UUID(bytes=topic_id))
                for error, name, topic_id, *_ in response.topics
                if error == 0 and topic_id != UNKNOWN_ID
            }
            if len(ids) == len(topics) or not attempts:
                return ids
        await asyncio.sleep(RETRY_SECONDS)


async def read_recreated_topics(
    consumer: AIOKafkaConsumer, topics: Sequence[str], say: Callable[[str], None]
) -> NoReturn:
    """Seek to the start of a topic that was recreated while a consumer reads it, for ever.

    Its offsets start again, so the records up to the previous position would be skipped.

    Args:
        consumer: A consumer that runs.
        topics: Names of topics that it reads.
        say: Called with a message for the operator.
    """
    known: dict[str, str] = {}
    while True:
        with contextlib.suppress(KafkaError):  # no broker responds, or a rebalance began
            current = await topic_ids(consumer._client, topics)
            for topic in current:
                if known.get(topic, current[topic]) == current[topic]:
                    continue
                say(f"the topic {topic} was recreated, so it is read from its start")
                if tps := [tp for tp in consumer.assignment() if tp.topic == topic]:
                    await consumer.seek_to_beginning(*tps)
            known |= current
        await asyncio.sleep(LOOK_SECONDS)
