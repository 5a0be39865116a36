"""Combine the windows of a bank into one score: the mean over all multiples and starts.

Each window contributes hours of starts x likelihood ratio. The score is the log of the sum over all
windows, divided by the number of windows and by the hours in a week. Chance alone reaches it at
most once in e^score weeks.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from detectors.foundation.count_statistics import negative_log_tail
from detectors.foundation.units import SECONDS_PER_HOUR
from detectors.models.base import Score

MOST_LOG_RATIO: Final = 500.0
"""Cap of log likelihood ratios, so that the sum of the ratios does not overflow."""


class RunningWindow(Protocol):
    """The attributes of a window that a score needs; `start` is in hours since 1970."""

    observed: float
    start: float
    tickets: int
    customers: int


class WindowEvidence(NamedTuple):
    """A window that ends now, and its expected count."""

    window: RunningWindow
    multiple: float
    """The multiple of the expected rate that the window tests for."""
    expected: float
    """Expected customer-equivalents."""
    variance: float
    """Relative variance of the expectation."""
    log_ratio: float
    """Log likelihood ratio of that multiple against the expected rate."""
    hours_of_starts: float
    """Width, in hours, of the range of starts that are about as likely as the window's own."""

    @property
    def value(self) -> float:
        """The window's term in the sum from which the score is computed."""
        return self.hours_of_starts * math.exp(min(self.log_ratio, MOST_LOG_RATIO))


def combine_windows(windows: Sequence[WindowEvidence], chances: float) -> Score | None:
    """Return the score of all windows together, with the evidence of the strongest window.

    Args:
        windows: The windows with evidence, in the order of their multiples.
        chances: Hours in a week times the number of all windows, with or without evidence.

    Returns:
        The score, or None if chance alone would do this once a week or more often.
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
