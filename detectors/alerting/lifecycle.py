"""The lifecycle of an episode: opened, continued, resolved, reopened."""

from typing import Final, NamedTuple

from detectors.alerting.budget import BUDGET_WEEKS, allowed_pages_for
from detectors.alerting.context import EpisodeTransition, StepContext, Transitions
from detectors.alerting.verdict_effects import DOMINANT_SHARE, forget, page_of
from detectors.foundation.dimensions import SEPARATOR, DimensionValue, area_key
from detectors.foundation.units import SECONDS_PER_HOUR, SECONDS_PER_MINUTE
from detectors.memory.episode_tickets import MOST_NOTES, EpisodeTickets, TicketSummary, horizon
from detectors.models import Score
from detectors.models.slices import SliceScore
from detectors.policy.settings import Settings
from detectors.state.episode import Episode, episode_id, opened
from detectors.state.series import Series
from detectors.state.tenant import TENANT_SERIES, PageRecord, Tenant
from detectors.state.threshold_priors import Kind
from schemas.escalation import Explanation, Reason, Suppressed, Transition

NEWBORN_HOURS: Final[dict[Kind, float]] = {"area": 1.0, "tenant": 24.0}
"""A series younger than this pages nobody: there is nothing yet to compare its counts with."""
ELEVATED_DEVIATIONS: Final = 1.5
"""Standard deviations above expectation from which an area is part of a tenant-wide episode."""
COOLDOWN_SHARE: Final = 0.5
"""The cool-down lasts at least this share of the episode's own duration ..."""
LONGEST_COOLDOWN_HOURS: Final = 24.0
"""... but that rule never makes it longer than this."""


class ScoredTicket(NamedTuple):
    """One counted ticket, and the scores of the series that it was counted in."""

    area: str
    at: float
    """Seconds since 1970."""
    summary: TicketSummary
    last_seen: float
    """When its customer was last seen in the area, seconds since 1970."""
    score: Score
    """The score of the area."""
    slice_score: SliceScore | None
    """The highest score among the slices of the area that the ticket belongs to."""
    tenant_score: Score
    tenant_weight: float
    """The ticket's weight in the tenant's own series, customer-equivalents."""


def restart_windows(tenant: Tenant, key: str) -> None:
    """Begin all windows of a series anew: what they hold has been dealt with."""
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
    """Open an episode of the series *key*, or reopen its last one within the cool-down.

    Args:
        context: The step.
        key: The area, or `TENANT_SERIES`.
        kind: What crossed its threshold: the area, a slice of it, or the tenant.
        score: The score that crossed.
        threshold: The score that it had to reach.
        at: Seconds since 1970.
        slice_score: The slice that crossed, if *kind* is ``slice``.
        storm: Whether the episode replaces many pages, whatever the tenant's own score.
    """
    tenant = context.tenant
    series = tenant.series(key)
    suppressed = _suppression(context, key, at, slice_score)
    pool, prior = tenant.pool(kind, series.model.rate)
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
    # The area that brought the storm is added right after this event.
    episode.reported_areas = len(episode.areas) + storm
    episode.allowed = allowed
    episode.expected_pages = series.threshold_of(kind).expected(threshold, pool, prior)
    start_tickets(tenant, key, episode, at, context.settings)
    if kind_of_change == "opened" and suppressed is None:
        series.threshold_of(kind).paged(at / SECONDS_PER_HOUR, allowed, pool, prior)
        forget(tenant, at, BUDGET_WEEKS)
        tenant.pages.append(PageRecord(at, episode.id, key=key, kind=kind, since=score.since))
    series.pending = False
    tenant.running.add(key)
    if key != TENANT_SERIES:
        tenant.touched.add(key)
    return transition_of(tenant, key, kind_of_change, at)


def _suppression(
    context: StepContext, key: str, at: float, slice_score: SliceScore | None
) -> Suppressed | None:
    """Return why an episode that opens now pages nobody, or None if it pages."""
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
    """Return the episode that a crossing belongs to: the last one within its cool-down, or new."""
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
    """Return the tenant's episode if a crossing *at* that time is a part of it.

    The digest of a storm takes in the areas that cross together with it, not those that break
    hours later while one of its areas is still elevated; unless that is a storm again.
    """
    episode = context.tenant.whole.running
    if episode is None or episode.reason != "storm":
        return episode
    recent = at - episode.joined_at <= context.settings.storm_seconds
    return episode if recent or has_page_storm(context, at) else None


