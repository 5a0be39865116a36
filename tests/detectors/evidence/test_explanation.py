"""Drivers of an episode: overrepresented values, pairs of values, and a single noisy customer."""

import math
import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.evidence.explanation import MOST_EXPLAINED, Drivers, PairShares, explain
from detectors.foundation.dimensions import CUSTOMER, DIMENSIONS
from detectors.memory.deduplication import fingerprint
from detectors.memory.episode_tickets import TOGETHER, EpisodeTickets, TicketSummary
from detectors.memory.reference_tickets import DOCUMENTS, ValueReservoir
from detectors.models.tenant_shares import MOST_USUAL, Usual

Weighted = tuple[tuple[str, int], ...]
Values = Mapping[str, str]

USUAL: Mapping[str, Weighted] = {
    "issue_type": (("password", 3), ("sso", 2), ("locked", 1)),
    "region": (("eu", 4), ("us", 5), ("apac", 2)),
    "app_version": (("4.1.0", 5), ("4.2.0", 3), ("4.2.1", 2)),
    "channel": (("web", 5), ("email", 4), ("chat", 3), ("phone", 1)),
}
"""Values of each dimension, by weight."""
SHARES = {
    f"{name}\x1f{value}": Usual(weight / sum(w for _, w in values), 0.05)
    for name, values in USUAL.items()
    for value, weight in values
}


def draw(rng: random.Random) -> dict[str, str]:
    """Return the values of a usual ticket."""
    return {
        name: rng.choices([value for value, _ in values], [weight for _, weight in values])[0]
        for name, values in USUAL.items()
    }


def ticket(
    number: int, values: Values, customer: str | None = "", weight: float = 1.0
) -> TicketSummary:
    """Return a ticket with *values*."""
    return TicketSummary(
        ticket_hash=fingerprint(f"{number}"),
        ticket_id=f"T-{number}",
        at=0.0,
        weight=weight,
        values=tuple(values.get(name) for name in DIMENSIONS),
        customer=f"c{number}" if customer == "" else customer,
    )


def offer(mix: ValueReservoir, number: int, keys: list[str]) -> None:
    """Offer one more usual ticket to the reservoir, which may keep it."""
    rank = mix.rank(fingerprint(f"{number}"), 0.0)
    if mix.wants(rank):
        mix.take(rank, keys)


def usual_mix(seed: int = 1, **always: str) -> PairShares:
    """Return the joint shares of a full reservoir of usual tickets that all have *always*."""
    rng = random.Random(seed)
    mix = ValueReservoir()
    for number in range(DOCUMENTS):
        values = draw(rng) | always
        offer(mix, number, [f"{name}\x1f{values[name]}" for name in values])
    return together(mix)


def together(mix: ValueReservoir) -> PairShares:
    """Return the joint shares of the tickets in *mix*."""

    def pair(one: str, other: str) -> tuple[float, float]:
        with_one, both = mix.count((one,), (one, other))
        return with_one, both

    def alone(key: str) -> tuple[float, float]:
        return mix.count((key,))[0], float(len(mix))

    return PairShares(pair, alone)


NOTHING_KNOWN = together(ValueReservoir())


def episode(
    seed: int, extra: int, usual: int = 5, share: float = 1.0, **tied: str
) -> EpisodeTickets:
    """Return an episode of *usual* tickets and *extra* ones, of which a *share* has *tied*."""
    rng = random.Random(seed)
    dossier = EpisodeTickets(since=0.0, expected=float(usual))
    for number in range(usual + extra):
        values = draw(rng)
        if number >= usual and rng.random() < share:
            values |= tied
        dossier.add(ticket(number, values), 90)
    return dossier


def driver_labels(found: Drivers) -> list[tuple[str, ...]]:
    """Return each driver as ``dimension=value``, or as two of them for a pair."""
    return [tuple(sorted(key.replace("\x1f", "=") for key in one.keys)) for one in found.values]


