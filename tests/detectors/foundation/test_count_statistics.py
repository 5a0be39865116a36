"""Tail probabilities and intervals compared with the exact distributions."""

import math
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from detectors.foundation.count_statistics import (
    beta_binomial_tail,
    hours_of_starts,
    log_likelihood_ratio,
    negative_log_tail,
    ratio_interval,
    wilson_interval,
)
from detectors.foundation.prediction_band import TAIL, prediction_band

POISSON = 1e9
SIZES = (POISSON, 300.0, 20.0, 3.0, 1.0, 0.3)
MEANS = (0.01, 0.05, 0.2, 0.5, 1.0, 2.0, 5.0, 20.0, 100.0, 1000.0)


def exact(count: int, mean: float, size: float) -> float:
    """Return -log P(N >= count) from scipy."""
    if size == POISSON:
        return -float(stats.poisson.logsf(count - 1, mean))
    return -float(stats.nbinom.logsf(count - 1, size, size / (size + mean)))


def counts(mean: float) -> list[int]:
    """Return counts above *mean*, near it and far out."""
    multiples = (1.1, 1.3, 1.5, 2, 3, 5, 10)
    around = {*range(1, 12), *(int(mean * multiple) + 1 for multiple in multiples)}
    return sorted(count for count in around if count > mean)


@pytest.mark.parametrize(("mean", "size"), [*product(MEANS, SIZES)])
def test_the_tail_agrees_with_scipy(mean: float, size: float) -> None:
    """The value of -log p agrees to one in a hundred thousand wherever scipy is accurate."""
    compared = 0
    for count in counts(mean):
        right = exact(count, mean, size)
        if right < 600.0:
            assert negative_log_tail(count, mean, size) == pytest.approx(right, rel=1e-5)
            compared += 1
    assert compared >= 4


@pytest.mark.parametrize("mean", [0.001, 3.0, 1000.0])
def test_an_underflowing_tail_is_bounded(mean: float) -> None:
    """Below a tail of 1e-290 the value of -log p is at most 2 % too small and never too large.

    scipy has no logarithm for such tails: they lie between their first term and, since the terms
    shrink at least as fast as a geometric series, the first term over 1 - mean / count.
    """
    for multiple in (10, 30, 100, 1_000):
        count = int(mean * multiple) + 300
        first = -float(stats.poisson.logpmf(count, mean))
        assert first > 700.0
        found = negative_log_tail(count, mean, POISSON)
        assert 0.98 * first <= found <= first + math.log(1.0 - mean / count)


@pytest.mark.parametrize(("mean", "size"), [*product(MEANS, SIZES)])
def test_the_tail_grows_with_the_count(mean: float, size: float) -> None:
    """One more ticket never lowers -log p, also between whole numbers."""
    found = [negative_log_tail(step * (mean + 2) / 20, mean, size) for step in range(200)]
    assert all(low <= high + 1e-9 for low, high in pairwise(found) if high < 600.0)
    assert found[-1] > 1.0
    assert min(found[-50:]) >= min(600.0, found[-51])


def test_a_count_up_to_the_mean_has_no_score() -> None:
    """Up to the mean -log p is 0, so that only an excess scores."""
    assert negative_log_tail(0.0, 2.0, 5.0) == 0.0
    assert negative_log_tail(2.0, 2.0, 5.0) == 0.0
    assert all(negative_log_tail(2.0 + 0.01 * i, 2.0, 5.0) >= 0.0 for i in range(100))


def test_dispersion_lowers_the_score_of_a_count() -> None:
    """The higher the dispersion, the lower the score of the same count."""
    tails = [negative_log_tail(12, 3.0, size) for size in (1e9, 100.0, 10.0, 1.0, 0.1)]
    assert tails == sorted(tails, reverse=True)
    assert tails[0] > 2 * tails[-1]


@pytest.mark.parametrize(
    ("observed", "low", "high"),
    [(0, 0.0, 2.996), (1, 0.0513, 4.744), (10, 5.425, 16.962), (100, 84.139, 118.079)],
)
def test_without_variance_the_interval_is_that_of_garwood(
    observed: int, low: float, high: float
) -> None:
    """Without variance the interval is the exact 90 % interval of a Poisson mean."""
    assert ratio_interval(observed, 1.0, 0.0) == pytest.approx((low, high), abs=5e-4)
    assert ratio_interval(observed, 4.0, 0.0) == pytest.approx((low / 4, high / 4), abs=5e-4)


def test_the_interval_contains_the_ratio_and_widens_with_variance() -> None:
    """The interval contains observed / expected and widens with the variance of the mean."""
    before = 0.0
    for variance in (0.0, 0.01, 0.1, 0.5, 2.0):
        low, high = ratio_interval(20.0, 4.0, variance)
        assert low < 5.0 < high
        assert high - low > before
        before = high - low


