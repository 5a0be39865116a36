"""From the alert budget to a limit: what raises it, what lowers it, and how far."""

import random

import pytest

from detectors.foundation import state_codec
from detectors.state.threshold import (
    CLUSTER_HOURS,
    GUARD_HOURS,
    LEAST,
    LEVEL,
    MOST_EXCESSES,
    MOST_RAISED,
    STEP,
    WARM_UP_HOURS,
    SeriesThreshold,
    ThresholdPool,
)
from detectors.state.threshold_priors import Prior

WEEK = 168.0
TABLE = Prior(per_week=4.0, excess=1.0)


def held(
    limit: SeriesThreshold, hours: float, per_week: float, pool: ThresholdPool | None = None
) -> float:
    """The limit at that time, of a class that has shown nothing else; looked at once a week."""
    pool = pool or ThresholdPool()
    at = max(limit.counted, limit.born + WARM_UP_HOURS) + WEEK
    while at < hours:
        limit.elapse(at, pool, TABLE)
        at += WEEK
    return limit.at(hours, per_week, pool, TABLE)


def after(weeks: int, peaks_a_week: float, excess: float, per_week: float = 0.1) -> float:
    """The limit of a series that had so many peaks a week, each of the same *excess*."""
    limit = SeriesThreshold(0.0)
    gap = WEEK / peaks_a_week
    at = WARM_UP_HOURS + 1.0
    while at < WARM_UP_HOURS + weeks * WEEK:
        limit.note(at, LEVEL + excess)
        held(limit, at, per_week)
        at += gap
    return held(limit, WARM_UP_HOURS + weeks * WEEK + GUARD_HOURS + 1.0, per_week)


def test_a_smaller_budget_is_a_higher_limit() -> None:
    """Ten times fewer false pages cost the mean excess times log 10."""
    limits = [held(SeriesThreshold(0.0), 400.0, per_week) for per_week in (0.01, 0.1, 1.0)]
    assert limits == sorted(limits, reverse=True)
    assert limits[0] - limits[1] == pytest.approx(TABLE.excess * 2.302585)


def test_the_limit_is_never_below_the_least() -> None:
    """Neither a huge budget nor years of silence bring the limit below its floor."""
    assert held(SeriesThreshold(0.0), 400.0, 1_000.0) == LEAST
    assert held(SeriesThreshold(0.0), 20 * 52 * WEEK, 1.0) == LEAST


def test_quiet_weeks_lower_the_limit() -> None:
    """A series whose score never peaks earns a lower limit, step by step."""
    limits = [
        held(SeriesThreshold(0.0), WARM_UP_HOURS + weeks * WEEK, 0.05) for weeks in (0, 4, 12, 60)
    ]
    assert limits == sorted(limits, reverse=True)
    assert limits[-1] < limits[0] - 1.5
    assert limits[-1] >= LEAST


def test_overspending_raises_the_limit() -> None:
    """A series that peaks more often than the prior thinks has its limit raised."""
    assert after(12, peaks_a_week=12, excess=1.7) > after(12, peaks_a_week=4, excess=1.7) + 0.5


def test_higher_peaks_raise_the_limit() -> None:
    """A series whose healthy peaks are higher has its limit raised."""
    assert after(12, peaks_a_week=4, excess=3.0) > after(12, peaks_a_week=4, excess=1.7) + 1.0


def test_an_incident_teaches_no_more_than_its_cap() -> None:
    """A peak beyond three mean excesses teaches as much as one of three: incidents are capped."""

    def with_peak(excess: float) -> float:
        limit = SeriesThreshold(0.0)
        limit.note(500.0, LEVEL + excess)
        return held(limit, 500.0 + GUARD_HOURS + 1.0, 0.1)

    cap = MOST_EXCESSES * TABLE.excess
    assert with_peak(500.0) == with_peak(cap)
    assert with_peak(cap) > with_peak(cap - 1.0)
    assert with_peak(500.0) < with_peak(0.0) + 2.0


