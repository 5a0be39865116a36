"""All tenants of a partition: the same however it is cut, repeated, stopped, torn or compacted."""

import random
from collections.abc import Callable
from functools import lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.memory.deduplication import fingerprint
from detectors.policy.settings import Settings
from detectors.state.snapshots import (
    PROGRESS_KEY,
    Recovery,
    StateError,
    Version,
    VersionPair,
    add_checksum,
)
from detectors.state.tenant import Tenant
from detectors.step import partition as module
from detectors.step.partition import Partition
from schemas.codec import write_escalation
from schemas.signals import OTHER, HistoryEnd, Mode, Signal, Tick, Ticket
from tests.support.examples import examples

State = dict[str, bytes]
StateOf = Callable[[Tenant], State]
Record = tuple[bytes, bytes]

NEVER = 1e12
MONDAY = 1772409600.0  # 2026-03-02
HOUR = 3600.0
SETTINGS = Settings(
    cooldown_minutes=60, clear_minutes=5, areas_per_tenant=3, tenants_per_partition=4
)
OURS = bytes([module.STATE_VERSION])
NEWER = bytes([module.STATE_VERSION + 1])
seeds = st.integers(0, 2**20)
slow_cases = settings(max_examples=examples(25))


@lru_cache(maxsize=64)
def stream(seed: int, length: int = 250) -> tuple[Signal, ...]:
    """Tenants in all modes, bursts that page, silences that resolve, ticks, late ones, end marks.

    Live tickets come up to a minute late, sometimes hours; ticks are a minute behind, as the
    ticker's are.
    """
    rng = random.Random(seed)
    at = MONDAY + rng.randrange(100) * HOUR
    found: list[Signal] = []
    modes: dict[str, Mode] = {"live": "live", "past": "history", "demo": "simulated"}
    while len(found) < length:
        at += rng.choice((5.0, 30.0, 400.0, 2_000.0, 9_000.0)) * rng.random()
        tenant = rng.choice(["live", "live", "live", "past", "demo", "new", "other", "more"])
        mode = modes.get(tenant, "live")
        area = rng.choice(["login", "login", "api", "billing", "x", "y"])
        for _ in range(rng.choice((1, 1, 1, 10))):
            at += 20.0 * rng.random()
            late = rng.choice((0.0, 0.0, 30.0, 60.0)) if rng.random() < 0.95 else 9_000.0
            customer = rng.choice([None, "noisy", f"c{rng.randrange(9_999)}"])
            number = f"{len(found)}"
            created = at - late * rng.random()
            event = None if rng.random() < 0.5 else f"e{number}"
            found.append(
                Ticket(tenant, number, created, area, event_id=event, customer=customer, mode=mode)
            )
        if rng.random() < 0.3:
            at += rng.choice((60.0, 60.0, 3 * HOUR)) * rng.random()
            found.append(Tick(at - 60.0))
        if rng.random() < 0.05:
            found.append(HistoryEnd("past"))
            modes["past"] = "live"
        if rng.random() < 0.05:
            found.append(Tick(at, "demo"))
    found.append(Tick(at + HOUR))
    return tuple(found)


class Life:
    """A partition, the changelog it writes, and what it says."""

    def __init__(self, owner: int = 1) -> None:
        self.owner = owner
        self.log: list[tuple[bytes, bytes, float]] = []
        self.partition = Partition(0, owner, SETTINGS)
        self.told: list[bytes] = []

    def take(self, signals: tuple[Signal, ...]) -> None:
        for signal in signals:
            self.told += map(write_escalation, self.partition.take(signal).escalations)
            self.partition.next_offset += 1

    def snapshot(self, now: float = 0.0, rewrite: float = NEVER) -> list[Record]:
        return self.partition.snapshot(self.partition.next_offset, now, rewrite)

    def write(self, records: list[Record], now: float = 0.0) -> None:
        self.log += [(key, data, now) for key, data in records]

    def recover(self) -> Recovery:
        recovery = Recovery()
        for key, data, at in self.log:
            recovery.read(key, data, at)
        return recovery

    def restart(self) -> None:
        """A new owner, with what the changelog holds."""
        self.owner += 1
        self.partition = Partition(0, self.owner, SETTINGS, self.recover())


