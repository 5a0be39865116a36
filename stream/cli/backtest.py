"""What `evaluate` does with somebody's own history."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from stream.cli.options import (
    ConfigPath,
    FileFormat,
    Input,
    Mapping,
    TimeFormat,
    Zone,
    duration,
    run_async,
    say,
    show,
    ticket_file,
    watched,
)
from stream.config.loading import load
from stream.config.sections import Config
from stream.errors import UserError

if TYPE_CHECKING:  # scipy and the models take a while to import
    from multiprocessing.pool import Pool

    from detectors.evaluation.history.injection import Kind
    from stream.analysis.backtest import Order
    from stream.inputs.ticket_archive import History


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a history comes from."""

    path: str | None
    """None: from the topic."""
    since: datetime | None = None
    until: datetime | None = None
    mapping: str | None = None
    timezone: str | None = None
    time_format: str | None = None
    file_format: Literal["jsonl", "csv"] | None = None
    feedback: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is asked of it, as the command line says it."""

    labels: Path | None = None
    label_zone: str | None = None
    warm_up: float | None = None
    inject: bool = False
    kinds: "tuple[Kind, ...]"
    sizes: list[float] | None = None
    repeat: int = 3
    hours: float = 24.0
    seed: int = 1

    def order(self, config: Config) -> "Order":
        """The same for a backtest under *config*."""
        from detectors.evaluation.history.backtest import Injections  # noqa: PLC0415 - numpy takes a while
        from stream.analysis.backtest import Order  # noqa: PLC0415 - scipy takes a while to import
        from stream.config.step_settings import settings_of  # noqa: PLC0415 - the same
        from stream.inputs.label_files import read_labels  # noqa: PLC0415 - the same

        usual = Injections()
        injections = replace(
            usual,
            kinds=self.kinds,
            multiples=tuple(sorted(set(self.sizes))) if self.sizes else usual.multiples,
            repeat=self.repeat,
            seconds=self.hours * 3600.0,
            seed=self.seed,
        )
        return Order(
            settings=settings_of(config),
            warm_up=self.warm_up,
            injections=injections if self.inject else None,
            labels=read_labels(self.labels, self.label_zone) if self.labels else (),
        )


@contextmanager
def history_of(source: Source, config: Config, pool: "Pool | None") -> "Iterator[History]":
    """The history of *source*, read and put in order."""
    from detectors.evaluation.history.injection import Taken  # noqa: PLC0415 - numpy takes a while
    from stream.inputs.feedback_files import read_verdicts  # noqa: PLC0415 - pydantic's fields
    from stream.inputs.ticket_archive import History  # noqa: PLC0415 - the same as above

    since = float("-inf") if source.since is None else source.since.timestamp()
    until = float("inf") if source.until is None else source.until.timestamp()
    with History() as history:
        if source.path is None:
            from stream.inputs.topic_range import read_topic  # noqa: PLC0415 - aiokafka takes a while

            undecodable = run_async(read_topic(config, since, until, history.add))
            if undecodable:
                history.facts.dead["undecodable"] = undecodable
        else:
            with ticket_file(
                source.path,
                source.mapping,
                source.timezone,
                source.time_format,
                source.file_format,
            ) as (lines, seen):
                limit = config.limits.ticket_bytes
                history.read(watched(lines, seen), limit, pool, since, until)
        for verdict in read_verdicts(source.feedback) if source.feedback else ():
            history.add(Taken(verdict.at, verdict))
        if not history.facts.tickets:
            dead = ", ".join(f"{n} {why}" for why, n in sorted(history.facts.dead.items()))
            raise UserError(
                "there is no ticket that can be read" + (f"; rejected: {dead}" if dead else "")
            )
        history.close_book()
        yield history


@contextmanager
def progress(name: str) -> Iterator[Callable[[float], None]]:
    """A bar on stderr; what it gives is called with the share that is done."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task(name, total=1.0)
        yield lambda share: bar.update(task, completed=share)


@contextmanager
def pool_of(count: int) -> "Iterator[Pool | None]":
    """So many processes; with one all is done in this one."""
    from stream.inputs.ticket_archive import processes  # noqa: PLC0415 - numpy takes a while

    if count == 1:
        yield None
        return
    with processes(count) as pool:
        yield pool


