"""Guards: what must not page is suppressed by name, and a real incident is still found."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.foundation.outcomes import Guard
from detectors.policy.settings import Event, Settings
from detectors.state.tenant import Tenant
from schemas.signals import UNCLASSIFIED, Signal, Tick, Ticket
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
    as_usual,
    company,
    in_shape,
)
from tests.support.examples import examples

State = Callable[[Tenant], dict[str, bytes]]


def at_ten() -> TenantFeed:
    """Return the feed of the company on a Monday morning amid its usual traffic."""
    return company(until=MORNING)


def moment(text: str) -> float:
    """Return a time in UTC as seconds since 1970."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


# --- one customer, one event, one ticket ----------------------------------------------------------


@pytest.mark.slow
def test_one_noisy_customer_does_not_page() -> None:
    """A hundred tickets of one customer within an hour do not page."""
    feed = at_ten()
    feed.burst(MORNING, 100, 1.0, customer="noisy")
    assert feed.paged() == []
    assert feed.guards.count("repeated_customer") == 99


def test_a_real_spike_behind_a_noisy_customer_is_found() -> None:
    """A noisy customer does not delay the page for a crowd that complains at the same time."""
    plain, noisy = at_ten(), at_ten()
    for number in range(60):
        now = MORNING + 60.0 * number
        for _ in range(3):
            noisy.ticket(now, customer="noisy")
        for feed in (plain, noisy):
            feed.ticket(now + 20.0, customer=f"crowd {number}")
    assert plain.paged()
    assert noisy.paged()
    assert noisy.pages[0].time <= plain.pages[0].time


def test_a_webhook_retry_storm_does_not_page() -> None:
    """Repeated events of three tickets, under new and old event ids, are duplicates."""
    feed = at_ten()
    tickets = [feed.make(MORNING + number, event_id=f"e{number}") for number in range(3)]
    for turn in range(100):
        for number, ticket in enumerate(tickets):
            now = MORNING + 60.0 + 10.0 * turn + number
            event = ticket.event_id if turn % 2 else f"retry {turn} {number}"
            feed.take(msgspec.structs.replace(ticket, event_id=event, created_at=now))
    assert feed.paged() == []
    assert feed.guards.count("duplicate") == 3 * 99


def test_a_retry_leaves_the_state_unchanged(state_of: State) -> None:
    """The same event a second time leaves every byte of the state as it was."""
    feed = at_ten()
    ticket = feed.make(MORNING, event_id="e1")
    feed.take(ticket)
    before = state_of(feed.tenant)
    assert feed.take(ticket).guards == ("duplicate",)
    assert state_of(feed.tenant) == before


# --- merged and deleted ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["merged", "deleted"])
def test_merged_or_deleted_duplicate_submissions_do_not_page(kind: Guard) -> None:
    """Copies that agents merge or delete within a minute do not page."""
    plain, feed = at_ten(), at_ten()
    for number in range(60):
        now = MORNING + 30.0 * number
        plain.ticket(now)
        ticket = feed.make(now)
        feed.take(ticket)
        gone = msgspec.structs.replace(ticket, event_type=kind, merged_into="1")
        assert feed.take(gone).outcome == "withdrawn"
    assert plain.paged(), "the same tickets must page if none is withdrawn"
    assert feed.paged() == []
    assert feed.guards.count(kind) == 60


@pytest.mark.parametrize("kind", ["merged", "deleted"])
def test_a_withdrawn_ticket_is_withdrawn_from_every_series(kind: str) -> None:
    """Area, slices and tenant return to the counts that they had before the ticket."""
    feed = at_ten()
    area, whole = feed.tenant.areas["login"], feed.tenant.whole

    def counts() -> dict[str, float]:
        found = {
            "tickets": area.tickets,
            "seen": area.seen,
            "tenant": whole.seen,
            "hour": area.model.expected_and_observed(MORNING, MORNING + 60.0)[1],
            "tenant's hour": whole.model.expected_and_observed(MORNING, MORNING + 60.0)[1],
        }
        return found | {key: each.today for key, each in area.slices.of.items()}

    before = counts()
    ticket = feed.make(MORNING, region="eu", app_version="4.1.0", channel="web")
    feed.take(ticket)
    assert counts()["region\x1feu"] == before["region\x1feu"] + 1.0
    assert all(counts()[key] > before[key] for key in ("tickets", "seen", "tenant", "hour"))
    feed.take(msgspec.structs.replace(ticket, event_type=kind))
    assert counts() == pytest.approx(before, abs=1e-6)


