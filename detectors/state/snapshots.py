"""Crash-consistent snapshots: a pair of versions per key, and one progress record.

Several records must change together (a series, its tenant, the remembered ids), and a crash leaves
an arbitrary prefix of the changelog. Each record therefore holds a *pair*: its newest version and
the previous one, each with the owner and the generation that wrote it. A progress record, written
last, contains the last complete generation of each owner. Recovery takes the newest version of each
key that the progress record accepts. Whatever the prefix, the result is an exact snapshot of the
whole partition at offset ``next``.

Every owner has a unique id, so late writes of a paused former owner are not accepted. Nor do they
let compaction delete the accepted version: a snapshot also rewrites each key that has not been
written for a time well below the compaction lag of the changelog.
"""

import zlib
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

FORMAT: Final = 1
"""Format of the envelope around each record."""
MOST_OWNERS: Final = 32
"""Beyond this number, owners without a current version are dropped from the progress record."""
REWRITTEN_AT_ONCE: Final = 200
"""The most old records that one snapshot rewrites."""


class StateError(Exception):
    """A record of the changelog cannot be read, so the worker must not start."""


class Version(msgspec.Struct, array_like=True, frozen=True):
    """The value that one generation of one owner wrote under a key."""

    owner: int
    generation: int
    data: bytes


class VersionPair(msgspec.Struct, array_like=True, frozen=True):
    """The newest version of a key, and the version that was accepted when it was written."""

    new: Version
    old: Version | None = None


class Progress(msgspec.Struct, array_like=True, frozen=True):
    """The progress of a partition: its source offset and the accepted generations."""

    next: int = 0
    """All records of the source topic below this offset are included."""
    ticked: float = 0.0
    """The latest included tick of wall-clock time, seconds since 1970."""
    accepted: dict[int, int] = {}
    """Last complete generation by owner, in the order in which the owners took over."""
    partition: int = -1
    source_ids: dict[str, str] = {}
    """The id of each source topic by name. Older releases did not write it, and old brokers have
    no ids."""


def add_checksum(record: VersionPair | Progress) -> bytes:
    """Encode a record and prefix it with its format and checksum."""
    content = msgspec.msgpack.encode(record)
    return bytes([FORMAT]) + zlib.crc32(content).to_bytes(4, "big") + content


def verify_checksum(data: bytes, key: bytes) -> bytes:
    """Return the content of a record.

    Raises:
        StateError: The record is too short, its checksum is wrong, or its format is unknown.
    """
    if len(data) < 5:
        raise StateError(f"record {key!r}: {len(data)} bytes are too short for a record")
    if data[0] != FORMAT:
        raise StateError(
            f"record {key!r}: format {data[0]}, this release reads {FORMAT}; a newer release "
            "wrote it: run that release, or start with another [kafka] group"
        )
    content = data[5:]
    if zlib.crc32(content) != int.from_bytes(data[1:5], "big"):
        raise StateError(f"record {key!r}: the checksum is wrong")
    return content


