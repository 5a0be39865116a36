"""Classify tickets that name no area: by keywords of the taxonomy, else by the terms of each area.

The latter is naive Bayes over the term sketches of the areas
(`detectors.memory.reference_tickets`). The sketches learn online from tickets that named an area or
were reclassified into one, never from tickets that were classified here:

    score(area) = sum over the ticket's terms of log (n_term + a) / (n + 2 a)

The terms of a ticket are far from independent, so scores are divided by `TEMPER` times the square
root of the number of terms before they are turned into probabilities. With that, a confidence of
0.7 is correct about 70 % of the time.

Source: McCallum and Nigam 1998, "A comparison of event models for naive Bayes text classification".
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

import numpy as np

from detectors.foundation.tokens import terms, tokens
from detectors.memory.reference_tickets import WIDTH, TermSketch, places
from detectors.policy.taxonomy import Taxonomy

ClassifiedBy = Literal["rule", "model", "unclassified"]

SMOOTHING: Final = 0.2
LEAST_LEARNED: Final = 5.0
"""The fewest tickets from which an area must have learned before tickets are classified into it."""
LEAST_WORDS: Final = 2
TEMPER: Final = 0.6

_LOGARITHMS: Final = np.log(np.arange(256) + SMOOTHING)


class Classification(NamedTuple):
    """The area and the issue type of a ticket, and how they were determined."""

    area: str
    issue_type: str | None
    how: ClassifiedBy


class AreaClassifier:
    """The term counts of all areas of a tenant. It is derived from the state and not part of it.

    Example:
        >>> login, billing = TermSketch(), TermSketch()
        >>> for _ in range(9):
        ...     login.learn(("password", "reset"))
        ...     billing.learn(("invoice", "wrong"))
        >>> classifier = AreaClassifier({"login": login, "billing": billing})
        >>> area, confidence = classifier.guess(("password", "wrong", "reset"))
        >>> area, confidence > 0.7
        ('login', True)
    """

    def __init__(self, areas: Mapping[str, TermSketch]) -> None:
        """Create a classifier from the term sketches of the areas."""
        self._rows = {name: row for row, name in enumerate(sorted(areas))}
        self._names = sorted(areas)
        self._counts = np.zeros((max(len(areas), 1), 2 * WIDTH), dtype=np.uint8)
        self._tickets = np.zeros(max(len(areas), 1))
        for name, sketch in areas.items():
            self.update(name, sketch)

    def __contains__(self, area: str) -> bool:
        """Return whether tickets can be classified into an area."""
        return area in self._rows

    def update(self, area: str, usual_terms: TermSketch) -> None:
        """Copy the term counts of an area whose sketch has learned."""
        row = self._rows[area]
        if not usual_terms.counts:
            return
        self._counts[row] = np.frombuffer(usual_terms.counts, dtype=np.uint8)
        self._tickets[row] = usual_terms.tickets

    def guess(self, words: Sequence[str]) -> tuple[str, float]:
        """Return the most likely area of a ticket, and the confidence.

        Args:
            words: The terms of the ticket.

        Returns:
            The area and the confidence, 0 to 1. The area is empty if there are too few terms or too
            few areas have learned enough.
        """
        rows = np.flatnonzero(self._tickets >= LEAST_LEARNED)
        if len(words) < LEAST_WORDS or len(rows) < 2:
            return "", 0.0
        first, second = places(words)
        counts = np.minimum(self._counts.take(first, axis=1), self._counts.take(second, axis=1))
        scores = _LOGARITHMS.take(counts).sum(axis=1)[rows]
        scores -= len(words) * np.log(self._tickets[rows] + 2.0 * SMOOTHING)
        best = int(scores.argmax())
        odds = np.exp((scores - scores[best]) / (TEMPER * len(words) ** 0.5))
        return self._names[rows[best]], float(1.0 / odds.sum())


def classify(
    text: str, taxonomy: Taxonomy, classifier: AreaClassifier, confidence: float
) -> Classification | None:
    """Classify a ticket that names no area; return None if its area remains unknown.

    Args:
        text: The redacted text of the ticket.
        taxonomy: The taxonomy, whose keywords are tried first.
        classifier: The classifier that is used if the keywords do not determine an area.
        confidence: The lowest confidence at which the classifier's result is used, 0 to 1.
    """
    by_keywords = taxonomy.place(tokens(text)) if taxonomy.areas else None
    if by_keywords is not None:
        return Classification(by_keywords[0], by_keywords[1], "rule")
    area, probability = classifier.guess(terms(text))
    return Classification(area, None, "model") if area and probability >= confidence else None
