"""One signal through one tenant: its outcome, and when it pages."""

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
from detectors.step.partition import Partition
from schemas.signals import CANARY, OTHER, HistoryEnd, Mode, Tick, Ticket, Verdict
from tests.support.companies import TenantFeed
from tests.support.examples import examples
from tests.support.warm_tenants import warm_tenant

State = Callable[[Tenant], dict[str, bytes]]
HOUR = 3600.0
MONDAY = 1772409600.0  # 2026-03-02
GROWN = MONDAY + 6 * 168 * HOUR
SETTINGS = Settings()


def new_feed() -> TenantFeed:
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
        feed = TenantFeed(config, sliced=False)
        rng = random.Random(1)
        spread = (
            600.0 if len(areas) == 1 else 3000.0
        )  # otherwise they would arrive as one burst an hour
        for hour in range(6 * 168):
            for area in areas:
                feed.ticket(MONDAY + hour * HOUR + rng.random() * spread, area, mode=mode)
        assert feed.transitions() == []
        return feed.tenant

    return warm_tenant(make, config, mode, areas)


def burst(
    feed: TenantFeed, at: float, count: int = 12, area: str = "login", mode: Mode = "live"
) -> None:
    """Pass on *count* tickets of as many customers, half a minute apart."""
    for number in range(count):
        feed.ticket(at + 30.0 * number, area, mode=mode)


# --- outcomes of a signal -------------------------------------------------------------------------


def test_every_outcome_is_reached() -> None:
    """Each outcome has a signal that leads to it, and there are no others."""
    feed = new_feed()
    found: dict[str, str] = {}
    found["counted"] = feed.ticket(MONDAY + 9 * HOUR).outcome
    feed.ticket(MONDAY + 10 * HOUR)
    found["late"] = feed.ticket(MONDAY + 9.5 * HOUR).outcome
    found["too_late"] = feed.ticket(MONDAY).outcome
    found["duplicate"] = feed.take(Ticket("acme", "1", MONDAY + 10 * HOUR)).outcome
    found["not_created"] = feed.ticket(MONDAY + 10 * HOUR, event_type="updated").outcome
    solved = Ticket("acme", "1", MONDAY + 10 * HOUR, "login", "solved", handled=600.0)
    found["solved"] = feed.take(solved).outcome
    found["not_by_customer"] = feed.ticket(MONDAY + 10 * HOUR, created_by="agent").outcome
    found["future"] = feed.ticket(MONDAY + 12 * HOUR, received_at=MONDAY + 11 * HOUR).outcome
    found["tick"] = feed.take(Tick(MONDAY + 11 * HOUR)).outcome
    late = Tick(MONDAY + 12 * HOUR)
    found["tick_ignored"] = feed.take(late, MONDAY + 11 * HOUR).outcome
    found["history_end"] = feed.take(HistoryEnd("acme")).outcome
    found["verdict_ignored"] = feed.take(Verdict("acme", "e" * 32, "noise", MONDAY)).outcome
    feed.tenant.pages.append(PageRecord(MONDAY, "e" * 32))
    found["verdict"] = feed.take(Verdict("acme", "e" * 32, "false_alarm", MONDAY)).outcome
    assert feed.take(Verdict("acme", "e" * 32, "note", MONDAY)).outcome == "verdict_ignored"
    assert feed.tenant.pages[0].verdict == "false_alarm"
    moved = Ticket("acme", "1", MONDAY + 9 * HOUR, "api", event_type="reclassified")
    found["moved"] = feed.take(moved).outcome
    gone = Ticket("acme", "2", MONDAY + 10 * HOUR, event_type="deleted")
    found["withdrawn"] = feed.take(gone).outcome
    found["not_simulated"] = feed.ticket(MONDAY + 99 * HOUR, mode="simulated").outcome
    assert {name: name for name in get_args(Outcome)} == found
    assert feed.transitions() == []


@pytest.mark.parametrize(
    "fields",
    [{"created_by": "agent"}, {"created_by": "import"}, {"event_type": "updated"}],
)
def test_tickets_that_no_customer_created_leave_no_trace(
    fields: dict[str, str], state_of: State
) -> None:
    """Tickets of agents and imports, and updates, do not count and do not move the clock."""
    feed = grown()
    before = state_of(feed.tenant)
    for number in range(100):
        feed.ticket(GROWN + number, **fields)
    assert state_of(feed.tenant) == before
    assert feed.transitions() == []


