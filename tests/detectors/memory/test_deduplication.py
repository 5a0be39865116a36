"""Deduplication over 48 hours: exact, bounded, and unchanged by a restart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.foundation import state_codec
from detectors.memory import deduplication
from detectors.memory.deduplication import MEMORY_HOURS, Deduplicator, Segment, fingerprint


def reload(memory: Deduplicator, stored: dict[int, bytes]) -> Deduplicator:
    """Return *memory* after a restart, given the segments touched since the last one."""
    for slot in memory.touched:
        stored[slot] = state_codec.encode(memory.segments[slot])
    memory.touched.clear()
    return Deduplicator(state_codec.decode(stored[slot], Segment) for slot in sorted(stored))


def test_a_repeat_within_48_hours_is_not_new() -> None:
    """A hash is new again after 48 hours, and not before."""
    memory = Deduplicator()
    assert memory.is_new([1], 100)
    assert not memory.is_new([1], 100)
    assert not memory.is_new([1], 100 + MEMORY_HOURS)
    assert memory.is_new([1], 101 + MEMORY_HOURS)
    assert not memory.is_new([1], 101 + MEMORY_HOURS)


def test_a_repeat_does_not_prolong_the_memory() -> None:
    """The 48 hours count from the first occurrence, however often it is repeated."""
    memory = Deduplicator()
    memory.is_new([1], 0)
    for hour in range(1, MEMORY_HOURS + 1):
        assert not memory.is_new([1], hour)
    assert memory.is_new([1], MEMORY_HOURS + 1)


def test_one_known_hash_of_several_makes_a_repeat() -> None:
    """The other hashes of a repeat are not remembered."""
    memory = Deduplicator()
    assert memory.is_new([1, 2], 0)
    assert not memory.is_new([2, 3], 0)
    assert memory.is_new([3], 0)


def test_a_repeat_touches_nothing() -> None:
    """A repeat changes no segment, so it adds nothing to a snapshot."""
    memory = Deduplicator()
    memory.is_new([1], 0)
    memory.touched.clear()
    before = [state_codec.encode(segment) for segment in memory.segments]
    assert not memory.is_new([1], 1)
    assert memory.touched == set()
    assert [state_codec.encode(segment) for segment in memory.segments] == before


def test_only_the_last_segment_is_written_again() -> None:
    """Only the open segment of an hour is written again."""
    memory = Deduplicator()
    for number in range(2 * deduplication.SEGMENT):
        memory.is_new([number], 0)
    memory.touched.clear()
    memory.is_new([-1 % 2**64], 0)
    assert len(memory.touched) == 1


def test_old_segments_are_reused() -> None:
    """Over a year the number of segments stays near that of 48 hours."""
    memory = Deduplicator()
    for hour in range(24 * 365):
        assert memory.is_new([hour], hour)
        assert len(memory) <= MEMORY_HOURS + 2
    assert len(memory.segments) <= MEMORY_HOURS + 3


def test_beyond_the_cap_the_oldest_hashes_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood shortens the memory, but the latest hashes are still known."""
    monkeypatch.setattr(deduplication, "SEGMENT", 10)
    memory = Deduplicator(most=100)
    for number in range(1_000):
        assert memory.is_new([number], 0)
        assert len(memory) <= 110
    assert not any(memory.is_new([number], 0) for number in range(910, 1_000))
    assert memory.is_new([0], 0)
    assert len(memory.segments) <= 12


def test_a_cap_below_one_segment_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """The open segment is kept however small the cap is."""
    monkeypatch.setattr(deduplication, "SEGMENT", 10)
    memory = Deduplicator(most=1)
    assert all(memory.is_new([number], 0) for number in range(100))
    assert not memory.is_new([99], 0)


arrivals = st.lists(
    st.tuples(
        st.lists(st.integers(0, 12), min_size=1, max_size=2),
        st.sampled_from([0, 0, 0, 1, 1, 5, 24, 47, 48, 49, 200]),
    ),
    max_size=80,
)


@given(arrivals, st.integers(1, 5))
def test_hashes_are_remembered_for_exactly_48_hours(
    arrival_list: list[tuple[list[int], int]], length: int
) -> None:
    """The result agrees with a direct implementation of the definition."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deduplication, "SEGMENT", length)
        memory = Deduplicator()
        seen: dict[int, int] = {}
        hour = 0
        for hashes, later in arrival_list:
            hour += later
            new = all(h not in seen or hour - seen[h] > MEMORY_HOURS for h in hashes)
            assert memory.is_new(hashes, hour) == new
            if new:
                seen.update(dict.fromkeys(hashes, hour))


@given(arrivals, st.integers(1, 5), st.sampled_from([3, 10, 10**6]))
def test_a_restart_changes_nothing(
    arrival_list: list[tuple[list[int], int]], length: int, most: int
) -> None:
    """A memory restored from its segments answers like one that never stopped."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deduplication, "SEGMENT", length)
        memory, again = Deduplicator(most=most), Deduplicator(most=most)
        stored: dict[int, bytes] = {}
        hour = 0
        for number, (hashes, later) in enumerate(arrival_list):
            hour += later
            assert memory.is_new(hashes, hour) == again.is_new(hashes, hour)
            assert len(memory) == len(again)
            if number % 3 == 0:
                again = reload(again, stored)
                again = Deduplicator(again.segments, most=most)
        assert [state_codec.encode(s) for s in memory.segments] == [
            state_codec.encode(s) for s in again.segments
        ]


def test_fingerprints_are_distinct() -> None:
    """A hundred thousand ids have as many distinct fingerprints of at most 64 bits."""
    found = {fingerprint(f"t{number}") for number in range(100_000)}
    assert len(found) == 100_000
    assert max(found) < 2**64


def test_events_replayed_after_a_crash_are_known_repeats() -> None:
    """Replayed events are known even if event time ran fast before the crash."""
    memory = Deduplicator()
    for number in range(500):
        assert memory.is_new([fingerprint(f"{number}")], number // 2, quick=True)
    for number in range(500):
        assert not memory.is_new([fingerprint(f"{number}")], 250, late=True, quick=True)
