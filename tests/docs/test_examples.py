"""The how-to guides that add something, followed in a copy of the project."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COPIED = ("detectors", "schemas", "tests", "pyproject.toml")
PLACED = re.compile(r"`([\w/]+\.py)`:\n\n```python\n(.*?)```", re.DOTALL)
"""A path, and the block that the page puts there."""


def python_blocks(page: str) -> list[str]:
    """Return the ``python`` blocks of a how-to guide, in order."""
    text = (ROOT / "docs" / "how-to" / page).read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def copy_project(folder: Path, names: tuple[str, ...]) -> None:
    """Copy files and folders of the project into *folder*."""
    for name in names:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / name)


def run(folder: Path, *arguments: str) -> str:
    """Run a Python module in *folder*, require that it succeeds, and return its output."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def replace_once(path: Path, old: str, new: str) -> None:
    """Replace the only occurrence of *old* in a file."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{path} contains {old!r} {text.count(old)} times"
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.slow
def test_the_model_of_the_guide_passes_the_contract_suite(tmp_path: Path) -> None:
    """The file and the line of the guide are enough to add a model."""
    copy_project(tmp_path, COPIED)
    module, line = python_blocks("add-a-model.md")
    (tmp_path / "detectors" / "models" / "ewma.py").write_text(module)
    settings = tmp_path / "detectors" / "policy" / "settings.py"
    before = settings.read_text()
    after = re.sub(r"(?m)^ModelName = .*\n", line, before)
    assert after != before
    settings.write_text(after)
    output = run(
        tmp_path, "pytest", "-q", "-p", "no:cacheprovider", "-k", "ewma",
        "tests/detectors/models/test_models.py",
    )  # fmt: skip
    assert re.search(r"\b[1-9]\d* passed", output), output


@pytest.mark.slow
def test_the_sink_of_the_guide_passes_the_contract_suite(tmp_path: Path) -> None:
    """The two files and the lines of the guide are enough to add a sink in our format."""
    copy_project(tmp_path, (*COPIED, "stream"))
    page = (ROOT / "docs" / "how-to" / "add-a-sink.md").read_text(encoding="utf-8")
    new_files = {}
    for name, block in PLACED.findall(page):
        path = tmp_path / name
        if path.exists():  # the block is an import
            before = path.read_text(encoding="utf-8")
            path.write_text(before.replace("\nfrom ", f"\n{block}from ", 1), encoding="utf-8")
        else:
            path.write_text(block, encoding="utf-8")
            new_files[path] = block
    assert len(new_files) == 2
    support, sinks = tmp_path / "tests" / "support", tmp_path / "stream" / "notify" / "sinks"
    replace_once(sinks / "__init__.py", "for sink in (", "for sink in (\nLogbook,\n")
    replace_once(support / "providers" / "fakes.py", "__all__ = [", '__all__ = ["Logbook", ')
    case = python_blocks("add-a-sink.md")[-1]
    replace_once(support / "receiver_cases.py", "\n    )\n}\n", f"\n{case.rstrip()},\n    )\n}}\n")
    for command in (("check", "--fix"), ("format",)):
        run(tmp_path, "ruff", *command, "--no-cache", "--quiet", str(sinks), str(support))
    for path, block in new_files.items():
        assert path.read_text(encoding="utf-8") == block, f"{path.name} is not in our format"
    output = run(
        tmp_path, "pytest", "-q", "-p", "no:cacheprovider", "-k", "logbook or every_kind",
        "tests/stream/notify/sinks/test_contract.py",
    )  # fmt: skip
    passed = re.search(r"\b(\d+) passed", output)
    assert passed is not None, output
    assert int(passed[1]) > 30, output
