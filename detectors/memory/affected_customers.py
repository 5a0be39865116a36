"""The customers affected by an episode: their number, tiers, regions, revenue and renewals."""

import hashlib
from array import array
from bisect import bisect_left, insort
from collections import Counter
from typing import Final

import msgspec

from detectors.foundation.state_codec import Floats, Integers

EXACT: Final = 1_000
"""Customers are counted exactly up to this number and estimated beyond it."""
MOST_KINDS: Final = 24
"""The most tiers, and the most regions, that are counted by name; others count as `OTHERS`."""
OTHERS: Final = "other"
MOST_NAMED: Final = 24
"""The most customers whose tickets are counted individually."""
MOST_RENEWALS: Final = 5
MOST_ACCOUNTS: Final = 100
"""The most customers that are listed with their attributes."""


class Account(msgspec.Struct, array_like=True):
    """The attributes of one affected customer."""

    tickets: int
    tier: str | None
    region: str | None
    revenue: float | None


class Renewal(msgspec.Struct, array_like=True, order=True):
    """A contract of an affected customer that ends soon."""

    at: float
    customer: str
    revenue: float


class AffectedCustomer(msgspec.Struct, array_like=True):
    """The number of tickets of one customer."""

    tickets: int
    missed: int
    """How many of the tickets may belong to others: the error bound of the space-saving counter."""