def test_withdrawn_tickets_amend_an_open_page() -> None:
    """If most tickets of a page are merged, the page is amended under its own id."""
    feed = at_ten()
    tickets = [feed.make(MORNING + 30.0 * number) for number in range(24)]
    for ticket in tickets:
        feed.take(ticket)
    assert len(feed.pages) == 1
    feed.take(Tick(MORNING + 900.0, "acme"))
    for ticket in tickets[1:]:
        feed.take(msgspec.structs.replace(ticket, event_type="merged"))
    amended = [event for event in feed.events if event.transition == "amended"]
    assert amended
    assert amended[-1].data.episode_id == feed.pages[0].data.episode_id
    assert amended[-1].data.tickets < max(event.data.tickets for event in feed.events)
    sequences = [event.data.sequence for event in feed.events]
    assert sequences == [*range(1, len(sequences) + 1)]


@pytest.mark.parametrize("kind", ["merged", "deleted"])
def test_a_merge_of_an_unknown_ticket_changes_nothing(state_of: State, kind: str) -> None:
    """A ticket that was never seen, or only weeks ago, cannot be withdrawn."""
    feed = at_ten()
    before = state_of(feed.tenant)
    done = feed.ticket(MORNING, event_type=kind)
    assert (done.outcome, done.escalations, done.guards) == ("not_created", [], ())
    assert state_of(feed.tenant) == before


def test_a_repeated_merge_counts_once(state_of: State) -> None:
    """A repeated merge webhook leaves the state as it was."""
    feed = at_ten()
    ticket = feed.make(MORNING)
    feed.take(ticket)
    merge = msgspec.structs.replace(ticket, event_type="merged")
    assert feed.take(merge).outcome == "withdrawn"
    before = state_of(feed.tenant)
    assert feed.take(merge).outcome == "not_created"
    assert state_of(feed.tenant) == before


def test_a_merge_under_another_area_finds_the_ticket() -> None:
    """Whatever area the merge names, the ticket is withdrawn from the area that counted it."""
    feed = at_ten()
    ticket = feed.make(MORNING, area="api")
    feed.take(ticket)
    before = feed.tenant.areas["api"].tickets
    merge = msgspec.structs.replace(ticket, area="login", event_type="merged")
    assert feed.take(merge).outcome == "withdrawn"
    assert feed.tenant.areas["api"].tickets == before - 1


def test_after_a_merge_the_latest_ticket_can_still_be_merged() -> None:
    """The memory of recent tickets drops the oldest ticket, never the newest."""
    feed = at_ten()
    first, second, third = (feed.make(MORNING + number) for number in range(3))
    feed.take(first)
    feed.take(second)
    feed.take(msgspec.structs.replace(first, event_type="merged"))
    feed.take(third)
    for ticket in (second, third):
        assert (
            feed.take(msgspec.structs.replace(ticket, event_type="merged")).outcome == "withdrawn"
        )


# --- re-tagged ------------------------------------------------------------------------------------


def test_retagging_four_hundred_old_tickets_does_not_page() -> None:
    """Old tickets that are moved into an area within an hour neither count there nor page."""
    feed = at_ten()
    before = feed.tenant.areas["exports"].tickets
    for number in range(400):
        created = NOW - WEEK + number * 1_200.0
        done = feed.ticket(created, "exports", event_type="reclassified")
        assert (done.outcome, done.guards) == ("moved", ("reclassified",))
        feed.tick(MORNING + 9.0 * number)
    assert feed.paged() == []
    assert feed.tenant.areas["exports"].tickets == before
    feed.feed(MORNING + HOUR, MORNING + DAY, seed=7)
    assert feed.paged("exports") == []


