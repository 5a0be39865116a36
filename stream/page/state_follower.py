"""Copy of the workers' state, made from their last snapshot by running the same step.

The follower only reads. It skips records that are not valid, as workers do.
"""

import math
import time
from collections.abc import Iterable

from detectors.alerting.budget import thresholds
from detectors.policy.settings import Settings
from detectors.state.snapshots import Recovery
from detectors.state.tenant import TENANT_SERIES, Tenant
from detectors.step.partition import Partition
from detectors.timelines.recent import RecentTimelines
from schemas import signals
from schemas.signals import OTHER, Ticket
from stream.worker.feed_lateness import FeedLateness, LateFeed

LIMITS_SECONDS = 30.0
"""Time for which thresholds are cached, because computing them is slow."""
LATE_SECONDS = 5.0
"""Time for which the late feeds are cached, for the same reason."""


class Follower:
    """Follower of the state of all tenants.

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
        """Create a follower without state; the settings must be those of the workers."""
        self.settings = settings
        self.timelines = RecentTimelines()
        self.partitions: dict[int, Partition] = {}
        self.changed: set[tuple[str, str]] = set()
        """Tenant and area of all changes since the set was last cleared."""
        self._feeds = FeedLateness(settings.lateness_seconds, settings.timezone)
        self._late: tuple[float, dict[str, LateFeed]] = (-math.inf, {})
        """Time of computation, and the late feeds by tenant."""
        self._limits: dict[str, dict[str, tuple[float, float]]] = {}
        """Time of computation and threshold, by tenant and area."""
        self._next: dict[int, int] = {}

    def recover(self, number: int, recovery: Recovery) -> int:
        """Start from the last snapshot of a partition and return the next offset.

        Raises:
            StateError: The snapshot is damaged, or from a newer release or another partition.
        """
        self.partitions[number] = partition = Partition(number, 0, self.settings, recovery)
        for tenant in partition.tenants.values():
            if tenant.clock is not None:
                self.timelines.follow(tenant, [TENANT_SERIES, *tenant.areas])
        self._next[number] = partition.next_offset
        return partition.next_offset

    def change(self, settings: Settings) -> None:
        """Use new settings from now on, which differ only in taxonomy and playbook."""
        self.settings = settings
        for partition in self.partitions.values():
            partition.change(settings)

    def take(self, number: int, offset: int, value: bytes, received_at: float) -> None:
        """Process the next record of a partition; skip it if it was already processed.

        Args:
            number: Number of the partition.
            offset: Offset of the record.
            value: Value of the record.
            received_at: Time at which the broker received the record, seconds since 1970.
        """
        if offset < self._next[number]:
            return
        self._next[number] = offset + 1
        partition = self.partitions[number]
        signal = signals.read(value)
        if signal is None:
            return
        partition.take(signal, received_at)
        if isinstance(signal, Ticket):
            self._feeds.observe(signal, received_at)
        if signal.tenant is None:
            tenants: Iterable[Tenant | None] = partition.tenants.values()
        elif signal.tenant in partition.tenants:
            tenants = (partition.tenants[signal.tenant],)
        else:  # a shared tenant holds all tenants beyond the limit
            tenants = (partition.tenants.get(OTHER), partition.tenants.get(f"{OTHER}{number}"))
        for tenant in tenants:
            if tenant is not None and tenant.touched:
                self.timelines.follow(tenant, [TENANT_SERIES, *tenant.touched])
                self.changed.update((tenant.name, area) for area in tenant.touched)
                tenant.touched.clear()
                tenant.duplicates.touched.clear()

    def tenants(self) -> list[Tenant]:
        """Return the tenants that have state, sorted by name."""
        all_tenants = (
            t for partition in self.partitions.values() for t in partition.tenants.values()
        )
        return sorted(
            (t for t in all_tenants if t.clock is not None), key=lambda tenant: tenant.name
        )

    def tenant(self, name: str) -> Tenant | None:
        """Return the tenant with this name; None: it has no state."""
        for partition in self.partitions.values():
            known_tenant = partition.tenants.get(name)
            if known_tenant is not None and known_tenant.clock is not None:
                return known_tenant
        return None

    def late_feeds(self) -> dict[str, LateFeed]:
        """Return the late feeds by tenant, at most `LATE_SECONDS` old."""
        now = time.monotonic()
        if now - self._late[0] > LATE_SECONDS:
            self._late = now, {late.tenant: late for late in self._feeds.late_feeds(time.time())}
        return self._late[1]

    def limits_of(self, tenant: Tenant, areas: Iterable[str]) -> dict[str, float]:
        """Return the thresholds of some areas of a tenant, at most half a minute old."""
        known, now = self._limits.setdefault(tenant.name, {}), time.monotonic()
        wanted = [area for area in areas if area in tenant.areas]
        old = [
            area for area in wanted if area not in known or now - known[area][0] > LIMITS_SECONDS
        ]
        for area, _, limit, _ in thresholds(tenant, self.settings, old):
            known[area] = (now, limit)
        return {area: known[area][1] for area in wanted}
