"""The commands ``spikewatch ack``, ``snooze`` and ``note``, and the sender of responses."""

import asyncio
import getpass
from datetime import UTC, datetime
from typing import Annotated

import typer

from schemas.feedback import Action, Feedback
from stream.cli.look.escalation_events import find_episode
from stream.cli.options import Author, ConfigPath, EpisodeId
from stream.cli.output import say
from stream.config.loading import load
from stream.config.sections import Config
from stream.errors import UserError
from stream.notify.responses import responses
from stream.notify.store.notify_topics import NotifyTopics

NoteOption = Annotated[
    str | None, typer.Option("--note", metavar="TEXT", help="Note for whoever takes over.")
]
Length = Annotated[
    str, typer.Option("--for", metavar="DURATION", help="Duration: 30m, 2h, 3d, 1w.")
]


def ack(
    episode: EpisodeId, by: Author = None, note: NoteOption = None, config: ConfigPath = None
) -> None:
    """Acknowledge an episode: somebody is working on it.

    After that, receivers are notified only of a higher severity and of the resolution.
    """
    respond(load(config), episode, "acknowledge", by, note=note)


def snooze(
    episode: EpisodeId,
    length: Length = "1h",
    by: Author = None,
    note: NoteOption = None,
    end: Annotated[
        bool, typer.Option("--end", help="End the snooze instead of starting one.")
    ] = False,
    config: ConfigPath = None,
) -> None:
    """Mute the notifications of one episode for a while.

    If the episode is still open when the snooze ends, receivers are notified again.
    """
    if end:
        respond(load(config), episode, "unsnooze", by, note=note)
        return
    until = datetime.now(UTC) + responses.duration(length)
    respond(load(config), episode, "snooze", by, note=note, until=until)


def note(
    episode: EpisodeId,
    text: Annotated[str, typer.Argument(help="What the person who takes over should know.")],
    by: Author = None,
    config: ConfigPath = None,
) -> None:
    """Leave a note on an episode for whoever takes over."""
    respond(load(config), episode, "note", by, note=text)


def respond(
    config: Config,
    episode: str,
    action: Action,
    by: str | None,
    *,
    note: str | None = None,
    until: datetime | None = None,
    duplicate_of: str | None = None,
) -> None:
    """Send a response to an episode and confirm it.

    Args:
        config: Names the brokers and topics.
        episode: Id of the episode or its first digits.
        action: Response to send.
        by: Name of the person who responds; None: the user name on this system.
        note: Text for whoever takes over.
        until: End of a snooze or of an expected event.
        duplicate_of: For the action duplicate_of: id of the other episode, or its first digits.

    Raises:
        UserError: There is no such episode, or the response is not possible.
    """
    if action == "duplicate_of" and duplicate_of is None:
        raise UserError("duplicate_of needs the other episode: add --of EPISODE")
    identity, tenant = find_episode(config, episode)
    if duplicate_of is not None:
        duplicate_of = find_episode(config, duplicate_of)[0]
    answer = responses.answer(
        identity,
        tenant,
        action,
        by or getpass.getuser(),
        now=datetime.now(UTC),
        until=until,
        note=note,
        duplicate_of=duplicate_of,
    )
    asyncio.run(_send(config, answer))
    say(f"{action.replace('_', ' ')}: episode {identity[:12]} of {tenant}, by {answer.by}")


async def _send(config: Config, answer: Feedback) -> None:
    async with NotifyTopics(config) as topics:
        await topics.answer(answer)