def test_retagging_old_tickets_into_a_new_area_does_not_page() -> None:
    """400 old tickets moved into an area without history do not page."""
    feed = at_ten()
    for number in range(400):
        feed.ticket(NOW - WEEK + number * 1_200.0, "sso", event_type="reclassified")
        feed.tick(MORNING + 9.0 * number)
    assert feed.paged() == []


def test_unclassified_tickets_count_in_the_area_they_are_moved_to() -> None:
    """Fresh tickets without an area count where triage moves them, and may page there."""
    feed = at_ten()
    tickets = [feed.make(MORNING + 30.0 * number, UNCLASSIFIED) for number in range(8)]
    exports = feed.tenant.areas["exports"]
    before = exports.tickets, feed.tenant.whole.tickets
    for ticket in tickets:
        feed.take(ticket)
        moved = msgspec.structs.replace(ticket, area="exports", event_type="reclassified")
        assert feed.take(moved).outcome == "moved"
        assert feed.take(moved).outcome == "duplicate"
    assert feed.tenant.areas[UNCLASSIFIED].tickets == 0
    assert exports.tickets == before[0] + 8
    assert feed.tenant.whole.tickets == before[1] + 8, (
        "a move within the tenant must not change its total"
    )
    assert feed.paged("exports")


def test_retagging_moves_fresh_tickets_without_a_page() -> None:
    """A moved ticket is withdrawn from one area and learned in the other without a page."""
    feed = at_ten()
    login, exports = (feed.tenant.areas[name] for name in ("login", "exports"))
    before = login.tickets, exports.model.expected_and_observed(MORNING, MORNING)[1]
    for number in range(40):
        ticket = feed.make(MORNING + 30.0 * number)
        feed.take(ticket)
        done = feed.take(msgspec.structs.replace(ticket, area="exports", event_type="reclassified"))
        assert (done.outcome, done.guards) == ("moved", ("reclassified",))
    assert login.tickets == before[0]
    assert exports.model.expected_and_observed(MORNING, MORNING)[1] == before[1] + 40
    assert feed.paged() == []


def test_a_ticket_that_was_moved_is_no_evidence_in_its_old_area() -> None:
    """An area that triage empties as fast as it fills does not page."""
    feed = at_ten()
    for number in range(40):
        ticket = feed.make(MORNING + 60.0 * number, "exports")
        feed.take(ticket)
        area = ("login", "billing", "api", "search")[number % 4]
        feed.take(msgspec.structs.replace(ticket, area=area, event_type="reclassified"))
    assert feed.paged("exports") == []


def test_a_repeated_retagging_changes_nothing(state_of: State) -> None:
    """A repeated re-tagging webhook leaves the state as it was."""
    feed = at_ten()
    ticket = feed.make(MORNING)
    feed.take(ticket)
    moved = msgspec.structs.replace(ticket, area="exports", event_type="reclassified")
    feed.take(moved)
    before = state_of(feed.tenant)
    for _ in range(20):
        feed.take(moved)
    assert state_of(feed.tenant) == before


# --- tickets by agents and imports, backfills -----------------------------------------------------


@pytest.mark.parametrize(
    ("created_by", "guard"), [("agent", "agent_created"), ("import", "imported")]
)
def test_batches_that_no_customer_created_do_not_page(created_by: str, guard: Guard) -> None:
    """Five hundred tickets that an agent or an import creates at once do not page."""
    feed = at_ten()
    feed.burst(MORNING, 500, 0.5, created_by=created_by)
    assert feed.paged() == []
    assert feed.guards == [guard] * 500


