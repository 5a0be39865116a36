"""The clock of a tenant: what the passing of time alone decides."""

from detectors.alerting.lifecycle import advance_episode, resolve
from detectors.policy.settings import Settings
from detectors.state.tenant import TENANT_SERIES, Tenant
from detectors.step.result import Step
from schemas.escalation import EscalationEvent
from schemas.signals import Tick


def apply_tick(tenant: Tenant, tick: Tick, settings: Settings, received_at: float | None) -> Step:
    """Move the clock of a tenant to a tick, if the tick may move it."""
    wall_clock = tick.tenant is None
    too_far = received_at is not None and tick.now > received_at + settings.future_seconds
    not_ours = wall_clock and (tenant.in_history or tenant.simulated)
    if tenant.clock is None or not_ours or (too_far and not tenant.simulated):
        return Step("tick_ignored", [])
    now = tick.now
    if received_at is not None and not tenant.simulated:  # by the broker's clock, not the sender's
        now = min(now, received_at - settings.lateness_seconds)
    return Step("tick", pass_time(tenant, now, settings))


def end_history(tenant: Tenant, settings: Settings) -> Step:
    """From here on it pages. What history left open is closed: live tickets may open it anew."""
    if tenant.clock is None:
        return Step("history_end", [])
    clock = tenant.clock
    # Also where a live ticket came among the history: the tenant is in history no more, they are.
    left_open = [
        key
        for key in sorted(tenant.running)
        if (episode := tenant.series(key).episode) is not None and episode.suppressed == "history"
    ]
    events = [event for key in left_open for event in resolve(tenant, key, clock, settings)]
    if tenant.in_history:
        tenant.whole.model.restart()
        for area, series in tenant.areas.items():
            series.model.restart()
            series.slices.restart()
            tenant.touched.add(area)
    tenant.in_history = False
    return Step("history_end", events)


def pass_time(tenant: Tenant, now: float, settings: Settings) -> list[EscalationEvent]:
    """Move the clock to *now*; on each whole minute passed, see whether episodes are over."""
    assert tenant.clock is not None
    if now <= tenant.clock:
        return []
    tenant.clock = now
    last = int(now // 60)
    events = []
    while tenant.running and tenant.minute < last:
        tenant.minute += 1
        minute = tenant.minute * 60.0
        tenant.whole.model.advance(minute)
        for key in sorted(tenant.running):
            series = tenant.series(key)
            if series.running is None:  # it ended with the one it was inside of
                continue
            series.model.advance(minute)
            if key != TENANT_SERIES:
                tenant.touched.add(key)
            advance_episode(tenant, key, minute)
            if _is_over(tenant, key, minute, settings):
                events += resolve(tenant, key, minute, settings)
    tenant.minute = last
    return events


def _is_over(tenant: Tenant, key: str, minute: float, settings: Settings) -> bool:
    episode = tenant.series(key).running
    assert episode is not None
    over = episode.look(minute, settings)
    if episode.reason == "storm":  # it stands for the others, not for the tenant's own count
        return tenant.running == {TENANT_SERIES}
    return over
