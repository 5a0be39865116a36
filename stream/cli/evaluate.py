"""The command that says how good detection is: evaluate."""

import os
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from stream.cli import backtest
from stream.cli.options import (
    ConfigPath,
    FeedbackFile,
    FileFormat,
    Mapping,
    TimeFormat,
    Zone,
    duration,
    say,
    show,
    time_or_ago,
)
from stream.config.loading import load
from stream.errors import UserError

if TYPE_CHECKING:  # scipy and the models take a while to import
    from detectors.evaluation.tables import Table
    from stream.analysis.evaluate import Results, Size


History = Annotated[
    str | None,
    typer.Argument(
        help="Your own history, as replay takes it: what would have been paged. Without it, "
        "made-up companies are measured."
    ),
]
FromTopic = Annotated[
    bool, typer.Option("--from-topic", help="Your own history from Kafka instead of a file.")
]
Since = Annotated[
    datetime | None,
    typer.Option(parser=time_or_ago, metavar="TIME", help="Of the history: from then on; or 90d."),
]
Until = Annotated[
    datetime | None, typer.Option(parser=time_or_ago, metavar="TIME", help="And not later.")
]
WarmUp = Annotated[
    str | None,
    typer.Option(
        help="So much of the history is learned from and not counted, such as 10d; default: two "
        "weeks, or a third of a shorter one."
    ),
]
Sizes = Annotated[
    list[float] | None,
    typer.Option("--size", min=1.0, help="Times the usual tickets; default 2, 3, 5 and 10."),
]
Repeat = Annotated[int, typer.Option(min=1, help="Incidents of each kind and size in each area.")]
InjectHours = Annotated[
    float, typer.Option(min=0.5, help="How long each lasts; it must be found within.")
]


