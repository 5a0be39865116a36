"""The effect of each verdict, and that withdrawing the verdict undoes it."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.alerting.budget import budget_of, threshold_for
from detectors.alerting.verdict_effects import (
    FORGOTTEN_SECONDS,
    HALF_LIFE_SECONDS,
    MOST_RAISED,
    REACH,
    STEP,
    overspent,
    page_of,
    raised,
    repeat_false_alarm_threshold,
)
from detectors.state.tenant import PageRecord, Tenant
from detectors.state.threshold_priors import Kind
from schemas.escalation import EscalationEvent
from schemas.signals import Tick, Verdict
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
)
from tests.support.examples import examples

State = dict[str, bytes]
StateOf = Callable[[Tenant], State]
EPISODES = ("incident", "expected_event", "false_alarm", "new_normal")


def paged(count: int = 40, hours: float = 0.5) -> TenantFeed:
    """Return a company whose area login has paged at ten and whose episode still runs."""
    feed = company(until=MORNING)
    feed.burst(MORNING, count, hours)
    assert feed.pages[0].data.product_area == "login"
    return feed


def give_verdict(feed: TenantFeed, action: str, **more: object) -> list[EscalationEvent]:
    """Give a verdict on the first page and return the events that follow."""
    signal = Verdict("acme", feed.pages[0].data.episode_id, action, 0.0, **more)  # type: ignore[arg-type]  # until or duplicate_of
    done = feed.take(signal)
    assert done.outcome == "verdict"
    return done.escalations


def threshold_of(feed: TenantFeed, key: str = "login", kind: Kind = "area") -> float:
    """Return the current threshold of a series."""
    assert feed.tenant.clock is not None
    return threshold_for(feed.tenant, key, kind, feed.tenant.clock, SETTINGS).limit


def resolved(feed: TenantFeed, at: float = MORNING + 4 * HOUR) -> TenantFeed:
    """Return the feed after the login episode has been resolved."""
    feed.feed(MORNING + 0.6 * HOUR, at, seed=77)
    feed.tick(at)
    assert feed.tenant.areas["login"].running is None
    return feed


# --- incident -------------------------------------------------------------------------------------


def test_an_incident_verdict_removes_the_threshold_raise_of_a_page() -> None:
    """What the page raised is taken off, for the series and for the tenant."""
    feed = resolved(paged(count=18))
    page = feed.tenant.pages[0]
    assert page.doubt is not None
    assert page.doubt > 0.05
    assert feed.tenant.areas["login"].limit.raised == pytest.approx(page.doubt * page.step)
    assert feed.tenant.clock is not None
    clock = feed.tenant.clock
    spent = overspent(feed.tenant, clock)
    give_verdict(feed, "incident")
    computed = threshold_for(feed.tenant, "login", "area", clock, SETTINGS)
    assert computed.by_pages == pytest.approx(0.0, abs=1e-6)
    assert overspent(feed.tenant, clock) == pytest.approx(spent - page.doubt, abs=0.01)
    give_verdict(feed, "withdraw")
    computed = threshold_for(feed.tenant, "login", "area", clock, SETTINGS)
    assert computed.by_pages == pytest.approx(page.doubt * page.step, rel=0.01)


def test_a_false_alarm_verdict_counts_the_page_in_full() -> None:
    """A page that its evidence made an incident counts as a whole false page."""
    feed = resolved(paged())
    page = feed.tenant.pages[0]
    assert page.doubt is not None
    assert page.doubt < 0.01
    assert feed.tenant.clock is not None
    clock = feed.tenant.clock
    give_verdict(feed, "false_alarm")
    computed = threshold_for(feed.tenant, "login", "area", clock, SETTINGS)
    assert computed.by_pages == pytest.approx(page.step, rel=0.01)


# --- false alarm ----------------------------------------------------------------------------------


def test_a_false_alarm_raises_the_threshold_of_its_series_for_weeks() -> None:
    """The threshold rises by `STEP` and half of that remains after four weeks."""
    feed = paged()
    page = feed.tenant.pages[-1]
    before, others = threshold_of(feed), threshold_of(feed, "billing")
    give_verdict(feed, "false_alarm")
    assert threshold_of(feed) - before == pytest.approx(STEP, abs=0.01)
    assert threshold_of(feed, "billing") == others
    assert raised(feed.tenant, "login", "area", page.at + HALF_LIFE_SECONDS) == STEP / 2.0


def test_many_false_alarms_raise_the_threshold_up_to_a_bound() -> None:
    """Fifty false alarms raise the threshold by `MOST_RAISED`."""
    feed = paged()
    feed.tenant.pages = [
        PageRecord(MORNING, f"{n:032x}", "false_alarm", "login") for n in range(50)
    ]
    assert raised(feed.tenant, "login", "area", MORNING) == MOST_RAISED


def batch(feed: TenantFeed, at: float, count: int = 35, **fields: object) -> None:
    """Send a burst of one channel, then the usual traffic until the evening."""
    feed.burst(at, count, 0.3, "billing", **({"channel": "batch"} | fields))
    feed.feed(at + 0.4 * HOUR, at + 8 * HOUR, seed=int(at) % 1_000)


@pytest.fixture(scope="module")
def weekly() -> TenantFeed:
    """Return the feed a week after a batch that was a false alarm, just before the next batch."""
    feed = company(until=MORNING)
    batch(feed, MORNING)
    page = next(page for page in feed.tenant.pages if page.key == "billing")
    feed.take(Verdict("acme", page.episode_id, "false_alarm", 0.0))
    feed.feed(MORNING + 8 * HOUR, MORNING + WEEK, seed=31)
    feed.events.clear()
    feed.guards.clear()
    return feed


def copy(feed: TenantFeed) -> TenantFeed:
    """Return a feed with a copy of the tenant."""
    other = TenantFeed(SETTINGS, feed.tenant.copy())
    other.number = feed.number
    return other


def test_a_repeated_false_alarm_does_not_page_at_the_same_hour(weekly: TenantFeed) -> None:
    """The same batch a week later is suppressed by the called_false guard."""
    feed = copy(weekly)
    batch(feed, MORNING + WEEK)
    assert feed.paged("billing") == []
    assert "called_false" in feed.guards


def test_a_batch_pages_again_once_the_verdict_is_withdrawn(weekly: TenantFeed) -> None:
    """The verdict alone suppresses the batch."""
    feed = copy(weekly)
    page = next(page for page in feed.tenant.pages if page.key == "billing")
    feed.take(Verdict("acme", page.episode_id, "withdraw", 0.0))
    batch(feed, MORNING + WEEK)
    assert feed.paged("billing") != []


@pytest.mark.parametrize(
    ("what", "later", "fields"),
    [
        ("at another hour", 5 * HOUR, {}),
        ("of another cause at the same hour", 0.0, {"channel": "web"}),
        ("much larger", 0.0, {"count": 240}),
    ],
)
def test_an_incident_unlike_the_false_alarm_pages(
    weekly: TenantFeed, what: str, later: float, fields: dict[str, object]
) -> None:
    """An incident at another hour, of another cause or much larger pages."""
    feed = copy(weekly)
    feed.feed(MORNING + WEEK, MORNING + WEEK + later, seed=32)
    batch(feed, MORNING + WEEK + later, **fields)  # type: ignore[arg-type]  # a count, or a channel
    assert feed.paged("billing") != [], what


def test_the_raised_threshold_of_a_false_alarm_decays(weekly: TenantFeed) -> None:
    """The raised threshold is relative to the false alarm's score and decays after weeks."""
    tenant = weekly.tenant.copy()
    page = next(page for page in tenant.pages if page.key == "billing")
    page.shared_value = ""
    score = tenant.areas["billing"].episode
    assert score is not None

    def peak_score_after(weeks: float) -> float:
        at = page.at + weeks * WEEK
        found = repeat_false_alarm_threshold(
            tenant, "billing", score.score._replace(since=at), 1.0, at, SETTINGS
        )
        return 1.0 if found is None else found.peak_score

    assert peak_score_after(1.0) == pytest.approx(REACH * page.peak_score)
    assert peak_score_after(2.0) > peak_score_after(6.0) > peak_score_after(10.0) > 1.0
    assert peak_score_after(FORGOTTEN_SECONDS / WEEK) == 1.0


