"""The impact of an episode: customers, revenue, renewals, extra work."""

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
    """Return what an episode costs: customers, revenue, renewals, extra work."""
    affected = collected.affected
    excess = max(episode.observed - episode.expected, 0.0)
    inside = series_inside(tenant, key)
    if (
        key == TENANT_SERIES
    ):  # its counts are weighted by what they tell: hours come from the tickets
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
            Renewal(customer=one.customer, renewal_at=moment(one.at), revenue=one.revenue)
            for one in affected.renewals
        ],
        accounts=[
            Account(
                customer=name,
                tickets=one.tickets,
                tier=one.tier,
                region=one.region,
                revenue=None if one.revenue is None else significant(one.revenue, 6),
            )
            for name, one in sorted(
                affected.accounts.items(),
                key=lambda item: (-(item[1].revenue or 0.0), -item[1].tickets, item[0]),
            )
        ],
        handling_hours=None if work is None else significant(excess * work / 3600.0, 3),
        handling_basis=basis,  # type: ignore[arg-type]  # one of the two words above
    )


def _handling(inside: Iterable[Series]) -> float | None:
    """Return the median seconds of work per ticket, over several areas weighted by their rates."""
    total = rates = 0.0
    for series in inside:
        if (seconds := series.handling) is not None:
            total += seconds * series.model.rate
            rates += series.model.rate
    return total / rates if rates > 0.0 else None
