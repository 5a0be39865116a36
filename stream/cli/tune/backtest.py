"""The command ``spikewatch backtest``."""

import math
import os
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from detectors.evaluation.history.backtest import Injections
from detectors.evaluation.history.injection import KINDS, Kind
from detectors.evaluation.history.page_log import differences
from stream.analysis.backtest import Backtest, Order
from stream.analysis.backtest import backtest as play
from stream.analysis.backtest_page import report
from stream.analysis.backtest_tables import as_json as backtest_as_json
from stream.analysis.backtest_tables import difference_table, notes, sentences, summary, tables
from stream.cli.dead_letters import DeadFile, DeadLetters, dead_letters
from stream.cli.options import (
    AsJson,
    ConfigPath,
    FeedbackFile,
    Processes,
    duration,
    local_time_or_ago,
)
from stream.cli.output import keep_files_apart, progress, say, say_json, show, warn, write_text
from stream.cli.ticket_files import TicketFormat, with_ticket_format
from stream.cli.tune.histories import Source, WarmUp, open_history, pool_of
from stream.config.loading import load
from stream.config.sections import Config
from stream.inputs.label_files import read_labels

SECONDS_PER_HOUR = 3600.0
SMALL_BYTES = 10_000_000
"""Size of a file below which starting processes takes longer than reading it."""


@with_ticket_format
def backtest(  # whole: one parameter per option, and a body of a few lines
    ticket_format: TicketFormat,
    source: Annotated[
        str | None,
        typer.Argument(metavar="FILE", help="Ticket file with your history, as for replay."),
    ] = None,
    from_topic: Annotated[
        bool, typer.Option("--from-topic", help="Read the history from Kafka instead of a file.")
    ] = False,
    since: Annotated[
        datetime | None,
        typer.Option(
            parser=local_time_or_ago,
            metavar="TIME",
            help="Use the history from this time on; 90d means 90 days ago.",
        ),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(
            parser=local_time_or_ago, metavar="TIME", help="Use the history up to this time."
        ),
    ] = None,
    warm_up: WarmUp = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="CSV file of known incidents: area, start, end, and tenant."
        ),
    ] = None,
    feedback: FeedbackFile = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="HTML file to write a report to.")
    ] = None,
    inject: Annotated[
        bool,
        typer.Option("--inject", help="Also inject incidents and measure how soon each is paged."),
    ] = False,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND", help=f"Kind of injected incident: {', '.join(KINDS)}. May be repeated."
        ),
    ] = None,
    sizes: Annotated[
        list[float] | None,
        typer.Option(
            "--size",
            metavar="TIMES",
            min=1.0,
            help="Size of incidents, as a multiple of the usual tickets; default: 2 3 5 10.",
        ),
    ] = None,
    repeat: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Number of injected incidents of each kind and size per area."
        ),
    ] = 3,
    inject_hours: Annotated[
        float, typer.Option(metavar="HOURS", min=0.5, help="Duration of each injected incident.")
    ] = 24.0,
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, help="Random seed of the injected incidents.")
    ] = 1,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="A B", help="Two configuration files: show how their pages differ."),
    ] = None,
    as_json: AsJson = False,
    dead: DeadFile = None,
    processes: Processes = None,
    config: ConfigPath = None,
) -> None:
    """Show which pages your own history would have caused.

    Runs a ticket file, or the Kafka topic, through the production code. Shows the pages, which
    known incidents were detected and how soon, and how soon injected incidents would have been.
    """
    if (source is None) != from_topic:
        raise typer.BadParameter("give either a ticket file or --from-topic, not both or neither")
    if compare is not None and (html is not None or as_json):
        raise typer.BadParameter(
            "--compare cannot be combined with --html or --json: these are about one run"
        )
    keep_files_apart(
        reads={"FILE": source, "--labels": labels, "--feedback": feedback, "--config": config},
        writes={"--html": html, "--dead": dead},
    )
    history = Source(
        path=source,
        since=None if since is None else ticket_format.moment(since),
        until=None if until is None else ticket_format.moment(until),
        ticket_format=ticket_format,
        feedback=feedback,
    )
    injections = Injections(kinds=_checked_kinds(kind), repeat=repeat,
                            seconds=inject_hours * SECONDS_PER_HOUR, seed=seed)  # fmt: skip
    if sizes:
        injections = replace(injections, multiples=tuple(sorted(set(sizes))))
    loaded = load(config if compare is None else compare[0])
    order = Order(
        settings=ticket_format.settings(loaded),
        warm_up=None if warm_up is None else duration(warm_up),
        injections=injections if inject else None,
        labels=read_labels(labels, ticket_format.timezone or loaded.time.timezone)
        if labels
        else (),
    )
    is_small = not inject and source is not None and _size(source) < SMALL_BYTES
    count = processes or (1 if is_small else os.cpu_count() or 1)
    with dead_letters(dead) as letters:
        if compare is None:
            result = _run(history, loaded, order, count, letters)
            _print(result, html, order, as_json=as_json)
        else:
            _play_two(history, compare, order, count, letters)
    if source is not None:
        letters.require_readable()


def _size(source: str) -> float:
    """Return the size of a file in bytes; infinite for a pipe or a missing file."""
    path = Path(source)
    return path.stat().st_size if path.is_file() else math.inf


def _checked_kinds(kinds: list[str] | None) -> tuple[Kind, ...]:
    if unknown := set(kinds or ()) - set(KINDS):
        raise typer.BadParameter(
            f"--kind {', '.join(sorted(unknown))}: unknown; the kinds are {', '.join(KINDS)}"
        )
    return tuple(kind for kind in KINDS if kind in (kinds or KINDS))


def _run(
    source: Source, config: Config, order: Order, processes: int, letters: DeadLetters
) -> Backtest:
    """Backtest one configuration."""
    with (
        pool_of(processes) as pool,
        open_history(source, config, pool, letters) as history,
        progress("backtest") as report_progress,
    ):
        return play(history, order, pool, report_progress)


def _print(result: Backtest, html: Path | None, order: Order, *, as_json: bool) -> None:
    """Print the result, and write an HTML report if requested."""
    if as_json:
        say_json(backtest_as_json(result))
    else:
        for line in (*summary(result), *notes(result)):
            say(line)
        say("")
        for table in tables(result):
            show(table)
        for line in sentences(result):
            say(line)
    if html is not None:
        write_text(html, report(result, order.labels))
        warn(f"wrote the report to {html}: open it in a browser")


def _play_two(
    source: Source, configs: tuple[Path, Path], order: Order, processes: int, letters: DeadLetters
) -> None:
    """Backtest two configurations and print how their pages differ."""
    loaded = [load(path) for path in configs]
    names = (configs[0].name, configs[1].name)
    if names[0] == names[1]:
        names = (str(configs[0]), str(configs[1]))
    orders = [
        replace(order, settings=source.ticket_format.settings(each), injections=None)
        for each in loaded
    ]
    results = []
    with pool_of(processes) as pool, open_history(source, loaded[0], pool, letters) as history:
        for name, each in zip(names, orders, strict=True):
            with progress(name) as report_progress:
                results.append(play(history, each, report_progress=report_progress))
    for name, result in zip(names, results, strict=True):
        say(f"{name}:")
        for line in (*summary(result), *notes(result)):
            say(f"  {line}")
    say("")
    pages = differences(results[0].runs, results[1].runs)
    show(difference_table(pages, names, orders[0].settings.timezone))
