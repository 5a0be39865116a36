"""Encode state as bytes.

A struct becomes a MessagePack array in the order of its fields; an array of numbers becomes raw
little-endian bytes.
"""

import sys
import zlib
from array import array
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

T = TypeVar("T")

if TYPE_CHECKING:
    Floats = array[float]
    Integers = array[int]
else:  # array has no parameters at run time before Python 3.12
    Floats = Integers = array
"""Compact arrays. A float is rounded to float32 when it is set, so a restart changes nothing."""


def _to_wire(value: object) -> bytes:
    if isinstance(value, array):
        if sys.byteorder == "big":
            value = value[:]
            value.byteswap()
        return value.typecode.encode() + value.tobytes()
    raise NotImplementedError(f"state cannot contain a {type(value).__name__}")


def _from_wire(kind: type, value: Any) -> Any:
    if kind is array:
        result = array(chr(value[0]))
        result.frombytes(value[1:])
        if sys.byteorder == "big":
            result.byteswap()
        return result
    raise NotImplementedError(f"state cannot contain a {kind}")


_encoder = msgspec.msgpack.Encoder(enc_hook=_to_wire)
_decoders: dict[type, msgspec.msgpack.Decoder[Any]] = {}


def encode(value: object) -> bytes:
    """Encode a msgspec struct; equal values give equal bytes."""
    return _encoder.encode(value)


def decode(data: bytes, kind: type[T]) -> T:
    """Decode what `encode` returned.

    Args:
        data: Encoded value.
        kind: Type of the value.

    Raises:
        msgspec.MsgspecError: *data* does not encode a value of that type.
    """
    if kind not in _decoders:
        _decoders[kind] = msgspec.msgpack.Decoder(kind, dec_hook=_from_wire)
    result: T = _decoders[kind].decode(data)
    return result


def pack(value: object) -> bytes:
    """Encode and compress a value that is text or mostly zeros."""
    return zlib.compress(encode(value), 1)


def unpack(data: bytes, kind: type[T]) -> T:
    """Decompress and decode what `pack` returned.

    Args:
        data: Packed value.
        kind: Type of the value.

    Raises:
        ValueError: *data* is damaged.
        msgspec.MsgspecError: *data* does not encode a value of that type.
    """
    try:
        return decode(zlib.decompress(data), kind)
    except zlib.error as error:
        raise ValueError(f"packed state is damaged: {error}") from None
