"""The tails of healthy scores by kind and rate: the figures in
`detectors.state.threshold_priors.TABLE`.

    .venv/bin/python tests/bench/calibrate.py
    .venv/bin/python tests/bench/calibrate.py --seeds 12 --weeks 20

Healthy companies of `detectors.evaluation.synthetic.company` with areas of .02 to 200 tickets an
hour, seasons of many kinds, and hour noise from none to a variance of 1. Each area keeps count of
how often its score passes 0 and by how much (`detectors.state.threshold`); what all of a class
have seen is printed, as peaks a week and mean excess, beside what the table says, which holds them
rounded. Nothing here depends on the machine.
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
"""Median hour noise of the areas, and the most that one has."""
NAMES: Final = ("none", "usual", "strong")


class Job(NamedTuple):
    """One company."""

    seed: int
    weeks: int


class Seen(NamedTuple):
    """Of one kind and class."""

    weeks: float
    peaks: float
    excess: float


def run(job: Job) -> dict[tuple[Kind, int], Seen]:
    """What the pools of one company hold after healthy weeks."""
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
        (kind, place): Seen(pool.weeks, pool.peaks, pool.excess)
        for kind in KINDS
        for place, pool in enumerate(tenant.pools[kind])
    }


def show(found: Sequence[dict[tuple[Kind, int], Seen]]) -> None:
    """A row for each kind and class."""
    bounds = ["0", *(f"{bound:g}" for bound in CLASSES), "more"]
    rows: list[Sequence[object]] = []
    for kind in KINDS:
        for place, prior in enumerate(TABLE[kind]):
            seen = [one[kind, place] for one in found]
            weeks = sum(one.weeks for one in seen)
            peaks = sum(one.peaks for one in seen)
            excess = sum(one.excess for one in seen)
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
    """Run all companies, two at a time."""
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
