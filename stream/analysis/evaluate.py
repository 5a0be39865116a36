"""Runner of `detectors.evaluation`: sizes, jobs and processes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from typing import Final, Literal

import msgspec

from detectors.evaluation.experiments.benign_run import SEASONS, BenignRun, run_benign_events
from detectors.evaluation.experiments.company_run import (
    CompanyRun,
    Healthy,
    Plan,
    healthy_weeks,
    run_company,
)
from detectors.evaluation.experiments.comparison import Comparison, compare_methods, rival_tables
from detectors.evaluation.experiments.oracle_cusum import SteadyTraffic
from detectors.evaluation.experiments.regression import Recorded, record
from detectors.evaluation.experiments.scoring import (
    guard_table,
    healthy_table,
    hidden_table,
    incident_table,
)
from detectors.evaluation.experiments.steady_traffic import (
    DISPERSIONS,
    QUARTER_WEEKS,
    RATES,
    WARM_WEEKS,
    SteadyCell,
    play_cell,
    steady_table,
)
from detectors.evaluation.synthetic.company import Spec
from detectors.evaluation.synthetic.incidents import KINDS
from detectors.evaluation.tables import Table
from detectors.policy.settings import Settings
from stream.analysis import surveillance

Part = Literal["healthy", "incidents", "guards", "steady", "rivals"]
PARTS: Final[tuple[Part, ...]] = ("healthy", "incidents", "guards", "steady", "rivals")


@dataclass(frozen=True, kw_only=True)
class Size:
    """Size of an evaluation."""

    incident_seeds: int = 30
    per_class: int = 7
    """Number of incidents of each class per seed."""
    shifts: int = 7
    """Number of level shifts per seed; each takes 18 days."""
    warm_weeks: int = 8
    weeks: int = 6
    healthy_seeds: int = 20
    healthy_weeks: int = 26
    cells: tuple[tuple[int, float], ...] = ((10, 60.0), (50, 20.0))
    """Pairs of the number of areas of a tenant and the tickets per hour of the busiest area."""
    budgets: tuple[float, ...] = (0.2, 1.0, 5.0)
    highest_rate: float = 60.0
    """Tickets per hour of the busiest area in companies with incidents or benign events."""
    guard_seeds: int = 20
    guard_weeks: int = 3
    per_guard: int = 10
    """Number of benign events of each guard per seed; a fifth of that for new tenants."""
    spikes: int = 15
    """Number of real spikes beside a noisy customer, per seed."""
    steady_seeds: int = 6
    steady_weeks: int = 32
    steady_rates: tuple[float, ...] = RATES
    steady_days: float = 5.0
    """Number of days between injected incidents."""
    surveillance: bool = True
    """Whether methods from R are compared too, which adds two minutes per company."""
    first_seed: int = 1


FULL: Final = Size()
QUICK: Final = Size(
    incident_seeds=4,
    per_class=8,
    shifts=3,
    warm_weeks=6,
    weeks=5,
    healthy_seeds=2,
    healthy_weeks=8,
    guard_seeds=2,
    per_guard=4,
    spikes=8,
    steady_seeds=2,
    steady_weeks=20,
    steady_rates=(0.5, 3.0, 20.0),
    surveillance=False,
)
REDUCED_PARTS: Final[tuple[Part, ...]] = ("healthy", "incidents", "guards")
REDUCED: Final = Size(
    incident_seeds=2,
    per_class=3,
    shifts=1,
    warm_weeks=5,
    weeks=2,
    healthy_seeds=6,
    healthy_weeks=8,
    cells=((10, 20.0),),
    budgets=(1.0,),
    highest_rate=30.0,
    guard_seeds=1,
    per_guard=4,
    spikes=0,
    steady_seeds=1,
    steady_weeks=20,
    steady_rates=(3.0,),
    surveillance=False,
)


@dataclass(frozen=True, kw_only=True)
class Job:
    """Unit of work for one process."""

    part: Part
    spec: Spec
    settings: Settings
    size: Size
    kinds: tuple[str, ...] = KINDS
    steady: SteadyTraffic | None = None

    @property
    def cost(self) -> float:
        """Return the approximate number of tickets that the job processes, in millions."""
        spec, size = self.spec, self.size
        if self.steady is not None:
            weeks = size.steady_seeds * (WARM_WEEKS + 1.5 * size.steady_weeks)
            return weeks * 168.0 * (self.steady.rate + 5.0) / 1e6
        ratio: float = (spec.highest_rate / spec.lowest_rate) ** (1.0 / max(spec.areas - 1, 1))
        weekly = 168.0 * spec.highest_rate / (1.0 - 1.0 / ratio) / 1e6
        if self.part == "healthy":
            return weekly * size.healthy_weeks * len(size.budgets)
        if self.part == "guards":
            return weekly * (size.warm_weeks + size.guard_weeks + 6.0 * size.per_guard)
        return weekly * (size.warm_weeks + size.weeks + 1.3 * size.per_class + 2.6 * size.shifts)


@dataclass
class Results:
    """Measurements under one configuration."""

    travelled: list[CompanyRun] = field(default_factory=list)
    healthy: list[Healthy] = field(default_factory=list)
    patrolled: list[BenignRun] = field(default_factory=list)
    steady: list[SteadyCell] = field(default_factory=list)
    contested: list[Comparison] = field(default_factory=list)
    seconds: float = 0.0

    def record(self) -> Recorded:
        """Return the figures that a later run is compared with."""
        played = [one for each in self.travelled for one in each.played]
        healthy = [*self.healthy, *(each.healthy for each in self.travelled)]
        return record(played, healthy, self.patrolled)

    def tables(self) -> list[Table]:
        """Return the tables of all parts that were run."""
        all_tables = []
        if self.healthy:
            all_tables.append(healthy_table(self.healthy))
        if self.travelled:
            played = [one for each in self.travelled for one in each.played]
            skipped = sum(each.skipped for each in self.travelled)
            title = f"Incidents (on {len(self.travelled)} companies; {skipped} fell into episodes)"
            all_tables.append(incident_table(played, title))
            trunks = [each.healthy for each in self.travelled]
            all_tables.append(healthy_table(trunks, "The same companies without incidents"))
        if self.patrolled:
            trunks = [each.healthy for each in self.travelled]
            trunks += [each.healthy for each in self.patrolled]
            all_tables += [guard_table(self.patrolled, trunks), hidden_table(self.patrolled)]
        if self.steady:
            all_tables.append(steady_table(self.steady))
        if self.contested:
            all_tables += rival_tables(self.contested)
        return all_tables


def jobs_for(
    settings: Settings, size: Size, parts: Sequence[Part], kinds: Sequence[str] = KINDS
) -> list[Job]:
    """Return the jobs, most expensive first, so that no long job is left for the end."""
    seeds = range(
        size.first_seed,
        size.first_seed + max(size.incident_seeds, size.healthy_seeds, size.guard_seeds),
    )
    jobs = []
    for seed in seeds:
        place = seed - size.first_seed
        company = Spec(seed=seed, highest_rate=size.highest_rate)
        if "healthy" in parts and place < size.healthy_seeds:
            jobs += [
                _job("healthy", Spec(seed=seed, areas=areas, highest_rate=rate), settings, size)
                for areas, rate in size.cells
            ]
        if place < size.incident_seeds and ("incidents" in parts or "rivals" in parts):
            part: Part = (
                "rivals" if "rivals" in parts else "incidents"
            )  # includes the run of incidents
            jobs.append(_job(part, company, settings, size, tuple(kinds)))
        if "guards" in parts and place < size.guard_seeds:
            season = SEASONS[seed % len(SEASONS)] - size.warm_weeks
            jobs.append(_job("guards", replace(company, first_week=season), settings, size))
    if "steady" in parts:
        jobs += [
            Job(
                part="steady",
                spec=Spec(seed=size.first_seed),
                settings=_one_a_quarter(settings),
                size=size,
                steady=SteadyTraffic(rate, dispersion),
            )
            for rate in size.steady_rates
            for dispersion in DISPERSIONS
        ]
    return sorted(jobs, key=lambda job: -job.cost)


Found = CompanyRun | Comparison | BenignRun | SteadyCell | list[Healthy]


def work(job: Job) -> Found:
    """Run one job, in any process."""
    size = job.size
    if job.part == "healthy":
        budgets = [
            msgspec.structs.replace(job.settings, false_pages_per_week=budget)
            for budget in size.budgets
        ]
        return healthy_weeks(job.spec, budgets, size.healthy_weeks)
    if job.steady is not None:
        seeds = range(size.first_seed, size.first_seed + size.steady_seeds)
        return play_cell(job.settings, job.steady, seeds, size.steady_weeks, size.steady_days)
    if job.part == "guards":
        plan = Plan(
            spec=job.spec,
            settings=job.settings,
            warm_weeks=size.warm_weeks,
            weeks=size.guard_weeks,
        )
        return run_benign_events(plan, size.per_guard, size.spikes)
    counts = {kind: size.shifts if kind == "level shift" else size.per_class for kind in job.kinds}
    plan = Plan(
        spec=job.spec,
        settings=job.settings,
        warm_weeks=size.warm_weeks,
        weeks=size.weeks,
        incidents=counts,
    )
    if job.part != "rivals":
        return run_company(plan)
    contested = compare_methods(plan)
    if size.surveillance and surveillance.available():
        return surveillance.join(contested, job.spec, size.warm_weeks)
    # Only R's methods need the counts, which are large.
    met = tuple(replace(one, counts={}) for one in contested.met)
    return replace(contested, counts={}, met=met)


def run(
    jobs: Sequence[Job], processes: int, report_progress: Callable[[float], None] = lambda _: None
) -> Results:
    """Run all jobs; the results do not depend on the number of processes.

    Args:
        jobs: The jobs.
        processes: Number of processes.
        report_progress: Called with the cost of each finished job.
    """
    begin = time.perf_counter()
    results = Results()
    done: list[tuple[int, Found]] = []
    if processes == 1:
        for place, job in enumerate(jobs):
            done.append((place, work(job)))
            report_progress(job.cost)
    else:
        with get_context("spawn").Pool(processes) as pool:
            for place, found in pool.imap_unordered(_numbered, list(enumerate(jobs))):
                done.append((place, found))
                report_progress(jobs[place].cost)
    for _, found in sorted(done, key=lambda one: one[0]):
        if isinstance(found, CompanyRun):
            results.travelled.append(found)
        elif isinstance(found, Comparison):
            results.travelled.append(found.travelled)
            results.contested.append(found)
        elif isinstance(found, BenignRun):
            results.patrolled.append(found)
        elif isinstance(found, SteadyCell):
            results.steady.append(found)
        else:
            results.healthy += found
    results.seconds = time.perf_counter() - begin
    return results


def _numbered(job: tuple[int, Job]) -> tuple[int, Found]:
    return job[0], work(job[1])


def _job(
    part: Part, spec: Spec, settings: Settings, size: Size, kinds: tuple[str, ...] = KINDS
) -> Job:
    """Return a job with the time zone and the holidays of its simulated company."""
    company_settings = msgspec.structs.replace(
        settings, timezone=spec.timezone, country=spec.country
    )
    return Job(part=part, spec=spec, settings=company_settings, size=size, kinds=kinds)


def _one_a_quarter(settings: Settings) -> Settings:
    """Return settings with a budget of one false page per series and quarter, without reopening."""
    return msgspec.structs.replace(
        settings,
        false_pages_per_week=1.0 / QUARTER_WEEKS,
        cooldown_minutes=0,
        timezone="UTC",
        country="",
        events=(),
    )
