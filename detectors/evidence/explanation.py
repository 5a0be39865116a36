"""The drivers of an episode: values that are over-represented against its area's usual tickets.

Let n be the number of tickets in the episode, and o the number of those with a value whose usual
share is s. The value is a driver if

- its share of the excess, (o - s x expected) / (n - expected), is at least `LEAST_SHARE`;
- chance alone would rarely do this: the upper tail of a beta-binomial, whose variance covers the
  uncertainty and the clumping of the share, times the number of values tried (Bonferroni), is small
  enough. The bound grows with the number of tickets: 5 % for 7 tickets, at most `MOST_CHANCE`. With
  few tickets, chance dominates and the actual error rate nearly reaches the bound; with many
  tickets, the uncertainty of the share dominates and the test is stricter than nominal.

Drivers are ranked by the log likelihood ratio n (q log q/s + (1 - q) log (1 - q)/(1 - s)), where
q = o / n. Two values form one driver if each is over-represented among the tickets with the other,
by the same test in both directions, and if tickets with both hold nearly all of the excess of each
(`NEARLY_ALL`).

A dimension is reported as not a factor if none of its values stands out although there are enough
tickets to notice one.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from detectors.foundation.count_statistics import beta_binomial_tail
from detectors.foundation.dimensions import customer_key, dimension_of
from detectors.memory.episode_tickets import TOGETHER, EpisodeTickets
from detectors.models.tenant_shares import MOST_USUAL, Usual

LEAST_SHARE: Final = 0.03
MOST_CHANCE: Final = 0.5
PAIR_CHANCE: Final = 0.25
"""Highest chance of a pair; it is stricter because one value alone is the simpler explanation."""
CHANCE_A_TICKET: Final = 0.05 / 7.0
ALIKE_CHANCE: Final = 0.2
"""A dimension is not a factor only if the corrected chance of each of its values is at least this.
"""
LEAST_TICKETS: Final = 4.0
ALIKE_TICKETS: Final = 10.0
ALIKE_COVERED: Final = 0.6
"""A dimension is not a factor only if at least this share of the tickets has a value of it."""
ALIKE_VALUE: Final = 0.05
NEARLY_ALL: Final = 0.7
MOST_EXPLAINED: Final = 5
MIX_PRIOR: Final = 6.0
"""Weight of the prior that two values are independent, in tickets of the sample."""
PAIR_VARIANCE: Final = 0.02
"""Additional relative variance of a value's share among the tickets with another value."""
LEAST_MIX: Final = 8.0


class PairShares(NamedTuple):
    """Counts of values and of pairs of values in a sample of usual tickets."""

    pair: Callable[[str, str], tuple[float, float]]
    """Return how many tickets had the first key, and how many had both keys."""
    alone: Callable[[str], tuple[float, float]]
    """Return how many of the area's tickets had the key, and how many tickets there are."""


class ExplainedBy(NamedTuple):
    """One driver of an episode."""

    keys: tuple[str, ...]
    """The key of the value, or the keys of two values."""
    observed: float
    expected: float
    share: float
    """Share of the episode's excess, 0 to 1."""
    lift: float
    """Share of the episode's tickets divided by the usual share."""
    p_value: float
    """Probability by chance alone, corrected for the number of values tried."""
    gain: float
    """Log likelihood ratio by which drivers are ranked."""


class Drivers(NamedTuple):
    """The drivers, the strongest first, and the dimensions that are not a factor."""

    values: tuple[ExplainedBy, ...] = ()
    not_by: tuple[str, ...] = ()


