"""The lifecycle of an episode: open, continue, resolve, reopen."""

from typing import Final, NamedTuple

from detectors.alerting.budget import allowed_pages_for, forget
from detectors.alerting.context import EpisodeTransition, StepContext, Transitions
from detectors.alerting.episode_learning import (
    begin_learning_nothing,
    settle_episode,
    take_back,
)
from detectors.alerting.verdict_effects import page_of
from detectors.foundation.dimensions import SEPARATOR, area_key
from detectors.foundation.units import SECONDS_PER_HOUR, SECONDS_PER_MINUTE
from detectors.memory.episode_tickets import MOST_NOTES, EpisodeTickets, TicketSummary, horizon
from detectors.models import Score
from detectors.models.slices import SliceScore
from detectors.policy.settings import Settings
from detectors.state.episode import Episode, episode_id, opened
from detectors.state.series import Series
from detectors.state.tenant import TENANT_SERIES, PageRecord, Tenant
from detectors.state.threshold_priors import Kind
from schemas.escalation import Reason, Suppressed, Transition

NEWBORN_HOURS: Final[dict[Kind, float]] = {"area": 1.0, "tenant": 24.0}
"""A series younger than this never pages, because there is no history to compare it with."""
ELEVATED_DEVIATIONS: Final = 1.5
"""Standard deviations above expectation from which an area is part of a tenant-wide episode."""
COOLDOWN_SHARE: Final = 0.5
"""The cool-down lasts at least this share of the episode's duration."""
LONGEST_COOLDOWN_HOURS: Final = 24.0
"""The longest cool-down that `COOLDOWN_SHARE` can cause."""


class ScoredTicket(NamedTuple):
    """A counted ticket and the scores of the series that it was counted in."""

    area: str
    at: float
    """Seconds since 1970."""
    summary: TicketSummary
    last_seen: float
    """When the ticket's customer was last seen in the area, seconds since 1970."""
    score: Score
    """The score of the area."""
    slice_score: SliceScore | None
    """The highest score among the slices of the area that the ticket belongs to."""
    tenant_score: Score
    tenant_weight: float
    """The ticket's weight in the tenant's own series, customer-equivalents."""


def restart_windows(tenant: Tenant, key: str) -> None:
    """Restart all windows of a series, because their counts have already been handled."""
    series = tenant.series(key)
    series.model.restart()
    series.slices.restart()


def open_episode(
    context: StepContext,
    key: str,
    kind: Kind,
    score: Score,
    threshold: float,
    at: float,
    slice_score: SliceScore | None = None,
    *,
    storm: bool = False,
) -> EpisodeTransition:
    """Open an episode of a series, or reopen its last episode within the cool-down.

    Args:
        context: The step.
        key: The area, or `TENANT_SERIES`.
        kind: What crossed its threshold: the area, a slice of it, or the tenant.
        score: The score that crossed.
        threshold: The threshold that the score crossed.
        at: Now, seconds since 1970.
        slice_score: The slice that crossed, if *kind* is ``slice``.
        storm: Whether the episode is the digest of a storm, whatever the tenant's own score.
    """
    tenant = context.tenant
    series = tenant.series(key)
    suppressed = _suppression(context, key, at, slice_score)
    pool, prior = tenant.pool(kind, series)
    allowed = allowed_pages_for(tenant, series, kind, context.settings)
    kind_of_change, episode = _start_or_reopen(
        context, key, kind, score, threshold, at, slice_score, suppressed
    )
    episode.reason = "storm" if storm else _reason(series, kind, slice_score)
    episode.slice, episode.share = (
        (None, 1.0) if slice_score is None else (slice_score.key, slice_score.share)
    )
    episode.areas = elevated_areas(tenant, at) if key == TENANT_SERIES else []
    episode.joined_at = at
    # The area that triggered the storm is added right after this event.
    episode.reported_areas = len(episode.areas) + storm
    episode.allowed = allowed
    episode.expected_pages = series.threshold_of(kind).expected(threshold, pool, prior)
    start_tickets(tenant, key, episode, at, context.settings)
    begin_learning_nothing(tenant, key, episode, at)
    page = page_of(tenant, episode.id)
    if page is not None:
        take_back(tenant, page, at, context.settings)
        page.kind, page.since = kind, score.since
    elif kind_of_change == "opened" and suppressed is None:
        forget(tenant, at, context.settings)
        tenant.pages.append(PageRecord(at, episode.id, key=key, kind=kind, since=score.since))
    series.pending = False
    tenant.running.add(key)
    tenant.touch(key)
    return transition_of(tenant, key, kind_of_change, at)


def _suppression(
    context: StepContext, key: str, at: float, slice_score: SliceScore | None
) -> Suppressed | None:
    """Return why an episode that opens now is suppressed, or None if it pages."""
    tenant = context.tenant
    if tenant.in_history:
        return "history"
    if key != TENANT_SERIES and (outer := _enclosing_episode(context, at)) is not None:
        outer.joined_at = at
        if key not in outer.areas:
            outer.areas = [*outer.areas, key]
        if outer.reason == "storm":
            context.guards.append("storm")
            return "storm"
        context.guards.append("inside_tenant")
        return "inside_tenant"
    if slice_score is not None and slice_pages_elsewhere(tenant, slice_score.key):
        context.guards.append("same_slice")
        return "same_slice"
    return None


