"""The command that writes a body for the bug tracker: report."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stream.cli.options import ConfigPath, output, run_async
from stream.config.loading import load
from stream.errors import UserError

if TYPE_CHECKING:
    from schemas.escalation import EscalationEvent
    from stream.config.sections import Config

LEAST_DIGITS = 6
MOST_NAMED = 5
IDLE_SECONDS = 3.0
_EPISODE = re.compile(rf"[0-9a-f]{{{LEAST_DIGITS},32}}")


def report(
    episode: Annotated[
        str, typer.Argument(help="Id of the episode, or its first digits, 6 at least.")
    ],
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="File of escalations, as replay writes it, also .gz; - for stdin; default: Kafka.",
        ),
    ] = None,
    form: Annotated[
        Literal["md", "json"], typer.Option("--format", help="Markdown, or all of it as JSON.")
    ] = "md",
    config: ConfigPath = None,
) -> None:
    """Write a body for the bug tracker, of one episode.

    From the topic of escalations, or from replay's output.
    """
    # numpy takes a while to import
    from stream.escalations import bug_report  # noqa: PLC0415
    from stream.escalations.bug_report_markdown import as_markdown  # noqa: PLC0415

    if not episode:
        raise UserError("name the episode")
    found = bug_report.report(events_of(load(config) if source is None else None, episode, source))
    with output("-") as file:
        if form == "json":
            file.write(found.model_dump_json(indent=2).encode() + b"\n")
        else:
            file.write(as_markdown(found).encode())


def events_of(config: "Config | None", episode: str, source: str | None) -> "list[EscalationEvent]":
    """All events of one episode; of all, where none is named.

    Args:
        config: Where the topic is; needed without *source*.
        episode: Its id, or the first digits of it; empty: any.
        source: A file; None: the topic.

    Raises:
        UserError: There is none, or the digits are those of several.
    """
    digits = episode.strip().lower()
    if digits and _EPISODE.fullmatch(digits) is None:
        raise UserError(
            f"{episode!r} is no episode: its id is needed, or the first of its 32 hexadecimal "
            f"digits, {LEAST_DIGITS} at least"
        )
    if source is None:
        if config is None:
            raise ValueError("without a file, the topic is needed")
        events = run_async(_on_the_topic(config, digits))
        place, strange = "the topic of escalations", 0
    else:
        events, strange = _in_the_file(source, digits)
        place = "standard input" if source == "-" else source
    return _one_episode(events, digits, place, strange) if digits else events


async def _on_the_topic(config: "Config", digits: str) -> "list[EscalationEvent]":
    from stream.escalations.follow import follow  # noqa: PLC0415 - aiokafka takes a while to import

    followed = follow(config, from_start=True, idle_seconds=IDLE_SECONDS)
    return [event async for event in followed if event.data.episode_id.startswith(digits)]


def _in_the_file(source: str, digits: str) -> "tuple[list[EscalationEvent], int]":
    """The events, and how many lines with those digits are none."""
    from pydantic import ValidationError  # noqa: PLC0415 - only this command needs it

    from schemas.escalation import EscalationEvent  # noqa: PLC0415 - the same
    from stream.inputs.ticket_files import TicketFile  # noqa: PLC0415 - the same

    found, strange = [], 0
    with TicketFile(source, format="jsonl") as file:
        for _, line in file:
            if digits.encode() not in line:
                continue  # most are of other episodes, and to parse them all takes long
            try:
                event = EscalationEvent.model_validate_json(line)
            except ValidationError:
                strange += 1
                continue
            if event.data.episode_id.startswith(digits):
                found.append(event)
    return found, strange


def _one_episode(
    events: "Iterable[EscalationEvent]", digits: str, place: str, strange: int
) -> "list[EscalationEvent]":
    by_episode: dict[str, list[EscalationEvent]] = {}
    for event in events:
        by_episode.setdefault(event.data.episode_id, []).append(event)
    if not by_episode:
        told = f"; lines with it that are no escalations of this release: {strange}"
        raise UserError(
            f"{place} has no episode whose id begins with {digits}{told if strange else ''}"
        )
    if len(by_episode) > 1:
        named = ", ".join(sorted(by_episode)[:MOST_NAMED])
        more = ", ..." if len(by_episode) > MOST_NAMED else ""
        raise UserError(f"{digits} is the beginning of several episodes: {named}{more}")
    return next(iter(by_episode.values()))
