"""Distinctive terms: terms that are over-represented against the usual tickets of the area.

A term is reported if the log-odds ratio of its share of tickets, in the episode against the
background, is many standard deviations above 0. The prior is an informative Dirichlet prior from
the tenant's other areas. Reported terms are ranked by their likelihood ratio against the area's own
tickets.

Source: Monroe, Colaresi and Quinn 2008, "Fightin' Words", sections 3.3 and 3.5.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from detectors.memory.episode_tickets import EpisodeTickets
from detectors.memory.reference_tickets import TermSketch

PRIOR: Final = 5.0
"""Weight of the other areas' frequencies in the prior, in tickets."""
FLAT: Final = 0.5
"""Tickets with and tickets without each term that are added to the counts (Jeffreys prior)."""
LEAST_TICKETS: Final = 3
LEAST_SHARE: Final = 0.1
LEAST_DEVIATIONS: Final = 2.3
LEAST_TIMES: Final = 2.0
MOST_TERMS: Final = 5
MOST_OTHERS: Final = 24
"""The most areas whose terms make up the prior."""


class DistinctiveTerm(NamedTuple):
    """A word, or two adjacent words."""

    term: str
    tickets: int
    """Candidate tickets that contain the term."""
    share: float
    """Share of the candidate tickets that contain the term."""
    usual: float
    """Upper bound of the share of the area's usual tickets that contain the term."""
    log_odds: float
    deviations: float
    gain: float
    """The log likelihood ratio by which terms are ranked."""
    is_new: bool
    """Whether no learned usual ticket contained the term."""


def distinctive_terms(
    collected: EpisodeTickets, background: TermSketch, others: Sequence[TermSketch]
) -> list[DistinctiveTerm]:
    """Return the most distinctive terms of an episode, at most `MOST_TERMS`.

    Args:
        collected: The tickets of the episode.
        background: The usual terms of the episode's area.
        others: The usual terms of the tenant's other areas.
    """
    inside = float(len(collected.candidates))
    least = max(LEAST_TICKETS, LEAST_SHARE * inside)
    counts = collected.terms()
    names = [term for term, count in counts.items() if count >= least]
    if not names or background.tickets < 1.0:
        return []
    observed = np.array([counts[name] for name in names], dtype=np.float64)
    usual = background.counts_of(names).astype(np.float64)
    elsewhere, tickets = np.zeros(len(names)), 0.0
    for sketch in others[:MOST_OTHERS]:
        elsewhere += sketch.counts_of(names)
        tickets += sketch.tickets
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
    terms = [
        DistinctiveTerm(
            name,
            int(observed[index]),
            float(observed[index] / inside),
            float(usual[index] / background.tickets),
            float(log_odds[index]),
            float(deviations[index]),
            float(gain[index]),
            bool(usual[index] == 0.0),
        )
        for index, name in enumerate(names)
    ]
    terms = [
        term
        for term in terms
        if term.deviations >= LEAST_DEVIATIONS and term.share >= LEAST_TIMES * term.usual
    ]
    terms.sort(key=lambda t: (-round(t.gain, 6), -t.tickets, t.term.count(" "), t.term))
    return _without_overlaps(terms)[:MOST_TERMS]


def _without_overlaps(ranked: Sequence[DistinctiveTerm]) -> list[DistinctiveTerm]:
    """Keep only the highest-ranked of the terms that share a word."""
    kept: list[DistinctiveTerm] = []
    for term in ranked:
        words = set(term.term.split(" "))
        if not any(words & set(other.term.split(" ")) for other in kept):
            kept.append(term)
    return kept
