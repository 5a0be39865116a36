"""The command ``spikewatch evaluate``."""

import os
import shlex
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from typer.core import TyperCommand

from detectors.evaluation.experiments.regression import Recorded, regressions
from detectors.evaluation.synthetic.incidents import KINDS
from detectors.evaluation.tables import Table
from stream.analysis.evaluate import (
    FULL,
    PARTS,
    QUICK,
    REDUCED,
    REDUCED_PARTS,
    Part,
    Results,
    Size,
    jobs_for,
    run,
)
from stream.analysis.surveillance import ABSENT, available
from stream.cli.options import ConfigPath, Processes
from stream.cli.output import keep_files_apart, output_file, progress, say, show
from stream.config.loading import load
from stream.config.step_settings import settings_of
from stream.errors import UserError

if TYPE_CHECKING:
    from typer._click import Context

OF_BACKTEST = {
    *("--from-topic", "--since", "--until", "--warm-up", "--labels", "--feedback", "--html"),
    *("--inject", "--size", "--repeat", "--inject-hours", "--seed"),
    *("--map", "--timezone", "--time-format", "--format"),
}
"""Options that this command had while it still ran backtests."""
_ARGUMENTS = "spikewatch.arguments"


class EvaluateCommand(TyperCommand):
    """Command that refers users with a history of their own to `backtest`."""

    def parse_args(self, ctx: "Context", args: list[str]) -> list[str]:
        """Parse the arguments; fail on those of a backtest and name the command to use instead."""
        ctx.meta[_ARGUMENTS] = list(args)
        if any(each.partition("=")[0] in OF_BACKTEST for each in args):
            ctx.fail(_moved(args))
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: "Context") -> list[str]:  # noqa: ARG002 - Click's signature
        """Return the pieces of the usage line, without the hidden argument."""
        return [self.options_metavar or ""]


def _moved(arguments: Sequence[str]) -> str:
    return (
        "evaluate measures detection on simulated companies. For your own history, run: "
        f"spikewatch backtest {shlex.join(arguments)}"
    )


def evaluate(  # whole: one parameter per option, and a body of a few lines
    ctx: typer.Context,
    history: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Simulate less: takes minutes instead of hours.")
    ] = False,
    reduced: Annotated[
        bool,
        typer.Option(
            "--reduced", help="Simulate just enough to show a regression: takes a minute."
        ),
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART", help=f"Run only this part: {', '.join(PARTS)}. May be repeated."
        ),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(help="Run only this class of incidents, such as 'step x5'. May be repeated."),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, help="Number of companies; default: depends on --quick and --reduced."),
    ] = None,
    first_seed: Annotated[int, typer.Option(min=1, help="Seed of the first company.")] = 1,
    per_class: Annotated[
        int | None, typer.Option(min=1, help="Number of incidents of each class per company.")
    ] = None,
    surveillance: Annotated[
        bool | None,
        typer.Option(help="Also run methods from R, if installed; default: only in a full run."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="JSON file to write all results to."),
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="JSON file to record the figures in, for --against."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File written by --record; exit with code 1 if a figure is worse."
        ),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="A B", help="Two configuration files: show their figures side by side."
        ),
    ] = None,
    processes: Processes = None,
    config: ConfigPath = None,
) -> None:
    """Measure detection on simulated companies.

    Reports the share of incidents detected, the delay, false pages against the budget, and pages
    per incident. For your own history, use spikewatch backtest.
    """
    if history:
        ctx.fail(_moved(ctx.meta[_ARGUMENTS]))
    first, second = compare or (None, None)
    keep_files_apart(
        reads={
            "--against": against,
            "--compare A": first,
            "--compare B": second,
            "--config": config,
        },
        writes={"--out": out, "--record": record},
    )
    size = _size(quick=quick, reduced=reduced)
    size = _with_counts(size, seeds, first_seed, per_class)
    if surveillance is not None:
        size = replace(size, surveillance=surveillance)
    parts = _parts(only, REDUCED_PARTS if reduced else PARTS)
    if unknown := set(kind or ()) - set(KINDS):
        raise typer.BadParameter(
            f"--kind {', '.join(sorted(unknown))}: unknown; the classes are {', '.join(KINDS)}"
        )
    if "rivals" in parts and size.surveillance and not available():
        say(ABSENT)
    count = processes or os.cpu_count() or 1
    files: list[Path | None] = [config] if compare is None else list(compare)
    results = [_measure(file, size, parts, kind or KINDS, count) for file in files]
    if compare is None:
        tables = results[0].tables()
    else:
        tables = _side_by_side(results[0].tables(), results[1].tables())
        say(f"{compare[0]} | {compare[1]}\n")
    for table in tables:
        show(table)
    seconds = sum(each.seconds for each in results)
    say(f"{seconds:.0f} s with {count} processes; first seed: {size.first_seed}")
    if out is not None:
        _write_json(out, msgspec.json.encode([
            {"config": None if file is None else str(file), **asdict(each)}
            for file, each in zip(files, results, strict=True)
        ]))  # fmt: skip
    if record is not None:
        _write_json(record, msgspec.json.encode(results[0].record()))
    if against is not None:
        _require_no_regression(results[0], against)


