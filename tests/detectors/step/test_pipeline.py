"""One signal through one tenant: what becomes of it, and when somebody is paged."""

import random
from collections.abc import Callable
from functools import lru_cache
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.foundation.outcomes import Outcome
from detectors.policy.settings import Settings
from detectors.state.tenant import PageRecord, Tenant
from schemas.signals import OTHER, HistoryEnd, Mode, Tick, Ticket, Verdict
from tests.support.companies import TenantFeed
from tests.support.examples import examples
from tests.support.warm_tenants import warm_tenant

State = Callable[[Tenant], dict[str, bytes]]
HOUR = 3600.0
MONDAY = 1772409600.0  # 2026-03-02
GROWN = MONDAY + 6 * 168 * HOUR
SETTINGS = Settings()


def feed() -> TenantFeed:
    """Return the feed of a new tenant whose tickets are in no slice."""
    return TenantFeed(SETTINGS, sliced=False)


def grown(
    config: Settings = SETTINGS, mode: Mode = "live", areas: tuple[str, ...] = ("login",)
) -> TenantFeed:
    """Return a feed after six weeks at one ticket an hour and area, slightly uneven."""
    return TenantFeed(config, _grown(config, mode, areas).copy(), sliced=False)


@lru_cache(maxsize=16)
def _grown(config: Settings, mode: Mode, areas: tuple[str, ...]) -> Tenant:
    def make() -> Tenant:
        stream = TenantFeed(config, sliced=False)
        rng = random.Random(1)
        spread = 600.0 if len(areas) == 1 else 3000.0  # else they would come as one burst an hour
        for hour in range(6 * 168):
            for area in areas:
                stream.ticket(MONDAY + hour * HOUR + rng.random() * spread, area, mode=mode)
        assert stream.transitions() == []
        return stream.tenant

    return warm_tenant(make, config, mode, areas)


def burst(
    stream: TenantFeed, at: float, count: int = 12, area: str = "login", mode: Mode = "live"
) -> None:
    """Pass on *count* tickets of as many customers, half a minute apart."""
    for number in range(count):
        stream.ticket(at + 30.0 * number, area, mode=mode)


# --- what becomes of a signal ---------------------------------------------------------------------


def test_every_outcome_comes_about() -> None:
    """Each outcome has a signal that leads to it, and there are no others."""
    stream = feed()
    found: dict[str, str] = {}
    found["counted"] = stream.ticket(MONDAY + 9 * HOUR).outcome
    stream.ticket(MONDAY + 10 * HOUR)
    found["late"] = stream.ticket(MONDAY + 9.5 * HOUR).outcome
    found["too_late"] = stream.ticket(MONDAY).outcome
    found["duplicate"] = stream.take(Ticket("acme", "1", MONDAY + 10 * HOUR)).outcome
    found["not_created"] = stream.ticket(MONDAY + 10 * HOUR, event_type="updated").outcome
    solved = Ticket("acme", "1", MONDAY + 10 * HOUR, "login", "solved", handled=600.0)
    found["solved"] = stream.take(solved).outcome
    found["not_by_customer"] = stream.ticket(MONDAY + 10 * HOUR, created_by="agent").outcome
    found["future"] = stream.ticket(MONDAY + 12 * HOUR, received_at=MONDAY + 11 * HOUR).outcome
    found["tick"] = stream.take(Tick(MONDAY + 11 * HOUR)).outcome
    late = Tick(MONDAY + 12 * HOUR)
    found["tick_ignored"] = stream.take(late, MONDAY + 11 * HOUR).outcome
    found["history_end"] = stream.take(HistoryEnd("acme")).outcome
    found["verdict_ignored"] = stream.take(Verdict("acme", "e" * 32, "noise", MONDAY)).outcome
    stream.tenant.pages.append(PageRecord(MONDAY, "e" * 32))
    found["verdict"] = stream.take(Verdict("acme", "e" * 32, "false_alarm", MONDAY)).outcome
    assert stream.take(Verdict("acme", "e" * 32, "note", MONDAY)).outcome == "verdict_ignored"
    assert stream.tenant.pages[0].verdict == "false_alarm"
    moved = Ticket("acme", "1", MONDAY + 9 * HOUR, "api", event_type="reclassified")
    found["moved"] = stream.take(moved).outcome
    gone = Ticket("acme", "2", MONDAY + 10 * HOUR, event_type="deleted")
    found["withdrawn"] = stream.take(gone).outcome
    found["not_simulated"] = stream.ticket(MONDAY + 99 * HOUR, mode="simulated").outcome
    assert {name: name for name in get_args(Outcome)} == found
    assert stream.transitions() == []


