"""The rooms of the project: what may import what."""

import ast
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "schemas": {"schemas"},
    "detectors": {"detectors", "schemas"},
    "stream": {"stream", "detectors", "schemas"},
}
IMPURE = {
    "aiohttp",
    "aiokafka",
    "asyncio",
    "faust",
    "httpx",
    "logging",
    "os",
    "pickle",
    "shelve",
    "socket",
    "subprocess",
    "threading",
    "time",
}


def imported(path: Path) -> set[str]:
    """Top-level names that the file at *path* imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_run_one_way(room: str) -> None:
    """stream -> detectors -> schemas, and never back."""
    files = list((ROOT / room).rglob("*.py"))
    assert files
    for path in files:
        assert imported(path) & MAY_IMPORT.keys() <= MAY_IMPORT[room], path


@pytest.mark.parametrize("path", sorted((ROOT / "detectors").rglob("*.py")), ids=lambda p: p.name)
def test_detectors_are_pure(path: Path) -> None:
    """No detector imports IO, a clock, Kafka or pickle, or asks for the time or for randomness."""
    assert not imported(path) & IMPURE
    text = path.read_text(encoding="utf-8")
    assert "datetime.now" not in text
    assert "random.seed(" not in text
    assert "SystemRandom" not in text


def test_nothing_is_pickled() -> None:
    """No file of ours imports pickle."""
    for room in MAY_IMPORT:
        for path in (ROOT / room).rglob("*.py"):
            assert "pickle" not in imported(path), path


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_the_package_comes_from_here(room: str) -> None:
    """The three names are common; what is imported is ours."""
    module = __import__(room)
    assert Path(str(module.__file__)).parent == ROOT / room
    assert distribution("spikewatch").version


def test_no_test_folder_is_a_package() -> None:
    """A lone tests/detectors/__init__.py would shadow detectors."""
    assert not list((ROOT / "tests").rglob("__init__.py"))
