"""Recorder of the outcomes of sending: delivered, given up, or failed and to be retried."""

from collections.abc import Callable

from stream.notify.dispatch import audit_entries
from stream.notify.dispatch.digests import Digests
from stream.notify.dispatch.fallback import Fallback
from stream.notify.dispatch.pending import Queues
from stream.notify.dispatch.repeats import Repeats
from stream.notify.dispatch.thread_index import PendingWrites, ThreadIndex
from stream.notify.model.threads import Digest, NotificationState, QueuedMessage, ReceiverThread
from stream.notify.routing.rules import NotificationConfig


class Outcomes:
    """Recorder that updates threads and digests with the outcome of each message."""

    def __init__(
        self,
        plan: NotificationConfig,
        register: ThreadIndex,
        queues: Queues,
        digests: Digests,
        fallback: Fallback,
        repeats: Repeats,
        log: Callable[[str], None],
    ) -> None:
        """Create the recorder.

        Args:
            plan: The notification file.
            register: All threads and digests of the assigned partitions.
            queues: The queues of the threads.
            digests: The digests.
            fallback: Notifies other receivers of a failure.
            repeats: Times of the last message to each receiver.
            log: Called with a log line when a message is given up.
        """
        self._plan = plan
        self._register = register
        self._queues = queues
        self._digests = digests
        self._fallback = fallback
        self._repeats = repeats
        self._log = log

    def record_result(
        self,
        state: NotificationState,
        item: QueuedMessage,
        now: float,
        *,
        delivered: bool,
        handle: dict[str, str],
        attempts: int,
        why: str = "",
    ) -> PendingWrites:
        """Record that a message was delivered or given up.

        Args:
            state: The thread or digest of the item. Nothing is recorded if its partition is no
                    longer assigned.
            item: The queued item.
            now: Wall clock, seconds since 1970.
            delivered: Whether the provider accepted the message.
            handle: Identifiers of the episode at the provider from now on.
            attempts: Number of attempts, at least 1.
            why: The last error, if the message was given up.

        Returns:
            What has to be made durable.
        """
        changes = PendingWrites()
        if not self._register.has(state):
            return changes
        if item in state.pending:
            state.pending.remove(item)
        state.sink, state.handle = self._plan.receivers[state.receiver].sink.kind, handle
        self._repeats.record(state.key, now)
        detail = f"{attempts} attempt{'' if attempts == 1 else 's'}" + (f": {why}" if why else "")
        partition = self._register.partition_of[state.key]
        changes.entries[partition].append(
            audit_entries.of_item(
                state, item, "sent" if delivered else "given_up", now, detail=detail
            )
        )
        if not delivered:
            self._log(f"{state.receiver} was not notified of episode {state.episode}: {why}")
            if isinstance(state, ReceiverThread) and item.action == "open":
                self._forget_opening(state, now, changes)
            if not item.fallback_notified:
                self._fallback.notify(state, item, why, now, changes)
        if isinstance(state, Digest):
            self._digests.sent(state, item, now, changes, delivered=delivered)
        if not state.pending and not state.running:
            state.ended_at = now
        self._queues.keep(state, changes)
        return changes

    def _forget_opening(self, thread: ReceiverThread, now: float, changes: PendingWrites) -> None:
        """Mark the receiver as not notified, so that later events are new to it."""
        if not thread.running:
            rest = [p for p in thread.pending if p.action in ("update", "resolve")]
            self._queues.leave_out(
                thread, rest, "the receiver was never notified of the opening", now, changes
            )
        if not thread.pending:
            thread.open, thread.notified = False, None

    def record_failure(
        self, state: NotificationState, item: QueuedMessage, attempt: int, why: str, now: float
    ) -> PendingWrites:
        """Record a failed attempt that will be retried; notify the fallback after a while.

        Args:
            state: The thread or digest of the item.
            item: The queued item.
            attempt: Number of the attempt, from 1.
            why: The error.
            now: Wall clock, seconds since 1970.

        Returns:
            What has to be made durable.
        """
        changes = PendingWrites()
        if not self._register.has(state):
            return changes
        partition = self._register.partition_of[state.key]
        if attempt & (attempt - 1) == 0:  # 1, 2, 4, 8, ...: more entries would add nothing
            changes.entries[partition].append(
                audit_entries.of_item(
                    state, item, "failed", now, detail=why, what=f"{item.action}{attempt}"
                )
            )
        waited = now - max(item.since, item.due)
        if not item.fallback_notified and waited >= self._plan.general.fallback_minutes * 60.0:
            item.fallback_notified = True
            self._fallback.notify(state, item, f"{why}; spikewatch keeps retrying", now, changes)
            self._queues.keep(state, changes)
        return changes

    def reset_receiver(self, state: NotificationState, kind: str, changes: PendingWrites) -> None:
        """Restart a thread or digest because its receiver became another kind of sink.

        Args:
            state: The thread or digest; modified in place.
            kind: The new kind of sink.
            changes: Collects what has to be made durable.
        """
        if state.open:
            self._log(
                f"{state.receiver} changed from {state.sink} to {kind}: its earlier messages about "
                f"episode {state.episode} will not be updated"
            )
        state.sink, state.handle, state.open = "", {}, False
        if isinstance(state, ReceiverThread):
            state.notified = None
        self._queues.keep(state, changes)

    def give_up_receiver(
        self, state: NotificationState, partition: int, now: float, changes: PendingWrites
    ) -> None:
        """Give up the messages queued for a receiver that was removed from the notification file.

        The fallback is notified of the messages that the receiver did not get.

        Args:
            state: The thread or digest; it is forgotten.
            partition: Partition of the thread or digest.
            now: Wall clock, seconds since 1970.
            changes: Collects what has to be made durable.
        """
        why = "the receiver is no longer in the notification file"
        for item in state.pending:
            changes.entries[partition].append(
                audit_entries.of_item(state, item, "given_up", now, detail=why)
            )
        if state.pending:
            self._log(f"{state.receiver} was not notified of episode {state.episode}: {why}")
            if state.running:
                self._fallback.notify(state, state.pending[-1], why, now, changes)
        changes.forgotten[partition].append(state.key)
        changes.threads[partition].pop(state.key, None)
        self._register.drop(state.key)