class AffectedCustomers(msgspec.Struct, array_like=True):
    """Distinct customers: exact up to `EXACT`, then estimated from the k smallest hashes.

    With k = 1,000, the estimate (k - 1) / (k-th smallest hash) has a relative standard error of
    3.2 %. Tiers, regions and revenue are then those of a uniform sample, scaled up. A space-saving
    counter finds the customers with the most tickets. It never misses a customer with more than
    1/24 of all tickets.

    Source: Bar-Yossef et al. 2002, "Counting distinct elements in a data stream"; Metwally et al.
    2005, "Efficient computation of frequent and top-k elements in data streams".

    Example:
        >>> affected = AffectedCustomers()
        >>> for name in ("acme", "globex", "acme"):
        ...     affected.add(name, tier="team", region="eu", revenue=9.0, renewal_at=None, at=0.0)
        >>> affected.customers, affected.by_tier(), affected.revenue
        (2, {'team': 2}, 18.0)
        >>> affected.members["acme"].tickets
        2
    """

    hashes: Integers = msgspec.field(default_factory=lambda: array("I"))
    """Sorted hashes of the customers; the next four arrays are in the same order."""
    tier_of: Integers = msgspec.field(default_factory=lambda: array("B"))
    """Index of the tier in `tiers`, from 1; 0: unknown."""
    region_of: Integers = msgspec.field(default_factory=lambda: array("B"))
    """Index of the region in `regions`, from 1; 0: unknown."""
    revenue_of: Floats = msgspec.field(default_factory=lambda: array("f"))
    """Annual revenue; negative: unknown."""
    renews: Integers = msgspec.field(default_factory=lambda: array("B"))
    """1 if the contract ends soon, else 0."""
    most: int = 2**32
    """Hashes from this value on are not kept."""
    tiers: list[str] = []
    regions: list[str] = []
    nameless: int = 0
    """Tickets without a customer; each counts as a distinct customer."""
    renewals: list[Renewal] = []
    """The contracts that end soonest."""
    members: dict[str, AffectedCustomer] = {}
    """The customers with the most tickets, by the space-saving counter."""
    accounts: dict[str, Account] = {}
    """The first `MOST_ACCOUNTS` customers. After that, a customer with more revenue replaces the
    customer with the least."""

    @property
    def customers(self) -> int:
        """The number of distinct customers."""
        count = len(self.hashes)
        if self.most < 2**32:
            count = round((count - 1) * 2.0**32 / self.hashes[-1])
        return count + self.nameless

    @property
    def estimated(self) -> bool:
        """Whether `customers` is an estimate."""
        return self.most < 2**32

    @property
    def scale(self) -> float:
        """The number of customers that each sampled customer represents."""
        return (self.customers - self.nameless) / max(len(self.hashes), 1)

    @property
    def revenue(self) -> float:
        """Annual revenue of all customers whose revenue is known."""
        return sum(revenue for revenue in self.revenue_of if revenue >= 0.0) * self.scale

    @property
    def with_revenue(self) -> int:
        """The number of customers whose revenue is known."""
        return round(sum(revenue >= 0.0 for revenue in self.revenue_of) * self.scale)

    @property
    def renewing_customers(self) -> int:
        """The number of customers whose contract ends soon."""
        return round(sum(self.renews) * self.scale)

    def by_tier(self) -> dict[str, int]:
        """Return the number of customers by tier, sorted by tier; unknown tiers are left out."""
        return self._by(self.tier_of, self.tiers)

    def by_region(self) -> dict[str, int]:
        """Return the number of customers by region, sorted by region; unknown ones are left out."""
        return self._by(self.region_of, self.regions)

    def _by(self, kinds: Integers, names: list[str]) -> dict[str, int]:
        counts = Counter(kinds)
        scale = self.scale
        by_name = {name: round(counts[index] * scale) for index, name in enumerate(names, 1)}
        return {name: count for name, count in sorted(by_name.items()) if count}

    def add(
        self,
        customer: str | None,
        *,
        tier: str | None,
        region: str | None,
        revenue: float | None,
        renewal_at: float | None,
        at: float,
        renewal_seconds: float = 90 * 86_400.0,
    ) -> None:
        """Count a ticket of a customer.

        Args:
            customer: A pseudonym; None: unknown, so the ticket counts as a distinct customer.
            tier: The customer's tier, if known.
            region: The customer's region, if known.
            revenue: The customer's annual revenue, if known.
            renewal_at: The end of the customer's contract, seconds since 1970, if known.
            at: When the ticket was created, seconds since 1970.
            renewal_seconds: A contract that ends within this time ends soon.
        """
        if customer is None:
            self.nameless += 1
            return
        self._count(customer)
        self._add_account(customer, Account(1, tier, region, revenue))
        customer_hash = _hash(customer)
        index = bisect_left(self.hashes, customer_hash)
        is_counted = index < len(self.hashes) and self.hashes[index] == customer_hash
        if customer_hash >= self.most or is_counted:
            return
        ends_soon = renewal_at is not None and at <= renewal_at <= at + renewal_seconds
        self.hashes.insert(index, customer_hash)
        self.tier_of.insert(index, _index_of(self.tiers, tier))
        self.region_of.insert(index, _index_of(self.regions, region))
        self.revenue_of.insert(index, -1.0 if revenue is None else revenue)
        self.renews.insert(index, ends_soon)
        if ends_soon and renewal_at is not None:
            insort(self.renewals, Renewal(renewal_at, customer, revenue or 0.0))
            del self.renewals[MOST_RENEWALS:]
        if len(self.hashes) > EXACT:
            self.most = self.hashes.pop()
            for row in (self.tier_of, self.region_of, self.revenue_of, self.renews):
                row.pop()

    def _add_account(self, customer: str, account: Account) -> None:
        listed = self.accounts.get(customer)
        if listed is not None:
            listed.tickets += 1
            return
        if len(self.accounts) >= MOST_ACCOUNTS:
            if account.revenue is None:
                return
            least = min(self.accounts, key=lambda name: (self.accounts[name].revenue or 0.0, name))
            if account.revenue <= (self.accounts[least].revenue or 0.0):
                return
            del self.accounts[least]
        self.accounts[customer] = account

    def _count(self, customer: str) -> None:
        member = self.members.get(customer)
        if member is not None:
            member.tickets += 1
        elif len(self.members) < MOST_NAMED:
            self.members[customer] = AffectedCustomer(1, 0)
        else:
            least = min(self.members, key=lambda name: (self.members[name].tickets, name))
            tickets = self.members.pop(least).tickets
            self.members[customer] = AffectedCustomer(tickets + 1, tickets)


def _hash(customer: str) -> int:
    """Return a 32-bit hash that is uniform even for consecutive ids, which a checksum is not."""
    digest = hashlib.blake2b(customer.encode("utf-8", "replace"), digest_size=4).digest()
    return int.from_bytes(digest, "big")


def _index_of(names: list[str], name: str | None) -> int:
    """Return the index of a name in a list, from 1, and add the name if it is new.

    Beyond `MOST_KINDS` names, a new name counts as `OTHERS`. The index of None is 0.
    """
    if name is None:
        return 0
    if name not in names:
        if len(names) >= MOST_KINDS:
            name = OTHERS
        if name not in names:
            names.append(name)
    return names.index(name) + 1
