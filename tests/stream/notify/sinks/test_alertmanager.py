"""Test a real Alertmanager: alerts fire, are updated, stay alive and resolve; silences apply."""

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

from stream.notify.service import ALERTMANAGER_SECONDS
from tests.support.kafka_rig import Rig, free_port, wait_for
from tests.support.notify_rig import NotifyProcess, Provider, episode_id, escalation, now, webhook
from tests.support.programs import program

pytestmark = [pytest.mark.kafka]


@dataclass
class Alertmanager:
    """Run a real Alertmanager for the time of a test."""

    url: str

    def ask(self, path: str, body: Any = None) -> Any:
        """Send a request to the API, and return its JSON response."""
        request = urllib.request.Request(  # noqa: S310 - on 127.0.0.1
            f"{self.url}/api/v2/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - the same
            return json.loads(answer.read() or b"null")

    def alerts(self) -> list[dict[str, Any]]:
        """Return the active alerts."""
        return list(self.ask("alerts?active=true&silenced=true&inhibited=true"))


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Alertmanager]:
    """Start Alertmanager without a cluster, with a webhook on which nothing listens."""
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
    """Return a configuration in which Alertmanager and a webhook receive everything."""
    return (
        '[delivery]\nprivate_hosts = ["127.0.0.1"]\n'
        f'alertmanager_silences = "{alertmanager.url}"\n'
        '[default]\nreceivers = ["alertmanager", "pager"]\n'
        '[[receiver]]\nname = "alertmanager"\nkind = "alertmanager"\n'
        f'url = "{alertmanager.url}"\nrepeat_seconds = {repeat}\n'
        f"{webhook('pager', provider.url)}"
    )


def test_an_alert_stays_active_as_long_as_its_episode(rig: Rig, alertmanager: Alertmanager) -> None:
    """The alert fires once, is updated in place, outlives its endsAt and is resolved at the end."""
    with Provider() as provider:
        notify = NotifyProcess(rig, provider)
        notify.configure(plan(alertmanager, provider, repeat=0.5))
        notify.start()
        notify.put(escalation("acme", 1, at=now()))
        wait_for(lambda: len(alertmanager.alerts()) == 1, 15, "the alert", rig)
        first = alertmanager.alerts()[0]
        assert first["labels"]["alertname"] == "TicketSpike"
        assert first["labels"]["product_area"] == "login"
        assert first["annotations"]["episode_id"] == episode_id("acme", 1)
        seen = set()
        until = time.monotonic() + 6.0  # every repetition sets endsAt 2.5 s ahead
        while time.monotonic() < until:
            (alert,) = alertmanager.alerts()
            seen.add((alert["fingerprint"], alert["startsAt"], alert["status"]["state"]))
            time.sleep(0.1)
        assert seen == {(first["fingerprint"], first["startsAt"], "active")}
        notify.put(escalation("acme", 1, 2, "updated", severity="critical", tickets=80, at=now()))
        wait_for(
            lambda: alertmanager.alerts()[0]["annotations"]["severity_now"] == "critical",
            15, "the update", rig,
        )  # fmt: skip
        (alert,) = alertmanager.alerts()
        assert alert["fingerprint"] == first["fingerprint"]
        assert alert["labels"]["severity"] == "warning"
        rig.processes[-1].end()
        notify.start()  # a restart does not resolve the alert
        time.sleep(3.0)
        assert [a["fingerprint"] for a in alertmanager.alerts()] == [first["fingerprint"]]
        notify.put(escalation("acme", 1, 3, "resolved", severity="critical", tickets=90, at=now()))
        wait_for(lambda: alertmanager.alerts() == [], 15, "the resolution", rig)
        time.sleep(2.0)
        assert alertmanager.alerts() == []


def test_a_silence_in_alertmanager_mutes_every_receiver(
    rig: Rig, alertmanager: Alertmanager
) -> None:
    """The audit shows who set the silence and until when, and no receiver is notified."""
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
        notify = NotifyProcess(rig, provider)
        notify.configure(plan(alertmanager, provider, repeat=60.0))
        notify.start()
        time.sleep(2.0)
        notify.put(escalation("acme", 1, at=now()), escalation("other", 1, at=now()))
        notify.wait(lambda seen: len(seen) == 1, "the other tenant's page")
        wait_for(
            lambda: [e.reason for e in notify.audit() if e.tenant == "acme"] == ["silenced"] * 2,
            15, "the audit", rig,
        )  # fmt: skip
        (entry,) = [e for e in notify.audit() if e.tenant == "acme" and e.receiver == "pager"]
        assert "by release manager (alertmanager) until" in entry.detail
        assert "planned release" in entry.detail
        assert [a["labels"]["tenant"] for a in alertmanager.alerts()] == ["other"]


@pytest.mark.parametrize("names", [None, ("receiver_key",), ("severity", "tenant")])
def test_a_silence_made_from_our_alert_mutes_every_receiver(
    rig: Rig, alertmanager: Alertmanager, names: tuple[str, ...] | None
) -> None:
    """Labels of the alert match even if they changed since, as the severity does."""
    with Provider() as provider:
        notify = NotifyProcess(rig, provider)
        notify.configure(plan(alertmanager, provider, repeat=60.0))
        notify.start()
        notify.put(escalation("acme", 1, at=now()))
        wait_for(lambda: len(alertmanager.alerts()) == 1, 15, "the alert", rig)
        notify.wait(lambda seen: len(seen) == 1, "the page")
        (alert,) = alertmanager.alerts()
        assert alert["labels"]["severity"] == "warning"
        alertmanager.ask(
            "silences",
            {
                "matchers": [
                    {"name": name, "value": value, "isRegex": False, "isEqual": True}
                    for name, value in alert["labels"].items()
                    if names is None or name in names
                ],
                "startsAt": datetime.now(UTC).isoformat(),
                "endsAt": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
                "createdBy": "on-call",
                "comment": "known",
            },
        )
        wait_for(
            lambda: alertmanager.alerts()[0]["status"]["state"] == "suppressed", 15, "its silence"
        )
        time.sleep(ALERTMANAGER_SECONDS + 1.0)  # until notify has read the silence
        notify.put(
            escalation("acme", 1, 2, "updated", severity="error", tickets=80, at=now()),
            escalation("acme", 2, at=now()),
        )

        def reasons(number: int, sequence: int) -> list[str | None]:
            return [
                entry.reason
                for entry in notify.audit()
                if (entry.episode_id, entry.sequence) == (episode_id("acme", number), sequence)
                and entry.kind == "decided"
            ]

        wait_for(lambda: len(reasons(1, 2)) == 2, 15, "the decisions", rig)
        assert reasons(1, 2) == ["silenced"] * 2
        (alert,) = (a for a in alertmanager.alerts() if a["status"]["state"] == "suppressed")
        assert alert["annotations"]["episode_id"] == episode_id("acme", 1)
        # Another episode is silenced here if its alert would be silenced there.
        other = ["silenced"] * 2 if names == ("severity", "tenant") else ["first"] * 2
        wait_for(lambda: reasons(2, 1) == other, 15, "the other episode", rig)
