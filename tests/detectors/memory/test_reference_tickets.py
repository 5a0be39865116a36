"""What is usual in an area: its words in a sketch, and a sample of which values go together."""

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


def marks(count: int, seed: int = 1) -> list[int]:
    """Marks as tickets have them."""
    return [fingerprint(f"{seed} {number}") for number in range(count)]


# --- words ----------------------------------------------------------------------------------------


@given(tickets)
def test_the_sketch_never_reads_too_few(told: list[set[str]]) -> None:
    """Before anything fades: for every word at least as many tickets as had it, and no others."""
    vocabulary = TermSketch()
    exact: Counter[str] = Counter()
    for terms in told:
        vocabulary.learn(sorted(terms))
        exact.update(terms)
    assert vocabulary.tickets == len(told)
    names = sorted(exact)
    for name, count in zip(names, vocabulary.counts_of(names).tolist(), strict=True):
        assert exact[name] <= count <= len(told)


def test_a_word_counts_once_a_ticket() -> None:
    """Though other words of the ticket fall on the same counters."""
    vocabulary = TermSketch()
    for _ in range(10):
        vocabulary.learn([f"word{number}" for number in range(3 * WIDTH)])
    assert max(vocabulary.counts) == 10


def test_a_word_that_never_came_reads_as_few() -> None:
    """After a hundred tickets of some thirty words each, unseen words read as none to three."""
    rng = random.Random(2)
    vocabulary = TermSketch()
    for _ in range(100):
        vocabulary.learn({f"word{int(600 ** rng.random())}" for _ in range(40)})
    unseen = vocabulary.counts_of([f"unseen{number}" for number in range(1_000)])
    assert (unseen == 0).mean() > 0.5
    assert (unseen <= 3).mean() > 0.85


def test_what_came_long_ago_fades_by_halves() -> None:
    """When it is full all counts are halved; a word that came no more is forgotten in the end."""
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


def test_shares_outlive_the_fading() -> None:
    """What a quarter of the tickets say is read as a quarter, however many came."""
    vocabulary = TermSketch()
    for number in range(2_000):
        vocabulary.learn(["often"] if number % 4 else ["often", "quarter"])
        assert vocabulary.tickets <= MOST_LEARNED
    often, quarter = vocabulary.counts_of(["often", "quarter"]) / vocabulary.tickets
    assert often == pytest.approx(1.0, abs=0.03)
    assert quarter == pytest.approx(0.25, abs=0.03)


def test_it_keeps_learning_one_of_sixteen() -> None:
    """All of the first tickets, then one of sixteen by its mark, and it never stops."""
    vocabulary = TermSketch()
    wanted = []
    for mark in marks(20_000):
        wanted.append(vocabulary.wants(mark))
        if wanted[-1]:
            vocabulary.learn(["word"])
    assert all(wanted[: int(ALL_LEARN)])
    for begin in range(1_000, 20_000, 1_000):
        assert sum(wanted[begin : begin + 1_000]) == pytest.approx(1_000 / EVERY, rel=0.4)


def test_a_halving_does_not_make_it_learn_all_again() -> None:
    """It is as full after it as it must be to be choosy."""
    vocabulary = TermSketch(tickets=MOST_LEARNED)
    vocabulary.learn(["word"])
    assert not vocabulary.wants(1)
    assert vocabulary.wants(EVERY)


@given(tickets, tickets)
def test_a_vocabulary_learns_on_after_a_restart(
    past: list[set[str]], future: list[set[str]]
) -> None:
    """What is restored of its bytes learns and reads as the one that went on."""
    ran = TermSketch()
    for terms in past:
        ran.learn(sorted(terms))
    restored = state_codec.decode(state_codec.encode(ran), TermSketch)
    for terms in future:
        ran.learn(sorted(terms))
        restored.learn(sorted(terms))
    assert state_codec.encode(restored) == state_codec.encode(ran)
    asked = [f"word{number}" for number in range(400)]
    assert restored.counts_of(asked).tolist() == ran.counts_of(asked).tolist()


def test_a_vocabulary_is_as_large_as_ever_whatever_came() -> None:
    """A hundred thousand different words: the same counters."""
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
    """One more ticket; it is kept or not."""
    rank = mix.rank(mark, hours)
    if mix.wants(rank):
        mix.take(rank, keys)


def sample(told: list[tuple[int, float, list[str]]]) -> ValueReservoir:
    """What is kept of all *told*."""
    mix = ValueReservoir()
    for mark, hours, keys in told:
        offer(mix, mark, hours, keys)
    return mix


