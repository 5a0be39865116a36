"""Measure how many signals per second one worker process takes, compared with two references.

    .venv/bin/python tests/bench/bench_worker.py
    .venv/bin/python tests/bench/bench_worker.py --events 50000 --rounds 1

A real broker has four partitions with eight tenants of twelve areas, and event times over some
weeks. Every candidate reads the same records of ``tickets.by-tenant`` and decodes them with
`schemas.signals.decode`:

aiokafka      ``getmany`` and decode, nothing else
take nothing  the worker with a `Partition.take` that returns at once; delivery, decoding, metrics,
              positions and empty snapshots remain, but no repeats, clock, customers, model,
              threshold or state
no-op model   the worker with models that neither score nor learn and have no state; everything else
              remains, including slices
worker        the unchanged worker
plain Faust   one event at a time, the same `Partition.take`, and the state of the changed series is
              written to a Faust table

Each run is a process of its own with a consumer group of its own. The clock starts with the first
records and stops with the last. The candidates take turns, and the ratios of the medians are what
counts, because the absolute figures depend on this machine, which the broker shares.
"""

import argparse
import asyncio
import logging
import random
import tempfile
from collections.abc import Callable
from typing import Any, ClassVar, Final, Self

import faust
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from detectors.models import Arrival, Model, Score
from detectors.models.seasonal_profile import Context
from detectors.policy.settings import Settings
from detectors.simulation.tickets import COMPANY
from detectors.state import series
from detectors.step.partition import Partition
from detectors.step.result import Step
from schemas import signals
from schemas.signals import Signal, Ticket
from schemas.topics import Topics
from stream.config.sections import Config
from stream.kafka.clients import kafka_client_options
from stream.kafka.partitioner import partition_of
from stream.kafka.topics import create
from stream.process.health import Progress
from stream.process.tracing import Traces
from stream.worker.app import build
from stream.worker.metrics import Metrics
from tests.bench.common import (
    Stopwatch,
    against,
    broker,
    configuration,
    headline,
    in_child,
    new_prefix,
    parser,
    repeat,
    report_to_parent,
    table,
)

PARTITIONS: Final = 4
TENANTS_EACH: Final = 2
"""Number of tenants in each partition."""
PER_HOUR: Final = sum(COMPANY.values())
START: Final = 1_772_409_600.0
LEAST_OF_AIOKAFKA: Final = 0.5
LEAST_TIMES_PLAIN: Final = 10.0
PATIENCE: Final = 120.0
"""Seconds that a run may take."""


class NoOp(Model):
    """A model that scores and learns nothing."""

    name: ClassVar[str] = "cusum_bank"

    def __init__(self, context: Context, start: float) -> None:
        self._context = context
        del start

    def observe(self, x: Arrival) -> Score:
        del x
        return _NOTHING

    def advance(self, at: float) -> None:
        del at

    def restart(self) -> None:
        return

    @property
    def rate(self) -> float:
        return 1.0

    def expected_until(self, at: float) -> float:
        return at / 3600.0

    def variance(self, hours: float) -> float:
        del hours
        return 0.1

    @property
    def maturity_hours(self) -> float:
        return 0.0

    def encode(self) -> bytes:
        return b""

    @classmethod
    def restore(cls, data: bytes, context: Context) -> Self:
        del data
        return cls(context, 0.0)


_NOTHING: Final = Score()
_COUNTED: Final = Step("counted", [])


def take_nothing(self: Partition, signal: Signal, received_at: float | None = None) -> Step:
    """Replace `Partition.take` by a function that returns at once."""
    del self, signal, received_at
    return _COUNTED


# --- The parent fills the topic and runs the candidates in turn


def main(arguments: argparse.Namespace) -> None:
    """Fill the topic, run the candidates and print the results."""
    if arguments.child:
        child(arguments)
        return
    events, plain = arguments.events, min(arguments.plain_events, arguments.events)
    headline(
        "Throughput of the detect worker, one process",
        f"{events:,} events ({plain:,} for plain Faust), {PARTITIONS} partitions, "
        f"median of {arguments.rounds} rounds in turn",
    )
    with broker() as servers:
        prefix = new_prefix()
        asyncio.run(fill(configuration(servers, prefix), events))

        def candidate(name: str, count: int) -> Callable[[], dict[str, float]]:
            return lambda: in_child(
                __file__, "--child", name, "--servers", servers, "--prefix", prefix,
                "--events", str(count),
            )  # fmt: skip

        counts = dict.fromkeys(CANDIDATES, events) | {"plain Faust": plain}
        found = repeat(arguments.rounds, {name: candidate(name, counts[name]) for name in counts})
    show(found)


