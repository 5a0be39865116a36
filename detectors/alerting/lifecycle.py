"""The lifecycle of an episode: opened, updated, reopened, resolved."""

from typing import Final, NamedTuple

from detectors.alerting.budget import BUDGET_WEEKS, allowed_pages_for, budget_of_event
from detectors.alerting.verdict_effects import DOMINATES, forget, page_of
from detectors.evidence.assembly import assemble_evidence
from detectors.evidence.event import to_event
from detectors.foundation.dimensions import area_key
from detectors.memory.episode_tickets import MOST_NOTES, EpisodeTickets, TicketSummary, horizon
from detectors.models import Score
from detectors.models.slices import SliceScore
from detectors.policy.settings import Settings
from detectors.state.episode import Episode, episode_id, opened
from detectors.state.series import Series
from detectors.state.tenant import TENANT_SERIES, PageRecord, Tenant
from detectors.state.threshold_priors import Kind
from schemas.escalation import EscalationEvent, Reason, Suppressed, Transition

NEWBORN_HOURS: Final[dict[Kind, float]] = {"area": 1.0, "tenant": 24.0}
"""A series that is younger pages nobody: nothing is known that it could be held against."""


ELEVATED: Final = 1.5
"""Deviations above what is due that make an area part of a tenant-wide episode."""


LONG_SHARE: Final = 0.5


LONGEST_COOLDOWN_HOURS: Final = 24.0
"""The cool-down is half as long as the episode was at least, but no longer than a day by that."""


class ScoredTicket(NamedTuple):
    """One counted ticket, and what each series made of it."""

    area: str
    at: float
    note: TicketSummary
    last_seen: float
    """When its customer was last seen in the area."""
    score: Score
    found: SliceScore | None
    of_whole: Score
    weight_there: float
    """In the tenant's own series."""


def restart_windows(tenant: Tenant, key: str) -> None:
    """What was seen has been dealt with."""
    series = tenant.series(key)
    series.model.restart()
    series.slices.restart()


def open_episode(
    tenant: Tenant,
    key: str,
    kind: Kind,
    score: Score,
    limit: float,
    at: float,
    settings: Settings,
    found: SliceScore | None = None,
    *,
    storm: bool = False,
) -> EscalationEvent:
    """Open an episode of the series *key*, or reopen its last one within the cool-down.

    *storm*: it stands for many pages, whatever the tenant's own score.
    """
    series = tenant.series(key)
    suppressed: Suppressed | None = None
    if tenant.in_history:
        suppressed = "history"
    elif key != TENANT_SERIES and (inside := _enclosing_episode(tenant, at, settings)) is not None:
        inside.joined_at = at
        suppressed = "storm" if inside.reason == "storm" else "inside_tenant"
        tenant.guarded.append(suppressed)
        if key not in inside.areas:
            inside.areas = [*inside.areas, key]
    elif found is not None and slice_pages_elsewhere(tenant, found.key):
        suppressed = "same_slice"
        tenant.guarded.append("same_slice")
    before = series.episode
    again = before is not None and score.since - before.resolved_at <= _cooldown(before, settings)
    transition: Transition
    pool, table = tenant.pool(kind, series.model.rate)
    allowed = allowed_pages_for(tenant, series, kind, settings)
    if before is not None and again and before.suppressed == suppressed:
        transition = before.reopen(at, score, limit)
        episode = before
        tenant.guarded.append("cooldown")
    else:
        transition = "opened"
        series.ordinal += 1
        name = key if found is None else f"{key}\x1f{found.key}"
        identity = episode_id(tenant.name, kind, name, series.ordinal)
        episode = opened(identity, series.ordinal, at, score, limit, suppressed)
        series.episode = episode
    episode.reason = "storm" if storm else _reason(series, kind, found)
    episode.slice, episode.share = (None, 1.0) if found is None else (found.key, found.share)
    episode.areas = elevated_areas(tenant, at) if key == TENANT_SERIES else []
    episode.joined_at = at
    episode.told_areas = len(episode.areas) + storm  # the area that brought the storm comes next
    episode.allowed = allowed
    episode.expected_pages = series.limit_of(kind).expected(limit, pool, table)
    start_tickets(tenant, key, episode, at, settings)
    if transition == "opened" and suppressed is None:
        series.limit_of(kind).paged(at / 3600.0, allowed, pool, table)
        forget(tenant, at, BUDGET_WEEKS)
        tenant.pages.append(PageRecord(at, episode.id, key=key, kind=kind, since=score.since))
    series.pending = False
    tenant.running.add(key)
    if key != TENANT_SERIES:
        tenant.touched.add(key)
    return tell(tenant, key, transition, at, settings)


