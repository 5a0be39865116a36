"""The command ``spikewatch replay``."""

from collections import Counter
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from schemas.escalation import EscalationEvent
from stream.analysis.replay import Replay, replay_lines, to_file
from stream.charts.backtest_charts import Plot
from stream.cli.dead_letters import DeadFile, dead_letters
from stream.cli.options import ConfigPath, FeedbackFile, TicketFileArgument, local_time
from stream.cli.output import keep_files_apart, output_file, say, warn
from stream.cli.ticket_files import HISTORY_IDS, TicketFormat, open_tickets, with_ticket_format
from stream.config.loading import load
from stream.escalations.phrases import counts, plural
from stream.escalations.plain_text import render
from stream.inputs.feedback_files import read_verdicts

LATE_SHARE = 0.05
"""Share of late tickets above which the file is probably not sorted by time."""
LEAST_LATE = 20


@with_ticket_format
def replay(  # whole: one parameter per option, and the steps of one run in their order
    source: TicketFileArgument,
    ticket_format: TicketFormat,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="File for the escalations, one CloudEvent per line, - for stdout; default: print "
            "them as on-call reads them.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one CloudEvent per line, as --out - does.")
    ] = False,
    until: Annotated[
        datetime | None,
        typer.Option(
            parser=local_time,
            metavar="TIME",
            help="Advance the clock to this time after the last ticket; reject later tickets.",
        ),
    ] = None,
    dead: DeadFile = None,
    history: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="File of earlier tickets to learn from without paging."),
    ] = None,
    feedback: FeedbackFile = None,
    plot: Annotated[
        str | None,
        typer.Option(
            metavar="AREA", help="Area to plot; TENANT/AREA if there are several tenants."
        ),
    ] = None,
    plot_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --plot: file to write the plot to, .svg or .png."),
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Detect spikes in a ticket file, without Kafka.

    Prints or writes the escalations that the workers would have published. The clock follows the
    tickets, so the same file and options always produce the same bytes.
    """
    if as_json and out not in (None, "-"):
        raise typer.BadParameter("--json prints to standard output: leave --out away")
    out = "-" if as_json else out
    keep_files_apart(
        reads={
            "FILE": source,
            "--history": history,
            "--feedback": feedback,
            "--config": config,
        },
        writes={"--out": out, "--dead": dead, "--plot-file": plot_file},
    )
    loaded = load(config)
    end = None if until is None else ticket_format.moment(until).timestamp()
    if (plot is None) != (plot_file is None):
        raise typer.BadParameter("--plot and --plot-file must be given together")
    picture = None if plot is None or plot_file is None else Plot(plot, plot_file)
    run = Replay(
        ticket_format.settings(loaded),
        end,
        loaded.limits.ticket_bytes,
        read_verdicts(feedback) if feedback else (),
        picture.lines if picture else None,
    )
    written = 0
    with ExitStack() as stack:
        letters = stack.enter_context(dead_letters(dead))
        past = history and stack.enter_context(
            open_tickets(history, ticket_format, letters, loaded, id_prefix=HISTORY_IDS)
        )
        lines = stack.enter_context(open_tickets(source, ticket_format, letters, loaded))
        to_out = Printer() if out is None else to_file(stack.enter_context(output_file(out)))

        def write(event: EscalationEvent) -> None:
            nonlocal written
            written += 1
            to_out(event)
            if picture:
                picture.hear(event)

        if past:
            replay_lines(run, past, str(history), write, letters.reject, "history")
            for event in run.end_history():
                write(event)
        replay_lines(run, lines, source, write, letters.reject)
        for event in run.finish():
            write(event)
    if picture is not None and plot_file is not None:
        drawn = picture.draw(ticket_format.timezone or loaded.time.timezone)
        with output_file(plot_file) as file:
            file.write(drawn)
    run.counts["dead"] = letters.count
    shown = to_out.count if isinstance(to_out, Printer) else None
    _summarise(+run.counts, run.omitted, written, shown)
    letters.require_readable()


class Printer:
    """Printer of escalations as on-call reads them.

    It leaves out what nobody would be notified of: suppressed episodes, and updates that do not
    change the severity.
    """

    def __init__(self) -> None:
        """Start without escalations."""
        self._severities: dict[str, str] = {}
        self.count = 0
        """Number of escalations that were printed."""

    def __call__(self, event: EscalationEvent) -> None:
        """Print an escalation, if it is news."""
        data = event.data
        is_same = self._severities.get(data.episode_id) == data.severity
        if data.suppressed is not None or (event.transition == "updated" and is_same):
            return
        self._severities[data.episode_id] = data.severity
        self.count += 1
        say(render(event) + "\n")


def _summarise(
    outcomes: Counter[str], omitted: Counter[str], written: int, shown: int | None
) -> None:
    """Print the outcomes of the tickets, omitted fields and a hint about late ones to stderr."""
    text = f"tickets: {counts(outcomes) or 'none'}; {plural(written, 'escalation')}"
    if shown is not None and shown < written:
        text += f", {shown} shown: the others are updates without news, or suppressed"
    warn(text)
    if omitted:
        warn(f"optional fields that could not be read and were left out: {counts(omitted)}")
    late = outcomes["late"] + outcomes["too_late"]
    if late > LEAST_LATE and late > LATE_SHARE * sum(outcomes.values()):
        warn(
            f"{late} tickets were ignored because they are older than earlier tickets in the file: "
            "spikewatch import sorts it"
        )
