"""Test the page in a real Chromium: with mouse and keys, on a phone, and for accessibility."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from detectors.simulation.tickets import HOUR
from schemas.signals import Ticket
from schemas.silence import Matcher, Silence
from stream.page.state_follower import LATE_SECONDS
from tests.support.audit import entry
from tests.support.escalations import HOSTILE, escalation
from tests.support.page_rig import INCIDENT, PageRig

pytestmark = pytest.mark.slow


PICTURES: Final = Path(__file__).parents[3] / "build" / "page"
"""Folder with the screenshots of each run, for people to look at."""
PHONE: Final = {"width": 390, "height": 800}


class BrowserPage:
    """A page in the browser, with the errors and requests that it causes."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.errors: list[str] = []
        self.requested: set[str] = set()
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.requested.add(request.url))

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def open(self, where: str = "#/") -> Page:
        self.page.goto(self.url + where)
        expect(self.page.locator("main h1")).to_be_visible()
        return self.page

    def picture(self, name: str) -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(PICTURES / f"{name}.png"), full_page=True)

    def assert_well_behaved(self) -> None:
        """Assert that the page contacted no other host and caused no errors."""
        foreign = {url for url in self.requested if not url.startswith(self.url)}
        assert not foreign
        assert not self.errors


@pytest.fixture
def seen(browser: Browser, page_rig: PageRig) -> Iterator[BrowserPage]:
    context = browser.new_context(
        viewport={"width": 1200, "height": 900}, color_scheme="light", timezone_id="Asia/Tokyo"
    )
    browser_page = BrowserPage(context.new_page(), page_rig.url)
    yield browser_page
    context.close()
    browser_page.assert_well_behaved()


def incident(rig: PageRig) -> str:
    (episode_id,) = (
        key
        for key, story in rig.service.stories.stories.items()
        if story.event.data.product_area == "login"
        and abs(story.event.data.since.timestamp() - INCIDENT.start) < HOUR
    )
    return episode_id


def test_the_incident_is_at_the_top_and_opens_its_episode(seen: BrowserPage) -> None:
    page = seen.open()
    card = page.locator("ul.cards li", has_text="login").first
    expect(card).to_contain_text("sso error")
    expect(page.locator("tbody tr").first).to_contain_text("login")
    expect(page.locator("tbody tr").first.locator("svg.spark")).to_be_visible()
    expect(page).to_have_title(re.compile(r"\(1\) spikewatch"))
    seen.picture("areas")
    card.locator("a").click()
    expect(page.locator("h1")).to_contain_text("login of acme")
    for heading in ("Why", "History", "Impact", "Example tickets", "Notifications", "Respond"):
        expect(page.locator("h2", has_text=heading)).to_be_visible()
    expect(page.locator("main")).to_contain_text("issue type sso error with app version 4.2.1")
    chart = page.locator("img.chart")
    expect(chart).to_be_visible()
    page.wait_for_function("document.querySelector('img.chart').naturalWidth > 300")
    seen.picture("episode")


def test_events_appear_without_a_reload(seen: BrowserPage, page_rig: PageRig) -> None:
    page = seen.open()
    page.evaluate("window.same = true")
    key = "a" * 32
    page_rig.add_escalations(
        [escalation("opened", episode_id=key, product_area="billing", severity="error")]
    )
    expect(page.locator(f"[data-episode='{key}']")).to_be_visible(timeout=3_000)
    expect(page.locator("#said")).to_contain_text("new episode: billing")
    page.locator(f"[data-episode='{key}'] a").click()
    expect(page.locator("h1")).to_contain_text("billing")
    page_rig.add_audit_entries(entry(77, episode_id=key, receiver="the night shift"))
    expect(page.locator("main")).to_contain_text("the night shift", timeout=3_000)
    page_rig.add_escalations(
        [escalation("resolved", episode_id=key, product_area="billing", sequence=2)]
    )
    expect(page.locator("h1 .badge")).to_have_text("resolved", timeout=3_000)
    assert page.evaluate("window.same")


def test_a_ticket_updates_the_row_of_its_area(seen: BrowserPage, page_rig: PageRig) -> None:
    page = seen.open()
    line = page.locator("tbody tr", has=page.locator("a", has_text="exports"))
    before = line.locator("td").nth(2).inner_text()
    at = INCIDENT.start + 1.01 * HOUR
    page_rig.tickets(
        {
            "ticket_id": f"extra-{n}",
            "tenant": "acme",
            "created_at": datetime.fromtimestamp(at + n, UTC).isoformat(),
            "product_area": "exports",
            "customer": f"new-{n}",
        }
        for n in range(2)
    )
    expect(line.locator("td").nth(2)).not_to_have_text(before, timeout=3_000)


