"""Tickets that arrive too late to page still count in a running episode."""

import msgspec
import pytest

from detectors.policy.settings import Settings
from detectors.simulation.tickets import HOUR, Incident, World
from detectors.state.tenant import Tenant
from detectors.step.pipeline import step
from schemas.escalation import EscalationEvent
from schemas.signals import Tick, Ticket
from tests.support.stories import NINE, grown, play, signals

AREAS = {"login": 14.0, "billing": 6.0}


def incident(settings: Settings) -> tuple[Tenant, list[EscalationEvent]]:
    """Return a tenant whose login episode has been running for half an hour, and its events."""
    tenant = grown(AREAS, settings)
    world = World(
        start=NINE,
        hours=0.5,
        areas=AREAS,
        seed=3,
        incidents=(Incident("login", NINE + 60.0, 0.5, 8.0),),
    )
    events = play(tenant, signals(world), settings)
    assert events[0].transition == "opened"
    return tenant, events


def late(number: int, at: float) -> Ticket:
    """Return a ticket of login, created *at*."""
    world = World(start=NINE, hours=1.0, areas={"login": 60.0}, seed=4)
    usual = signals(world)[0]
    return msgspec.structs.replace(
        usual, ticket_id=f"late-{number}", event_id=None, customer=f"late-{number}", created_at=at
    )


@pytest.mark.slow
def test_many_late_tickets_of_a_running_episode_amend_it() -> None:
    """The amendment is sent once, when many late tickets were counted."""
    settings = Settings()
    tenant, before = incident(settings)
    step(tenant, Tick(NINE + 0.5 * HOUR + 300.0, "acme"), settings)
    episode = tenant.areas["login"].running
    assert episode is not None
    tickets, sequence = episode.tickets, episode.sequence
    amended: list[EscalationEvent] = []
    count = 0
    while not amended and count < 200:
        count += 1
        done = step(tenant, late(count, NINE + 900.0), settings)
        assert done.outcome in ("late", "too_late")
        amended += done.escalations
    assert [e.transition for e in amended] == ["amended"]
    assert amended[0].data.tickets == tickets + count
    assert amended[0].data.sequence == sequence + 1
    assert count >= 10
    assert before[-1].data.tickets < amended[0].data.tickets


@pytest.mark.slow
def test_late_tickets_outside_a_running_episode_send_no_event() -> None:
    """Late tickets from before the episode, or of another area, change no episode."""
    settings = Settings()
    tenant, _ = incident(settings)
    step(tenant, Tick(NINE + 0.5 * HOUR + 300.0, "acme"), settings)
    episode = tenant.areas["login"].running
    assert episode is not None
    tickets = episode.tickets
    for number in range(60):
        early = step(tenant, late(number, episode.since - 600.0), settings)
        elsewhere = msgspec.structs.replace(late(1_000 + number, NINE + 900.0), area="billing")
        assert early.escalations == step(tenant, elsewhere, settings).escalations == []
    assert episode.tickets == tickets
