"""Synthetic companies: seeded, at their stated rates, with the seasons of their country."""

from collections import Counter
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from detectors.evaluation.synthetic.company import Spec, World
from detectors.evaluation.synthetic.incidents import KINDS, bound, draw
from detectors.evaluation.synthetic.traffic import Feed, Surge
from detectors.foundation.units import HOURS_PER_WEEK, SECONDS_PER_HOUR
from schemas.signals import Ticket

EASTER = Spec(seed=3, first_week=0, areas=6, highest_rate=30.0)


def week_of(feed: Feed, first: int, *surges: Surge, hours: int = HOURS_PER_WEEK) -> list[Ticket]:
    return [ticket for hour in range(first, first + hours) for ticket in feed.hour(hour, surges)]


def test_the_same_seed_gives_the_same_tickets() -> None:
    first = EASTER.first_hour
    ours = week_of(Feed(World(EASTER), [0]), first, hours=48)
    assert ours == week_of(Feed(World(EASTER), [0]), first, hours=48)
    assert ours != week_of(Feed(World(EASTER), [1]), first, hours=48)
    assert ours != week_of(Feed(World(replace(EASTER, seed=4)), [0]), first, hours=48)


def test_a_continuation_does_not_depend_on_earlier_hours() -> None:
    """The ninth week is the same whether or not earlier hours were generated."""
    fresh, used = World(EASTER), World(EASTER)
    week_of(Feed(used, [0]), EASTER.first_hour, hours=48)
    later = EASTER.first_hour + 8 * HOURS_PER_WEEK
    assert Feed(fresh, [7]).hour(later) == Feed(used, [7]).hour(later)


def test_tickets_are_in_order_with_unique_ids() -> None:
    tickets = week_of(Feed(World(EASTER), [0]), EASTER.first_hour)
    times = [ticket.created_at for ticket in tickets]
    assert times == sorted(times)
    assert len({ticket.ticket_id for ticket in tickets}) == len(tickets)
    assert {ticket.event_type for ticket in tickets} == {"created"}


@pytest.mark.parametrize("seed", range(1, 6))
def test_every_history_begins_on_a_monday(seed: int) -> None:
    world = World(Spec(seed=seed))
    begin = world.local(world.spec.first_hour)
    assert begin.weekday() == 0
    assert begin.hour <= 1  # summer time


def test_the_number_of_tickets_matches_the_stated_rates() -> None:
    world = World(replace(EASTER, tenant_day_noise=0.0, area_day_noise=0.0))
    hours = range(EASTER.first_hour, EASTER.first_hour + 4 * HOURS_PER_WEEK)
    feed = Feed(world, [0])
    observed = sum(len(feed.hour(hour)) for hour in hours)
    expected = sum(float(world.means(hour).sum()) for hour in hours)
    assert observed == pytest.approx(expected, rel=0.03)


def test_a_public_holiday_is_as_quiet_as_a_sunday() -> None:
    world = World(EASTER)
    monday = next(
        hour
        for hour in range(EASTER.first_hour, EASTER.first_hour + 9 * HOURS_PER_WEEK)
        if world.local(hour).date() == date(2026, 4, 6)  # Easter Monday
    )
    assert world.is_holiday(date(2026, 4, 6))
    on_holiday = sum(world.means(hour).sum() for hour in range(monday, monday + 24))
    a_week_later = sum(world.means(hour).sum() for hour in range(monday + 168, monday + 192))
    assert on_holiday < 0.8 * a_week_later


def test_office_hours_follow_the_local_clock_into_summer_time() -> None:
    """The first working hour is an hour earlier in UTC after the clocks have changed."""
    world = World(replace(EASTER, country="", release_every_weeks=0.0, quiet_week_every=0.0))
    before = EASTER.first_hour + 5 * HOURS_PER_WEEK + 24 + 8  # a Tuesday in March
    after = before + HOURS_PER_WEEK - 1
    assert world.local(before).hour == world.local(after).hour == 8
    assert world.means(after) == pytest.approx(world.means(before), rel=0.06)


