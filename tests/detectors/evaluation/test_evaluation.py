"""The evaluation: what counts as found, as a page or as false; the oracle; rival thresholds."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from detectors.evaluation.experiments import oracle_cusum
from detectors.evaluation.experiments.benign_run import arrive
from detectors.evaluation.experiments.company_run import (
    CompanyRun,
    Healthy,
    Plan,
    Played,
    run_company,
)
from detectors.evaluation.experiments.comparison import Comparison, peaks_of, thresholds
from detectors.evaluation.experiments.competing_methods import NOTHING, RIVALS, AreaRivals
from detectors.evaluation.experiments.oracle_cusum import SteadyTraffic
from detectors.evaluation.experiments.page_recorder import Page, PageRecorder
from detectors.evaluation.experiments.scoring import class_figures, healthy_table, incident_table
from detectors.evaluation.synthetic.benign_events import GUARDS, Arrival, Situation
from detectors.evaluation.synthetic.company import Spec, World
from detectors.evaluation.synthetic.traffic import Feed
from detectors.evaluation.tables import Share, quantile
from detectors.foundation.units import HOURS_PER_WEEK, SECONDS_PER_HOUR
from detectors.policy.settings import Settings
from detectors.state.tenant import Tenant

SMALL = Spec(seed=1, areas=3, lowest_rate=0.5, highest_rate=10.0, first_week=0)


def played(delay: float, *, possible: bool = True, pages: int = 1) -> Played:
    return Played(
        kind="step x5",
        seed=1,
        number=0,
        area="area 01",
        possible=possible,
        bound=10.0,
        lasted=60.0,
        delay=delay,
        pages=pages,
        later_pages=0,
    )


def healthy(*opened: int) -> Healthy:
    return Healthy(
        seed=1,
        areas=12,
        budget=1.0,
        opened=opened,
        reopened=(0,) * len(opened),
        by_kind=(sum(opened), 0, 0),
    )


def test_a_miss_has_an_infinite_delay() -> None:
    figures = class_figures("step x5", [played(12.0), played(math.inf), played(math.inf)])
    assert (figures.found.hits, figures.found.of) == (1, 3)
    assert figures.median == 12.0
    assert math.isinf(figures.median_all)
    assert figures.over_bound == pytest.approx(1.2)


def test_an_incident_shorter_than_its_bound_is_not_counted_as_a_miss() -> None:
    figures = class_figures("step x5", [played(12.0), played(math.inf, possible=False)])
    assert figures.found_possible == Share(1, 1)
    assert figures.found == Share(1, 2)


def test_a_class_without_incidents_has_no_row() -> None:
    (row,) = incident_table([played(12.0)]).rows
    assert row[0] == "step x5"


def test_false_pages_are_reported_by_age() -> None:
    young, mature = healthy_table([healthy(9, 0, 0, 0, 1, 1)]).rows
    assert young[0].endswith("weeks 0-4")
    assert young[-3] == "MISSED"
    assert mature[3] == "1.00"
    assert mature[-3] == "ok"


def test_a_tenant_wide_page_covers_the_areas_it_lists() -> None:
    assert Page(0.0, "login").includes("login")
    assert not Page(0.0, "login").includes("billing")
    assert Page(0.0, None, ("login",)).includes("login")
    assert not Page(0.0, None, ("login",)).includes("billing")
    assert Page(0.0, None).includes("billing")
    assert Page(0.0, "login").includes(None)


def test_a_recorder_counts_opened_pages_and_the_first_notification() -> None:
    watch = PageRecorder()
    watch.pages = [
        Page(10.0, "login"),
        Page(20.0, None, ("login", "billing")),
        Page(30.0, None, ("login", "billing", "search"), "updated", "tenant_spike"),
    ]
    assert len(watch.opened(0.0, 99.0, "login")) == 2
    assert watch.first(0.0, 99.0, "billing") == 20.0
    assert watch.first(0.0, 99.0, "search") == 30.0
    assert watch.opened(0.0, 99.0, "search") == []


@pytest.fixture(scope="module")
def company_run() -> CompanyRun:
    plan = Plan(
        spec=SMALL,
        settings=Settings(timezone=SMALL.timezone),
        warm_weeks=3,
        weeks=1,
        incidents={"step x10": 4, "night": 2},
    )
    return run_company(plan)


@pytest.mark.slow
def test_a_company_run_is_reproducible(company_run: CompanyRun) -> None:
    plan = Plan(
        spec=SMALL,
        settings=Settings(timezone=SMALL.timezone),
        warm_weeks=3,
        weeks=1,
        incidents={"step x10": 4, "night": 2},
    )
    assert run_company(plan) == company_run


@pytest.mark.slow
def test_incidents_do_not_change_the_healthy_run(company_run: CompanyRun) -> None:
    plan = Plan(
        spec=SMALL, settings=Settings(timezone=SMALL.timezone), warm_weeks=3, weeks=1, incidents={}
    )
    assert run_company(plan).healthy == company_run.healthy


@pytest.mark.slow
def test_incidents_of_one_class_do_not_change_those_of_another(company_run: CompanyRun) -> None:
    plan = Plan(
        spec=SMALL,
        settings=Settings(timezone=SMALL.timezone),
        warm_weeks=3,
        weeks=1,
        incidents={"step x10": 4},
    )
    ours = [one for one in company_run.played if one.kind == "step x10"]
    assert list(run_company(plan).played) == ours


def situation(name: str, hours: int = 12) -> tuple[list[Arrival], Situation]:
    world = World(SMALL)
    first = SMALL.first_hour + 5 * HOURS_PER_WEEK + 30
    feed = Feed(world, [0], mode="live")
    recent = [ticket for hour in range(first - 100, first) for ticket in feed.hour(hour)]
    calm = [ticket for hour in range(first, first + hours) for ticket in feed.hour(hour)]
    here = Situation(
        world=world,
        rng=np.random.default_rng([1, list(GUARDS).index(name)]),
        start=first * SECONDS_PER_HOUR,
        end=(first + hours) * SECONDS_PER_HOUR,
        area=1,
        recent=recent,
    )
    return [(ticket.created_at, ticket) for ticket in calm], here


CHECKS: dict[str, Callable[[list[Arrival], list[Arrival], Situation], bool]] = {
    "noisy customer": lambda _calm, new, _here: len({t.customer for _, t in new}) == 1,
    "same ticket again": lambda _calm, new, _here: len({t.ticket_id for _, t in new}) == 1,
    "duplicates, merged": lambda calm, new, _here: (
        {t.merged_into for _, t in new if t.event_type == "merged"}
        <= {t.ticket_id for _, t in calm}
        and sum(t.event_type == "merged" for _, t in new) * 2 == len(new)
    ),
    "agent batch": lambda _calm, new, _here: {t.created_by for _, t in new} == {"agent"},
    "import batch": lambda _calm, new, _here: {t.created_by for _, t in new} == {"import"},
    "re-tagged": lambda _calm, new, here: (
        {t.event_type for _, t in new} == {"reclassified"}
        and all(t.created_at < here.start <= at == t.occurred_at for at, t in new)
    ),
    "webhook retries": lambda _calm, new, here: (
        {t.ticket_id for _, t in new} <= {t.ticket_id for t in here.recent}
    ),
    "backfill": lambda _calm, new, _here: all(
        9 * SECONDS_PER_HOUR < at - t.created_at < 35 * SECONDS_PER_HOUR for at, t in new
    ),
}


@pytest.mark.parametrize("name", CHECKS)
def test_a_guard_scenario_adds_its_tickets_and_keeps_the_others(name: str) -> None:
    calm, here = situation(name)
    change = GUARDS[name].change
    assert change is not None
    after = change(list(calm), here)
    assert [arrival for arrival in after if arrival in calm] == calm
    new = [arrival for arrival in after if arrival not in calm]
    assert len(new) >= 5
    assert all(at >= here.start for at, _ in new)
    assert CHECKS[name](calm, new, here)


def test_a_feed_gap_delays_tickets_and_loses_none() -> None:
    calm, here = situation("feed gap")
    change = GUARDS["feed gap"].change
    assert change is not None
    after = change(list(calm), here)
    assert sorted(t.ticket_id for _, t in after) == sorted(t.ticket_id for _, t in calm)
    late = [at - ticket.created_at for at, ticket in after if at > ticket.created_at]
    assert max(late) > 2 * SECONDS_PER_HOUR


def test_arrivals_are_processed_in_order_of_arrival() -> None:
    calm, _ = situation("feed gap", hours=3)
    settings = Settings()
    tenant = Tenant("acme", settings)
    arrive(tenant, calm[::-1], settings)
    assert tenant.live
    assert tenant.clock is not None
    assert tenant.clock >= calm[-1][0] - 60.0


def test_the_oracle_has_the_requested_rate_of_false_alarms() -> None:
    """Page's CUSUM with a known average run length raises the requested alarms per hour."""
    rng = np.random.default_rng(1)
    for steady in (SteadyTraffic(5.0), SteadyTraffic(5.0, 0.05)):
        level = oracle_cusum.threshold(steady, 2.0, 500.0, rng)
        cusums = oracle_cusum.Cusums(steady, 2.0, 1_000, rng)
        for _ in range(48):
            cusums.hour()
        cusums.keep = level
        for _ in range(200):
            cusums.hour()
        alarms = sum(len(peaks) for peaks in cusums.ended)
        assert alarms == pytest.approx(1_000 * 200 / 500.0, rel=0.2)