def test_a_ticket_counts_once(state_of: State) -> None:
    """A second `created` event of a ticket, or the same event again, leaves no trace."""
    feed = new_feed()
    first = Ticket("acme", "1", MONDAY, "login", event_id="e1")
    assert feed.take(first).outcome == "counted"
    before = state_of(feed.tenant)
    for again in (
        first,
        Ticket("acme", "1", MONDAY + 60.0, "billing"),
        Ticket("acme", "2", MONDAY + 60.0, event_id="e1"),
    ):
        assert feed.take(again).outcome == "duplicate"
    assert state_of(feed.tenant) == before
    assert feed.take(Ticket("acme", "e1", MONDAY)).outcome == "counted"


def test_the_same_id_after_48_hours_is_another_ticket() -> None:
    """Ids are remembered for 48 hours of event time."""
    feed = new_feed()
    feed.take(Ticket("acme", "1", MONDAY))
    feed.ticket(MONDAY + 48 * HOUR)
    assert feed.take(Ticket("acme", "1", MONDAY + 48 * HOUR)).outcome == "duplicate"
    feed.ticket(MONDAY + 49 * HOUR)
    assert feed.take(Ticket("acme", "1", MONDAY + 49 * HOUR)).outcome == "counted"


# --- pages ----------------------------------------------------------------------------------------


def test_a_spike_opens_an_episode() -> None:
    """A burst of a dozen customers in a series of one an hour pages once, with its evidence."""
    feed = grown()
    burst(feed, GROWN)
    assert feed.transitions()[0] == "opened"
    assert set(feed.transitions()[1:]) <= {"updated"}
    data = feed.events[0].data
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
    assert feed.tenant.areas["login"].phase == "opened"


def test_healthy_weeks_page_nobody() -> None:
    """Six weeks at a steady rate open no episode."""
    assert grown(areas=("login", "api", "billing")).transitions() == []


def test_one_noisy_customer_pages_nobody() -> None:
    """Fifty tickets of one customer do not page."""
    feed = grown()
    for number in range(50):
        feed.ticket(GROWN + 20.3 * number, customer="noisy")
    assert feed.transitions() == []


def test_three_noisy_customers_page_nobody() -> None:
    """A page needs four distinct customers, however much three of them write."""
    feed = grown()
    feed.take(Tick(GROWN + 300.0))
    for number in range(60):
        feed.ticket(GROWN + 300.7 + 20.3 * number, customer=f"noisy {number % 3}")
    assert feed.transitions() == []


def test_tickets_without_customers_can_page() -> None:
    """If customers are unknown, every ticket is separate evidence."""
    feed = grown()
    for number in range(12):
        feed.ticket(GROWN + 30.0 * number, customer=None)
    assert feed.transitions()[:1] == ["opened"]


def test_a_spike_in_one_area_pages_only_for_that_area() -> None:
    """Other areas of the tenant are not affected."""
    feed = grown(areas=("login", "api"))
    burst(feed, GROWN, area="api")
    assert {event.data.product_area for event in feed.events} == {"api"}
    assert feed.tenant.running == {"api"}


def test_areas_share_the_budget_of_their_tenant() -> None:
    """An area among many has a higher threshold than the only area of a tenant."""
    frugal = Settings(false_pages_per_week=0.1)
    alone = grown(frugal)
    many = grown(frugal, areas=("login", *(f"area {n}" for n in range(9))))
    burst(alone, GROWN)
    burst(many, GROWN)
    assert many.events[0].data.limit > alone.events[0].data.limit + 1.0


@pytest.mark.slow
def test_no_episode_opens_below_its_threshold() -> None:
    """Whatever the budget, an episode opens with the first score that reaches the threshold."""
    found = []
    for exponent in range(24):
        feed = grown(Settings(false_pages_per_week=0.8**exponent))
        burst(feed, GROWN)
        data = feed.events[0].data
        found.append(data.score - data.limit)
    assert min(found) >= 0.0
    assert min(found) < 0.5, "the thresholds are too far from the scores for this test to be valid"


