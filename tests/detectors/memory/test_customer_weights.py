"""Weights of repeated tickets of one customer, and which customers are remembered."""

import math

from hypothesis import given
from hypothesis import strategies as st

from detectors.foundation import state_codec
from detectors.memory.customer_weights import (
    MEMORY_SECONDS,
    NEVER,
    SETS,
    WAYS,
    CustomerMemory,
    customer_tag,
)

DAY = float(MEMORY_SECONDS)


def test_each_further_ticket_within_a_day_counts_half() -> None:
    """The k-th ticket of a customer within 24 hours counts 2^-(k-1)."""
    memory = CustomerMemory()
    weights = [memory.see(customer_tag("acme"), 1000.0 + 60.0 * k)[0] for k in range(6)]
    assert weights == [1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125]


def test_fifty_tickets_of_one_customer_are_worth_less_than_two() -> None:
    """However often a customer writes in a day, the tickets count less than two."""
    memory = CustomerMemory()
    assert sum(memory.see(customer_tag("acme"), 1.0 * k)[0] for k in range(10_000)) <= 2.0


def test_the_day_begins_with_the_first_ticket() -> None:
    """The count restarts 24 hours after the first ticket, not after the last."""
    memory = CustomerMemory()
    memory.see(customer_tag("acme"), 0.0)
    assert memory.see(customer_tag("acme"), DAY - 61.0)[0] == 0.5
    assert memory.see(customer_tag("acme"), DAY)[0] == 1.0
    assert memory.see(customer_tag("acme"), 2 * DAY - 1.0)[0] == 0.5


def test_customers_are_weighted_independently() -> None:
    """Each customer has a count of its own."""
    memory = CustomerMemory()
    assert [memory.see(customer_tag(f"customer {n}"), 5.0)[0] for n in range(100)] == [1.0] * 100


def test_a_ticket_without_a_customer_counts_in_full() -> None:
    """Every ticket without a customer has a weight of 1."""
    memory = CustomerMemory()
    assert [memory.see(customer_tag(None), 5.0) for _ in range(5)] == [(1.0, NEVER)] * 5


def test_a_customer_was_never_seen_before_its_first_ticket() -> None:
    """`last_seen` is minus infinity at first, then the time of the previous ticket."""
    memory = CustomerMemory()
    assert memory.see(customer_tag("acme"), 100.0) == (1.0, NEVER)
    assert memory.see(customer_tag("acme"), 200.0) == (0.5, 100.0)
    assert memory.see(customer_tag("acme"), 300.0) == (0.25, 200.0)


@given(st.floats(1.0, 4.1e9))
def test_the_time_of_the_last_ticket_is_rounded_up(at: float) -> None:
    """A customer first seen when a window began is not taken for one seen before it."""
    memory = CustomerMemory()
    memory.see(customer_tag("acme"), at)
    assert at <= memory.see(customer_tag("acme"), at + 5.0)[1] <= at + 1.0


def test_an_earlier_ticket_does_not_move_the_last_seen_time_back() -> None:
    """A ticket with an earlier time leaves the latest time unchanged."""
    memory = CustomerMemory()
    memory.see(customer_tag("acme"), 500.0)
    assert memory.see(customer_tag("acme"), 400.0) == (0.5, 500.0)
    assert memory.see(customer_tag("acme"), 600.0) == (0.25, 500.0)


def test_the_memory_is_bounded() -> None:
    """The memory holds 160 customers in at most 2.6 kB, however many there are."""
    memory = CustomerMemory()
    assert len(state_codec.encode(memory)) < 50, "an empty memory must take little space"
    for number in range(50_000):
        memory.see(customer_tag(f"customer {number}"), float(number))
        if number % 10_000 == 0:
            assert len(state_codec.encode(memory)) <= 2_600
    assert len(memory.tags) == SETS * WAYS
    assert len(state_codec.encode(memory)) <= 2_600


def test_a_noisy_customer_is_remembered_in_a_flood_of_others() -> None:
    """A customer who keeps writing keeps a weight near zero."""
    memory = CustomerMemory()
    weights = []
    for number in range(5_000):
        at = 1_000.0 + 15.0 * number
        memory.see(customer_tag(f"other {number}"), at)
        if number % 5 == 0:
            weights.append(memory.see(customer_tag("noisy"), at)[0])
    assert weights[0] == 1.0
    assert max(weights[1:]) == 0.5


def test_the_least_recently_seen_customer_is_forgotten_first() -> None:
    """Of customers in one set, the fifth replaces the least recently seen one."""
    alike = _of_one_set(WAYS + 1)
    memory = CustomerMemory()
    for at, name in enumerate(alike[:WAYS], start=1):
        memory.see(customer_tag(name), float(at))
    memory.see(customer_tag(alike[0]), 100.0)
    memory.see(customer_tag(alike[WAYS]), 110.0)
    assert memory.see(customer_tag(alike[1]), 170.0) == (1.0, NEVER)
    assert memory.see(customer_tag(alike[0]), 171.0) == (0.25, 100.0)


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "c", None]), st.integers(0, 9)),
        max_size=60,
    ),
    st.integers(0, 59),
)
def test_the_memory_survives_encoding(visits: list[tuple[str | None, int]], cut: int) -> None:
    """A memory that is encoded and decoded at any point gives the same answers."""
    uninterrupted, restored = CustomerMemory(), CustomerMemory()
    at = 0.0
    for number, (name, hours) in enumerate(visits):
        at += hours * 3600.0 + 0.25
        if number == cut:
            restored = state_codec.decode(state_codec.encode(restored), CustomerMemory)
        tag = customer_tag(name)
        assert uninterrupted.see(tag, at) == restored.see(tag, at)
    assert state_codec.encode(uninterrupted) == state_codec.encode(restored)


def test_the_whole_range_of_times_fits() -> None:
    """The latest time that the codec accepts can be stored."""
    memory = CustomerMemory()
    latest = 4_102_444_800.0  # 2100-01-01
    memory.see(customer_tag("acme"), latest)
    assert memory.see(customer_tag("acme"), latest + 60.0) == (0.5, latest)
    assert math.log2(latest) < 32


def _of_one_set(count: int) -> list[str]:
    """Return customer names that fall into the same set."""
    places: dict[int, list[str]] = {}
    for number in range(10_000):
        name = f"n{number}"
        probe = CustomerMemory()
        probe.see(customer_tag(name), 1.0)
        place = next(i for i, tag in enumerate(probe.tags) if tag) // WAYS
        places.setdefault(place, []).append(name)
        if len(places[place]) == count:
            return places[place]
    raise AssertionError("too few names fall into the same set")


def test_a_form_sent_twice_counts_once() -> None:
    """A second ticket within a minute counts nothing; one a minute later counts."""
    memory = CustomerMemory()
    assert memory.see(customer_tag("acme"), 1_000.0) == (1.0, NEVER)
    assert memory.see(customer_tag("acme"), 1_000.0) == (0.0, 1_000.0)
    assert memory.see(customer_tag("acme"), 1_059.0) == (0.0, 1_000.0)
    weight, seen = memory.see(customer_tag("acme"), 1_119.0)
    assert 0.0 < weight <= 0.5
    assert seen == 1_059.0