@pytest.mark.parametrize(
    "fields",
    [{"created_by": "agent"}, {"created_by": "import"}, {"event_type": "updated"}],
)
def test_what_no_customer_created_leaves_no_trace(fields: dict[str, str], state_of: State) -> None:
    """Agents, imports and updates never count, however many: not even the clock moves."""
    stream = grown()
    before = state_of(stream.tenant)
    for number in range(100):
        stream.ticket(GROWN + number, **fields)
    assert state_of(stream.tenant) == before
    assert stream.transitions() == []


def test_a_ticket_counts_once(state_of: State) -> None:
    """A ticket's second `created`, or the same event again, leaves no trace."""
    stream = feed()
    first = Ticket("acme", "1", MONDAY, "login", event_id="e1")
    assert stream.take(first).outcome == "counted"
    before = state_of(stream.tenant)
    for again in (
        first,
        Ticket("acme", "1", MONDAY + 60.0, "billing"),
        Ticket("acme", "2", MONDAY + 60.0, event_id="e1"),
    ):
        assert stream.take(again).outcome == "duplicate"
    assert state_of(stream.tenant) == before
    assert stream.take(Ticket("acme", "e1", MONDAY)).outcome == "counted"


def test_the_same_id_after_48_hours_is_another_ticket() -> None:
    """The memory of ids ends after 48 hours of event time."""
    stream = feed()
    stream.take(Ticket("acme", "1", MONDAY))
    stream.ticket(MONDAY + 48 * HOUR)
    assert stream.take(Ticket("acme", "1", MONDAY + 48 * HOUR)).outcome == "duplicate"
    stream.ticket(MONDAY + 49 * HOUR)
    assert stream.take(Ticket("acme", "1", MONDAY + 49 * HOUR)).outcome == "counted"


# --- when somebody is paged -----------------------------------------------------------------------


def test_a_spike_opens_an_episode() -> None:
    """A burst of a dozen customers where one an hour is normal pages once, with its evidence."""
    stream = grown()
    burst(stream, GROWN)
    assert stream.transitions()[0] == "opened"
    assert set(stream.transitions()[1:]) <= {"updated"}
    data = stream.events[0].data
    assert (data.tenant, data.product_area, data.suppressed) == ("acme", "login", None)
    assert data.score >= data.limit
    assert data.observed >= 4
    assert data.customers >= 4
    assert data.since.timestamp() >= GROWN - HOUR
    assert data.ratio == pytest.approx(data.observed / data.expected, rel=1e-3)
    assert data.ratio / 10 < data.ratio_low < data.ratio < data.ratio_high < 10 * data.ratio
    assert 0.0 < data.p_value < 0.01
    assert data.once_in_days > 7.0
    assert data.config_hash == SETTINGS.config_hash
    assert stream.tenant.areas["login"].phase == "opened"


def test_healthy_weeks_page_nobody() -> None:
    """Six weeks at a steady rate say nothing."""
    assert grown(areas=("login", "api", "billing")).transitions() == []


def test_one_noisy_customer_pages_nobody() -> None:
    """Fifty tickets of one customer are one complaint, loudly made."""
    stream = grown()
    for number in range(50):
        stream.ticket(GROWN + 20.3 * number, customer="noisy")
    assert stream.transitions() == []


def test_three_noisy_customers_page_nobody() -> None:
    """Evidence needs four distinct customers, however much three of them write."""
    stream = grown()
    stream.take(Tick(GROWN + 300.0))
    for number in range(60):
        stream.ticket(GROWN + 300.7 + 20.3 * number, customer=f"noisy {number % 3}")
    assert stream.transitions() == []


def test_tickets_without_customers_can_page() -> None:
    """Where customers are not told, every ticket is evidence of its own."""
    stream = grown()
    for number in range(12):
        stream.ticket(GROWN + 30.0 * number, customer=None)
    assert stream.transitions()[:1] == ["opened"]


def test_a_spike_in_one_area_is_that_areas() -> None:
    """The other areas of the tenant are left alone."""
    stream = grown(areas=("login", "api"))
    burst(stream, GROWN, area="api")
    assert {event.data.product_area for event in stream.events} == {"api"}
    assert stream.tenant.running == {"api"}


