"""Properties of the default model: its windows, their variance, and the new normal."""

import math
import random

import pytest

from detectors.models import Arrival, Score
from detectors.models.cusum_bank import LONGEST_HOURS, NEW_NORMAL_HOURS, CusumBank
from detectors.models.seasonal_profile import Context, Profile

HOUR = 3600.0
START = 96 * HOUR
GROWN = START + 8 * 168 * HOUR


def new_context(start: float = START) -> Context:
    """Return the context of an area of a tenant that began at *start*."""
    return Context(profile=Profile(), tenant_born=int(start // 3600), area="login")


@pytest.fixture
def model() -> CusumBank:
    """Return a model after eight weeks at two evenly spaced tickets an hour."""
    model = CusumBank(new_context(), START)
    at = START
    while at < GROWN:
        model.observe(Arrival(at))
        at += 1_800.0
    return model


def flood(model: CusumBank, hours: float, rate: float, at: float = GROWN) -> list[Score]:
    """Return the scores of evenly spaced tickets at *rate* an hour."""
    return [model.observe(Arrival(at + i * HOUR / rate)) for i in range(int(hours * rate))]


def test_the_window_starts_with_the_flood(model: CusumBank) -> None:
    """The reported start is within minutes of the true one."""
    best = max(flood(model, 2.0, 20.0), key=lambda score: score.value)
    assert abs(best.since - GROWN) <= 1_800.0
    assert best.tickets == pytest.approx(40, abs=3)


@pytest.mark.parametrize("rate", [4.0, 6.0, 10.0, 20.0, 60.0])
def test_spikes_of_every_size_are_found(model: CusumBank, rate: float) -> None:
    """Large multiples are found quickly and small ones within a day."""
    scores = flood(model, 24.0, rate)
    first = next(i for i, score in enumerate(scores) if score.value > 3.0)
    assert first / rate < 80.0 / rate
    assert first / rate < 24.0


def test_a_steeper_spike_is_found_sooner(model: CusumBank) -> None:
    """The steeper a spike, the fewer minutes until it scores."""
    data = model.encode()
    delays = []
    for rate in (6.0, 12.0, 30.0, 120.0):
        scores = flood(CusumBank.restore(data, new_context()), 24.0, rate)
        delays.append(next(i for i, score in enumerate(scores) if score.value > 3.0) / rate)
    assert delays == sorted(delays, reverse=True)
    assert delays[-1] < 0.1


@pytest.mark.slow
def test_chance_scores_as_rarely_as_stated() -> None:
    """With a known rate a score of s is passed at most once in e^s weeks, for s = 1 and 2.

    The Shiryaev-Roberts statistic minus the time is a martingale at any rate. The baseline of each
    series is pinned, so that its rate is known.
    """
    for seed, rate in ((1, 0.2), (2, 2.0), (3, 20.0)):
        rng = random.Random(seed)
        model = CusumBank(new_context(), START)
        baseline = model._state.baseline
        passed = {1.0: 0, 2.0: 0}
        at, weeks = START, 300 if rate < 10.0 else 30
        week_of_last = dict.fromkeys(passed, -1.0)
        while at < START + weeks * 168 * HOUR:
            at += rng.expovariate(rate / HOUR)
            if at // HOUR > baseline.hour:
                baseline.observed, baseline.expected = 1e6 * rate, 1e6
                baseline.pending.clear()
                baseline.learned = int(at // HOUR)
                baseline.hour_dispersion = baseline.day_dispersion = 1e-4
                model.advance(at)
                baseline.ignorance = 1e-5
            value = model.observe(Arrival(at)).value
            crossed = [bound for bound in passed if value > bound]
            for bound in crossed:
                if at - week_of_last[bound] > 24 * HOUR:
                    passed[bound] += 1
                week_of_last[bound] = at
        for bound, count in passed.items():
            allowed = weeks * math.exp(-bound)
            assert count <= allowed + 3.0 * math.sqrt(allowed), (rate, bound)


def test_the_dispersion_of_hours_averages_out_over_a_window(model: CusumBank) -> None:
    """A window of four hours has a quarter of the variance of one hour, not less."""
    model.advance(GROWN + HOUR)
    baseline = model._state.baseline
    baseline.hour_dispersion, baseline.day_dispersion = 0.5, 1e-6
    model._look()
    last = flood(model, 4.0, 12.0, GROWN + HOUR)[-1]
    assert last.observed == pytest.approx(48, abs=2)
    assert last.variance - baseline.ignorance == pytest.approx(0.5 / 4, rel=0.25)


def test_the_dispersion_of_days_does_not_average_out_within_a_day(model: CusumBank) -> None:
    """A window of four hours has the variance of a day, reduced by the count of the morning."""
    model.advance(GROWN + HOUR)
    baseline = model._state.baseline
    baseline.hour_dispersion, baseline.day_dispersion = 0.003, 0.2
    model._look()
    last = flood(model, 4.0, 12.0, GROWN + HOUR)[-1]
    rest = last.variance - baseline.ignorance
    assert 0.1 < rest <= 0.2 + 0.003


def test_a_busy_morning_lowers_the_score_of_a_busy_noon(model: CusumBank) -> None:
    """If days differ, the count of today before the window raises the expected count."""
    found = []
    for morning in (2.0, 2.8):
        each = CusumBank.restore(model.encode(), new_context())
        each.advance(GROWN)
        each._state.baseline.day_dispersion = 0.2
        flood(each, 8.0, morning)
        each.restart()
        found.append(flood(each, 1.0, 24.0, GROWN + 8 * HOUR)[-1])
    assert found[1].expected > 1.05 * found[0].expected
    assert found[1].value < found[0].value


def test_a_young_model_is_slower_to_alarm(model: CusumBank) -> None:
    """The same flood scores lower in a model that has seen only three days."""
    born = GROWN - 72 * HOUR
    young = CusumBank(new_context(born), born)
    for number in range(144):
        young.observe(Arrival(born + number * 1_800.0))
    assert young.rate == pytest.approx(model.rate, rel=0.3)
    best, best_young = (
        max(flood(each, 1.0, 30.0), key=lambda score: score.value) for each in (model, young)
    )
    assert best.value > best_young.value + 3.0
    assert young.variance(1.0) > model.variance(1.0) + 0.5


def test_no_window_is_longer_than_its_bound(model: CusumBank) -> None:
    """A window restarts at its maximum length, so that it never reaches back to last month."""
    longest = max(LONGEST_HOURS)
    for day in range(20):
        for score in flood(model, 24.0, 2.6, GROWN + day * 24 * HOUR):
            if score.value > 0.0:
                at = GROWN + (day + 1) * 24 * HOUR
                assert at - score.since <= (longest + 24.0) * HOUR


def test_a_level_that_lasts_for_two_days_is_a_new_normal(model: CusumBank) -> None:
    """After two clear days the level is expected and scores no more."""
    before = model.rate
    scores = flood(model, NEW_NORMAL_HOURS + 12.0, 8.0)
    assert max(score.value for score in scores) > 10.0
    assert model.rate == pytest.approx(4 * before, rel=0.4)
    later = flood(model, 48.0, 8.0, GROWN + (NEW_NORMAL_HOURS + 12.0) * HOUR)
    assert max(score.value for score in later) < 5.0


def test_a_withdrawn_flood_neither_scores_nor_is_learned(model: CusumBank) -> None:
    """A flood that is withdrawn ticket by ticket leaves no score and no change of rate."""
    calm = CusumBank.restore(model.encode(), new_context())
    scores = flood(model, 1.0, 20.0)
    assert scores[-1].value > 3.0
    for i in range(20):
        model.withdraw(GROWN + i * HOUR / 20.0, 1.0)
    assert max(score.value for score in flood(model, 0.5, 6.0, GROWN + HOUR)) < 0.0
    for each in (model, calm):
        each.advance(GROWN + 72 * HOUR)
    assert calm.rate * 0.95 <= model.rate <= calm.rate * 1.05


def test_no_window_spans_a_feed_gap(model: CusumBank) -> None:
    """After a feed gap the windows restart, and the hours of the gap are not learned."""
    flood(model, 0.1, 60.0)
    rate = model.rate
    model.mark_gap(GROWN + 0.1 * HOUR, GROWN + 30 * HOUR)
    score = model.observe(Arrival(GROWN + 30 * HOUR))
    assert score.value < 0.0
    model.advance(GROWN + 72 * HOUR)
    assert model.rate == pytest.approx(rate, rel=0.25)


def test_an_adopted_model_keeps_its_share_of_the_rate(model: CusumBank) -> None:
    """A model that adopts half of another's history expects half of its rate."""
    heir = CusumBank(new_context(), GROWN)
    model.advance(GROWN)
    heir.inherit(model, 0.5)
    assert heir.rate == pytest.approx(0.5 * model.rate, rel=0.1)
    assert heir.variance(6.0) < 0.3
