"""Snapshots that no crash can tear: version pairs and one progress record.

Several records have to change together (a series, its tenant, the remembered ids), and a crash
leaves any prefix of the changelog behind. So each record holds a *pair*: its newest version and the
one before, each with the owner and the generation that wrote it. A progress record, written last,
names for each owner the last complete generation. Recovery takes the newest version of each key
that the progress record accepts: an exact snapshot of the whole partition at ``next``, whatever the
prefix.

Every owner has an id of its own, so that what a paused former owner writes when it wakes up is not
accepted. Nor can compaction delete the accepted version because of it: a snapshot also rewrites
each key that was last written too long ago, well within the compaction lag of the changelog.
"""

import zlib
from collections.abc import Iterable
from typing import Final

import msgspec

FORMAT: Final = 1
"""Format of the envelope around each record."""
MOST_OWNERS: Final = 32
"""Beyond this number, owners that no version names are dropped from the progress record."""
REWRITTEN_AT_ONCE: Final = 200
"""Old records that one snapshot rewrites, at most."""


class StateError(Exception):
    """A record of the changelog cannot be read; then no worker starts with an incomplete state."""


class Version(msgspec.Struct, array_like=True, frozen=True):
    """What one generation of one owner wrote under a key."""

    owner: int
    generation: int
    data: bytes


class VersionPair(msgspec.Struct, array_like=True, frozen=True):
    """The newest version, and the one that was accepted when it was written."""

    new: Version
    old: Version | None = None


class Progress(msgspec.Struct, array_like=True, frozen=True):
    """How far the accepted versions reach."""

    next: int = 0
    """All records of the source below this offset are included."""
    ticked: float = 0.0
    """The latest tick of wall-clock time that is included, seconds since 1970."""
    accepted: dict[int, int] = {}
    """Each owner's last complete generation; owners in the order in which they followed each
    other."""
    partition: int = -1


def add_checksum(record: VersionPair | Progress) -> bytes:
    """Return a record with its format and checksum in front."""
    content = msgspec.msgpack.encode(record)
    return bytes([FORMAT]) + zlib.crc32(content).to_bytes(4, "big") + content


def verify_checksum(data: bytes, key: bytes) -> bytes:
    """Return the content of a record.

    Raises:
        StateError: The checksum does not match, or the format is of a newer release.
    """
    if len(data) < 5:
        raise StateError(f"record {key!r}: {len(data)} bytes are no record")
    if data[0] != FORMAT:
        raise StateError(
            f"record {key!r}: format {data[0]}, this release reads {FORMAT}; "
            "a newer release wrote it: go back to it, or start under another [kafka] group"
        )
    content = data[5:]
    if zlib.crc32(content) != int.from_bytes(data[1:5], "big"):
        raise StateError(f"record {key!r}: the checksum is wrong")
    return content


