"""The threshold of a series: how it follows from the alert budget, and what changes it."""

import math
import random

import pytest

from detectors.foundation import state_codec
from detectors.state.score_tail import LEVEL, ThresholdPool
from detectors.state.threshold import (
    AFTERMATH_HOURS,
    CLUSTER_HOURS,
    GUARD_HOURS,
    LEAST,
    MOST_EXCESSES,
    MOST_STEP,
    OVERSHOOT_SHARE,
    STEP,
    TENANT_STEP,
    WARM_UP_HOURS,
    SeriesThreshold,
)
from detectors.state.threshold_priors import Prior

WEEK = 168.0
TABLE = Prior(per_week=4.0, excess=1.0)


def threshold_at(
    limit: SeriesThreshold, hours: float, per_week: float, pool: ThresholdPool | None = None
) -> float:
    """Return the threshold at that time, updated once a week, in a pool without other peaks."""
    pool = pool or ThresholdPool()
    at = max(limit.counted, limit.born + WARM_UP_HOURS) + WEEK
    while at < hours:
        limit.elapse(at, per_week, pool, TABLE)
        at += WEEK
    return limit.at(hours, per_week, pool, TABLE)


def threshold_after(weeks: int, peaks_a_week: float, excess: float, per_week: float = 0.1) -> float:
    """Return the threshold of a series after weekly peaks of the same *excess*."""
    limit = SeriesThreshold(0.0)
    gap = WEEK / peaks_a_week
    at = WARM_UP_HOURS + 1.0
    while at < WARM_UP_HOURS + weeks * WEEK:
        limit.note(at, LEVEL + excess)
        threshold_at(limit, at, per_week)
        at += gap
    return threshold_at(limit, WARM_UP_HOURS + weeks * WEEK + GUARD_HOURS + 1.0, per_week)


def test_a_smaller_budget_raises_the_threshold() -> None:
    """A tenth of the false pages costs the mean excess times log 10."""
    limits = [threshold_at(SeriesThreshold(0.0), 400.0, per_week) for per_week in (0.01, 0.1, 1.0)]
    assert limits == sorted(limits, reverse=True)
    assert limits[0] - limits[1] == pytest.approx(TABLE.excess * 2.302585)


def test_the_threshold_has_a_lower_bound() -> None:
    """Neither a huge budget nor years of silence lower the threshold below its bound."""
    assert threshold_at(SeriesThreshold(0.0), 400.0, 1_000.0) == LEAST
    assert threshold_at(SeriesThreshold(0.0), 20 * 52 * WEEK, 1.0) == LEAST


def test_quiet_weeks_lower_the_threshold() -> None:
    """Each quiet week lowers the threshold of a series whose score never peaks."""
    limits = [
        threshold_at(SeriesThreshold(0.0), WARM_UP_HOURS + weeks * WEEK, 0.05)
        for weeks in (0, 4, 12, 60)
    ]
    assert limits == sorted(limits, reverse=True)
    assert limits[-1] < limits[0] - 1.5
    assert limits[-1] >= LEAST


def test_frequent_peaks_raise_the_threshold() -> None:
    """A series that peaks more often than the prior expects gets a higher threshold."""
    assert (
        threshold_after(12, peaks_a_week=12, excess=1.7)
        > threshold_after(12, peaks_a_week=4, excess=1.7) + 0.5
    )


def test_higher_peaks_raise_the_threshold() -> None:
    """A series with higher healthy peaks gets a higher threshold."""
    assert (
        threshold_after(12, peaks_a_week=4, excess=3.0)
        > threshold_after(12, peaks_a_week=4, excess=1.7) + 1.0
    )


def test_the_peak_of_an_incident_is_hardly_learned() -> None:
    """Peaks so high that an incident must have caused them are hardly learned."""

    def with_peak(excess: float) -> float:
        limit = SeriesThreshold(0.0)
        limit.note(500.0, LEVEL + excess)
        return threshold_at(limit, 500.0 + GUARD_HOURS + 1.0, 0.1)

    assert with_peak(500.0) <= with_peak(MOST_EXCESSES * TABLE.excess)
    without = threshold_at(SeriesThreshold(0.0), 525.0, 0.1)
    assert with_peak(500.0) == pytest.approx(without, abs=0.1)
    assert with_peak(2.0) > with_peak(500.0)


