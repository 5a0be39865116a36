"""The command ``spikewatch advise``."""

import os
from pathlib import Path
from typing import Annotated

import typer

from stream.analysis.advice import BUDGETS, advice_lines, budget_table, starting_config, weigh
from stream.analysis.backtest import Order
from stream.analysis.backtest_tables import notes, summary
from stream.cli.dead_letters import DeadFile, dead_letters
from stream.cli.options import ConfigPath, Processes, TicketFileArgument, duration
from stream.cli.output import keep_files_apart, progress, say, show, write_text
from stream.cli.ticket_files import TicketFormat, with_ticket_format
from stream.cli.tune.histories import Source, WarmUp, open_history, pool_of
from stream.config.loading import load
from stream.errors import UserError


@with_ticket_format
def advise(
    source: TicketFileArgument,
    ticket_format: TicketFormat,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="TOML file to write the configuration to."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Let --out replace an existing file.")
    ] = False,
    budget: Annotated[
        list[float] | None,
        typer.Option(min=0.01, help="False pages per week to try; default: 0.2 0.5 1 2 5."),
    ] = None,
    warm_up: WarmUp = None,
    dead: DeadFile = None,
    processes: Processes = None,
    config: ConfigPath = None,
) -> None:
    """Propose a budget and a configuration from your own history.

    Backtests the history under several budgets, with injected incidents, and suggests areas to add
    or merge.
    """
    keep_files_apart(
        reads={"FILE": source, "--config": config}, writes={"--out": out, "--dead": dead}
    )
    if out is not None and out.is_file() and not force:
        raise UserError(f"{out} exists: give another file, or --force to replace it")
    loaded = load(config)
    order = Order(
        settings=ticket_format.settings(loaded),
        warm_up=None if warm_up is None else duration(warm_up),
    )
    history_source = Source(path=source, ticket_format=ticket_format)
    with (
        dead_letters(dead) as letters,
        pool_of(processes or os.cpu_count() or 1) as pool,
        open_history(history_source, loaded, pool, letters) as history,
        progress("advice") as report_progress,
    ):
        advice = weigh(history, order, sorted(set(budget or BUDGETS)), pool, report_progress)
    for line in (*summary(advice.backtest), *notes(advice.backtest)):
        say(line)
    say("")
    show(budget_table(advice))
    for line in advice_lines(advice):
        say(line)
    say("")
    if out is None:
        say(starting_config(advice))
        return
    write_text(out, starting_config(advice))
    say(
        f"wrote a starting configuration to {out}: review it, then run "
        f"spikewatch config check --config {out}"
    )