@pytest.fixture(scope="module")
def all_of(state_of: StateOf) -> Callable[[Partition], dict[str, State]]:
    """A function that encodes every tenant, area and segment, touched or not."""
    return lambda partition: {
        name: state_of(tenant) for name, tenant in sorted(partition.tenants.items())
    }


AllOf = Callable[[Partition], dict[str, State]]


@lru_cache(maxsize=64)
def whole(seed: int) -> tuple[Life, int]:
    """A life without a break, and how much it said."""
    life = Life()
    life.take(stream(seed))
    return life, len(life.told)


@pytest.mark.slow
def test_the_streams_of_these_tests_say_something() -> None:
    """The streams page, resolve, reach the caps and hold late tickets: equality says something."""
    words = b"".join(b"".join(whole(seed)[0].told) for seed in range(40))
    for word in (b".opened.", b".updated.", b".resolved.", b".reopened.", b'"history"'):
        assert words.count(word) > 2, word
    assert b'"tenant":"__other__"' in words
    assert b'"product_area":"__other__"' in words
    outcomes = {Life().partition.take(Tick(MONDAY)).outcome}
    life = Life()
    outcomes |= {life.partition.take(signal).outcome for signal in stream(1, 1_000)}
    assert {"counted", "late", "tick", "history_end"} <= outcomes


@pytest.mark.slow
@given(seeds, seeds)
@slow_cases
def test_snapshots_change_nothing(all_of: AllOf, seed: int, cuts: int) -> None:
    """However the signals are cut into snapshots, events and state are the same bytes."""
    rng = random.Random(cuts)
    life = Life()
    for signal in stream(seed):
        life.take((signal,))
        if rng.random() < 0.2:
            life.write(life.snapshot())
    plain, _ = whole(seed)
    assert life.told == plain.told
    assert all_of(life.partition) == all_of(plain.partition)


@pytest.mark.slow
@given(seeds, seeds)
@slow_cases
def test_what_snapshots_hold_is_the_state(all_of: AllOf, seed: int, cuts: int) -> None:
    """One snapshot at the end or hundreds on the way: what is recovered of either is the same."""
    rng = random.Random(cuts)
    often, once = Life(), Life()
    for signal in stream(seed):
        often.take((signal,))
        if rng.random() < 0.2:
            often.write(often.snapshot())
    once.take(stream(seed))
    for life in (often, once):
        life.write(life.snapshot())
        life.restart()
    assert all_of(often.partition) == all_of(once.partition) == all_of(whole(seed)[0].partition)


@given(seeds, seeds)
@slow_cases
def test_a_restart_at_any_point_changes_nothing(all_of: AllOf, seed: int, cuts: int) -> None:
    """Stopped and recovered anywhere, as often as you like, it says the same and ends the same."""
    rng = random.Random(cuts)
    life = Life()
    for number, signal in enumerate(stream(seed)):
        if rng.random() < 0.05:
            life.write(life.snapshot())
            life.restart()
            assert life.partition.next_offset == number
        life.take((signal,))
    plain, _ = whole(seed)
    assert life.told == plain.told
    assert all_of(life.partition) == all_of(plain.partition)


@pytest.mark.slow
def test_a_restart_after_every_single_signal_changes_nothing(all_of: AllOf) -> None:
    """No state hides from the snapshot: recovered after each signal, all encodes to the same."""
    for seed in (3, 4):
        life = Life()
        for signal in stream(seed, 150):
            life.take((signal,))
            life.write(life.snapshot())
            before = all_of(life.partition)
            life.restart()
            assert all_of(life.partition) == before
        plain = Life()
        plain.take(stream(seed, 150))
        assert life.told == plain.told


