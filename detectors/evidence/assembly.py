"""Assemble the evidence of an episode: its explanation, terms, examples, impact and actions."""

from collections.abc import Sequence
from functools import cache
from typing import Final

from detectors.evidence.distinctive_terms import DistinctiveTerm, distinctive_terms
from detectors.evidence.event import EscalationEvidence
from detectors.evidence.explanation import Drivers as Reasons
from detectors.evidence.explanation import ExplainedBy, PairShares, explain
from detectors.evidence.impact import impact_of
from detectors.evidence.recommendation import actions_for, product_of
from detectors.evidence.scope import MOST_CHILDREN, MOST_POOLED, busiest, children_of, series_inside
from detectors.foundation.dimensions import AREA, DimensionValue
from detectors.foundation.timestamps import moment, significant
from detectors.memory.episode_tickets import EpisodeTickets, TicketSummary
from detectors.models.slices import OF_AN_AREA
from detectors.models.tenant_shares import MOST_USUAL, Usual
from detectors.policy.settings import Settings
from detectors.state.episode import Episode
from detectors.state.tenant import TENANT_SERIES, Tenant
from schemas.escalation import (
    Example,
    Explanation,
    Slice,
    Term,
)

MOST_EXAMPLES: Final = 3
"""Example tickets in one event."""
EXAMPLE_CHARACTERS: Final = 200
AREA_VARIANCE: Final = 0.05
"""Relative variance of an area's share of its tenant's tickets."""
LEAST_TOLD: Final = 3.0
"""A value of a tenant-wide episode with fewer customer-equivalents is not examined."""


def assemble_evidence(
    tenant: Tenant, key: str, episode: Episode, settings: Settings, at: float
) -> EscalationEvidence:
    """Return the evidence of an episode as it stands.

    Args:
        tenant: Its series are only read.
        key: The area, or `TENANT_SERIES`.
        episode: The episode of that series.
        settings: Hold the taxonomy, the playbook, and what events may show.
        at: Now, seconds since 1970.
    """
    collected = episode.collected
    children = children_of(tenant, episode, at) if key == TENANT_SERIES else None
    product = product_of(key, children, collected, settings)
    children = children[:MOST_CHILDREN] if children is not None else None
    if collected is None:
        actions = actions_for(key, episode, settings, product)
        return EscalationEvidence([], [], [], [], None, actions, product, children)
    reasons = explain(
        collected, _usual(tenant, key, collected, at), _together(tenant, key), episode.slice
    )
    words = _words(tenant, key, collected)
    return EscalationEvidence(
        explanation=[_explanation(one) for one in reasons.values],
        not_explained_by=list(reasons.not_by),
        terms=[_term(one) for one in words],
        examples=_examples(collected, reasons, words) if settings.show_examples else [],
        impact=impact_of(tenant, key, episode, collected, settings),
        actions=actions_for(key, episode, settings, product, reasons),
        product=product,
        children=children,
    )


def _usual(tenant: Tenant, key: str, collected: EpisodeTickets, at: float) -> dict[str, Usual]:
    """Return the usual shares by key, of the area or of the busiest areas by their rates."""
    if key != TENANT_SERIES:
        series = tenant.areas[key]
        names = dict.fromkeys((*collected.values, *series.slices.of, *series.slices.others))
        shares = {name: series.slices.usual(name) for name in names}
        return {name: usual for name, usual in shares.items() if usual is not None}
    rates = {name: max(s.model.rate_at(at), 1e-6) for name, s in sorted(tenant.areas.items())}
    total = sum(rates.values())
    inside = [(rates[name], tenant.areas[name].slices) for name in busiest(tenant, collected)]
    found: dict[str, Usual] = {}
    for name, observed in collected.values.items():
        dimension, value = DimensionValue.parse(name)
        if dimension == AREA:
            if value in rates:
                found[name] = Usual(min(rates[value] / total, MOST_USUAL), AREA_VARIANCE)
        elif observed >= LEAST_TOLD and not name.startswith(OF_AN_AREA):
            known = [(rate, usual) for rate, slices in inside if (usual := slices.usual(name))]
            weight = sum(rate for rate, _ in known)
            if known and weight > 0.5 * sum(rate for rate, _ in inside):
                found[name] = Usual(
                    sum(rate * usual.share for rate, usual in known) / weight,
                    sum(rate * usual.variance for rate, usual in known) / weight,
                )
    return found


