"""The process `spikewatch notify` on a real Kafka: kills, answers, silences, storms, owners."""

import hashlib
import hmac
import json
import random
import re
import signal
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stream.kafka.partitioner import partition_of
from tests.support.kafka_rig import Rig, free_port, wait_for
from tests.support.notify_rig import (
    PAGER,
    NotifyProcess,
    Provider,
    Request,
    episode_id,
    escalation,
    life,
    now,
    standard,
    webhook,
)

pytestmark = [pytest.mark.kafka]


@pytest.fixture
def provider() -> Iterator[Provider]:
    """One that takes everything."""
    with Provider() as made:
        yield made


@pytest.fixture
def desk(rig: Rig, provider: Provider) -> NotifyProcess:
    """Not configured yet."""
    return NotifyProcess(rig, provider)


def place(one: Request) -> tuple[str, int]:
    """Episode and sequence."""
    episode, sequence, _ = one.identifier.split(".")
    return episode, int(sequence)


@pytest.mark.slow
def test_nothing_is_forgotten_or_out_of_order_when_it_is_killed(rig: Rig) -> None:
    """Every transition arrives, under one key, opened before resolved; 30 % of requests fail."""
    rng = random.Random(5)
    events = [life(f"tenant-{number % 7}", number) for number in range(60)]
    ordered = [event for step in zip(*events, strict=True) for event in step]
    wanted = {(event.data.episode_id, event.data.sequence) for event in ordered}
    with Provider(failing=0.3, hang_seconds=2.0, seed=5) as provider:
        desk = NotifyProcess(rig, provider)
        desk.configure(standard(provider, delivery="storm_pages = 10000"))
        parts = 6
        for number in range(parts):
            process = rig.start("notify")
            desk.put(
                *ordered[number * len(ordered) // parts : (number + 1) * len(ordered) // parts]
            )
            time.sleep(rng.uniform(1.5, 4.0))
            process.send(signal.SIGKILL)
            process.popen.wait()
        rig.start("notify")
        desk.wait(
            lambda all_: wanted <= {place(one) for one in all_ if one.accepted}, "all of it", 90
        )
        seen = list(provider.requests)
    assert {place(one) for one in seen} == wanted
    keys = defaultdict(set)
    opened: set[str] = set()
    for one in seen:
        keys[place(one)[0]].add(one.key)
        if one.accepted and one.action == "open":
            opened.add(place(one)[0])
        if one.action == "resolve":
            assert place(one)[0] in opened, "resolved before it was opened"
    assert all(len(found) == 1 for found in keys.values())


def test_a_slow_receiver_delays_nobody_else(rig: Rig, provider: Provider) -> None:
    """One that takes longer than anybody waits stands beside one that is told at once."""
    with Provider(slow_seconds=60.0) as slow:
        desk = NotifyProcess(rig, provider)
        plan = standard(provider, more=webhook("slow", slow.url))
        plan = plan.replace(f'["{PAGER}"]', f'["slow", "{PAGER}"]').replace("= 1.0", "= 90.0")
        desk.configure(plan)
        desk.start()
        began = time.time()
        desk.put(*(escalation("acme", number, at=now()) for number in range(8)))
        desk.wait(lambda seen: len(seen) == 8, "the quick one")
        assert time.time() - began < 10.0
        wait_for(lambda: len(slow.requests) == 8, 10, "the slow one", rig)


def test_people_answer_and_the_history_tells(desk: NotifyProcess) -> None:
    """Acknowledged: only what is graver is told; who did what stands in the history."""
    desk.configure()
    desk.start()
    desk.put(escalation("acme", 1, at=now()))
    desk.wait(lambda seen: len(seen) == 1, "the page")
    episode = episode_id("acme", 1)
    desk.run("ack", episode[:8], "--by", "on-call", "--note", "looking at the logs")
    desk.wait(lambda seen: seen[-1].action == "acknowledge", "the acknowledgement")
    desk.put(escalation("acme", 1, 2, "updated", tickets=60, at=now()))
    desk.put(escalation("acme", 1, 3, "updated", tickets=61, severity="critical", at=now()))
    desk.wait(lambda seen: seen[-1].reason == "severity_raised", "what is graver")
    desk.run("verdict", episode[:8], "incident", "--by", "on-call")
    desk.wait(lambda seen: seen[-1].action == "answer", "the verdict")
    desk.put(escalation("acme", 1, 4, "resolved", tickets=70, severity="critical", at=now()))
    desk.wait(lambda seen: seen[-1].action == "resolve", "the end")
    assert [one for one in desk.told() if one[1] == "grew"] == []
    told = desk.run("history", episode[:8])
    for wanted in (
        r"event +\[WARNING\] login of acme",
        r"decided +notify pager: first, #1 opened",
        r"sent +pager: first, #1 opened \(1 attempt\)",
        r"answered +acknowledge by on-call: looking at the logs",
        r"decided +do not notify pager: acknowledged, #2 updated \(by on-call\)",
        r"decided +notify pager: severity raised, #3",
        r"answered +incident by on-call",
        r"sent +pager: resolved, #4",
    ):
        assert re.search(wanted, told), (wanted, told)


def test_a_snooze_is_kept_over_a_flap_and_its_end_is_told(desk: NotifyProcess) -> None:
    """What comes back while it is snoozed stays quiet; what still runs at its end is told."""
    desk.configure()
    desk.start()
    desk.put(escalation("acme", 1, at=now()))
    desk.wait(lambda seen: len(seen) == 1, "the page")
    episode = episode_id("acme", 1)
    until = (now() + timedelta(seconds=6)).isoformat()
    answer = {
        "feedback_id": "f1", "tenant": "acme", "episode_id": episode, "action": "snooze",
        "by": "on-call", "at": now().isoformat(), "until": until,
    }  # fmt: skip
    partition = partition_of("acme", desk.rig.config.kafka.partitions)
    desk.rig.put(desk.rig.topics.feedback, [(json.dumps(answer).encode(), [])], partition)
    desk.wait(lambda seen: seen[-1].action == "answer", "the snooze")
    desk.put(escalation("acme", 1, 2, "resolved", at=now()))
    desk.put(escalation("acme", 1, 3, "reopened", tickets=50, severity="critical", at=now()))
    desk.wait(lambda seen: seen[-1].reason in ("hold_ended", "reopened"), "the notice", 20)
    reasons = [reason for _, reason in desk.told()]
    assert reasons == ["first", "answered", "resolved", desk.told()[-1][1]]
    assert time.time() >= datetime.fromisoformat(until).timestamp()
    held = [e for e in desk.audit() if e.kind == "decided" and e.reason == "snoozed"]
    assert [(e.sequence, e.detail) for e in held] == [(3, "by on-call")]


def test_a_silence_holds_back_and_when_it_ends_what_still_runs_is_told(desk: NotifyProcess) -> None:
    """Silenced by whom until when stands in the audit; ended early, the page comes."""
    desk.configure()
    desk.start()
    said = desk.run("silence", "product_area=login", "tenant=acme", "--for", "2h",
                    "--by", "lead", "--comment", "maintenance")  # fmt: skip
    identity = said.split()[1]
    assert identity in desk.run("silence")
    time.sleep(2.0)
    desk.put(escalation("acme", 1, at=now()), escalation("other", 1, at=now()))
    desk.wait(lambda seen: len(seen) == 1, "the other tenant's page")
    assert desk.provider.requests[0].body["labels"]["tenant"] == "other"
    wait_for(
        lambda: any(e.reason == "silenced" and "by lead" in e.detail for e in desk.audit()),
        10, "the audit", desk.rig,
    )  # fmt: skip
    desk.run("silence", "--end", identity[:6], "--by", "lead")
    desk.wait(lambda seen: len(seen) == 2, "the page that was held")
    assert desk.told()[-1] == ("open", "hold_ended")


def test_many_tenants_at_once_are_a_few_pages_and_one_digest(desk: NotifyProcess) -> None:
    """What is beyond the limit is in the digest, and each in the audit with its reason."""
    desk.configure(standard(desk.provider, delivery="storm_pages = 3\ndigest_seconds = 2.0"))
    desk.start()
    tenants = [f"tenant-{number}" for number in range(30)]
    desk.put(*(escalation(name, 1, at=now()) for name in tenants))
    desk.wait(lambda seen: any(one.reason == "storm_digest" for one in seen), "the digest")
    reasons = [reason for _, reason in desk.told()]
    assert (reasons.count("first"), reasons.count("storm_digest")) == (3, 1)
    dropped = {e.episode_id for e in desk.audit() if e.reason == "in_storm_digest"}
    assert len(dropped) == 27
    digest = desk.provider.requests[-1].body
    assert "27 more episodes" in digest["title"]
    desk.put(*(escalation(name, 1, 2, "resolved", at=now()) for name in tenants))
    desk.wait(
        lambda seen: ("resolve", "storm_digest") in [(o.action, o.reason) for o in seen], "its end"
    )


def test_what_was_over_before_it_was_read_is_one_digest(desk: NotifyProcess) -> None:
    """Hours behind: what has ended meanwhile is told together, what still runs is a page."""
    desk.configure(standard(desk.provider, delivery="digest_seconds = 1.0"))
    before = now() - timedelta(hours=3)
    desk.put(
        *(escalation("acme", number, at=before) for number in range(6)),
        *(escalation("acme", number, 2, "resolved", at=before) for number in range(5)),
    )
    desk.start()
    desk.wait(lambda seen: len(seen) == 3, "a page, a digest and its end")
    assert sorted(desk.told()) == [
        ("open", "first"), ("open", "stale_digest"), ("resolve", "stale_digest"),
    ]  # fmt: skip
    page = next(one for one in desk.provider.requests if one.reason == "first")
    assert "hours ago and is still open" in "\n".join(page.body["lines"])
    assert sum(e.reason == "stale" for e in desk.audit()) == 5


def test_giving_up_is_told_to_somebody_else(rig: Rig, provider: Provider) -> None:
    """A receiver that refuses: the fallback hears of it, and which one could not be told."""
    desk = NotifyProcess(rig, provider)
    broken = webhook("broken", provider.url.replace("/in", "/gone"))
    plan = standard(provider, delivery=f'fallback = ["{PAGER}"]', more=broken)
    desk.configure(plan.replace(f'receivers = ["{PAGER}"]', 'receivers = ["broken"]'))
    desk.start()
    desk.put(escalation("acme", 1, at=now()))
    desk.wait(lambda seen: len(seen) == 1, "the fallback")
    only = provider.requests[0]
    assert (only.action, only.reason) == ("open", "fallback")
    assert "broken could not be notified" in only.body["lines"][0]
    assert [e.receiver for e in desk.audit() if e.kind == "given_up"] == ["broken"]


def test_a_pager_that_cannot_reopen_hears_of_the_end_after_the_cool_down(
    rig: Rig, provider: Provider
) -> None:
    """What comes back in between was never resolved there."""
    desk = NotifyProcess(rig, provider)
    pager = (
        '[[receiver]]\nname = "duty"\nkind = "pagerduty"\n'
        f'routing_key = {{ env = "ROUTING_KEY" }}\nurl = "{provider.url}"\n'
    )
    plan = standard(provider, more=pager).replace(f'["{PAGER}"]', f'["{PAGER}", "duty"]')
    desk.configure(plan, ROUTING_KEY="0" * 32, SPIKEWATCH_EPISODE__COOLDOWN_MINUTES="1")
    desk.start()
    with PagerDutyEnd() as duty:
        path = rig.folder / "notify.toml"
        rig.processes[-1].end()
        path.write_text(path.read_text().replace(provider.url + '"\n\n', "").replace(
            f'routing_key = {{ env = "ROUTING_KEY" }}\nurl = "{provider.url}"',
            f'routing_key = {{ env = "ROUTING_KEY" }}\nurl = "{duty.url}"'))  # fmt: skip
        desk.start()
        desk.put(escalation("acme", 1, at=now()))
        desk.put(escalation("acme", 1, 2, "resolved", at=now()))
        desk.put(escalation("acme", 1, 3, "reopened", tickets=40, severity="error", at=now()))
        desk.wait(lambda seen: len(seen) == 3, "the webhook's three")
        wait_for(lambda: len(duty.seen) == 3, 10, "opened, over, back", rig)
        assert [one["event_action"] for one in duty.seen] == ["trigger"] * 3
        assert "[RESOLVED]" in duty.seen[1]["payload"]["summary"]
        assert len({one["dedup_key"] for one in duty.seen}) == 1
        assert any(e.reason == "superseded" and e.receiver == "duty" for e in desk.audit())
        rig.processes[-1].end()
        desk.start(SPIKEWATCH_EPISODE__COOLDOWN_MINUTES="0")
        desk.put(escalation("acme", 1, 4, "resolved", at=now()))
        wait_for(lambda: len(duty.seen) == 4, 10, "the end", rig)
        assert duty.seen[-1]["event_action"] == "resolve"


class PagerDutyEnd(Provider):
    """Takes Events v2."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[dict[str, Any]] = []

    async def _take(self, request: Any) -> Any:
        from aiohttp import web  # noqa: PLC0415 - beside the others it would look like ours

        self.seen.append(json.loads(await request.read()))
        return web.json_response({"status": "success"}, status=202)


def test_two_processes_share_the_work(desk: NotifyProcess) -> None:
    """Each page once, whoever has the partition; one goes, the other takes over."""
    desk.configure(standard(desk.provider, delivery="storm_pages = 1000"))
    first = desk.start(SPIKEWATCH_NOTIFY__INSTANCE_ID="")
    desk.rig.start("notify", SPIKEWATCH_NOTIFY__INSTANCE_ID="")
    wait_for(lambda: first.text().count("assigned partitions") >= 2, 30, "a rebalance", desk.rig)
    desk.put(*(escalation(f"tenant-{n}", 1, at=now()) for n in range(20)))
    desk.wait(lambda seen: len(seen) == 20, "twenty pages")
    first.end()
    desk.put(*(escalation(f"tenant-{n}", 1, 2, "resolved", at=now()) for n in range(20)))
    desk.wait(lambda seen: len(seen) == 40, "twenty ends", 40)
    assert len({one.identifier for one in desk.provider.requests}) == 40


def test_the_api_takes_answers_and_silences_with_the_token_alone(desk: NotifyProcess) -> None:
    """And Slack's buttons with Slack's signature alone."""
    port = free_port()
    desk.configure(SPIKEWATCH_NOTIFY__API_PORT=str(port), SPIKEWATCH_API_TOKEN="t" * 20,
                   SLACK_SIGNING_SECRET="shhh")  # fmt: skip
    desk.start()
    desk.put(escalation("acme", 1, at=now()))
    desk.wait(lambda seen: len(seen) == 1, "the page")
    episode = episode_id("acme", 1)
    base = f"http://127.0.0.1:{port}"
    answer = {"tenant": "acme", "action": "acknowledge", "by": "api user"}
    for token in ("", "t" * 19, "T" * 20):
        assert ask("POST", f"{base}/v1/episodes/{episode}/answers", answer, token)[0] == 401
    assert ask("POST", f"{base}/v1/episodes/{episode}/answers", answer, "t" * 20)[0] == 202
    desk.wait(lambda seen: seen[-1].action == "acknowledge", "the acknowledgement")
    status, made = ask(
        "POST", f"{base}/v1/silences",
        {"matchers": ["tenant=acme"], "duration": "1h", "by": "api user"}, "t" * 20,
    )  # fmt: skip
    assert status == 201
    wait_for(lambda: len(ask("GET", f"{base}/v1/silences", None, "t" * 20)[1]) == 1, 10, "it")
    identity = made["silence_id"]
    assert ask("DELETE", f"{base}/v1/silences/{identity}", None, "t" * 20)[0] == 200
    wait_for(lambda: ask("GET", f"{base}/v1/silences", None, "t" * 20)[1] == [], 10, "its end")
    for wrong in ({"tenant": "acme"}, {**answer, "action": "dance"}, {**answer, "x": 1}):
        status, said = ask("POST", f"{base}/v1/episodes/{episode}/answers", wrong, "t" * 20)
        assert status == 422
        assert said["error"]
    assert ask("GET", f"{base}/openapi.json", None, "")[0] == 200
    for key, wanted in (("other", 401), ("shhh", 200)):
        assert press(base, episode, key) == wanted
    desk.wait(lambda seen: "false alarm by responder" in seen[-1].body["lines"][0], "the button")


def ask(method: str, url: str, body: Any, token: str) -> tuple[int, Any]:
    """One request; status and JSON."""
    request = urllib.request.Request(  # noqa: S310 - our own server
        url,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - the same
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null")


def press(base: str, episode: str, key: str) -> int:
    """Slack's request for a button."""
    payload = {
        "user": {"id": "U1", "name": "responder"},
        "actions": [{"action_id": "false_alarm", "value": f"{episode}|acme"}],
    }
    body = urllib.parse.urlencode({"payload": json.dumps(payload)}).encode()
    at = str(int(time.time()))
    signed = hmac.new(key.encode(), b"v0:" + at.encode() + b":" + body, hashlib.sha256)
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{base}/slack/interactions",
        data=body,
        headers={
            "X-Slack-Request-Timestamp": at,
            "X-Slack-Signature": f"v0={signed.hexdigest()}",
            "Content-Type": "application/x-www-form-urlencoded",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - the same
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_secrets_are_in_no_log(desk: NotifyProcess) -> None:
    """Nor in the audit, nor on the command line."""
    desk.configure()
    process = desk.start()
    desk.put(escalation("acme", 1, at=now()))
    desk.wait(lambda seen: len(seen) == 1, "the page")
    everywhere = process.text() + "".join(e.model_dump_json() for e in desk.audit())
    everywhere += Path(f"/proc/{process.popen.pid}/cmdline").read_text()
    assert "made up for a test" not in everywhere