# --- expected event -------------------------------------------------------------------------------


def test_an_expected_event_is_on_the_calendar_and_stops_paging() -> None:
    """The running episode only resolves, nothing pages before the end, and later spikes do."""
    feed = paged()
    end = MORNING + 12 * HOUR
    give_verdict(feed, "expected_event", until=end)
    context = feed.tenant.context("login")
    assert context.calendar.is_masked(int(MORNING // HOUR), "login")
    assert not context.calendar.is_masked(int(end // HOUR) + 1, "login")
    assert feed.tenant.context("billing").calendar == SETTINGS.calendar
    feed.events.clear()
    feed.burst(MORNING + 0.6 * HOUR, 200, 1.0)
    resolved(feed)
    feed.burst(MORNING + 6 * HOUR, 60, 0.5)
    assert [event.transition for event in feed.events] == ["resolved"]
    assert "announced" in feed.guards
    feed.feed(MORNING + 7 * HOUR, MORNING + DAY, seed=78)
    feed.events.clear()
    feed.burst(MORNING + DAY, 60, 0.5)
    assert feed.paged("login") != []


def test_an_expected_event_is_not_learned() -> None:
    """The hours of the event raise the level as little as those of an incident."""
    levels = {}
    for action in ("incident", "expected_event"):
        feed = paged()
        give_verdict(feed, action, until=MORNING + 9 * HOUR if action == "expected_event" else None)
        feed.burst(MORNING + 0.6 * HOUR, 600, 8.0)
        feed.feed(MORNING + 9 * HOUR, MORNING + 3 * DAY, seed=79)
        levels[action] = feed.tenant.areas["login"].model.expectation().level
    assert levels["expected_event"] == pytest.approx(levels["incident"], rel=0.02)


# --- new normal -----------------------------------------------------------------------------------


def test_a_new_normal_ends_the_episode_and_does_not_page_again() -> None:
    """The level becomes that of the episode, so traffic that stays there does not page."""
    doubled = {name: rate * (4.0 if name == "login" else 1.0) for name, rate in COMPANY.items()}
    feed = company(until=MORNING)
    feed.feed(MORNING, MORNING + 3 * HOUR, doubled, seed=80)
    before = feed.rate()
    events = give_verdict(feed, "new_normal")
    assert [event.transition for event in events] == ["resolved"]
    assert feed.tenant.areas["login"].running is None
    assert 2.5 < feed.rate() / before < 5.5
    feed.events.clear()
    feed.feed(MORNING + 3 * HOUR, MORNING + 8 * HOUR, doubled, seed=81)
    assert feed.paged("login") == []
    withdrawn = TenantFeed(SETTINGS, feed.tenant.copy())
    rate = withdrawn.rate()
    page = next(page for page in feed.tenant.pages if page.verdict == "new_normal")
    withdrawn.take(Verdict("acme", page.episode_id, "withdraw", 0.0))
    assert withdrawn.rate() < 0.5 * rate


# --- duplicates and the budget --------------------------------------------------------------------


def test_a_duplicate_counts_with_the_other_page() -> None:
    """A duplicate is neither a page nor a false alarm; cycles and unknown ids are ignored."""
    feed = paged()
    one = feed.pages[0].data.episode_id
    other = "f" * 32
    feed.tenant.pages.append(PageRecord(MORNING, other, key="billing"))
    rate = budget_of(feed.tenant, MORNING + HOUR, SETTINGS)[0]
    give_verdict(feed, "duplicate_of", duplicate_of=other)
    assert budget_of(feed.tenant, MORNING + HOUR, SETTINGS)[0] == rate - 0.25
    cycle = Verdict("acme", other, "duplicate_of", 0.0, None, one)
    assert feed.take(cycle).outcome == "verdict_ignored"
    unknown = Verdict("acme", other, "duplicate_of", 0.0, None, "0" * 32)
    assert feed.take(unknown).outcome == "verdict_ignored"
    give_verdict(feed, "false_alarm")
    assert budget_of(feed.tenant, MORNING + HOUR, SETTINGS)[:2] == (rate, 0.25)


# --- withdrawing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["incident", "expected_event", "false_alarm", "duplicate_of"])
def test_a_withdrawn_verdict_leaves_no_trace(state_of: StateOf, action: str) -> None:
    """The state is byte for byte as before the verdict, and so is the threshold."""
    feed = paged()
    feed.tenant.pages.append(PageRecord(MORNING, "f" * 32, key="billing"))
    limit = threshold_of(feed)  # asking for the threshold updates it
    before = state_of(feed.tenant)
    give_verdict(feed, action, duplicate_of="f" * 32 if action == "duplicate_of" else None)
    assert state_of(feed.tenant) != before
    give_verdict(feed, "withdraw")
    assert state_of(feed.tenant) == before
    assert threshold_of(feed) == limit


@pytest.mark.parametrize("later", ["incident", "expected_event", "false_alarm"])
@pytest.mark.parametrize("first", ["incident", "expected_event", "false_alarm"])
def test_a_later_verdict_replaces_the_earlier_one(
    state_of: StateOf, first: str, later: str
) -> None:
    """The state is that of a tenant that received only the later verdict."""
    feed, plain = paged(), paged()
    give_verdict(feed, first)
    give_verdict(feed, later)
    give_verdict(plain, later)
    assert state_of(feed.tenant) == state_of(plain.tenant)


def test_a_repeated_verdict_changes_nothing(state_of: StateOf) -> None:
    """A verdict that is delivered twice has no further effect."""
    feed = paged()
    give_verdict(feed, "new_normal")
    before = state_of(feed.tenant)
    assert give_verdict(feed, "new_normal") == []
    assert state_of(feed.tenant) == before


def test_the_effects_of_verdicts_survive_a_restart(state_of: StateOf) -> None:
    """A restored tenant behaves like one that never stopped."""
    feed = resolved(paged())
    give_verdict(feed, "expected_event")
    other = copy(feed)
    for each in (feed, other):
        each.rng.seed(5)
        each.events.clear()
        each.feed(MORNING + 4 * HOUR, MORNING + 3 * DAY, seed=82)
        each.burst(MORNING + 3 * DAY, 60, 0.5)
    assert state_of(feed.tenant) == state_of(other.tenant)
    assert feed.events == other.events


def test_a_forgotten_page_takes_its_event_off_the_calendar(
    state_of: StateOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the bound on remembered pages, a running tenant equals a restored one."""
    feed = resolved(paged())
    give_verdict(feed, "expected_event", until=MORNING + 3 * DAY)
    monkeypatch.setattr("detectors.alerting.budget.MOST_PAGES", 1)
    for day in (0, 1):
        feed.burst(MORNING + day * DAY + 4 * HOUR, 60, 0.5, "billing")
        feed.feed(MORNING + day * DAY + 5 * HOUR, MORNING + (day + 1) * DAY, seed=83 + day)
    assert all(page.key != "login" for page in feed.tenant.pages)
    other = copy(feed)
    for each in (feed, other):
        each.rng.seed(5)
        each.events.clear()
        each.feed(MORNING + 2 * DAY + 4 * HOUR, MORNING + 4 * DAY, seed=85)
    assert state_of(feed.tenant) == state_of(other.tenant)
    assert feed.events == other.events


verdicts = st.tuples(
    st.sampled_from([*EPISODES, "duplicate_of", "withdraw", "acknowledge"]),
    st.sampled_from([0.0, 600.0, DAY]),
    st.sampled_from([None, MORNING, MORNING + 2 * DAY]),
)


@given(st.lists(verdicts, max_size=8))
@settings(max_examples=examples(15))
def test_no_sequence_of_verdicts_corrupts_the_state(
    state_of: StateOf, answers: list[tuple[str, float, float | None]]
) -> None:
    """No verdict raises, numbers stay finite, and the state survives a restart."""
    feed = paged()
    at = MORNING + HOUR
    episode = feed.pages[0].data.episode_id
    for action, gone, until in answers:
        feed.take(Verdict("acme", episode, action, at, until, "f" * 32))
        feed.take(Tick(at := at + gone, "acme"))
        feed.burst(at + 1.0, 3, 0.05)
        at += 0.06 * HOUR
    feed.take(Verdict("acme", episode, "withdraw", at))
    page = page_of(feed.tenant, episode)
    assert page is None or (page.verdict, page.rebase_factors, page.is_on_calendar) == (
        "",
        {},
        False,
    )
    for series in feed.tenant.areas.values():
        known = series.model.expectation()
        assert 0.0 < known.rate < 1e6
        assert 0.0 < known.level < 1e6
    assert threshold_of(feed) < 1e3
    assert state_of(feed.tenant.copy()) == state_of(feed.tenant)
    assert at > NOW
