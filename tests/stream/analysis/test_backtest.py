"""Test `spikewatch backtest FILE` and `replay --plot` as a user runs them."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from detectors.evaluation.history.backtest import Injections
from detectors.policy.settings import Settings
from detectors.simulation.tickets import Incident, World, tickets
from schemas.escalation import EscalationEvent
from stream.analysis.backtest import Backtest, Order, backtest
from stream.analysis.backtest_page import report
from stream.cli import app
from stream.errors import UserError
from stream.inputs.label_files import read_labels
from stream.inputs.ticket_archive import History, processes

pytestmark = pytest.mark.slow


START = 1_709_510_400.0  # Monday, 2024-03-04
HOUR, DAY = 3600.0, 86_400.0
AREAS = {"login": 8.0, "billing": 3.0, "exports": 0.5}
SPIKE = Incident("login", START + 16 * DAY + 9 * HOUR, 4.0, 8.0)
UNLABELLED = Incident("billing", START + 19 * DAY + 9 * HOUR, 3.0, 5.0)


def rows(weeks: float, *incidents: Incident) -> list[dict[str, object]]:
    return list(tickets(World(START, weeks * 168.0, AREAS, incidents, seed=6, customers=800)))


def write(path: Path, records: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in records))
    return path


@pytest.fixture(scope="module", name="own")
def _own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write three weeks of tickets with two incidents, and a file with a label of the first."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "labels.csv").write_text(
        "area,start,end\nlogin,2024-03-20T09:00:00Z,2024-03-20T13:00:00Z\n"
        "billing,2024-03-21T09:00:00Z,2024-03-21T10:00:00Z\n"
    )
    return write(folder / "own.jsonl", rows(3.0, SPIKE, UNLABELLED))


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


def successful_output(*arguments: object) -> str:
    """Run a command that must succeed, and return its output."""
    done = call(*arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def error_of(*arguments: object) -> str:
    """Run a command that must fail, and return its error message."""
    done = call(*arguments)
    assert isinstance(done.exception, UserError), (done.output, done.exception)
    return str(done.exception)


@contextmanager
def history_of(path: Path) -> Iterator[History]:
    with History() as history:
        history.read(enumerate(path.read_bytes().splitlines(), 1))
        history.close_book()
        yield history


@pytest.fixture(scope="module", name="played")
def _played(own: Path) -> Backtest:
    """Return the backtest of the history with the default settings and its labels."""
    labels = read_labels(own.with_name("labels.csv"))
    with history_of(own) as history:
        return backtest(history, Order(settings=Settings(), labels=labels))


def test_the_output_shows_pages_labels_and_the_alert_budget(own: Path) -> None:
    """The summary counts pages and known incidents, and lists an incident that was not detected."""
    output = successful_output(
        "backtest", own, "--labels", own.with_name("labels.csv"), "--processes", "1"
    )
    assert "warm-up: 7.0 days" in output
    assert "budget of 1 false page" in output
    assert "known incidents: 1 of 2 paged" in output
    assert "1 of 3 pages belong to a known incident" in output
    row = next(
        line for line in output.splitlines() if line.startswith("billing ") and "-03-21" in line
    )
    assert row.endswith("not detected")


def test_backtest_pages_the_same_episodes_as_replay(
    own: Path, played: Backtest, tmp_path: Path
) -> None:
    """Backtest and replay open the same episodes at the same times."""
    successful_output("replay", own, "--out", tmp_path / "out.jsonl")
    lines = (tmp_path / "out.jsonl").read_bytes().splitlines()
    events = [EscalationEvent.model_validate_json(line) for line in lines]
    assert [(run.episode_id, run.opened) for run in played.walked.runs] == [
        (event.subject, event.time.timestamp())
        for event in events
        if event.transition in ("opened", "reopened") and event.data.suppressed is None
    ]


def injected(history: History, pool: object = None, seed: int = 1) -> Backtest:
    order = Order(
        settings=Settings(),
        injections=Injections(multiples=(10.0,), repeat=1, seed=seed),
    )
    return backtest(history, order, pool)  # type: ignore[arg-type]  # a pool or None


def test_injection_depends_on_the_seed_and_not_on_the_number_of_processes(own: Path) -> None:
    """The same seed gives identical reports in one and in two processes; another seed does not."""
    with history_of(own) as history, processes(2) as pool:
        alone, together, other = (
            injected(history), injected(history, pool), injected(history, seed=2),
        )  # fmt: skip
    assert alone.injected == together.injected
    assert report(alone) == report(together)
    assert [copy.injection.start for copy in alone.injected] != [
        copy.injection.start for copy in other.injected
    ]
    assert sum(copy.delay < 1e9 for copy in alone.injected) >= 5  # of seven


def test_compare_lists_the_pages_of_both_configurations(own: Path, tmp_path: Path) -> None:
    """`--compare` counts the pages that both configurations raise and those of only one."""
    a, b = tmp_path / "a.toml", tmp_path / "b.toml"
    a.write_text("[budget]\nfalse_pages_per_week = 0.05\n")
    b.write_text("[budget]\nfalse_pages_per_week = 20.0\n")
    output = successful_output("backtest", own, "--compare", a, b, "--processes", "1")
    assert re.search(r"both: [1-9]\d*; only a\.toml: 0; only b\.toml: [1-9]", output)
    assert "only b.toml" in output
    assert re.search(r"login +2024-03-20 09:\d\d +2024-03-20 09:\d\d", output)
    same = successful_output("backtest", own, "--compare", a, a, "--processes", "1")
    assert "at the same time" in same


def test_feedback_takes_effect_at_the_time_it_was_given(
    own: Path, played: Backtest, tmp_path: Path
) -> None:
    """A verdict counts for the page that it follows; one from before the page is ignored."""
    page = played.walked.runs[0]
    feedback = tmp_path / "feedback.jsonl"

    def answer(hours: float) -> None:
        at = datetime.fromtimestamp(page.opened + hours * HOUR, UTC).isoformat()
        feedback.write_text(
            json.dumps(
                {"feedback_id": "1", "tenant": "acme", "episode_id": page.episode_id,
                 "action": "false_alarm", "by": "on-call", "at": at}
            )
        )  # fmt: skip

    for hours, fit in ((1.0, 1), (-1.0, 0)):
        answer(hours)
        output = successful_output("backtest", own, "--feedback", feedback, "--processes", "1")
        assert f"verdicts: 1, of which {fit} belong to a page" in output
    answer(0.01)
    later = rows(3.5, SPIKE, replace(SPIKE, area="billing", start=START + 22 * DAY))
    longer = write(tmp_path / "longer.jsonl", later)
    budgets = []
    for options in ((), ("--feedback", feedback)):
        successful_output("replay", longer, "--out", tmp_path / "out.jsonl", *options)
        events = map(json.loads, (tmp_path / "out.jsonl").read_bytes().splitlines())
        last = [event["data"] for event in events if event["data"]["product_area"] == "billing"][-1]
        budgets.append(last["budget"]["false_pages"])
    assert budgets == [0.0, 0.25]


def test_a_csv_sorted_newest_first_in_another_time_zone_is_read(tmp_path: Path) -> None:
    """Backtest accepts replay's CSV options, sorts the tickets and reports that it sorted them."""
    path = tmp_path / "export.csv"
    berlin = timedelta(hours=1)
    lines = ["Id,Opened,Component"]
    for row in reversed(rows(2.0)):
        at = datetime.fromisoformat(str(row["created_at"])) + berlin
        lines.append(f"{row['ticket_id']},{at:%Y-%m-%d %H:%M:%S},{row['product_area']}")
    path.write_text("\n".join(lines))
    output = successful_output(
        "backtest", path, "--map", "ticket_id=Id,created_at=Opened,product_area=Component",
        "--timezone", "Europe/Berlin", "--processes", "1",
    )  # fmt: skip
    assert "from 2024-03-04 01:" in output  # in the time zone of the times
    assert "were out of order and were sorted" in output
    assert "pages:" in output


