"""Test the first command of the README."""

import re

import pytest

from tests.support.kafka_rig import Rig


@pytest.mark.kafka
@pytest.mark.slow
def test_the_demo_shows_an_incident_from_opened_to_resolved(rig: Rig) -> None:
    """``demo --once`` prints the life of the login incident and exits with 0."""
    done = rig.run("demo", "--once")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "OPENED: login of acme" in done.stdout
    assert "RESOLVED: login of acme" in done.stdout
    assert "Unclosed" not in done.stderr
    (address,) = re.findall(r"the page: (http://127\.0\.0\.1:\d+/)\n", done.stdout)
    assert re.search(rf"\n  {address}#/episode/[0-9a-f]{{32}}\n", done.stdout)
    inbox = {path.name: path.read_text() for path in (rig.folder / "demo-inbox").glob("*.txt")}
    on_call = [text for name, text in inbox.items() if name.startswith("on-call-")]
    assert any("Reason: first" in text and "runbook" in text for text in on_call)
    assert any("Reason: resolved" in text and "Peak:" in text for text in on_call)
    assert all(f"Open the episode: {address}#/episode/" in text for text in on_call)
    owners = [text for name, text in inbox.items() if name.startswith("account-team-")]
    assert owners
    for text in owners:
        assert "To: accounts-" in text
        assert "Your affected customers" in text
        assert "tickets/" not in text  # tickets of other customers