def _enclosing_episode(tenant: Tenant, at: float, settings: Settings) -> Episode | None:
    """The tenant's episode, if what crosses *at* is a part of it.

    A digest takes in what comes with its storm, not what breaks hours later while one of its areas
    is still up; unless that is a storm again.
    """
    episode = tenant.whole.running
    if episode is None or episode.reason != "storm":
        return episode
    lately = at - episode.joined_at <= settings.storm_seconds
    return episode if lately or has_page_storm(tenant, at, settings) else None


def has_page_storm(tenant: Tenant, at: float, settings: Settings) -> bool:
    """Whether as many pages went out lately as may."""
    recent = sum(at - page.at < settings.storm_seconds for page in tenant.pages)
    return recent >= settings.storm_pages


def _cooldown(episode: Episode, settings: Settings) -> float:
    """Seconds after an episode in which what begins anew is the same thing."""
    longer = min(LONG_SHARE * episode.hours, LONGEST_COOLDOWN_HOURS) * 3600.0
    return max(settings.cooldown_minutes * 60.0, longer)


def slice_pages_elsewhere(tenant: Tenant, slice_key: str) -> bool:
    """Whether the same value of the same dimension has paged for another area, and still runs."""
    for key in tenant.running:
        episode = tenant.series(key).running
        if episode is not None and episode.slice == slice_key and episode.suppressed is None:
            return True
    return False


def _reason(series: Series, kind: Kind, found: SliceScore | None) -> Reason:
    if series.shared:
        return "unknown_areas_surge"
    if found is not None:
        return "new_value" if found.is_new else "slice_spike"
    return "tenant_spike" if kind == "tenant" else "area_spike"


def continue_episode(
    tenant: Tenant, arrived: ScoredTicket, settings: Settings
) -> list[EscalationEvent]:
    """One more ticket of an area whose episode runs."""
    series = tenant.areas[arrived.area]
    episode = series.episode
    assert episode is not None
    if not episode.hushed:
        series.limit.note(arrived.at / 3600.0, arrived.score.value)
    note, score = arrived.note, arrived.score
    inside = episode.inside(note)
    if episode.dossier is not None:
        calm, known = episode.calm, episode.dossier.audience.customers
        episode.dossier.account(arrived.at, series.model.rate, calm=calm)
        episode.dossier.add(note, settings.renewal_days, inside=inside, calm=calm)
        if arrived.last_seen >= episode.since and episode.dossier.audience.customers > known:
            episode.before -= 1  # one of those from before the dossier begins
    if not inside:
        return []
    if episode.slice is not None:
        found = arrived.found
        score = found.score if found is not None and found.key == episode.slice else Score()
    episode.account(arrived.at, series.model.rate)
    episode.add(note.weight, score)
    if not episode.next_update(settings):
        return []
    return [tell(tenant, arrived.area, episode.update(), arrived.at, settings)]


def continue_tenant_episode(
    tenant: Tenant, arrived: ScoredTicket, settings: Settings
) -> list[EscalationEvent]:
    """Continue the episode of the tenant series with a ticket that counts in it."""
    whole = tenant.whole
    episode = whole.episode
    assert episode is not None
    if not tenant.knows(tenant.areas[arrived.area]):
        return []
    score = arrived.of_whole
    whole.limit.note(arrived.at / 3600.0, score.value)
    if episode.dossier is not None:
        also = tenant_keys_of(arrived.area)
        episode.dossier.add(arrived.note, settings.renewal_days, calm=episode.calm, also=also)
    episode.account(arrived.at, whole.model.rate)
    episode.add(arrived.weight_there, score)
    if episode.reason == "storm" or not episode.next_update(settings):
        return []
    return [tell(tenant, TENANT_SERIES, episode.update(), arrived.at, settings)]


def resolve(tenant: Tenant, key: str, at: float, settings: Settings) -> list[EscalationEvent]:
    """The episode of the series *key* is over, and those that were silent for its sake with it.

    Of them, what goes on may page by itself now.
    """
    series = tenant.series(key)
    episode = series.episode
    assert episode is not None
    transition = episode.resolve(at)
    restart_windows(tenant, key)
    tenant.running.discard(key)
    if key != TENANT_SERIES:
        tenant.touched.add(key)
        series.notes.clear()  # they are no usual tickets
        if episode.suppressed is None:
            # The tenant's window must not be made of what was dealt with.
            tenant.whole.model.restart()
    events = [tell(tenant, key, transition, at, settings)]
    episode.close()
    if episode.suppressed is None:
        for other in sorted(tenant.running - {TENANT_SERIES}):
            silent = tenant.areas[other].running
            if silent is not None and (
                (key == TENANT_SERIES and silent.suppressed in ("inside_tenant", "storm"))
                or (
                    silent.suppressed == "same_slice"
                    and silent.slice is not None
                    and not slice_pages_elsewhere(tenant, silent.slice)
                )
            ):
                events += resolve(tenant, other, at, settings)
    return events