def test_a_series_is_pending_before_it_pages() -> None:
    """A series is pending within a factor of ten of its threshold and calm below that."""
    feed = grown(Settings(false_pages_per_week=0.01))
    phases = []
    for number in range(12):
        feed.ticket(GROWN + 300.0 * number)
        phases.append(feed.tenant.areas["login"].phase)
    assert phases[0] == "calm"
    assert "pending" in phases
    assert phases.index("pending") < phases.index("opened")


# --- time -----------------------------------------------------------------------------------------


def test_a_ticket_within_the_lateness_counts_as_on_time() -> None:
    """A ticket a minute older than the clock is scored like a current one and may page."""
    feed = grown()
    for number in range(12):
        now = GROWN + 30.0 * number
        feed.take(Tick(now))
        assert feed.ticket(now - SETTINGS.lateness_seconds).outcome == "counted"
        assert feed.tenant.clock == now
    assert feed.transitions()[:1] == ["opened"]
    assert feed.events[0].data.detected_at == feed.events[0].time
    assert feed.events[0].time.timestamp() >= GROWN


def test_a_ticket_beyond_the_lateness_never_pages() -> None:
    """Late tickets are learned and never page, however many arrive at once."""
    feed = grown()
    feed.take(Tick(GROWN))
    before = feed.tenant.areas["login"].tickets
    for number in range(200):
        done = feed.ticket(GROWN - SETTINGS.lateness_seconds - 0.5 - number)
        assert done.outcome == "late"
    assert feed.transitions() == []
    assert feed.tenant.areas["login"].tickets == before + 200
    assert feed.tenant.clock == GROWN


def test_late_tickets_raise_the_expected_rate() -> None:
    """A late ticket is learned like one that arrived on time."""
    feed, other = grown(), grown()
    for each, count in ((feed, 40), (other, 0)):
        each.take(Tick(GROWN))
        for number in range(count):
            each.ticket(GROWN - HOUR - number)
        each.ticket(GROWN + 3 * 24 * HOUR)
    assert feed.tenant.whole.model.rate > other.tenant.whole.model.rate
    assert feed.tenant.areas["login"].model.rate > other.tenant.areas["login"].model.rate


def test_a_ticket_from_before_its_area_existed_is_too_late() -> None:
    """Such a ticket is not learned."""
    feed = new_feed()
    feed.ticket(MONDAY + 30 * 24 * HOUR)
    before = feed.tenant.areas["login"].tickets
    assert feed.ticket(MONDAY + 29 * 24 * HOUR).outcome == "too_late"
    assert feed.tenant.areas["login"].tickets == before


def test_a_ticket_from_the_future_changes_nothing(state_of: State) -> None:
    """A live ticket far ahead of its arrival leaves no trace and can be sent again later."""
    feed = grown()
    before = state_of(feed.tenant)
    ahead = Ticket("acme", "ahead", GROWN + SETTINGS.future_seconds + 1.0, "login")
    assert feed.take(ahead, GROWN).outcome == "future"
    assert state_of(feed.tenant) == before
    assert feed.take(ahead, ahead.created_at).outcome == "counted"


def test_a_ticket_slightly_ahead_counts_at_its_arrival() -> None:
    """A sender's clock that is minutes fast does not move the tenant's clock ahead."""
    feed = new_feed()
    at = MONDAY + SETTINGS.future_seconds
    assert feed.ticket(at, received_at=MONDAY).outcome == "counted"
    assert feed.tenant.clock == MONDAY


@pytest.mark.parametrize("signal", ["ticket", "tick"])
def test_simulated_time_never_runs_ahead_of_the_brokers_clock(signal: str) -> None:
    """Nobody can silence a tenant with one simulated record before its first live ticket."""
    feed = grown(mode="simulated")
    now, far = GROWN + 600.0, GROWN + 60 * 8766 * HOUR
    if signal == "ticket":
        assert feed.ticket(far, mode="simulated", received_at=now).outcome == "future"
        feed.ticket(now + SETTINGS.future_seconds, mode="simulated", received_at=now)
    else:
        assert feed.take(Tick(far, "acme"), now).outcome == "tick_ignored"
        feed.take(Tick(now + SETTINGS.future_seconds, "acme"), now)
    assert feed.tenant.clock is not None
    assert feed.tenant.clock <= now
    for number in range(40):
        ticket = Ticket("acme", f"b{number}", now + number, "login", customer=f"c{number}")
        assert feed.take(ticket, now + number).outcome == "counted"
    assert feed.transitions()[:1] == ["opened"]


