"""Fixtures for all tests."""

import gc
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from stream.trial.broker.local_broker import Broker, BrokerSettings
from tests.support.examples import register_profiles
from tests.support.kafka_rig import Rig, stop_all
from tests.support.node import Node, find_node

register_profiles()
SERVERS_VARIABLE = "SPIKEWATCH_KAFKA__BOOTSTRAP_SERVERS"
BROKER_SETTINGS = BrokerSettings(
    properties={
        "group.min.session.timeout.ms": "1000",
        "log.cleaner.backoff.ms": "500",
        "log.cleaner.min.cleanable.ratio": "0.01",
        "log.segment.delete.delay.ms": "1000",
    }
)
"""Settings that allow short sessions, and let topics that ask for it compact within seconds."""

LONGEST_KAFKA_FILES = (
    "test_crashes.py",
    "test_worker.py",
    "test_demo.py",
    "test_commands.py",
    "test_service.py",
    "test_dashboards_answer.py",
    "test_live.py",
)
"""Files whose Kafka tests take longest together, in the order in which to start them."""


class HasBootstrapServers(Protocol):
    """The part of a broker that tests use, whether we started it or not."""

    @property
    def bootstrap_servers(self) -> str: ...


@dataclass(frozen=True)
class ForeignBroker:
    """A broker that somebody else starts and stops."""

    bootstrap_servers: str


SHARED_BROKER = pytest.StashKey[Broker]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Start one broker for all workers of a run of Kafka tests, before the first worker starts.

    The process that starts the workers owns the broker, since a worker may end while others still
    need it.
    """
    config: pytest.Config = node.config
    if not _runs_kafka_tests(config) or SERVERS_VARIABLE in os.environ:
        return
    if SHARED_BROKER not in config.stash:
        config.stash[SHARED_BROKER] = Broker(BROKER_SETTINGS)
        config.stash[SHARED_BROKER].start()
    node.workerinput["bootstrap_servers"] = config.stash[SHARED_BROKER].bootstrap_servers


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the broker of the run."""
    if SHARED_BROKER in config.stash:
        config.stash[SHARED_BROKER].stop()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest Kafka tests first, so that no worker is left with one at the end."""
    if _runs_kafka_tests(config):
        ranks = {name: rank for rank, name in enumerate(LONGEST_KAFKA_FILES)}
        items.sort(key=lambda item: ranks.get(item.path.name, len(ranks)))


def _runs_kafka_tests(config: pytest.Config) -> bool:
    chosen = str(config.getoption("-m"))
    return "kafka" in chosen and "not kafka" not in chosen


def pytest_collection_finish() -> None:
    """Exempt everything that was imported and collected from garbage collection.

    Otherwise each full collection visits all of it again, which takes a tenth of the CPU time.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> Iterator[HasBootstrapServers]:
    """Yield the Kafka broker of the whole run; use `topic_prefix` in all names."""
    given = getattr(request.config, "workerinput", {}).get("bootstrap_servers")
    if servers := os.environ.get(SERVERS_VARIABLE) or given:
        yield ForeignBroker(servers)
        return
    with Broker(BROKER_SETTINGS) as ours:
        yield ours


@pytest.fixture
def topic_prefix() -> str:
    """Return a prefix for topic and group names that no other test has."""
    return f"t-{uuid.uuid4().hex[:8]}."


@pytest.fixture
def rig(broker: HasBootstrapServers, topic_prefix: str, tmp_path: Path) -> Iterator[Rig]:
    """Yield a rig on the shared broker, and stop its processes after the test."""
    made = Rig(broker.bootstrap_servers, topic_prefix, tmp_path)
    yield made
    stop_all(made)


@pytest.fixture(scope="session")
def node() -> Node:
    """Return Node.js for the example consumer in JavaScript."""
    return find_node()
