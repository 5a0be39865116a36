"""Escalations for tests of notify, and a provider that fails as real providers do."""

import asyncio
import hashlib
import json
import random
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

from aiohttp import web
from aiokafka import AIOKafkaProducer

from schemas.audit import AuditEntry
from schemas.codec import write_escalation
from schemas.escalation import EscalationEvent
from schemas.topics import Topics
from stream.config.sections import Config
from stream.kafka.partitioner import partition_of
from tests.support.kafka_rig import Process, Rig, wait_for

PAGER: Final = "pager"
BEGIN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def episode_id(tenant: str, number: int) -> str:
    """Return the id of the number-th episode of a tenant."""
    return hashlib.sha256(f"{tenant}|{number}".encode()).hexdigest()[:32]


def escalation(
    tenant: str = "acme",
    number: int = 1,
    sequence: int = 1,
    transition: str = "opened",
    *,
    at: datetime | None = None,
    **data: Any,
) -> EscalationEvent:
    """Return an event; *data* replaces the usual values."""
    episode = episode_id(tenant, number)
    at = at or BEGIN + timedelta(minutes=sequence)
    fields = {
        "episode_id": episode,
        "sequence": sequence,
        "tenant": tenant,
        "product_area": "login",
        "issue_type": None,
        "reason": "area_spike",
        "severity": "warning",
        "severity_rule": "by counts",
        "since": (at - timedelta(minutes=10)).isoformat(),
        "detected_at": at.isoformat(),
        "observed": 12.0,
        "expected": 2.0,
        "ratio": 6.0,
        "ratio_low": 3.0,
        "ratio_high": 9.0,
        "p_value": 1e-6,
        "once_in_days": 900.0,
        "tickets": 12,
        "customers": 11,
        "score": 9.0,
        "limit": 7.0,
        "model": "cusum_bank",
        "config_hash": "0" * 12,
        "budget": None,
    } | data
    event = {
        "id": hashlib.sha256(f"{episode}|{sequence}".encode()).hexdigest()[:32],
        "source": f"/spikewatch/{tenant}",
        "type": f"com.spikewatch.escalation.{transition}.v1",
        "subject": episode,
        "time": at.isoformat(),
        "data": fields,
    }
    return EscalationEvent.model_validate_json(json.dumps(event))


def life(tenant: str, number: int, at: datetime | None = None) -> list[EscalationEvent]:
    """Return four events of an episode, each of which is notified."""
    at = at or datetime.now(UTC)
    return [
        escalation(tenant, number, 1, at=at),
        escalation(tenant, number, 2, "updated", severity="error", tickets=30, at=at),
        escalation(tenant, number, 3, "updated", severity="critical", tickets=90, at=at),
        escalation(tenant, number, 4, "resolved", severity="critical", tickets=99, at=at),
    ]


@dataclass
class Request:
    """A request as the provider received it."""

    at: float
    key: str
    identifier: str
    action: str
    reason: str
    accepted: bool
    body: dict[str, Any]


@dataclass
class Provider:
    """The provider's end of a webhook on 127.0.0.1, in a thread of its own.

    The share *failing* of the requests gets a 500, a 429, a hang or a reset.
    """

    failing: float = 0.0
    hang_seconds: float = 3.0
    slow_seconds: float = 0.0
    seed: int = 1
    requests: list[Request] = field(default_factory=list)
    port: int = 0

    def __enter__(self) -> Self:
        """Listen."""
        self._random = random.Random(self.seed)
        started = threading.Event()
        self._loop = asyncio.new_event_loop()

        async def start() -> None:
            app = web.Application()
            app.router.add_post("/in", self._take)
            self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await self._runner.setup()
            await web.TCPSite(self._runner, "127.0.0.1", 0).start()
            self.port = self._runner.addresses[0][1]
            started.set()

        def work() -> None:
            asyncio.set_event_loop(self._loop)
            self._loop.create_task(start())
            self._loop.run_forever()

        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()
        assert started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""

        async def end() -> None:
            await self._runner.cleanup()
            hanging = asyncio.all_tasks() - {asyncio.current_task()}
            for task in hanging:
                task.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def url(self) -> str:
        """URL that accepts messages."""
        return f"http://127.0.0.1:{self.port}/in"

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        data = body["data"]
        fails = self._random.random() < self.failing
        how = self._random.choice(("500", "429", "hang", "reset"))
        taken_in = not fails
        self.requests.append(
            Request(
                time.time(), data["key"], body["id"], data["action"], data["reason"], taken_in, data
            )
        )
        if self.slow_seconds:
            await asyncio.sleep(self.slow_seconds)
        if not fails:
            return web.Response(status=204)
        if how == "500":
            return web.Response(status=500, text="so sorry")
        if how == "429":
            return web.Response(status=429, headers={"Retry-After": "0"})
        if how == "hang":
            await asyncio.sleep(self.hang_seconds)
            return web.Response(status=204)
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=204)


