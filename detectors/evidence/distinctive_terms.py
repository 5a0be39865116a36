"""Words that come more often inside an episode than in its area's usual tickets.

The log-odds ratio of a word's share of tickets, inside against background, with an informative
Dirichlet prior from the tenant's other areas, over its standard deviation, decides whether a word
is told; the likelihood ratio against the area's own tickets, how soon.

Source: Monroe, Colaresi and Quinn 2008, "Fightin' Words", sections 3.3 and 3.5.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from detectors.memory.episode_tickets import EpisodeTickets
from detectors.memory.reference_tickets import TermSketch

PRIOR: Final = 5.0
"""Tickets that the other areas' usage counts for."""
FLAT: Final = 0.5
"""Tickets with any word, and without, that nobody has seen (Jeffreys' prior)."""
LEAST_TICKETS: Final = 3
LEAST_SHARE: Final = 0.1
LEAST_DEVIATIONS: Final = 2.3
LEAST_TIMES: Final = 2.0
MOST_TERMS: Final = 5
MOST_OTHERS: Final = 24
"""Areas whose words make the prior."""


class DistinctiveTerm(NamedTuple):
    """A word, or two in a row."""

    term: str
    tickets: int
    """Of the candidates of the dossier."""
    share: float
    usual: float
    """Of the area's usual tickets, at most."""
    log_odds: float
    deviations: float
    gain: float
    """The likelihood ratio by which they are ranked; natural logarithm."""
    is_new: bool
    """Whether no usual ticket that was learned had it."""


def distinctive_terms(
    collected: EpisodeTickets, background: TermSketch, others: Sequence[TermSketch]
) -> list[DistinctiveTerm]:
    """The most surprising words of *dossier*, at most `MOST_TERMS`."""
    inside = float(len(collected.candidates))
    least = max(LEAST_TICKETS, LEAST_SHARE * inside)
    counts = collected.terms()
    names = [term for term, count in counts.items() if count >= least]
    if not names or background.tickets < 1.0:
        return []
    observed = np.array([counts[name] for name in names], dtype=np.float64)
    usual = background.counts_of(names).astype(np.float64)
    elsewhere, tickets = np.zeros(len(names)), 0.0
    for vocabulary in others[:MOST_OTHERS]:
        elsewhere += vocabulary.counts_of(names)
        tickets += vocabulary.tickets
    prior = FLAT + PRIOR * elsewhere / max(tickets, 1.0)
    rest = PRIOR + 2.0 * FLAT - prior
    odds_inside = (observed + prior) / (inside - observed + rest)
    odds_usual = (usual + prior) / (np.maximum(background.tickets - usual, 0.0) + rest)
    log_odds = np.log(odds_inside / odds_usual)
    deviations = log_odds / np.sqrt(1.0 / (observed + prior) + 1.0 / (usual + prior))
    share = observed / inside
    rare = (usual + FLAT) / (background.tickets + 2.0 * FLAT)
    without = 1.0 - share
    gain = inside * (
        share * np.log(share / rare) + without * np.log(np.maximum(without, 1e-12) / (1.0 - rare))
    )
    found = [
        DistinctiveTerm(
            name,
            int(observed[place]),
            float(observed[place] / inside),
            float(usual[place] / background.tickets),
            float(log_odds[place]),
            float(deviations[place]),
            float(gain[place]),
            bool(usual[place] == 0.0),
        )
        for place, name in enumerate(names)
    ]
    found = [
        one
        for one in found
        if one.deviations >= LEAST_DEVIATIONS and one.share >= LEAST_TIMES * one.usual
    ]
    found.sort(key=lambda one: (-round(one.gain, 6), -one.tickets, one.term.count(" "), one.term))
    return _without_echoes(found)[:MOST_TERMS]


def _without_echoes(found: Sequence[DistinctiveTerm]) -> list[DistinctiveTerm]:
    """Of a pair and its words, the one that says most: a pair seldom says more than a new word."""
    kept: list[DistinctiveTerm] = []
    for one in found:
        words = set(one.term.split(" "))
        if not any(words & set(other.term.split(" ")) for other in kept):
            kept.append(one)
    return kept
