"""Snapshots that no crash, no former owner and no compaction can corrupt."""

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.state.snapshots import (
    FORMAT,
    MOST_OWNERS,
    PROGRESS_KEY,
    REWRITTEN_AT_ONCE,
    Progress,
    Recovery,
    SnapshotWriter,
    StateError,
    Version,
    VersionPair,
    add_checksum,
)
from tests.support.examples import examples

Record = tuple[bytes, bytes]
State = dict[bytes, bytes]
NEVER = 1e12
KEYS = [b"a", b"b", b"c"]


def content(source: int) -> tuple[bytes, bytes]:
    """Return the value that the source record at this offset sets, for every owner alike."""
    rng = random.Random(source * 7919)
    return rng.choice(KEYS), b"%d" % source


def truth(until: int) -> State:
    """Return the state after all source records below *until*."""
    return dict(content(source) for source in range(until))


@dataclass
class Owner:
    """An owner of the partition, which applies source records and writes snapshots."""

    number: int
    recovery: Recovery
    state: State = field(default_factory=dict)
    next: int = 0
    touched: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.writer = SnapshotWriter(self.number, 0, self.recovery)
        self.state = {key: version.data for key, version in self.recovery.versions().items()}
        self.next = self.recovery.progress.next

    def fold(self, count: int) -> None:
        for source in range(self.next, self.next + count):
            key, value = content(source)
            self.state[key] = value
            self.touched.add(key)
        self.next += count

    def snapshot(self, now: float = 0.0, rewrite: float = NEVER) -> list[Record]:
        changed = [(key, self.state[key]) for key in sorted(self.touched)]
        self.touched.clear()
        return self.writer.snapshot(changed, self.next, 0.0, now, rewrite)


@dataclass
class Log:
    """A changelog whose records have the time at which they were written."""

    records: list[tuple[bytes, bytes, float]] = field(default_factory=list)

    def append(self, records: list[Record], now: float = 0.0) -> None:
        self.records += [(key, data, now) for key, data in records]

    def read(self) -> Recovery:
        recovery = Recovery()
        for key, data, at in self.records:
            recovery.read(key, data, at)
        return recovery

    def compact(self, rng: random.Random, before: float) -> None:
        """Drop, at random, records older than *before* that a later such record replaces."""
        last = {key: i for i, (key, _, at) in enumerate(self.records) if at < before}
        self.records = [
            record
            for i, record in enumerate(self.records)
            if record[2] >= before or last[record[0]] == i or rng.random() < 0.3
        ]


def check(recovery: Recovery, least: int) -> None:
    """Assert that the recovered state is that of an offset of at least *least*."""
    assert recovery.progress.next >= least
    found = {key: version.data for key, version in recovery.versions().items()}
    assert found == truth(recovery.progress.next)


def test_an_empty_changelog_recovers_to_the_beginning() -> None:
    """Recovery from an empty changelog starts at the first offset."""
    recovery = Recovery()
    assert recovery.versions() == {}
    assert recovery.progress == Progress()
    assert recovery.progress.partition == -1


def test_a_snapshot_ends_with_its_progress() -> None:
    """The progress record is written last and holds offset, tick and partition."""
    records = SnapshotWriter(7, 3).snapshot([(b"a", b"1"), (b"b", b"2")], 5, 9.5, 0.0, NEVER)
    assert [key for key, _ in records] == [b"a", b"b", PROGRESS_KEY]
    recovery = Recovery()
    for key, data in records:
        recovery.read(key, data, 0.0)
    assert recovery.progress == Progress(5, 9.5, {7: 1}, 3)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.data())
def test_a_torn_snapshot_recovers_to_the_previous_one(
    folds: list[int], data: st.DataObject
) -> None:
    """Any prefix of the last snapshot recovers to the previous one, compacted or not."""
    owner, log = Owner(1, Recovery()), Log()
    for number, count in enumerate(folds):
        owner.fold(count)
        before = owner.next - count
        records = owner.snapshot()
        if number == len(folds) - 1:
            cut = data.draw(st.integers(0, len(records) - 1))
            log.append(records[:cut])
            for compacted in (False, True):
                if compacted:  # as a broker compacts while no owner runs
                    log.compact(_Always(), 1.0)
                recovery = log.read()
                check(recovery, before)
                assert recovery.progress.next == before
        else:
            log.append(records)
            check(log.read(), owner.next)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=25))
