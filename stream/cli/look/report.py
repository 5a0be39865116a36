"""The command ``spikewatch report``."""

from typing import Annotated, Literal

import typer

from stream.cli.look.escalation_events import EscalationFile, events_of, events_of_last
from stream.cli.options import AsJson, ConfigPath
from stream.cli.output import output_file
from stream.config.loading import load
from stream.errors import UserError
from stream.escalations import bug_report
from stream.escalations.bug_report_markdown import as_markdown


def report(
    episode: Annotated[
        str | None,
        typer.Argument(
            metavar="EPISODE", help="Id of the episode, or its first 6 digits; default: the last."
        ),
    ] = None,
    source: EscalationFile = None,
    as_json: AsJson = False,
    form: Annotated[
        Literal["md", "json"], typer.Option("--format", hidden=True, help="Same as --json.")
    ] = "md",
    config: ConfigPath = None,
) -> None:
    """Write a bug report about an episode.

    The report is Markdown for your bug tracker: what happened, whom it affects, and how to
    reproduce it.
    """
    if episode == "":
        raise UserError("the episode id is empty: give the id, or at least its first 6 digits")
    loaded = load(config) if source is None else None
    if episode is None:
        events = events_of_last(loaded, source)
    else:
        events = events_of(loaded, episode, source)
    written = bug_report.report(events)
    with output_file("-") as file:
        if as_json or form == "json":
            file.write(written.model_dump_json(indent=2).encode() + b"\n")
        else:
            file.write(as_markdown(written).encode())
