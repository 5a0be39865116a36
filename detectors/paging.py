"""From scores to pages: whether an area, one of its slices or the whole tenant crossed its limit.

The alert budget of the tenant is split between the three kinds of series (`detectors.calibration`)
and, within a kind, evenly over the areas that live. One thing is one page: while the whole tenant's
episode runs, areas that cross are listed inside it; an area whose neighbours are up as well opens
the tenant's episode instead of its own; and a page that went out for an area minutes before its
tenant crossed becomes the tenant's.
"""

from typing import Final, Literal, NamedTuple

from detectors.arithmetic import negative_log_tail
from detectors.budget import BUDGET_WEEKS, allowed_for, budget_told, limit_for
from detectors.calibration import Kind
from detectors.dossier import MOST_NOTES, Dossier, Note, horizon
from detectors.episode import Episode, episode_id, opened
from detectors.evidence import to_event
from detectors.guards import breadth, heirs_share
from detectors.models import Score
from detectors.series import PENDING_MARGIN, Series
from detectors.settings import Settings
from detectors.slices import Found
from detectors.telling import area_key, story
from detectors.tenant import WHOLE, Checked, Page, Tenant
from detectors.verdicts import DOMINATES, bar, forget, is_expected, page_of, unmask
from schemas.escalation import EscalationEvent, Reason, Suppressed, Transition

NEWBORN_HOURS: Final[dict[Kind, float]] = {"area": 1.0, "tenant": 24.0}
"""A series that is younger pages nobody: nothing is known that it could be held against."""
BROAD: Final = 2.5
"""Deviations by which a tenant's areas, but for the biggest contributor, must be up."""
BROAD_NEIGHBOURS: Final = 3.5
"""The same of an area's neighbours, that make its crossing the tenant's."""
ELEVATED: Final = 1.5
"""Deviations above what is due that make an area part of a tenant-wide episode."""
SAME_THING_SECONDS: Final = 3.0 * 3600.0
"""A tenant that crosses so long after one of its areas paged is the same thing."""
JOINT_SECONDS: Final = 7200.0
BROAD_TOGETHER: Final = 1.5
"""Deviations by which the rest must be up, where another area paged so lately that it may be one
thing."""
AT_ONCE_SECONDS: Final = 120.0
BROAD_AT_ONCE: Final = 0.1
"""The same where it paged a moment ago: what breaks in one minute is hardly two things."""
LONG_SHARE: Final = 0.5
LONGEST_COOLDOWN_HOURS: Final = 24.0
"""The cool-down is half as long as the episode was at least, but no longer than a day by that."""
EXPLAINED: Final = 0.8
"""Of an area's excess; a slice that holds so much of it is what it is about."""
_KINDS_OF_AREA: Final[tuple[Kind, ...]] = ("area", "slice")
_KINDS_OF_WHOLE: Final[tuple[Kind, ...]] = ("tenant",)


class Arrived(NamedTuple):
    """One counted ticket, and what each series made of it."""

    area: str
    at: float
    note: Note
    last_seen: float
    """When its customer was last seen in the area."""
    score: Score
    found: Found | None
    of_whole: Score
    weight_there: float
    """In the tenant's own series."""


def judge(tenant: Tenant, arrived: Arrived, settings: Settings) -> list[EscalationEvent]:
    """What follows from one counted ticket."""
    whole, area = tenant.whole, tenant.areas[arrived.area]
    events: list[EscalationEvent] = []
    if whole.running is not None:
        events += _continue_whole(tenant, arrived, settings)
    elif arrived.of_whole.value >= 0.0:
        events += _judge_whole(tenant, arrived, settings)
    if area.running is not None:
        return events + _continue(tenant, arrived, settings)
    if arrived.score.value >= 0.0 or arrived.found is not None:
        return events + _judge_area(tenant, arrived, settings)
    area.pending = False
    return events


