"""The generator of test data: seeded, close to the requested rates, with correct incidents."""

import json
from collections import Counter
from dataclasses import replace
from datetime import datetime

import pytest

from detectors.simulation.tickets import COMPANY, FLAT, SHAPE, Incident, World, tickets
from schemas.codec import read_record
from schemas.signals import Ticket

WEEK = 168.0
MONDAY = 1772409600.0  # 2026-03-02
QUIET = World(
    start=MONDAY, hours=4 * WEEK, areas={"login": 10.0}, shape=FLAT, day_noise=0.0, hour_noise=0.0
)


def seconds(ticket: dict[str, object]) -> float:
    """Return the creation time of *ticket* in seconds since 1970."""
    return datetime.fromisoformat(str(ticket["created_at"])).timestamp()


def between(found: list[dict[str, object]], area: str, start: float, hours: float) -> int:
    """Return how many tickets of *area* lie within *hours* of *start*."""
    end = start + hours * 3600.0
    return sum(t["product_area"] == area and start <= seconds(t) < end for t in found)


def test_the_same_seed_gives_the_same_stream() -> None:
    """Equal worlds give the same bytes, and another seed gives others."""
    world = World(start=MONDAY, hours=48.0, seed=3, incidents=[Incident("api", MONDAY, 2.0, 5.0)])
    assert json.dumps([*tickets(world)]) == json.dumps([*tickets(world)])
    assert [*tickets(world)] != [*tickets(replace(world, seed=4))]


def test_the_stream_is_in_order_with_unique_ids() -> None:
    """Tickets lie within the time of the world, oldest first."""
    world = World(start=MONDAY + 1_800.0, hours=36.5)
    found = [*tickets(world)]
    times = [seconds(ticket) for ticket in found]
    assert times == sorted(times)
    assert world.start <= times[0]
    assert times[-1] <= world.start + world.hours * 3600.0
    assert len({ticket["ticket_id"] for ticket in found}) == len(found)


def test_a_world_includes_its_last_partial_hour() -> None:
    """A world that starts within an hour also has tickets in its last part of an hour."""
    world = replace(QUIET, start=MONDAY + 3_000.0, hours=2.0, areas={"login": 600.0})
    times = [seconds(ticket) for ticket in tickets(world)]
    assert times[0] < world.start + 120.0
    assert times[-1] > world.start + 2.0 * 3600.0 - 120.0


def test_every_generated_ticket_is_valid() -> None:
    """The generator writes valid ticket events of the requested areas."""
    found = [*tickets(World(start=MONDAY, hours=6.0))]
    read = [read_record(json.dumps(ticket).encode()) for ticket in found]
    assert all(isinstance(signal, Ticket) and signal.tenant == "acme" for signal in read)
    assert {signal.area for signal in read if isinstance(signal, Ticket)} <= set(COMPANY)


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_rates_are_near_the_requested_ones(noise: float) -> None:
    """Over four weeks the rate of an area is within a tenth of the requested mean."""
    areas = {"login": 12.0, "api": 3.0}
    world = World(MONDAY, 4 * WEEK, areas, seed=5, hour_noise=noise, day_noise=noise / 2)
    found = Counter(ticket["product_area"] for ticket in tickets(world))
    for area, rate in areas.items():
        assert found[area] == pytest.approx(rate * sum(SHAPE) * 4, rel=0.1)


def test_the_profile_starts_on_monday() -> None:
    """Monday noon is busy and Sunday night is not."""
    world = replace(QUIET, areas={"login": 40.0}, shape=SHAPE)
    by_hour: Counter[int] = Counter()
    for ticket in tickets(world):
        at = datetime.fromisoformat(str(ticket["created_at"]))
        by_hour[at.weekday() * 24 + at.hour] += 1
    for slot in (13, 3, 5 * 24 + 13, 6 * 24 + 3):
        assert by_hour[slot] == pytest.approx(4 * 40.0 * SHAPE[slot], rel=0.35)
    assert by_hour[13] > 3 * by_hour[3]


@pytest.mark.slow
def test_noise_adds_dispersion() -> None:
    """Hourly counts are Poisson without noise and overdispersed with noise."""

    def dispersion(world: World) -> float:
        hours: Counter[int] = Counter(int(seconds(t) // 3600) for t in tickets(world))
        counts = [hours[int(MONDAY // 3600) + i] for i in range(int(world.hours))]
        mean = sum(counts) / len(counts)
        return sum((count - mean) ** 2 for count in counts) / len(counts) / mean

    calm = replace(QUIET, areas={"login": 40.0})
    assert dispersion(calm) == pytest.approx(1.0, abs=0.2)
    assert dispersion(replace(calm, hour_noise=0.1)) > 3.0
    assert dispersion(replace(calm, day_noise=0.1)) > 3.0


def test_an_incident_multiplies_its_area_and_no_other() -> None:
    """An incident of x5 brings five times the tickets in its area while it lasts."""
    start = MONDAY + 100 * 3600.0 + 900.0
    areas = {"login": 60.0, "api": 60.0}
    calm = replace(QUIET, areas=areas, hours=WEEK)
    struck = replace(calm, incidents=[Incident("login", start, 10.5, 5.0)])
    found = [*tickets(struck)]
    assert between(found, "login", start, 10.5) == pytest.approx(5 * 60 * 10.5, rel=0.1)
    assert between(found, "login", start - 10 * 3600.0, 10.0) == pytest.approx(600, rel=0.15)
    assert between(found, "login", start + 10.5 * 3600.0, 10.0) == pytest.approx(600, rel=0.15)
    assert between(found, "api", start, 10.5) == pytest.approx(630, rel=0.15)


def test_an_incident_of_a_slice_has_its_values() -> None:
    """Added tickets have the version and issue type of the incident."""
    incident = Incident("login", MONDAY, 5.0, 11.0, app_version="9.9.9", issue_type="gone")
    found = [*tickets(replace(QUIET, hours=5.0, incidents=[incident]))]
    added = [ticket for ticket in found if ticket["app_version"] == "9.9.9"]
    assert len(added) == pytest.approx(500, rel=0.15)
    assert all(ticket["issue_type"] == "gone" for ticket in added)


def test_an_incident_affects_many_customers() -> None:
    """Usual traffic has customers who write often, while those of an incident are spread evenly."""
    incident = Incident("login", MONDAY, 10.0, 31.0)
    found = [*tickets(replace(QUIET, hours=10.0, incidents=[incident], customers=100_000))]
    ids = {json.dumps(ticket["customer"]) for ticket in found}
    assert len(ids) > 0.9 * len(found)
    many = [*tickets(replace(QUIET, hours=WEEK))]
    often = Counter(json.dumps(ticket["customer"]).split('"')[3] for ticket in many)
    assert often.most_common(1)[0][1] > 20
