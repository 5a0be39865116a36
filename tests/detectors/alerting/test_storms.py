"""Many pages at once become one: the digest of a storm, and the page of the whole tenant."""

import itertools
from functools import lru_cache

import msgspec
import pytest

from detectors.policy.settings import Settings
from detectors.simulation.tickets import Incident, World
from detectors.state.tenant import TENANT_SERIES, Tenant
from schemas.escalation import EscalationEvent
from tests.support import stories
from tests.support.companies import HOUR, MONDAY, SETTINGS, WEEK, TenantFeed
from tests.support.warm_tenants import warm_tenant

AREAS = {f"area {number:02}": 2.0 for number in range(16)}
NAMES = tuple(AREAS)
MORNING = MONDAY + 4 * WEEK + 10 * HOUR
GAP = 45.0
"""Seconds from one area's trouble to the next one's."""


@lru_cache(maxsize=1)
def _grown() -> Tenant:
    def make() -> Tenant:
        desk = TenantFeed().mature(weeks=4, areas=AREAS)
        desk.feed(MONDAY + 4 * WEEK, MORNING, AREAS, seed=6)
        return desk.tenant

    return warm_tenant(make, SETTINGS)


def at_ten(pages: int, seconds: float = 600.0) -> TenantFeed:
    """Sixteen areas on a Monday morning; more than so many *pages* within *seconds* are a storm."""
    config = msgspec.structs.replace(SETTINGS, storm_pages=pages, storm_seconds=seconds)
    return TenantFeed(config, _grown().copy())


def trouble(
    desk: TenantFeed, areas: tuple[str, ...] = NAMES, begin: float = MORNING, gap: float = GAP
) -> float:
    """One area after the other has seven complaints within half a minute; the end of it."""
    for number, area in enumerate(areas):
        desk.burst(begin + gap * number, 7, 35.0 / HOUR, area)
    return begin + gap * len(areas)


def storm(pages: int = 2, areas: tuple[str, ...] = NAMES) -> TenantFeed:
    """All of it, and the hours until it is over."""
    desk = at_ten(pages)
    desk.tick(trouble(desk, areas) + 6 * HOUR)
    return desk


def digests(desk: TenantFeed) -> list[EscalationEvent]:
    """What is said of the storm."""
    return [event for event in desk.events if event.data.reason == "storm"]


def opened(desk: TenantFeed) -> dict[str, EscalationEvent]:
    """By area, the event that its own episode began with."""
    found = {}
    for event in desk.events:
        if event.data.product_area is not None and event.transition == "opened":
            found[event.data.product_area] = event
    return found


# --- the digest -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("most", [1, 2])
def test_more_pages_than_are_stood_become_one(most: int) -> None:
    """As many go out as is set, then a single one for all that follows."""
    desk = storm(most)
    areas = [event.data.product_area for event in desk.pages]
    assert areas == [*NAMES[:most], None], desk.paged()
    digest = desk.pages[-1].data
    assert (digest.reason, digest.product_area, digest.slice) == ("storm", None, None)
    assert "storm" in desk.guards


def test_the_digest_lists_the_areas() -> None:
    """Those that run when it goes out, and in the end all that crossed meanwhile."""
    desk = storm()
    first, last = digests(desk)[0].data, digests(desk)[-1].data
    assert first.areas is not None
    assert {*NAMES[:2]} <= {*first.areas} <= {*AREAS}
    assert last.areas == sorted(AREAS)
    assert last.children is not None
    assert [child.product_area for child in last.children] != []
    assert {child.product_area for child in last.children} == {*AREAS}
    ids = {area: event.data.episode_id for area, event in opened(desk).items()}
    assert all(ids[c.product_area] == c.episode_id for c in first.children or () if c.episode_id)


