"""`spikewatch backtest FILE` and `replay --plot` as a user calls them."""

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
SPIKE = Incident("login", START + 30 * DAY + 9 * HOUR, 4.0, 8.0)


def rows(weeks: float = 5.0, *incidents: Incident) -> list[dict[str, object]]:
    return list(tickets(World(START, weeks * 168.0, AREAS, incidents, seed=6, customers=800)))


def write(path: Path, found: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in found))
    return path


@pytest.fixture(scope="module", name="own")
def _own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five weeks with one incident, and its label."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "labels.csv").write_text(
        "area,start,end\nlogin,2024-04-03T09:00:00Z,2024-04-03T13:00:00Z\n"
        "billing,2024-03-21T09:00:00Z,2024-03-21T10:00:00Z\n"
    )
    return write(folder / "own.jsonl", rows(5.0, SPIKE))


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


def said(*arguments: object) -> str:
    """What a command printed that succeeded."""
    done = call(*arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def refused(*arguments: object) -> str:
    """The sentence of a command that could not."""
    done = call(*arguments)
    assert isinstance(done.exception, UserError), (done.output, done.exception)
    return str(done.exception)


@contextmanager
def book(path: Path) -> Iterator[History]:
    with History() as history:
        history.read(enumerate(path.read_bytes().splitlines(), 1))
        history.close_book()
        yield history


def test_pages_labels_and_budget(own: Path) -> None:
    told = said("backtest", own, "--labels", own.with_name("labels.csv"), "--processes", "1")
    assert "warm-up: 11.6 days" in told
    assert "budget of 1 false page" in told
    assert "known incidents: 1 of 2 paged" in told
    assert "1 of 2 pages belong to a known incident" in told
    row = next(
        line for line in told.splitlines() if line.startswith("billing ") and "-03-21" in line
    )
    assert row.endswith("not detected")


def test_the_pages_are_those_of_replay(own: Path, tmp_path: Path) -> None:
    said("replay", own, "--out", tmp_path / "out.jsonl")
    lines = (tmp_path / "out.jsonl").read_bytes().splitlines()
    events = [EscalationEvent.model_validate_json(line) for line in lines]
    with book(own) as history:
        found = backtest(history, Order(settings=Settings()))
    assert [(run.episode_id, run.opened) for run in found.walked.runs] == [
        (one.subject, one.time.timestamp())
        for one in events
        if one.transition in ("opened", "reopened") and one.data.suppressed is None
    ]


def injected(history: History, pool: object = None, seed: int = 1) -> Backtest:
    order = Order(
        settings=Settings(),
        injections=Injections(multiples=(10.0,), repeat=1, seed=seed),
    )
    return backtest(history, order, pool)  # type: ignore[arg-type]  # a pool or None


def test_the_same_seed_gives_the_same_bytes_whatever_the_processes(own: Path) -> None:
    with book(own) as history, processes(2) as pool:
        alone, together, other = (
            injected(history), injected(history, pool), injected(history, seed=2),
        )  # fmt: skip
    assert alone.injected == together.injected
    assert report(alone) == report(together)
    assert [one.injection.start for one in alone.injected] != [
        one.injection.start for one in other.injected
    ]
    assert sum(one.delay < 1e9 for one in alone.injected) >= 5  # of seven


def test_two_configurations_page_by_page(own: Path, tmp_path: Path) -> None:
    a, b = tmp_path / "a.toml", tmp_path / "b.toml"
    a.write_text("[budget]\nfalse_pages_per_week = 0.05\n")
    b.write_text("[budget]\nfalse_pages_per_week = 20.0\n")
    told = said("backtest", own, "--compare", a, b, "--processes", "1")
    assert re.search(r"both: [1-9]\d*; only a\.toml: 0; only b\.toml: [1-9]", told)
    assert "only b.toml" in told
    assert re.search(r"login +2024-04-03 09:\d\d +2024-04-03 09:\d\d", told)
    same = said("backtest", own, "--compare", a, a, "--processes", "1")
    assert "at the same time" in same


def test_answers_reach_the_step_at_their_times(own: Path, tmp_path: Path) -> None:
    """As feedback of the page; before it there is no such page, and it is ignored."""
    with book(own) as history:
        page = backtest(history, Order(settings=Settings())).walked.runs[-1]
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
        told = said("backtest", own, "--feedback", feedback, "--processes", "1")
        assert f"verdicts: 1, of which {fit} belong to a page" in told
    answer(0.01)
    said("replay", own, "--out", tmp_path / "with.jsonl", "--feedback", feedback)
    said("replay", own, "--out", tmp_path / "without.jsonl")
    later = rows(6.0, SPIKE, replace(SPIKE, area="billing", start=START + 36 * DAY))
    longer = write(tmp_path / "longer.jsonl", later)
    budgets = []
    for options in ((), ("--feedback", feedback)):
        said("replay", longer, "--out", tmp_path / "out.jsonl", *options)
        events = map(json.loads, (tmp_path / "out.jsonl").read_bytes().splitlines())
        last = [one["data"] for one in events if one["data"]["product_area"] == "billing"][-1]
        budgets.append(last["budget"]["false_pages"])
    assert budgets == [0.0, 0.25]


def test_a_csv_newest_first_in_another_zone(tmp_path: Path) -> None:
    """With the options of replay; what is out of order is put in order, and that is said."""
    path = tmp_path / "export.csv"
    berlin = timedelta(hours=1)
    lines = ["Id,Opened,Component"]
    for row in reversed(rows(2.0)):
        at = datetime.fromisoformat(str(row["created_at"])) + berlin
        lines.append(f"{row['ticket_id']},{at:%Y-%m-%d %H:%M:%S},{row['product_area']}")
    path.write_text("\n".join(lines))
    told = said(
        "backtest", path, "--map", "ticket_id=Id,created_at=Opened,product_area=Component",
        "--timezone", "Europe/Berlin", "--processes", "1",
    )  # fmt: skip
    assert "from 2024-03-04 00:" in told
    assert "were out of order and were sorted" in told
    assert "pages:" in told


def test_gaps_one_area_and_ten_tickets(tmp_path: Path) -> None:
    whole = rows(4.0)
    gap = [
        row
        for row in whole
        if not "2024-03-25" <= str(row["created_at"]) < "2024-03-28"
    ]  # fmt: skip
    one_area = [row for row in whole if row["product_area"] == "login"]
    for name, found in (("gap", gap), ("one", one_area), ("ten", whole[:10])):
        path = write(tmp_path / f"{name}.jsonl", found)
        html = tmp_path / f"{name}.html"
        told = said("backtest", path, "--html", html, "--processes", "1")
        assert f"{len(found):,} tickets in" in told
        assert ("has 1 gap longer than chance" in told) == (name == "gap")
        assert html.read_text().endswith("</html>\n")
    told = said(
        "backtest", tmp_path / "one.jsonl", "--inject", "--kind", "area", "--size", "10",
        "--repeat", "1", "--processes", "1",
    )  # fmt: skip
    assert "10 times the tickets of login would page after" in told


@pytest.mark.parametrize(("year", "options"), [("1971", "--since"), ("2031", "--until")])
def test_a_wrong_year_is_pointed_at_and_can_be_cut_off(
    tmp_path: Path, year: str, options: str
) -> None:
    found = rows(2.0)
    wrong = {**found[50], "created_at": f"{year}-03-05T00:00:00Z", "ticket_id": "wrong"}
    path = write(tmp_path / "wrong.jsonl", [wrong, *found])
    html = tmp_path / "wrong.html"
    told = said("backtest", path, "--processes", "1", "--html", html)
    assert re.search(rf"no tickets from .*{year}-03-05.*--since or --until", told)
    cut = {"--since": "2024-01-01", "--until": "2025-01-01"}[options]
    told = said("backtest", path, "--processes", "1", options, cut)
    assert "no tickets from" not in told
    assert f"{len(found):,} tickets" in told


def test_what_cannot_be_played_is_told_in_a_sentence(tmp_path: Path) -> None:
    empty = write(tmp_path / "empty.jsonl", [])
    assert refused("backtest", empty, "--processes", "1") == "the history has no valid ticket"
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"a": 1}\n{\n')
    assert "1 missing_field, 1 undecodable" in refused("backtest", broken, "--processes", "1")
    ten = write(tmp_path / "ten.jsonl", rows(1.0)[:10])
    told = refused("backtest", ten, "--inject", "--processes", "1")
    assert "too short for incidents" in told
    assert "--warm-up" in told
    assert "cannot be opened" in refused("backtest", tmp_path / "none.jsonl", "--processes", "1")


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
def test_options_that_do_not_go_together(arguments: tuple[str, ...]) -> None:
    assert call("backtest", *arguments).exit_code == 2


def test_a_report_of_two_configurations_is_refused(own: Path, tmp_path: Path) -> None:
    """Before anything is played, instead of a file that is never written."""
    config = tmp_path / "c.toml"
    config.write_text("[budget]\nfalse_pages_per_week = 2.0\n")
    html = tmp_path / "report.html"
    done = call("backtest", own, "--compare", config, config, "--html", html)
    assert done.exit_code == 2
    assert "--compare and --html cannot be combined" in done.output


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_replay_draws_an_area(own: Path, tmp_path: Path, suffix: str) -> None:
    picture = tmp_path / f"login{suffix}"
    said("replay", own, "--out", tmp_path / "out", "--plot", "Login", "--plot-file", picture)
    begin = picture.read_bytes()[:8]
    assert begin == (b"\x89PNG\r\n\x1a\n" if suffix == ".png" else b"<svg xml")
    if suffix == ".svg":
        assert re.search(r">(warning|error|critical)<", picture.read_text())


def test_plots_that_cannot_be_drawn(own: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "out")
    assert "there are no tickets of this area" in refused(
        "replay", own, *out, "--plot", "nothing", "--plot-file", tmp_path / "a.svg"
    )
    assert ".svg or .png" in refused(
        "replay", own, *out, "--plot", "login", "--plot-file", tmp_path / "a.pdf"
    )
    assert call("replay", own, *out, "--plot", "login").exit_code == 2


def test_labels_are_marked_in_the_report(own: Path) -> None:
    labels = read_labels(own.with_name("labels.csv"))
    with book(own) as history:
        page = report(backtest(history, Order(settings=Settings(), labels=labels)), labels)
    assert page.count(">known<") == 1  # the one that was paged has the word of its page
