"""Measure drivers, distinctive terms, tenant-wide pages and the classifier.

    .venv/bin/python tests/bench/bench_story.py
    .venv/bin/python tests/bench/bench_story.py --runs 300 --seed 7

The simulated companies of `detectors.simulation.tickets` have four weeks of healthy traffic, from
which the incidents branch off. The driver of an incident that paged is the first one of the last
event before the resolution; the driver of the first event is printed beside it. river's naive Bayes
classifier runs beside ours.
"""

import json
import math
import random
import sys
import time
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from river.naive_bayes import MultinomialNB

from detectors.foundation.tokens import terms
from detectors.policy.settings import Settings
from detectors.simulation.tickets import (
    CHANNELS,
    COMPANY,
    ISSUES,
    REGIONS,
    SHAPE,
    VERSIONS,
    Incident,
    World,
    tickets,
)
from detectors.state.tenant import Tenant
from detectors.step.pipeline import step
from schemas.codec import read_ticket, to_signal
from schemas.escalation import Escalation, EscalationEvent
from schemas.signals import Tick, Ticket
from tests.bench.common import against, headline, median, parser, table

START: Final = 1_772_409_600.0
"""Monday, 2 March 2026, UTC."""
WARM_WEEKS: Final = 4
HOUR: Final = 3_600.0
NINE: Final = START + WARM_WEEKS * 168 * HOUR + 9 * HOUR
"""Monday at 9:00 UTC."""
BUSY: Final = ("login", "billing", "checkout", "mobile app", "search")
PLATFORM: Final = {f"area {number}": 0.6 * 1.2**number for number in range(20)}
ALONE: Final = 12
Values = dict[str, str]


def signals(world: World) -> list[Ticket]:
    """Return the tickets of *world* as the step reads them."""
    parsed = []
    for event in tickets(world):
        signal = to_signal(read_ticket(json.dumps(event).encode()), "simulated")
        assert isinstance(signal, Ticket)
        parsed.append(signal)
    return parsed


def grown(areas: dict[str, float], seed: int, settings: Settings) -> Tenant:
    """Return a tenant with four healthy weeks of history."""
    tenant = Tenant("acme", settings)
    world = World(start=START, hours=WARM_WEEKS * 168.0, areas=areas, seed=seed)
    for signal in signals(world):
        step(tenant, signal, settings)
    return tenant


def play(
    tenant: Tenant, inputs: Sequence[Ticket], world: World, settings: Settings
) -> list[EscalationEvent]:
    """Return the events of a copy of *tenant* for *inputs* and for the hours after *world*."""
    branch = tenant.copy()
    events: list[EscalationEvent] = []
    for signal in inputs:
        events += step(branch, signal, settings).escalations
    end = world.start + (world.hours + 12.0) * HOUR
    return events + step(branch, Tick(end, "acme"), settings).escalations


def tied(rng: random.Random, area: str, dimensions: int) -> Values:
    """Draw values of *dimensions* different dimensions."""
    choices = {
        "issue_type": ISSUES.get(area, ("question", "error", "slow")),
        "app_version": tuple(name for name, _ in VERSIONS),
        "region": tuple(name for name, _ in REGIONS),
        "channel": tuple(name for name, _ in CHANNELS),
    }
    names = rng.sample(sorted(choices), dimensions)
    return {name: rng.choice(choices[name]) for name in names}


@dataclass
class Tally:
    """Counts of correct drivers."""

    played: int = 0
    paged: int = 0
    at_first: int = 0
    at_last: int = 0
    words: int = 0
    by_size: dict[int, list[int]] = field(default_factory=dict)


def names_it(data: Escalation, values: Values) -> bool:
    """Return whether the first driver is exactly *values*, or whether there is none."""
    if not data.explanation:
        return not values
    driver = data.explanation[0]
    named = {driver.dimension: driver.value}
    if driver.also is not None:
        named[driver.also.dimension] = driver.also.value
    return bool(values) and named == values


