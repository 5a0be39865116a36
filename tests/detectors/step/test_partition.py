"""All tenants of a partition behave the same under repeats, restarts, crashes and compaction."""

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
    """Return signals of tenants in all modes, with bursts, silences, late tickets and end marks.

    Live tickets arrive up to a minute late, sometimes hours; ticks are a minute behind, like those
    of the ticker.
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


class PartitionRun:
    """A partition, its changelog, and the events that it has written."""

    def __init__(self, owner: int = 1) -> None:
        self.owner = owner
        self.log: list[tuple[bytes, bytes, float]] = []
        self.partition = Partition(0, owner, SETTINGS)
        self.written: list[bytes] = []

    def take(self, signals: tuple[Signal, ...]) -> None:
        for signal in signals:
            self.written += map(write_escalation, self.partition.take(signal).escalations)
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
        """Continue with a new owner that recovers from the changelog."""
        self.owner += 1
        self.partition = Partition(0, self.owner, SETTINGS, self.recover())


@pytest.fixture(scope="module")
def all_of(state_of: StateOf) -> Callable[[Partition], dict[str, State]]:
    """Return a function that encodes every tenant, area and segment, touched or not."""
    return lambda partition: {
        name: state_of(tenant) for name, tenant in sorted(partition.tenants.items())
    }


AllOf = Callable[[Partition], dict[str, State]]


@lru_cache(maxsize=64)
def uninterrupted(seed: int) -> tuple[PartitionRun, int]:
    """Return a run without restarts, and the number of its events."""
    run = PartitionRun()
    run.take(stream(seed))
    return run, len(run.written)


@pytest.mark.slow
def test_the_generated_streams_cover_all_transitions() -> None:
    """The streams page, resolve, reach the caps and have late tickets, so that equality matters."""
    words = b"".join(b"".join(uninterrupted(seed)[0].written) for seed in range(40))
    for word in (b".opened.", b".updated.", b".resolved.", b".reopened.", b'"history"'):
        assert words.count(word) > 2, word
    assert b'"tenant":"__other__"' in words
    assert b'"product_area":"__other__"' in words
    outcomes = {PartitionRun().partition.take(Tick(MONDAY)).outcome}
    run = PartitionRun()
    outcomes |= {run.partition.take(signal).outcome for signal in stream(1, 1_000)}
    assert {"counted", "late", "tick", "history_end"} <= outcomes


@pytest.mark.slow
@given(seeds, seeds)
@slow_cases
def test_snapshots_change_neither_events_nor_state(all_of: AllOf, seed: int, cuts: int) -> None:
    """Events and state have the same bytes wherever snapshots are taken."""
    rng = random.Random(cuts)
    run = PartitionRun()
    for signal in stream(seed):
        run.take((signal,))
        if rng.random() < 0.2:
            run.write(run.snapshot())
    plain, _ = uninterrupted(seed)
    assert run.written == plain.written
    assert all_of(run.partition) == all_of(plain.partition)


@pytest.mark.slow
@given(seeds, seeds)
@slow_cases
def test_many_snapshots_recover_to_the_same_state_as_one(
    all_of: AllOf, seed: int, cuts: int
) -> None:
    """Recovery from hundreds of snapshots equals recovery from one at the end."""
    rng = random.Random(cuts)
    often, once = PartitionRun(), PartitionRun()
    for signal in stream(seed):
        often.take((signal,))
        if rng.random() < 0.2:
            often.write(often.snapshot())
    once.take(stream(seed))
    for run in (often, once):
        run.write(run.snapshot())
        run.restart()
    assert (
        all_of(often.partition)
        == all_of(once.partition)
        == all_of(uninterrupted(seed)[0].partition)
    )


@given(seeds, seeds)
@slow_cases
def test_a_restart_at_any_point_changes_nothing(all_of: AllOf, seed: int, cuts: int) -> None:
    """A partition that restarts anywhere, any number of times, has the same events and state."""
    rng = random.Random(cuts)
    run = PartitionRun()
    for number, signal in enumerate(stream(seed)):
        if rng.random() < 0.05:
            run.write(run.snapshot())
            run.restart()
            assert run.partition.next_offset == number
        run.take((signal,))
    plain, _ = uninterrupted(seed)
    assert run.written == plain.written
    assert all_of(run.partition) == all_of(plain.partition)


@pytest.mark.slow
def test_a_restart_after_every_single_signal_changes_nothing(all_of: AllOf) -> None:
    """A partition that recovers after every signal has the same state, so none is missing."""
    for seed in (3, 4):
        run = PartitionRun()
        for signal in stream(seed, 150):
            run.take((signal,))
            run.write(run.snapshot())
            before = all_of(run.partition)
            run.restart()
            assert all_of(run.partition) == before
        plain = PartitionRun()
        plain.take(stream(seed, 150))
        assert run.written == plain.written


@pytest.mark.slow
@given(seeds, seeds)
@slow_cases
def test_crashes_repeat_events_and_lose_none(all_of: AllOf, seed: int, cuts: int) -> None:
    """After a crash within a snapshot, each event is written at least once.

    A repeated event has the same bytes, so that consumers drop it by its id.
    """
    rng = random.Random(cuts)
    run, signals = PartitionRun(), stream(seed)
    while run.partition.next_offset < len(signals):
        start = run.partition.next_offset
        run.take(signals[start : start + rng.randrange(1, 40)])
        records = run.snapshot()
        if rng.random() < 0.3:
            run.write(records[: rng.randrange(len(records))])
            run.restart()
        else:
            run.write(records)
    plain, _ = uninterrupted(seed)
    assert list(dict.fromkeys(run.written)) == plain.written
    assert all_of(run.partition) == all_of(plain.partition)


@given(seeds, st.integers(1, 200), seeds)
@slow_cases
def test_a_torn_snapshot_recovers_to_exactly_the_previous_one(
    all_of: AllOf, seed: int, middle: int, cut: int
) -> None:
    """Any prefix of the last snapshot recovers to the previous state, compacted or not."""
    run = PartitionRun()
    run.take(stream(seed)[:middle])
    run.write(run.snapshot())
    before = all_of(run.partition)
    run.take(stream(seed)[middle:])
    records = run.snapshot()
    run.write(records[: cut % len(records)])
    for log in (run.log, [(key, data, 0.0) for key, data in last_records(run).items()]):
        run.log = log  # the second time as a broker compacts it while no owner runs
        run.restart()
        assert run.partition.next_offset == middle
        assert all_of(run.partition) == before


@given(seeds, seeds)
@slow_cases
def test_repeated_signals_change_nothing(all_of: AllOf, seed: int, cuts: int) -> None:
    """Signals that are repeated at random later places leave events and state unchanged.

    End marks are not repeated, since they close all that precedes them. Neither are ticks that are
    still new to a tenant because it began later or was in its history.
    """
    rng = random.Random(cuts)
    run = PartitionRun()
    tenants = run.partition.tenants
    waiting: list[tuple[int, Signal]] = []
    for place, signal in enumerate(stream(seed)):
        run.take((signal,))
        if not isinstance(signal, HistoryEnd):
            waiting += [(place + rng.randrange(30), signal)] * rng.randrange(3)
        rng.shuffle(waiting)
        for after, again in [each for each in waiting if each[0] <= place]:
            waiting.remove((after, again))
            clocks = [tenant.clock or 0.0 for tenant in tenants.values()]
            if isinstance(again, Tick) and again.now > min(clocks, default=0.0):
                continue
            done = run.partition.take(again)
            assert done.escalations == []
            assert done.outcome in ("duplicate", "tick", "tick_ignored", "not_simulated")
    plain, _ = uninterrupted(seed)
    assert run.written == plain.written
    assert all_of(run.partition) == all_of(plain.partition)


@pytest.mark.slow
@given(seeds, seeds)
@slow_cases
def test_a_late_write_of_a_former_owner_changes_nothing(
    all_of: AllOf, seed: int, cuts: int
) -> None:
    """The late write of a paused former owner does not reach the state of any successor.

    If its snapshot is complete and at a later offset, that snapshot is recovered.
    """
    rng = random.Random(cuts)
    signals = stream(seed)
    run = PartitionRun()
    third = len(signals) // 3
    run.take(signals[:third])
    run.write(run.snapshot())
    former = run.partition
    late: list[Record] = []
    offset = third
    for _ in range(rng.randrange(1, 4)):
        for signal in signals[offset : offset + 20]:
            former.take(signal)
        offset += 20
        late += former.snapshot(offset, 0.0, NEVER)
    run.restart()
    run.take(signals[third : 2 * third])
    ours = run.snapshot()
    before = all_of(run.partition)
    while late or ours:  # in any interleaving
        source = late if not ours or (late and rng.random() < 0.5) else ours
        run.write([source.pop(0)])
    run.restart()
    reached = run.partition.next_offset
    assert reached >= 2 * third
    if reached == 2 * third:
        assert all_of(run.partition) == before
    run.partition.next_offset = reached
    run.take(signals[reached:])
    assert all_of(run.partition) == all_of(uninterrupted(seed)[0].partition)


@pytest.mark.slow
@given(seeds, seeds)
@slow_cases
def test_compaction_loses_no_state_while_old_records_are_rewritten(
    all_of: AllOf, seed: int, cuts: int
) -> None:
    """If each key is rewritten within a third of the lag, compaction leaves the whole state."""
    rng = random.Random(cuts)
    run = PartitionRun()
    for number, signal in enumerate(stream(seed)):
        now = float(number)
        run.take((signal,))
        if rng.random() < 0.5:
            run.write(run.snapshot(now, 10.0), now)
        if rng.random() < 0.1:
            last = {key: i for i, (key, _, at) in enumerate(run.log) if at < now - 30.0}
            run.log = [
                record
                for i, record in enumerate(run.log)
                if record[2] >= now - 30.0 or last[record[0]] == i or rng.random() < 0.3
            ]
        if rng.random() < 0.03:
            run.write(run.snapshot(now, 10.0), now)
            run.restart()
    plain, _ = uninterrupted(seed)
    assert run.written == plain.written
    assert all_of(run.partition) == all_of(plain.partition)


# --- ticks ----------------------------------------------------------------------------------------


def test_ticks_alone_write_only_the_progress_record() -> None:
    """The snapshot of a quiet partition is one record, however many clocks its ticks move."""
    run = PartitionRun()
    for tenant in ("a", "b", "c"):
        run.take((Ticket(tenant, "1", MONDAY),))
    run.snapshot()
    run.take(tuple(Tick(MONDAY + 5.0 * n) for n in range(1, 2_000)))
    assert [key for key, _ in run.snapshot()] == [PROGRESS_KEY]


def test_clocks_moved_by_ticks_survive_a_restart(all_of: AllOf) -> None:
    """Tenants whose records were not rewritten recover the clock that ticks gave them."""
    run = PartitionRun()
    live = Ticket("live", "1", MONDAY)
    past = Ticket("past", "1", MONDAY, mode="history")
    demo = Ticket("demo", "1", MONDAY, mode="simulated")
    run.take((live, past, demo))
    run.write(run.snapshot())
    run.take((Tick(MONDAY + 9 * HOUR), Tick(MONDAY + 7.0, "demo")))
    run.write(run.snapshot())
    before = all_of(run.partition)
    run.restart()
    assert all_of(run.partition) == before
    clocks = {name: tenant.clock for name, tenant in run.partition.tenants.items()}
    assert clocks == {"live": MONDAY + 9 * HOUR, "past": MONDAY, "demo": MONDAY + 7.0}


@pytest.mark.parametrize("behind", [0.0, 30.0])
def test_an_older_tick_that_moves_only_a_new_tenant_survives(all_of: AllOf, behind: float) -> None:
    """A repeated or older tick that moves only a new tenant's clock is in the snapshot."""
    run = PartitionRun()
    run.take((Ticket("old", "1", MONDAY), Tick(MONDAY + HOUR)))
    run.take((Ticket("new", "1", MONDAY + 60.0),))
    run.write(run.snapshot())
    run.take((Tick(MONDAY + HOUR - behind),))
    run.write(run.snapshot())
    before = all_of(run.partition)
    assert run.partition.tenants["new"].clock == MONDAY + HOUR - behind
    run.restart()
    assert all_of(run.partition) == before


