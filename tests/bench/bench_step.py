"""Measure the pure step: time per ticket, size of the state, quiet series, replay.

    .venv/bin/python tests/bench/bench_step.py
    .venv/bin/python tests/bench/bench_step.py --prototype detector.py

Each round is one simulated week of twelve areas (`detectors.simulation.tickets`), with slices by
region, version and channel, after five weeks of warm-up. If its file is given, ``Series.add`` of
the research prototype is timed in the same rounds; it does less (no repeats, customers, slices,
tenant, threshold, episode or passing hours). The times are valid only on a quiet machine.
"""

import argparse
import importlib.util
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from detectors.foundation import state_codec
from detectors.policy.settings import Dimension, Settings
from detectors.simulation.texts import write
from detectors.simulation.tickets import SEGMENTS, TIERS, World, tickets
from detectors.step.partition import Partition
from schemas.codec import read_ticket, to_signal
from schemas.escalation import EscalationEvent
from schemas.signals import Tick, Ticket
from stream.analysis.replay import Replay, replay_lines
from stream.inputs.ticket_files import TicketFile
from tests.bench.common import (
    against,
    headline,
    in_child,
    median,
    parser,
    repeat,
    report_to_parent,
    table,
)

WEEK: Final = 168 * 3600.0
START: Final = 1_772_409_600.0
"""Monday, 2 March 2026, UTC."""
WARM_UP_WEEKS: Final = 5
ROUNDS: Final = 5
SERIES: Final = 5_000

DIMENSIONS: Final[tuple[Dimension, ...]] = ("region", "app_version", "channel")
SLICES: Final = 30
"""Number of slices of the area whose state is measured."""

MOST_MICROSECONDS: Final = 60.0
MOST_BYTES: Final = 16_000
MOST_BYTES_OPEN: Final = 32_000
INSIDE: Final = 400
"""Number of tickets, each of another customer, of the episode whose state is measured."""
MOST_TIMES_SPARSE: Final = 1.0
MOST_TICK_MS: Final = 50.0
LEAST_PER_SECOND: Final = 15_000.0
MOST_GROWTH: Final = 1.1


SETTINGS: Final = Settings(slice_dimensions=DIMENSIONS)