def test_a_backfill_of_yesterday_does_not_page() -> None:
    """Yesterday's tickets that a connector delivers now, in live mode, do not page."""
    feed = at_ten()
    feed.take(Tick(MORNING), MORNING + 60.0)
    for number in range(500):
        received = MORNING + number
        feed.take(feed.make(MORNING - DAY + 60.0 * number), received)
    assert feed.paged() == []
    assert feed.guards.count("backfill") == 500
    # Tickets that arrive on time in the meantime still page.
    for number in range(30):
        now = MORNING + 600.0 + 40.0 * number
        feed.take(feed.make(now), now)
    assert feed.paged("login")


# --- the feed -------------------------------------------------------------------------------------


def test_neither_an_outage_of_the_source_nor_its_end_pages() -> None:
    """A gap of ten hours is reported as a feed gap, and its end is no spike."""
    feed = at_ten()
    rates = {area: feed.rate(area) for area in COMPANY}
    feed.tick(MORNING + 10 * HOUR)
    done = feed.ticket(MORNING + 10 * HOUR)
    assert "feed_gap" in done.guards
    feed.feed(MORNING + 10 * HOUR, MORNING + DAY, seed=7)
    assert feed.paged() == []
    assert feed.guards.count("feed_gap") == 1
    feed.feed(MORNING + DAY, MORNING + 5 * DAY, seed=9)
    feed.feed(MORNING + 5 * DAY, MORNING + 7 * DAY, seed=8)
    for area in ("login", "billing", "api"):
        assert feed.rate(area) == pytest.approx(rates[area], rel=0.3)


def test_the_backlog_after_an_outage_does_not_page() -> None:
    """A backlog that arrives within minutes keeps its creation times and does not page."""
    feed = at_ten()
    back = MORNING + 8 * HOUR
    feed.take(Tick(back), back + 60.0)
    maker = TenantFeed(SETTINGS)
    maker.number = 5_000_000
    backlog = [
        maker.make(at, area) for at, area in arrivals(MORNING, back, COMPANY, in_shape, seed=7)
    ]
    for number, ticket in enumerate(backlog):
        feed.take(ticket, back + number)
    feed.feed(back + HOUR, back + DAY, seed=8)
    assert len(backlog) > 100
    assert feed.paged() == []


def test_a_quiet_night_is_not_a_feed_gap() -> None:
    """Silence that chance explains is learned as silence."""
    feed = TenantFeed(SETTINGS).mature(areas={"login": 0.5})
    feed.feed(NOW, NOW + 2 * WEEK, {"login": 0.5}, seed=7)
    assert "feed_gap" not in feed.guards


# --- seasons, events and renamed areas ------------------------------------------------------------


def test_monday_after_a_quiet_weekend_does_not_page() -> None:
    """An ordinary Monday after a weekend at a quarter of its usual traffic does not page."""
    feed = company(until=NOW + 5 * DAY)
    feed.feed(NOW + 5 * DAY, NOW + 7 * DAY, factor=lambda at: 0.25 * in_shape(at), seed=7)
    feed.feed(NOW + 7 * DAY, NOW + 9 * DAY, seed=8)
    assert feed.paged() == []


GERMAN = Settings(
    country="DE", timezone="Europe/Berlin", slice_dimensions=SETTINGS.slice_dimensions
)


def sundays_of_germany(at: float) -> float:
    """Return the weekly profile with Labour Day and Ascension Day 2026 as quiet as Sundays."""
    if any(
        moment(day) <= at + 2 * HOUR < moment(day) + DAY for day in ("2026-05-01", "2026-05-14")
    ):
        return 0.4 * in_shape(at)
    return in_shape(at)


@pytest.mark.slow
def test_a_holiday_dip_and_its_recovery_do_not_page() -> None:
    """Neither a quiet Labour Day nor the return to usual traffic pages."""
    feed = company(msgspec.structs.replace(GERMAN, false_pages_per_week=0.2))
    feed.feed(NOW, moment("2026-05-09"), factor=sundays_of_germany, seed=7)
    assert feed.paged() == []


