"""Classify tickets that name no area: by keywords of the taxonomy, else by the words of each area.

The second is naive Bayes over the term sketches of the areas
(`detectors.memory.reference_tickets`). They learn online from tickets that named an area or were
reclassified into one, never from tickets that were classified here:

    score(area) = sum over the ticket's words of log (n_word + a) / (n + 2 a)

The words of a ticket are far from independent, so scores are divided by `TEMPER` times the square
root of their number before they are turned into shares; then a confidence of 0.7 is right about
that often.

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
"""Tickets that an area must have learned from before tickets are classified into it."""
LEAST_WORDS: Final = 2
TEMPER: Final = 0.6

_LOGARITHMS: Final = np.log(np.arange(256) + SMOOTHING)


class Classification(NamedTuple):
    """The area and the issue type of a ticket, and how they were determined."""

    area: str
    issue_type: str | None
    how: ClassifiedBy


class AreaClassifier:
    """The words of a tenant's areas side by side. Derived from the state, and no part of it.

    Example:
        >>> login, billing = TermSketch(), TermSketch()
        >>> for _ in range(9):
        ...     login.learn(("password", "reset"))
        ...     billing.learn(("invoice", "wrong"))
        >>> placer = AreaClassifier({"login": login, "billing": billing})
        >>> area, confidence = placer.guess(("password", "wrong", "reset"))
        >>> area, confidence > 0.7
        ('login', True)
    """

    def __init__(self, areas: Mapping[str, TermSketch]) -> None:
        """Take the term sketches of the areas by name."""
        self._rows = {name: classify for classify, name in enumerate(sorted(areas))}
        self._names = sorted(areas)
        self._counts = np.zeros((max(len(areas), 1), 2 * WIDTH), dtype=np.uint8)
        self._tickets = np.zeros(max(len(areas), 1))
        for name, vocabulary in areas.items():
            self.update(name, vocabulary)

    def __contains__(self, area: str) -> bool:
        """Whether tickets can be classified into *area*."""
        return area in self._rows

    def update(self, area: str, usual_terms: TermSketch) -> None:
        """Use the present term sketch of *area*, which has learned."""
        classify = self._rows[area]
        if not usual_terms.counts:
            return
        self._counts[classify] = np.frombuffer(usual_terms.counts, dtype=np.uint8)
        self._tickets[classify] = usual_terms.tickets

    def guess(self, words: Sequence[str]) -> tuple[str, float]:
        """Return the most likely area for a ticket with these words, and the confidence, 0 to 1.

        The area is empty if no area has learned enough.
        """
        able = np.flatnonzero(self._tickets >= LEAST_LEARNED)
        if len(words) < LEAST_WORDS or len(able) < 2:
            return "", 0.0
        first, second = places(words)
        counts = np.minimum(self._counts.take(first, axis=1), self._counts.take(second, axis=1))
        scores = _LOGARITHMS.take(counts).sum(axis=1)[able]
        scores -= len(words) * np.log(self._tickets[able] + 2.0 * SMOOTHING)
        best = int(scores.argmax())
        odds = np.exp((scores - scores[best]) / (TEMPER * len(words) ** 0.5))
        return self._names[able[best]], float(1.0 / odds.sum())


def classify(
    text: str, taxonomy: Taxonomy, classifier: AreaClassifier, confidence: float
) -> Classification | None:
    """Return the area of a ticket, or None if neither keywords nor words determine it.

    Args:
        text: The redacted text of the ticket.
        taxonomy: Its keywords decide first.
        classifier: Decides if no keyword matches.
        confidence: The classifier's least confidence, 0 to 1.
    """
    found = taxonomy.place(tokens(text)) if taxonomy.areas else None
    if found is not None:
        return Classification(found[0], found[1], "rule")
    area, sure = classifier.guess(terms(text))
    return Classification(area, None, "model") if area and sure >= confidence else None
