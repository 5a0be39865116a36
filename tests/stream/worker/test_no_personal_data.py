"""Test that personal data in tickets reaches no event, no log line and no metric."""

import json
import logging
import random
from typing import Any

import pytest
from prometheus_client import generate_latest

from detectors.simulation.tickets import Incident, World, tickets
from detectors.step.partition import Partition
from schemas.codec import read_ticket, to_signal, write_escalation
from schemas.escalation import EscalationEvent
from schemas.signals import Tick
from stream.config.sections import Config
from stream.config.step_settings import settings_of
from stream.escalations.plain_text import render
from stream.worker.metrics import Metrics
from tests.support.planted import KINDS, plant

START = 1_772_409_600.0
HOUR = 3_600.0
WEEKS = 3
PLANTED = 10_000
LEAST_DIGITS = 9
"""Only texts are searched for shorter runs of digits, which occur by chance in numbers and ids."""


@pytest.mark.slow
def test_ten_thousand_planted_strings_are_all_redacted(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Personal data and secrets of ten kinds in text, values and names are all redacted."""
    caplog.set_level(logging.DEBUG)
    rng = random.Random(5)
    kinds = sorted(KINDS)
    assert len(kinds) == 10
    start = START + (WEEKS * 168 + 9) * HOUR
    incidents = [
        Incident(area, start + number * 8.0 * HOUR, 4.0, 40.0)
        for number, area in enumerate(("login", "billing", "checkout", "search"))
    ]
    world = World(
        start=START, hours=WEEKS * 168.0 + 48.0, incidents=incidents, seed=3, customers=50_000
    )
    rows: list[dict[str, Any]] = list(tickets(world))
    assert len(rows) > 2 * PLANTED
    partition = Partition(0, owner=1, settings=settings_of(Config()))
    metrics = Metrics()
    traces: set[str] = set()
    events: list[EscalationEvent] = []
    for number, ticket in enumerate(rows, PLANTED - len(rows)):
        if number >= 0:  # the last days, which contain the incidents
            planted = plant(rng, kinds[number % len(kinds)])
            traces.update(planted.traces)
            ticket["subject"], ticket["body"] = planted.subject, planted.body
            if number % 7 == 0:
                ticket["app_version"] = planted.text[:256]
            if number % 11 == 0 and planted.kind in ("email", "phone", "card", "iban", "ip"):
                ticket["customer"]["id"] = planted.text[:256]
        signal = to_signal(read_ticket(json.dumps(ticket).encode()), "simulated")
        done = partition.take(signal)
        metrics.record_step(signal, done, START)
        events += done.escalations
    metrics.record_chunk(1.0, START)
    metrics.update_state([partition], START)
    events += partition.take(Tick(START + (WEEKS * 168 + 72) * HOUR, "acme")).escalations
    paged = [event for event in events if not event.data.suppressed]
    assert {event.data.product_area for event in paged} >= {"login", "billing"}
    assert any(event.data.terms for event in paged)
    text = "".join(shown(event) for event in events).lower()
    output = "\n".join(write_escalation(event).decode() + render(event) for event in events)
    output += generate_latest(metrics.registry).decode() + caplog.text
    output = (output + "".join(capsys.readouterr())).lower()
    left = [(t, text[max(0, text.index(t) - 60) : text.index(t) + 60]) for t in traces if t in text]
    assert left == []
    long = [t for t in traces if not t.isdigit() or len(t) >= LEAST_DIGITS]
    assert [trace for trace in long if trace in output] == []


def shown(event: EscalationEvent) -> str:
    """Return all text in an event that comes from users."""
    data = event.data
    parts = [example.text for example in data.examples]
    parts += [term.term for term in data.terms]
    for driver in data.explanation:
        parts += [driver.value, driver.also.value if driver.also is not None else ""]
    if data.slice is not None:
        parts.append(data.slice.value)
    return " | ".join(parts)
