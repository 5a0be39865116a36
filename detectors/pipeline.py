"""One signal through one tenant. This file alone knows the order.

A ticket: of this tenant? in time? new? on time? -> the clock moves on, and what time alone decides
is decided -> its area -> its customer's weight -> the model's score -> the limit -> the episode. A
tick: the clock moves on.

Time. The clock of a tenant is moved by its tickets and by ticks, never back. A ticket older than
the clock by no more than the lateness counts as now; an older one is learned, but never a reason to
page. What time alone decides (calm, resolved) is decided on whole minutes, in order, when the clock
passes them, so that the number and the times of ticks leave no trace.
"""

from typing import Literal

import msgspec

from detectors.duplicates import fingerprints
from detectors.episode import episode_id, opened
from detectors.evidence import to_event
from detectors.models import Arrival, Score
from detectors.series import Series
from detectors.settings import Settings
from detectors.tenant import Tenant
from schemas.escalation import EscalationEvent, Suppressed, Transition
from schemas.signals import OTHER, Signal, Tick, Ticket

Outcome = Literal[
    "counted",
    "late",
    "too_late",
    "duplicate",
    "not_created",
    "not_by_customer",
    "not_simulated",
    "future",
    "tick",
    "tick_ignored",
    "history_end",
]
"""What became of a signal. Only ``future`` is a dead letter; ``not_simulated`` is a ticket of
simulated time for a tenant that had a live one."""


class Step(msgspec.Struct, frozen=True):
    """What one signal led to."""

    outcome: Outcome
    escalations: list[EscalationEvent]


def step(
    tenant: Tenant, signal: Signal, settings: Settings, received_at: float | None = None
) -> Step:
    """Take *signal* into *tenant*.

    Args:
        tenant: Changed in place.
        signal: Of this tenant.
        settings: The same for all signals of a run; they are part of every decision.
        received_at: When the internal topic took the signal in, seconds since 1970: a live ticket
            much later than that is ``future`` and changes nothing, one a little later counts as
            then. None: no such rule.

    Returns:
        What became of the signal, and the escalations it led to, in order.

    Example:
        >>> settings = Settings()
        >>> tenant = Tenant("acme", settings)
        >>> step(tenant, Ticket("acme", "1", created_at=0.0, area="login"), settings).outcome
        'counted'
        >>> step(tenant, Ticket("acme", "1", created_at=9.0, area="login"), settings).outcome
        'duplicate'
    """
    if isinstance(signal, Ticket):
        return _ticket(tenant, signal, settings, received_at)
    if isinstance(signal, Tick):
        return _tick(tenant, signal, settings, received_at)
    return _history_end(tenant, settings)


