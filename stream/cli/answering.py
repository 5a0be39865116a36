"""Commands by which people answer: ack, snooze, silence, verdict, note; and history."""

import getpass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stream.cli.options import ConfigPath, run_async, say
from stream.config import load
from stream.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from schemas.feedback import Action
    from schemas.silence import Silence
    from stream.config import Config
    from stream.notify.ledger import Ledger

Episode = Annotated[str, typer.Argument(help="Id of the episode, or its first digits.")]
By = Annotated[str | None, typer.Option("--by", help="Who; default: the user's name.")]
Note = Annotated[str | None, typer.Option("--note", help="A word to whoever comes next.")]
For = Annotated[str, typer.Option("--for", help="How long: 30m, 2h, 3d, 1w.")]
Verdict = Literal["incident", "expected_event", "false_alarm", "new_normal", "duplicate_of"]


def ack(episode: Episode, by: By = None, note: Note = None, config: ConfigPath = None) -> None:
    """Acknowledge: somebody is on it. Only what is graver is told after that."""
    _answer(load(config), episode, "acknowledge", by, note=note)


def snooze(
    episode: Episode,
    length: For = "1h",
    by: By = None,
    note: Note = None,
    end: Annotated[bool, typer.Option("--end", help="End a snooze instead.")] = False,
    config: ConfigPath = None,
) -> None:
    """Hear nothing of an episode for a while; a notice comes when that ends and it still runs."""
    if end:
        _answer(load(config), episode, "unsnooze", by, note=note)
    else:
        _answer(load(config), episode, "snooze", by, note=note, length=length)


def verdict(
    episode: Episode,
    verdict: Annotated[Verdict, typer.Argument(help="What it was.")],
    of: Annotated[str | None, typer.Option(help="Of duplicate_of: the other episode.")] = None,
    by: By = None,
    note: Note = None,
    config: ConfigPath = None,
) -> None:
    """Say what an episode was."""
    _answer(load(config), episode, verdict, by, note=note, duplicate_of=of)


def note(
    episode: Episode,
    text: Annotated[str, typer.Argument(help="What whoever comes next should know.")],
    by: By = None,
    config: ConfigPath = None,
) -> None:
    """Leave a note for hand-over."""
    _answer(load(config), episode, "note", by, note=text)


def silence(
    matchers: Annotated[
        list[str] | None,
        typer.Argument(help="Such as product_area=login tenant=acme; all must match."),
    ] = None,
    length: For = "2h",
    by: By = None,
    comment: Annotated[str, typer.Option(help="Why.")] = "",
    end: Annotated[str | None, typer.Option("--end", help="Id of a silence to end now.")] = None,
    config: ConfigPath = None,
) -> None:
    """Tell nobody of what all matchers match, for a while; without matchers: list silences."""
    from stream.notify import answers  # noqa: PLC0415 - only these commands need it

    loaded = load(config)
    known = run_async(_silences(loaded))
    now = datetime.now(UTC)
    if end is not None:
        found = next((one for one in known if one.silence_id.startswith(end)), None)
        if found is None:
            raise UserError(f"no silence that holds has an id that begins with {end}")
        made = answers.ended(found, by or getpass.getuser(), now)
    elif matchers:
        ends = now + answers.duration(length)
        made = answers.silence(matchers, by or getpass.getuser(), comment, now=now, ends_at=ends)
    else:
        for one in known:
            say(f"{one.silence_id}  until {one.ends_at:%Y-%m-%d %H:%M}Z  {_matchers(one)}  "
                f"by {one.by} {one.comment}".rstrip())  # fmt: skip
        if not known:
            say("no silence holds")
        return
    run_async(_put(loaded, lambda ledger: ledger.silence(made)))
    say(f"silence {made.silence_id} until {made.ends_at:%Y-%m-%d %H:%M}Z: {_matchers(made)}")


def episodes(
    every: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    config: ConfigPath = None,
) -> None:
    """List the episodes that run: since when, how bad, who has acknowledged."""
    from stream.notify.history import overview  # noqa: PLC0415 - aiokafka takes a while to import

    found = run_async(overview(load(config), every=every))
    for line in found:
        say(line)
    if not found:
        say("no episode runs" if not every else "there was no episode yet")


def history(episode: Episode, config: ConfigPath = None) -> None:
    """Show what happened to an episode: transitions, who was told and why, who answered what."""
    from stream.notify.history import lines  # noqa: PLC0415 - aiokafka takes a while to import

    loaded = load(config)
    found = _find(loaded, episode)
    for line in run_async(lines(loaded, found[0], found[1])):
        say(line)


def _answer(
    config: "Config",
    episode: str,
    action: "Action",
    by: str | None,
    *,
    note: str | None = None,
    length: str | None = None,
    duplicate_of: str | None = None,
) -> None:
    from stream.notify import answers  # noqa: PLC0415 - only these commands need it

    if action == "duplicate_of" and duplicate_of is None:
        raise UserError("name the other episode: --of EPISODE")
    now = datetime.now(UTC)
    until = now + answers.duration(length) if length is not None else None
    found, tenant = _find(config, episode)
    if duplicate_of is not None:
        duplicate_of = _find(config, duplicate_of)[0]
    made = answers.answer(
        found,
        tenant,
        action,
        by or getpass.getuser(),
        now=now,
        until=until,
        note=note,
        duplicate_of=duplicate_of,
    )
    run_async(_put(config, lambda ledger: ledger.answer(made)))
    say(f"{action.replace('_', ' ')}: episode {found[:12]} of {tenant}, by {made.by}")


def _find(config: "Config", episode: str) -> tuple[str, str]:
    """The whole id of an episode on the topic, and its tenant."""
    from stream.cli.reporting import events_of  # noqa: PLC0415 - aiokafka takes a while to import

    event = events_of(config, episode, None)[-1]
    return event.data.episode_id, event.data.tenant


async def _put(config: "Config", put: "Callable[[Ledger], Awaitable[None]]") -> None:
    from stream.notify.ledger import Ledger  # noqa: PLC0415 - as above

    async with Ledger(config) as ledger:
        await put(ledger)


async def _silences(config: "Config") -> "list[Silence]":
    from schemas.topics import Topics  # noqa: PLC0415 - as above
    from stream.notify.ledger import read_all  # noqa: PLC0415 - as above
    from stream.notify.silences import Silences  # noqa: PLC0415 - as above
    from stream.topics import verify  # noqa: PLC0415 - as above

    await verify(config)
    known = Silences()
    topic = Topics(config.kafka.topic_prefix).silences
    async for key, value in read_all(config, topic, 0):
        known.hear(key, value)
    return known.listed(datetime.now(UTC).timestamp())


def _matchers(one: "Silence") -> str:
    return " ".join(str(matcher) for matcher in one.matchers)