def test_a_simulated_ticket_of_the_future_creates_no_tenant() -> None:
    """The first live ticket finds the tenant as if the simulated ticket had never arrived."""
    partition = Partition(0, 1, SETTINGS)
    forged = Ticket("acme", "x", MONDAY + 60 * 8766 * HOUR, "login", mode="simulated")
    assert partition.take(forged, MONDAY).outcome == "future"
    assert partition.tenants == {}
    assert partition.take(Ticket("acme", "1", MONDAY, "login"), MONDAY).outcome == "counted"


def test_the_canarys_time_may_run_ahead_of_the_brokers_clock() -> None:
    """The canary simulates hours within minutes, and its tenants never have live tickets."""
    partition = Partition(0, 1, SETTINGS)
    name = f"{CANARY}-1"
    ahead = Ticket(name, "x", MONDAY + 9e6, "login", mode="simulated")
    assert partition.take(ahead, MONDAY).outcome == "counted"
    assert partition.take(Tick(MONDAY + 9.1e6, name), MONDAY).outcome == "tick"
    assert partition.tenants[name].clock == MONDAY + 9.1e6


def test_a_history_ticket_from_the_future_is_rejected() -> None:
    """Otherwise no later ticket of the tenant could page."""
    feed = new_feed()
    feed.ticket(MONDAY, mode="history", received_at=GROWN)
    wrong = feed.ticket(GROWN + 50 * 8766 * HOUR, mode="history", received_at=GROWN)
    assert wrong.outcome == "future"
    assert feed.tenant.clock == MONDAY


def test_a_simulated_ticket_is_refused_by_a_live_tenant() -> None:
    """After a live ticket, a simulated one moves no clock."""
    feed = new_feed()
    feed.ticket(MONDAY)
    assert feed.ticket(GROWN, mode="simulated").outcome == "not_simulated"
    assert feed.tenant.clock == MONDAY


@pytest.mark.parametrize("ahead", [0.0, 100.0, 150.0, 300.0])
@pytest.mark.parametrize("tenant", [None, "acme"])
def test_a_fast_ticker_silences_no_tenant(ahead: float, tenant: str | None) -> None:
    """Live tickets still page after a tick that is minutes ahead of the broker's clock."""
    feed = grown()
    now = GROWN + 400.0
    feed.take(Tick(now + ahead - 60.0, tenant), now)
    for number in range(40):
        ticket = Ticket("acme", f"b{number}", now + number, "login", customer=f"c{number}")
        feed.take(ticket, now + number)
    assert [e.transition for e in feed.events][:1] == ["opened"]


def test_the_clock_never_goes_back() -> None:
    """Neither an older ticket nor an older tick moves the clock back."""
    feed = new_feed()
    feed.ticket(MONDAY + 100.0)
    for signal in (Tick(MONDAY), Tick(MONDAY, "acme")):
        feed.take(signal)
    feed.ticket(MONDAY + 70.0)
    assert feed.tenant.clock == MONDAY + 100.0


def test_a_tick_before_the_first_ticket_is_ignored() -> None:
    """A tenant's event time begins with its first ticket."""
    feed = new_feed()
    assert feed.take(Tick(MONDAY)).outcome == "tick_ignored"
    assert feed.take(HistoryEnd("acme")).outcome == "history_end"
    assert feed.tenant.clock is None


@pytest.mark.parametrize("tenant", [None, "acme"])
def test_a_tick_from_the_future_is_ignored(tenant: str | None) -> None:
    """No tick of the ticker or a sender moves a live tenant's clock beyond its arrival."""
    feed = new_feed()
    feed.ticket(MONDAY)
    ahead = Tick(MONDAY + SETTINGS.future_seconds + 1.0, tenant)
    assert feed.take(ahead, MONDAY).outcome == "tick_ignored"
    assert feed.tenant.clock == MONDAY
    assert feed.take(ahead, MONDAY + 1.0).outcome == "tick"