def test_histories_with_a_gap_with_one_area_and_with_ten_tickets(tmp_path: Path) -> None:
    """Backtest reports a gap, and copes with a single area and with a very short history."""
    whole = rows(3.0)
    gap = [
        row
        for row in whole
        if not "2024-03-18" <= str(row["created_at"]) < "2024-03-21"
    ]  # fmt: skip
    one_area = [row for row in whole if row["product_area"] == "login"]
    for name, records in (("gap", gap), ("one", one_area), ("ten", whole[:10])):
        path = write(tmp_path / f"{name}.jsonl", records)
        html = tmp_path / f"{name}.html"
        output = successful_output("backtest", path, "--html", html, "--processes", "1")
        assert f"{len(records):,} tickets in" in output
        assert ("has 1 gap longer than chance" in output) == (name == "gap")
        assert html.read_text().endswith("</html>\n")
    output = successful_output(
        "backtest", tmp_path / "one.jsonl", "--inject", "--kind", "area", "--size", "10",
        "--repeat", "1", "--processes", "1",
    )  # fmt: skip
    assert "10 times the tickets of login would page after" in output


@pytest.mark.parametrize(("year", "options"), [("1971", "--since"), ("2031", "--until")])
def test_a_ticket_with_a_wrong_year_is_reported_and_can_be_excluded(
    tmp_path: Path, year: str, options: str
) -> None:
    """The output points to the outlying date, and `--since` or `--until` removes it."""
    records = rows(2.0)
    wrong = {**records[50], "created_at": f"{year}-03-05T00:00:00Z", "ticket_id": "wrong"}
    path = write(tmp_path / "wrong.jsonl", [wrong, *records])
    html = tmp_path / "wrong.html"
    output = successful_output("backtest", path, "--processes", "1", "--html", html)
    assert re.search(rf"no tickets from .*{year}-03-05.*--since or --until", output)
    cut = {"--since": "2024-01-01", "--until": "2025-01-01"}[options]
    output = successful_output("backtest", path, "--processes", "1", options, cut)
    assert "no tickets from" not in output
    assert f"{len(records):,} tickets" in output


