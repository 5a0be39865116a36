"""Where each assigned source partition stands, and the working state behind it.

The truth about progress is what is durable downstream of a record, not what Faust acknowledged (its
committed offset can run ahead of both outputs and changelog). For ``tickets.by-tenant`` that is the
progress record of the last snapshot; for ``tickets``, where nothing is kept, the records that were
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
    """One source partition of the current assignment."""

    next: int
    """Offset of the next record to work on."""
    durable: int
    """All records below are done for good; this is what is committed and resumed from."""
    holes: set[tuple[int, int]] = field(default_factory=set)
    """(expected, first) of offsets that the topic really does not hold: transaction markers."""


class Assignment:
    """What recovery read and what this worker works on; emptied at each rebalance.

    Delivery: source records may be handed to agents only while `open`. Before that, Faust clears
    its queues at the end of a recovery and what was handed out is gone.
    """

    def __init__(self, topics: Topics, settings: Settings) -> None:
        """Nothing is assigned yet."""
        self.topics = topics
        self.settings = settings
        self.loaded = False
        """The changelog of this assignment is read."""
        self.open = False
        """... and Faust has cleared its queues: records may be handed out."""
        self.positions: dict[TP, Position] = {}
        self.partitions: dict[int, Partition] = {}
        self.saved_at: dict[int, float] = {}
        """Partition -> monotonic time of its last snapshot."""
        self._recoveries: dict[int, Recovery] = {}

    def close(self) -> None:
        """A rebalance begins: nothing is handed out or written until `open` again."""
        self.loaded = self.open = False

    def clear(self) -> None:
        """Forget everything: the changelog is about to be read from its start."""
        self.positions.clear()
        self.partitions.clear()
        self.saved_at.clear()
        self._recoveries.clear()

    def read_changelog(self, partition: int, key: bytes, value: bytes, written_at: float) -> None:
        """One record of the changelog, in order.

        Raises:
            StateError: It is damaged, or of a newer release.
        """
        self._recoveries.setdefault(partition, Recovery()).read(key, value, written_at)

    def restore(self, partitions: set[int]) -> None:
        """Build the working state of the assigned *partitions* from what was read.

        Raises:
            StateError: It cannot be what was written.
        """
        for number in sorted(partitions):
            owner = random.SystemRandom().getrandbits(
                62
            )  # never used twice, whoever owned it before
            recovery = self._recoveries.pop(number, None)
            self.partitions[number] = Partition(number, owner, self.settings, recovery)
        self._recoveries.clear()

    def change(self, settings: Settings) -> None:
        """From here on decide by *settings*, which differ in taxonomy and playbook alone."""
        self.settings = settings
        for partition in self.partitions.values():
            partition.change(settings)

    def resume_offset(self, tp: TP, committed: int | None) -> int | None:
        """Where to read *tp* from; None: from the start of the topic.

        Args:
            tp: A source partition.
            committed: What the group committed for it, if anything.
        """
        if tp.topic == self.topics.by_tenant:
            return self.partitions[tp.partition].next_offset or None
        return committed

    def snapshot(
        self, number: int, now: float, rewrite_seconds: float
    ) -> list[tuple[bytes, bytes]]:
        """The changelog records that make a partition durable up to where it stands."""
        next_offset = self.positions[TP(self.topics.by_tenant, number)].next
        return self.partitions[number].snapshot(next_offset, now, rewrite_seconds)
