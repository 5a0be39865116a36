"""Test the worker on a real broker: its output equals that of replay and of the internal log."""

import json
import signal
import socket
import time
import urllib.request
from datetime import UTC, datetime

import psutil
import pytest

from detectors.simulation.tickets import HOUR, Incident, World, tickets
from schemas.escalation import EscalationEvent
from stream.kafka.ticket_sender import Pace
from tests.support.kafka_rig import Rig, free_port, wait_for

pytestmark = pytest.mark.kafka

START = datetime(2024, 3, 4, tzinfo=UTC).timestamp()
AREAS = {"login": 6.0, "billing": 2.0, "search": 1.0}


def some_tickets(tenants: int, weeks: float, seed: int = 1) -> list[bytes]:
    """Return tickets of several tenants in time order, each with a login incident near the end."""
    hours = weeks * 168.0
    timed_lines: list[tuple[str, bytes]] = []
    for number in range(tenants):
        incident = Incident("login", START + (hours - 60.0 + 3 * number) * HOUR, 3.0, 8.0)
        world = World(
            START,
            hours,
            areas=AREAS,
            incidents=[incident],
            seed=seed + number,
            tenant=f"tenant-{number}",
        )
        timed_lines += [(str(t["created_at"]), json.dumps(t).encode()) for t in tickets(world)]
    return [line for _, line in sorted(timed_lines)]


def by_tenant(events: list[bytes]) -> dict[str, list[bytes]]:
    """Return the events of each tenant in order."""
    events_by_tenant: dict[str, list[bytes]] = {}
    for event in events:
        events_by_tenant.setdefault(json.loads(event)["data"]["tenant"], []).append(event)
    return events_by_tenant


def test_the_worker_and_replay_give_the_same_escalations(rig: Rig) -> None:
    """Tickets sent in simulated time give the same escalations as replay, byte for byte."""
    lines = some_tickets(tenants=3, weeks=2)
    until = START + 2.2 * 168 * HOUR
    rig.create_topics()
    rig.start("worker")
    rig.send(lines, Pace("simulated", until=until))
    rig.settle()
    expected = rig.replay(lines, until)
    assert len(expected) >= 9
    assert by_tenant(rig.escalations()) == by_tenant(expected)
    events, state = rig.oracle()
    assert by_tenant(events) == by_tenant(expected)
    assert rig.state() == state