@pytest.mark.slow
def test_a_holiday_is_expected_to_be_quiet() -> None:
    """With a known country, the rate at noon on Labour Day is that of a Sunday."""
    noon = moment("2026-05-01 10:00")
    known, unknown = (
        company(GERMAN, until=noon),
        company(msgspec.structs.replace(GERMAN, country=""), until=noon),
    )
    assert known.rate() < 0.6 * unknown.rate()


@pytest.mark.slow
def test_an_incident_on_a_holiday_is_judged_by_the_holiday_rate() -> None:
    """Traffic that is ordinary on a Friday is an incident on Labour Day."""
    noon = moment("2026-05-01 10:00")
    found = []
    for country in ("DE", ""):
        feed = company(msgspec.structs.replace(GERMAN, country=country))
        feed.feed(NOW, noon, factor=sundays_of_germany, seed=7)
        feed.burst(noon, 36, 3.0)
        found.append(feed.paged("login"))
    assert found[0]
    assert len(found[1]) <= len(found[0])


@pytest.mark.slow
def test_an_announced_event_is_expected_and_not_learned() -> None:
    """An announced launch that triples an area for a day neither pages nor raises the level."""
    begin = NOW + DAY + 8 * HOUR
    event = Event(name="launch", start=begin, end=begin + 8 * HOUR, factor=3.0, areas=("login",))
    announced = msgspec.structs.replace(SETTINGS, events=(event,))

    def factor(at: float) -> float:
        return in_shape(at) * (3.0 if begin <= at < begin + 8 * HOUR else 1.0)

    pages, rates = [], []
    for config in (announced, SETTINGS):
        feed = company(config)
        feed.feed(NOW, begin)
        feed.feed(begin, begin + 8 * HOUR, {"login": COMPANY["login"]}, factor, seed=7)
        feed.feed(begin + 8 * HOUR, begin + 3 * DAY, seed=8)
        pages.append(feed.paged("login"))
        rates.append(feed.rate())
    assert pages[0] == []
    assert pages[1], "the unannounced event must page for this test to be valid"
    assert rates[0] <= rates[1]


@pytest.mark.slow
def test_an_incident_during_an_event_is_found() -> None:
    """Ten times the usual traffic pages although three times as much was announced."""
    event = Event(name="launch", start=MORNING, end=MORNING + DAY, factor=3.0)
    feed = company(msgspec.structs.replace(SETTINGS, events=(event,)), until=MORNING)
    feed.feed(MORNING, MORNING + 2 * HOUR, {"login": 40.0}, as_usual, seed=7)
    assert feed.paged("login")


def test_a_new_area_with_ordinary_traffic_does_not_page() -> None:
    """A new area that starts at its full rate does not page."""
    feed = company(until=MORNING)
    feed.feed(MORNING, MORNING + 14 * DAY, COMPANY | {"new product": 2.0}, seed=7)
    assert feed.paged("new product") == []


def test_a_renamed_area_inherits_its_history() -> None:
    """If `login` is renamed to `sign-in`, nothing pages and the new area keeps the old rate."""
    feed = company(until=MORNING)
    renamed = COMPANY | {"login": 0.0, "sign-in": COMPANY["login"]}
    feed.feed(MORNING, MORNING + 3 * DAY, renamed, seed=7)
    assert feed.paged() == []
    assert feed.rate("sign-in") == pytest.approx(
        COMPANY["login"] * in_shape(feed.tenant.clock or 0.0), rel=0.4
    )


def test_the_parts_of_a_split_area_do_not_page() -> None:
    """If `login` is split into two new areas, neither pages."""
    feed = company(until=MORNING)
    half = COMPANY["login"] / 2.0
    split = COMPANY | {"login": 0.0, "password": half, "sso": half}
    feed.feed(MORNING, MORNING + 3 * DAY, split, seed=7)
    assert feed.paged() == []