def make_weeks(weeks: int) -> list[list[Ticket]]:
    """Return the signals of a simulated company by week."""
    signals_by_week: list[list[Ticket]] = [[] for _ in range(weeks)]
    for event in tickets(World(start=START, hours=weeks * 168.0, seed=11)):
        signal = to_signal(read_ticket(json.dumps(event).encode()), "simulated")
        signals_by_week[int((signal.created_at - START) // WEEK)].append(signal)
    return signals_by_week


class Ours:
    """`Partition.take` with everything included."""

    def __init__(self) -> None:
        """Create an empty partition."""
        self.partition = Partition(0, owner=1, settings=SETTINGS)

    def week(self, signals: Sequence[Ticket]) -> float:
        """Take a week of signals, and return the seconds per ticket."""
        take = self.partition.take
        started = time.perf_counter()
        for signal in signals:
            take(signal)
        return (time.perf_counter() - started) / len(signals)


class Prototype:
    """``Series.add`` of the prototype; the work at the end of each hour is timed separately."""

    def __init__(self, file: Path) -> None:
        """Load the prototype from *file*."""
        spec = importlib.util.spec_from_file_location("prototype", file)
        assert spec is not None
        assert spec.loader is not None
        self._module: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self._module)
        self._profile = [[2.0] * 168, [2.0] * 168]
        self._series: dict[str, Any] = {}
        self._hour = int(START // 3600)
        self._tenant = self._module.Series(self._hour, self._profile, 0.1, True)
        self.hours = 0.0
        """Seconds per ticket for the ends of hours in the last week."""

    @staticmethod
    def _slot(hour: int) -> int:
        return (hour + 72) % 168

    def week(self, signals: Sequence[Ticket]) -> float:
        """Add a week of signals, and return the seconds per ticket."""
        adds = hours = 0.0
        for signal in signals:
            at = signal.created_at / 3600.0
            started = time.perf_counter()
            while self._hour < int(at):
                self._hour += 1
                for series in (*self._series.values(), self._tenant):
                    series.close(self._hour, self._slot)
                    series.learn(self._hour, self._slot)
            self._tenant.counts[self._hour] += 1.0
            if signal.area not in self._series:
                self._series[signal.area] = self._module.Series(self._hour, self._profile, 0.05)
            area = self._series[signal.area]
            between = time.perf_counter()
            area.add(at, self._hour, 1.0)
            adds += time.perf_counter() - between
            hours += between - started
        self.hours = hours / len(signals)
        return adds / len(signals)


def bench_step(prototype: Path | None) -> None:
    """Measure microseconds per ticket and the size of the state afterwards."""
    weeks = make_weeks(WARM_UP_WEEKS + ROUNDS)
    ours = Ours()
    rival = Prototype(prototype) if prototype else None
    for warm_up in weeks[:WARM_UP_WEEKS]:
        ours.week(warm_up)
        if rival:
            rival.week(warm_up)
    times: list[float] = []
    adds: list[float] = []
    hours: list[float] = []
    for week in weeks[WARM_UP_WEEKS:]:
        times.append(1e6 * ours.week(week))
        if rival:
            adds.append(1e6 * rival.week(week))
            hours.append(1e6 * rival.hours)
    step = median(times)
    rows: list[Sequence[object]] = []
    if rival:
        add = median(adds)
        rows += [
            ("prototype, Series.add alone", f"{add:.1f} µs", "", ""),
            ("prototype, its hours (close, learn)", f"{median(hours):.1f} µs", "", ""),
        ]
        rows.append(("step / prototype's Series.add", f"{step / add:.2f}", "", ""))
    rows.insert(
        0,
        (
            "step, everything included, per ticket",
            f"{step:.1f} µs",
            f"<= {MOST_MICROSECONDS:g} µs",
            against(step, MOST_MICROSECONDS, most=True),
        ),
    )
    tenant = ours.partition.tenants["acme"]
    sizes = [len(series.encode()) for series in tenant.areas.values()]
    segments = [len(state_codec.encode(segment)) for segment in tenant.duplicates.segments]
    rows += [
        ("state of one area, the largest of the twelve", f"{max(sizes):,} B", "", ""),
        ("state of one area, the median", f"{median(sizes):,.0f} B", "", ""),
        ("state of the tenant itself", f"{len(tenant.encode()):,} B", "", ""),
        ("memory of repeats (48 h), per ticket", f"{_per_ticket(segments, tenant):.1f} B", "", ""),
    ]
    headline(
        "One ticket, one step", f"median of {ROUNDS} weeks of {len(weeks[-1]):,} tickets, 12 areas"
    )
    table(("", "measured", "target", ""), rows)


def _per_ticket(segments: Sequence[int], tenant: Any) -> float:
    return 2.0 * sum(segments) / max(1, len(tenant.duplicates))


def bench_state() -> None:
    """Measure the bytes of an area with many slices, young and old."""
    rows: list[Sequence[object]] = []
    for name, rate in (("2/h", 2.0), ("20/h", 20.0)):
        partition = Partition(0, owner=1, settings=SETTINGS)
        rng = random.Random(3)
        at, number = START, 0
        for weeks in (4, 16):
            while at < START + weeks * WEEK:
                at += rng.expovariate(rate / 3600.0)
                number += 1
                partition.take(sliced(rng, number, at))
            series = partition.tenants["acme"].areas["login"]
            size = len(series.encode())
            rows.append(
                (
                    f"an area of {name} with {len(series.slices.of)} slices, {weeks} weeks old",
                    f"{size:,} B",
                    f"<= {MOST_BYTES:,} B",
                    against(size, MOST_BYTES, most=True),
                )
            )
        for _ in range(INSIDE):
            at += 20.0
            number += 1
            partition.take(sliced(rng, number, at, customers=100_000))
        assert series.running is not None
        size = len(series.encode())
        rows.append(
            (
                f"the same, {INSIDE} tickets into an episode",
                f"{size:,} B",
                f"<= {MOST_BYTES_OPEN:,} B",
                against(size, MOST_BYTES_OPEN, most=True),
            )
        )
    headline("State of an area")
    table(("", "measured", "target", ""), rows)


def sliced(rng: random.Random, number: int, at: float, customers: int = 4_000) -> Ticket:
    """Return a ticket with every field, of an area with `SLICES` slices."""
    each = SLICES // len(DIMENSIONS)
    region, version, channel = (int(each * rng.random() ** 2) for _ in DIMENSIONS)
    customer = int(customers ** rng.random()) if customers < 10_000 else rng.randrange(customers)
    subject, body = write(rng, "login", "sso error", f"4.{version}.0")
    return Ticket(
        "acme",
        f"{number}",
        at,
        "login",
        customer=f"customer-{customer}",
        issue_type=rng.choice(("sso error", "locked out", "password reset")),
        region=f"region-{region}",
        app_version=f"4.{version}.0",
        channel=f"channel-{channel}",
        tier=rng.choice(TIERS),
        segment=rng.choice(SEGMENTS),
        language="en",
        source="helpdesk",
        revenue=9_600.0,
        text=f"{subject} | {body}",
        url=f"https://acme.example.com/tickets/{number}",
    )


def bench_sparse() -> None:
    """Compare a ticket of many quiet areas with a ticket of a few busy areas."""
    worlds = {
        "50 areas of 0.1/h": {f"area {number}": 0.1 for number in range(50)},
        "5 areas of 10/h": {f"area {number}": 10.0 for number in range(5)},
    }
    # The sparse world lasts ten times as long, so that it has as many tickets.
    hours = {"50 areas of 0.1/h": 10.0 * 168.0, "5 areas of 10/h": 168.0}
    weeks: dict[str, list[list[Ticket]]] = {}
    for name, areas in worlds.items():
        length = hours[name]
        world = World(START, length * (1 + ROUNDS), areas=areas, seed=13)
        weeks[name] = [[] for _ in range(1 + ROUNDS)]
        for event in tickets(world):
            signal = to_signal(read_ticket(json.dumps(event).encode()), "simulated")
            weeks[name][int((signal.created_at - START) // (length * 3600.0))].append(signal)
    ours = {name: Ours() for name in worlds}
    times: dict[str, list[float]] = {name: [] for name in worlds}
    for number in range(1 + ROUNDS):
        for name, each in ours.items():
            microseconds = 1e6 * each.week(weeks[name][number])
            if number:  # the first round is the warm-up
                times[name].append(microseconds)
    sparse, busy = (median(microseconds) for microseconds in times.values())
    headline(
        "Sparse and busy areas",
        f"median of {ROUNDS} rounds of about {len(weeks['5 areas of 10/h'][1]):,} tickets, in turn",
    )
    table(
        ("", "measured", "target", ""),
        [
            *(
                (f"a ticket, {name}", f"{median(microseconds):.1f} µs", "", "")
                for name, microseconds in times.items()
            ),
            (
                "sparse / busy",
                f"{sparse / busy:.2f}",
                f"<= {MOST_TIMES_SPARSE:g}",
                against(sparse / busy, MOST_TIMES_SPARSE, most=True),
            ),
        ],
    )
    print("Per ticket, a sparse area has a hundred times as many hours of the clock behind it.")


def bench_quiet() -> None:
    """Measure the cost of many series without tickets."""
    rows: list[Sequence[object]] = []
    for name, tenants, areas in (
        (f"one tenant, {SERIES:,} areas", 1, SERIES),
        (f"{SERIES:,} tenants, one area each", SERIES, 1),
    ):
        partition, now = _sleeping(tenants, areas)
        ticks = []
        for number in range(1, 10):
            # The fifth tick enters a new hour.
            at = now + 5.0 * number + (3600.0 if number >= 5 else 0.0)
            started = time.perf_counter()
            partition.take(Tick(at))
            ticks.append(1e3 * (time.perf_counter() - started))
        rows.append(
            (
                f"a tick, {name}",
                f"{median(ticks):.2f} ms",
                f"<= {MOST_TICK_MS:g} ms",
                against(median(ticks), MOST_TICK_MS, most=True),
            )
        )
        at = now + WEEK
        single = []
        for number in range(SERIES):
            ticket = Ticket(f"t{number % tenants}", f"late-{number}", at, area=f"a{number % areas}")
            started = time.perf_counter()
            partition.take(ticket)
            single.append(1e6 * (time.perf_counter() - started))
        rows.append((f"the first ticket after a week, {name}", f"{median(single):.0f} µs", "", ""))
        rows.append(("  all of them", f"{sum(single) / 1e6:.2f} s", "", ""))
    headline("Quiet series")
    table(("", "measured", "target", ""), rows)


def _sleeping(tenants: int, areas: int) -> tuple[Partition, float]:
    """Return a partition whose series all had three tickets, the last of them now."""
    settings = Settings(areas_per_tenant=2 * SERIES, tenants_per_partition=2 * SERIES)
    partition = Partition(0, owner=1, settings=settings)
    for day in (0, 1, 14):
        at = START + day * 86_400.0
        for number in range(SERIES):
            name, area = f"t{number % tenants}", f"a{number % areas}"
            partition.take(Ticket(name, f"{day}-{number}", at, area=area))
    return partition, START + 14 * 86_400.0


def bench_replay(count: int) -> None:
    """Measure tickets per second and peak memory for a file and for one four times as long."""
    with tempfile.TemporaryDirectory(prefix="spikewatch-bench-") as folder:
        short, long = Path(folder) / "short.jsonl", Path(folder) / "long.jsonl"
        write_tickets(short, long, count)
        figures = repeat(
            3,
            {
                "short": lambda: in_child(__file__, "--replay", str(short)),
                "long": lambda: in_child(__file__, "--replay", str(long)),
            },
        )
    rate = figures["long"]["per_second"]
    growth = figures["long"]["peak_mb"] / figures["short"]["peak_mb"]
    headline("Replay, one process", "median of 3 runs, each a process of its own")
    table(
        ("", "measured", "target", ""),
        [
            (
                f"tickets a second, {4 * count:,} tickets",
                f"{rate:,.0f}",
                f">= {LEAST_PER_SECOND:,.0f}",
                against(rate, LEAST_PER_SECOND, most=False),
            ),
            (
                f"tickets a second, {count:,} tickets",
                f"{figures['short']['per_second']:,.0f}",
                "",
                "",
            ),
            (f"peak memory, {count:,} tickets", f"{figures['short']['peak_mb']:.1f} MB", "", ""),
            (f"peak memory, {4 * count:,} tickets", f"{figures['long']['peak_mb']:.1f} MB", "", ""),
            (
                "peak memory, long / short",
                f"{growth:.3f}",
                f"<= {MOST_GROWTH}",
                against(growth, MOST_GROWTH, most=True),
            ),
        ],
    )
    print(
        "The memory of repeats is bounded: it is full after 48 hours of event time, and both files"
    )
    print("are much longer than that. Peak memory includes Python and its imports.")


def write_tickets(short: Path, long: Path, count: int) -> None:
    """Write *count* tickets to *short*, and four times as many with the same start to *long*."""
    world = World(start=START, hours=1e6, seed=12)
    with short.open("w") as one, long.open("w") as other:
        for number, event in enumerate(tickets(world)):
            if number == 4 * count:
                break
            line = json.dumps(event) + "\n"
            other.write(line)
            if number < count:
                one.write(line)


def replay_child(path: str) -> None:
    """Replay one file like ``spikewatch replay``, and report the figures to the parent."""
    replay = Replay(Settings())

    def drop(event: EscalationEvent) -> None:
        del event

    started = time.perf_counter()
    with TicketFile(path) as file:
        replay_lines(replay, iter(file), path, drop, lambda *_: None)
    seconds = time.perf_counter() - started
    unit = 1 if sys.platform == "darwin" else 1024
    report_to_parent(
        per_second=sum(replay.counts.values()) / seconds,
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6,
    )


def main(arguments: argparse.Namespace) -> None:
    """Run all parts, or one replay in a child process."""
    if arguments.replay:
        replay_child(arguments.replay)
        return
    bench_step(arguments.prototype)
    bench_state()
    bench_sparse()
    bench_quiet()
    bench_replay(arguments.tickets)


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--prototype", type=Path, help="file of the research prototype")
    options.add_argument("--tickets", type=int, default=40_000, help="in the short file")
    options.add_argument("--replay", help=argparse.SUPPRESS)
    main(options.parse_args())
