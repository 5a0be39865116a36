"""The page in a real Chromium: what is seen, by mouse and keys, on a phone, and by assistants."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from detectors.simulation.tickets import HOUR
from schemas.silence import Matcher, Silence
from tests.support.audit import entry
from tests.support.escalations import HOSTILE, escalation
from tests.support.page_rig import INCIDENT, PageRig

pytestmark = pytest.mark.slow


PICTURES: Final = Path(__file__).parents[3] / "build" / "page"
"""Screenshots of each run, to be looked at."""
PHONE: Final = {"width": 390, "height": 800}


class Seen:
    """A page in the browser, and everything it should not do."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.complaints: list[str] = []
        self.asked: set[str] = set()
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.asked.add(request.url))

    def _console(self, said: Any) -> None:
        if said.type in ("error", "warning"):
            self.complaints.append(said.text)

    def open(self, where: str = "#/") -> Page:
        self.page.goto(self.url + where)
        expect(self.page.locator("main h1")).to_be_visible()
        return self.page

    def picture(self, name: str) -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(PICTURES / f"{name}.png"), full_page=True)

    def behaved(self) -> None:
        """It asked no other host, and the browser had nothing to complain of."""
        strangers = {url for url in self.asked if not url.startswith(self.url)}
        assert not strangers
        assert not self.complaints


@pytest.fixture
def seen(browser: Browser, page_rig: PageRig) -> Iterator[Seen]:
    context = browser.new_context(
        viewport={"width": 1200, "height": 900}, color_scheme="light", timezone_id="Asia/Tokyo"
    )
    found = Seen(context.new_page(), page_rig.url)
    yield found
    context.close()
    found.behaved()


def incident(rig: PageRig) -> str:
    (found,) = (
        key
        for key, story in rig.service.stories.stories.items()
        if story.event.data.product_area == "login"
        and abs(story.event.data.since.timestamp() - INCIDENT.start) < HOUR
    )
    return found


def test_the_incident_is_on_top_and_tells_its_story(seen: Seen) -> None:
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


def test_what_happens_is_seen_without_reload(seen: Seen, page_rig: PageRig) -> None:
    page = seen.open()
    page.evaluate("window.same = true")
    key = "a" * 32
    page_rig.tell([escalation("opened", episode_id=key, product_area="billing", severity="error")])
    expect(page.locator(f"[data-episode='{key}']")).to_be_visible(timeout=3_000)
    expect(page.locator("#said")).to_contain_text("new episode: billing")
    page.locator(f"[data-episode='{key}'] a").click()
    expect(page.locator("h1")).to_contain_text("billing")
    page_rig.note(entry(77, episode_id=key, receiver="the night shift"))
    expect(page.locator("main")).to_contain_text("the night shift", timeout=3_000)
    page_rig.tell([escalation("resolved", episode_id=key, product_area="billing", sequence=2)])
    expect(page.locator("h1 .badge")).to_have_text("resolved", timeout=3_000)
    assert page.evaluate("window.same")


def test_a_ticket_moves_the_line_of_its_area(seen: Seen, page_rig: PageRig) -> None:
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


def test_everything_is_reached_by_keys(seen: Seen) -> None:
    page = seen.open()
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()
    page.keyboard.press("/")
    page.keyboard.type("permis")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.keyboard.press("Enter")  # the only one that is found
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
    for _ in range(9):  # further back than there were views: it stays in the page
        page.keyboard.press("Backspace")
        page.wait_for_timeout(150)
    expect(page.locator("h1")).to_have_text("Areas now")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement !== document.body")


def test_the_focus_stays_where_it_is_while_things_change(seen: Seen, page_rig: PageRig) -> None:
    page = seen.open()
    link = page.locator("tbody a", has_text="permissions")
    link.focus()
    page_rig.tell([escalation("opened", episode_id="9" * 32, product_area="reports")])
    expect(page.locator(f"[data-episode='{'9' * 32}']")).to_be_visible()
    expect(link).to_be_focused()
    card = page.locator(f"[data-episode='{'9' * 32}'] a")
    card.focus()
    page_rig.tell([escalation("updated", episode_id="9" * 32, product_area="reports", sequence=2,
                              tickets=77)])  # fmt: skip
    expect(page.locator(f"[data-episode='{'9' * 32}']")).to_contain_text("77 tickets")
    expect(card).to_be_focused()