@pytest.mark.slow
@given(seeds, seeds)
@slow_cases
def test_crashes_repeat_events_and_lose_none(all_of: AllOf, seed: int, cuts: int) -> None:
    """A crash tears the last snapshot; resumed at its offset, each event is said at least once.

    What is said again is byte for byte what was said: consumers drop it by its id.
    """
    rng = random.Random(cuts)
    life, signals = Life(), stream(seed)
    while life.partition.next_offset < len(signals):
        start = life.partition.next_offset
        life.take(signals[start : start + rng.randrange(1, 40)])
        records = life.snapshot()
        if rng.random() < 0.3:
            life.write(records[: rng.randrange(len(records))])
            life.restart()
        else:
            life.write(records)
    plain, _ = whole(seed)
    assert list(dict.fromkeys(life.told)) == plain.told
    assert all_of(life.partition) == all_of(plain.partition)


@given(seeds, st.integers(1, 200), seeds)
@slow_cases
def test_a_torn_snapshot_leaves_exactly_the_one_before(
    all_of: AllOf, seed: int, middle: int, cut: int
) -> None:
    """Any prefix of the last snapshot's records is the previous one's state, compacted or not."""
    life = Life()
    life.take(stream(seed)[:middle])
    life.write(life.snapshot())
    before = all_of(life.partition)
    life.take(stream(seed)[middle:])
    records = life.snapshot()
    life.write(records[: cut % len(records)])
    for log in (life.log, [(key, data, 0.0) for key, data in written(life).items()]):
        life.log = log  # second as a broker compacts it while no owner runs
        life.restart()
        assert life.partition.next_offset == middle
        assert all_of(life.partition) == before


@given(seeds, seeds)
@slow_cases
def test_repeats_change_nothing(all_of: AllOf, seed: int, cuts: int) -> None:
    """Each signal sent again, at random later places, leaves events and state as they were.

    End marks are not repeated: they say that what came before them is over. Nor are ticks that are
    still news to a tenant, because it began since, or was in its history then.
    """
    rng = random.Random(cuts)
    life = Life()
    tenants = life.partition.tenants
    waiting: list[tuple[int, Signal]] = []
    for place, signal in enumerate(stream(seed)):
        life.take((signal,))
        if not isinstance(signal, HistoryEnd):
            waiting += [(place + rng.randrange(30), signal)] * rng.randrange(3)
        rng.shuffle(waiting)
        for due, again in [each for each in waiting if each[0] <= place]:
            waiting.remove((due, again))
            clocks = [tenant.clock or 0.0 for tenant in tenants.values()]
            if isinstance(again, Tick) and again.now > min(clocks, default=0.0):
                continue
            done = life.partition.take(again)
            assert done.escalations == []
            assert done.outcome in ("duplicate", "tick", "tick_ignored", "not_simulated")
    plain, _ = whole(seed)
    assert life.told == plain.told
    assert all_of(life.partition) == all_of(plain.partition)


@pytest.mark.slow
@given(seeds, seeds)
@slow_cases
def test_a_former_owners_late_write_changes_nothing(all_of: AllOf, seed: int, cuts: int) -> None:
    """What a paused former owner writes when it wakes up does not reach any successor's state.

    It may still hold the partition at a later offset, whole; then that is what is recovered.
    """
    rng = random.Random(cuts)
    signals = stream(seed)
    life = Life()
    third = len(signals) // 3
    life.take(signals[:third])
    life.write(life.snapshot())
    former = life.partition
    late: list[Record] = []
    offset = third
    for _ in range(rng.randrange(1, 4)):
        for signal in signals[offset : offset + 20]:
            former.take(signal)
        offset += 20
        late += former.snapshot(offset, 0.0, NEVER)
    life.restart()
    life.take(signals[third : 2 * third])
    ours = life.snapshot()
    before = all_of(life.partition)
    while late or ours:  # in any interleaving
        source = late if not ours or (late and rng.random() < 0.5) else ours
        life.write([source.pop(0)])
    life.restart()
    reached = life.partition.next_offset
    assert reached >= 2 * third
    if reached == 2 * third:
        assert all_of(life.partition) == before
    life.partition.next_offset = reached
    life.take(signals[reached:])
    assert all_of(life.partition) == all_of(whole(seed)[0].partition)


