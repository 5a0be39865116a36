"""Reader of the user's own history for `backtest` and `advise`, from a file or the topic."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Annotated

import typer

from detectors.evaluation.history.injection import Taken
from stream.cli.dead_letters import DeadLetters
from stream.cli.ticket_files import TicketFormat, open_tickets
from stream.config.sections import Config
from stream.errors import UserError
from stream.inputs.feedback_files import read_verdicts
from stream.inputs.ticket_archive import History, processes
from stream.inputs.topic_range import read_topic

WarmUp = Annotated[
    str | None,
    typer.Option(
        metavar="DURATION",
        help="Initial part of the history whose pages are not counted, such as 10d; default: two "
        "weeks, or a third of a shorter history.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Source of a history: a file or the topic, and how to read it."""

    path: str | None
    """Path of a ticket file; None: the topic."""
    since: datetime | None = None
    until: datetime | None = None
    ticket_format: TicketFormat = field(default_factory=TicketFormat)
    feedback: Path | None = None


@contextmanager
def open_history(
    source: Source, config: Config, pool: Pool | None, letters: DeadLetters | None = None
) -> Iterator[History]:
    """Read a history and sort it.

    Args:
        source: Source of the history.
        config: Gives the limits, the brokers and the topic.
        pool: Processes that parse tickets; None: this process alone.
        letters: Collector of the records that cannot be read.

    Raises:
        UserError: The history has no valid ticket.
    """
    since = float("-inf") if source.since is None else source.since.timestamp()
    until = float("inf") if source.until is None else source.until.timestamp()
    with History() as history:
        if source.path is None:
            undecodable = asyncio.run(read_topic(config, since, until, history.add))
            if undecodable:
                history.facts.dead["undecodable"] = undecodable
        else:
            collected = DeadLetters() if letters is None else letters
            with open_tickets(source.path, source.ticket_format, collected, config) as tickets:
                history.read(
                    tickets,
                    config.limits.ticket_bytes,
                    pool,
                    since,
                    until,
                    partial(collected.reject, name=tickets.name),
                )
            history.facts.dead = collected.reasons
            history.facts.repeated = tickets.reading.repeated
            history.facts.disordered += tickets.reading.disordered
            if letters is None:
                collected.explain()
        for verdict in read_verdicts(source.feedback) if source.feedback else ():
            history.add(Taken(verdict.at, verdict))
        if not history.facts.tickets:
            raise UserError(
                "the history has no valid ticket" + ("; see above" if history.facts.dead else "")
            )
        history.close_book()
        yield history


@contextmanager
def pool_of(count: int) -> Iterator[Pool | None]:
    """Start a pool of processes; yield None if the current process is enough."""
    if count == 1:
        yield None
        return
    with processes(count) as pool:
        yield pool
