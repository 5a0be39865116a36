"""Reader of batches that stop a consumer of aiokafka 0.14.0, even after a restart.

Kafka does not check header *names*, and a producer in another language may write any bytes there.
aiokafka decodes them strictly inside its fetcher. Such a batch is read again by aiokafka's own pure
Python reader, with invalid bytes in names escaped.

A compressed batch may unpack to more than the memory of the process (`stream.kafka.unpacking`). One
record without a value, with the header `UNREAD_HEADER`, stands for the records of a batch that is
too large. A fetch response ends early once its batches have unpacked to the same limit; the next
fetch continues there.

All other batches are left alone.
"""

import logging
import struct
from collections.abc import Callable, Iterator
from typing import Any, Final

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecord, _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

from stream.kafka import unpacking
from stream.kafka.unpacking import MOST_BYTES, UnpackedTooLargeError

log = logging.getLogger(__name__)

UNREAD_HEADER: Final = "spikewatch-unread"
"""Header of the record that stands for those of a batch that was not unpacked."""
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
        self.unpacked_bytes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[DefaultRecord]:
        self.was_read = True
        try:
            records = iter(self._batch)
        except UnpackedTooLargeError:
            yield self._stand_in()
            return
        if self._batch.compression_type:
            self.unpacked_bytes = unpacking.last_size()
        try:
            yield from records
        except UnicodeDecodeError:
            # Start over, because the fetcher skips offsets that it already returned.
            yield from _LenientBatch(bytearray(self._raw))

    def _stand_in(self) -> DefaultRecord:
        """Return a record at the last offset, which no consumer of the batch has passed yet."""
        batch = self._batch
        log.error(
            "a batch of %d bytes with the offsets %d to %d unpacks to more than %d bytes, so its "
            "records are not read: its producer must send smaller batches",
            len(self._raw),
            batch.base_offset,
            batch.next_offset - 1,
            MOST_BYTES,
        )
        return DefaultRecord(
            offset=batch.next_offset - 1,
            timestamp=batch.max_timestamp,
            timestamp_type=batch.timestamp_type,
            key=None,
            value=None,
            headers=[(UNREAD_HEADER, b"oversized")],
        )


class LenientRecords:
    """Batches of one partition in a fetch response. Replaces aiokafka's `MemoryRecords`."""

    def __init__(self, data: bytes) -> None:
        """Parse the records of a fetch response."""
        self._records = MemoryRecords(data)
        self._data = data
        self._at = 0
        self._unpacked_bytes = 0
        self._batch: _Batch | None = None
        self.on_skip: Callable[[tuple[int, int]], None] | None = None
        """Called with the first offset of a batch whose records were not read, and the offset after
        its last."""

    def size_in_bytes(self) -> int:
        """Return the size of the whole response."""
        return int(self._records.size_in_bytes())

    def has_next(self) -> bool:
        """Return whether there is another complete batch that may be unpacked."""
        batch, self._batch = self._batch, None
        if batch is not None:
            self._unpacked_bytes += batch.unpacked_bytes
            if not batch.was_read and self.on_skip is not None:
                self.on_skip((batch.base_offset, batch.next_offset))
        return self._unpacked_bytes < MOST_BYTES and bool(self._records.has_next())

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
    """Make all consumers of this process survive any batch. May be called repeatedly."""
    unpacking.install()
    fetcher.MemoryRecords = LenientRecords
