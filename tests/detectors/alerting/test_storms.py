"""Paging storms: many pages in a short time become one digest or one tenant-wide page."""

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
        feed = TenantFeed().mature(weeks=4, areas=AREAS)
        feed.feed(MONDAY + 4 * WEEK, MORNING, AREAS, seed=6)
        return feed.tenant

    return warm_tenant(make, SETTINGS)


def at_ten(pages: int, seconds: float = 600.0) -> TenantFeed:
    """Return the feed of sixteen areas for which over *pages* pages in *seconds* are a storm."""
    config = msgspec.structs.replace(SETTINGS, storm_pages=pages, storm_seconds=seconds)
    return TenantFeed(config, _grown().copy())


def trouble(
    feed: TenantFeed, areas: tuple[str, ...] = NAMES, begin: float = MORNING, gap: float = GAP
) -> float:
    """Send seven complaints to one area after another, and return the time after the last one."""
    for number, area in enumerate(areas):
        feed.burst(begin + gap * number, 7, 35.0 / HOUR, area)
    return begin + gap * len(areas)


def storm(pages: int = 2, areas: tuple[str, ...] = NAMES) -> TenantFeed:
    """Return the feed after a storm has ended."""
    feed = at_ten(pages)
    feed.tick(trouble(feed, areas) + 6 * HOUR)
    return feed


def digests(feed: TenantFeed) -> list[EscalationEvent]:
    """Return the events of the storm digest."""
    return [event for event in feed.events if event.data.reason == "storm"]


def opened(feed: TenantFeed) -> dict[str, EscalationEvent]:
    """Return the opened event of each area's own episode."""
    found = {}
    for event in feed.events:
        if event.data.product_area is not None and event.transition == "opened":
            found[event.data.product_area] = event
    return found


# --- the digest -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("most", [1, 2])
def test_pages_beyond_the_storm_limit_become_one_digest(most: int) -> None:
    """The configured number of pages is sent, then one digest for all that follow."""
    feed = storm(most)
    areas = [event.data.product_area for event in feed.pages]
    assert areas == [*NAMES[:most], None], feed.paged()
    digest = feed.pages[-1].data
    assert (digest.reason, digest.product_area, digest.slice) == ("storm", None, None)
    assert "storm" in feed.guards


def test_the_digest_lists_the_areas_of_the_storm() -> None:
    """The digest opens with the running areas and ends with all areas that crossed."""
    feed = storm()
    first, last = digests(feed)[0].data, digests(feed)[-1].data
    assert first.areas is not None
    assert {*NAMES[:2]} <= {*first.areas} <= {*AREAS}
    assert last.areas == sorted(AREAS)
    assert last.children is not None
    assert [child.product_area for child in last.children] != []
    assert {child.product_area for child in last.children} == {*AREAS}
    ids = {area: event.data.episode_id for area, event in opened(feed).items()}
    assert all(ids[c.product_area] == c.episode_id for c in first.children or () if c.episode_id)


def test_areas_that_cross_after_the_digest_are_suppressed() -> None:
    """Each later area has an opened event on the stream, and none of them pages."""
    feed = storm()
    found = opened(feed)
    assert set(found) == set(AREAS)
    assert {found[name].data.suppressed for name in NAMES[:2]} == {None}
    assert {found[name].data.suppressed for name in NAMES[2:]} == {"storm"}
    assert {found[name].data.reason for name in NAMES} == {"area_spike"}
    resolved = [e.data.product_area for e in feed.events if e.transition == "resolved"]
    assert sorted(filter(None, resolved)) == sorted(AREAS)


def test_the_digest_precedes_the_events_it_suppresses() -> None:
    """A consumer reads the digest before the first event that it suppresses."""
    feed = storm()
    begin = next(n for n, event in enumerate(feed.events) if event.data.reason == "storm")
    assert feed.events[begin].transition == "opened"
    assert all(event.data.suppressed is None for event in feed.events[: begin + 1])
    assert feed.events[begin + 1].data.suppressed == "storm"
    assert feed.events[begin + 1].data.product_area == NAMES[2]


def test_a_digest_counts_as_one_page() -> None:
    """The budget counts the pages that were sent and no others."""
    feed = storm()
    assert len(feed.tenant.pages) == 3
    assert feed.tenant.pages[-1].episode_id == digests(feed)[0].data.episode_id


def test_events_of_a_digest_are_numbered_without_gaps() -> None:
    """All events of a digest have one id and consecutive sequence numbers."""
    digest_data = [event.data for event in digests(storm())]
    assert len({data.episode_id for data in digest_data}) == 1
    assert [data.sequence for data in digest_data] == [*range(1, len(digest_data) + 1)]


def test_the_digest_is_resolved_after_all_of_its_areas() -> None:
    """The digest runs while any area runs, even if the tenant's own count is calm."""
    feed = at_ten(2)
    end = trouble(feed)
    for minute in range(150):
        feed.ticket(end + 60.0 * minute, NAMES[5])
    assert TENANT_SERIES in feed.tenant.running
    assert NAMES[5] in feed.tenant.running
    assert NAMES[6] not in feed.tenant.running
    feed.tick(end + 12 * HOUR)
    assert feed.tenant.running == set()
    last = {e.data.product_area: e.time for e in feed.events if e.transition == "resolved"}
    assert set(last) == {None, *AREAS}
    assert last[None] >= max(time for area, time in last.items() if area is not None)


def test_a_digest_is_updated_when_its_areas_double() -> None:
    """A digest of four areas is updated when it has eight or more."""
    digest_data = [event.data for event in digests(storm()) if event.transition != "resolved"]
    counts = [len(data.areas or ()) for data in digest_data]
    assert counts == sorted(counts)
    assert 2 * counts[-1] > len(AREAS)


