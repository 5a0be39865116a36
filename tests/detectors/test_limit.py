"""From the alert budget to a limit: what raises it, what lowers it, and how far."""

import random

import pytest

from detectors import state_codec
from detectors.limit import (
    CLUSTER_HOURS,
    GUARD_HOURS,
    LEAST,
    LEVEL,
    MOST_EXCESSES,
    PRIOR_EXCESS,
    WARM_UP_HOURS,
    Limit,
)

WEEK = 168.0


def after(weeks: int, peaks_a_week: float, excess: float, per_week: float = 0.1) -> float:
    """The limit of a series that had so many peaks a week, each of the same *excess*."""
    limit = Limit(0.0)
    gap = WEEK / peaks_a_week
    at = WARM_UP_HOURS + 1.0
    while at < WARM_UP_HOURS + weeks * WEEK:
        limit.note(at, LEVEL + excess)
        limit.at(at, per_week)
        at += gap
    return limit.at(WARM_UP_HOURS + weeks * WEEK + GUARD_HOURS + 1.0, per_week)


def test_a_smaller_budget_is_a_higher_limit() -> None:
    """Ten times fewer false pages cost the mean excess times log 10."""
    limits = [Limit(0.0).at(400.0, per_week) for per_week in (0.01, 0.1, 1.0)]
    assert limits == sorted(limits, reverse=True)
    assert limits[0] - limits[1] == pytest.approx(PRIOR_EXCESS * 2.302585)


def test_the_limit_is_never_below_the_least() -> None:
    """Neither a huge budget nor years of silence bring the limit below its floor."""
    assert Limit(0.0).at(400.0, 1_000.0) == LEAST
    assert Limit(0.0).at(20 * 52 * WEEK, 1.0) == LEAST


def test_quiet_weeks_lower_the_limit() -> None:
    """A series whose score never peaks earns a lower limit, step by step."""
    limits = [Limit(0.0).at(WARM_UP_HOURS + weeks * WEEK, 0.05) for weeks in (0, 4, 12, 40)]
    assert limits == sorted(limits, reverse=True)
    assert limits[-1] < limits[0] - 2.0
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
        limit = Limit(0.0)
        limit.note(500.0, LEVEL + excess)
        return limit.at(500.0 + GUARD_HOURS + 1.0, 0.1)

    cap = MOST_EXCESSES * PRIOR_EXCESS
    assert with_peak(500.0) == with_peak(cap)
    assert with_peak(cap) > with_peak(cap - 1.0)
    assert with_peak(500.0) < with_peak(0.0) + 2.0


def test_a_cluster_is_one_peak() -> None:
    """Scores no more than six hours apart are one cluster, and its highest score is what counts."""
    many, one = Limit(0.0), Limit(0.0)
    for minute in range(300):
        many.note(500.0 + minute / 60.0, LEVEL + (3.0 if minute == 150 else 0.5))
    one.note(500.0, LEVEL + 3.0)
    assert many.at(540.0, 0.1) == one.at(540.0, 0.1)
    apart = Limit(0.0)
    apart.note(500.0, LEVEL + 3.0)
    apart.note(500.0 + CLUSTER_HOURS + 0.1, LEVEL + 3.0)
    assert apart.at(540.0, 0.1) > one.at(540.0, 0.1)
    assert apart.peaks == 2.0


def test_a_cluster_that_runs_is_not_learned() -> None:
    """A cluster longer than a day teaches when it is over: its peak may still come."""
    limit = Limit(0.0)
    for hour in range(40):
        limit.note(500.0 + hour, LEVEL + 1.0)
    limit.at(539.0, 0.1)
    assert limit.peaks == 0.0
    limit.at(539.0 + CLUSTER_HOURS + 0.1, 0.1)
    assert limit.peaks == 1.0


def test_a_peak_teaches_when_it_is_a_day_old() -> None:
    """What pages now must not raise the bar it is judged by."""
    limit = Limit(0.0)
    before = limit.at(500.0, 0.1)
    limit.note(500.0, LEVEL + 5.0)
    assert limit.at(500.0 + GUARD_HOURS, 0.1) <= before
    assert limit.at(500.0 + GUARD_HOURS + 0.1, 0.1) > before


def test_peaks_of_the_first_two_weeks_teach_nothing() -> None:
    """While the baseline is a guess its peaks say nothing of the series."""
    early, none = Limit(0.0), Limit(0.0)
    for day in range(14):
        early.note(day * 24.0, LEVEL + 5.0)
    assert early.at(400.0, 0.1) == none.at(400.0, 0.1)
    assert early.recent == []


def test_scores_below_the_level_are_no_peaks() -> None:
    """A score that chance alone brings every week is not noted."""
    limit = Limit(0.0)
    limit.note(500.0, LEVEL - 0.1)
    limit.note(500.0, -99.0)
    assert limit.recent == []


def test_the_state_stays_small() -> None:
    """Years of peaks leave a state of a few dozen bytes."""
    rng = random.Random(3)
    limit, at = Limit(0.0), 0.0
    for _ in range(20_000):
        at += rng.expovariate(0.5)
        limit.note(at, rng.expovariate(0.5))
        limit.at(at, 0.1)
    assert len(state_codec.encode(limit)) < 300


def test_instances_share_nothing() -> None:
    """What one limit notes no other knows of."""
    one, other = Limit(0.0), Limit(0.0)
    one.note(500.0, 3.0)
    assert other.recent == []


def test_the_limit_is_passed_as_often_as_the_budget_allows() -> None:
    """Peaks with an exponential tail pass their learned limit about as often as was asked for."""
    rng = random.Random(11)
    limit, at, pages, per_week = Limit(0.0), 0.0, 0, 0.5
    weeks = 400
    while at < weeks * WEEK:
        at += CLUSTER_HOURS + rng.expovariate(5.0 / WEEK)
        score = LEVEL + rng.expovariate(1 / 2.5)
        now = limit.at(at, per_week)
        limit.note(at, score)
        pages += score >= now and at > WARM_UP_HOURS + 20 * WEEK
    assert 0.25 <= pages / (weeks - 22) <= 1.0