def learn_limits(tenant: Tenant, series: Series, at: float) -> None:
    """Once a day: the limits of *series* learn from the days without a peak, too."""
    series.day = int(at // 86_400.0)
    if series is tenant.whole and tenant.pages:
        unmask(tenant, at)
    for kind in _KINDS_OF_WHOLE if series is tenant.whole else _KINDS_OF_AREA:
        pool, table = tenant.pool(kind, series.model.rate)
        series.limit_of(kind).elapse(at / 3600.0, pool, table)


def _judge_whole(tenant: Tenant, arrived: Arrived, settings: Settings) -> list[EscalationEvent]:
    whole, at = tenant.whole, arrived.at
    if at / 3600.0 - whole.born < NEWBORN_HOURS["tenant"]:
        return []
    score = arrived.of_whole
    judged = _hold(tenant, WHOLE, "tenant", score, at, settings)
    if judged.outcome == "announced":
        return []
    limit = judged.reckoned.limit
    if score.value < limit - PENDING_MARGIN:
        whole.pending = False
        whole.limit.note(at / 3600.0, score.value)
        return []
    if breadth(_in_order(tenant), at) < BROAD:
        _note_check(tenant, judged, "one_area")
        return []
    if judged.outcome != "called_false":
        whole.limit.note(at / 3600.0, score.value)
    whole.pending = score.value < limit
    if judged.outcome != "crossed":
        return []
    return _open_whole(tenant, score, limit, at, settings)


def _open_whole(
    tenant: Tenant, score: Score, limit: float, at: float, settings: Settings
) -> list[EscalationEvent]:
    paged = _paged_since(tenant, at - SAME_THING_SECONDS)
    if paged and not tenant.in_history:
        return [_adopt(tenant, paged[0], score, limit, at, settings)]
    event = _open(tenant, WHOLE, "tenant", score, limit, at, settings)
    return [event]


def _adopt(
    tenant: Tenant, area: str, score: Score, limit: float, at: float, settings: Settings
) -> EscalationEvent:
    """The page that went out for *area* becomes the tenant's."""
    series = tenant.areas[area]
    episode = series.episode
    assert episode is not None
    series.episode = None
    inside = sorted({area, *_inside(tenant, at)})
    tenant.running.discard(area)
    if (page := page_of(tenant, episode.id)) is not None:
        page.key, page.kind = WHOLE, "tenant"
    episode.become_tenant_wide(at, score, limit, inside)
    pool, table = tenant.pool("tenant", tenant.whole.model.rate)
    episode.allowed = allowed_for(tenant, tenant.whole, "tenant", settings)
    episode.expected_pages = tenant.whole.limit.expected(limit, pool, table)
    tenant.whole.episode = episode
    _begin(tenant, WHOLE, episode, at, settings)
    tenant.running.add(WHOLE)
    tenant.touched.add(area)
    return tell(tenant, WHOLE, episode.update(), at, settings)


def _judge_area(tenant: Tenant, arrived: Arrived, settings: Settings) -> list[EscalationEvent]:
    area, at = tenant.areas[arrived.area], arrived.at
    if at / 3600.0 - area.born < NEWBORN_HOURS["area"]:
        return []
    crossed = crossed_slice = False
    limit = limit_slice = 0.0
    area.pending = False
    if arrived.score.value >= 0.0:
        judged = of_area = _hold(tenant, arrived.area, "area", arrived.score, at, settings)
        limit, crossed = judged.reckoned.limit, judged.outcome == "crossed"
        if judged.outcome not in ("announced", "called_false"):
            area.limit.note(at / 3600.0, arrived.score.value)
            area.pending = -PENDING_MARGIN <= arrived.score.value - limit < 0.0
    found = arrived.found
    if found is not None:
        judged = _hold(tenant, arrived.area, "slice", found.score, at, settings)
        limit_slice, crossed_slice = judged.reckoned.limit, judged.outcome == "crossed"
        if judged.outcome not in ("announced", "called_false"):
            area.slice_limit.note(at / 3600.0, found.score.value)
    if not crossed and not crossed_slice:
        return []
    if crossed and _inherits(tenant, arrived):
        _note_check(tenant, of_area, "inherited")
        return []
    events = _several(tenant, arrived, settings, alone=crossed)
    if found is not None and crossed_slice and (not crossed or _explains(found, arrived.score)):
        event = _open(
            tenant, arrived.area, "slice", found.score, limit_slice, at, settings, found=found
        )
    else:
        event = _open(tenant, arrived.area, "area", arrived.score, limit, at, settings)
    return [*events, event, *_more_inside(tenant, at, settings)]


def _hold(
    tenant: Tenant, key: str, kind: Kind, score: Score, at: float, settings: Settings
) -> Checked:
    """Hold a *score* of the series *key* against its limit, and against what people have said."""
    reckoned = limit_for(tenant, key, kind, at, settings)
    checked = Checked(key, kind, at, score, reckoned, reckoned.limit, "below")
    over = score.value >= reckoned.limit
    if is_expected(tenant, key, score.since, at, settings):
        checked = checked._replace(outcome="announced")
        if over:
            tenant.guarded.append("announced")
            _restart(tenant, key)
    elif over:
        higher = bar(tenant, key, score, reckoned.limit, at, settings)
        if higher is None or score.value >= higher.height:
            checked = checked._replace(outcome="crossed")
        else:
            checked = checked._replace(outcome="called_false")
            tenant.guarded.append("called_false")
            dealt_with = at - score.since > higher.seconds
            for page in higher.pages:
                page.held_at = at
                page.dealt_at = at if dealt_with else page.dealt_at
            if dealt_with:
                _restart(tenant, key)
        if higher is not None:
            checked = checked._replace(bar=higher.height)
    if tenant.checked is not None:
        tenant.checked.append(checked)
    return checked


def _note_check(
    tenant: Tenant, checked: Checked, outcome: Literal["one_area", "inherited"]
) -> None:
    """For those who ask: what was held against its limit did not page after all."""
    if tenant.checked is not None:
        tenant.checked.append(checked._replace(outcome=outcome))


def _restart(tenant: Tenant, key: str) -> None:
    """What was seen has been dealt with."""
    series = tenant.series(key)
    series.model.restart()
    series.slices.restart()


def _several(
    tenant: Tenant, arrived: Arrived, settings: Settings, *, alone: bool
) -> list[EscalationEvent]:
    """An area crosses: the tenant's episode, if this is only a part of it; else nothing.

    *alone*: the area itself crosses, not only a slice of it.
    """
    whole, area, at = tenant.whole, tenant.areas[arrived.area], arrived.at
    grown = at / 3600.0 - whole.born >= NEWBORN_HOURS["tenant"]
    if whole.running is not None or tenant.in_history or not grown:
        return []
    areas = _in_order(tenant)
    up = alone and arrived.of_whole.value >= 0.0 and breadth(areas, at, (area,)) >= BROAD_NEIGHBOURS
    lately = _paged_since(tenant, at - JOINT_SECONDS)
    if not up and lately:
        but = (area, *(tenant.areas[name] for name in lately))
        at_once = bool(_paged_since(tenant, at - AT_ONCE_SECONDS))
        up = breadth(areas, at, but) >= (BROAD_AT_ONCE if at_once else BROAD_TOGETHER)
    found = arrived.found
    elsewhere = found is not None and _pages_elsewhere(tenant, found.key)
    if not up and (elsewhere or not _pages_lately(tenant, at, settings)):
        return []
    reckoned = limit_for(tenant, WHOLE, "tenant", at, settings)
    limit = reckoned.limit
    score = _gathered(tenant, arrived.of_whole, limit, at)
    if tenant.checked is not None:
        tenant.checked.append(Checked(WHOLE, "tenant", at, score, reckoned, limit, "crossed"))
    if up:
        return _open_whole(tenant, score, limit, at, settings)
    tenant.guarded.append("storm")
    return [_open(tenant, WHOLE, "tenant", score, limit, at, settings, storm=True)]


def _paged_since(tenant: Tenant, since: float) -> list[str]:
    """Areas whose page runs and went out *since*, the first one first."""
    found = [
        (episode.detected_at, name)
        for name in tenant.running
        if name != WHOLE
        and (episode := tenant.areas[name].running) is not None
        and episode.suppressed is None
        and not episode.hushed
        and episode.detected_at >= since
    ]
    return [name for _, name in sorted(found)]


def _gathered(tenant: Tenant, score: Score, limit: float, at: float) -> Score:
    """The tenant's score; where it has none yet, what came since the first of its pages began."""
    if score.value >= 0.0:
        return score
    begun = [
        episode.since
        for name in tenant.running
        if name != WHOLE
        and (episode := tenant.areas[name].running) is not None
        and episode.detected_at >= at - JOINT_SECONDS
    ]
    since = min([*begun, at - 60.0])
    due, came = tenant.whole.lately(since / 3600.0, at)
    notes = _notes_of_all(tenant, since)
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


def _more_inside(tenant: Tenant, at: float, settings: Settings) -> list[EscalationEvent]:
    """A digest of a storm tells when it has twice as many areas as it told of."""
    episode = tenant.whole.running
    if episode is None or episode.reason != "storm" or tenant.in_history:
        return []
    if len(episode.areas) < 2 * episode.told_areas:
        return []
    return [tell(tenant, WHOLE, episode.update(), at, settings)]


def _explains(found: Found, score: Score) -> bool:
    """Whether the slice holds nearly all of what the area has too much."""
    excess = score.observed - score.expected
    return found.score.observed - found.score.expected >= EXPLAINED * excess


def _inherits(tenant: Tenant, arrived: Arrived) -> bool:
    """Whether a young area has what others lost; then it carries on with their baseline."""
    series = tenant.areas[arrived.area]
    excess = series.seen - series.model.due_by(arrived.at)
    heritage = heirs_share(tenant.areas, arrived.area, arrived.at, excess)
    if heritage is None:
        return False
    donor, share = heritage
    series.model.adopt(tenant.areas[donor].model, share)
    series.born = tenant.areas[donor].born
    series.slices.restart()
    tenant.guarded.append("inherited")
    return True


def _open(
    tenant: Tenant,
    key: str,
    kind: Kind,
    score: Score,
    limit: float,
    at: float,
    settings: Settings,
    found: Found | None = None,
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
    elif key != WHOLE and (inside := _taken_into(tenant, at, settings)) is not None:
        inside.joined_at = at
        suppressed = "storm" if inside.reason == "storm" else "inside_tenant"
        tenant.guarded.append(suppressed)
        if key not in inside.areas:
            inside.areas = [*inside.areas, key]
    elif found is not None and _pages_elsewhere(tenant, found.key):
        suppressed = "same_slice"
        tenant.guarded.append("same_slice")
    before = series.episode
    again = before is not None and score.since - before.resolved_at <= _cooldown(before, settings)
    transition: Transition
    pool, table = tenant.pool(kind, series.model.rate)
    allowed = allowed_for(tenant, series, kind, settings)
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
    episode.areas = _inside(tenant, at) if key == WHOLE else []
    episode.joined_at = at
    episode.told_areas = len(episode.areas) + storm  # the area that brought the storm comes next
    episode.allowed = allowed
    episode.expected_pages = series.limit_of(kind).expected(limit, pool, table)
    _begin(tenant, key, episode, at, settings)
    if transition == "opened" and suppressed is None:
        series.limit_of(kind).paged(at / 3600.0, allowed, pool, table)
        forget(tenant, at, BUDGET_WEEKS)
        tenant.pages.append(Page(at, episode.id, key=key, kind=kind, since=score.since))
    series.pending = False
    tenant.running.add(key)
    if key != WHOLE:
        tenant.touched.add(key)
    return tell(tenant, key, transition, at, settings)


def _taken_into(tenant: Tenant, at: float, settings: Settings) -> Episode | None:
    """The tenant's episode, if what crosses *at* is a part of it.

    A digest takes in what comes with its storm, not what breaks hours later while one of its areas
    is still up; unless that is a storm again.
    """
    episode = tenant.whole.running
    if episode is None or episode.reason != "storm":
        return episode
    lately = at - episode.joined_at <= settings.storm_seconds
    return episode if lately or _pages_lately(tenant, at, settings) else None


def _pages_lately(tenant: Tenant, at: float, settings: Settings) -> bool:
    """Whether as many pages went out lately as may."""
    recent = sum(at - page.at < settings.storm_seconds for page in tenant.pages)
    return recent >= settings.storm_pages


def _cooldown(episode: Episode, settings: Settings) -> float:
    """Seconds after an episode in which what begins anew is the same thing."""
    longer = min(LONG_SHARE * episode.hours, LONGEST_COOLDOWN_HOURS) * 3600.0
    return max(settings.cooldown_minutes * 60.0, longer)


def _pages_elsewhere(tenant: Tenant, slice_key: str) -> bool:
    """Whether the same value of the same dimension has paged for another area, and still runs."""
    for key in tenant.running:
        episode = tenant.series(key).running
        if episode is not None and episode.slice == slice_key and episode.suppressed is None:
            return True
    return False


def _reason(series: Series, kind: Kind, found: Found | None) -> Reason:
    if series.shared:
        return "unknown_areas_surge"
    if found is not None:
        return "new_value" if found.is_new else "slice_spike"
    return "tenant_spike" if kind == "tenant" else "area_spike"


def _continue(tenant: Tenant, arrived: Arrived, settings: Settings) -> list[EscalationEvent]:
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


def _continue_whole(tenant: Tenant, arrived: Arrived, settings: Settings) -> list[EscalationEvent]:
    whole = tenant.whole
    episode = whole.episode
    assert episode is not None
    if not tenant.knows(tenant.areas[arrived.area]):
        return []
    score = arrived.of_whole
    whole.limit.note(arrived.at / 3600.0, score.value)
    if episode.dossier is not None:
        also = also_of(arrived.area)
        episode.dossier.add(arrived.note, settings.renewal_days, calm=episode.calm, also=also)
    episode.account(arrived.at, whole.model.rate)
    episode.add(arrived.weight_there, score)
    if episode.reason == "storm" or not episode.next_update(settings):
        return []
    return [tell(tenant, WHOLE, episode.update(), arrived.at, settings)]


def resolve(tenant: Tenant, key: str, at: float, settings: Settings) -> list[EscalationEvent]:
    """The episode of the series *key* is over, and those that were silent for its sake with it.

    Of them, what goes on may page by itself now.
    """
    series = tenant.series(key)
    episode = series.episode
    assert episode is not None
    transition = episode.resolve(at)
    _restart(tenant, key)
    tenant.running.discard(key)
    if key != WHOLE:
        tenant.touched.add(key)
        series.notes.clear()  # they are no usual tickets
        if episode.suppressed is None:
            # The tenant's window must not be made of what was dealt with.
            tenant.whole.model.restart()
    events = [tell(tenant, key, transition, at, settings)]
    episode.close()
    if episode.suppressed is None:
        for other in sorted(tenant.running - {WHOLE}):
            silent = tenant.areas[other].running
            if silent is not None and (
                (key == WHOLE and silent.suppressed in ("inside_tenant", "storm"))
                or (
                    silent.suppressed == "same_slice"
                    and silent.slice is not None
                    and not _pages_elsewhere(tenant, silent.slice)
                )
            ):
                events += resolve(tenant, other, at, settings)
    return events


def _inside(tenant: Tenant, at: float) -> list[str]:
    """Areas of a tenant-wide episode: those whose own runs, and those that are up lately."""
    return sorted(
        name
        for name, series in tenant.areas.items()
        if name in tenant.running or series.elevation(at) >= ELEVATED
    )


def _in_order(tenant: Tenant) -> list[Series]:
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
    if key == WHOLE and not episode.calm:
        episode.areas = sorted({*episode.areas, *_inside(tenant, at)})
    event = to_event(
        episode,
        transition,
        at,
        tenant=tenant.name,
        area=None if key == WHOLE else key,
        model=series.model.name,
        config_hash=settings.config_hash,
        budget=budget_told(tenant, episode, at, settings),
        story=story(tenant, key, episode, settings, at),
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


def account(tenant: Tenant, key: str, minute: float) -> None:
    """Time has come to a whole *minute*; the episode of the series *key* runs."""
    series = tenant.series(key)
    episode = series.running
    assert episode is not None
    episode.account(minute, series.model.rate)
    if episode.dossier is not None:
        episode.dossier.account(minute, _rate(tenant, key, minute), calm=episode.calm)


def _rate(tenant: Tenant, key: str, at: float) -> float:
    """Customer-equivalents an hour; of the whole tenant too, whose series weighs them."""
    if key != WHOLE:
        return tenant.areas[key].model.rate
    return sum(s.model.rate_at(at) for s in _in_order(tenant) if tenant.knows(s))


def _begin(tenant: Tenant, key: str, episode: Episode, at: float, settings: Settings) -> None:
    """The dossier of an episode that opens *at*: of what is still known of its window."""
    since = episode.since
    if key == WHOLE:
        since = max([since, *(_noted_since(series, at) for series in _in_order(tenant))])
        notes = [(also_of(name), note) for name, note in _notes_of_all(tenant, since)]
    else:
        none: tuple[str, ...] = ()
        notes = [(none, note) for note in tenant.areas[key].notes if note.at >= since]
        if notes and len(notes) < episode.tickets:
            since = notes[0][1].at
    dossier = Dossier(since=since, accounted=min(since, at - 60.0))
    dossier.account(at, _rate(tenant, key, at))
    for also, note in notes:
        dossier.add(note, settings.renewal_days, inside=episode.inside(note), also=also)
    episode.begin(dossier, settings.severity_rules)


def _noted_since(series: Series, at: float) -> float:
    """Since when the notes of an area are complete."""
    if len(series.notes) >= MOST_NOTES:
        return series.notes[0].at
    return horizon(at, series.model.rate)


def _notes_of_all(tenant: Tenant, since: float) -> list[tuple[str, Note]]:
    """With their areas, oldest first."""
    found = [
        (name, note)
        for name in sorted(tenant.areas)
        if tenant.knows(tenant.areas[name])
        for note in tenant.areas[name].notes
        if note.at >= since
    ]
    return sorted(found, key=lambda one: (one[1].at, one[1].mark))


def also_of(name: str) -> tuple[str, ...]:
    """The keys that a ticket of the area *name* has for the whole tenant: the area is one."""
    return (area_key(name),)