def test_more_areas_share_one_budget() -> None:
    """The budget is the tenant's: an area of many has a higher limit than an only one."""
    frugal = Settings(false_pages_per_week=0.1)
    alone = grown(frugal)
    many = grown(frugal, areas=("login", *(f"area {n}" for n in range(9))))
    burst(alone, GROWN)
    burst(many, GROWN)
    assert many.events[0].data.limit > alone.events[0].data.limit + 1.0


@pytest.mark.slow
def test_no_page_below_the_limit() -> None:
    """Whatever the budget, an episode opens with the first score that reaches its limit."""
    found = []
    for exponent in range(24):
        stream = grown(Settings(false_pages_per_week=0.8**exponent))
        burst(stream, GROWN)
        data = stream.events[0].data
        found.append(data.score - data.limit)
    assert min(found) >= 0.0
    assert min(found) < 0.5, "else the limits are too far from the scores to prove anything"


def test_pending_comes_before_a_page() -> None:
    """A score within a factor of ten of its limit is pending; calm again when it falls."""
    stream = grown(Settings(false_pages_per_week=0.01))
    phases = []
    for number in range(12):
        stream.ticket(GROWN + 30.0 * number)
        phases.append(stream.tenant.areas["login"].phase)
    assert phases[0] == "calm"
    assert "pending" in phases
    assert phases.index("pending") < phases.index("opened")


# --- time -----------------------------------------------------------------------------------------


def test_up_to_the_lateness_a_ticket_counts_as_now() -> None:
    """A ticket a minute older than the clock is scored as if it came now, and may page."""
    stream = grown()
    for number in range(12):
        now = GROWN + 30.0 * number
        stream.take(Tick(now))
        assert stream.ticket(now - SETTINGS.lateness_seconds).outcome == "counted"
        assert stream.tenant.clock == now
    assert stream.transitions()[:1] == ["opened"]
    assert stream.events[0].data.detected_at == stream.events[0].time
    assert stream.events[0].time.timestamp() >= GROWN


def test_beyond_the_lateness_a_ticket_never_pages() -> None:
    """Older tickets are learned, and page nobody however many come at once."""
    stream = grown()
    stream.take(Tick(GROWN))
    before = stream.tenant.areas["login"].tickets
    for number in range(200):
        done = stream.ticket(GROWN - SETTINGS.lateness_seconds - 0.5 - number)
        assert done.outcome == "late"
    assert stream.transitions() == []
    assert stream.tenant.areas["login"].tickets == before + 200
    assert stream.tenant.clock == GROWN


def test_a_late_ticket_raises_what_is_expected() -> None:
    """What comes late is learned as what comes in time is, when its hour is."""
    stream, other = grown(), grown()
    for each, count in ((stream, 40), (other, 0)):
        each.take(Tick(GROWN))
        for number in range(count):
            each.ticket(GROWN - HOUR - number)
        each.ticket(GROWN + 3 * 24 * HOUR)
    assert stream.tenant.whole.model.rate > other.tenant.whole.model.rate
    assert stream.tenant.areas["login"].model.rate > other.tenant.areas["login"].model.rate


def test_late_tickets_are_told_from_too_late_ones() -> None:
    """From before the area was first seen nothing can be learned."""
    stream = feed()
    stream.ticket(MONDAY + 30 * 24 * HOUR)
    before = stream.tenant.areas["login"].tickets
    assert stream.ticket(MONDAY + 29 * 24 * HOUR).outcome == "too_late"
    assert stream.tenant.areas["login"].tickets == before


def test_a_ticket_from_the_future_changes_nothing(state_of: State) -> None:
    """Live tickets far ahead of their arrival leave no trace: they can come again in their time."""
    stream = grown()
    before = state_of(stream.tenant)
    ahead = Ticket("acme", "ahead", GROWN + SETTINGS.future_seconds + 1.0, "login")
    assert stream.take(ahead, GROWN).outcome == "future"
    assert state_of(stream.tenant) == before
    assert stream.take(ahead, ahead.created_at).outcome == "counted"


def test_a_ticket_a_little_ahead_counts_as_its_arrival() -> None:
    """A clock that is minutes fast does not move the tenant's clock ahead."""
    stream = feed()
    at = MONDAY + SETTINGS.future_seconds
    assert stream.ticket(at, received_at=MONDAY).outcome == "counted"
    assert stream.tenant.clock == MONDAY


