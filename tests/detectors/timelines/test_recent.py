"""Recent timelines of a series, built from the log or from the recovered state."""

import itertools
import json

import pytest

from detectors.policy.settings import Settings
from detectors.simulation.tickets import World, tickets
from detectors.state.snapshots import Recovery
from detectors.state.tenant import TENANT_SERIES
from detectors.step.partition import Partition
from detectors.timelines.recent import HOUR, KEPT, STRETCH, RecentTimelines, step_for
from schemas.codec import read_ticket, to_signal
from schemas.signals import Tick, Ticket

pytestmark = pytest.mark.slow


START = 1_709_510_400.0


def play(hours: float) -> tuple[Partition, RecentTimelines, list[Ticket]]:
    """Run a company whose series are all followed from the start."""
    partition, timelines, seen = Partition(0, 0, Settings()), RecentTimelines(), []
    for line in tickets(World(start=START, hours=hours, seed=3)):
        signal = to_signal(read_ticket(json.dumps(line).encode()), "simulated")
        partition.take(signal)
        seen.append(signal)
        timelines.follow(partition.tenants["acme"], [TENANT_SERIES, signal.area])
    return partition, timelines, seen


@pytest.fixture(scope="module")
def played() -> tuple[Partition, RecentTimelines, list[Ticket]]:
    return play(15 * 24 + 7.3)


def test_tickets_are_counted_in_the_stretch_they_arrived_in(
    played: tuple[Partition, RecentTimelines, list[Ticket]],
) -> None:
    partition, timelines, seen = played
    tenant = partition.tenants["acme"]
    assert tenant.clock is not None
    for area, series in tenant.areas.items():
        first = tenant.clock - 86_400.0
        found = timelines.stretches(tenant, area, first, tenant.clock)
        assert all(one.at + one.seconds <= two.at + 1e-6 for one, two in itertools.pairwise(found))
        for one in found:
            arrived = [
                t for t in seen if t.area == area and one.at <= t.created_at <= one.at + one.seconds
            ]
            assert one.observed <= len(arrived) + 1e-3  # repeated tickets of a customer count less
            assert (one.observed > 0.0) <= bool(arrived)
        assert sum(one.observed for one in found) > 0.5 * series.model.expected_between(
            first, tenant.clock
        )


def test_a_later_start_takes_the_hours_from_the_state(
    played: tuple[Partition, RecentTimelines, list[Ticket]],
) -> None:
    partition, timelines, _ = played
    recovery = Recovery()
    for key, value in partition.snapshot(5, 0.0, 9.0):
        recovery.read(key, value, 0.0)
    later = Partition(0, 1, Settings(), recovery)
    fresh = RecentTimelines()
    tenant, other = partition.tenants["acme"], later.tenants["acme"]
    assert other.clock is not None
    fresh.follow(other, [TENANT_SERIES, *other.areas])
    hour = int(other.clock // HOUR)
    for area in other.areas:
        known = timelines.hours(tenant, area, hour - 23, hour)
        restored = fresh.hours(other, area, hour - 23, hour)
        for each, observed in restored.items():
            assert observed == pytest.approx(known[each], abs=1e-3)
        assert len(restored) >= 20
        drawn = fresh.stretches(other, area, other.clock - 12 * HOUR, other.clock)
        as_hours = sum(
            observed for each, observed in restored.items() if each * HOUR >= drawn[0].at - 1.0
        )
        assert sum(one.observed for one in drawn) == pytest.approx(as_hours, abs=1e-2)


def test_a_tick_moves_the_end_and_silence_is_drawn_as_zero() -> None:
    partition, timelines, _ = play(30.0)
    tenant = partition.tenants["acme"]
    assert tenant.clock is not None
    end = tenant.clock + 3 * 86_400.0
    partition.take(Tick(end, "acme"))
    found = timelines.stretches(tenant, "login", end - 86_400.0, end)
    assert found[-1].at + found[-1].seconds == pytest.approx(end, abs=STRETCH)
    assert sum(one.observed for one in found) == 0.0
    assert all(one.low <= one.expected <= one.high + 1.0 for one in found)


def test_stretches_older_than_two_days_are_forgotten() -> None:
    partition, timelines, _ = play(80.0)
    tenant = partition.tenants["acme"]
    assert tenant.clock is not None
    found = timelines.stretches(tenant, "login", START, tenant.clock)
    assert found[0].at >= tenant.clock - KEPT * STRETCH - 86_400.0
    assert len(found) <= 400


@pytest.mark.parametrize("rate", [0.001, 0.3, 5.0, 400.0])
@pytest.mark.parametrize("span", [600.0, 86_400.0, 172_800.0, 2e6])
def test_a_step_divides_the_hour(rate: float, span: float) -> None:
    assert HOUR % step_for(span, rate) == 0
