"""The drivers of an episode: values more frequent in it than in its area's usual tickets.

Let n tickets be in the episode, o of them with a value whose usual share is s. The value is a
driver if

- its part of the excess, (o - s x expected) / (total - expected), is at least `LEAST_SHARE`;
- chance alone would rarely do this: the upper tail of a beta-binomial, whose variance holds the
  uncertainty and the clumping of the share, times the number of values tried is small (Bonferroni).
  With few tickets chance alone decides, and the bound is nearly reached: 5 % for 7. With many
  tickets the uncertainty of the share decides, and the test is stricter than nominal: up to
  `MOST_CHANCE`.

Drivers are ranked by the likelihood ratio n (q log q/s + (1 - q) log (1 - q)/(1 - s)), q = o / n.
Two values are one driver instead if each adds to the other: among the tickets with the one, the
share of the other is larger than usual, by the same test both ways; and nearly all of the excess of
each (`NEARLY_ALL`) has both.

A dimension is reported as no factor if none of its values stands out although there are enough
tickets that one could.
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
"""Highest chance of a pair: one value alone is the simpler explanation."""
CHANCE_A_TICKET: Final = 0.05 / 7.0
ALIKE_CHANCE: Final = 0.2
"""All values of a dimension must be more likely than this, corrected, for it to be no factor."""
LEAST_TICKETS: Final = 4.0
ALIKE_TICKETS: Final = 10.0
ALIKE_COVERED: Final = 0.6
"""Share of the tickets that must have a value of a dimension for it to be no factor."""
ALIKE_VALUE: Final = 0.05
NEARLY_ALL: Final = 0.7
MOST_EXPLAINED: Final = 5
MIX_PRIOR: Final = 6.0
"""Weight of the independence of two values against the sample, in tickets."""
PAIR_VARIANCE: Final = 0.02
"""Additional relative variance of a share among the tickets with another value."""
LEAST_MIX: Final = 8.0


class PairShares(NamedTuple):
    """Which values usually coincide, from a sample of usual tickets."""

    pair: Callable[[str, str], tuple[float, float]]
    """How many tickets had the first key, and how many had both."""
    alone: Callable[[str], tuple[float, float]]
    """How many of the area's tickets had the key, and how many there are."""


class ExplainedBy(NamedTuple):
    """One driver."""

    keys: tuple[str, ...]
    """The key of its value, or of two values."""
    observed: float
    expected: float
    share: float
    """Its share of the excess, 0 to 1."""
    lift: float
    """Observed count over the usual share of as many tickets."""
    p_value: float
    """Corrected for the number of values tried."""
    gain: float
    """Log likelihood ratio."""


class Drivers(NamedTuple):
    """The drivers, the strongest first, and the dimensions that are no factor."""

    values: tuple[ExplainedBy, ...] = ()
    not_by: tuple[str, ...] = ()


def explain(
    collected: EpisodeTickets,
    usual: Mapping[str, Usual],
    pair_shares: PairShares,
    known: str | None = None,
) -> Drivers:
    """Return what explains the tickets of an episode.

    Args:
        collected: The tickets of the episode.
        usual: The usual share of every key among the tickets, and of all others that are known.
        pair_shares: Which values usually coincide.
        known: The slice that paged, if one did: it is a driver in any case.
    """
    total, expected = collected.observed, min(collected.expected, collected.observed)
    excess = total - expected
    if total < LEAST_TICKETS or excess <= 0.0:
        if known is None or known not in usual or total < 1.0:
            return Drivers()
        observed = collected.values.get(known, 0.0)  # all that is too many has the value that paged
        return Drivers((_claim((known,), observed, usual[known].share, total, expected, 1.0),))
    tried = [key for key in collected.values if key in usual]
    counts = [collected.values[key] for key in tried]
    chances = _tails(total, counts, [usual[key] for key in tried])
    found = {}
    for key, observed, chance in zip(tried, counts, chances, strict=True):
        claim = _claim((key,), observed, usual[key].share, total, expected, chance * len(tried))
        found[key] = claim
    singles = [one for key, one in found.items() if _holds(one, total) or key == known]
    pairs = _together(collected, found, usual, pair_shares)
    inside = {key for pair in pairs for key in pair.keys}
    claims = [*pairs, *(one for one in singles if one.keys[0] not in inside)]
    if collected.tickets >= LEAST_TICKETS:
        claims += [one for one in _customers(collected, pair_shares) if _holds(one, total)]
    claims.sort(key=lambda one: (-one.gain, one.keys))
    told_of = {dimension_of(key) for one in claims for key in one.keys}
    raw = dict(zip(tried, chances, strict=True))
    alike = _alike(collected, raw, usual) if excess >= ALIKE_TICKETS / 2.0 else []
    return Drivers(tuple(claims[:MOST_EXPLAINED]), tuple(d for d in alike if d not in told_of))


def _holds(one: ExplainedBy, total: float) -> bool:
    return (
        one.p_value <= min(MOST_CHANCE, CHANCE_A_TICKET * total)
        and one.share >= LEAST_SHARE
        and one.observed >= LEAST_TICKETS - 1.0
    )