def test_simulated_time_has_no_future() -> None:
    """Simulated time is not compared with the wall clock."""
    stream = feed()
    assert stream.ticket(MONDAY + 9e6, mode="simulated", received_at=MONDAY).outcome == "counted"
    assert stream.tenant.clock == MONDAY + 9e6


def test_a_wrong_year_in_history_silences_nobody() -> None:
    """A ticket of history from the future is rejected: else nothing after it would ever page."""
    stream = feed()
    stream.ticket(MONDAY, mode="history", received_at=GROWN)
    wrong = stream.ticket(GROWN + 50 * 8766 * HOUR, mode="history", received_at=GROWN)
    assert wrong.outcome == "future"
    assert stream.tenant.clock == MONDAY


def test_simulated_time_does_not_reach_a_live_tenant() -> None:
    """Once a live ticket came, a simulated one is refused and moves no clock."""
    stream = feed()
    stream.ticket(MONDAY)
    assert stream.ticket(GROWN, mode="simulated").outcome == "not_simulated"
    assert stream.tenant.clock == MONDAY


@pytest.mark.parametrize("ahead", [0.0, 100.0, 150.0, 300.0])
@pytest.mark.parametrize("tenant", [None, "acme"])
def test_a_fast_ticker_silences_nobody(ahead: float, tenant: str | None) -> None:
    """Ticks count by the broker's clock: live tickets after one that is minutes fast still page."""
    stream = grown()
    now = GROWN + 400.0
    stream.take(Tick(now + ahead - 60.0, tenant), now)
    for number in range(40):
        ticket = Ticket("acme", f"b{number}", now + number, "login", customer=f"c{number}")
        stream.take(ticket, now + number)
    assert [e.transition for e in stream.events][:1] == ["opened"]


def test_the_clock_never_goes_back() -> None:
    """Neither an older ticket nor an older tick moves the clock back."""
    stream = feed()
    stream.ticket(MONDAY + 100.0)
    for signal in (Tick(MONDAY), Tick(MONDAY, "acme")):
        stream.take(signal)
    stream.ticket(MONDAY + 70.0)
    assert stream.tenant.clock == MONDAY + 100.0


def test_a_tick_before_the_first_ticket_is_ignored() -> None:
    """A tenant's time begins with its first ticket."""
    stream = feed()
    assert stream.take(Tick(MONDAY)).outcome == "tick_ignored"
    assert stream.take(HistoryEnd("acme")).outcome == "history_end"
    assert stream.tenant.clock is None


@pytest.mark.parametrize("tenant", [None, "acme"])
def test_a_tick_from_the_future_is_ignored(tenant: str | None) -> None:
    """No tick, the ticker's or a sender's, can move a live tenant's clock beyond its arrival."""
    stream = feed()
    stream.ticket(MONDAY)
    ahead = Tick(MONDAY + SETTINGS.future_seconds + 1.0, tenant)
    assert stream.take(ahead, MONDAY).outcome == "tick_ignored"
    assert stream.tenant.clock == MONDAY
    assert stream.take(ahead, MONDAY + 1.0).outcome == "tick"


def test_simulated_time_is_its_senders() -> None:
    """A simulated tenant ignores wall-clock ticks; its sender's move it, however far."""
    stream = feed()
    stream.ticket(MONDAY, mode="simulated")
    assert stream.take(Tick(MONDAY + 1e6), MONDAY + 1e6).outcome == "tick_ignored"
    assert stream.tenant.clock == MONDAY
    assert stream.take(Tick(MONDAY + 1e6, "acme"), MONDAY).outcome == "tick"
    assert stream.tenant.clock == MONDAY + 1e6
    stream.ticket(MONDAY + 1e6, received_at=MONDAY + 1e6)
    assert stream.take(Tick(MONDAY + 1e6 + 9.0)).outcome == "tick", "a live ticket ends it"


def test_simulated_tickets_page() -> None:
    """A demo pages as life does."""
    stream = grown(mode="simulated")
    burst(stream, GROWN, mode="simulated")
    assert stream.transitions()[:1] == ["opened"]
    assert stream.events[0].data.suppressed is None


# --- the life of an episode -----------------------------------------------------------------------


