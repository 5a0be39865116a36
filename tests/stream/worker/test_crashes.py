"""Test that workers killed and paused during a backlog produce the same ids and the same state.

The oracle is the recorded internal log, run through the step in this process. Workers are slowed
down so that each is hit in the middle of its work: a kill without a backlog proves nothing.
"""

import itertools
import json
import os
import random
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import pytest

from detectors.simulation.tickets import HOUR, Incident, World, tickets
from detectors.state.snapshots import PROGRESS_KEY, decode_progress, verify_checksum
from stream.kafka.ticket_sender import Pace
from stream.trial.broker.local_broker import Broker
from tests.conftest import BROKER_SETTINGS, SERVERS_VARIABLE, HasBootstrapServers
from tests.support.kafka_rig import Process, Rig, stop_all, wait_for

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(600)]

START = datetime(2024, 3, 4, tzinfo=UTC).timestamp()
HOURS = 3 * 168.0
TAKEOVERS = 10
SESSION_SECONDS = 2
PARTITIONS = 4
CHUNK_SECONDS = 0.12
"""What each chunk of a slow worker takes longer, so that few tickets last for all takeovers."""
LAG_EVERY = 10
"""Polls for a chunk between two queries of the lag, which cost more."""


@pytest.fixture(scope="module")
def quick_broker(broker: HasBootstrapServers) -> Iterator[HasBootstrapServers]:
    """Return a broker that allows short sessions and compacts topics within seconds."""
    if SERVERS_VARIABLE not in os.environ:
        yield broker
        return
    with Broker(BROKER_SETTINGS) as ours:
        yield ours


@pytest.fixture
def quick_rig(
    quick_broker: HasBootstrapServers, topic_prefix: str, tmp_path: Path
) -> Iterator[Rig]:
    """Return a rig on the quick broker."""
    rig = Rig(quick_broker.bootstrap_servers, topic_prefix, tmp_path)
    rig.extra = {
        "SPIKEWATCH_KAFKA__SESSION_TIMEOUT_SECONDS": str(SESSION_SECONDS),
        "SPIKEWATCH_KAFKA__PARTITIONS": str(PARTITIONS),
        "SPIKEWATCH_STATE__SNAPSHOT_SECONDS": "0.3",
    }
    yield rig
    stop_all(rig)


@lru_cache(maxsize=1)
def backlog() -> list[bytes]:
    """Return tickets of eight tenants, each with an incident.

    Eight tenants give every partition work and escalations.
    """
    timed_lines: list[tuple[str, bytes]] = []
    for number in range(8):
        incidents = [
            Incident("login", START + (week * 168 + 34 + 5 * number) * HOUR, 2.0, 9.0)
            for week in (1, 2)
        ]
        world = World(
            START,
            HOURS,
            areas={"login": 2.0, "billing": 0.7, "search": 0.4},
            incidents=incidents,
            seed=number,
            tenant=f"tenant-{number}",
        )
        timed_lines += [(str(t["created_at"]), json.dumps(t).encode()) for t in tickets(world)]
    return [line for _, line in sorted(timed_lines)]


def replace_dead(rig: Rig, workers: list[Process]) -> None:
    """Restart workers that were killed or that stopped at once, as an orchestrator does."""
    for place, worker in enumerate(workers):
        if worker.popen.poll() is not None:
            assert worker.popen.returncode in (70, -signal.SIGKILL), worker.text()
            workers[place] = rig.slow_worker(CHUNK_SECONDS)


def hit(rig: Rig, workers: list[Process], number: int, rng: random.Random) -> bool:
    """Hit one worker in the middle of its work, and return whether it was working."""
    place = rng.randrange(len(workers))
    workers[place].mark.unlink(missing_ok=True)

    looks = itertools.count()

    def has_work() -> bool:
        replace_dead(rig, workers)  # a worker may have stopped by itself, which is allowed
        if workers[place].mark.exists():
            return True
        return next(looks) % LAG_EVERY == 0 and rig.lag() == 0

    wait_for(has_work, 60, "a chunk", rig)
    worker = workers[place]
    working = bool(worker.mark.exists())
    time.sleep(rng.uniform(0.05, 1.0))
    if number == signal.SIGSTOP:
        worker.send(signal.SIGSTOP)
        time.sleep(SESSION_SECONDS * rng.choice([0.5, 2.0]))
        worker.send(signal.SIGCONT)
        if worker.popen.poll() is not None:  # the worker noticed, and stopped at once
            workers[place] = rig.slow_worker(CHUNK_SECONDS)
    else:
        worker.send(signal.SIGKILL)
        worker.popen.wait()
        workers[place] = rig.slow_worker(CHUNK_SECONDS)
    return working


