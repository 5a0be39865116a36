"""The page while an administrator recreates a topic."""

import asyncio
import signal
from datetime import UTC, datetime
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from schemas.escalation import EscalationEvent
from tests.support.kafka_rig import Rig, free_port, wait_for
from tests.support.notify_rig import escalation, put
from tests.support.topic_admin import pause, recreate


@pytest.mark.kafka
def test_episodes_on_a_recreated_topic_appear(rig: Rig) -> None:
    """The first new events are not skipped, although the old topic had as many."""
    port = free_port()
    rig.extra = {"SPIKEWATCH_PAGE__PORT": str(port), "SPIKEWATCH_PAGE__METRICS_PORT": "0"}
    rig.create_topics()
    page = rig.start("page")

    def is_shown(event: EscalationEvent) -> bool:
        url = f"http://127.0.0.1:{port}/api/episodes/{event.data.episode_id}"
        try:
            with urlopen(url, timeout=5) as answer:
                return bool(answer.status == 200)
        except (HTTPError, OSError):
            return False

    old, new = (
        [escalation(number=n, at=datetime.now(UTC)) for n in part]
        for part in (range(1, 4), range(4, 9))
    )
    asyncio.run(put(rig.config, old))
    wait_for(lambda: all(map(is_shown, old)), 30, "the old episodes", rig)
    pause(page)  # it must not see that the topic was away
    recreate(rig, rig.topics.escalations)
    asyncio.run(put(rig.config, new))
    page.send(signal.SIGCONT)
    wait_for(lambda: all(map(is_shown, new)), 20, "the new episodes", rig)
