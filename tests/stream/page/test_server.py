"""Test the web server of the page: its responses, and what it refuses."""

import http.client
import json
import os
import re
import socket
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from detectors.simulation.tickets import HOUR
from stream.errors import UserError
from stream.page.server import ASSETS
from tests.support.escalations import HOSTILE, escalation
from tests.support.page_rig import INCIDENT, PageRig

pytestmark = pytest.mark.slow


def get(
    rig: PageRig, path: str, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    line = http.client.HTTPConnection("127.0.0.1", rig.port, timeout=20)
    try:
        line.request(method, path, headers=headers)
        answer = line.getresponse()
        return (
            answer.status,
            {k.lower(): v for k, v in answer.getheaders()},
            answer.read(),
        )
    finally:
        line.close()


def get_raw(rig: PageRig, target: bytes) -> tuple[int, dict[str, str], bytes]:
    """Request a path of any bytes, which `http.client` refuses to send."""
    with socket.create_connection(("127.0.0.1", rig.port), timeout=20) as line:
        line.sendall(
            b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        answer = http.client.HTTPResponse(line)
        answer.begin()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()


def read(rig: PageRig, path: str) -> Any:
    status, _, body = get(rig, path)
    assert status == 200, body
    return json.loads(body)


def login(rig: PageRig) -> dict[str, Any]:
    (episode,) = (
        each
        for each in read(rig, "/api/now")["episodes"]
        if each["area"] == "login" and abs(each["since"] - INCIDENT.start) < HOUR
    )
    return dict(episode)


def test_the_current_areas_equal_those_of_the_step(page_rig: PageRig) -> None:
    now = read(page_rig, "/api/now")
    rows = {row[2]: row for row in now["areas"]}
    tenant = page_rig.service.follower.tenant("acme")
    assert tenant is not None
    assert tenant.clock is not None
    assert rows.keys() == tenant.areas.keys()
    for area, row in rows.items():
        series = tenant.areas[area]
        assert row[4] == pytest.approx(series.last_hour(tenant.clock), abs=0.06)
        assert row[5] == pytest.approx(series.model.rate_at(tenant.clock), rel=0.01)
        assert row[8] == series.tickets
    assert rows["login"][4] > 3.0 * rows["login"][5]
    assert now["tenants"][0]["clock"] == tenant.clock
    sparks = read(page_rig, f"/api/sparks?of={rows['login'][0]},999,x,-1")
    assert list(sparks) == [str(rows["login"][0])]
    assert len(sparks[str(rows["login"][0])]["observed"]) == 24


def test_an_episode_has_its_drivers_history_page_and_chart(page_rig: PageRig) -> None:
    episode = login(page_rig)
    story = read(page_rig, f"/api/episodes/{episode['id']}")
    assert story["data"]["explanation"][0]["value"] == "sso error"
    assert story["transitions"][0]["transition"] == "opened"
    assert "driver: issue type sso error" in story["page"]
    assert read(page_rig, f"/api/episodes/{episode['id'][:12]}")["id"] == episode["id"]
    for path in (
        f"/api/episodes/{episode['id']}/timeline.svg?theme=dark&zone=Europe/Berlin&width=900",
        "/api/areas/0/timeline.svg?zone=Mars/Phobos&width=-5&theme=%00",
    ):
        status, headers, body = get(page_rig, path)
        assert status == 200
        assert headers["content-type"].startswith("image/svg+xml")
        ElementTree.fromstring(body)  # noqa: S314 - a file that we wrote


def test_every_response_has_security_headers(page_rig: PageRig) -> None:
    for path in ("/", "/assets/main.js", "/api/now", "/nothing", "/api/episodes/zz", "/live"):
        _, headers, _ = get(page_rig, path)
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http:" not in policy
        assert "frame-ancestors 'none'" in policy
        assert "require-trusted-types-for 'script'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:99", 200),
        ("[::1]:9470", 200),
        ("page.example.com", 200),
        ("PAGE.example.com:443", 200),
        ("evil.example.org", 421),
        ("127.0.0.1.evil.org", 421),
        ("page.example.com@evil.org", 421),
        ("evil.org#page.example.com", 421),
        ("[", 421),
        ("10.0.0.7", 421),
        ("", 421),
    ],
)
def test_only_requests_to_its_own_host_names_are_accepted(
    page_rig: PageRig, host: str, status: int
) -> None:
    assert get(page_rig, "/api/now", Host=host)[0] == status


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/", "/api/now", "/events"])
def test_methods_that_write_are_refused(page_rig: PageRig, method: str, path: str) -> None:
    assert get(page_rig, path, method)[0] in (405, 501)


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../server.py",
        "/assets/..%2fserver.py",
        "/assets/%2e%2e/server.py",
        "/assets/",
        "/assets/__init__.py",
        "/reports/secret.txt",
        "/reports/..%2f..%2fetc%2fpasswd",
        "/reports/%00",
        "/api/areas/9999/timeline.svg",
        "/api/areas/-1/timeline.svg",
        "/api/areas/%D9%A1/timeline.svg",
        "/api/episodes/00000000000000000000000000000000",
        "/api/episodes/%2e%2e",
        "/api/episodes/ba",
    ],
)
def test_paths_outside_the_public_files_are_not_found(page_rig: PageRig, path: str) -> None:
    status, _, body = get(page_rig, path)
    assert status in (404, 400)
    assert b"import" not in body
    assert b"not shown" not in body


