"""Measure how often ``why-not`` names the true cause of silence.

    .venv/bin/python tests/bench/bench_why_not.py --near-misses 500

The near misses come from `tests.support.near_misses`: eighteen causes in turn, each at a random
time and with random numbers of tickets, in six simulated companies that are eight weeks old.
"""

import argparse
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from typing import Final

from tests.bench.common import against, headline, parser, table
from tests.support.near_misses import KINDS, near_miss

LEAST: Final = 95.0


def ask(number: int) -> tuple[str, str]:
    """Return the true cause of a near miss, and the cause in the answer."""
    because, answer = near_miss(number)
    return because, answer.because


def main(arguments: argparse.Namespace) -> None:
    """Investigate all near misses, and print the causes in the answers."""
    with ProcessPoolExecutor(arguments.processes) as pool:
        causes = list(pool.map(ask, range(arguments.near_misses), chunksize=18))
    headline("Why nothing was sent", f"{len(causes)} near misses of {len(KINDS)} causes")
    rows = []
    for because in sorted({true for true, _ in causes}):
        named = Counter(name for true, name in causes if true == because)
        others = ", ".join(f"{name} {n}" for name, n in named.most_common() if name != because)
        rows.append((because, f"{named[because]} of {named.total()}", others, "", ""))
    right = sum(true == name for true, name in causes)
    share = 100.0 * right / len(causes)
    summary = (f"{right} of {len(causes)}", f"{share:.1f} %", f">= {LEAST:g} %")
    table(
        ("true cause", "named so", "named otherwise", "target", ""),
        [*rows, ("together", *summary, against(share, LEAST, most=False))],
    )


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--near-misses", type=int, default=500)
    options.add_argument("--processes", type=int, default=2)
    main(options.parse_args())
