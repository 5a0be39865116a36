"""Digests: one message for many episodes, after too many pages or for episodes already resolved.

A digest is a record of its own, and its members are the threads that name it. So each change
concerns one partition, and a digest whose record is missing (because the process died in between,
or another process owns it) is rebuilt from its members.
"""

from typing import Final

from schemas.audit import audit_id
from schemas.codec import clean
from schemas.escalation import Severity
from stream.escalations.plain_text import headline
from stream.notify.dispatch.audit_entries import moment
from stream.notify.dispatch.thread_index import PendingWrites, ThreadIndex
from stream.notify.model.message import Action, Message
from stream.notify.model.threads import Digest, DigestKind, QueuedMessage, ReceiverThread, unpack
from stream.notify.routing.rules import DeliveryOptions

SHOWN: Final = 15
"""Maximum number of episodes that a digest lists."""
NAME_CHARACTERS: Final = 200


class Digests:
    """Composer of digests: decides their content and when they are sent."""

    def __init__(self, register: ThreadIndex, general: DeliveryOptions) -> None:
        """Work on the digests of an index, with the bounds of the delivery options."""
        self._register = register
        self._general = general

    def join(
        self, thread: ReceiverThread, kind: DigestKind, now: float, changes: PendingWrites
    ) -> None:
        """Add a thread to the open digest of its receiver, or to a new one."""
        partition = self._register.partition_of[thread.key]
        digest = next(
            (
                open_digest
                for open_digest in self._register.digests(kind, thread.receiver, thread.address)
                if not open_digest.closed and now - open_digest.added < self._window
            ),
            None,
        )
        if digest is None:
            identity = audit_id("digest", kind, thread.key, thread.seen, now)
            digest = self._make(identity, thread, kind, partition, now)
        thread.digest = digest.episode
        self._register.note(thread)
        digest.count += 1
        digest.added = now
        self._schedule(digest, now, changes)

    def leave(self, thread: ReceiverThread, now: float, changes: PendingWrites) -> None:
        """Remove a thread from its digest, and close the digest if it has nothing left to report.

        A thread leaves when its receiver is notified of the episode separately. The digest may then
        have no open member, and no later event of an episode would lead back to it.

        Args:
            thread: The thread; nothing happens if it is in no digest.
            now: Wall clock, seconds since 1970.
            changes: Collects what has to be made durable.
        """
        if not thread.digest:
            return
        digest = self._register.digest(thread)
        self._register.leave_digest(thread)
        self.settle(digest, now, changes)

    @property
    def _window(self) -> float:
        return self._general.storm_minutes * 60.0

    def _make(
        self, identity: str, thread: ReceiverThread, kind: DigestKind, partition: int, now: float
    ) -> Digest:
        digest = Digest(identity, thread.receiver, kind, now, now, thread.address, thread.route)
        self._register.add(digest, partition)
        return digest

    def mend(self, thread: ReceiverThread, now: float, changes: PendingWrites) -> None:
        """Rebuild the digest of a thread if it is missing."""
        if not thread.digest or not thread.running or self._register.digest(thread) is not None:
            return
        partition = self._register.partition_of[thread.key]
        digest = self._make(thread.digest, thread, "storm", partition, now)
        digest.count = len(self._register.members(digest))
        self._schedule(digest, now, changes)

    def _schedule(self, digest: Digest, now: float, changes: PendingWrites) -> None:
        """Queue a message about new members: soon if there are many, later otherwise."""
        partition = self._register.partition_of[digest.key]
        changes.threads[partition][digest.key] = digest
        untold = digest.count - digest.notified
        if untold <= 0 or any(item.action != "resolve" for item in digest.pending):
            return
        due = now + self._general.digest_seconds
        if digest.notified and digest.count < 2 * digest.notified:
            due = max(due, digest.sent_at + self._window)
        self._append(digest, "update" if digest.open else "open", now, due)

    def _append(self, digest: Digest, action: Action, now: float, due: float) -> None:
        digest.counter += 1
        reason = "stale_digest" if digest.kind == "stale" else "storm_digest"
        digest.pending.append(QueuedMessage(action, reason, 0, digest.counter, now, due))
        self._register.note(digest)

    def settle(self, digest: Digest | None, now: float, changes: PendingWrites) -> None:
        """Close a digest once all its episodes are resolved and listed."""
        if digest is None or digest.closed or digest.pending or digest.notified < digest.count:
            return
        if any(thread.running for thread in self._register.members(digest)):
            return
        digest.closed = True
        if digest.open:
            self._append(digest, "resolve", now, now)
            digest.open = False
        changes.threads[self._register.partition_of[digest.key]][digest.key] = digest

    def sent(
        self,
        digest: Digest,
        item: QueuedMessage,
        now: float,
        changes: PendingWrites,
        *,
        delivered: bool,
    ) -> None:
        """Record the outcome of a message of a digest."""
        if item.action != "resolve":
            digest.notified = max(digest.notified, item.members)
            digest.sent_at = now
            digest.open = digest.open or delivered
            self._schedule(digest, now, changes)
        self.settle(digest, now, changes)

    def message(self, digest: Digest, item: QueuedMessage) -> Message:
        """Return the message of a queued item, listing all episodes that have joined so far."""
        members = self._register.members(digest)
        item.members = digest.count
        running = sum(thread.running for thread in members)
        named = []
        for thread in members[:SHOWN]:
            event = unpack(thread.event)
            if event is not None:
                named.append(clean(headline(event), NAME_CHARACTERS))
        left = digest.count > len(members)
        title, lines = self._words(digest, item, running, left=left)
        lines += named
        if digest.count > len(named):
            lines.append(f"and {digest.count - len(named)} more")
        grave = digest.kind == "storm" and item.action != "resolve"
        severity: Severity = "error" if grave else "info"
        return Message(
            key=digest.identity,
            id=f"{digest.episode}.{item.sequence}.{item.reason}-{item.number}",
            action=item.action,
            reason=item.reason,
            title=title,
            lines=tuple(lines),
            severity=severity,
            labels={"alertname": "TicketStorm", "severity": severity},
            since=moment(digest.began),
            address=digest.address,
        )

    def _words(
        self, digest: Digest, item: QueuedMessage, running: int, *, left: bool
    ) -> tuple[str, list[str]]:
        if digest.kind == "stale":
            text = "Notifications were delayed; these episodes opened and resolved in the meantime."
            what = "1 episode" if digest.count == 1 else f"{digest.count} episodes"
            title = f"[DIGEST] {what} resolved before a notification could be sent"
            return title, [text]
        if item.action == "resolve" and left:
            return "[RESOLVED] the remaining episodes of the storm are resolved", [
                "Episodes that became critical or were reopened have their own messages."
            ]
        if item.action == "resolve":
            return f"[RESOLVED] all {digest.count} episodes of the storm are resolved", []
        minutes = f"{self._general.storm_minutes:g}"
        return (
            f"[STORM] {digest.count} more episodes, {running} of them open",
            [
                f"More than {self._general.storm_pages} pages in {minutes} minutes; this digest "
                "lists the later ones. The audit trail records each as in_storm_digest."
            ],
        )
