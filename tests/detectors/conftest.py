"""Fixtures of the detector tests: the state of tenants as bytes, so that it can be compared."""

from collections.abc import Callable

import pytest

from detectors.foundation import state_codec
from detectors.state.tenant import Tenant

State = dict[str, bytes]


@pytest.fixture(scope="session")
def state_of() -> Callable[[Tenant], State]:
    """Return a function that encodes the whole state of a tenant."""

    def encode(tenant: Tenant) -> State:
        state = {"tenant": tenant.encode()}
        state |= {f"area {name}": series.encode() for name, series in tenant.areas.items()}
        segments = tenant.duplicates.segments
        state |= {f"seen {i}": state_codec.encode(each) for i, each in enumerate(segments)}
        running = sorted(tenant.running)
        state["running"] = repr(running).encode()
        return state

    return encode
