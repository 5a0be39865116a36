"""The command ``spikewatch send``."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

from schemas.codec import read_ticket
from schemas.dead_letter import Rejected
from stream.cli.dead_letters import DeadFile, DeadLetters, dead_letters
from stream.cli.options import ConfigPath, TicketFileArgument, time
from stream.cli.output import keep_files_apart, say
from stream.cli.ticket_files import OpenTickets, TicketFormat, open_tickets, with_ticket_format
from stream.config.loading import load
from stream.config.sections import Config
from stream.errors import UserError
from stream.escalations.phrases import counts, plural
from stream.kafka.ticket_sender import Pace, Sender, Sent

OLD_DAYS = 2
"""Age from which the first ticket of a file is taken for history."""


@with_ticket_format
def send(  # whole: one parameter per option, and the steps of one run in their order
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
    live: Annotated[
        bool, typer.Option("--live", help="Send as live tickets even if the first is old.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check all tickets, but send none.")
    ] = False,
    dead: DeadFile = None,
    config: ConfigPath = None,
) -> None:
    """Send tickets from a file to Kafka.

    Sends live tickets by default, history with --history, or simulated time with --speed. Tickets
    that are not valid are sent too, and become dead letters.
    """
    if live and (history or speed is not None):
        raise typer.BadParameter("--live cannot be combined with --history or --speed")
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
    omitted: Counter[str] = Counter()
    with (
        dead_letters(dead) as letters,
        open_tickets(source, ticket_format, letters, loaded) as tickets,
    ):
        lines = _checked(tickets, letters, omitted, loaded.limits.ticket_bytes)
        if pace.mode == "live" and not live:
            lines = _refuse_old(lines)
        if dry_run:
            checked = sum(1 for _ in lines)
            say(f"{plural(checked, 'ticket')} would be sent")
        else:
            sent = send_tickets(loaded, pace, lines, waits=source == "-")
            say(f"sent {plural(sent.tickets, 'ticket')} of {plural(len(sent.tenants), 'tenant')}")
    if omitted:
        say(f"optional fields that cannot be read and will be left out: {counts(omitted)}")
    if letters.count:
        say(f"{plural(letters.count, 'ticket')} could not be read")
    letters.require_readable()


def _checked(
    tickets: OpenTickets, letters: DeadLetters, omitted: Counter[str], max_bytes: int
) -> Iterator[bytes]:
    """Yield all tickets; collect those that intake will reject, and count omitted fields."""
    for number, line in tickets:
        try:
            read_ticket(line, omit=lambda name: omitted.update((name,)), max_bytes=max_bytes)
        except Rejected as why:
            letters.reject(why, number, line, tickets.name)
        yield line


def _refuse_old(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Yield all tickets, unless the first that can be read is too old to be live.

    Live tickets that are too old would be counted as late, and once more if they were then sent as
    history.

    Raises:
        UserError: The first ticket is older than `OLD_DAYS`.
    """
    is_checked = False
    for line in lines:
        if not is_checked:
            with contextlib.suppress(Rejected):
                created_at = read_ticket(line).created_at
                is_checked = True
                days = (datetime.now(UTC) - created_at).days
                if days >= OLD_DAYS:
                    raise UserError(
                        f"the first ticket is {plural(days, 'day')} old: send old tickets with "
                        "--history, so that models learn from them, or with --live if they are to "
                        "be counted as late"
                    )
        yield line


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
