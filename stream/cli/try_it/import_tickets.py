"""The command ``spikewatch import``."""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from schemas.codec import read_ticket
from schemas.dead_letter import Rejected
from schemas.ticket import TicketEvent
from stream.cli.dead_letters import DeadFile, DeadLetters, dead_letters
from stream.cli.options import AsJson, ConfigPath
from stream.cli.output import (
    keep_files_apart,
    output_file,
    require_different_files,
    say,
    say_json,
    warn,
)
from stream.cli.ticket_files import TicketFormat, open_tickets, with_ticket_format
from stream.config.loading import load
from stream.escalations.phrases import counts, plural
from stream.inputs.exports.ordering import Ordering
from stream.inputs.ticket_files import Reading


@with_ticket_format
def import_tickets(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Ticket files in any format; - for stdin."),
    ],
    ticket_format: TicketFormat,
    out: Annotated[
        str,
        typer.Option("--out", metavar="FILE", help="File for ticket events, .jsonl; - for stdout."),
    ],
    dead: DeadFile = None,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Convert exports of a helpdesk to ticket events.

    Reads CSV, Excel workbooks and JSON, plain, gzipped or zipped, and writes the events in order of
    time. The helpdesk, the columns, the times and the encoding are recognized, and printed. Exits
    with code 1 if fewer than nine tenths of the records could be read.
    """
    keep_files_apart(
        reads={f"FILE {number}": file for number, file in enumerate(files, 1)}
        | {"--config": config},
        writes={"--out": out, "--dead": dead},
    )
    if as_json and out == "-":
        raise typer.BadParameter("--json and --out - both write to standard output")
    require_different_files(files)
    loaded = load(config)
    readings: list[Reading] = []
    with ExitStack() as stack:
        letters = stack.enter_context(dead_letters(dead))
        target = stack.enter_context(output_file(out))
        ordering = stack.enter_context(Ordering())
        for number, file in enumerate(files, 1):
            prefix = f"{number}:" if len(files) > 1 else ""
            with open_tickets(file, ticket_format, letters, loaded, id_prefix=prefix) as tickets:
                _collect(tickets, ordering, letters, loaded.limits.ticket_bytes, tickets.name)
            readings.append(tickets.reading)
        ordering.close()
        for _, event in ordering.events(by_time=True):
            target.write(event + b"\n")
    if as_json:
        say_json(_summary(readings, ordering, letters))
    elif out != "-":
        say(f"wrote {plural(ordering.count, 'ticket event')} to {out}")
    letters.require_readable()


def _collect(
    lines: Iterable[tuple[int, bytes]],
    ordering: Ordering,
    letters: DeadLetters,
    max_bytes: int,
    name: str,
) -> None:
    """Add the events that the schema accepts, without what it cannot read; refuse the others."""
    left_out: Counter[str] = Counter()
    for line, event in lines:
        try:
            ticket = read_ticket(
                event, omit=lambda field: left_out.update((field,)), max_bytes=max_bytes
            )
        except Rejected as why:
            letters.reject(why, line, event, name)
            continue
        ordering.add(line, event if _is_strict(event) else _encoded(ticket))
    if left_out:
        warn(f"{name}: values that cannot be read were left out: {counts(left_out)}")


def _is_strict(event: bytes) -> bool:
    """Return whether an event is valid by the published schema, which intake does not insist on."""
    try:
        TicketEvent.model_validate_json(event)
    except ValidationError:
        return False
    return True


def _encoded(ticket: TicketEvent) -> bytes:
    return ticket.model_dump_json(exclude_unset=True).encode()


def _summary(
    readings: Sequence[Reading], ordering: Ordering, letters: DeadLetters
) -> dict[str, Any]:
    """Return what was found in all files; a value that differs between files is a list, by file."""

    def common(name: str) -> Any:
        values = [getattr(reading, name) for reading in readings]
        return values[0] if all(value == values[0] for value in values) else values

    recognized = ("preset", "mapping", "time_format", "timezone", "encoding")
    return {
        "rows": letters.rows,
        "tickets": ordering.count,
        "dead": letters.count,
        **{name: common(name) for name in recognized},
        "sorted": ordering.disordered > 0 or any(reading.sorted for reading in readings),
        "repeated": ordering.repeated + sum(reading.repeated for reading in readings),
    }
