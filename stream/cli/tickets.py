"""Commands that take tickets: send, simulate, replay."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import Progress

from schemas.dead_letter import DeadReason
from schemas.escalation import EscalationEvent
from stream.cli.options import (
    ConfigPath,
    FeedbackFile,
    FileFormat,
    Input,
    Mapping,
    TimeFormat,
    Zone,
    columns,
    output,
    run_async,
    say,
    ticket_file,
    time,
    watched,
)
from stream.config.loading import load
from stream.errors import UserError

LATE_SHARE = 0.05
"""Of the tickets; if more are late, the file is not in order."""


def send(
    source: Input,
    history: Annotated[
        bool,
        typer.Option("--history", help="Weeks before now: learned from, nobody is paged for them."),
    ] = False,
    speed: Annotated[
        str | None,
        typer.Option(help="Simulated time, so many times faster than life; or: max."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(
            parser=time, help="With --speed: move the clock to this time after the last ticket."
        ),
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="Tickets a second, at most.")
    ] = None,
    mapping: Mapping = None,
    timezone: Zone = None,
    time_format: TimeFormat = None,
    file_format: FileFormat = None,
    config: ConfigPath = None,
) -> None:
    """Send tickets from a file to Kafka.

    As they are (live), as --history, or in simulated time with --speed.
    """
    from stream.kafka.ticket_sender import Pace, Sender  # noqa: PLC0415 - aiokafka takes a while to import

    if history and speed is not None:
        raise typer.BadParameter("--history and --speed exclude each other")
    if until is not None and speed is None:
        raise typer.BadParameter("--until needs --speed")
    pace = Pace(
        mode="history" if history else "simulated" if speed else "live",
        rate=rate,
        speed=_speed(speed),
        until=None if until is None else until.timestamp(),
    )
    loaded = load(config)

    async def work(lines: Iterator[tuple[int, bytes]], seen: Callable[[], None]) -> Sender:
        async with Sender(loaded, pace) as sender:
            await sender.send((line for _, line in lines), seen, waits=source == "-")
        return sender

    with ticket_file(source, mapping, timezone, time_format, file_format) as (lines, seen):
        sent = run_async(work(lines, seen)).sent
    text = f"sent {sent.tickets} tickets of {len(sent.tenants)} tenants"
    if sent.unreadable:
        text += f"; {sent.unreadable} of them cannot be read and will be dead letters"
    say(text)


def simulate(
    out: Annotated[
        str, typer.Option("--out", help="File to write, a CSV if it ends in .csv; - for stdout.")
    ] = "-",
    labels: Annotated[
        str | None, typer.Option(help="CSV to write the incidents to, for evaluate --labels.")
    ] = None,
    to_kafka: Annotated[
        bool, typer.Option("--send", help="Send them in simulated time instead; see --speed.")
    ] = False,
    speed: Annotated[
        str, typer.Option(help="With --send: times faster than life, or max.")
    ] = "max",
    weeks: Annotated[float, typer.Option(min=0.01, help="How long.")] = 6.0,
    start: Annotated[
        datetime | None,
        typer.Option(parser=time, help="When it starts; default 2024-03-04, a Monday."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    tenant: Annotated[str, typer.Option(help="Name of the company.")] = "acme",
    incident: Annotated[
        list[str] | None,
        typer.Option(help="AREA,DAY,HOURS,TIMES such as login,38.5,2,6; may be given repeatedly."),
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Write or send a made-up company's tickets, with seasons, noise and incidents."""
    import json  # noqa: PLC0415 - only this command needs it

    from detectors.simulation.tickets import HOUR, World, tickets  # noqa: PLC0415 - only this command needs it
    from stream.inputs.ticket_csv import csv_lines  # noqa: PLC0415 - pydantic's fields
    from stream.trial.demo import START  # noqa: PLC0415 - the same Monday

    begin = START if start is None else start.timestamp()
    world = World(
        start=begin,
        hours=weeks * 168.0,
        incidents=[_incident(text, begin) for text in incident or ()],
        seed=seed,
        tenant=tenant,
    )

    def written(bar: Progress) -> Iterator[dict[str, object]]:
        task = bar.add_task("tickets", total=world.hours)
        for number, ticket in enumerate(tickets(world)):
            yield ticket
            if number % 500 == 0:
                at = datetime.fromisoformat(str(ticket["created_at"])).timestamp()
                bar.update(task, completed=(at - begin) / HOUR)
        bar.update(task, completed=world.hours)

    if to_kafka:
        from stream.kafka.ticket_sender import Pace, Sender  # noqa: PLC0415 - aiokafka takes a while to import

        loaded = load(config)

        async def work() -> None:
            async with Sender(loaded, Pace("simulated", speed=_speed(speed))) as sender:
                with Progress(*columns(), console=Console(stderr=True)) as bar:
                    await sender.send(json.dumps(one).encode() for one in written(bar))

        run_async(work())
        return
    with output(out) as file, Progress(*columns(), console=Console(stderr=True)) as bar:
        if out.endswith(".csv"):
            file.writelines(line + b"\n" for line in csv_lines(written(bar)))
        else:
            file.writelines(json.dumps(one).encode() + b"\n" for one in written(bar))
    if labels is not None:
        known = [
            {"area": one.area, "start": _utc(one.start), "end": _utc(one.start + one.hours * HOUR)}
            for one in world.incidents
        ]
        with output(labels) as file:
            file.writelines(line + b"\n" for line in csv_lines(known))


