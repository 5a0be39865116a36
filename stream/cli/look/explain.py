"""The command ``spikewatch explain``."""

import asyncio
import json
from typing import Annotated

import typer

from schemas.escalation import EscalationEvent
from stream.analysis import explain as explanations
from stream.cli.dead_letters import DeadFile
from stream.cli.look.decision_log import (
    FromFile,
    HistoryFile,
    LogFeedbackFile,
    signals_of_files,
)
from stream.cli.look.escalation_events import events_of
from stream.cli.options import AsJson, ConfigPath, EpisodeId
from stream.cli.output import keep_files_apart, say
from stream.cli.ticket_files import TicketFormat, with_ticket_format
from stream.config.loading import load
from stream.config.sections import Config
from stream.config.step_settings import settings_of
from stream.errors import UserError
from stream.inputs.signal_log import from_topics
from stream.kafka.partitioner import partition_of


@with_ticket_format
def explain(
    episode: EpisodeId,
    ticket_format: TicketFormat,
    source: FromFile = None,
    history: HistoryFile = None,
    events: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="With --from: escalation file to compare with."),
    ] = None,
    feedback: LogFeedbackFile = None,
    sequence: Annotated[
        int, typer.Option(min=1, help="Number of the event within the episode.")
    ] = 1,
    dead: DeadFile = None,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Recompute the decision behind an episode and show every number.

    Exits with code 1 if the recomputed decision differs from the stored one.
    """
    keep_files_apart(
        reads={
            "--from": source,
            "--history": history,
            "--events": events,
            "--feedback": feedback,
            "--config": config,
        },
        writes={"--dead": dead},
    )
    loaded = load(config)
    if source is None:
        if history or feedback or events or dead:
            raise typer.BadParameter("--history, --feedback, --events and --dead need --from")
        stored = events_of(loaded, episode, None)
        answer = _from_topics(loaded, stored, sequence)
    else:
        digits = episode.strip().lower()
        stored_events = events_of(None, episode, events) if events else None
        until = max(event.time.timestamp() for event in stored_events) if stored_events else None
        settings = ticket_format.settings(loaded)
        with signals_of_files(source, history, feedback, ticket_format, loaded, until, dead) as log:
            answer = explanations.explain(log, settings, digits, sequence, stored_events)
    if as_json:
        say(json.dumps(explanations.as_json(answer)))
    else:
        for line in explanations.as_text(answer):
            say(line)
    if answer.wrong:
        raise UserError(
            "the recomputed decision differs from the stored one; the differences are listed above"
        )


def _from_topics(
    config: Config, stored: list[EscalationEvent], sequence: int
) -> explanations.Explained:
    data = stored[-1].data
    topics = asyncio.run(from_topics(config, data.tenant))
    number = partition_of(data.tenant, config.kafka.partitions)
    try:
        answer = explanations.explain(
            topics.log, settings_of(config), data.episode_id, sequence, stored, number
        )
    except UserError as error:
        if topics.begins:
            raise UserError(
                f"{error}; {topics.place} begins at offset {topics.begins}: its retention has "
                "deleted the earlier records"
            ) from None
        raise
    answer.source = topics.sources.get(answer.event.id, "")
    return answer