async def put(
    config: Config, events: Iterable[EscalationEvent], pause: float = 0.0
) -> dict[str, float]:
    """Produce *events*, and return when each episode was appended.

    With a *pause*, each event is acknowledged before the next one is sent after that many seconds.
    """
    topic = Topics(config.kafka.topic_prefix).escalations
    appended, waiting = {}, []
    async with AIOKafkaProducer(
        bootstrap_servers=config.kafka.bootstrap_servers, linger_ms=5
    ) as producer:
        for event in events:
            tenant = event.data.tenant
            sent = await producer.send(
                topic,
                write_escalation(event),
                key=tenant.encode(),
                partition=partition_of(tenant, config.kafka.partitions),
            )
            waiting.append((event.data.episode_id, sent))
            if pause:
                await sent
                await asyncio.sleep(pause)
        for episode, sent in waiting:
            appended[episode] = (await sent).timestamp / 1000.0
    return appended


def webhook(name: str, url: str) -> str:
    """Return a receiver table for the receivers file."""
    return (
        f'[[receiver]]\nname = "{name}"\nkind = "webhook"\nurl = "{url}"\n'
        'secret = { env = "WEBHOOK_SECRET" }\n'
    )


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


class NotifyProcess:
    """The notify process with a provider as its receiver."""

    def __init__(self, rig: Rig, provider: Provider) -> None:
        self.rig, self.provider = rig, provider
        self.number = 0

    def configure(self, plan: str = "", **environ: str) -> None:
        """Write the receivers file and create the topics."""
        path = self.rig.folder / "notify.toml"
        path.write_text(plan or standard(self.provider))
        self.rig.extra |= {
            "SPIKEWATCH_NOTIFY__FILE": str(path),
            "SPIKEWATCH_NOTIFY__METRICS_PORT": "0",
            "SPIKEWATCH_NOTIFY__HEALTH_PORT": "0",
            "SPIKEWATCH_NOTIFY__INSTANCE_ID": "one",
            "WEBHOOK_SECRET": "made up for a test",
        } | environ
        self.rig.create_topics()

    def start(self, **environ: str) -> Process:
        """Start the process, and wait until partitions are assigned."""
        process = self.rig.start("notify", **environ)
        wait_for(lambda: "assigned partitions" in process.text(), 30, "notify", self.rig)
        return process

    def put(self, *events: EscalationEvent) -> None:
        """Produce events to the topic of escalations."""
        asyncio.run(put(self.rig.config, events))

    def wait(self, done: Callable[[list[Request]], bool], what: str, seconds: float = 20) -> None:
        """Wait until the provider's requests satisfy *done*."""
        wait_for(lambda: done(list(self.provider.requests)), seconds, what, self.rig)

    def accepted_messages(self) -> list[tuple[str, str]]:
        """Return action and reason of the messages that the provider accepted, in order."""
        return [
            (request.action, request.reason)
            for request in self.provider.requests
            if request.accepted
        ]

    def run(self, *command: str) -> str:
        """Run a command that must succeed, and return its output."""
        done = self.rig.run(*command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def audit(self) -> list[AuditEntry]:
        """Return the entries of the audit, sorted by time."""
        entries = {}
        for record in self.rig.read(self.rig.topics.audit):
            entry = AuditEntry.model_validate_json(record.value)
            entries[entry.audit_id] = entry
        return sorted(entries.values(), key=lambda entry: entry.at)


def standard(provider: Provider, *, delivery: str = "", more: str = "") -> str:
    """Return a configuration whose only receiver gets everything."""
    return (
        f'[delivery]\nprivate_hosts = ["127.0.0.1"]\ntimeout_seconds = 1.0\n{delivery}\n'
        f'[default]\nreceivers = ["{PAGER}"]\n{webhook(PAGER, provider.url)}\n{more}'
    )
