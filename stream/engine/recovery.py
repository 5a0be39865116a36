"""Recovery of a partition's state from its changelog."""

from collections.abc import Iterable
from typing import Any

import faust
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.types import TP

from detectors.state.snapshots import StateError
from stream.engine.faust_binding import LedgerApp
from stream.process.fail_fast import fatal


class FullRecovery(Recovery):
    """Recovery that reads the changelog from its start into an empty assignment at each rebalance.

    Faust would keep the state in memory and continue from there. The state could then mix old and
    new records, and keys of lost partitions would remain.
    """

    app: LedgerApp

    async def on_rebalance(self, *args: Any, **kwargs: Any) -> None:
        """Close the assignment at the start of a rebalance."""
        self.app.ledger.close()
        await super().on_rebalance(*args, **kwargs)

    async def _build_offsets(
        self, consumer: Any, tps: set[TP], destination: Any, title: str
    ) -> None:
        if title == "active":
            for buffer in self.buffers.values():
                buffer.clear()
            self.app.ledger.clear()
            for tp in tps:
                destination[tp] = None
        await super()._build_offsets(consumer, tps, destination, title)
        if title == "active":  # Faust stores the offset before the next one
            consumer.read_from({tp: destination[tp] + 1 for tp in tps})

    async def on_recovery_completed(self, generation_id: int = 0) -> None:
        """Build the state, seek, and only then let records through."""
        ledger = self.app.ledger
        owned = {tp.partition for tp in self.app.consumer.assignment() if tp in self.active_tps}
        try:
            ledger.restore(owned)
        except StateError as error:
            fatal(str(error))
        ledger.loaded = True  # must precede super(), which performs the seek
        await super().on_recovery_completed(generation_id)
        # Faust resumes the source partitions, seeks, and then clears the agents' queues, so records
        # handed out in between would be lost. Hence none are handed out before this line.
        ledger.open = generation_id == self.app.generation


class FullTableManager(TableManager):
    """Table manager that uses `FullRecovery`."""

    @property
    def recovery(self) -> Recovery:
        """See Faust."""
        if self._recovery is None:
            self._recovery = FullRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery


class AssignmentTable(faust.Table[Any, Any]):
    """Table that reads the changelog in chunks into the assignment.

    Nothing is written through the table: snapshots are produced in batches and awaited.
    """

    app: LedgerApp

    def apply_changelog_batch(self, batch: Iterable[Any]) -> None:
        """Process events whose values are chunks of records."""
        ledger = self.app.ledger
        for record in (record for event in batch for record in event.message.value):
            if record.key is None or record.value is None:  # tombstones are never written
                continue
            try:
                ledger.read_changelog(
                    record.partition, record.key, record.value, record.timestamp / 1000.0
                )
            except StateError as error:
                fatal(f"{record.topic}[{record.partition}] offset {record.offset}: {error}")
