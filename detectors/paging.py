"""From scores to pages: whether an area, one of its slices or the whole tenant crossed its limit.

The alert budget of the tenant is split between the three kinds of series (`detectors.calibration`)
and, within a kind, evenly over the areas that live. One thing is one page: while the whole tenant's
episode runs, areas that cross are listed inside it; an area whose neighbours are up as well opens
the tenant's episode instead of its own; and a page that went out for an area minutes before its
tenant crossed becomes the tenant's.
"""

from typing import Final

from detectors.calibration import SPLIT, Kind
from detectors.episode import Episode, episode_id, opened
from detectors.evidence import significant, to_event
from detectors.guards import breadth, heirs_share
from detectors.models import Score
from detectors.series import PENDING_MARGIN, Series
from detectors.settings import Settings
from detectors.slices import Found
from detectors.tenant import WHOLE, Page, Tenant
from schemas.escalation import Budget, EscalationEvent, Reason, Suppressed, Transition

NEWBORN_HOURS: Final[dict[Kind, float]] = {"area": 1.0, "tenant": 24.0}
"""A series that is younger pages nobody: nothing is known that it could be held against."""
BROAD: Final = 2.5
"""Deviations by which a tenant's areas, but for the biggest contributor, must be up."""
BROAD_NEIGHBOURS: Final = 3.5
"""The same of an area's neighbours, that make its crossing the tenant's."""
ELEVATED: Final = 1.5
"""Deviations above what is due that make an area part of a tenant-wide episode."""
LIVE_RATE: Final = 0.005
"""Customer-equivalents an hour below which an area takes no part of the budget."""
SAME_THING_SECONDS: Final = 3.0 * 3600.0
"""A tenant that crosses so long after one of its areas paged is the same thing."""
LONG_SHARE: Final = 0.5
LONGEST_COOLDOWN_HOURS: Final = 24.0
"""The cool-down is half as long as the episode was at least, but no longer than a day by that."""
EXPLAINED: Final = 0.8
"""Of an area's excess; a slice that holds so much of it is what it is about."""
BUDGET_WEEKS: Final = 4.0
_KINDS_OF_AREA: Final[tuple[Kind, ...]] = ("area", "slice")
_KINDS_OF_WHOLE: Final[tuple[Kind, ...]] = ("tenant",)


class Arrived:
    """One counted ticket, and what each series made of it."""

    __slots__ = ("area", "at", "found", "keys", "last_seen", "score", "weight", "whole")

    def __init__(  # noqa: PLR0913, RUF100 - a record; a struct would be slower to make
        self,
        area: str,
        at: float,
        weight: float,
        last_seen: float,
        keys: tuple[str, ...],
        score: Score,
        found: Found | None,
        whole: tuple[Score, float, float],
    ) -> None:
        """Of *area* at *at*; *whole*: the tenant's score, the weight there, and when last seen."""
        self.area, self.at, self.weight, self.last_seen = area, at, weight, last_seen
        self.keys, self.score, self.found, self.whole = keys, score, found, whole


def judge(tenant: Tenant, arrived: Arrived, settings: Settings) -> list[EscalationEvent]:
    """What follows from one counted ticket."""
    whole, area = tenant.whole, tenant.areas[arrived.area]
    events: list[EscalationEvent] = []
    if whole.running is not None:
        events += _continue_whole(tenant, arrived, settings)
    elif arrived.whole[0].value >= 0.0:
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
    for kind in _KINDS_OF_WHOLE if series is tenant.whole else _KINDS_OF_AREA:
        pool, table = tenant.pool(kind, series.model.rate)
        series.limit_of(kind).elapse(at / 3600.0, pool, table)


def _limit(tenant: Tenant, series: Series, kind: Kind, at: float, settings: Settings) -> float:
    pool, table = tenant.pool(kind, series.model.rate)
    allowed = _allowed(tenant, kind, settings)
    return series.limit_of(kind).at(at / 3600.0, allowed, pool, table)


def _allowed(tenant: Tenant, kind: Kind, settings: Settings) -> float:
    """False pages a week that one series of that kind may spend."""
    part = settings.false_pages_per_week * SPLIT[kind]
    if kind == "tenant":
        return part
    living = sum(series.model.rate >= LIVE_RATE for series in tenant.areas.values())
    return part / max(living, 1)