def explain(
    collected: EpisodeTickets,
    usual: Mapping[str, Usual],
    pair_shares: PairShares,
    known: str | None = None,
) -> Drivers:
    """Return the drivers of an episode and the dimensions that are not a factor.

    Args:
        collected: The tickets of the episode.
        usual: The usual share of each key, whether or not it occurs in the tickets.
        pair_shares: How often values usually coincide.
        known: The slice that paged, if one did; it is always a driver.
    """
    total, expected = collected.observed, min(collected.expected, collected.observed)
    excess = total - expected
    if total < LEAST_TICKETS or excess <= 0.0:
        if known is None or known not in usual or total < 1.0:
            return Drivers()
        observed = collected.values.get(known, 0.0)  # the slice that paged has all of the excess
        return Drivers((_driver((known,), observed, usual[known].share, total, expected, 1.0),))
    tried = [key for key in collected.values if key in usual]
    counts = [collected.values[key] for key in tried]
    chances = _tails(total, counts, [usual[key] for key in tried])
    candidates = {}
    for key, observed, chance in zip(tried, counts, chances, strict=True):
        corrected = chance * len(tried)
        candidates[key] = _driver((key,), observed, usual[key].share, total, expected, corrected)
    singles = [d for key, d in candidates.items() if _is_significant(d, total) or key == known]
    pairs = _pair_drivers(collected, candidates, usual, pair_shares)
    paired_keys = {key for pair in pairs for key in pair.keys}
    drivers = [*pairs, *(driver for driver in singles if driver.keys[0] not in paired_keys)]
    if collected.tickets >= LEAST_TICKETS:
        customers = _customer_drivers(collected, pair_shares)
        drivers += [driver for driver in customers if _is_significant(driver, total)]
    drivers.sort(key=lambda driver: (-driver.gain, driver.keys))
    explaining = {dimension_of(key) for driver in drivers for key in driver.keys}
    raw = dict(zip(tried, chances, strict=True))
    not_by = _not_a_factor(collected, raw, usual) if excess >= ALIKE_TICKETS / 2.0 else []
    return Drivers(
        tuple(drivers[:MOST_EXPLAINED]),
        tuple(dimension for dimension in not_by if dimension not in explaining),
    )


def _is_significant(driver: ExplainedBy, total: float) -> bool:
    return (
        driver.p_value <= min(MOST_CHANCE, CHANCE_A_TICKET * total)
        and driver.share >= LEAST_SHARE
        and driver.observed >= LEAST_TICKETS - 1.0
    )


def _driver(
    keys: tuple[str, ...],
    observed: float,
    share: float,
    total: float,
    expected: float,
    chance: float,
) -> ExplainedBy:
    """Return the driver of some keys.

    Args:
        keys: The key of a value, or the keys of two values.
        observed: Customer-equivalents with all of the keys.
        share: Usual share of such tickets.
        total: Observed customer-equivalents of the episode.
        expected: Expected customer-equivalents of the episode.
        chance: Corrected probability by chance alone.
    """
    return ExplainedBy(
        keys=keys,
        observed=observed,
        expected=share * expected,
        share=min((observed - share * expected) / (total - expected), 1.0)
        if total > expected
        else 1.0,
        lift=observed / (share * total) if total else 0.0,
        p_value=min(chance, 1.0),
        gain=_gain(observed, total, share),
    )


def _gain(observed: float, total: float, share: float) -> float:
    observed_share = min(observed / total, 1.0)
    gain = observed_share * math.log(observed_share / share) if observed_share > 0.0 else 0.0
    if observed_share < 1.0:
        gain += (1.0 - observed_share) * math.log((1.0 - observed_share) / (1.0 - share))
    return total * gain if observed_share > share else 0.0


def _tails(total: float, counts: list[float], usual: list[Usual]) -> list[float]:
    """Return the probability of each count or more, given the total number of tickets."""
    tickets = math.ceil(total - 1e-9)
    tails = []
    for count, expected in zip(counts, usual, strict=True):
        share = expected.share
        size = max((1.0 - share) / (share * max(expected.variance, 1e-6)) - 1.0, 0.5)
        # Counts are fractional customer-equivalents; rounding down keeps the test conservative.
        least = math.floor(count + 1e-9)
        tails.append(beta_binomial_tail(least, tickets, share * size, (1.0 - share) * size))
    return tails


