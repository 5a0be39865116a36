"""Comparison with the methods of the R package surveillance, if it is installed.

EARS C1 and C2 and Farrington flexible use the last 24 hours, as if a day ended with each hour;
glrnb uses hourly counts and a seasonality learned before. ``surveillance.R`` describes the input
and the output. Counts are plain tickets, because these methods require whole numbers.
"""

import math
import shutil
import subprocess
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from detectors.evaluation.experiments.comparison import (
    PEAKS_A_WEEK,
    QUIET_HOURS,
    Comparison,
    IncidentOutcome,
    peaks_of,
)
from detectors.evaluation.experiments.competing_methods import NOTHING
from detectors.evaluation.synthetic.company import Spec
from detectors.foundation.units import HOURS_PER_WEEK, SECONDS_PER_HOUR

SCRIPT: Final = Path(__file__).with_name("surveillance.R")
METHODS: Final = ("EARS C1", "EARS C2", "Farrington", "glrnb")
ABSENT: Final = (
    "R surveillance is not installed and left out (Debian: apt-get install r-cran-surveillance)"
)

Scores = dict[str, dict[str, dict[int, float]]]
"""Scores by method, area, and hours since the start of the run."""


def available() -> bool:
    """Return whether R and the package are installed."""
    program = shutil.which("Rscript")
    if program is None:
        return False
    asked = [program, "-e", "quit(status = !requireNamespace('surveillance', quietly = TRUE))"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


def join(contested: Comparison, spec: Spec, warm_weeks: int) -> Comparison:
    """Return a comparison with the methods from R added and its counts removed."""
    lines = [
        f"T\t{area}\t{warm_weeks * HOURS_PER_WEEK}\t{_counts(counts)}"
        for area, counts in contested.counts.items()
    ]
    for number, incident in enumerate(contested.met):
        first = int(incident.start // SECONDS_PER_HOUR) - spec.first_hour
        for area, counts in incident.counts.items():
            lines.append(f"B\t{number}\t{area}\t{first}\t{_counts(counts)}")
    program = shutil.which("Rscript") or "Rscript"
    completed = subprocess.run(
        [program, str(SCRIPT)],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    trunks: Scores = defaultdict(lambda: defaultdict(dict))
    branches: dict[int, Scores] = defaultdict(lambda: defaultdict(lambda: defaultdict(dict)))
    for line in completed.splitlines():
        kind, *names, method, hour, score = line.split("\t")
        if kind == "T":
            trunks[method][names[0]][int(hour)] = float(score)
        else:
            branches[int(names[0])][method][names[1]][int(hour)] = float(score)
    weeks = len(next(iter(contested.counts.values()))) // HOURS_PER_WEEK - warm_weeks
    return replace(
        contested,
        names=(*contested.names, *(f"R {method}" for method in METHODS)),
        met=tuple(
            _met(incident, trunks, branches[number], spec)
            for number, incident in enumerate(contested.met)
        ),
        peaks=(*contested.peaks, *(_peaks(trunks[m], warm_weeks, weeks) for m in METHODS)),
        counts={},
    )


def _peaks(scores: dict[str, dict[int, float]], warm_weeks: int, weeks: int) -> tuple[float, ...]:
    highs = np.full((max(1, len(scores)), weeks * HOURS_PER_WEEK), NOTHING)
    for row, of_area in zip(highs, scores.values(), strict=False):
        for hour, score in of_area.items():
            row[hour - 1 - warm_weeks * HOURS_PER_WEEK] = score
    return peaks_of(highs, PEAKS_A_WEEK * weeks)


def _met(incident: IncidentOutcome, trunks: Scores, branch: Scores, spec: Spec) -> IncidentOutcome:
    """Return an incident with the results of the methods from R."""
    before, highs = list(incident.before), list(incident.highs)
    first = int(incident.start // SECONDS_PER_HOUR) - spec.first_hour
    for method in METHODS:
        lately = [
            score
            for area in incident.counts
            for source in (trunks[method][area], branch[method][area])
            for hour, score in source.items()
            if first - QUIET_HOURS < hour <= first
        ]
        before.append(max(lately, default=NOTHING))
        best, records = -math.inf, []
        for hour, score in sorted(
            (hour, score)
            for area in incident.counts
            for hour, score in branch[method][area].items()
            if hour > first
        ):
            at = (spec.first_hour + hour) * SECONDS_PER_HOUR
            if at <= incident.end and score > best:
                best = score
                records.append(((at - incident.start) / 60.0, score))
        highs.append(tuple(records))
    return replace(incident, before=tuple(before), highs=tuple(highs), counts={})


def _counts(counts: tuple[int, ...]) -> str:
    return " ".join(map(str, counts))