@pytest.mark.slow
@given(seeds, seeds)
@slow_cases
def test_compaction_loses_nothing_while_old_records_are_rewritten(
    all_of: AllOf, seed: int, cuts: int
) -> None:
    """With each key rewritten within a third of the lag, any compaction leaves the whole state."""
    rng = random.Random(cuts)
    life = Life()
    for number, signal in enumerate(stream(seed)):
        now = float(number)
        life.take((signal,))
        if rng.random() < 0.5:
            life.write(life.snapshot(now, 10.0), now)
        if rng.random() < 0.1:
            last = {key: i for i, (key, _, at) in enumerate(life.log) if at < now - 30.0}
            life.log = [
                record
                for i, record in enumerate(life.log)
                if record[2] >= now - 30.0 or last[record[0]] == i or rng.random() < 0.3
            ]
        if rng.random() < 0.03:
            life.write(life.snapshot(now, 10.0), now)
            life.restart()
    plain, _ = whole(seed)
    assert life.told == plain.told
    assert all_of(life.partition) == all_of(plain.partition)


# --- ticks ----------------------------------------------------------------------------------------


def test_ticks_alone_write_nothing_but_progress() -> None:
    """A quiet partition's snapshot is one record, however many tenants its ticks move."""
    life = Life()
    for tenant in ("a", "b", "c"):
        life.take((Ticket(tenant, "1", MONDAY),))
    life.snapshot()
    life.take(tuple(Tick(MONDAY + 5.0 * n) for n in range(1, 2_000)))
    assert [key for key, _ in life.snapshot()] == [PROGRESS_KEY]


def test_clocks_moved_by_ticks_survive_a_restart(all_of: AllOf) -> None:
    """Tenants whose records were not written again have the clock that ticks gave them."""
    life = Life()
    live = Ticket("live", "1", MONDAY)
    past = Ticket("past", "1", MONDAY, mode="history")
    demo = Ticket("demo", "1", MONDAY, mode="simulated")
    life.take((live, past, demo))
    life.write(life.snapshot())
    life.take((Tick(MONDAY + 9 * HOUR), Tick(MONDAY + 7.0, "demo")))
    life.write(life.snapshot())
    before = all_of(life.partition)
    life.restart()
    assert all_of(life.partition) == before
    clocks = {name: tenant.clock for name, tenant in life.partition.tenants.items()}
    assert clocks == {"live": MONDAY + 9 * HOUR, "past": MONDAY, "demo": MONDAY + 7.0}


@pytest.mark.parametrize("behind", [0.0, 30.0])
def test_a_tick_that_is_old_news_to_others_survives_too(all_of: AllOf, behind: float) -> None:
    """A repeated or older tick that moves only a new tenant's clock is in the snapshot."""
    life = Life()
    life.take((Ticket("old", "1", MONDAY), Tick(MONDAY + HOUR)))
    life.take((Ticket("new", "1", MONDAY + 60.0),))
    life.write(life.snapshot())
    life.take((Tick(MONDAY + HOUR - behind),))
    life.write(life.snapshot())
    before = all_of(life.partition)
    assert life.partition.tenants["new"].clock == MONDAY + HOUR - behind
    life.restart()
    assert all_of(life.partition) == before


def test_a_tick_from_the_future_moves_nobody() -> None:
    """A tick further ahead than the setting is ignored for all, and not remembered."""
    life = Life()
    life.take((Ticket("a", "1", MONDAY),))
    done = life.partition.take(Tick(MONDAY + 9e9), MONDAY)
    assert done.outcome == "tick_ignored"
    life.write(life.snapshot())
    assert life.recover().progress.ticked == 0.0
    life.restart()
    assert life.partition.tenants["a"].clock == MONDAY


