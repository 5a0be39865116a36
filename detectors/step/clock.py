"""The watermark of a tenant, and the decisions that depend on time alone."""

from detectors.alerting.context import Stage, StepContext, Transitions
from detectors.alerting.lifecycle import advance_episode, resolve
from detectors.foundation.units import SECONDS_PER_MINUTE
from detectors.state.tenant import TENANT_SERIES
from schemas.signals import Tick


def apply_tick(context: StepContext, tick: Tick) -> Stage:
    """Move the watermark of a tenant to the time of a tick, or ignore the tick.

    A wall-clock tick is ignored by a tenant in history or in simulated time. A tick that is ahead
    of the broker's clock is ignored unless the tenant is the canary's.
    """
    tenant, settings, received_at = context.tenant, context.settings, context.received_at
    is_wall_clock = tick.tenant is None
    is_ahead = received_at is not None and tick.now > received_at + settings.future_seconds
    is_foreign = is_wall_clock and (tenant.in_history or tenant.simulated)
    if tenant.clock is None or is_foreign or (is_ahead and not tenant.is_canary):
        return "tick_ignored"
    now = tick.now
    if received_at is not None and not tenant.is_canary:
        # The sender's clock may be wrong, so the broker's clock limits the tick.
        now = min(now, received_at - settings.lateness_seconds)
    yield from advance_clock(context, now)
    return "tick"


def end_history(context: StepContext) -> Stage:
    """End the history of a tenant, so that it pages from now on.

    Episodes that were opened in history are resolved; live tickets can reopen them.
    """
    tenant = context.tenant
    if tenant.clock is None:
        return "history_end"
    # A live ticket before this signal has already ended history, but not these episodes.
    left_open = [
        key
        for key in sorted(tenant.running)
        if (episode := tenant.series(key).episode) is not None and episode.suppressed == "history"
    ]
    for key in left_open:
        yield from resolve(context, key, tenant.clock)
    if tenant.in_history:
        tenant.whole.model.restart()
        for area, series in tenant.areas.items():
            series.model.restart()
            series.slices.restart()
            tenant.touched.add(area)
    tenant.in_history = False
    return "history_end"


def advance_clock(context: StepContext, now: float) -> Transitions:
    """Move the watermark to a time (seconds since 1970); resolve episodes at each whole minute."""
    tenant = context.tenant
    assert tenant.clock is not None
    if now <= tenant.clock:
        return
    tenant.clock = now
    last = int(now // SECONDS_PER_MINUTE)
    while tenant.running and tenant.minute < last:
        tenant.minute += 1
        minute = tenant.minute * SECONDS_PER_MINUTE
        tenant.whole.model.advance(minute)
        for key in sorted(tenant.running):
            series = tenant.series(key)
            if series.running is None:  # resolved together with the episode that suppressed it
                continue
            series.model.advance(minute)
            tenant.touch(key)
            advance_episode(tenant, key, minute)
            if _is_over(context, key, minute):
                yield from resolve(context, key, minute)
    tenant.minute = last


def _is_over(context: StepContext, key: str, minute: float) -> bool:
    episode = context.tenant.series(key).running
    assert episode is not None
    is_over = episode.pass_minute(minute, context.settings)
    if episode.reason == "storm":
        # The digest of a storm stays open until the episodes of all areas are resolved.
        return context.tenant.running == {TENANT_SERIES}
    return is_over