def _judge_whole(tenant: Tenant, arrived: Arrived, settings: Settings) -> list[EscalationEvent]:
    whole, at = tenant.whole, arrived.at
    if at / 3600.0 - whole.born < NEWBORN_HOURS["tenant"]:
        return []
    limit = _limit(tenant, whole, "tenant", at, settings)
    score = arrived.whole[0]
    if score.value < limit - PENDING_MARGIN:
        whole.pending = False
        whole.limit.note(at / 3600.0, score.value)
        return []
    if breadth(_in_order(tenant), at) < BROAD:  # one area's affair
        return []
    whole.limit.note(at / 3600.0, score.value)
    whole.pending = score.value < limit
    if whole.pending:
        return []
    return _open_whole(tenant, score, limit, at, settings)


def _open_whole(
    tenant: Tenant, score: Score, limit: float, at: float, settings: Settings
) -> list[EscalationEvent]:
    paged = [
        (episode.detected_at, name)
        for name in tenant.running
        if name != WHOLE
        and (episode := tenant.areas[name].running) is not None
        and episode.suppressed is None
        and at - episode.detected_at <= SAME_THING_SECONDS
    ]
    if paged and not tenant.in_history:
        return [_adopt(tenant, min(paged)[1], score, limit, at, settings)]
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
    episode.become_tenant_wide(at, score, limit, inside)
    pool, table = tenant.pool("tenant", tenant.whole.model.rate)
    episode.allowed = _allowed(tenant, "tenant", settings)
    episode.expected_pages = tenant.whole.limit.expected(limit, pool, table)
    tenant.whole.episode = episode
    tenant.running.add(WHOLE)
    tenant.touched.add(area)
    return tell(tenant, WHOLE, episode.update(), at, settings)


def _judge_area(tenant: Tenant, arrived: Arrived, settings: Settings) -> list[EscalationEvent]:
    area, at = tenant.areas[arrived.area], arrived.at
    if at / 3600.0 - area.born < NEWBORN_HOURS["area"]:
        return []
    over = over_slice = -1.0
    limit = limit_slice = 0.0
    if arrived.score.value >= 0.0:
        limit = _limit(tenant, area, "area", at, settings)
        area.limit.note(at / 3600.0, arrived.score.value)
        over = arrived.score.value - limit
    area.pending = -PENDING_MARGIN <= over < 0.0
    found = arrived.found
    if found is not None:
        limit_slice = _limit(tenant, area, "slice", at, settings)
        area.slice_limit.note(at / 3600.0, found.score.value)
        over_slice = found.score.value - limit_slice
    if over < 0.0 and over_slice < 0.0:
        return []
    if over >= 0.0 and _inherits(tenant, arrived):
        return []
    if over >= 0.0 and tenant.whole.running is None and not tenant.in_history:
        up = breadth(_in_order(tenant), at, but=area)
        grown = at / 3600.0 - tenant.whole.born >= NEWBORN_HOURS["tenant"]
        if grown and up >= BROAD_NEIGHBOURS and arrived.whole[0].value >= 0.0:
            whole_limit = _limit(tenant, tenant.whole, "tenant", at, settings)
            events = _open_whole(tenant, arrived.whole[0], whole_limit, at, settings)
            inside = _open(tenant, arrived.area, "area", arrived.score, limit, at, settings)
            return [*events, inside]
    if found is not None and over_slice >= 0.0 and (over < 0.0 or _explains(found, arrived.score)):
        event = _open(
            tenant, arrived.area, "slice", found.score, limit_slice, at, settings, found=found
        )
    else:
        event = _open(tenant, arrived.area, "area", arrived.score, limit, at, settings)
    return [event]


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
) -> EscalationEvent:
    """Open an episode of the series *key*, or reopen its last one within the cool-down."""
    series = tenant.series(key)
    suppressed: Suppressed | None = None
    if tenant.in_history:
        suppressed = "history"
    elif key != WHOLE and (inside := tenant.whole.running) is not None:
        suppressed = "inside_tenant"
        tenant.guarded.append("inside_tenant")
        if key not in inside.areas:
            inside.areas = [*inside.areas, key]
    elif found is not None and _pages_elsewhere(tenant, found.key):
        suppressed = "same_slice"
        tenant.guarded.append("same_slice")
    before = series.episode
    again = before is not None and score.since - before.resolved_at <= _cooldown(before, settings)
    transition: Transition
    pool, table = tenant.pool(kind, series.model.rate)
    allowed = _allowed(tenant, kind, settings)
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
    episode.reason = _reason(kind, found)
    episode.slice, episode.share = (None, 1.0) if found is None else (found.key, found.share)
    episode.areas = _inside(tenant, at) if key == WHOLE else []
    episode.allowed = allowed
    episode.expected_pages = series.limit_of(kind).expected(limit, pool, table)
    if transition == "opened" and suppressed is None:
        series.limit_of(kind).paged(at / 3600.0, allowed, pool, table)
        recent = [page for page in tenant.pages if at - page.at <= BUDGET_WEEKS * 604_800.0]
        tenant.pages = [*recent[-200:], Page(at, episode.id)]
    series.pending = False
    tenant.running.add(key)
    if key != WHOLE:
        tenant.touched.add(key)
    return tell(tenant, key, transition, at, settings)


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


