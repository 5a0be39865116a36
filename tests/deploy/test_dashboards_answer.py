"""Every query of every dashboard, asked of a real Prometheus that watches a real run.

A broker, a worker, a ticker and notify; two weeks of history of two tenants with an incident
each, then live tickets: an area of either spikes, one receiver cannot be reached, people answer.
"""

import json
import math
import random
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from detectors.simulation.tickets import FLAT, HOUR, Incident, World, tickets
from stream.kafka.ticket_sender import Pace
from tests.support.dashboards import (
    FILES,
    Asked,
    annotations,
    fill,
    panels,
    queries,
    read,
    several,
    variables,
)
from tests.support.kafka_rig import Rig, free_port, stop_all, wait_for
from tests.support.notify_rig import Provider, webhook
from tests.support.prometheus_server import Prometheus, QueryError

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
HISTORY_HOURS: Final = 2 * 168.0
AREAS: Final = {"login": 14.0, "billing": 6.0, "search": 3.0}
SHOWN_SECONDS: Final = 180.0
RATE_SECONDS: Final = 30.0
MAY_BE_ZERO: Final = {
    "spikewatch_lag_records": "a worker that keeps up has no lag when it is scraped",
    "spikewatch_tickets_lower": "the normal range of a quiet area may start at zero",
    "spikewatch_lost_records_total": "a topic that is read in time loses nothing",
    "spikewatch_notify_lost_records_total": "a topic that is read in time loses nothing",
}
"""Metrics whose queries may return only zeros, and why. No query may return nothing."""


@dataclass
class Story:
    """The running system and the Prometheus that scrapes it."""

    rig: Rig
    prometheus: Prometheus

    def now(self, expression: str) -> float:
        """Return the sum of the current values of *expression*, or 0 without values."""
        return sum(float(one["value"][1]) for one in self.prometheus.instant(expression))

    def wait(self, expression: str, least: float = 1.0, seconds: float = 30.0) -> None:
        """Wait until Prometheus reports at least *least*."""
        wait_for(lambda: self.now(expression) >= least, seconds, expression, self.rig)


