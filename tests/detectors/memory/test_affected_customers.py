"""Who is hit: customers counted, then estimated; their kinds, contracts, and the loudest ones."""

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
    """A ticket of *customer*, of whom nothing else is known but *fields*."""
    told: dict[str, object] = {"tier": None, "region": None, "revenue": None, "renewal_at": None}
    affected.add(customer, **(told | {"at": 0.0} | fields))  # type: ignore[arg-type]


def crowd(count: int, seed: int, tickets: int = 1) -> AffectedCustomers:
    """*count* customers, each with as many *tickets*, in any order; kinds by their numbers."""
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
    """Each once, however often they write; so are tiers, regions, revenue and contracts."""
    audience = crowd(count, 1, tickets=3)
    assert (audience.customers, audience.estimated) == (count, False)
    numbers = range(count)
    assert audience.by_tier() == Counter(TIERS[n % 4] for n in numbers)
    assert audience.by_region() == Counter(REGIONS[n % 5] for n in numbers)
    assert audience.revenue == sum(1_000.0 * (n % 3) for n in numbers if n % 2)
    assert audience.with_revenue == sum(n % 2 for n in numbers)
    assert audience.renewing_customers == sum(n % 400 <= 90 for n in numbers)


def test_two_names_of_one_hash_are_rare() -> None:
    """A thousand customers of 32 bits each: hardly two that are taken for one."""
    counts = [crowd(EXACT, seed).customers for seed in range(10)]
    assert min(counts) >= EXACT - 1


@pytest.mark.parametrize("count", [EXACT + 1, 5_000, 20_000])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_more_are_estimated_within_a_tenth(count: int, seed: int) -> None:
    """Said to be an estimate, and near: customers, and each kind of them alike."""
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
def test_ids_in_a_row_are_estimated_within_a_tenth(name: str, count: int) -> None:
    """Most customers are numbered; their hashes are as good as chance all the same."""
    for first in (0, 1_000_000):
        audience = AffectedCustomers()
        for number in range(first, first + count):
            add(audience, name.format(number))
        assert audience.customers == pytest.approx(count, rel=0.1)


@pytest.mark.parametrize("late", [False, True], ids=["payers first", "payers last"])
def test_who_came_first_counts_no_more_than_who_came_late(late: bool) -> None:
    """A thousand who pay much, and 19,000 who pay nothing: as many of each, whoever came first.

    Some fifty of the thousand are in the sample: that is a seventh more or less, so four crowds.
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


def test_a_customer_without_revenue_is_told_from_one_who_pays_nothing() -> None:
    """Nothing a year is known revenue; what is not told counts as none."""
    audience = AffectedCustomers()
    for number, revenue in enumerate((0.0, None, 5.0, None)):
        add(audience, f"c{number}", revenue=revenue)
    assert (audience.with_revenue, audience.revenue) == (2, 5.0)


def test_those_who_write_again_are_not_estimated_anew() -> None:
    """Beyond a thousand too, a customer who writes ten times is one."""
    once, often = crowd(3_000, 4), crowd(3_000, 4, tickets=10)
    assert often.customers == once.customers
    assert often.hashes == once.hashes


def test_tickets_without_a_customer_are_one_each() -> None:
    """Nobody can tell whether two of them are one; estimates leave them alone."""
    audience = crowd(5_000, 5)
    before, scale = audience.customers, audience.scale
    for _ in range(100):
        add(audience, None, tier="free", revenue=1e9)
    assert audience.customers == before + 100
    assert audience.scale == pytest.approx(scale, rel=1e-3)
    assert audience.revenue < 1e9


def test_the_five_soonest_renewals_are_named() -> None:
    """Of those that end soon, in order; who ends later, or has ended, is none."""
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


def test_a_renewal_is_told_once_a_customer() -> None:
    """Whoever writes ten times has one contract."""
    audience = AffectedCustomers()
    for _ in range(10):
        add(audience, "acme", renewal_at=9 * DAY)
    assert [(one.customer, one.revenue) for one in audience.renewals] == [("acme", 0.0)]
    assert audience.renewing_customers == 1


@pytest.mark.parametrize("seed", range(5))
def test_the_one_noisy_customer_is_found_among_five_thousand(seed: int) -> None:
    """Three hundred tickets of one, one of each other, in any order."""
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
def test_who_has_more_than_a_part_of_all_tickets_is_never_missed(told: list[int]) -> None:
    """The bounds of the counter hold for everyone who is named, and all who must be are."""
    audience = AffectedCustomers()
    for number in told:
        add(audience, f"c{number}")
    for name, member in audience.members.items():
        exact = told.count(int(name[1:]))
        assert member.tickets - member.missed <= exact <= member.tickets
    for number in set(told):
        if told.count(number) > len(told) / MOST_NAMED:
            assert f"c{number}" in audience.members


def test_made_up_tiers_and_regions_share_one_name() -> None:
    """So many kinds are counted; what comes after them is counted together."""
    audience = AffectedCustomers()
    for number in range(900):
        add(audience, f"c{number}", tier=f"tier {number}", region=f"region {number}")
    for counts in (audience.by_tier(), audience.by_region()):
        assert len(counts) <= MOST_KINDS + 1
        assert counts[OTHERS] == 900 - MOST_KINDS
        assert sum(counts.values()) == 900


def test_it_is_bounded_whoever_comes() -> None:
    """A hundred thousand customers take no more room than a few thousand."""
    sizes = []
    audience = AffectedCustomers()
    for number in range(100_000):
        add(audience, f"customer-{number}", tier=f"t{number}", renewal_at=float(number % 9))
        if number in (10_000, 99_999):
            sizes.append(len(state_codec.encode(audience)))
    assert sizes[1] < 1.1 * sizes[0]
    assert sizes[1] < 17_000


@given(st.lists(st.integers(0, 2_000), max_size=50), st.integers(0, 3))
def test_it_counts_on_after_a_restart(told: list[int], seed: int) -> None:
    """What is restored of its bytes ends as the one that went on, estimated or not."""
    ran = crowd(EXACT - 10 + 10 * seed, seed)
    restored = state_codec.decode(state_codec.encode(ran), AffectedCustomers)
    for number in told:
        for audience in (ran, restored):
            add(audience, f"new {number}", tier="team", renewal_at=DAY, revenue=1.0)
    assert state_codec.encode(restored) == state_codec.encode(ran)
    assert restored.customers == ran.customers
