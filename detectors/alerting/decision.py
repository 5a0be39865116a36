"""Decide whether an area, one of its slices, or the tenant crossed its threshold.

The alert budget of a tenant is split between the three kinds of series
(`detectors.state.threshold_priors`) and, within a kind, evenly between the active areas. One
incident pages once:

1. While the tenant's episode is running, areas that cross are listed in it.
2. An area that crosses while other areas are elevated opens the tenant's episode, not its own.
3. If the tenant crosses shortly after one of its areas paged, that episode becomes tenant-wide.
"""

from typing import Final, Literal

from detectors.alerting.budget import allow_pages, learn_from_time, threshold_for
from detectors.alerting.context import StepContext, Transitions
from detectors.alerting.guards import inherited_share
from detectors.alerting.lifecycle import (
    NEWBORN_HOURS,
    ScoredTicket,
    continue_episode,
    continue_tenant_episode,
    open_episode,
    restart_windows,
)
from detectors.alerting.tenant_wide import (
    decide_tenant_wide,
    is_tenant_elevated,
    open_tenant_episode,
    update_storm,
)
from detectors.alerting.verdict_effects import (
    is_expected,
    remove_past_events,
    repeat_false_alarm_threshold,
)
from detectors.foundation.units import SECONDS_PER_DAY, SECONDS_PER_HOUR
from detectors.models import Score
from detectors.models.slices import SliceScore
from detectors.policy.settings import Settings
from detectors.state.series import PENDING_MARGIN, Series
from detectors.state.tenant import TENANT_SERIES, Tenant, ThresholdCheck
from detectors.state.threshold_priors import Kind

SLICE_EXCESS_SHARE: Final = 0.8
"""If a slice holds at least this share of its area's excess, the episode is about the slice."""
_KINDS_OF_AREA: Final[tuple[Kind, ...]] = ("area", "slice")
_KINDS_OF_TENANT: Final[tuple[Kind, ...]] = ("tenant",)


def decide(context: StepContext, scored: ScoredTicket) -> Transitions:
    """Yield the episode transitions that result from one counted ticket.

    Args:
        context: The step; its tenant, guards and checks are changed in place.
        scored: The ticket and the scores of the series that it was counted in.
    """
    tenant = context.tenant
    whole, area = tenant.whole, tenant.areas[scored.area]
    if whole.running is not None:
        yield from continue_tenant_episode(context, scored)
    elif scored.tenant_score.value >= 0.0:
        yield from _decide_tenant(context, scored)
    if area.running is not None:
        yield from continue_episode(context, scored)
    elif scored.score.value >= 0.0 or scored.slice_score is not None:
        yield from _decide_area(context, scored)
    else:
        area.pending = False


