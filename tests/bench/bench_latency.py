"""Measure the time from a ticket to the escalation that it causes.

    .venv/bin/python tests/bench/bench_latency.py
    .venv/bin/python tests/bench/bench_latency.py --rate 1000 --spikes 200

A real broker, one ``spikewatch worker`` and one ``spikewatch ticker`` run as processes of their
own. First the areas that will spike get some weeks of history, as ``spikewatch send --history``
sends it. Then live tickets follow at a steady rate over 300 areas of other tenants, with three
customers each (a page needs four, so these areas never page). Among them, a few times a second, are
six tickets of six customers in one of the quiet areas. The fourth ticket decides: its
``created_at`` is the ``time`` of the escalation. The measured time begins with the creation of that
ticket, just before it is produced, and ends when the escalation is consumed: tickets -> intake ->
tickets.by-tenant -> detect -> escalations.

The latency depends on the machine. Its ratio to three hops through the same broker at the same
time, measured with a probe that is produced and consumed, can be compared between machines.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from detectors.simulation.tickets import HOUR
from schemas.topics import Topics
from stream.config.sections import Config
from stream.escalations.follow import follow
from stream.kafka.clients import kafka_client_options
from stream.kafka.ticket_sender import Pace, Sender
from stream.kafka.topics import create
from stream.worker.status import status
from tests.bench.common import (
    against,
    broker,
    configuration,
    environment,
    headline,
    median,
    new_prefix,
    parser,
    quantile,
    table,
)

BACKGROUND_TENANTS: Final = 20
AREAS: Final = 15
"""Number of areas of each tenant."""
BACKGROUND_CUSTOMERS: Final = 3
BURST: Final = 6
BURST_SECONDS: Final = 0.3
HISTORY_HOURS: Final = 3 * 168.0
HISTORY_RATE: Final = 0.3
"""Tickets per hour of an area that will spike."""
LEAD_SECONDS: Final = 5.0
"""Seconds of background traffic before the first spike."""
SPIKES_A_SECOND: Final = 4.0
PATIENCE: Final = 15.0
HOPS: Final = 3
MOST_MS: Final = 500.0

Key = tuple[str, str, int]
"""Tenant, area and milliseconds since 1970."""


class Traffic:
    """Live tickets that are created at the moment they are sent."""

    def __init__(self, rate: float, spikes: int, seed: int = 3) -> None:
        """Prepare a background of *rate* tickets a second and a number of *spikes*."""
        self.sent_at: dict[Key, float] = {}
        """Time at which each ticket of a spike was created."""
        self._rng = random.Random(seed)
        self._rate, self._spikes = rate, spikes
        self._number = 0

    @property
    def quiet(self) -> list[tuple[str, str]]:
        """Tenant and area of each spike."""
        return [(f"quiet-{n // AREAS}", f"area-{n % AREAS}") for n in range(self._spikes)]

    def history(self, until: float) -> Iterator[bytes]:
        """Yield weeks of usual tickets in the quiet areas, oldest first."""
        areas = self.quiet
        at = until - HISTORY_HOURS * HOUR
        while (at := at + self._rng.expovariate(HISTORY_RATE * len(areas) / HOUR)) < until:
            tenant, area = self._rng.choice(areas)
            yield self._line(tenant, area, at, f"customer-{self._rng.randrange(5_000)}")

    def live(self) -> Iterator[bytes]:
        """Yield background tickets with bursts in between; the sender keeps the pace."""
        began = time.time()
        pending = [
            (began + LEAD_SECONDS + n / SPIKES_A_SECOND + k * BURST_SECONDS / BURST, place, k)
            for n, place in enumerate(self.quiet)
            for k in range(BURST)
        ]
        pending.sort(reverse=True)
        while pending or time.time() < began + LEAD_SECONDS:
            now = time.time()
            if pending and pending[-1][0] <= now:
                _, (tenant, area), k = pending.pop()
                self.sent_at[tenant, area, round(now * 1000)] = now
                yield self._line(tenant, area, now, f"new-{k}")
            else:
                number = self._rng.randrange(BACKGROUND_TENANTS * AREAS)
                yield self._line(
                    f"busy-{number // AREAS}",
                    f"area-{number % AREAS}",
                    now,
                    f"customer-{self._rng.randrange(BACKGROUND_CUSTOMERS)}",
                )

    def _line(self, tenant: str, area: str, at: float, customer: str) -> bytes:
        self._number += 1
        created = datetime.fromtimestamp(round(at * 1000) / 1000, UTC)
        return json.dumps(
            {
                "ticket_id": str(self._number),
                "event_id": f"{self._number}-created",
                "created_at": created.isoformat(timespec="milliseconds"),
                "tenant": tenant,
                "product_area": area,
                "subject": "It does not work",
                "body": "Since this morning I get an error whenever I try. " * 4,
                "customer": customer,
            }
        ).encode()


async def measure(config: Config, traffic: Traffic, rate: float) -> tuple[list[float], list[float]]:
    """Return the milliseconds of each detected spike and of each probe."""
    async with Sender(config, Pace("history")) as sender:
        await sender.send(traffic.history(time.time()))
    print(f"  history: {sender.sent.tickets} tickets", file=sys.stderr)
    while sum((await status(config)).lag.values()) > 0:
        await asyncio.sleep(0.5)
    found: dict[Key, float] = {}
    probes: list[float] = []
    watching = asyncio.create_task(watch(config, traffic, found))
    probing = asyncio.create_task(probe(config, probes))
    try:
        await asyncio.sleep(1.0)
        print("  live", file=sys.stderr)
        async with Sender(config, Pace("live", rate=rate)) as sender:
            started = time.monotonic()
            await sender.send(traffic.live())
            seconds = time.monotonic() - started
        print(f"  live: {sender.sent.tickets / seconds:.0f} tickets a second", file=sys.stderr)
        deadline = time.monotonic() + PATIENCE
        while len(found) < len(traffic.quiet) and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
    finally:
        for task in (watching, probing):
            task.cancel()
        await asyncio.gather(watching, probing, return_exceptions=True)
    return list(found.values()), probes


async def watch(config: Config, traffic: Traffic, found: dict[Key, float]) -> None:
    """Record each opened escalation of a spike as it is consumed."""
    async for event in follow(config):
        now = time.time()
        area = event.data.product_area or ""
        key = (event.data.tenant, area, round(event.time.timestamp() * 1000))
        if event.transition == "opened" and key in traffic.sent_at:
            found[key] = 1000.0 * (now - traffic.sent_at[key])


async def probe(config: Config, found: list[float]) -> None:
    """Time hops through the broker repeatedly on a topic that no worker reads."""
    tp = TopicPartition(Topics(config.kafka.topic_prefix).feedback, 0)
    producer = AIOKafkaProducer(**kafka_client_options(config), acks="all", linger_ms=0)
    consumer = AIOKafkaConsumer(**kafka_client_options(config), enable_auto_commit=False)
    async with producer, consumer:
        consumer.assign([tp])
        await consumer.seek_to_end(tp)
        while True:
            started = time.perf_counter()
            await producer.send(tp.topic, b"probe", partition=tp.partition)
            await consumer.getone(tp)
            found.append(1000.0 * (time.perf_counter() - started))
            await asyncio.sleep(0.1)


@contextlib.contextmanager
def process(command: str, environ: dict[str, str], folder: Path) -> Iterator[None]:
    """Run a spikewatch command in a ``with`` block.

    Raises:
        RuntimeError: The process ended early; the text contains the end of its log.
    """
    log = folder / f"{command}.log"
    with log.open("wb") as output:
        ours = subprocess.Popen(
            [sys.executable, "-m", "stream.cli", command],
            env={**os.environ, **environ},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield
    finally:
        code = ours.poll()
        ours.send_signal(signal.SIGTERM)
        try:
            ours.wait(20)
        except subprocess.TimeoutExpired:
            ours.kill()
            ours.wait()
        if code is not None:
            last_lines = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
            raise RuntimeError(f"the {command} ended with {code}:\n{last_lines}")


def main(arguments: argparse.Namespace) -> None:
    """Start everything, measure and print."""
    headline(
        "From a ticket to its escalation",
        f"{arguments.rate:g} live tickets/s over {BACKGROUND_TENANTS * AREAS} areas, "
        f"{arguments.spikes} spikes in areas that were quiet",
    )
    traffic = Traffic(arguments.rate, arguments.spikes)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="spikewatch-bench-")))
        servers, prefix = stack.enter_context(broker()), new_prefix()
        config = configuration(servers, prefix)
        asyncio.run(create(config))
        for command in ("worker", "ticker"):
            stack.enter_context(process(command, environment(servers, prefix), folder))
        found, probes = asyncio.run(measure(config, traffic, arguments.rate))
    if not found:
        raise SystemExit("no spike was found: something is broken")
    hop = median(probes)
    p99 = quantile(found, 0.99)
    table(
        ("", "measured", "target", ""),
        [
            ("spikes opened", f"{len(found)} of {arguments.spikes}", "all", ""),
            ("ticket -> escalation, p50", f"{median(found):.0f} ms", "", ""),
            (
                "ticket -> escalation, p99",
                f"{p99:.0f} ms",
                f"< {MOST_MS:g} ms",
                against(p99, MOST_MS, most=True),
            ),
            ("ticket -> escalation, longest", f"{max(found):.0f} ms", "", ""),
            ("one hop through the broker, p50", f"{hop:.1f} ms", "", ""),
            ("one hop through the broker, p99", f"{quantile(probes, 0.99):.1f} ms", "", ""),
            ("p50 / three hops", f"{median(found) / (HOPS * hop):.1f}", "", ""),
        ],
    )


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--rate", type=float, default=500.0, help="live tickets a second")
    options.add_argument("--spikes", type=int, default=120)
    main(options.parse_args())
