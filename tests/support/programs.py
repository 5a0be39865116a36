"""External programs that tests need, installed if the user may install packages."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

SECONDS: Final = 300


def program(*names: str, package: str) -> Path:
    """Return the path of a program, or fail the test with one sentence.

    Args:
        names: Names of the program, of which the first that exists is used.
        package: Debian package that contains it. Installing it starts no service.
    """
    error = ""
    if _find(names) is None and shutil.which("apt-get") and os.geteuid() == 0:
        error = _install(package)
    path = _find(names)
    if path is None:
        pytest.fail(
            f"{names[0]} is needed: install it, on Debian as the package {package}"
            + (f"; apt-get said: {error}" if error else "")
        )
    return path


def _find(names: tuple[str, ...]) -> Path | None:
    return next((Path(path) for name in names if (path := shutil.which(name))), None)


def _install(package: str) -> str:
    """Install a package, and return the error of apt-get, if any.

    The package lists may be missing or old, so a failed installation is repeated after an update.
    """
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    install = ["apt-get", "install", "--yes", "--no-install-recommends", package]
    for command in (install, ["apt-get", "update"], install):
        done = subprocess.run(
            command, env=quiet, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        if command is install and done.returncode == 0:
            return ""
    return " ".join(done.stderr.split())[-300:]
