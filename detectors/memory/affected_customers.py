"""The customers affected by an episode: how many, of which kinds, and what is at stake."""

import hashlib
from array import array
from bisect import bisect_left, insort
from collections import Counter
from typing import Final

import msgspec

from detectors.foundation.state_codec import Floats, Integers

EXACT: Final = 1_000
"""Customers that are counted exactly; beyond this number they are estimated."""
MOST_KINDS: Final = 24
"""Tiers, and regions, that are counted by name; the others are counted as `OTHERS`."""
OTHERS: Final = "other"
MOST_NAMED: Final = 24
"""Customers whose tickets are counted by name."""
MOST_RENEWALS: Final = 5
MOST_ACCOUNTS: Final = 100
"""Customers that are listed with their attributes."""


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
    """The tickets of one customer."""

    tickets: int
    missed: int
    """How many of them may belong to others: the error bound of the space-saving counter."""


class AffectedCustomers(msgspec.Struct, array_like=True):
    """Distinct customers: exact up to `EXACT`, then estimated from the k smallest of their hashes.

    With k = 1,000, the estimate (k - 1) / (k-th smallest hash) is off by 3.2 % on average. Tiers,
    regions and revenue are then those of a fair sample, scaled up. The customers with most tickets
    are found by a space-saving counter, which never misses one with more than a 24th of all
    tickets.

    Source: Bar-Yossef et al. 2002, "Counting distinct elements in a data stream"; Metwally et al.
    2005, "Efficient computation of frequent and top-k elements in data streams".

    Example:
        >>> audience = AffectedCustomers()
        >>> for name in ("acme", "globex", "acme"):
        ...     audience.add(name, tier="team", region="eu", revenue=9.0, renewal_at=None, at=0.0)
        >>> audience.customers, audience.by_tier(), audience.revenue
        (2, {'team': 2}, 18.0)
        >>> audience.members["acme"].tickets
        2
    """

    hashes: Integers = msgspec.field(default_factory=lambda: array("I"))
    """Sorted hashes of the customers; the next four rows describe the same customers in the same
    order."""
    tier_of: Integers = msgspec.field(default_factory=lambda: array("B"))
    """Index of the tier in `tiers`, from 1; 0 if it is unknown."""
    region_of: Integers = msgspec.field(default_factory=lambda: array("B"))
    revenue_of: Floats = msgspec.field(default_factory=lambda: array("f"))
    """Annual revenue; negative if it is unknown."""
    renews: Integers = msgspec.field(default_factory=lambda: array("B"))
    """1 if the contract ends soon, else 0."""
    most: int = 2**32
    """Customers with this hash or a larger one are no longer kept."""
    tiers: list[str] = []
    regions: list[str] = []
    nameless: int = 0
    """Tickets without a customer; each counts as a customer of its own."""
    renewals: list[Renewal] = []
    """The contracts that end soonest."""
    members: dict[str, AffectedCustomer] = {}
    accounts: dict[str, Account] = {}
    """The first `MOST_ACCOUNTS` customers; a customer with more revenue then replaces the one with
    least."""

    @property
    def customers(self) -> int:
        """The number of distinct customers."""
        known = len(self.hashes)
        if self.most < 2**32:
            known = round((known - 1) * 2.0**32 / self.hashes[-1])
        return known + self.nameless

    @property
    def estimated(self) -> bool:
        """Whether `customers` is an estimate."""
        return self.most < 2**32

    @property
    def scale(self) -> float:
        """How many customers each one in the sample stands for."""
        return (self.customers - self.nameless) / max(len(self.hashes), 1)

    @property
    def revenue(self) -> float:
        """Annual revenue of all customers whose revenue is known."""
        return sum(one for one in self.revenue_of if one >= 0.0) * self.scale

    @property
    def with_revenue(self) -> int:
        """The number of customers whose revenue is known."""
        return round(sum(one >= 0.0 for one in self.revenue_of) * self.scale)

    @property
    def renewing_customers(self) -> int:
        """The number of customers whose contract ends soon."""
        return round(sum(self.renews) * self.scale)

    def by_tier(self) -> dict[str, int]:
        """Return the number of customers of each known tier, sorted by name."""
        return self._by(self.tier_of, self.tiers)

    def by_region(self) -> dict[str, int]:
        """Return the number of customers of each known region, sorted by name."""
        return self._by(self.region_of, self.regions)

    def _by(self, kinds: Integers, names: list[str]) -> dict[str, int]:
        counts = Counter(kinds)
        scale = self.scale
        found = {name: round(counts[place] * scale) for place, name in enumerate(names, 1)}
        return {name: count for name, count in sorted(found.items()) if count}

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
            customer: A pseudonym; None: unknown, then the ticket counts as a customer of its own.
            tier: The customer's tier, if it is known.
            region: The customer's region, if it is known.
            revenue: The customer's annual revenue, if it is known.
            renewal_at: The end of the customer's contract, seconds since 1970, if it is known.
            at: When the ticket was created, seconds since 1970.
            renewal_seconds: A contract that ends within this time ends soon.
        """
        if customer is None:
            self.nameless += 1
            return
        self._count(customer)
        self._name(customer, Account(1, tier, region, revenue))
        ticket_hash = _hash(customer)
        place = bisect_left(self.hashes, ticket_hash)
        known = place < len(self.hashes) and self.hashes[place] == ticket_hash
        if ticket_hash >= self.most or known:
            return
        soon = renewal_at is not None and at <= renewal_at <= at + renewal_seconds
        self.hashes.insert(place, ticket_hash)
        self.tier_of.insert(place, _place(self.tiers, tier))
        self.region_of.insert(place, _place(self.regions, region))
        self.revenue_of.insert(place, -1.0 if revenue is None else revenue)
        self.renews.insert(place, soon)
        if soon and renewal_at is not None:
            insort(self.renewals, Renewal(renewal_at, customer, revenue or 0.0))
            del self.renewals[MOST_RENEWALS:]
        if len(self.hashes) > EXACT:
            self.most = self.hashes.pop()
            for row in (self.tier_of, self.region_of, self.revenue_of, self.renews):
                row.pop()

    def _name(self, customer: str, account: Account) -> None:
        known = self.accounts.get(customer)
        if known is not None:
            known.tickets += 1
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
    """Return a 32-bit hash that looks random even for consecutive ids; a checksum would not."""
    digest = hashlib.blake2b(customer.encode("utf-8", "replace"), digest_size=4).digest()
    return int.from_bytes(digest, "big")


def _place(names: list[str], name: str | None) -> int:
    """Return the index of *name* in *names*, from 1; the name is added if there is room."""
    if name is None:
        return 0
    if name not in names:
        if len(names) >= MOST_KINDS:
            name = OTHERS
        if name not in names:
            names.append(name)
    return names.index(name) + 1
