"""What an episode teaches: nothing while it runs, and at its end as much as it may have been false.

While an episode runs, the models that it concerns do not learn their level and season, and their
thresholds record no peaks. At its end, the threshold of the series that paged learns the peak of
the episode, weighted by the chance that the page was false, and is raised by a step with the same
weight (`detectors.state.threshold`). If an incident is more likely, its hours stay excluded from
learning.
"""

from typing import Final

from detectors.alerting.budget import allowed_pages_for
from detectors.alerting.context import StepContext
from detectors.alerting.verdict_effects import MOST_OVERSPENT, MOST_UNSPENT, page_of
from detectors.foundation.units import SECONDS_PER_HOUR
from detectors.state.episode import Episode
from detectors.state.series import Series
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
    for name in _related_series(tenant, key, [*tenant.areas] if key == TENANT_SERIES else []):
        series = tenant.series(name)
        series.limit.drop(since, hours)
        series.slice_threshold.drop(since, hours)
    if episode.slice is None:
        for name in _held_series(tenant, key, episode):
            series = tenant.series(name)
            kind: Kind = "tenant" if name == TENANT_SERIES else "area"
            if hours - series.born >= LEARNED_HOURS[kind]:
                series.model.hold(episode.since)
                _touch(tenant, name)


def records_peaks(tenant: Tenant, series: Series) -> bool:
    """Return whether the thresholds of a series record its scores: outside episodes."""
    if series is tenant.whole:
        return not tenant.running
    return series.running is None and tenant.whole.running is None


def settle_episode(context: StepContext, key: str, episode: Episode, at: float) -> None:
    """Learn from an episode that has been resolved.

    Args:
        context: The step; its tenant is changed in place.
        key: The area, or `TENANT_SERIES`.
        episode: The resolved episode.
        at: Now, seconds since 1970.
    """
    tenant, settings = context.tenant, context.settings
    page = page_of(tenant, episode.id)
    series, kind = tenant.series(key), kind_of(key, episode)
    allowed = allowed_pages_for(tenant, series, kind, settings)
    threshold = series.threshold_of(kind)
    hours, doubt = at / SECONDS_PER_HOUR, 0.0
    is_expected = episode.is_expected_event
    if episode.suppressed in (None, "history") and not is_expected:
        pool, table = tenant.pool(kind, series)
        height, limit = episode.score.value, episode.limit
        is_first = page is None or (page.step == 0.0 and page.doubt is None)
        doubt, step = threshold.settle(hours, height, limit, allowed, pool, table, learns=is_first)
        if page is not None:
            take_back(tenant, page, at, allowed)
            page.doubt, page.step = doubt, step
            threshold.raise_by(hours, doubt * step, allowed)
            tenant.overspent = min(tenant.overspent + doubt, MOST_OVERSPENT)
    for name in _related_series(tenant, key, episode.areas):
        related = tenant.series(name)
        related.limit.mute(hours)
        related.slice_threshold.mute(hours)
        _touch(tenant, name)
    for name in _held_series(tenant, key, episode):
        if not _is_held_otherwise(tenant, key, name):
            tenant.series(name).model.release(at, keeps=doubt < 1.0 - PROBABLE)
            _touch(tenant, name)


def take_back(tenant: Tenant, page: PageRecord, at: float, allowed: float) -> None:
    """Undo what a page has raised, because its episode runs again or is settled again.

    Args:
        tenant: The tenant, changed in place.
        page: The page; its `doubt` becomes None.
        at: Now, seconds since 1970.
        allowed: False pages per week that the budget allows the series.
    """
    if page.doubt is None:
        return
    hours = at / SECONDS_PER_HOUR
    since = (page.ended or page.at) / SECONDS_PER_HOUR
    raised = page.doubt * page.step * faded(since, hours, allowed)
    tenant.series(page.key).threshold_of(page.kind).raise_by(hours, -raised, allowed)
    tenant.overspent = max(tenant.overspent - page.doubt, MOST_UNSPENT)
    page.doubt = None


def kind_of(key: str, episode: Episode) -> Kind:
    """Return the kind of the series or slice that an episode is about."""
    if key == TENANT_SERIES:
        return "tenant"
    return "area" if episode.slice is None else "slice"


def _related_series(tenant: Tenant, key: str, areas: list[str]) -> list[str]:
    """Return the series whose scores an episode influences."""
    if key == TENANT_SERIES:
        return [key, *(area for area in areas if area in tenant.areas)]
    return [key, TENANT_SERIES]


def _held_series(tenant: Tenant, key: str, episode: Episode) -> list[str]:
    """Return the series whose models do not learn during an episode."""
    if key == TENANT_SERIES:
        return [key, *episode.areas]
    model = tenant.areas[key].model
    is_large = model.level * model.ticket_weight >= LARGE_SHARE * tenant.whole.model.level
    return [key, TENANT_SERIES] if is_large else [key]


def _is_held_otherwise(tenant: Tenant, key: str, name: str) -> bool:
    """Return whether another running episode keeps the model of a series from learning."""
    if name != TENANT_SERIES:
        return name != key and tenant.areas[name].running is not None
    return bool(tenant.running - {key})


def _touch(tenant: Tenant, key: str) -> None:
    if key != TENANT_SERIES:
        tenant.touched.add(key)
