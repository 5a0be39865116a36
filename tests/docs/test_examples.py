"""The how-to guides that add something: what they say is done in a copy of the project."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COPIED = ("detectors", "schemas", "tests", "pyproject.toml")


def python_blocks(page: str) -> list[str]:
    """The ``python`` blocks of a how-to guide, in order."""
    text = (ROOT / "docs" / "how-to" / page).read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


@pytest.mark.slow
def test_the_model_of_the_guide_passes_the_contract_suite(tmp_path: Path) -> None:
    """Its file and its line, and nothing else, make it a model like the others."""
    for name in COPIED:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, tmp_path / name)
    module, line = python_blocks("add-a-model.md")
    (tmp_path / "detectors" / "models" / "ewma.py").write_text(module)
    settings = tmp_path / "detectors" / "policy" / "settings.py"
    before = settings.read_text()
    after = re.sub(r"(?m)^ModelName = .*\n", line, before)
    assert after != before
    settings.write_text(after)
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "ewma",
            "tests/detectors/models/test_models.py",
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\b[1-9]\d* passed", done.stdout), done.stdout
