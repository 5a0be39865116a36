"""Test a backtest of the records that real workers wrote to Kafka, in their original order."""

import asyncio
import json
import math
import time
from datetime import UTC, datetime

import pytest

from detectors.evaluation.history.injection import Taken
from detectors.simulation.tickets import HOUR, Incident, World, tickets
from schemas.escalation import EscalationEvent
from stream.analysis.backtest import Order, backtest
from stream.config.step_settings import settings_of
from stream.inputs.ticket_archive import History
from stream.inputs.topic_range import read_topic
from stream.kafka.ticket_sender import Pace
from tests.support.kafka_rig import Rig

pytestmark = pytest.mark.kafka

START = datetime(2024, 3, 4, tzinfo=UTC).timestamp()
WEEKS = 3.0


def some_tickets() -> list[bytes]:
    """Return tickets of two tenants in time order, each with an incident near the end."""
    timed_lines: list[tuple[str, bytes]] = []
    for number, tenant in enumerate(("acme", "globex")):
        spike = Incident("login", START + (WEEKS * 168.0 - 40.0 + number) * HOUR, 3.0, 10.0)
        world = World(
            START, WEEKS * 168.0, {"login": 6.0, "billing": 2.0}, (spike,), number + 1, tenant
        )
        timed_lines += [(str(t["created_at"]), json.dumps(t).encode()) for t in tickets(world)]
    return [line for _, line in sorted(timed_lines)]


def test_a_backtest_of_a_topic_range_gives_the_pages_of_the_workers(rig: Rig) -> None:
    """Backtest opens the same episodes at the same times as the workers, without a group."""
    lines = some_tickets()
    rig.create_topics()
    rig.start("worker")
    rig.send(lines, Pace("simulated"))
    rig.settle()
    events = [EscalationEvent.model_validate_json(each) for each in rig.escalations()]
    paged = sorted(
        (event.time.timestamp(), event.subject)
        for event in events
        if event.transition in ("opened", "reopened") and event.data.suppressed is None
    )
    assert len(paged) >= 2
    rig.put(rig.topics.by_tenant, [(b"{", []), (b"\xff", [])], partition=0)
    with History() as history:
        assert asyncio.run(read_topic(rig.config, -math.inf, math.inf, history.add)) == 2
        history.close_book()
        assert history.facts.tickets == len(lines)
        result = backtest(history, Order(settings=settings_of(rig.config)))
    assert sorted((run.opened, run.episode_id) for run in result.walked.runs) == paged

    done = rig.run("backtest", "--from-topic", "--since", "1h", "--processes", "1")
    assert done.returncode == 0, done.stderr
    assert "rejected tickets: 2 undecodable" in done.stdout
    assert f"{len(lines):,} tickets in 4 areas of 2 tenants" in done.stdout
    later: list[Taken] = []
    asyncio.run(read_topic(rig.config, time.time() + 60.0, math.inf, later.append))
    assert later == []
    early = rig.run("backtest", "--from-topic", "--until", "2024-01-01T00:00:00Z")
    assert early.returncode == 1
    assert "the history has no valid ticket" in early.stderr