def test_a_tick_from_the_future_moves_no_clock() -> None:
    """A tick further ahead than the setting allows is ignored and not remembered."""
    run = PartitionRun()
    run.take((Ticket("a", "1", MONDAY),))
    done = run.partition.take(Tick(MONDAY + 9e9), MONDAY)
    assert done.outcome == "tick_ignored"
    run.write(run.snapshot())
    assert run.recover().progress.ticked == 0.0
    run.restart()
    assert run.partition.tenants["a"].clock == MONDAY


def test_events_of_one_tick_are_ordered_by_tenant() -> None:
    """If one tick resolves several tenants, a restart does not change the order of events."""

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
        run = PartitionRun()
        for tenant in ("z", "b", "m"):
            run.take(quiet(tenant) + burst(tenant))
        if restart:
            run.write(run.snapshot())
            run.restart()
        done = run.partition.take(Tick(MONDAY + 600 * HOUR)).escalations
        assert [(e.data.tenant, e.transition) for e in done] == [
            ("b", "resolved"),
            ("m", "resolved"),
            ("z", "resolved"),
        ]
        lives.append(done)
    assert lives[0] == lives[1]


# --- tenants --------------------------------------------------------------------------------------


def test_tenants_are_independent(all_of: AllOf) -> None:
    """A tenant's state and ids are the same whichever tenants share its partition."""
    alone, shared = PartitionRun(), PartitionRun()
    for n in range(200):
        mine = Ticket("a", f"{n}", MONDAY + n * 60.0, "login", event_id=f"{n}")
        alone.take((mine,))
        shared.take((Ticket("b", f"{n}", MONDAY + n * 61.0, "login", event_id=f"{n}"), mine))
    assert all_of(alone.partition)["a"] == all_of(shared.partition)["a"]


