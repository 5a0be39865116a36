"""Decisions from scores to pages: one incident opens one page for an area, slice or tenant."""

import math

import msgspec
import pytest

from detectors.alerting.budget import BUDGET_WEEKS, UNKNOWN_PART
from detectors.alerting.verdict_effects import MOST_UNSPENT
from detectors.state.threshold import TENANT_STEP
from detectors.state.threshold_priors import SPLIT
from schemas.escalation import EscalationEvent
from schemas.signals import HistoryEnd
from tests.support.companies import (
    COMPANY,
    DAY,
    HOUR,
    MORNING,
    NOW,
    SETTINGS,
    WEEK,
    TenantFeed,
    company,
    in_shape,
)


def at_ten() -> TenantFeed:
    """Return the feed of the company on a Monday morning amid its usual traffic."""
    return company(until=MORNING)


def platform(multiple: float = 6.0, hours: float = 2.0, until: float = 0.0) -> TenantFeed:
    """Run all areas at *multiple* times their rate for some hours, then *until* hours as usual."""
    feed = at_ten()
    end = MORNING + hours * HOUR
    feed.feed(MORNING, end, factor=lambda at: multiple * in_shape(at), seed=7)
    if until:
        feed.feed(end, end + until * HOUR, seed=8)
        feed.tick(end + until * HOUR)
    return feed


def first_page(feed: TenantFeed) -> EscalationEvent:
    """Return the event of the first page."""
    assert feed.pages, "nobody was paged"
    return feed.pages[0]


# --- the whole tenant -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("multiple", [3.0, 6.0, 12.0])
def test_a_spike_in_every_area_opens_one_tenant_wide_page(multiple: float) -> None:
    """The only page is tenant-wide from the start or becomes so."""
    feed = platform(multiple, until=6.0)
    assert len({event.data.episode_id for event in feed.pages}) == 1, feed.paged()
    page_events = [e for e in feed.events if e.data.episode_id == first_page(feed).data.episode_id]
    assert page_events[-1].data.product_area is None
    assert page_events[-1].data.reason in ("tenant_spike", "became_tenant_wide")


@pytest.mark.slow
def test_a_slight_rise_in_many_areas_pages_for_the_tenant() -> None:
    """Fifteen quiet areas at more than twice their rate page for the tenant within hours."""
    areas = {f"area {number}": 0.4 for number in range(15)}
    feed = TenantFeed(SETTINGS).mature(areas=areas)
    feed.feed(NOW, MORNING, areas, seed=6)
    feed.events.clear()
    feed.feed(MORNING, MORNING + 8 * HOUR, areas, lambda at: 2.5 * in_shape(at), seed=7)
    assert [event.data.product_area for event in feed.pages] == [None], feed.paged()


def test_a_tenant_wide_page_lists_the_elevated_areas() -> None:
    """The tenant-wide events list the elevated areas in alphabetical order."""
    feed = platform(until=6.0)
    last = [e for e in feed.events if e.data.product_area is None][-1]
    assert last.data.areas
    assert last.data.areas == sorted(last.data.areas)
    assert set(last.data.areas) <= set(COMPANY)
    assert len(last.data.areas) >= 2


def test_areas_inside_a_tenant_wide_page_are_suppressed() -> None:
    """An area that crosses during a tenant-wide page has its own event but pages nobody."""
    feed = platform()
    begin = next(i for i, e in enumerate(feed.events) if e.data.product_area is None)
    later = [e for e in feed.events[begin + 1 :] if e.transition == "opened"]
    assert later
    assert {event.data.suppressed for event in later} == {"inside_tenant"}
    assert feed.guards.count("inside_tenant") >= len(later)


def test_a_page_that_becomes_tenant_wide_keeps_its_id() -> None:
    """When other areas follow an area that paged, its page becomes tenant-wide with the same id."""
    feed = at_ten()
    feed.feed(MORNING, MORNING + 0.3 * HOUR, COMPANY | {"login": 60.0}, seed=7)
    alone = first_page(feed)
    assert alone.data.product_area == "login"
    feed.feed(
        MORNING + 0.3 * HOUR,
        MORNING + 2 * HOUR,
        {name: 8.0 * rate for name, rate in COMPANY.items()},
        seed=8,
    )
    wide = [e for e in feed.events if e.data.reason == "became_tenant_wide"]
    assert wide
    assert wide[0].transition == "updated"
    assert wide[0].data.product_area is None
    assert "login" in (wide[0].data.areas or [])
    assert {e.data.episode_id for e in wide} == {alone.data.episode_id}
    assert wide[0].data.detected_at == alone.data.detected_at
    own = [e for e in feed.events if e.data.episode_id == alone.data.episode_id]
    assert [e.data.sequence for e in own] == [*range(1, len(own) + 1)]
    assert len({event.data.episode_id for event in feed.pages}) == 1


