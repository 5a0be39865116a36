"""The layout of the project: size and purity of folders. `make imports` checks the imports."""

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
"""A longer module or function gives on its first line the reason for not splitting it."""
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
    """Return the top-level names that the file at *path* imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "detectors").rglob("*.py")), ids=lambda p: p.name)
def test_detectors_are_pure(path: Path) -> None:
    """Detectors do not import IO, clocks, Kafka or pickle, nor ask for time or randomness."""
    assert not imported(path) & IMPURE
    text = path.read_text(encoding="utf-8")
    assert "datetime.now" not in text
    assert "random.seed(" not in text
    assert "SystemRandom" not in text


def test_nothing_is_pickled() -> None:
    """No module of the project imports pickle."""
    for folder in PACKAGES:
        for path in (ROOT / folder).rglob("*.py"):
            assert "pickle" not in imported(path), path


@pytest.mark.parametrize("folder", PACKAGES)
def test_packages_are_imported_from_this_repository(folder: str) -> None:
    """Other projects use the same three package names."""
    module = __import__(folder)
    assert Path(str(module.__file__)).parent == ROOT / folder
    assert distribution("spikewatch").version


def test_no_test_folder_is_a_package() -> None:
    """A single tests/detectors/__init__.py would shadow the package detectors."""
    assert not list((ROOT / "tests").rglob("__init__.py"))


def files() -> list[Path]:
    """Return all modules of the product."""
    return sorted(path for folder in PACKAGES for path in (ROOT / folder).rglob("*.py"))


def test_folders_are_small() -> None:
    """No folder has more than twelve modules, not counting its subfolders."""
    folders: dict[Path, int] = {}
    for path in files():
        if not path.name.startswith("__"):
            folders[path.parent] = folders.get(path.parent, 0) + 1
    assert {str(folder): n for folder, n in folders.items() if n > MOST_MODULES} == {}


def test_modules_and_functions_are_short() -> None:
    """A module fits one reading session, and a function fits one screen."""
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
