"""Kafka node as seen from outside: ports, directory, settings, and whether it responds."""

import asyncio
import base64
import contextlib
import fcntl
import os
import socket
import struct
import subprocess
import tempfile
import threading
import uuid
from pathlib import Path
from typing import Final

from stream.trial.broker.runtime import BrokerError

__all__ = ["HOST", "answers", "prepare_directory", "server_properties", "two_ports"]

HOST: Final = "127.0.0.1"

# ApiVersions, version 0: length, api key 18, version 0, correlation id 1, no client id.
_API_VERSIONS: Final = struct.pack(">ihhih", 10, 18, 0, 1, -1)


def two_ports(wanted: int | None) -> tuple[int, int]:
    """Return a port for clients, the requested one if given, and one for the controller.

    Raises:
        BrokerError: The requested port cannot be used.
    """
    with socket.socket() as broker, socket.socket() as controller:
        # Lingering connections of an earlier broker must not count as "in use".
        broker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            broker.bind((HOST, wanted or 0))
        except (OSError, OverflowError) as error:
            raise BrokerError(
                f"Port {wanted} on {HOST} cannot be used ({getattr(error, 'strerror', error)}): "
                "stop what listens there or choose another port."
            ) from error
        controller.bind((HOST, 0))
        return broker.getsockname()[1], controller.getsockname()[1]


def prepare_directory(wanted: Path | None) -> Path:
    """Return the data directory, after checking that it is writable and not in use.

    Raises:
        BrokerError: The directory cannot be used.
    """
    directory = wanted.absolute() if wanted else None
    if "," in str(directory) or "\\" in str(directory):
        raise BrokerError(
            f"{directory} contains a comma or a backslash, which Kafka does not accept in the name "
            "of a data directory: choose another directory."
        )
    try:
        directory = directory or Path(tempfile.mkdtemp(prefix="spikewatch-broker-"))
        (directory / "log").mkdir(parents=True, exist_ok=True)
        # Kafka locks this file as well; checking first gives a clear error at once.
        with (directory / "log" / ".lock").open("a") as lock:
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise BrokerError(
                    f"The data directory {directory} is in use by another broker: stop that broker "
                    "or choose another directory."
                ) from None
    except OSError as error:
        raise BrokerError(
            f"The data directory {directory or tempfile.gettempdir()} cannot be written "
            f"({error.strerror}): choose another directory or change its permissions."
        ) from error
    return directory


def server_properties(directory: Path, port: int, controller_port: int) -> dict[str, str]:
    """Return the server.properties of a node that is both broker and controller."""
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(directory / "log"),
        "auto.create.topics.enable": "false",
        "offsets.topic.num.partitions": "4",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "log.cleaner.enable": "true",
        "log.cleaner.dedupe.buffer.size": "16777216",
    }


def java_command(java: Path, jars: list[Path], heap_megabytes: int) -> list[str]:
    """Return the Java command line without the class to run and its arguments."""
    return [
        str(java),
        f"-Xmx{heap_megabytes}m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-XX:-UsePerfData",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS",
        "-cp",
        os.pathsep.join(map(str, jars)),
    ]


def format_directory(command: list[str], properties: Path) -> bool:
    """Format the data directory for a new cluster; return whether that succeeded.

    Kafka's output goes to ``broker.log`` next to the properties.
    """
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    tool = [*command, "kafka.tools.StorageTool", "format", "--config", str(properties)]
    with (properties.parent / "broker.log").open("ab") as log:
        done = subprocess.run(
            [*tool, f"--cluster-id={cluster}"],  # "=", since the id may begin with a dash
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=False,
        )
    return done.returncode == 0


def answers(port: int) -> bool:
    """Return whether a broker on this port accepts requests and is a member of its own cluster."""
    # A raw request first: a client library would log many errors while the broker starts.
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=2) as probe:
        probe.sendall(_API_VERSIONS)
        if not probe.recv(4):
            return False
        results: list[bool] = []
        # A separate thread, because the caller may be running an event loop.
        thread = threading.Thread(target=lambda: results.append(asyncio.run(_has_member(port))))
        thread.start()
        thread.join()
        return results == [True]
    return False


async def _has_member(port: int) -> bool:
    from aiokafka.admin import AIOKafkaAdminClient  # noqa: PLC0415 - slow, only needed at the start
    from aiokafka.errors import KafkaError  # noqa: PLC0415 - slow, only needed at the start

    admin = AIOKafkaAdminClient(bootstrap_servers=f"{HOST}:{port}", request_timeout_ms=5_000)
    try:
        await admin.start()
        return bool((await admin.describe_cluster())["brokers"])
    except (KafkaError, OSError):
        return False
    finally:
        await admin.close()