def test_tenants_beyond_the_cap_are_watched_together() -> None:
    """They share one name, which identifies the partition."""
    for number, name in ((0, OTHER), (3, f"{OTHER}3")):
        partition = Partition(number, 1, SETTINGS)
        for n in range(9):
            partition.take(Ticket(f"tenant {n}", f"{n}", MONDAY + n))
        assert set(partition.tenants) == {*(f"tenant {n}" for n in range(4)), name}
        assert partition.tenants[name].areas["unclassified"].tickets == 5


def test_signals_that_do_not_count_create_no_tenant(all_of: AllOf) -> None:
    """Only tenants with counted tickets use up the cap."""
    run = PartitionRun()
    for n in range(50):
        solved = Ticket(f"nobody {n}", "1", MONDAY, event_type="solved")
        assert run.partition.take(solved).outcome == "not_created"
        ahead = Ticket(f"ahead {n}", "1", MONDAY + 9e6)
        assert run.partition.take(ahead, MONDAY).outcome == "future"
    assert run.partition.take(Tick(MONDAY, "nobody")).outcome == "tick_ignored"
    assert run.partition.take(HistoryEnd("nobody")).outcome == "tick_ignored"
    run.take((Ticket("acme", "1", MONDAY),))
    assert set(run.partition.tenants) == {"acme"}
    run.write(run.snapshot())
    before = all_of(run.partition)
    run.restart()
    assert all_of(run.partition) == before


