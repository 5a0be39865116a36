"""Commands about who is told: notify, route."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli.options import ConfigPath, run_async, say
from stream.config import load
from stream.errors import UserError

if TYPE_CHECKING:
    from schemas.escalation import EscalationEvent
    from stream.config import Config
    from stream.notify.plan import Plan


def notify(
    check: Annotated[
        bool,
        typer.Option("--check", help="Try the receivers' credentials; nobody is told anything."),
    ] = False,
    config: ConfigPath = None,
) -> None:
    """Tell people: routes escalations to receivers, and takes their answers. Several share it."""
    from stream.notify.service import serve  # noqa: PLC0415 - aiokafka takes a while to import

    loaded = load(config)
    plan = _plan(loaded)
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


def _plan(config: "Config") -> "Plan":
    from stream.notify.plan import read_plan  # noqa: PLC0415 - the sinks take a while to import

    if not config.notify.file:
        raise UserError(
            "no receivers are known: name a file in [notify] file (SPIKEWATCH_NOTIFY__FILE); "
            "deploy/config/notify.toml is one to begin with"
        )
    return read_plan(Path(config.notify.file))


async def _check(plan: "Plan") -> list[str]:
    """Say of each receiver what its provider says; the names of those that would not work."""
    from stream.notify.errors import RefusedError, TryAgainError  # noqa: PLC0415 - as above
    from stream.notify.http import Http  # noqa: PLC0415 - as above

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
        bool, typer.Option("--all", help="Of all transitions; else of the last of each episode.")
    ] = False,
    config: ConfigPath = None,
) -> None:
    """Show who would get what and why; nothing is sent."""
    from stream.cli.reporting import events_of  # noqa: PLC0415 - aiokafka takes a while to import

    loaded = load(config)
    plan = _plan(loaded)
    if source is None and Path(episode).is_file():
        episode, source = "", episode
    events = events_of(loaded, episode, source)
    if not every:
        events = list({event.data.episode_id: event for event in events}.values())
    if not events:
        raise UserError("there is no escalation")
    for event in events:
        _show_route(event, plan)


def _show_route(event: "EscalationEvent", plan: "Plan") -> None:
    from stream.notify import routing  # noqa: PLC0415 - as above
    from stream.wording import headline  # noqa: PLC0415 - as above

    say(f"{event.data.episode_id} #{event.data.sequence} {headline(event)}")
    if event.data.suppressed is not None:
        say(f"    nobody: suppressed, {event.data.suppressed}")
        return
    for one in routing.route(event, plan):
        kind = plan.receivers[one.receiver].sink.kind
        to = f" to {one.address}" if one.address else ""
        why = f"by {one.route}"
        if one.accounts:
            why += ": owns " + ", ".join(account.customer for account in one.accounts)
        quiet = routing.quiet_until(one.quiet, event.data.severity, event.time.timestamp())
        held = "; held back in its quiet hours" if quiet is not None else ""
        say(f"    {one.receiver} ({kind}){to}: {why}{held}")
