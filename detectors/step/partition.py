"""All tenants of one partition, and their snapshots. Only this module knows the changelog keys."""

from collections.abc import Iterator
from typing import Final

import msgspec

from detectors.foundation import state_codec
from detectors.memory.deduplication import Deduplicator, Segment
from detectors.policy.settings import Settings
from detectors.state.series import Series
from detectors.state.snapshots import Recovery, SnapshotWriter, StateError
from detectors.state.tenant import TENANT_SERIES, Tenant
from detectors.step.pipeline import step
from detectors.step.result import Step
from schemas.signals import OTHER, Signal, Tick, Ticket, Verdict

STATE_VERSION: Final = 3
"""Version of the encoded state; it precedes the version of each part."""
_SEPARATOR: Final = "\x1f"  # no name contains it, because control characters are removed


class _TenantRecord(msgspec.Struct, array_like=True):
    tenant: bytes
    ticked: float
    """The partition's latest tick when the record was written; later ticks moved the watermark."""


class Partition:
    """The state of one partition. A worker passes it signals and stores its snapshots.

    Example:
        >>> from schemas.signals import Ticket
        >>> partition = Partition(0, owner=1, settings=Settings())
        >>> partition.take(Ticket("acme", "1", created_at=0.0, area="login")).outcome
        'counted'
        >>> [key for key, _ in partition.snapshot(next_offset=1, now=0.0, rewrite_seconds=9.0)][-1]
        b'progress'
    """

    def __init__(
        self, number: int, owner: int, settings: Settings, recovery: Recovery | None = None
    ) -> None:
        """Restore the state from the changelog, or start empty.

        Args:
            number: The number of the partition.
            owner: A unique id of the owner; see `detectors.state.snapshots`.
            settings: The settings.
            recovery: The records of the changelog; None: start empty.

        Raises:
            StateError: The recovered state is damaged, of a newer release, or of another partition.
        """
        recovery = recovery or Recovery()
        self.number = number
        self.settings = settings
        self.next_offset = recovery.progress.next
        """The next offset to read from the source topic."""
        self.source_ids = dict(recovery.progress.source_ids)
        """The id of each source topic by name, which tells whether the topic was recreated."""
        self.tenants: dict[str, Tenant] = {}
        self._ticked = recovery.progress.ticked
        self._touched: set[str] = set()
        if recovery.progress.partition not in (-1, number):
            raise StateError(
                f"partition {number} has the state of partition {recovery.progress.partition}: "
                "the number of partitions was changed; start with another [kafka] group"
            )
        self._restore(recovery)
        self._writer = SnapshotWriter(owner, number, recovery)

    def take(self, signal: Signal, received_at: float | None = None) -> Step:
        """Process one signal; see `detectors.step.pipeline.step`.

        A tick without a tenant is processed for all tenants.
        """
        name = signal.tenant
        if name is None:
            assert isinstance(signal, Tick)
            return self._tick(signal, received_at)
        tenant = self.tenants.get(name)
        if tenant is None:
            if not isinstance(signal, Ticket):  # only a ticket creates a tenant
                ignored = isinstance(signal, Verdict)
                return Step("verdict_ignored" if ignored else "tick_ignored", [])
            tenant = self._admit(name)
        done = step(tenant, signal, self.settings, received_at)
        if tenant.clock is None:  # no ticket was accepted, so no snapshot would contain the tenant
            del self.tenants[tenant.name]
        else:
            self._touched.add(tenant.name)
        return done

    def change(self, settings: Settings) -> None:
        """Apply new settings, which may differ only in taxonomy and playbook."""
        self.settings = settings
        for tenant in self.tenants.values():
            tenant.change(settings)

    def snapshot(
        self, next_offset: int, now: float, rewrite_seconds: float
    ) -> list[tuple[bytes, bytes]]:
        """Return the records of a snapshot, in the order in which they must be written.

        Args:
            next_offset: All records of the source topic below this offset are included.
            now: Wall-clock time, seconds since 1970.
            rewrite_seconds: The age from which an unchanged record is rewritten, in seconds.
        """
        records = self._writer.snapshot(
            self._changed(), next_offset, self._ticked, now, rewrite_seconds, self.source_ids
        )
        self._touched.clear()
        return records

    def _tick(self, tick: Tick, received_at: float | None) -> Step:
        if received_at is not None and tick.now > received_at + self.settings.future_seconds:
            return Step("tick_ignored", [])
        if received_at is not None:  # the sender's clock may be ahead of the broker's
            tick = Tick(min(tick.now, received_at - self.settings.lateness_seconds))
        repeated = tick.now <= self._ticked
        self._ticked = max(self._ticked, tick.now)
        events = []
        for tenant in self.tenants.values():
            before, wide = tenant.clock, TENANT_SERIES in tenant.running
            events += step(tenant, tick, self.settings, received_at).escalations
            # The progress record holds a new tick. A repeated tick must be stored only for tenants
            # whose watermark it moved.
            if tenant.touched or wide or (repeated and tenant.clock != before):
                self._touched.add(tenant.name)
        # The order of `tenants` changes with a restart, so the events are sorted.
        events.sort(key=lambda event: event.data.tenant)
        return Step("tick", events)

    def _admit(self, name: str) -> Tenant:
        """Return a tenant by name, created if needed; beyond the cap, new tenants share one."""
        if len(self.tenants) >= self.settings.tenants_per_partition:
            name = OTHER if self.number == 0 else f"{OTHER}{self.number}"
        if name not in self.tenants:
            self.tenants[name] = Tenant(name, self.settings)
        return self.tenants[name]

    def _changed(self) -> Iterator[tuple[bytes, bytes]]:
        for name in sorted(self._touched):
            tenant = self.tenants[name]
            record = _TenantRecord(tenant.encode(), self._ticked)
            yield _key("tenant", name), _versioned(state_codec.encode(record))
            for area in sorted(tenant.touched):
                yield _key("area", name, area), _versioned(tenant.areas[area].encode())
            for slot in sorted(tenant.duplicates.touched):
                segment = state_codec.encode(tenant.duplicates.segments[slot])
                yield _key("seen", name, str(slot)), _versioned(segment)
            tenant.touched.clear()
            tenant.duplicates.touched.clear()

    def _restore(self, recovery: Recovery) -> None:
        records = sorted(recovery.versions().items())
        found: dict[str, dict[str, dict[str, bytes]]] = {}
        for key, version in records:
            kind, tenant, name = (*key.decode().split(_SEPARATOR), "")[:3]
            found.setdefault(tenant, {}).setdefault(kind, {})[name] = _unversioned(
                version.data, key
            )
        for name, kinds in found.items():
            try:
                self.tenants[name] = self._restore_tenant(name, kinds, recovery.progress.ticked)
            except (msgspec.MsgspecError, KeyError, ValueError) as error:
                raise StateError(f"state of tenant {name!r}: {error!r}") from None

    def _restore_tenant(
        self, name: str, kinds: dict[str, dict[str, bytes]], ticked: float
    ) -> Tenant:
        record = state_codec.decode(kinds["tenant"][""], _TenantRecord)
        tenant = Tenant.restore(name, record.tenant, self.settings)
        assert tenant.clock is not None
        for area, data in kinds.get("area", {}).items():
            series = Series.restore(data, tenant.context(area), self.settings.model, tenant.clock)
            tenant.admit(area, series)
            if series.running is not None:
                tenant.running.add(area)
        segments = {
            int(slot): state_codec.decode(data, Segment)
            for slot, data in kinds.get("seen", {}).items()
        }
        tenant.duplicates = Deduplicator(segments[slot] for slot in range(len(segments)))
        if ticked > record.ticked and not (tenant.in_history or tenant.simulated):
            tenant.clock = max(tenant.clock, ticked)
            tenant.minute = int(tenant.clock // 60)
        return tenant


def _key(*parts: str) -> bytes:
    return _SEPARATOR.join(parts).encode()


def _versioned(data: bytes) -> bytes:
    return bytes([STATE_VERSION]) + data


def _unversioned(data: bytes, key: bytes) -> bytes:
    if not data or data[0] != STATE_VERSION:
        raise StateError(
            f"record {key!r}: state version {data[0] if data else 'none'}, this release reads "
            f"{STATE_VERSION}; run the release that wrote it, or start with another [kafka] group"
        )
    return data[1:]
