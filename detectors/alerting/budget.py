"""The alert budget: the false pages that each series may have and is expected to have, and pages.

The budget of a tenant is split between the three kinds of series
(`detectors.state.threshold_priors`) and, within a kind, evenly between the active areas. Young
areas that are not in the taxonomy share one reserved part, however many there are, so that invented
area names do not change other thresholds.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from detectors.alerting.verdict_effects import (
    FALSE,
    MOST_UNSPENT,
    REMEMBERED_SECONDS,
    correction,
    correction_of,
    overspent,
    raised,
)
from detectors.foundation.timestamps import significant
from detectors.foundation.units import HOURS_PER_DAY, SECONDS_PER_HOUR
from detectors.policy.settings import Settings
from detectors.state.episode import Episode
from detectors.state.series import Series
from detectors.state.tenant import KNOWN_HOURS, TENANT_SERIES, Tenant
from detectors.state.threshold import ComputedThreshold
from detectors.state.threshold_priors import SPLIT, Kind
from schemas.escalation import Budget

LIVE_RATE: Final = 0.005
"""Level, in customer-equivalents per hour, below which an area does not count as active."""
MOST_DAYS: Final = 7.0
"""The most days without a ticket that count as days without a false page."""
BUDGET_WEEKS: Final = 4.0
"""Number of past weeks in which pages are counted."""
MOST_PAGES: Final = 200
"""The most pages that are remembered."""
UNKNOWN_PART: Final = 0.1
"""Share of the budget for areas, and of that for slices, that all unknown areas have together."""


def threshold_for(
    tenant: Tenant, key: str, kind: Kind, at: float, settings: Settings
) -> ComputedThreshold:
    """Return the current threshold of a series and the terms that it is the sum of.

    The threshold first learns from the time that has passed without a peak.

    Args:
        tenant: The tenant, changed in place.
        key: The area, or `TENANT_SERIES`.
        kind: Whether the area, a slice of it, or the tenant may page.
        at: Now, seconds since 1970.
        settings: Settings with the alert budget.
    """
    allowed = learn_from_time(tenant, tenant.series(key), kind, at, settings)
    return _compute_threshold(tenant, key, kind, at, allowed)


def learn_from_time(
    tenant: Tenant, series: Series, kind: Kind, at: float, settings: Settings
) -> float:
    """Let a threshold learn from the time without a peak; return its allowed pages per week.

    Args:
        tenant: The tenant, changed in place.
        series: A series of the tenant.
        kind: The kind of the threshold.
        at: Now, seconds since 1970.
        settings: Settings with the alert budget.
    """
    count_active_areas(tenant, at)
    pool, table = tenant.pool(kind, series)
    allowed = allowed_pages_for(tenant, series, kind, settings)
    series.threshold_of(kind).elapse(
        at / SECONDS_PER_HOUR, allowed, pool, table, records=tenant.records_peaks(series)
    )
    return allowed


def _compute_threshold(
    tenant: Tenant, key: str, kind: Kind, at: float, allowed: float
) -> ComputedThreshold:
    series = tenant.series(key)
    pool, table = tenant.pool(kind, series)
    return series.threshold_of(kind).reckon(
        at / 3600.0,
        allowed,
        pool,
        table,
        correction(tenant, key, kind, at, allowed),
        raised(tenant, key, kind, at),
        overspent(tenant, at),
    )


def count_active_areas(tenant: Tenant, at: float) -> None:
    """Count the areas that share the budget, once a day, because there may be thousands.

    In the first two weeks of a tenant, when areas appear, they are counted once an hour.

    Args:
        tenant: The tenant, changed in place.
        at: Now, seconds since 1970.
    """
    hour = int(at // SECONDS_PER_HOUR)
    hours = 1 if hour - tenant.born < KNOWN_HOURS else HOURS_PER_DAY
    if tenant.active_hour < 0 or hour - tenant.active_hour >= hours:
        tenant.active_hour, tenant.active_areas = hour, _active_areas(tenant)


def _active_areas(tenant: Tenant) -> tuple[int, int]:
    """Return the numbers of the active areas that are known and unknown."""
    active = [series for series in tenant.areas.values() if series.model.level >= LIVE_RATE]
    known = sum(tenant.knows(series) for series in active)
    return known, len(active) - known


def allow_pages(tenant: Tenant, days: float, settings: Settings) -> None:
    """Add the false pages that the budget allows in some days to a tenant's account.

    In history, nothing pages, so nothing is unspent.

    Args:
        tenant: The tenant, changed in place.
        days: Days since the last call.
        settings: Settings with the alert budget.
    """
    if not tenant.in_history:
        allowed = settings.false_pages_per_week * min(days, MOST_DAYS) / 7.0
        tenant.overspent = max(tenant.overspent - allowed, MOST_UNSPENT)


def forget(tenant: Tenant, at: float, settings: Settings) -> None:
    """Drop pages that are no longer needed; the thresholds stay as they are.

    Args:
        tenant: The tenant, changed in place.
        at: Now, seconds since 1970.
        settings: Settings with the alert budget.
    """
    before = tenant.pages
    tenant.pages = [
        page
        for page in before
        if at - page.at <= (REMEMBERED_SECONDS if page.verdict else BUDGET_WEEKS * 604_800.0)
    ][-MOST_PAGES:]
    kept = {page.episode_id for page in tenant.pages}
    for page in before:
        if page.verdict and page.episode_id not in kept:
            allowed = allowed_pages_for(tenant, tenant.series(page.key), page.kind, settings)
            tenant.series(page.key).threshold_of(page.kind).raise_by(
                at / SECONDS_PER_HOUR, correction_of(page, at, allowed), allowed
            )
            tenant.touch(page.key)
        # A dropped page leaves the calendar, as it would after a restart.
        if page.is_on_calendar and page.episode_id not in kept:
            tenant.refresh_calendar(page.key)


def allowed_pages_for(tenant: Tenant, series: Series, kind: Kind, settings: Settings) -> float:
    """Return the false pages per week that the budget allows a series for one kind."""
    part = settings.false_pages_per_week * SPLIT[kind]
    if kind == "tenant":
        return part
    known, unknown = tenant.active_areas if tenant.active_hour >= 0 else _active_areas(tenant)
    if tenant.knows(series):
        return part * (1.0 - UNKNOWN_PART) / max(known, 1)
    return part * UNKNOWN_PART / max(unknown, 1)


def thresholds(
    tenant: Tenant, settings: Settings, areas: Iterable[str] | None = None
) -> Iterator[tuple[str, Kind, float, float]]:
    """Yield the current thresholds of a tenant without changing its state.

    Args:
        tenant: The tenant; its series are only read.
        settings: Settings with the alert budget.
        areas: Yield only the thresholds of these areas and not those of their slices, which is
            faster; None: all series.

    Yields:
        Key and kind of a series, its threshold, and its expected false pages per week.
    """
    if tenant.clock is None:
        return
    at = tenant.clock
    kinds: list[tuple[str, Series, Kind]] = []
    if areas is None:
        kinds.append((TENANT_SERIES, tenant.whole, "tenant"))
        for area, series in tenant.areas.items():
            kinds += [(area, series, "area"), (area, series, "slice")]
    else:
        kinds += [(area, tenant.areas[area], "area") for area in areas]
    allowed: dict[tuple[Kind, bool], float] = {}
    for key, series, kind in kinds:
        share = (kind, kind == "tenant" or tenant.knows(series))
        if share not in allowed:
            allowed[share] = allowed_pages_for(tenant, series, kind, settings)
        pool, table = tenant.pool(kind, series)
        limit = series.threshold_of(kind)
        now = _compute_threshold(tenant, key, kind, at, allowed[share]).limit
        yield key, kind, now, limit.expected(now, pool, table)


def budget_of(tenant: Tenant, at: float, settings: Settings) -> tuple[float, float, float]:
    """Return the pages and false pages per week of the last four weeks, and the burn rate.

    The burn rate is pages per week divided by the alert budget.
    """
    since = at - BUDGET_WEEKS * 604_800.0
    pages = [page for page in tenant.pages if page.at >= since and page.verdict != "duplicate_of"]
    wrong = [page for page in pages if page.verdict in FALSE]
    rate = len(pages) / BUDGET_WEEKS
    return rate, len(wrong) / BUDGET_WEEKS, rate / settings.false_pages_per_week


def budget_of_event(tenant: Tenant, episode: Episode, at: float, settings: Settings) -> Budget:
    """Return the budget as an event of an episode reports it."""
    rate, wrong, burn = budget_of(tenant, at, settings)
    return Budget(
        per_week=settings.false_pages_per_week,
        allowed=significant(episode.allowed, 4),
        expected=significant(episode.expected_pages, 4),
        pages=rate,
        false_pages=wrong,
        burn=significant(burn, 4),
    )