class Recovery:
    """What was read of one partition's changelog, in its order."""

    def __init__(self) -> None:
        """Start with nothing read."""
        self.progress = Progress()
        self._twins: dict[bytes, dict[int, VersionPair]] = {}
        self._kept: dict[bytes, dict[int, Version]] = {}
        """Accepted versions that late writes of a former owner are about to hide, by owner."""
        self._written: dict[bytes, float] = {}

    def read(self, key: bytes, data: bytes, written_at: float) -> None:
        """Read one record that was written at *written_at* (seconds since 1970).

        Raises:
            StateError: It is damaged, or of a newer release.
        """
        try:
            if key == PROGRESS_KEY:
                progress = decode_progress(verify_checksum(data, key))
                if progress.next >= self.progress.next:
                    self.progress = progress
                return
            twin = _decode_twin(verify_checksum(data, key))
        except msgspec.MsgspecError as error:
            raise StateError(f"record {key!r}: {error}") from None
        # A former owner's late write may come last: keep the last one of each owner.
        by_owner = self._twins.setdefault(key, {})
        before = by_owner.get(twin.new.owner)
        if before is not None and not self._accepted(twin):  # late, and not for the first time
            for version in self._accepted(before)[:1]:
                self._kept.setdefault(key, {})[version.owner] = version
        by_owner[twin.new.owner] = twin
        self._written[key] = written_at

    def versions(self) -> dict[bytes, Version]:
        """Return the newest version of each key that the progress record accepts."""
        turn = {owner: place for place, owner in enumerate(self.progress.accepted)}
        found = {}
        for key, by_owner in self._twins.items():
            kept = self._kept.get(key, {}).values()
            candidates = [
                version
                for twin in (*by_owner.values(), *map(VersionPair, kept))
                for version in self._accepted(twin)
            ]
            if candidates:  # else: first written by a generation that was never complete
                found[key] = max(candidates, key=lambda v: (turn[v.owner], v.generation))
        return found

    def _accepted(self, twin: VersionPair) -> list[Version]:
        """Return the accepted versions of a pair, the newest first."""
        generations = self.progress.accepted
        return [
            version
            for version in (twin.new, twin.old)
            if version is not None and generations.get(version.owner, -1) >= version.generation
        ]

    def written_at(self, key: bytes) -> float:
        """Return when *key* was last written, seconds since 1970."""
        return self._written.get(key, 0.0)


class SnapshotWriter:
    """Makes the records of one owner's snapshots of one partition."""

    def __init__(self, owner: int, partition: int, recovery: Recovery | None = None) -> None:
        """Continue from *recovery*.

        Args:
            owner: An id that no other owner ever had: random, 62 bits.
            partition: The number of the partition.
            recovery: What was read of its changelog.
        """
        recovery = recovery or Recovery()
        self._owner, self._partition, self._generation = owner, partition, 0
        self._accepted = dict(recovery.progress.accepted)
        self._versions = recovery.versions()
        by_age = sorted(self._versions, key=lambda key: (recovery.written_at(key), key))
        self._written = {key: recovery.written_at(key) for key in by_age}
        """When each key was last written, the oldest first."""

    def snapshot(
        self,
        changed: Iterable[tuple[bytes, bytes]],
        next_offset: int,
        ticked: float,
        now: float,
        rewrite_seconds: float,
    ) -> list[tuple[bytes, bytes]]:
        """Return the records to write, in this order: changed ones, old ones, progress.

        Args:
            changed: Keys and their encoded state.
            next_offset: All records of the source below it are included.
            ticked: See `Progress`.
            now: Seconds since 1970 by this machine's clock; decides only what is rewritten.
            rewrite_seconds: The age at which a record is rewritten.
        """
        self._generation += 1
        records = [(key, self._twin(key, data, now)) for key, data in changed]
        records += [
            (key, self._twin(key, self._versions[key].data, now))
            for key in self._too_old(now - rewrite_seconds)
        ]
        self._accepted[self._owner] = self._generation
        self._forget_owners()
        progress = Progress(next_offset, ticked, dict(self._accepted), self._partition)
        return [*records, (PROGRESS_KEY, add_checksum(progress))]

    def _twin(self, key: bytes, data: bytes, now: float) -> bytes:
        new = Version(self._owner, self._generation, data)
        sealed = add_checksum(VersionPair(new, self._versions.get(key)))
        self._versions[key] = new
        self._written.pop(key, None)  # to the end: the order is by age
        self._written[key] = now
        return sealed

    def _too_old(self, before: float) -> list[bytes]:
        old: list[bytes] = []
        for key, written in self._written.items():
            if written >= before or len(old) >= REWRITTEN_AT_ONCE:
                break
            old.append(key)
        return old

    def _forget_owners(self) -> None:
        if len(self._accepted) > MOST_OWNERS:
            named = {version.owner for version in self._versions.values()} | {self._owner}
            self._accepted = {o: g for o, g in self._accepted.items() if o in named}


PROGRESS_KEY: Final = b"progress"
_decode_twin = msgspec.msgpack.Decoder(VersionPair).decode
decode_progress = msgspec.msgpack.Decoder(Progress).decode