evaluate.command_class = EvaluateCommand  # type: ignore[attr-defined]


def _size(*, quick: bool, reduced: bool) -> Size:
    if quick and reduced:
        raise typer.BadParameter("--quick and --reduced cannot be combined")
    return QUICK if quick else REDUCED if reduced else FULL


def _parts(only: list[str] | None, usual: Sequence[Part]) -> list[Part]:
    if unknown := set(only or ()) - set(PARTS):
        raise typer.BadParameter(
            f"--only {', '.join(unknown)}: unknown; the parts are {', '.join(PARTS)}"
        )
    return [part for part in PARTS if part in (only or usual)]


def _with_counts(size: Size, seeds: int | None, first_seed: int, per_class: int | None) -> Size:
    if seeds is not None:
        size = replace(
            size, incident_seeds=seeds, healthy_seeds=seeds, guard_seeds=seeds, steady_seeds=seeds
        )
    if per_class is not None:
        size = replace(size, per_class=per_class, shifts=per_class, per_guard=per_class)
    return replace(size, first_seed=first_seed)


def _measure(
    file: Path | None, size: Size, parts: Sequence[Part], kinds: Sequence[str], processes: int
) -> Results:
    """Run the evaluation under one configuration, with a progress bar."""
    jobs = jobs_for(settings_of(load(file)), size, parts, kinds)
    done = 0.0
    name = "evaluate" if file is None else file.name
    with progress(name, total=sum(job.cost for job in jobs)) as report_progress:

        def advance(cost: float) -> None:
            nonlocal done
            done += cost
            report_progress(done)

        return run(jobs, processes, advance)


def _side_by_side(first_tables: list[Table], second_tables: list[Table]) -> list[Table]:
    """Merge the tables of two runs; cells that differ read ``ours | theirs``."""
    merged = []
    for left, right in zip(first_tables, second_tables, strict=True):
        others = {row[0]: row for row in right.rows}
        rows = [
            tuple(
                a if a == b else f"{a} | {b}"
                for a, b in zip(row, others.get(row[0], row), strict=True)
            )
            for row in left.rows
        ]
        merged.append(replace(left, rows=tuple(rows)))
    return merged


def _write_json(file: Path, encoded: bytes) -> None:
    with output_file(file) as opened:
        opened.write(msgspec.json.format(encoded, indent=1) + b"\n")


def _require_no_regression(results: Results, against: Path) -> None:
    """Compare results with recorded figures.

    Raises:
        UserError: A figure is worse than recorded, or the file cannot be read.
    """
    try:
        before = msgspec.json.decode(against.read_bytes(), type=Recorded)
    except (OSError, msgspec.MsgspecError) as error:
        raise UserError(f"{against} cannot be read: {error}") from None
    worse = regressions(results.record(), before)
    if worse:
        raise UserError(f"detection is worse than in {against}: " + "; ".join(worse))
    say(f"no figure is worse than in {against}")
