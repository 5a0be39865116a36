"""Bounded decompression of record batches.

A compressed batch may unpack to a thousand times its size, and aiokafka 0.14.0 unpacks it whole.
The functions of this module replace aiokafka's, return the same bytes, and stop at a limit.
"""

import gzip
import io
import struct
import threading
from collections.abc import Callable
from typing import Any, Final

import cramjam
from aiokafka.record import default_records
from aiokafka.record._crecords import default_records as compiled_records

MOST_BYTES: Final = 32 * 1024 * 1024
"""Most bytes that a batch may unpack to. By default, brokers accept batches of 1 MiB, which unpack
to less than that unless they were made to be large."""
FIRST_GUESS: Final = 8
"""A batch of tickets seldom unpacks to more than this multiple of its size."""
XERIAL_HEADER: Final = 16
XERIAL_MAGIC: Final = b"\x82SNAPPY\x00"


class UnpackedTooLargeError(Exception):
    """A batch unpacks to more than `MOST_BYTES`."""


class _Last(threading.local):
    size = 0


_last = _Last()


def last_size() -> int:
    """Return the unpacked size of the last batch that this thread unpacked, in bytes."""
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
            (size,) = struct.unpack_from("!i", data, at)
            blocks.append(data[at + 4 : at + 4 + size])
            at += 4 + size
    if sum(cramjam.snappy.decompress_raw_len(block) for block in blocks) > MOST_BYTES:
        raise UnpackedTooLargeError
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
            if "failed to write whole buffer" not in str(error):
                raise
        if size == MOST_BYTES:
            raise UnpackedTooLargeError
        size = min(size * FIRST_GUESS, MOST_BYTES)


def _checked(data: bytes) -> bytes:
    if len(data) > MOST_BYTES:
        raise UnpackedTooLargeError
    _last.size = len(data)
    return data


def install() -> None:
    """Make all consumers of this process unpack batches with a limit. May be called repeatedly.

    Messages of the formats before Kafka 0.11 keep aiokafka's functions: brokers since Kafka 3.0
    convert them when they are produced.
    """
    for module in (default_records, compiled_records):
        module.gzip_decode = unpack_gzip
        module.snappy_decode = unpack_snappy
        module.lz4_decode = unpack_lz4
        module.zstd_decode = unpack_zstd
