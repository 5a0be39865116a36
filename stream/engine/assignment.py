"""Position in each assigned source partition, and the working state behind it.

Progress is defined by what is durable downstream of a record, not by what Faust acknowledged: its
committed offset can run ahead of both output and changelog. For ``tickets.by-tenant``, progress is
the progress record of the last snapshot. For ``tickets``, which has no state, progress is the
records that were forwarded and acknowledged.
"""

import random
from dataclasses import dataclass, field

from faust.types import TP

from detectors.policy.settings import Settings
from detectors.state.snapshots import Recovery
from detectors.step.partition import Partition
from schemas.topics import Topics


@dataclass
class Position:
    """Position in one source partition of the current assignment."""

    next: int
    """Offset of the next record to process."""
    durable: int
    """Offset below which all records are finished; it is committed, and a restart resumes here."""
    gaps: dict[int, int] = field(default_factory=dict)
    """Offsets without a record, at most before each chunk that was handed out: the offset that was
    expected, and the first offset of the chunk."""

    def follows(self, first: int) -> bool:
        """Return whether a chunk with this first offset can be processed now."""
        return first <= self.next or self.gaps.pop(self.next, None) == first


class Assignment:
    """State that recovery reads and this worker processes; emptied at each rebalance.

    Source records may be handed to agents only while the assignment is `open`. Faust clears its
    queues at the end of a recovery, so records handed out earlier would be lost.
    """

    def __init__(self, topics: Topics, settings: Settings) -> None:
        """Create an assignment without partitions."""
        self.topics = topics
        self.settings = settings
        self.loaded = False
        """Whether the changelog of this assignment was read."""
        self.open = False
        """Whether Faust has cleared its queues as well, so that records may be handed out."""
        self.positions: dict[TP, Position] = {}
        self.partitions: dict[int, Partition] = {}
        self.saved_at: dict[int, float] = {}
        """Monotonic time of the last snapshot, by partition."""
        self.sources = (topics.by_tenant, topics.tickets, topics.feedback)
        """The topics that the agents read."""
        self.source_ids: dict[str, str] = {}
        """Current ids of the source topics; empty for brokers that have none."""
        self._recoveries: dict[int, Recovery] = {}

    def close(self) -> None:
        """Stop handing out and writing records at the start of a rebalance, until `open` is set."""
        self.loaded = self.open = False

    def clear(self) -> None:
        """Forget everything, because the changelog is about to be read from its start."""
        self.positions.clear()
        self.partitions.clear()
        self.saved_at.clear()
        self._recoveries.clear()

    def read_changelog(self, partition: int, key: bytes, value: bytes, written_at: float) -> None:
        """Process one record of the changelog, in order.

        Raises:
            StateError: The record is damaged, or from a newer release.
        """
        self._recoveries.setdefault(partition, Recovery()).read(key, value, written_at)

    def restore(self, partitions: set[int]) -> None:
        """Build the working state of the assigned partitions from the records read.

        Raises:
            StateError: The records were not written by a worker.
        """
        for number in sorted(partitions):
            owner = random.SystemRandom().getrandbits(
                62
            )  # never reused, whichever worker owned the partition before
            recovery = self._recoveries.pop(number, None)
            self.partitions[number] = Partition(number, owner, self.settings, recovery)
        self._recoveries.clear()

    def change(self, settings: Settings) -> None:
        """Use new settings from now on, which differ only in taxonomy and playbook."""
        self.settings = settings
        for partition in self.partitions.values():
            partition.change(settings)

    def resume_offset(self, tp: TP, committed: int | None) -> int | None:
        """Return the offset to resume a partition from; None: the start of the topic.

        Args:
            tp: A source partition.
            committed: Committed offset of the consumer group; None: there is none.
        """
        if tp.topic == self.topics.by_tenant:
            return self.partitions[tp.partition].next_offset or None
        return committed

    def is_recreated(self, tp: TP) -> bool:
        """Return whether a source topic is not the one that the recovered state was made from."""
        partition = self.partitions.get(tp.partition)
        known = partition and partition.source_ids.get(tp.topic)
        return bool(known) and self.source_ids.get(tp.topic, known) != known

    def snapshot(
        self, number: int, now: float, rewrite_seconds: float
    ) -> list[tuple[bytes, bytes]]:
        """Return the changelog records that make a partition durable up to its position."""
        next_offset = self.positions[TP(self.topics.by_tenant, number)].next
        partition = self.partitions[number]
        partition.source_ids.update(self.source_ids)
        return partition.snapshot(next_offset, now, rewrite_seconds)
