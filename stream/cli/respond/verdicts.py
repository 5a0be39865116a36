"""The command ``spikewatch verdict``."""

import asyncio
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Annotated, Literal, cast, get_args

import typer

from detectors.alerting.verdict_handling import EFFECTS
from detectors.forensics import verdict_preview
from schemas.signals import Verdict as VerdictSignal
from stream.cli.look.decision_log import signals_of_files
from stream.cli.look.escalation_events import find_episode
from stream.cli.options import Author, ConfigPath, EpisodeId, time
from stream.cli.output import say
from stream.cli.respond.responses import NoteOption, respond
from stream.cli.ticket_files import TicketFormat
from stream.config.loading import load
from stream.config.sections import Config
from stream.config.step_settings import settings_of
from stream.errors import UserError
from stream.escalations.phrases import plural
from stream.escalations.plain_text import headline
from stream.inputs.signal_log import from_topics

Verdict = Literal[
    "incident", "expected_event", "false_alarm", "new_normal", "duplicate_of", "withdraw"
]


def verdict_name(text: str) -> str:
    """Return the name of a verdict, which may be written with hyphens and in any case.

    Raises:
        typer.BadParameter: There is no such verdict; the message suggests a similar one.

    Example:
        >>> verdict_name("False-Alarm")
        'false_alarm'
    """
    name = text.strip().lower().replace("-", "_").replace(" ", "_")
    names = get_args(Verdict)
    if name not in names:
        close = get_close_matches(name, names, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise typer.BadParameter(f"{text!r} is none of {', '.join(names)}{hint}")
    return name


def verdict(
    episode: EpisodeId,
    verdict: Annotated[
        str,
        typer.Argument(
            parser=verdict_name,
            metavar=f"[{'|'.join(get_args(Verdict))}]",
            help="What the episode was; withdraw retracts an earlier verdict.",
        ),
    ],
    of: Annotated[
        str | None,
        typer.Option(metavar="EPISODE", help="With duplicate_of: the other episode."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(parser=time, metavar="TIME", help="With expected_event: end of the event."),
    ] = None,
    preview: Annotated[
        bool,
        typer.Option(
            "--preview", help="Send nothing; show what the verdict would change in 30 days."
        ),
    ] = False,
    history: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="With --preview: ticket file; default: the Kafka topics."
        ),
    ] = None,
    by: Author = None,
    note: NoteOption = None,
    config: ConfigPath = None,
) -> None:
    """Record what an episode turned out to be.

    A verdict affects later decisions. A later verdict on the same episode replaces it.
    """
    if until is not None and verdict != "expected_event":
        raise typer.BadParameter("--until is only valid with expected_event")
    if preview:
        if verdict in ("duplicate_of", "withdraw"):
            raise typer.BadParameter(f"--preview is not possible for {verdict}")
        _preview(load(config), episode, verdict, until, history)
        return
    if history is not None:
        raise typer.BadParameter("--history is only valid with --preview")
    respond(
        load(config), episode, cast("Verdict", verdict), by, note=note, duplicate_of=of, until=until
    )
    say(f"  {EFFECTS[verdict]}")


def _preview(
    config: Config, episode: str, verdict: str, until: datetime | None, history: str | None
) -> None:
    signal = VerdictSignal("", "", verdict, 0.0, None if until is None else until.timestamp())
    settings = settings_of(config)
    if history is not None:
        with signals_of_files(history, None, None, TicketFormat(), config) as log:
            shown = verdict_preview.preview(log, settings, episode.strip().lower(), signal)
    else:
        identity, tenant = find_episode(config, episode)
        topics = asyncio.run(from_topics(config, tenant))
        shown = verdict_preview.preview(topics.log, settings, identity, signal)
        if topics.begins:
            say(
                f"{topics.place} begins at offset {topics.begins}: earlier records are missing, "
                "so these counts may differ from what was paged"
            )
    if shown is None:
        raise UserError(f"the history has no page of an episode whose id begins with {episode}")
    say(f"{headline(shown.page)}, with the verdict {verdict} at the time of the page:")
    since, end = (datetime.fromtimestamp(at, UTC) for at in (shown.since, shown.until))
    say(
        f"  {since:%Y-%m-%d %H:%M}Z to {end:%Y-%m-%d %H:%M}Z: "
        f"{plural(len(shown.without), 'page')} without the verdict, {len(shown.with_it)} with it"
    )
    kept = {(event.time, event.data.product_area) for event in shown.with_it}
    before = {(event.time, event.data.product_area) for event in shown.without}
    for mark, events, others in (("-", shown.without, kept), ("+", shown.with_it, before)):
        for event in events:
            if (event.time, event.data.product_area) not in others:
                say(f"  {mark} {event.time:%Y-%m-%d %H:%M}Z {headline(event)}")
