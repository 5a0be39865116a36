"""Test `spikewatch advise` as a user runs it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detectors.simulation.tickets import World, tickets
from stream.cli import app
from stream.config.loading import load
from stream.errors import UserError

pytestmark = pytest.mark.slow


START = 1_709_510_400.0
HOSTILE = 'log"in\n[budget]\nfalse_pages_per_week = 99'
RARE = {101: "export csv", 151: "export pdf", 201: "export csv"}


@pytest.fixture(scope="module", name="own")
def _own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write four weeks with a hostile area name, two quiet areas and tickets without an area."""
    areas = {HOSTILE: 5.0, "billing": 1.5}
    path = tmp_path_factory.mktemp("own") / "own.jsonl"
    with path.open("w") as file:
        for number, ticket in enumerate(tickets(World(START, 4 * 168.0, areas, seed=4))):
            if number % 10 == 0:
                del ticket["product_area"]
            if number in RARE:
                ticket["product_area"] = RARE[number]
            del ticket["channel"]
            file.write(json.dumps(ticket) + "\n")
    return path


def test_the_suggested_configuration_loads_and_the_curve_is_printed(
    own: Path, tmp_path: Path
) -> None:
    out = tmp_path / "start.toml"
    arguments = ["advise", str(own), "--out", str(out), "--budget", "0.2", "--budget", "5"]
    done = CliRunner().invoke(app, [*arguments, "--processes", "2"])
    assert done.exit_code == 0, (done.output, done.exception)
    rows = [line.split() for line in done.output.splitlines() if line[:2] in ("0.", "5 ")]
    pages = [float(row[2] if row[1] == "(proposed)" else row[1]) for row in rows]
    assert len(pages) == 2
    assert pages[0] <= pages[1]
    assert "10% of the tickets have no area" in done.output
    assert "merge these areas, whose names begin alike: export csv, export pdf" in done.output
    config = load(out, {})
    assert config.budget.false_pages_per_week in (0.2, 5.0)
    assert config.slices.dimensions == ("issue_type", "region", "app_version")
    checked = CliRunner().invoke(app, ["config", "check", "--config", str(out)])
    assert checked.exit_code == 0
    again = tmp_path / "again.toml"
    arguments[3] = str(again)
    assert CliRunner().invoke(app, [*arguments, "--processes", "1"]).exit_code == 0
    assert again.read_bytes() == out.read_bytes()


def test_a_history_that_is_too_short_is_reported_in_one_sentence(own: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.jsonl"
    short.write_text("".join(own.read_text().splitlines(keepends=True)[:30]))
    done = CliRunner().invoke(app, ["advise", str(short), "--processes", "1"])
    assert isinstance(done.exception, UserError)
    assert "too short for incidents" in str(done.exception)
