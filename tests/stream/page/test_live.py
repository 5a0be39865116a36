"""Test the page on a real Kafka with a real worker and a real browser."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from schemas.codec import write_escalation
from stream.kafka.ticket_sender import Pace
from tests.support.audit import entry
from tests.support.escalations import escalation
from tests.support.kafka_rig import Rig, free_port, wait_for
from tests.support.page_rig import INCIDENT


@pytest.mark.kafka
@pytest.mark.slow
def test_the_incident_appears_without_a_reload_and_survives_a_restart(
    rig: Rig, browser: Browser, company: list[dict[str, Any]]
) -> None:
    # The browser's driver runs an event loop in this thread, so the rig works in another.
    with ThreadPoolExecutor(1) as pool:
        _live(rig, browser, company, lambda do, *given: pool.submit(do, *given).result())


def _live(rig: Rig, browser: Browser, company: list[dict[str, Any]], aside: Any) -> None:
    aside(rig.create_topics)
    port = free_port()
    rig.extra = {"SPIKEWATCH_PAGE__PORT": str(port), "SPIKEWATCH_PAGE__METRICS_PORT": "0"}
    rig.start("worker")
    page_process = rig.start("page")
    lines = [json.dumps(ticket).encode() for ticket in company]
    live = sum(ticket["created_at"] >= _time(INCIDENT.start) for ticket in company)
    wait_for(lambda: "the page is at" in page_process.text(), 60, "the page", rig)
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{port}/")
    expect(page.locator("#line")).to_have_text("live")
    page.evaluate("window.same = true")
    aside(rig.send, lines[:-live], Pace("simulated"))
    aside(rig.send, lines[-live:], Pace("simulated"))
    card = page.locator("ul.cards li", has_text="sso error").first
    expect(card).to_be_visible(timeout=60_000)
    expect(page.locator("tbody tr").first).to_contain_text("login")
    assert page.evaluate("window.same")

    # The page agrees with the topics before and after a restart.
    aside(rig.settle)
    events = [json.loads(value) for value in aside(rig.escalations)]
    last = {event["subject"]: event for event in events}
    (episode,) = (key for key, event in last.items() if "sso error" in json.dumps(event["data"]))
    aside(
        rig.put,
        rig.topics.audit,
        [(entry(1, episode_id=episode).model_dump_json().encode(), [])],
        0,
    )
    aside(rig.put, rig.topics.escalations, [(b"{no event", []), (None, [])], 0)
    aside(rig.put, rig.topics.by_tenant, [(b"\xff", [])], 0)
    odd = escalation("opened", episode_id="c" * 32, product_area="billing")
    aside(rig.put, rig.topics.escalations, [(write_escalation(odd), [])], 0)
    expect(page.locator(f"[data-episode='{'c' * 32}']")).to_be_visible(timeout=10_000)
    before = _shown(page, episode)
    assert page_process.end() == 0, page_process.text()
    expect(page.locator("#line")).to_contain_text("not connected", timeout=10_000)
    again = rig.start("page")
    wait_for(lambda: "the page is at" in again.text(), 60, "the page again", rig)
    expect(page.locator("#line")).to_have_text("live", timeout=20_000)
    after = _shown(page, episode)
    assert after["transitions"] == before["transitions"]
    assert after["notifications"] == before["notifications"] != []
    assert after["data"] == before["data"] == last[episode]["data"]
    rows = page.evaluate("fetch('/api/now').then(a => a.json())")["areas"]
    counted = {row[2]: row[8] for row in rows}
    in_state = {
        area: series.tickets
        for partition in aside(rig.partitions)
        for tenant in partition.tenants.values()
        for area, series in tenant.areas.items()
    }
    assert counted == in_state
    context.close()


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _shown(page: Any, episode: str) -> Any:
    return page.evaluate(f"fetch('/api/episodes/{episode}').then(a => a.json())")