def test_reports_are_served_without_scripts(page_rig: PageRig) -> None:
    assert [report["name"] for report in read(page_rig, "/api/reports")] == ["march.html"]
    status, headers, body = get(page_rig, "/reports/march.html")
    assert status == 200
    assert b"Backtest of March" in body
    policy = headers["content-security-policy"]
    assert "sandbox" in policy
    assert "allow-scripts" not in policy
    assert "script-src" not in policy  # so default-src 'none' applies to scripts


def test_the_assets_reference_no_other_host() -> None:
    for file in ASSETS.iterdir():
        text = file.read_text()
        named = set(re.findall(r"https?://[a-z0-9.]+", text))
        assert named <= {"http://www.w3.org"}, file
        assert "innerHTML" not in text
        assert "eval(" not in text
        assert "style=" not in text  # the content security policy forbids inline styles


def test_unsafe_links_are_removed(page_rig: PageRig) -> None:
    event = escalation(
        "opened",
        episode_id="e" * 32,
        product_area="exports",
        examples=[
            {
                "ticket_id": "<b>1</b>",
                "created_at": "2026-03-02T09:00:00Z",
                "text": "".join(HOSTILE)[:200],
                "customer": "<i>c</i>",
                "url": "javascript:alert(1)",
            }
        ],
    )
    page_rig.add_escalations([event])
    story = read(page_rig, f"/api/episodes/{'e' * 32}")
    assert story["data"]["examples"][0]["url"] is None
    assert story["data"]["examples"][0]["ticket_id"] == "<b>1</b>"


def test_no_data_is_served_before_all_topics_are_read() -> None:
    """An early response would give a false all-clear to a browser that reconnects."""
    with PageRig() as rig:
        rig.server.ready = False
        for path in ("/api/now", "/api/sparks?of=0", "/events"):
            assert get(rig, path)[0] == 503
        assert get(rig, "/")[0] == 200
        assert json.loads(get(rig, "/live")[2])["status"] == "reading"
        rig.server.ready = True
        assert get(rig, "/api/now")[0] == 200


def test_a_new_episode_is_in_the_next_response(page_rig: PageRig) -> None:
    for number in range(5):
        key = f"{0xF00 + number:032x}"
        page_rig.add_escalations([escalation("opened", episode_id=key, product_area="api")])
        assert key in {episode["id"] for episode in read(page_rig, "/api/now")["episodes"]}


def test_a_port_in_use_is_reported(page_rig: PageRig) -> None:
    second = PageRig()
    taken = second.config.page.model_copy(update={"port": page_rig.port})
    second.server._page = taken
    with pytest.raises(UserError, match=r"set another \[page\] host or port"), second:
        pass


def test_changes_are_pushed_to_viewers(page_rig: PageRig) -> None:
    line = http.client.HTTPConnection("127.0.0.1", page_rig.port, timeout=20)
    line.request("GET", "/events")
    answer = line.getresponse()
    assert answer.getheader("content-type") == "text/event-stream"
    assert answer.readline() == b"event: ping\n"
    assert json.loads(answer.readline().removeprefix(b"data: "))["idle_seconds"] >= 0.0
    page_rig.add_escalations([escalation("opened", episode_id="d" * 32, product_area="api")])
    received = b""
    while b"event: episode" not in received:
        received = answer.readline()
    episode = json.loads(answer.readline().removeprefix(b"data: "))
    assert episode["id"] == "d" * 32
    line.close()


@pytest.mark.parametrize(
    "target",
    [
        f"/api/areas/{'9' * 5_000}/timeline.svg",
        f"/api/areas/0/timeline.svg?width={'9' * 5_000}",
        f"/api/sparks?of={'9' * 5_000}",
        f"/api/areas/0/timeline.svg?zone={'A' * 5_000}",
        "/api/areas/0/timeline.svg?zone=%00",
        "/api/episodes/%ed%a0%80",
        "/reports/%ff.html",
        "/assets/\xff",
        "/api/sparks?of=\xff",
        "//",
        "/%",
        "/api/episodes/" + "x" * 6_000,
    ],
)
def test_no_request_of_a_stranger_fails_the_page(
    page_rig: PageRig, target: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Odd text in a path or query is answered with a result or a client error, never logged."""
    status, headers, _ = get_raw(page_rig, target.encode("latin-1"))
    assert status in (200, 400, 404)
    assert "content-security-policy" in headers or status == 400  # 400: not parsed as a request
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_very_long_number_of_an_area_is_not_found(page_rig: PageRig) -> None:
    status, headers, body = get(page_rig, f"/api/areas/{'9' * 5_000}/timeline.svg")
    assert status == 404
    assert "content-security-policy" in headers
    assert json.loads(body) == {"error": "no such area"}


def test_a_failure_that_nobody_foresaw_is_a_json_response_with_the_security_headers(
    page_rig: PageRig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(page_rig.server, "_stories", None)
    status, headers, body = get(page_rig, "/api/episodes/abcdef")
    assert status == 500
    assert "content-security-policy" in headers
    assert "see its log" in json.loads(body)["error"]
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.getMessage() == "GET /api/episodes/{episode} failed"
    assert record.exc_info is not None


def test_a_report_whose_name_is_not_utf_8_is_left_out(tmp_path: Path) -> None:
    """JSON cannot carry such a name, and the other reports are still listed."""
    (tmp_path / "may.html").write_text("<h1>May</h1>")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.html")).write_text("<h1>June</h1>")
    with PageRig(tmp_path) as rig:
        assert [report["name"] for report in read(rig, "/api/reports")] == ["may.html"]
