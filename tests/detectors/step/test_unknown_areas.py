"""Unknown area names: how much room and budget they may take, and what they must not change."""

import msgspec
import pytest

from detectors.alerting.budget import LIVE_RATE, UNKNOWN_PART, allowed_pages_for
from detectors.foundation import state_codec
from detectors.policy.settings import Settings
from detectors.policy.taxonomy import AreaEntry, Taxonomy
from detectors.state.tenant import KNOWN_HOURS
from detectors.state.threshold_priors import SPLIT, Kind
from detectors.step.counting import LEAST_UNKNOWN, UNKNOWN_ONE_IN
from schemas.signals import OTHER, UNCLASSIFIED
from tests.support.companies import (
    COMPANY,
    DAY,
    HOUR,
    MORNING,
    NOW,
    SETTINGS,
    WEEK,
    TenantFeed,
    arrivals,
    company,
    in_shape,
)

KINDS: tuple[Kind, ...] = ("area", "slice")
LISTED = msgspec.structs.replace(
    SETTINGS, taxonomy=Taxonomy(areas=(AreaEntry(name="new product", aliases=("np",)),))
)


def at_ten(config: Settings = SETTINGS) -> TenantFeed:
    """Return the feed of a company that is two months old, on a Monday morning."""
    return company(config, until=MORNING)


def flood(
    feed: TenantFeed, count: int = 5_000, hours: float = 10.0, begin: float = MORNING
) -> None:
    """Send *count* tickets, each with an area name of its own that nobody has used before."""
    for number in range(count):
        feed.ticket(begin + number * hours * HOUR / count, f"made up {number}")


def allowed(feed: TenantFeed, area: str, kind: Kind) -> float:
    """Return the false pages a week that *area* may spend."""
    feed.tenant.active_hour = -1  # so that the active areas are counted now
    return allowed_pages_for(feed.tenant, feed.tenant.areas[area], kind, feed.config)


def known(feed: TenantFeed) -> list[str]:
    """Return the known areas."""
    return [n for n, series in sorted(feed.tenant.areas.items()) if feed.tenant.knows(series)]


