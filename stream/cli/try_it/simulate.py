"""The command ``spikewatch simulate``."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.progress import Progress

from detectors.simulation.tickets import COMPANY, HOUR, Incident, World, tickets
from stream.cli.options import ConfigPath, time
from stream.cli.output import counting_bar, keep_files_apart, output_file
from stream.cli.run_it.send import parse_speed, send_tickets
from stream.config.loading import load
from stream.inputs.ticket_csv import csv_lines
from stream.kafka.ticket_sender import Pace

MONDAY = datetime(2024, 3, 4, tzinfo=UTC)
HOURS_PER_WEEK = 168.0


def simulate(  # whole: one parameter per option, and a body of a few lines
    out: Annotated[
        str,
        typer.Option(
            "--out",
            metavar="FILE",
            help="File to write, as CSV if its name ends in .csv; - for stdout.",
        ),
    ] = "-",
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="CSV file to write the incidents to, for backtest --labels."
        ),
    ] = None,
    to_kafka: Annotated[
        bool,
        typer.Option(
            "--send", help="Send the tickets to Kafka in simulated time instead; see --speed."
        ),
    ] = False,
    speed: Annotated[
        str, typer.Option(help="With --send: speed as a multiple of real time, or max.")
    ] = "max",
    weeks: Annotated[
        float, typer.Option(min=0.01, help="Length of the simulation in weeks.")
    ] = 6.0,
    start: Annotated[
        datetime | None,
        typer.Option(
            parser=time,
            metavar="TIME",
            help="Start of the simulation; default: 2024-03-04, a Monday.",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Random seed; the same seed gives the same tickets.")
    ] = 1,
    tenant: Annotated[str, typer.Option(help="Tenant of the tickets.")] = "acme",
    incident: Annotated[
        list[str] | None,
        typer.Option(
            metavar="AREA,DAY,HOURS,TIMES",
            help="Incident to add; login,38.5,2,6 starts on day 38.5 and lasts 2 hours with 6 "
            "times the usual tickets. May be repeated.",
        ),
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Write or send the tickets of a simulated company.

    The tickets follow daily and weekly seasons with noise, plus the incidents that you add.
    """
    keep_files_apart(reads={"--config": config}, writes={"--out": out, "--labels": labels})
    begin = (start or MONDAY).timestamp()
    world = World(
        start=begin,
        hours=weeks * HOURS_PER_WEEK,
        incidents=[_parse_incident(text, begin) for text in incident or ()],
        seed=seed,
        tenant=tenant,
    )
    if to_kafka:
        pace = Pace("simulated", speed=parse_speed(speed))
        with counting_bar() as bar:
            lines = (json.dumps(ticket).encode() for ticket in _generated(world, bar))
            send_tickets(load(config), pace, lines)
        return
    with output_file(out) as file, counting_bar() as bar:
        if out.endswith(".csv"):
            file.writelines(line + b"\n" for line in csv_lines(_generated(world, bar)))
        else:
            file.writelines(json.dumps(each).encode() + b"\n" for each in _generated(world, bar))
    if labels is not None:
        with output_file(labels) as file:
            file.writelines(line + b"\n" for line in csv_lines(_label_rows(world)))


def _generated(world: World, bar: Progress) -> Iterator[dict[str, object]]:
    """Yield the tickets of the world and advance the bar, in hours of simulated time."""
    task = bar.add_task("tickets", total=world.hours)
    for number, ticket in enumerate(tickets(world)):
        yield ticket
        if number % 500 == 0:
            at = datetime.fromisoformat(str(ticket["created_at"])).timestamp()
            bar.update(task, completed=(at - world.start) / HOUR)
    bar.update(task, completed=world.hours)


def _label_rows(world: World) -> list[dict[str, object]]:
    return [
        {
            "area": each.area,
            "start": _in_utc(each.start),
            "end": _in_utc(each.start + each.hours * HOUR),
        }
        for each in world.incidents
    ]


def _in_utc(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _parse_incident(text: str, begin: float) -> Incident:
    try:
        area, day, hours, times = text.split(",")
        incident = Incident(area, begin + float(day) * 24 * HOUR, float(hours), float(times))
    except ValueError:
        raise typer.BadParameter(f"--incident {text}: must be AREA,DAY,HOURS,TIMES") from None
    if area not in COMPANY:
        raise typer.BadParameter(f"--incident {text}: the area must be one of {', '.join(COMPANY)}")
    return incident
