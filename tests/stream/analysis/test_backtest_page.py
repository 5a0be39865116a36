"""Test that the report is self-contained and displays hostile ticket text harmlessly."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Request, sync_playwright

from detectors.evaluation.history.backtest import Injections
from detectors.policy.settings import Settings
from detectors.simulation.tickets import Incident, World, tickets
from stream.analysis.backtest import Order, backtest
from stream.analysis.backtest_page import report
from stream.inputs.ticket_archive import History
from tests.support.chromium import ARGUMENTS, chromium

pytestmark = pytest.mark.slow


START = 1_709_510_400.0
HOSTILE = (
    "It fails < script > document.title='taken' & \"> </pre><script>document.title='taken'</script>"
    "<img src=http://127.0.0.1:9/x onerror=a()>"
)
AREA = "<b onclick=x()>log&in</b>"
VERSION = '"><svg onload=a()>'
MOST_BYTES = 5_000_000


@pytest.fixture(scope="module", name="page")
def _page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the report of a history whose names and texts contain HTML markup."""
    spike = Incident(AREA, START + 25 * 86_400.0 + 9 * 3600.0, 4.0, 12.0, app_version=VERSION)
    world = World(START, 4 * 168.0, {AREA: 6.0, "billing": 3.0}, (spike,), seed=3, customers=900)
    lines = [
        (number, json.dumps({**ticket, "subject": HOSTILE, "body": HOSTILE}).encode())
        for number, ticket in enumerate(tickets(world), 1)
    ]
    with History() as history:
        history.read(lines)
        history.close_book()
        injections = Injections(kinds=("area",), multiples=(3.0, 10.0), repeat=1)
        result = backtest(history, Order(settings=Settings(), injections=injections))
    assert result.pages
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(report(result), encoding="utf-8")
    return path


@pytest.fixture(scope="module", name="browser")
def _browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield browser
        browser.close()


class Elements(HTMLParser):
    """Collect the names of elements and attributes as a browser would see them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: dict[str, set[str]] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, set()).add(value or "")


def test_the_report_has_no_scripts_no_forms_and_no_external_references(page: Path) -> None:
    text = page.read_text()
    seen = Elements(text)
    assert not seen.names & {
        "script", "form", "input", "button", "iframe", "object", "embed", "link", "base", "img",
        "a", "foreignobject", "use", "image",
    }  # fmt: skip
    assert not [name for name in seen.attributes if name.startswith("on")]
    assert not seen.attributes.keys() & {"src", "href", "xlink:href", "action", "srcset", "data"}
    assert "@import" not in text
    assert not re.search(r"url\s*\((?!#)", text.split("</style>")[0])
    outside = set(
        re.findall(r"https?://[^\s\"<]+", re.sub(r"<pre>.*?</pre>", "", text, flags=re.S))
    )
    assert outside <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert len(text.encode()) < MOST_BYTES


def test_hostile_text_is_shown_as_text(page: Path, browser: Browser) -> None:
    """A real Chromium shows the text, runs no script and contacts no host."""
    asked: list[Request] = []
    errors: list[str] = []
    tab = browser.new_page()
    tab.on("request", lambda request: asked.append(request))
    tab.on("console", lambda message: errors.append(message.text))
    tab.goto(page.as_uri())
    assert tab.title() == "spikewatch: backtest"
    shown = tab.inner_text("main")
    read = "".join(tab.locator("pre").all_inner_texts())
    assert AREA in read
    assert VERSION in read
    assert "< script >" in read
    assert AREA in shown
    assert [request.url for request in asked] == [page.as_uri()]
    assert errors == []
    assert tab.locator("main *[onload], main *[onclick], main script, main b").count() == 0
    tab.close()


def test_charts_are_visible_in_light_and_dark_mode(page: Path, browser: Browser) -> None:
    inks = []
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme)
        tab = context.new_page()
        tab.goto(page.as_uri())
        assert tab.locator("figure svg").count() >= 4
        box = tab.locator("figure svg").last.bounding_box()
        assert box is not None
        assert box["width"] > 300
        assert box["height"] > 100
        inks.append(
            tab.locator("figure svg text").first.evaluate("one => getComputedStyle(one).fill")
        )
        page_color = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        assert page_color != inks[-1]
        context.close()
    assert inks[0] != inks[1]


def test_a_chart_is_small(page: Path) -> None:
    charts = re.findall(r"<svg.*?</svg>", page.read_text(), flags=re.S)
    assert max(map(len, charts)) < 60_000
