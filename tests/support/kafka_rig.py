"""A rig on a real broker: its own topics, processes of spikewatch, and the records of the topics.

Tests get a rig from the fixture `rig`, which ends the processes when the test is over.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from detectors.foundation import state_codec
from detectors.state.snapshots import Progress, Recovery
from detectors.step.partition import Partition
from schemas import signals
from schemas.codec import write_escalation
from schemas.topics import Topics
from stream.analysis.replay import Replay, replay_lines
from stream.config.loading import load
from stream.config.sections import Config
from stream.config.step_settings import settings_of
from stream.errors import UserError
from stream.kafka.reading import read_changelog
from stream.kafka.ticket_sender import Pace, Sender
from stream.kafka.topics import create, verify
from stream.worker.status import committed_offsets

SLOW_WORKER: Final = Path(__file__).with_name("slow_worker.py")
POLL_SECONDS: Final = 0.1
PATIENCE: Final = 3.0
"""Factor of the seconds that a test waits at most, because other tests run at the same time."""
SNAPSHOT_SECONDS: Final = 0.1
"""Seconds between two snapshots of a worker, the fewest that the configuration allows."""
TOPICS_SECONDS: Final = 30.0
"""Seconds to wait, because a busy broker confirms topics before it lists them."""
RESEND_TICKS_SECONDS: Final = 1.5
"""Seconds between rounds of ticks, more than a worker needs to commit."""


@dataclass
class Process:
    """A process of spikewatch with its log."""

    popen: subprocess.Popen[bytes]
    log: Path
    mark: Path

    def send(self, number: int) -> None:
        """Send a signal if the process is still running."""
        if self.popen.poll() is None:
            self.popen.send_signal(number)

    def end(self) -> int:
        """Send SIGTERM, and return the exit code."""
        self.send(signal.SIGTERM)
        try:
            return self.popen.wait(30)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            return self.popen.wait()

    def text(self) -> str:
        """Return the output of the process."""
        return self.log.read_text(errors="replace")


@dataclass
class Log:
    """A record of a topic as tests compare it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes
    timestamp: float
    headers: Sequence[tuple[str, bytes]] = ()


