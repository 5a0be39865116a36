"""Tenants of the simulated company of `detectors.simulation.tickets`, whose tickets have words."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from detectors.policy.settings import Settings
from detectors.simulation.tickets import World, tickets
from detectors.state.tenant import Tenant
from detectors.step.pipeline import step
from schemas.codec import read_ticket, to_signal
from schemas.escalation import Escalation, EscalationEvent
from schemas.signals import Signal, Tick, Ticket
from tests.support.warm_tenants import warm_tenant

HOUR = 3_600.0
WEEK = 168.0 * HOUR
MONDAY = 1_772_409_600.0
"""Monday, 2 March 2026, 0:00 UTC."""
WEEKS = 3
NINE = MONDAY + WEEKS * WEEK + 9.0 * HOUR
"""Monday at 9:00 UTC, when the companies below are three weeks old."""


def signals(world: World) -> list[Ticket]:
    """Return the tickets of *world* as the step reads them."""
    parsed = []
    for event in tickets(world):
        signal = to_signal(read_ticket(json.dumps(event).encode()), "simulated")
        assert isinstance(signal, Ticket)
        parsed.append(signal)
    return parsed


@lru_cache(maxsize=8)
def _grown(areas: tuple[tuple[str, float], ...], seed: int, settings: Settings) -> Tenant:
    def make() -> Tenant:
        tenant = Tenant("acme", settings)
        world = World(start=MONDAY, hours=WEEKS * 168.0 + 9.0, areas=dict(areas), seed=seed)
        for signal in signals(world):
            step(tenant, signal, settings)
        return tenant

    return warm_tenant(make, settings, areas, seed)


def grown(areas: Mapping[str, float], settings: Settings, seed: int = 1) -> Tenant:
    """Return a copy of a tenant with three healthy weeks of history.

    The history was taken with default settings, except for the dimensions of slices.
    """
    past = Settings(slice_dimensions=settings.slice_dimensions)
    tenant = _grown(tuple(areas.items()), seed, past).copy()
    tenant.change(settings)
    return tenant


def play(
    tenant: Tenant, inputs: Iterable[Signal], settings: Settings, until: float = 0.0
) -> list[EscalationEvent]:
    """Return the events of *tenant* for *inputs*, and for the time *until* a later tick."""
    events: list[EscalationEvent] = []
    for signal in inputs:
        events += step(tenant, signal, settings).escalations
    if until:
        events += step(tenant, Tick(until, "acme"), settings).escalations
    return events


def pages(events: Iterable[EscalationEvent]) -> list[EscalationEvent]:
    """Return the events that page somebody."""
    return [e for e in events if e.data.suppressed is None and e.transition == "opened"]


def of_one(events: Sequence[EscalationEvent], episode_id: str) -> list[Escalation]:
    """Return the data of all events of one episode."""
    return [event.data for event in events if event.data.episode_id == episode_id]