def has_page_storm(context: StepContext, at: float) -> bool:
    """Whether the tenant has paged as often within the storm window as it may."""
    settings = context.settings
    recent = sum(at - page.at < settings.storm_seconds for page in context.tenant.pages)
    return recent >= settings.storm_pages


def _cooldown_seconds(episode: Episode, settings: Settings) -> float:
    """Return how long after an episode a new crossing still belongs to it, in seconds."""
    by_duration = min(COOLDOWN_SHARE * episode.hours, LONGEST_COOLDOWN_HOURS) * SECONDS_PER_HOUR
    return max(settings.cooldown_minutes * SECONDS_PER_MINUTE, by_duration)


def slice_pages_elsewhere(tenant: Tenant, slice_key: str) -> bool:
    """Whether a running episode of another area has paged for the same value of a dimension."""
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
    """Count one more ticket in the running episode of its area; yield an update when needed."""
    tenant = context.tenant
    series = tenant.areas[scored.area]
    episode = series.episode
    assert episode is not None
    if not episode.is_expected_event:
        series.limit.note(scored.at / SECONDS_PER_HOUR, scored.score.value)
    summary, score = scored.summary, scored.score
    inside = episode.inside(summary)
    if episode.collected is not None:
        calm, known = episode.calm, episode.collected.affected.customers
        episode.collected.expect_until(scored.at, series.model.rate, calm=calm)
        episode.collected.add(summary, context.settings.renewal_days, inside=inside, calm=calm)
        if scored.last_seen >= episode.since and episode.collected.affected.customers > known:
            episode.before -= 1  # this customer was counted before the tickets were collected
    if not inside:
        return
    if episode.slice is not None:
        found = scored.slice_score
        score = found.score if found is not None and found.key == episode.slice else Score()
    episode.expect_until(scored.at, series.model.rate)
    episode.add(summary.weight, score)
    if episode.next_update(context.settings):
        yield transition_of(tenant, scored.area, episode.update(), scored.at)


def continue_tenant_episode(context: StepContext, scored: ScoredTicket) -> Transitions:
    """Count one more ticket in the tenant's running episode; yield an update when needed."""
    tenant = context.tenant
    whole = tenant.whole
    episode = whole.episode
    assert episode is not None
    if not tenant.knows(tenant.areas[scored.area]):
        return
    score = scored.tenant_score
    whole.limit.note(scored.at / SECONDS_PER_HOUR, score.value)
    if episode.collected is not None:
        also = tenant_keys_of(scored.area)
        renewal_days = context.settings.renewal_days
        episode.collected.add(scored.summary, renewal_days, calm=episode.calm, also=also)
    episode.expect_until(scored.at, whole.model.rate)
    episode.add(scored.tenant_weight, score)
    if episode.reason != "storm" and episode.next_update(context.settings):
        yield transition_of(tenant, TENANT_SERIES, episode.update(), scored.at)


