"""Test that the exports of ten helpdesks are read without any option but the file and the zone."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from schemas.codec import read_ticket
from stream.cli import app
from tests.support.helpdesk_exports import EXPORTS, ZONE, account, local, number_of, simulated

PRECISION = {"intercom": 1.0, "github": 1.0, "gitlab": 1.0, "helpscout": 1.0, "freshdesk": 1.0,
             "servicenow": 1.0, "hubspot": 1.0}  # fmt: skip
"""Seconds to which an export writes times; the others write minutes."""
MINUTE = 60.0


@pytest.mark.parametrize("helpdesk", EXPORTS)
def test_an_export_becomes_the_same_tickets(tmp_path: Path, helpdesk: str) -> None:
    """Each ticket keeps its id, time, area and customer; the helpdesk is recognized."""
    tickets = simulated()
    suffix, write = EXPORTS[helpdesk]
    source, out = tmp_path / f"export.{suffix}", tmp_path / "tickets.jsonl"
    source.write_bytes(write(tickets))
    done = CliRunner().invoke(
        app, ["import", str(source), "--timezone", ZONE, "--out", str(out), "--json"]
    )
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["preset"] == helpdesk
    assert (said["rows"], said["tickets"], said["dead"]) == (len(tickets), len(tickets), 0)
    assert said["sorted"]
    assert said["repeated"] == 0
    found = [read_ticket(line) for line in out.read_bytes().splitlines()]
    times = [event.created_at for event in found]
    assert times == sorted(times)
    by_number = {number_of(ticket): ticket for ticket in tickets}
    for event in found:
        ticket = by_number.pop(int("".join(c for c in event.ticket_id if c.isdigit())))
        lost = (local(ticket) - event.created_at).total_seconds()
        assert 0.0 <= lost < PRECISION.get(helpdesk, MINUTE), (ticket, event)
        assert event.product_area == ticket["product_area"]
        assert event.customer_id == account(ticket)
    assert not by_number
