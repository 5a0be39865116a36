"""Real single-node Apache Kafka on this machine, for the demo, for trials and for tests.

It listens on 127.0.0.1 only, and its process ends with the process that started it, however that
process ends.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Final, Self

from stream.trial.broker.node import (
    HOST,
    answers,
    format_directory,
    java_command,
    prepare_directory,
    server_properties,
    two_ports,
)
from stream.trial.broker.runtime import KAFKA_VERSION, BrokerError, Say, find_jars, find_java

__all__ = ["Broker", "BrokerError", "BrokerSettings", "serve"]

_STOP_GRACE_SECONDS: Final = 15.0
_GUARD: Final = Path(__file__).with_name("process_guard.py")


@dataclass(frozen=True)
class BrokerSettings:
    """Settings of a local broker.

    Attributes:
        data_directory: Directory of the log and ``broker.log``; existing data are reused. None: a
            temporary directory, removed with the broker.
        port: Port on 127.0.0.1; None: a free port.
        heap_megabytes: Java heap size.
        properties: Additional lines of server.properties, which override ours.
        start_seconds: Time to wait for the broker to respond, not counting downloads.
    """

    data_directory: Path | None = None
    port: int | None = None
    heap_megabytes: int = 256
    properties: Mapping[str, str] = field(default_factory=dict)
    start_seconds: float = 90.0


class Broker:
    """One Kafka broker, started by :meth:`start` or by entering the context.

    Example::

        with Broker() as broker:
            producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers)
    """

    def __init__(self, settings: BrokerSettings | None = None, say: Say | None = None) -> None:
        """Create a broker without starting it.

        Args:
            settings: Settings of the broker.
            say: Called with a description of each step.
        """
        self._settings = settings or BrokerSettings()
        self._say: Say = say or (lambda _: None)
        self._guard: subprocess.Popen[bytes] | None = None
        self._directory: Path | None = None
        self._log_start = 0
        self._pid = 0
        self._port = 0

    @property
    def bootstrap_servers(self) -> str:
        """Address for Kafka clients, ``127.0.0.1:PORT``."""
        self._running()
        return f"{HOST}:{self._port}"

    @property
    def pid(self) -> int:
        """Process id of the broker's Java process."""
        self._running()
        return self._pid

    def start(self) -> None:
        """Start the broker and wait until it responds.

        Raises:
            BrokerError: The broker cannot be started; the message says why and what to do.
        """
        if self._guard is not None:
            raise BrokerError("This broker is already running: stop it before starting it again.")
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the broker (SIGTERM, then SIGKILL after 15 s) and remove its temporary data."""
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.terminate()
            try:
                guard.wait(_STOP_GRACE_SECONDS + 10)
            except subprocess.TimeoutExpired:
                guard.kill()
                guard.wait()
            for pipe in (guard.stdin, guard.stdout):
                if pipe is not None:
                    pipe.close()
        directory, self._directory = self._directory, None
        if directory is not None and self._settings.data_directory is None:
            shutil.rmtree(directory, ignore_errors=True)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the broker to end by itself and return the exit code of its Java process.

        Raises:
            subprocess.TimeoutExpired: The broker is still running after ``timeout`` seconds.
        """
        return self._running().wait(timeout)

    def last_words(self) -> str:
        """Return the last informative lines of the broker's log, on one line."""
        if self._directory is None:
            return ""
        with contextlib.suppress(OSError):
            with (self._directory / "broker.log").open("rb") as log:
                log.seek(self._log_start)
                text = log.read().decode(errors="replace")
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            telling = [line for line in lines if not line.startswith(("at ", "... "))]
            return " | ".join(line[:300] for line in telling[-4:])
        return ""

    def __enter__(self) -> Self:
        """Start the broker."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the broker."""
        self.stop()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._guard is None:
            raise BrokerError("This broker is not running: start it first.")
        return self._guard

    def _start(self) -> None:
        java = find_java()
        jars = find_jars(self._say)
        deadline = time.monotonic() + self._settings.start_seconds
        self._port, controller_port = two_ports(self._settings.port)
        directory = self._directory = prepare_directory(self._settings.data_directory)
        with contextlib.suppress(FileNotFoundError):
            self._log_start = (directory / "broker.log").stat().st_size
        properties = directory / "server.properties"
        lines = {
            **server_properties(directory, self._port, controller_port),
            **self._settings.properties,
        }
        properties.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
        command = java_command(java, jars, self._settings.heap_megabytes)
        if not (directory / "log" / "meta.properties").exists():
            self._say("formatting the data directory")
            if not format_directory(command, properties):
                raise BrokerError(f"Kafka rejected its settings; its log says: {self.last_words()}")
        self._say(f"starting Apache Kafka {KAFKA_VERSION} on {HOST}:{self._port}")
        self._spawn([*command, "kafka.Kafka", str(properties)])
        self._wait_until_ready(deadline)

    def _spawn(self, command: list[str]) -> None:
        owned = "" if self._settings.data_directory else str(self._directory)
        assert self._directory is not None
        with (self._directory / "broker.log").open("ab") as log:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", str(_GUARD), str(_STOP_GRACE_SECONDS), owned, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                # Ctrl-C goes to the whole process group of the terminal; the broker must outlive
                # the workers, which still use it while they stop.
                start_new_session=True,
            )
        assert self._guard.stdout is not None
        with contextlib.suppress(ValueError):
            self._pid = int(self._guard.stdout.readline())

    def _wait_until_ready(self, deadline: float) -> None:
        guard = self._running()
        while not answers(self._port):
            if (code := guard.poll()) is not None:
                raise BrokerError(
                    f"Kafka ended with exit code {code} before it was ready; its log says: "
                    f"{self.last_words() or 'nothing'}"
                )
            if time.monotonic() > deadline:
                raise BrokerError(
                    f"Kafka did not respond within {self._settings.start_seconds:g} s: give it "
                    "more time or reduce the load on this machine; its log says: "
                    f"{self.last_words() or 'nothing'}"
                )
            time.sleep(0.1)


def serve(settings: BrokerSettings, say: Say) -> int:
    """Run a broker in the foreground until SIGINT, SIGTERM or the end of the parent process.

    Must be called in the main thread. Returns the exit code for the shell.

    Raises:
        BrokerError: The broker cannot be started, or ended by itself.
    """
    parent = os.getppid()
    stopping = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        if not stopping:  # a second Ctrl-C must not interrupt the orderly stop
            stopping = True
            raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with Broker(settings, say) as broker:
            say(f"Kafka is ready at {broker.bootstrap_servers}; stop it with Ctrl-C. To use it:")
            say(f"export SPIKEWATCH_KAFKA__BOOTSTRAP_SERVERS={broker.bootstrap_servers}")
            while os.getppid() == parent:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    code = broker.wait(0.5)
                    raise BrokerError(
                        f"Kafka ended by itself with exit code {code}; its log says: "
                        f"{broker.last_words() or 'nothing'}"
                    )
    except KeyboardInterrupt:
        say("stopped")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0
