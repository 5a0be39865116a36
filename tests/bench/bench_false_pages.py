"""False pages on healthy, realistic traffic against the budget, by the age of the tenant.

    .venv/bin/python tests/bench/bench_false_pages.py
    .venv/bin/python tests/bench/bench_false_pages.py --seeds 30 --model gaussian

Twelve areas of `detectors.simulate` with its seasons, its noise of days and hours and its busy
customers, and no incident at all: every episode that opens is a false page. Reopened ones belong to
the page before and are counted apart. Nothing here depends on the machine; what counts is pages
over budget.
"""

import argparse
import math
from collections.abc import Sequence
from datetime import datetime
from multiprocessing import get_context
from typing import Final, NamedTuple

from detectors.pipeline import step
from detectors.settings import ModelName, Settings
from detectors.simulate import HOUR, World, tickets
from detectors.tenant import Tenant
from schemas.signals import Ticket
from tests.bench.common import against, headline, parser, table

START: Final = 1_772_409_600.0
"""Monday, 2 March 2026, UTC."""
BUDGETS: Final = (0.2, 1.0, 5.0)
AGES: Final = ((0, 1), (1, 2), (2, 4), (4, 10), (10, 26))
"""Weeks; the last end is how long a run is."""
MOST_TIMES_BUDGET: Final = 1.5
"""From four weeks on; before that the figures are to be known, not to be kept."""
MATURE_WEEKS: Final = 4


class Job(NamedTuple):
    """One company."""

    seed: int
    model: ModelName
    weeks: float


class Found(NamedTuple):
    """False pages of one company: by budget, by week."""

    opened: list[list[int]]
    reopened: list[list[int]]


def run(job: Job) -> Found:
    """The same healthy weeks under each budget."""
    settings = [Settings(false_pages_per_week=budget, model=job.model) for budget in BUDGETS]
    tenants = [Tenant("acme", one) for one in settings]
    weeks = math.ceil(job.weeks)
    found = Found([[0] * weeks for _ in BUDGETS], [[0] * weeks for _ in BUDGETS])
    for event in tickets(World(start=START, hours=job.weeks * 168.0, seed=job.seed)):
        ticket = _signal(event)
        week = int((ticket.created_at - START) // (168.0 * HOUR))
        for place, (tenant, chosen) in enumerate(zip(tenants, settings, strict=True)):
            for escalation in step(tenant, ticket, chosen).escalations:
                found.opened[place][week] += escalation.transition == "opened"
                found.reopened[place][week] += escalation.transition == "reopened"
    return found


def _signal(event: dict[str, object]) -> Ticket:
    customer = event["customer"]
    assert isinstance(customer, dict)
    return Ticket(
        "acme",
        str(event["ticket_id"]),
        datetime.fromisoformat(str(event["created_at"])).timestamp(),
        area=str(event["product_area"]),
        customer=str(customer["id"]),
        mode="simulated",
    )


def show(found: Sequence[Found], weeks: float) -> None:
    """A row for each budget and age."""
    rows: list[Sequence[object]] = []
    for place, budget in enumerate(BUDGETS):
        for begin, end in AGES:
            until = min(end, math.ceil(weeks))
            if until <= begin:
                continue
            among = len(found) * (until - begin)
            opened = sum(sum(one.opened[place][begin:until]) for one in found)
            reopened = sum(sum(one.reopened[place][begin:until]) for one in found)
            rate, doubt = opened / among, math.sqrt(max(opened, 1)) / among
            old = begin >= MATURE_WEEKS
            rows.append(
                (
                    f"budget {budget:g} a week, weeks {begin} to {until}",
                    opened,
                    f"{rate:.2f} ± {doubt:.2f}",
                    f"{rate / budget:.2f}",
                    f"<= {MOST_TIMES_BUDGET}" if old else "",
                    against(rate / budget, MOST_TIMES_BUDGET, most=True) if old else "",
                    f"{reopened / among:.2f}",
                )
            )
    table(("", "pages", "a week", "of budget", "target", "", "reopened a week"), rows)


def main(arguments: argparse.Namespace) -> None:
    """Run all seeds, two at a time."""
    headline(
        f"False pages on healthy traffic, model {arguments.model}",
        f"{arguments.seeds} companies of 12 areas, {arguments.weeks:g} weeks each",
    )
    jobs = [Job(100 + seed, arguments.model, arguments.weeks) for seed in range(arguments.seeds)]
    with get_context("spawn").Pool(arguments.processes) as pool:
        show(list(pool.imap_unordered(run, jobs)), arguments.weeks)


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--seeds", type=int, default=8, help="companies")
    options.add_argument("--weeks", type=float, default=float(AGES[-1][1]))
    options.add_argument("--model", default="cusum_bank")
    options.add_argument("--processes", type=int, default=2)
    main(options.parse_args())
