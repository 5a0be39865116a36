"""Fixtures for all tests."""

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import pytest

from stream.broker import Broker


class HasBootstrapServers(Protocol):
    """What a test may rely on of the shared broker, be it ours or one that is there."""

    @property
    def bootstrap_servers(self) -> str: ...


@dataclass(frozen=True)
class ForeignBroker:
    """A broker that somebody else started and will stop."""

    bootstrap_servers: str


@pytest.fixture(scope="session")
def broker() -> Iterator[HasBootstrapServers]:
    """A Kafka broker for the whole session, shared: use `topic_prefix` in all names."""
    if servers := os.environ.get("SPIKEWATCH_KAFKA__BOOTSTRAP_SERVERS"):
        yield ForeignBroker(servers)
        return
    with Broker() as ours:
        yield ours


@pytest.fixture
def topic_prefix() -> str:
    """A prefix for topic and group names that no other test has."""
    return f"t-{uuid.uuid4().hex[:8]}."
