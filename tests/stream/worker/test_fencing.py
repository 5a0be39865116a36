"""Two processes with the same instance id."""

import json
import signal
import time
from datetime import UTC, datetime

import pytest

from tests.support.kafka_rig import Rig, wait_for

pytestmark = pytest.mark.kafka
SESSION_SECONDS = 6


def test_a_worker_whose_instance_id_was_taken_stops_with_a_sentence(rig: Rig) -> None:
    """The last process with the id keeps the partitions, and nothing is lost."""
    rig.extra |= {
        "SPIKEWATCH_KAFKA__INSTANCE_ID": "one",
        "SPIKEWATCH_KAFKA__SESSION_TIMEOUT_SECONDS": str(SESSION_SECONDS),
    }
    rig.create_topics()
    first = rig.start("worker")
    wait_for(lambda: "assigned partitions: 0, 1, 2, 3" in first.text(), 30, "the first", rig)
    second = rig.start("worker")
    assert first.popen.wait(60) == 70
    assert "with the same instance_id (one)" in first.text()
    wait_for(lambda: "assigned partitions: 0, 1, 2, 3" in second.text(), 30, "the second", rig)
    now = datetime.now(UTC).isoformat()
    ticket = {"ticket_id": "1", "created_at": now, "product_area": "login"}
    rig.put(rig.topics.tickets, [(json.dumps(ticket).encode(), [])])
    rig.settle()
    assert second.popen.poll() is None


def test_a_worker_whose_session_expired_joins_again(rig: Rig) -> None:
    """A pause is no second process, although the broker does not know the member any more."""
    rig.extra |= {
        "SPIKEWATCH_KAFKA__INSTANCE_ID": "one",
        "SPIKEWATCH_KAFKA__SESSION_TIMEOUT_SECONDS": str(SESSION_SECONDS),
    }
    rig.create_topics()
    worker = rig.start("worker")
    wait_for(lambda: "assigned partitions: 0, 1, 2, 3" in worker.text(), 30, "the worker", rig)
    worker.send(signal.SIGSTOP)
    time.sleep(SESSION_SECONDS + 4.0)
    worker.send(signal.SIGCONT)
    now = datetime.now(UTC).isoformat()
    ticket = {"ticket_id": "1", "created_at": now, "product_area": "login"}
    rig.put(rig.topics.tickets, [(json.dumps(ticket).encode(), [])])
    rig.settle()
    assert worker.popen.poll() is None
