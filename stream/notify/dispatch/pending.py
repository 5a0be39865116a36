"""What waits to be sent: put into the queue of a thread, left out again, kept within bounds."""

from collections.abc import Iterable
from itertools import pairwise

from schemas.audit import Reason
from schemas.codec import clean
from stream.notify.dispatch import audit_entries
from stream.notify.dispatch.thread_index import PendingWrites, ThreadIndex
from stream.notify.model.message import Action
from stream.notify.model.threads import (
    MOST_PENDING,
    NotificationState,
    QueuedMessage,
    ReceiverThread,
)
from stream.notify.routing.rules import NotificationConfig


class Queues:
    """The queues of all threads in a register."""

    def __init__(self, register: ThreadIndex, plan: NotificationConfig) -> None:
        """Of the threads in *register*, for the receivers of *plan*."""
        self._register = register
        self._plan = plan

    def take_back_its_end(self, thread: ReceiverThread, now: float, changes: PendingWrites) -> None:
        """It is back, or goes on: an end that waits to be told never was one."""
        ends = [p for p in thread.pending if p.action == "resolve" and p.due > now]
        thread.open = thread.open or bool(ends)
        self.leave_out(thread, ends, "the episode was reopened or goes on", now, changes)

    def leave_out(
        self,
        thread: ReceiverThread,
        items: Iterable[QueuedMessage],
        why: str,
        now: float,
        changes: PendingWrites,
    ) -> None:
        """What waits is not sent any more, and the audit says why."""
        partition = self._register.partition_of[thread.key]
        for item in items:
            thread.pending.remove(item)
            changes.entries[partition].append(audit_entries.superseded(thread, item, now, why))

    def keep(self, one: NotificationState, changes: PendingWrites) -> None:
        """It changed: it has to be made durable, and to be found by its new state."""
        self._register.note(one)
        changes.threads[self._register.partition_of[one.key]][one.key] = one

    def append(
        self,
        thread: ReceiverThread,
        action: Action,
        reason: Reason,
        now: float,
        changes: PendingWrites,
        *,
        due: float,
        sequence: int,
        event: bytes = b"",
        detail: str = "",
        by: str = "",
        transition: str = "",
        arrived: float = 0.0,
    ) -> None:
        """Put a message into the queue, if the receiver has a use for it."""
        if action not in self._plan.receivers[thread.receiver].sink.actions:
            return
        thread.counter += 1
        thread.pending.append(
            QueuedMessage(
                action, reason, sequence, thread.counter, now, due, event, clean(detail, 500), by,
                transition, arrived,
            )
        )  # fmt: skip
        if len(thread.pending) > MOST_PENDING:
            self._make_room(thread, now, changes)
        self.keep(thread, changes)

    def _make_room(self, thread: ReceiverThread, now: float, changes: PendingWrites) -> None:
        """Leave out what newer messages say better; the first may be on its way."""
        later = thread.pending[1:-1]
        gone = next((p for p in later if p.action in ("update", "answer", "acknowledge")), None)
        pair = next(
            (
                [one, other]
                for one, other in pairwise(later)
                if (one.action, other.action) in (("resolve", "open"), ("open", "resolve"))
            ),
            later[:1],
        )
        left_out = [gone] if gone is not None else pair
        self.leave_out(thread, left_out, "too many messages are queued", now, changes)

    def hush(self, thread: ReceiverThread, now: float, changes: PendingWrites) -> None:
        """What waits to be told of a snoozed episode is not told; the first may be on its way."""
        updates = [p for p in thread.pending[1:] if p.action == "update"]
        self.leave_out(thread, updates, "snoozed", now, changes)
