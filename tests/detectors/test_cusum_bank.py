"""What is particular to the default model: windows, their variance, and the new normal."""

import pytest

from detectors.baseline import Profile
from detectors.models import Arrival, Score, Shared
from detectors.models.cusum_bank import LONGEST_WINDOW_HOURS, NEW_NORMAL_HOURS, CusumBank

HOUR = 3600.0
START = 96 * HOUR
GROWN = START + 8 * 168 * HOUR


@pytest.fixture
def model() -> CusumBank:
    """A model after eight weeks at two an hour, evenly."""
    model = CusumBank(Shared("UTC", int(START // 3600), Profile()), START)
    at = START
    while at < GROWN:
        model.observe(Arrival(at))
        at += 1_800.0
    return model


def flood(model: CusumBank, hours: float, rate: float, at: float = GROWN) -> list[Score]:
    """The scores of *rate* tickets an hour for some hours, evenly."""
    return [model.observe(Arrival(at + i * HOUR / rate)) for i in range(int(hours * rate))]


def test_the_window_starts_where_the_flood_does(model: CusumBank) -> None:
    """The start that is told is within minutes of the true one."""
    best = max(flood(model, 2.0, 20.0), key=lambda score: score.value)
    assert abs(best.since - GROWN) <= 1_800.0
    assert best.tickets == pytest.approx(40, abs=3)


@pytest.mark.parametrize("rate", [4.0, 6.0, 10.0, 20.0, 60.0])
def test_spikes_of_every_size_are_found(model: CusumBank, rate: float) -> None:
    """Small multiples are found late, large ones soon: all within a day."""
    scores = flood(model, 24.0, rate)
    first = next(i for i, score in enumerate(scores) if score.value > 3.0)
    assert first / rate < 80.0 / rate
    assert first / rate < 24.0


def test_steeper_is_sooner(model: CusumBank) -> None:
    """The steeper a spike, the fewer minutes until it scores."""
    data = model.encode()
    shared = Shared("UTC", int(START // 3600), Profile())
    delays = []
    for rate in (6.0, 12.0, 30.0, 120.0):
        scores = flood(CusumBank.restore(data, shared), 24.0, rate)
        delays.append(next(i for i, score in enumerate(scores) if score.value > 3.0) / rate)
    assert delays == sorted(delays, reverse=True)
    assert delays[-1] < 0.1


def test_noise_of_hours_averages_out_over_a_window(model: CusumBank) -> None:
    """A window over four hours has a quarter of the variance of one hour, not less."""
    baseline = model._state.baseline
    baseline.hour_weight, baseline.hour_moment = 1e12, 0.5e12
    baseline.day_weight, baseline.day_moment = 1e12, 0.0
    model.advance(GROWN + HOUR)
    assert baseline.hour_dispersion == pytest.approx(0.5, rel=0.01)
    last = flood(model, 4.0, 12.0, GROWN + HOUR)[-1]
    assert last.observed == pytest.approx(48, abs=2)
    assert last.variance - baseline.ignorance == pytest.approx(0.5 / 4, rel=0.25)


def test_a_young_model_is_slower_to_alarm(model: CusumBank) -> None:
    """The same flood is less surprising to a model that has seen only three days."""
    young = CusumBank(Shared("UTC", int(GROWN // 3600) - 72, Profile()), GROWN - 72 * HOUR)
    for number in range(144):
        young.observe(Arrival(GROWN - 72 * HOUR + number * 1_800.0))
    assert young.rate == pytest.approx(model.rate, rel=0.3)
    best, best_young = (
        max(flood(each, 1.0, 30.0), key=lambda score: score.value) for each in (model, young)
    )
    assert best.value > best_young.value + 3.0
    assert best_young.variance > best.variance + 0.5


def test_no_window_is_longer_than_four_days(model: CusumBank) -> None:
    """A window that has run for four days begins anew, so nothing is blamed on last week."""
    for day in range(12):
        for score in flood(model, 24.0, 2.6, GROWN + day * 24 * HOUR):
            if score.value > 0.0:
                at = GROWN + (day + 1) * 24 * HOUR
                assert at - score.since <= (LONGEST_WINDOW_HOURS + 24.0) * HOUR


def test_two_days_beyond_doubt_are_a_new_normal(model: CusumBank) -> None:
    """A level that has lasted for two days is expected from then on, and scores no more."""
    before = model.rate
    scores = flood(model, NEW_NORMAL_HOURS + 12.0, 8.0)
    assert max(score.value for score in scores) > 10.0
    assert model.rate == pytest.approx(4 * before, rel=0.4)
    later = flood(model, 48.0, 8.0, GROWN + (NEW_NORMAL_HOURS + 12.0) * HOUR)
    assert max(score.value for score in later) < 5.0
