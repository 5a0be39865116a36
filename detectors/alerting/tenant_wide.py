"""Tenant-wide episodes: one page where many areas of a tenant rise together."""

from typing import Final

from detectors.alerting.budget import allowed_pages_for, threshold_for
from detectors.alerting.guards import breadth
from detectors.alerting.lifecycle import (
    NEWBORN_HOURS,
    ScoredTicket,
    elevated_areas,
    has_page_storm,
    open_episode,
    series_by_name,
    slice_pages_elsewhere,
    start_tickets,
    summaries_of_all_areas,
    tell,
)
from detectors.alerting.verdict_effects import page_of
from detectors.foundation.count_statistics import negative_log_tail
from detectors.models import Score
from detectors.policy.settings import Settings
from detectors.state.tenant import TENANT_SERIES, Tenant, ThresholdCheck
from schemas.escalation import EscalationEvent

BROAD_NEIGHBOURS: Final = 3.5
"""The same of an area's neighbours, that make its crossing the tenant's."""


SAME_THING_SECONDS: Final = 3.0 * 3600.0
"""A tenant that crosses so long after one of its areas paged is the same thing."""


JOINT_SECONDS: Final = 7200.0


BROAD_TOGETHER: Final = 1.5
"""Deviations by which the rest must be up, where another area paged so lately that it may be one
thing."""


AT_ONCE_SECONDS: Final = 120.0


BROAD_AT_ONCE: Final = 0.1
"""The same where it paged a moment ago: what breaks in one minute is hardly two things."""


def open_tenant_episode(
    tenant: Tenant, score: Score, limit: float, at: float, settings: Settings
) -> list[EscalationEvent]:
    """Open an episode of the tenant series, or extend one of its areas to the whole tenant."""
    paged = _paged_since(tenant, at - SAME_THING_SECONDS)
    if paged and not tenant.in_history:
        return [_become_tenant_wide(tenant, paged[0], score, limit, at, settings)]
    event = open_episode(tenant, TENANT_SERIES, "tenant", score, limit, at, settings)
    return [event]


def _become_tenant_wide(
    tenant: Tenant, area: str, score: Score, limit: float, at: float, settings: Settings
) -> EscalationEvent:
    """The page that went out for *area* becomes the tenant's."""
    series = tenant.areas[area]
    episode = series.episode
    assert episode is not None
    series.episode = None
    inside = sorted({area, *elevated_areas(tenant, at)})
    tenant.running.discard(area)
    if (page := page_of(tenant, episode.id)) is not None:
        page.key, page.kind = TENANT_SERIES, "tenant"
    episode.become_tenant_wide(at, score, limit, inside)
    pool, table = tenant.pool("tenant", tenant.whole.model.rate)
    episode.allowed = allowed_pages_for(tenant, tenant.whole, "tenant", settings)
    episode.expected_pages = tenant.whole.limit.expected(limit, pool, table)
    tenant.whole.episode = episode
    start_tickets(tenant, TENANT_SERIES, episode, at, settings)
    tenant.running.add(TENANT_SERIES)
    tenant.touched.add(area)
    return tell(tenant, TENANT_SERIES, episode.update(), at, settings)


def decide_tenant_wide(
    tenant: Tenant, arrived: ScoredTicket, settings: Settings, *, alone: bool
) -> list[EscalationEvent]:
    """An area crosses: the tenant's episode, if this is only a part of it; else nothing.

    *alone*: the area itself crosses, not only a slice of it.
    """
    whole, area, at = tenant.whole, tenant.areas[arrived.area], arrived.at
    grown = at / 3600.0 - whole.born >= NEWBORN_HOURS["tenant"]
    if whole.running is not None or tenant.in_history or not grown:
        return []
    areas = series_by_name(tenant)
    up = alone and arrived.of_whole.value >= 0.0 and breadth(areas, at, (area,)) >= BROAD_NEIGHBOURS
    lately = _paged_since(tenant, at - JOINT_SECONDS)
    if not up and lately:
        but = (area, *(tenant.areas[name] for name in lately))
        at_once = bool(_paged_since(tenant, at - AT_ONCE_SECONDS))
        up = breadth(areas, at, but) >= (BROAD_AT_ONCE if at_once else BROAD_TOGETHER)
    found = arrived.found
    elsewhere = found is not None and slice_pages_elsewhere(tenant, found.key)
    if not up and (elsewhere or not has_page_storm(tenant, at, settings)):
        return []
    reckoned = threshold_for(tenant, TENANT_SERIES, "tenant", at, settings)
    limit = reckoned.limit
    score = _joint_score(tenant, arrived.of_whole, limit, at)
    if tenant.checked is not None:
        tenant.checked.append(
            ThresholdCheck(TENANT_SERIES, "tenant", at, score, reckoned, limit, "crossed")
        )
    if up:
        return open_tenant_episode(tenant, score, limit, at, settings)
    tenant.guarded.append("storm")
    return [open_episode(tenant, TENANT_SERIES, "tenant", score, limit, at, settings, storm=True)]


def _paged_since(tenant: Tenant, since: float) -> list[str]:
    """Areas whose page runs and went out *since*, the first one first."""
    found = [
        (episode.detected_at, name)
        for name in tenant.running
        if name != TENANT_SERIES
        and (episode := tenant.areas[name].running) is not None
        and episode.suppressed is None
        and not episode.hushed
        and episode.detected_at >= since
    ]
    return [name for _, name in sorted(found)]


def _joint_score(tenant: Tenant, score: Score, limit: float, at: float) -> Score:
    """The tenant's score; where it has none yet, what came since the first of its pages began."""
    if score.value >= 0.0:
        return score
    begun = [
        episode.since
        for name in tenant.running
        if name != TENANT_SERIES
        and (episode := tenant.areas[name].running) is not None
        and episode.detected_at >= at - JOINT_SECONDS
    ]
    since = min([*begun, at - 60.0])
    due, came = tenant.whole.lately(since / 3600.0, at)
    notes = summaries_of_all_areas(tenant, since)
    return Score(
        limit,
        since,
        came,
        due,
        len(notes),
        len({note.customer or note.ticket_id for _, note in notes}),
        negative_log_tail(came, max(due, 1e-6), tenant.whole.model.variance(1.0)),
        tenant.whole.model.variance(1.0),
    )


def update_storm(tenant: Tenant, at: float, settings: Settings) -> list[EscalationEvent]:
    """A digest of a storm tells when it has twice as many areas as it told of."""
    episode = tenant.whole.running
    if episode is None or episode.reason != "storm" or tenant.in_history:
        return []
    if len(episode.areas) < 2 * episode.told_areas:
        return []
    return [tell(tenant, TENANT_SERIES, episode.update(), at, settings)]
