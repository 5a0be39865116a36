"""Assemble the evidence of an episode: drivers, distinctive terms, examples, impact, actions."""

from collections.abc import Sequence
from functools import cache
from typing import Final

from detectors.evidence.distinctive_terms import DistinctiveTerm, distinctive_terms
from detectors.evidence.event import EscalationEvidence
from detectors.evidence.explanation import Drivers, ExplainedBy, PairShares, explain
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
"""The most example tickets in one event."""
EXAMPLE_CHARACTERS: Final = 200
AREA_VARIANCE: Final = 0.05
"""Relative variance of an area's share of its tenant's tickets."""
LEAST_TOLD: Final = 3.0
"""The fewest customer-equivalents with which a value of a tenant-wide episode is examined."""


def assemble_evidence(
    tenant: Tenant, key: str, episode: Episode, settings: Settings, at: float
) -> EscalationEvidence:
    """Return the evidence of an episode in its current state.

    Args:
        tenant: The tenant; its series are only read.
        key: The area, or `TENANT_SERIES`.
        episode: The episode of that series.
        settings: Settings with the taxonomy, the playbook, and whether events show examples.
        at: Now, seconds since 1970.
    """
    collected = episode.collected
    children = children_of(tenant, episode, at) if key == TENANT_SERIES else None
    product = product_of(key, children, collected, settings)
    children = children[:MOST_CHILDREN] if children is not None else None
    if collected is None:
        actions = actions_for(key, episode, settings, product)
        return EscalationEvidence([], [], [], [], None, actions, product, children)
    usual_shares = _usual_shares(tenant, key, collected, at)
    drivers = explain(collected, usual_shares, _pair_shares(tenant, key), episode.slice)
    terms = _distinctive_terms(tenant, key, collected)
    return EscalationEvidence(
        explanation=[_explanation(driver) for driver in drivers.values],
        not_explained_by=list(drivers.not_by),
        terms=[_term(term) for term in terms],
        examples=_examples(collected, drivers, terms) if settings.show_examples else [],
        impact=impact_of(tenant, key, episode, collected, settings),
        actions=actions_for(key, episode, settings, product, drivers),
        product=product,
        children=children,
    )


def _usual_shares(
    tenant: Tenant, key: str, collected: EpisodeTickets, at: float
) -> dict[str, Usual]:
    """Return the usual share of each key in the area, or averaged over the busiest areas."""
    if key != TENANT_SERIES:
        series = tenant.areas[key]
        names = dict.fromkeys((*collected.values, *series.slices.of, *series.slices.others))
        shares = {name: series.slices.usual(name) for name in names}
        return {name: usual for name, usual in shares.items() if usual is not None}
    rates = {name: max(s.model.rate_at(at), 1e-6) for name, s in sorted(tenant.areas.items())}
    total = sum(rates.values())
    inside = [(rates[name], tenant.areas[name].slices) for name in busiest(tenant, collected)]
    usual_by_key: dict[str, Usual] = {}
    for name, observed in collected.values.items():
        dimension, value = DimensionValue.parse(name)
        if dimension == AREA:
            if value in rates:
                usual_by_key[name] = Usual(min(rates[value] / total, MOST_USUAL), AREA_VARIANCE)
        elif observed >= LEAST_TOLD and not name.startswith(OF_AN_AREA):
            learned = [(rate, usual) for rate, slices in inside if (usual := slices.usual(name))]
            weight = sum(rate for rate, _ in learned)
            if learned and weight > 0.5 * sum(rate for rate, _ in inside):
                usual_by_key[name] = Usual(
                    sum(rate * usual.share for rate, usual in learned) / weight,
                    sum(rate * usual.variance for rate, usual in learned) / weight,
                )
    return usual_by_key


def _pair_shares(tenant: Tenant, key: str) -> PairShares:
    """Return how often values coincide in usual tickets.

    Issue types are counted in the areas of the episode, all other values in the tenant's
    `MOST_POOLED` busiest areas.
    """
    own = series_inside(tenant, key)
    others = sorted(tenant.areas, key=lambda name: (-tenant.areas[name].model.rate, name))
    pool = [tenant.areas[name] for name in others[:MOST_POOLED]]
    if key != TENANT_SERIES and own[0] not in pool:
        pool.append(own[0])

    @cache
    def counts(first: str, second: str) -> tuple[float, float]:
        of_area = first.startswith(OF_AN_AREA) or second.startswith(OF_AN_AREA)
        by_area = [
            series.usual_values.count((first,), (first, second))
            for series in (own if of_area else pool)
        ]
        return sum(with_first for with_first, _ in by_area), sum(both for _, both in by_area)

    def alone(name: str) -> tuple[float, float]:
        return sum(s.usual_values.count((name,))[0] for s in own), float(
            sum(len(s.usual_values) for s in own)
        )

    return PairShares(counts, alone)


def _distinctive_terms(
    tenant: Tenant, key: str, collected: EpisodeTickets
) -> list[DistinctiveTerm]:
    """Return the terms that are distinctive against the usual tickets of the area.

    For a tenant-wide episode, the background is the busiest area of the episode.
    """
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


def _explanation(driver: ExplainedBy) -> Explanation:
    dimension, value = DimensionValue.parse(driver.keys[0])
    also = None
    if len(driver.keys) > 1:
        second = DimensionValue.parse(driver.keys[1])
        also = Slice(dimension=second.dimension, value=second.value)
    return Explanation(
        dimension=dimension,
        value=value,
        also=also,
        observed=round(driver.observed, 3),
        expected=round(driver.expected, 3),
        share=significant(driver.share, 3),
        lift=significant(driver.lift, 3),
        p_value=significant(driver.p_value, 3),
    )


def _term(term: DistinctiveTerm) -> Term:
    return Term(
        term=term.term,
        tickets=term.tickets,
        share=significant(term.share, 3),
        usual_share=significant(min(term.usual, 1.0), 3),
        log_odds=significant(term.log_odds, 3),
        new=term.is_new,
    )


def _examples(
    collected: EpisodeTickets, drivers: Drivers, terms: Sequence[DistinctiveTerm]
) -> list[Example]:
    """Return tickets that show the top driver and the terms, from distinct customers first."""
    driver_keys = set(drivers.values[0].keys) if drivers.values else set()

    def rank(ticket: TicketSummary) -> tuple[int, int, int]:
        text = ticket.text.casefold()
        matching_terms = sum(term.term in text for term in terms)
        return -len(driver_keys & set(ticket.keys)), -matching_terms, ticket.ticket_hash

    chosen: list[TicketSummary] = []
    ranked = sorted(collected.candidates, key=rank)
    customers: set[str | None] = set()
    for ticket in ranked:
        if ticket.customer is None or ticket.customer not in customers:
            chosen.append(ticket)
            customers.add(ticket.customer)
    chosen += [ticket for ticket in ranked if ticket not in chosen]
    return [
        Example(
            ticket_id=ticket.ticket_id,
            created_at=moment(ticket.at),
            text=_truncate(ticket.text, EXAMPLE_CHARACTERS),
            customer=ticket.customer,
            url=ticket.url,
        )
        for ticket in chosen[:MOST_EXAMPLES]
    ]


def _truncate(text: str, characters: int) -> str:
    """Truncate text to a number of characters, at a space if there is one."""
    if len(text) <= characters:
        return text
    shorter = text[: characters - 4]
    return (shorter.rpartition(" ")[0] or shorter) + " ..."