# --- five thousand names --------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("most", [500, 200, 40])
def test_unknown_names_get_few_series(most: int) -> None:
    """Unknown names get a tenth of the series, at least ten, and the rest share one."""
    feed = at_ten(msgspec.structs.replace(SETTINGS, areas_per_tenant=most))
    flood(feed, 1_000)
    unknown = max(most // UNKNOWN_ONE_IN, LEAST_UNKNOWN)
    assert len(feed.tenant.areas) == len(COMPANY) + unknown + 1
    shared = feed.tenant.areas[OTHER]
    assert shared.shared
    assert shared.tickets == 1_000 - unknown
    assert known(feed) == sorted(COMPANY)


def test_unknown_names_do_not_reduce_the_budget_of_known_areas() -> None:
    """The budget of known areas is the same to the last bit, however many names arrive."""
    feed = at_ten()
    before = {(area, kind): allowed(feed, area, kind) for area in COMPANY for kind in KINDS}
    flood(feed)
    after = {(area, kind): allowed(feed, area, kind) for area in COMPANY for kind in KINDS}
    assert after == before


def test_all_unknown_names_share_one_part_of_the_budget() -> None:
    """Unknown names together may spend a fixed part, and known areas together the rest."""
    feed = at_ten()
    flood(feed)
    areas = feed.tenant.areas
    for kind in KINDS:
        part = SETTINGS.false_pages_per_week * SPLIT[kind]
        live = [n for n, series in areas.items() if series.model.rate >= LIVE_RATE]
        unknown = sum(allowed(feed, name, kind) for name in live if name not in COMPANY)
        assert unknown == pytest.approx(part * UNKNOWN_PART)
        assert sum(allowed(feed, name, kind) for name in COMPANY) == pytest.approx(
            part * (1.0 - UNKNOWN_PART)
        )


def test_unknown_names_do_not_change_the_tenant_baseline() -> None:
    """The tenant's series and weekly profile equal those of a company without them."""
    calm, flooded = at_ten(), at_ten()
    for at, area in arrivals(MORNING, MORNING + 30 * HOUR, COMPANY, in_shape, 7):
        ticket = calm.make(at, area)
        calm.take(ticket)
        flooded.take(ticket)
        for number in range(15):
            name = f"made up {ticket.ticket_id} {number}"
            flooded.take(msgspec.structs.replace(ticket, ticket_id=name, area=name))
    assert flooded.tenant.areas[OTHER].tickets > 3_000
    for feed in (calm, flooded):
        feed.tick(MORNING + 31 * HOUR)
    assert flooded.tenant.whole.seen == calm.tenant.whole.seen
    assert flooded.tenant.whole.tickets == calm.tenant.whole.tickets
    encode = state_codec.encode
    assert encode(flooded.tenant.profile) == encode(calm.tenant.profile)
    assert flooded.tenant.whole.model.rate == calm.tenant.whole.model.rate
    for area in COMPANY:
        assert flooded.rate(area) == calm.rate(area)


def test_unknown_names_do_not_change_the_slice_shares() -> None:
    """Their tickets do not change what the slices of known areas expect."""
    calm, flooded = at_ten(), at_ten()
    for at, area in arrivals(MORNING, MORNING + 12 * HOUR, COMPANY, in_shape, 7):
        ticket = calm.make(at, area)
        calm.take(ticket)
        flooded.take(ticket)
        for number in range(15):
            name = f"made up {ticket.ticket_id} {number}"
            unknown_fields = {
                "ticket_id": name,
                "area": name,
                "app_version": "9.9.9",
                "region": "apac",
            }
            flooded.take(msgspec.structs.replace(ticket, **unknown_fields))
    assert flooded.tenant.areas[OTHER].tickets > 1_000
    encode = state_codec.encode
    assert encode(flooded.tenant.shares) == encode(calm.tenant.shares)
    assert "app_version\x1f9.9.9" not in flooded.tenant.shares.counts
    for area in COMPANY:
        ran, other = calm.tenant.areas[area], flooded.tenant.areas[area]
        assert encode(other.slices) == encode(ran.slices)
    company_events = [
        [e for e in d.events if e.data.product_area in COMPANY] for d in (calm, flooded)
    ]
    assert company_events[0] == company_events[1]


def test_a_version_seen_only_in_an_unknown_area_is_new_in_a_known_one() -> None:
    """A thousand tickets of the version in an unknown area do not delay the page."""
    calm, flooded = at_ten(), at_ten()
    for number in range(1_000):
        flooded.ticket(MORNING + 3.0 * number, "made up", app_version="9.9.9")
    for feed in (calm, flooded):
        for number in range(30):
            at = MORNING + HOUR + 60.0 * number
            fields = {"region": "eu", "channel": "web", "customer": f"crowd {number}"}
            feed.ticket(at, "billing", app_version="9.9.9", **fields)
    first = [next(e for e in d.pages if e.data.product_area == "billing") for d in (calm, flooded)]
    assert first[0].time == first[1].time
    assert (first[1].data.score, first[1].data.expected) == (
        first[0].data.score,
        first[0].data.expected,
    )


def test_a_flood_of_unknown_names_is_one_page() -> None:
    """The page is about the shared series and has the reason unknown_areas_surge."""
    feed = at_ten()
    flood(feed)
    surges = [e for e in feed.events if e.data.reason == "unknown_areas_surge"]
    assert surges[0].transition == "opened"
    assert {event.data.product_area for event in surges} == {OTHER}
    assert [event.data.product_area for event in feed.pages] == [OTHER], feed.paged()


def test_a_flood_of_unknown_names_hides_no_incident() -> None:
    """An incident in a known area pages at the same time as without the flood."""
    calm, flooded = at_ten(), at_ten()
    for number in range(2_000):
        at = MORNING + 1.8 * number
        flooded.ticket(at, f"made up {number}")
        if number % 40 == 0:
            for feed in (calm, flooded):
                feed.ticket(at, "login", customer=f"crowd {number}", region="eu")
    assert calm.paged("login")
    assert flooded.paged("login")
    first = [next(e for e in d.pages if e.data.product_area == "login") for d in (calm, flooded)]
    assert first[0].time == first[1].time


def test_a_flood_leaves_room_for_areas_of_the_taxonomy() -> None:
    """An area of the taxonomy gets a series of its own, even after a flood."""
    feed = at_ten(LISTED)
    flood(feed, 500)
    feed.ticket(MORNING + 11 * HOUR, "np")
    assert feed.tenant.areas["new product"].tickets == 1
    feed.ticket(MORNING + 11 * HOUR, UNCLASSIFIED)
    assert feed.tenant.areas[UNCLASSIFIED].tickets == 1


def test_areas_of_the_taxonomy_are_exempt_from_the_cap() -> None:
    """Only areas outside the taxonomy share one series."""
    names = tuple(AreaEntry(name=f"listed {number}") for number in range(30))
    config = msgspec.structs.replace(SETTINGS, taxonomy=Taxonomy(areas=names), areas_per_tenant=12)
    feed = TenantFeed(config)
    for number in range(20):
        feed.ticket(NOW + HOUR * number, f"made up {number}")
    for number in range(30):
        feed.ticket(NOW + HOUR * (20 + number), f"listed {number}")
    assert len(feed.tenant.areas) == 12 + 1 + 30
    assert feed.tenant.areas[OTHER].tickets == 8


# --- unique values --------------------------------------------------------------------------------


@pytest.mark.slow
def test_unique_values_do_not_grow_the_state() -> None:
    """After a thousand of twenty thousand unique versions and regions, the state stops growing."""
    feed = at_ten()
    sizes = []
    for number in range(20_000):
        feed.ticket(
            MORNING + 4.0 * number,
            "login",
            region=f"region {number}",
            app_version=f"{number}.0",
            channel=f"channel {number}",
            issue_type=f"issue {number}",
            tier=f"tier {number}",
            segment=f"segment {number}",
            language=f"language {number}",
            source=f"source {number}",
            text=f"w{number}a w{number}b w{number}c",
        )
        if number % 500 == 499:
            sizes.append(len(feed.tenant.areas["login"].encode()) + len(feed.tenant.encode()))
    assert feed.pages
    full = max(sizes[2:8])
    assert max(sizes[8:]) < 1.1 * full
    assert full < 120_000


def test_unique_customers_do_not_grow_the_state() -> None:
    """Customers of an episode beyond a thousand are estimated."""
    feed = at_ten()
    sizes = []
    for number in range(10_000):
        feed.ticket(MORNING + 4.0 * number, customer=f"{number:032x}")
        if number % 500 == 499:
            sizes.append(len(feed.tenant.areas["login"].encode()))
    assert max(sizes[10:]) < 1.1 * max(sizes[4:10])
    last = feed.events[-1].data
    assert last.impact is not None
    assert last.impact.customers_estimated


# --- becoming known -------------------------------------------------------------------------------


def test_an_area_is_known_after_two_weeks() -> None:
    """Before that an area counts neither in the tenant nor in its budget."""
    feed = at_ten()
    areas = {**COMPANY, "new product": 1.0}
    before = allowed(feed, "login", "area")
    born = MORNING + 61.0
    feed.ticket(born, "new product")
    end = born + KNOWN_HOURS * HOUR
    feed.feed(born + 1.0, end - HOUR, areas)
    assert "new product" not in known(feed)
    assert allowed(feed, "login", "area") == before
    whole = feed.tenant.whole.tickets
    feed.ticket(end - HOUR, "new product")
    assert feed.tenant.whole.tickets == whole
    feed.ticket(end, "new product")
    assert feed.tenant.whole.tickets == whole + 1
    assert "new product" in known(feed)
    parts = len(COMPANY) / (len(COMPANY) + 1)
    assert allowed(feed, "login", "area") == pytest.approx(before * parts)
    assert allowed(feed, "new product", "area") == allowed(feed, "login", "area")


def test_areas_of_a_new_tenant_are_known_at_once() -> None:
    """Areas that appear in the first two weeks of a tenant are known."""
    feed = TenantFeed()
    for day in range(16):
        feed.ticket(NOW + day * DAY, f"area {day}")
    assert known(feed) == sorted(f"area {day}" for day in range(14))


def test_areas_of_the_taxonomy_are_known_at_once() -> None:
    """An area of the taxonomy is known by its name or alias at any age of the tenant."""
    for config, is_listed in ((LISTED, True), (SETTINGS, False)):
        feed = at_ten(config)
        whole = feed.tenant.whole.tickets
        feed.ticket(MORNING + 61.0, "np" if is_listed else "new product")
        assert ("new product" in known(feed)) is is_listed
        assert feed.tenant.whole.tickets == whole + is_listed


def test_the_shared_series_never_becomes_known() -> None:
    """The shared series is not known however old it is."""
    feed = at_ten(msgspec.structs.replace(SETTINGS, areas_per_tenant=len(COMPANY)))
    feed.feed(MORNING, MORNING + 4 * WEEK, {"some": 0.05, "more": 0.05}, in_shape)
    assert set(feed.tenant.areas) == {*COMPANY, OTHER}
    assert OTHER not in known(feed)


def test_a_copy_knows_the_same_areas() -> None:
    """An encoded and restored tenant has the same known areas."""
    feed = at_ten(LISTED)
    feed.ticket(MORNING + 61.0, "np")
    flood(feed, 300)
    other = TenantFeed(feed.config, feed.tenant.copy())
    assert known(other) == known(feed)
