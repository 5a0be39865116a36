"""Measure the tails of healthy scores for `detectors.state.threshold_priors.TABLE`.

    .venv/bin/python tests/bench/calibrate.py
    .venv/bin/python tests/bench/calibrate.py --seeds 12 --weeks 20

The healthy companies of `detectors.evaluation.synthetic.company` have areas of .02 to 200 tickets
an hour, seasonality of many kinds, and hour noise from none to a variance of 1. Each area counts
how often its score exceeds 0 and by how much (`detectors.state.threshold`). The output shows peaks
per week and mean excess of each class beside the rounded values in the table. The results do not
depend on the machine.
"""

import argparse
from collections.abc import Sequence
from multiprocessing import get_context
from typing import Final, NamedTuple

from detectors.evaluation.experiments.company_run import TENANT
from detectors.evaluation.synthetic.company import Spec, World
from detectors.evaluation.synthetic.traffic import Feed
from detectors.foundation.units import HOURS_PER_WEEK, SECONDS_PER_HOUR
from detectors.policy.settings import Settings
from detectors.state.tenant import Tenant
from detectors.state.threshold_priors import CLASSES, KINDS, TABLE, Kind
from detectors.step.pipeline import step
from schemas.signals import Tick
from tests.bench.common import headline, parser, table

NOISES: Final = ((0.0, 0.0), (0.04, 0.1), (0.3, 1.0))
"""Median and maximum hour noise of the areas."""
NAMES: Final = ("none", "usual", "strong")


class Job(NamedTuple):
    """A company to run."""

    seed: int
    weeks: int


class Observed(NamedTuple):
    """What the areas of one kind and class observed."""

    weeks: float
    peaks: float
    excess: float


def run(job: Job) -> dict[tuple[Kind, int], Observed]:
    """Return the contents of the pools of one company after healthy weeks."""
    middle, most = NOISES[job.seed % len(NOISES)]
    spec = Spec(
        seed=job.seed,
        areas=10,
        lowest_rate=0.02,
        highest_rate=200.0,
        hour_noise=middle,
        most_hour_noise=most,
        region_swing=0.3 * (job.seed % 2),
    )
    settings = Settings(timezone=spec.timezone, country=spec.country)
    trunk, tenant = Feed(World(spec), [0]), Tenant(TENANT, settings)
    for hour in range(spec.first_hour, spec.first_hour + HOURS_PER_WEEK * job.weeks):
        for ticket in trunk.hour(hour):
            step(tenant, ticket, settings)
        step(tenant, Tick((hour + 1) * SECONDS_PER_HOUR, TENANT), settings)
    return {
        (kind, place): Observed(pool.weeks, pool.peaks, pool.excess)
        for kind in KINDS
        for place, pool in enumerate(tenant.pools[kind])
    }


def show(results: Sequence[dict[tuple[Kind, int], Observed]]) -> None:
    """Print a row for each kind and class."""
    bounds = ["0", *(f"{bound:g}" for bound in CLASSES), "more"]
    rows: list[Sequence[object]] = []
    for kind in KINDS:
        for place, prior in enumerate(TABLE[kind]):
            observed = [result[kind, place] for result in results]
            weeks = sum(each.weeks for each in observed)
            peaks = sum(each.peaks for each in observed)
            excess = sum(each.excess for each in observed)
            rows.append(
                (
                    f"{kind}, {bounds[place]} to {bounds[place + 1]} an hour",
                    f"{weeks:.0f}",
                    f"{peaks / weeks:.2f}" if weeks else "-",
                    f"{prior.per_week:g}",
                    f"{excess / peaks:.2f}" if peaks else "-",
                    f"{prior.excess:g}",
                )
            )
    table(("", "weeks", "peaks a week", "table", "mean excess", "table"), rows)


def main(arguments: argparse.Namespace) -> None:
    """Run all companies in several processes."""
    headline(
        "Tails of healthy scores",
        f"{arguments.seeds} companies of 10 areas, {arguments.weeks} weeks each; hour noise "
        + ", ".join(NAMES),
    )
    jobs = [Job(300 + seed, arguments.weeks) for seed in range(arguments.seeds)]
    with get_context("spawn").Pool(arguments.processes) as pool:
        show(list(pool.imap_unordered(run, jobs)))


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--seeds", type=int, default=6, help="companies")
    options.add_argument("--weeks", type=int, default=14)
    options.add_argument("--processes", type=int, default=2)
    main(options.parse_args())