def test_an_incident_in_one_area_is_not_tenant_wide() -> None:
    """However large it is, an incident of one area stays a page of that area."""
    feed = at_ten()
    feed.feed(MORNING, MORNING + 3 * HOUR, COMPANY | {"login": 80.0}, seed=7)
    assert {event.data.product_area for event in feed.pages} == {"login"}
    assert all(event.data.product_area is not None for event in feed.events)


def test_a_tenant_wide_episode_is_resolved_by_time() -> None:
    """Passing time resolves a tenant-wide episode and the episodes inside it."""
    feed = platform(until=12.0)
    assert feed.tenant.running == set()
    ends = [e for e in feed.events if e.transition == "resolved"]
    assert any(event.data.product_area is None for event in ends)


def test_an_area_pages_again_after_a_tenant_wide_episode() -> None:
    """After the tenant-wide episode has ended, an area that crosses its threshold pages."""
    feed = platform(until=12.0)
    before = len(feed.pages)
    later = MORNING + 26 * HOUR
    feed.feed(MORNING + 14 * HOUR, later, seed=9)
    feed.burst(later, 60, 1.0, "login")
    assert len(feed.pages) > before
    assert feed.pages[-1].data.product_area == "login"


# --- slices ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_page_of_a_slice_names_the_slice() -> None:
    """If one version of a busy area fails, the page names it and counts only its tickets."""
    areas = {"login": 20.0, "api": 5.0}
    feed = TenantFeed(SETTINGS).mature(areas=areas)
    feed.feed(NOW, MORNING, areas, seed=6)
    feed.events.clear()
    for number in range(30):
        feed.feed(MORNING + 240.0 * number, MORNING + 240.0 * (number + 1), areas, seed=number)
        feed.ticket(MORNING + 240.0 * (number + 1), app_version="4.2.1")
    data = first_page(feed).data
    assert data.slice is not None
    assert (data.slice.dimension, data.slice.value) == ("app_version", "4.2.1")
    assert (data.reason, data.product_area, data.issue_type) == ("slice_spike", "login", None)
    assert data.expected < 20.0
    assert len(feed.pages) == 1


@pytest.mark.slow
def test_a_value_never_seen_before_pages_as_a_new_value() -> None:
    """The reason of an unknown error type is new_value, and issue_type holds the type."""
    config = msgspec.structs.replace(SETTINGS, slice_dimensions=("issue_type",))
    feed = TenantFeed(config)
    feed.feed(NOW - 8 * WEEK, NOW, {"login": 10.0}, mode="history", issue_type="password")
    feed.take(HistoryEnd("acme"))
    feed.feed(NOW, MORNING, {"login": 10.0}, seed=6, issue_type="password")
    feed.events.clear()
    for number in range(12):
        feed.feed(
            MORNING + 300.0 * number,
            MORNING + 300.0 * (number + 1),
            {"login": 10.0},
            seed=number,
            issue_type="password",
        )
        feed.ticket(MORNING + 300.0 * (number + 1), issue_type="E-4711")
    data = first_page(feed).data
    assert (data.reason, data.issue_type) == ("new_value", "E-4711")
    assert data.slice is not None
    assert data.slice.dimension == "issue_type"


def test_a_spike_in_all_slices_of_an_area_pages_for_the_area() -> None:
    """If every region and version rises, the page is about the area and names no slice."""
    feed = at_ten()
    feed.feed(MORNING, MORNING + 2 * HOUR, COMPANY | {"login": 40.0}, seed=7)
    own = [event for event in feed.pages if event.data.product_area == "login"]
    assert own[0].data.reason == "area_spike", feed.paged()
    assert own[0].data.slice is None


# --- reopening ------------------------------------------------------------------------------------


