"""The position of each assigned source partition, and the working state behind it.

Progress is what is durable downstream of a record, not what Faust acknowledged: its committed
offset can run ahead of both output and changelog. For ``tickets.by-tenant`` it is the progress
record of the last snapshot. For ``tickets``, which has no state, it is the records that were
produced onward and acknowledged.
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
    """The position in one source partition of the current assignment."""

    next: int
    """Offset of the next record to process."""
    durable: int
    """All records below this offset are finished; it is committed, and a restart resumes here."""
    holes: set[tuple[int, int]] = field(default_factory=set)
    """Pairs (expected, first) of offsets that the topic does not hold: transaction markers."""


class Assignment:
    """State read by the recovery and processed by this worker; emptied at each rebalance.

    Delivery: source records may be handed to agents only while `open`. Before that, Faust clears
        its queues at the end of a recovery, and records handed out earlier would be lost.
    """

    def __init__(self, topics: Topics, settings: Settings) -> None:
        """Create it without any partition."""
        self.topics = topics
        self.settings = settings
        self.loaded = False
        """Whether the changelog of this assignment was read."""
        self.open = False
        """Whether Faust has also cleared its queues, so that records may be handed out."""
        self.positions: dict[TP, Position] = {}
        self.partitions: dict[int, Partition] = {}
        self.saved_at: dict[int, float] = {}
        """Monotonic time of the last snapshot, by partition."""
        self._recoveries: dict[int, Recovery] = {}

    def close(self) -> None:
        """Stop handing out and writing at the start of a rebalance, until `open` again."""
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
            StateError: It is damaged, or of a newer release.
        """
        self._recoveries.setdefault(partition, Recovery()).read(key, value, written_at)

    def restore(self, partitions: set[int]) -> None:
        """Build the working state of the assigned *partitions* from the records read.

        Raises:
            StateError: The records are not what a worker writes.
        """
        for number in sorted(partitions):
            owner = random.SystemRandom().getrandbits(
                62
            )  # never used twice, whoever owned it before
            recovery = self._recoveries.pop(number, None)
            self.partitions[number] = Partition(number, owner, self.settings, recovery)
        self._recoveries.clear()

    def change(self, settings: Settings) -> None:
        """Use *settings* from now on; they differ only in taxonomy and playbook."""
        self.settings = settings
        for partition in self.partitions.values():
            partition.change(settings)

    def resume_offset(self, tp: TP, committed: int | None) -> int | None:
        """Return the offset from which to read *tp*; None: from the start of the topic.

        Args:
            tp: A source partition.
            committed: The committed offset of the group, if there is one.
        """
        if tp.topic == self.topics.by_tenant:
            return self.partitions[tp.partition].next_offset or None
        return committed

    def snapshot(
        self, number: int, now: float, rewrite_seconds: float
    ) -> list[tuple[bytes, bytes]]:
        """Return the changelog records that make a partition durable up to its position."""
        next_offset = self.positions[TP(self.topics.by_tenant, number)].next
        return self.partitions[number].snapshot(next_offset, now, rewrite_seconds)
