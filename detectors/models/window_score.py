"""From the windows of a bank to one score: the mean over all multiples and starts.

Each window contributes hours of starts x likelihood ratio. The sum over all windows, divided by the
number of windows times the hours of a week, is passed by chance at most once in e^score weeks.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from detectors.foundation.count_statistics import negative_log_tail
from detectors.foundation.units import SECONDS_PER_HOUR
from detectors.models.base import Score

MOST_LOG_RATIO: Final = 500.0
"""Larger likelihood ratios do not fit into a float."""


class RunningWindow(Protocol):
    """What a score reads of a window; `start` is in hours since 1970."""

    observed: float
    start: float
    tickets: int
    customers: int


class WindowEvidence(NamedTuple):
    """One window that ends now, and what was expected in it."""

    window: RunningWindow
    multiple: float
    """The multiple of the expected rate that the window looks for."""
    expected: float
    """Customer-equivalents."""
    variance: float
    """Relative variance of what is expected."""
    log_ratio: float
    """Log likelihood ratio of that multiple against the expected rate."""
    hours_of_starts: float
    """How many hours of possible starts are about as likely as this one."""

    @property
    def value(self) -> float:
        """Its part of the sum that the score is made of."""
        return self.hours_of_starts * math.exp(min(self.log_ratio, MOST_LOG_RATIO))


def combine_windows(windows: Sequence[WindowEvidence], chances: float) -> Score | None:
    """Return the score of all windows together, with the evidence of the strongest one.

    Args:
        windows: Those with evidence, in the order of their multiples.
        chances: Hours of a week times the number of windows that could have had evidence.

    Returns:
        The score, or None if chance would bring as much once a week or more often.
    """
    total = best_value = 0.0
    best: WindowEvidence | None = None
    for evidence in windows:
        value = evidence.value
        total += value
        if value > best_value:
            best_value, best = value, evidence
    if best is None or total < chances:
        return None
    window = best.window
    return Score(
        math.log(total / chances),
        window.start * SECONDS_PER_HOUR,
        window.observed,
        best.expected,
        window.tickets,
        window.customers,
        negative_log_tail(window.observed, best.expected, 1.0 / best.variance),
        best.variance,
    )
