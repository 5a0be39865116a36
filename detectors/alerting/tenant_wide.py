"""Tenant-wide episodes: one page when many areas of a tenant rise together."""

from typing import Final

from detectors.alerting.budget import allowed_pages_for, threshold_for
from detectors.alerting.context import EpisodeTransition, StepContext, Transitions
from detectors.alerting.episode_learning import begin_learning_nothing
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
    transition_of,
)
from detectors.alerting.verdict_effects import page_of
from detectors.foundation.count_statistics import negative_log_tail
from detectors.foundation.units import SECONDS_PER_HOUR, SECONDS_PER_MINUTE
from detectors.models import Score
from detectors.state.series import Series
from detectors.state.tenant import TENANT_SERIES, Tenant, ThresholdCheck

NEIGHBOUR_DEVIATIONS: Final = 3.5
"""Joint elevation of the tenant's other areas without a running episode, in standard deviations,
from which an area's crossing opens a tenant-wide episode."""
SAME_INCIDENT_SECONDS: Final = 3.0 * SECONDS_PER_HOUR
"""If the tenant crosses within this time after one of its areas paged, it is the same incident."""
JOINT_SECONDS: Final = 2.0 * SECONDS_PER_HOUR
"""The longest time between pages of two areas that can belong to one incident."""
JOINT_DEVIATIONS: Final = (0.5, 1.5)
"""Joint elevation of the other areas, in standard deviations, from which two areas that page within
`JOINT_SECONDS` belong to one incident: for pages at the same time, and for pages half an hour or
longer apart. If more areas have paged, less elevation suffices."""
APART_SECONDS: Final = 1_800.0
"""From this time between two pages, the second of `JOINT_DEVIATIONS` holds."""
AT_ONCE_SECONDS: Final = 120.0
"""Pages of two areas within this time rarely belong to two incidents."""
AT_ONCE_DEVIATIONS: Final = 0.1
"""Joint elevation of the other areas, in standard deviations, from which two areas that page within
`AT_ONCE_SECONDS` belong to one incident."""
BROAD_DEVIATIONS: Final = 2.5
"""Joint elevation of the tenant's areas, in standard deviations, from which a crossing of the
tenant's series is not caused by one area. The largest contributor and areas that paged earlier are
left out. If an area has just paged, the two largest are left out, because one of them may be
another incident."""


def is_tenant_elevated(tenant: Tenant, at: float) -> bool:
    """Return whether more than single areas caused a crossing of the tenant's series.

    Args:
        tenant: The tenant, without a running episode of its own series.
        at: Now, seconds since 1970.
    """
    recent = _areas_paged_since(tenant, at - JOINT_SECONDS)
    earlier = [tenant.areas[name] for name in tenant.running.difference(recent)]
    largest = 2 if recent else 1
    return breadth(_known_areas(tenant), at, earlier, largest=largest) >= BROAD_DEVIATIONS


def open_tenant_episode(
    context: StepContext, score: Score, threshold: float, at: float
) -> EpisodeTransition:
    """Open the tenant's episode, or make the running episode of an area tenant-wide."""
    tenant = context.tenant
    paged = _areas_paged_since(tenant, at - SAME_INCIDENT_SECONDS)
    if paged and not tenant.in_history:
        return _become_tenant_wide(context, paged[0], score, threshold, at)
    return open_episode(context, TENANT_SERIES, "tenant", score, threshold, at)


def _become_tenant_wide(
    context: StepContext, area: str, score: Score, threshold: float, at: float
) -> EpisodeTransition:
    """Make an area's episode that has paged the tenant's episode."""
    tenant = context.tenant
    series = tenant.areas[area]
    episode = series.episode
    assert episode is not None
    series.episode = None
    areas = sorted({area, *elevated_areas(tenant, at)})
    tenant.running.discard(area)
    if (page := page_of(tenant, episode.id)) is not None:
        page.key, page.kind = TENANT_SERIES, "tenant"
    episode.become_tenant_wide(at, score, threshold, areas)
    pool, prior = tenant.pool("tenant", tenant.whole)
    episode.allowed = allowed_pages_for(tenant, tenant.whole, "tenant", context.settings)
    episode.expected_pages = tenant.whole.limit.expected(threshold, pool, prior)
    tenant.whole.episode = episode
    start_tickets(tenant, TENANT_SERIES, episode, at, context.settings)
    begin_learning_nothing(tenant, TENANT_SERIES, episode, at)
    tenant.running.add(TENANT_SERIES)
    tenant.touched.add(area)
    return transition_of(tenant, TENANT_SERIES, episode.update(), at)