def _start_or_reopen(
    context: StepContext,
    key: str,
    kind: Kind,
    score: Score,
    threshold: float,
    at: float,
    slice_score: SliceScore | None,
    suppressed: Suppressed | None,
) -> tuple[Transition, Episode]:
    """Reopen the last episode of a series if it is within its cool-down, else open a new one."""
    tenant = context.tenant
    series = tenant.series(key)
    last = series.episode
    if (
        last is not None
        and score.since - last.resolved_at <= _cooldown_seconds(last, context.settings)
        and last.suppressed == suppressed
    ):
        context.guards.append("cooldown")
        return last.reopen(at, score, threshold), last
    series.ordinal += 1
    name = key if slice_score is None else f"{key}{SEPARATOR}{slice_score.key}"
    identity = episode_id(tenant.name, kind, name, series.ordinal)
    series.episode = opened(identity, series.ordinal, at, score, threshold, suppressed)
    return "opened", series.episode


def _enclosing_episode(context: StepContext, at: float) -> Episode | None:
    """Return the tenant's running episode if a crossing belongs to it, or None.

    A storm's episode includes areas that cross soon after the last one joined. It excludes areas
    that cross hours later while one of its areas is still elevated, unless they form a new storm.
    """
    episode = context.tenant.whole.running
    if episode is None or episode.reason != "storm":
        return episode
    recent = at - episode.joined_at <= context.settings.storm_seconds
    return episode if recent or has_page_storm(context, at) else None


def has_page_storm(context: StepContext, at: float) -> bool:
    """Return whether the tenant's pages within the storm window have reached their maximum."""
    settings = context.settings
    recent = sum(at - page.at < settings.storm_seconds for page in context.tenant.pages)
    return recent >= settings.storm_pages


def _cooldown_seconds(episode: Episode, settings: Settings) -> float:
    """Return the cool-down of an episode, in seconds."""
    by_duration = min(COOLDOWN_SHARE * episode.hours, LONGEST_COOLDOWN_HOURS) * SECONDS_PER_HOUR
    return max(settings.cooldown_minutes * SECONDS_PER_MINUTE, by_duration)


def slice_pages_elsewhere(tenant: Tenant, slice_key: str) -> bool:
    """Return whether a running episode of any area has paged for the same slice."""
    for key in tenant.running:
        episode = tenant.series(key).running
        if episode is not None and episode.slice == slice_key and episode.suppressed is None:
            return True
    return False


def _reason(series: Series, kind: Kind, slice_score: SliceScore | None) -> Reason:
    if series.shared:
        return "unknown_areas_surge"
    if slice_score is not None:
        return "new_value" if slice_score.is_new else "slice_spike"
    return "tenant_spike" if kind == "tenant" else "area_spike"


def continue_episode(context: StepContext, scored: ScoredTicket) -> Transitions:
    """Count a ticket in the running episode of its area; yield an update if one is due."""
    tenant = context.tenant
    series = tenant.areas[scored.area]
    episode = series.episode
    assert episode is not None
    summary, score = scored.summary, scored.score
    inside = episode.inside(summary)
    if episode.collected is not None:
        calm, customers = episode.calm, episode.collected.affected.customers
        episode.collected.expect_until(scored.at, series.model.rate, calm=calm)
        episode.collected.add(summary, context.settings.renewal_days, inside=inside, calm=calm)
        if scored.last_seen >= episode.since and episode.collected.affected.customers > customers:
            episode.before -= 1  # this customer was counted before the tickets were collected
    if not inside:
        return
    if episode.slice is not None:
        top = scored.slice_score
        score = top.score if top is not None and top.key == episode.slice else Score()
    episode.expect_until(scored.at, series.model.rate)
    episode.add(summary.weight, score)
    if episode.next_update(context.settings):
        yield transition_of(tenant, scored.area, episode.update(), scored.at)


def continue_tenant_episode(context: StepContext, scored: ScoredTicket) -> Transitions:
    """Count a ticket in the tenant's running episode; yield an update if one is due."""
    tenant = context.tenant
    whole = tenant.whole
    episode = whole.episode
    assert episode is not None
    if not tenant.knows(tenant.areas[scored.area]):
        return
    score = scored.tenant_score
    if episode.collected is not None:
        also = tenant_keys_of(scored.area)
        renewal_days = context.settings.renewal_days
        episode.collected.add(scored.summary, renewal_days, calm=episode.calm, also=also)
    episode.expect_until(scored.at, whole.model.rate)
    episode.add(scored.tenant_weight, score)
    if episode.reason != "storm" and episode.next_update(context.settings):
        yield transition_of(tenant, TENANT_SERIES, episode.update(), scored.at)


