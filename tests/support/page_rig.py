"""The page as its process runs it, except that a test supplies the records instead of a broker.

Everything else is real: the step, the web server, the browser.
"""

import asyncio
import json
import threading
import time
from collections.abc import Coroutine, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, Final, Self

from detectors.simulation.tickets import HOUR, Incident, World
from detectors.state.snapshots import Recovery
from detectors.step.partition import Partition
from schemas.audit import AuditEntry
from schemas.codec import read_ticket, to_signal, write_escalation
from schemas.escalation import EscalationEvent
from schemas.feedback import Feedback
from schemas.signals import Signal, encode
from schemas.silence import Silence
from schemas.topics import Topics
from stream.config.process_sections import Page
from stream.config.sections import Config
from stream.page.server import Server
from stream.page.service import PageMetrics, Service
from tests.support.chromium import ARGUMENTS, chromium
from tests.support.kafka_rig import free_port

SECONDS: Final = 30.0
START: Final = datetime(2024, 3, 4, tzinfo=UTC).timestamp()
HOURS: Final = 14 * 24.0 + 10.0
INCIDENT: Final = Incident(
    area="login",
    start=START + (HOURS - 1.0) * HOUR,
    hours=1.0,
    multiple=8.0,
    app_version="4.2.1",
    issue_type="sso error",
    word="err_401_sso",
)
WORLD: Final = World(start=START, hours=HOURS, incidents=(INCIDENT,), seed=7)
"""Two weeks of a company whose logins fail in the last hour."""


class PageRig:
    """A page that runs inside a ``with`` block, and takes the records that a test adds."""

    def __init__(self, reports: Path | None = None, url: str = "", areas: int = 5_000) -> None:
        """Create the page without starting it."""
        self.port = free_port()
        page = Page(port=self.port, reports=str(reports or ""), url=url, areas=areas)
        self.config = Config(page=page)
        self.url = f"http://127.0.0.1:{self.port}/"
        self.service = Service(self.config, PageMetrics())
        self.service.follower.recover(0, Recovery())
        self.server = Server(
            self.config,
            self.service.follower,
            self.service.stories,
            self.service.rows,
            self.service.feed,
        )
        self._topics = Topics("")
        self._sent = 0
        self._worker = Partition(0, 1, self.service.follower.settings)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._start())
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SECONDS)
        self._loop.close()

    async def _start(self) -> None:
        await self.server.__aenter__()
        self.server.ready = True
        self._pushing = asyncio.create_task(self.service.push())

    async def _stop(self) -> None:
        self._pushing.cancel()
        await asyncio.gather(self._pushing, return_exceptions=True)
        await self.server.__aexit__()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(SECONDS)

    async def _records(self, topic: str, values: list[tuple[bytes, float]]) -> None:
        records = [
            SimpleNamespace(value=value, headers=(), timestamp=at * 1000.0, offset=self._sent + n)
            for n, (value, at) in enumerate(values)
        ]
        self._sent += len(records)
        if records:
            self.service.take(topic, 0, records)
            self.service.push_episodes()

    def take(self, signals: Iterable[Signal], at: float = 0.0) -> list[EscalationEvent]:
        """Take signals of the internal topic as a worker and the page do; return the events."""
        events: list[EscalationEvent] = []
        values = []
        for signal in signals:
            events += self._worker.take(signal, at or None).escalations
            values.append((encode(signal), at or time.time()))
        self._run(self._records(self._topics.by_tenant, values))
        self.add_escalations(events)
        return events

    def tickets(self, lines: Iterable[dict[str, Any]]) -> list[EscalationEvent]:
        """Take tickets as senders write them."""
        return self.take(
            to_signal(read_ticket(json.dumps(line).encode()), "simulated") for line in lines
        )

    def add_escalations(self, events: Iterable[EscalationEvent]) -> None:
        """Add records to the topic of escalations."""
        values = [(write_escalation(event), 0.0) for event in events]
        self._run(self._records(self._topics.escalations, values))

    def add_audit_entries(self, *entries: AuditEntry) -> None:
        """Add records to the topic of the audit."""
        values = [(entry.model_dump_json().encode(), 0.0) for entry in entries]
        self._run(self._records(self._topics.audit, values))

    def add_feedback(self, *answers: Feedback) -> None:
        """Add records to the topic of feedback."""
        values = [(feedback.model_dump_json().encode(), 0.0) for feedback in answers]
        self._run(self._records(self._topics.feedback, values))

    def add_silences(self, *silences: Silence) -> None:
        """Add records to the topic of silences."""
        values = [(each.model_dump_json().encode(), 0.0) for each in silences]
        self._run(self._records(self._topics.silences, values))


def browser() -> Iterator[Any]:
    """Yield a real browser, for fixtures and programs."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - slow to import

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield opened
        opened.close()