def test_arrows_scroll_where_there_are_no_lines(seen: Seen, page_rig: PageRig) -> None:
    page = seen.open(f"#/episode/{incident(page_rig)}")
    expect(page.locator("h2", has_text="History")).to_be_visible()
    page.locator("#main").focus()
    for _ in range(5):
        page.keyboard.press("ArrowDown")
    page.wait_for_function("scrollY > 50")


def test_a_failed_first_look_is_tried_again(browser: Browser, page_rig: PageRig) -> None:
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


def test_the_first_tab_skips_to_the_content(seen: Seen) -> None:
    page = seen.open()
    page.keyboard.press("Tab")
    expect(page.locator("#skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_times_are_those_of_the_chosen_zone_and_stay_so(seen: Seen, page_rig: PageRig) -> None:
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


def test_dark_and_light(seen: Seen) -> None:
    page = seen.open()
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    page.keyboard.press("t")
    assert page.evaluate(ground) == "rgb(13, 17, 23)"
    page.reload()
    assert page.evaluate(ground) == "rgb(13, 17, 23)"
    seen.picture("areas-dark")


def test_text_of_strangers_stays_text(seen: Seen, page_rig: PageRig) -> None:
    key = "b" * 32
    evil = "<img src=x onerror=alert(1)>" + "".join(HOSTILE)
    page_rig.tell(
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
    page_rig.note(entry(5, episode_id=key, detail=evil, receiver=evil[:100]))
    page = seen.open(f"#/episode/{key}")
    expect(page.locator("h1")).to_contain_text("<script>document.title")
    expect(page.locator("blockquote", has_text="<img src=x").first).to_be_visible()
    assert page.locator("main script, main img[src='x']").count() == 0
    page.goto(seen.url + "#/episodes")
    expect(page.locator("main")).to_contain_text("<script>document.title")
    page.goto(seen.url + "#/episode/%3Cimg%20src=x%20onerror=alert(1)%3E")
    expect(page.locator("main")).to_contain_text("no such")
    seen.complaints = [one for one in seen.complaints if "404" not in one]  # asked for on purpose
    page_rig.tell([escalation("resolved", episode_id=key, sequence=2)])


def test_a_silence_is_said(seen: Seen, page_rig: PageRig) -> None:
    now = datetime.now(UTC)
    page = seen.open()
    page_rig.silence(
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


def test_backtests_are_shown_in_a_box(seen: Seen) -> None:
    page = seen.open("#/reports")
    page.locator("a", has_text="march.html").click()
    frame = page.frame_locator("iframe")
    expect(frame.locator("h1")).to_have_text("Backtest of March")
    assert page.title() != "1"
    refused = ("sandboxed", "Content Security Policy")  # the script in it, on purpose
    seen.complaints = [one for one in seen.complaints if not any(r in one for r in refused)]


def test_it_says_when_it_is_cut_off(browser: Browser) -> None:
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
def test_nobody_is_shut_out(browser: Browser, page_rig: PageRig, scheme: Any, narrow: bool) -> None:
    """axe-core's rules, WCAG 2.2 A and AA and best practices: no violation on any view."""
    size: Any = PHONE if narrow else {"width": 1200, "height": 900}
    context = browser.new_context(viewport=size, color_scheme=scheme)
    page = context.new_page()
    for where in (
        "#/", "#/episodes", f"#/episode/{incident(page_rig)}", "#/area/acme/login", "#/reports"
    ):  # fmt: skip
        page.goto(page_rig.url + where)
        expect(page.locator("main h1")).to_be_visible()
        page.wait_for_timeout(1_500)  # animations end, pictures come
        found = Axe().run(page)
        wrong = [
            (one["id"], [node["html"] for node in one["nodes"]][:3])
            for one in found.response["violations"]
        ]
        assert not wrong, (where, wrong)
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
"""Words of up to 14 letters that are broken over two lines."""


def test_a_phone_breaks_no_ordinary_word(browser: Browser, page_rig: PageRig) -> None:
    """A line is broken between words; only what is longer than a line is broken inside."""
    context = browser.new_context(viewport=PHONE)  # type: ignore[arg-type]
    page = context.new_page()
    for where in ("#/", "#/episodes", f"#/episode/{incident(page_rig)}", "#/area/acme/login"):
        page.goto(page_rig.url + where)
        expect(page.locator("main h1")).to_be_visible()
        page.wait_for_timeout(500)
        assert page.evaluate(BROKEN_WORDS) == [], where
    context.close()
