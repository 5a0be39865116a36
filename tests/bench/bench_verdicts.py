"""Measure the effect of false-alarm verdicts on a weekly batch and on real incidents.

    .venv/bin/python tests/bench/bench_verdicts.py --seeds 40

Each simulated company (`detectors.evaluation.synthetic.company`) runs for eight healthy weeks. Then
one of its areas gets an unannounced burst every week at the same hour. In every second company the
burst has a channel of its own; in the others it consists of ordinary tickets. Its first two pages
get the verdict `false_alarm` two hours later (one page, if the first verdict is enough). The same
weeks also run without verdicts.

The benchmark counts the pages for the burst in the four weeks after the second page without
verdicts, and the share of incidents that are detected in copies of both tenants. The incidents have
four times the rate for two hours, at random times in those weeks, in the same area. Some more
incidents with other causes begin at the hour of the burst. An incident of the size of the burst and
without values of its own cannot be distinguished from the burst, so these have no target.
"""

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from detectors.evaluation.experiments.page_recorder import PageRecorder, run_signals
from detectors.evaluation.synthetic.company import Spec, World
from detectors.evaluation.synthetic.traffic import Feed, Surge
from detectors.foundation.units import HOURS_PER_WEEK, SECONDS_PER_HOUR
from detectors.policy.settings import Settings
from detectors.state.tenant import Tenant
from detectors.step.pipeline import step
from schemas.signals import Tick, Ticket, Verdict
from tests.bench.common import against, headline, parser, table

WARM_WEEKS: Final = 8
WEEKS: Final = 4
"""Number of weeks after the second page without verdicts."""
MOST_WEEKS: Final = 12
"""Number of weeks within which the second page must be sent."""
INCIDENTS: Final = 6
AT_THE_HOUR: Final = 2
AREA: Final = 3
"""Index among six areas from 0.5 to 20 tickets an hour; this one has 4.6 an hour."""
MULTIPLE: Final = 4.0
LEAST_FEWER: Final = 80.0
LEAST_FOUND: Final = 90.0
SETTINGS: Final = Settings(timezone="Europe/Berlin", country="DE")


@dataclass
class Outcome:
    """Pages for the burst in each week, and detected incidents, of one company."""

    seed: int
    with_verdicts: list[int] = field(default_factory=list)
    without: list[int] = field(default_factory=list)
    incidents: list[tuple[bool, bool]] = field(default_factory=list)
    """Whether each incident was detected without and with verdicts."""
    at_the_hour: list[tuple[bool, bool]] = field(default_factory=list)


class Company:
    """A world whose area `AREA` gets a burst each week at the same hour."""

    def __init__(self, seed: int) -> None:
        """Draw the time and size of the burst, and what its tickets have in common."""
        self.world = World(Spec(seed=seed, areas=6, lowest_rate=0.5, highest_rate=20.0))
        self.area = self.world.names[AREA]
        rng = np.random.default_rng([seed, 77])
        self.slot = int(rng.integers(0, 5)) * 24 + int(rng.integers(6, 20))
        self.size = float(rng.uniform(20.0, 45.0))
        self.minutes = float(rng.uniform(10.0, 40.0))
        self.channel = "batch" if seed % 2 else None
        self._rng = rng
        self._trunk = Feed(self.world, [0])

    def begins(self, hour: int) -> bool:
        """Return whether the burst begins in that hour, by local time."""
        local = self.world.local(hour)
        grown = hour - self.world.spec.first_hour >= HOURS_PER_WEEK * WARM_WEEKS
        return grown and local.weekday() * 24 + local.hour == self.slot

    def hour(self, hour: int) -> list[Ticket]:
        """Return the tickets of an hour; each hour may be read only once."""
        tickets = self._trunk.hour(hour)
        return sorted([*tickets, *self.burst(hour)], key=lambda ticket: ticket.created_at)

    def burst(self, hour: int) -> list[Ticket]:
        """Return the tickets of the burst if it begins in that hour."""
        if not self.begins(hour):
            return []
        rng = self._rng
        begin = hour * SECONDS_PER_HOUR + rng.uniform(0.0, 600.0)
        count = int(rng.poisson(self.size * rng.gamma(50.0, 0.02)))
        times = np.sort(begin + rng.random(count) * self.minutes * 60.0)
        names = self.world.customer_names
        return [
            Ticket(
                "acme",
                f"batch-{hour}-{number}",
                round(at, 3),
                self.area,
                mode="simulated",
                customer=names[int(rng.integers(len(names)))],
                region=("eu", "us", "apac")[int(rng.integers(3))],
                channel=self.channel or ("web", "email", "chat")[int(rng.integers(3))],
            )
            for number, at in enumerate(times.tolist())
        ]