def test_a_cluster_of_scores_is_one_peak() -> None:
    """Scores at most six hours apart form one peak with the highest of their values."""
    many, one = SeriesThreshold(0.0), SeriesThreshold(0.0)
    for minute in range(300):
        many.note(500.0 + minute / 60.0, LEVEL + (3.0 if minute == 150 else 0.5))
    one.note(500.0, LEVEL + 3.0)
    assert threshold_at(many, 540.0, 0.1) == threshold_at(one, 540.0, 0.1)
    apart = SeriesThreshold(0.0)
    apart.note(500.0, LEVEL + 3.0)
    apart.note(500.0 + CLUSTER_HOURS + 0.1, LEVEL + 3.0)
    assert threshold_at(apart, 540.0, 0.1) > threshold_at(one, 540.0, 0.1)
    assert apart.peaks == pytest.approx(2.0 * one_peak(3.0), rel=0.1)


def one_peak(excess: float) -> float:
    """Return the weight with which a single peak is learned."""
    limit = SeriesThreshold(0.0)
    limit.note(500.0, LEVEL + excess)
    threshold_at(limit, 540.0, 0.1)
    return limit.peaks


def test_a_running_cluster_is_not_learned() -> None:
    """A cluster longer than a day is learned when it ends, since its peak may still follow."""
    limit = SeriesThreshold(0.0)
    for hour in range(40):
        limit.note(500.0 + hour, LEVEL + 1.0)
    threshold_at(limit, 539.0, 0.1)
    assert limit.peaks == 0.0
    threshold_at(limit, 539.0 + CLUSTER_HOURS + 0.1, 0.1)
    assert 0.9 < limit.peaks <= 1.0


def test_a_peak_is_learned_after_a_day() -> None:
    """A peak must not raise the threshold that it is compared with."""
    limit, pool = SeriesThreshold(0.0), ThresholdPool()
    before = threshold_at(limit, 500.0, 0.1, pool)
    limit.note(500.0, LEVEL + 5.0)
    assert threshold_at(limit, 500.0 + GUARD_HOURS, 0.1, pool) <= before
    assert threshold_at(limit, 500.0 + GUARD_HOURS + 0.1, 0.1, pool) > before


def test_peaks_of_the_warm_up_are_not_learned() -> None:
    """Peaks of the first two weeks reflect the uncertain baseline, not the series."""
    early, none = SeriesThreshold(0.0), SeriesThreshold(0.0)
    for day in range(14):
        early.note(day * 24.0, LEVEL + 5.0)
    assert threshold_at(early, 400.0, 0.1) == threshold_at(none, 400.0, 0.1)
    assert early.recent == []


def test_scores_below_the_level_are_no_peaks() -> None:
    """A score that chance alone reaches every week is not recorded."""
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
        threshold_at(limit, at, 0.1)
    assert len(state_codec.encode(limit)) < 300


def test_series_thresholds_are_independent() -> None:
    """Recording a peak of one series does not change another."""
    one, other = SeriesThreshold(0.0), SeriesThreshold(0.0)
    one.note(500.0, 3.0)
    assert other.recent == []


def test_the_threshold_is_passed_as_often_as_the_budget_allows() -> None:
    """Peaks with an exponential tail pass the learned threshold about as often as requested."""
    rng = random.Random(11)
    limit, pool, at, pages, per_week = SeriesThreshold(0.0), ThresholdPool(), 0.0, 0, 0.5
    weeks = 400
    while at < weeks * WEEK:
        at += CLUSTER_HOURS + rng.expovariate(5.0 / WEEK)
        score = LEVEL + rng.expovariate(1 / 2.5)
        now = threshold_at(limit, at, per_week, pool)
        limit.note(at, score)
        pages += score >= now and at > WARM_UP_HOURS + 20 * WEEK
    assert 0.25 <= pages / (weeks - 22) <= 1.0