def expected_false_pages(tenant: Tenant, settings: Settings) -> float:
    """False pages a week that all series together are expected to bring, by their own scores."""
    if tenant.clock is None:
        return 0.0
    at, total = tenant.clock / 3600.0, 0.0
    kinds: list[tuple[Series, Kind]] = [(tenant.whole, "tenant")]
    for series in tenant.areas.values():
        kinds += [(series, "area"), (series, "slice")]
    allowed = {kind: _allowed(tenant, kind, settings) for kind in SPLIT}
    for series, kind in kinds:
        pool, table = tenant.pool(kind, series.model.rate)
        limit = series.limit_of(kind)
        now = limit.now(at, allowed[kind], pool, table)
        total += limit.expected(now, pool, table)
    return total


def budget_of(tenant: Tenant, at: float, settings: Settings) -> tuple[float, float, float]:
    """Pages a week of the last four weeks, those called false, and the budget's spent share."""
    since = at - BUDGET_WEEKS * 604_800.0
    pages = [page for page in tenant.pages if page.at >= since]
    wrong = [page for page in pages if page.verdict in ("false_alarm", "expected_event")]
    rate = len(pages) / BUDGET_WEEKS
    return rate, len(wrong) / BUDGET_WEEKS, rate / settings.false_pages_per_week


def _reason(kind: Kind, found: Found | None) -> Reason:
    if found is not None:
        return "new_value" if found.is_new else "slice_spike"
    return "tenant_spike" if kind == "tenant" else "area_spike"


def _continue(tenant: Tenant, arrived: Arrived, settings: Settings) -> list[EscalationEvent]:
    """One more ticket of an area whose episode runs."""
    series = tenant.areas[arrived.area]
    episode = series.episode
    assert episode is not None
    series.limit.note(arrived.at / 3600.0, arrived.score.value)
    score = arrived.score
    if episode.slice is not None:
        if episode.slice not in arrived.keys:
            return []
        found = arrived.found
        score = found.score if found is not None and found.key == episode.slice else Score()
    episode.account(arrived.at, series.model.rate)
    episode.add(arrived.weight, arrived.last_seen, score)
    if not episode.next_update(settings):
        return []
    return [tell(tenant, arrived.area, episode.update(), arrived.at, settings)]


def _continue_whole(tenant: Tenant, arrived: Arrived, settings: Settings) -> list[EscalationEvent]:
    whole = tenant.whole
    episode = whole.episode
    assert episode is not None
    score, weight, last_seen = arrived.whole
    whole.limit.note(arrived.at / 3600.0, score.value)
    episode.account(arrived.at, whole.model.rate)
    episode.add(weight, last_seen, score)
    if not episode.next_update(settings):
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
    series.model.restart()
    series.slices.restart()
    tenant.running.discard(key)
    if key != WHOLE:
        tenant.touched.add(key)
        if (
            episode.suppressed is None
        ):  # the tenant's window must not be made of what was dealt with
            tenant.whole.model.restart()
    events = [tell(tenant, key, transition, at, settings)]
    if episode.suppressed is None:
        for other in sorted(tenant.running - {WHOLE}):
            silent = tenant.areas[other].running
            if silent is not None and (
                (key == WHOLE and silent.suppressed == "inside_tenant")
                or (silent.suppressed == "same_slice" and silent.slice == episode.slice)
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
    return to_event(
        episode,
        transition,
        at,
        tenant=tenant.name,
        area=None if key == WHOLE else key,
        model=series.model.name,
        config_hash=settings.config_hash,
        budget=_budget(tenant, episode, at, settings),
    )


def _budget(tenant: Tenant, episode: Episode, at: float, settings: Settings) -> Budget:
    rate, wrong, burn = budget_of(tenant, at, settings)
    return Budget(
        per_week=settings.false_pages_per_week,
        allowed=significant(episode.allowed, 4),
        expected=significant(episode.expected_pages, 4),
        pages=rate,
        false_pages=wrong,
        burn=significant(burn, 4),
    )