def test_events_of_one_tick_come_in_the_order_of_tenants() -> None:
    """When one tick resolves several tenants, a restart does not change the order of events."""

    def burst(tenant: str) -> tuple[Signal, ...]:
        return tuple(
            Ticket(tenant, f"{n}", MONDAY + 500 * HOUR + n, "login", customer=f"{n}")
            for n in range(20)
        )

    def quiet(tenant: str) -> tuple[Signal, ...]:
        return tuple(
            Ticket(tenant, f"q{n}", MONDAY + n * HOUR, "login", customer=f"{n}") for n in range(500)
        )

    lives = []
    for restart in (False, True):
        life = Life()
        for tenant in ("z", "b", "m"):
            life.take(quiet(tenant) + burst(tenant))
        if restart:
            life.write(life.snapshot())
            life.restart()
        done = life.partition.take(Tick(MONDAY + 600 * HOUR)).escalations
        assert [(e.data.tenant, e.transition) for e in done] == [
            ("b", "resolved"),
            ("m", "resolved"),
            ("z", "resolved"),
        ]
        lives.append(done)
    assert lives[0] == lives[1]


# --- tenants --------------------------------------------------------------------------------------


def test_tenants_do_not_mix(all_of: AllOf) -> None:
    """A tenant's state is the same whoever shares its partition, ids included."""
    alone, shared = Life(), Life()
    for n in range(200):
        mine = Ticket("a", f"{n}", MONDAY + n * 60.0, "login", event_id=f"{n}")
        alone.take((mine,))
        shared.take((Ticket("b", f"{n}", MONDAY + n * 61.0, "login", event_id=f"{n}"), mine))
    assert all_of(alone.partition)["a"] == all_of(shared.partition)["a"]


def test_beyond_the_cap_tenants_share_one() -> None:
    """Tenants beyond the cap are watched together under one name, which tells the partition."""
    for number, name in ((0, OTHER), (3, f"{OTHER}3")):
        partition = Partition(number, 1, SETTINGS)
        for n in range(9):
            partition.take(Ticket(f"tenant {n}", f"{n}", MONDAY + n))
        assert set(partition.tenants) == {*(f"tenant {n}" for n in range(4)), name}
        assert partition.tenants[name].areas["unclassified"].tickets == 5


def test_who_sent_nothing_that_counts_takes_no_place(all_of: AllOf) -> None:
    """Signals that are not taken in make no tenant: the cap is for those that complain."""
    life = Life()
    for n in range(50):
        solved = Ticket(f"nobody {n}", "1", MONDAY, event_type="solved")
        assert life.partition.take(solved).outcome == "not_created"
        ahead = Ticket(f"ahead {n}", "1", MONDAY + 9e6)
        assert life.partition.take(ahead, MONDAY).outcome == "future"
    assert life.partition.take(Tick(MONDAY, "nobody")).outcome == "tick_ignored"
    assert life.partition.take(HistoryEnd("nobody")).outcome == "tick_ignored"
    life.take((Ticket("acme", "1", MONDAY),))
    assert set(life.partition.tenants) == {"acme"}
    life.write(life.snapshot())
    before = all_of(life.partition)
    life.restart()
    assert all_of(life.partition) == before


def test_only_what_changed_is_written() -> None:
    """A ticket in one area writes its tenant, that area, the last segment, and progress."""
    life = Life()
    for tenant in ("a", "b"):
        for area in ("x", "y"):
            life.take((Ticket(tenant, area, MONDAY, area),))
    life.snapshot()
    life.take((Ticket("a", "2", MONDAY + 1.0, "y"),))
    keys = [key for key, _ in life.snapshot()]
    assert keys == [b"tenant\x1fa", b"area\x1fa\x1fy", b"seen\x1fa\x1f0", b"progress"]


# --- what must not start --------------------------------------------------------------------------


def written(life: Life) -> dict[bytes, bytes]:
    """The last record of each key."""
    return {key: data for key, data, _ in life.log}


@pytest.fixture
def stored() -> Life:
    """A life whose snapshot is written."""
    life = Life()
    life.take(stream(5)[:60])
    life.write(life.snapshot())
    return life


