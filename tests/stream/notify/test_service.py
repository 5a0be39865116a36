"""Test `spikewatch notify` on a real Kafka: kills, feedback, silences, storms and owners."""

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
from tests.support.kafka_rig import Process, Rig, free_port, wait_for
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
from tests.support.topic_admin import delete_records, pause, recreate

pytestmark = [pytest.mark.kafka]


@pytest.fixture
def provider() -> Iterator[Provider]:
    """Return a provider that accepts every request."""
    with Provider() as made:
        yield made


@pytest.fixture
def notify(rig: Rig, provider: Provider) -> NotifyProcess:
    """Return a notify process that is not configured yet."""
    return NotifyProcess(rig, provider)


def event_of(request: Request) -> tuple[str, int]:
    """Return the episode id and the sequence number of a request."""
    episode, sequence, _ = request.identifier.split(".")
    return episode, int(sequence)


@pytest.mark.slow
def test_kills_and_failed_requests_lose_and_reorder_nothing(rig: Rig) -> None:
    """Every transition arrives under one key, opened before resolved, if 30 % of requests fail."""
    rng = random.Random(5)
    events = [life(f"tenant-{number % 7}", number) for number in range(60)]
    ordered = [event for step in zip(*events, strict=True) for event in step]
    wanted = {(event.data.episode_id, event.data.sequence) for event in ordered}
    with Provider(failing=0.3, hang_seconds=2.0, seed=5) as provider:
        notify = NotifyProcess(rig, provider)
        notify.configure(standard(provider, delivery="storm_pages = 10000"))
        parts = 6
        for number in range(parts):
            process = rig.start("notify")
            notify.put(
                *ordered[number * len(ordered) // parts : (number + 1) * len(ordered) // parts]
            )
            time.sleep(rng.uniform(1.5, 4.0))
            process.send(signal.SIGKILL)
            process.popen.wait()
        rig.start("notify")
        notify.wait(
            lambda all_: wanted <= {event_of(request) for request in all_ if request.accepted},
            "all transitions",
            90,
        )
        requests = list(provider.requests)
    assert {event_of(request) for request in requests} == wanted
    keys = defaultdict(set)
    opened: set[str] = set()
    for request in requests:
        keys[event_of(request)[0]].add(request.key)
        if request.accepted and request.action == "open":
            opened.add(event_of(request)[0])
        if request.action == "resolve":
            assert event_of(request)[0] in opened, "resolved before it was opened"
    assert all(len(episode_keys) == 1 for episode_keys in keys.values())


def test_a_slow_receiver_does_not_delay_another_receiver(rig: Rig, provider: Provider) -> None:
    """A receiver is notified at once although another one exceeds the request timeout."""
    with Provider(slow_seconds=60.0) as slow:
        notify = NotifyProcess(rig, provider)
        plan = standard(provider, more=webhook("slow", slow.url))
        plan = plan.replace(f'["{PAGER}"]', f'["slow", "{PAGER}"]').replace("= 1.0", "= 90.0")
        notify.configure(plan)
        notify.start()
        began = time.time()
        notify.put(*(escalation("acme", number, at=now()) for number in range(8)))
        notify.wait(lambda seen: len(seen) == 8, "the fast receiver")
        assert time.time() - began < 10.0
        wait_for(lambda: len(slow.requests) == 8, 10, "the slow receiver", rig)


def test_feedback_limits_notifications_and_appears_in_the_history(notify: NotifyProcess) -> None:
    """An acknowledged episode notifies only a raised severity; the history shows who did what."""
    notify.configure()
    notify.start()
    notify.put(escalation("acme", 1, at=now()))
    notify.wait(lambda seen: len(seen) == 1, "the page")
    episode = episode_id("acme", 1)
    notify.run("ack", episode[:8], "--by", "on-call", "--note", "looking at the logs")
    notify.wait(lambda seen: seen[-1].action == "acknowledge", "the acknowledgement")
    notify.put(escalation("acme", 1, 2, "updated", tickets=60, at=now()))
    notify.put(escalation("acme", 1, 3, "updated", tickets=61, severity="critical", at=now()))
    notify.wait(lambda seen: seen[-1].reason == "severity_raised", "the raised severity")
    notify.run("verdict", episode[:8], "incident", "--by", "on-call")
    notify.wait(lambda seen: seen[-1].action == "answer", "the verdict")
    notify.put(escalation("acme", 1, 4, "resolved", tickets=70, severity="critical", at=now()))
    notify.wait(lambda seen: seen[-1].action == "resolve", "the resolution")
    assert [reason for _, reason in notify.accepted_messages() if reason == "grew"] == []
    history = notify.run("history", episode[:8])
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
        assert re.search(wanted, history), (wanted, history)


def test_a_snooze_outlasts_a_reopening_and_notifies_when_it_ends(notify: NotifyProcess) -> None:
    """An episode that reopens while snoozed stays quiet, and is notified when the snooze ends."""
    notify.configure()
    notify.start()
    notify.put(escalation("acme", 1, at=now()))
    notify.wait(lambda seen: len(seen) == 1, "the page")
    episode = episode_id("acme", 1)
    until = (now() + timedelta(seconds=6)).isoformat()
    answer = {
        "feedback_id": "f1", "tenant": "acme", "episode_id": episode, "action": "snooze",
        "by": "on-call", "at": now().isoformat(), "until": until,
    }  # fmt: skip
    partition = partition_of("acme", notify.rig.config.kafka.partitions)
    notify.rig.put(notify.rig.topics.feedback, [(json.dumps(answer).encode(), [])], partition)
    notify.wait(lambda seen: seen[-1].action == "answer", "the snooze")
    notify.put(escalation("acme", 1, 2, "resolved", at=now()))
    notify.put(escalation("acme", 1, 3, "reopened", tickets=50, severity="critical", at=now()))
    notify.wait(lambda seen: seen[-1].reason in ("hold_ended", "reopened"), "the notice", 20)
    reasons = [reason for _, reason in notify.accepted_messages()]
    assert reasons == ["first", "answered", "resolved", notify.accepted_messages()[-1][1]]
    assert time.time() >= datetime.fromisoformat(until).timestamp()
    held = [e for e in notify.audit() if e.kind == "decided" and e.reason == "snoozed"]
    assert [(e.sequence, e.detail) for e in held] == [(3, "by on-call")]


def test_an_open_episode_is_notified_when_its_silence_ends(notify: NotifyProcess) -> None:
    """The audit shows who silenced the episode; ending the silence early sends the page."""
    notify.configure()
    notify.start()
    output = notify.run("silence", "product_area=login", "tenant=acme", "--for", "2h",
                    "--by", "lead", "--comment", "maintenance")  # fmt: skip
    identity = output.split()[1]
    assert identity in notify.run("silence")
    time.sleep(2.0)
    notify.put(escalation("acme", 1, at=now()), escalation("other", 1, at=now()))
    notify.wait(lambda seen: len(seen) == 1, "the other tenant's page")
    assert notify.provider.requests[0].body["labels"]["tenant"] == "other"
    wait_for(
        lambda: any(e.reason == "silenced" and "by lead" in e.detail for e in notify.audit()),
        10, "the audit", notify.rig,
    )  # fmt: skip
    notify.run("silence", "--end", identity[:6], "--by", "lead")
    notify.wait(lambda seen: len(seen) == 2, "the page that was silenced")
    assert notify.accepted_messages()[-1] == ("open", "hold_ended")


def test_a_storm_of_tenants_gives_a_few_pages_and_one_digest(notify: NotifyProcess) -> None:
    """Episodes beyond the page limit are in the digest, and the audit gives the reason for each."""
    notify.configure(standard(notify.provider, delivery="storm_pages = 3\ndigest_seconds = 2.0"))
    notify.start()
    tenants = [f"tenant-{number}" for number in range(30)]
    notify.put(*(escalation(name, 1, at=now()) for name in tenants))
    notify.wait(
        lambda seen: any(request.reason == "storm_digest" for request in seen), "the digest"
    )
    reasons = [reason for _, reason in notify.accepted_messages()]
    assert (reasons.count("first"), reasons.count("storm_digest")) == (3, 1)
    dropped = {e.episode_id for e in notify.audit() if e.reason == "in_storm_digest"}
    assert len(dropped) == 27
    digest = notify.provider.requests[-1].body
    assert "27 more episodes" in digest["title"]
    notify.put(*(escalation(name, 1, 2, "resolved", at=now()) for name in tenants))
    notify.wait(
        lambda seen: ("resolve", "storm_digest") in [(o.action, o.reason) for o in seen],
        "the end of the digest",
    )


def test_episodes_resolved_before_they_were_read_share_one_digest(notify: NotifyProcess) -> None:
    """After a lag of hours, resolved episodes share a digest and an open episode is paged."""
    notify.configure(standard(notify.provider, delivery="digest_seconds = 1.0"))
    before = now() - timedelta(hours=3)
    notify.put(
        *(escalation("acme", number, at=before) for number in range(6)),
        *(escalation("acme", number, 2, "resolved", at=before) for number in range(5)),
    )
    notify.start()
    notify.wait(lambda seen: len(seen) == 3, "a page, a digest and the end of the digest")
    assert sorted(notify.accepted_messages()) == [
        ("open", "first"), ("open", "stale_digest"), ("resolve", "stale_digest"),
    ]  # fmt: skip
    page = next(request for request in notify.provider.requests if request.reason == "first")
    assert "hours ago and is still open" in "\n".join(page.body["lines"])
    assert sum(e.reason == "stale" for e in notify.audit()) == 5


def test_the_fallback_is_notified_when_a_receiver_is_given_up(rig: Rig, provider: Provider) -> None:
    """The fallback's message names the receiver that could not be notified."""
    notify = NotifyProcess(rig, provider)
    broken = webhook("broken", provider.url.replace("/in", "/gone"))
    plan = standard(provider, delivery=f'fallback = ["{PAGER}"]', more=broken)
    notify.configure(plan.replace(f'receivers = ["{PAGER}"]', 'receivers = ["broken"]'))
    notify.start()
    notify.put(escalation("acme", 1, at=now()))
    notify.wait(lambda seen: len(seen) == 1, "the fallback")
    only = provider.requests[0]
    assert (only.action, only.reason) == ("open", "fallback")
    assert "broken could not be notified" in only.body["lines"][0]
    assert [e.receiver for e in notify.audit() if e.kind == "given_up"] == ["broken"]


def test_pagerduty_is_resolved_only_after_the_cool_down(rig: Rig, provider: Provider) -> None:
    """An episode that reopens within the cool-down was never resolved at PagerDuty."""
    notify = NotifyProcess(rig, provider)
    pager = (
        '[[receiver]]\nname = "duty"\nkind = "pagerduty"\n'
        f'routing_key = {{ env = "ROUTING_KEY" }}\nurl = "{provider.url}"\n'
    )
    plan = standard(provider, more=pager).replace(f'["{PAGER}"]', f'["{PAGER}", "duty"]')
    notify.configure(plan, ROUTING_KEY="0" * 32, SPIKEWATCH_EPISODE__COOLDOWN_MINUTES="1")
    notify.start()
    with EventsApi() as duty:
        path = rig.folder / "notify.toml"
        rig.processes[-1].end()
        path.write_text(path.read_text().replace(provider.url + '"\n\n', "").replace(
            f'routing_key = {{ env = "ROUTING_KEY" }}\nurl = "{provider.url}"',
            f'routing_key = {{ env = "ROUTING_KEY" }}\nurl = "{duty.url}"'))  # fmt: skip
        notify.start()
        notify.put(escalation("acme", 1, at=now()))
        notify.put(escalation("acme", 1, 2, "resolved", at=now()))
        notify.put(escalation("acme", 1, 3, "reopened", tickets=40, severity="error", at=now()))
        notify.wait(lambda seen: len(seen) == 3, "the three webhook requests")
        wait_for(lambda: len(duty.seen) == 3, 10, "opened, resolved, reopened", rig)
        assert [request["event_action"] for request in duty.seen] == ["trigger"] * 3
        assert "[RESOLVED]" in duty.seen[1]["payload"]["summary"]
        assert len({request["dedup_key"] for request in duty.seen}) == 1
        assert any(e.reason == "superseded" and e.receiver == "duty" for e in notify.audit())
        rig.processes[-1].end()
        notify.start(SPIKEWATCH_EPISODE__COOLDOWN_MINUTES="0")
        notify.put(escalation("acme", 1, 4, "resolved", at=now()))
        wait_for(lambda: len(duty.seen) == 4, 10, "the resolution", rig)
        assert duty.seen[-1]["event_action"] == "resolve"


class EventsApi(Provider):
    """Accept PagerDuty's Events API v2 requests."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[dict[str, Any]] = []

    async def _take(self, request: Any) -> Any:
        from aiohttp import web  # noqa: PLC0415 - at the top it would look like a module of ours

        self.seen.append(json.loads(await request.read()))
        return web.json_response({"status": "success"}, status=202)


def test_two_processes_share_the_partitions(notify: NotifyProcess) -> None:
    """Each page is sent once, and one process takes over when the other stops."""
    notify.configure(standard(notify.provider, delivery="storm_pages = 1000"))
    first = notify.start(SPIKEWATCH_NOTIFY__INSTANCE_ID="")
    notify.rig.start("notify", SPIKEWATCH_NOTIFY__INSTANCE_ID="")
    wait_for(lambda: first.text().count("assigned partitions") >= 2, 30, "a rebalance", notify.rig)
    notify.put(*(escalation(f"tenant-{n}", 1, at=now()) for n in range(20)))
    notify.wait(lambda seen: len(seen) == 20, "twenty pages")
    first.end()
    notify.put(*(escalation(f"tenant-{n}", 1, 2, "resolved", at=now()) for n in range(20)))
    notify.wait(lambda seen: len(seen) == 40, "twenty resolutions", 40)
    assert len({request.identifier for request in notify.provider.requests}) == 40


def test_the_api_accepts_feedback_and_silences_only_with_the_token(notify: NotifyProcess) -> None:
    """Slack's buttons are likewise accepted only with Slack's signature."""
    port = free_port()
    notify.configure(SPIKEWATCH_NOTIFY__API_PORT=str(port), SPIKEWATCH_API_TOKEN="t" * 20,
                   SLACK_SIGNING_SECRET="shhh")  # fmt: skip
    notify.start()
    notify.put(escalation("acme", 1, at=now()))
    notify.wait(lambda seen: len(seen) == 1, "the page")
    episode = episode_id("acme", 1)
    base = f"http://127.0.0.1:{port}"
    answer = {"tenant": "acme", "action": "acknowledge", "by": "api user"}
    for token in ("", "t" * 19, "T" * 20):
        assert ask("POST", f"{base}/v1/episodes/{episode}/answers", answer, token)[0] == 401
    assert ask("POST", f"{base}/v1/episodes/{episode}/answers", answer, "t" * 20)[0] == 202
    notify.wait(lambda seen: seen[-1].action == "acknowledge", "the acknowledgement")
    status, made = ask(
        "POST", f"{base}/v1/silences",
        {"matchers": ["tenant=acme"], "duration": "1h", "by": "api user"}, "t" * 20,
    )  # fmt: skip
    assert status == 201
    wait_for(
        lambda: len(ask("GET", f"{base}/v1/silences", None, "t" * 20)[1]) == 1, 10, "the silence"
    )
    identity = made["silence_id"]
    assert ask("DELETE", f"{base}/v1/silences/{identity}", None, "t" * 20)[0] == 200
    wait_for(
        lambda: ask("GET", f"{base}/v1/silences", None, "t" * 20)[1] == [],
        10,
        "the end of the silence",
    )
    for wrong in ({"tenant": "acme"}, {**answer, "action": "dance"}, {**answer, "x": 1}):
        status, error = ask("POST", f"{base}/v1/episodes/{episode}/answers", wrong, "t" * 20)
        assert status == 422
        assert error["error"]
    assert ask("GET", f"{base}/openapi.json", None, "")[0] == 200
    for key, wanted in (("other", 401), ("shhh", 200)):
        assert press(base, episode, key) == wanted
    notify.wait(lambda seen: "false alarm by responder" in seen[-1].body["lines"][0], "the button")


def ask(method: str, url: str, body: Any, token: str) -> tuple[int, Any]:
    """Send one request, and return its status and JSON body."""
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
    """Send the request that Slack sends for a button, and return its status."""
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


def test_secrets_are_not_logged(notify: NotifyProcess) -> None:
    """No secret appears in the log, in the audit or on the command line."""
    notify.configure()
    process = notify.start()
    notify.put(escalation("acme", 1, at=now()))
    notify.wait(lambda seen: len(seen) == 1, "the page")
    everywhere = process.text() + "".join(e.model_dump_json() for e in notify.audit())
    everywhere += Path(f"/proc/{process.popen.pid}/cmdline").read_text()
    assert "made up for a test" not in everywhere


def pause_after(process: Process, sent: int, rig: Rig) -> None:
    """Pause notify when it knows of so many notifications that they were sent.

    One whose response it has not read yet would be sent again after the pause.
    """
    wait_for(lambda: process.text().count('"kind":"sent"') == sent, 30, "the responses", rig)
    pause(process)


def test_deleted_escalations_are_reported(notify: NotifyProcess, provider: Provider) -> None:
    """If retention overtakes notify, its log says how many escalations nobody was notified of."""
    notify.configure(standard(provider))
    process = notify.start()
    notify.put(escalation(number=1))
    topic = notify.rig.topics.escalations
    partition = partition_of("acme", notify.rig.config.kafka.partitions)
    pause_after(process, 1, notify.rig)
    notify.put(*(escalation(number=number) for number in range(2, 5)))
    delete_records(notify.rig, topic, partition)
    process.send(signal.SIGCONT)
    notify.put(escalation(number=5))
    notify.wait(lambda all_: len(all_) == 2, "the page after the gap")
    assert f"{topic}[{partition}]: 3 records between offsets 1 and 3" in process.text()


def test_escalations_on_a_recreated_topic_are_notified(
    notify: NotifyProcess, provider: Provider
) -> None:
    """notify reads a new topic from its start, even if it already has more records than the old."""
    notify.configure(standard(provider), SPIKEWATCH_KAFKA__SESSION_TIMEOUT_SECONDS="30")
    process = notify.start()
    notify.put(escalation(number=1), escalation(number=2))
    pause_after(process, 2, notify.rig)  # it must not see that the topic was away
    recreate(notify.rig, notify.rig.topics.escalations)
    notify.put(*(escalation(number=number) for number in range(3, 7)))
    process.send(signal.SIGCONT)
    notify.wait(lambda all_: len(all_) == 6, "the pages of the new topic")
    assert f"{notify.rig.topics.escalations} was recreated" in process.text()
