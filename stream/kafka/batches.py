"""Reader of records whose header *names* are not UTF-8, which aiokafka 0.14.0 cannot read.

Kafka does not check header names, and a producer in another language may write any bytes there.
aiokafka decodes them strictly inside its fetcher, so one such record stops every consumer that
reads it, even after a restart. This module leaves valid batches alone. A batch that fails is
read again by aiokafka's own pure Python reader, with invalid bytes in names escaped.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Any, Final

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecord, _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

LENGTH_AT: Final = 8
OVERHEAD: Final = 12
MAGIC_AT: Final = 16
HEADERS_SINCE: Final = 2
"""The first record format that has headers."""


class _Lenient(bytes):
    """Bytes that can always be decoded as text."""

    def __getitem__(self, place: Any) -> Any:
        item = super().__getitem__(place)
        return _Lenient(item) if isinstance(item, bytes) else item

    def decode(self, *_: Any) -> str:
        return super().decode("utf-8", "backslashreplace")


class _LenientBatch(_DefaultRecordBatchPy):  # type: ignore[misc]  # aiokafka ships no types
    """Batch of format 2 that accepts any header names."""

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer: Any = _Lenient(bytes(self._buffer))


class _Batch:
    """Batch with the interface that aiokafka's fetcher uses."""

    def __init__(self, batch: Any, raw: bytes) -> None:
        self._batch, self._raw = batch, raw
        self.was_read = False
        """Whether the records were read; aiokafka reads none of a skipped batch."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[DefaultRecord]:
        self.was_read = True
        try:
            yield from self._batch
        except UnicodeDecodeError:
            # Start over, because the fetcher skips offsets that it already returned.
            yield from _LenientBatch(bytearray(self._raw))


class LenientRecords:
    """Batches of one partition in a fetch response. Replaces aiokafka's `MemoryRecords`."""

    def __init__(self, data: bytes) -> None:
        """Parse the records of a fetch response."""
        self._records = MemoryRecords(data)
        self._data = data
        self._at = 0
        self._batch: _Batch | None = None
        self.on_skip: Callable[[tuple[int, int]], None] | None = None
        """Called with the first offset of a batch whose records were not read, and the offset after
        its last."""

    def size_in_bytes(self) -> int:
        """Return the size of the whole response."""
        return int(self._records.size_in_bytes())

    def has_next(self) -> bool:
        """Return whether there is another complete batch."""
        batch, self._batch = self._batch, None
        if batch is not None and not batch.was_read and self.on_skip is not None:
            self.on_skip((batch.base_offset, batch.next_offset))
        return bool(self._records.has_next())

    def next_batch(self) -> Any:
        """Return the next batch."""
        batch = self._records.next_batch()
        start = self._at
        length: int = struct.unpack_from(">i", self._data, start + LENGTH_AT)[0]
        self._at = start + OVERHEAD + length
        if batch is None or self._data[start + MAGIC_AT] < HEADERS_SINCE:
            return batch
        self._batch = _Batch(batch, self._data[start : self._at])
        return self._batch


def install() -> None:
    """Make all consumers of this process accept any header names. May be called repeatedly."""
    fetcher.MemoryRecords = LenientRecords
