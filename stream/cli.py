"""The command ``spikewatch``. Each subcommand does one thing that a user would name.

Exit codes: 0 done; 1 something you can mend, said in a sentence; 2 the command line or the
configuration is wrong; 70 a worker had to stop at once (restart it, the state is safe); 130
interrupted.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn

from schemas.dead_letter import DeadReason
from stream.config import ConfigError, load, show
from stream.errors import UserError

T = TypeVar("T")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Watches support tickets as they arrive and says, within minutes and with evidence, that "
    "something broke. Try: spikewatch demo --once",
)
config_app = typer.Typer(no_args_is_help=True, help="Check or show the configuration.")
topics_app = typer.Typer(no_args_is_help=True, help="Make the Kafka topics, or check them.")
app.add_typer(config_app, name="config")
app.add_typer(topics_app, name="topics")


def _time(text: str) -> datetime:
    """An RFC 3339 time, or a date; UTC where it carries no offset."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time such as 2026-03-02T09:00:00Z") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


ConfigPath = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="TOML file; default: SPIKEWATCH_CONFIG, then ./spikewatch.toml if it is there.",
    ),
]
Input = Annotated[
    str, typer.Argument(help="File of tickets, .jsonl or .csv, also .gz; - for stdin.")
]
Mapping = Annotated[
    str | None,
    typer.Option(
        "--map", help="CSV: our field=your column, such as created_at=Opened,ticket_id=Id."
    ),
]
Zone = Annotated[
    str | None, typer.Option(help="CSV: IANA time zone of times that carry no offset.")
]
TimeFormat = Annotated[
    str | None, typer.Option(help="CSV: strptime pattern of times, such as '%d/%m/%Y %H:%M'.")
]
FileFormat = Annotated[
    Literal["jsonl", "csv"] | None, typer.Option("--format", help="Default: by the file's name.")
]


def main() -> None:
    """Entry point: run the command, and turn what a user can mend into one sentence."""
    from stream.broker import BrokerError  # noqa: PLC0415 - only to be caught
    from stream.ticket_rows import TicketFileError  # noqa: PLC0415 - only to be caught

    try:
        app()
    except ConfigError as error:
        _complain(str(error))
        sys.exit(2)
    except (UserError, BrokerError, TicketFileError) as error:
        _complain(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


def _complain(text: str) -> None:
    sys.stderr.write(f"spikewatch: {text}\n")


def _say(text: str) -> None:
    print(text, flush=True)


def _run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def _show_version(wanted: bool) -> None:
    if wanted:
        _say(f"spikewatch {version('spikewatch')}")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Say which release."),
    ] = False,
) -> None:
    """Options of spikewatch itself."""


@app.command()
def demo(
    once: Annotated[
        bool, typer.Option("--once", help="End when the incident is resolved; else stay.")
    ] = False,
    config: ConfigPath = None,
) -> None:
    """Show a spike from ticket to escalation.

    With a broker, workers, six weeks of history, an incident.
    """
    from stream import demo as story  # noqa: PLC0415 - Faust and aiokafka take a second to import

    sys.exit(story.run(load(config), once=once, say=_say))


@app.command()
def broker(
    data: Annotated[
        Path | None, typer.Option(help="Folder for its data; default: a temporary one.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port on 127.0.0.1; default: a free one.")
    ] = None,
) -> None:
    """Run a real single-node Kafka on 127.0.0.1 until Ctrl-C; for trying out and for tests."""
    from stream.broker import BrokerSettings, serve  # noqa: PLC0415 - only this command needs it

    sys.exit(serve(BrokerSettings(data_directory=data, port=port), _say))


@topics_app.command("create")
def topics_create(config: ConfigPath = None) -> None:
    """Make the topics that are missing."""
    from stream.topics import create  # noqa: PLC0415 - aiokafka takes a while to import

    made = _run(create(load(config)))
    _say("made: " + ", ".join(made) if made else "all topics are there already")


@topics_app.command("check")
def topics_check(config: ConfigPath = None) -> None:
    """See that all topics are there with the right number of partitions."""
    from stream.topics import verify  # noqa: PLC0415 - aiokafka takes a while to import

    _run(verify(load(config)))
    _say("all topics are as they must be")


@app.command()
def worker(config: ConfigPath = None) -> None:
    """Run a worker; several share the work.

    It takes in tickets, updates the models and produces escalations.
    """
    from stream.worker import run  # noqa: PLC0415 - Faust takes a second to import

    run(load(config))


