"""From scores to pages: whether an area, one of its slices or the whole tenant crossed its limit.

The alert budget of the tenant is split between the three kinds of series
(`detectors.state.threshold_priors`) and, within a kind, evenly over the areas that live. One thing
is one page: while the whole tenant's episode runs, areas that cross are listed inside it; an area
whose neighbours are up as well opens the tenant's episode instead of its own; and a page that went
out for an area minutes before its tenant crossed becomes the tenant's.
"""

from typing import Final, Literal

from detectors.alerting.budget import threshold_for
from detectors.alerting.guards import breadth, heirs_share
from detectors.alerting.lifecycle import (
    NEWBORN_HOURS,
    ScoredTicket,
    continue_episode,
    continue_tenant_episode,
    open_episode,
    restart_windows,
    series_by_name,
)
from detectors.alerting.tenant_wide import decide_tenant_wide, open_tenant_episode, update_storm
from detectors.alerting.verdict_effects import is_expected, repeat_false_alarm_threshold, unmask
from detectors.models import Score
from detectors.models.slices import SliceScore
from detectors.policy.settings import Settings
from detectors.state.series import PENDING_MARGIN, Series
from detectors.state.tenant import TENANT_SERIES, Tenant, ThresholdCheck
from detectors.state.threshold_priors import Kind
from schemas.escalation import EscalationEvent

BROAD: Final = 2.5
"""Deviations by which a tenant's areas, but for the biggest contributor, must be up."""
EXPLAINED: Final = 0.8
"""Of an area's excess; a slice that holds so much of it is what it is about."""
_KINDS_OF_AREA: Final[tuple[Kind, ...]] = ("area", "slice")
_KINDS_OF_WHOLE: Final[tuple[Kind, ...]] = ("tenant",)


def decide(tenant: Tenant, arrived: ScoredTicket, settings: Settings) -> list[EscalationEvent]:
    """What follows from one counted ticket."""
    whole, area = tenant.whole, tenant.areas[arrived.area]
    events: list[EscalationEvent] = []
    if whole.running is not None:
        events += continue_tenant_episode(tenant, arrived, settings)
    elif arrived.of_whole.value >= 0.0:
        events += _decide_tenant(tenant, arrived, settings)
    if area.running is not None:
        return events + continue_episode(tenant, arrived, settings)
    if arrived.score.value >= 0.0 or arrived.found is not None:
        return events + _decide_area(tenant, arrived, settings)
    area.pending = False
    return events


def learn_thresholds(tenant: Tenant, series: Series, at: float) -> None:
    """Once a day: the limits of *series* learn from the days without a peak, too."""
    series.day = int(at // 86_400.0)
    if series is tenant.whole and tenant.pages:
        unmask(tenant, at)
    for kind in _KINDS_OF_WHOLE if series is tenant.whole else _KINDS_OF_AREA:
        pool, table = tenant.pool(kind, series.model.rate)
        series.limit_of(kind).elapse(at / 3600.0, pool, table)


def _decide_tenant(
    tenant: Tenant, arrived: ScoredTicket, settings: Settings
) -> list[EscalationEvent]:
    whole, at = tenant.whole, arrived.at
    if at / 3600.0 - whole.born < NEWBORN_HOURS["tenant"]:
        return []
    score = arrived.of_whole
    judged = _check_against_threshold(tenant, TENANT_SERIES, "tenant", score, at, settings)
    if judged.outcome == "announced":
        return []
    limit = judged.reckoned.limit
    if score.value < limit - PENDING_MARGIN:
        whole.pending = False
        whole.limit.note(at / 3600.0, score.value)
        return []
    if breadth(series_by_name(tenant), at) < BROAD:
        _note_check(tenant, judged, "one_area")
        return []
    if judged.outcome != "called_false":
        whole.limit.note(at / 3600.0, score.value)
    whole.pending = score.value < limit
    if judged.outcome != "crossed":
        return []
    return open_tenant_episode(tenant, score, limit, at, settings)


def _decide_area(
    tenant: Tenant, arrived: ScoredTicket, settings: Settings
) -> list[EscalationEvent]:
    area, at = tenant.areas[arrived.area], arrived.at
    if at / 3600.0 - area.born < NEWBORN_HOURS["area"]:
        return []
    crossed = crossed_slice = False
    limit = limit_slice = 0.0
    area.pending = False
    if arrived.score.value >= 0.0:
        judged = of_area = _check_against_threshold(
            tenant, arrived.area, "area", arrived.score, at, settings
        )
        limit, crossed = judged.reckoned.limit, judged.outcome == "crossed"
        if judged.outcome not in ("announced", "called_false"):
            area.limit.note(at / 3600.0, arrived.score.value)
            area.pending = -PENDING_MARGIN <= arrived.score.value - limit < 0.0
    found = arrived.found
    if found is not None:
        judged = _check_against_threshold(tenant, arrived.area, "slice", found.score, at, settings)
        limit_slice, crossed_slice = judged.reckoned.limit, judged.outcome == "crossed"
        if judged.outcome not in ("announced", "called_false"):
            area.slice_limit.note(at / 3600.0, found.score.value)
    if not crossed and not crossed_slice:
        return []
    if crossed and _inherits_baseline(tenant, arrived):
        _note_check(tenant, of_area, "inherited")
        return []
    events = decide_tenant_wide(tenant, arrived, settings, alone=crossed)
    if found is not None and crossed_slice and (not crossed or _explains(found, arrived.score)):
        event = open_episode(
            tenant, arrived.area, "slice", found.score, limit_slice, at, settings, found=found
        )
    else:
        event = open_episode(tenant, arrived.area, "area", arrived.score, limit, at, settings)
    return [*events, event, *update_storm(tenant, at, settings)]


def _check_against_threshold(
    tenant: Tenant, key: str, kind: Kind, score: Score, at: float, settings: Settings
) -> ThresholdCheck:
    """Hold a *score* of the series *key* against its limit, and against what people have said."""
    reckoned = threshold_for(tenant, key, kind, at, settings)
    checked = ThresholdCheck(key, kind, at, score, reckoned, reckoned.limit, "below")
    over = score.value >= reckoned.limit
    if is_expected(tenant, key, score.since, at, settings):
        checked = checked._replace(outcome="announced")
        if over:
            tenant.guarded.append("announced")
            restart_windows(tenant, key)
    elif over:
        higher = repeat_false_alarm_threshold(tenant, key, score, reckoned.limit, at, settings)
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
                restart_windows(tenant, key)
        if higher is not None:
            checked = checked._replace(bar=higher.height)
    if tenant.checked is not None:
        tenant.checked.append(checked)
    return checked


def _note_check(
    tenant: Tenant, checked: ThresholdCheck, outcome: Literal["one_area", "inherited"]
) -> None:
    """For those who ask: what was held against its limit did not page after all."""
    if tenant.checked is not None:
        tenant.checked.append(checked._replace(outcome=outcome))


def _explains(found: SliceScore, score: Score) -> bool:
    """Whether the slice holds nearly all of what the area has too much."""
    excess = score.observed - score.expected
    return found.score.observed - found.score.expected >= EXPLAINED * excess


def _inherits_baseline(tenant: Tenant, arrived: ScoredTicket) -> bool:
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