def test_a_cluster_is_one_peak() -> None:
    """Scores no more than six hours apart are one cluster, and its highest score is what counts."""
    many, one = SeriesThreshold(0.0), SeriesThreshold(0.0)
    for minute in range(300):
        many.note(500.0 + minute / 60.0, LEVEL + (3.0 if minute == 150 else 0.5))
    one.note(500.0, LEVEL + 3.0)
    assert held(many, 540.0, 0.1) == held(one, 540.0, 0.1)
    apart = SeriesThreshold(0.0)
    apart.note(500.0, LEVEL + 3.0)
    apart.note(500.0 + CLUSTER_HOURS + 0.1, LEVEL + 3.0)
    assert held(apart, 540.0, 0.1) > held(one, 540.0, 0.1)
    assert apart.peaks == 2.0


def test_a_cluster_that_runs_is_not_learned() -> None:
    """A cluster longer than a day teaches when it is over: its peak may still come."""
    limit = SeriesThreshold(0.0)
    for hour in range(40):
        limit.note(500.0 + hour, LEVEL + 1.0)
    held(limit, 539.0, 0.1)
    assert limit.peaks == 0.0
    held(limit, 539.0 + CLUSTER_HOURS + 0.1, 0.1)
    assert limit.peaks == 1.0


def test_a_peak_teaches_when_it_is_a_day_old() -> None:
    """What pages now must not raise the bar it is judged by."""
    limit, pool = SeriesThreshold(0.0), ThresholdPool()
    before = held(limit, 500.0, 0.1, pool)
    limit.note(500.0, LEVEL + 5.0)
    assert held(limit, 500.0 + GUARD_HOURS, 0.1, pool) <= before
    assert held(limit, 500.0 + GUARD_HOURS + 0.1, 0.1, pool) > before


def test_peaks_of_the_first_two_weeks_teach_nothing() -> None:
    """While the baseline is a guess its peaks say nothing of the series."""
    early, none = SeriesThreshold(0.0), SeriesThreshold(0.0)
    for day in range(14):
        early.note(day * 24.0, LEVEL + 5.0)
    assert held(early, 400.0, 0.1) == held(none, 400.0, 0.1)
    assert early.recent == []


def test_scores_below_the_level_are_no_peaks() -> None:
    """A score that chance alone brings every week is not noted."""
    limit = SeriesThreshold(0.0)
    limit.note(500.0, LEVEL - 0.1)
    limit.note(500.0, -99.0)
    assert limit.recent == []


def test_the_state_stays_small() -> None:
    """Years of peaks leave a state of a few dozen bytes."""
    rng = random.Random(3)
    limit, at = SeriesThreshold(0.0), 0.0
    for _ in range(20_000):
        at += rng.expovariate(0.5)
        limit.note(at, rng.expovariate(0.5))
        held(limit, at, 0.1)
    assert len(state_codec.encode(limit)) < 300


def test_instances_share_nothing() -> None:
    """What one limit notes no other knows of."""
    one, other = SeriesThreshold(0.0), SeriesThreshold(0.0)
    one.note(500.0, 3.0)
    assert other.recent == []


def test_the_limit_is_passed_as_often_as_the_budget_allows() -> None:
    """Peaks with an exponential tail pass their learned limit about as often as was asked for."""
    rng = random.Random(11)
    limit, pool, at, pages, per_week = SeriesThreshold(0.0), ThresholdPool(), 0.0, 0, 0.5
    weeks = 400
    while at < weeks * WEEK:
        at += CLUSTER_HOURS + rng.expovariate(5.0 / WEEK)
        score = LEVEL + rng.expovariate(1 / 2.5)
        now = held(limit, at, per_week, pool)
        limit.note(at, score)
        pages += score >= now and at > WARM_UP_HOURS + 20 * WEEK
    assert 0.25 <= pages / (weeks - 22) <= 1.0


def test_a_heavy_tail_raises_the_limit() -> None:
    """With as many peaks and the same mean, the series with wilder peaks is held higher."""
    mild, wild = SeriesThreshold(0.0), SeriesThreshold(0.0)
    for number in range(200):
        now = WARM_UP_HOURS + 1.0 + number * 20.0
        mild.note(now, 1.0)
        wild.note(now, 3.4 if number % 5 == 0 else 0.4)
        held(mild, now, 0.05)
        held(wild, now, 0.05)
    assert wild.excess == pytest.approx(mild.excess, rel=0.05)
    assert held(wild, now + 50.0, 0.05) > held(mild, now + 50.0, 0.05) + 0.5


