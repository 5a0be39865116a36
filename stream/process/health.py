"""Liveness by progress: whether a worker advances, whatever Faust believes.

The server has a thread of its own, so it answers when the event loop hangs. ``/live`` returns 503
if the process should be killed and restarted. ``/ready`` also returns 503 while the process does
not do its work yet or any more. Both give the reasons as JSON.
"""

import errno
import json
import os
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from stream.errors import UserError

LOOP_SECONDS = 30.0
"""A loop whose last heartbeat is older hangs."""
STALL_SECONDS = 120.0
"""An offset that does not move for longer, while records wait, is stalled."""
RECOVERY_SECONDS = 300.0
"""A recovery or rebalance that takes longer is stuck."""


class HealthError(UserError):
    """The health server cannot listen; the text names the key and what to do."""


@dataclass
class Progress:
    """What the event loop says of itself; written by the loop alone, read by any thread.

    All times are ``time.monotonic()`` seconds.

    Attributes:
        loop_beat: the loop's last heartbeat; beat every few seconds.
        recovering_since: when the recovery or rebalance under way began; None when there is none.
        partitions: per assigned partition the next offset to apply, the end of the log and the
            time from which that offset should have moved; see ``record``.
        ready: the state is verified and signals are being applied.

    Example:
        >>> progress = Progress(loop_beat=0.0)
        >>> progress.record(3, next_offset=10, log_end=12, now=0.0)
        >>> verdict(progress, 20.0)
        []
        >>> verdict(progress, 31.0)
        ['event loop: last heartbeat 31 s ago (limit 30 s)']
    """

    loop_beat: float = field(default_factory=time.monotonic)
    recovering_since: float | None = None
    partitions: dict[str, tuple[int, int, float]] = field(default_factory=dict)
    ready: bool = False

    def record(self, partition: object, *, next_offset: int, log_end: int, now: float) -> None:
        """Note where a partition stands; to be called every few seconds, moved or not.

        The clock of a stall runs only while something waits. A partition that was idle for an hour
        is not stalled in the moment in which its next ticket comes.

        Args:
            partition: any name of the partition.
            next_offset: offset of the next record to apply.
            log_end: offset after the last record in the log.
            now: monotonic seconds.
        """
        before, end, moved_at = self.partitions.get(str(partition), (None, 0, now))
        if before != next_offset or end <= before:
            moved_at = now
        self.partitions[str(partition)] = (next_offset, log_end, moved_at)

    def recovery_started(self, now: float) -> None:
        """Record a change of the assignment and forget its partitions."""
        if self.recovering_since is None:
            self.recovering_since = now
        self.ready = False
        self.partitions.clear()

    def recovery_ended(self) -> None:
        """Record the end of a recovery; ``ready`` is set after the state was verified."""
        self.recovering_since = None


def verdict(progress: Progress, now: float) -> list[str]:
    """Return why the process should be killed; empty while it is alive.

    Nothing is processed during a recovery, so only the limit of the recovery applies then.

    Args:
        progress: The state of the loop.
        now: Monotonic seconds.
    """
    failing = []
    if (silent := now - progress.loop_beat) > LOOP_SECONDS:
        failing.append(
            f"event loop: last heartbeat {silent:.0f} s ago (limit {LOOP_SECONDS:.0f} s)"
        )
    # Read once, for the loop may change them in between.
    recovering = progress.recovering_since
    if recovering is None:
        for name, (next_offset, log_end, moved_at) in sorted(progress.partitions.copy().items()):
            if log_end > next_offset and (still := now - moved_at) > STALL_SECONDS:
                failing.append(
                    f"partition {name}: {log_end - next_offset} records behind and offset "
                    f"{next_offset} not moved for {still:.0f} s (limit {STALL_SECONDS:.0f} s)"
                )
    elif (lasts := now - recovering) > RECOVERY_SECONDS:
        failing.append(f"recovery: under way for {lasts:.0f} s (limit {RECOVERY_SECONDS:.0f} s)")
    return failing


class HealthServer:
    """Serves ``/live`` and ``/ready`` of one ``Progress`` from threads of its own.

    Example:
        >>> server = HealthServer(Progress(), host="127.0.0.1", port=0)
        >>> server.start()  # port 0: off, nothing listens
        >>> server.stop()
    """

    def __init__(
        self,
        progress: Progress,
        *,
        host: str,
        port: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; nothing listens before ``start``.

        Args:
            progress: what to report on.
            host: address to listen on, ``[health] host``.
            port: port to listen on, ``[health] port``; 0 is off.
            clock: monotonic seconds, those of ``progress``.
        """
        self._progress = progress
        self._host = host
        self._port = port
        self._clock = clock
        self._server: _Server | None = None

    def start(self) -> None:
        """Listen and answer until ``stop``; returns at once.

        Raises:
            HealthError: the address cannot be listened on.
        """
        if self._port == 0 or self._server is not None:
            return
        try:
            self._server = _Server(self._host, self._port, self._answer)
        except OSError as error:
            raise HealthError(self._why(error)) from error
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()

    def stop(self) -> None:
        """Stop listening; harmless if nothing does."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _answer(self, path: str) -> tuple[HTTPStatus, dict[str, object]]:
        if path not in {"/live", "/ready"}:
            return HTTPStatus.NOT_FOUND, {"status": "unknown path", "paths": ["/live", "/ready"]}
        failing = verdict(self._progress, self._clock())
        if path == "/ready" and not self._progress.ready:
            failing.append("ready: the state is not verified yet")
        status = HTTPStatus.SERVICE_UNAVAILABLE if failing else HTTPStatus.OK
        return status, {"status": "failing" if failing else "ok", "failing": failing}

    def _why(self, error: OSError) -> str:
        if error.errno == errno.EADDRINUSE:
            return (
                f"[health] port {self._port} on {self._host} is in use by another process: "
                "set [health] port to a free one, or to 0 to do without."
            )
        if error.errno == errno.EACCES:
            return f"[health] port {self._port} is not ours to use: set one above 1023."
        return f"[health] host {self._host} is no address of this machine: {error.strerror}."


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Two processes on one port would answer for each other; on Windows, reuse_address allows it.
    allow_reuse_address = os.name == "posix"
    allow_reuse_port = False

    def __init__(
        self, host: str, port: int, answer: Callable[[str], tuple[HTTPStatus, dict[str, object]]]
    ) -> None:
        self.answer = answer
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        # The base class asks DNS for our own name, which can take many seconds and serves nothing.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        # A prober that hangs up early is no news; anything else is a defect of ours.
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 5
    server_version = "spikewatch"
    sys_version = ""

    def do_GET(self) -> None:
        status, answer = self.server.answer(self.path.partition("?")[0])
        body = json.dumps(answer).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Log nothing: probes arrive every few seconds."""
