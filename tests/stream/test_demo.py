"""The README's first command."""

from typing import Any

import pytest


@pytest.mark.kafka
@pytest.mark.slow
def test_the_demo_tells_its_incident_from_opened_to_resolved_and_ends(rig: Any) -> None:
    """``demo --once`` prints the login incident's life and exits with 0."""
    done = rig.run("demo", "--once")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "OPENED: login of acme" in done.stdout
    assert "RESOLVED: login of acme" in done.stdout
    assert "Unclosed" not in done.stderr
