"""From scores to pages: one thing is one page, of the area, the slice or the tenant it is about."""

import msgspec
import pytest

from detectors.alerting.budget import BUDGET_WEEKS, UNKNOWN_PART
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
    """The company on a Monday morning, in the middle of its usual traffic."""
    return company(until=MORNING)


def platform(multiple: float = 6.0, hours: float = 2.0, until: float = 0.0) -> TenantFeed:
    """All areas at *multiple* times their rate for some hours, then as usual until it is over."""
    desk = at_ten()
    end = MORNING + hours * HOUR
    desk.feed(MORNING, end, factor=lambda at: multiple * in_shape(at), seed=7)
    if until:
        desk.feed(end, end + until * HOUR, seed=8)
        desk.tick(end + until * HOUR)
    return desk


def first(desk: TenantFeed) -> EscalationEvent:
    """The first page."""
    assert desk.pages, "nobody was paged"
    return desk.pages[0]


# --- the whole tenant -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("multiple", [3.0, 6.0, 12.0])
def test_what_is_up_everywhere_is_one_page_of_the_tenant(multiple: float) -> None:
    """All areas up at once: one page in all, which becomes or is the tenant's."""
    desk = platform(multiple, until=6.0)
    assert len({event.data.episode_id for event in desk.pages}) == 1, desk.paged()
    told = [e for e in desk.events if e.data.episode_id == first(desk).data.episode_id]
    assert told[-1].data.product_area is None
    assert told[-1].data.reason in ("tenant_spike", "became_tenant_wide")


@pytest.mark.slow
def test_many_areas_slightly_up_are_found_where_none_is_alone() -> None:
    """Twelve hours at twice the rate in fifteen quiet areas: the tenant pages, within hours."""
    areas = {f"area {number}": 0.4 for number in range(15)}
    desk = TenantFeed(SETTINGS).mature(areas=areas)
    desk.feed(NOW, MORNING, areas, seed=6)
    desk.events.clear()
    desk.feed(MORNING, MORNING + 8 * HOUR, areas, lambda at: 2.5 * in_shape(at), seed=7)
    assert [event.data.product_area for event in desk.pages] == [None], desk.paged()


def test_the_tenants_page_has_the_areas_inside() -> None:
    """The areas that crossed their own limits stand in the tenant's events, in order."""
    desk = platform(until=6.0)
    last = [e for e in desk.events if e.data.product_area is None][-1]
    assert last.data.areas
    assert last.data.areas == sorted(last.data.areas)
    assert set(last.data.areas) <= set(COMPANY)
    assert len(last.data.areas) >= 2


def test_areas_within_the_tenants_page_are_told_and_suppressed() -> None:
    """What crosses while the tenant's page runs is an event of its own, and pages nobody."""
    desk = platform()
    begin = next(i for i, e in enumerate(desk.events) if e.data.product_area is None)
    later = [e for e in desk.events[begin + 1 :] if e.transition == "opened"]
    assert later
    assert {event.data.suppressed for event in later} == {"inside_tenant"}
    assert desk.guards.count("inside_tenant") >= len(later)


def test_what_became_tenant_wide_keeps_its_id() -> None:
    """An area pages first, the others follow: the page becomes the tenant's, under its own id."""
    desk = at_ten()
    desk.feed(MORNING, MORNING + 0.3 * HOUR, COMPANY | {"login": 60.0}, seed=7)
    alone = first(desk)
    assert alone.data.product_area == "login"
    desk.feed(
        MORNING + 0.3 * HOUR,
        MORNING + 2 * HOUR,
        {name: 8.0 * rate for name, rate in COMPANY.items()},
        seed=8,
    )
    wide = [e for e in desk.events if e.data.reason == "became_tenant_wide"]
    assert wide
    assert wide[0].transition == "updated"
    assert wide[0].data.product_area is None
    assert "login" in (wide[0].data.areas or [])
    assert {e.data.episode_id for e in wide} == {alone.data.episode_id}
    assert wide[0].data.detected_at == alone.data.detected_at
    own = [e for e in desk.events if e.data.episode_id == alone.data.episode_id]
    assert [e.data.sequence for e in own] == [*range(1, len(own) + 1)]
    assert len({event.data.episode_id for event in desk.pages}) == 1


