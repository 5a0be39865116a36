"""What `explain` and `why-not` share: their options, and reading the signals that they replay."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated

import typer

from detectors.forensics.redecide import LoggedSignal
from stream.cli.ticket_files import open_tickets
from stream.inputs.feedback_files import read_verdicts
from stream.inputs.signal_log import from_files

FromFile = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="FILE",
        help="File of tickets, .jsonl or .csv, also .gz; default: the topics.",
    ),
]
HistoryFile = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="With --from: file of earlier tickets, as given to replay."),
]
LogFeedbackFile = Annotated[
    str | None,
    typer.Option("--feedback", metavar="FILE", help="With --from: file of verdicts, .jsonl."),
]


@contextmanager
def signals_of_files(
    source: str, history: str | None, feedback: str | None, until: float | None = None
) -> Iterator[Iterator[LoggedSignal]]:
    """Read the signals of ticket files, with progress bars.

    Args:
        source: File of tickets.
        history: File of earlier tickets.
        feedback: File of verdicts.
        until: Time to which each tenant's clock is moved at the end, seconds since 1970.
    """
    verdicts = read_verdicts(feedback) if feedback else []
    with ExitStack() as stack:
        past = None
        if history is not None:
            past = stack.enter_context(open_tickets(history)), history
        lines = stack.enter_context(open_tickets(source))
        yield from_files(lines, source, past, verdicts, until)
