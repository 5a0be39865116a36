"""Warm tenants that the tests keep on disk are the tenants that were built."""

from collections.abc import Callable
from pathlib import Path

import pytest

from detectors.state.tenant import Tenant
from tests.support import warm_tenants
from tests.support.companies import HOUR, MONDAY, SETTINGS, TenantFeed

State = Callable[[Tenant], dict[str, bytes]]


def test_a_tenant_read_from_disk_equals_the_one_that_was_built(
    state_of: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tenant is built once, and the copy from disk has the same state and behaviour."""
    monkeypatch.setattr(warm_tenants, "_folder", lambda: tmp_path)
    made: list[Tenant] = []

    def make() -> Tenant:
        feed = TenantFeed()
        feed.feed(MONDAY, MONDAY + 48 * HOUR)
        feed.burst(MONDAY + 48 * HOUR, 60, 0.5)
        made.append(feed.tenant)
        return feed.tenant

    first = warm_tenants.warm_tenant(make, SETTINGS)
    read = warm_tenants.warm_tenant(make, SETTINGS)
    assert made == [first]
    assert read.running
    assert state_of(read) == state_of(first)
    futures = []
    for tenant in (first, read):
        feed = TenantFeed(SETTINGS, tenant)
        feed.burst(MONDAY + 49 * HOUR, 60, 0.5)
        feed.tick(MONDAY + 72 * HOUR)
        futures.append((state_of(feed.tenant), feed.events))
    assert futures[0] == futures[1]
    warm_tenants.warm_tenant(make, SETTINGS, "another recipe")
    assert len(made) == 2