def explain_many(
    tenants: Sequence[Tenant], settings: Settings, dimensions: int, runs: int, seed: int
) -> Tally:
    """Run incidents of 20 to 400 tickets, of which 60 to 100 % share values."""
    rng = random.Random(seed)
    tally = Tally()
    for run in range(runs):
        area = rng.choice(BUSY)
        hours = rng.choice((1.0, 2.0, 4.0))
        extra = math.exp(rng.uniform(math.log(20.0), math.log(400.0)))
        usual = COMPANY[area] * hours * SHAPE[10]
        values = tied(rng, area, dimensions)
        incident = Incident(
            area,
            NINE + 600.0,
            hours,
            1.0 + extra / usual,
            share=rng.uniform(0.6, 1.0) if dimensions else 1.0,
            word=f"err_{rng.randrange(100, 999)}_x{run}",
            **values,
        )
        world = World(
            start=NINE, hours=hours + 1.0, seed=10_000 + seed * 1_000 + run, incidents=(incident,)
        )
        events = play(rng.choice(tenants), signals(world), world, settings)
        mine = [e.data for e in events if e.data.product_area == area and not e.data.suppressed]
        tally.played += 1
        size = 20 * 2 ** int(math.log2(extra / 20.0))
        size_counts = tally.by_size.setdefault(size, [0, 0])
        if not mine:
            continue
        tally.paged += 1
        tally.at_first += names_it(mine[0], values)
        right = names_it(mine[-1], values)
        tally.at_last += right
        size_counts[0] += right
        size_counts[1] += 1
        tally.words += incident.word in [one.term for one in mine[-1].terms[:3]]
    return tally


def bench_explanations(runs: int, seed: int) -> None:
    """Measure drivers of one value, of two values and of none, and planted terms."""
    settings = Settings()
    tenants = [grown(COMPANY, seed + number, settings) for number in range(3)]
    rows = []
    for dimensions, name, target in ((1, "one value", 95), (2, "two values", 85), (0, "none", 95)):
        tally = explain_many(tenants, settings, dimensions, runs, seed + dimensions)
        paged = max(tally.paged, 1)
        sizes = ", ".join(
            f"from {size}: {right}/{total}"
            for size, (right, total) in sorted(tally.by_size.items())
        )
        rows.append(
            [
                name,
                str(tally.played),
                str(tally.paged),
                f"{100 * tally.at_first / paged:.0f} %",
                f"{100 * tally.at_last / paged:.1f} %",
                against(100 * tally.at_last / paged, target, most=False),
                f"{100 * tally.words / paged:.1f} %",
                sizes,
            ]
        )
    headline("The first explanation, of incidents that paged")
    table(
        ["tied to", "played", "paged", "first event", "last event", "target", "word", "by size"],
        rows,
    )


def bench_platform(runs: int, seed: int) -> None:
    """Measure pages of incidents in twenty areas at once, and their delay."""
    settings = Settings()
    rng = random.Random(seed)
    tenants = [grown(PLATFORM, seed + number, settings) for number in range(3)]
    pages: list[int] = []
    later: list[float] = []
    for run in range(runs):
        multiple = rng.choice((2.0, 3.0, 5.0, 10.0))
        incidents = [
            Incident(area, NINE + 600.0, 2.0, multiple, word=f"mark{number:02}of{area[5:]}")
            for number, area in enumerate(PLATFORM)
        ]
        world = World(start=NINE, hours=3.0, areas=PLATFORM, seed=90_000 + run, incidents=incidents)
        tenant, inputs = rng.choice(tenants), signals(world)
        paged = first_pages(play(tenant, inputs, world, settings))
        pages.append(len(paged))
        if run < ALONE and paged:  # each comparison needs twenty plays, so a dozen must suffice
            alone = [
                first_pages(play(tenant, only(inputs, incidents, area), world, settings))
                for area in PLATFORM
            ]
            first = min((one[0] for one in alone if one), default=math.inf)
            if first < math.inf:
                later.append(paged[0] - first)
    headline("Twenty areas up at once")
    print(f"runs {runs}; one page in {sum(p == 1 for p in pages)}; none in {pages.count(0)}")
    print(f"pages: {sorted(set(pages))}")
    print(f"seconds after the earliest area alone: {sorted(round(x) for x in later)}; target <= 60")


