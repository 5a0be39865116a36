"""The index of threads and digests: find them by key, episode, digest or state."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from schemas.audit import AuditEntry
from stream.notify.model.threads import Digest, DigestKind, NotificationState, ReceiverThread
from stream.notify.routing.rules import NotificationConfig


class PendingWrites:
    """What has to be made durable, by partition."""

    def __init__(self) -> None:
        """Create it empty."""
        self.threads: defaultdict[int, dict[str, NotificationState]] = defaultdict(dict)
        self.entries: defaultdict[int, list[AuditEntry]] = defaultdict(list)
        self.forgotten: defaultdict[int, list[str]] = defaultdict(list)

    @property
    def partitions(self) -> set[int]:
        """The partitions with changes."""
        return {*self.threads, *self.entries, *self.forgotten}

    def add(self, more: "PendingWrites") -> None:
        """Add the later changes of *more*."""
        for partition in more.partitions:
            self.threads[partition].update(more.threads[partition])
            self.entries[partition] += more.entries[partition]
            self.forgotten[partition] += more.forgotten[partition]


class ThreadIndex:
    """All threads and digests of the assigned partitions."""

    def __init__(self, plan: NotificationConfig) -> None:
        """Create an empty index for the receivers of *plan*."""
        self._plan = plan
        self.all: dict[str, NotificationState] = {}
        self.partition_of: dict[str, int] = {}
        self.waiting: set[str] = set()
        """Keys with pending messages."""
        self.muted: set[str] = set()
        """Keys of open episodes that a silence or quiet hours mute."""
        self.snoozed: set[str] = set()
        """Keys whose receivers have to be notified when the snooze ends."""
        self.repeated: set[str] = set()
        """Keys whose receivers need repetitions of open episodes."""
        self._by_episode: defaultdict[str, set[str]] = defaultdict(set)
        self._members: defaultdict[str, set[str]] = defaultdict(set)
        self._pages: defaultdict[tuple[str, str], dict[str, float]] = defaultdict(dict)
        self._digests: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)

    def add(self, one: NotificationState, partition: int) -> None:
        """Add a thread or digest of *partition*."""
        self.all[one.key] = one
        self.partition_of[one.key] = partition
        receiver = self._plan.receivers.get(one.receiver)
        if receiver is not None and receiver.sink.repeats(receiver.options) is not None:
            self.repeated.add(one.key)
        if isinstance(one, ReceiverThread):
            self._by_episode[one.episode].add(one.key)
        else:
            self._digests[one.kind, one.receiver, one.address].add(one.key)
        self.note(one)

    def note(self, one: NotificationState) -> None:
        """Update every set of the index for a changed thread or digest."""
        key = one.key
        _keep(self.waiting, key, bool(one.pending))
        if isinstance(one, ReceiverThread):
            _keep(self.muted, key, bool(one.muted_by) and one.muted_by != "snoozed" and one.running)
            _keep(self.snoozed, key, one.snooze_end_pending)
            if one.paged_at:
                self._pages[one.receiver, one.address][key] = one.paged_at
            if one.digest:
                self._members[one.digest].add(key)

    def drop(self, key: str) -> None:
        """Remove the thread or digest *key*."""
        one = self.all.pop(key)
        del self.partition_of[key]
        for keys in (self.waiting, self.muted, self.snoozed, self.repeated):
            keys.discard(key)
        if isinstance(one, ReceiverThread):
            _forget(self._by_episode, one.episode, key)
            _forget(self._members, one.digest, key)
            self._pages[one.receiver, one.address].pop(key, None)
        else:
            _forget(self._digests, (one.kind, one.receiver, one.address), key)

    def leave_digest(self, thread: ReceiverThread) -> None:
        """Remove *thread* from its digest."""
        _forget(self._members, thread.digest, thread.key)
        thread.digest = ""

    def has(self, one: NotificationState) -> bool:
        """Return whether *one* is still in the index, so its partition is still assigned."""
        return self.all.get(one.key) is one

    def keys_of(self, partition: int) -> list[str]:
        """Return the keys of all threads and digests of a partition."""
        return [key for key, number in self.partition_of.items() if number == partition]

    def thread(self, key: str) -> ReceiverThread | None:
        """Return the thread *key*; None: there is no such thread."""
        found = self.all.get(key)
        return found if isinstance(found, ReceiverThread) else None

    def threads_of(self, episode: str) -> list[ReceiverThread]:
        """Return the threads of an episode, sorted by key."""
        return [t for k in sorted(self._by_episode.get(episode, ())) if (t := self.thread(k))]

    def digest(self, thread: ReceiverThread) -> Digest | None:
        """Return the digest that *thread* is a member of; None: it is missing."""
        for kind in ("storm", "stale"):
            for key in self._digests.get((kind, thread.receiver, thread.address), ()):
                found = self.all[key]
                if isinstance(found, Digest) and found.episode == thread.digest:
                    return found
        return None

    def digests(self, kind: DigestKind, receiver: str, address: str) -> Iterator[Digest]:
        """Yield the digests of a receiver."""
        for key in sorted(self._digests.get((kind, receiver, address), ())):
            found = self.all[key]
            if isinstance(found, Digest):
                yield found

    def members(self, digest: Digest) -> list[ReceiverThread]:
        """Return the threads that are members of *digest*, sorted by key."""
        found = (self.thread(key) for key in sorted(self._members.get(digest.episode, ())))
        return [
            one
            for one in found
            if one is not None and (one.receiver, one.address) == (digest.receiver, digest.address)
        ]

    def had_its_share(self, receiver: str, address: str, now: float) -> bool:
        """Return whether a receiver got as many new episodes as the storm limit allows."""
        general = self._plan.general
        since = now - general.storm_minutes * 60.0
        pages = self._pages[receiver, address]
        for key in [key for key, at in pages.items() if at <= since]:
            del pages[key]
        return len(pages) >= general.storm_pages

    def of(self, keys: Iterable[str]) -> list[NotificationState]:
        """Return the threads and digests with these *keys*, sorted by key."""
        return [self.all[key] for key in sorted(keys) if key in self.all]


def _keep(keys: set[str], key: str, there: bool) -> None:
    if there:
        keys.add(key)
    else:
        keys.discard(key)


def _forget(found: "defaultdict[Any, set[str]]", name: object, key: str) -> None:
    if name in found:
        found[name].discard(key)
        if not found[name]:
            del found[name]