def test_a_heavy_tail_raises_the_threshold() -> None:
    """Of two series with as many peaks and the same mean, the heavier tail gets more."""
    mild, wild = SeriesThreshold(0.0), SeriesThreshold(0.0)
    for number in range(200):
        now = WARM_UP_HOURS + 1.0 + number * 20.0
        mild.note(now, 1.0)
        wild.note(now, 3.4 if number % 5 == 0 else 0.4)
        threshold_at(mild, now, 0.05)
        threshold_at(wild, now, 0.05)
    assert wild.excess == pytest.approx(mild.excess, rel=0.1)
    assert threshold_at(wild, now + 50.0, 0.05) > threshold_at(mild, now + 50.0, 0.05) + 0.5


def settle(limit: SeriesThreshold, at: float, height: float, per_week: float = 0.1) -> float:
    """Settle a page in a pool of its own and return the chance that it was false."""
    pool = ThresholdPool()
    crossed = limit.now(at, per_week, pool, TABLE)
    doubt, step = limit.settle(at, height, crossed, per_week, pool, TABLE)
    limit.raise_by(at, doubt * step, per_week)
    return doubt


def test_a_page_raises_the_threshold_and_time_lowers_it_again() -> None:
    """A raise fades with the time constant of one allowed page."""
    limit, pool = SeriesThreshold(0.0), ThresholdPool()
    before = limit.now(300.0, 0.5, pool, TABLE)
    limit.raise_by(300.0, STEP, 0.5)
    assert limit.now(300.0, 0.5, pool, TABLE) == pytest.approx(before + STEP)
    later = limit.now(300.0 + 2 * WEEK, 0.5, pool, TABLE)
    assert later - before == pytest.approx(STEP / math.e)


def test_three_true_incidents_leave_the_threshold_as_it_was() -> None:
    """The peaks of incidents are beyond doubt, so they teach no caution."""
    limit, pool = SeriesThreshold(0.0), ThresholdPool()
    before = threshold_at(limit, WARM_UP_HOURS + 8 * WEEK, 0.05, pool)
    for week in range(3):
        at = WARM_UP_HOURS + (8 + 2 * week) * WEEK
        assert settle(limit, at, 12.0 + 5.0 * week, 0.05) < 0.01
    after = threshold_at(limit, WARM_UP_HOURS + 14 * WEEK, 0.05, pool)
    assert after <= before + 0.3


def test_a_page_just_above_its_threshold_is_probably_false() -> None:
    """Its height is as likely for the tail of healthy scores."""
    limit = SeriesThreshold(0.0)
    crossed = limit.now(400.0, 0.1, ThresholdPool(), TABLE)
    assert settle(limit, 400.0, crossed + 0.1) > 0.5
    assert limit.raised > 0.5 * STEP


def test_a_false_page_raises_the_threshold_by_a_share_of_its_overshoot() -> None:
    """A tail that is far heavier than the learned one needs few pages, not twenty."""
    limit = SeriesThreshold(0.0)
    limit.incidents = 1e9  # so that no further peak can be an incident
    crossed = limit.now(400.0, 0.1, ThresholdPool(), TABLE)
    assert settle(limit, 400.0, crossed + 40.0) == pytest.approx(1.0)
    assert limit.raised == pytest.approx(MOST_STEP * TABLE.excess)
    other = SeriesThreshold(0.0)
    other.incidents = 1e9
    settle(other, 400.0, crossed + 4.0)
    assert other.raised == pytest.approx(OVERSHOOT_SHARE * 4.0)


def test_a_series_that_pages_all_the_time_is_doubted() -> None:
    """The number of incidents that a series can have is bounded, so its doubts grow."""
    limit = SeriesThreshold(0.0)
    doubts = [settle(limit, WARM_UP_HOURS + 50.0 * n, 30.0) for n in range(20)]
    assert doubts[0] < 0.01
    assert doubts[-1] > 0.7


