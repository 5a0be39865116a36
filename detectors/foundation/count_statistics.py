"""Tail probabilities, likelihood ratios and intervals for counts."""

import math
from typing import Final

import numpy as np
from scipy.special import betaln, gammaincinv, ndtri
from scipy.special.cython_special import betainc  # scalar function: 4 times faster than the ufunc

LEAST_TAIL: Final = 1e-290


def negative_log_tail(count: float, mean: float, size: float) -> float:
    """Return -log P(N >= count) for a negative binomial N.

    Args:
        count: Where the tail begins, above 0; between whole numbers the tail is interpolated.
        mean: Mean of N, above 0.
        size: Size (the inverse of the dispersion) of N, above 0; the variance of N is mean +
            mean^2 / size.

    Returns:
        Negative natural logarithm of the tail; 0 if *count* is not above the mean. For tails below
        1e-290, which cannot be distinguished from 0, the result is Chernoff's bound.

    Source: the tail is a regularised incomplete beta function, DLMF 8.17.

    Example:
        >>> round(negative_log_tail(10, 2.0, 1e9), 2)  # a Poisson
        9.98
        >>> negative_log_tail(1, 2.0, 1e9)
        0.0
    """
    if count <= mean:
        return 0.0
    tail = betainc(float(count), float(size), mean / (mean + size))
    if tail > LEAST_TAIL:
        return -math.log(tail)
    return count * math.log(count / mean) - (count + size) * math.log(
        (count + size) / (mean + size)
    )


def log_likelihood_ratio(count: float, mean: float, size: float, multiple: float) -> float:
    """Return the log likelihood ratio of a count: a multiple of the mean against the mean.

    Args:
        count: Observed.
        mean: Mean of a negative binomial, above 0.
        size: Size (the inverse of the dispersion) of the negative binomial, above 0; the same under
            both hypotheses.
        multiple: Multiple of the mean under the alternative, above 1.

    Example:
        >>> round(log_likelihood_ratio(10, 2.0, 1e9, 5.0), 2)  # a Poisson: n log m - (m - 1) M
        8.09
        >>> round(log_likelihood_ratio(10, 2.0, 10.0, 5.0), 2)
        5.88
    """
    return count * math.log(multiple) - (count + size) * math.log(
        (multiple * mean + size) / (mean + size)
    )


def beta_binomial_tail(count: int, trials: int, a: float, b: float) -> float:
    """Return P(N >= count) for a beta-binomial N.

    `scipy.stats.betabinom` computes the same sum, and the tests compare the two; importing
    `scipy.stats` would take half of a process's start-up time.

    Args:
        count: Where the tail begins.
        trials: Number of trials, 0 or more.
        a: First shape of the beta distribution, above 0.
        b: Second shape, above 0.

    Returns:
        A probability, 0 to 1.

    Source: Johnson, Kemp and Kotz, Univariate Discrete Distributions (2005), section 6.2.2.

    Example:
        >>> beta_binomial_tail(8, 10, 1.0, 1.0)  # a uniform share: each count is equally likely
        0.2727
    """
    if count <= 0:
        return 1.0
    if count > trials:
        return 0.0
    below = np.arange(count, dtype=float)
    log_chances = (
        -np.log(trials + 1)
        - betaln(trials - below + 1, below + 1)
        + betaln(below + a, trials - below + b)
        - betaln(a, b)
    )
    return min(max(1.0 - float(np.sum(np.exp(log_chances))), 0.0), 1.0)


def wilson_interval(hits: int, trials: int, confidence: float) -> tuple[float, float]:
    """Return the confidence interval of a proportion.

    `scipy.stats.binomtest` computes the same interval; see `beta_binomial_tail` for why it is not
    imported.

    Args:
        hits: Number of hits, 0 to *trials*.
        trials: Number of trials, above 0.
        confidence: Confidence of the interval, above 0 and below 1.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".

    Example:
        >>> low, high = wilson_interval(9, 10, 0.95)
        >>> round(low, 2), round(high, 2)
        (0.6, 0.98)
    """
    z = float(ndtri(0.5 + 0.5 * confidence))
    width = 2.0 * (trials + z * z)
    center = (2.0 * hits + z * z) / width
    reach = z / width * math.sqrt(4.0 * hits * (1.0 - hits / trials) + z * z)
    return center - reach if hits else 0.0, center + reach if hits < trials else 1.0


EARLIER: Final = (0.25, 6.0)
"""How much earlier a start is tried: by this share of the window's length, but by no more than this
many hours."""


def hours_of_starts(
    count: float, mean: float, size: float, multiple: float, ratio: float, hours: float
) -> float:
    """Return the width, in hours, of the range of starts about as likely as a window's own start.

    The width follows from how fast the log likelihood ratio falls if the window begins earlier and
    only the expected count is observed in the added time. With it, one window represents a sum over
    all starts (Shiryaev-Roberts), as in Laplace's method for integrals.

    Args:
        count: Observed in the window.
        mean: Expected in the window.
        size: As in `log_likelihood_ratio`.
        multiple: As in `log_likelihood_ratio`.
        ratio: The log likelihood ratio of the window.
        hours: Length of the window, in hours.

    Example:
        >>> round(hours_of_starts(10, 2.0, 1e9, 5.0, 8.09, 1.0), 2)
        0.21
    """
    earlier = min(EARLIER[0] * hours, EARLIER[1])
    more = mean * earlier / hours
    lower = log_likelihood_ratio(count + more, mean + more, size, multiple)
    return earlier / max(ratio - lower, EARLIER[0])


def ratio_interval(observed: float, expected: float, variance: float) -> tuple[float, float]:
    """Return a 90% interval of the true rate over the expected rate.

    Args:
        observed: Customer-equivalents counted.
        expected: Expected customer-equivalents, above 0.
        variance: Relative variance of the expectation (dispersion and uncertainty); 0 for a plain
            Poisson.

    Returns:
        Low and high end. Without variance, this is the exact interval of Garwood 1936 for a Poisson
        mean; else a gamma interval whose shape is the effective count, reduced by the variance.

    Example:
        >>> low, high = ratio_interval(10, 2.0, 0.0)
        >>> round(low, 2), round(high, 2)
        (2.71, 8.48)
    """
    low = high = 0.0
    if observed > 0:
        worth = 1.0 / (1.0 / observed + variance)
        low = float(gammaincinv(worth, 0.05)) / worth * observed / expected
    above = observed + 1.0
    worth = 1.0 / (1.0 / above + variance)
    high = float(gammaincinv(worth, 0.95)) / worth * above / expected
    return low, high