@pytest.mark.parametrize("kind", [b"tenant", b"area", b"seen", b"progress"])
def test_a_damaged_record_stops_the_start(stored: Life, kind: bytes) -> None:
    """Whatever record is damaged, nothing starts with less than was known."""
    key = next(key for key in written(stored) if key.startswith(kind))
    for damage in (lambda d: d[:-1], lambda d: d[:-1] + bytes([d[-1] ^ 4]), lambda _: b""):
        with pytest.raises(StateError):
            stored.recover().read(key, damage(written(stored)[key]), 0.0)


@pytest.mark.parametrize("kind", ["tenant", "area", "seen"])
@pytest.mark.parametrize("content", [b"", NEWER + b"abc", OURS, OURS + b"\x93\x01", OURS + b"\xc1"])
def test_content_that_cannot_be_read_stops_the_start(kind: str, content: bytes) -> None:
    """A sound record with content of another release, or none, raises a StateError."""
    life = Life()
    life.take((Ticket("acme", "1", MONDAY, "login"),))
    life.write(life.snapshot())
    key = next(key for key in written(life) if key.startswith(kind.encode()))
    life.write([(key, add_checksum(VersionPair(Version(1, 1, content))))])
    with pytest.raises(StateError):
        Partition(0, 2, SETTINGS, life.recover())


def test_a_newer_state_version_is_refused(stored: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """State of a newer release is not read by an older one, and the message says what to do."""
    monkeypatch.setattr(module, "STATE_VERSION", module.STATE_VERSION + 1)
    newer = Life()
    newer.take(stream(5)[:60])
    newer.write(newer.snapshot())
    monkeypatch.undo()
    with pytest.raises(StateError, match="run the release that wrote it"):
        Partition(0, 2, SETTINGS, newer.recover())
    Partition(0, 2, SETTINGS, stored.recover())


@pytest.mark.parametrize("kind", [b"tenant", b"seen"])
def test_a_missing_record_stops_the_start(kind: bytes) -> None:
    """An area without its tenant, or a gap among segments, is no state."""
    life = Life()
    life.take(tuple(Ticket("acme", f"{n}", MONDAY + n * HOUR, "login") for n in range(5)))
    life.write(life.snapshot())
    key = next(key for key in written(life) if key.startswith(kind))
    life.log = [record for record in life.log if record[0] != key]
    with pytest.raises(StateError):
        Partition(0, 2, SETTINGS, life.recover())


def test_the_state_of_another_partition_is_refused(stored: Life) -> None:
    """After a change of the number of partitions nobody starts on the wrong state."""
    with pytest.raises(StateError, match="number of partitions"):
        Partition(1, 2, SETTINGS, stored.recover())


def test_another_model_starts_anew_and_keeps_the_rest(stored: Life) -> None:
    """A change of the model keeps episodes and what came already, not limits of another scale."""
    config = Settings(
        model="gaussian", areas_per_tenant=3, tenants_per_partition=4, false_pages_per_week=2.0
    )
    partition = Partition(0, 2, config, stored.recover())
    before = stored.partition
    assert set(partition.tenants) == set(before.tenants)
    for name, tenant in partition.tenants.items():
        for area, series in tenant.areas.items():
            old = before.tenants[name].areas[area]
            assert series.model.name == "gaussian"
            assert (series.episode, series.tickets) == (old.episode, old.tickets)
            assert series.limit.peaks == 0
    ticket = next(signal for signal in stream(5) if isinstance(signal, Ticket))
    assert partition.take(ticket).outcome == "duplicate"


def test_fingerprints_of_ids_with_any_text_work() -> None:
    """Whatever text an id is, it is remembered: a ticket's id is never taken for an event's."""
    partition = Partition(0, 1, SETTINGS)
    for name in ("", "\x00", "é", "\U0001f525", "x" * 256):
        assert partition.take(Ticket("a", name, MONDAY, event_id=name)).outcome == "counted"
        assert partition.take(Ticket("a", name, MONDAY)).outcome == "duplicate"
    assert fingerprint("tx") != fingerprint("ex")
