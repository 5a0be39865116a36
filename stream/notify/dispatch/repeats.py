"""Repeats for receivers that need the current state at intervals, such as Alertmanager."""

from typing import Final

from stream.notify.dispatch.thread_index import ThreadIndex
from stream.notify.model.threads import ReceiverThread
from stream.notify.routing.rules import NotificationConfig

RESOLVED_SECONDS: Final = 300.0
"""Time for which the resolution of an episode is repeated."""


class Repeats:
    """Times at which each receiver was last sent the state of each episode."""

    def __init__(self, plan: NotificationConfig, register: ThreadIndex) -> None:
        """Create an empty record of times.

        Args:
            plan: The notification file.
            register: All threads and digests of the assigned partitions.
        """
        self._plan = plan
        self._register = register
        self._last_sent: dict[str, float] = {}

    def record(self, key: str, now: float) -> None:
        """Record that a message of the thread with this key was sent at this time."""
        self._last_sent[key] = now

    def forget(self, key: str) -> None:
        """Forget the thread with this key."""
        self._last_sent.pop(key, None)

    def take_due(self, now: float) -> list[ReceiverThread]:
        """Return the threads whose state has to be sent again, and mark them as sent.

        Args:
            now: Wall clock, seconds since 1970.
        """
        threads = []
        for thread in self._register.of(self._register.repeated):
            receiver = self._plan.receivers[thread.receiver]
            every = receiver.sink.repeats(receiver.options)
            if every is None or not isinstance(thread, ReceiverThread) or thread.pending:
                continue
            just_ended = thread.ended_at and now - thread.ended_at < RESOLVED_SECONDS
            if (
                thread.handle
                and (thread.open or just_ended)
                and now - self._last_sent.get(thread.key, 0.0) >= every
            ):
                self._last_sent[thread.key] = now
                threads.append(thread)
        return threads
