"""What episodes teach: incidents nothing, false pages caution, lasting changes a new level."""

import pytest

from detectors.alerting.budget import threshold_for
from detectors.foundation.units import SECONDS_PER_DAY
from detectors.models.cusum_bank import CusumBank
from detectors.state.threshold import MOST_STEP, STEP
from schemas.signals import Verdict
from tests.support.companies import (
    COMPANY,
    HOUR,
    MORNING,
    SETTINGS,
    WEEK,
    TenantFeed,
    company,
)

TIMES_NINE = {"login": 9.0 * COMPANY["login"]}


def at_ten() -> TenantFeed:
    """Return the feed of a company on a Monday morning amid its usual traffic."""
    return company(until=MORNING)


def level_of(feed: TenantFeed, area: str = "login") -> float:
    """Return the learned level of an area."""
    return feed.tenant.areas[area].model.level


def limit_of(feed: TenantFeed, area: str = "login") -> float:
    """Return the threshold of an area without the account of the whole tenant."""
    assert feed.tenant.clock is not None
    computed = threshold_for(feed.tenant, area, "area", feed.tenant.clock, SETTINGS)
    return computed.limit - computed.by_tenant


@pytest.mark.slow
@pytest.mark.parametrize("hours", [6.0, 46.0])
def test_an_incident_teaches_neither_level_nor_caution(hours: float) -> None:
    """Two days later, level and threshold are those of a company without the incident."""
    end = MORNING + hours * HOUR
    feeds = []
    for areas in (COMPANY, {**COMPANY, **TIMES_NINE}):
        feed = at_ten()
        feed.feed(MORNING, end, areas, seed=11)
        feed.feed(end, end + 48 * HOUR, seed=22)
        feed.tick(end + 48 * HOUR)
        feeds.append(feed)
    without, with_incident = feeds
    page = next(page for page in with_incident.tenant.pages if page.key == "login")
    assert page.doubt is not None
    assert page.doubt < 0.01
    assert level_of(with_incident) == pytest.approx(level_of(without), rel=0.15)
    assert limit_of(with_incident) <= limit_of(without) + 0.3


@pytest.mark.slow
def test_a_change_that_lasts_for_five_days_becomes_the_level_in_one_step() -> None:
    """Four times the usual tickets page once, and after a week they are the usual rate."""
    feed = at_ten()
    before = level_of(feed)
    areas = {**COMPANY, "login": 4.0 * COMPANY["login"]}
    feed.feed(MORNING, MORNING + 4 * SECONDS_PER_DAY, areas, seed=13)
    assert level_of(feed) == pytest.approx(before, rel=0.1)
    feed.feed(MORNING + 4 * SECONDS_PER_DAY, MORNING + 9 * SECONDS_PER_DAY, areas, seed=14)
    assert level_of(feed) > 3.0 * before
    assert [page.key for page in feed.tenant.pages if page.key == "login"] == ["login"]
    assert feed.tenant.areas["login"].running is None


@pytest.mark.slow
def test_a_page_that_may_be_false_raises_its_threshold_at_the_end() -> None:
    """A running page raises nothing; its end settles the chance that it was false."""
    feed = at_ten()
    feed.burst(MORNING, 18, 0.5)
    limit = feed.tenant.areas["login"].limit
    assert [page.doubt for page in feed.tenant.pages] == [None]
    assert limit.raised == 0.0
    feed.feed(MORNING + 0.6 * HOUR, MORNING + 12 * HOUR, seed=15)
    feed.tick(MORNING + 12 * HOUR)
    assert feed.tenant.areas["login"].running is None
    page = feed.tenant.pages[0]
    assert page.doubt is not None
    assert 0.0 < page.doubt < 1.0
    assert page.step >= STEP * 0.5
    assert limit.raised == pytest.approx(page.doubt * page.step)


def test_unspent_pages_are_counted_per_day_but_not_in_history() -> None:
    """A week without a page leaves one unspent page of a budget of one per week."""
    feed = at_ten()
    feed.tenant.overspent = 2.0
    feed.feed(MORNING, MORNING + WEEK, seed=16)
    pages = sum(page.doubt or 0.0 for page in feed.tenant.pages)
    assert feed.tenant.overspent == pytest.approx(1.0 + pages, abs=0.01)
    past = company(until=MORNING)
    past.tenant.overspent = 2.0
    past.feed(MORNING, MORNING + WEEK, seed=16, mode="history")
    assert past.tenant.overspent == pytest.approx(2.0, abs=0.01)


def held(feed: TenantFeed) -> list[str]:
    """Return the series whose models do not learn."""
    keys = ["", *feed.tenant.areas]
    models = {key: feed.tenant.series(key).model for key in keys}
    return [key for key, model in models.items() if isinstance(model, CusumBank) and model.is_held]


@pytest.mark.parametrize("raised", [tuple(COMPANY), ("login",), ("login", "billing")])
def test_every_model_learns_again_once_its_episodes_have_ended(raised: tuple[str, ...]) -> None:
    """Overlapping episodes of areas and of the tenant leave no model behind."""
    feed = at_ten()
    for number, area in enumerate(raised):
        areas = {name: rate * (12.0 if name == area else 1.0) for name, rate in COMPANY.items()}
        begin = MORNING + 2.0 * HOUR * number
        feed.feed(begin, begin + 2.0 * HOUR, areas, seed=17 + number)
    assert held(feed)
    end = MORNING + 2.0 * HOUR * len(raised)
    feed.feed(end, end + 60.0 * HOUR, seed=29)
    feed.tick(end + 60.0 * HOUR)
    assert feed.tenant.running == set()
    assert held(feed) == []


@pytest.mark.slow
@pytest.mark.parametrize("action", ["expected_event", "false_alarm", "incident"])
def test_a_verdict_never_silences_a_series(action: str) -> None:
    """A great incident that is called anything raises its threshold by a bounded step."""
    feed = at_ten()
    feed.burst(MORNING, 200, 1.0)
    feed.feed(MORNING + 1.1 * HOUR, MORNING + 24 * HOUR, seed=18)
    feed.tick(MORNING + 24 * HOUR)
    before = limit_of(feed)
    feed.take(Verdict("acme", feed.pages[0].data.episode_id, action, 0.0))
    assert limit_of(feed) <= before + MOST_STEP * 1.5 + 0.5
