"""Commands about who is told: notify, route."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli.options import ConfigPath, run_async, say
from stream.config.loading import load
from stream.errors import UserError

if TYPE_CHECKING:
    from schemas.escalation import EscalationEvent
    from stream.config.sections import Config
    from stream.notify.model.message import Action
    from stream.notify.routing.rules import NotificationConfig


def notify(
    check: Annotated[
        bool,
        typer.Option("--check", help="Try the receivers' credentials; nobody is told anything."),
    ] = False,
    test: Annotated[
        str | None,
        typer.Option("--test", help="Send a drill, and its end, to the receiver of this name."),
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Tell people: routes escalations to receivers, and takes their answers. Several share it."""
    from stream.notify.service import serve  # noqa: PLC0415 - aiokafka takes a while to import

    loaded = load(config)
    plan = _plan(loaded)
    if test is not None:
        run_async(_drill(plan, test))
        return
    if check:
        wrong = run_async(_check(plan))
        if wrong:
            raise UserError(f"receivers that would not work: {', '.join(wrong)}")
        return
    for name in plan.alone:
        say(f"notify: nobody would hear that {name} cannot be told: name another in "
            "[delivery] fallback")  # fmt: skip
    names = ", ".join(f"{one.name} ({one.sink.kind})" for one in plan.receivers.values())
    say(f"notify: receivers: {names}")
    run_async(serve(loaded, plan))


def _plan(config: "Config") -> "NotificationConfig":
    from stream.notify.routing.config import read_plan  # noqa: PLC0415 - the sinks take a while to import

    if not config.notify.file:
        raise UserError(
            "no receivers are known: name a file in [notify] file (SPIKEWATCH_NOTIFY__FILE); "
            "deploy/config/notify.toml is one to begin with"
        )
    return read_plan(Path(config.notify.file)).linked_to(config.page.url)


async def _drill(plan: "NotificationConfig", name: str) -> None:
    """Tell a receiver of a made-up escalation, and that it is over.

    Raises:
        UserError: There is no such receiver, or it could not be told.
    """
    import secrets  # noqa: PLC0415 - only the drill needs it

    from schemas.escalation import EVENT_TYPE_PREFIX  # noqa: PLC0415 - the same
    from schemas.examples import EVENT  # noqa: PLC0415 - the same
    from stream.notify.model.errors import RefusedError, TryAgainError  # noqa: PLC0415 - as above
    from stream.notify.model.message import MessageContext, of_event  # noqa: PLC0415 - as above
    from stream.notify.sinks.safe_http import Http  # noqa: PLC0415 - as above

    receiver = plan.receivers.get(name)
    if receiver is None:
        raise UserError(f"no receiver {name!r}; there are {', '.join(plan.receivers)}")
    over = EVENT.model_copy(update={"type": f"{EVENT_TYPE_PREFIX}resolved.v1"})
    identity = f"drill-{secrets.token_hex(8)}"
    handle: dict[str, str] = {}
    async with Http(plan.general.private_hosts, plan.general.timeout_seconds) as http:
        sink = receiver.sink(receiver.name, receiver.options, http)
        steps: tuple[tuple[EscalationEvent, Action], ...] = ((EVENT, "open"), (over, "resolve"))
        for number, (event, action) in enumerate(steps, 1):
            message = of_event(
                event,
                action,
                "first",
                MessageContext(
                    identity=identity,
                    number=f"{identity}.{number}.drill",
                    note="This is a drill: nothing broke.",
                ),
            )
            message = dataclasses.replace(
                message, title=f"[DRILL] {message.title}", answerable=False
            )
            try:
                handle = await sink.send(message, handle)
            except (TryAgainError, RefusedError) as error:
                raise UserError(f"{name} could not be told: {error}") from None
            say(f"{name} ({receiver.sink.kind}) was told: {action}")


async def _check(plan: "NotificationConfig") -> list[str]:
    """Say of each receiver what its provider says; the names of those that would not work."""
    from stream.notify.model.errors import RefusedError, TryAgainError  # noqa: PLC0415 - as above
    from stream.notify.sinks.safe_http import Http  # noqa: PLC0415 - as above

    wrong = []
    for name in plan.alone:
        say(f"note   {name}: nobody would hear that it cannot be told: name another receiver in "
            "[delivery] fallback")  # fmt: skip
    async with Http(plan.general.private_hosts, plan.general.timeout_seconds) as http:
        for one in plan.receivers.values():
            try:
                said = await one.sink(one.name, one.options, http).check()
                say(f"ok     {one.name} ({one.sink.kind}): {said}")
            except (TryAgainError, RefusedError) as error:
                wrong.append(one.name)
                say(f"wrong  {one.name} ({one.sink.kind}): {error}")
    return wrong


def route(
    episode: Annotated[
        str, typer.Argument(help="Id of an episode (or its first digits), or a file as --from.")
    ] = "",
    source: Annotated[
        str | None,
        typer.Option("--from", help="File of escalations, as replay writes it; default: Kafka."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Of all transitions; else of the gravest of each episode.")
    ] = False,
    config: ConfigPath = None,
) -> None:
    """Show who would get what and why; nothing is sent."""
    from stream.cli.report import events_of  # noqa: PLC0415 - aiokafka takes a while to import

    loaded = load(config)
    plan = _plan(loaded)
    if source is None and Path(episode).is_file():
        episode, source = "", episode
    events = events_of(loaded, episode, source)
    if not every:
        events = _gravest(events)
    if not events:
        raise UserError("there is no escalation")
    for event in events:
        _show_route(event, plan)


def _gravest(events: "list[EscalationEvent]") -> "list[EscalationEvent]":
    """Of each episode the first of its gravest transitions."""
    from schemas.escalation import SEVERITIES  # noqa: PLC0415 - as above

    found: dict[str, EscalationEvent] = {}
    for event in events:
        known = found.get(event.data.episode_id)
        grade = SEVERITIES.index(event.data.severity)
        if known is None or grade > SEVERITIES.index(known.data.severity):
            found[event.data.episode_id] = event
    return list(found.values())


def _show_route(event: "EscalationEvent", plan: "NotificationConfig") -> None:
    from stream.escalations.plain_text import headline  # noqa: PLC0415 - as above
    from stream.notify.routing import router  # noqa: PLC0415 - as above

    say(f"{event.data.episode_id} #{event.data.sequence} {headline(event)}")
    if event.data.suppressed is not None:
        say(f"    nobody: suppressed, {event.data.suppressed}")
        return
    for one in router.route(event, plan):
        kind = plan.receivers[one.receiver].sink.kind
        to = f" to {one.address}" if one.address else ""
        why = f"by {one.route}"
        if one.accounts:
            why += ": owns " + ", ".join(account.customer for account in one.accounts)
        quiet = router.quiet_until(one.quiet, event.data.severity, event.time.timestamp())
        held = "; held back in its quiet hours" if quiet is not None else ""
        say(f"    {one.receiver} ({kind}){to}: {why}{held}")