def test_what_crosses_after_the_digest_is_told_and_pages_nobody() -> None:
    """Each area has its opened event on the stream; none is dropped, none pages."""
    desk = storm()
    found = opened(desk)
    assert set(found) == set(AREAS)
    assert {found[name].data.suppressed for name in NAMES[:2]} == {None}
    assert {found[name].data.suppressed for name in NAMES[2:]} == {"storm"}
    assert {found[name].data.reason for name in NAMES} == {"area_spike"}
    resolved = [e.data.product_area for e in desk.events if e.transition == "resolved"]
    assert sorted(filter(None, resolved)) == sorted(AREAS)


def test_what_crosses_comes_after_the_digest_that_stands_for_it() -> None:
    """Who reads the stream knows why an event is suppressed when it comes."""
    desk = storm()
    begin = next(n for n, event in enumerate(desk.events) if event.data.reason == "storm")
    assert desk.events[begin].transition == "opened"
    assert all(event.data.suppressed is None for event in desk.events[: begin + 1])
    assert desk.events[begin + 1].data.suppressed == "storm"
    assert desk.events[begin + 1].data.product_area == NAMES[2]


def test_a_digest_counts_as_one_page() -> None:
    """The budget knows of the pages that went out, and of no other."""
    desk = storm()
    assert len(desk.tenant.pages) == 3
    assert desk.tenant.pages[-1].episode_id == digests(desk)[0].data.episode_id


def test_events_of_a_digest_are_numbered_without_gaps() -> None:
    """One id from first to last."""
    told = [event.data for event in digests(storm())]
    assert len({data.episode_id for data in told}) == 1
    assert [data.sequence for data in told] == [*range(1, len(told) + 1)]


def test_the_digest_is_resolved_when_all_inside_are() -> None:
    """Not when the tenant's own count is calm: while a single area runs, so does the digest."""
    desk = at_ten(2)
    end = trouble(desk)
    for minute in range(150):
        desk.ticket(end + 60.0 * minute, NAMES[5])
    assert TENANT_SERIES in desk.tenant.running
    assert NAMES[5] in desk.tenant.running
    assert NAMES[6] not in desk.tenant.running
    desk.tick(end + 12 * HOUR)
    assert desk.tenant.running == set()
    last = {e.data.product_area: e.time for e in desk.events if e.transition == "resolved"}
    assert set(last) == {None, *AREAS}
    assert last[None] >= max(time for area, time in last.items() if area is not None)


def test_a_digest_tells_when_it_has_twice_as_many_areas() -> None:
    """Whoever has read of four areas is told when they are eight or more."""
    told = [event.data for event in digests(storm()) if event.transition != "resolved"]
    counts = [len(data.areas or ()) for data in told]
    assert counts == sorted(counts)
    assert 2 * counts[-1] > len(AREAS)


@pytest.mark.parametrize("most", [1, 2])
@pytest.mark.parametrize("each", [0, 30])
def test_a_digest_is_told_once_and_then_only_of_twice_the_areas(most: int, each: int) -> None:
    """No update with the ticket that opens it, nor for any count of tickets of those inside."""
    desk = at_ten(most)
    end = trouble(desk)
    for number in range(each * len(NAMES)):
        desk.ticket(end + 20.0 * number, NAMES[number % len(NAMES)])
    desk.tick(end + 12 * HOUR)
    told = digests(desk)
    assert [event.transition for event in told[1:-1]] == ["updated"] * (len(told) - 2)
    assert (told[0].transition, told[-1].transition) == ("opened", "resolved")
    assert len({event.time for event in told}) == len(told)
    counts = [len(event.data.areas or ()) for event in told[:-1]]
    assert counts[0] >= most
    for before, after in itertools.pairwise(counts):
        assert after >= 2 * before, counts


def test_after_the_storm_an_area_pages_again() -> None:
    """It is over for good: what comes the next day is a page of its own."""
    desk = storm()
    before = len(desk.pages)
    later = MORNING + 24 * HOUR
    desk.feed(MORNING + 7 * HOUR, later, AREAS, seed=9)
    desk.events.clear()
    desk.burst(later, 40, 0.5, NAMES[3])
    assert [event.data.product_area for event in desk.pages] == [NAMES[3]], before


