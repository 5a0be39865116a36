"""How soon a spike on steady traffic is found, against the bound and at what false pages.

    .venv/bin/python tests/bench/bench_delay.py
    .venv/bin/python tests/bench/bench_delay.py --rates 3 --models cusum_bank --series 200
    .venv/bin/python tests/bench/bench_delay.py --rates 0.5,3,20 --healthy 100

One area of one tenant, so many tickets an hour around the clock, gamma noise between hours
(variance 0.05), none between days; eight to twelve weeks of warm-up; then complaints come 2, 3, 5
or 10 times as fast until they are found, for two days at most (a miss counts as infinite). The
budget is one false page a quarter for this one series. What is really spent is counted on long
healthy runs beside it: a delay says nothing without it.

The bound is Lorden's first-order figure log(ARL) / (rate KL), KL = m log m - m + 1, ARL in expected
tickets. It is asymptotic and for the mean from the worst start: the *median* of a detector that
knows rate and multiple is 0.5 to 0.85 of it. Everything here is machine-independent.
"""

import argparse
import copy
import math
import random
from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from typing import Final, NamedTuple

from detectors.pipeline import step
from detectors.settings import ModelName, Settings
from detectors.simulate import HOUR
from detectors.tenant import Tenant
from schemas.signals import Tick, Ticket
from tests.bench.common import against, headline, median, parser, quantile, table

START: Final = 1_772_409_600.0
"""Monday, 2 March 2026, UTC."""
QUARTER_WEEKS: Final = 13.0
MULTIPLES: Final = (2.0, 3.0, 5.0, 10.0)
HOUR_NOISE: Final = 0.05
WARM_UP_WEEKS: Final = (8.0, 12.0)
LONGEST_HOURS: Final = 48.0
MOST_TIMES_BOUND: Final = 1.5

DESIGN: Final = {(3.0, 2.0): 469, (3.0, 3.0): 132, (3.0, 5.0): 61, (3.0, 10.0): 18} | {
    (0.5, 3.0): 583,
    (0.5, 5.0): 280,
    (0.5, 10.0): 93,
}
"""Median minutes of the research prototype's exact-likelihood bank."""


class Job(NamedTuple):
    """One series to be made."""

    model: ModelName
    rate: float
    seed: int
    healthy_weeks: float
    """0: a warm-up and one incident of each multiple; else so long and nothing else."""


class Found(NamedTuple):
    """What one series gave."""

    job: Job
    delays: tuple[float, ...]
    """Minutes, by multiple; empty where an episode ran when the incidents began."""
    false_pages: int
    weeks: float
    """In which those false pages came."""


