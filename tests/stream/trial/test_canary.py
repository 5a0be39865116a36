"""Test the canary on a real Kafka with a real worker."""

import time

import pytest

from schemas.escalation import EscalationEvent
from schemas.signals import CANARY
from stream.trial.canary import BURST
from tests.support.kafka_rig import Rig, wait_for

pytestmark = [pytest.mark.kafka]


def test_the_canary_detects_its_spikes_repeatedly(rig: Rig) -> None:
    """Each spike returns within seconds, and a second process uses a tenant of its own."""
    rig.create_topics()
    rig.start("worker")
    canary = rig.start("canary", SPIKEWATCH_CANARY__EVERY_MINUTES="0.05",
                       SPIKEWATCH_CANARY__METRICS_PORT="0")  # fmt: skip
    wait_for(lambda: canary.text().count("published after") >= 4, 90, "four spikes", rig)
    assert "missing" not in canary.text()
    assert canary.end() == 0
    events = [EscalationEvent.model_validate_json(value) for value in rig.escalations()]
    assert {event.data.tenant.partition("-")[0] for event in events} == {CANARY}
    up = [e for e in events if e.transition in ("opened", "reopened") and not e.data.suppressed]
    assert len(up) >= 4
    assert all(3 <= event.data.tickets <= BURST + 2 for event in up)
    time.sleep(1.0)
    once = rig.run("canary", "--once", SPIKEWATCH_CANARY__METRICS_PORT="0")
    assert once.returncode == 0, once.stdout + once.stderr


def test_a_spike_that_is_not_detected_is_reported(rig: Rig) -> None:
    """Without a worker, the command exits with 1."""
    rig.create_topics()
    once = rig.run("canary", "--once", SPIKEWATCH_CANARY__SECONDS="3",
                   SPIKEWATCH_CANARY__METRICS_PORT="0")  # fmt: skip
    assert once.returncode == 1
    assert "missing" in once.stdout