def test_the_sender_controls_simulated_time() -> None:
    """A simulated tenant ignores wall-clock ticks and follows its sender's ticks."""
    feed = new_feed()
    now = MONDAY + 2e6
    feed.ticket(MONDAY, mode="simulated", received_at=now)
    assert feed.take(Tick(MONDAY + 1e6), now).outcome == "tick_ignored"
    assert feed.tenant.clock == MONDAY
    assert feed.take(Tick(MONDAY + 1e6, "acme"), now).outcome == "tick"
    assert feed.tenant.clock == MONDAY + 1e6
    feed.ticket(now, received_at=now)
    assert feed.take(Tick(now + 9.0)).outcome == "tick", "a live ticket must end simulated time"


def test_simulated_tickets_page() -> None:
    """Simulated tickets page like live ones, so that a demo works."""
    feed = grown(mode="simulated")
    burst(feed, GROWN, mode="simulated")
    assert feed.transitions()[:1] == ["opened"]
    assert feed.events[0].data.suppressed is None


# --- the lifecycle of an episode ------------------------------------------------------------------


def test_ticks_alone_resolve_an_episode() -> None:
    """A silent area is resolved by passing time, on a whole minute."""
    feed = grown()
    burst(feed, GROWN)
    at = GROWN
    while feed.transitions()[-1] != "resolved":
        at += 5.0
        feed.take(Tick(at))
        assert at < GROWN + 24 * HOUR
    resolved = feed.events[-1]
    assert resolved.time.timestamp() % 60.0 == 0.0
    assert resolved.time.timestamp() <= at < resolved.time.timestamp() + 5.0
    assert at > GROWN + SETTINGS.clear_minutes * 60.0
    assert feed.tenant.running == set()
    assert feed.tenant.areas["login"].phase == "calm"


def test_tickets_of_a_resolved_episode_are_no_new_evidence() -> None:
    """One more ticket after an episode was resolved opens no other one."""
    feed = grown()
    burst(feed, GROWN, 30)
    at = GROWN
    while feed.transitions()[-1] != "resolved":
        at += 60.0
        feed.take(Tick(at))
    feed.ticket(at + 30.0)
    feed.ticket(at + 90.0)
    assert feed.transitions()[-1] == "resolved"


def test_one_late_tick_gives_the_same_events_as_many() -> None:
    """An outage of the ticker changes neither ids nor times nor the order of events."""
    many, one = grown(), grown()
    for feed in (many, one):
        burst(feed, GROWN)
    for number in range(6 * 720):
        many.take(Tick(GROWN + 5.0 * number))
    one.take(Tick(GROWN + 5.0 * (6 * 720 - 1)))
    assert one.events == many.events
    assert one.transitions()[-1] == "resolved"


def test_tickets_of_another_area_also_resolve_an_episode() -> None:
    """Every ticket advances the time of the whole tenant."""
    feed = grown()
    burst(feed, GROWN)
    assert "resolved" not in feed.transitions()
    assert feed.ticket(GROWN + 12 * HOUR, area="api").escalations[0].transition == "resolved"


def test_an_episode_is_reopened_within_the_cool_down() -> None:
    """The reopened episode keeps its id and takes the next sequence number."""
    feed = grown()
    burst(feed, GROWN)
    now = GROWN
    while feed.transitions()[-1] != "resolved":
        now += 600.0
        feed.take(Tick(now))
    resolved = feed.events[-1].time.timestamp()
    burst(feed, resolved + SETTINGS.cooldown_minutes * 60.0 - 600.0, 30)
    assert "reopened" in feed.transitions()
    assert len({event.data.episode_id for event in feed.events}) == 1
    assert [e.data.sequence for e in feed.events] == [*range(1, len(feed.events) + 1)]
    assert len({event.data.detected_at for event in feed.events}) == 1


def test_a_spike_after_the_cool_down_opens_a_new_episode() -> None:
    """The new episode has its own id and starts at sequence number 1."""
    feed = grown()
    burst(feed, GROWN)
    feed.take(Tick(GROWN + 24 * HOUR))
    first = feed.events[-1]
    assert first.transition == "resolved"
    back = first.time.timestamp() + 24.0 * HOUR
    burst(feed, back, 30)
    opened = [event for event in feed.events if event.transition == "opened"]
    assert len(opened) == 2
    assert opened[1].data.episode_id != first.data.episode_id
    assert opened[1].data.sequence == 1
    assert "reopened" not in feed.transitions()