@dataclass
class Rig:
    """Topics with a prefix of their own on a real broker."""

    servers: str
    prefix: str
    folder: Path
    extra: dict[str, str] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)

    @property
    def environ(self) -> dict[str, str]:
        """Environment of the processes."""
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith("SPIKEWATCH_")},
            "SPIKEWATCH_KAFKA__BOOTSTRAP_SERVERS": self.servers,
            "SPIKEWATCH_KAFKA__TOPIC_PREFIX": self.prefix,
            "SPIKEWATCH_METRICS__PORT": "0",
            "SPIKEWATCH_HEALTH__PORT": "0",
            "SPIKEWATCH_STATE__SNAPSHOT_SECONDS": str(SNAPSHOT_SECONDS),
            **self.extra,
        }

    @property
    def config(self) -> Config:
        """Configuration of the processes."""
        return load(None, self.environ)

    @property
    def topics(self) -> Topics:
        """Names of the topics."""
        return Topics(self.prefix)

    def create_topics(self) -> None:
        """Create all topics, and wait until the broker lists them.

        Raises:
            UserError: The topics do not exist as required within `TOPICS_SECONDS`.
        """

        async def work() -> None:
            await create(self.config)
            deadline = time.monotonic() + TOPICS_SECONDS
            while True:
                try:
                    return await verify(self.config)
                except UserError:
                    if time.monotonic() > deadline:
                        raise
                await asyncio.sleep(POLL_SECONDS)

        asyncio.run(work())

    def start(self, *command: str, **environ: str) -> Process:
        """Start ``spikewatch COMMAND`` in a process of its own."""
        return self.start_command([sys.executable, "-m", "stream.cli", *command], environ)

    def slow_worker(self, seconds: float) -> Process:
        """Start a worker with small chunks that take *seconds* longer each."""
        number = len(self.processes)
        mark = self.folder / f"mark-{number}"
        return self.start_command([sys.executable, str(SLOW_WORKER), str(mark), str(seconds)], {})

    def start_command(self, command: list[str], environ: dict[str, str]) -> Process:
        """Start any command in a process of its own, with the environment of the rig."""
        number = len(self.processes)
        log = self.folder / f"process-{number}.log"
        with log.open("wb") as output:
            popen = subprocess.Popen(
                command,
                env={**self.environ, **environ},
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
            )
        process = Process(popen, log, self.folder / f"mark-{number}")
        self.processes.append(process)
        return process

    def run(self, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run ``spikewatch COMMAND`` to its end."""
        return subprocess.run(
            [sys.executable, "-m", "stream.cli", *command],
            env={**self.environ, **environ},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def send(self, lines: Sequence[bytes], pace: Pace) -> None:
        """Send tickets as `spikewatch send` does."""

        async def work() -> None:
            async with Sender(self.config, pace) as sender:
                await sender.send(lines)

        asyncio.run(work())

    def put(
        self,
        topic: str,
        records: Iterable[tuple[bytes | None, list[tuple[str, bytes]]]],
        partition: int | None = None,
    ) -> None:
        """Produce raw records."""

        async def work() -> None:
            async with AIOKafkaProducer(bootstrap_servers=self.servers) as producer:
                for value, headers in records:
                    await producer.send_and_wait(
                        topic, value, key=b"k", headers=headers, partition=partition
                    )

        asyncio.run(work())

    def read(self, topic: str) -> list[Log]:
        """Return all records of *topic*, partition by partition."""

        async def work() -> list[Log]:
            records = []
            consumer = AIOKafkaConsumer(bootstrap_servers=self.servers, enable_auto_commit=False)
            async with consumer:
                await consumer._client.force_metadata_update()
                partitions = consumer.partitions_for_topic(topic) or await _partitions(
                    consumer, topic
                )
                for number in sorted(partitions):
                    tp = TopicPartition(topic, number)
                    consumer.assign([tp])
                    await consumer.seek_to_beginning(tp)
                    end = (await consumer.end_offsets([tp]))[tp]
                    while await consumer.position(tp) < end:
                        got = await consumer.getmany(tp, timeout_ms=500)
                        records += [
                            Log(number, r.offset, r.key, r.value, r.timestamp / 1000.0, r.headers)
                            for r in got.get(tp, ())
                        ]
            return records

        return asyncio.run(work())

    def escalations(self) -> list[bytes]:
        """Return the escalations without repeats.

        A repeat has the same id, and must have the same bytes.
        """
        unique: dict[str, bytes] = {}
        for record in self.read(self.topics.escalations):
            event = json.loads(record.value)
            assert unique.setdefault(event["id"], record.value) == record.value
        return list(unique.values())

    def lag(self) -> int:
        """Return the number of records of all sources that are not yet durably processed."""

        async def work() -> int:
            consumer = AIOKafkaConsumer(bootstrap_servers=self.servers, enable_auto_commit=False)
            async with consumer:
                return await _lag(self.config, consumer)

        return asyncio.run(work())

    def settle(self, seconds: float = 60.0) -> None:
        """Wait until everything that was sent is durably processed.

        A worker takes a snapshot with the first record that arrives `SNAPSHOT_SECONDS` after the
        last snapshot, and commits about once a second. Ticks of 1970, which change nothing, serve
        as that record; between two rounds of ticks there is time for the commit.

        Args:
            seconds: Fail with the logs of the processes after this time.
        """

        config = self.config

        async def work() -> None:
            deadline = time.monotonic() + seconds * PATIENCE
            producer = AIOKafkaProducer(bootstrap_servers=self.servers)
            consumer = AIOKafkaConsumer(bootstrap_servers=self.servers, enable_auto_commit=False)
            async with producer, consumer:
                while time.monotonic() < deadline:
                    await self._send_ticks(producer, config.kafka.partitions)
                    resend_at = time.monotonic() + RESEND_TICKS_SECONDS
                    while time.monotonic() < resend_at:
                        await asyncio.sleep(POLL_SECONDS)
                        if await _lag(config, consumer) == 0:
                            return
            raise AssertionError(
                f"waited {seconds * PATIENCE} s for the backlog to be worked off\n{self.logs()}"
            )

        asyncio.run(work())

    async def _send_ticks(self, producer: AIOKafkaProducer, partitions: int) -> None:
        tick = signals.encode(signals.Tick(0.0))
        for number in range(partitions):
            await producer.send_and_wait(self.topics.by_tenant, tick, key=b"k", partition=number)

    def logs(self) -> str:
        """Return the last lines of the output of each process."""
        return "\n".join(process.text()[-2000:] for process in self.processes)

    def oracle(self) -> tuple[list[bytes], dict[str, bytes]]:
        """Run the internal log through the step in this process.

        Returns:
            The escalations and the state that the workers must produce.
        """
        events: list[bytes] = []
        config = self.config
        parts = {n: Partition(n, 0, settings_of(config)) for n in range(config.kafka.partitions)}
        for record in self.read(self.topics.by_tenant):
            done = parts[record.partition].take(signals.decode(record.value), record.timestamp)
            events += [write_escalation(event) for event in done.escalations]
        return events, whole_state(parts.values())

    def state(self) -> dict[str, bytes]:
        """Return the state in the changelog as a worker would recover it."""
        return whole_state(self.partitions())

    def partitions(self) -> list[Partition]:
        """Return the state in the changelog as partitions."""
        settings = settings_of(self.config)
        return [Partition(number, 0, settings, recovery) for number, recovery in self._recoveries()]

    def owners(self) -> int:
        """Return how many owners ever completed a snapshot, over all partitions."""
        progress_of_partitions: list[Progress] = [
            recovery.progress for _, recovery in self._recoveries()
        ]
        return sum(len(progress.accepted) for progress in progress_of_partitions)

    def _recoveries(self) -> list[tuple[int, Recovery]]:
        config = self.config

        async def work() -> list[tuple[int, Recovery]]:
            consumer = AIOKafkaConsumer(bootstrap_servers=self.servers, enable_auto_commit=False)
            async with consumer:
                changelog = self.topics.changelog(config.kafka.group)
                return [
                    (n, await read_changelog(consumer, TopicPartition(changelog, n)))
                    for n in range(config.kafka.partitions)
                ]

        return asyncio.run(work())

    def replay(self, lines: Sequence[bytes], until: float | None = None) -> list[bytes]:
        """Return the escalations that `spikewatch replay` writes for the same tickets."""
        events: list[bytes] = []
        run = Replay(settings_of(self.config), until)
        replay_lines(
            run,
            enumerate(lines),
            "test",
            lambda event: events.append(write_escalation(event)),
            lambda *_: None,
        )
        return events + [write_escalation(event) for event in run.finish()]


async def _lag(config: Config, consumer: AIOKafkaConsumer) -> int:
    """Return what `Rig.lag` returns; the caller reads the configuration once for many calls."""
    topics = Topics(config.kafka.topic_prefix)
    committed = await committed_offsets(config)
    tps = [
        TopicPartition(topic, p)
        for topic in (topics.tickets, topics.feedback, topics.by_tenant)
        for p in range(config.kafka.partitions)
    ]
    ends = await consumer.end_offsets(tps)
    return sum(ends[tp] - committed.get(tp, 0) for tp in tps)


async def _partitions(consumer: Any, topic: str) -> set[int]:
    consumer.subscribe([topic])
    for _ in range(50):
        await asyncio.sleep(0.1)
        if partitions := consumer.partitions_for_topic(topic):
            consumer.unsubscribe()
            return set(partitions)
    raise AssertionError(f"no topic {topic}")


def whole_state(partitions: Iterable[Partition]) -> dict[str, bytes]:
    """Return every record of the state by name."""
    records: dict[str, bytes] = {}
    for partition in partitions:
        for name, tenant in partition.tenants.items():
            if tenant.clock is None:
                continue
            records[name] = tenant.encode()
            for area, series in tenant.areas.items():
                records[f"{name}/{area}"] = series.encode()
            for slot, segment in enumerate(tenant.duplicates.segments):
                records[f"{name}#{slot}"] = state_codec.encode(segment)
    return records


def wait_for(done: Callable[[], bool], seconds: float, what: str, rig: Rig | None = None) -> None:
    """Poll until *done*, and fail with the logs of the processes after a timeout."""
    deadline = time.monotonic() + seconds * PATIENCE
    while not done():
        if time.monotonic() > deadline:
            raise AssertionError(
                f"waited {seconds * PATIENCE} s for {what}\n{rig.logs() if rig else ''}"
            )
        time.sleep(POLL_SECONDS)


def free_port() -> int:
    """Return a port on 127.0.0.1 that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def stop_all(rig: Rig) -> None:
    """End the processes of *rig*."""
    for process in rig.processes:
        process.send(signal.SIGCONT)
        process.send(signal.SIGKILL)
        process.popen.wait()