def hit_workers(rig: Rig, number: int, seed: int) -> None:
    """Hit two workers repeatedly until the backlog is done, then compare with the oracle."""
    rng = random.Random(seed)
    rig.create_topics()
    lines = backlog()
    rig.send(lines, Pace("simulated", until=START + (HOURS + 24) * HOUR))
    workers = [rig.slow_worker(CHUNK_SECONDS), rig.slow_worker(CHUNK_SECONDS)]
    hits = 0
    while rig.owners() < TAKEOVERS + PARTITIONS and hits < 40:
        if not hit(rig, workers, number, rng):
            break
        hits += 1
        replace_dead(rig, workers)
    for worker in workers:  # the rest runs at full speed
        worker.send(signal.SIGKILL)
        worker.popen.wait()
    rig.start("worker")
    rig.settle(120)
    takeovers = rig.owners() - PARTITIONS
    print(
        f"{hits} hits while working, {takeovers} takeovers, {len(lines)} tickets, "
        f"{late_snapshots(rig)} snapshots of a former owner written after its successor's first"
    )
    assert takeovers >= TAKEOVERS, f"only {takeovers}: too few takeovers to prove anything"
    events, state = rig.oracle()
    escalations = rig.escalations()
    assert sorted(escalations) == sorted(events)
    assert rig.state() == state
    # A paused intake may wake up and write out of order; a killed one cannot.
    if number == signal.SIGKILL:
        expected = rig.replay(lines, START + (HOURS + 24) * HOUR)
        assert sorted(escalations) == sorted(expected)


def late_snapshots(rig: Rig) -> int:
    """Return the snapshots that owners wrote after another owner had already followed them."""
    late = 0
    owners_by_partition: dict[int, list[int]] = {}
    for record in rig.read(rig.topics.changelog("spikewatch")):
        if record.key == PROGRESS_KEY:
            owners = owners_by_partition.setdefault(record.partition, [])
            owner = list(decode_progress(verify_checksum(record.value, record.key)).accepted)[-1]
            if owner in owners[:-1]:
                late += 1
            elif owner not in owners:
                owners.append(owner)
    return late


def test_killed_workers_lose_and_duplicate_nothing(quick_rig: Rig) -> None:
    """After at least ten takeovers by SIGKILL, escalations and state equal those of replay."""
    hit_workers(quick_rig, signal.SIGKILL, seed=1)


def test_paused_workers_lose_and_duplicate_nothing(quick_rig: Rig) -> None:
    """After a SIGSTOP of half or twice the session timeout, late writes change nothing."""
    hit_workers(quick_rig, signal.SIGSTOP, seed=2)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_changelog_that_compacts_within_seconds_loses_nothing(
    quick_rig: Rig, number: int
) -> None:
    """The periods are scaled down alike: state is rewritten after 6 s and kept for 20 s."""
    quick_rig.extra |= {
        "SPIKEWATCH_STATE__REWRITE_SECONDS": "6",
        "SPIKEWATCH_STATE__COMPACTION_LAG_SECONDS": "20",
    }
    quick_rig.create_topics()
    _let_it_compact(quick_rig)
    hit_workers(quick_rig, number, seed=3)
    offsets: dict[int, list[int]] = {}
    for record in quick_rig.read(quick_rig.topics.changelog("spikewatch")):
        offsets.setdefault(record.partition, []).append(record.offset)
    compacted = [kept[-1] + 1 - len(kept) for kept in offsets.values()]
    print(f"records compacted away, by partition: {compacted}")
    assert sum(compacted) > 0


def _let_it_compact(rig: Rig) -> None:
    """Set short segments and no delay, so that the cleaner may always work."""
    import asyncio  # noqa: PLC0415 - only here

    from aiokafka.admin import AIOKafkaAdminClient  # noqa: PLC0415 - only here
    from aiokafka.admin.config_resource import (  # noqa: PLC0415 - only here
        ConfigResource,
        ConfigResourceType,
    )

    async def work() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=rig.servers)
        await admin.start()
        try:
            name = rig.topics.changelog(rig.config.kafka.group)
            settings = {
                "cleanup.policy": "compact",
                "min.compaction.lag.ms": "20000",
                "max.compaction.lag.ms": "22000",
                "segment.ms": "2000",
                "min.cleanable.dirty.ratio": "0.01",
            }
            await admin.alter_configs(
                [ConfigResource(ConfigResourceType.TOPIC, name, configs=settings)]
            )
        finally:
            await admin.close()

    asyncio.run(work())
