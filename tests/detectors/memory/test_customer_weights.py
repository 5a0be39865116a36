"""How much a customer's next ticket counts, and who is remembered."""

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
    """However often one customer writes in a day, it is never two customers."""
    memory = CustomerMemory()
    assert sum(memory.see(customer_tag("acme"), 1.0 * k)[0] for k in range(10_000)) <= 2.0


def test_the_day_begins_with_the_first_ticket() -> None:
    """24 hours after the first ticket, not after the last, the count begins anew."""
    memory = CustomerMemory()
    memory.see(customer_tag("acme"), 0.0)
    assert memory.see(customer_tag("acme"), DAY - 61.0)[0] == 0.5
    assert memory.see(customer_tag("acme"), DAY)[0] == 1.0
    assert memory.see(customer_tag("acme"), 2 * DAY - 1.0)[0] == 0.5


def test_customers_do_not_count_for_each_other() -> None:
    """Each customer has a count of its own."""
    memory = CustomerMemory()
    assert [memory.see(customer_tag(f"customer {n}"), 5.0)[0] for n in range(100)] == [1.0] * 100


def test_a_ticket_without_a_customer_is_a_customer_of_its_own() -> None:
    """Tickets without a customer count in full, every one."""
    memory = CustomerMemory()
    assert [memory.see(customer_tag(None), 5.0) for _ in range(5)] == [(1.0, NEVER)] * 5


def test_a_customer_was_never_seen_before_its_first_ticket() -> None:
    """`last_seen` is minus infinity first, then the time of the ticket before."""
    memory = CustomerMemory()
    assert memory.see(customer_tag("acme"), 100.0) == (1.0, NEVER)
    assert memory.see(customer_tag("acme"), 200.0) == (0.5, 100.0)
    assert memory.see(customer_tag("acme"), 300.0) == (0.25, 200.0)


@given(st.floats(1.0, 4.1e9))
def test_a_customer_is_never_remembered_as_seen_earlier(at: float) -> None:
    """Who began a window at *at* is not taken for somebody from before it: fractions round up."""
    memory = CustomerMemory()
    memory.see(customer_tag("acme"), at)
    assert at <= memory.see(customer_tag("acme"), at + 5.0)[1] <= at + 1.0


def test_time_that_goes_back_does_not_disturb() -> None:
    """A ticket of an earlier time leaves the latest time standing."""
    memory = CustomerMemory()
    memory.see(customer_tag("acme"), 500.0)
    assert memory.see(customer_tag("acme"), 400.0) == (0.5, 500.0)
    assert memory.see(customer_tag("acme"), 600.0) == (0.25, 500.0)


def test_the_memory_is_bounded() -> None:
    """It holds 160 customers in at most 2.6 kB, however many there are."""
    memory = CustomerMemory()
    assert len(state_codec.encode(memory)) < 50, "and nothing before the first one"
    for number in range(50_000):
        memory.see(customer_tag(f"customer {number}"), float(number))
        if number % 10_000 == 0:
            assert len(state_codec.encode(memory)) <= 2_600
    assert len(memory.tags) == SETS * WAYS
    assert len(state_codec.encode(memory)) <= 2_600


def test_the_noisy_customer_is_the_one_who_is_remembered() -> None:
    """Among a flood of others, the one who keeps writing keeps counting for next to nothing."""
    memory = CustomerMemory()
    weights = []
    for number in range(5_000):
        at = 1_000.0 + 15.0 * number
        memory.see(customer_tag(f"other {number}"), at)
        if number % 5 == 0:
            weights.append(memory.see(customer_tag("noisy"), at)[0])
    assert weights[0] == 1.0
    assert max(weights[1:]) == 0.5


def test_who_was_longest_unseen_is_forgotten_first() -> None:
    """Of customers that share a set, the fifth takes the place of the one longest unseen."""
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
    """Encoded and decoded anywhere on the way, it gives the same answers."""
    whole, broken = CustomerMemory(), CustomerMemory()
    at = 0.0
    for number, (name, hours) in enumerate(visits):
        at += hours * 3600.0 + 0.25
        if number == cut:
            broken = state_codec.decode(state_codec.encode(broken), CustomerMemory)
        tag = customer_tag(name)
        assert whole.see(tag, at) == broken.see(tag, at)
    assert state_codec.encode(whole) == state_codec.encode(broken)


def test_the_whole_range_of_times_fits() -> None:
    """The latest time that the codec lets in can be remembered."""
    memory = CustomerMemory()
    latest = 4_102_444_800.0  # 2100-01-01
    memory.see(customer_tag("acme"), latest)
    assert memory.see(customer_tag("acme"), latest + 60.0) == (0.5, latest)
    assert math.log2(latest) < 32


def _of_one_set(count: int) -> list[str]:
    """Names of customers that fall into the same set."""
    places: dict[int, list[str]] = {}
    for number in range(10_000):
        name = f"n{number}"
        probe = CustomerMemory()
        probe.see(customer_tag(name), 1.0)
        place = next(i for i, tag in enumerate(probe.tags) if tag) // WAYS
        places.setdefault(place, []).append(name)
        if len(places[place]) == count:
            return places[place]
    raise AssertionError("no set was hit often enough")


def test_a_form_sent_twice_is_one_complaint() -> None:
    """What a customer sends within a minute of the last counts nothing; a minute later it does."""
    memory = CustomerMemory()
    assert memory.see(customer_tag("acme"), 1_000.0) == (1.0, NEVER)
    assert memory.see(customer_tag("acme"), 1_000.0) == (0.0, 1_000.0)
    assert memory.see(customer_tag("acme"), 1_059.0) == (0.0, 1_000.0)
    weight, seen = memory.see(customer_tag("acme"), 1_119.0)
    assert 0.0 < weight <= 0.5
    assert seen == 1_059.0