class Recovery:
    """The records of one partition's changelog, read in order."""

    def __init__(self) -> None:
        """Start without records."""
        self.progress = Progress()
        self._pairs: dict[bytes, dict[int, VersionPair]] = {}
        """The last pair by key and owner."""
        self._kept: dict[bytes, dict[int, Version]] = {}
        """Accepted versions that late writes of a former owner would hide, by key and owner."""
        self._written: dict[bytes, float] = {}

    def read(self, key: bytes, data: bytes, written_at: float) -> None:
        """Read one record of the changelog.

        Args:
            key: The key of the record.
            data: The value of the record.
            written_at: When the record was written, seconds since 1970.

        Raises:
            StateError: The record is damaged or was written by a newer release.
        """
        try:
            if key == PROGRESS_KEY:
                progress = decode_progress(verify_checksum(data, key))
                if progress.next >= self.progress.next:
                    self.progress = progress
                return
            pair = _decode_pair(verify_checksum(data, key))
        except msgspec.MsgspecError as error:
            raise StateError(f"record {key!r}: {error}") from None
        # The last write of a key may be a late one of a former owner, so keep one per owner.
        by_owner = self._pairs.setdefault(key, {})
        before = by_owner.get(pair.new.owner)
        if before is not None and not self._accepted(pair):  # a repeated late write
            for version in self._accepted(before)[:1]:
                self._kept.setdefault(key, {})[version.owner] = version
        by_owner[pair.new.owner] = pair
        self._written[key] = written_at

    def versions(self) -> dict[bytes, Version]:
        """Return the newest version of each key that the progress record accepts."""
        order = {owner: index for index, owner in enumerate(self.progress.accepted)}
        newest = {}
        for key, by_owner in self._pairs.items():
            kept = self._kept.get(key, {}).values()
            candidates = [
                version
                for pair in (*by_owner.values(), *map(VersionPair, kept))
                for version in self._accepted(pair)
            ]
            if candidates:  # none if only an incomplete generation has written the key
                newest[key] = max(candidates, key=lambda v: (order[v.owner], v.generation))
        return newest

    def _accepted(self, pair: VersionPair) -> list[Version]:
        """Return the accepted versions of a pair, the newest first."""
        generations = self.progress.accepted
        return [
            version
            for version in (pair.new, pair.old)
            if version is not None and generations.get(version.owner, -1) >= version.generation
        ]

    def written_at(self, key: bytes) -> float:
        """Return when a key was last written, seconds since 1970; 0 if never."""
        return self._written.get(key, 0.0)


class SnapshotWriter:
    """Builder of the snapshot records of one owner and one partition."""

    def __init__(self, owner: int, partition: int, recovery: Recovery | None = None) -> None:
        """Continue from a recovered snapshot.

        Args:
            owner: A unique id of the owner: random, 62 bits.
            partition: The number of the partition.
            recovery: The records of the partition's changelog; None: there are none.
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
        source_ids: Mapping[str, str] | None = None,
    ) -> list[tuple[bytes, bytes]]:
        """Return the records to write, in order: changed records, rewritten old ones, progress.

        Args:
            changed: Keys and encoded values of the changed records.
            next_offset: All records of the source topic below this offset are included.
            ticked: The latest included tick, seconds since 1970.
            now: Wall-clock time of this machine, seconds since 1970; it only determines which
                records are rewritten.
            rewrite_seconds: The age from which a record is rewritten, in seconds.
            source_ids: The id of each source topic by name.
        """
        self._generation += 1
        records = [(key, self._pair(key, data, now)) for key, data in changed]
        records += [
            (key, self._pair(key, self._versions[key].data, now))
            for key in self._too_old(now - rewrite_seconds)
        ]
        self._accepted[self._owner] = self._generation
        self._forget_owners()
        progress = Progress(
            next_offset, ticked, dict(self._accepted), self._partition, dict(source_ids or {})
        )
        return [*records, (PROGRESS_KEY, add_checksum(progress))]

    def _pair(self, key: bytes, data: bytes, now: float) -> bytes:
        new = Version(self._owner, self._generation, data)
        encoded = add_checksum(VersionPair(new, self._versions.get(key)))
        self._versions[key] = new
        self._written.pop(key, None)  # move the key to the end, because the order is by age
        self._written[key] = now
        return encoded

    def _too_old(self, before: float) -> list[bytes]:
        old: list[bytes] = []
        for key, written in self._written.items():
            if written >= before or len(old) >= REWRITTEN_AT_ONCE:
                break
            old.append(key)
        return old

    def _forget_owners(self) -> None:
        if len(self._accepted) > MOST_OWNERS:
            current = {version.owner for version in self._versions.values()} | {self._owner}
            self._accepted = {o: g for o, g in self._accepted.items() if o in current}


PROGRESS_KEY: Final = b"progress"
_decode_pair = msgspec.msgpack.Decoder(VersionPair).decode
decode_progress = msgspec.msgpack.Decoder(Progress).decode