class Run:
    """One tenant with its pages and its verdicts."""

    def __init__(self, answers: bool) -> None:
        """Create a tenant; *answers* is whether the first two pages are called false alarms."""
        self.tenant, self.watch = Tenant("acme", SETTINGS), PageRecorder()
        self._answers = answers
        self.verdict_hours: list[int] = []
        """Hours in which a page got the verdict of a false alarm."""

    def take(self, tickets: Sequence[Ticket], hour: int) -> None:
        """Take the tickets of an hour, and its end."""
        run_signals(self.tenant, tickets, SETTINGS, self.watch)
        run_signals(
            self.tenant, (Tick((hour + 1) * SECONDS_PER_HOUR, "acme"),), SETTINGS, self.watch
        )

    def answer(self, hour: int, area: str) -> None:
        """Give a verdict if the burst of two hours ago paged."""
        if not self._answers or len(self.verdict_hours) >= 2 or not self.pages(hour - 2, area):
            return
        page = next((page for page in reversed(self.tenant.pages) if page.key == area), None)
        if page is None:  # the area's episode became tenant-wide
            return
        verdict = Verdict("acme", page.episode_id, "false_alarm", hour * SECONDS_PER_HOUR)
        step(self.tenant, verdict, SETTINGS)
        self.verdict_hours.append(hour)

    def pages(self, hour: int, area: str) -> int:
        """Return the number of pages about *area* in the two hours from *hour* on."""
        return sum(
            page.area == area and hour * SECONDS_PER_HOUR <= page.at < (hour + 2) * SECONDS_PER_HOUR
            for page in self.watch.pages
            if page.transition in ("opened", "reopened")
        )


def run_company(seed: int) -> Outcome | None:
    """Run one company; return None if the burst did not page twice in time."""
    company, outcome = Company(seed), Outcome(seed)
    runs = (Run(answers=False), Run(answers=True))
    without_verdicts, with_verdicts = runs
    begin = company.world.spec.first_hour
    bursts: list[int] = []
    until = begin + HOURS_PER_WEEK * (WARM_WEEKS + MOST_WEEKS)
    rng = np.random.default_rng([seed, 78])
    starts: dict[int, list[bool]] = {}
    hour, paged = begin, 0
    while hour < until:
        for number, at_the_hour in enumerate(starts.get(hour, ())):
            detected = outcome.at_the_hour if at_the_hour else outcome.incidents
            detected.append(_incident(company, runs, hour, number))
        tickets = company.hour(hour)
        for each in runs:
            each.take(tickets, hour)
        if paged >= 2 and company.begins(hour):
            bursts.append(hour)
        if company.begins(hour - 2):
            with_verdicts.answer(hour, company.area)
            if paged < 2 and without_verdicts.pages(hour - 2, company.area):
                paged += 1
                if paged == 2:
                    until = hour + HOURS_PER_WEEK * WEEKS
                    starts = _starts(company, rng, hour)
        hour += 1
    if len(bursts) < WEEKS:
        return None
    outcome.with_verdicts = [with_verdicts.pages(hour, company.area) for hour in bursts]
    outcome.without = [without_verdicts.pages(hour, company.area) for hour in bursts]
    return outcome