def _pair_drivers(
    collected: EpisodeTickets,
    candidates: Mapping[str, ExplainedBy],
    usual: Mapping[str, Usual],
    pair_shares: PairShares,
) -> list[ExplainedBy]:
    """Return the best pair of values that explains clearly more than either value, if any."""
    elevated = {
        key: driver
        for key, driver in candidates.items()
        if driver.share >= LEAST_SHARE
        and driver.gain > 0.0
        and driver.observed >= LEAST_TICKETS - 1.0
    }
    pairs = [
        (keys, observed)
        for name, observed in collected.pairs.items()
        if len(keys := tuple(name.split(TOGETHER))) == 2
        and all(key in elevated for key in keys)
        and observed >= LEAST_TICKETS - 1.0
    ]
    best: ExplainedBy | None = None
    for keys, observed in pairs:
        if any(
            pair_shares.pair(*both)[0] == pair_shares.pair(*both)[1] > 0.0
            for both in (keys, keys[::-1])
        ):
            continue  # in the sample, one value never occurs without the other
        chance = len(pairs) * max(
            _conditional_tail(given, other, observed, elevated, usual, pair_shares)
            for given, other in (keys, keys[::-1])
        )
        share = usual[keys[0]].share * _conditional_share(keys[0], keys[1], usual, pair_shares)[0]
        expected = min(collected.expected, collected.observed)
        driver = _driver(keys, observed, share, collected.observed, expected, chance)
        nearly_all = NEARLY_ALL * max(elevated[key].share for key in keys)
        is_clear = driver.p_value <= PAIR_CHANCE and _is_significant(driver, collected.observed)
        if is_clear and driver.share >= nearly_all and (best is None or driver.gain > best.gain):
            best = driver
    return [] if best is None else [best]


def _conditional_tail(
    given: str,
    other: str,
    both: float,
    elevated: Mapping[str, ExplainedBy],
    usual: Mapping[str, Usual],
    pair_shares: PairShares,
) -> float:
    """Return the probability of this many tickets or more with both keys among those with one."""
    share, variance = _conditional_share(given, other, usual, pair_shares)
    return _tails(max(elevated[given].observed, both), [both], [Usual(share, variance)])[0]


def _conditional_share(
    given: str, other: str, usual: Mapping[str, Usual], pair_shares: PairShares
) -> Usual:
    """Return the share of one key among the usual tickets with another key."""
    with_given, both = pair_shares.pair(given, other)
    share = (both + MIX_PRIOR * usual[other].share) / (with_given + MIX_PRIOR)
    uncertainty = (1.0 - share) / (share * (with_given + MIX_PRIOR))
    return Usual(min(share, MOST_USUAL), uncertainty + PAIR_VARIANCE * (1.0 - share))


def _customer_drivers(collected: EpisodeTickets, pair_shares: PairShares) -> list[ExplainedBy]:
    """Return single customers as drivers.

    They are counted in plain tickets, because customer-equivalents would hide them.
    """
    members = collected.affected.members
    if not members or pair_shares.alone("")[1] < LEAST_MIX:
        return []
    expected = min(collected.expected, collected.observed) / collected.observed * collected.tickets
    names = sorted(members, key=lambda name: (-members[name].tickets, name))[:3]
    drivers = []
    for name in names:
        key = customer_key(name)
        tickets = float(members[name].tickets - members[name].missed)
        usual_tickets, sample_size = pair_shares.alone(key)
        share = min((usual_tickets + 0.5) / (sample_size + 1.0), MOST_USUAL)
        usual = Usual(share, 1.0 / (share * (sample_size + 1.0)))
        chance = _tails(float(collected.tickets), [tickets], [usual])[0]
        chance *= max(collected.affected.customers, 1)
        total = float(collected.tickets)
        drivers.append(_driver((key,), tickets, share, total, expected, chance))
    return drivers


def _not_a_factor(
    collected: EpisodeTickets, chances: Mapping[str, float], usual: Mapping[str, Usual]
) -> list[str]:
    """Return the dimensions in which no value stands out.

    Each chance is corrected only for the number of values of its own dimension.
    """
    tries = Counter(dimension_of(key) for key in chances)
    covered: dict[str, float] = {}
    least: dict[str, float] = {}
    values: dict[str, int] = {}
    for key, usual_share in usual.items():
        dimension = dimension_of(key)
        values[dimension] = values.get(dimension, 0) + (usual_share.share >= ALIKE_VALUE)
        covered[dimension] = covered.get(dimension, 0.0) + collected.values.get(key, 0.0)
        if key in chances:
            chance = chances[key] * tries[dimension]
            least[dimension] = min(least.get(dimension, 1.0), chance)
    return sorted(
        dimension
        for dimension, chance in least.items()
        if chance >= ALIKE_CHANCE
        and values[dimension] > 1
        and covered[dimension] >= ALIKE_COVERED * collected.observed
        and collected.observed >= ALIKE_TICKETS
    )
