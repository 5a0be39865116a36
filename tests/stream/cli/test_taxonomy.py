"""Test ``spikewatch taxonomy check`` as a user runs it."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from detectors.simulation.tickets import World, tickets
from tests.support.command_line import run_command

EXAMPLE = str(Path(__file__).parents[3] / "deploy/config/taxonomy.toml")
START = 1_772_409_600.0
"""Monday, 2 March 2026, UTC."""
SMALL = """
[[area]]
name = "login"
aliases = ["sso"]
keywords = ["password"]

[[area]]
name = "billing"
keywords = ["invoice", "payment"]

[[area]]
name = "checkout"
keywords = ["payment"]
"""


def run(folder: Path, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run ``spikewatch taxonomy check ARGUMENTS`` in *folder*."""
    return run_command(folder, "taxonomy", "check", *arguments, stdin=stdin)


def lines_of(rows: Sequence[dict[str, object]]) -> bytes:
    """Return tickets with these fields, one per line."""
    return b"".join(
        json.dumps({"ticket_id": str(n), "created_at": "2026-03-02T09:00:00Z", **row}).encode()
        + b"\n"
        for n, row in enumerate(rows)
    )


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    """Return a folder with a small taxonomy and a few tickets."""
    (tmp_path / "areas.toml").write_text(SMALL)
    rows: list[dict[str, object]] = [
        {"product_area": "Login", "body": "my password"},
        {"product_area": "SSO", "body": "the invoice"},
        {"product_area": "CRM\u001b[31m\u202e"},
        {"subject": "password"},
        {"subject": "payment of a coupon"},
        {"subject": "a coupon"},
        {"product_area": "login", "event_type": "solved"},
    ]
    (tmp_path / "in.jsonl").write_bytes(lines_of(rows) + b"{\n" + b'{"ticket_id": "x"}\n')
    return tmp_path


def test_all_mistakes_are_reported_with_their_lines(tmp_path: Path) -> None:
    """The command exits with 2, and reads neither tickets nor the configuration file."""
    (tmp_path / "areas.toml").write_text(
        '[[area]]\nname = "login"\nkeyword = ["a"]\n\n[[area]]\nname = "login"\n'
    )
    (tmp_path / "spikewatch.toml").write_text('[text]\ntaxonomy = "areas.toml"\n')
    done = run(tmp_path, "areas.toml", "--tickets", "none.jsonl")
    assert (done.returncode, done.stdout) == (2, b"")
    mistakes = done.stderr.decode().splitlines()
    assert [line.removeprefix("spikewatch: ").partition(": ")[0] for line in mistakes] == [
        "areas.toml:3",
        "areas.toml:6",
    ]


def test_a_check_without_tickets_shows_sizes_and_shared_keywords(folder: Path) -> None:
    """The output counts the entries and lists keywords that belong to two areas."""
    done = run(folder, "areas.toml")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().splitlines() == [
        "areas.toml is valid",
        "0 products, 3 areas, 1 alias, 0 issue types, 4 keywords",
        "",
        "keywords shared by two areas:",
        "  billing, checkout: payment",
    ]


def test_a_check_with_tickets_shows_how_well_the_taxonomy_fits(folder: Path) -> None:
    """Invalid lines are counted, other events are left out, and control characters are removed."""
    done = run(folder, "areas.toml", "--tickets", "in.jsonl")
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode()
    for line in (
        "6 tickets; 1 other event left out; rejected lines: 2 (1 missing_field, 1 undecodable)",
        "tickets with an area: 1 known by name, 1 by an alias, 1 unknown",
        "tickets without an area: 1 classified by rules, 1 ambiguous, 1 unclassified",
        "areas without a ticket: billing, checkout",
        "  billing, checkout: 1 ticket; payment",
        "  same area 1, another area 1, no area 0",
        "login        2           1        1       100%     50%",
    ):
        assert line in text.splitlines()
    assert "coupon (2)" in text
    assert all(c.isprintable() for c in text.replace("\n", ""))


def test_the_check_is_available_as_json(folder: Path) -> None:
    """The JSON covers the tickets of two files, one of which is standard input."""
    more = lines_of([{"product_area": "billing"}])
    done = run(
        folder, "areas.toml", "--json", "--tickets", "in.jsonl", "--tickets", "-", stdin=more
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["file"] == "areas.toml"
    assert result["size"]["areas"] == 3
    assert result["overlaps"] == [{"one": "billing", "other": "checkout", "keywords": ["payment"]}]
    assert result["rejected"] == {"missing_field": 1, "undecodable": 1}
    assert result["on_tickets"]["tickets"] == 7
    assert result["on_tickets"]["never"] == ["checkout"]
    assert json.loads(run(folder, "areas.toml", "--json").stdout)["on_tickets"] is None


def test_a_csv_with_mapped_columns_is_read(folder: Path) -> None:
    """The options for CSV files are those of replay."""
    (folder / "in.csv").write_text("Id,Opened,Component\n1,2026-03-02 09:00,SSO\n")
    columns = "ticket_id=Id,created_at=Opened,product_area=Component"
    done = run(
        folder,
        *("areas.toml", "--tickets", "in.csv", "--map", columns, "--timezone", "Europe/Berlin"),
    )
    assert done.returncode == 0, done.stderr
    assert b"tickets with an area: 0 known by name, 1 by an alias, 0 unknown" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("none.toml",), 2),
        (("areas.toml", "--tickets", "none.jsonl"), 1),
        (("areas.toml", "--tickets", "in.jsonl", "--tickets", "./in.jsonl"), 1),
        (("areas.toml", "--tickets", "in.jsonl", "--config", "none.toml"), 2),
    ],
)
def test_an_unreadable_file_is_reported_in_one_sentence(
    folder: Path, arguments: tuple[str, ...], code: int
) -> None:
    """A missing file or a file that is given twice is reported without a traceback."""
    done = run(folder, *arguments)
    assert (done.returncode, done.stdout) == (code, b"")
    assert len(done.stderr.splitlines()) == 1


def test_the_shipped_taxonomy_fits_the_simulated_company(tmp_path: Path) -> None:
    """Over two days no name is unknown, every area has tickets, and most rules are right."""
    world = World(start=START, hours=48.0, seed=3)
    rows = [{**t, "product_area": None} if n % 3 == 0 else t for n, t in enumerate(tickets(world))]
    (tmp_path / "in.jsonl").write_bytes(lines_of(rows))
    done = run(tmp_path, EXAMPLE, "--json", "--tickets", "in.jsonl")
    assert done.returncode == 0, done.stderr
    fit = json.loads(done.stdout)["on_tickets"]
    assert fit["tickets"] == len(rows)
    assert (fit["unknown"], fit["never"]) == (0, [])
    assert fit["by_rules"] > 4 * (fit["ambiguous"] + fit["unplaced"])
    assert fit["agree"] > 10 * fit["differ"]
    scores = [2 * area["right"] / (area["named"] + area["placed"]) for area in fit["fits"]]
    assert scores == sorted(scores)


def test_the_command_has_help(tmp_path: Path) -> None:
    """`--help` describes what the command does."""
    done = run(tmp_path, "--help")
    assert done.returncode == 0
    assert b"all mistakes at once" in done.stdout
