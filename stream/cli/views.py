"""Commands that show what comes out, and what the workers know: tail, page."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from stream.cli.options import ConfigPath, run_async, say, time_or_ago
from stream.config.loading import load

if TYPE_CHECKING:  # aiokafka takes a while to import
    from stream.worker.status import Status


MOST_CLOCKS = 20


def tail(
    as_json: Annotated[bool, typer.Option("--json", help="One CloudEvent a line.")] = False,
    from_start: Annotated[bool, typer.Option("--from-start", help="Also earlier ones.")] = False,
    since: Annotated[
        str | None,
        typer.Option(
            help="Also those that were written since: a time as 2026-03-02T09:00:00Z (UTC where it "
            "has no offset), or how long ago, as 90s, 45m, 2h, 3d or 1w."
        ),
    ] = None,
    idle: Annotated[
        float | None, typer.Option(help="End after so many seconds without an escalation.")
    ] = None,
    status: Annotated[
        bool, typer.Option("--status", help="Instead: tickets, areas, clocks, lag, warm-up left.")
    ] = False,
    config: ConfigPath = None,
) -> None:
    """Print escalations as they come; or, with --status, what the workers know."""
    from schemas.codec import write_escalation  # noqa: PLC0415 - the same

    # aiokafka takes a while to import
    from stream.escalations.follow import follow  # noqa: PLC0415
    from stream.escalations.plain_text import render  # noqa: PLC0415
    from stream.worker import status as worker_status  # noqa: PLC0415

    if from_start and since is not None:
        raise typer.BadParameter("--since and --from-start name two places to begin: give one.")
    beginning = None if since is None else time_or_ago(since).timestamp()
    loaded = load(config)
    if status:
        _print_status(run_async(worker_status.status(loaded)))
        return

    async def work() -> None:
        followed = follow(loaded, from_start=from_start, since=beginning, idle_seconds=idle)
        async for event in followed:
            say(write_escalation(event).decode() if as_json else render(event) + "\n")

    run_async(work())


def page(config: ConfigPath = None) -> None:
    """Serve the page: areas now, open episodes, the story of each; read-only, live."""
    from stream.page.service import serve  # noqa: PLC0415 - aiokafka takes a while to import

    run_async(serve(load(config), say))


def _print_status(found: "Status") -> None:

    say(f"{found.tickets} tickets in {len(found.areas)} areas, as of the last snapshots")
    for topic, lag in found.lag.items():
        say(f"lag of {topic}: {lag} records that no snapshot holds yet (a few ticks are normal)")
    clocks = sorted(found.clocks.items())
    if len(clocks) > MOST_CLOCKS:
        say(f"clocks of the first {MOST_CLOCKS} of {len(clocks)} tenants:")
    for tenant, clock in clocks[:MOST_CLOCKS]:
        say(f"clock of {tenant}: {datetime.fromtimestamp(clock, UTC):%Y-%m-%d %H:%M:%S}Z")
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
