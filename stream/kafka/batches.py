"""Reader of batches that stop a consumer of aiokafka 0.14.0, even after a restart.

Kafka does not check header *names*, and a producer in another language may write any bytes there.
aiokafka decodes them strictly inside its fetcher. Such a batch is read again by a reader in pure
Python, with invalid bytes in names escaped.

A compressed batch may unpack to more than the memory of the process (`stream.kafka.unpacking`), or
not at all: brokers read it with Java's libraries, which accept junk behind the packed data. One
record without a value, with the header `UNREAD_HEADER`, stands for the records that are not read,
and for one that is too large.
A fetch response ends early once its batches have unpacked to `RESPONSE_BYTES`, or to the most
entries that one batch may have; the next fetch continues there.

Brokers do not check the offsets of the records in an uncompressed batch either. Each record gets
the offset that the broker counted. Otherwise one record could move consumers past all later ones.

All other batches are left alone.
"""

import logging
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecord, _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

from stream.kafka import unpacking
from stream.kafka.log_throttle import OnceInAWhile
from stream.kafka.unpacking import MOST_ENTRIES, UnpackedTooLargeError, varint

log = logging.getLogger(__name__)
log.addFilter(OnceInAWhile())

UNREAD_HEADER: Final = "spikewatch-unread"
"""Header of the record that stands for those of a batch that was not unpacked."""
MOST_POLLED: Final = 5_000
"""Most records that a consumer should return at once. They take far more memory than their bytes;
the others wait in the fetched batches."""
MOST_RECORD_BYTES: Final = 1024 * 1024
"""Most bytes of a record. Only a compressed record can have more, and no ticket may."""
RESPONSE_BYTES: Final = 4 * 1024 * 1024
"""Unpacked bytes from which a fetch response of a partition ends."""
LENGTH_AT: Final = 8
OVERHEAD: Final = 12
MAGIC_AT: Final = 16
COUNT_AT: Final = 57
HEADERS_SINCE: Final = 2
"""The first record format that has headers."""


def _read_leniently(raw: bytes) -> Iterator[DefaultRecord]:
    """Yield the records of a batch of format 2, with any header names and attributes.

    aiokafka's compiled reader takes the byte of attributes, which has no meaning yet, for a number
    of several bytes.

    Raises:
        IndexError, ValueError: The records are not valid.
    """
    batch = _DefaultRecordBatchPy(raw)
    iter(batch)  # unpacks
    data, at = bytes(batch._buffer), batch._pos
    is_log_append_time = batch.timestamp_type == batch.LOG_APPEND_TIME
    for _ in range(batch._num_records):
        _, at = varint(data, at)  # the length
        passed, at = varint(data, at + 1)
        offset_delta, at = varint(data, at)
        key, at = _field(data, at)
        value, at = _field(data, at)
        count, at = varint(data, at)
        headers = []
        for _ in range(count):
            name, at = _field(data, at)
            content, at = _field(data, at)
            headers.append(((name or b"").decode("utf-8", "backslashreplace"), content))
        timestamp = batch.max_timestamp if is_log_append_time else batch.first_timestamp + passed
        offset = batch.base_offset + offset_delta
        yield DefaultRecord(
            offset=offset,
            timestamp=timestamp,
            timestamp_type=batch.timestamp_type,
            key=key,
            value=value,
            headers=headers,
        )


def _field(data: bytes, at: int) -> tuple[bytes | None, int]:
    """Return the bytes at a position behind their length, and the position after them."""
    length, at = varint(data, at)
    if length < 0:
        return None, at
    if at + length > len(data):
        raise IndexError(at + length)
    return data[at : at + length], at + length


def _size(record: DefaultRecord) -> int:
    """Return the bytes of the key, the value and the headers."""
    headers = sum(len(name) + len(value or b"") for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers


class _Batch:
    """Batch with the interface that aiokafka's fetcher uses."""

    def __init__(self, batch: Any, raw: bytes) -> None:
        self._batch, self._raw = batch, raw
        self.was_read = False
        """Whether the records were read; aiokafka reads none of a skipped batch."""
        self.unpacked = unpacking.NOTHING

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[DefaultRecord]:
        self.was_read = True
        try:
            records = iter(self._batch)
        except UnpackedTooLargeError as error:
            yield self._unread("oversized", error)
            return
        except MemoryError:
            raise  # the batch may be correct
        except Exception as error:  # each library has its own; the checksum was correct
            yield self._unread("undecodable", error)
            return
        if self._batch.compression_type:
            self.unpacked = unpacking.last_size()
        try:
            yield from self._numbered(records)
        except (UnicodeDecodeError, CorruptRecordException):
            # Start over, because the fetcher skips offsets that it already returned.
            try:
                yield from self._numbered(_read_leniently(self._raw))
            except (IndexError, ValueError, OverflowError) as error:
                yield self._unread("undecodable", error)

    def _numbered(self, records: Iterable[DefaultRecord]) -> Iterator[DefaultRecord]:
        """Yield the records with the offsets that the broker counted, in order."""
        expected, end = self._batch.base_offset, self._batch.next_offset
        (count,) = struct.unpack_from(">i", self._raw, COUNT_AT)
        may_be_large = self.unpacked.bytes > MOST_RECORD_BYTES
        is_complete = count == end - expected  # otherwise the topic was compacted
        for record in records:
            offset = expected if is_complete else record.offset
            if not expected <= offset < end:
                continue  # a gap, which is reported as a loss
            expected = offset + 1
            if may_be_large and _size(record) > MOST_RECORD_BYTES:
                yield self._stand_in(offset, "oversized")
            elif record.offset == offset:
                yield record
            else:
                yield DefaultRecord(
                    offset=offset,
                    timestamp=record.timestamp,
                    timestamp_type=record.timestamp_type,
                    key=record.key,
                    value=record.value,
                    headers=record.headers,
                )

    def _unread(self, reason: str, error: Exception) -> DefaultRecord:
        """Return a record at the last offset, which no consumer of the batch has passed yet."""
        batch = self._batch
        log.error(
            "a batch of %d bytes with the offsets %d to %d is %s, so its records are not read: "
            "its producer must be corrected (%s)",
            len(self._raw),
            batch.base_offset,
            batch.next_offset - 1,
            reason,
            repr(error)[:200],
        )
        return self._stand_in(batch.next_offset - 1, reason)

    def _stand_in(self, offset: int, reason: str) -> DefaultRecord:
        return DefaultRecord(
            offset=offset,
            timestamp=self._batch.max_timestamp,
            timestamp_type=self._batch.timestamp_type,
            key=None,
            value=None,
            headers=[(UNREAD_HEADER, reason.encode())],
        )


class LenientRecords:
    """Batches of one partition in a fetch response. Replaces aiokafka's `MemoryRecords`."""

    def __init__(self, data: bytes) -> None:
        """Parse the records of a fetch response."""
        self._records = MemoryRecords(data)
        self._data = data
        self._at = 0
        self._unpacked = unpacking.NOTHING
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
            self._unpacked += batch.unpacked
            if not batch.was_read and self.on_skip is not None:
                self.on_skip((batch.base_offset, batch.next_offset))
        is_open = self._unpacked.bytes < RESPONSE_BYTES and self._unpacked.entries < MOST_ENTRIES
        return is_open and bool(self._records.has_next())

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