@pytest.fixture(scope="module")
def story(broker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Yield the running system after two episodes have been opened."""
    folder = tmp_path_factory.mktemp("dashboards")
    rig = Rig(broker.bootstrap_servers, f"dashboards-{time.time_ns()}.", folder)
    worker, notify = free_port(), free_port()
    targets = {
        "worker-1:9464": f"127.0.0.1:{worker}",
        "worker-2:9464": f"127.0.0.1:{free_port()}",  # a worker that is down
        "notify:9464": f"127.0.0.1:{notify}",
    }
    with Provider(failing=1.0, hang_seconds=0.1) as pager:
        try:
            _start(rig, worker, notify, pager)
            with Prometheus(folder, targets, "500ms") as prometheus:
                made = Story(rig, prometheus)
                _play(made)
                yield made
        finally:
            stop_all(rig)


def _start(rig: Rig, worker: int, notify: int, pager: Provider) -> None:
    plan = rig.folder / "notify.toml"
    plan.write_text(
        '[delivery]\nprivate_hosts = ["127.0.0.1"]\n[default]\nreceivers = ["inbox", "pager"]\n'
        '[[receiver]]\nname = "inbox"\nkind = "folder"\npath = "inbox"\n'
        + webhook("pager", pager.url)
    )
    rig.extra |= {
        "SPIKEWATCH_KAFKA__PARTITIONS": "1",
        "SPIKEWATCH_TIME__TICK_SECONDS": "0.5",
        "SPIKEWATCH_NOTIFY__FILE": str(plan),
        "SPIKEWATCH_NOTIFY__METRICS_PORT": str(notify),
        "SPIKEWATCH_NOTIFY__HEALTH_PORT": "0",
        "WEBHOOK_SECRET": "made up for a test",
    }
    rig.create_topics()
    rig.start("worker", SPIKEWATCH_METRICS__PORT=str(worker))
    rig.start("notify")


def _play(story: Story) -> None:
    rig = story.rig
    story.wait("spikewatch_ready")
    rig.send([*_history("acme", 1), *_history("globex", 2)], Pace("history"))
    story.wait('spikewatch_signals_total{outcome="history_end"}', 2.0)
    rig.start("ticker")
    _spike(rig, "acme", "login")
    story.wait('spikewatch_episode_ratio{tenant="acme",product_area="login"}')
    story.wait(
        "spikewatch_notification_seconds_count"
    )  # makes what follows an increase of the counter
    rig.send([b"no ticket", _with_unreadable_field("1")], Pace())
    story.wait("spikewatch_omitted_fields_total")
    rig.send([_with_unreadable_field("2")], Pace())  # an increase of the counter
    rig.send(_late_tickets("initech"), Pace())
    story.wait("spikewatch_late_feed_needed_seconds")
    _spike(rig, "globex", "billing")
    story.wait('spikewatch_episode_ratio{tenant="globex",product_area="billing"}')
    story.wait("spikewatch_notification_seconds_count", 2.0)
    first, second, *_ = _paged(rig)
    for episode, verdict in ((first, "false_alarm"), (second, "incident")):
        done = rig.run("verdict", episode, verdict, "--by", "on-call")
        assert done.returncode == 0, done.stdout + done.stderr
    story.wait('spikewatch_verdicts_total{verdict=~"false_alarm|incident"}', 2.0)
    story.wait("spikewatch_false_pages_per_week > 0", 0.01)
    time.sleep(2.0)


def _with_unreadable_field(number: str) -> bytes:
    now = datetime.now(UTC).isoformat()
    ticket = {"ticket_id": f"unreadable-{number}", "created_at": now, "tenant": "acme"}
    return json.dumps({**ticket, "product_area": "search", "csat": "good"}).encode()


def _late_tickets(tenant: str) -> list[bytes]:
    """Return a ticket of now, and many that arrive too late to page."""
    now = datetime.now(UTC)
    return [
        json.dumps(
            {
                "ticket_id": f"late-{number}",
                "created_at": (now - timedelta(seconds=150.0 if number else 0.0)).isoformat(),
                "tenant": tenant,
                "product_area": "search",
            }
        ).encode()
        for number in range(30)
    ]


def _history(tenant: str, seed: int) -> list[bytes]:
    start = time.time() - 60.0 - HISTORY_HOURS * HOUR
    incident = Incident(area="login", start=start + 250.0 * HOUR, hours=2.0, multiple=8.0)
    world = World(
        start=start,
        hours=HISTORY_HOURS,
        areas=AREAS,
        incidents=(incident,),
        seed=seed,
        tenant=tenant,
        shape=FLAT,  # makes the run independent of the hour of day
    )
    return [json.dumps(ticket).encode() for ticket in tickets(world)]


def _spike(rig: Rig, tenant: str, area: str, count: int = 20) -> None:
    """Send complaints of many customers, one by one, some of them without an area."""
    rng = random.Random(area)

    def lines() -> Iterator[bytes]:
        for number in range(count):
            ticket = {
                "ticket_id": f"{area}-{number}",
                "created_at": datetime.now(UTC).isoformat(),
                "tenant": tenant,
                "subject": f"{area} is broken",
                "body": "an error since this morning",
                "app_version": "9.9.9",
                "customer": {"id": f"hit-{rng.randrange(10**9)}", "tier": "team", "arr": 2400.0},
            }
            if number % 10 != 9:
                ticket["product_area"] = area
            yield json.dumps(ticket).encode()
            if number % 10 == 0:  # a repeat that the duplicate guard suppresses
                yield json.dumps(ticket).encode()

    rig.send(lines(), Pace(rate=20.0))  # type: ignore[arg-type]  # an iterator, so that tickets are sent as they are created


def _paged(rig: Rig) -> list[str]:
    """Return the ids of episodes that paged, in order."""
    events = [json.loads(value) for value in rig.escalations()]
    return [
        event["subject"]
        for event in events
        if event["type"].endswith(".opened.v1") and event["data"]["suppressed"] is None
    ]


def _values(story: Story, dashboard: Mapping[str, Any], *, everything: bool) -> dict[str, str]:
    """Return a value for each variable: all, or every value that Prometheus knows."""
    found = {
        "__rate_interval": f"{RATE_SECONDS:g}s",
        "__range": f"{SHOWN_SECONDS:g}s",
        "__interval": "1s",
    }
    for one in variables(dashboard):
        if one["type"] == "datasource":
            continue
        asked = fill(one["query"]["query"], found)
        if inner := re.fullmatch(r"query_result\((.*)\)", asked):
            pattern = one["regex"].strip("/")
            texts = [
                "{" + ",".join(f'{k}="{v}"' for k, v in series["metric"].items()) + "}"
                for series in story.prometheus.instant(inner[1])
            ]
            values = [match[1] for text in texts if (match := re.search(pattern, text))]
        else:
            of = re.fullmatch(r"label_values\((.+),\s*(\w+)\)", asked)
            assert of, asked
            values = story.prometheus.label_values(of[1], of[2])
        assert values, f"{dashboard['title']}: no values for {one['name']}: {asked}"
        if one["multi"]:
            found[one["name"]] = one["allValue"] if everything else several(values)
        else:
            found[one["name"]] = "login" if one["name"] == "product_area" else values[0]
    return found


def _numbers(story: Story, asked: Asked, values: Mapping[str, str]) -> list[float]:
    """Return every value of the answer, or an empty list without an answer."""
    expression = fill(asked.expression, values)
    if asked.instant:
        return [float(one["value"][1]) for one in story.prometheus.instant(expression)]
    answer = story.prometheus.over_time(expression, SHOWN_SECONDS, 1.0)
    return [float(value) for one in answer for _, value in one["values"]]


@pytest.mark.parametrize("everything", [True, False], ids=["all", "each value by name"])
def test_every_query_has_an_answer(story: Story, everything: bool) -> None:
    """Every query returns a value above zero unless its metric may be zero."""
    asked_of = 0
    wrong = []
    for path in FILES:
        dashboard = read(path)
        values = _values(story, dashboard, everything=everything)
        for asked in queries(dashboard):
            asked_of += 1
            try:
                numbers = _numbers(story, asked, values)
            except QueryError as error:
                wrong.append(f"error: {asked}: {error}")
                continue
            if not any(math.isfinite(number) for number in numbers):
                wrong.append(f"nothing: {asked}")
            elif not any(math.isfinite(number) and number > 0.0 for number in numbers) and not any(
                metric in asked.expression for metric in MAY_BE_ZERO
            ):
                wrong.append(f"zero: {asked}")
    shown = sum(len(list(panels(read(path)))) for path in FILES)
    marks = sum(len(annotations(read(path))) for path in FILES)
    print(f"{shown} panels and {marks} annotations, {asked_of} queries")
    assert asked_of > shown
    assert not wrong, "\n".join(wrong)


def test_a_query_without_an_answer_is_noticed(story: Story) -> None:
    """The test above would detect a panel with a misspelt metric or filter."""
    asked = Asked("none", "none", 'sum (spikewatch_tickets_upper{tenant="nobody"})', True)
    assert _numbers(story, asked, {}) == []


def test_the_begin_of_an_episode_is_marked_at_its_time(story: Story) -> None:
    """The annotation has the time in milliseconds and lies within the run."""
    marks = [one for path in FILES for one in annotations(read(path))]
    (begin,) = [one["expr"] for one in marks if one["useValueForTime"]]
    values = {"tenant": "acme", "product_area": "login"}
    (found,) = story.prometheus.instant(fill(begin, values))
    assert 0.0 < time.time() - float(found["value"][1]) / 1000.0 < 600.0
