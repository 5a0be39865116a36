"""Draw the pictures of the README again: `make pictures`, with one function for each picture."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, sync_playwright

from detectors.simulation.tickets import HOUR, tickets
from tests.support.chromium import ARGUMENTS, chromium
from tests.support.page_rig import INCIDENT, WORLD, PageRig

FOLDER: Final = Path(__file__).parents[1] / "docs" / "pictures"
MOST_BYTES: Final = 200_000


def backtest_report(browser: Browser, file: Path) -> None:
    """Draw the timelines of the backtest report of the history in the README."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _spikewatch(
            folder, "simulate", "--weeks", "8", "--incident", "login,50.4,3,6",
            "--incident", "billing,40.4,5,4", "--out", "export.csv", "--labels", "known.csv",
        )  # fmt: skip
        _spikewatch(
            folder, "backtest", "export.csv", "--labels", "known.csv", "--inject", "--repeat", "1",
            "--kind", "area", "--html", "report.html",
        )  # fmt: skip
        page = browser.new_page(viewport={"width": 900, "height": 700})
        page.goto((folder / "report.html").as_uri())
        page.get_by_role("heading", name="Timelines of the areas").scroll_into_view_if_needed()
        page.evaluate(
            "document.querySelectorAll('h2').forEach(one =>"
            ' one.textContent === "Timelines of the areas" && one.scrollIntoView())'
        )
        page.screenshot(path=file)
        page.close()


def areas_now(browser: Browser, file: Path) -> None:
    """Draw the overview page in the dark theme while logins fail."""
    _of_page(browser, file, "#/", dark=True)


def episode(browser: Browser, file: Path) -> None:
    """Draw the page of the login episode."""
    _of_page(browser, file, "", dark=False)


def _of_page(browser: Browser, file: Path, where: str, *, dark: bool) -> None:
    with PageRig() as rig:
        rig.tickets(tickets(WORLD))
        begin = INCIDENT.start
        (key,) = (
            key
            for key, one in rig.service.stories.stories.items()
            if one.running and abs(one.event.data.since.timestamp() - begin) < HOUR
        )
        page = browser.new_page(
            viewport={"width": 1100, "height": 900}, color_scheme="dark" if dark else "light"
        )
        page.goto(rig.url + (where or f"#/episode/{key}"))
        page.wait_for_selector("tbody tr")
        page.wait_for_timeout(2_000)  # lets the chart and the small timelines load
        page.screenshot(path=file)
        page.close()


PICTURES: Final[dict[str, Callable[[Browser, Path], None]]] = {
    "backtest": backtest_report,
    "areas": areas_now,
    "episode": episode,
}
"""The functions that draw the pictures, by file name."""


def main() -> None:
    """Draw the pictures named on the command line, by default all of them."""
    named = sys.argv[1:] or list(PICTURES)
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        for name in named:
            file = FOLDER / f"{name}.png"
            PICTURES[name](browser, file)
            size = file.stat().st_size
            print(f"{file.relative_to(FOLDER.parents[1])}: {size / 1000:.0f} kB")
            if size > MOST_BYTES:
                raise SystemExit(f"{file.name} is larger than {MOST_BYTES / 1000:.0f} kB")
        browser.close()


def _spikewatch(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "stream.cli", *arguments]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