SEEDS = range(20)


def times(claims: list[list[tuple[str, ...]]], *keys: str) -> int:
    """Return how often exactly *keys* is the first driver."""
    return sum(bool(claim) and claim[0] == tuple(sorted(keys)) for claim in claims)


# --- one value ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tied",
    [{"app_version": "4.2.1"}, {"region": "apac"}, {"issue_type": "locked"}, {"channel": "phone"}],
    ids=lambda tied: next(iter(tied.values())),
)
def test_the_value_behind_the_excess_is_the_only_driver(tied: dict[str, Any]) -> None:
    """With four in five of thirty excess tickets, the value is the first driver and no pair is."""
    claims = [
        driver_labels(explain(episode(s, 30, share=0.8, **tied), SHARES, usual_mix(s)))
        for s in SEEDS
    ]
    (key,) = [f"{name}={value}" for name, value in tied.items()]
    assert times(claims, key) >= len(SEEDS) - 1
    assert sum(len(claim) for claim in claims) <= len(SEEDS) + 2


def test_the_numbers_of_a_driver_are_correct() -> None:
    """A driver has its observed and expected counts, share of the excess, lift and p-value."""
    dossier = episode(1, 30, usual=6, app_version="4.2.1")
    one = explain(dossier, SHARES, usual_mix()).values[0]
    key = "app_version\x1f4.2.1"
    assert one.keys == (key,)
    assert one.observed == dossier.values[key] >= 30.0
    assert one.expected == pytest.approx(0.2 * 6)
    assert one.share == pytest.approx(min((one.observed - 1.2) / 30.0, 1.0))
    assert one.lift == pytest.approx(one.observed / (0.2 * 36.0))
    assert 0.0 <= one.p_value < 1e-3
    assert one.gain > 0.0


def test_a_rare_value_ranks_above_a_common_one() -> None:
    """If all tickets share a common version and a rare channel, the channel ranks first."""
    found = explain(episode(2, 60, app_version="4.1.0", channel="phone"), SHARES, usual_mix())
    assert "channel=phone" in driver_labels(found)[0]
    gains = [one.gain for one in found.values]
    assert gains == sorted(gains, reverse=True)


def test_a_value_that_nearly_all_tickets_have_is_no_driver() -> None:
    """Nearly every usual ticket is from the web, so the channel web is no driver."""
    dossier = EpisodeTickets(since=0.0, expected=2.0)
    for number in range(30):
        dossier.add(ticket(number, {"channel": "web"}), 90)
    usual = {"channel\x1fweb": Usual(MOST_USUAL, 0.001)}
    assert explain(dossier, usual, usual_mix()).values == ()


def test_a_value_never_seen_before_can_be_a_driver() -> None:
    """A version released today that half of the tickets have is a driver."""
    usual = SHARES | {"app_version\x1f5.0.0": Usual(0.01, 1.0)}
    claims = [
        driver_labels(
            explain(episode(seed, 20, share=0.5, app_version="5.0.0"), usual, usual_mix(seed))
        )
        for seed in SEEDS
    ]
    assert times(claims, "app_version=5.0.0") == len(SEEDS)


def test_a_value_without_a_known_share_is_no_driver() -> None:
    """An area without learned shares has no drivers."""
    dossier = episode(3, 40, app_version="4.2.1")
    assert explain(dossier, {}, NOTHING_KNOWN) == Drivers()


def test_a_small_part_of_a_large_excess_is_no_driver() -> None:
    """A value far above its share is no driver with less than three percent of the excess."""
    usual = {"region\x1feu": Usual(0.5, 0.01), "segment\x1frare": Usual(1e-4, 0.5)}
    for rare, claimed in ((28, False), (60, True)):
        dossier = EpisodeTickets(since=0.0, expected=10.0)
        for number in range(1_010):
            values = {"region": "eu" if number % 2 else "us"}
            if number < rare:
                values["segment"] = "rare"
            dossier.add(ticket(number, values), 90)
        found = driver_labels(explain(dossier, usual, usual_mix()))
        assert (("segment=rare",) in found) is claimed


