"""Records that were removed from a topic before they were read.

Offsets of a partition are consecutive, so every gap between two records has a reason. Some offsets
never hold a record for a reader: markers that end transactions, and records of aborted
transactions. aiokafka skips them silently, so this module notes the offsets that it skips. Every
other missing offset is a lost record: either the log now starts behind it, or it was removed from
the middle of the log, as compaction does.
"""

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer import fetcher

from stream.kafka import batches

MOST_RANGES: Final = 100_000
"""Most skipped ranges that are kept for a partition: far more than one fetch can hold."""

Offsets = tuple[int, int]
"""First offset of a range, and the offset after its last."""


class LostRecords(NamedTuple):
    """Lost records of one partition."""

    topic: str
    partition: int
    first: int
    last: int
    number: int
    is_deleted: bool
    """Whether the log now starts behind the records; otherwise they are missing inside the log."""

    def __str__(self) -> str:
        """Return the message for the operator."""
        lost = (
            f"{self.topic}[{self.partition}]: {self.number} records between offsets {self.first} "
            f"and {self.last} were removed before they were read, so their content is lost. "
        )
        if self.is_deleted:
            return lost + (
                "The log now starts behind them: the retention of the topic is shorter than the "
                "backlog was, or somebody deleted records. See 'Records lost' in the runbook"
            )
        return lost + (
            "Later records of the log are still there: either compaction removed them (set "
            "cleanup.policy=delete on the topic), or their batch cannot be unpacked. "
            "See 'Records lost' in the runbook"
        )


class SkippedOffsets:
    """Offsets that the consumers of this process skipped because they hold no record.

    The consumer's thread adds ranges, and one reader per partition takes them in order. Adjacent
    ranges become one, because an aborted transaction may have any number of batches.
    """

    def __init__(self) -> None:
        """Start without ranges."""
        self._ranges: defaultdict[tuple[str, int], deque[Offsets]] = defaultdict(
            lambda: deque(maxlen=MOST_RANGES)
        )
        self._lock = threading.Lock()

    def add(self, topic: str, partition: int, skipped: Offsets) -> None:
        """Add a skipped range."""
        with self._lock:
            ranges = self._ranges[topic, partition]
            if ranges and ranges[-1][1] == skipped[0]:
                skipped = (ranges.pop()[0], skipped[1])
            ranges.append(skipped)

    def missing(self, topic: str, partition: int, gaps: Sequence[Offsets]) -> list[Offsets]:
        """Return the parts of gaps that were not skipped.

        Example:
            >>> skipped = SkippedOffsets()
            >>> skipped.add("tickets", 0, (12, 13))
            >>> skipped.missing("tickets", 0, [(10, 15), (20, 21)])
            [(10, 12), (13, 15), (20, 21)]
        """
        # A range may occur twice, because a fetch may be repeated, hence the order.
        with self._lock:
            skipped = deque(sorted(self._ranges[topic, partition]))
        parts = []
        for start, end in gaps:
            while skipped and skipped[0][0] < end:
                first, behind = skipped.popleft()
                if first > start:
                    parts.append((start, first))
                start = max(start, behind)
            if start < end:
                parts.append((start, end))
        return parts

    def forget(self, topic: str, partition: int, below: int) -> None:
        """Forget ranges that end at or below an offset."""
        with self._lock:
            ranges = self._ranges[topic, partition]
            while ranges and ranges[0][1] <= below:
                ranges.popleft()


SKIPPED: Final = SkippedOffsets()
"""The ranges of this process; they are only noted after `install`."""


def gaps(records: Sequence[Any], expected: int) -> Iterator[Offsets]:
    """Yield each range of offsets without a record.

    Args:
        records: Records of one partition, in order, none below `expected`.
        expected: The offset of the first record if none is missing.
    """
    if not records or records[-1].offset - expected + 1 == len(records):
        return  # by far the most frequent case
    for record in records:
        if record.offset > expected:
            yield expected, record.offset
        expected = record.offset + 1


def lost_records(
    tp: TopicPartition, missing: Sequence[Offsets], log_start: int
) -> list[LostRecords]:
    """Return what was lost: one entry for deleted records, and one for records missing in the log.

    Args:
        tp: The partition.
        missing: Ranges of offsets that should hold records, in order.
        log_start: The first offset that the log still has.
    """
    deleted = [(a, min(b, log_start)) for a, b in missing if a < log_start]
    inside = [(max(a, log_start), b) for a, b in missing if b > log_start]
    return [
        LostRecords(
            tp.topic,
            tp.partition,
            ranges[0][0],
            ranges[-1][1] - 1,
            sum(b - a for a, b in ranges),
            is_deleted,
        )
        for ranges, is_deleted in ((deleted, True), (inside, False))
        if ranges
    ]


class LossWatch:
    """Check for lost records in what a consumer of a group returns."""

    def __init__(self) -> None:
        """Start without partitions."""
        self._expected: dict[TopicPartition, int] = {}
        self._forgotten: Counter[int] = Counter()
        """How often each partition was forgotten."""

    async def check(
        self, consumer: AIOKafkaConsumer, tp: TopicPartition, records: Sequence[Any]
    ) -> list[LostRecords]:
        """Return the records that were lost before or between new records of a partition.

        Args:
            consumer: The consumer that returned the records.
            tp: An assigned partition.
            records: New records of it, in order.
        """
        expected = self._expected.get(tp)
        if expected is None:
            forgotten = self._forgotten[tp.partition]
            expected = await consumer.committed(tp)
            if self._forgotten[tp.partition] != forgotten:
                return []  # the next owner checks these records
        new = [record for record in records if expected is None or record.offset >= expected]
        if not new:
            return []
        self._expected[tp] = new[-1].offset + 1
        if expected is None:  # the group is new, so it starts with the first record there is
            expected = new[0].offset
        missing = SKIPPED.missing(tp.topic, tp.partition, list(gaps(new, expected)))
        SKIPPED.forget(tp.topic, tp.partition, new[-1].offset)
        if not missing:
            return []
        log_starts = await consumer.beginning_offsets([tp])
        return lost_records(tp, missing, log_starts[tp])

    def forget(self, partition: int) -> None:
        """Forget a partition of all topics, because another process may read it now."""
        self._forgotten[partition] += 1
        for tp in [tp for tp in self._expected if tp.partition == partition]:
            del self._expected[tp]


class _PartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka has no types
    """Records of one partition in a fetch response; notes skipped offsets in `SKIPPED`."""

    def __init__(self, tp: TopicPartition, records: Any, *rest: Any) -> None:
        records.on_skip = lambda skipped: SKIPPED.add(tp.topic, tp.partition, skipped)
        super().__init__(tp, records, *rest)


def install() -> None:
    """Make the consumers of this process note skipped offsets. May be called repeatedly."""
    batches.install()
    fetcher.PartitionRecords = _PartitionRecords