def test_a_snapshot_writes_only_changed_records() -> None:
    """A ticket writes its tenant, its area, the last segment and the progress record."""
    run = PartitionRun()
    for tenant in ("a", "b"):
        for area in ("x", "y"):
            run.take((Ticket(tenant, area, MONDAY, area),))
    run.snapshot()
    run.take((Ticket("a", "2", MONDAY + 1.0, "y"),))
    keys = [key for key, _ in run.snapshot()]
    assert keys == [b"tenant\x1fa", b"area\x1fa\x1fy", b"seen\x1fa\x1f0", b"progress"]


# --- invalid state --------------------------------------------------------------------------------


def last_records(run: PartitionRun) -> dict[bytes, bytes]:
    """Return the last record of each key."""
    return {key: data for key, data, _ in run.log}


@pytest.fixture
def stored() -> PartitionRun:
    """Return a run whose snapshot has been written."""
    run = PartitionRun()
    run.take(stream(5)[:60])
    run.write(run.snapshot())
    return run


@pytest.mark.parametrize("kind", [b"tenant", b"area", b"seen", b"progress"])
def test_a_damaged_record_prevents_the_start(stored: PartitionRun, kind: bytes) -> None:
    """A damaged record of any kind raises, so that no state is lost silently."""
    key = next(key for key in last_records(stored) if key.startswith(kind))
    for damage in (lambda d: d[:-1], lambda d: d[:-1] + bytes([d[-1] ^ 4]), lambda _: b""):
        with pytest.raises(StateError):
            stored.recover().read(key, damage(last_records(stored)[key]), 0.0)