def show(found: dict[str, dict[str, float]]) -> None:
    """Print rates, ratios and targets."""
    rate = {name: figures["per_second"] for name, figures in found.items()}
    cpu = {name: figures["cpu"] for name, figures in found.items()}
    table(
        ("", "events/s", "of aiokafka", "µs CPU each", "of aiokafka"),
        [
            (
                name,
                f"{rate[name]:,.0f}",
                f"{rate[name] / rate['aiokafka']:.3f}",
                f"{cpu[name]:.1f}",
                f"{cpu[name] / cpu['aiokafka']:.1f}",
            )
            for name in found
        ],
    )
    rows: list[tuple[object, ...]] = []
    for one, other, least in (
        ("take nothing", "aiokafka", LEAST_OF_AIOKAFKA),
        ("worker", "plain Faust", LEAST_TIMES_PLAIN),
    ):
        ratio = rate[one] / rate[other]
        rows.append(
            (
                f"events/s, {one} / {other}",
                f"{ratio:.2f}",
                f">= {least:g}",
                against(ratio, least, most=False),
            )
        )
    table(("", "measured", "target", ""), rows)
    print(
        "Where events/s is far below what the CPU column allows, the worker waits: for fetches, or"
    )
    print("for its snapshots.")


async def fill(config: Config, count: int) -> None:
    """Write *count* signals, spread evenly over the partitions."""
    await create(config)
    topic = Topics(config.kafka.topic_prefix).by_tenant
    producer = AIOKafkaProducer(**kafka_client_options(config), acks="all", max_batch_size=262_144)
    await producer.start()
    try:
        pending = [await producer.send(topic, value, partition=p) for p, value in make(count)]
        await asyncio.gather(*pending)
    finally:
        await producer.stop()


def make(count: int) -> list[tuple[int, bytes]]:
    """Return partition and bytes of each signal in the order of event time."""
    rng = random.Random(5)
    tenants: dict[int, list[str]] = {partition: [] for partition in range(PARTITIONS)}
    number = 0
    while any(len(names) < TENANTS_EACH for names in tenants.values()):
        name = f"company-{number}"
        number += 1
        names = tenants[partition_of(name, PARTITIONS)]
        if len(names) < TENANTS_EACH:
            names.append(name)
    everyone = [(partition, name) for partition, names in tenants.items() for name in names]
    areas = rng.choices(list(COMPANY), list(COMPANY.values()), k=count)
    at = START
    found = []
    for number, area in enumerate(areas):
        partition, tenant = everyone[number % len(everyone)]
        at += rng.expovariate(PER_HOUR * len(everyone) / 3600.0)
        ticket = Ticket(
            tenant,
            f"{tenant}-{number}",
            round(at, 3),
            area=area,
            event_id=f"{tenant}-{number}-created",
            customer=f"customer-{int(4_000 ** rng.random())}",
            mode="simulated",
        )
        found.append((partition, signals.encode(ticket)))
    return found


# --- Each child runs one candidate


class Meter:
    """A stopwatch that runs from the first progress until all events are done."""

    def __init__(self, total: int) -> None:
        """Create a meter that has not started."""
        self._total, self._before = total, 0
        self._watch: Stopwatch | None = None

    def look(self, done: int) -> bool:
        """Update the meter with the number of *done* events; return whether all are done."""
        if self._watch is None and done > 0:
            self._watch, self._before = Stopwatch(), done
        return done >= self._total

    def report(self) -> None:
        """Report the figures to the parent."""
        assert self._watch is not None
        count = self._total - self._before
        report_to_parent(
            per_second=count / self._watch.wall,
            cpu=1e6 * self._watch.cpu / count,
        )