def test_a_growing_spike_is_updated_rarely() -> None:
    """Four hundred tickets lead to a handful of updates, each with a higher count."""
    feed = grown()
    burst(feed, GROWN, 400)
    updates = [event for event in feed.events if event.transition == "updated"]
    assert 2 <= len(updates) <= 8
    observed = [event.data.observed for event in feed.events]
    assert observed == sorted(observed)
    order = ["info", "warning", "error", "critical"]
    for before, after in zip(feed.events, feed.events[1:], strict=False):
        graver = order.index(after.data.severity) > order.index(before.data.severity)
        change = after.data.observed - before.data.observed
        assert graver or (change > 10 and change > before.data.observed)


def test_a_ticket_in_an_episode_below_its_expectation_counts() -> None:
    """A ticket counts as usual in an episode whose count is below the expected one.

    After a burst in the quiet hour before a busy morning, more tickets are expected than observed.
    """
    feed = new_feed()
    for day in range(28):
        for minute in range(0, 600, 5):
            feed.ticket(MONDAY + day * 24 * HOUR + 8 * HOUR + minute * 60.0)
    morning = MONDAY + 28 * 24 * HOUR + 8 * HOUR
    burst(feed, morning - 900.0, 5)
    assert feed.transitions() == ["opened"]
    assert feed.ticket(morning + 40 * 60.0).outcome == "counted"
    episode = feed.tenant.areas["login"].episode
    assert episode is not None
    assert episode.observed < episode.expected, (
        "the episode must be below its expectation for this test to be valid"
    )


# --- history --------------------------------------------------------------------------------------


def test_history_pages_nobody() -> None:
    """Episodes of history are marked as such, and the end mark closes them."""
    feed = grown(mode="history")
    burst(feed, GROWN, mode="history")
    assert {event.data.suppressed for event in feed.events} == {"history"}
    assert feed.transitions()[0] == "opened"
    feed.take(HistoryEnd("acme"))
    assert feed.transitions()[-1] == "resolved"
    assert feed.events[-1].data.suppressed == "history"
    assert feed.tenant.running == set()
    assert not feed.tenant.in_history


def test_wall_clock_ticks_do_not_move_history() -> None:
    """While history runs, its own tickets are its clock."""
    feed = new_feed()
    feed.ticket(MONDAY, mode="history")
    assert feed.take(Tick(GROWN)).outcome == "tick_ignored"
    assert feed.ticket(MONDAY + HOUR, mode="history").outcome == "counted"
    feed.take(HistoryEnd("acme"))
    assert feed.take(Tick(GROWN)).outcome == "tick"


def test_an_incident_that_continues_after_history_pages() -> None:
    """Live tickets open a new episode, which pages."""
    feed = grown(mode="history")
    burst(feed, GROWN, mode="history")
    feed.take(HistoryEnd("acme"))
    before = feed.events[-1]
    burst(feed, GROWN + 600.0)
    live = [event for event in feed.events if event.data.suppressed is None]
    assert [event.transition for event in live][:1] == ["opened"]
    assert live[0].data.episode_id != before.data.episode_id


def test_a_live_ticket_within_history_closes_its_episodes() -> None:
    """A live ticket among the last of history does not keep a suppressed episode open."""
    feed = grown(mode="history")
    burst(feed, GROWN, mode="history")
    assert feed.tenant.running == {"login"}
    feed.ticket(GROWN + 400.0)
    assert feed.tenant.running == set()
    feed.take(HistoryEnd("acme"))
    burst(feed, GROWN + 600.0)
    assert [e.data.suppressed for e in feed.events if e.transition == "opened"][-1] is None


def test_a_second_end_mark_changes_nothing(state_of: State) -> None:
    """A repeated end mark, or one amid live tickets, leaves no trace."""
    feed = grown(mode="history")
    feed.take(HistoryEnd("acme"))
    burst(feed, GROWN)
    assert feed.transitions() != []
    before, transitions = state_of(feed.tenant), feed.transitions()
    feed.take(HistoryEnd("acme"))
    assert (state_of(feed.tenant), feed.transitions()) == (before, transitions)