def _starts(company: Company, rng: np.random.Generator, now: int) -> dict[int, list[bool]]:
    """Return the hours in which incidents begin, at random times or with the burst."""
    starts: dict[int, list[bool]] = {}
    for _ in range(INCIDENTS):
        starts.setdefault(now + int(rng.integers(6, HOURS_PER_WEEK * WEEKS - 6)), []).append(False)
    hours = [hour for hour in range(now, now + HOURS_PER_WEEK * WEEKS) if company.begins(hour)]
    for hour in hours[:AT_THE_HOUR]:
        starts.setdefault(hour, []).append(True)
    return starts


def _incident(company: Company, runs: Sequence[Run], hour: int, number: int) -> tuple[bool, bool]:
    """Return whether each tenant detects an incident, without and with verdicts."""
    branch = Feed(company.world, [1, hour, number])
    start = hour * SECONDS_PER_HOUR + 300.0
    surge = Surge(start=start, end=start + 2.0 * SECONDS_PER_HOUR, multiple=MULTIPLE, area=AREA)
    tickets = [(at, branch.hour(at, (surge,))) for at in range(hour, hour + 3)]
    detected = []
    for each in runs:
        tenant, watch = each.tenant.copy(), PageRecorder()
        for at, hour_tickets in tickets:
            run_signals(tenant, hour_tickets, SETTINGS, watch)
            run_signals(tenant, (Tick((at + 1) * SECONDS_PER_HOUR, "acme"),), SETTINGS, watch)
        detected.append(
            watch.first(start, start + 2.0 * SECONDS_PER_HOUR, company.area) is not None
        )
    return detected[0], detected[1]


def main(arguments: argparse.Namespace) -> None:
    """Run all companies and print the table."""
    seeds = range(1, arguments.seeds + 1)
    with ProcessPoolExecutor(arguments.processes) as pool:
        outcomes = [outcome for outcome in pool.map(run_company, seeds) if outcome is not None]
    headline(
        "A weekly burst that is called false twice", f"{len(outcomes)} companies that paged twice"
    )
    rows = []
    for name, chosen in (
        ("of a channel of its own", [outcome for outcome in outcomes if outcome.seed % 2]),
        ("of ordinary tickets", [outcome for outcome in outcomes if not outcome.seed % 2]),
        ("together", outcomes),
    ):
        without = sum(sum(outcome.without) for outcome in chosen)
        after = sum(sum(outcome.with_verdicts) for outcome in chosen)
        fewer = 100.0 * (1.0 - after / max(without, 1))
        rows.append(
            (
                f"pages for it in the four weeks after, {name}",
                f"{without} -> {after}",
                f"{fewer:.1f} % fewer",
                f">= {LEAST_FEWER:g} %",
                against(fewer, LEAST_FEWER, most=False),
            )
        )
    for name, pairs, target in (
        (
            "incidents found there",
            [p for outcome in outcomes for p in outcome.incidents],
            LEAST_FOUND,
        ),
        (
            "those that begin with the burst",
            [p for outcome in outcomes for p in outcome.at_the_hour],
            0.0,
        ),
    ):
        before = sum(without_verdicts for without_verdicts, _ in pairs)
        kept = sum(without_verdicts and with_verdicts for without_verdicts, with_verdicts in pairs)
        share = 100.0 * kept / max(before, 1)
        rows.append(
            (
                f"{name} ({len(pairs)})",
                f"{before} -> {kept}",
                f"{share:.1f} % of them",
                f">= {target:g} %" if target else "none",
                against(share, target, most=False) if target else "",
            )
        )
    table(("", "without -> with", "", "target", ""), rows)


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--seeds", type=int, default=40)
    options.add_argument("--processes", type=int, default=2)
    main(options.parse_args())