def _ticket(tenant: Tenant, ticket: Ticket, settings: Settings, received_at: float | None) -> Step:
    at = ticket.created_at
    mode = ticket.mode
    if mode == "simulated":
        if tenant.live:
            return Step("not_simulated", [])
    elif received_at is not None:
        if at > received_at + settings.future_seconds:
            return Step("future", [])
        at = min(at, received_at)
    if ticket.event_type != "created":
        return Step("not_created", [])
    if ticket.created_by != "customer":
        return Step("not_by_customer", [])
    before = tenant.clock
    clock = at if before is None or at > before else before
    hour = int(clock // 3600)
    late = clock - at > settings.lateness_seconds
    marks = fingerprints(ticket.ticket_id, ticket.event_id, ticket.source)
    if not tenant.duplicates.is_new(marks, hour, late=late, quick=mode != "live"):
        return Step("duplicate", [])
    if before is None:
        tenant.start(at)
    tenant.live = tenant.live or mode == "live"
    if late:
        return Step(_late(tenant, ticket, at), [])
    tenant.in_history = mode == "history"
    tenant.simulated = mode == "simulated"
    events = _pass_time(tenant, clock, settings) if clock != before else []
    tenant.advance(clock)
    area, series = _series(tenant, ticket.area, clock, settings)
    left_open = series.running
    if left_open is not None and left_open.suppressed == "history" and mode != "history":
        events.append(_resolve(tenant, area, clock, settings))
    weight, last_seen = series.customers.see(ticket.customer, clock)
    series.count(hour, weight)
    tenant.add(hour, weight)
    score = series.model.observe(Arrival(clock, weight, last_seen))
    if series.running is None:
        events += _judge(tenant, area, series, clock, score, settings)
    else:
        events += _continue(tenant, area, series, clock, weight, last_seen, score, settings)
    return Step("counted", events)


def _tick(tenant: Tenant, tick: Tick, settings: Settings, received_at: float | None) -> Step:
    wall_clock = tick.tenant is None
    too_far = received_at is not None and tick.now > received_at + settings.future_seconds
    not_ours = wall_clock and (tenant.in_history or tenant.simulated)
    if tenant.clock is None or not_ours or (too_far and not tenant.simulated):
        return Step("tick_ignored", [])
    now = tick.now
    if received_at is not None and not tenant.simulated:  # by the broker's clock, not the sender's
        now = min(now, received_at - settings.lateness_seconds)
    return Step("tick", _pass_time(tenant, now, settings))


def _history_end(tenant: Tenant, settings: Settings) -> Step:
    """From here on it pages. What history left open is closed: live tickets may open it anew."""
    if tenant.clock is None:
        return Step("history_end", [])
    clock = tenant.clock
    # Also where a live ticket came among the history: the tenant is in history no more, they are.
    left_open = [
        area
        for area in sorted(tenant.running)
        if (episode := tenant.areas[area].episode) is not None and episode.suppressed == "history"
    ]
    events = [_resolve(tenant, area, clock, settings) for area in left_open]
    if tenant.in_history:
        for area, series in tenant.areas.items():
            series.model.restart()
            tenant.touched.add(area)
    tenant.in_history = False
    return Step("history_end", events)


def _late(tenant: Tenant, ticket: Ticket, at: float) -> Outcome:
    """Learn what came too late to be scored; it makes no area, for nobody knows how old that is."""
    area = ticket.area if ticket.area in tenant.areas else OTHER
    series = tenant.areas.get(area)
    if series is None or not series.model.learn_late(at, 1.0):
        return "too_late"
    series.tickets += 1
    tenant.learn_late(at, 1.0)
    tenant.touched.add(area)
    return "late"


def _pass_time(tenant: Tenant, now: float, settings: Settings) -> list[EscalationEvent]:
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
        tenant.advance(minute)
        for area in sorted(tenant.running):
            series = tenant.areas[area]
            series.model.advance(minute)
            tenant.touched.add(area)
            if series.episode is not None:
                series.episode.account(minute, series.model.rate)
                if series.episode.look(minute, settings):
                    events.append(_resolve(tenant, area, minute, settings))
    tenant.minute = last
    return events


def _series(tenant: Tenant, area: str, at: float, settings: Settings) -> tuple[str, Series]:
    """The series that counts for *area*, made if there is room; beyond the cap all share one."""
    if area not in tenant.areas and len(tenant.areas) >= settings.areas_per_tenant:
        area = OTHER
    series = tenant.areas.get(area)
    if series is None:
        series = Series.starting(settings.model, tenant.shared, at)
        tenant.areas[area] = series
    tenant.touched.add(area)
    return area, series


def _judge(
    tenant: Tenant, area: str, series: Series, at: float, score: Score, settings: Settings
) -> list[EscalationEvent]:
    """Whether *score* opens an episode, or reopens the last one."""
    if score.value < 0.0:
        series.pending = False
        return []
    allowed = settings.false_pages_per_week / len(tenant.areas)
    limit = series.limit.at(at / 3600.0, allowed)
    if not series.note(at, score, limit):
        return []
    transition: Transition
    before = series.episode
    suppressed: Suppressed | None = "history" if tenant.in_history else None
    again = before is not None and at - before.resolved_at <= settings.cooldown_minutes * 60.0
    if before is not None and again and before.suppressed == suppressed:
        transition = before.reopen(at, score, limit)
    else:
        transition = "opened"
        series.ordinal += 1
        identity = episode_id(tenant.name, "area", area, series.ordinal)
        series.episode = opened(identity, series.ordinal, at, score, limit, suppressed)
    series.pending = False
    tenant.running.add(area)
    return [_tell(tenant, area, transition, at, settings)]


def _continue(
    tenant: Tenant,
    area: str,
    series: Series,
    at: float,
    weight: float,
    last_seen: float,
    score: Score,
    settings: Settings,
) -> list[EscalationEvent]:
    """One more ticket in an episode that runs."""
    episode = series.episode
    assert episode is not None
    series.limit.note(at / 3600.0, score.value)
    episode.add(at, weight, last_seen, score, series.model.rate)
    if not episode.next_update(settings):
        return []
    return [_tell(tenant, area, episode.update(), at, settings)]


def _resolve(tenant: Tenant, area: str, at: float, settings: Settings) -> EscalationEvent:
    series = tenant.areas[area]
    assert series.episode is not None
    transition = series.episode.resolve(at)
    series.model.restart()
    tenant.running.discard(area)
    tenant.touched.add(area)
    return _tell(tenant, area, transition, at, settings)


def _tell(
    tenant: Tenant, area: str, transition: Transition, at: float, settings: Settings
) -> EscalationEvent:
    series = tenant.areas[area]
    assert series.episode is not None
    return to_event(
        series.episode,
        transition,
        at,
        tenant=tenant.name,
        area=area,
        model=series.model.name,
        config_hash=settings.config_hash,
    )
