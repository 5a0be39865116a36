"""Test the evaluation: it does not depend on the number of processes or lose detection."""

import math
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from detectors.evaluation.experiments.company_run import Plan
from detectors.evaluation.experiments.comparison import compare_methods, rival_tables
from detectors.evaluation.experiments.regression import Recorded, regressions
from detectors.evaluation.synthetic.company import Spec, World
from detectors.foundation.units import HOURS_PER_WEEK
from detectors.policy.settings import Settings
from stream.analysis import surveillance
from stream.analysis.evaluate import FULL, QUICK, REDUCED, REDUCED_PARTS, jobs_for, run
from stream.cli import app

RECORDED = Path(__file__).parent / "evaluate_reduced.json"
TINY = replace(
    REDUCED,
    incident_seeds=1,
    per_class=1,
    warm_weeks=1,
    weeks=1,
    healthy_seeds=2,
    healthy_weeks=1,
    cells=((3, 5.0),),
    highest_rate=10.0,
)


@pytest.fixture(name="tiny")
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``--reduced`` simulate less, where only the output matters."""
    monkeypatch.setattr("stream.cli.tune.evaluate.REDUCED", TINY)


@pytest.mark.slow
def test_results_do_not_depend_on_the_number_of_processes() -> None:
    jobs = jobs_for(Settings(), TINY, ["healthy", "incidents"], ["step x10", "platform"])
    alone, together = run(jobs, 1), run(jobs, 2)
    assert alone.healthy == together.healthy
    assert alone.travelled == together.travelled
    assert alone.tables() == together.tables()


def test_progress_adds_up_to_the_whole_cost() -> None:
    jobs = jobs_for(Settings(), TINY, ["healthy"])
    progress: list[float] = []
    run(jobs, 1, progress.append)
    assert math.isclose(sum(progress), sum(job.cost for job in jobs))


def test_guard_runs_contain_holidays_and_both_clock_changes() -> None:
    for size in (FULL, QUICK):
        jobs = jobs_for(Settings(), replace(size, guard_seeds=3), ["guards"])
        days, offsets = set(), set()
        for job in jobs:
            world = World(job.spec)
            first = job.spec.first_hour + HOURS_PER_WEEK * size.warm_weeks
            weeks = range(first + 72, first + HOURS_PER_WEEK * size.guard_weeks - 48, 6)
            days |= {
                (d.month, d.day) for d in map(world.local, weeks) if world.is_holiday(d.date())
            }
            offsets.add(len({world.local(hour).utcoffset() for hour in weeks}))
        assert {(12, 25), (1, 1)} <= days
        assert len(days) >= 5  # Easter moves
        assert offsets == {1, 2}


def test_the_full_run_has_the_required_size() -> None:
    assert FULL.incident_seeds * FULL.per_class >= 200
    assert FULL.healthy_seeds >= 20
    assert FULL.healthy_weeks >= 26
    assert FULL.guard_seeds * FULL.per_guard >= 100
    assert QUICK.incident_seeds < FULL.incident_seeds


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_the_command_prints_tables_and_writes_results(tmp_path: Path) -> None:
    out, kept = tmp_path / "results.json", tmp_path / "figures.json"
    options = ["--reduced", "--only", "incidents", "--kind", "night", "--seeds", "1"]
    options += ["--per-class", "1", "--processes", "1", "--out", str(out), "--record", str(kept)]
    result = CliRunner().invoke(app, ["evaluate", *options])
    assert result.exit_code == 0, result.output
    assert "delay/bound" in result.stdout
    (results,) = msgspec.json.decode(out.read_bytes())
    assert results["travelled"][0]["played"][0]["kind"] == "night"
    assert set(msgspec.json.decode(kept.read_bytes(), type=Recorded).found) <= {"night"}


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_two_configurations_are_compared_side_by_side(tmp_path: Path) -> None:
    files = [tmp_path / "few.toml", tmp_path / "many.toml"]
    for file, budget in zip(files, (0.5, 20.0), strict=True):
        file.write_text(f"[budget]\nfalse_pages_per_week = {budget}\n")
    options = ["--reduced", "--only", "incidents", "--kind", "busy", "--seeds", "1"]
    options += ["--per-class", "2", "--processes", "1", "--compare", *map(str, files)]
    result = CliRunner().invoke(app, ["evaluate", *options])
    assert result.exit_code == 0, result.output
    assert "few.toml" in result.stdout
    assert " | " in result.stdout.partition("\n")[2]  # in a table too, not only in the first line


def test_an_unknown_part_or_class_is_rejected() -> None:
    for options in (["--only", "everything"], ["--kind", "flood"], ["--quick", "--reduced"]):
        assert CliRunner().invoke(app, ["evaluate", *options]).exit_code == 2


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_methods_from_r_are_compared_like_the_others() -> None:
    """R methods are compared if R is installed; otherwise the command says what is missing."""
    if not surveillance.available():
        options = ["--reduced", "--only", "rivals", "--seeds", "1", "--per-class", "1"]
        options += ["--kind", "night", "--surveillance", "--processes", "1"]
        result = CliRunner().invoke(app, ["evaluate", *options])
        assert result.exit_code == 0, result.output
        assert surveillance.ABSENT in result.stdout
        return
    spec = Spec(seed=1, areas=2, lowest_rate=3.0, highest_rate=10.0)
    plan = Plan(
        spec=spec,
        settings=Settings(timezone=spec.timezone),
        warm_weeks=4,
        weeks=1,
        incidents={"step x10": 2},
    )
    alone = compare_methods(plan)
    joined = surveillance.join(alone, spec, plan.warm_weeks)
    assert joined.names[: len(alone.names)] == alone.names
    assert len(joined.peaks) == len(joined.names) == len(alone.names) + 4
    assert all(len(row.before) == len(row.highs) == len(joined.names) for row in joined.met)
    assert all(joined.peaks)
    (table,) = rival_tables([joined])
    assert "R Farrington" in table.heads


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_detection_is_no_worse_than_recorded() -> None:
    """Detection rates, delays, false pages and guard pages stay within the record's confidence.

    To record an improvement, run: spikewatch evaluate --reduced --record
    tests/stream/analysis/evaluate_reduced.json
    """
    result = run(jobs_for(Settings(), REDUCED, REDUCED_PARTS), 2)
    before = msgspec.json.decode(RECORDED.read_bytes(), type=Recorded)
    assert regressions(result.record(), before) == []
