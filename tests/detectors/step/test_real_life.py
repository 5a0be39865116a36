"""Patterns that a baseline must handle: seasons, clock changes, trends, gaps and cold starts."""

import math
import random
from datetime import UTC, datetime

import msgspec
import pytest

from detectors.policy.settings import Event, Settings
from schemas.signals import HistoryEnd
from tests.support.companies import (
    COMPANY,
    DAY,
    HOUR,
    MONDAY,
    MORNING,
    NOW,
    WEEK,
    TenantFeed,
    as_usual,
    company,
    in_shape,
)

pytestmark = pytest.mark.slow


PLAIN = Settings(slice_dimensions=())
QUIET = msgspec.structs.replace(PLAIN, false_pages_per_week=0.2)
"""A small budget, for weeks in which no page at all is to be seen."""


def single_area_tenant(
    rate: float, config: Settings = PLAIN, weeks: int = 8, seed: int = 1
) -> TenantFeed:
    """Return a tenant of one area with the usual weekly profile."""
    return TenantFeed(config).mature(weeks, {"login": rate}, seed=seed)


def moment(text: str) -> float:
    """Return a time in UTC as seconds since 1970."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


# --- seasons --------------------------------------------------------------------------------------


def test_a_weekly_profile_is_learned() -> None:
    """Neither busy Mondays nor quiet Sundays page, and their expected rates differ."""
    feed = single_area_tenant(6.0, QUIET)
    feed.feed(NOW, NOW + 2 * WEEK, {"login": 6.0}, seed=7)
    assert feed.paged() == []
    feed.tick(NOW + 2 * WEEK + 13 * HOUR)
    feed.ticket(NOW + 2 * WEEK + 13 * HOUR)
    monday = feed.rate()
    feed.ticket(NOW + 2 * WEEK + 6 * DAY + 13 * HOUR)
    assert feed.rate() < 0.7 * monday


def test_an_incident_at_night_is_judged_by_the_night_rate() -> None:
    """Eight tickets an hour page at three in the morning but would not at noon."""
    feed = single_area_tenant(6.0)
    feed.feed(NOW, NOW + 3 * HOUR, {"login": 6.0}, seed=7)
    feed.burst(NOW + 3 * HOUR, 20, 1.5)
    assert feed.paged()


BERLIN = msgspec.structs.replace(QUIET, timezone="Europe/Berlin")


def local_shape(at: float) -> float:
    """Return the profile of office hours in Berlin, with summer time from 29 March on."""
    ahead = 2 if at >= moment("2026-03-29 01:00") else 1
    hour = int(at // HOUR) + ahead
    return 2.5 if 8 <= hour % 24 < 18 and (hour + 72) % 168 < 120 else 0.1


def test_a_change_to_summer_time_does_not_page() -> None:
    """Offices open an hour earlier in UTC after the change, which pages nobody."""
    steep = {"login": 8.0}
    pages = []
    for config in (BERLIN, QUIET):
        feed = TenantFeed(config)
        feed.feed(moment("2026-01-26"), moment("2026-03-29"), steep, local_shape, mode="history")
        feed.take(HistoryEnd("acme"))
        feed.events.clear()
        feed.feed(moment("2026-03-29"), moment("2026-04-05"), steep, local_shape, seed=7)
        pages.append([line for line in feed.paged() if " 06:" in line])
    assert pages[0] == []
    assert pages[1], "without the time zone the earlier hour must page for this test to be valid"


# --- slow change ----------------------------------------------------------------------------------


def test_slow_growth_does_not_page() -> None:
    """A company that grows by a third in eight weeks is not paged, and the rate follows."""
    feed = single_area_tenant(6.0, QUIET)

    def factor(at: float) -> float:
        return in_shape(at) * (1.0 + 0.33 * (at - NOW) / (8 * WEEK))

    feed.feed(NOW, NOW + 8 * WEEK, {"login": 6.0}, factor, seed=7)
    assert len(feed.pages) <= 2, feed.paged()
    noon = NOW + 8 * WEEK + 13 * HOUR
    feed.ticket(noon)
    assert feed.rate() == pytest.approx(6.0 * 1.33 * in_shape(noon), rel=0.25)


def test_holidays_do_not_page() -> None:
    """Neither a quiet Christmas in Germany nor the days around it page."""
    config = msgspec.structs.replace(BERLIN, country="DE")
    quiet_days = {"2025-12-25", "2025-12-26", "2026-01-01"}

    def factor(at: float) -> float:
        date = datetime.fromtimestamp(at + HOUR, UTC).date().isoformat()
        return 0.1 if date in quiet_days else local_shape(at)

    feed = TenantFeed(config)
    begin = moment("2025-10-27")
    feed.feed(begin, moment("2025-12-22"), {"login": 8.0}, factor, mode="history")
    feed.take(HistoryEnd("acme"))
    feed.events.clear()
    feed.feed(moment("2025-12-22"), moment("2026-01-09"), {"login": 8.0}, factor, seed=7)
    assert feed.paged() == []


def test_an_announced_release_does_not_page() -> None:
    """A release day in the calendar doubles the tickets and does not page."""
    release = Event(name="4.2", start=MORNING, end=MORNING + 10 * HOUR, factor=2.5)
    pages = []
    for config in (msgspec.structs.replace(QUIET, events=(release,)), QUIET):
        feed = single_area_tenant(8.0, config)
        feed.feed(NOW, MORNING, {"login": 8.0}, seed=6)
        feed.feed(MORNING, MORNING + 10 * HOUR, {"login": 20.0}, seed=7)
        feed.feed(MORNING + 10 * HOUR, MORNING + 2 * DAY, {"login": 8.0}, seed=8)
        pages.append(feed.paged())
    assert pages[0] == []
    assert pages[1], "the unannounced release must page for this test to be valid"


def test_noisy_days_are_learned_and_do_not_page() -> None:
    """Days that are half or one and a half times as busy are learned as day dispersion."""
    rng = random.Random(5)
    days = [rng.gammavariate(12.0, 1 / 12.0) for _ in range(140)]

    def factor(at: float) -> float:
        return in_shape(at) * days[int((at - MONDAY) // DAY)]

    feed = TenantFeed(QUIET).mature(12, {"login": 8.0}, factor)
    begin = MONDAY + 12 * WEEK
    feed.feed(begin, begin + 6 * WEEK, {"login": 8.0}, factor, seed=7)
    assert len(feed.pages) <= 3, feed.paged()


def test_a_level_shift_pages_once_and_settles() -> None:
    """A level that doubles and stays pages at first and no longer in the third week."""
    feed = single_area_tenant(6.0)
    feed.feed(NOW, NOW + 4 * WEEK, {"login": 12.0}, seed=7)
    assert feed.pages
    assert len({event.data.episode_id for event in feed.pages}) <= 3, feed.paged()
    late = [e for e in feed.pages if e.time.timestamp() > NOW + 2 * WEEK]
    assert late == [], feed.paged()
    noon = NOW + 4 * WEEK + 13 * HOUR
    feed.ticket(noon)
    assert feed.rate() == pytest.approx(12.0 * in_shape(noon), rel=0.35)


# --- silence --------------------------------------------------------------------------------------


def test_a_quiet_week_does_not_page() -> None:
    """Neither a week at three quarters of the usual traffic nor its end pages."""
    feed = single_area_tenant(6.0, QUIET)
    feed.feed(NOW, NOW + WEEK, {"login": 4.5}, seed=7)
    feed.feed(NOW + WEEK, NOW + 3 * WEEK, {"login": 6.0}, seed=8)
    assert feed.paged() == []


@pytest.mark.parametrize("hours", [8, 24])
def test_a_feed_gap_does_not_page(hours: int) -> None:
    """A gap of hours or a day is not learned, and its end does not page."""
    feed = company(QUIET, seed=2)
    feed.feed(NOW, MORNING, seed=6)
    feed.events.clear()
    back = MORNING + hours * HOUR
    feed.feed(back, back + 2 * DAY, seed=5)
    assert feed.paged() == []
    assert "feed_gap" in feed.guards
    assert feed.rate() == pytest.approx(COMPANY["login"] * in_shape(back + 2 * DAY - HOUR), rel=0.4)


def test_an_incident_after_a_feed_gap_is_found() -> None:
    """An incident that runs when the source returns still pages."""
    feed = company(PLAIN)
    feed.feed(NOW, MORNING, seed=6)
    feed.events.clear()
    back = MORNING + DAY
    feed.feed(back, back + 2 * HOUR, COMPANY | {"login": 40.0}, seed=7)
    assert "login" in {event.data.product_area for event in feed.pages}


# --- warm-up --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_cold_start_stays_within_twice_the_budget(seed: int) -> None:
    """A new tenant without history pages at most twice its budget in four live weeks."""
    feed = TenantFeed(PLAIN)
    feed.feed(MONDAY, MONDAY + 4 * WEEK, seed=seed)
    assert len(feed.pages) <= 8, feed.paged()


def test_an_incident_in_the_first_week_is_found() -> None:
    """A tenant pages on its fifth day at ten times its usual traffic for hours."""
    feed = TenantFeed(PLAIN)
    feed.feed(MONDAY, MONDAY + 4.4 * DAY, seed=1)
    feed.feed(MONDAY + 4.4 * DAY, MONDAY + 4.4 * DAY + 4 * HOUR, COMPANY | {"login": 60.0}, seed=2)
    last_day = [e for e in feed.pages if e.time.timestamp() >= MONDAY + 4.4 * DAY]
    assert "login" in {event.data.product_area for event in last_day}


def test_a_new_area_borrows_the_profile_of_its_tenant() -> None:
    """A new area of a known tenant expects quiet nights from its first day on."""
    feed = company(PLAIN, until=NOW + DAY)
    feed.feed(NOW + DAY, NOW + 2 * DAY, COMPANY | {"new": 3.0}, seed=7)
    feed.ticket(NOW + 2 * DAY + 3 * HOUR, "new")
    night = feed.rate("new")
    feed.ticket(NOW + 2 * DAY + 13 * HOUR, "new")
    assert feed.rate("new") > 2.0 * night


def test_a_growing_area_rarely_pages() -> None:
    """The baseline follows an area that grows by a tenth a week for ten weeks."""
    feed = single_area_tenant(4.0, QUIET)

    def factor(at: float) -> float:
        return in_shape(at) * math.exp(0.0953 * (at - NOW) / WEEK)

    feed.feed(NOW, NOW + 8 * WEEK, {"login": 4.0}, factor, seed=7)
    assert len(feed.pages) <= 3, feed.paged()
    noon = NOW + 8 * WEEK + 13 * HOUR
    feed.ticket(noon)
    assert feed.rate() == pytest.approx(4.0 * 1.1**8 * in_shape(noon), rel=0.3)


# --- rates ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.05, 0.3, 2.0, 15.0, 100.0])
def test_healthy_weeks_do_not_page_and_a_tenfold_rise_does_at_any_rate(rate: float) -> None:
    """Rates from one a day to a hundred an hour are handled alike."""
    weeks = 8 if rate <= 15.0 else 3
    feed = single_area_tenant(rate, QUIET, weeks)
    begin = MONDAY + weeks * WEEK
    healthy = 4 * WEEK if rate <= 15.0 else 2 * DAY
    feed.feed(begin, begin + healthy, {"login": rate}, seed=7)
    assert len(feed.pages) <= 2, feed.paged()
    feed.events.clear()
    at = begin + healthy + 10 * HOUR
    hours = min(max(12.0 / rate, 1.0), 96.0)
    feed.feed(begin + healthy, at, {"login": rate}, seed=8)
    feed.feed(at, at + hours * HOUR, {"login": 10.0 * rate}, as_usual, seed=9)
    assert feed.paged()


def test_bursts_of_a_social_channel_rarely_page() -> None:
    """The threshold learns that a post occasionally brings dozens of tickets within an hour."""
    rng = random.Random(3)

    def posts(feed: TenantFeed, begin: float, end: float) -> None:
        at = begin
        while (at := at + rng.expovariate(1.0 / 20.0) * HOUR) < end:
            count = min(int(4.0 * rng.paretovariate(1.3)), 150)
            for _ in range(count):
                at += rng.expovariate(60.0) * HOUR
                feed.ticket(at, "social", mode="history" if end <= NOW else "live")

    feed = TenantFeed(PLAIN)
    posts(feed, MONDAY, NOW)
    feed.take(HistoryEnd("acme"))
    feed.events.clear()
    posts(feed, NOW + HOUR, NOW + 8 * WEEK)
    assert len(feed.pages) <= 10, feed.paged()


# --- changed areas --------------------------------------------------------------------------------


def test_a_retired_area_does_not_page() -> None:
    """An area without tickets does not page, and its expected rate is near zero after months."""
    feed = company(PLAIN)
    before = feed.rate("login")
    rest = {name: rate for name, rate in COMPANY.items() if name != "login"}
    feed.feed(NOW, NOW + 12 * WEEK, rest, seed=7)
    assert feed.paged("login") == []
    feed.ticket(NOW + 12 * WEEK)
    assert feed.rate("login") < 0.3 * before


def test_a_renamed_area_keeps_its_expected_rate() -> None:
    """The new area expects the rate of the old one, which falls silent."""
    feed = company(QUIET, until=MORNING)
    renamed = COMPANY | {"login": 0.0, "sign-in": COMPANY["login"]}
    feed.feed(MORNING, MORNING + WEEK, renamed, seed=7)
    assert feed.paged() == []
    assert feed.rate("sign-in") == pytest.approx(
        COMPANY["login"] * in_shape(MORNING + WEEK), rel=0.5
    )


def test_the_parts_of_a_split_area_share_its_rate() -> None:
    """Each of two new areas expects about half the old rate, and neither pages."""
    feed = company(QUIET, until=MORNING)
    split = COMPANY | {"login": 0.0, "password": 2.5, "sso": 1.5}
    feed.feed(MORNING, MORNING + WEEK, split, seed=7)
    assert feed.paged() == []
    for name in ("password", "sso"):
        assert feed.rate(name) == pytest.approx(split[name] * in_shape(MORNING + WEEK), rel=0.6)


# --- long incidents -------------------------------------------------------------------------------


def test_a_surge_of_weeks_does_not_hide_the_next_incident() -> None:
    """After three weeks at three times the usual rate, five times that rate still pages."""
    feed = single_area_tenant(4.0)
    feed.feed(NOW, NOW + 3 * WEEK, {"login": 12.0}, seed=7)
    assert feed.pages
    feed.feed(NOW + 3 * WEEK, NOW + 3 * WEEK + 10 * HOUR, {"login": 12.0}, seed=8)
    feed.events.clear()
    at = NOW + 3 * WEEK + 10 * HOUR
    feed.feed(at, at + 3 * HOUR, {"login": 60.0}, seed=9)
    page_events = [e for e in feed.events if e.data.suppressed is None]
    assert page_events, "the second incident did not page"
    assert page_events[0].transition in ("opened", "reopened", "updated")


def test_an_incident_after_an_incident_is_found() -> None:
    """Two weeks after an incident of two days the area pages at once."""
    feed = single_area_tenant(4.0)
    feed.feed(NOW, NOW + 2 * DAY, {"login": 20.0}, seed=7)
    feed.feed(NOW + 2 * DAY, NOW + 2 * WEEK + 10 * HOUR, {"login": 4.0}, seed=8)
    feed.events.clear()
    at = NOW + 2 * WEEK + 10 * HOUR
    feed.feed(at, at + 2 * HOUR, {"login": 40.0}, seed=9)
    assert feed.paged()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_month_long_ramp_is_found(seed: int) -> None:
    """A slow rise to three times the rate is not learned before it pages."""
    feed = single_area_tenant(6.0, seed=seed)

    def factor(at: float) -> float:
        return in_shape(at) * (1.0 + 2.0 * (at - NOW) / (4 * WEEK))

    feed.feed(NOW, NOW + 4 * WEEK, {"login": 6.0}, factor, seed=seed + 70)
    assert feed.paged()


# --- coarse timestamps ----------------------------------------------------------------------------


def test_timestamps_of_whole_hours_do_not_page() -> None:
    """Ten tickets with the same whole hour are no spike."""
    rng = random.Random(4)
    feed = TenantFeed(QUIET)
    for hour in range(10 * 168):
        at = MONDAY + hour * HOUR
        mean = 6.0 * in_shape(at)
        count = sum(1 for _ in range(40) if rng.random() < mean / 40.0)
        for _ in range(count):
            feed.ticket(at, mode="history" if at < NOW else "live")
        if at == NOW:
            feed.take(HistoryEnd("acme"))
            feed.events.clear()
    assert len(feed.pages) <= 1, feed.paged()


def test_timestamps_of_whole_days_do_not_page() -> None:
    """A day's tickets that all have midnight as their time are no spike."""
    rng = random.Random(4)
    feed = TenantFeed(QUIET)
    for day in range(10 * 7):
        at = MONDAY + day * DAY
        weekend = day % 7 >= 5
        for _ in range(int(rng.gauss(10.0 if weekend else 30.0, 4.0))):
            feed.ticket(at, mode="history" if at < NOW else "live")
        if at == NOW:
            feed.take(HistoryEnd("acme"))
            feed.events.clear()
    assert len(feed.pages) <= 1, feed.paged()
