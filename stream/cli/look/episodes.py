"""The commands ``spikewatch episodes`` and ``spikewatch history``."""

import asyncio
from collections.abc import Iterable
from typing import Annotated, get_args

import typer

from schemas.codec import area_name, clean
from schemas.escalation import Escalation, EscalationEvent, Severity
from stream.cli.look.escalation_events import EscalationFile, events_of, find_episode
from stream.cli.options import AsJson, ConfigPath, EpisodeId
from stream.cli.output import say, say_json
from stream.config.loading import load
from stream.config.sections import Config
from stream.escalations.plain_text import headline
from stream.kafka.topics import verify
from stream.notify.store.episode_history import EpisodeState, episode_states, history_entries


def episodes(
    every: Annotated[bool, typer.Option("--all", help="List resolved episodes as well.")] = False,
    source: EscalationFile = None,
    tenant: Annotated[str | None, typer.Option(help="List only those of this tenant.")] = None,
    area: Annotated[str | None, typer.Option(help="List only those of this product area.")] = None,
    severity: Annotated[
        Severity | None, typer.Option(help="List only those of at least this severity.")
    ] = None,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """List the open episodes.

    Each line shows the start, the severity, and who acknowledged the episode. Suppressed episodes,
    of which nobody was notified, are left out. With --from, resolved episodes are listed as well.
    """
    if source is None:
        states = asyncio.run(_read_states(load(config), every=every))
    else:
        states = states_of(events_of(None, "", source))
    states = [state for state in states if _is_wanted(state.event.data, tenant, area, severity)]
    if as_json:
        say_json([_as_json(state) for state in states])
        return
    for state in states:
        say(_as_text(state))
    if not states:
        is_whole = every or source is not None
        say("there are no such episodes" if is_whole else "no episodes are open")


def states_of(events: Iterable[EscalationEvent]) -> list[EpisodeState]:
    """Return the last state of each episode of which somebody would have been notified."""
    last: dict[str, EscalationEvent] = {}
    for event in events:
        last[event.data.episode_id] = event
    return [EpisodeState(event, None) for event in last.values() if event.data.suppressed is None]


def _is_wanted(
    data: Escalation, tenant: str | None, area: str | None, severity: Severity | None
) -> bool:
    order = get_args(Severity)
    return (
        (tenant is None or data.tenant == tenant)
        and (area is None or area_name(area) in (data.product_area, *(data.areas or ())))
        and (severity is None or order.index(data.severity) >= order.index(severity))
    )


async def _read_states(config: Config, *, every: bool) -> list[EpisodeState]:
    await verify(config)
    return await episode_states(config, every=every)


def _as_text(state: EpisodeState) -> str:
    data = state.event.data
    text = f"{data.episode_id[:12]}  since {data.since:%Y-%m-%d %H:%M}Z  {headline(state.event)}"
    if state.acknowledged_by:
        text += f"; acknowledged by {clean(state.acknowledged_by, 60)}"
    return text


def _as_json(state: EpisodeState) -> dict[str, object]:
    data = state.event.data
    return {
        "episode_id": data.episode_id,
        "tenant": data.tenant,
        "product_area": data.product_area,
        "since": data.since.isoformat(),
        "severity": data.severity,
        "transition": state.event.transition,
        "tickets": data.tickets,
        "customers": data.customers,
        "acknowledged_by": state.acknowledged_by,
        "summary": headline(state.event),
    }


def history(episode: EpisodeId, as_json: AsJson = False, config: ConfigPath = None) -> None:
    """Show everything that happened to an episode.

    Shows its transitions, who was notified or not and why, and all responses.
    """
    loaded = load(config)
    identity, tenant = find_episode(loaded, episode)
    entries = asyncio.run(history_entries(loaded, identity, tenant))
    if as_json:
        say_json([{"at": at, "text": text} for at, text in entries])
        return
    for _, text in entries:
        say(text)
