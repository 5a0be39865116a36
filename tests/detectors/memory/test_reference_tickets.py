"""Reference tickets of an area: a sketch of its terms and a sample of its joint values."""

import random
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.foundation import state_codec
from detectors.memory.deduplication import fingerprint
from detectors.memory.reference_tickets import (
    ALL_LEARN,
    DOCUMENTS,
    EVERY,
    HALF_LIFE_HOURS,
    MOST_LEARNED,
    VALUES,
    WIDTH,
    TermSketch,
    ValueReservoir,
)

WEEK = 168.0
words = st.sampled_from([f"word{number}" for number in range(400)])
tickets = st.lists(st.sets(words, max_size=80), max_size=int(MOST_LEARNED))


def ticket_hashes(count: int, seed: int = 1) -> list[int]:
    """Return *count* ticket hashes."""
    return [fingerprint(f"{seed} {number}") for number in range(count)]


# --- terms ----------------------------------------------------------------------------------------


@given(tickets)
def test_the_sketch_never_underestimates_a_count(ticket_list: list[set[str]]) -> None:
    """Before any decay the estimate lies between the true count and the number of tickets."""
    vocabulary = TermSketch()
    exact: Counter[str] = Counter()
    for terms in ticket_list:
        vocabulary.learn(sorted(terms))
        exact.update(terms)
    assert vocabulary.tickets == len(ticket_list)
    names = sorted(exact)
    for name, count in zip(names, vocabulary.counts_of(names).tolist(), strict=True):
        assert exact[name] <= count <= len(ticket_list)


def test_a_word_counts_once_per_ticket() -> None:
    """A counter grows by one per ticket even if several of its words share the counter."""
    vocabulary = TermSketch()
    for _ in range(10):
        vocabulary.learn([f"word{number}" for number in range(3 * WIDTH)])
    assert max(vocabulary.counts) == 10


def test_an_unseen_word_has_a_small_estimate() -> None:
    """After a hundred tickets of some thirty words most unseen words read as zero to three."""
    rng = random.Random(2)
    vocabulary = TermSketch()
    for _ in range(100):
        vocabulary.learn({f"word{int(600 ** rng.random())}" for _ in range(40)})
    unseen = vocabulary.counts_of([f"unseen{number}" for number in range(1_000)])
    assert (unseen == 0).mean() > 0.5
    assert (unseen <= 3).mean() > 0.85


def test_old_counts_are_halved_when_the_sketch_is_full() -> None:
    """A word that no longer occurs is forgotten in the end."""
    vocabulary = TermSketch()
    for _ in range(int(MOST_LEARNED)):
        vocabulary.learn(["old"])
    assert vocabulary.counts_of(["old"]).tolist() == [MOST_LEARNED]
    vocabulary.learn(["young"])
    assert vocabulary.tickets == MOST_LEARNED / 2 + 1
    assert vocabulary.counts_of(["old", "young"]).tolist() == [MOST_LEARNED / 2, 1]
    for _ in range(8 * int(MOST_LEARNED)):
        vocabulary.learn(["young"])
    assert vocabulary.counts_of(["old"]).tolist() == [0]
    assert vocabulary.tickets <= MOST_LEARNED


def test_shares_are_preserved_when_counts_are_halved() -> None:
    """A word in a quarter of the tickets keeps its share."""
    vocabulary = TermSketch()
    for number in range(2_000):
        vocabulary.learn(["often"] if number % 4 else ["often", "quarter"])
        assert vocabulary.tickets <= MOST_LEARNED
    often, quarter = vocabulary.counts_of(["often", "quarter"]) / vocabulary.tickets
    assert often == pytest.approx(1.0, abs=0.03)
    assert quarter == pytest.approx(0.25, abs=0.03)


def test_the_sketch_learns_one_ticket_in_sixteen_once_full() -> None:
    """The first tickets are all learned, later one in sixteen by its hash."""
    vocabulary = TermSketch()
    wanted = []
    for mark in ticket_hashes(20_000):
        wanted.append(vocabulary.wants(mark))
        if wanted[-1]:
            vocabulary.learn(["word"])
    assert all(wanted[: int(ALL_LEARN)])
    for begin in range(1_000, 20_000, 1_000):
        assert sum(wanted[begin : begin + 1_000]) == pytest.approx(1_000 / EVERY, rel=0.4)


def test_the_sketch_stays_selective_after_halving() -> None:
    """A halved sketch still learns only one ticket in sixteen."""
    vocabulary = TermSketch(tickets=MOST_LEARNED)
    vocabulary.learn(["word"])
    assert not vocabulary.wants(1)
    assert vocabulary.wants(EVERY)


@given(tickets, tickets)
def test_a_restored_sketch_continues_to_learn(past: list[set[str]], future: list[set[str]]) -> None:
    """A restored sketch learns and reads like one that never stopped."""
    ran = TermSketch()
    for terms in past:
        ran.learn(sorted(terms))
    restored = state_codec.decode(state_codec.encode(ran), TermSketch)
    for terms in future:
        ran.learn(sorted(terms))
        restored.learn(sorted(terms))
    assert state_codec.encode(restored) == state_codec.encode(ran)
    words = [f"word{number}" for number in range(400)]
    assert restored.counts_of(words).tolist() == ran.counts_of(words).tolist()


def test_the_size_of_the_sketch_is_bounded() -> None:
    """A hundred thousand different words use the same counters."""
    vocabulary = TermSketch()
    for number in range(2_000):
        vocabulary.learn([f"{number} {place}" for place in range(50)])
    assert len(state_codec.encode(vocabulary)) < 2 * WIDTH + 32