def test_an_unusable_history_is_rejected_with_one_sentence(tmp_path: Path) -> None:
    """An empty, invalid, too short or missing file gives an error that states the reason."""
    empty = write(tmp_path / "empty.jsonl", [])
    assert error_of("backtest", empty, "--processes", "1") == "the history has no valid ticket"
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"a": 1}\n{\n')
    assert "has no created_at in its objects" in error_of("backtest", broken, "--processes", "1")
    broken.write_text('{"created_at": "soon", "product_area": "a"}\n{\n')
    assert "no valid ticket; see above" in error_of("backtest", broken, "--processes", "1")
    ten = write(tmp_path / "ten.jsonl", rows(1.0)[:10])
    output = error_of("backtest", ten, "--inject", "--processes", "1")
    assert "too short for incidents" in output
    assert "--warm-up" in output
    assert "cannot be opened" in error_of("backtest", tmp_path / "none.jsonl", "--processes", "1")


@pytest.mark.parametrize(
    "arguments",
    [
        ("x.jsonl", "--quick"),
        ("x.jsonl", "--from-topic"),
        ("--labels", "l.csv"),
        ("--inject",),
        ("x.jsonl", "--kind", "step x5"),
        ("x.jsonl", "--warm-up", "soon"),
    ],
)
def test_conflicting_options_are_rejected(arguments: tuple[str, ...]) -> None:
    """Options that cannot be combined end the command with exit code 2."""
    assert call("backtest", *arguments).exit_code == 2


def test_compare_and_html_cannot_be_combined(own: Path, tmp_path: Path) -> None:
    """The command fails before it runs anything, because no report would be written."""
    config = tmp_path / "c.toml"
    config.write_text("[budget]\nfalse_pages_per_week = 2.0\n")
    html = tmp_path / "report.html"
    done = call("backtest", own, "--compare", config, config, "--html", html)
    assert done.exit_code == 2
    assert "--compare cannot be combined with --html" in done.output


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_replay_plots_an_area_as_svg_or_png(own: Path, tmp_path: Path, suffix: str) -> None:
    """`--plot` writes the chart of an area in the format that the file name asks for."""
    picture = tmp_path / f"login{suffix}"
    successful_output(
        "replay", own, "--out", tmp_path / "out", "--plot", "Login", "--plot-file", picture
    )
    begin = picture.read_bytes()[:8]
    assert begin == (b"\x89PNG\r\n\x1a\n" if suffix == ".png" else b"<svg xml")
    if suffix == ".svg":
        assert re.search(r">(warning|error|critical)<", picture.read_text())


def test_a_plot_that_cannot_be_drawn_is_rejected(own: Path, tmp_path: Path) -> None:
    """An unknown area, an unknown format and a missing file name are rejected."""
    out = ("--out", tmp_path / "out")
    assert "there are no tickets of this area" in error_of(
        "replay", own, *out, "--plot", "nothing", "--plot-file", tmp_path / "a.svg"
    )
    assert ".svg or .png" in error_of(
        "replay", own, *out, "--plot", "login", "--plot-file", tmp_path / "a.pdf"
    )
    assert call("replay", own, *out, "--plot", "login").exit_code == 2


def test_labels_are_marked_in_the_report(own: Path, played: Backtest) -> None:
    """The report marks a known incident that was missed as "known"."""
    labels = read_labels(own.with_name("labels.csv"))
    page = report(played, labels)
    assert page.count(">known<") == 1  # the paged incident is marked as its page is
