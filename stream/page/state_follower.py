"""A copy of the workers' state: from their last snapshot on, by the same signals and step.

It only reads. Records that cannot be read are skipped, as workers do.
"""

import time
from collections.abc import Iterable

from detectors.alerting.budget import thresholds
from detectors.policy.settings import Settings
from detectors.state.snapshots import Recovery
from detectors.state.tenant import TENANT_SERIES, Tenant
from detectors.step.partition import Partition
from detectors.timelines.recent import RecentTimelines
from schemas import signals
from schemas.signals import OTHER

LIMITS_SECONDS = 30.0
"""Thresholds are cached for this long, because computing them takes a while."""


class Follower:
    """The state of all tenants.

    Example:
        >>> from schemas.signals import Ticket, encode
        >>> follower = Follower(Settings())
        >>> follower.recover(0, Recovery())
        0
        >>> follower.take(0, 0, encode(Ticket("acme", "1", created_at=0.0, area="login")), 0.0)
        >>> follower.changed
        {('acme', 'login')}
    """

    def __init__(self, settings: Settings) -> None:
        """Create it without any state; *settings* must be those of the workers."""
        self.settings = settings
        self.timelines = RecentTimelines()
        self.partitions: dict[int, Partition] = {}
        self.changed: set[tuple[str, str]] = set()
        """Tenant and area of all changes since the owner last cleared this."""
        self._limits: dict[str, dict[str, tuple[float, float]]] = {}
        """By tenant and area, the time of computation and the threshold."""
        self._next: dict[int, int] = {}

    def recover(self, number: int, recovery: Recovery) -> int:
        """Start from the last snapshot of a partition; return the next offset.

        Raises:
            StateError: It is damaged, of a newer release, or of another partition.
        """
        self.partitions[number] = partition = Partition(number, 0, self.settings, recovery)
        for tenant in partition.tenants.values():
            if tenant.clock is not None:
                self.timelines.follow(tenant, [TENANT_SERIES, *tenant.areas])
        self._next[number] = partition.next_offset
        return partition.next_offset

    def change(self, settings: Settings) -> None:
        """Use *settings* from now on; they differ only in taxonomy and playbook."""
        self.settings = settings
        for partition in self.partitions.values():
            partition.change(settings)

    def take(self, number: int, offset: int, value: bytes, received_at: float) -> None:
        """Process the next record of a partition; one that was processed already is skipped.

        Args:
            number: The partition.
            offset: Offset of the record.
            value: Value of the record.
            received_at: When the broker received it, seconds since 1970.
        """
        if offset < self._next[number]:
            return
        self._next[number] = offset + 1
        partition = self.partitions[number]
        signal = signals.read(value)
        if signal is None:
            return
        partition.take(signal, received_at)
        if signal.tenant is None:
            tenants: Iterable[Tenant | None] = partition.tenants.values()
        elif signal.tenant in partition.tenants:
            tenants = (partition.tenants[signal.tenant],)
        else:  # beyond the cap on tenants one takes in all the rest
            tenants = (partition.tenants.get(OTHER), partition.tenants.get(f"{OTHER}{number}"))
        for tenant in tenants:
            if tenant is not None and tenant.touched:
                self.timelines.follow(tenant, [TENANT_SERIES, *tenant.touched])
                self.changed.update((tenant.name, area) for area in tenant.touched)
                tenant.touched.clear()
                tenant.duplicates.touched.clear()

    def tenants(self) -> list[Tenant]:
        """Return the tenants with a state, sorted by name."""
        found = (t for partition in self.partitions.values() for t in partition.tenants.values())
        return sorted((t for t in found if t.clock is not None), key=lambda tenant: tenant.name)

    def tenant(self, name: str) -> Tenant | None:
        """Return the tenant *name*; None: it has no state."""
        for partition in self.partitions.values():
            found = partition.tenants.get(name)
            if found is not None and found.clock is not None:
                return found
        return None

    def limits_of(self, tenant: Tenant, areas: Iterable[str]) -> dict[str, float]:
        """Return the thresholds of *areas* of a tenant, at most half a minute old."""
        known, now = self._limits.setdefault(tenant.name, {}), time.monotonic()
        wanted = [area for area in areas if area in tenant.areas]
        old = [
            area for area in wanted if area not in known or now - known[area][0] > LIMITS_SECONDS
        ]
        for area, _, limit, _ in thresholds(tenant, self.settings, old):
            known[area] = (now, limit)
        return {area: known[area][1] for area in wanted}