@pytest.mark.parametrize("most", [1, 2])
@pytest.mark.parametrize("each", [0, 30])
def test_a_digest_is_only_updated_when_its_areas_double(most: int, each: int) -> None:
    """Neither the ticket that opens the digest nor any later ticket count sends an update."""
    feed = at_ten(most)
    end = trouble(feed)
    for number in range(each * len(NAMES)):
        feed.ticket(end + 20.0 * number, NAMES[number % len(NAMES)])
    feed.tick(end + 12 * HOUR)
    digest_events = digests(feed)
    assert [event.transition for event in digest_events[1:-1]] == ["updated"] * (
        len(digest_events) - 2
    )
    assert (digest_events[0].transition, digest_events[-1].transition) == ("opened", "resolved")
    assert len({event.time for event in digest_events}) == len(digest_events)
    counts = [len(event.data.areas or ()) for event in digest_events[:-1]]
    assert counts[0] >= most
    for before, after in itertools.pairwise(counts):
        assert after >= 2 * before, counts


def test_after_the_storm_an_area_pages_again() -> None:
    """An area that crosses the day after the storm has a page of its own."""
    feed = storm()
    before = len(feed.pages)
    later = MORNING + 24 * HOUR
    feed.feed(MORNING + 7 * HOUR, later, AREAS, seed=9)
    feed.events.clear()
    feed.burst(later, 40, 0.5, NAMES[3])
    assert [event.data.product_area for event in feed.pages] == [NAMES[3]], before


# --- settings -------------------------------------------------------------------------------------


def test_as_many_pages_as_allowed_are_no_storm() -> None:
    """Two areas with two allowed pages page separately."""
    feed = storm(2, NAMES[:2])
    assert [event.data.product_area for event in feed.pages] == [*NAMES[:2]]
    assert digests(feed) == []
    assert "storm" not in feed.guards


def test_pages_further_apart_are_no_storm() -> None:
    """Pages that are further apart than the storm window are sent separately."""
    feed = at_ten(2, seconds=600.0)
    trouble(feed, NAMES[:8], gap=400.0)
    assert digests(feed) == []
    assert [event.data.product_area for event in feed.pages] == [*NAMES[:8]], feed.paged()
    feed = at_ten(2, seconds=900.0)
    trouble(feed, NAMES[:8], gap=400.0)
    assert len({event.data.episode_id for event in digests(feed)}) == 1
    assert [event.data.product_area for event in feed.pages] == [*NAMES[:2], None], feed.paged()


def test_a_storm_in_history_pages_nobody() -> None:
    """Tickets of history open no digest and page nobody."""
    feed = at_ten(1)
    for number, area in enumerate(NAMES):
        feed.burst(MORNING + GAP * number, 7, 35.0 / HOUR, area, mode="history")
    assert digests(feed) == []
    assert feed.pages == []


def test_a_restored_tenant_continues_a_storm() -> None:
    """A tenant that is encoded and restored during a storm produces the same events."""
    ran = at_ten(2)
    middle = trouble(ran, NAMES[:6])
    ran.events.clear()
    other = TenantFeed(ran.config, ran.tenant.copy())
    other.rng.setstate(ran.rng.getstate())
    other.number = ran.number
    for feed in (ran, other):
        feed.tick(trouble(feed, NAMES[6:], middle) + 6 * HOUR)
    assert other.events == ran.events
    assert digests(ran)


# --- the whole tenant instead ---------------------------------------------------------------------


def test_the_first_page_becomes_tenant_wide_if_all_areas_follow() -> None:
    """If all areas rise, the first page becomes tenant-wide under its id, without a digest."""
    feed = at_ten(5)
    feed.tick(trouble(feed) + 6 * HOUR)
    first = feed.pages[0].data
    assert first.product_area == NAMES[0]
    wide = [e for e in feed.events if e.data.reason == "became_tenant_wide"]
    assert {event.data.episode_id for event in wide} == {first.episode_id}
    assert wide[0].transition == "updated"
    assert wide[0].data.product_area is None
    assert NAMES[0] in (wide[0].data.areas or ())
    assert digests(feed) == []
    later = [e for e in feed.events[feed.events.index(wide[0]) :] if e.transition == "opened"]
    assert {event.data.suppressed for event in later} == {"inside_tenant"}


PLATFORM = {f"area {number}": 0.3 * 1.14**number for number in range(20)}


@pytest.mark.slow
@pytest.mark.parametrize("multiple", [3.0, 5.0, 10.0])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_spike_in_twenty_areas_is_one_page(multiple: float, seed: int) -> None:
    """Twenty areas from sleepy to busy that rise together for two hours page exactly once."""
    settings = Settings()
    tenant = stories.grown(PLATFORM, settings)
    incidents = [Incident(area, stories.NINE + 600.0, 2.0, multiple) for area in PLATFORM]
    world = World(
        start=stories.NINE, hours=3.0, areas=PLATFORM, seed=900 + seed, incidents=incidents
    )
    tickets = stories.signals(world)
    events = stories.play(tenant, tickets, settings, stories.NINE + 15 * HOUR)
    found = stories.pages(events)
    lines = [f"{e.time:%H:%M:%S} {e.data.product_area} {e.data.reason}" for e in found]
    assert len(found) == 1, lines
    last = stories.of_one(events, found[0].data.episode_id)[-1]
    assert last.product_area is None
    assert last.areas
    assert tenant.running == set()