@app.command()
def ticker(config: ConfigPath = None) -> None:
    """Run the ticker: passes time to quiet areas. One is enough, several do no harm."""
    from stream.ticker import run  # noqa: PLC0415 - aiokafka takes a while to import

    _run(run(load(config)))


@app.command()
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
            parser=_time, help="With --speed: move the clock to this time after the last ticket."
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
    from stream.send import Pace, Sender  # noqa: PLC0415 - aiokafka takes a while to import

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
            await sender.send((line for _, line in lines), seen)
        return sender

    with _tickets(source, mapping, timezone, time_format, file_format) as (lines, seen):
        sent = _run(work(lines, seen)).sent
    text = f"sent {sent.tickets} tickets of {len(sent.tenants)} tenants"
    if sent.unreadable:
        text += f"; {sent.unreadable} of them cannot be read and will be dead letters"
    _say(text)


@app.command()
def simulate(
    out: Annotated[str, typer.Option("--out", help="File to write; - for stdout.")] = "-",
    weeks: Annotated[float, typer.Option(min=0.01, help="How long.")] = 6.0,
    start: Annotated[
        datetime | None,
        typer.Option(parser=_time, help="When it starts; default 2026-03-02, a Monday."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    tenant: Annotated[str, typer.Option(help="Name of the company.")] = "acme",
    incident: Annotated[
        list[str] | None,
        typer.Option(help="AREA,DAY,HOURS,TIMES such as login,38.5,2,6; may be given repeatedly."),
    ] = None,
) -> None:
    """Write a made-up company's tickets, with seasons, noise and incidents, as JSON lines."""
    import json  # noqa: PLC0415 - only this command needs it

    from detectors.simulate import HOUR, World, tickets  # noqa: PLC0415 - only this command needs it
    from stream.demo import START  # noqa: PLC0415 - the same Monday

    begin = START if start is None else start.timestamp()
    world = World(
        start=begin,
        hours=weeks * 168.0,
        incidents=[_incident(text, begin) for text in incident or ()],
        seed=seed,
        tenant=tenant,
    )
    with _output(out) as file, Progress(*_columns(), console=Console(stderr=True)) as bar:
        task = bar.add_task("tickets", total=world.hours)
        for number, ticket in enumerate(tickets(world)):
            file.write(json.dumps(ticket).encode() + b"\n")
            if number % 500 == 0:
                at = datetime.fromisoformat(str(ticket["created_at"])).timestamp()
                bar.update(task, completed=(at - begin) / HOUR)
        bar.update(task, completed=world.hours)


@app.command()
def tail(
    as_json: Annotated[bool, typer.Option("--json", help="One CloudEvent a line.")] = False,
    from_start: Annotated[bool, typer.Option("--from-start", help="Also earlier ones.")] = False,
    idle: Annotated[
        float | None, typer.Option(help="End after so many seconds without an escalation.")
    ] = None,
    status: Annotated[
        bool, typer.Option("--status", help="Instead: tickets, areas, clocks, lag, warm-up left.")
    ] = False,
    config: ConfigPath = None,
) -> None:
    """Print escalations as they come; or, with --status, what the workers know."""
    from stream import tail as following  # noqa: PLC0415 - aiokafka takes a while to import
    from stream.wording import page  # noqa: PLC0415 - the same

    loaded = load(config)
    if status:
        _print_status(_run(following.status(loaded)))
        return

    async def work() -> None:
        async for event, raw in following.follow(loaded, from_start=from_start, idle_seconds=idle):
            _say(raw.decode() if as_json else page(event) + "\n")

    _run(work())


@app.command()
def replay(
    source: Input,
    out: Annotated[str, typer.Option("--out", help="File for the escalations; - for stdout.")],
    until: Annotated[
        datetime | None,
        typer.Option(
            parser=_time,
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
    mapping: Mapping = None,
    timezone: Zone = None,
    time_format: TimeFormat = None,
    file_format: FileFormat = None,
    config: ConfigPath = None,
) -> None:
    """Try it on tickets in a file, without Kafka: the escalations there would have been."""
    from stream.replay import (  # noqa: PLC0415 - scipy takes a while to import
        Replay,
        dead_to_file,
        replay_lines,
        to_file,
    )
    from stream.settings import settings_of  # noqa: PLC0415 - the same

    loaded = load(config)
    end = None if until is None else until.timestamp()
    run = Replay(settings_of(loaded), end, loaded.limits.ticket_bytes)
    reasons: Counter[DeadReason] = Counter()
    with ExitStack() as stack:
        past = history and stack.enter_context(
            _tickets(history, mapping, timezone, time_format, file_format)
        )
        lines, seen = stack.enter_context(
            _tickets(source, mapping, timezone, time_format, file_format)
        )
        write = to_file(stack.enter_context(_output(out)))
        bury = dead_to_file(stack.enter_context(_output(dead)) if dead else None, reasons)
        if past:
            replay_lines(run, _watched(*past), str(history), write, bury, "history")
            for event in run.end_history():
                write(event)
        replay_lines(run, _watched(lines, seen), source, write, bury)
        for event in run.finish():
            write(event)
    told = [f"{count} {outcome}" for outcome, count in sorted(run.counts.items())]
    told += [f"{count} {reason}" for reason, count in sorted(reasons.items())]
    sys.stderr.write(f"tickets: {', '.join(told) or 'none'}\n")


@config_app.command("check")
def config_check(config: ConfigPath = None) -> None:
    """Say whether the configuration is right.

    All mistakes at once; exit code 2 if there are any.
    """
    load(config)
    _say("the configuration is right")


@config_app.command("show")
def config_show(config: ConfigPath = None) -> None:
    """Print the configuration in force, as TOML, with secrets masked."""
    _say(show(load(config)))


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
    from detectors.simulate import COMPANY, HOUR, Incident  # noqa: PLC0415 - only simulate needs it

    try:
        area, day, hours, times = text.split(",")
        incident = Incident(area, begin + float(day) * 24 * HOUR, float(hours), float(times))
    except ValueError:
        raise typer.BadParameter(f"--incident {text}: AREA,DAY,HOURS,TIMES is needed") from None
    if area not in COMPANY:
        raise typer.BadParameter(f"--incident {text}: the areas are {', '.join(COMPANY)}")
    return incident


@contextmanager
def _tickets(
    source: str,
    mapping: str | None,
    timezone: str | None,
    time_format: str | None,
    file_format: Literal["jsonl", "csv"] | None,
) -> Iterator[tuple[Iterator[tuple[int, bytes]], Callable[[], None]]]:
    """Numbered lines of a ticket file, and what to call after each so that the bar moves."""
    from stream.ticket_files import TicketFile, parse_mapping  # noqa: PLC0415 - pydantic's fields

    fields = parse_mapping(mapping) if mapping else None
    with (
        TicketFile(
            source,
            mapping=fields,
            format=file_format,
            assume_timezone=timezone,
            time_format=time_format,
        ) as file,
        Progress(*_columns(), console=Console(stderr=True), transient=True) as bar,
    ):
        task = bar.add_task(Path(source).name, total=file.size)
        count = 0

        def seen() -> None:
            nonlocal count
            count += 1
            if count % 500 == 0:
                bar.update(task, completed=file.position)

        yield iter(file), seen


def _watched(
    lines: Iterator[tuple[int, bytes]], seen: Callable[[], None]
) -> Iterator[tuple[int, bytes]]:
    for line in lines:
        yield line
        seen()


@contextmanager
def _output(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        file = Path(name).open("wb")  # noqa: SIM115 - only what opening raises is caught
    except OSError as error:
        raise UserError(f"{name} cannot be written: {error.strerror}") from None
    with file:
        yield file


def _columns() -> tuple[Any, ...]:
    return (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
    )


def _print_status(found: Any) -> None:
    from rich.table import Table  # noqa: PLC0415 - only here

    _say(f"{found.tickets} tickets in {len(found.areas)} areas, as of the last snapshots")
    for tenant, clock in sorted(found.clocks.items()):
        _say(f"clock of {tenant}: {datetime.fromtimestamp(clock, UTC):%Y-%m-%d %H:%M:%S}Z")
    for topic, lag in found.lag.items():
        _say(f"lag of {topic}: {lag} records")
    table = Table("tenant", "area", "phase", "tickets", "last hour", "expected/h", "warm-up left")
    for area in found.areas:
        left = f"{area.warm_up_hours:.0f} h" if area.warm_up_hours else "none"
        table.add_row(
            area.tenant,
            area.area,
            area.phase,
            str(area.tickets),
            f"{area.last_hour:.1f}",
            f"{area.expected:.2f}",
            left,
        )
    if found.areas:
        Console().print(table)


if __name__ == "__main__":
    main()
