"""Record the outcome of sending: delivered, given up, or failed and to be tried again."""

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
    """Updates threads and digests with the outcome of each message."""

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
            log: Called with a line for the log when a message is given up.
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
        one: NotificationState,
        item: QueuedMessage,
        now: float,
        *,
        delivered: bool,
        handle: dict[str, str],
        attempts: int,
        why: str = "",
    ) -> PendingWrites:
        """Record that *item* was delivered or given up.

        Args:
            one: The thread or digest of the item. If its partition is no longer assigned, nothing
                is recorded.
            item: The queued item.
            now: Wall clock, seconds since 1970.
            delivered: Whether the provider accepted the message.
            handle: What the provider calls the episode from now on.
            attempts: Number of attempts, at least 1.
            why: The last error, if it was given up.

        Returns:
            What has to be made durable.
        """
        changes = PendingWrites()
        if not self._register.has(one):
            return changes
        if item in one.pending:
            one.pending.remove(item)
        one.sink, one.handle = self._plan.receivers[one.receiver].sink.kind, handle
        self._repeats.record(one.key, now)
        detail = f"{attempts} attempt{'' if attempts == 1 else 's'}" + (f": {why}" if why else "")
        partition = self._register.partition_of[one.key]
        changes.entries[partition].append(
            audit_entries.of_item(
                one, item, "sent" if delivered else "given_up", now, detail=detail
            )
        )
        if not delivered:
            self._log(f"{one.receiver} was not notified of {one.episode}: {why}")
            if isinstance(one, ReceiverThread) and item.action == "open":
                self._forget_opening(one, now, changes)
            if not item.fallback_notified:
                self._fallback.notify(one, item, why, now, changes)
        if isinstance(one, Digest):
            self._digests.sent(one, item, now, changes, delivered=delivered)
        if not one.pending and not one.running:
            one.ended_at = now
        self._queues.keep(one, changes)
        return changes

    def _forget_opening(self, thread: ReceiverThread, now: float, changes: PendingWrites) -> None:
        """Treat the receiver as not notified: it needs no end, and later events are new to it."""
        if not thread.running:
            rest = [p for p in thread.pending if p.action in ("update", "resolve")]
            self._queues.leave_out(
                thread, rest, "the receiver was never notified of the opening", now, changes
            )
        if not thread.pending:
            thread.open, thread.notified = False, None

    def record_failure(
        self, one: NotificationState, item: QueuedMessage, attempt: int, why: str, now: float
    ) -> PendingWrites:
        """Record an attempt that failed and will be repeated; notify the fallback after a while.

        Args:
            one: The thread or digest of the item.
            item: The queued item.
            attempt: Number of the attempt, from 1.
            why: The error.
            now: Wall clock, seconds since 1970.

        Returns:
            What has to be made durable.
        """
        changes = PendingWrites()
        if not self._register.has(one):
            return changes
        partition = self._register.partition_of[one.key]
        if attempt & (attempt - 1) == 0:  # 1, 2, 4, 8, ...: more entries would say nothing new
            changes.entries[partition].append(
                audit_entries.of_item(
                    one, item, "failed", now, detail=why, what=f"{item.action}{attempt}"
                )
            )
        waited = now - max(item.since, item.due)
        if not item.fallback_notified and waited >= self._plan.general.fallback_minutes * 60.0:
            item.fallback_notified = True
            self._fallback.notify(one, item, f"{why}; spikewatch keeps trying", now, changes)
            self._queues.keep(one, changes)
        return changes

    def reset_receiver(self, one: NotificationState, kind: str, changes: PendingWrites) -> None:
        """Start a thread or digest again because its receiver became another kind of sink.

        Args:
            one: The thread or digest; changed.
            kind: The new kind of sink.
            changes: What has to be made durable; added to.
        """
        if one.open:
            self._log(
                f"{one.receiver} changed from {one.sink} to {kind}: its earlier messages about "
                f"{one.episode} stay as they are"
            )
        one.sink, one.handle, one.open = "", {}, False
        if isinstance(one, ReceiverThread):
            one.notified = None
        self._queues.keep(one, changes)

    def give_up_receiver(
        self, one: NotificationState, partition: int, now: float, changes: PendingWrites
    ) -> None:
        """Give up what is queued for a receiver that was removed from the notification file.

        The fallback is notified of what the receiver did not get.

        Args:
            one: The thread or digest; it is forgotten.
            partition: Its partition.
            now: Wall clock, seconds since 1970.
            changes: What has to be made durable; added to.
        """
        why = "the receiver is no longer in the notification file"
        for item in one.pending:
            changes.entries[partition].append(
                audit_entries.of_item(one, item, "given_up", now, detail=why)
            )
        if one.pending:
            self._log(f"{one.receiver} was not notified of {one.episode}: {why}")
            if one.running:
                self._fallback.notify(one, one.pending[-1], why, now, changes)
        changes.forgotten[partition].append(one.key)
        changes.threads[partition].pop(one.key, None)
        self._register.drop(one.key)