def _together(tenant: Tenant, key: str) -> PairShares:
    """Return how often values coincide, in the area or, for shared values, in all areas."""
    own = series_inside(tenant, key)
    others = sorted(tenant.areas, key=lambda name: (-tenant.areas[name].model.rate, name))
    pool = [tenant.areas[name] for name in others[:MOST_POOLED]]
    if key != TENANT_SERIES and own[0] not in pool:
        pool.append(own[0])

    @cache
    def counts(one: str, other: str) -> tuple[float, float]:
        special = one.startswith(OF_AN_AREA) or other.startswith(OF_AN_AREA)
        found = [s.usual_values.count((one,), (one, other)) for s in (own if special else pool)]
        return sum(with_one for with_one, _ in found), sum(both for _, both in found)

    def alone(name: str) -> tuple[float, float]:
        return sum(s.usual_values.count((name,))[0] for s in own), float(
            sum(len(s.usual_values) for s in own)
        )

    return PairShares(counts, alone)


def _words(tenant: Tenant, key: str, collected: EpisodeTickets) -> list[DistinctiveTerm]:
    """Return the terms that are distinctive against those of the area or busiest areas."""
    areas = tenant.areas
    if key != TENANT_SERIES:
        others = [areas[name].usual_terms for name in sorted(areas) if name != key]
        return distinctive_terms(collected, areas[key].usual_terms, others)
    names = busiest(tenant, collected)
    if not names:
        return []
    return distinctive_terms(
        collected, areas[names[0]].usual_terms, [areas[name].usual_terms for name in names[1:]]
    )


def _explanation(one: ExplainedBy) -> Explanation:
    dimension, value = DimensionValue.parse(one.keys[0])
    also = None
    if len(one.keys) > 1:
        other, its = DimensionValue.parse(one.keys[1])
        also = Slice(dimension=other, value=its)
    return Explanation(
        dimension=dimension,
        value=value,
        also=also,
        observed=round(one.observed, 3),
        expected=round(one.expected, 3),
        share=significant(one.share, 3),
        lift=significant(one.lift, 3),
        p_value=significant(one.p_value, 3),
    )


def _term(one: DistinctiveTerm) -> Term:
    return Term(
        term=one.term,
        tickets=one.tickets,
        share=significant(one.share, 3),
        usual_share=significant(min(one.usual, 1.0), 3),
        log_odds=significant(one.log_odds, 3),
        new=one.is_new,
    )


def _examples(
    collected: EpisodeTickets, reasons: Reasons, words: Sequence[DistinctiveTerm]
) -> list[Example]:
    """Return tickets that show the drivers and the terms, of different customers first."""
    telling = set(reasons.values[0].keys) if reasons.values else set()

    def typical(note: TicketSummary) -> tuple[int, int, int]:
        text = note.text.casefold()
        said = sum(one.term in text for one in words)
        return -len(telling & set(note.keys)), -said, note.ticket_hash

    chosen: list[TicketSummary] = []
    ranked = sorted(collected.candidates, key=typical)
    customers: set[str | None] = set()
    for note in ranked:
        if note.customer is None or note.customer not in customers:
            chosen.append(note)
            customers.add(note.customer)
    chosen += [note for note in ranked if note not in chosen]
    return [
        Example(
            ticket_id=note.ticket_id,
            created_at=moment(note.at),
            text=_cut(note.text, EXAMPLE_CHARACTERS),
            customer=note.customer,
            url=note.url,
        )
        for note in chosen[:MOST_EXAMPLES]
    ]


def _cut(text: str, characters: int) -> str:
    """Return *text* cut to a number of characters, at a space if there is one."""
    if len(text) <= characters:
        return text
    shorter = text[: characters - 4]
    return (shorter.rpartition(" ")[0] or shorter) + " ..."