def replay(
    source: Input,
    out: Annotated[str, typer.Option("--out", help="File for the escalations; - for stdout.")],
    until: Annotated[
        datetime | None,
        typer.Option(
            parser=time,
            metavar="TIME",
            help="Move the clock to this time after the last ticket; later tickets are rejected.",
        ),
    ] = None,
    dead: Annotated[
        str | None, typer.Option(help="File for what cannot be read, with reasons.")
    ] = None,
    history: Annotated[
        str | None, typer.Option(help="File of earlier tickets: learned from, pages nobody.")
    ] = None,
    feedback: FeedbackFile = None,
    plot: Annotated[
        str | None, typer.Option(help="Draw this area's time; TENANT/AREA where there are several.")
    ] = None,
    plot_file: Annotated[
        Path | None, typer.Option(help="With --plot: the picture, .svg or .png.")
    ] = None,
    mapping: Mapping = None,
    timezone: Zone = None,
    time_format: TimeFormat = None,
    file_format: FileFormat = None,
    config: ConfigPath = None,
) -> None:
    """Try it on tickets in a file, without Kafka: the escalations there would have been."""
    from stream.analysis.replay import (  # noqa: PLC0415 - scipy takes a while to import
        Replay,
        dead_to_file,
        replay_lines,
        to_file,
    )
    from stream.charts.backtest_charts import Plot  # noqa: PLC0415 - scipy takes a while to import
    from stream.config.step_settings import settings_of  # noqa: PLC0415 - the same
    from stream.inputs.feedback_files import read_verdicts  # noqa: PLC0415 - pydantic's fields

    loaded = load(config)
    end = None if until is None else until.timestamp()
    if (plot is None) != (plot_file is None):
        raise typer.BadParameter("--plot AREA and --plot-file FILE go together")
    picture = None if plot is None or plot_file is None else Plot(plot, plot_file)
    run = Replay(
        settings_of(loaded),
        end,
        loaded.limits.ticket_bytes,
        read_verdicts(feedback) if feedback else (),
        picture.lines if picture else None,
    )
    reasons: Counter[DeadReason] = Counter()
    written = 0
    files = [name for name in (source, history, out, dead) if name is not None and name != "-"]
    if len({Path(name).resolve() for name in files}) < len(files):
        raise UserError("a file was named twice: tickets, history, --out and --dead must differ")
    with ExitStack() as stack:
        past = history and stack.enter_context(
            ticket_file(history, mapping, timezone, time_format, file_format)
        )
        lines, seen = stack.enter_context(
            ticket_file(source, mapping, timezone, time_format, file_format)
        )
        to_out = to_file(stack.enter_context(output(out)))

        def write(event: EscalationEvent) -> None:
            nonlocal written
            written += 1
            to_out(event)
            if picture:
                picture.hear(event)

        bury = dead_to_file(stack.enter_context(output(dead)) if dead else None, reasons)
        if past:
            replay_lines(run, watched(*past), str(history), write, bury, "history")
            for event in run.end_history():
                write(event)
        replay_lines(run, watched(lines, seen), source, write, bury)
        for event in run.finish():
            write(event)
    if picture:
        picture.write(loaded.time.timezone)
    told = [f"{count} {outcome}" for outcome, count in sorted(run.counts.items())]
    sys.stderr.write(f"tickets: {', '.join(told) or 'none'}; {written} escalations\n")
    if reasons:
        rejected = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        sys.stderr.write(f"dead, by reason: {rejected}\n")
    behind = run.counts["late"] + run.counts["too_late"]
    if behind > 20 and behind > LATE_SHARE * sum(run.counts.values()):
        sys.stderr.write(
            f"{behind} tickets came after later ones and were not judged: sort the file by "
            "created_at, oldest first\n"
        )
    if reasons["no_offset"]:
        sys.stderr.write("times without an offset: for a CSV say whose with --timezone\n")


def _utc(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _speed(text: str | None) -> float | Literal["max"]:
    if text is None or text == "max":
        return "max"
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0.0 < speed < float("inf"):
        raise typer.BadParameter("--speed is a number above 0, or max")
    return speed


def _incident(text: str, begin: float) -> Any:
    from detectors.simulation.tickets import COMPANY, HOUR, Incident  # noqa: PLC0415 - only simulate needs it

    try:
        area, day, hours, times = text.split(",")
        incident = Incident(area, begin + float(day) * 24 * HOUR, float(hours), float(times))
    except ValueError:
        raise typer.BadParameter(f"--incident {text}: AREA,DAY,HOURS,TIMES is needed") from None
    if area not in COMPANY:
        raise typer.BadParameter(f"--incident {text}: the areas are {', '.join(COMPANY)}")
    return incident
