"""Test liveness by progress: what counts as dead, and responses while the event loop hangs."""

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
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def progress() -> Progress:
    """Return the progress of a worker that has just started."""
    return Progress()


@pytest.fixture
def server(progress: Progress, port: int) -> Iterator[HealthServer]:
    """Start a server."""
    server = HealthServer(progress, host="127.0.0.1", port=port)
    server.start()
    yield server
    server.stop()


def ask(
    port: int, path: str, host: str = "127.0.0.1", method: str = "GET"
) -> tuple[int, dict[str, object], str]:
    """Send one request, and return status, body and server name of the response."""
    with contextlib.closing(http.client.HTTPConnection(host, port, timeout=5)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        text = answer.read()
        is_json = answer.headers["Content-Type"] == "application/json"
        body = json.loads(text) if text and is_json else {}
        return answer.status, body, answer.headers["Server"]


def test_a_loop_without_a_heartbeat_is_dead() -> None:
    """A loop that has not beaten for more than 30 s counts as hung."""
    progress = Progress(loop_beat=100.0)
    assert verdict(progress, 130.0) == []
    assert verdict(progress, 131.0) == ["event loop: last heartbeat 31 s ago (limit 30 s)"]


def test_a_stalled_partition_is_dead_and_named() -> None:
    """A partition is stalled if records wait for 120 s and no offset is applied."""
    progress = Progress(loop_beat=1000.0)
    progress.partitions = {"2": (10, 15, 879.0), "3": (10, 15, 881.0)}
    assert verdict(progress, 1000.0) == [
        "partition 2: 5 records behind, and no progress from offset 10 for 121 s (limit 120 s)"
    ]


def test_an_idle_partition_is_alive() -> None:
    """A partition without work is never stalled, not even when its first record arrives."""
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


def test_a_slow_but_moving_partition_is_alive() -> None:
    """A partition whose offset moves is alive, however large its lag is."""
    progress = Progress()
    for now in range(0, 5000, 100):
        progress.loop_beat = float(now)
        progress.record(0, next_offset=now, log_end=10**9, now=float(now))
        assert verdict(progress, float(now)) == []


def test_recovery_has_its_own_time_limit() -> None:
    """Offsets may stand still for 300 s during a recovery; then the stall check restarts."""
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


def test_all_failing_checks_are_reported_together() -> None:
    """Every failing check is named, and not only the first one."""
    progress = Progress(loop_beat=0.0, recovering_since=0.0)
    assert [reason.partition(":")[0] for reason in verdict(progress, 400.0)] == [
        "event loop",
        "recovery",
    ]


@pytest.mark.usefixtures("server")
def test_a_worker_is_live_at_once_and_ready_after_recovery(progress: Progress, port: int) -> None:
    """A new worker is live but not ready, and both once its state is verified."""
    assert ask(port, "/live")[:2] == (200, {"status": "ok", "failing": []})
    assert ask(port, "/ready")[:2] == (
        503,
        {"status": "failing", "failing": ["ready: the state is not verified yet"]},
    )
    progress.ready = True
    assert ask(port, "/ready?x=1")[:2] == (200, {"status": "ok", "failing": []})


@pytest.mark.usefixtures("server")
def test_a_dead_worker_is_not_ready(progress: Progress, port: int) -> None:
    """A failed liveness check fails readiness too, with the reason in the body."""
    progress.ready = True
    progress.loop_beat -= 40.0
    for path in ("/live", "/ready"):
        status, body, _ = ask(port, path)
        assert status == 503
        assert "event loop: last heartbeat" in str(body["failing"])


@pytest.mark.usefixtures("server")
def test_the_server_responds_while_the_loop_hangs(progress: Progress, port: int) -> None:
    """The server reports a blocked event loop while the loop is blocked."""
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
def test_other_paths_and_methods_are_refused(port: int, capfd: pytest.CaptureFixture[str]) -> None:
    """Other paths are not found, other methods are not allowed, and no request is logged."""
    assert ask(port, "/table/x/y")[0] == 404
    assert ask(port, "/live", method="POST")[0] == 501
    with socket.create_connection(("127.0.0.1", port)) as rude:
        rude.sendall(b"GET /live HTTP/1.0\r\n")
    assert ask(port, "/live")[0] == 200
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("server")
def test_head_has_no_body(port: int) -> None:
    """HEAD returns the status without a body."""
    status, body, server = ask(port, "/live", method="HEAD")
    assert (status, body) == (200, {})
    assert "Python" not in server


@pytest.mark.usefixtures("server")
def test_a_silent_client_does_not_block_others(port: int) -> None:
    """A client that connects and sends nothing does not keep other clients waiting."""
    with socket.create_connection(("127.0.0.1", port)):
        assert ask(port, "/live")[0] == 200


@pytest.mark.usefixtures("server")
def test_a_port_in_use_is_reported(port: int) -> None:
    """The error names the key of the port and what to do."""
    with pytest.raises(HealthError) as caught:
        HealthServer(Progress(), host="127.0.0.1", port=port).start()
    assert str(caught.value) == (
        f"[health] port {port} on 127.0.0.1 is in use by another process: "
        "set [health] port to a free port, or to 0 to disable it."
    )


def test_an_unavailable_host_address_is_reported(port: int) -> None:
    """An address that this machine does not have is reported with its key."""
    with pytest.raises(HealthError, match=r"\[health\] host 192\.0\.2\.1 is not an address"):
        HealthServer(Progress(), host="192.0.2.1", port=port).start()


def test_port_0_turns_the_server_off() -> None:
    """Port 0 listens nowhere, and stopping a server that never started is harmless."""
    before = threading.active_count()
    server = HealthServer(Progress(), host="127.0.0.1", port=0)
    server.start()
    assert threading.active_count() == before
    server.stop()


def test_stop_frees_the_port(progress: Progress, port: int) -> None:
    """Another server can start on the port after stop."""
    for _ in range(2):
        server = HealthServer(progress, host="127.0.0.1", port=port)
        server.start()
        assert ask(port, "/live")[0] == 200
        server.stop()
        server.stop()


def test_an_ipv6_address_is_supported(progress: Progress, port: int) -> None:
    """The server listens on an IPv6 address if the machine has IPv6."""
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
def test_progress_can_be_read_while_the_loop_writes(progress: Progress, port: int) -> None:
    """Partitions may be added and removed while the server reads."""
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