def test_ticks_alone_resolve() -> None:
    """An area that has gone silent is resolved by passing time, on a whole minute."""
    stream = grown()
    burst(stream, GROWN)
    at = GROWN
    while stream.transitions()[-1] != "resolved":
        at += 5.0
        stream.take(Tick(at))
        assert at < GROWN + 24 * HOUR
    resolved = stream.events[-1]
    assert resolved.time.timestamp() % 60.0 == 0.0
    assert resolved.time.timestamp() <= at < resolved.time.timestamp() + 5.0
    assert at > GROWN + SETTINGS.clear_minutes * 60.0
    assert stream.tenant.running == set()
    assert stream.tenant.areas["login"].phase == "calm"


def test_what_is_resolved_is_dealt_with() -> None:
    """The tickets of an episode that is over are no evidence for the next: one more opens none."""
    stream = grown()
    burst(stream, GROWN, 30)
    at = GROWN
    while stream.transitions()[-1] != "resolved":
        at += 60.0
        stream.take(Tick(at))
    stream.ticket(at + 30.0)
    stream.ticket(at + 90.0)
    assert stream.transitions()[-1] == "resolved"


def test_an_episode_teaches_its_limit() -> None:
    """The peak that a series' limit learns from is the highest score of the whole episode."""
    stream = grown()
    burst(stream, GROWN, 40)
    series = stream.tenant.areas["login"]
    assert series.episode is not None
    _, peak = series.limit.recent[-1]
    assert peak == series.episode.score.value
    assert peak > stream.events[0].data.score


def test_one_late_tick_tells_the_same_as_many() -> None:
    """An outage of the ticker changes no event: not its id, not its time, not its order."""
    many, one = grown(), grown()
    for stream in (many, one):
        burst(stream, GROWN)
    for number in range(6 * 720):
        many.take(Tick(GROWN + 5.0 * number))
    one.take(Tick(GROWN + 5.0 * (6 * 720 - 1)))
    assert one.events == many.events
    assert one.transitions()[-1] == "resolved"


def test_another_areas_tickets_resolve_too() -> None:
    """Time passes for the whole tenant, whichever area a ticket is of."""
    stream = grown()
    burst(stream, GROWN)
    assert "resolved" not in stream.transitions()
    assert stream.ticket(GROWN + 12 * HOUR, area="api").escalations[0].transition == "resolved"


def test_within_the_cool_down_it_is_reopened() -> None:
    """A return within the cool-down is the same episode: same id, next number."""
    stream = grown()
    burst(stream, GROWN)
    stream.take(Tick(GROWN + 3 * HOUR))
    assert stream.transitions()[-1] == "resolved"
    resolved = stream.events[-1].time.timestamp()
    burst(stream, resolved + SETTINGS.cooldown_minutes * 60.0 - 600.0, 30)
    assert "reopened" in stream.transitions()
    assert len({event.data.episode_id for event in stream.events}) == 1
    assert [e.data.sequence for e in stream.events] == [*range(1, len(stream.events) + 1)]
    assert len({event.data.detected_at for event in stream.events}) == 1


def test_after_the_cool_down_it_is_a_new_episode() -> None:
    """A return later than that has an id of its own and begins at 1."""
    stream = grown()
    burst(stream, GROWN)
    stream.take(Tick(GROWN + 3 * HOUR))
    first = stream.events[-1]
    back = first.time.timestamp() + SETTINGS.cooldown_minutes * 60.0 + 600.0
    burst(stream, back, 30)
    opened = [event for event in stream.events if event.transition == "opened"]
    assert len(opened) == 2
    assert opened[1].data.episode_id != first.data.episode_id
    assert opened[1].data.sequence == 1
    assert "reopened" not in stream.transitions()


def test_a_growing_spike_is_updated_rarely() -> None:
    """Four hundred tickets in an episode lead to a handful of updates, each of more than before."""
    stream = grown()
    burst(stream, GROWN, 400)
    updates = [event for event in stream.events if event.transition == "updated"]
    assert 2 <= len(updates) <= 8
    observed = [event.data.observed for event in stream.events]
    assert observed == sorted(observed)
    order = ["info", "warning", "error", "critical"]
    for before, after in zip(stream.events, stream.events[1:], strict=False):
        graver = order.index(after.data.severity) > order.index(before.data.severity)
        change = after.data.observed - before.data.observed
        assert graver or (change > 10 and change > before.data.observed)


