"""Check that every decision is reproduced when it is made again.

    .venv/bin/python tests/bench/bench_explain.py --episodes 1000

A partition processes simulated companies with a large alert budget and with incidents
(`detectors.simulation.tickets`). It is stopped and restored from its snapshots repeatedly, and some
of its pages get verdicts. A second partition, which never stops, then makes all decisions again
from the log. Each event must be identical byte for byte, and the reported windows must add up to
the score.
"""

import argparse
import json
import math
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Final

from detectors.forensics.redecide import Decision, LoggedSignal, redecide
from detectors.foundation.units import HOURS_PER_WEEK
from detectors.models.cusum_bank import MULTIPLES
from detectors.policy.settings import Settings
from detectors.simulation.tickets import HOUR, Incident, World, tickets
from detectors.state.snapshots import Recovery
from detectors.step.partition import Partition
from schemas.codec import read_ticket, to_signal, write_escalation
from schemas.escalation import EscalationEvent
from schemas.signals import Signal, Tick, Verdict
from tests.bench.common import against, headline, parser, table

START: Final = 1_772_409_600.0
WEEKS: Final = 5
SETTINGS: Final = Settings(false_pages_per_week=30.0)
AREAS: Final = {"login": 6.0, "billing": 3.0, "api": 2.0, "search": 1.0}
VERDICTS: Final = ("incident", "false_alarm", "expected_event", "new_normal", "withdraw")
RESTARTS: Final = 12
"""Number of restarts of the worker over all weeks."""


@dataclass
class Checked:
    """Counts of reproduced decisions of one company."""

    episodes: int = 0
    same_episodes: int = 0
    events: int = 0
    same_events: int = 0
    scores: int = 0
    """Decisions with reported windows, which a tenant has only if it crossed its own threshold."""
    sums: int = 0
    """Decisions whose windows add up to the score."""


def make_signals(seed: int) -> list[Signal]:
    """Return tickets with incidents and a tick every six hours."""
    incidents = [
        Incident(area, START + (170.0 + 19.0 * number + seed % 7) * HOUR, 1.5, 5.0)
        for number, area in enumerate([*AREAS] * 8)
    ]
    world = World(START, WEEKS * 168.0, areas=dict(AREAS), incidents=incidents, seed=seed)
    found: list[Signal] = []
    for event in tickets(world):
        signal = to_signal(read_ticket(json.dumps(event).encode()), "simulated")
        if found and signal.created_at // (6 * HOUR) > _at(found[-1]) // (6 * HOUR):
            found.append(Tick(signal.created_at // (6 * HOUR) * 6 * HOUR, world.tenant))
        found.append(signal)
    return found


def _at(signal: Signal) -> float:
    return signal.now if isinstance(signal, Tick) else getattr(signal, "created_at", 0.0)


def run_worker(signals: Sequence[Signal]) -> tuple[list[LoggedSignal], list[EscalationEvent]]:
    """Run a worker with restarts; return its log with verdicts, and its events."""
    partition, recovery = Partition(0, owner=1, settings=SETTINGS), Recovery()
    log: list[LoggedSignal] = []
    stored: list[EscalationEvent] = []
    pages = 0
    every = len(signals) // RESTARTS
    for number, signal in enumerate(signals):
        pending = [signal]
        if number % every == every - 1:
            for key, data in partition.snapshot(number, 0.0, 1e12):
                recovery.read(key, data, 0.0)
            partition = Partition(0, owner=2 + number, settings=SETTINGS, recovery=recovery)
        for each in pending:
            log.append(LoggedSignal(f"log@{len(log)}", each))
            events = partition.take(each).escalations
            stored += events
            for event in events:
                if event.transition == "opened" and event.data.suppressed is None:
                    pages += 1
                    if pages % 3 == 0:
                        action = VERDICTS[pages // 3 % len(VERDICTS)]
                        pending.append(
                            Verdict(event.data.tenant, event.data.episode_id, action, 0.0)
                        )
    return log, stored


def check(seed: int) -> Checked:
    """Run one company, and make all its decisions again."""
    log, stored = run_worker(make_signals(seed))
    found: dict[str, tuple[EscalationEvent, Decision]] = {
        event.id: (event, decision)
        for event, decision in redecide(Partition(0, 0, SETTINGS), log, lambda _: True)
    }
    done = Checked()
    wrong: set[str] = set()
    episodes = {event.data.episode_id for event in stored}
    for event in stored:
        done.events += 1
        again = found.get(event.id)
        if again is None or write_escalation(again[0]) != write_escalation(event):
            wrong.add(event.data.episode_id)
            continue
        done.same_events += 1
        decision = again[1]
        gathered = decision.limit is not None and decision.score == decision.limit.limit
        if decision.members and not math.isinf(decision.bar) and not gathered:
            done.scores += 1
            done.sums += _adds_up(decision)
    done.episodes, done.same_episodes = len(episodes), len(episodes - wrong)
    return done


def _adds_up(decision: Decision) -> bool:
    """Return whether the windows give the score: the log of the mean of ratios over all starts."""
    total = sum(one.hours_of_starts * math.exp(one.log_ratio) for one in decision.members)
    return abs(math.log(total / (HOURS_PER_WEEK * len(MULTIPLES))) - decision.score) < 1e-9


def main(arguments: argparse.Namespace) -> None:
    """Run companies until there are enough episodes."""
    total = Checked()
    companies = 0
    with ProcessPoolExecutor(arguments.processes) as pool:
        while total.episodes < arguments.episodes:
            seeds = range(companies + 1, companies + 1 + 2 * arguments.processes)
            companies += len(seeds)
            for done in pool.map(check, seeds):
                for name in vars(total):
                    setattr(total, name, getattr(total, name) + getattr(done, name))
    headline("Decisions made again", f"{companies} companies of {WEEKS} weeks, {RESTARTS} restarts")
    rows = [
        ("episodes with all events the same", total.same_episodes, total.episodes),
        ("events the same, byte for byte", total.same_events, total.events),
        ("windows that add up to the score", total.sums, total.scores),
    ]
    table(
        ("", "of all", "target", ""),
        [
            (name, f"{same:,} of {all_:,}", "all", against(same, all_, most=False))
            for name, same, all_ in rows
        ],
    )


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--episodes", type=int, default=1_000)
    options.add_argument("--processes", type=int, default=2)
    main(options.parse_args())
