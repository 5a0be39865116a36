"""Programs that tests run beside ours; who may install packages gets them installed."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

SECONDS: Final = 300


def program(*names: str, package: str) -> Path:
    """Where a program is; fails the test with one sentence where it cannot be had.

    Args:
        names: Of the program, the first that is there counts.
        package: Debian's, that has it. No service is started with it.
    """
    said = ""
    if _find(names) is None and shutil.which("apt-get") and os.geteuid() == 0:
        said = _install(package)
    found = _find(names)
    if found is None:
        pytest.fail(
            f"{names[0]} is needed: install it, on Debian as the package {package}"
            + (f"; apt-get said: {said}" if said else "")
        )
    return found


def _find(names: tuple[str, ...]) -> Path | None:
    return next((Path(found) for name in names if (found := shutil.which(name))), None)


def _install(package: str) -> str:
    """What apt-get complained of, if it did; its lists may be missing or old."""
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    install = ["apt-get", "install", "--yes", "--no-install-recommends", package]
    for command in (install, ["apt-get", "update"], install):
        done = subprocess.run(
            command, env=quiet, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        if command is install and done.returncode == 0:
            return ""
    return " ".join(done.stderr.split())[-300:]
