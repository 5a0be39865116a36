"""The command ``spikewatch report``."""

from typing import Annotated, Literal

import typer

from stream.cli.look.escalation_events import events_of
from stream.cli.options import AsJson, ConfigPath, EpisodeId
from stream.cli.output import output_file
from stream.config.loading import load
from stream.errors import UserError
from stream.escalations import bug_report
from stream.escalations.bug_report_markdown import as_markdown


def report(
    episode: EpisodeId,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Escalation file written by replay, optionally .gz; - for stdin; default: Kafka.",
        ),
    ] = None,
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
    if not episode:
        raise UserError("the episode id is empty: give the id, or at least its first 6 digits")
    events = events_of(load(config) if source is None else None, episode, source)
    written = bug_report.report(events)
    with output_file("-") as file:
        if as_json or form == "json":
            file.write(written.model_dump_json(indent=2).encode() + b"\n")
        else:
            file.write(as_markdown(written).encode())
