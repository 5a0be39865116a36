"""The areas that are part of an episode."""

from typing import Final

from detectors.foundation.dimensions import area_key
from detectors.memory.episode_tickets import EpisodeTickets
from detectors.state.episode import Episode
from detectors.state.series import Series
from detectors.state.tenant import TENANT_SERIES, Tenant
from schemas.escalation import Child

MOST_CHILDREN: Final = 20
MOST_POOLED: Final = 16
"""The most areas whose usual tickets are compared with the tickets of a tenant-wide episode."""


def series_inside(tenant: Tenant, key: str) -> list[Series]:
    """Return the series of the areas that an episode covers."""
    if key != TENANT_SERIES:
        return [tenant.areas[key]]
    return [tenant.areas[name] for name in sorted(tenant.areas)]


def busiest(tenant: Tenant, collected: EpisodeTickets) -> list[str]:
    """Return the areas with the most customer-equivalents in the episode, at most `MOST_POOLED`."""
    counts = by_area(tenant, collected)
    return sorted(counts, key=lambda name: (-counts[name], name))[:MOST_POOLED]


def by_area(tenant: Tenant, collected: EpisodeTickets) -> dict[str, float]:
    """Return the customer-equivalents in the episode by area."""
    counts = {name: collected.values.get(area_key(name)) for name in sorted(tenant.areas)}
    return {name: observed for name, observed in counts.items() if observed is not None}


def children_of(tenant: Tenant, episode: Episode, at: float) -> list[Child]:
    """Return the areas of a tenant-wide episode, those with the largest excess first.

    The expected count of the episode is split between the areas in proportion to their rates.
    """
    collected = episode.collected
    rates = {name: series.model.rate_at(at) for name, series in sorted(tenant.areas.items())}
    total = sum(rate for name, rate in rates.items() if tenant.knows(tenant.areas[name]))
    expected = collected.expected / max(total, 1e-9) if collected is not None else 0.0
    observed = by_area(tenant, collected) if collected is not None else {}
    children = []
    for name in sorted({*observed, *episode.areas} & rates.keys()):
        own = tenant.areas[name].episode
        if own is not None and not own.running and own.resolved_at < episode.since:
            own = None  # it was resolved before the tenant-wide episode began
        children.append(
            Child(
                product_area=name,
                episode_id=own.id if own is not None else None,
                observed=round(observed.get(name, 0.0), 3),
                expected=round(rates[name] * expected, 3),
            )
        )
    return sorted(children, key=lambda child: (child.expected - child.observed, child.product_area))
