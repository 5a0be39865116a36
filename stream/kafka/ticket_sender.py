"""Sender of ticket events to the topic ``tickets``: live, as history, or in simulated time.

The key is the tenant, so that a tenant's tickets stay in order in one partition. Invalid tickets
are sent too: intake rejects them and writes the reason to the topic of dead letters.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError

from detectors.foundation.timestamps import moment
from schemas.codec import HEADER_KIND, HEADER_MODE, read_ticket, to_signal
from schemas.dead_letter import Rejected
from schemas.signals import Mode
from schemas.tick import Tick
from schemas.topics import Topics
from stream.config.sections import Config
from stream.errors import UserError
from stream.kafka.clients import kafka_client_options
from stream.kafka.topics import no_broker, verify

IN_FLIGHT = 2_000
"""Maximum number of unacknowledged records."""
TICK_SECONDS = 1.0
"""Wall-clock time between ticks in simulated time."""

Speed = float | Literal["max"]


@dataclass
class Pace:
    """Mode and speed of sending.

    Attributes:
        mode: live, history or simulated.
        rate: Maximum number of tickets per second; None: as fast as possible.
        speed: Simulated mode: multiple of real time; max: as fast as possible.
        until: Simulated mode: time to which the clock is advanced after the last ticket, seconds
            since 1970.
    """

    mode: Mode = "live"
    rate: float | None = None
    speed: Speed = "max"
    until: float | None = None


@dataclass
class Sent:
    """Counts of a run."""

    tickets: int = 0
    tenants: set[str] = field(default_factory=set)
    latest: float = 0.0
    """Latest event time, seconds since 1970."""


class Sender:
    """Producer of tickets and of the ticks between them; use it in ``async with``."""

    def __init__(self, config: Config, pace: Pace) -> None:
        """Create the sender without connecting yet."""
        self._config, self._pace = config, pace
        self._topic = Topics(config.kafka.topic_prefix).tickets
        self._waiting: set[asyncio.Future[Any]] = set()
        self._failed: BaseException | None = None
        self.sent = Sent()

    async def __aenter__(self) -> Self:
        """Connect to the brokers.

        Raises:
            UserError: No broker responds, or the topics are wrong.
        """
        await verify(self._config)
        self._producer = AIOKafkaProducer(
            **kafka_client_options(self._config), acks="all", linger_ms=5, max_batch_size=262_144
        )
        try:
            await self._producer.start()
        except KafkaConnectionError:
            raise UserError(no_broker(self._config.kafka.bootstrap_servers)) from None
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect after all records are acknowledged."""
        await self._producer.stop()

    async def send(
        self,
        lines: Iterable[bytes],
        seen: Callable[[], None] = lambda: None,
        *,
        waits: bool = False,
    ) -> None:
        """Send all lines at the requested pace, and wait until all are acknowledged.

        Args:
            lines: Tickets, one per line.
            seen: Called after each line.
            waits: Whether the next line may take long, as on a pipe; earlier lines are then sent
                meanwhile.

        Raises:
            UserError: The broker does not accept the tickets.
        """
        started, first, ticked = time.monotonic(), None, 0.0
        coming = iter(lines)
        while True:
            line = await asyncio.to_thread(next, coming, None) if waits else next(coming, None)
            if line is None:
                break
            at = await self._ticket(line)
            seen()
            if self._pace.rate is not None:
                ahead = self.sent.tickets / self._pace.rate - (time.monotonic() - started)
                if ahead > 0.0:
                    await asyncio.sleep(ahead)
            elif self._pace.mode == "simulated" and self._pace.speed != "max" and at is not None:
                first = at if first is None else first
                due = started + (at - first) / self._pace.speed
                while (wait := due - time.monotonic()) > 0.0:
                    await asyncio.sleep(min(wait, TICK_SECONDS))
                    if time.monotonic() - ticked >= TICK_SECONDS:
                        ticked = time.monotonic()
                        now = first + (min(ticked, due) - started) * self._pace.speed
                        await self._tick(now - self._config.time.lateness_seconds)
        if self._pace.mode == "simulated" and self._pace.until is not None:
            await self._tick(self._pace.until)
        if self._pace.mode == "history":
            for tenant in sorted(self.sent.tenants):
                await self._mark(
                    Tick(type="history_end", now=moment(self.sent.latest), tenant=tenant)
                )
        await self._settle(0)

    async def pass_time(self, until: float) -> None:
        """Send ticks up to a time, in seconds since 1970, at the pace of simulated time."""
        speed = self._pace.speed
        now = self.sent.latest
        while now < until:
            step = 60.0 if speed == "max" else TICK_SECONDS * speed
            now = min(until, now + step)
            await self._tick(now)
            if speed != "max":
                await asyncio.sleep(TICK_SECONDS)
        await self._settle(0)

    async def _ticket(self, line: bytes) -> float | None:
        """Send one ticket and return its time; None: the ticket is not valid."""
        at = None
        try:
            signal = to_signal(read_ticket(line))
            tenant, at = signal.tenant, signal.created_at
            self.sent.tenants.add(tenant)
            self.sent.latest = max(self.sent.latest, at)
        except Rejected:
            tenant = "default"
        self.sent.tickets += 1
        await self._put(tenant, line, [(HEADER_MODE, self._pace.mode.encode())])
        return at

    async def _tick(self, now: float) -> None:
        for tenant in sorted(self.sent.tenants):
            await self._mark(Tick(type="tick", now=moment(now), tenant=tenant))

    async def _mark(self, mark: Tick) -> None:
        assert mark.tenant is not None
        await self._put(mark.tenant, mark.model_dump_json().encode(), [(HEADER_KIND, b"mark")])

    async def _put(self, tenant: str, value: bytes, headers: list[tuple[str, bytes]]) -> None:
        try:
            future = await self._producer.send(
                self._topic, value, key=tenant.encode(), headers=headers
            )
        except KafkaError as error:
            raise UserError(f"a ticket cannot be sent to {self._topic}: {error}") from None
        if self._failed is not None:
            await self._settle(0)
        self._waiting.add(future)
        future.add_done_callback(self._done)
        if len(self._waiting) >= IN_FLIGHT:
            await self._settle(IN_FLIGHT // 2)

    def _done(self, future: asyncio.Future[Any]) -> None:
        self._waiting.discard(future)
        if not future.cancelled() and (error := future.exception()) is not None:
            self._failed = self._failed or error

    async def _settle(self, most: int) -> None:
        """Wait until no more than a number of records are unacknowledged."""
        while len(self._waiting) > most and self._failed is None:
            await asyncio.wait(self._waiting, return_when=asyncio.FIRST_COMPLETED)
        if self._failed is not None:
            raise UserError(
                f"not all of the {self.sent.tickets} tickets were accepted by {self._topic} "
                f"({self._failed}): send the file again; tickets that were accepted are "
                "deduplicated"
            ) from None
