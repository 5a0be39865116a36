"""Records that were removed from a topic before they were processed, on a real broker."""

import asyncio
import json
import signal
import time
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import AIOKafkaProducer

from schemas import signals
from schemas.codec import read_ticket, to_signal
from stream.engine.faust_binding import MAX_CHUNK
from stream.kafka.partitioner import partition_of
from tests.support.kafka_rig import Process, Rig, free_port, wait_for
from tests.support.topic_admin import configure, delete_records, pause, recreate

pytestmark = pytest.mark.kafka


def tickets(name: str, count: int) -> list[bytes]:
    """Return tickets of the tenant default that were created just now."""
    start = datetime.now(UTC) - timedelta(seconds=30)
    return [
        json.dumps(
            {
                "ticket_id": f"{name}-{number}",
                "created_at": (start + timedelta(milliseconds=number)).isoformat(),
                "product_area": "login",
            }
        ).encode()
        for number in range(count)
    ]


def internal(name: str, count: int) -> list[bytes]:
    """Return the same tickets as intake writes them."""
    return [signals.encode(to_signal(read_ticket(line))) for line in tickets(name, count)]


def partition(rig: Rig) -> int:
    """Return the partition of the tenant default."""
    return partition_of("default", rig.config.kafka.partitions)


def put(rig: Rig, topic: str, values: list[bytes]) -> None:
    """Produce records into the partition of the tenant default, in one batch."""

    async def run() -> None:
        async with AIOKafkaProducer(bootstrap_servers=rig.servers, linger_ms=100) as producer:
            futures = [
                await producer.send(topic, value, key=b"default", partition=partition(rig))
                for value in values
            ]
            await asyncio.gather(*futures)

    asyncio.run(run())


class Worker:
    """A worker with metrics."""

    def __init__(self, rig: Rig) -> None:
        """Start the worker."""
        self._rig, self._port = rig, free_port()
        self.process: Process = rig.start("worker", SPIKEWATCH_METRICS__PORT=str(self._port))

    def metric(self, sample: str) -> float:
        """Return the value of a sample; 0 if it does not exist."""
        url = f"http://127.0.0.1:{self._port}/metrics"
        with urllib.request.urlopen(url, timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return next(
            (float(line.rpartition(" ")[2]) for line in lines if line.startswith(sample)), 0
        )

    def counted(self) -> float:
        """Return the number of tickets that were counted."""
        return self.metric('spikewatch_signals_total{outcome="counted"}')

    def lost(self, topic: str) -> float:
        """Return the number of records of a topic that were lost."""
        return self.metric(f'spikewatch_lost_records_total{{topic="{topic}"}}')

    def wait_for_counted(self, count: int) -> None:
        """Wait until a number of tickets were counted."""
        ready = f"{count} counted tickets"
        wait_for(lambda: "assigned" in self.process.text(), 30, "the assignment", self._rig)
        wait_for(lambda: self.counted() >= count, 30, ready, self._rig)


@pytest.mark.parametrize("source", ["tickets", "by_tenant"])
def test_deleted_records_are_reported_by_a_running_worker(rig: Rig, source: str) -> None:
    """A worker that falls behind the start of a log says how many records it never saw."""
    rig.create_topics()
    topic = getattr(rig.topics, source)
    made = tickets if source == "tickets" else internal
    worker = Worker(rig)
    put(rig, topic, made("before", 20))
    worker.wait_for_counted(20)
    rig.settle()
    assert worker.lost(topic) == 0
    pause(worker.process)
    put(rig, topic, made("deleted", 50))
    delete_records(rig, topic, partition(rig))
    worker.process.send(signal.SIGCONT)
    put(rig, topic, made("after", 10))
    worker.wait_for_counted(30)
    assert worker.lost(topic) == 50
    assert worker.counted() == 30
    (line,) = [line for line in worker.process.text().splitlines() if "removed" in line]
    assert f"{topic}[" in line
    assert "50 records" in line
    assert "retention" in line


def test_records_deleted_while_no_worker_runs_are_reported_at_the_start(rig: Rig) -> None:
    """The metric counts what was deleted during an outage."""
    rig.create_topics()
    worker = Worker(rig)
    put(rig, rig.topics.tickets, tickets("before", 20))
    worker.wait_for_counted(20)
    rig.settle()
    assert worker.process.end() == 0
    put(rig, rig.topics.tickets, tickets("deleted", 50))
    delete_records(rig, rig.topics.tickets, partition(rig))
    put(rig, rig.topics.tickets, tickets("after", 10))
    again = Worker(rig)
    again.wait_for_counted(10)
    assert again.lost(rig.topics.tickets) == 50
    assert "50 records" in again.process.text()


def test_compacted_records_are_reported(rig: Rig) -> None:
    """Compaction that is switched on under a running worker removes tickets of the same tenant."""
    rig.create_topics()
    worker = Worker(rig)
    topic = rig.topics.tickets
    put(rig, topic, tickets("before", 20))
    worker.wait_for_counted(20)
    rig.settle()
    pause(worker.process)
    configure(
        rig,
        topic,
        cleanup_policy="compact",
        segment_ms="500",
        min_cleanable_dirty_ratio="0.01",
        max_compaction_lag_ms="500",
        min_compaction_lag_ms="0",
    )
    for part in ("a", "b", "c"):  # only closed segments are compacted
        put(rig, topic, tickets(part, 20))
        time.sleep(1)

    def remaining() -> int:
        return len(rig.read(topic))

    deadline = time.monotonic() + 120
    while remaining() > 60 and time.monotonic() < deadline:
        put(rig, topic, tickets("d", 1))
        time.sleep(2)
    worker.process.send(signal.SIGCONT)
    rig.settle()
    wait_for(lambda: worker.lost(topic) > 0, 30, "the loss", rig)
    assert "compaction" in worker.process.text()


def test_markers_of_transactions_are_no_loss(rig: Rig) -> None:
    """Aborted records and markers leave gaps, also between two chunks of one fetch."""

    async def work() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=rig.servers, transactional_id=rig.prefix)
        number = partition(rig)
        async with producer:
            for name, keep in (("a", True), ("b", False), ("c", True), ("d", True)):
                await producer.begin_transaction()
                for line in tickets(name, MAX_CHUNK):
                    await producer.send(rig.topics.tickets, line, key=b"k", partition=number)
                await (producer.commit_transaction() if keep else producer.abort_transaction())

    rig.create_topics()
    asyncio.run(work())
    worker = Worker(rig)
    worker.wait_for_counted(3 * MAX_CHUNK)
    assert worker.counted() == 3 * MAX_CHUNK
    assert worker.lost(rig.topics.tickets) == 0
    assert "removed" not in worker.process.text()


