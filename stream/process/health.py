"""Liveness based on progress: whether a worker advances, regardless of what Faust reports.

The server has a thread of its own, so it responds even if the event loop hangs. ``/live`` returns
503 if the process should be killed and restarted. ``/ready`` also returns 503 while the process is
not, or no longer, doing its work. Both return the reasons as JSON.
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
"""Age of the last heartbeat from which the event loop is considered hung."""
STALL_SECONDS = 120.0
"""Time without progress, while records wait, from which a partition is stalled."""
RECOVERY_SECONDS = 300.0
"""Duration from which a recovery or rebalance is considered stuck."""


class HealthError(UserError):
    """The health server cannot listen; the text names the key and what to do."""


@dataclass
class Progress:
    """Progress of the event loop; written only by the loop, read by any thread.

    All times are ``time.monotonic()`` seconds.

    Attributes:
        loop_beat: Time of the loop's last heartbeat, which is updated every few seconds.
        recovering_since: Start of the current recovery or rebalance; None: there is none.
        partitions: Next offset to process, end of the log, and time since which the offset should
            have advanced, by assigned partition; see ``record``.
        ready: Whether the state is verified and signals are being processed.

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
        """Record the position of a partition; call this every few seconds, even without progress.

        The time of a stall counts only while records wait. A partition that was idle for an hour is
        not stalled at the moment its next ticket arrives.

        Args:
            partition: Any key of the partition.
            next_offset: Offset of the next record to process.
            log_end: Offset after the last record in the log.
            now: Monotonic seconds.
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
        """Record the end of a recovery; ``ready`` is set once the state is verified."""
        self.recovering_since = None


def verdict(progress: Progress, now: float) -> list[str]:
    """Return the reasons to kill the process; empty while it is alive.

    Nothing is processed during a recovery, so only the limit on its duration applies then.

    Args:
        progress: The state of the loop.
        now: Monotonic seconds.
    """
    failing = []
    if (silent := now - progress.loop_beat) > LOOP_SECONDS:
        failing.append(
            f"event loop: last heartbeat {silent:.0f} s ago (limit {LOOP_SECONDS:.0f} s)"
        )
    # Read once, because the loop may change the values in between.
    recovering = progress.recovering_since
    if recovering is None:
        for name, (next_offset, log_end, moved_at) in sorted(progress.partitions.copy().items()):
            if log_end > next_offset and (still := now - moved_at) > STALL_SECONDS:
                failing.append(
                    f"partition {name}: {log_end - next_offset} records behind, and no progress "
                    f"from offset {next_offset} for {still:.0f} s (limit {STALL_SECONDS:.0f} s)"
                )
    elif (lasts := now - recovering) > RECOVERY_SECONDS:
        failing.append(f"recovery: running for {lasts:.0f} s (limit {RECOVERY_SECONDS:.0f} s)")
    return failing


class HealthServer:
    """Server of ``/live`` and ``/ready`` for one ``Progress``, with threads of its own.

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
        """Create the server without listening yet.

        Args:
            progress: Progress to report.
            host: Address to listen on, ``[health] host``.
            port: Port to listen on, ``[health] port``; 0: off.
            clock: Returns monotonic seconds, from the same clock as ``progress``.
        """
        self._progress = progress
        self._host = host
        self._port = port
        self._clock = clock
        self._server: _Server | None = None

    def start(self) -> None:
        """Start listening, and return at once.

        Raises:
            HealthError: The server cannot listen on the address.
        """
        if self._port == 0 or self._server is not None:
            return
        try:
            self._server = _Server(self._host, self._port, self._answer)
        except OSError as error:
            raise HealthError(self._why(error)) from error
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()

    def stop(self) -> None:
        """Stop listening; do nothing if the server is not listening."""
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
                "set [health] port to a free port, or to 0 to disable it."
            )
        if error.errno == errno.EACCES:
            return f"[health] port {self._port} requires privileges: set a port above 1023."
        return f"[health] host {self._host} is not an address of this machine: {error.strerror}."


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Two processes on one port would answer each other's probes; on Windows, reuse_address would
    # allow that.
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
        # The base class looks up our name in DNS, which can take many seconds and is not needed.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        # A probe that disconnects early is normal; anything else is a bug.
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
        """Log nothing, because probes arrive every few seconds."""