def test_a_new_version_takes_over_within_a_week() -> None:
    world = World(replace(EASTER, areas=2))
    hours = range(EASTER.first_hour, EASTER.first_hour + 12 * HOURS_PER_WEEK, 24)
    newest = [world.share(hour, 0, "app_version", world.versions(hour)[-1]) for hour in hours]
    assert min(newest) < 0.1
    assert max(newest) > 0.6
    assert len({world.versions(hour)[-1] for hour in hours}) >= 2


def test_shares_of_values_are_noisier_than_a_multinomial() -> None:
    """Daily counts of the largest issue type vary more than a binomial distribution."""
    world = World(Spec(seed=1, areas=1, lowest_rate=60.0, highest_rate=60.0, country=""))
    feed, excess = Feed(world, [0]), []
    share = world.share(0, 0, "issue_type", world.issue_names[0][0])
    for day in range(60):
        first = EASTER.first_hour + 24 * day
        issues = Counter(t.issue_type for t in week_of(feed, first, hours=24))
        total = sum(issues.values())
        deviation = issues[world.issue_names[0][0]] - share * total
        excess.append(deviation**2 / (total * share * (1.0 - share)))
    assert np.mean(excess) > 2.0


def test_a_surge_multiplies_only_its_own_area() -> None:
    world = World(EASTER)
    start = (EASTER.first_hour + 10) * SECONDS_PER_HOUR
    surge = Surge(start=start, end=start + 48 * SECONDS_PER_HOUR, multiple=5.0, area=5)
    healthy = Counter(t.area for t in week_of(Feed(world, [0]), EASTER.first_hour + 10, hours=48))
    surged = week_of(Feed(world, [0]), EASTER.first_hour + 10, surge, hours=48)
    areas = Counter(t.area for t in surged)
    assert areas["area 05"] == pytest.approx(5 * healthy["area 05"], rel=0.2)
    assert areas["area 04"] == pytest.approx(healthy["area 04"], rel=0.5)


def test_a_surge_of_a_slice_has_its_value() -> None:
    world = World(EASTER)
    start = (EASTER.first_hour + 10) * SECONDS_PER_HOUR
    surge = Surge(
        start=start,
        end=start + 24 * SECONDS_PER_HOUR,
        multiple=2.0,
        area=5,
        dimension="issue_type",
        value="never seen",
        share=0.3,
    )
    tickets = week_of(Feed(world, [0]), EASTER.first_hour, surge, hours=48)
    new = [ticket for ticket in tickets if ticket.issue_type == "never seen"]
    assert new
    assert {ticket.area for ticket in new} == {"area 05"}
    assert all(start <= ticket.created_at < surge.end for ticket in new)


@pytest.mark.parametrize("kind", KINDS)
def test_the_detection_bound_of_an_incident_is_positive(kind: str) -> None:
    """An incident is possible to detect in time if its bound is shorter than the incident."""
    world = World(Spec(seed=2))
    for number in range(10):
        start = (world.spec.first_hour + 9 * HOURS_PER_WEEK + 7 * number) * SECONDS_PER_HOUR
        incident = draw(kind, world, np.random.default_rng(number), start, 1.0)
        assert start <= incident.start < incident.end <= incident.plays_until
        assert incident.bound > 0.0
        assert incident.possible == (incident.bound * 60.0 < incident.end - incident.start)


def test_the_bound_of_a_steady_area_is_lordens_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a constant rate the bound is log(ARL) / (rate KL)."""
    world = World(Spec(seed=1, areas=1, lowest_rate=3.0, highest_rate=3.0, country=""))
    monkeypatch.setattr(world, "means", lambda _hour: np.array([3.0]))
    start = world.spec.first_hour * SECONDS_PER_HOUR
    surge = Surge(start=start, end=start + 1e6, multiple=2.0, area=0)
    assert bound(world, surge, surge.end, 1.0 / 13.0) == pytest.approx(455, abs=1)