def test_a_restarted_worker_continues_where_the_last_one_stopped(rig: Rig) -> None:
    """A stop by SIGTERM half-way changes neither the escalations nor the state."""
    lines = some_tickets(tenants=2, weeks=2)
    until = START + 2.2 * 168 * HOUR
    rig.create_topics()
    first = rig.start("worker")
    rig.send(lines[: len(lines) // 2], Pace("simulated"))
    rig.settle()
    assert first.end() == 0, first.text()
    rig.send(lines[len(lines) // 2 :], Pace("simulated", until=until))
    rig.start("worker")
    rig.settle()
    assert by_tenant(rig.escalations()) == by_tenant(rig.replay(lines, until))
    assert rig.state() == rig.oracle()[1]


def test_bad_records_become_dead_letters_and_good_ones_are_counted(rig: Rig) -> None:
    """Fifteen kinds of bad records get their reason, and a ticket after each of them is counted."""
    future = datetime.fromtimestamp(time.time() + 3600, UTC).isoformat()
    now = datetime.now(UTC).isoformat()

    def ticket(**changes: object) -> bytes:
        whole = {"ticket_id": "x", "created_at": now, "product_area": "login", **changes}
        return json.dumps({k: v for k, v in whole.items() if v is not ...}).encode()

    bad: list[tuple[str, bytes | None, list[tuple[str, bytes]]]] = [
        ("undecodable", b"{", []),
        ("undecodable", b"\xff\xfe", []),
        ("undecodable", None, []),
        ("undecodable", b"[" * 5000, []),
        ("oversized", ticket(body="x" * 70_000), []),
        ("wrong_type", b"[]", []),
        ("wrong_type", ticket(ticket_id=True), []),
        ("wrong_type", ticket(created_at=1234567890), []),
        ("wrong_type", ticket(), [("spikewatch-mode", b"nonsense")]),
        ("missing_field", ticket(ticket_id=...), []),
        ("missing_field", ticket(product_area=...), []),
        ("no_offset", ticket(created_at="2026-03-02T09:00:00"), []),
        ("future", ticket(created_at=future), []),
        ("unknown_version", ticket(schema_version=99), []),
        ("bad_tick", b'{"now": "soon", "tenant": "default"}', [("spikewatch-kind", b"mark")]),
    ]
    rig.create_topics()
    rig.start("worker")
    records: list[tuple[bytes | None, list[tuple[str, bytes]]]] = []
    for number, (_, value, headers) in enumerate(bad):
        records += [(value, headers), (ticket(ticket_id=f"good-{number}"), [])]
    rig.put(rig.topics.tickets, records)
    rig.settle()
    letters = [json.loads(record.value) for record in rig.read(rig.topics.dead)]
    assert sorted(letter["reason"] for letter in letters) == sorted(reason for reason, _, _ in bad)
    status = rig.run("tail", "--status")
    assert f"{len(bad)} tickets in 1 area," in status.stdout, status.stderr


def test_a_verdict_is_stored_with_its_page(rig: Rig) -> None:
    """Feedback reaches the state of its tenant, and unreadable feedback is a dead letter."""
    lines = some_tickets(tenants=1, weeks=2)
    rig.create_topics()
    rig.start("worker")
    rig.send(lines, Pace("simulated", until=START + 2.2 * 168 * HOUR))
    rig.settle()
    pages = [json.loads(event)["data"]["episode_id"] for event in rig.escalations()]
    answer = {
        "feedback_id": "f1",
        "tenant": "tenant-0",
        "episode_id": pages[0],
        "action": "false_alarm",
        "by": "on-call",
        "at": datetime.now(UTC).isoformat(),
    }
    rig.put(rig.topics.feedback, [(json.dumps(answer).encode(), []), (b"{", [])])
    wait_for(
        lambda: len(rig.read(rig.topics.dead)) == 1, 30, "the dead letter of the feedback", rig
    )
    rig.settle()
    assert rig.state() == rig.oracle()[1]
    verdicts = [
        page.verdict
        for partition in rig.partitions()
        for tenant in partition.tenants.values()
        for page in tenant.pages
        if page.episode_id == pages[0]
    ]
    assert verdicts == ["false_alarm"]


def test_history_does_not_page_and_live_traffic_after_it_does(rig: Rig) -> None:
    """Episodes of the history are marked; the same spike after the end mark is not."""
    world = World(
        START,
        5 * 168.0,
        areas=AREAS,
        incidents=[
            Incident("login", START + 4 * 168 * HOUR + 34 * HOUR, 2.0, 9.0),
            Incident("login", START + 4 * 168 * HOUR + 82 * HOUR, 2.0, 9.0),
        ],
        seed=3,
    )
    lines = [json.dumps(ticket).encode() for ticket in tickets(world)]
    end = datetime.fromtimestamp(START + 4 * 168 * HOUR + 60 * HOUR, UTC).isoformat()
    cut = next(i for i, line in enumerate(lines) if json.loads(line)["created_at"] > end)
    rig.create_topics()
    rig.start("worker")
    rig.send(lines[:cut], Pace("history"))
    rig.send(lines[cut:], Pace("simulated", until=START + 5 * 168 * HOUR))
    rig.settle()
    escalations = [EscalationEvent.model_validate_json(event) for event in rig.escalations()]
    of_incident = {
        f"{e.time:%m-%d}": e.data.suppressed
        for e in escalations
        if e.transition == "opened" and e.data.product_area == "login"
    }
    assert of_incident["04-02"] == "history"
    assert of_incident["04-04"] is None
    assert by_tenant(rig.oracle()[0]) == by_tenant(rig.escalations())


def test_ticks_alone_resolve_an_episode(rig: Rig) -> None:
    """The ticker resolves an episode of a live area that falls silent, without another ticket."""
    rig.extra = {"SPIKEWATCH_EPISODE__CLEAR_MINUTES": "1", "SPIKEWATCH_TIME__TICK_SECONDS": "0.5"}
    now = time.time()
    world = World(now - 5 * 168 * HOUR, 5 * 168.0 - 31.0, areas=AREAS, seed=5)
    rig.create_topics()
    rig.start("worker")
    rig.send([json.dumps(ticket).encode() for ticket in tickets(world)], Pace("history"))
    rig.settle()
    spike = [
        json.dumps(
            {
                "ticket_id": f"spike-{n}",
                "tenant": "acme",
                "created_at": datetime.fromtimestamp(now - 30 * HOUR + n, UTC).isoformat(),
                "product_area": "billing",
            }
        ).encode()
        for n in range(30)
    ]
    rig.send(spike, Pace("live"))
    rig.start("ticker")

    def transitions() -> list[str]:
        escalations = [EscalationEvent.model_validate_json(e) for e in rig.escalations()]
        return [e.transition for e in escalations if e.data.suppressed is None]

    wait_for(lambda: transitions()[-1:] == ["resolved"], 60, "the episode to be resolved", rig)
    assert transitions()[0] == "opened"


def test_the_reply_to_header_of_faust_is_ignored(rig: Rig) -> None:
    """Nothing is written to the topic that the header names."""
    rig.create_topics()
    rig.start("worker")
    before = len(rig.read(rig.topics.feedback))
    now = datetime.now(UTC).isoformat()
    ticket = json.dumps({"ticket_id": "1", "created_at": now, "product_area": "login"}).encode()
    headers = [
        ("Faust-Ag-ReplyTo", rig.topics.feedback.encode()),
        ("Faust-Ag-CorrelationId", b"1"),
    ]
    rig.put(rig.topics.tickets, [(ticket, headers)])
    rig.settle()
    assert len(rig.read(rig.topics.feedback)) == before


def get(port: int, path: str) -> str:
    """Return the response of a process on 127.0.0.1."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return str(answer.read().decode())


def test_fields_that_a_worker_leaves_out_are_counted_by_field(rig: Rig) -> None:
    """A mistake in an optional field is visible in a metric instead of costing the ticket."""
    metrics = free_port()
    rig.create_topics()
    rig.start("worker", SPIKEWATCH_METRICS__PORT=str(metrics))
    ticket = {"created_at": datetime.now(UTC).isoformat(), "product_area": "login", "csat": "4"}
    rows = [json.dumps({**ticket, "ticket_id": number}).encode() for number in range(3)]
    rig.put(rig.topics.tickets, [(row, []) for row in rows])
    rig.settle()
    assert rig.read(rig.topics.dead) == []
    text = get(metrics, "/metrics")
    assert 'spikewatch_omitted_fields_total{field="csat"} 3.0' in text
    assert 'spikewatch_omitted_fields_total{field="customer.arr"} 0.0' in text


def test_the_metrics_and_health_endpoints_respond(rig: Rig) -> None:
    """Metrics are served, /live and /ready return 200, and no other port is open."""
    metrics, health = free_port(), free_port()
    rig.create_topics()
    worker = rig.start(
        "worker", SPIKEWATCH_METRICS__PORT=str(metrics), SPIKEWATCH_HEALTH__PORT=str(health)
    )
    rig.send(some_tickets(tenants=1, weeks=1), Pace("simulated"))
    rig.settle()

    wait_for(
        lambda: 'spikewatch_tickets_expected{product_area="login"' in get(metrics, "/metrics"),
        20,
        "the gauges",
        rig,
    )
    assert 'spikewatch_signals_total{outcome="counted"}' in get(metrics, "/metrics")
    assert "spikewatch_escalations_total" in get(metrics, "/metrics")
    get(health, "/live")
    get(health, "/ready")
    listening = {
        c.laddr.port
        for c in psutil.Process(worker.popen.pid).net_connections()
        if c.status == psutil.CONN_LISTEN
    }
    assert listening == {metrics, health}


@pytest.mark.parametrize("command", ["worker", "ticker", "send", "tail"])
def test_missing_topics_are_reported_in_one_sentence(rig: Rig, command: str) -> None:
    """Every command that needs topics says what to do and exits with 1."""
    arguments = {"send": ["send", "-"]}.get(command, [command])
    done = rig.run(*arguments)
    assert done.returncode == 1
    assert "spikewatch topics create" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_partition_count_is_reported_in_one_sentence(rig: Rig) -> None:
    """The worker names topics that have another number of partitions, and does not start."""
    rig.create_topics()
    done = rig.run("worker", SPIKEWATCH_KAFKA__PARTITIONS="6")
    assert done.returncode == 1
    assert "has 4 partitions instead of 6" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_compaction_lag_shorter_than_the_rewrite_period_is_refused(rig: Rig) -> None:
    """The worker does not start if the changelog may be compacted before state is rewritten."""
    rig.create_topics()
    environ = {
        "SPIKEWATCH_STATE__REWRITE_SECONDS": "400000",
        "SPIKEWATCH_STATE__COMPACTION_LAG_SECONDS": "800000",
    }
    done = rig.run("worker", **environ)
    assert done.returncode == 1
    assert "min.compaction.lag.ms=172800000" in done.stderr
    assert rig.run("topics", "check").returncode == 0


def test_a_missing_broker_is_reported_in_one_sentence(rig: Rig) -> None:
    """If no broker responds, the worker says how to start one."""
    port = free_port()
    done = rig.run("worker", SPIKEWATCH_KAFKA__BOOTSTRAP_SERVERS=f"127.0.0.1:{port}")
    assert done.returncode == 1
    assert f"no Kafka broker responds at 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("section", ["metrics", "health"])
def test_a_port_in_use_is_reported_in_one_sentence(rig: Rig, section: str) -> None:
    """The worker names the key of the port and does not start."""
    rig.create_topics()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        name = f"SPIKEWATCH_{section.upper()}__PORT"
        done = rig.run("worker", **{name: str(taken.getsockname()[1])})
    assert done.returncode == 1
    assert f"[{section}] port" in done.stderr
    assert "Traceback" not in done.stderr


def test_sigterm_while_working_stops_with_exit_code_0(rig: Rig) -> None:
    """A SIGTERM during a backlog stops the worker soon with exit code 0."""
    rig.create_topics()
    rig.send(some_tickets(tenants=2, weeks=3), Pace("simulated"))
    worker = rig.slow_worker(0.05)
    wait_for(worker.mark.exists, 30, "the first chunk", rig)
    worker.send(signal.SIGTERM)
    assert worker.popen.wait(20) == 0, worker.text()


def test_aborted_tickets_do_not_count_and_markers_cause_no_lag(rig: Rig) -> None:
    """Only committed tickets of a transactional producer count, and its markers stall nothing."""
    import asyncio  # noqa: PLC0415 - only here

    from aiokafka import AIOKafkaProducer  # noqa: PLC0415 - only here

    def ticket(name: str) -> bytes:
        now = datetime.now(UTC).isoformat()
        return json.dumps({"ticket_id": name, "created_at": now, "product_area": "x"}).encode()

    async def work() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=rig.servers, transactional_id=rig.prefix)
        async with producer:
            for name, keep in (("a", True), ("b", False), ("c", True)):
                await producer.begin_transaction()
                await producer.send_and_wait(rig.topics.tickets, ticket(name), key=b"k")
                await (producer.commit_transaction() if keep else producer.abort_transaction())

    rig.create_topics()
    rig.start("worker")
    asyncio.run(work())
    wait_for(lambda: len(rig.read(rig.topics.by_tenant)) == 2, 30, "two tickets", rig)
    ticket_ids = [
        json.loads(record.value)["ticket_id"] for record in rig.read(rig.topics.by_tenant)
    ]
    assert ticket_ids == ["a", "c"]
