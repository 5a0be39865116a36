"""Guard that runs one command and ends it as soon as the requesting process is gone.

Not imported, but executed by path by :class:`stream.trial.broker.local_broker.Broker`::

    python -I guard.py GRACE_SECONDS DIRECTORY_OR_EMPTY COMMAND...

Its standard input is a pipe whose other end is held only by the requesting process, so an end of
file signals that this process died, however suddenly. The guard writes the pid of the command to
its standard output, on one line. SIGTERM ends the command. If the requesting process died, the
guard removes DIRECTORY, since nothing else will.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def _tie_to(guard: int) -> Callable[[], None] | None:
    """Return a function that ties the command to the guard, if the system supports that."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard:
            os._exit(1)

    return tie


def _end(child: "subprocess.Popen[bytes]", grace: float) -> None:
    child.terminate()
    try:
        child.wait(grace)
    except subprocess.TimeoutExpired:
        child.kill()


def main(grace: float, directory: str, command: list[str]) -> int:
    """Run the command to its end and return its exit code, 128 + N if signal N killed it."""
    ending = threading.Event()
    orphaned = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    # Start the command in the main thread, which lives as long as the guard: Linux sends the death
    # signal when the starting *thread* ends. No other thread runs yet, so a preexec_fn is safe.
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        preexec_fn=_tie_to(os.getpid()),
    )
    os.write(1, f"{child.pid}\n".encode())

    def watch_asker() -> None:
        while os.read(0, 1):
            pass
        orphaned.set()
        ending.set()

    def watch_child() -> None:
        child.wait()
        ending.set()

    for watch in (watch_asker, watch_child):
        threading.Thread(target=watch, daemon=True).start()
    while not ending.wait(0.5):  # with a timeout, so that signal handlers run on every system
        pass
    if child.poll() is None:
        _end(child, grace)
    code = child.wait()
    if orphaned.is_set() and directory:
        shutil.rmtree(directory, ignore_errors=True)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    # os._exit, because a thread may still be blocked in os.read.
    os._exit(main(float(sys.argv[1]), sys.argv[2], sys.argv[3:]))