def resolve(context: StepContext, key: str, at: float) -> Transitions:
    """Resolve the episode of the series *key*, and those that were suppressed because of it.

    What continues in their areas may page by itself from now on.
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
        series.recent_tickets.clear()  # tickets of an episode are no usual tickets
        if episode.suppressed is None:
            # The tenant's window must not consist of what was dealt with.
            tenant.whole.model.restart()
    yield transition_of(tenant, key, kind, at)
    episode.close()
    if episode.suppressed is None:
        for area in sorted(tenant.running - {TENANT_SERIES}):
            if _was_suppressed_by(tenant, key, area):
                yield from resolve(context, area, at)


def _was_suppressed_by(tenant: Tenant, key: str, area: str) -> bool:
    """Whether the episode of *area* was suppressed because that of the series *key* ran."""
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
    """Return the areas of a tenant-wide episode: those with an episode, and those elevated now."""
    return sorted(
        name
        for name, series in tenant.areas.items()
        if name in tenant.running or series.elevation(at) >= ELEVATED_DEVIATIONS
    )


def series_by_name(tenant: Tenant) -> list[Series]:
    """Return the areas by name: sums depend on the order, and a restart changes any other order."""
    return [tenant.areas[name] for name in sorted(tenant.areas)]


def transition_of(tenant: Tenant, key: str, kind: Transition, at: float) -> EpisodeTransition:
    """Bring the episode of the series *key* up to date, and return its transition."""
    episode = tenant.series(key).episode
    assert episode is not None
    if episode.collected is not None:
        episode.collected.expect_until(at, _rate_per_hour(tenant, key, at), calm=episode.calm)
    if key == TENANT_SERIES and not episode.calm:
        episode.areas = sorted({*episode.areas, *elevated_areas(tenant, at)})
    return EpisodeTransition(key, kind, at)


def update_page_record(tenant: Tenant, episode: Episode, explanation: list[Explanation]) -> None:
    """Remember with a page what its last event reported, for a verdict on it.

    Args:
        tenant: Its pages are changed in place.
        episode: Nothing happens if it is no page, or one that is forgotten.
        explanation: The drivers of the episode, as the event reports them, the strongest first.
    """
    page = page_of(tenant, episode.id)
    if page is None:
        return
    page.peak_score = max(page.peak_score, episode.score.value)
    page.ended = 0.0 if episode.running else episode.resolved_at
    if page.is_on_calendar:
        tenant.refresh_calendar(page.key)
    if episode.slice is not None:
        page.shared_value = episode.slice
    elif explanation:
        best = explanation[0]
        page.shared_value = (
            DimensionValue(best.dimension, best.value).key if best.share >= DOMINANT_SHARE else ""
        )


def advance_episode(tenant: Tenant, key: str, minute: float) -> None:
    """Add what was expected until a whole *minute* (seconds since 1970) to a running episode."""
    series = tenant.series(key)
    episode = series.running
    assert episode is not None
    episode.expect_until(minute, series.model.rate)
    if episode.collected is not None:
        episode.collected.expect_until(
            minute, _rate_per_hour(tenant, key, minute), calm=episode.calm
        )


def _rate_per_hour(tenant: Tenant, key: str, at: float) -> float:
    """Return the expected customer-equivalents per hour, unweighted for the tenant's series too."""
    if key != TENANT_SERIES:
        return tenant.areas[key].model.rate
    return sum(s.model.rate_at(at) for s in series_by_name(tenant) if tenant.knows(s))


def start_tickets(
    tenant: Tenant, key: str, episode: Episode, at: float, settings: Settings
) -> None:
    """Give an episode that opens *at* the remembered tickets of its window."""
    since = episode.since
    if key == TENANT_SERIES:
        since = max([since, *(_summaries_since(series, at) for series in series_by_name(tenant))])
        tickets = [
            (tenant_keys_of(area), summary)
            for area, summary in summaries_of_all_areas(tenant, since)
        ]
    else:
        none: tuple[str, ...] = ()
        tickets = [(none, one) for one in tenant.areas[key].recent_tickets if one.at >= since]
        if tickets and len(tickets) < episode.tickets:
            since = tickets[0][1].at
    collected = EpisodeTickets(since=since, accounted=min(since, at - SECONDS_PER_MINUTE))
    collected.expect_until(at, _rate_per_hour(tenant, key, at))
    for also, summary in tickets:
        collected.add(summary, settings.renewal_days, inside=episode.inside(summary), also=also)
    episode.begin(collected, settings.severity_rules)


def _summaries_since(series: Series, at: float) -> float:
    """Return since when the remembered tickets of an area are complete, seconds since 1970."""
    if len(series.recent_tickets) >= MOST_NOTES:
        return series.recent_tickets[0].at
    return horizon(at, series.model.rate)


def summaries_of_all_areas(tenant: Tenant, since: float) -> list[tuple[str, TicketSummary]]:
    """Return the remembered tickets of all known areas with their areas, the oldest first."""
    found = [
        (name, summary)
        for name in sorted(tenant.areas)
        if tenant.knows(tenant.areas[name])
        for summary in tenant.areas[name].recent_tickets
        if summary.at >= since
    ]
    return sorted(found, key=lambda item: (item[1].at, item[1].ticket_hash))


def tenant_keys_of(area: str) -> tuple[str, ...]:
    """Return the keys that a ticket of *area* has beside its own in the tenant's series."""
    return (area_key(area),)