@pytest.mark.slow
def test_traffic_of_a_renamed_area_is_suppressed_as_inherited() -> None:
    """A busy new area does not page if another area lost as much traffic."""
    areas = {"login": 15.0, "api": 15.0, "billing": 15.0}
    feed = TenantFeed(SETTINGS).mature(areas=areas)
    renamed = areas | {"login": 0.0, "sign-in": 15.0}
    feed.feed(NOW, MORNING, areas, seed=6)
    feed.feed(MORNING, MORNING + 8 * HOUR, renamed, seed=7)
    assert feed.paged("sign-in") == []
    assert "inherited" in feed.guards


def test_an_incident_in_a_renamed_area_is_found() -> None:
    """Five times the rate of the old area is more than a rename explains."""
    feed = company(until=MORNING)
    feed.feed(MORNING, MORNING + DAY, COMPANY | {"login": 0.0, "sign-in": 20.0}, seed=7)
    assert feed.paged("sign-in")


@pytest.mark.slow
def test_holidays_and_announced_events_are_named_as_guards() -> None:
    """The step reports the guard that explains why nobody was paged."""
    event = Event(name="launch", start=MORNING, end=MORNING + 8 * HOUR, factor=5.0)
    feed = company(msgspec.structs.replace(SETTINGS, events=(event,)))
    feed.feed(NOW, MORNING, seed=7)
    assert "announced" in feed.guards
    feed = company(GERMAN)
    feed.feed(NOW, moment("2026-05-09"), factor=sundays_of_germany, seed=7)
    assert "holiday" in feed.guards


# --- the lifecycle of a page ----------------------------------------------------------------------


def test_an_episode_that_returns_within_the_cool_down_is_reopened() -> None:
    """The episode is reopened under the same id, and the cool-down guard is reported."""
    feed = at_ten()
    feed.burst(MORNING, 30, 0.5)
    feed.tick(MORNING + 3 * HOUR)
    feed.burst(MORNING + 3.5 * HOUR, 40, 0.5)
    assert [event.transition for event in feed.pages] == ["opened", "reopened"]
    assert len({event.data.episode_id for event in feed.pages}) == 1
    assert "cooldown" in feed.guards


def test_areas_inside_a_tenant_wide_page_do_not_page() -> None:
    """With all areas at ten times their rate, areas inside the tenant-wide page are suppressed."""
    feed = at_ten()
    feed.feed(MORNING, MORNING + HOUR, factor=lambda at: 10.0 * in_shape(at), seed=7)
    assert "inside_tenant" in feed.guards
    inside = [e for e in feed.events if e.data.suppressed == "inside_tenant"]
    assert {e.data.product_area for e in inside if e.transition == "opened"} <= set(COMPANY)


# --- every guard ----------------------------------------------------------------------------------

NAMED: dict[Guard, Callable[[TenantFeed], object]] = {
    "repeated_customer": lambda feed: feed.burst(MORNING, 60, 0.5, customer="noisy"),
    "duplicate": lambda feed: [feed.take(ticket) for ticket in [feed.make(MORNING)] * 60],
    "merged": lambda feed: _withdrawn(feed, "merged"),
    "deleted": lambda feed: _withdrawn(feed, "deleted"),
    "reclassified": lambda feed: feed.burst(MORNING - DAY, 60, 0.5, event_type="reclassified"),
    "agent_created": lambda feed: feed.burst(MORNING, 60, 0.5, created_by="agent"),
    "imported": lambda feed: feed.burst(MORNING, 60, 0.5, created_by="import"),
    "backfill": lambda feed: feed.burst(MORNING - DAY, 60, 0.5),
    "feed_gap": lambda feed: feed.feed(MORNING + 9 * HOUR, MORNING + 12 * HOUR, seed=7),
}


def _withdrawn(feed: TenantFeed, kind: str) -> None:
    for number in range(60):
        ticket = feed.make(MORNING + 30.0 * number)
        feed.take(ticket)
        feed.take(msgspec.structs.replace(ticket, event_type=kind))