def evaluate(
    source: History = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="CSV of known incidents: area, start, end, perhaps tenant."),
    ] = None,
    inject: Annotated[
        bool, typer.Option("--inject", help="Add known incidents to the history: how fast seen?")
    ] = False,
    sizes: Sizes = None,
    repeat: Repeat = 3,
    inject_hours: InjectHours = 24.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the incidents.")] = 1,
    warm_up: WarmUp = None,
    html: Annotated[Path | None, typer.Option(help="File for a report to read.")] = None,
    feedback: FeedbackFile = None,
    from_topic: FromTopic = False,
    since: Since = None,
    until: Until = None,
    mapping: Mapping = None,
    timezone: Zone = None,
    time_format: TimeFormat = None,
    file_format: FileFormat = None,
    quick: Annotated[bool, typer.Option("--quick", help="Less of everything: minutes.")] = False,
    reduced: Annotated[
        bool, typer.Option("--reduced", help="As little as a regression shows in: about a minute.")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option(help="One part only; may be given repeatedly.")
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            help="One class of incidents, such as 'step x5'; with a file area, slice, tenant."
        ),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Companies; default: by the size of the run.")
    ] = None,
    first_seed: Annotated[int, typer.Option(min=1, help="Seed of the first company.")] = 1,
    per_class: Annotated[
        int | None, typer.Option(min=1, help="Incidents of each class on each company.")
    ] = None,
    surveillance: Annotated[
        bool | None,
        typer.Option(help="R's methods as rivals, if installed; default: in the full run only."),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Default: as many as there are processors.")
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", help="File for all results.")] = None,
    record: Annotated[
        Path | None, typer.Option(help="File to keep the figures in, for --against.")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(help="File of --record: exit code 1 where a figure became worse."),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(help="Two configuration files: both run, figures side by side."),
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Measure detection on your own history, or on made-up companies.

    Share found, delay, false pages against the budget, pages per incident.
    """
    if source is not None or from_topic:
        if source is not None and from_topic:
            raise typer.BadParameter("a file and --from-topic exclude each other")
        if quick or reduced or only or seeds or per_class or json or record or against:
            raise typer.BadParameter(
                "--quick, --reduced, --only, --seeds, --per-class, --json, --record and --against "
                "are for made-up companies: not with a history of your own"
            )
        if compare is not None and html is not None:
            raise typer.BadParameter("--compare and --html exclude each other: a report is of one")
        history = backtest.Source(
            path=source,
            since=since,
            until=until,
            mapping=mapping,
            timezone=timezone,
            time_format=time_format,
            file_format=file_format,
            feedback=feedback,
        )
        wanted = backtest.Wanted(
            labels=labels,
            label_zone=timezone,
            warm_up=None if warm_up is None else duration(warm_up),
            inject=inject,
            kinds=backtest.choose_kinds(kind),
            sizes=sizes,
            repeat=repeat,
            hours=inject_hours,
            seed=seed,
        )
        count = processes or os.cpu_count() or 1
        if compare is not None:
            backtest.compare_history(history, compare, wanted, count)
        else:
            backtest.evaluate_history(history, load(config), wanted, count, html)
        return
    if labels or inject or html or feedback or since or until or warm_up:
        raise typer.BadParameter(
            "--labels, --inject, --html, --feedback, --since, --until and --warm-up need a file of "
            "tickets, or --from-topic"
        )
    from detectors.evaluation.synthetic.incidents import KINDS  # noqa: PLC0415 - numpy takes a while
    from stream.analysis.evaluate import (  # noqa: PLC0415 - the same
        FULL,
        PARTS,
        QUICK,
        REDUCED,
        REDUCED_PARTS,
        jobs_for,
        run,
    )
    from stream.analysis.surveillance import ABSENT, available  # noqa: PLC0415 - the same
    from stream.config.step_settings import settings_of  # noqa: PLC0415 - the same

    if quick and reduced:
        raise typer.BadParameter("--quick and --reduced exclude each other")
    usual = REDUCED_PARTS if reduced else PARTS
    parts = [part for part in PARTS if part in (only or usual)]
    unknown = set(only or ()) - set(PARTS)
    if unknown:
        raise typer.BadParameter(f"--only {', '.join(unknown)}: the parts are {', '.join(PARTS)}")
    if set(kind or ()) - set(KINDS):
        raise typer.BadParameter(f"--kind: the classes are {', '.join(KINDS)}")
    size = _sized(QUICK if quick else REDUCED if reduced else FULL, seeds, first_seed, per_class)
    if surveillance is not None:
        size = replace(size, surveillance=surveillance)
    if "rivals" in parts and size.surveillance and not available():
        say(ABSENT)
    count = processes or os.cpu_count() or 1
    files: list[Path | None] = [config] if compare is None else list(compare)
    found = []
    for file in files:
        jobs = jobs_for(settings_of(load(file)), size, parts, kind or KINDS)
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        ) as bar:
            name = "evaluate" if file is None else file.name
            task = bar.add_task(name, total=sum(job.cost for job in jobs))
            found.append(run(jobs, count, lambda cost: bar.advance(task, cost)))  # noqa: B023
    if compare is None:
        tables = found[0].tables()
    else:
        tables = _side_by_side(found[0].tables(), found[1].tables())
        say(f"{compare[0]} | {compare[1]}\n")
    for table in tables:
        show(table)
    seconds = sum(each.seconds for each in found)
    say(f"{seconds:.0f} s with {count} processes; seeds {size.first_seed} and up")
    if json is not None:
        told = [
            {"config": None if name is None else str(name), **asdict(each)}
            for name, each in zip(files, found, strict=True)
        ]
        _write(json, msgspec.json.encode(told))
    if record is not None:
        _write(record, msgspec.json.encode(found[0].record()))
    if against is not None:
        _hold(found[0], against)


def _sized(size: "Size", seeds: int | None, first_seed: int, per_class: int | None) -> "Size":
    if seeds is not None:
        size = replace(
            size, incident_seeds=seeds, healthy_seeds=seeds, guard_seeds=seeds, steady_seeds=seeds
        )
    if per_class is not None:
        size = replace(size, per_class=per_class, shifts=per_class, per_guard=per_class)
    return replace(size, first_seed=first_seed)


def _side_by_side(ours: "list[Table]", theirs: "list[Table]") -> "list[Table]":
    """Cells that differ, as ours | theirs."""
    found = []
    for left, right in zip(ours, theirs, strict=True):
        others = {row[0]: row for row in right.rows}
        rows = [
            tuple(
                a if a == b else f"{a} | {b}"
                for a, b in zip(row, others.get(row[0], row), strict=True)
            )
            for row in left.rows
        ]
        found.append(replace(left, rows=tuple(rows)))
    return found


def _write(file: Path, encoded: bytes) -> None:
    try:
        file.write_bytes(msgspec.json.format(encoded, indent=1) + b"\n")
    except OSError as error:
        raise UserError(f"{file} cannot be written: {error.strerror}") from None


def _hold(found: "Results", against: Path) -> None:
    """Say what became worse than it was recorded.

    Raises:
        UserError: Something did, or the file cannot be read.
    """
    from detectors.evaluation.experiments.regression import (  # noqa: PLC0415 - the same
        Recorded,
        regressions,
    )

    try:
        before = msgspec.json.decode(against.read_bytes(), type=Recorded)
    except (OSError, msgspec.MsgspecError) as error:
        raise UserError(f"{against} cannot be read: {error}") from None
    worse = regressions(found.record(), before)
    if worse:
        raise UserError("detection became worse: " + "; ".join(worse))
    say(f"nothing became worse than in {against}")