def learn_thresholds(tenant: Tenant, series: Series, at: float, settings: Settings) -> None:
    """Let the thresholds of a series learn from the time without a peak; call once per day."""
    days = int(at // SECONDS_PER_DAY) - series.day
    series.day += days
    if series is tenant.whole:
        allow_pages(tenant, days, settings)
        remove_past_events(tenant, at)
    for kind in _KINDS_OF_TENANT if series is tenant.whole else _KINDS_OF_AREA:
        learn_from_time(tenant, series, kind, at, settings)


def _decide_tenant(context: StepContext, scored: ScoredTicket) -> Transitions:
    tenant, at = context.tenant, scored.at
    whole = tenant.whole
    if at / SECONDS_PER_HOUR - whole.born < NEWBORN_HOURS["tenant"]:
        return
    score = scored.tenant_score
    check = _check_against_threshold(context, TENANT_SERIES, "tenant", score, at)
    if check.outcome == "announced":
        return
    threshold = check.computed.limit
    if score.value < threshold - PENDING_MARGIN:
        whole.pending = False
        _record_peak(context, TENANT_SERIES, "tenant", score, at)
        return
    if not is_tenant_elevated(tenant, at):
        _record_outcome(context, check, "one_area")
        return
    if check.outcome != "called_false":
        _record_peak(context, TENANT_SERIES, "tenant", score, at)
    whole.pending = score.value < threshold
    if check.outcome == "crossed":
        yield open_tenant_episode(context, score, threshold, at)


def _decide_area(context: StepContext, scored: ScoredTicket) -> Transitions:
    tenant, at = context.tenant, scored.at
    area = tenant.areas[scored.area]
    if at / SECONDS_PER_HOUR - area.born < NEWBORN_HOURS["area"]:
        return
    check, slice_check = _check_area(context, scored), _check_slice(context, scored)
    crossed = check is not None and check.outcome == "crossed"
    slice_crossed = slice_check is not None and slice_check.outcome == "crossed"
    if not crossed and not slice_crossed:
        return
    if check is not None and crossed and _inherits_baseline(context, scored):
        _record_outcome(context, check, "inherited")
        return
    yield from decide_tenant_wide(context, scored, area_crossed=crossed)
    slice_score = scored.slice_score
    about_slice = (
        slice_score is not None
        and slice_crossed
        and (not crossed or _holds_excess(slice_score, scored.score))
    )
    if about_slice and slice_score is not None and slice_check is not None:
        threshold = slice_check.computed.limit
        yield open_episode(
            context, scored.area, "slice", slice_score.score, threshold, at, slice_score=slice_score
        )
    elif check is not None:
        threshold = check.computed.limit
        yield open_episode(context, scored.area, "area", scored.score, threshold, at)
    yield from update_storm(context, at)


def _check_area(context: StepContext, scored: ScoredTicket) -> ThresholdCheck | None:
    """Compare the score of the area with its threshold; the threshold learns from the score."""
    area = context.tenant.areas[scored.area]
    area.pending = False
    value = scored.score.value
    if value < 0.0:
        return None
    check = _check_against_threshold(context, scored.area, "area", scored.score, scored.at)
    if check.outcome not in ("announced", "called_false"):
        _record_peak(context, scored.area, "area", scored.score, scored.at)
        area.pending = -PENDING_MARGIN <= value - check.computed.limit < 0.0
    return check


def _check_slice(context: StepContext, scored: ScoredTicket) -> ThresholdCheck | None:
    """Compare the highest score among the slices of the area with the threshold for slices."""
    slice_score = scored.slice_score
    if slice_score is None:
        return None
    check = _check_against_threshold(context, scored.area, "slice", slice_score.score, scored.at)
    if check.outcome not in ("announced", "called_false"):
        _record_peak(context, scored.area, "slice", slice_score.score, scored.at)
    return check


def _record_peak(context: StepContext, key: str, kind: Kind, score: Score, at: float) -> None:
    """Let the threshold of a series learn from a score outside episodes."""
    series = context.tenant.series(key)
    if context.tenant.records_peaks(series):
        series.threshold_of(kind).note(at / SECONDS_PER_HOUR, score.value)


def _check_against_threshold(
    context: StepContext, key: str, kind: Kind, score: Score, at: float
) -> ThresholdCheck:
    """Compare a score with the threshold of its series, then apply earlier verdicts."""
    tenant, settings = context.tenant, context.settings
    computed = threshold_for(tenant, key, kind, at, settings)
    check = ThresholdCheck(key, kind, at, score, computed, computed.limit, "below")
    crosses = score.value >= computed.limit
    if is_expected(tenant, key, score.since, at, settings):
        check = check._replace(outcome="announced")
        if crosses:
            context.guards.append("announced")
            restart_windows(tenant, key)
    elif crosses:
        check = _check_against_false_alarms(context, check)
    context.checks.append(check)
    return check


def _check_against_false_alarms(context: StepContext, check: ThresholdCheck) -> ThresholdCheck:
    """Check a score that crossed against the raised threshold of similar false alarms."""
    tenant, at, score = context.tenant, check.at, check.score
    raised = repeat_false_alarm_threshold(
        tenant, check.key, score, check.computed.limit, at, context.settings
    )
    if raised is None:
        return check._replace(outcome="crossed")
    if score.value >= raised.peak_score:
        return check._replace(outcome="crossed", bar=raised.peak_score)
    context.guards.append("called_false")
    is_dismissed = at - score.since > raised.seconds
    for page in raised.pages:
        page.suppressed_at = at
        page.dismissed_at = at if is_dismissed else page.dismissed_at
    if is_dismissed:
        restart_windows(tenant, check.key)
    return check._replace(outcome="called_false", bar=raised.peak_score)


def _record_outcome(
    context: StepContext, check: ThresholdCheck, outcome: Literal["one_area", "inherited"]
) -> None:
    """Record why a score that reached its threshold did not page."""
    context.checks.append(check._replace(outcome=outcome))


def _holds_excess(slice_score: SliceScore, score: Score) -> bool:
    """Return whether a slice holds nearly all of its area's excess."""
    excess = score.observed - score.expected
    slice_excess = slice_score.score.observed - slice_score.score.expected
    return slice_excess >= SLICE_EXCESS_SHARE * excess


def _inherits_baseline(context: StepContext, scored: ScoredTicket) -> bool:
    """Give a young area the baseline of an area whose tickets it took over, if there is one.

    Returns:
        Whether the young area has inherited a baseline.
    """
    tenant = context.tenant
    series = tenant.areas[scored.area]
    excess = series.seen - series.model.expected_until(scored.at)
    inherited = inherited_share(tenant.areas, scored.area, scored.at, excess)
    if inherited is None:
        return False
    donor, share = inherited
    series.model.inherit(tenant.areas[donor].model, share)
    series.born = tenant.areas[donor].born
    series.slices.restart()
    context.guards.append("inherited")
    return True
