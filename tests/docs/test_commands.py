"""The commands of the tutorial and the how-to guides run as they stand on the page.

Every fenced ``sh`` block of a page is run, in order, by one bash per page. The page starts in a
folder that looks like a fresh clone: it links to ``deploy``, ``schemas`` and ``.venv``. A block is
left out only if the line above its fence says ``<!-- not run: REASON -->``. A page that needs a
broker says ``<!-- needs: kafka -->`` in its first lines. One that reads the export of a helpdesk
says ``<!-- needs: export NAME -->`` and finds a sample as ``NAME.csv``, or with its own suffix.
"""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import HasBootstrapServers
from tests.support.helpdesk_exports import EXPORTS, simulated

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
LINKED: Final = ("deploy", "schemas", "detectors", "stream", "tests", "docs", "pyproject.toml")
BASH: Final = shutil.which("bash") or "/bin/bash"
SECONDS: Final = 280
"""A page that takes longer is no page for a reader in a hurry."""
AREAS: Final = {"login": 8.0, "billing": 4.0}
"""Areas of the exports, with their tickets per hour; a report has a chart of each."""

_NOT_RUN: Final = re.compile(r"<!-- not run: (\S.*) -->")
_NEEDS_KAFKA: Final = "<!-- needs: kafka -->"
_NEEDS_EXPORT: Final = re.compile(r"<!-- needs: export (\w+) -->")


@dataclass(frozen=True)
class Block:
    """One fenced ``sh`` block.

    Attributes:
        line: number of its first command, counted from 1.
        text: its commands.
        reason: why it is not run; empty if it is run.
    """

    line: int
    text: str
    reason: str


def blocks_of(page: str) -> list[Block]:
    """Return the ``sh`` blocks of a page, in order.

    Args:
        page: text of the page, Markdown.
    """
    blocks: list[Block] = []
    inside, language, start, above = False, "", 0, ""
    collected: list[str] = []
    for number, line in enumerate(page.splitlines(), 1):
        if line.lstrip().startswith("```"):
            if not inside:
                inside, language, start = True, line.strip().removeprefix("```"), number + 1
                collected = []
            else:
                inside = False
                if language == "sh":
                    reason = _NOT_RUN.fullmatch(above.strip())
                    text = "\n".join(collected)
                    blocks.append(Block(start, text, reason[1] if reason else ""))
                above = ""
        elif inside:
            collected.append(line)
        elif line.strip():
            above = line
    return blocks


def script_of(page: Path) -> str:
    """Return the bash script of all blocks of a page that are run.

    Each block announces itself on standard error: a failure names its line, and slow blocks show.
    """
    lines = ["set -euo pipefail"]
    for block in blocks_of(page.read_text(encoding="utf-8")):
        if not block.reason:
            place = shlex.quote(f"{page.name}:{block.line}")
            lines += [f'echo {place} "after $SECONDS s" >&2', block.text]
    return "\n".join(lines) + "\n"


def run_page(page: Path, folder: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a page in *folder* and end everything that it left in the background.

    Args:
        page: the Markdown file.
        folder: an empty folder.
        environ: variables to add, such as those that point to a broker.

    Returns:
        The finished shell, with what it wrote to both outputs in ``stdout``.
    """
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv").symlink_to(sys.prefix)
    for helpdesk in _NEEDS_EXPORT.findall(page.read_text(encoding="utf-8")):
        suffix, write = EXPORTS[helpdesk]
        (folder / f"{helpdesk}.{suffix}").write_bytes(write(simulated(1.5, areas=AREAS)))
    environ = {
        **{k: v for k, v in os.environ.items() if not k.startswith("SPIKEWATCH_")},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": str(ROOT),
        "USER": "on-call",
        "SPIKEWATCH_METRICS__PORT": "0",
        "SPIKEWATCH_HEALTH__PORT": "0",
        "SPIKEWATCH_NOTIFY__METRICS_PORT": "0",
        "SPIKEWATCH_NOTIFY__HEALTH_PORT": "0",
        **environ,
    }
    output = folder / ".output"
    with output.open("wb") as log:
        shell = subprocess.Popen(
            [BASH, "-c", script_of(page)],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = shell.wait(SECONDS)
        except subprocess.TimeoutExpired:
            code = -1
        finally:
            # The shell leads a session of its own, so the process group holds only its processes.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()
    text = output.read_text(encoding="utf-8", errors="replace")
    return subprocess.CompletedProcess(["bash"], code, text)


def pages() -> list[Path]:
    """Return all pages of the tutorial and of the how-to guides."""
    return sorted((DOCS / "tutorial").glob("*.md")) + sorted((DOCS / "how-to").glob("*.md"))


def _needs_kafka(page: Path) -> bool:
    return _NEEDS_KAFKA in page.read_text(encoding="utf-8").splitlines()[:5]


WITHOUT_KAFKA: Final = [page for page in pages() if not _needs_kafka(page)]
WITH_KAFKA: Final = [page for page in pages() if _needs_kafka(page)]


def _assert_it_runs(page: Path, folder: Path, environ: dict[str, str]) -> None:
    done = run_page(page, folder, environ)
    assert done.returncode == 0, f"{page.relative_to(ROOT)}: exit {done.returncode}\n{done.stdout}"


@pytest.mark.slow
@pytest.mark.parametrize("page", WITHOUT_KAFKA, ids=lambda page: page.stem)
def test_a_page_runs(page: Path, tmp_path: Path) -> None:
    """Every command of the page succeeds."""
    _assert_it_runs(page, tmp_path, {})


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.parametrize("page", WITH_KAFKA, ids=lambda page: page.stem)
def test_a_page_runs_on_kafka(
    page: Path, tmp_path: Path, broker: HasBootstrapServers, topic_prefix: str
) -> None:
    """Every command of a page that needs Kafka succeeds on topics of its own."""
    environ = {
        "SPIKEWATCH_KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap_servers,
        "SPIKEWATCH_KAFKA__TOPIC_PREFIX": topic_prefix,
        "SPIKEWATCH_KAFKA__GROUP": f"{topic_prefix}spikewatch",
    }
    _assert_it_runs(page, tmp_path, environ)


def test_every_skipped_block_has_a_reason() -> None:
    """The reason is a sentence, not a word."""
    for page in pages():
        for block in blocks_of(page.read_text(encoding="utf-8")):
            if block.reason:
                assert len(block.reason.split()) >= 3, f"{page.name}:{block.line}: {block.reason}"


def test_most_blocks_are_run() -> None:
    """Only few blocks may be skipped, so that the guides stay tested."""
    blocks = [block for page in pages() for block in blocks_of(page.read_text(encoding="utf-8"))]
    run = [block for block in blocks if not block.reason]
    assert blocks
    assert len(run) >= 0.6 * len(blocks), f"{len(run)} of {len(blocks)} blocks are run"


def test_a_failing_block_is_detected(tmp_path: Path) -> None:
    """The tests above fail on a failing block and name its line."""
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n```sh\ntrue\n```\n\n```sh\nfalse\n```\n", encoding="utf-8")
    folder = tmp_path / "clone"
    folder.mkdir()
    done = run_page(page, folder, {})
    assert done.returncode != 0
    assert "page.md:8" in done.stdout


def test_only_a_reason_directly_above_skips_a_block() -> None:
    """A comment further up belongs to another block."""
    page = "<!-- not run: it needs an account -->\n```sh\na\n```\ntext\n\n```sh\nb\n```\n"
    first, second = blocks_of(page)
    assert (first.text, first.reason) == ("a", "it needs an account")
    assert (second.text, second.reason) == ("b", "")