def test_every_view_is_reachable_by_keyboard(seen: BrowserPage) -> None:
    page = seen.open()
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()
    page.keyboard.press("/")
    page.keyboard.type("permis")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.keyboard.press("Enter")  # the only area that matches
    expect(page.locator("h1")).to_contain_text("permissions of acme")
    page.keyboard.press("e")
    expect(page.locator("h1")).to_have_text("Episodes")
    page.keyboard.press("/")
    page.locator("#search").fill("")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    expect(page.locator("ul.cards li a").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("h2", has_text="History")).to_be_visible()
    page.keyboard.press("Backspace")
    expect(page.locator("h1")).to_have_text("Episodes")
    page.keyboard.press("a")
    expect(page.locator("h1")).to_have_text("Areas now")
    for _ in range(9):  # more steps back than views, which must not leave the page
        page.keyboard.press("Backspace")
        page.wait_for_timeout(150)
    expect(page.locator("h1")).to_have_text("Areas now")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement !== document.body")


def test_updates_do_not_move_the_focus(seen: BrowserPage, page_rig: PageRig) -> None:
    page = seen.open()
    link = page.locator("tbody a", has_text="permissions")
    link.focus()
    page_rig.add_escalations([escalation("opened", episode_id="9" * 32, product_area="reports")])
    expect(page.locator(f"[data-episode='{'9' * 32}']")).to_be_visible()
    expect(link).to_be_focused()
    card = page.locator(f"[data-episode='{'9' * 32}'] a")
    card.focus()
    page_rig.add_escalations(
        [escalation("updated", episode_id="9" * 32, product_area="reports", sequence=2, tickets=77)]
    )
    expect(page.locator(f"[data-episode='{'9' * 32}']")).to_contain_text("77 tickets")
    expect(card).to_be_focused()


def test_arrow_keys_scroll_views_without_rows(seen: BrowserPage, page_rig: PageRig) -> None:
    page = seen.open(f"#/episode/{incident(page_rig)}")
    expect(page.locator("h2", has_text="History")).to_be_visible()
    page.locator("#main").focus()
    for _ in range(5):
        page.keyboard.press("ArrowDown")
    page.wait_for_function("scrollY > 50")


def test_a_failed_first_request_is_retried(browser: Browser, page_rig: PageRig) -> None:
    context = browser.new_context()
    page = context.new_page()
    failed = []

    def once(route: Any) -> None:
        failed.append(route)
        route.fulfill(status=503, body="{}") if len(failed) == 1 else route.continue_()

    page.route("**/api/now", once)
    page.goto(page_rig.url)
    expect(page.locator("tbody tr").first).to_be_visible(timeout=10_000)
    expect(page.locator("#line")).to_have_text("live")
    assert len(failed) == 2
    context.close()


