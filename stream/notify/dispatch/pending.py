"""Queues of messages: adding, dropping and bounding the pending messages of a thread."""

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
    """Queues of all threads in the index."""

    def __init__(self, register: ThreadIndex, plan: NotificationConfig) -> None:
        """Work on the threads of an index, for the receivers of a notification file."""
        self._register = register
        self._plan = plan

    def take_back_its_end(self, thread: ReceiverThread, now: float, changes: PendingWrites) -> None:
        """Drop a pending resolve message, because the episode was reopened or continues."""
        ends = [p for p in thread.pending if p.action == "resolve" and p.due > now]
        thread.open = thread.open or bool(ends)
        self.leave_out(thread, ends, "the episode was reopened or continues", now, changes)

    def leave_out(
        self,
        thread: ReceiverThread,
        items: Iterable[QueuedMessage],
        why: str,
        now: float,
        changes: PendingWrites,
    ) -> None:
        """Drop pending messages and record the reason in the audit trail."""
        partition = self._register.partition_of[thread.key]
        for item in items:
            thread.pending.remove(item)
            changes.entries[partition].append(audit_entries.superseded(thread, item, now, why))

    def keep(self, state: NotificationState, changes: PendingWrites) -> None:
        """Update the index for a changed thread or digest, and mark it to be made durable."""
        self._register.note(state)
        changes.threads[self._register.partition_of[state.key]][state.key] = state

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
        """Queue a message, if the receiver's sink supports the action.

        Args:
            thread: The thread to queue the message in.
            action: Effect of the message on the receiver's view of the episode.
            reason: Reason of the message.
            now: Wall clock, seconds since 1970.
            changes: Collects what has to be made durable.
            due: Time to send the message, seconds since 1970.
            sequence: Sequence of the event; 0: there is no event.
            event: The packed event; empty: there is no event.
            detail: Text that the message begins with.
            by: Name of the person who responded.
            transition: Transition of the event, or the action of the response.
            arrived: Time at which the event was appended to its topic, seconds since 1970; 0: none.
        """
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
        """Drop a message that newer ones replace, but never the first, which may be in flight."""
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
        """Drop updates of a snoozed episode, but never the first, which may be in flight."""
        updates = [p for p in thread.pending[1:] if p.action == "update"]
        self.leave_out(thread, updates, "snoozed", now, changes)
