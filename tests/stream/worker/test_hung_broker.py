"""A broker that hangs, as one does whose disk or host does."""

import json
import os
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from stream.process.health import LOOP_SECONDS
from stream.trial.broker.local_broker import Broker
from tests.support.kafka_rig import Rig, free_port, stop_all, wait_for

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def test_a_hung_broker_does_not_make_the_worker_look_hung(tmp_path: Path) -> None:
    """An orchestrator would otherwise kill every worker, which does not help the broker."""
    with Broker() as broker:
        rig = Rig(broker.bootstrap_servers, "hung.", tmp_path)
        port = free_port()
        rig.extra["SPIKEWATCH_HEALTH__PORT"] = str(port)

        def failing() -> list[str]:
            url = f"http://127.0.0.1:{port}/live"
            try:
                with urllib.request.urlopen(url, timeout=5) as answer:
                    return list(json.load(answer)["failing"])
            except urllib.error.HTTPError as answer:
                return list(json.load(answer)["failing"])

        try:
            rig.create_topics()
            worker = rig.start("worker")
            wait_for(lambda: "assigned" in worker.text(), 60, "the assignment", rig)
            os.kill(broker.pid, signal.SIGSTOP)
            time.sleep(LOOP_SECONDS + 12.0)  # the ids of the topics are asked for every 5 seconds
            assert failing() == []
            assert worker.popen.poll() is None
        finally:
            os.kill(broker.pid, signal.SIGCONT)
            stop_all(rig)
