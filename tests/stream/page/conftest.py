"""A browser, and a page with two weeks of a company whose logins fail in the last hour."""

from collections.abc import Iterator
from typing import Any

import pytest

from detectors.simulation.tickets import tickets
from tests.support.page_rig import WORLD, PageRig
from tests.support.page_rig import browser as opened


@pytest.fixture(scope="session")
def company() -> list[dict[str, Any]]:
    """Return the tickets of the company, with the incident at the end."""
    return list(tickets(WORLD))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Yield a real Chromium, whose driver runs its event loop in this thread."""
    yield from opened()


@pytest.fixture(scope="module")
def page_rig(
    company: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PageRig]:
    """Yield a page that shows the incident."""
    reports = tmp_path_factory.mktemp("reports")
    (reports / "march.html").write_text(
        "<h1>Backtest of March</h1><script>document.title=1</script>"
    )
    (reports / "secret.txt").write_text("not shown")
    with PageRig(reports, url="http://page.example.com/") as rig:
        rig.tickets(company)
        yield rig
