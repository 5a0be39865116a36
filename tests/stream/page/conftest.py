"""A browser, and a page with two weeks of a company in whose last hour logins fail."""

from collections.abc import Iterator
from typing import Any

import pytest

from detectors.simulation.tickets import tickets
from tests.support.page_rig import WORLD, PageRig
from tests.support.page_rig import browser as opened


@pytest.fixture(scope="session")
def company() -> list[dict[str, Any]]:
    """Its tickets, the incident last."""
    return list(tickets(WORLD))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real Chromium; while it is there, its driver's loop runs in this thread."""
    yield from opened()


@pytest.fixture(scope="module")
def page_rig(
    company: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PageRig]:
    """A page on which the incident runs."""
    reports = tmp_path_factory.mktemp("reports")
    (reports / "march.html").write_text(
        "<h1>Backtest of March</h1><script>document.title=1</script>"
    )
    (reports / "secret.txt").write_text("not shown")
    with PageRig(reports, url="http://page.example.com/") as rig:
        rig.tickets(company)
        yield rig
