"""The command ``spikewatch notify``."""

import asyncio
import dataclasses
import secrets
from pathlib import Path
from typing import Annotated

import typer

from schemas.escalation import EVENT_TYPE_PREFIX, EscalationEvent
from schemas.examples import EVENT
from stream.cli.options import ConfigPath
from stream.cli.output import say
from stream.config.loading import load
from stream.config.sections import Config
from stream.errors import UserError
from stream.notify.model.errors import RefusedError, TryAgainError
from stream.notify.model.message import Action, Message, MessageContext, of_event
from stream.notify.routing.config import read_plan
from stream.notify.routing.rules import NotificationConfig
from stream.notify.service import serve
from stream.notify.sinks.safe_http import Http


def notify(
    check: Annotated[
        bool,
        typer.Option("--check", help="Check the credentials of all receivers; send nothing."),
    ] = False,
    test: Annotated[
        str | None,
        typer.Option(
            "--test", metavar="RECEIVER", help="Send a drill and its resolution to one receiver."
        ),
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Notify receivers of escalations and handle their responses.

    Several processes share the load. The file named by [notify] file defines the receivers.
    """
    loaded = load(config)
    plan = plan_of(loaded)
    if test is not None:
        asyncio.run(_drill(plan, test))
        return
    if check:
        failed = asyncio.run(_check(plan))
        if failed:
            raise UserError(f"these receivers failed the check: {', '.join(failed)}; see above")
        return
    for name in plan.alone:
        say(f"notify: {_without_fallback(name)}")
    names = ", ".join(f"{each.name} ({each.sink.kind})" for each in plan.receivers.values())
    say(f"notify: receivers: {names}")
    asyncio.run(serve(loaded, plan))


def plan_of(config: Config) -> NotificationConfig:
    """Read the file of receivers and routes.

    Raises:
        UserError: The configuration names no such file.
        ConfigError: The file has mistakes.
    """
    if not config.notify.file:
        raise UserError(
            "no receivers are configured: name a file in [notify] file (SPIKEWATCH_NOTIFY__FILE); "
            "start from deploy/config/notify.toml"
        )
    return read_plan(Path(config.notify.file)).linked_to(config.page.url)


def _without_fallback(name: str) -> str:
    return f"if {name} fails, nobody will know: set [delivery] fallback to another receiver"


async def _drill(plan: NotificationConfig, name: str) -> None:
    """Send an example escalation and its resolution to a receiver, marked as a drill.

    Raises:
        UserError: There is no such receiver, or notifying it failed.
    """
    receiver = plan.receivers.get(name)
    if receiver is None:
        raise UserError(
            f"there is no receiver {name!r}; the receivers are {', '.join(plan.receivers)}"
        )
    resolved = EVENT.model_copy(update={"type": f"{EVENT_TYPE_PREFIX}resolved.v1"})
    identity = f"drill-{secrets.token_hex(8)}"
    handle: dict[str, str] = {}
    async with Http(plan.general.private_hosts, plan.general.timeout_seconds) as http:
        sink = receiver.sink(receiver.name, receiver.options, http)
        steps: tuple[tuple[EscalationEvent, Action], ...] = ((EVENT, "open"), (resolved, "resolve"))
        for number, (event, action) in enumerate(steps, 1):
            message = _drill_message(event, action, identity, number)
            try:
                handle = await sink.send(message, handle)
            except (TryAgainError, RefusedError) as error:
                raise UserError(f"{name} could not be notified: {error}") from None
            say(f"{name} ({receiver.sink.kind}) was notified: {action}")


def _drill_message(event: EscalationEvent, action: Action, identity: str, number: int) -> Message:
    message = of_event(
        event,
        action,
        "first",
        MessageContext(
            identity=identity,
            number=f"{identity}.{number}.drill",
            note="This is a drill: nothing is broken.",
        ),
    )
    return dataclasses.replace(message, title=f"[DRILL] {message.title}", answerable=False)


async def _check(plan: NotificationConfig) -> list[str]:
    """Print the answer of each receiver's provider; return the names of receivers that fail."""
    failed = []
    for name in plan.alone:
        say(f"note   {_without_fallback(name)}")
    async with Http(plan.general.private_hosts, plan.general.timeout_seconds) as http:
        for receiver in plan.receivers.values():
            try:
                answer = await receiver.sink(receiver.name, receiver.options, http).check()
                say(f"ok     {receiver.name} ({receiver.sink.kind}): {answer}")
            except (TryAgainError, RefusedError) as error:
                failed.append(receiver.name)
                say(f"wrong  {receiver.name} ({receiver.sink.kind}): {error}")
    return failed
