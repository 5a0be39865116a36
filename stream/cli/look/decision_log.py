"""Options that `explain` and `why-not` share, and the reader of the signals that they replay."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated

import typer

from detectors.forensics.redecide import LoggedSignal
from stream.cli.dead_letters import dead_letters
from stream.cli.ticket_files import HISTORY_IDS, TicketFormat, open_tickets
from stream.config.sections import Config
from stream.inputs.feedback_files import read_verdicts
from stream.inputs.signal_log import from_files

FromFile = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="FILE",
        help="Ticket file, as for replay; default: the Kafka topics.",
    ),
]
HistoryFile = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="With --from: the file that replay was given as --history."),
]
LogFeedbackFile = Annotated[
    str | None,
    typer.Option("--feedback", metavar="FILE", help="With --from: verdict file, .jsonl."),
]


@contextmanager
def signals_of_files(
    source: str,
    history: str | None,
    feedback: str | None,
    ticket_format: TicketFormat,
    config: Config,
    until: float | None = None,
    dead: str | None = None,
) -> Iterator[Iterator[LoggedSignal]]:
    """Read the signals of ticket files, with progress bars.

    Args:
        source: Path of the ticket file.
        history: Path of a file of earlier tickets.
        feedback: Path of a verdict file.
        ticket_format: Hints for reading the ticket files.
        config: Gives the time zone of times without an offset, if it names one.
        until: Time to which each tenant's clock is advanced at the end, seconds since 1970.
        dead: Path of a file for the records that cannot be read.
    """
    verdicts = read_verdicts(feedback) if feedback else []
    with ExitStack() as stack:
        letters = stack.enter_context(dead_letters(dead))
        past = None
        if history is not None:
            opened = open_tickets(history, ticket_format, letters, config, id_prefix=HISTORY_IDS)
            past = stack.enter_context(opened), history
        lines = stack.enter_context(open_tickets(source, ticket_format, letters, config))
        yield from_files(lines, source, past, verdicts, until, letters.reject)
