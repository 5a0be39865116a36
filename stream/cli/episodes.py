"""Commands by which people answer: ack, snooze, silence, verdict, note; and history."""

import getpass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stream.cli.options import ConfigPath, run_async, say, time
from stream.config.loading import load
from stream.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from schemas.feedback import Action
    from schemas.silence import Silence
    from stream.config.sections import Config
    from stream.notify.store.notify_topics import NotifyTopics

Episode = Annotated[str, typer.Argument(help="Id of the episode, or its first digits.")]
By = Annotated[str | None, typer.Option("--by", help="Who; default: the user's name.")]
Note = Annotated[str | None, typer.Option("--note", help="A word to whoever comes next.")]
For = Annotated[str, typer.Option("--for", help="How long: 30m, 2h, 3d, 1w.")]
Verdict = Literal[
    "incident", "expected_event", "false_alarm", "new_normal", "duplicate_of", "withdraw"
]


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
    verdict: Annotated[
        Verdict, typer.Argument(help="What it was; withdraw takes back what was said.")
    ],
    of: Annotated[str | None, typer.Option(help="Of duplicate_of: the other episode.")] = None,
    until: Annotated[
        datetime | None,
        typer.Option(parser=time, metavar="TIME", help="Of expected_event: when it ends."),
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Say nothing; show the last 30 days with it.")
    ] = False,
    history: Annotated[
        str | None,
        typer.Option(help="With --preview: file of tickets; default: the topics."),
    ] = None,
    by: By = None,
    note: Note = None,
    config: ConfigPath = None,
) -> None:
    """Say what an episode was. It changes what is decided next; a later verdict replaces it."""
    from detectors.alerting.verdict_handling import EFFECTS  # noqa: PLC0415 - scipy takes a while to import

    if until is not None and verdict != "expected_event":
        raise typer.BadParameter("--until is the end of an expected_event")
    if preview:
        if verdict in ("duplicate_of", "withdraw"):
            raise typer.BadParameter(f"--preview shows what a page would change, not {verdict}")
        _preview(load(config), episode, verdict, until, history)
        return
    if history is not None:
        raise typer.BadParameter("--history is where --preview looks")
    _answer(load(config), episode, verdict, by, note=note, duplicate_of=of, until=until)
    say(f"  {EFFECTS[verdict]}")


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
    from stream.notify.responses import responses  # noqa: PLC0415 - only these commands need it

    loaded = load(config)
    known = run_async(_silences(loaded))
    now = datetime.now(UTC)
    if end is not None:
        found = next((one for one in known if one.silence_id.startswith(end)), None)
        if found is None:
            raise UserError(f"no silence that holds has an id that begins with {end}")
        made = responses.ended(found, by or getpass.getuser(), now)
    elif matchers:
        ends = now + responses.duration(length)
        made = responses.silence(matchers, by or getpass.getuser(), comment, now=now, ends_at=ends)
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
    from stream.notify.store.episode_history import overview  # noqa: PLC0415 - aiokafka takes a while to import

    found = run_async(overview(load(config), every=every))
    for line in found:
        say(line)
    if not found:
        say("no episode runs" if not every else "there was no episode yet")


def history(episode: Episode, config: ConfigPath = None) -> None:
    """Show what happened to an episode: transitions, who was told and why, who answered what."""
    from stream.notify.store.episode_history import lines  # noqa: PLC0415 - aiokafka takes a while to import

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
    until: datetime | None = None,
    duplicate_of: str | None = None,
) -> None:
    from stream.notify.responses import responses  # noqa: PLC0415 - only these commands need it

    if action == "duplicate_of" and duplicate_of is None:
        raise UserError("name the other episode: --of EPISODE")
    now = datetime.now(UTC)
    if length is not None:
        until = now + responses.duration(length)
    found, tenant = _find(config, episode)
    if duplicate_of is not None:
        duplicate_of = _find(config, duplicate_of)[0]
    made = responses.answer(
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


def _preview(
    config: "Config", episode: str, verdict: str, until: datetime | None, history: str | None
) -> None:
    from detectors.forensics import verdict_preview as looking  # noqa: PLC0415 - scipy takes a while to import
    from schemas.signals import Verdict as Said  # noqa: PLC0415 - the same
    from stream.cli.forensics import logged  # noqa: PLC0415 - the same
    from stream.config.step_settings import settings_of  # noqa: PLC0415 - the same
    from stream.escalations.plain_text import headline  # noqa: PLC0415 - the same
    from stream.inputs.signal_log import from_topics  # noqa: PLC0415 - aiokafka takes a while to import

    said = Said("", "", verdict, 0.0, None if until is None else until.timestamp())
    settings = settings_of(config)
    if history is not None:
        with logged(history, None, None) as log:
            found = looking.preview(log, settings, episode.strip().lower(), said)
    else:
        identity, tenant = _find(config, episode)
        topics = run_async(from_topics(config, tenant))
        found = looking.preview(topics.log, settings, identity, said)
        if topics.begins:
            say(
                f"{topics.place} begins at offset {topics.begins}: what came before is not in it, "
                "so these counts may differ from what was paged"
            )
    if found is None:
        raise UserError(f"no page of an episode whose id begins with {episode} is in that history")
    say(f"{headline(found.page)}, called {verdict} when it went out:")
    since, end = (datetime.fromtimestamp(at, UTC) for at in (found.since, found.until))
    say(f"  pages from {since:%Y-%m-%d %H:%M}Z to {end:%Y-%m-%d %H:%M}Z: "
        f"{len(found.without)} without, {len(found.with_it)} with it")  # fmt: skip
    kept = {(event.time, event.data.product_area) for event in found.with_it}
    before = {(event.time, event.data.product_area) for event in found.without}
    for mark, events, others in (("-", found.without, kept), ("+", found.with_it, before)):
        for event in events:
            if (event.time, event.data.product_area) not in others:
                say(f"  {mark} {event.time:%Y-%m-%d %H:%M}Z {headline(event)}")


def _find(config: "Config", episode: str) -> tuple[str, str]:
    """The whole id of an episode on the topic, and its tenant."""
    from stream.cli.report import events_of  # noqa: PLC0415 - aiokafka takes a while to import

    event = events_of(config, episode, None)[-1]
    return event.data.episode_id, event.data.tenant


async def _put(config: "Config", put: "Callable[[NotifyTopics], Awaitable[None]]") -> None:
    from stream.notify.store.notify_topics import NotifyTopics  # noqa: PLC0415 - as above

    async with NotifyTopics(config) as ledger:
        await put(ledger)


async def _silences(config: "Config") -> "list[Silence]":
    from schemas.topics import Topics  # noqa: PLC0415 - as above
    from stream.kafka.reading import read_all  # noqa: PLC0415 - as above
    from stream.kafka.topics import verify  # noqa: PLC0415 - as above
    from stream.notify.dispatch.silences import Silences  # noqa: PLC0415 - as above

    await verify(config)
    known = Silences()
    topic = Topics(config.kafka.topic_prefix).silences
    async for key, value in read_all(config, topic, 0):
        known.apply_record(key, value)
    return known.listed(datetime.now(UTC).timestamp())


def _matchers(one: "Silence") -> str:
    return " ".join(str(matcher) for matcher in one.matchers)