def test_the_slice_that_paged_is_always_a_driver() -> None:
    """The slice paged on more evidence than the collected tickets, so it is always a driver."""
    dossier = episode(4, 6, usual=2)
    key = max(dossier.values, key=lambda name: dossier.values[name])
    found = explain(dossier, SHARES, usual_mix(), known=key)
    assert (key,) in [one.keys for one in found.values]


def test_the_slice_that_paged_is_a_driver_without_excess_in_its_area() -> None:
    """An excess of one value may be offset by a deficit of the others."""
    dossier = episode(5, 30, usual=5, app_version="4.2.1")
    dossier.expected = 60.0
    key = "app_version\x1f4.2.1"
    (found,) = explain(dossier, SHARES, usual_mix(), known=key).values
    assert (found.keys, found.share) == ((key,), 1.0)
    assert explain(dossier, SHARES, usual_mix(), known="app_version\x1fnever seen").values == ()


def test_few_tickets_or_no_excess_have_no_driver() -> None:
    """Three tickets, or no more tickets than expected, have no driver."""
    assert explain(episode(5, 3, usual=0, app_version="4.2.1"), SHARES, usual_mix()).values == ()
    dossier = episode(5, 30, usual=5, app_version="4.2.1")
    dossier.expected = 60.0
    assert explain(dossier, SHARES, usual_mix()) == Drivers()


def test_the_number_of_drivers_is_bounded() -> None:
    """If many values stand out, only the strongest are reported."""
    dossier = EpisodeTickets(since=0.0, expected=2.0)
    values = dict.fromkeys(DIMENSIONS, "odd")
    for number in range(40):
        dossier.add(ticket(number, values), 90)
    usual = {f"{name}\x1fodd": Usual(0.05, 0.05) for name in DIMENSIONS}
    assert len(explain(dossier, usual, usual_mix()).values) <= MOST_EXPLAINED


# --- pairs ----------------------------------------------------------------------------------------


def test_a_pair_is_reported_if_each_value_adds_to_the_other() -> None:
    """For one version on one channel the pair ranks first, without its values on their own."""
    claims = [
        driver_labels(
            explain(episode(s, 60, app_version="4.2.1", channel="chat"), SHARES, usual_mix(s))
        )
        for s in SEEDS
    ]
    assert times(claims, "app_version=4.2.1", "channel=chat") >= len(SEEDS) - 1
    for claim in claims:
        if len(claim[0]) == 2:
            assert not any(set(other) & set(claim[0]) for other in claim[1:])


@pytest.mark.parametrize("extra", [15, 40, 120])
def test_a_single_broken_value_is_rarely_reported_as_a_pair(extra: int) -> None:
    """At most one episode in twenty gets a pair beside the value."""
    claims = [
        driver_labels(explain(episode(s, extra, app_version="4.2.1"), SHARES, usual_mix(s)))
        for s in SEEDS
    ]
    assert sum(any(len(one) > 1 for one in claim) for claim in claims) <= 1


PHONING = {"twins": 1.0, "within": 0.9, "always": 0.5}
"""The part of those in apac who phone; nobody else does."""
BOTH = ("channel=phone", "region=apac")


def correlated(rng: random.Random, kind: str) -> dict[str, str]:
    """Return a usual ticket whose channel depends on its region."""
    values = draw(rng) | {"channel": rng.choice(("web", "email", "chat"))}
    if values["region"] == "apac" and rng.random() < PHONING[kind]:
        values["channel"] = "phone"
    return values