def test_one_areas_incident_is_not_the_tenants() -> None:
    """However big it is: without the others it stays that area's."""
    desk = at_ten()
    desk.feed(MORNING, MORNING + 3 * HOUR, COMPANY | {"login": 80.0}, seed=7)
    assert {event.data.product_area for event in desk.pages} == {"login"}
    assert all(event.data.product_area is not None for event in desk.events)


def test_the_tenants_episode_is_resolved_when_it_is_over() -> None:
    """Time alone ends it, as it ends an area's, and those inside end too."""
    desk = platform(until=12.0)
    assert desk.tenant.running == set()
    ends = [e for e in desk.events if e.transition == "resolved"]
    assert any(event.data.product_area is None for event in ends)


def test_an_area_with_an_incident_of_its_own_after_the_tenants_pages() -> None:
    """When the tenant's episode is over, an area that crosses is a page again."""
    desk = platform(until=12.0)
    before = len(desk.pages)
    later = MORNING + 26 * HOUR
    desk.feed(MORNING + 14 * HOUR, later, seed=9)
    desk.burst(later, 60, 1.0, "login")
    assert len(desk.pages) > before
    assert desk.pages[-1].data.product_area == "login"


# --- slices ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_slices_page_names_the_slice() -> None:
    """A version with a fifth of a busy area fails: the page says which, and counts it alone."""
    areas = {"login": 20.0, "api": 5.0}
    desk = TenantFeed(SETTINGS).mature(areas=areas)
    desk.feed(NOW, MORNING, areas, seed=6)
    desk.events.clear()
    for number in range(30):
        desk.feed(MORNING + 240.0 * number, MORNING + 240.0 * (number + 1), areas, seed=number)
        desk.ticket(MORNING + 240.0 * (number + 1), app_version="4.2.1")
    data = first(desk).data
    assert data.slice is not None
    assert (data.slice.dimension, data.slice.value) == ("app_version", "4.2.1")
    assert (data.reason, data.product_area, data.issue_type) == ("slice_spike", "login", None)
    assert data.expected < 20.0
    assert len(desk.pages) == 1


@pytest.mark.slow
def test_a_value_never_seen_before_is_a_new_value() -> None:
    """An error type from nowhere: the reason says so, and the issue type stands in its field."""
    config = msgspec.structs.replace(SETTINGS, slice_dimensions=("issue_type",))
    desk = TenantFeed(config)
    desk.feed(NOW - 8 * WEEK, NOW, {"login": 10.0}, mode="history", issue_type="password")
    desk.take(HistoryEnd("acme"))
    desk.feed(NOW, MORNING, {"login": 10.0}, seed=6, issue_type="password")
    desk.events.clear()
    for number in range(12):
        desk.feed(
            MORNING + 300.0 * number,
            MORNING + 300.0 * (number + 1),
            {"login": 10.0},
            seed=number,
            issue_type="password",
        )
        desk.ticket(MORNING + 300.0 * (number + 1), issue_type="E-4711")
    data = first(desk).data
    assert (data.reason, data.issue_type) == ("new_value", "E-4711")
    assert data.slice is not None
    assert data.slice.dimension == "issue_type"


def test_an_area_of_many_slices_that_is_up_as_a_whole_pages_as_an_area() -> None:
    """Where every region and version is up, none of them is what it is about."""
    desk = at_ten()
    desk.feed(MORNING, MORNING + 2 * HOUR, COMPANY | {"login": 40.0}, seed=7)
    own = [event for event in desk.pages if event.data.product_area == "login"]
    assert own[0].data.reason == "area_spike", desk.paged()
    assert own[0].data.slice is None


# --- again ----------------------------------------------------------------------------------------


