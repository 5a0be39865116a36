"""Affected customers: exact and estimated counts, tiers, renewals, and the noisiest customers."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.foundation import state_codec
from detectors.memory.affected_customers import (
    EXACT,
    MOST_KINDS,
    MOST_NAMED,
    MOST_RENEWALS,
    OTHERS,
    AffectedCustomers,
)

DAY = 86_400.0
TIERS = ("free", "team", "team", "enterprise")
REGIONS = ("eu", "us", "us", "us", "apac")


def add(affected: AffectedCustomers, customer: str | None, **fields: object) -> None:
    """Add a ticket of *customer*, of whom only *fields* are known."""
    unknown: dict[str, object] = {"tier": None, "region": None, "revenue": None, "renewal_at": None}
    affected.add(customer, **(unknown | {"at": 0.0} | fields))  # type: ignore[arg-type]


def crowd(count: int, seed: int, tickets: int = 1) -> AffectedCustomers:
    """Return *count* customers with *tickets* each, in random order, varied by their numbers."""
    rng = random.Random(seed)
    names = [f"{rng.getrandbits(64):016x}" for _ in range(count)]
    numbers = [number for number in range(count) for _ in range(tickets)]
    rng.shuffle(numbers)
    audience = AffectedCustomers()
    for number in numbers:
        add(
            audience,
            names[number],
            tier=TIERS[number % 4],
            region=REGIONS[number % 5],
            revenue=1_000.0 * (number % 3) if number % 2 else None,
            renewal_at=(number % 400) * DAY,
        )
    return audience


@pytest.mark.parametrize("count", [0, 1, 7, 500, EXACT])
def test_up_to_a_thousand_customers_are_counted_exactly(count: int) -> None:
    """Customers, tiers, regions, revenue and renewals are exact however often customers write."""
    audience = crowd(count, 1, tickets=3)
    assert (audience.customers, audience.estimated) == (count, False)
    numbers = range(count)
    assert audience.by_tier() == Counter(TIERS[n % 4] for n in numbers)
    assert audience.by_region() == Counter(REGIONS[n % 5] for n in numbers)
    assert audience.revenue == sum(1_000.0 * (n % 3) for n in numbers if n % 2)
    assert audience.with_revenue == sum(n % 2 for n in numbers)
    assert audience.renewing_customers == sum(n % 400 <= 90 for n in numbers)


def test_hash_collisions_of_customers_are_rare() -> None:
    """Among a thousand 32-bit hashes almost no two customers collide."""
    counts = [crowd(EXACT, seed).customers for seed in range(10)]
    assert min(counts) >= EXACT - 1


@pytest.mark.parametrize("count", [EXACT + 1, 5_000, 20_000])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_larger_numbers_of_customers_are_estimated_within_a_tenth(count: int, seed: int) -> None:
    """The count is marked as an estimate, and it and its breakdowns are accurate."""
    audience = crowd(count, seed)
    assert audience.estimated
    assert audience.customers == pytest.approx(count, rel=0.1)
    for name, part in (("free", 0.25), ("team", 0.5), ("enterprise", 0.25)):
        assert audience.by_tier()[name] == pytest.approx(part * count, rel=0.15)
    for name, part in (("eu", 0.2), ("us", 0.6), ("apac", 0.2)):
        assert audience.by_region()[name] == pytest.approx(part * count, rel=0.2)
    assert audience.revenue == pytest.approx(500.0 * count, rel=0.15)
    assert audience.with_revenue == pytest.approx(0.5 * count, rel=0.15)
    soon = sum(number % 400 <= 90 for number in range(count))
    assert audience.renewing_customers == pytest.approx(soon, rel=0.2)


@pytest.mark.parametrize("count", [3_000, 20_000])
@pytest.mark.parametrize("name", ["{}", "account-{}", "user_{}", "acct_{:08}", "id:{:x}"])
def test_consecutive_customer_ids_are_estimated_within_a_tenth(name: str, count: int) -> None:
    """Consecutive ids hash as evenly as random ones."""
    for first in (0, 1_000_000):
        audience = AffectedCustomers()
        for number in range(first, first + count):
            add(audience, name.format(number))
        assert audience.customers == pytest.approx(count, rel=0.1)


@pytest.mark.parametrize("late", [False, True], ids=["payers first", "payers last"])
def test_the_estimate_does_not_depend_on_the_order_of_customers(late: bool) -> None:
    """A thousand paying and 19,000 free customers are estimated alike in either order.

    The sample holds about fifty of the thousand, an error of a seventh, so four crowds are added.
    """
    found: Counter[str] = Counter()
    for seed in range(4):
        names = [f"payer {seed} {number}" for number in range(1_000)]
        crowd = [f"crowd {seed} {number}" for number in range(19_000)]
        audience = AffectedCustomers()
        for name in crowd + names if late else names + crowd:
            if name.startswith("payer"):
                add(audience, name, tier="enterprise", region="eu", revenue=60_000.0)
            else:
                add(audience, name, tier="free", region="us")
        found.update(audience.by_tier())
        found.update(audience.by_region())
        found["paying"] += audience.with_revenue
        found["revenue"] += round(audience.revenue)
    few, many = 4 * 1_000, 4 * 19_000
    expected = {"enterprise": few, "eu": few, "paying": few, "free": many, "us": many}
    assert dict(found) == pytest.approx(expected | {"revenue": 60_000 * few}, rel=0.15)


def test_unknown_revenue_differs_from_a_revenue_of_zero() -> None:
    """A revenue of zero is known; a missing revenue is not counted."""
    audience = AffectedCustomers()
    for number, revenue in enumerate((0.0, None, 5.0, None)):
        add(audience, f"c{number}", revenue=revenue)
    assert (audience.with_revenue, audience.revenue) == (2, 5.0)


def test_repeated_tickets_do_not_change_the_estimate() -> None:
    """Beyond a thousand customers, one who writes ten times still counts once."""
    once, often = crowd(3_000, 4), crowd(3_000, 4, tickets=10)
    assert often.customers == once.customers
    assert often.hashes == once.hashes


def test_each_ticket_without_a_customer_counts_as_one_customer() -> None:
    """Such tickets are added to the count and left out of the estimates."""
    audience = crowd(5_000, 5)
    before, scale = audience.customers, audience.scale
    for _ in range(100):
        add(audience, None, tier="free", revenue=1e9)
    assert audience.customers == before + 100
    assert audience.scale == pytest.approx(scale, rel=1e-3)
    assert audience.revenue < 1e9


def test_the_five_soonest_renewals_are_listed() -> None:
    """Renewals that have passed or are too far ahead are left out."""
    audience = AffectedCustomers()
    days = [*range(-5, 400)]
    random.Random(6).shuffle(days)
    for day in days:
        at = 1_000 * DAY
        add(audience, f"c{day}", renewal_at=at + day * DAY, revenue=float(day + 10), at=at)
    assert [one.customer for one in audience.renewals] == ["c0", "c1", "c2", "c3", "c4"]
    assert [one.revenue for one in audience.renewals] == [10.0, 11.0, 12.0, 13.0, 14.0]
    assert len(audience.renewals) == MOST_RENEWALS
    assert audience.renewing_customers == 91


def test_a_renewal_is_listed_once_per_customer() -> None:
    """A customer who writes ten times has one renewal."""
    audience = AffectedCustomers()
    for _ in range(10):
        add(audience, "acme", renewal_at=9 * DAY)
    assert [(one.customer, one.revenue) for one in audience.renewals] == [("acme", 0.0)]
    assert audience.renewing_customers == 1


@pytest.mark.parametrize("seed", range(5))
def test_a_noisy_customer_is_found_among_five_thousand(seed: int) -> None:
    """A customer with three hundred tickets is found in any order of tickets."""
    rng = random.Random(seed)
    names = [f"c{number}" for number in range(5_000)] + ["noisy"] * 300
    rng.shuffle(names)
    audience = AffectedCustomers()
    for name in names:
        add(audience, name)
    assert len(audience.members) == MOST_NAMED
    top = max(audience.members, key=lambda name: audience.members[name].tickets)
    assert top == "noisy"
    member = audience.members["noisy"]
    assert member.tickets - member.missed <= 300 <= member.tickets


@given(st.lists(st.integers(0, 60), max_size=400))
def test_a_customer_with_a_large_share_of_tickets_is_never_missed(
    customer_numbers: list[int],
) -> None:
    """The error bounds hold for every listed customer, and every frequent one is listed."""
    audience = AffectedCustomers()
    for number in customer_numbers:
        add(audience, f"c{number}")
    for name, member in audience.members.items():
        exact = customer_numbers.count(int(name[1:]))
        assert member.tickets - member.missed <= exact <= member.tickets
    for number in set(customer_numbers):
        if customer_numbers.count(number) > len(customer_numbers) / MOST_NAMED:
            assert f"c{number}" in audience.members


def test_excess_tiers_and_regions_are_counted_together() -> None:
    """Tiers and regions beyond the maximum are counted under one name."""
    audience = AffectedCustomers()
    for number in range(900):
        add(audience, f"c{number}", tier=f"tier {number}", region=f"region {number}")
    for counts in (audience.by_tier(), audience.by_region()):
        assert len(counts) <= MOST_KINDS + 1
        assert counts[OTHERS] == 900 - MOST_KINDS
        assert sum(counts.values()) == 900


def test_the_size_of_affected_customers_is_bounded() -> None:
    """A hundred thousand customers take no more space than ten thousand."""
    sizes = []
    audience = AffectedCustomers()
    for number in range(100_000):
        add(audience, f"customer-{number}", tier=f"t{number}", renewal_at=float(number % 9))
        if number in (10_000, 99_999):
            sizes.append(len(state_codec.encode(audience)))
    assert sizes[1] < 1.1 * sizes[0]
    assert sizes[1] < 17_000


@given(st.lists(st.integers(0, 2_000), max_size=50), st.integers(0, 3))
def test_counting_continues_after_a_restart(customer_numbers: list[int], seed: int) -> None:
    """A restored counter ends in the same state as one that never stopped."""
    ran = crowd(EXACT - 10 + 10 * seed, seed)
    restored = state_codec.decode(state_codec.encode(ran), AffectedCustomers)
    for number in customer_numbers:
        for audience in (ran, restored):
            add(audience, f"new {number}", tier="team", renewal_at=DAY, revenue=1.0)
    assert state_codec.encode(restored) == state_codec.encode(ran)
    assert restored.customers == ran.customers
