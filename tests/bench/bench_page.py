"""Measure how fast the page is in a real Chromium with 2,000 areas and 200 open episodes.

    .venv/bin/python tests/bench/bench_page.py
    .venv/bin/python tests/bench/bench_page.py --only server --seconds 60

- *browser*: the time from opening the address to the first paint and to the first rows; the time
  from reading an escalation to its card on the screen; the memory of the page after as many updates
  as an hour at 500 tickets a second brings (two messages a second), played faster.
- *server*: with a real broker, ``spikewatch page`` as a process of its own, 500 tickets a second on
  the internal topic and 50 viewers: CPU time per elapsed time, and the time from the append of a
  record to its arrival at a viewer.
- *metrics*: a scrape of a worker's metrics with 5,000 areas.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp
import psutil
from aiokafka import AIOKafkaProducer
from prometheus_client import generate_latest

from detectors.policy.settings import Settings
from detectors.step.partition import Partition
from schemas import signals
from schemas.codec import write_escalation
from schemas.topics import Topics
from stream.kafka.partitioner import partition_of
from stream.kafka.topics import create
from stream.worker.metrics import Metrics
from tests.bench.common import (
    against,
    broker,
    configuration,
    environment,
    headline,
    new_prefix,
    parser,
    quantile,
    table,
)
from tests.support.escalations import SINCE, escalation
from tests.support.kafka_rig import free_port
from tests.support.page_rig import PageRig
from tests.support.page_rig import browser as opened

START: Final = 1_713_171_600.0
TENANTS: Final = 4
AREAS: Final = 500
"""Number of areas of each tenant."""
EPISODES: Final = 200
VIEWERS: Final = 50
RATE: Final = 500
HOUR_OF_MESSAGES: Final = 7_200
SHOWN: Final = 40


def main() -> None:
    """Run the chosen measurements, and print a table."""
    options = parser(__doc__)
    options.add_argument("--only", choices=("browser", "server", "metrics"))
    options.add_argument("--seconds", type=float, default=30.0, help="of the server's measurement")
    options.add_argument("--viewers", type=int, default=VIEWERS)
    options.add_argument("--messages", type=int, default=HOUR_OF_MESSAGES)
    given = options.parse_args()
    headline("The page", f"{TENANTS * AREAS} areas, {EPISODES} open episodes")
    rows: list[tuple[str, str, str, str]] = []
    if given.only in (None, "metrics"):
        rows += _metrics()
    if given.only in (None, "server"):
        rows += _server(given)
    if given.only in (None, "browser"):
        rows += _browser(given.messages)
    table(("figure", "found", "target", ""), rows)


def _tickets(
    count: int, at: float, step: float, mode: Any = "simulated"
) -> Iterator[signals.Ticket]:
    rng = random.Random(5)
    for number in range(count):
        at += step
        place = (
            number % (TENANTS * AREAS)
            if number < TENANTS * AREAS
            else rng.randrange(TENANTS * AREAS)
        )
        yield signals.Ticket(
            f"tenant-{place % TENANTS}",
            f"t{at:.3f}-{number}",
            created_at=at,
            area=f"area {place // TENANTS}",
            customer=f"c{rng.randrange(20_000)}",
            mode=mode,
        )


def _metrics() -> Iterator[tuple[str, str, str, str]]:
    partition = Partition(0, 0, Settings(areas_per_tenant=10_000))
    for number in range(20_000):
        partition.take(
            signals.Ticket("acme", str(number), START + number, area=f"area {number % 5_000}",
                           customer=f"c{number}", mode="simulated")
        )  # fmt: skip
    metrics = Metrics()
    took = []
    for _ in range(7):
        metrics.update_state([partition], START + 20_000.0)
        begin = time.perf_counter()
        scraped = generate_latest(metrics.registry)
        took.append(time.perf_counter() - begin)
    milliseconds = 1000.0 * statistics.median(took)
    yield (
        "a scrape with 5,000 areas",
        f"{milliseconds:.1f} ms",
        "< 50 ms",
        against(milliseconds, 50, most=True),
    )
    size = len(scraped) / 1e6
    yield "... its size", f"{size:.2f} MB", "< 2 MB", against(size, 2.0, most=True)


def _browser(messages: int) -> Iterator[tuple[str, str, str, str]]:
    with PageRig(areas=TENANTS * AREAS) as rig, contextlib.contextmanager(opened)() as browser:
        rig.take(_tickets(20_000, START, 10.0))
        rig.add_escalations(_episode(number) for number in range(EPISODES))
        context = browser.new_context(viewport={"width": 1200, "height": 900})
        paints, firsts = [], []
        for _ in range(7):
            page = context.new_page()
            begin = time.perf_counter()
            page.goto(rig.url)
            page.wait_for_selector("tbody tr")
            firsts.append(time.perf_counter() - begin)
            paints.append(
                page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
            )
            page.close()
        paint, first = statistics.median(paints), statistics.median(firsts)
        yield (
            "first paint, median of 7",
            f"{paint:.0f} ms",
            "< 1 s",
            against(paint, 1000, most=True),
        )
        yield "open episodes and areas shown", f"{first:.2f} s", "-", ""
        page = context.new_page()
        page.goto(rig.url)
        page.wait_for_selector("tbody tr")
        delays = []
        for number in range(SHOWN):
            event = _episode(EPISODES + number, "critical")
            begin = time.perf_counter()
            rig.add_escalations([event])
            page.wait_for_selector(f"[data-episode='{event.data.episode_id}']")
            delays.append(time.perf_counter() - begin)
        late = quantile(delays, 0.99)
        middle = statistics.median(delays)
        yield (f"an escalation on the screen, p50 / p99 of {SHOWN}",
               f"{1000 * middle:.0f} / {1000 * late:.0f} ms", "< 1 s",
               against(late, 1.0, most=True))  # fmt: skip
        devtools = context.new_cdp_session(page)
        before = _memory(devtools)
        begin = time.perf_counter()
        rng = random.Random(3)
        rows = rig.service.rows.of(rig.service.follower, list(rig.service.rows.numbers))
        for number in range(messages):
            changed = [
                (*row[:4], round(rng.random() * 9, 1), *row[5:]) for row in rng.sample(rows, 220)
            ]
            update = {"areas": changed, "tenants": []}
            rig._loop.call_soon_threadsafe(rig.service.feed.tell, "areas", update)
            if number % 300 == 0:
                rig.add_escalations([_episode(EPISODES + SHOWN + number, "warning", "resolved")])
            time.sleep(0.012)
        page.wait_for_timeout(3000)
        after = _memory(devtools)
        took = time.perf_counter() - begin
        yield (f"memory of the page's heap after {messages} updates ({took:.0f} s)",
               f"{after:.1f} MB (before: {before:.1f})", "< 100 MB",
               against(after, 100, most=True))  # fmt: skip
        renderers = [
            process.memory_full_info().uss / 1e6
            for process in psutil.Process().children(recursive=True)
            if "--type=renderer" in " ".join(process.cmdline())
        ]
        yield (
            "... memory of its own of the process that draws it",
            f"{max(renderers):.0f} MB",
            "-",
            "",
        )


def _memory(devtools: Any) -> float:
    devtools.send("HeapProfiler.collectGarbage")
    return float(devtools.send("Runtime.getHeapUsage")["usedSize"]) / 1e6


def _episode(number: int, severity: str = "error", transition: str = "opened") -> Any:
    return escalation(
        transition,
        episode_id=f"{number + 1:032x}",
        tenant=f"tenant-{number % TENANTS}",
        product_area=f"area {number % AREAS}",
        since=SINCE + timedelta(minutes=number),
        detected_at=SINCE + timedelta(minutes=number + 2),
        severity=severity,
    )


def _server(given: argparse.Namespace) -> Iterator[tuple[str, str, str, str]]:
    with broker() as servers:
        prefix, port = new_prefix(), free_port()
        more = {"page__port": port, "page__metrics_port": 0}
        config = configuration(servers, prefix, **more)
        asyncio.run(create(config))
        command = [sys.executable, "-m", "stream.cli", "page"]
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment(servers, prefix, **more)},
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        try:
            assert process.stdout is not None
            assert b"the page is at" in process.stdout.readline()
            busy, messages, lags = asyncio.run(_load(config, port, process.pid, given))
        finally:
            process.terminate()
            process.wait(20)
    share = f"{busy:.2f} of a core ({messages / given.seconds / given.viewers:.1f} messages/s each)"
    yield (f"server at {RATE} tickets/s, {given.viewers} viewers", share, "< 1 core",
           against(busy, 1.0, most=True))  # fmt: skip
    late = quantile(lags, 0.99)
    yield (f"an escalation produced -> heard by a viewer, p50 / p99 of {len(lags)}",
           f"{1000 * statistics.median(lags):.0f} / {1000 * late:.0f} ms", "< 1 s",
           against(late, 1.0, most=True))  # fmt: skip


async def _load(
    config: Any, port: int, pid: int, given: argparse.Namespace
) -> tuple[float, int, list[float]]:
    """Return the page's share of a CPU, the messages to all viewers, and escalation delays."""
    topics = Topics(config.kafka.topic_prefix)
    producer = AIOKafkaProducer(
        bootstrap_servers=config.kafka.bootstrap_servers, linger_ms=5, acks=1
    )
    sent_at: dict[str, float] = {}
    lags: list[float] = []
    messages = 0

    async def put(ticket: signals.Ticket) -> None:
        await producer.send(
            topics.by_tenant,
            signals.encode(ticket),
            partition=partition_of(ticket.tenant, config.kafka.partitions),
        )

    async def watch(session: aiohttp.ClientSession, first: bool) -> None:
        nonlocal messages
        async with session.get(f"http://127.0.0.1:{port}/events") as answer:
            async for line in answer.content:
                if line.startswith(b"event:"):
                    messages += 1
                elif first and line.startswith(b'data: {"id"'):
                    key = json.loads(line[6:])["id"]
                    if key in sent_at:
                        lags.append(time.perf_counter() - sent_at.pop(key))

    async with producer, aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(None),
        read_bufsize=2**20,
    ) as session:  # fmt: skip
        at = START
        for ticket in _tickets(3 * TENANTS * AREAS, at, 1.0):
            await put(ticket)
            at = ticket.created_at
        await producer.flush()
        await asyncio.sleep(5.0)
        viewers = [
            asyncio.create_task(watch(session, number == 0)) for number in range(given.viewers)
        ]
        await asyncio.sleep(3.0)
        process = psutil.Process(pid)
        begin, before, messages_before = time.perf_counter(), sum(process.cpu_times()[:2]), messages
        load = _tickets(int(RATE * given.seconds), at, 1.0 / RATE)
        for number, ticket in enumerate(load, 1):
            await put(ticket)
            if number % 250 == 0:
                event = _episode(number)
                sent_at[event.data.episode_id] = time.perf_counter()
                await producer.send(topics.escalations, write_escalation(event), partition=0)
            ahead = begin + number / RATE - time.perf_counter()
            if ahead > 0.0:
                await asyncio.sleep(ahead)
        passed = time.perf_counter() - begin
        busy = (sum(process.cpu_times()[:2]) - before) / passed
        received = messages - messages_before
        for viewer in viewers:
            viewer.cancel()
        await asyncio.gather(*viewers, return_exceptions=True)
    return busy, received, lags


if __name__ == "__main__":
    main()