def elevated_areas(tenant: Tenant, at: float) -> list[str]:
    """Areas of a tenant-wide episode: those whose own runs, and those that are up lately."""
    return sorted(
        name
        for name, series in tenant.areas.items()
        if name in tenant.running or series.elevation(at) >= ELEVATED
    )


def series_by_name(tenant: Tenant) -> list[Series]:
    """The areas by name: sums of numbers depend on the order, and a restart changes the other."""
    return [tenant.areas[name] for name in sorted(tenant.areas)]


def tell(
    tenant: Tenant, key: str, transition: Transition, at: float, settings: Settings
) -> EscalationEvent:
    """The event for *transition* of the episode of the series *key*."""
    series = tenant.series(key)
    episode = series.episode
    assert episode is not None
    if episode.dossier is not None:
        episode.dossier.account(at, _rate(tenant, key, at), calm=episode.calm)
    if key == TENANT_SERIES and not episode.calm:
        episode.areas = sorted({*episode.areas, *elevated_areas(tenant, at)})
    event = to_event(
        episode,
        transition,
        at,
        tenant=tenant.name,
        area=None if key == TENANT_SERIES else key,
        model=series.model.name,
        config_hash=settings.config_hash,
        budget=budget_of_event(tenant, episode, at, settings),
        story=assemble_evidence(tenant, key, episode, settings, at),
    )
    _note_page(tenant, episode, event)
    return event


def _note_page(tenant: Tenant, episode: Episode, event: EscalationEvent) -> None:
    """What was told of a page is remembered with it, for whoever calls it false."""
    page = page_of(tenant, episode.id)
    if page is None:
        return
    page.height = max(page.height, episode.score.value)
    page.ended = 0.0 if episode.running else episode.resolved_at
    if page.masked:
        tenant.inform(page.key)
    if episode.slice is not None:
        page.cause = episode.slice
    elif event.data.explanation:
        best = event.data.explanation[0]
        page.cause = f"{best.dimension}\x1f{best.value}" if best.share >= DOMINATES else ""


def advance_episode(tenant: Tenant, key: str, minute: float) -> None:
    """Time has come to a whole *minute*; the episode of the series *key* runs."""
    series = tenant.series(key)
    episode = series.running
    assert episode is not None
    episode.account(minute, series.model.rate)
    if episode.dossier is not None:
        episode.dossier.account(minute, _rate(tenant, key, minute), calm=episode.calm)


def _rate(tenant: Tenant, key: str, at: float) -> float:
    """Customer-equivalents an hour; of the whole tenant too, whose series weighs them."""
    if key != TENANT_SERIES:
        return tenant.areas[key].model.rate
    return sum(s.model.rate_at(at) for s in series_by_name(tenant) if tenant.knows(s))


def start_tickets(
    tenant: Tenant, key: str, episode: Episode, at: float, settings: Settings
) -> None:
    """The dossier of an episode that opens *at*: of what is still known of its window."""
    since = episode.since
    if key == TENANT_SERIES:
        since = max([since, *(_noted_since(series, at) for series in series_by_name(tenant))])
        notes = [
            (tenant_keys_of(name), note) for name, note in summaries_of_all_areas(tenant, since)
        ]
    else:
        none: tuple[str, ...] = ()
        notes = [(none, note) for note in tenant.areas[key].notes if note.at >= since]
        if notes and len(notes) < episode.tickets:
            since = notes[0][1].at
    dossier = EpisodeTickets(since=since, accounted=min(since, at - 60.0))
    dossier.account(at, _rate(tenant, key, at))
    for also, note in notes:
        dossier.add(note, settings.renewal_days, inside=episode.inside(note), also=also)
    episode.begin(dossier, settings.severity_rules)


def _noted_since(series: Series, at: float) -> float:
    """Since when the notes of an area are complete."""
    if len(series.notes) >= MOST_NOTES:
        return series.notes[0].at
    return horizon(at, series.model.rate)


def summaries_of_all_areas(tenant: Tenant, since: float) -> list[tuple[str, TicketSummary]]:
    """With their areas, oldest first."""
    found = [
        (name, note)
        for name in sorted(tenant.areas)
        if tenant.knows(tenant.areas[name])
        for note in tenant.areas[name].notes
        if note.at >= since
    ]
    return sorted(found, key=lambda one: (one[1].at, one[1].mark))


def tenant_keys_of(name: str) -> tuple[str, ...]:
    """The keys that a ticket of the area *name* has for the whole tenant: the area is one."""
    return (area_key(name),)
