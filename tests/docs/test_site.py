"""The documentation site builds without a warning and has no broken links."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
README: Final = ROOT / "README.md"
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
_FETCHED: Final = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?(?:https?:)?//[^"'\s>]+"""
    r"""|<link\b[^>]*\bhref=["']?(?:https?:)?//[^"'\s>]+""",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site strictly, so that a broken link or anchor or an unlisted page fails."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_the_site_builds_strictly(site: Path) -> None:
    """The site has its front page and a page of each part."""
    for name in ("index", "tutorial/first-spike", "reference/glossary", "adr/index"):
        assert (site / f"{name}.html").is_file(), name


@pytest.mark.slow
def test_no_page_fetches_from_another_host(site: Path) -> None:
    """Scripts, fonts and pictures are all local."""
    for page in site.rglob("*.html"):
        fetched = _FETCHED.findall(page.read_text(encoding="utf-8"))
        assert not [tag for tag in fetched if 'rel="canonical"' not in tag], page.name


def relative_links(text: str) -> list[str]:
    """Return the targets of all links in *text* that name a file of the repository."""
    targets = (link.partition("#")[0] for link in _LINK.findall(text))
    return [
        link for link in targets if link and "://" not in link and not link.startswith("mailto:")
    ]


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_links_outside_the_site_resolve(name: str) -> None:
    """Each link names an existing file or folder of the repository."""
    text = (ROOT / name).read_text(encoding="utf-8")
    missing = [link for link in relative_links(text) if not (ROOT / link).exists()]
    assert not missing


def test_the_readme_is_short() -> None:
    """Everything else is in docs/."""
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 200


def test_no_page_is_longer_than_250_lines() -> None:
    """A longer page must be split."""
    for page in (ROOT / "docs").rglob("*.md"):
        if page.name in {"cli.md", "configuration.md", "receivers.md", "metrics.md", "events.md"}:
            continue  # generated pages may be longer
        assert len(page.read_text(encoding="utf-8").splitlines()) <= 250, page.name


_PATH: Final = re.compile(r"`((?:stream|detectors|schemas|tests|deploy|docs)/[\w./-]+)`")
_WRITTEN_BY_THE_READER: Final = {
    "detectors/models/ewma.py",
    "stream/notify/sinks/logbook.py",
    "tests/support/providers/logbook.py",
}


def test_paths_named_in_pages_exist() -> None:
    """Every file or folder of the repository that a page names exists."""
    pages = [README, ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    missing = {
        f"{page.relative_to(ROOT)}: {path}"
        for page in pages
        for path in _PATH.findall(page.read_text(encoding="utf-8"))
        if path not in _WRITTEN_BY_THE_READER and not (ROOT / path).exists()
    }
    assert missing == set()