def test_history_behind_the_clock_is_learned_and_never_pages() -> None:
    """History that arrives after the clock has passed it raises the expected rate."""
    feed = new_feed()
    feed.ticket(MONDAY)
    feed.ticket(GROWN)
    rate = feed.tenant.whole.model.rate
    rng = random.Random(1)
    for hour in range(6 * 168):
        outcome = feed.ticket(MONDAY + hour * HOUR + 1.0 + rng.random(), mode="history").outcome
        assert outcome == "late"
    assert feed.transitions() == []
    feed.ticket(GROWN + 24 * HOUR)
    assert feed.tenant.whole.model.rate > 0.5 > rate


# --- bounds ---------------------------------------------------------------------------------------


def test_areas_beyond_the_cap_are_counted_together() -> None:
    """Known areas keep their own series."""
    feed = TenantFeed(Settings(areas_per_tenant=5), sliced=False)
    for number in range(50):
        feed.ticket(MONDAY + number, area=f"area {number}")
    assert set(feed.tenant.areas) == {*(f"area {n}" for n in range(5)), OTHER}
    assert feed.tenant.areas[OTHER].tickets == 45
    feed.ticket(MONDAY + 60.0, area="area 3")
    assert feed.tenant.areas["area 3"].tickets == 2


def test_a_late_ticket_creates_no_area() -> None:
    """An area of late tickets would only reduce the budget of the others."""
    feed = TenantFeed(Settings(areas_per_tenant=2), sliced=False)
    feed.ticket(MONDAY)
    feed.take(Tick(GROWN))
    for number in range(10):
        assert feed.ticket(GROWN - 900.0, area=f"area {number}").outcome == "too_late"
    assert set(feed.tenant.areas) == {"login"}


def test_an_old_live_ticket_creates_no_area() -> None:
    """The age of an area would be unknown if a live ticket of last year created it."""
    feed = TenantFeed(Settings(), sliced=False)
    feed.ticket(MONDAY)
    feed.take(Tick(GROWN))
    assert feed.ticket(GROWN - 9000 * HOUR, area="new").outcome == "too_late"
    assert "new" not in feed.tenant.areas


# --- independence of ticks ------------------------------------------------------------------------

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
    """Return the feed of a tenant after two weeks of tickets."""
    return [
        Ticket("acme", f"y{hour}", MONDAY + hour * HOUR * 1.5, "login", customer=f"y{hour}")
        for hour in range(230)
    ]


@pytest.mark.slow
@given(rhythm, st.integers(0, 2**32), st.sampled_from(["live", "simulated"]))
@settings(max_examples=examples(40))
def test_ticks_between_tickets_leave_no_trace(
    state_of: State,
    young: list[Ticket],
    rhythm: list[tuple[float, int, str]],
    seed: int,
    mode: Mode,
) -> None:
    """Events and state are the same however many ticks lie between the tickets."""
    rng = random.Random(seed)
    plain, ticked = new_feed(), new_feed()
    for ticket in young:
        for feed in (plain, ticked):
            feed.take(ticket)
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
    for feed in (plain, ticked):
        feed.take(Tick(at + 9 * HOUR))
    assert ticked.events == plain.events
    assert state_of(ticked.tenant) == state_of(plain.tenant)


def test_the_generated_bursts_do_page() -> None:
    """The bursts of the test above open episodes, so that equality matters."""
    feed = grown()
    for number in range(10):
        burst(feed, GROWN + number * 9 * HOUR)
    assert len(feed.transitions()) > 5


def test_the_same_signals_give_the_same_bytes(state_of: State) -> None:
    """Two runs over the same signals have the same events and state."""
    one, other = grown(), grown()
    for feed in (one, other):
        burst(feed, GROWN)
        feed.take(Tick(GROWN + 24 * HOUR))
    assert one.events == other.events
    assert state_of(one.tenant) == state_of(other.tenant)


@pytest.mark.parametrize("model", ["gaussian", "half_space_trees"])
def test_other_models_page_as_well(model: str) -> None:
    """With another model the step pages on a flood and names the model."""
    config = Settings(model=model, false_pages_per_week=10.0)  # type: ignore[arg-type]  # a ModelName
    feed = grown(config)
    burst(feed, GROWN, 300)
    assert "opened" in feed.transitions()
    assert {event.data.model for event in feed.events} == {model}
    feed.take(Tick(GROWN + 48 * HOUR))
    assert feed.transitions()[-1] == "resolved"
