"""A real Alertmanager: fires, is updated, kept alive, resolved; its silences are honoured."""

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.kafka_rig import Rig, free_port, wait_for
from tests.support.notify_rig import NotifyProcess, Provider, episode_id, escalation, now, webhook
from tests.support.programs import program

pytestmark = [pytest.mark.kafka]


@dataclass
class Alertmanager:
    """One that runs for the time of a test."""

    url: str

    def ask(self, path: str, body: Any = None) -> Any:
        """Its API; JSON."""
        request = urllib.request.Request(  # noqa: S310 - on 127.0.0.1
            f"{self.url}/api/v2/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - the same
            return json.loads(answer.read() or b"null")

    def alerts(self) -> list[dict[str, Any]]:
        """Those that are active."""
        return list(self.ask("alerts?active=true&silenced=true&inhibited=true"))


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Alertmanager]:
    """A real one, without a cluster; it tells a webhook that nobody listens to."""
    binary = program("prometheus-alertmanager", "alertmanager", package="prometheus-alertmanager")
    port = free_port()
    config = tmp_path / "alertmanager.yml"
    config.write_text("route:\n  receiver: none\nreceivers:\n- name: none\n")
    with (tmp_path / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen(
            [
                str(binary), f"--config.file={config}", f"--storage.path={tmp_path / 'am'}",
                f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
            ],
            stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    made = Alertmanager(f"http://127.0.0.1:{port}")
    try:
        wait_for(lambda: _answers(made), 20, "Alertmanager")
        yield made
    finally:
        process.terminate()
        process.wait(20)


def _answers(alertmanager: Alertmanager) -> bool:
    try:
        alertmanager.ask("status")
    except OSError:
        return False
    return True


def plan(alertmanager: Alertmanager, provider: Provider, repeat: float) -> str:
    """Alertmanager and a webhook are told of everything."""
    return (
        '[delivery]\nprivate_hosts = ["127.0.0.1"]\n'
        f'alertmanager_silences = "{alertmanager.url}"\n'
        '[default]\nreceivers = ["alertmanager", "pager"]\n'
        '[[receiver]]\nname = "alertmanager"\nkind = "alertmanager"\n'
        f'url = "{alertmanager.url}"\nrepeat_seconds = {repeat}\n'
        f"{webhook('pager', provider.url)}"
    )


def test_one_alert_lives_as_long_as_its_episode(rig: Rig, alertmanager: Alertmanager) -> None:
    """Fires once, is updated in place, does not end at its endsAt, and is resolved."""
    with Provider() as provider:
        desk = NotifyProcess(rig, provider)
        desk.configure(plan(alertmanager, provider, repeat=0.5))
        desk.start()
        desk.put(escalation("acme", 1, at=now()))
        wait_for(lambda: len(alertmanager.alerts()) == 1, 15, "the alert", rig)
        first = alertmanager.alerts()[0]
        assert first["labels"]["alertname"] == "TicketSpike"
        assert first["labels"]["product_area"] == "login"
        assert first["annotations"]["episode_id"] == episode_id("acme", 1)
        seen = set()
        until = time.monotonic() + 6.0  # endsAt is 2.5 s ahead each time
        while time.monotonic() < until:
            (alert,) = alertmanager.alerts()
            seen.add((alert["fingerprint"], alert["startsAt"], alert["status"]["state"]))
            time.sleep(0.1)
        assert seen == {(first["fingerprint"], first["startsAt"], "active")}
        desk.put(escalation("acme", 1, 2, "updated", severity="critical", tickets=80, at=now()))
        wait_for(
            lambda: alertmanager.alerts()[0]["annotations"]["severity_now"] == "critical",
            15, "the update", rig,
        )  # fmt: skip
        (alert,) = alertmanager.alerts()
        assert alert["fingerprint"] == first["fingerprint"]
        assert alert["labels"]["severity"] == "warning"
        rig.processes[-1].end()
        desk.start()  # a restart is no end
        time.sleep(3.0)
        assert [a["fingerprint"] for a in alertmanager.alerts()] == [first["fingerprint"]]
        desk.put(escalation("acme", 1, 3, "resolved", severity="critical", tickets=90, at=now()))
        wait_for(lambda: alertmanager.alerts() == [], 15, "the end", rig)
        time.sleep(2.0)
        assert alertmanager.alerts() == []


def test_what_is_silenced_there_is_silenced_here(rig: Rig, alertmanager: Alertmanager) -> None:
    """By whom and until when stands in the audit; no receiver is told."""
    ends = datetime.now(UTC) + timedelta(hours=1)
    alertmanager.ask(
        "silences",
        {
            "matchers": [
                {"name": "product_area", "value": "log.*", "isRegex": True, "isEqual": True},
                {"name": "tenant", "value": "acme", "isRegex": False, "isEqual": True},
            ],
            "startsAt": datetime.now(UTC).isoformat(),
            "endsAt": ends.isoformat(),
            "createdBy": "release manager",
            "comment": "planned release",
        },
    )
    with Provider() as provider:
        desk = NotifyProcess(rig, provider)
        desk.configure(plan(alertmanager, provider, repeat=60.0))
        desk.start()
        time.sleep(2.0)
        desk.put(escalation("acme", 1, at=now()), escalation("other", 1, at=now()))
        desk.wait(lambda seen: len(seen) == 1, "the other tenant's page")
        wait_for(
            lambda: [e.reason for e in desk.audit() if e.tenant == "acme"] == ["silenced"] * 2,
            15, "the audit", rig,
        )  # fmt: skip
        (entry,) = [e for e in desk.audit() if e.tenant == "acme" and e.receiver == "pager"]
        assert "by release manager (alertmanager) until" in entry.detail
        assert "planned release" in entry.detail
        assert [a["labels"]["tenant"] for a in alertmanager.alerts()] == ["other"]