def test_repeated_crashes_never_corrupt_a_snapshot(life: list[tuple[int, int, bool]]) -> None:
    """After each crash within a snapshot, the successor recovers the last complete one."""
    log, number, least = Log(), 1, 0
    owner = Owner(number, Recovery())
    for count, cut, crash in life:
        owner.fold(count)
        records = owner.snapshot()
        if crash:
            log.append(records[: min(cut, len(records) - 1)])
            number += 1
            recovery = log.read()
            check(recovery, least)
            owner = Owner(number, recovery)
            assert owner.state == truth(owner.next)
        else:
            log.append(records)
            least = owner.next
    check(log.read(), least)


steps = st.lists(
    st.tuples(
        st.sampled_from(["work", "work", "work", "takeover", "late", "late", "torn"]),
        st.integers(0, 4),
        st.integers(0, 5),
    ),
    max_size=30,
)


@given(steps, st.booleans(), st.integers(0, 2**16))
@settings(max_examples=examples(300))
def test_a_late_write_of_a_former_owner_is_never_half_accepted(
    life: list[tuple[str, int, int]], rewriting: bool, seed: int
) -> None:
    """No late write of a former owner corrupts the state, in any interleaving.

    A former owner may have folded records that its successors have yet to fold; then its whole
    snapshot may stand until they have. What is recovered is never a mixture, and never older than
    what the successors wrote.
    """
    rng = random.Random(seed)
    log, number, least, now = Log(), 1, 0, 0.0
    owner, former = Owner(number, Recovery()), []
    for what, count, cut in life:
        now += 1.0
        rewrite = 3.0 if rewriting else NEVER
        if what == "takeover":
            former.append(owner)
            number += 1
            owner = Owner(number, log.read())
        elif what == "late" and former:
            late = rng.choice(former)
            late.fold(count)
            records = late.snapshot(now, rewrite)
            log.append(records if cut > 2 else records[:cut], now)
            if cut <= 2:
                former.remove(late)  # an owner that died within a snapshot must not continue it
        elif what == "torn":
            owner.fold(count)
            log.append(owner.snapshot(now, rewrite)[: max(0, cut - 3)], now)
            number += 1
            owner = Owner(number, log.read())
        else:
            owner.fold(count)
            log.append(owner.snapshot(now, rewrite), now)
            least = max(least, owner.next)
        check(log.read(), least)


def test_a_late_owner_that_rewrites_a_key_hides_no_accepted_version() -> None:
    """A late owner that rewrites a key and then changes it hides no accepted version.

    Neither of its two records of that key is accepted, and neither holds the accepted version.
    """
    log = Log()
    first = Owner(1, Recovery())
    first.fold(20)
    log.append(first.snapshot(0.0), 0.0)
    second = Owner(2, log.read())
    second.fold(1)
    log.append(second.snapshot(1.0), 1.0)
    log.append(first.snapshot(100.0, 10.0), 100.0)
    first.fold(30)
    log.append(first.snapshot(101.0)[:-1], 101.0)
    check(log.read(), 21)


@given(steps, st.integers(0, 2**16))
@settings(max_examples=examples(200))
def test_compaction_loses_no_state_while_old_records_are_rewritten(
    life: list[tuple[str, int, int]], seed: int
) -> None:
    """Compaction of records older than its lag removes no accepted state.

    The owner writes a snapshot every step and each key at least every ten; the lag is thirty;
    former owners wake up within ten steps of their successor, as a producer's timeout has it.
    """
    rng = random.Random(seed)
    log, number, least, now = Log(), 1, 0, 0.0
    owner = Owner(number, Recovery())
    former: list[tuple[Owner, float]] = []
    for what, count, cut in life:
        for _ in range(rng.randrange(1, 5)):
            now += 1.0
            log.append(owner.snapshot(now, 10.0), now)
            least = max(least, owner.next)
        former = [(old, since) for old, since in former if now - since <= 10.0]
        if what == "takeover":
            former.append((owner, now))
            number += 1
            owner = Owner(number, log.read())
        elif what == "late" and former:
            old, _ = former.pop(rng.randrange(len(former)))
            old.fold(count)
            log.append(old.snapshot(now, 10.0)[: cut - 5 or None], now)
        else:
            owner.fold(count)
        log.compact(rng, now - 30.0)
        check(log.read(), least)


def test_without_rewriting_compaction_could_lose_a_key() -> None:
    """Without rewriting, a late record could replace an accepted one that is then compacted."""

    def after(rewrite: float) -> Recovery:
        log = Log()
        first = Owner(1, Recovery())
        first.fold(20)
        log.append(first.snapshot(0.0), 0.0)
        second = Owner(2, log.read())
        first.touched = {KEYS[0]}
        log.append(first.snapshot(1.0)[:1], 1.0)
        first.touched = {KEYS[0]}
        log.append(first.snapshot(2.0)[:1], 2.0)
        for step in range(3, 60):
            log.append(second.snapshot(float(step), rewrite), float(step))
            log.compact(_Always(), step - 30.0)
        return log.read()

    check(after(10.0), 20)
    assert KEYS[0] not in after(NEVER).versions()


