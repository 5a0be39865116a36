"""``spikewatch canary``: end-to-end check that a spike becomes an escalation, and how soon.

A simulated tenant runs in simulated time. At intervals, its clock advances with tickets at the
expected rate, then twelve customers complain within two minutes, and an escalation must be
published. Notify sends nothing about tenants whose name begins with `CANARY`.
"""

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from schemas.escalation import EscalationEvent
from schemas.signals import CANARY
from stream.config.sections import Config
from stream.escalations.follow import follow
from stream.kafka.ticket_sender import Pace, Sender
from stream.process import metrics_http

START: Final = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
WARM_UP_HOURS: Final = 14 * 24.0
HOURS_BETWEEN: Final = 6.0
"""Simulated hours between spikes, after which the last episode is resolved."""
USUAL_SECONDS: Final = 1_800.0
"""Simulated seconds between tickets at the expected rate."""
BURST: Final = 12
BURST_SECONDS: Final = 120.0
SECONDS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class CanaryMetrics:
    """Metrics of the canary."""

    def __init__(self) -> None:
        """Register all metrics; counters start at 0."""
        self.registry = registry = CollectorRegistry()
        self.seconds = Histogram(
            "spikewatch_canary_seconds",
            "Time from the canary's last ticket to its escalation on the topic.",
            buckets=SECONDS,
            registry=registry,
        )
        self.runs = Counter(
            "spikewatch_canary_runs",
            "Runs of the canary, by whether the escalation was published in time.",
            ["outcome"],
            registry=registry,
        )
        self.succeeded_at = Gauge(
            "spikewatch_canary_last_success_timestamp_seconds",
            "Time at which an escalation was last published in time; 0: not since the start.",
            registry=registry,
        )
        for outcome in ("back", "missing"):
            self.runs.labels(outcome)


class Canary:
    """Simulated tenant and its clock."""

    def __init__(self, config: Config, metrics: CanaryMetrics, born: float) -> None:
        """Create a tenant that is named after the start of the process (seconds since 1970)."""
        self.tenant = f"{CANARY}-{int(born):x}"
        self._config, self._metrics = config, metrics
        self._at = START
        self._number = 0

    def _ticket(self, at: float, customer: str) -> bytes:
        self._number += 1
        return json.dumps(
            {
                "ticket_id": f"{self.tenant}-{self._number}",
                "created_at": datetime.fromtimestamp(at, UTC).isoformat(),
                "tenant": self.tenant,
                "product_area": "canary",
                "customer": customer,
            }
        ).encode()

    def _usual(self, hours: float) -> Iterator[bytes]:
        until = self._at + hours * 3600.0
        while self._at < until:
            self._at += USUAL_SECONDS
            yield self._ticket(self._at, f"usual-{self._number % 50}")

    def _burst(self) -> Iterator[bytes]:
        for number in range(BURST):
            self._at += BURST_SECONDS / BURST
            yield self._ticket(self._at, f"burst-{self._number}-{number}")

    async def warm_up(self, sender: Sender) -> None:
        """Send two weeks of tickets at the expected rate."""
        await sender.send(self._usual(WARM_UP_HOURS))

    async def run(self, sender: Sender, heard: "asyncio.Queue[EscalationEvent]") -> float | None:
        """Send a spike; return the seconds until its escalation, or None if it was too late."""
        await sender.send(self._usual(HOURS_BETWEEN))
        while not heard.empty():
            heard.get_nowait()
        began = self._at
        await sender.send(self._burst())
        sent = time.monotonic()
        try:
            async with asyncio.timeout(self._config.canary.seconds):
                while True:
                    event = await heard.get()
                    up = event.transition in ("opened", "reopened")
                    if up and event.time.timestamp() >= began:
                        seconds = max(0.0, time.monotonic() - sent)
                        self._metrics.seconds.observe(seconds)
                        self._metrics.runs.labels("back").inc()
                        self._metrics.succeeded_at.set(time.time())
                        return seconds
        except TimeoutError:
            self._metrics.runs.labels("missing").inc()
            return None
        finally:
            self._at = sender.sent.latest
            await sender.pass_time(self._at + 3600.0)  # so that the episode is resolved soon
            self._at += 3600.0


async def serve(config: Config, *, once: bool) -> bool:
    """Run until SIGTERM or SIGINT, or once; return whether the last spike was detected.

    Raises:
        UserError: No broker is reachable, or the topics are missing or wrong.
    """
    metrics = CanaryMetrics()
    metrics_http.serve(
        metrics.registry, config.metrics.host, config.canary.metrics_port, "[canary] metrics_port"
    )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    canary = Canary(config, metrics, time.time())
    heard: asyncio.Queue[EscalationEvent] = asyncio.Queue()
    listener = asyncio.create_task(_hear(config, canary.tenant, heard))
    back = False
    try:
        async with Sender(config, Pace("simulated")) as sender:
            await canary.warm_up(sender)
            while not stop.is_set():
                seconds = await canary.run(sender, heard)
                back = seconds is not None
                result = f"published after {seconds:.2f} s" if seconds is not None else "missing"
                print(f"canary {canary.tenant}: escalation {result}", flush=True)
                if once:
                    break
                if listener.done():
                    listener.result()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), config.canary.every_minutes * 60.0)
    finally:
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)
    return back


async def _hear(config: Config, tenant: str, heard: "asyncio.Queue[EscalationEvent]") -> None:
    async for event in follow(config):
        if event.data.tenant == tenant:
            heard.put_nowait(event)
