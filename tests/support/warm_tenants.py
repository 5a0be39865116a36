"""Tenants with a history, kept on disk between runs and shared by the workers of a run.

Simulating some weeks of traffic takes a second or more; reading the resulting tenant takes
milliseconds. A file holds the tenant's state as the product encodes it. It is used only while the
sources are the same: any change of the step, of a contract, of a helper, of the recipe or of a
locked package makes a new file.
"""

import hashlib
import shutil
import sys
import uuid
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec

from detectors.foundation import state_codec
from detectors.memory.deduplication import Deduplicator, Segment
from detectors.policy.settings import Settings
from detectors.state.series import Series
from detectors.state.tenant import Tenant

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / ".pytest_cache" / "warm-tenants"
SOURCES: Final = ("detectors", "schemas", "tests/support")


class _Kept(msgspec.Struct, array_like=True):
    """A tenant with everything that `Tenant.copy` copies."""

    name: str
    tenant: bytes
    areas: dict[str, bytes]
    running: list[str]
    segments: list[bytes]


def warm_tenant(make: Callable[[], Tenant], settings: Settings, *recipe: object) -> Tenant:
    """Return a tenant with a history, from disk if it was made before.

    Args:
        make: Function that makes the tenant; its source file counts as a source.
        settings: Settings with which the tenant is made.
        recipe: Values that distinguish this tenant from others of the same file; their text must be
            complete.

    Returns:
        The tenant as `Tenant.copy` would return it.
    """
    text = repr((Path(make.__code__.co_filename).read_bytes(), settings, recipe))
    path = _folder() / hashlib.sha256(text.encode()).hexdigest()[:32]
    try:
        return _restore(msgspec.msgpack.decode(path.read_bytes(), type=_Kept), settings)
    except FileNotFoundError:
        tenant = make()
    part = path.with_name(
        f"{path.name}-{uuid.uuid4().hex}"
    )  # another worker may write the same file
    part.write_bytes(msgspec.msgpack.encode(_keep(tenant)))
    part.replace(path)
    return tenant


def _keep(tenant: Tenant) -> _Kept:
    return _Kept(
        tenant.name,
        tenant.encode(),
        {area: series.encode() for area, series in tenant.areas.items()},
        sorted(tenant.running),
        [state_codec.encode(segment) for segment in tenant.duplicates.segments],
    )


def _restore(kept: _Kept, settings: Settings) -> Tenant:
    tenant = Tenant.restore(kept.name, kept.tenant, settings)
    assert tenant.clock is not None
    for area, data in kept.areas.items():
        context = tenant.context(area)
        tenant.admit(area, Series.restore(data, context, settings.model, tenant.clock))
    tenant.running = set(kept.running)
    segments = (state_codec.decode(data, Segment) for data in kept.segments)
    tenant.duplicates = Deduplicator(segments)
    return tenant


@lru_cache(maxsize=1)
def _folder() -> Path:
    """Return the folder for the current sources, and remove those for other sources."""
    folder = FOLDER / _sources()
    folder.mkdir(parents=True, exist_ok=True)
    for other in FOLDER.iterdir():
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
    return folder


def _sources() -> str:
    """Return a digest of everything that determines the state of a tenant."""
    digest = hashlib.sha256(sys.version.encode())
    digest.update((ROOT / "requirements.lock").read_bytes())
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:32]
