"""Bounded decompression of record batches.

A compressed batch may unpack to a thousand times its size, and aiokafka 0.14.0 unpacks it whole.
The functions of this module replace aiokafka's, return the same bytes, and stop at limits of bytes
and of entries.
"""

import gzip
import io
import struct
import threading
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import cramjam
from aiokafka.record import default_records
from aiokafka.record._crecords import default_records as compiled_records

MOST_BYTES: Final = 32 * 1024 * 1024
"""Most bytes that a batch may unpack to. By default, brokers accept batches of 1 MiB, which unpack
to less than that unless they were made to be large."""
MOST_ENTRIES: Final = 100_000
"""Most records and headers of a compressed batch. Each takes hundreds of bytes once it is read, but
may take fewer than ten in the batch."""
FIRST_GUESS: Final = 8
"""A batch of tickets seldom unpacks to more than this multiple of its size."""
XERIAL_HEADER: Final = 16
XERIAL_MAGIC: Final = b"\x82SNAPPY\x00"


class UnpackedTooLargeError(Exception):
    """A batch unpacks to more than `MOST_BYTES` or `MOST_ENTRIES`."""


class Unpacked(NamedTuple):
    """Size of unpacked batches."""

    bytes: int
    entries: int
    """Number of records and headers."""

    def __add__(self, other: "Unpacked") -> "Unpacked":  # type: ignore[override]
        """Return the size of both."""
        return Unpacked(self.bytes + other.bytes, self.entries + other.entries)


NOTHING: Final = Unpacked(0, 0)


class _Last(threading.local):
    size = NOTHING


_last = _Last()


def last_size() -> Unpacked:
    """Return the size of the last batch that this thread unpacked."""
    return _last.size


def unpack_gzip(payload: Any) -> bytes:
    """Unpack a gzip stream.

    Raises:
        UnpackedTooLargeError: It is too large.
    """
    with gzip.GzipFile(fileobj=io.BytesIO(payload)) as file:
        return _checked(file.read(MOST_BYTES + 1))


def unpack_snappy(payload: Any) -> bytes:
    """Unpack snappy data, either as one block or in the blocks of the xerial library.

    Raises:
        UnpackedTooLargeError: It is too large.
    """
    data = memoryview(payload)
    blocks = [data]
    if bytes(data[: len(XERIAL_MAGIC)]) == XERIAL_MAGIC:
        blocks, at = [], XERIAL_HEADER
        while at < len(data):
            (size,) = struct.unpack_from("!I", data, at)
            blocks.append(data[at + 4 : at + 4 + size])
            at += 4 + size
    if sum(cramjam.snappy.decompress_raw_len(block) for block in blocks) > MOST_BYTES:
        raise UnpackedTooLargeError(f"more than {MOST_BYTES} bytes")
    return _checked(b"".join(bytes(cramjam.snappy.decompress_raw(block)) for block in blocks))


def unpack_lz4(payload: Any) -> bytes:
    """Unpack an lz4 frame.

    Raises:
        UnpackedTooLargeError: It is too large.
    """
    return _checked(_growing(cramjam.lz4.decompress_into, payload))


def unpack_zstd(payload: Any) -> bytes:
    """Unpack a zstd frame.

    Raises:
        UnpackedTooLargeError: It is too large.
    """
    return _checked(_growing(cramjam.zstd.decompress_into, payload))


def _growing(decompress_into: Callable[[Any, bytearray], int], payload: Any) -> bytes:
    """Unpack into buffers of growing size, because the size is not known before."""
    size = min(max(len(payload) * FIRST_GUESS, 65_536), MOST_BYTES)
    while True:
        buffer = bytearray(size)
        try:
            return bytes(memoryview(buffer)[: decompress_into(payload, buffer)])
        except cramjam.DecompressionError as error:
            # Until then, do not rely on the message, which another release may word differently.
            if size == MOST_BYTES:
                if "failed to write whole buffer" not in str(error):
                    raise
                raise UnpackedTooLargeError(f"more than {MOST_BYTES} bytes") from None
        size = min(size * FIRST_GUESS, MOST_BYTES)


def _checked(data: bytes) -> bytes:
    if len(data) > MOST_BYTES:
        raise UnpackedTooLargeError(f"more than {MOST_BYTES} bytes")
    return data


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number in zigzag encoding at a position, and the position after it.

    aiokafka's compiled function reads beyond the end of the data.

    Raises:
        IndexError: The data ends before the number does.
        ValueError: The number has more than 64 bits.
    """
    byte = data[at]
    if byte < 0x80:  # by far the most frequent case
        return (byte >> 1) ^ -(byte & 1), at + 1
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), at
        shift += 7
        if shift > 63:
            raise ValueError("a number has more than ten bytes")


def count_entries(data: bytes) -> int:
    """Return the number of records and headers in the records of a batch.

    Records that are not valid end the count, because their reader reports them.

    Raises:
        UnpackedTooLargeError: There are more than `MOST_ENTRIES`.
    """
    at = entries = 0
    try:
        while at < len(data):
            length, at = varint(data, at)
            if length <= 0:
                break
            end = at + length
            _, at = varint(data, at + 1)  # the time, behind one byte of attributes
            _, at = varint(data, at)  # the offset
            for _ in ("key", "value"):
                length, at = varint(data, at)
                at += max(length, 0)
            headers, _ = varint(data, at)
            entries += 1 + max(headers, 0)
            if entries > MOST_ENTRIES:
                raise UnpackedTooLargeError(f"more than {MOST_ENTRIES} records and headers")
            at = end
    except (IndexError, ValueError):
        pass
    return entries


def _counted(unpack: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    def unpack_and_count(payload: Any) -> bytes:
        data = unpack(payload)
        _last.size = Unpacked(len(data), count_entries(data))
        return data

    return unpack_and_count


def install() -> None:
    """Make all consumers of this process unpack batches with a limit. May be called repeatedly.

    Messages of the formats before Kafka 0.11 keep aiokafka's functions: brokers since Kafka 3.0
    convert them when they are produced.
    """
    for module in (default_records, compiled_records):
        module.gzip_decode = _counted(unpack_gzip)
        module.snappy_decode = _counted(unpack_snappy)
        module.lz4_decode = _counted(unpack_lz4)
        module.zstd_decode = _counted(unpack_zstd)
