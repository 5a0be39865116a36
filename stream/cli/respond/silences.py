"""The command ``spikewatch silence``."""

import asyncio
import getpass
import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from schemas.silence import Silence
from schemas.topics import Topics
from stream.cli.options import AsJson, Author, ConfigPath
from stream.cli.output import say, say_json
from stream.cli.respond.responses import Length
from stream.config.loading import load
from stream.config.sections import Config
from stream.errors import UserError
from stream.kafka.reading import read_all
from stream.kafka.topics import verify
from stream.notify.dispatch.silences import Silences
from stream.notify.responses import responses
from stream.notify.store.notify_topics import NotifyTopics


def silence(
    matchers: Annotated[
        list[str] | None,
        typer.Argument(help="Matchers such as product_area=login tenant=acme; all must match."),
    ] = None,
    length: Length = "2h",
    by: Author = None,
    comment: Annotated[
        str, typer.Option("--comment", "--note", metavar="TEXT", help="Reason for the silence.")
    ] = "",
    end: Annotated[
        str | None, typer.Option("--end", metavar="ID", help="End the silence with this id now.")
    ] = None,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Silence all episodes that match, or list the active silences.

    Nobody is notified of a silenced episode. Without matchers, the active silences are listed.
    """
    loaded = load(config)
    active = asyncio.run(_active(loaded))
    now = datetime.now(UTC)
    if end is not None:
        match = next((each for each in active if each.silence_id.startswith(end)), None)
        if match is None:
            raise UserError(f"no active silence has an id that begins with {end}")
        changed = responses.ended(match, by or getpass.getuser(), now)
    elif matchers:
        ends = now + responses.duration(length)
        author = by or getpass.getuser()
        changed = responses.silence(matchers, author, comment, now=now, ends_at=ends)
    else:
        _list(active, as_json=as_json)
        return
    asyncio.run(_send(loaded, changed))
    if as_json:
        say_json(_as_json(changed))
    else:
        say(f"silence {changed.silence_id} {_details(changed)}")


def _list(active: list[Silence], *, as_json: bool) -> None:
    if as_json:
        say_json([_as_json(each) for each in active])
        return
    for each in active:
        say(f"{each.silence_id}  {_details(each)}  by {each.by} {each.comment}".rstrip())
    if not active:
        say("no silences are active")


def _details(silence: Silence) -> str:
    matchers = " ".join(str(matcher) for matcher in silence.matchers)
    return f"until {silence.ends_at:%Y-%m-%d %H:%M}Z: {matchers}"


def _as_json(silence: Silence) -> object:
    return json.loads(silence.model_dump_json())


async def _active(config: Config) -> list[Silence]:
    await verify(config)
    current = Silences()
    async for key, value in read_all(config, Topics(config.kafka.topic_prefix).silences, 0):
        current.apply_record(key, value)
    return current.listed(datetime.now(UTC).timestamp())


async def _send(config: Config, changed: Silence) -> None:
    async with NotifyTopics(config) as topics:
        await topics.silence(changed)
