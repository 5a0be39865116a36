"""Test the page's copy of the workers' state, and the rows made of it."""

import time
from collections.abc import Sequence

from detectors.policy.settings import Settings
from detectors.state.snapshots import Recovery
from detectors.step.partition import Partition
from schemas.signals import OTHER, Signal, Tick, Ticket, encode
from stream.page import json_views
from stream.page.state_follower import Follower


def ticket(number: int, tenant: str = "acme", area: str = "login") -> Ticket:
    return Ticket(tenant, f"{tenant}-{number}", created_at=60.0 * number, area=area)


def fed(follower: Follower, signals: Sequence[Signal], first: int = 0) -> None:
    for offset, signal in enumerate(signals, first):
        follower.take(0, offset, encode(signal), 1e9)


def state(partition: Partition) -> dict[str, bytes]:
    return {
        f"{name}/{area}": series.encode()
        for name, tenant in partition.tenants.items()
        for area, series in tenant.areas.items()
    }


def _snapshot(partition: Partition, next_offset: int) -> Recovery:
    recovery = Recovery()
    for key, value in partition.snapshot(next_offset, 0.0, 9.0):
        recovery.read(key, value, 0.0)
    return recovery


def test_a_follower_that_starts_late_has_the_state_of_the_worker() -> None:
    log = [ticket(n, area=("login", "billing", "api")[n % 3]) for n in range(400)]
    worker = Partition(0, 1, Settings())
    for signal in log[:250]:
        worker.take(signal, 1e9)
    follower = Follower(Settings())
    begin = follower.recover(0, _snapshot(worker, 250))
    assert begin == 250
    fed(follower, log[200:], first=200)  # signals that the snapshot contains are skipped
    for signal in log[250:]:
        worker.take(signal, 1e9)
    assert state(follower.partitions[0]) == state(worker)


def test_unreadable_records_are_skipped() -> None:
    follower = Follower(Settings())
    follower.recover(0, Recovery())
    for offset, value in enumerate((b"", b"\xff", b"{}", b'{"type":"tick","now":"x"}')):
        follower.take(0, offset, value, 0.0)
    fed(follower, [ticket(9)], first=4)
    assert follower.changed == {("acme", "login")}


def test_tenants_beyond_the_limit_share_a_tenant_that_is_followed() -> None:
    follower = Follower(Settings(tenants_per_partition=2))
    follower.recover(0, Recovery())
    fed(follower, [ticket(n, tenant=f"t{n}") for n in range(6)])
    assert (OTHER, "login") in follower.changed
    fed(follower, [Tick(1e6)], first=6)


def test_rows_keep_the_busiest_areas_and_reuse_numbers() -> None:
    follower = Follower(Settings())
    follower.recover(0, Recovery())
    tickets: list[Signal] = [ticket(n, area=f"made up {n}") for n in range(8)]
    fed(follower, tickets)
    rows = json_views.Rows(5)
    rows.choose(follower)
    assert len(rows.numbers) == 5
    fed(follower, [ticket(100 + n, area="real") for n in range(4)], first=8)
    assert rows.of(follower, [("acme", "real")]) == []
    assert rows.choose(follower) == [("acme", "real")]
    assert sorted(rows.numbers.values()) == [0, 1, 2, 3, 4]
    assert rows.omitted == 4
    (row,) = rows.of(follower, [("acme", "real")])
    assert rows.key(row[0]) == ("acme", "real")
    assert row[8] == 4


def test_thresholds_are_recomputed_after_a_while() -> None:
    follower = Follower(Settings())
    follower.recover(0, Recovery())
    fed(follower, [ticket(n) for n in range(50)])
    tenant = follower.tenant("acme")
    assert tenant is not None
    first = follower.limits_of(tenant, ["login", "nowhere"])
    assert list(first) == ["login"]
    moments = json_views.moments_of_area(follower, tenant, "login", 0.0, 3_000.0)
    assert moments[-1].threshold == first["login"]
    known = follower._limits["acme"]["login"]
    follower._limits["acme"]["login"] = (known[0] - 100.0, 99.0)
    assert follower.limits_of(tenant, ["login"]) == first


def test_a_tenant_whose_tickets_arrive_too_late_is_named() -> None:
    """Its areas look calm, because late tickets never page."""
    follower = Follower(Settings())
    follower.recover(0, Recovery())
    now = time.time()
    for number in range(40):
        for tenant, delay in (("acme", 180.0), ("other", 1.0)):
            at = now - 600.0 + number
            late = Ticket(tenant, str(number), created_at=at, area="login")
            follower.take(0, 2 * number + (tenant == "other"), encode(late), at + delay)
    acme, other = json_views.tenants(follower)
    assert acme["late"].startswith("tenant 'acme' can hardly page: 40 of its 40 live tickets")
    assert "lateness_seconds = 180" in acme["late"]
    assert other["late"] is None