def share(mix: ValueReservoir, *keys: str) -> float:
    """Of its tickets, those that had all *keys*."""
    (having,) = mix.count(keys)
    return having / len(mix)


def rows(mix: ValueReservoir) -> list[tuple[float, list[int]]]:
    """Its tickets, whatever places they have."""
    return sorted(
        (rank, mix.values[place * VALUES : (place + 1) * VALUES].tolist())
        for place, rank in enumerate(mix.ranks)
    )


@given(offers, st.randoms(use_true_random=False))
def test_the_sample_is_the_same_in_any_order(
    told: list[tuple[int, float, list[str]]], rng: random.Random
) -> None:
    """Which tickets are kept depends on their marks and times, never on who came first."""
    mixed = list(told)
    rng.shuffle(mixed)
    one, other = sample(told), sample(mixed)
    assert rows(one) == rows(other)
    for number in range(30):
        groups = ((f"key{number}", "key0"), (f"key{number}",), ())
        assert one.count(*groups) == other.count(*groups)


@given(offers)
def test_the_sample_is_bounded_and_its_counts_are_counts(
    told: list[tuple[int, float, list[str]]],
) -> None:
    """So many tickets, so many values of each; a pair is no more frequent than its parts."""
    mix = sample(told)
    assert len(mix) == min(len(told), DOCUMENTS)
    assert len(mix.values) == VALUES * len(mix)
    for number in range(1, 30):
        both, one, other = mix.count(("key0", f"key{number}"), ("key0",), (f"key{number}",))
        assert 0.0 <= both <= min(one, other) <= len(mix)


def test_few_tickets_are_all_kept_and_counted_exactly() -> None:
    """As long as there is room nothing is estimated; each group is counted by itself."""
    mix = ValueReservoir()
    assert mix.count(("key",), ()) == (0.0, 0.0)
    assert mix.count() == ()
    for number, mark in enumerate(marks(DOCUMENTS)):
        offer(mix, mark, 0.0, ("all", f"parity={number % 2}", f"four={number % 4}"))
    groups = (("all",), ("parity=1",), ("parity=1", "four=3"), ("parity=0", "four=3"), ())
    shares = [count / DOCUMENTS for count in mix.count(*groups)]
    assert shares == [1.0, 0.5, 0.25, 0.0, 1.0]
    assert mix.count() == ()


def test_the_sample_is_fair() -> None:
    """Of tickets of one time each is as likely to be kept: shares come out on average."""
    found = []
    for seed in range(100):
        mix = ValueReservoir()
        for number, mark in enumerate(marks(300, seed)):
            offer(mix, mark, 0.0, ("early" if number < 150 else "late",))
        found.append(share(mix, "early"))
    assert sum(found) / len(found) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("half_lives", [1, 2, 4])
def test_recent_tickets_are_likelier(half_lives: int) -> None:
    """Each half-life halves the odds of a ticket to be among those kept."""
    found = []
    for seed in range(60):
        mix = ValueReservoir()
        for number, mark in enumerate(marks(2_000, seed)):
            old = number < 1_000
            hours = 490_000.0 + (0.0 if old else half_lives * HALF_LIFE_HOURS)
            offer(mix, mark, hours, ("old",) if old else ("young",))
        found.append(share(mix, "young"))
    odds = 2.0**half_lives
    assert sum(found) / len(found) == pytest.approx(odds / (odds + 1.0), abs=0.04)


def test_the_sample_follows_a_change() -> None:
    """Two months after a version was replaced, the sample has forgotten it."""
    mix = ValueReservoir()
    for number, mark in enumerate(marks(3_000)):
        hours = 490_000.0 + 12.0 * WEEK * number / 3_000
        offer(mix, mark, hours, ("version=1",) if number < 1_000 else ("version=2",))
    assert share(mix, "version=2") > 0.9


@given(offers, offers)
def test_a_sample_goes_on_after_a_restart(
    past: list[tuple[int, float, list[str]]], future: list[tuple[int, float, list[str]]]
) -> None:
    """What is restored of its bytes keeps the same tickets afterwards."""
    ran = sample(past)
    restored = state_codec.decode(state_codec.encode(ran), ValueReservoir)
    for one in future:
        offer(ran, *one)
        offer(restored, *one)
    assert state_codec.encode(restored) == state_codec.encode(ran)
    assert restored.count(("key1",)) == ran.count(("key1",))