@pytest.mark.parametrize("name", NAMED)
def test_each_guard_is_reported_by_name(name: Guard) -> None:
    """The step of a suppressed signal reports the guard that suppressed it."""
    feed = at_ten()
    NAMED[name](feed)
    assert feed.paged() == []
    assert name in feed.guards
    assert set(feed.guards) <= set(get_args(Guard))


# --- any order ------------------------------------------------------------------------------------

kinds = st.sampled_from(
    ["created", "created", "created", "merged", "deleted", "reclassified", "solved"]
)
events = st.lists(
    st.tuples(
        kinds,
        st.integers(0, 12),
        st.sampled_from(["login", "api", "brand new"]),
        st.sampled_from([0.0, 1.0, 59.0, 61.0, HOUR, 30 * HOUR, -5 * HOUR, -40 * DAY]),
        st.sampled_from(["customer", "customer", "agent", "import"]),
        st.sampled_from([None, "noisy", "other"]),
    ),
    max_size=60,
)


def signals(steps: list[tuple[str, int, str, float, str, str | None]]) -> list[Signal]:
    """Return tickets and ticks with repeated ids whose times go back and forth."""
    found: list[Signal] = []
    at = MORNING
    for kind, number, area, gap, by, customer in steps:
        at = max(at, at + gap)
        created = at + min(gap, 0.0)
        found.append(
            Ticket(
                "acme",
                f"any {number}",
                created,
                area,
                event_type=kind,
                created_by=by,
                customer=customer,
                region="eu" if number % 2 else f"new {number}",
            )
        )
        if number == 0:
            found.append(Tick(at))
    return found


@given(events)
@settings(max_examples=examples(40))
def test_events_in_any_order_keep_the_counts_valid(
    steps: list[tuple[str, int, str, float, str, str | None]],
) -> None:
    """A merge before the creation, or a move after the deletion, leaves valid counts."""
    for feed in (at_ten(), TenantFeed(SETTINGS)):
        for signal in signals(steps):
            feed.take(signal)
        for series in feed.tenant.areas.values():
            assert series.tickets >= 0
            assert series.seen >= -1e-6
            assert series.model.rate > 0.0
        if feed.tenant.clock is not None:
            later = feed.tenant.clock + 2 * DAY
            feed.tick(later)
            feed.ticket(later)
        for event in feed.events:
            assert event.data.observed >= 0.0


@given(events, events)
@settings(max_examples=examples(25))
def test_a_copied_tenant_behaves_like_the_original(
    state_of: State,
    past: list[tuple[str, int, str, float, str, str | None]],
    future: list[tuple[str, int, str, float, str, str | None]],
) -> None:
    """A copy produces the same events and state, and does not affect the original."""
    feed = at_ten()
    for signal in signals(past):
        feed.take(signal)
    feed.events.clear()
    before = state_of(feed.tenant)
    other = TenantFeed(SETTINGS, feed.tenant.copy())
    assert state_of(other.tenant) == before
    for signal in signals(future):
        other.take(signal)
    assert state_of(feed.tenant) == before
    for signal in signals(future):
        feed.take(signal)
    assert other.events == feed.events
    assert other.guards == feed.guards[len(feed.guards) - len(other.guards) :]
    assert state_of(other.tenant) == state_of(feed.tenant)


@pytest.mark.slow
@given(events)
@settings(max_examples=examples(15))
def test_copying_the_tenant_after_every_signal_changes_nothing(
    state_of: State, steps: list[tuple[str, int, str, float, str, str | None]]
) -> None:
    """A tenant that is encoded and restored after each signal has the same events and state."""
    uninterrupted, restored = at_ten(), at_ten()
    for signal in signals(steps[:25]):
        uninterrupted.take(signal)
        restored.take(signal)
        restored.tenant = restored.tenant.copy()
    assert restored.events == uninterrupted.events
    assert state_of(restored.tenant) == state_of(uninterrupted.tenant)