def evaluate_history(
    source: Source,
    config: Config,
    wanted: Wanted,
    processes: int,
    html: Path | None,
) -> None:
    """Play a history and say what came of it; *html*: also as a report."""
    from stream.analysis.backtest import backtest  # noqa: PLC0415 - scipy takes a while to import
    from stream.analysis.backtest_tables import notes, sentences, summary, tables  # noqa: PLC0415 - the same

    order = wanted.order(config)
    with (
        pool_of(processes) as pool,
        history_of(source, config, pool) as history,
        progress("backtest") as tell,
    ):
        found = backtest(history, order, pool, tell)
    for line in (*summary(found), *notes(found)):
        say(line)
    say("")
    for table in tables(found):
        show(table)
    for line in sentences(found):
        say(line)
    if html is not None:
        from stream.analysis.backtest_page import report  # noqa: PLC0415 - vl-convert takes a while

        _write(html, report(found, order.labels))
        say(f"{html} is the report: open it in a browser")


def compare_history(
    source: Source, configs: tuple[Path, Path], wanted: Wanted, processes: int
) -> None:
    """Play a history under two configurations and show the pages of each side by side."""
    from detectors.evaluation.history.page_log import differences  # noqa: PLC0415 - numpy takes a while
    from stream.analysis.backtest import backtest  # noqa: PLC0415 - scipy takes a while to import
    from stream.analysis.backtest_tables import difference_table, notes, summary  # noqa: PLC0415 - the same

    loaded = [load(path) for path in configs]
    found = []
    names = (configs[0].name, configs[1].name)
    if names[0] == names[1]:
        names = (str(configs[0]), str(configs[1]))
    orders = [replace(wanted.order(one), injections=None) for one in loaded]
    with pool_of(processes) as pool, history_of(source, loaded[0], pool) as history:
        for name, order in zip(names, orders, strict=True):
            with progress(name) as tell:
                found.append(backtest(history, order, tell=tell))
    for name, one in zip(names, found, strict=True):
        say(f"{name}:")
        for line in (*summary(one), *notes(one)):
            say(f"  {line}")
    say("")
    pages = differences(found[0].runs, found[1].runs)
    show(difference_table(pages, names, orders[0].settings.timezone))


def choose_kinds(named: list[str] | None) -> "tuple[Kind, ...]":
    """The kinds of incidents, checked."""
    from detectors.evaluation.history.injection import KINDS  # noqa: PLC0415 - numpy takes a while

    if unknown := set(named or ()) - set(KINDS):
        raise typer.BadParameter(f"--kind {', '.join(sorted(unknown))}: with a file the kinds are "
                                 f"{', '.join(KINDS)}")  # fmt: skip
    return tuple(kind for kind in KINDS if kind in (named or KINDS))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from None


def advise(
    source: Input,
    out: Annotated[
        Path | None, typer.Option("--out", help="File for a starting configuration, TOML.")
    ] = None,
    budget: Annotated[
        list[float] | None,
        typer.Option(min=0.01, help="False pages a week to try; default 0.2, 0.5, 1, 2 and 5."),
    ] = None,
    warm_up: Annotated[
        str | None, typer.Option(help="So much is learned from and not counted, such as 10d.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Default: as many as there are processors.")
    ] = None,
    mapping: Mapping = None,
    timezone: Zone = None,
    time_format: TimeFormat = None,
    file_format: FileFormat = None,
    config: ConfigPath = None,
) -> None:
    """Propose a budget, better areas and a starting configuration from your own history."""
    from stream.analysis.advice import (  # noqa: PLC0415 - scipy takes a while to import
        BUDGETS,
        advice_lines,
        budget_table,
        starting_config,
        weigh,
    )
    from stream.analysis.backtest_tables import notes, summary  # noqa: PLC0415 - the same

    loaded = load(config)
    wanted = Wanted(kinds=("area",), warm_up=None if warm_up is None else duration(warm_up))
    told = Source(
        path=source,
        mapping=mapping,
        timezone=timezone,
        time_format=time_format,
        file_format=file_format,
    )
    budgets = sorted(set(budget or BUDGETS))
    with (
        pool_of(processes or os.cpu_count() or 1) as pool,
        history_of(told, loaded, pool) as history,
        progress("advice") as tell,
    ):
        order = wanted.order(loaded)
        if timezone is not None:  # whose times they are, theirs are the hours of the week
            settings = msgspec.structs.replace(order.settings, timezone=timezone)
            order = replace(order, settings=settings)
        found = weigh(history, order, budgets, pool, tell)
    for line in (*summary(found.backtest), *notes(found.backtest)):
        say(line)
    say("")
    show(budget_table(found))
    for line in advice_lines(found):
        say(line)
    say("")
    if out is None:
        say(starting_config(found))
        return
    _write(out, starting_config(found))
    say(f"{out} is a configuration to start from; look at it, then: spikewatch config check")
