"""The command ``spikewatch status``."""

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime

from stream.cli.options import AsJson, ConfigPath
from stream.cli.output import aligned, say, say_json
from stream.config.loading import load
from stream.escalations.phrases import plural
from stream.worker import status as worker_status
from stream.worker.status import AreaStatus, Status

MOST_CLOCKS = 20
HEADS = ("tenant", "area", "phase", "tickets", "last hour", "expected/h", "warm-up left")


def status(as_json: AsJson = False, config: ConfigPath = None) -> None:
    """Show tickets, areas, clocks, lag and warm-up of the workers.

    The figures come from the workers' latest snapshots.
    """
    current = asyncio.run(worker_status.status(load(config)))
    if as_json:
        say_json(asdict(current))
    else:
        print_text(current)


def print_text(current: Status) -> None:
    """Print a status as lines and an aligned table."""
    say(
        f"{plural(current.tickets, 'ticket')} in {plural(len(current.areas), 'area')}, "
        "as of the latest snapshots"
    )
    for topic, lag in current.lag.items():
        say(f"lag of {topic}: {lag} records not yet in a snapshot (a few ticks are normal)")
    for feed in current.late_feeds:
        say(f"too late: {feed}")
    clocks = sorted(current.clocks.items())
    if len(clocks) > MOST_CLOCKS:
        say(f"clocks of the first {MOST_CLOCKS} of {len(clocks)} tenants:")
    for tenant, clock in clocks[:MOST_CLOCKS]:
        say(f"clock of {tenant}: {datetime.fromtimestamp(clock, UTC):%Y-%m-%d %H:%M:%S}Z")
    if current.areas:
        for line in aligned((HEADS, *map(_row, current.areas)), left=(0, 1, 2)):
            say(line)


def _row(area: AreaStatus) -> tuple[str, ...]:
    return (
        area.tenant,
        area.area,
        area.phase,
        str(area.tickets),
        f"{area.last_hour:.1f}",
        f"{area.expected:.2f}",
        f"{area.warm_up_hours:.0f} h" if area.warm_up_hours else "none",
    )
