"""The command ``spikewatch send``."""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal

import typer

from stream.cli.dead_letters import DeadFile, dead_letters
from stream.cli.options import ConfigPath, TicketFileArgument, time
from stream.cli.output import keep_files_apart, say
from stream.cli.ticket_files import TicketFormat, open_tickets, with_ticket_format
from stream.config.loading import load
from stream.config.sections import Config
from stream.escalations.phrases import plural
from stream.kafka.ticket_sender import Pace, Sender, Sent


@with_ticket_format
def send(
    source: TicketFileArgument,
    ticket_format: TicketFormat,
    history: Annotated[
        bool,
        typer.Option(
            "--history", help="Send as history: models learn from the tickets, nobody is paged."
        ),
    ] = False,
    speed: Annotated[
        str | None,
        typer.Option(help="Send in simulated time, this many times faster than real time; or max."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(
            parser=time,
            metavar="TIME",
            help="With --speed: advance the clock to this time after the last ticket.",
        ),
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="Maximum number of tickets per second.")
    ] = None,
    dead: DeadFile = None,
    config: ConfigPath = None,
) -> None:
    """Send tickets from a file to Kafka.

    Sends live tickets by default, history with --history, or simulated time with --speed.
    """
    if history and speed is not None:
        raise typer.BadParameter("--history and --speed cannot be combined")
    if until is not None and speed is None:
        raise typer.BadParameter("--until is only valid with --speed")
    pace = Pace(
        mode="history" if history else "simulated" if speed else "live",
        rate=rate,
        speed=parse_speed(speed),
        until=None if until is None else until.timestamp(),
    )
    loaded = load(config)
    keep_files_apart(reads={"FILE": source, "--config": config}, writes={"--dead": dead})
    with (
        dead_letters(dead) as letters,
        open_tickets(source, ticket_format, letters, loaded) as tickets,
    ):
        sent = send_tickets(loaded, pace, (line for _, line in tickets), waits=source == "-")
    text = f"sent {plural(sent.tickets, 'ticket')} of {plural(len(sent.tenants), 'tenant')}"
    if sent.unreadable:
        text += f"; {sent.unreadable} of them are invalid and will become dead letters"
    say(text)


def send_tickets(
    config: Config, pace: Pace, lines: Iterable[bytes], *, waits: bool = False
) -> Sent:
    """Send tickets to Kafka and return what was sent.

    Args:
        config: Names the brokers and topics.
        pace: Speed and mode of sending.
        lines: Tickets as JSON, one per line.
        waits: Whether the next line may take long, as on a pipe; earlier lines are sent meanwhile.

    Raises:
        UserError: No broker is reachable, or the topics are missing or wrong.
    """

    async def work() -> Sent:
        async with Sender(config, pace) as sender:
            await sender.send(lines, waits=waits)
        return sender.sent

    return asyncio.run(work())


def parse_speed(text: str | None) -> float | Literal["max"]:
    """Parse a speed: a number above 0 or ``max``; None means ``max``.

    Raises:
        typer.BadParameter: It is neither.
    """
    if text is None or text == "max":
        return "max"
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0.0 < speed < float("inf"):
        raise typer.BadParameter("--speed must be a number above 0, or max")
    return speed
