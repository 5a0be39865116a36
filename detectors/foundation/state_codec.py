"""State as bytes, field by field.

MessagePack arrays in the order of the fields; arrays of numbers as raw little-endian bytes.
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
"""A compact row of float32; what is stored is rounded once, so that a restart changes nothing."""


def _to_wire(value: object) -> bytes:
    if isinstance(value, array):
        if sys.byteorder == "big":
            value = value[:]
            value.byteswap()
        return value.typecode.encode() + value.tobytes()
    raise NotImplementedError(f"{type(value).__name__} is no part of any state")


def _from_wire(kind: type, value: Any) -> Any:
    if kind is array:
        result = array(chr(value[0]))
        result.frombytes(value[1:])
        if sys.byteorder == "big":
            result.byteswap()
        return result
    raise NotImplementedError(f"{kind} is no part of any state")


_encoder = msgspec.msgpack.Encoder(enc_hook=_to_wire)
_decoders: dict[type, msgspec.msgpack.Decoder[Any]] = {}


def encode(value: object) -> bytes:
    """Return a msgspec struct as bytes; the same value gives the same bytes."""
    return _encoder.encode(value)


def decode(data: bytes, kind: type[T]) -> T:
    """Return the *kind* that `encode` returned *data* for.

    Raises:
        msgspec.MsgspecError: *data* is something else.
    """
    if kind not in _decoders:
        _decoders[kind] = msgspec.msgpack.Decoder(kind, dec_hook=_from_wire)
    result: T = _decoders[kind].decode(data)
    return result


def pack(value: object) -> bytes:
    """Return `encode` compressed: for text, and for rows that are mostly zeros."""
    return zlib.compress(encode(value), 1)


def unpack(data: bytes, kind: type[T]) -> T:
    """Return the *kind* that `pack` returned *data* for.

    Raises:
        ValueError: *data* is damaged.
        msgspec.MsgspecError: *data* is something else.
    """
    try:
        return decode(zlib.decompress(data), kind)
    except zlib.error as error:
        raise ValueError(f"packed state is damaged: {error}") from None
