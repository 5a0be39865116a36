"""Measure the time and memory of a backtest, and the size and loading time of its report.

Runs `spikewatch backtest` on simulated histories, each in a process of its own and with one
incident per area, and opens the report in Chromium. The longer history is four times as long as the
shorter one, and must not need much more memory.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from detectors.simulation.tickets import COMPANY, World, tickets
from tests.bench.common import against, headline, in_child, parser, report_to_parent, table
from tests.support.chromium import ARGUMENTS, chromium

WEEKS = 26.0
SECONDS, MEGABYTES, OPEN_SECONDS = 60.0, 5.0, 2.0
START = 1_709_510_400.0


def write(path: Path, count: int) -> None:
    """Write about *count* tickets of half a year."""
    weekly = 6_470.0  # of the simulated company with its default rates
    factor = count / (weekly * WEEKS)
    areas = {area: rate * factor for area, rate in COMPANY.items()}
    world = World(START, WEEKS * 168.0, areas, seed=3, customers=20_000)
    with path.open("w") as file:
        for number, ticket in enumerate(tickets(world)):
            if number == count:
                break
            file.write(json.dumps(ticket) + "\n")


def measure(history: Path, html: Path, processes: int) -> None:
    """Report wall-clock and CPU seconds and the largest peak memory, in a child process."""
    begin = time.perf_counter()
    arguments = ["--inject", "--kind", "area", "--size", "5", "--repeat", "1", "--html", str(html)]
    subprocess.run(
        [sys.executable, "-m", "stream.cli", "backtest", str(history), *arguments,
         "--processes", str(processes)],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    seconds = time.perf_counter() - begin
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime
    report_to_parent(seconds=seconds, cpu=cpu, megabytes=used.ru_maxrss / 1024.0)


def open_seconds(html: Path) -> float:
    """Return the seconds until Chromium has loaded the report."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        page = browser.new_page()
        page.goto("about:blank")
        begin = time.perf_counter()
        page.goto(html.as_uri(), wait_until="load")
        seconds = time.perf_counter() - begin
        browser.close()
    return seconds


def main() -> None:
    """Run the benchmark, or one measurement in a child process."""
    options = parser(__doc__)
    options.add_argument("--tickets", type=int, default=500_000, help="of the longer history")
    options.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options.add_argument("--child", nargs=2, help="for the program itself")
    chosen = options.parse_args()
    if chosen.child:
        measure(Path(chosen.child[0]), Path(chosen.child[1]), chosen.processes)
        return
    headline("Backtest of a history of one's own", f"{chosen.processes} processes")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for count in (chosen.tickets // 4, chosen.tickets):
            history, html = Path(folder) / f"{count}.jsonl", Path(folder) / f"{count}.html"
            write(history, count)
            figures = in_child(
                __file__, "--child", str(history), str(html),
                "--processes", str(chosen.processes), timeout=1_800.0,
            )  # fmt: skip
            size, opened = html.stat().st_size / 1e6, open_seconds(html)
            rows += [
                (f"{count:,} tickets, {history.stat().st_size / 1e6:.0f} MB: seconds",
                 f"{figures['seconds']:.1f}", SECONDS,
                 against(figures["seconds"], SECONDS, most=True)),
                ("  of all processes on CPUs, seconds", f"{figures['cpu']:.1f}", "", ""),
                ("  peak memory of the largest process, MB", f"{figures['megabytes']:.0f}", "", ""),
                ("  the report, MB", f"{size:.2f}", MEGABYTES, against(size, MEGABYTES, most=True)),
                ("  opens in Chromium, seconds", f"{opened:.2f}", OPEN_SECONDS,
                 against(opened, OPEN_SECONDS, most=True)),
            ]  # fmt: skip
    table(("figure", "measured", "target", ""), rows)


if __name__ == "__main__":
    main()