@pytest.mark.parametrize("kind", ["tenant", "area", "seen"])
@pytest.mark.parametrize("content", [b"", NEWER + b"abc", OURS, OURS + b"\x93\x01", OURS + b"\xc1"])
def test_unreadable_content_prevents_the_start(kind: str, content: bytes) -> None:
    """A valid record without content, or with that of another release, raises a StateError."""
    run = PartitionRun()
    run.take((Ticket("acme", "1", MONDAY, "login"),))
    run.write(run.snapshot())
    key = next(key for key in last_records(run) if key.startswith(kind.encode()))
    run.write([(key, add_checksum(VersionPair(Version(1, 1, content))))])
    with pytest.raises(StateError):
        Partition(0, 2, SETTINGS, run.recover())


def test_a_newer_state_version_is_refused(
    stored: PartitionRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older release refuses newer state with a message that says what to do."""
    monkeypatch.setattr(module, "STATE_VERSION", module.STATE_VERSION + 1)
    newer = PartitionRun()
    newer.take(stream(5)[:60])
    newer.write(newer.snapshot())
    monkeypatch.undo()
    with pytest.raises(StateError, match="run the release that wrote it"):
        Partition(0, 2, SETTINGS, newer.recover())
    Partition(0, 2, SETTINGS, stored.recover())


@pytest.mark.parametrize("kind", [b"tenant", b"seen"])
def test_a_missing_record_prevents_the_start(kind: bytes) -> None:
    """An area without its tenant, or a gap among segments, raises."""
    run = PartitionRun()
    run.take(tuple(Ticket("acme", f"{n}", MONDAY + n * HOUR, "login") for n in range(5)))
    run.write(run.snapshot())
    key = next(key for key in last_records(run) if key.startswith(kind))
    run.log = [record for record in run.log if record[0] != key]
    with pytest.raises(StateError):
        Partition(0, 2, SETTINGS, run.recover())


def test_the_state_of_another_partition_is_refused(stored: PartitionRun) -> None:
    """After the number of partitions has changed, no worker starts from the wrong state."""
    with pytest.raises(StateError, match="number of partitions"):
        Partition(1, 2, SETTINGS, stored.recover())


def test_another_model_starts_new_baselines_and_keeps_the_rest(stored: PartitionRun) -> None:
    """A change of model keeps episodes and deduplication but resets thresholds."""
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


def test_ids_of_tickets_and_events_never_collide() -> None:
    """Whatever text an id holds, a ticket's id is never taken for an event's."""
    partition = Partition(0, 1, SETTINGS)
    for name in ("", "\x00", "é", "\U0001f525", "x" * 256):
        assert partition.take(Ticket("a", name, MONDAY, event_id=name)).outcome == "counted"
        assert partition.take(Ticket("a", name, MONDAY)).outcome == "duplicate"
    assert fingerprint("tx") != fingerprint("ex")