def decide_tenant_wide(
    context: StepContext, scored: ScoredTicket, *, area_crossed: bool
) -> Transitions:
    """Open the tenant's episode if an area's crossing belongs to a wider incident or a storm.

    Args:
        context: The step.
        scored: The ticket whose area, or a slice of it, crossed its threshold.
        area_crossed: Whether the area itself crossed, not only a slice of it.
    """
    tenant, at = context.tenant, scored.at
    whole = tenant.whole
    mature = at / SECONDS_PER_HOUR - whole.born >= NEWBORN_HOURS["tenant"]
    if whole.running is not None or tenant.in_history or not mature:
        return
    is_broad = _is_broad(tenant, scored, area_crossed=area_crossed)
    slice_score = scored.slice_score
    elsewhere = slice_score is not None and slice_pages_elsewhere(tenant, slice_score.key)
    if not is_broad and (elsewhere or not has_page_storm(context, at)):
        return
    computed = threshold_for(tenant, TENANT_SERIES, "tenant", at, context.settings)
    threshold = computed.limit
    score = _joint_score(tenant, scored.tenant_score, threshold, at)
    context.checks.append(
        ThresholdCheck(TENANT_SERIES, "tenant", at, score, computed, threshold, "crossed")
    )
    if is_broad:
        yield open_tenant_episode(context, score, threshold, at)
    else:
        context.guards.append("storm")
        yield open_episode(context, TENANT_SERIES, "tenant", score, threshold, at, storm=True)


def _is_broad(tenant: Tenant, scored: ScoredTicket, *, area_crossed: bool) -> bool:
    """Return whether the other areas are elevated enough for one tenant-wide incident."""
    area, at = tenant.areas[scored.area], scored.at
    if not tenant.knows(area):
        return False
    areas = _known_areas(tenant)
    running = [tenant.areas[name] for name in tenant.running]
    if (
        area_crossed
        and scored.tenant_score.value >= 0.0
        and breadth(areas, at, (area, *running)) >= NEIGHBOUR_DEVIATIONS
    ):
        return True
    recent = [
        name
        for name in _areas_paged_since(tenant, at - JOINT_SECONDS)
        if tenant.knows(tenant.areas[name])
    ]
    if not recent:
        return False
    excluded = (area, *(tenant.areas[name] for name in recent))
    return breadth(areas, at, excluded) >= _joint_deviations(tenant, recent, at)


def _known_areas(tenant: Tenant) -> list[Series]:
    return [series for series in series_by_name(tenant) if tenant.knows(series)]


def _joint_deviations(tenant: Tenant, recent: list[str], at: float) -> float:
    """Return the elevation of the other areas from which recent pages belong to one incident.

    Args:
        tenant: The tenant.
        recent: The areas that have paged recently, at least one.
        at: When another series crosses its threshold, seconds since 1970.
    """
    last = max(tenant.areas[name].running.detected_at for name in recent)  # type: ignore[union-attr]  # they are running
    if at - last <= AT_ONCE_SECONDS:
        return AT_ONCE_DEVIATIONS
    at_once, apart = JOINT_DEVIATIONS
    share = min((at - last) / APART_SECONDS, 1.0)
    return (at_once + (apart - at_once) * share) / len(recent)


def _areas_paged_since(tenant: Tenant, since: float) -> list[str]:
    """Return the areas with a running episode that has paged since a time, the first page first."""
    paged = [
        (episode.detected_at, name)
        for name in tenant.running
        if name != TENANT_SERIES
        and (episode := tenant.areas[name].running) is not None
        and episode.suppressed is None
        and not episode.is_expected_event
        and episode.detected_at >= since
    ]
    return [name for _, name in sorted(paged)]


def _joint_score(tenant: Tenant, score: Score, threshold: float, at: float) -> Score:
    """Return the tenant's score; if it has none yet, build one since its first recent page."""
    if score.value >= 0.0:
        return score
    starts = [
        episode.since
        for name in tenant.running
        if name != TENANT_SERIES
        and (episode := tenant.areas[name].running) is not None
        and episode.detected_at >= at - JOINT_SECONDS
    ]
    since = min([*starts, at - SECONDS_PER_MINUTE])
    expected, observed = tenant.whole.expected_and_observed(since, at)
    summaries = summaries_of_all_areas(tenant, since)
    variance = tenant.whole.model.variance(1.0)
    return Score(
        threshold,
        since,
        observed,
        expected,
        len(summaries),
        len({summary.customer or summary.ticket_id for _, summary in summaries}),
        negative_log_tail(observed, max(expected, 1e-6), variance),
        variance,
    )


def update_storm(context: StepContext, at: float) -> Transitions:
    """Yield an update of a storm's digest once it has twice as many areas as last reported."""
    tenant = context.tenant
    episode = tenant.whole.running
    if episode is None or episode.reason != "storm" or tenant.in_history:
        return
    if len(episode.areas) >= 2 * episode.reported_areas:
        yield transition_of(tenant, TENANT_SERIES, episode.update(), at)