def test_a_dying_spike_with_a_last_ticket_is_no_accident() -> None:
    """A ticket in an episode that has fallen below what is due is taken in like any other.

    A burst in the quiet hour before a busy morning: more is due by then than came.
    """
    stream = feed()
    for day in range(28):
        for minute in range(0, 600, 5):
            stream.ticket(MONDAY + day * 24 * HOUR + 8 * HOUR + minute * 60.0)
    morning = MONDAY + 28 * 24 * HOUR + 8 * HOUR
    burst(stream, morning - 900.0, 5)
    assert stream.transitions() == ["opened"]
    assert stream.ticket(morning + 40 * 60.0).outcome == "counted"
    episode = stream.tenant.areas["login"].episode
    assert episode is not None
    assert episode.observed < episode.expected, "else this proves nothing"


# --- history --------------------------------------------------------------------------------------


def test_history_pages_nobody() -> None:
    """What history opens says so, and is closed by the end mark with its next number."""
    stream = grown(mode="history")
    burst(stream, GROWN, mode="history")
    assert {event.data.suppressed for event in stream.events} == {"history"}
    assert stream.transitions()[0] == "opened"
    stream.take(HistoryEnd("acme"))
    assert stream.transitions()[-1] == "resolved"
    assert stream.events[-1].data.suppressed == "history"
    assert stream.tenant.running == set()
    assert not stream.tenant.in_history


def test_wall_clock_ticks_do_not_move_history() -> None:
    """While history runs its own tickets are its clock."""
    stream = feed()
    stream.ticket(MONDAY, mode="history")
    assert stream.take(Tick(GROWN)).outcome == "tick_ignored"
    assert stream.ticket(MONDAY + HOUR, mode="history").outcome == "counted"
    stream.take(HistoryEnd("acme"))
    assert stream.take(Tick(GROWN)).outcome == "tick"


def test_what_lasts_beyond_history_pages() -> None:
    """An incident that runs when history ends is opened anew by live tickets, and pages."""
    stream = grown(mode="history")
    burst(stream, GROWN, mode="history")
    stream.take(HistoryEnd("acme"))
    before = stream.events[-1]
    burst(stream, GROWN + 600.0)
    live = [event for event in stream.events if event.data.suppressed is None]
    assert [event.transition for event in live][:1] == ["opened"]
    assert live[0].data.episode_id != before.data.episode_id


def test_history_ends_also_where_a_live_ticket_came_between() -> None:
    """A live ticket among the last of history does not keep a suppressed episode from closing."""
    stream = grown(mode="history")
    burst(stream, GROWN, mode="history")
    assert stream.tenant.running == {"login"}
    stream.ticket(GROWN + 400.0)
    assert stream.tenant.running == set()
    stream.take(HistoryEnd("acme"))
    burst(stream, GROWN + 600.0)
    assert [e.data.suppressed for e in stream.events if e.transition == "opened"][-1] is None


def test_a_second_end_mark_does_nothing(state_of: State) -> None:
    """An end mark that is repeated, or comes in the middle of life, leaves no trace."""
    stream = grown(mode="history")
    stream.take(HistoryEnd("acme"))
    burst(stream, GROWN)
    assert stream.transitions() != []
    before, told = state_of(stream.tenant), stream.transitions()
    stream.take(HistoryEnd("acme"))
    assert (state_of(stream.tenant), stream.transitions()) == (before, told)


def test_history_that_comes_after_its_time_is_learned() -> None:
    """Once the clock has passed it, history teaches the days to come, and never detects."""
    stream = feed()
    stream.ticket(MONDAY)
    stream.ticket(GROWN)
    rate = stream.tenant.whole.model.rate
    rng = random.Random(1)
    for hour in range(6 * 168):
        outcome = stream.ticket(MONDAY + hour * HOUR + 1.0 + rng.random(), mode="history").outcome
        assert outcome == "late"
    assert stream.transitions() == []
    stream.ticket(GROWN + 24 * HOUR)
    assert stream.tenant.whole.model.rate > 0.5 > rate


# --- bounds ---------------------------------------------------------------------------------------


def test_beyond_the_cap_areas_share_one() -> None:
    """Made-up areas beyond the cap are counted together; known ones keep their own series."""
    stream = TenantFeed(Settings(areas_per_tenant=5), sliced=False)
    for number in range(50):
        stream.ticket(MONDAY + number, area=f"area {number}")
    assert set(stream.tenant.areas) == {*(f"area {n}" for n in range(5)), OTHER}
    assert stream.tenant.areas[OTHER].tickets == 45
    stream.ticket(MONDAY + 60.0, area="area 3")
    assert stream.tenant.areas["area 3"].tickets == 2