def test_a_page_raises_the_limit_and_time_lowers_it_again() -> None:
    """After a page the limit stands a step higher, and falls at the rate that pages are allowed."""
    limit, pool = SeriesThreshold(0.0), ThresholdPool()
    before = held(limit, 300.0, 0.5)
    limit.paged(300.0, 0.5, pool, TABLE)
    assert held(limit, 300.0, 0.5) == pytest.approx(before + STEP * TABLE.excess)
    assert held(limit, 300.0 + WEEK, 0.5) < before + 0.6 * STEP * TABLE.excess
    assert held(limit, 300.0 + 2 * WEEK, 0.5) <= before


def test_pages_without_end_raise_it_to_a_bound() -> None:
    """A series that never stops paging is not silenced for ever."""
    limit, pool = SeriesThreshold(0.0), ThresholdPool()
    before = held(limit, 300.0, 0.1)
    for _ in range(100):
        limit.paged(300.0, 0.1, pool, TABLE)
    assert held(limit, 300.0, 0.1) == pytest.approx(before + MOST_RAISED * TABLE.excess)


def test_whatever_its_tail_a_series_does_not_overspend() -> None:
    """Peaks as wild as a Pareto tail of shape 0.8 spend at most twice what is allowed."""
    rng = random.Random(5)
    limit, pool, now, pages, per_week, weeks = (
        SeriesThreshold(0.0),
        ThresholdPool(),
        0.0,
        0,
        0.25,
        400,
    )
    while now < weeks * WEEK:
        now += CLUSTER_HOURS + rng.expovariate(5.0 / WEEK)
        score = 0.8 * (rng.paretovariate(1.25) - 1.0)
        if score >= held(limit, now, per_week, pool):
            limit.paged(now, per_week, pool, TABLE)
            pages += now > 20 * WEEK
        limit.note(now, score)
    assert pages / (weeks - 20) <= 2.0 * per_week


def test_series_of_a_class_learn_from_each_other() -> None:
    """What nine wild series have shown raises the limit of the tenth, which is new."""
    pool = ThresholdPool()
    before = held(SeriesThreshold(0.0), 300.0, 0.1, pool)
    for _ in range(9):
        limit = SeriesThreshold(0.0)
        for number in range(100):
            now = WARM_UP_HOURS + 1.0 + number * 20.0
            limit.note(now, 2.5)
            held(limit, now, 0.1, pool)
    assert held(SeriesThreshold(0.0), 300.0, 0.1, pool) > before + 2.0


def test_time_without_a_score_teaches_too() -> None:
    """Quiet weeks count although nothing asked for the limit meanwhile."""
    asked, elapsed = SeriesThreshold(0.0), SeriesThreshold(0.0)
    one, other = ThresholdPool(), ThresholdPool()
    for week in range(1, 11):
        elapsed.elapse(WARM_UP_HOURS + week * WEEK, one, TABLE)
        held(asked, WARM_UP_HOURS + week * WEEK, 0.1, other)
    assert state_codec.encode(elapsed) == state_codec.encode(asked)
    assert one.weeks == other.weeks == pytest.approx(10.0)


def test_years_of_silence_are_no_proof_of_health() -> None:
    """A time without a look counts as a week at most, however long it was."""
    limit, pool = SeriesThreshold(0.0), ThresholdPool()
    limit.elapse(WARM_UP_HOURS + 500 * WEEK, pool, TABLE)
    assert limit.weeks == pool.weeks == 1.0


def test_at_its_limit_a_series_expects_what_it_may_spend() -> None:
    """The pages a week that are expected at the limit are those that are allowed, or fewer."""
    limit, pool = SeriesThreshold(0.0), ThresholdPool()
    for per_week in (0.01, 0.1, 0.5):
        at_limit = limit.expected(held(limit, 400.0, per_week, pool), pool, TABLE)
        assert at_limit == pytest.approx(per_week, rel=0.01)
    assert limit.expected(LEVEL, pool, TABLE) == pytest.approx(limit.tail(TABLE)[0], rel=0.05)