def test_a_recreated_internal_topic_is_refused(rig: Rig) -> None:
    """A new topic that already has more records than the state's offset is not read half-way."""
    rig.create_topics()
    worker = Worker(rig)
    put(rig, rig.topics.by_tenant, internal("before", 20))
    worker.wait_for_counted(20)
    rig.settle()
    assert worker.process.end() == 0
    recreate(rig, rig.topics.by_tenant)
    for number in range(rig.config.kafka.partitions):
        tick: tuple[bytes | None, list[tuple[str, bytes]]] = (signals.encode(signals.Tick(0.0)), [])
        ticks = [tick] * 200
        rig.put(rig.topics.by_tenant, ticks, number)
    again = rig.start("worker")
    assert again.popen.wait(60) == 70
    assert "was recreated" in again.text()


def test_a_worker_notices_that_tickets_were_recreated(rig: Rig) -> None:
    """A running worker stops, and the next one counts every ticket of the new topic."""
    rig.extra["SPIKEWATCH_KAFKA__SESSION_TIMEOUT_SECONDS"] = "20"
    rig.create_topics()
    worker = Worker(rig)
    put(rig, rig.topics.tickets, tickets("before", 20))
    worker.wait_for_counted(20)
    rig.settle()
    worker.process.send(signal.SIGSTOP)  # it must not see that the topic was away
    recreate(rig, rig.topics.tickets)
    put(rig, rig.topics.tickets, tickets("new", 200))
    worker.process.send(signal.SIGCONT)
    assert worker.process.popen.wait(60) == 70
    assert f"{rig.topics.tickets} was recreated" in worker.process.text()
    rig.start("worker")
    rig.settle(120)
    ids = {json.loads(record.value).get("ticket_id") for record in rig.read(rig.topics.by_tenant)}
    assert {f"new-{number}" for number in range(200)} <= ids
