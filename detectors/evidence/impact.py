"""The impact of an episode: customers, revenue, renewals, additional work."""

from collections.abc import Iterable

from detectors.evidence.scope import by_area, series_inside
from detectors.foundation.timestamps import moment, significant
from detectors.memory.episode_tickets import EpisodeTickets
from detectors.policy.settings import Settings
from detectors.state.episode import Episode
from detectors.state.series import Series
from detectors.state.tenant import TENANT_SERIES, Tenant
from schemas.escalation import Account, Impact, Renewal


def impact_of(
    tenant: Tenant, key: str, episode: Episode, collected: EpisodeTickets, settings: Settings
) -> Impact:
    """Return the impact of an episode: customers, revenue, renewals, additional work."""
    affected = collected.affected
    excess = max(episode.observed - episode.expected, 0.0)
    inside = series_inside(tenant, key)
    if key == TENANT_SERIES:
        # The counts of the tenant's series are weighted, so the excess comes from the tickets.
        excess = max(collected.observed - collected.expected, 0.0)
        inside = [tenant.areas[name] for name in by_area(tenant, collected)]
    work = _handling(inside)
    elapsed = any(series.elapsed for series in inside)
    basis = None if work is None else ("time_to_solve" if elapsed else "work")
    if settings.handling_minutes > 0.0 and (work is None or elapsed):
        work, basis = settings.handling_minutes * 60.0, "configured"
    return Impact(
        excess=round(excess, 3),
        customers=episode.customers,
        customers_estimated=affected.estimated,
        by_tier=affected.by_tier(),
        by_region=affected.by_region(),
        revenue=significant(affected.revenue, 6) if affected.with_revenue else None,
        revenue_customers=affected.with_revenue,
        renewals_soon=affected.renewing_customers,
        renewals=[
            Renewal(customer=r.customer, renewal_at=moment(r.at), revenue=r.revenue)
            for r in affected.renewals
        ],
        accounts=[
            Account(
                customer=name,
                tickets=account.tickets,
                tier=account.tier,
                region=account.region,
                revenue=None if account.revenue is None else significant(account.revenue, 6),
            )
            for name, account in sorted(
                affected.accounts.items(),
                key=lambda item: (-(item[1].revenue or 0.0), -item[1].tickets, item[0]),
            )
        ],
        handling_hours=None if work is None else significant(excess * work / 3600.0, 3),
        handling_basis=basis,  # type: ignore[arg-type]  # one of the three literals above
    )


def _handling(inside: Iterable[Series]) -> float | None:
    """Return the median work per ticket in seconds, averaged over areas by rate; None: unknown."""
    total = rates = 0.0
    for series in inside:
        if (seconds := series.handling) is not None:
            total += seconds * series.model.rate
            rates += series.model.rate
    return total / rates if rates > 0.0 else None
