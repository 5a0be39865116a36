"""Shared parts of the benchmarks: tables with targets, child processes and a real broker."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from stream.config.loading import load
from stream.config.sections import Config
from stream.trial.broker.local_broker import Broker


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return an argument parser that shows a module's docstring unchanged and all defaults."""

    class Formatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
        pass

    return argparse.ArgumentParser(description=description, formatter_class=Formatter)


def headline(title: str, remark: str = "") -> None:
    """Print what is measured and on which machine."""
    print(f"\n{title}")
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} CPUs, "
        f"load {os.getloadavg()[0]:.1f} at the start"
    )
    if remark:
        print(remark)
    print(flush=True)


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print *rows* in columns, of which the first is flush left and the others flush right."""
    cells = [[str(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    for number, row in enumerate(cells):
        first, *rest = (
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join([first, *rest]).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))
    print(flush=True)


def against(value: float, target: float, *, most: bool) -> str:
    """Return whether *value* meets a *target* that is the most (or the least) allowed."""
    return "ok" if (value <= target if most else value >= target) else "MISSED"


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that *share* of *values* do not exceed; values may be infinite."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values: Iterable[float]) -> float:
    """Return the median, or the upper of two medians, so that infinite values do no harm."""
    return quantile(list(values), 0.5)


def repeat(
    times: int, candidates: dict[str, Callable[[], dict[str, float]]]
) -> dict[str, dict[str, float]]:
    """Run *times* rounds of all *candidates*, and return the median of each figure.

    The candidates take turns, so that a busy machine slows down all of them alike.
    """
    results: dict[str, list[dict[str, float]]] = {name: [] for name in candidates}
    for number in range(times):
        for name, measure in candidates.items():
            print(f"  round {number + 1} of {times}: {name}", file=sys.stderr, flush=True)
            results[name].append(measure())
    return {
        name: {figure: statistics.median(run[figure] for run in runs) for figure in runs[0]}
        for name, runs in results.items()
    }


def in_child(script: str, *arguments: str, timeout: float = 300.0) -> dict[str, Any]:
    """Run *script* in a process of its own, and return the JSON object that it prints last.

    Raises:
        RuntimeError: The process failed; the text contains the end of its output.
    """
    done = subprocess.run(
        [sys.executable, script, *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    lines = done.stdout.splitlines()
    if done.returncode != 0 or not lines:
        output = "\n".join(done.stderr.splitlines()[-30:])
        raise RuntimeError(f"{' '.join(arguments)} ended with {done.returncode}:\n{output}")
    answer: dict[str, Any] = json.loads(lines[-1])
    return answer


def report_to_parent(**figures: float) -> None:
    """Print the figures of a child process as JSON for `in_child`."""
    print(json.dumps(figures), flush=True)


@contextmanager
def broker() -> Iterator[str]:
    """Run a real broker on 127.0.0.1 in a ``with`` block, and yield its bootstrap servers."""
    with Broker(say=lambda text: print(f"  {text}", file=sys.stderr, flush=True)) as ours:
        yield ours.bootstrap_servers


def environment(servers: str, prefix: str, **more: object) -> dict[str, str]:
    """Return variables that point spikewatch at *servers*; *more* is named ``section__key``."""
    return {
        "SPIKEWATCH_KAFKA__BOOTSTRAP_SERVERS": servers,
        "SPIKEWATCH_KAFKA__TOPIC_PREFIX": prefix,
        "SPIKEWATCH_METRICS__PORT": "0",
        "SPIKEWATCH_HEALTH__PORT": "0",
        **{f"SPIKEWATCH_{name.upper()}": str(value) for name, value in more.items()},
    }


def configuration(servers: str, prefix: str, **more: object) -> Config:
    """Return the configuration of `environment`, independent of the shell's variables."""
    return load(None, environment(servers, prefix, **more))


def new_prefix() -> str:
    """Return a new topic prefix."""
    return f"bench-{uuid.uuid4().hex[:8]}."


class Stopwatch:
    """Wall-clock and CPU seconds of this process since the creation of the stopwatch."""

    def __init__(self) -> None:
        """Start the stopwatch."""
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    @property
    def wall(self) -> float:
        """Elapsed wall-clock seconds."""
        return time.perf_counter() - self._wall

    @property
    def cpu(self) -> float:
        """CPU seconds of all threads of this process."""
        return time.process_time() - self._cpu