def resolve(context: StepContext, key: str, at: float) -> Transitions:
    """Resolve the episode of a series and the episodes that were suppressed because of it.

    If an incident continues in one of those areas, it can page on its own from then on.
    """
    tenant = context.tenant
    series = tenant.series(key)
    episode = series.episode
    assert episode is not None
    kind = episode.resolve(at)
    restart_windows(tenant, key)
    tenant.running.discard(key)
    if key != TENANT_SERIES:
        tenant.touched.add(key)
        series.recent_tickets.clear()  # tickets of an episode are not usual tickets
        if episode.suppressed is None:
            # The tenant's windows must not score tickets that have already paged.
            tenant.whole.model.restart()
    yield transition_of(tenant, key, kind, at)
    settle_episode(context, key, episode, at)
    episode.close()
    if episode.suppressed is None:
        for area in sorted(tenant.running - {TENANT_SERIES}):
            if _was_suppressed_by(tenant, key, area):
                yield from resolve(context, area, at)


def _was_suppressed_by(tenant: Tenant, key: str, area: str) -> bool:
    """Return whether an area's episode was suppressed because of the episode of a series."""
    episode = tenant.areas[area].running
    if episode is None:
        return False
    if episode.suppressed in ("inside_tenant", "storm"):
        return key == TENANT_SERIES
    return (
        episode.suppressed == "same_slice"
        and episode.slice is not None
        and not slice_pages_elsewhere(tenant, episode.slice)
    )


def elevated_areas(tenant: Tenant, at: float) -> list[str]:
    """Return the areas that have a running episode or are elevated now, sorted by name."""
    return sorted(
        name
        for name, series in tenant.areas.items()
        if name in tenant.running or series.elevation(at) >= ELEVATED_DEVIATIONS
    )


def series_by_name(tenant: Tenant) -> list[Series]:
    """Return the areas sorted by name, so that sums over them are the same after a restart."""
    return [tenant.areas[name] for name in sorted(tenant.areas)]


def transition_of(tenant: Tenant, key: str, kind: Transition, at: float) -> EpisodeTransition:
    """Bring the episode of a series up to date and return its transition."""
    episode = tenant.series(key).episode
    assert episode is not None
    if episode.collected is not None:
        episode.collected.expect_until(at, _rate_per_hour(tenant, key, at), calm=episode.calm)
    if key == TENANT_SERIES and not episode.calm:
        episode.areas = sorted({*episode.areas, *elevated_areas(tenant, at)})
    return EpisodeTransition(key, kind, at)


def advance_episode(tenant: Tenant, key: str, minute: float) -> None:
    """Advance the expected count of a running episode to a whole minute (seconds since 1970)."""
    series = tenant.series(key)
    episode = series.running
    assert episode is not None
    episode.information = series.model.ticket_weight
    episode.expect_until(minute, series.model.rate)
    if episode.collected is not None:
        episode.collected.expect_until(
            minute, _rate_per_hour(tenant, key, minute), calm=episode.calm
        )


def _rate_per_hour(tenant: Tenant, key: str, at: float) -> float:
    """Return the expected customer-equivalents per hour; for the tenant, the sum of its areas."""
    if key != TENANT_SERIES:
        return tenant.areas[key].model.rate
    return sum(s.model.rate_at(at) for s in series_by_name(tenant) if tenant.knows(s))


def start_tickets(
    tenant: Tenant, key: str, episode: Episode, at: float, settings: Settings
) -> None:
    """Start an episode with the remembered tickets of its window."""
    since = episode.since
    if key == TENANT_SERIES:
        since = max([since, *(_summaries_since(series, at) for series in series_by_name(tenant))])
        tickets = [
            (tenant_keys_of(area), summary)
            for area, summary in summaries_of_all_areas(tenant, since)
        ]
    else:
        no_keys: tuple[str, ...] = ()
        tickets = [(no_keys, t) for t in tenant.areas[key].recent_tickets if t.at >= since]
        if tickets and len(tickets) < episode.tickets:
            since = tickets[0][1].at
    collected = EpisodeTickets(since=since, accounted=min(since, at - SECONDS_PER_MINUTE))
    collected.expect_until(at, _rate_per_hour(tenant, key, at))
    for also, summary in tickets:
        collected.add(summary, settings.renewal_days, inside=episode.inside(summary), also=also)
    episode.begin(collected, settings.severity_rules)


def _summaries_since(series: Series, at: float) -> float:
    """Return the time (seconds since 1970) from which an area's remembered tickets are complete."""
    if len(series.recent_tickets) >= MOST_NOTES:
        return series.recent_tickets[0].at
    return horizon(at, series.model.rate)


def summaries_of_all_areas(tenant: Tenant, since: float) -> list[tuple[str, TicketSummary]]:
    """Return the remembered tickets of all known areas as (area, ticket), the oldest first."""
    summaries = [
        (name, summary)
        for name in sorted(tenant.areas)
        if tenant.knows(tenant.areas[name])
        for summary in tenant.areas[name].recent_tickets
        if summary.at >= since
    ]
    return sorted(summaries, key=lambda item: (item[1].at, item[1].ticket_hash))


def tenant_keys_of(area: str) -> tuple[str, ...]:
    """Return the additional keys of an area's tickets in the tenant's series."""
    return (area_key(area),)