def _claim(
    keys: tuple[str, ...],
    observed: float,
    share: float,
    total: float,
    expected: float,
    chance: float,
) -> ExplainedBy:
    """Return the driver *keys* with their usual *share*, of *total* observed tickets."""
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
    seen = min(observed / total, 1.0)
    gain = seen * math.log(seen / share) if seen > 0.0 else 0.0
    if seen < 1.0:
        gain += (1.0 - seen) * math.log((1.0 - seen) / (1.0 - share))
    return total * gain if seen > share else 0.0


def _tails(total: float, counts: list[float], usual: list[Usual]) -> list[float]:
    """Return, for each count, the chance of at least as many among *total* tickets."""
    tickets = math.ceil(total - 1e-9)
    tails = []
    for count, expected in zip(counts, usual, strict=True):
        share = expected.share
        size = max((1.0 - share) / (share * max(expected.variance, 1e-6)) - 1.0, 0.5)
        # Customer-equivalents are rounded down, so that no driver rests on the rounding.
        least = math.floor(count + 1e-9)
        tails.append(beta_binomial_tail(least, tickets, share * size, (1.0 - share) * size))
    return tails


def _together(
    collected: EpisodeTickets,
    found: Mapping[str, ExplainedBy],
    usual: Mapping[str, Usual],
    pair_shares: PairShares,
) -> list[ExplainedBy]:
    """Return the pair that explains clearly more than either of its values; at most one."""
    up = {
        key: one
        for key, one in found.items()
        if one.share >= LEAST_SHARE and one.gain > 0.0 and one.observed >= LEAST_TICKETS - 1.0
    }
    pairs = [
        (keys, observed)
        for name, observed in collected.pairs.items()
        if len(keys := tuple(name.split(TOGETHER))) == 2
        and all(key in up for key in keys)
        and observed >= LEAST_TICKETS - 1.0
    ]
    best: ExplainedBy | None = None
    for keys, observed in pairs:
        if any(
            pair_shares.pair(*both)[0] == pair_shares.pair(*both)[1] > 0.0
            for both in (keys, keys[::-1])
        ):
            continue  # as far as is known the one never comes without the other
        chance = len(pairs) * max(
            _given(one, other, observed, up, usual, pair_shares)
            for one, other in (keys, keys[::-1])
        )
        share = usual[keys[0]].share * _share_given(keys[0], keys[1], usual, pair_shares)[0]
        expected = min(collected.expected, collected.observed)
        claim = _claim(keys, observed, share, collected.observed, expected, chance)
        nearly_all = NEARLY_ALL * max(up[key].share for key in keys)
        clear = claim.p_value <= PAIR_CHANCE and _holds(claim, collected.observed)
        if clear and claim.share >= nearly_all and (best is None or claim.gain > best.gain):
            best = claim
    return [] if best is None else [best]


def _given(
    one: str,
    other: str,
    both: float,
    up: Mapping[str, ExplainedBy],
    usual: Mapping[str, Usual],
    pair_shares: PairShares,
) -> float:
    """Return the chance of so many tickets with *both* among those with *one*."""
    share, variance = _share_given(one, other, usual, pair_shares)
    return _tails(max(up[one].observed, both), [both], [Usual(share, variance)])[0]


def _share_given(
    one: str, other: str, usual: Mapping[str, Usual], pair_shares: PairShares
) -> Usual:
    """Return the share of *other* among usual tickets with *one*."""
    with_one, both = pair_shares.pair(one, other)
    share = (both + MIX_PRIOR * usual[other].share) / (with_one + MIX_PRIOR)
    ignorance = (1.0 - share) / (share * (with_one + MIX_PRIOR))
    return Usual(min(share, MOST_USUAL), ignorance + PAIR_VARIANCE * (1.0 - share))


def _customers(collected: EpisodeTickets, pair_shares: PairShares) -> list[ExplainedBy]:
    """Return single customers as drivers, by tickets, because weights would hide them."""
    members = collected.affected.members
    if not members or pair_shares.alone("")[1] < LEAST_MIX:
        return []
    expected = min(collected.expected, collected.observed) / collected.observed * collected.tickets
    names = sorted(members, key=lambda name: (-members[name].tickets, name))[:3]
    claims = []
    for name in names:
        key = customer_key(name)
        tickets = float(members[name].tickets - members[name].missed)
        seen, tickets_seen = pair_shares.alone(key)
        share = min((seen + 0.5) / (tickets_seen + 1.0), MOST_USUAL)
        usual = Usual(share, 1.0 / (share * (tickets_seen + 1.0)))
        chance = _tails(float(collected.tickets), [tickets], [usual])[0]
        chance *= max(collected.affected.customers, 1)
        claims.append(_claim((key,), tickets, share, float(collected.tickets), expected, chance))
    return claims


def _alike(
    collected: EpisodeTickets, chances: Mapping[str, float], usual: Mapping[str, Usual]
) -> list[str]:
    """Return the dimensions without an outstanding value, corrected for their own values alone."""
    tries = Counter(dimension_of(key) for key in chances)
    covered: dict[str, float] = {}
    least: dict[str, float] = {}
    values: dict[str, int] = {}
    for key, one in usual.items():
        dimension = dimension_of(key)
        values[dimension] = values.get(dimension, 0) + (one.share >= ALIKE_VALUE)
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
