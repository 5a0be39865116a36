"""Index of threads and digests by key, episode, digest or state."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from schemas.audit import AuditEntry
from stream.notify.model.threads import Digest, DigestKind, NotificationState, ReceiverThread
from stream.notify.routing.rules import NotificationConfig


class PendingWrites:
    """Changes that have to be made durable, by partition."""

    def __init__(self) -> None:
        """Create an empty set of changes."""
        self.threads: defaultdict[int, dict[str, NotificationState]] = defaultdict(dict)
        self.entries: defaultdict[int, list[AuditEntry]] = defaultdict(list)
        self.forgotten: defaultdict[int, list[str]] = defaultdict(list)

    @property
    def partitions(self) -> set[int]:
        """Partitions with changes."""
        return {*self.threads, *self.entries, *self.forgotten}

    def add(self, more: "PendingWrites") -> None:
        """Add later changes."""
        for partition in more.partitions:
            self.threads[partition].update(more.threads[partition])
            self.entries[partition] += more.entries[partition]
            self.forgotten[partition] += more.forgotten[partition]


class ThreadIndex:
    """Index of all threads and digests of the assigned partitions."""

    def __init__(self, plan: NotificationConfig) -> None:
        """Create an empty index for the receivers of a notification file."""
        self._plan = plan
        self.all: dict[str, NotificationState] = {}
        self.partition_of: dict[str, int] = {}
        self.waiting: set[str] = set()
        """Keys with pending messages."""
        self.muted: set[str] = set()
        """Keys of open episodes that are muted by a silence or quiet hours."""
        self.snoozed: set[str] = set()
        """Keys whose receivers have to be notified when a snooze ends."""
        self.repeated: set[str] = set()
        """Keys whose receivers need open episodes repeated."""
        self._by_episode: defaultdict[str, set[str]] = defaultdict(set)
        self._members: defaultdict[str, set[str]] = defaultdict(set)
        self._pages: defaultdict[tuple[str, str], dict[str, float]] = defaultdict(dict)
        self._digests: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)

    def add(self, one: NotificationState, partition: int) -> None:
        """Add a thread or digest of a partition."""
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

    def note(self, state: NotificationState) -> None:
        """Update every set of the index for a changed thread or digest."""
        key = state.key
        _keep(self.waiting, key, bool(state.pending))
        if isinstance(state, ReceiverThread):
            _keep(
                self.muted,
                key,
                bool(state.muted_by) and state.muted_by != "snoozed" and state.running,
            )
            _keep(self.snoozed, key, state.snooze_end_pending)
            if state.paged_at:
                self._pages[state.receiver, state.address][key] = state.paged_at
            if state.digest:
                self._members[state.digest].add(key)

    def drop(self, key: str) -> None:
        """Remove the thread or digest with this key."""
        state = self.all.pop(key)
        del self.partition_of[key]
        for keys in (self.waiting, self.muted, self.snoozed, self.repeated):
            keys.discard(key)
        if isinstance(state, ReceiverThread):
            _forget(self._by_episode, state.episode, key)
            _forget(self._members, state.digest, key)
            self._pages[state.receiver, state.address].pop(key, None)
        else:
            _forget(self._digests, (state.kind, state.receiver, state.address), key)

    def leave_digest(self, thread: ReceiverThread) -> None:
        """Remove a thread from its digest."""
        _forget(self._members, thread.digest, thread.key)
        thread.digest = ""

    def has(self, state: NotificationState) -> bool:
        """Return whether a thread or digest is indexed, that is, its partition is assigned."""
        return self.all.get(state.key) is state

    def keys_of(self, partition: int) -> list[str]:
        """Return the keys of all threads and digests of a partition."""
        return [key for key, number in self.partition_of.items() if number == partition]

    def thread(self, key: str) -> ReceiverThread | None:
        """Return the thread with this key; None: there is none."""
        state = self.all.get(key)
        return state if isinstance(state, ReceiverThread) else None

    def threads_of(self, episode: str) -> list[ReceiverThread]:
        """Return the threads of an episode, sorted by key."""
        return [t for k in sorted(self._by_episode.get(episode, ())) if (t := self.thread(k))]

    def alerts_of(self, episode: str) -> list[Mapping[str, str]]:
        """Return the labels of the alerts that an Alertmanager has about an episode."""
        alerts = []
        for thread in self.threads_of(episode):
            receiver = self._plan.receivers.get(thread.receiver)
            if receiver is not None and thread.sink == receiver.sink.kind:
                alerts.append(receiver.sink.alert_labels(thread.handle))
        return [labels for labels in alerts if labels is not None]

    def digest(self, thread: ReceiverThread) -> Digest | None:
        """Return the digest that a thread is a member of; None: it is missing."""
        for kind in ("storm", "stale"):
            for key in self._digests.get((kind, thread.receiver, thread.address), ()):
                state = self.all[key]
                if isinstance(state, Digest) and state.episode == thread.digest:
                    return state
        return None

    def digests(self, kind: DigestKind, receiver: str, address: str) -> Iterator[Digest]:
        """Yield the digests of a receiver."""
        for key in sorted(self._digests.get((kind, receiver, address), ())):
            state = self.all[key]
            if isinstance(state, Digest):
                yield state

    def members(self, digest: Digest) -> list[ReceiverThread]:
        """Return the member threads of a digest, sorted by key."""
        threads = (self.thread(key) for key in sorted(self._members.get(digest.episode, ())))
        return [
            member
            for member in threads
            if member is not None
            and (member.receiver, member.address) == (digest.receiver, digest.address)
        ]

    def had_its_share(self, receiver: str, address: str, now: float) -> bool:
        """Return whether a receiver got as many new episodes as ``storm_pages`` allows."""
        general = self._plan.general
        since = now - general.storm_minutes * 60.0
        pages = self._pages[receiver, address]
        for key in [key for key, at in pages.items() if at <= since]:
            del pages[key]
        return len(pages) >= general.storm_pages

    def of(self, keys: Iterable[str]) -> list[NotificationState]:
        """Return the threads and digests with the given keys, sorted by key."""
        return [self.all[key] for key in sorted(keys) if key in self.all]


def _keep(keys: set[str], key: str, belongs: bool) -> None:
    if belongs:
        keys.add(key)
    else:
        keys.discard(key)


def _forget(keys_by_name: "defaultdict[Any, set[str]]", name: object, key: str) -> None:
    if name in keys_by_name:
        keys_by_name[name].discard(key)
        if not keys_by_name[name]:
            del keys_by_name[name]