def correlated_shares(kind: str) -> dict[str, Usual]:
    """Return the shares of the values that `correlated` draws."""
    phone = 2.0 / 11.0 * PHONING[kind]
    rest = dict.fromkeys(("web", "email", "chat"), (1.0 - phone) / 3.0)
    channels = {f"channel\x1f{name}": Usual(part, 0.05) for name, part in rest.items()}
    return SHARES | channels | {"channel\x1fphone": Usual(phone, 0.05)}


def correlated_episode(seed: int, extra: int, kind: str, value: str) -> EpisodeTickets:
    """Return five usual tickets and *extra* ones whose region or channel is *value*."""
    rng = random.Random(seed)
    dossier = EpisodeTickets(since=0.0, expected=5.0)
    for number in range(5 + extra):
        values = correlated(rng, kind)
        while number >= 5 and value not in (values["region"], values["channel"]):
            values = correlated(rng, kind)
        dossier.add(ticket(number, values), 90)
    return dossier


def pooled(seed: int, areas: int, kind: str) -> PairShares:
    """Return the joint shares over the reservoirs of *areas* areas."""
    rng = random.Random(1_000 + seed)
    mixes = []
    for _ in range(areas):
        mixes.append(ValueReservoir())
        for number in range(DOCUMENTS):
            values = correlated(rng, kind)
            offer(mixes[-1], number, [f"{name}\x1f{values[name]}" for name in values])
    parts = [together(mix) for mix in mixes]

    def pair(one: str, other: str) -> tuple[float, float]:
        found = [part.pair(one, other) for part in parts]
        return sum(with_one for with_one, _ in found), sum(both for _, both in found)

    return PairShares(pair, parts[0].alone)


@pytest.mark.slow
@pytest.mark.parametrize(("areas", "extra"), [(1, 15), (4, 15), (4, 40), (12, 40), (12, 120)])
@pytest.mark.parametrize(
    ("kind", "value"),
    [("twins", "apac"), ("within", "apac"), ("within", "phone"), ("always", "phone")],
)
def test_values_that_usually_occur_together_are_no_pair(
    areas: int, extra: int, kind: str, value: str
) -> None:
    """An incident of a value whose usual tickets have the other value too is not a pair.

    The usual tickets are those of one area or of several. The driver is one of the two values, or
    both are, each by itself.
    """
    pairs = claimed = 0
    for seed in SEEDS:
        dossier = correlated_episode(seed, extra, kind, value)
        claims = driver_labels(explain(dossier, correlated_shares(kind), pooled(seed, areas, kind)))
        pairs += BOTH in claims
        claimed += any((key,) in claims for key in BOTH)
    assert pairs <= 1
    assert claimed >= len(SEEDS) - 1


@pytest.mark.parametrize("areas", [1, 4, 12])
def test_values_that_rarely_occur_together_are_a_pair(areas: int) -> None:
    """If one in thirteen apac tickets is by phone, an incident of both values is a pair."""
    mixes = [usual_mix(seed) for seed in range(areas)]

    def pair(one: str, other: str) -> tuple[float, float]:
        found = [mix.pair(one, other) for mix in mixes]
        return sum(with_one for with_one, _ in found), sum(both for _, both in found)

    mix = PairShares(pair, mixes[0].alone)
    claims = [
        driver_labels(explain(episode(seed, 60, region="apac", channel="phone"), SHARES, mix))
        for seed in SEEDS
    ]
    assert times(claims, *BOTH) >= len(SEEDS) - 1


