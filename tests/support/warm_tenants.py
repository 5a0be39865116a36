"""Tenants that many tests begin with, kept on disk between runs and shared by the workers of a run.

Some weeks of traffic take a second or more; a tenant of that past is read in milliseconds. What is
kept is the tenant's state as the product encodes it. It is found again only by the same sources: a
change of the step, of a contract, of a helper, of the recipe or of a locked package makes it anew.
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
    """A tenant, with what `Tenant.copy` takes along."""

    name: str
    tenant: bytes
    areas: dict[str, bytes]
    running: list[str]
    segments: list[bytes]


def warm_tenant(make: Callable[[], Tenant], settings: Settings, *recipe: object) -> Tenant:
    """Return a tenant of a longer past, from disk if it was made before.

    Args:
        make: Makes the tenant; the file that it stands in counts as a source.
        settings: Those that the tenant was made with.
        recipe: What else distinguishes this tenant from others of the same file; its text must say
            it all.

    Returns:
        The tenant, as `Tenant.copy` would give it.
    """
    text = repr((Path(make.__code__.co_filename).read_bytes(), settings, recipe))
    path = _folder() / hashlib.sha256(text.encode()).hexdigest()[:32]
    try:
        return _restore(msgspec.msgpack.decode(path.read_bytes(), type=_Kept), settings)
    except FileNotFoundError:
        tenant = make()
    part = path.with_name(f"{path.name}-{uuid.uuid4().hex}")  # another worker may be at it, too
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
    """Return the folder for the sources as they are; those of other sources are removed."""
    folder = FOLDER / _sources()
    folder.mkdir(parents=True, exist_ok=True)
    for other in FOLDER.iterdir():
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
    return folder


def _sources() -> str:
    """Return a digest of all that decides what a tenant becomes."""
    digest = hashlib.sha256(sys.version.encode())
    digest.update((ROOT / "requirements.lock").read_bytes())
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:32]
