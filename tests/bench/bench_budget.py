"""Measure how well the alert budget is kept on healthy traffic, and what many areas cost.

    .venv/bin/python tests/bench/bench_budget.py
    .venv/bin/python tests/bench/bench_budget.py --seeds 4 --areas 1 12 --budgets 0.2 1 5

Each cell gives the pages per week divided by the budget, from the third week on. No traffic has an
incident. ``poisson`` has only daily and weekly seasons. ``negative binomial`` also has gamma noise
from hour to hour and from day to day. ``bursts`` has log-normal noise that lasts for hours, so that
scores have a heavy tail. ``daily`` is Poisson traffic with timestamps of whole days. The last table
gives the time per ticket of a tenant by its number of areas, at the same total rate.
"""

import itertools
import math
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from detectors.policy.settings import Settings
from detectors.state.tenant import Tenant
from detectors.step.pipeline import step
from schemas.signals import Ticket
from tests.bench.common import headline, parser, table

MONDAY = 1_767_571_200.0
"""2026-01-05 00:00 UTC."""
HOURS_PER_WEEK = 168
FIRST_WEEKS = 2
RATES = (0.1, 0.2, 0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 12.0)
"""Tickets per hour of the areas, repeated; for one area, `ALONE`."""
ALONE = 3.0
PROCESSES = ("poisson", "negative binomial", "bursts", "daily")
MANY = 100
"""From this number of areas, all have the same low rate, so that the total stays `TOTAL`."""
TOTAL = 40.0


class Cell(NamedTuple):
    """One simulation."""

    process: str
    areas: int
    budget: float
    seed: int
    weeks: int


def noise(process: str, hours: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return the factor of each hour."""
    if process == "negative binomial":
        by_hour = rng.gamma(1 / 0.1, 0.1, hours)
        by_day = np.repeat(rng.gamma(1 / 0.05, 0.05, hours // 24 + 1), 24)[:hours]
        return np.asarray(by_hour * by_day)
    if process == "bursts":
        log = np.zeros(hours)
        shocks = rng.normal(0.0, 0.3, hours)
        for hour in range(1, hours):
            log[hour] = 0.85 * log[hour - 1] + shocks[hour]
        return np.asarray(np.exp(log - log.var() / 2.0))
    return np.ones(hours)


def tickets(cell: Cell) -> Iterator[Ticket]:
    """Yield the tickets of a cell in their order."""
    rng = np.random.default_rng([cell.seed, cell.areas, PROCESSES.index(cell.process)])
    length = cell.weeks * HOURS_PER_WEEK
    clock = np.arange(length)
    shape = 0.3 + np.exp(-0.5 * ((clock % 24 - 13.0) / 4.0) ** 2)
    shape *= np.where(clock // 24 % 7 >= 5, 0.4, 1.0)
    shape /= shape.mean()
    found: list[tuple[float, int]] = []
    for area in range(cell.areas):
        rate = RATES[area % len(RATES)] if cell.areas > 1 else ALONE
        if cell.areas >= MANY:
            rate = TOTAL / cell.areas
        counts = rng.poisson(rate * shape * noise(cell.process, length, rng))
        times = np.repeat(clock, counts) + rng.random(int(counts.sum()))
        found += [(at, area) for at in times.tolist()]
    for number, (at, area) in enumerate(sorted(found)):
        hours = 24.0 * math.floor(at / 24.0) if cell.process == "daily" else at
        created = MONDAY + 3600.0 * hours
        yield Ticket("acme", f"T-{number}", created_at=created, area=f"area {area}")


def ratio(cell: Cell) -> float:
    """Return the pages per week of one simulation, divided by the budget."""
    settings = Settings(false_pages_per_week=cell.budget)
    tenant = Tenant("acme", settings)
    begin = MONDAY + FIRST_WEEKS * HOURS_PER_WEEK * 3600.0
    pages = 0
    for ticket in tickets(cell):
        for event in step(tenant, ticket, settings).escalations:
            is_page = event.transition in ("opened", "reopened") and event.data.suppressed is None
            pages += is_page and ticket.created_at >= begin
    return pages / (cell.weeks - FIRST_WEEKS) / cell.budget


def cost(areas: int) -> float:
    """Return the microseconds per ticket of a tenant with a number of areas."""
    cell = Cell("poisson", areas, 1.0, 1, 4)
    settings = Settings(areas_per_tenant=10_000)
    tenant = Tenant("acme", settings)
    arrivals = list(tickets(cell))
    half = len(arrivals) // 2
    for ticket in arrivals[:half]:
        step(tenant, ticket, settings)
    begin = time.perf_counter()
    for ticket in arrivals[half:]:
        step(tenant, ticket, settings)
    return (time.perf_counter() - begin) / (len(arrivals) - half) * 1e6


def main() -> None:
    """Run the simulations and print the tables."""
    arguments = parser(__doc__)
    arguments.add_argument("--seeds", type=int, default=3, help="simulations per cell")
    arguments.add_argument("--weeks", type=int, default=14, help="weeks of each simulation")
    arguments.add_argument("--areas", type=int, nargs="+", default=[1, 12], help="areas")
    arguments.add_argument("--budgets", type=float, nargs="+", default=[0.2, 1.0, 5.0])
    arguments.add_argument("--processes", type=int, default=2, help="processes")
    chosen = arguments.parse_args()
    headline("False pages divided by the budget, from the third week on")
    groups = list(itertools.product(PROCESSES, chosen.areas, chosen.budgets))
    cells = [
        Cell(process, areas, budget, seed, chosen.weeks)
        for process, areas, budget in groups
        for seed in range(chosen.seeds)
    ]
    with ProcessPoolExecutor(chosen.processes) as pool:
        ratios = list(pool.map(ratio, cells))
    rows = []
    for number, (process, areas, budget) in enumerate(groups):
        of_cell = ratios[number * chosen.seeds : (number + 1) * chosen.seeds]
        mean = statistics.fmean(of_cell)
        verdict = "ok" if 0.5 <= mean <= 1.5 else "MISSED"
        spread = f"{min(of_cell):.2f}-{max(of_cell):.2f}"
        rows.append((process, areas, f"{budget:g}", f"{mean:.2f}", spread, verdict))
    table(("process", "areas", "budget", "mean", "seeds", "0.5 to 1.5"), rows)
    headline("Time per ticket by the number of areas, at the same total rate")
    times = {areas: cost(areas) for areas in (12, 700, 5_000)}
    table(
        ("areas", "us/ticket", "of 12 areas"),
        [(areas, f"{us:.0f}", f"{us / times[12]:.2f}") for areas, us in times.items()],
    )


if __name__ == "__main__":
    main()
