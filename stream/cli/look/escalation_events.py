"""Search for the events of an episode by a prefix of its id, on the topic or in a file."""

import asyncio
import re
from collections.abc import Iterable
from typing import Annotated

import typer
from pydantic import ValidationError

from schemas.escalation import EscalationEvent
from stream.config.sections import Config
from stream.errors import UserError
from stream.escalations.follow import follow
from stream.inputs.lines import read_lines

EscalationFile = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="FILE",
        help="Escalation file written by replay, optionally packed; - for stdin; default: Kafka.",
    ),
]
LEAST_DIGITS = 6
MOST_NAMED = 5
IDLE_SECONDS = 3.0
_EPISODE = re.compile(rf"[0-9a-f]{{{LEAST_DIGITS},32}}")


def events_of(config: Config | None, episode: str, source: str | None) -> list[EscalationEvent]:
    """Return all events of one episode, or of all episodes if none is named.

    Args:
        config: Names the brokers and the topic; not needed if a file is read.
        episode: Id of the episode, or its first digits; empty: all episodes.
        source: Path of an escalation file, as replay writes it; None: read the topic.

    Raises:
        UserError: There is no such episode, or several ids begin with those digits.
    """
    digits = episode.strip().lower()
    if digits and _EPISODE.fullmatch(digits) is None:
        raise UserError(
            f"{episode!r} is not the id of an episode: give the id, or at least the first "
            f"{LEAST_DIGITS} of its 32 hexadecimal digits"
        )
    if source is None:
        if config is None:
            raise ValueError("either a configuration or a file is needed")
        events = asyncio.run(_on_topic(config, digits))
        place, invalid = "the topic of escalations", 0
    else:
        events, invalid = _in_file(source, digits)
        place = "standard input" if source == "-" else source
    if invalid and not events and not digits:
        raise UserError(f"{place} holds no escalations, such as replay --out writes")
    return _of_one_episode(events, digits, place, invalid) if digits else events


def events_of_last(config: Config | None, source: str | None) -> list[EscalationEvent]:
    """Return all events of the episode of which somebody was notified last.

    Args:
        config: Names the brokers and the topic; not needed if a file is read.
        source: Path of an escalation file; None: read the topic.

    Raises:
        UserError: Nobody has been notified of any episode.
    """
    events = events_of(config, "", source)
    opened = [event for event in events if event.data.suppressed is None]
    if not opened:
        raise UserError("there is no episode yet of which somebody was notified")
    latest = max(opened, key=lambda event: (event.data.since, event.time)).data.episode_id
    return [event for event in events if event.data.episode_id == latest]


def find_episode(config: Config, episode: str) -> tuple[str, str]:
    """Return the full id and the tenant of an episode on the topic.

    Raises:
        UserError: There is no such episode, or several ids begin with those digits.
    """
    event = events_of(config, episode, None)[-1]
    return event.data.episode_id, event.data.tenant


async def _on_topic(config: Config, digits: str) -> list[EscalationEvent]:
    followed = follow(config, from_start=True, idle_seconds=IDLE_SECONDS)
    return [event async for event in followed if event.data.episode_id.startswith(digits)]


def _in_file(source: str, digits: str) -> tuple[list[EscalationEvent], int]:
    """Return the matching events, and the number of lines with those digits that are invalid."""
    events: list[EscalationEvent] = []
    invalid = 0
    for _, line in read_lines(source):
        # Most lines belong to other episodes, and parsing all of them would take long.
        if digits.encode() not in line:
            continue
        try:
            event = EscalationEvent.model_validate_json(line)
        except ValidationError:
            invalid += 1
            continue
        if event.data.episode_id.startswith(digits):
            events.append(event)
    return events, invalid


def _of_one_episode(
    events: Iterable[EscalationEvent], digits: str, place: str, invalid: int
) -> list[EscalationEvent]:
    by_episode: dict[str, list[EscalationEvent]] = {}
    for event in events:
        by_episode.setdefault(event.data.episode_id, []).append(event)
    if not by_episode:
        hint = f"; lines with these digits that this release cannot read as escalations: {invalid}"
        raise UserError(
            f"{place} has no episode whose id begins with {digits}{hint if invalid else ''}"
        )
    if len(by_episode) > 1:
        named = ", ".join(sorted(by_episode)[:MOST_NAMED])
        ellipsis = ", ..." if len(by_episode) > MOST_NAMED else ""
        raise UserError(
            f"several episode ids begin with {digits}: {named}{ellipsis}; give more digits"
        )
    return next(iter(by_episode.values()))