# --- values ---------------------------------------------------------------------------------------

offers = st.lists(
    st.tuples(
        st.integers(0, 2**64 - 1),
        st.floats(490_000.0, 500_000.0),
        st.lists(st.sampled_from([f"key{number}" for number in range(30)]), max_size=12),
    ),
    max_size=120,
    unique_by=lambda one: one[0],
)


def offer(mix: ValueReservoir, mark: int, hours: float, keys: Iterable[str]) -> None:
    """Offer one more ticket to the reservoir, which may keep it."""
    rank = mix.rank(mark, hours)
    if mix.wants(rank):
        mix.take(rank, keys)


def sample(ticket_list: list[tuple[int, float, list[str]]]) -> ValueReservoir:
    """Return a reservoir to which all tickets were offered."""
    mix = ValueReservoir()
    for mark, hours, keys in ticket_list:
        offer(mix, mark, hours, keys)
    return mix


def share(mix: ValueReservoir, *keys: str) -> float:
    """Return the share of tickets in the reservoir that have all *keys*."""
    (having,) = mix.count(keys)
    return having / len(mix)


def rows(mix: ValueReservoir) -> list[tuple[float, list[int]]]:
    """Return the tickets in the reservoir, regardless of their places."""
    return sorted(
        (rank, mix.values[place * VALUES : (place + 1) * VALUES].tolist())
        for place, rank in enumerate(mix.ranks)
    )


@given(offers, st.randoms(use_true_random=False))
def test_the_sample_is_the_same_in_any_order(
    ticket_list: list[tuple[int, float, list[str]]], rng: random.Random
) -> None:
    """Which tickets are kept depends on their hashes and times, not on their order."""
    mixed = list(ticket_list)
    rng.shuffle(mixed)
    in_order, shuffled = sample(ticket_list), sample(mixed)
    assert rows(in_order) == rows(shuffled)
    for number in range(30):
        groups = ((f"key{number}", "key0"), (f"key{number}",), ())
        assert in_order.count(*groups) == shuffled.count(*groups)


@given(offers)
def test_the_sample_is_bounded_and_its_counts_are_consistent(
    ticket_list: list[tuple[int, float, list[str]]],
) -> None:
    """Tickets and values are bounded, and a pair is no more frequent than its parts."""
    mix = sample(ticket_list)
    assert len(mix) == min(len(ticket_list), DOCUMENTS)
    assert len(mix.values) == VALUES * len(mix)
    for number in range(1, 30):
        both, one, other = mix.count(("key0", f"key{number}"), ("key0",), (f"key{number}",))
        assert 0.0 <= both <= min(one, other) <= len(mix)


def test_few_tickets_are_all_kept_and_counted_exactly() -> None:
    """While there is room all tickets are kept, and each group is counted separately."""
    mix = ValueReservoir()
    assert mix.count(("key",), ()) == (0.0, 0.0)
    assert mix.count() == ()
    for number, mark in enumerate(ticket_hashes(DOCUMENTS)):
        offer(mix, mark, 0.0, ("all", f"parity={number % 2}", f"four={number % 4}"))
    groups = (("all",), ("parity=1",), ("parity=1", "four=3"), ("parity=0", "four=3"), ())
    shares = [count / DOCUMENTS for count in mix.count(*groups)]
    assert shares == [1.0, 0.5, 0.25, 0.0, 1.0]
    assert mix.count() == ()


def test_the_sample_is_fair() -> None:
    """Tickets of the same time are equally likely to be kept."""
    found = []
    for seed in range(100):
        mix = ValueReservoir()
        for number, mark in enumerate(ticket_hashes(300, seed)):
            offer(mix, mark, 0.0, ("early" if number < 150 else "late",))
        found.append(share(mix, "early"))
    assert sum(found) / len(found) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("half_lives", [1, 2, 4])
def test_recent_tickets_are_more_likely_to_be_kept(half_lives: int) -> None:
    """Each half-life halves the odds that a ticket is kept."""
    found = []
    for seed in range(60):
        mix = ValueReservoir()
        for number, mark in enumerate(ticket_hashes(2_000, seed)):
            old = number < 1_000
            hours = 490_000.0 + (0.0 if old else half_lives * HALF_LIFE_HOURS)
            offer(mix, mark, hours, ("old",) if old else ("young",))
        found.append(share(mix, "young"))
    odds = 2.0**half_lives
    assert sum(found) / len(found) == pytest.approx(odds / (odds + 1.0), abs=0.04)


def test_the_sample_follows_a_change() -> None:
    """Two months after a version was replaced, the sample has forgotten it."""
    mix = ValueReservoir()
    for number, mark in enumerate(ticket_hashes(3_000)):
        hours = 490_000.0 + 12.0 * WEEK * number / 3_000
        offer(mix, mark, hours, ("version=1",) if number < 1_000 else ("version=2",))
    assert share(mix, "version=2") > 0.9


@given(offers, offers)
def test_a_restored_sample_keeps_the_same_tickets(
    past: list[tuple[int, float, list[str]]], future: list[tuple[int, float, list[str]]]
) -> None:
    """A restored sample keeps the same tickets as one that never stopped."""
    ran = sample(past)
    restored = state_codec.decode(state_codec.encode(ran), ValueReservoir)
    for one in future:
        offer(ran, *one)
        offer(restored, *one)
    assert state_codec.encode(restored) == state_codec.encode(ran)
    assert restored.count(("key1",)) == ran.count(("key1",))
