"""The rooms of the project: their size and purity. `make imports` checks what may import what."""

import ast
import re
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("schemas", "detectors", "stream")
MOST_MODULES = 12
MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 60
WHOLE = re.compile(r"#.*\bwhole: \w")
"""A longer module or function says on its first line why it is better in one piece."""
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
    for room in PACKAGES:
        for path in (ROOT / room).rglob("*.py"):
            assert "pickle" not in imported(path), path


@pytest.mark.parametrize("room", PACKAGES)
def test_the_package_comes_from_here(room: str) -> None:
    """The three names are common; what is imported is ours."""
    module = __import__(room)
    assert Path(str(module.__file__)).parent == ROOT / room
    assert distribution("spikewatch").version


def test_no_test_folder_is_a_package() -> None:
    """A lone tests/detectors/__init__.py would shadow detectors."""
    assert not list((ROOT / "tests").rglob("__init__.py"))


def files() -> list[Path]:
    """All modules of the product."""
    return sorted(path for room in PACKAGES for path in (ROOT / room).rglob("*.py"))


def test_rooms_are_small() -> None:
    """No folder has more than twelve modules beside its sub-folders."""
    rooms: dict[Path, int] = {}
    for path in files():
        if not path.name.startswith("__"):
            rooms[path.parent] = rooms.get(path.parent, 0) + 1
    assert {str(room): n for room, n in rooms.items() if n > MOST_MODULES} == {}


def test_modules_and_functions_are_short() -> None:
    """A module can be read in one sitting, and a function on one screen."""
    long: list[str] = []
    for path in files():
        lines = path.read_text(encoding="utf-8").splitlines()
        if len(lines) > MOST_LINES and not WHOLE.search(lines[0]):
            long.append(f"{path.relative_to(ROOT)}: {len(lines)} lines")
        for node in ast.walk(ast.parse("\n".join(lines))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > MOST_LINES_OF_A_FUNCTION and not WHOLE.search(lines[node.lineno - 1]):
                    long.append(f"{path.relative_to(ROOT)}: {node.name} has {length} lines")
    assert long == []
