"""Steady traffic: compare the product with an oracle at the same number of false alarms.

The traffic is one area of one tenant with a constant rate, Poisson or with gamma noise from hour to
hour. Long healthy runs measure how often the product really pages. Incidents branch off them and
last until they are found, or for four times Lorden's bound. The threshold of the oracle is set so
that it has as many false alarms as the product.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.evaluation.experiments import oracle_cusum
from detectors.evaluation.experiments.oracle_cusum import SteadyTraffic
from detectors.evaluation.experiments.page_recorder import PageRecorder, fork, run_signals
from detectors.evaluation.synthetic.company import FIRST_MONDAY
from detectors.evaluation.tables import Share, Table, minutes, number, quantile, verdict
from detectors.foundation.units import HOURS_PER_WEEK, SECONDS_PER_HOUR
from detectors.policy.settings import Settings
from detectors.state.tenant import Tenant
from detectors.step.pipeline import step
from schemas.signals import Signal, Tick, Ticket

QUARTER_WEEKS: Final = 13.0
RATES: Final = (0.5, 3.0, 20.0, 100.0)
DISPERSIONS: Final = (0.0, 0.05)
MULTIPLES: Final = (2.0, 3.0, 5.0, 10.0)
WARM_WEEKS: Final = 8
MOST_TIMES_ORACLE: Final = 1.25
LEAST_FOUND: Final = 0.95
"""The lowest acceptable share of incidents found within three times Lorden's bound."""
PLAYED_BOUNDS: Final = 4.0
ORACLE_SERIES: Final = 2_000


@dataclass(frozen=True, kw_only=True)
class SteadyCell:
    """One kind of traffic, and the results."""

    rate: float
    dispersion: float
    pages: int
    weeks: float
    """Healthy weeks after the warm-up, in which those pages occurred."""
    delays: tuple[tuple[float, ...], ...]
    """Delays of the product in minutes, by multiple; infinite: not found."""
    oracle: tuple[tuple[float, ...], ...]
    """Delays of the oracle in minutes, by multiple; infinite: not found."""


class _Feed:
    """The tickets of one area, hour by hour."""

    def __init__(self, steady: SteadyTraffic, key: Sequence[int]) -> None:
        self._steady, self._rng = steady, np.random.default_rng(list(key))
        self._prefix = "-".join(map(str, key)) + "-"
        self._number = 0

    def hour(self, hour: int, multiple: float = 1.0, begin: float = 0.0) -> Iterator[Ticket]:
        """Yield the tickets of an hour.

        Args:
            hour: Hours since 1970.
            multiple: Multiple of the rate during a surge.
            begin: Fraction of the hour at which the surge begins.
        """
        phi = self._steady.dispersion
        expected = self._steady.rate * (float(self._rng.gamma(1.0 / phi, phi)) if phi else 1.0)
        before = self._rng.random(self._rng.poisson(expected * begin)) * begin
        after = begin + self._rng.random(self._rng.poisson(expected * multiple * (1.0 - begin))) * (
            1.0 - begin
        )
        for at in np.sort(np.concatenate([before, after])).tolist():
            self._number += 1
            ticket_id = f"{self._prefix}{self._number}"
            yield Ticket("t", ticket_id, (hour + at) * SECONDS_PER_HOUR, area="a", mode="simulated")