def first_pages(events: Iterable[EscalationEvent]) -> list[float]:
    """Return the time of each page in seconds since 1970."""
    return sorted(
        e.time.timestamp() for e in events if e.transition == "opened" and not e.data.suppressed
    )


def only(inputs: Sequence[Ticket], incidents: Sequence[Incident], area: str) -> list[Ticket]:
    """Return the tickets without the incidents of areas other than *area*."""
    others = [incident.word for incident in incidents if incident.area != area]
    return [s for s in inputs if not any(word in (s.text or "") for word in others if word)]


def bench_placing(seed: int) -> None:
    """Measure classification by text after 2,000 tagged tickets, prequentially."""
    settings = Settings(placing_confidence=0.7)
    world = World(start=START, hours=24.0 * 8, seed=seed)
    tagged = signals(world)[:4_000]
    tenant, river = Tenant("acme", settings), MultinomialNB()
    ours_right: list[tuple[str, str]] = []
    river_right: list[tuple[str, str]] = []
    ours_time, river_time, sure = [], [], []
    for number, signal in enumerate(tagged):
        assert signal.text is not None
        words = terms(signal.text)
        before = time.process_time()
        tenant_placer = tenant.classifier if tenant.clock is not None else None
        guess, confidence = tenant_placer.guess(words) if tenant_placer else ("", 0.0)
        ours_time.append(time.process_time() - before)
        counted: dict[Hashable, Any] = dict.fromkeys(words, 1)
        before = time.process_time()
        theirs = river.predict_one(counted)
        river_time.append(time.process_time() - before)
        river.learn_one(counted, signal.area)
        if number >= 2_000:
            ours_right.append((guess, signal.area))
            river_right.append((str(theirs), signal.area))
            sure.append((confidence, guess == signal.area))
        step(tenant, signal, settings)
    ours, other = macro_f1(ours_right), macro_f1(river_right)
    micro, river_micro = (1e6 * median(times[2_000:]) for times in (ours_time, river_time))
    headline("Areas by words, after 2,000 tagged tickets of 12 areas")
    table(
        ["", "macro-F1", "target", "median us a guess", "target"],
        [
            [
                "ours",
                f"{ours:.3f}",
                against(ours, 0.9, most=False),
                f"{micro:.0f}",
                against(micro, 60.0, most=True),
            ],
            ["river MultinomialNB", f"{other:.3f}", "", f"{river_micro:.0f}", ""],
        ],
    )
    confident = [right for confidence, right in sure if confidence >= 0.7]
    between = [right for confidence, right in sure if 0.6 <= confidence < 0.8]
    print(
        f"confidence >= .7: {len(confident)} of {len(sure)}, right {mean(confident):.3f}; "
        f".6 to .8: {len(between)}, right {mean(between):.3f}"
    )


def mean(values: Iterable[bool]) -> float:
    """Return the share of true values."""
    values = list(values)
    return sum(values) / max(len(values), 1)


def macro_f1(pairs: Sequence[tuple[str, str]]) -> float:
    """Return the mean over areas of the harmonic mean of precision and recall."""
    scores = []
    for area in sorted({truth for _, truth in pairs}):
        hit = sum(guess == truth == area for guess, truth in pairs)
        wrong = sum((guess == area) != (truth == area) for guess, truth in pairs)
        scores.append(2.0 * hit / (2.0 * hit + wrong))
    return sum(scores) / len(scores)


def main(arguments: Sequence[str]) -> None:
    """Run one part or all parts."""
    options = parser(__doc__)
    options.add_argument("--runs", type=int, default=200, help="incidents of each kind")
    options.add_argument("--platform-runs", type=int, default=100, help="of twenty areas")
    options.add_argument("--seed", type=int, default=1, help="of everything")
    options.add_argument("--only", choices=("explanations", "platform", "placing"), help="a part")
    chosen = options.parse_args(arguments)
    if chosen.only in (None, "placing"):
        bench_placing(chosen.seed)
    if chosen.only in (None, "explanations"):
        bench_explanations(chosen.runs, chosen.seed)
    if chosen.only in (None, "platform"):
        bench_platform(chosen.platform_runs, chosen.seed)


if __name__ == "__main__":
    main(sys.argv[1:])