@pytest.mark.parametrize(
    ("mean", "ratio", "variance"),
    [(3, 1, 0), (3, 3, 0), (10, 1.5, 0), (10, 3, 0.1), (30, 2, 0.1), (5, 4, 0.3), (40, 1, 0.05)],
)
def test_the_interval_has_its_nominal_coverage(mean: int, ratio: float, variance: float) -> None:
    """In 2,000 simulations 87 to 96 % of the intervals contain the true ratio."""
    rng = np.random.default_rng(5)
    runs = 2_000
    hits = 0
    for _ in range(runs):
        rate = mean * ratio * (rng.gamma(1 / variance, variance) if variance else 1.0)
        low, high = ratio_interval(float(rng.poisson(rate)), mean, variance)
        hits += low <= ratio <= high
    assert 0.87 <= hits / runs <= 0.96


def test_extreme_values_do_not_overflow() -> None:
    """Extreme counts, means and sizes give finite numbers."""
    for count, mean, size in ((1e7, 1e-9, 1e-3), (5.0, 1e-9, 1e12), (1e7, 9e6, 1e3)):
        assert math.isfinite(negative_log_tail(count, mean, size))
    assert all(math.isfinite(end) for end in ratio_interval(1e7, 1e-6, 50.0))


@pytest.mark.parametrize(("mean", "size"), [*product((0.05, 1.0, 20.0), SIZES)])
@pytest.mark.parametrize("multiple", [1.5, 3.0, 10.0])
def test_the_log_likelihood_ratio_agrees_with_scipy(
    mean: float, size: float, multiple: float
) -> None:
    """The ratio is the difference of the log probabilities of both distributions."""
    for count in (0, 1, 4, 30, 200):
        likely, usual = (
            float(stats.nbinom.logpmf(count, size, size / (size + m)))
            if size < POISSON
            else float(stats.poisson.logpmf(count, m))
            for m in (multiple * mean, mean)
        )
        found = log_likelihood_ratio(count, mean, size, multiple)
        assert found == pytest.approx(likely - usual, rel=1e-4, abs=1e-4)


def test_the_likelihood_ratio_grows_with_the_count() -> None:
    """The ratio grows more slowly the higher the dispersion."""
    for size in SIZES:
        found = [log_likelihood_ratio(count, 3.0, size, 4.0) for count in range(50)]
        assert found == sorted(found)
    steep = [log_likelihood_ratio(40, 3.0, size, 4.0) for size in SIZES]
    assert steep == sorted(steep, reverse=True)


def test_the_hours_of_starts_approximate_the_integral() -> None:
    """For a Poisson flood the Laplace approximation is near the integral over all starts.

    Tickets arrive evenly at five times the rate of two an hour for an hour, after a calm period.
    """
    rate, multiple, hours = 2.0, 5.0, 1.0
    count = rate * multiple * hours
    best = log_likelihood_ratio(count, rate * hours, POISSON, multiple)
    grid = np.arange(0.0, 20.0, 0.001)
    earlier = [
        log_likelihood_ratio(count + rate * g, rate * (hours + g), POISSON, multiple) for g in grid
    ]
    exact_hours = float(np.exp(np.array(earlier) - best).sum() * 0.001)
    found = hours_of_starts(count, rate * hours, POISSON, multiple, best, hours)
    assert found == pytest.approx(exact_hours, rel=0.25)


def test_the_hours_of_starts_are_finite_and_positive() -> None:
    """This holds for windows from a minute to weeks, with a handful to a million tickets."""
    for count, mean, size, hours in product(
        (4.0, 1e6), (1e-4, 5.0, 1e5), (0.1, 50.0, POISSON), (1 / 60, 3.0, 336.0)
    ):
        ratio = log_likelihood_ratio(count, mean, size, 2.0)
        found = hours_of_starts(count, mean, size, 2.0, ratio, hours)
        assert 0.0 < found <= 4.0 * max(hours, 6.0)


@given(
    trials=st.integers(0, 300),
    count=st.integers(-3, 310),
    a=st.floats(0.01, 200.0),
    b=st.floats(0.01, 2_000.0),
)
def test_the_beta_binomial_tail_agrees_with_scipy(
    trials: int, count: int, a: float, b: float
) -> None:
    """Both sum the same terms in the same order, so that all bits agree."""
    expected = float(stats.betabinom.sf(count - 1.0, trials, a, b))
    assert beta_binomial_tail(count, trials, a, b) == expected


@pytest.mark.parametrize(("hits", "trials"), [(0, 4), (4, 4), (1, 30), (120, 200)])
def test_the_interval_of_a_proportion_agrees_with_scipy(hits: int, trials: int) -> None:
    low, high = wilson_interval(hits, trials, 0.95)
    expected = stats.binomtest(hits, trials).proportion_ci(0.95, "wilson")
    assert math.isclose(low, expected.low, abs_tol=1e-12)
    assert math.isclose(high, expected.high, abs_tol=1e-12)


def test_the_normal_range_agrees_with_scipy() -> None:
    """Both ends are quantiles of scipy's negative binomial distribution."""
    means = [10.0**power for power in np.arange(-4.0, 4.0, 0.01)]
    for variance in (0.0, 0.01, 0.2, 1.0, 5.0):
        lows, highs = prediction_band(means, [variance] * len(means))
        size = 1.0 / max(variance, 1e-6)
        chance = size / (size + np.array(means))
        assert lows == np.asarray(stats.nbinom.ppf(TAIL, size, chance)).tolist()
        assert highs == np.asarray(stats.nbinom.ppf(1.0 - TAIL, size, chance)).tolist()