# --- what is set ----------------------------------------------------------------------------------


def test_as_many_pages_as_are_stood_are_no_storm() -> None:
    """Only more than that are: two areas with two allowed page each for itself."""
    desk = storm(2, NAMES[:2])
    assert [event.data.product_area for event in desk.pages] == [*NAMES[:2]]
    assert digests(desk) == []
    assert "storm" not in desk.guards


def test_pages_further_apart_are_no_storm() -> None:
    """The same areas, one each ten minutes: nobody is paged for more than one at a time."""
    desk = at_ten(2, seconds=600.0)
    trouble(desk, NAMES[:8], gap=400.0)
    assert digests(desk) == []
    assert [event.data.product_area for event in desk.pages] == [*NAMES[:8]], desk.paged()
    desk = at_ten(2, seconds=900.0)
    trouble(desk, NAMES[:8], gap=400.0)
    assert len({event.data.episode_id for event in digests(desk)}) == 1
    assert [event.data.product_area for event in desk.pages] == [*NAMES[:2], None], desk.paged()


def test_a_storm_in_history_pages_nobody() -> None:
    """What is learned from the past is no storm, whatever came then."""
    desk = at_ten(1)
    for number, area in enumerate(NAMES):
        desk.burst(MORNING + GAP * number, 7, 35.0 / HOUR, area, mode="history")
    assert digests(desk) == []
    assert desk.pages == []


def test_a_copy_weathers_the_same_storm() -> None:
    """Encoded and restored in the middle of it, the tenant says the same from then on."""
    ran = at_ten(2)
    middle = trouble(ran, NAMES[:6])
    ran.events.clear()
    other = TenantFeed(ran.config, ran.tenant.copy())
    other.rng.setstate(ran.rng.getstate())
    other.number = ran.number
    for desk in (ran, other):
        desk.tick(trouble(desk, NAMES[6:], middle) + 6 * HOUR)
    assert other.events == ran.events
    assert digests(ran)


# --- the whole tenant instead ---------------------------------------------------------------------


def test_an_area_whose_neighbours_follow_becomes_the_tenants_page() -> None:
    """Where all are up it is no storm: the first page goes on as the tenant's, under its id."""
    desk = at_ten(5)
    desk.tick(trouble(desk) + 6 * HOUR)
    first = desk.pages[0].data
    assert first.product_area == NAMES[0]
    wide = [e for e in desk.events if e.data.reason == "became_tenant_wide"]
    assert {event.data.episode_id for event in wide} == {first.episode_id}
    assert wide[0].transition == "updated"
    assert wide[0].data.product_area is None
    assert NAMES[0] in (wide[0].data.areas or ())
    assert digests(desk) == []
    later = [e for e in desk.events[desk.events.index(wide[0]) :] if e.transition == "opened"]
    assert {event.data.suppressed for event in later} == {"inside_tenant"}


PLATFORM = {f"area {number}": 0.3 * 1.14**number for number in range(20)}


@pytest.mark.slow
@pytest.mark.parametrize("multiple", [3.0, 5.0, 10.0])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_twenty_areas_up_at_once_are_one_page(multiple: float, seed: int) -> None:
    """From a sleepy area to a busy one, all at once and for two hours: exactly one page."""
    settings = Settings()
    tenant = stories.grown(PLATFORM, settings)
    incidents = [Incident(area, stories.NINE + 600.0, 2.0, multiple) for area in PLATFORM]
    world = World(
        start=stories.NINE, hours=3.0, areas=PLATFORM, seed=900 + seed, incidents=incidents
    )
    told = stories.signals(world)
    events = stories.play(tenant, told, settings, stories.NINE + 15 * HOUR)
    found = stories.pages(events)
    lines = [f"{e.time:%H:%M:%S} {e.data.product_area} {e.data.reason}" for e in found]
    assert len(found) == 1, lines
    last = stories.of_one(events, found[0].data.episode_id)[-1]
    assert last.product_area is None
    assert last.areas
    assert tenant.running == set()