def test_late_areas_obey_the_cap_too() -> None:
    """A late ticket makes no area: it would only tax the budget of the others."""
    stream = TenantFeed(Settings(areas_per_tenant=2), sliced=False)
    stream.ticket(MONDAY)
    stream.take(Tick(GROWN))
    for number in range(10):
        assert stream.ticket(GROWN - 900.0, area=f"area {number}").outcome == "too_late"
    assert set(stream.tenant.areas) == {"login"}


def test_an_old_ticket_does_not_make_its_area_old() -> None:
    """A live ticket of last year in an unknown area makes none: nobody knows how old it is."""
    stream = TenantFeed(Settings(), sliced=False)
    stream.ticket(MONDAY)
    stream.take(Tick(GROWN))
    assert stream.ticket(GROWN - 9000 * HOUR, area="new").outcome == "too_late"
    assert "new" not in stream.tenant.areas


# --- what leaves no trace -------------------------------------------------------------------------

rhythm = st.lists(
    st.tuples(
        st.sampled_from([1.0, 20.0, 59.0, 60.0, 61.0, 700.0, HOUR, 9 * HOUR]),
        st.integers(1, 12),
        st.sampled_from(["login", "api"]),
    ),
    min_size=5,
    max_size=40,
)


@pytest.fixture(scope="module")
def young() -> list[Ticket]:
    """Two weeks of tickets, enough to know what is normal."""
    return [
        Ticket("acme", f"y{hour}", MONDAY + hour * HOUR * 1.5, "login", customer=f"y{hour}")
        for hour in range(230)
    ]


@pytest.mark.slow
@given(rhythm, st.integers(0, 2**32), st.sampled_from(["live", "simulated"]))
@settings(max_examples=examples(40))
def test_ticks_leave_no_trace(
    state_of: State,
    young: list[Ticket],
    rhythm: list[tuple[float, int, str]],
    seed: int,
    mode: Mode,
) -> None:
    """However many ticks come between the tickets, and when, events and state are the same."""
    rng = random.Random(seed)
    plain, ticked = feed(), feed()
    for ticket in young:
        for stream in (plain, ticked):
            stream.take(ticket)
    at = MONDAY + 15 * 24 * HOUR
    for number, (gap, burst, area) in enumerate(rhythm):
        for member in range(burst):
            before, at = at, at + (gap if member == 0 else 7.3)
            ticket = Ticket("acme", f"{number}.{member}", at, area, customer=f"{number}.{member}")
            plain.take(ticket)
            for moment in sorted(rng.uniform(before, at) for _ in range(rng.randrange(4))):
                ticked.take(Tick(moment, None if mode == "live" else "acme"))
            if rng.random() < 0.3:
                ticked.take(Tick(at))
            ticked.take(ticket)
    for stream in (plain, ticked):
        stream.take(Tick(at + 9 * HOUR))
    assert ticked.events == plain.events
    assert state_of(ticked.tenant) == state_of(plain.tenant)


def test_bursts_in_the_rhythm_do_page() -> None:
    """The rhythm above leads to escalations, so that its equality says something."""
    stream = grown()
    for number in range(10):
        burst(stream, GROWN + number * 9 * HOUR)
    assert len(stream.transitions()) > 5


def test_the_same_signals_give_the_same_bytes(state_of: State) -> None:
    """Two runs over the same signals agree in every event and every byte of state."""
    one, other = grown(), grown()
    for stream in (one, other):
        burst(stream, GROWN)
        stream.take(Tick(GROWN + 24 * HOUR))
    assert one.events == other.events
    assert state_of(one.tenant) == state_of(other.tenant)


@pytest.mark.parametrize("model", ["gaussian", "half_space_trees"])
def test_other_models_page_as_well(model: str) -> None:
    """With another model in the settings the same step pages on a flood, and names the model."""
    config = Settings(model=model, false_pages_per_week=10.0)  # type: ignore[arg-type]  # a ModelName
    stream = grown(config)
    burst(stream, GROWN, 300)
    assert "opened" in stream.transitions()
    assert {event.data.model for event in stream.events} == {model}
    stream.take(Tick(GROWN + 48 * HOUR))
    assert stream.transitions()[-1] == "resolved"