def test_a_window_that_began_in_the_cool_down_reopens_the_episode() -> None:
    """The start of the window decides, even if the score crosses after the cool-down."""
    feed = at_ten()
    feed.burst(MORNING, 30, 0.5)
    feed.tick(MORNING + 3 * HOUR)
    over = next(e for e in feed.events if e.transition == "resolved").time.timestamp()
    end = over + SETTINGS.cooldown_minutes * 60.0
    slow = TenantFeed(SETTINGS, feed.tenant.copy())
    slow.feed(over, end - 900.0, {"api": 2.0}, seed=5)
    slow.events.clear()
    at = end - 900.0
    while not slow.pages and at < end + 3 * HOUR:
        at += 150.0
        slow.ticket(at)
    assert at > end, "the window must cross after the cool-down for this test to be valid"
    assert slow.pages[0].data.since.timestamp() <= end
    assert slow.pages[0].transition == "reopened"
    later = TenantFeed(SETTINGS, feed.tenant.copy())
    later.feed(over, end + 600.0, {"api": 2.0}, seed=5)
    later.events.clear()
    later.burst(end + 600.0, 30, 0.5)
    assert later.pages[0].transition == "opened"


# --- the budget -----------------------------------------------------------------------------------


def test_each_event_reports_the_alert_budget_and_its_use() -> None:
    """The event has the budget of the tenant and the series, the expected rate and recent pages."""
    feed = at_ten()
    feed.burst(MORNING, 30, 0.5)
    budget = first_page(feed).data.budget
    assert budget is not None
    assert budget.per_week == SETTINGS.false_pages_per_week
    part = SPLIT["area"] * (1.0 - UNKNOWN_PART)
    assert budget.allowed == pytest.approx(part / len(COMPANY), rel=0.01)
    assert 0.0 < budget.expected <= budget.allowed * math.exp(-TENANT_STEP * MOST_UNSPENT) * 1.01
    assert budget.pages == pytest.approx(1.0 / BUDGET_WEEKS)
    assert budget.burn == pytest.approx(budget.pages / budget.per_week, rel=1e-3)
    assert budget.false_pages == 0.0


def test_pages_older_than_four_weeks_are_not_counted() -> None:
    """The burn rate covers the last four weeks."""
    feed = at_ten()
    feed.burst(MORNING, 30, 0.5)
    feed.feed(MORNING + HOUR, MORNING + 5 * WEEK, {"login": 4.0}, seed=7)
    later = MORNING + 5 * WEEK
    before = sum(page.at >= later - BUDGET_WEEKS * WEEK for page in feed.tenant.pages)
    feed.burst(later, 60, 0.5)
    budget = feed.pages[-1].data.budget
    assert budget is not None
    assert budget.pages == pytest.approx((before + 1) / BUDGET_WEEKS)


def test_a_false_alarm_verdict_counts_in_the_budget() -> None:
    """A verdict on an earlier page appears in the budget of later pages."""
    feed = at_ten()
    feed.burst(MORNING, 30, 0.5)
    feed.tenant.pages[-1].verdict = "false_alarm"
    feed.feed(MORNING + HOUR, MORNING + DAY, {"login": 4.0}, seed=7)
    feed.burst(MORNING + DAY, 60, 0.5)
    budget = feed.pages[-1].data.budget
    assert budget is not None
    assert budget.false_pages == pytest.approx(1.0 / BUDGET_WEEKS)


@pytest.mark.slow
def test_suppressed_events_spend_no_budget() -> None:
    """Areas inside a tenant-wide page and episodes in history do not count as pages."""
    feed = platform()
    assert len(feed.tenant.pages) == len({event.data.episode_id for event in feed.pages})
    past = TenantFeed(SETTINGS).mature()
    assert past.tenant.pages == []


@pytest.mark.parametrize("kind", ["area", "slice", "tenant"])
def test_the_split_of_the_budget_adds_up_to_one(kind: str) -> None:
    """The parts of areas, slices and the tenant add up to the whole budget."""
    assert kind in SPLIT
    assert sum(SPLIT.values()) == pytest.approx(1.0)


@pytest.mark.slow
def test_a_smaller_budget_pages_later() -> None:
    """With a hundredth of the budget the same incident needs more tickets to page."""
    counts = []
    for per_week in (5.0, 0.05):
        feed = company(msgspec.structs.replace(SETTINGS, false_pages_per_week=per_week))
        feed.feed(NOW, MORNING, seed=6)
        feed.events.clear()
        feed.burst(MORNING, 80, 2.0)
        counts.append(first_page(feed).data.tickets)
    assert counts[0] < counts[1]
