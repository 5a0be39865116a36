"""What an episode teaches: nothing while it runs, and at its end as much as it may have been false.

While an episode runs, the models of the areas that were elevated when it opened do not learn their
level and season, and their thresholds record no peaks. At its end, the threshold of the series that
paged learns the peak of the episode, weighted by the chance that the page was false, and is raised
by a step with the same weight (`detectors.state.threshold`). If an incident is more likely, its
hours stay excluded from learning.
"""

from typing import Final

from detectors.alerting.budget import allowed_pages_for
from detectors.alerting.context import StepContext
from detectors.alerting.verdict_effects import MOST_OVERSPENT, MOST_UNSPENT, page_of
from detectors.foundation.units import SECONDS_PER_HOUR
from detectors.policy.settings import Settings
from detectors.state.episode import Episode
from detectors.state.tenant import TENANT_SERIES, PageRecord, Tenant
from detectors.state.threshold import faded
from detectors.state.threshold_priors import Kind

PROBABLE: Final = 0.5
"""The hours of an episode stay excluded from learning if the chance of an incident is higher."""
LEARNED_HOURS: Final[dict[Kind, float]] = {"area": 120.0, "slice": 120.0, "tenant": 336.0}
"""The model of a younger series learns from its episodes, because its level (and for the tenant,
the weekly profile) is still a guess."""
LARGE_SHARE: Final = 0.5
"""The tenant's series does not learn during the episodes of areas with at least this share of its
tickets."""


def begin_learning_nothing(tenant: Tenant, key: str, episode: Episode, at: float) -> None:
    """Drop the peaks that led to an episode, and stop the models that it concerns from learning.

    Args:
        tenant: The tenant, changed in place.
        key: The area, or `TENANT_SERIES`.
        episode: An episode that opens now.
        at: Now, seconds since 1970.
    """
    hours = at / SECONDS_PER_HOUR
    since = episode.since / SECONDS_PER_HOUR
    for name in _related_series(tenant, key):
        series = tenant.series(name)
        if series.limit.drop(since, hours) | series.slice_threshold.drop(since, hours):
            tenant.touch(name)
    if episode.slice is not None:
        return
    for name in _held_series(tenant, key, episode):
        series = tenant.series(name)
        kind: Kind = "tenant" if name == TENANT_SERIES else "area"
        if name not in episode.holds and hours - series.born >= LEARNED_HOURS[kind]:
            episode.holds = [*episode.holds, name]
            series.model.hold(episode.since)
            tenant.touch(name)


def settle_episode(context: StepContext, key: str, episode: Episode, at: float) -> None:
    """Learn from an episode that has been resolved.

    Args:
        context: The step; its tenant is changed in place.
        key: The area, or `TENANT_SERIES`.
        episode: The resolved episode.
        at: Now, seconds since 1970.
    """
    tenant = context.tenant
    hours, doubt = at / SECONDS_PER_HOUR, 0.0
    if episode.suppressed in (None, "history"):
        doubt = _settle_page(context, key, episode, at)
    for name in _related_series(tenant, key):
        series = tenant.series(name)
        if tenant.records_peaks(series):
            series.limit.mute(hours)
            series.slice_threshold.mute(hours)
            tenant.touch(name)
    others = {
        name
        for other in tenant.running
        if (running := tenant.series(other).running) is not None
        for name in running.holds
    }
    for name in episode.holds:
        if name not in others:
            tenant.series(name).model.release(at, keeps=doubt < 1.0 - PROBABLE)
            tenant.touch(name)
    episode.holds = []


def _settle_page(context: StepContext, key: str, episode: Episode, at: float) -> float:
    """Settle the page of an episode, and return the chance that it was false.

    An expected event is settled, too, because its verdict may be withdrawn, but it is not learned.
    """
    tenant = context.tenant
    page = page_of(tenant, episode.id)
    series, kind = tenant.series(key), kind_of(key, episode)
    allowed = allowed_pages_for(tenant, series, kind, context.settings)
    threshold, hours = series.threshold_of(kind), at / SECONDS_PER_HOUR
    pool, table = tenant.pool(kind, series)
    learns = not episode.is_learned and not episode.is_expected_event
    doubt, step = threshold.settle(
        hours, episode.score.value, episode.limit, allowed, pool, table, learns=learns
    )
    episode.is_learned = episode.is_learned or learns
    if page is not None:
        take_back(tenant, page, at, context.settings)
        page.doubt, page.step, page.kind = doubt, step, kind
        threshold.raise_by(hours, doubt * step, allowed)
        tenant.overspent = min(tenant.overspent + doubt, MOST_OVERSPENT)
    return doubt


def take_back(tenant: Tenant, page: PageRecord, at: float, settings: Settings) -> None:
    """Undo what a page has raised, because its episode runs again or is settled again.

    Args:
        tenant: The tenant, changed in place.
        page: The page; its `doubt` becomes None.
        at: Now, seconds since 1970.
        settings: Settings with the alert budget.
    """
    if page.doubt is None:
        return
    series = tenant.series(page.key)
    allowed = allowed_pages_for(tenant, series, page.kind, settings)
    hours = at / SECONDS_PER_HOUR
    raised = page.doubt * page.step * faded(page.ended / SECONDS_PER_HOUR, hours, allowed)
    series.threshold_of(page.kind).raise_by(hours, -raised, allowed)
    tenant.overspent = max(tenant.overspent - page.doubt, MOST_UNSPENT)
    page.doubt = None


def kind_of(key: str, episode: Episode) -> Kind:
    """Return the kind of the series or slice that an episode is about."""
    if key == TENANT_SERIES:
        return "tenant"
    return "area" if episode.slice is None else "slice"


def _related_series(tenant: Tenant, key: str) -> list[str]:
    """Return the series whose scores an episode influences."""
    return [key, *sorted(tenant.areas)] if key == TENANT_SERIES else [key, TENANT_SERIES]


def _held_series(tenant: Tenant, key: str, episode: Episode) -> list[str]:
    """Return the series whose models do not learn during an episode."""
    if key == TENANT_SERIES:
        return [key, *(area for area in episode.areas if area in tenant.areas)]
    model = tenant.areas[key].model
    is_large = model.level >= LARGE_SHARE * sum(s.model.level for s in tenant.areas.values())
    return [key, TENANT_SERIES] if is_large else [key]