def play_cell(
    settings: Settings,
    steady: SteadyTraffic,
    seeds: Sequence[int],
    weeks: int,
    every_days: float,
) -> SteadyCell:
    """Run healthy weeks, and branch off an incident of each multiple every few days.

    Args:
        settings: Settings with a budget of one false page per quarter and without a cool-down.
        steady: The traffic.
        seeds: The seed of each healthy run.
        weeks: Weeks of each run after the warm-up.
        every_days: Days between the branches of a run.
    """
    quiet_hours = QUARTER_WEEKS * HOURS_PER_WEEK
    delays: list[list[float]] = [[] for _ in MULTIPLES]
    pages = 0
    spacing = max(1, round(every_days * 24.0))
    for seed in seeds:
        key = [seed, round(steady.rate * 10), round(steady.dispersion * 1000)]
        tenant, watch, trunk = Tenant("t", settings), PageRecorder(), _Feed(steady, [*key, 0])
        first = FIRST_MONDAY + seed % HOURS_PER_WEEK
        warm = first + HOURS_PER_WEEK * WARM_WEEKS
        for hour in range(first, warm + HOURS_PER_WEEK * weeks):
            if (
                hour > warm
                and (hour - warm) % spacing == 0
                and watch.quiet("a", hour * SECONDS_PER_HOUR)
            ):
                for index, multiple in enumerate(MULTIPLES):
                    branch = _Feed(steady, [*key, 1, hour, index])
                    most = PLAYED_BOUNDS * steady.lorden(multiple, quiet_hours) / 60.0
                    delay = _delay(fork(tenant), settings, branch, hour, multiple, most)
                    if delay >= 0.0:
                        delays[index].append(delay)
            run_signals(tenant, trunk.hour(hour), settings, watch)
            run_signals(tenant, (Tick((hour + 1) * SECONDS_PER_HOUR, "t"),), settings, watch)
        counted_from = warm * SECONDS_PER_HOUR
        opened = [page for page in watch.pages if page.transition == "opened"]
        pages += sum(page.at >= counted_from for page in opened)
    total = float(weeks * len(seeds))
    realised_hours = total * HOURS_PER_WEEK / max(pages, 0.5)
    rng = np.random.default_rng([7, round(steady.rate * 10), round(steady.dispersion * 1000)])
    oracle_delays = []
    for multiple in MULTIPLES:
        level = oracle_cusum.threshold(steady, multiple, realised_hours, rng)
        most = PLAYED_BOUNDS * steady.lorden(multiple, quiet_hours) / 60.0
        oracle_delays.append(
            tuple(oracle_cusum.delays(steady, multiple, level, ORACLE_SERIES, rng, most))
        )
    return SteadyCell(
        rate=steady.rate,
        dispersion=steady.dispersion,
        pages=pages,
        weeks=total,
        delays=tuple(map(tuple, delays)),
        oracle=tuple(oracle_delays),
    )


def steady_table(cells: Sequence[SteadyCell]) -> Table:
    """Return a table with a row for each rate, dispersion and multiple."""
    rows = []
    for cell in sorted(cells, key=lambda cell: (cell.dispersion, cell.rate)):
        steady = SteadyTraffic(cell.rate, cell.dispersion)
        for multiple, ours, theirs in zip(MULTIPLES, cell.delays, cell.oracle, strict=True):
            median, oracle_median = quantile(ours, 0.5), quantile(theirs, 0.5)
            bound = steady.lorden(multiple, QUARTER_WEEKS * HOURS_PER_WEEK)
            ratio = median / oracle_median
            in_time = Share(sum(delay <= 3.0 * bound for delay in ours), len(ours))
            quarters = cell.weeks / QUARTER_WEEKS
            rows.append(
                (
                    f"{cell.rate:g}/h, dispersion {cell.dispersion:g}, x{multiple:g}",
                    str(len(ours)),
                    minutes(median),
                    minutes(oracle_median),
                    minutes(bound),
                    f"{ratio:.2f}",
                    f"<= {MOST_TIMES_ORACLE:g}",
                    verdict(ratio <= MOST_TIMES_ORACLE),
                    number(median / bound),
                    str(in_time),
                    verdict(in_time.value >= LEAST_FOUND),
                    f"{cell.pages / quarters:.2f} ({cell.pages})" if multiple == 2.0 else "",
                )
            )
    heads = (
        "traffic",
        "n",
        "median min",
        "oracle",
        "Lorden",
        "ours/oracle",
        "target",
        "",
        "ours/Lorden",
        "found in 3 x Lorden",
        ">= 0.95",
        "false pages a quarter (pages)",
    )
    notes = ("budget: one false page a quarter; the oracle has the false alarms that ours had",)
    return Table("Steady traffic", heads, tuple(rows), notes)


def _delay(
    tenant: Tenant, settings: Settings, branch: _Feed, hour: int, multiple: float, most: float
) -> float:
    """Return the delay of the page for a surge.

    Args:
        tenant: A copy of the tenant, changed in place.
        settings: The settings.
        branch: The traffic of the branch.
        hour: The hour in which the surge begins, hours since 1970.
        multiple: Multiple of the rate during the surge.
        most: The longest duration of the surge, in hours.

    Returns:
        Minutes; -1 if the tenant paged before the surge, infinite if it did not page.
    """
    begin = float(np.random.default_rng([hour, round(multiple)]).random())
    start = (hour + begin) * SECONDS_PER_HOUR
    for now in range(hour, hour + math.ceil(most) + 1):
        watch = PageRecorder()
        signals: list[Signal] = list(branch.hour(now, multiple, begin if now == hour else 0.0))
        signals.append(Tick((now + 1) * SECONDS_PER_HOUR, "t"))
        for signal in signals:
            events = step(tenant, signal, settings).escalations
            if events:
                watch.hear(events)
                if watch.pages:
                    delay = (watch.pages[0].at - start) / 60.0
                    return delay if delay >= 0.0 else -1.0
    return math.inf