def test_the_first_tab_stop_skips_to_the_content(seen: BrowserPage) -> None:
    page = seen.open()
    page.keyboard.press("Tab")
    expect(page.locator("#skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_the_chosen_time_zone_is_applied_and_remembered(
    seen: BrowserPage, page_rig: PageRig
) -> None:
    key = incident(page_rig)
    since = page_rig.service.stories.stories[key].event.data.since
    page = seen.open(f"#/episode/{key}")
    in_tokyo = since + timedelta(hours=9)
    expect(page.locator("main")).to_contain_text(f"{in_tokyo:%H:%M:%S}")
    page.locator("#zone").select_option("America/New_York")
    in_new_york = since - timedelta(hours=4)
    expect(page.locator("main")).to_contain_text(f"{in_new_york:%H:%M:%S}")
    page.wait_for_function("document.querySelector('img.chart').src.includes('America%2FNew_York')")
    page.reload()
    expect(page.locator("main")).to_contain_text(f"{in_new_york:%H:%M:%S}")


def test_the_color_scheme_can_be_switched_and_is_remembered(seen: BrowserPage) -> None:
    page = seen.open()
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    page.keyboard.press("t")
    assert page.evaluate(ground) == "rgb(13, 17, 23)"
    page.reload()
    assert page.evaluate(ground) == "rgb(13, 17, 23)"
    seen.picture("areas-dark")


def test_hostile_text_is_shown_as_text(seen: BrowserPage, page_rig: PageRig) -> None:
    key = "b" * 32
    evil = "<img src=x onerror=alert(1)>" + "".join(HOSTILE)
    page_rig.add_escalations(
        [
            escalation(
                "opened",
                episode_id=key,
                product_area="<script>document.title='x'</script>",
                severity_rule=evil,
                examples=[
                    {
                        "ticket_id": evil[:100],
                        "created_at": "2026-03-02T09:00:00Z",
                        "text": evil[:200],
                        "customer": evil[:100],
                        "url": "https://a.example/?q=<script>",
                    }
                ],
            )
        ]
    )
    page_rig.add_audit_entries(entry(5, episode_id=key, detail=evil, receiver=evil[:100]))
    page = seen.open(f"#/episode/{key}")
    expect(page.locator("h1")).to_contain_text("<script>document.title")
    expect(page.locator("blockquote", has_text="<img src=x").first).to_be_visible()
    assert page.locator("main script, main img[src='x']").count() == 0
    page.goto(seen.url + "#/episodes")
    expect(page.locator("main")).to_contain_text("<script>document.title")
    page.goto(seen.url + "#/episode/%3Cimg%20src=x%20onerror=alert(1)%3E")
    expect(page.locator("main")).to_contain_text("no such")
    seen.errors = [error for error in seen.errors if "404" not in error]  # a deliberate request
    page_rig.add_escalations([escalation("resolved", episode_id=key, sequence=2)])


def test_an_active_silence_is_shown(seen: BrowserPage, page_rig: PageRig) -> None:
    now = datetime.now(UTC)
    page = seen.open()
    page_rig.add_silences(
        Silence(
            silence_id="s1",
            matchers=(Matcher.parse("product_area=exports"),),
            starts_at=now - timedelta(minutes=1),
            ends_at=now + timedelta(hours=1),
            by="somebody",
            comment="moving house",
        )
    )
    expect(page.locator("main")).to_contain_text("product_area=exports (moving house)")


def test_a_late_feed_is_named(seen: BrowserPage, page_rig: PageRig) -> None:
    now = time.time()
    for number in range(40):
        at = now - 600.0 + number
        page_rig.take([Ticket("slow", str(number), created_at=at, area="mail")], at + 180.0)
    time.sleep(LATE_SECONDS)
    page = seen.open()
    expect(page.locator("main")).to_contain_text("tenant 'slow' can hardly page")


def test_backtest_reports_are_shown_in_a_sandbox(seen: BrowserPage) -> None:
    page = seen.open("#/reports")
    page.locator("a", has_text="march.html").click()
    frame = page.frame_locator("iframe")
    expect(frame.locator("h1")).to_have_text("Backtest of March")
    assert page.title() != "1"
    refused = ("sandboxed", "Content Security Policy")  # the report contains a script on purpose
    seen.errors = [error for error in seen.errors if not any(r in error for r in refused)]


def test_a_lost_connection_is_shown(browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    with PageRig() as rig:
        page.goto(rig.url)
        expect(page.locator("#line")).to_have_text("live")
        expect(page.locator("main")).to_contain_text("No open episodes")
    expect(page.locator("#line")).to_contain_text("not connected", timeout=10_000)
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("narrow", [False, True])
def test_every_view_is_accessible(
    browser: Browser, page_rig: PageRig, scheme: Any, narrow: bool
) -> None:
    """axe-core finds no violation of WCAG 2.2 A and AA or of best practices on any view."""
    size: Any = PHONE if narrow else {"width": 1200, "height": 900}
    context = browser.new_context(viewport=size, color_scheme=scheme)
    page = context.new_page()
    for where in (
        "#/", "#/episodes", f"#/episode/{incident(page_rig)}", "#/area/acme/login", "#/reports"
    ):  # fmt: skip
        page.goto(page_rig.url + where)
        expect(page.locator("main h1")).to_be_visible()
        page.wait_for_timeout(1_500)  # until animations end and pictures are loaded
        result = Axe().run(page)
        violations = [
            (violation["id"], [node["html"] for node in violation["nodes"]][:3])
            for violation in result.response["violations"]
        ]
        assert not violations, (where, violations)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), where
        if narrow and where != "#/reports":
            name = where.split("/")[1] or "areas"
            PICTURES.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=str(PICTURES / f"phone-{scheme}-{name}.png"))
    context.close()


BROKEN_WORDS: Final = """() => {
  const broken = [];
  const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    for (const word of texts.currentNode.textContent.matchAll(/[A-Za-z]{2,14}/g)) {
      const range = document.createRange();
      range.setStart(texts.currentNode, word.index);
      range.setEnd(texts.currentNode, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
      if (lines.size > 1) broken.push(word[0]);
    }
  }
  return broken;
}"""
"""JavaScript that returns the words of up to 14 letters that are broken over two lines."""


def test_ordinary_words_are_not_broken_on_a_phone(browser: Browser, page_rig: PageRig) -> None:
    """Lines are broken between words, unless a word is longer than a line."""
    context = browser.new_context(viewport=PHONE)  # type: ignore[arg-type]
    page = context.new_page()
    for where in ("#/", "#/episodes", f"#/episode/{incident(page_rig)}", "#/area/acme/login"):
        page.goto(page_rig.url + where)
        expect(page.locator("main h1")).to_be_visible()
        page.wait_for_timeout(500)
        assert page.evaluate(BROKEN_WORDS) == [], where
    context.close()
