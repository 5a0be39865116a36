"""Ticket files that were damaged on the way: bytes, encodings, line ends, headers, archives."""

import gzip
import io
import random
import zipfile
from collections.abc import Callable, Sequence
from typing import Final

ENCODINGS: Final = ("utf-16", "utf-16-le", "utf-32", "cp1252", "cp1251", "shift_jis", "utf-8-sig")
JUNK: Final = (b'"', b"'", b"\\", b",", b";", b"\t", b"\r", b"\n", b"\0", b"\xff", b"\xe9", b"{",
               b"}",
               b"[", b"]", b":", b"\xef\xbb\xbf", b"=", b"-", b"9" * 40)  # fmt: skip

Mutation = Callable[[random.Random, bytes], bytes]


def _insert(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(JUNK) * rng.choice((1, 1, 1, 2, 50)) + data[at:]


def _remove(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + data[at + rng.choice((1, 1, 2, 100)) :]


def _cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _repeat(rng: random.Random, data: bytes) -> bytes:
    begin = rng.randrange(len(data) + 1)
    part = data[begin : begin + rng.randrange(2_000)]
    return data[:begin] + part * rng.choice((2, 3, 40)) + data[begin:]


def _flip(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 5, 50))):
        if changed:
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def _line_ends(rng: random.Random, data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n").replace(
        b"\n", rng.choice((b"\r", b"\r\n", b"\n\n", b"\n\r"))
    )


def _encode(rng: random.Random, data: bytes) -> bytes:
    return data.decode("utf-8", "replace").encode(rng.choice(ENCODINGS), "replace")


def _no_header(rng: random.Random, data: bytes) -> bytes:
    del rng
    return data.partition(b"\n")[2]


def _title(rng: random.Random, data: bytes) -> bytes:
    return b"Report of tickets\n" * rng.choice((1, 3, 30)) + rng.choice((b"", b"sep=;\n")) + data


def _delimiters(rng: random.Random, data: bytes) -> bytes:
    return data.replace(b",", rng.choice((b";", b"\t", b"|", b"::")))


def _gzip(rng: random.Random, data: bytes) -> bytes:
    del rng
    return gzip.compress(data, mtime=0)


def _zip(rng: random.Random, data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(rng.choice((1, 1, 1, 2))):
            archive.writestr(f"export{number}.csv", data)
    return out.getvalue()


MUTATIONS: Final[Sequence[Mutation]] = (
    _insert, _insert, _remove, _cut, _repeat, _flip, _line_ends, _encode, _no_header, _title,
    _delimiters, _gzip, _zip,
)  # fmt: skip


def mutated(data: bytes, seed: int) -> bytes:
    """Return a file after one to four accidents, the same for the same seed."""
    rng = random.Random(seed)
    for _ in range(rng.choice((1, 1, 2, 3, 4))):
        data = rng.choice(MUTATIONS)(rng, data)
    return data