class _Always(random.Random):
    """A random source that always drops a record."""

    def random(self) -> float:
        return 1.0


def test_old_records_are_rewritten_oldest_first() -> None:
    """A snapshot also rewrites up to 200 records that are too old, until none is left."""
    writer = SnapshotWriter(1, 0)
    keys = [b"%03d" % n for n in range(450)]
    writer.snapshot([(key, b"x") for key in keys], 1, 0.0, 0.0, 100.0)
    assert len(writer.snapshot([], 1, 0.0, 100.0, 100.0)) == 1
    written = []
    for _ in range(3):
        records = writer.snapshot([], 1, 0.0, 101.0, 100.0)
        assert len(records) <= REWRITTEN_AT_ONCE + 1
        written += [key for key, _ in records[:-1]]
    assert written == keys
    assert len(writer.snapshot([], 1, 0.0, 101.0, 100.0)) == 1


def test_a_successor_knows_how_old_records_are() -> None:
    """A successor rewrites the old records of a former owner when they reach the age limit."""
    log = Log()
    first = SnapshotWriter(1, 0)
    log.append(first.snapshot([(b"a", b"1")], 1, 0.0, 0.0, NEVER), 50.0)
    log.append(first.snapshot([(b"b", b"2")], 2, 0.0, 0.0, NEVER), 90.0)
    second = SnapshotWriter(2, 0, log.read())
    assert [key for key, _ in second.snapshot([], 2, 0.0, 120.0, 60.0)] == [b"a", PROGRESS_KEY]
    assert [key for key, _ in second.snapshot([], 2, 0.0, 151.0, 60.0)] == [b"b", PROGRESS_KEY]


def test_the_list_of_owners_stays_short() -> None:
    """After hundreds of owners the progress record names only those it needs."""
    log = Log()
    for number in range(1, 300):
        writer = SnapshotWriter(number, 0, log.read())
        changed = [(b"k%d" % (number % 5), b"%d" % number)]
        log.append(writer.snapshot(changed, number, 0.0, float(number), NEVER), float(number))
    recovery = log.read()
    assert len(recovery.progress.accepted) <= MOST_OWNERS + 1
    assert {key: v.data for key, v in recovery.versions().items()} == {
        b"k%d" % (n % 5): b"%d" % n for n in range(295, 300)
    }


def test_a_quiet_key_survives_hundreds_of_owners() -> None:
    """An owner that wrote the newest version of a key is never dropped from the list."""
    log = Log()
    log.append(SnapshotWriter(1, 0).snapshot([(b"quiet", b"1")], 1, 0.0, 0.0, NEVER))
    for number in range(2, 200):
        writer = SnapshotWriter(number, 0, log.read())
        log.append(writer.snapshot([(b"busy", b"%d" % number)], number, 0.0, 0.0, NEVER))
    assert log.read().versions()[b"quiet"].data == b"1"
    assert 1 in log.read().progress.accepted


@pytest.mark.parametrize("key", [b"a", PROGRESS_KEY])
def test_a_damaged_record_is_rejected(key: bytes) -> None:
    """A changed byte or a truncated record raises, so that no owner starts with partial state."""
    record = Progress(5) if key == PROGRESS_KEY else VersionPair(Version(1, 1, b"x" * 20))
    good = add_checksum(record)
    Recovery().read(key, good, 0.0)
    for place in range(len(good)):
        flipped = good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]
        for damaged in (flipped, good[:place]):
            with pytest.raises(StateError):
                Recovery().read(key, damaged, 0.0)


def test_a_newer_format_is_refused_with_advice() -> None:
    """A record of a newer release raises an error that says what to do."""
    newer = bytes([FORMAT + 1]) + add_checksum(Progress(5))[1:]
    with pytest.raises(StateError, match="newer release"):
        Recovery().read(PROGRESS_KEY, newer, 0.0)


def test_a_record_with_the_wrong_content_is_refused() -> None:
    """A valid envelope around the wrong content raises a StateError."""
    with pytest.raises(StateError):
        Recovery().read(PROGRESS_KEY, add_checksum(VersionPair(Version(1, 1, b""))), 0.0)
    with pytest.raises(StateError):
        Recovery().read(b"a", add_checksum(Progress(5)), 0.0)