def test_the_oracle_is_faster_than_lordens_bound_and_for_larger_spikes() -> None:
    rng = np.random.default_rng(2)
    steady, middles = SteadyTraffic(3.0), []
    for multiple in (2.0, 5.0):
        level = oracle_cusum.threshold(steady, multiple, 13 * 168.0, rng)
        middle = quantile(oracle_cusum.delays(steady, multiple, level, 1_000, rng, 48.0), 0.5)
        assert 0.4 < middle / steady.lorden(multiple, 13 * 168.0) < 1.1
        middles.append(middle)
    assert middles[0] > 3 * middles[1]


def test_a_rival_gets_the_threshold_with_the_same_number_of_false_pages() -> None:
    contested = Comparison(
        travelled=CompanyRun(seed=1, played=(), healthy=healthy(0, 3), skipped=0),
        met=(),
        peaks=((9.0, 7.0, 5.0, 3.0),) * len(RIVALS),
        false_pages=3,
    )
    assert thresholds([contested]) == [5.0] * len(RIVALS)
    assert thresholds([contested, contested]) == [5.0] * len(RIVALS)


def test_peaks_less_than_six_hours_apart_are_one() -> None:
    highs = np.full((1, 100), NOTHING)
    highs[0, [10, 14, 40]] = [3.0, 4.0, 2.0]
    assert peaks_of(highs, 2.0) == (4.0, 2.0)


def test_every_rival_detects_a_burst_after_three_calm_weeks() -> None:
    rng = np.random.default_rng(3)
    rivals = AreaRivals(0)
    rivals.view.start_hour(0)
    calm = np.full(len(RIVALS), NOTHING)
    for hour in range(3 * HOURS_PER_WEEK):
        for at in np.sort(rng.random(rng.poisson(6.0))):
            scores = rivals.ticket((hour + at) * SECONDS_PER_HOUR, None)
            if hour > 2 * HOURS_PER_WEEK:
                calm = np.maximum(calm, scores)
        rivals.end_hour((hour + 1) % HOURS_PER_WEEK)
    burst = np.full(len(RIVALS), NOTHING)
    for minute in range(50):
        at = (3 * HOURS_PER_WEEK + minute / 60.0) * SECONDS_PER_HOUR
        burst = np.maximum(burst, rivals.ticket(at, None))
    assert dict(zip(RIVALS, burst > calm, strict=True)) == dict.fromkeys(RIVALS, True)