class Traffic:
    """Tickets of one area, an hour at a time."""

    def __init__(self, rate: float, name: str) -> None:
        """Nothing came yet; *name* is the seed, and in front of the tickets' numbers."""
        self._rate, self._name, self._rng = rate, name, random.Random(name)
        self._number = 0

    def until(self, at: float, end: float, multiple: float = 1.0) -> Iterator[Ticket]:
        """Tickets from *at* to *end*; the noise changes on the hour."""
        while at < end:
            stop = min(end, (at // HOUR + 1.0) * HOUR)
            noise = self._rng.gammavariate(1.0 / HOUR_NOISE, HOUR_NOISE)
            per_second = self._rate * multiple * noise / HOUR
            at += self._rng.expovariate(per_second)
            while at < stop:
                self._number += 1
                yield Ticket("t", f"{self._name} {self._number}", at, area="a", mode="simulated")
                at += self._rng.expovariate(per_second)
            at = stop


def settings_for(model: ModelName) -> Settings:
    """One false page a quarter; an episode that ended is over, so that each page is its own."""
    return Settings(false_pages_per_week=1.0 / QUARTER_WEEKS, model=model, cooldown_minutes=0)


def run(job: Job) -> Found:
    """One series: warm-up and incidents, or healthy weeks."""
    settings = settings_for(job.model)
    tenant = Tenant("t", settings)
    rng = random.Random(f"{job.seed} start")
    traffic = Traffic(job.rate, f"warm-up {job.seed}")
    warm = START + HOUR * 168.0 * rng.uniform(*WARM_UP_WEEKS)
    for ticket in traffic.until(START, warm):
        step(tenant, ticket, settings)
    if job.healthy_weeks:
        pages = 0
        end = warm + HOUR * 168.0 * job.healthy_weeks
        for ticket in traffic.until(warm, end):
            done = step(tenant, ticket, settings)
            pages += sum(event.transition == "opened" for event in done.escalations)
        return Found(job, (), pages, job.healthy_weeks)
    step(tenant, Tick(warm, "t"), settings)
    if tenant.running:
        return Found(job, (), 0, 0.0)
    return Found(job, tuple(_delay(job, tenant, settings, warm, m) for m in MULTIPLES), 0, 0.0)


def _delay(job: Job, before: Tenant, settings: Settings, begin: float, multiple: float) -> float:
    tenant = copy.deepcopy(before)
    traffic = Traffic(job.rate, f"incident {job.seed} {multiple}")
    for ticket in traffic.until(begin, begin + LONGEST_HOURS * HOUR, multiple):
        if step(tenant, ticket, settings).escalations:
            return (ticket.created_at - begin) / 60.0
    return math.inf


def bound(rate: float, multiple: float) -> float:
    """Lorden's first-order delay in minutes, at one false alarm a quarter."""
    information = multiple * math.log(multiple) - multiple + 1.0
    return 60.0 * math.log(QUARTER_WEEKS * 168.0 * rate) / (rate * information)


def show(rate: float, models: Sequence[ModelName], found: Sequence[Found]) -> None:
    """The table of one rate."""
    ours = [one for one in found if one.job.rate == rate]
    rows: list[Sequence[object]] = []
    for model in models:
        of_model = [one for one in ours if one.job.model == model]
        weeks = sum(one.weeks for one in of_model)
        pages = sum(one.false_pages for one in of_model)
        quarters = max(weeks / QUARTER_WEEKS, 1e-9)
        spent = f"{pages / quarters:.2f} ± {math.sqrt(max(pages, 1)) / quarters:.2f}"
        for place, multiple in enumerate(MULTIPLES):
            delays = [one.delays[place] for one in of_model if one.delays]
            middle, limit = median(delays), bound(rate, multiple)
            design = DESIGN.get((rate, multiple)) if model == "cusum_bank" else None
            rows.append(
                (
                    f"{model}, x{multiple:g}",
                    f"{middle:.0f}",
                    f"{quantile(delays, 0.9):.0f}",
                    f"{sum(map(math.isinf, delays))}/{len(delays)}",
                    f"{limit:.0f}",
                    f"{middle / limit:.2f}",
                    f"<= {MOST_TIMES_BOUND}",
                    against(middle / limit, MOST_TIMES_BOUND, most=True)
                    if model == "cusum_bank"
                    else "",
                    design or "",
                    spent if place == 0 else "",
                )
            )
    print(f"{rate:g} tickets an hour")
    table(
        (
            "",
            "median min",
            "90 %",
            "missed",
            "bound",
            "ratio",
            "target",
            "",
            "design",
            "false pages/quarter (budget 1)",
        ),
        rows,
    )


def main(arguments: argparse.Namespace) -> None:
    """Make all series, two at a time, and print a table for each rate."""
    headline("Detection delay on steady traffic", "the ratio is machine-independent")
    rates = [float(rate) for rate in arguments.rates.split(",")]
    models: list[ModelName] = arguments.models.split(",")
    jobs = [
        Job(model, rate, seed, 0.0)
        for rate in rates
        for model in models
        for seed in range(arguments.series)
    ]
    jobs += [
        Job(model, rate, 10_000 + seed, arguments.weeks)
        for rate in rates
        for model in models
        for seed in range(arguments.healthy)
    ]
    with get_context("spawn").Pool(arguments.processes) as pool:
        found = list(pool.imap_unordered(run, jobs, chunksize=4))
    for rate in rates:
        show(rate, models, found)


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--rates", default="0.5,3", help="tickets an hour, with commas between")
    options.add_argument(
        "--models", default="cusum_bank,gaussian,half_space_trees", help="with commas between"
    )
    options.add_argument("--series", type=int, default=120, help="incidents a cell")
    options.add_argument("--healthy", type=int, default=40, help="series that stay healthy")
    options.add_argument("--weeks", type=float, default=26.0, help="how long, after the warm-up")
    options.add_argument("--processes", type=int, default=2)
    main(options.parse_args())