def test_a_return_is_judged_by_when_its_window_began() -> None:
    """A window that began within the cool-down reopens, even if it crosses its limit after it."""
    desk = at_ten()
    desk.burst(MORNING, 30, 0.5)
    desk.tick(MORNING + 3 * HOUR)
    over = next(e for e in desk.events if e.transition == "resolved").time.timestamp()
    end = over + SETTINGS.cooldown_minutes * 60.0
    slow = TenantFeed(SETTINGS, desk.tenant.copy())
    slow.feed(over, end - 900.0, {"api": 2.0}, seed=5)
    slow.events.clear()
    at = end - 900.0
    while not slow.pages and at < end + 3 * HOUR:
        at += 150.0
        slow.ticket(at)
    assert at > end, "else this proves nothing"
    assert slow.pages[0].data.since.timestamp() <= end
    assert slow.pages[0].transition == "reopened"
    later = TenantFeed(SETTINGS, desk.tenant.copy())
    later.feed(over, end + 600.0, {"api": 2.0}, seed=5)
    later.events.clear()
    later.burst(end + 600.0, 30, 0.5)
    assert later.pages[0].transition == "opened"


# --- the budget -----------------------------------------------------------------------------------


def test_each_event_says_what_the_budget_is_and_what_was_spent() -> None:
    """Allowed for the tenant and for the series, expected of it, and pages of four weeks."""
    desk = at_ten()
    desk.burst(MORNING, 30, 0.5)
    budget = first(desk).data.budget
    assert budget is not None
    assert budget.per_week == SETTINGS.false_pages_per_week
    part = SPLIT["area"] * (1.0 - UNKNOWN_PART)
    assert budget.allowed == pytest.approx(part / len(COMPANY), rel=0.01)
    assert 0.0 < budget.expected <= budget.allowed * 1.01
    assert budget.pages == pytest.approx(1.0 / BUDGET_WEEKS)
    assert budget.burn == pytest.approx(budget.pages / budget.per_week, rel=1e-3)
    assert budget.false_pages == 0.0


def test_pages_of_more_than_four_weeks_ago_are_not_counted() -> None:
    """Burn is of the last four weeks."""
    desk = at_ten()
    desk.burst(MORNING, 30, 0.5)
    desk.feed(MORNING + HOUR, MORNING + 5 * WEEK, {"login": 4.0}, seed=7)
    later = MORNING + 5 * WEEK
    before = sum(page.at >= later - BUDGET_WEEKS * WEEK for page in desk.tenant.pages)
    desk.burst(later, 60, 0.5)
    budget = desk.pages[-1].data.budget
    assert budget is not None
    assert budget.pages == pytest.approx((before + 1) / BUDGET_WEEKS)


def test_what_was_called_a_false_alarm_counts_as_one() -> None:
    """Verdicts of people stand in the budget of later pages."""
    desk = at_ten()
    desk.burst(MORNING, 30, 0.5)
    desk.tenant.pages[-1].verdict = "false_alarm"
    desk.feed(MORNING + HOUR, MORNING + DAY, {"login": 4.0}, seed=7)
    desk.burst(MORNING + DAY, 60, 0.5)
    budget = desk.pages[-1].data.budget
    assert budget is not None
    assert budget.false_pages == pytest.approx(1.0 / BUDGET_WEEKS)


@pytest.mark.slow
def test_suppressed_events_spend_nothing() -> None:
    """Areas inside the tenant's page, and history, are not pages."""
    desk = platform()
    assert len(desk.tenant.pages) == len({event.data.episode_id for event in desk.pages})
    past = TenantFeed(SETTINGS).mature()
    assert past.tenant.pages == []


@pytest.mark.parametrize("kind", ["area", "slice", "tenant"])
def test_the_split_of_the_budget_is_whole(kind: str) -> None:
    """The parts of areas, slices and the tenant make one budget."""
    assert kind in SPLIT
    assert sum(SPLIT.values()) == pytest.approx(1.0)


@pytest.mark.slow
def test_a_smaller_budget_pages_later_or_never() -> None:
    """A hundredth of the budget: the same incident takes more tickets to page."""
    counts = []
    for per_week in (5.0, 0.05):
        desk = company(msgspec.structs.replace(SETTINGS, false_pages_per_week=per_week))
        desk.feed(NOW, MORNING, seed=6)
        desk.events.clear()
        desk.burst(MORNING, 80, 2.0)
        counts.append(first(desk).data.tickets)
    assert counts[0] < counts[1]
