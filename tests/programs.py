"""Programs that tests run beside ours: on the PATH, or taken out of their Debian package."""

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import pytest

CACHE: Final = Path(__file__).parent.parent / ".venv" / "debian"
SECONDS: Final = 120


def program(*names: str, package: str) -> Path:
    """Where a program is; fails the test with one sentence where it cannot be had.

    Its package is unpacked beside the virtual environment: nothing is installed on the system.

    Args:
        names: Of the program, the first that is there counts.
        package: Debian's, that has it.
    """
    for name in names:
        if found := shutil.which(name):
            return Path(found)
        if (there := CACHE / package / "usr" / "bin" / name).exists():
            return there
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        pytest.fail(f"{names[0]} is needed: install it, on Debian as the package {package}")
    return _unpack(names, package)


def _unpack(names: tuple[str, ...], package: str) -> Path:
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        said = _run(["apt-get", "download", package], folder)
        if said.returncode != 0:  # the lists may be missing or old
            _run(["apt-get", "update"], folder)
            said = _run(["apt-get", "download", package], folder)
        files = list(Path(folder).glob("*.deb"))
        if not files:
            pytest.fail(
                f"{names[0]} is needed, and Debian's package {package} cannot be fetched: "
                f"{said.stderr.strip()[-200:]}"
            )
        unpacked = Path(folder) / "unpacked"
        _run(["dpkg-deb", "-x", str(files[0]), str(unpacked)], folder)
        shutil.rmtree(CACHE / package, ignore_errors=True)
        unpacked.rename(CACHE / package)
    return CACHE / package / "usr" / "bin" / names[0]


def _run(command: list[str], folder: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
    )
