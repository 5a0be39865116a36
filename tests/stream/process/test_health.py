"""Liveness by progress: what counts as dead, and that it is answered whatever the loop does."""

import asyncio
import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from stream.process.health import HealthError, HealthServer, Progress, verdict


@pytest.fixture
def port() -> int:
    """A port that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def progress() -> Progress:
    """The progress of a worker that has just started."""
    return Progress()


@pytest.fixture
def server(progress: Progress, port: int) -> Iterator[HealthServer]:
    """A running server."""
    server = HealthServer(progress, host="127.0.0.1", port=port)
    server.start()
    yield server
    server.stop()


def ask(
    port: int, path: str, host: str = "127.0.0.1", method: str = "GET"
) -> tuple[int, dict[str, object], str]:
    """Status, body and name of the server of one request."""
    with contextlib.closing(http.client.HTTPConnection(host, port, timeout=5)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        text = answer.read()
        is_json = answer.headers["Content-Type"] == "application/json"
        body = json.loads(text) if text and is_json else {}
        return answer.status, body, answer.headers["Server"]


def test_heartbeat() -> None:
    """A loop that has not beaten for more than 30 s hangs."""
    progress = Progress(loop_beat=100.0)
    assert verdict(progress, 130.0) == []
    assert verdict(progress, 131.0) == ["event loop: last heartbeat 31 s ago (limit 30 s)"]


def test_stalled_partition() -> None:
    """Records waiting for 120 s with no offset applied is dead, and the partition is named."""
    progress = Progress(loop_beat=1000.0)
    progress.partitions = {"2": (10, 15, 879.0), "3": (10, 15, 881.0)}
    assert verdict(progress, 1000.0) == [
        "partition 2: 5 records behind, and no progress from offset 10 for 121 s (limit 120 s)"
    ]


def test_idle_partition_is_alive() -> None:
    """A partition with nothing to do is never stalled, nor is it when its first record comes."""
    progress = Progress()
    for now in range(0, 4000, 5):
        progress.record(0, next_offset=7, log_end=7, now=float(now))
    progress.loop_beat = 4000.0
    assert verdict(progress, 4000.0) == []
    progress.record(0, next_offset=7, log_end=8, now=4000.0)
    assert verdict(progress, 4000.0) == []
    progress.record(0, next_offset=7, log_end=9, now=4121.0)
    progress.loop_beat = 4121.0
    assert len(verdict(progress, 4121.0)) == 1
    progress.record(0, next_offset=8, log_end=9, now=4122.0)
    assert verdict(progress, 4122.0) == []


def test_slow_but_moving_partition_is_alive() -> None:
    """However far behind, a partition whose offset moves is alive."""
    progress = Progress()
    for now in range(0, 5000, 100):
        progress.loop_beat = float(now)
        progress.record(0, next_offset=now, log_end=10**9, now=float(now))
        assert verdict(progress, float(now)) == []


def test_recovery_has_its_own_limit() -> None:
    """A recovery may take 300 s, in which offsets stand still; after it they start afresh."""
    progress = Progress(ready=True)
    progress.record(0, next_offset=5, log_end=50, now=0.0)
    progress.recovery_started(10.0)
    assert not progress.ready
    progress.recovery_started(200.0)
    progress.loop_beat = 311.0
    assert verdict(progress, 310.0) == []
    assert verdict(progress, 311.0) == ["recovery: running for 301 s (limit 300 s)"]
    progress.recovery_ended()
    progress.record(0, next_offset=5, log_end=50, now=311.0)
    assert verdict(progress, 311.0) == []


def test_all_reasons_together() -> None:
    """Every failing check is named, not the first alone."""
    progress = Progress(loop_beat=0.0, recovering_since=0.0)
    assert [reason.partition(":")[0] for reason in verdict(progress, 400.0)] == [
        "event loop",
        "recovery",
    ]


@pytest.mark.usefixtures("server")
def test_live_and_ready(progress: Progress, port: int) -> None:
    """A new worker is live but not ready; with verified state it is both."""
    assert ask(port, "/live")[:2] == (200, {"status": "ok", "failing": []})
    assert ask(port, "/ready")[:2] == (
        503,
        {"status": "failing", "failing": ["ready: the state is not verified yet"]},
    )
    progress.ready = True
    assert ask(port, "/ready?x=1")[:2] == (200, {"status": "ok", "failing": []})


@pytest.mark.usefixtures("server")
def test_dead_is_not_ready(progress: Progress, port: int) -> None:
    """What fails liveness fails readiness too, with the reason in the body."""
    progress.ready = True
    progress.loop_beat -= 40.0
    for path in ("/live", "/ready"):
        status, body, _ = ask(port, path)
        assert status == 503
        assert "event loop: last heartbeat" in str(body["failing"])


@pytest.mark.usefixtures("server")
def test_answers_while_the_loop_hangs(progress: Progress, port: int) -> None:
    """The server answers while the event loop is blocked, and says that it is."""
    answers = []

    async def hang() -> None:
        progress.loop_beat = time.monotonic() - 31
        asker = threading.Thread(target=lambda: answers.append(ask(port, "/live")))
        asker.start()
        asker.join()

    asyncio.run(hang())
    assert answers[0][0] == 503
    assert "event loop" in str(answers[0][1])


@pytest.mark.usefixtures("server")
def test_nothing_else_is_served(port: int, capfd: pytest.CaptureFixture[str]) -> None:
    """Other paths are not there, other methods not allowed, and no request is logged."""
    assert ask(port, "/table/x/y")[0] == 404
    assert ask(port, "/live", method="POST")[0] == 501
    with socket.create_connection(("127.0.0.1", port)) as rude:
        rude.sendall(b"GET /live HTTP/1.0\r\n")
    assert ask(port, "/live")[0] == 200
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("server")
def test_head_has_no_body(port: int) -> None:
    """HEAD gives the status alone."""
    status, body, server = ask(port, "/live", method="HEAD")
    assert (status, body) == (200, {})
    assert "Python" not in server


@pytest.mark.usefixtures("server")
def test_a_silent_client_holds_up_nobody(port: int) -> None:
    """A client that connects and says nothing does not keep others waiting."""
    with socket.create_connection(("127.0.0.1", port)):
        assert ask(port, "/live")[0] == 200


@pytest.mark.usefixtures("server")
def test_port_in_use(port: int) -> None:
    """A taken port is one sentence that names the key and the way out."""
    with pytest.raises(HealthError) as caught:
        HealthServer(Progress(), host="127.0.0.1", port=port).start()
    assert str(caught.value) == (
        f"[health] port {port} on 127.0.0.1 is in use by another process: "
        "set [health] port to a free port, or to 0 to disable it."
    )


def test_unknown_host(port: int) -> None:
    """An address that this machine does not have names the key too."""
    with pytest.raises(HealthError, match=r"\[health\] host 192\.0\.2\.1 is not an address"):
        HealthServer(Progress(), host="192.0.2.1", port=port).start()


def test_off() -> None:
    """Port 0 listens nowhere, and stopping what never started is harmless."""
    before = threading.active_count()
    server = HealthServer(Progress(), host="127.0.0.1", port=0)
    server.start()
    assert threading.active_count() == before
    server.stop()


def test_stop_frees_the_port(progress: Progress, port: int) -> None:
    """After stop the port is free, so a server can start on it again."""
    for _ in range(2):
        server = HealthServer(progress, host="127.0.0.1", port=port)
        server.start()
        assert ask(port, "/live")[0] == 200
        server.stop()
        server.stop()


def test_ipv6(progress: Progress, port: int) -> None:
    """An IPv6 address is listened on where there is IPv6."""
    server = HealthServer(progress, host="::1", port=port)
    try:
        server.start()
    except HealthError:
        pytest.skip("no IPv6 here")
    try:
        assert ask(port, "/live", host="::1")[0] == 200
    finally:
        server.stop()


@pytest.mark.usefixtures("server")
def test_reading_while_the_loop_writes(progress: Progress, port: int) -> None:
    """Partitions may come and go while the server reads."""
    done = threading.Event()

    def churn() -> None:
        number = 0
        while not done.is_set():
            number += 1
            progress.record(number % 500, next_offset=number, log_end=number, now=time.monotonic())
            if number % 700 == 0:
                progress.partitions.clear()
            progress.loop_beat = time.monotonic()

    writer = threading.Thread(target=churn)
    writer.start()
    try:
        assert {ask(port, "/live")[0] for _ in range(100)} == {200}
    finally:
        done.set()
        writer.join()