def child(arguments: argparse.Namespace) -> None:
    """Run one candidate once."""
    logging.getLogger("aiokafka").setLevel(logging.WARNING)
    prefix, name, total = arguments.prefix, arguments.child, arguments.events
    group = new_prefix().rstrip(".")
    config = configuration(arguments.servers, prefix, kafka__group=group)
    meter = Meter(total)
    asyncio.run(asyncio.wait_for(CANDIDATES[name](config, meter), PATIENCE))
    meter.report()


async def run_aiokafka(config: Config, meter: Meter) -> None:
    """Poll and decode."""
    topic = Topics(config.kafka.topic_prefix).by_tenant
    consumer = AIOKafkaConsumer(
        **kafka_client_options(config), enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, number) for number in range(PARTITIONS)])
        done = 0
        while not meter.look(done):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    signals.decode(record.value)
                done += len(records)
    finally:
        await consumer.stop()


async def run_take_nothing(config: Config, meter: Meter) -> None:
    """Run the worker with a step that does nothing."""
    Partition.take = take_nothing  # type: ignore[method-assign]  # this process ends with the run
    await run_worker(config, meter)


async def run_no_op_model(config: Config, meter: Meter) -> None:
    """Run the worker with a model that does nothing."""
    series.model_class = lambda _: NoOp  # type: ignore[attr-defined, assignment]  # this process ends with the run
    await run_worker(config, meter)


async def run_worker(config: Config, meter: Meter) -> None:
    """Run the worker, and watch its positions."""
    await create(config)
    with tempfile.TemporaryDirectory(prefix="spikewatch-bench-") as folder:
        app = build(config, Metrics(), Progress(), Traces(config, "worker"), folder)
        topic = app.ledger.topics.by_tenant
        app.finalize()
        await app.start()
        try:
            while not meter.look(
                sum(p.next for tp, p in app.ledger.positions.items() if tp.topic == topic)
            ):
                await asyncio.sleep(0.005)
        finally:
            await app.stop()


async def run_plain_faust(config: Config, meter: Meter) -> None:
    """Run a straightforward Faust application: an agent and a table, one event at a time."""
    partitions: dict[int, Partition] = {}
    done = 0
    topics = Topics(config.kafka.topic_prefix)
    with tempfile.TemporaryDirectory(prefix="spikewatch-bench-") as folder:
        app = faust.App(
            topics.group(config.kafka.group),
            broker=f"kafka://{config.kafka.bootstrap_servers}",
            store="memory://",
            datadir=folder,
            web_enabled=False,
            topic_partitions=PARTITIONS,
            topic_disable_leader=True,
            table_standby_replicas=0,
            consumer_auto_offset_reset="earliest",
            worker_redirect_stdouts=False,
        )
        state: Any = app.Table(
            "state",
            key_type=bytes,
            value_type=bytes,
            schema=faust.Schema(key_serializer="raw", value_serializer="raw"),
        )

        async def agent(stream: Any) -> None:
            nonlocal done
            async for event in stream.events():
                signal = signals.decode(event.value)
                number = event.message.partition
                if number not in partitions:
                    partitions[number] = Partition(number, owner=1, settings=Settings())
                partition = partitions[number]
                partition.take(signal, event.message.timestamp)
                assert isinstance(signal, Ticket)
                series = partition.tenants[signal.tenant].areas[signal.area]
                state[f"{signal.tenant}\x1f{signal.area}".encode()] = series.encode()
                done += 1

        source = app.topic(topics.by_tenant, key_serializer="raw", value_serializer="raw")
        app.agent(source, name="plain")(agent)
        app.finalize()
        await app.start()
        try:
            while not meter.look(done):
                await asyncio.sleep(0.005)
        finally:
            await app.stop()


CANDIDATES: Final[dict[str, Callable[[Config, Meter], Any]]] = {
    "aiokafka": run_aiokafka,
    "take nothing": run_take_nothing,
    "no-op model": run_no_op_model,
    "worker": run_worker,
    "plain Faust": run_plain_faust,
}


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--events", type=int, default=200_000)
    options.add_argument("--plain-events", type=int, default=5_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--child", choices=CANDIDATES, help=argparse.SUPPRESS)
    options.add_argument("--servers", help=argparse.SUPPRESS)
    options.add_argument("--prefix", help=argparse.SUPPRESS)
    main(options.parse_args())