def test_scores_of_the_aftermath_are_not_recorded() -> None:
    """An episode drops its own cluster and mutes the day after it."""
    limit = SeriesThreshold(0.0)
    limit.note(400.0, 1.0)
    limit.note(490.0, 2.0)
    limit.note(500.0, 9.0)
    limit.drop(499.0, 500.5)
    assert [began for began, _ in limit.recent] == [400.0, 490.0]
    limit.mute(510.0)
    limit.note(510.0 + AFTERMATH_HOURS - 1.0, 5.0)
    assert len(limit.recent) == 2
    limit.note(510.0 + AFTERMATH_HOURS, 5.0)
    assert len(limit.recent) == 3


def test_unspent_pages_lower_the_threshold_and_overspent_ones_raise_it() -> None:
    """Each page of the tenant's account counts `TENANT_STEP` mean excesses."""
    limit, pool = SeriesThreshold(0.0), ThresholdPool()
    plain = limit.reckon(400.0, 0.1, pool, TABLE)
    unspent = limit.reckon(400.0, 0.1, pool, TABLE, overspent=-3.0)
    overspent = limit.reckon(400.0, 0.1, pool, TABLE, overspent=4.0)
    assert unspent.limit == pytest.approx(plain.limit - 3.0 * TENANT_STEP * TABLE.excess)
    assert overspent.by_tenant == pytest.approx(4.0 * TENANT_STEP * TABLE.excess)


def test_a_series_with_a_heavy_tail_stays_within_its_budget() -> None:
    """Peaks with a Pareto tail of shape 0.8 spend at most twice the allowed budget."""
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
        crossed = threshold_at(limit, now, per_week, pool)
        if score >= crossed:
            doubt, step = limit.settle(now, score, crossed, per_week, pool, TABLE)
            limit.raise_by(now, doubt * step, per_week)
            pages += now > 20 * WEEK
        else:
            limit.note(now, score)
    assert pages / (weeks - 20) <= 2.0 * per_week


def test_series_of_a_class_learn_from_each_other() -> None:
    """The peaks of nine noisy series raise the threshold of a new series of the same class."""
    pool = ThresholdPool()
    before = threshold_at(SeriesThreshold(0.0), 300.0, 0.1, pool)
    for _ in range(9):
        limit = SeriesThreshold(0.0)
        for number in range(100):
            now = WARM_UP_HOURS + 1.0 + number * 20.0
            limit.note(now, 2.5)
            threshold_at(limit, now, 0.1, pool)
    assert threshold_at(SeriesThreshold(0.0), 300.0, 0.1, pool) > before + 2.0


def test_time_without_a_score_is_learned() -> None:
    """Quiet weeks count although nothing asked for the threshold meanwhile."""
    read_weekly, never_read = SeriesThreshold(0.0), SeriesThreshold(0.0)
    pool_never_read, pool_read_weekly = ThresholdPool(), ThresholdPool()
    for week in range(1, 11):
        never_read.elapse(WARM_UP_HOURS + week * WEEK, 0.1, pool_never_read, TABLE)
        threshold_at(read_weekly, WARM_UP_HOURS + week * WEEK, 0.1, pool_read_weekly)
    assert state_codec.encode(never_read) == state_codec.encode(read_weekly)
    assert pool_never_read.weeks == pool_read_weekly.weeks == pytest.approx(10.0)


def test_a_long_silence_counts_as_a_week_at_most() -> None:
    """A time without updates counts as at most a week, however long it was."""
    limit, pool = SeriesThreshold(0.0), ThresholdPool()
    limit.elapse(WARM_UP_HOURS + 500 * WEEK, 0.1, pool, TABLE)
    assert limit.weeks == pool.weeks == 1.0


def test_the_expected_pages_at_the_threshold_fit_the_budget() -> None:
    """The expected pages a week at the threshold are at most the allowed ones."""
    limit, pool = SeriesThreshold(0.0), ThresholdPool()
    for per_week in (0.01, 0.1, 0.5):
        at_limit = limit.expected(threshold_at(limit, 400.0, per_week, pool), pool, TABLE)
        assert at_limit == pytest.approx(per_week, rel=0.01)
    assert limit.expected(LEVEL, pool, TABLE) == pytest.approx(limit.tail(TABLE)[0], rel=0.05)