# --- no driver ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(8, 20), (20, 60), (60, 200)], ids=str)
def test_the_usual_mix_has_no_driver(sizes: tuple[int, int]) -> None:
    """If all values rise alike, at most one of twenty episodes has a driver."""
    wrong = 0
    for seed in range(200):
        size = random.Random(seed).randint(*sizes)
        dossier = episode(seed, size - size // 5, usual=size // 5)
        wrong += bool(explain(dossier, SHARES, usual_mix(seed)).values)
    assert wrong <= 10


def test_dimensions_with_the_usual_mix_are_ruled_out() -> None:
    """A dimension that many tickets have and whose values keep their shares is ruled out."""
    found = explain(episode(6, 80, usual=10, app_version="4.2.1"), SHARES, usual_mix())
    assert driver_labels(found) == [("app_version=4.2.1",)]
    assert set(found.not_by) <= {"channel", "issue_type", "region"}
    named = [explain(episode(s, 80, usual=10), SHARES, usual_mix(s)).not_by for s in SEEDS]
    assert sum(map(len, named)) >= 3 * len(SEEDS)
    for one in named:
        assert list(one) == sorted(one)


def test_a_driver_is_never_ruled_out() -> None:
    """No dimension is both a driver and ruled out, whatever the number of tickets."""
    for seed in range(60):
        dossier = episode(seed, 5 + 2 * seed, share=0.5, region="apac")
        found = explain(dossier, SHARES, usual_mix(seed))
        claimed = {key.partition("\x1f")[0] for one in found.values for key in one.keys}
        assert not claimed & set(found.not_by)


def test_few_tickets_rule_nothing_out() -> None:
    """Nine tickets are too few to rule a dimension out."""
    for seed in SEEDS:
        assert explain(episode(seed, 8, usual=1), SHARES, usual_mix(seed)).not_by == ()


def test_a_dimension_with_many_missing_values_is_not_ruled_out() -> None:
    """A channel that only half of the tickets have may still be a driver."""
    dossier = EpisodeTickets(since=0.0, expected=5.0)
    rng = random.Random(7)
    for number in range(100):
        values = draw(rng)
        if number % 2:
            del values["channel"]
        dossier.add(ticket(number, values), 90)
    found = explain(dossier, SHARES, usual_mix())
    assert "channel" not in found.not_by
    assert "region" in found.not_by


def test_a_dimension_with_a_single_value_is_not_ruled_out() -> None:
    """If all tickets are in one region, the region carries no information."""
    dossier = EpisodeTickets(since=0.0, expected=5.0)
    for number in range(100):
        dossier.add(ticket(number, {"region": "eu"}), 90)
    usual = {"region\x1feu": Usual(MOST_USUAL, 0.01)}
    assert explain(dossier, usual, usual_mix()).not_by == ()


@pytest.mark.parametrize("seed", SEEDS)
def test_withdrawn_tickets_are_no_driver(seed: int) -> None:
    """After the twelve tickets of one version are merged, the remaining mix has no such driver."""
    rng = random.Random(seed)
    usual = [ticket(number, draw(rng)) for number in range(12)]
    gone = [ticket(12 + number, draw(rng) | {"app_version": "4.2.1"}) for number in range(12)]
    dossier, without = (
        EpisodeTickets(since=0.0, expected=3.0),
        EpisodeTickets(since=0.0, expected=3.0),
    )
    for one in sorted(usual + gone, key=lambda one: one.ticket_hash):
        dossier.add(one, 90)
    for one in sorted(usual, key=lambda one: one.ticket_hash):
        without.add(one, 90)
    mix = usual_mix(seed)
    assert driver_labels(explain(dossier, SHARES, mix))[0] == ("app_version=4.2.1",)
    for one in gone:
        dossier.withdraw(one, 1e9)
    found = explain(dossier, SHARES, mix)
    assert driver_labels(found) == driver_labels(explain(without, SHARES, mix))
    assert ("app_version=4.2.1",) not in driver_labels(found)


# --- noisy customer -------------------------------------------------------------------------------


def noisy(seed: int, theirs: int, others: int) -> EpisodeTickets:
    """Return *theirs* tickets of one customer, with falling weights, and one for each other."""
    rng = random.Random(seed)
    dossier = EpisodeTickets(since=0.0, expected=2.0)
    for number in range(theirs + others):
        one = number < theirs
        weight = 0.5**number if one else 1.0
        dossier.add(ticket(number, draw(rng), "noisy" if one else "", weight), 90)
    return dossier


def test_a_single_noisy_customer_is_named() -> None:
    """A customer with fifteen of forty tickets is named although they weigh less than two."""
    for seed in SEEDS:
        found = explain(noisy(seed, 15, 25), SHARES, usual_mix(seed))
        mine = [one for one in found.values if one.keys == (f"{CUSTOMER}\x1fnoisy",)]
        assert mine, driver_labels(found)
        assert mine[0].observed == 15.0
        assert mine[0].expected < 2.0


def test_a_customer_with_a_large_usual_share_is_not_named() -> None:
    """A customer with half of the area's usual tickets is not noisy."""
    mix = ValueReservoir()
    for number in range(DOCUMENTS):
        name = "noisy" if number % 2 else f"other {number}"
        offer(mix, number, [f"{CUSTOMER}\x1f{name}"])
    found = explain(noisy(8, 15, 25), SHARES, together(mix))
    assert all(CUSTOMER not in one.keys[0] for one in found.values)


def test_a_crowd_has_no_noisy_customer() -> None:
    """Nobody is named if some of forty customers write twice."""
    rng = random.Random(9)
    dossier = EpisodeTickets(since=0.0, expected=2.0)
    for number in range(50):
        dossier.add(ticket(number, draw(rng), f"c{number % 40}"), 90)
    found = explain(dossier, SHARES, usual_mix())
    assert all(CUSTOMER not in one.keys[0] for one in found.values)


# --- arbitrary counts -----------------------------------------------------------------------------

names = st.sampled_from([*SHARES, "segment\x1fx", "odd", "", "\x1f", "region\x1f"])
numbers = st.one_of(st.sampled_from([0.0, 1e-9, 1.0, 1e6]), st.floats(0.0, 300.0))
usuals = st.builds(
    Usual,
    st.one_of(st.just(MOST_USUAL), st.floats(1e-6, MOST_USUAL)),
    st.one_of(st.just(0.0), st.floats(0.0, 100.0)),
)


@given(
    observed=numbers,
    expected=numbers,
    tickets=st.integers(0, 400),
    values=st.dictionaries(names, numbers, max_size=12),
    pairs=st.dictionaries(st.tuples(names, names).map(TOGETHER.join), numbers, max_size=8),
    usual=st.dictionaries(names, usuals, max_size=12),
    paired=st.tuples(st.floats(0.0, 800.0), st.floats(0.0, 1.0)),
    alone=st.tuples(st.floats(0.0, 1.0), st.integers(0, 64)),
    known=st.none() | names,
)
def test_arbitrary_counts_give_a_valid_explanation(
    observed: float,
    expected: float,
    tickets: int,
    values: dict[str, float],
    pairs: dict[str, float],
    usual: dict[str, Usual],
    paired: tuple[float, float],
    alone: tuple[float, int],
    known: str | None,
) -> None:
    """No combination of counts raises, and all numbers are valid in an event."""
    dossier = EpisodeTickets(
        since=0.0, expected=expected, observed=observed, tickets=tickets, values=values, pairs=pairs
    )
    for number in range(min(tickets, 30)):
        dossier.affected.add(
            f"c{number % 3}", tier=None, region=None, revenue=None, renewal_at=None, at=0.0
        )
    mix = PairShares(
        lambda _, __: (paired[0], paired[0] * paired[1]),
        lambda _: (alone[0] * alone[1], float(alone[1])),
    )
    found = explain(dossier, usual, mix, known)
    assert len(found.values) <= MOST_EXPLAINED
    for one in found.values:
        assert 1 <= len(one.keys) <= 2
        assert all(map(math.isfinite, one[1:]))
        assert one.observed >= 0.0
        assert one.expected >= 0.0
        assert one.lift >= 0.0
        assert one.share <= 1.0
        assert 0.0 <= one.p_value <= 1.0
