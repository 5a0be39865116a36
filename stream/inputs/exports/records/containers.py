"""Opening of a ticket file: plain, gzipped, zipped, or an Excel workbook, label by its content."""

import gzip
import io
import os
import stat
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from stream.inputs.exports.refusal import TicketFileError

MOST_UNPACKED_BYTES: Final = 32_000_000
"""Unpacked size up to which any compression ratio is accepted."""
MOST_RATIO: Final = 200
"""Largest accepted compression ratio; text reaches about 50, and a zip bomb about 1,000."""
MOST_SPOOLED_BYTES: Final = 2_000_000_000
"""Largest zip archive that is read from a pipe, which must be copied to a file first."""

_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_WORKBOOK = "xl/workbook.xml"
_BUFFER = 1 << 16
_SMALL_BUFFER = 1 << 12


@dataclass
class Container:
    """An open ticket file.

    Attributes:
        stream: The unpacked bytes, or the workbook itself.
        is_workbook: Whether the stream is an Excel workbook.
        counted: Counts the bytes on disk that have been read.
        resources: Closes what was opened to unpack the file, such as temporary copies.
    """

    stream: BinaryIO
    is_workbook: bool
    counted: "CountedFile"
    resources: ExitStack


class CountedFile(io.RawIOBase):
    """Wrapper that counts the bytes read from a file that it does not own, up to its position."""

    def __init__(self, file: BinaryIO) -> None:
        """Wrap an open file."""
        self.file = file
        self.count = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return whether the wrapped file can seek."""
        return self.file.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move within the wrapped file, and count from there."""
        self.count = self.file.seek(offset, whence)
        return self.count

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # narrower argument
        """Read once; a read from a pipe returns what is available."""
        read = getattr(self.file, "read1", self.file.read)(len(buffer))
        buffer[: len(read)] = read
        self.count += len(read)
        return len(read)


def open_file(path: Path | str | BinaryIO, name: str) -> BinaryIO:
    """Open a path for reading; ``-`` is standard input, and an open file is returned as it is.

    Raises:
        TicketFileError: The file cannot be opened.
    """
    if path == "-":
        return sys.stdin.buffer
    if not isinstance(path, str | Path):
        return path
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise TicketFileError(f"{name} cannot be opened: {error.strerror}.") from error


def size_on_disk(file: BinaryIO) -> int | None:
    """Return the size of a regular file in bytes; None for a pipe."""
    try:
        status = os.fstat(file.fileno())
    except (OSError, ValueError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def unpack(file: BinaryIO, name: str) -> Container:
    """Unpack an open file according to its first bytes.

    Raises:
        TicketFileError: The file is a damaged archive, an archive of several files, or a bomb.
    """
    counted = CountedFile(file)
    buffered = cast("BinaryIO", io.BufferedReader(counted, _BUFFER))
    with ExitStack() as resources:
        stream, is_workbook = _unpack(buffered, name, counted, resources, depth=0)
        return Container(stream, is_workbook, counted, resources.pop_all())


def _unpack(
    stream: BinaryIO, name: str, counted: CountedFile, resources: ExitStack, depth: int
) -> tuple[BinaryIO, bool]:
    head = cast("io.BufferedReader", stream).peek(4)[:4]
    if head.startswith(_OLD_EXCEL):
        raise TicketFileError(
            f"{name} is an old Excel workbook (.xls): save it as .xlsx or as CSV UTF-8."
        )
    if depth > 1 and head.startswith((_GZIP, _ZIP)):
        raise TicketFileError(f"{name} is an archive within an archive: unpack it first.")
    if head.startswith(_GZIP):
        if depth == 0:
            _refuse_packed_bomb(counted, name)
        unpacked = _Bounded(gzip.GzipFile(fileobj=stream), name, lambda: counted.count)
        inner = cast("BinaryIO", io.BufferedReader(unpacked, _BUFFER))
        return _unpack(inner, name, counted, resources, depth + 1)
    if head.startswith(_ZIP):
        return _unpack_zip(stream, name, counted, resources, depth)
    return stream, False


def _unpack_zip(
    stream: BinaryIO, name: str, counted: CountedFile, resources: ExitStack, depth: int
) -> tuple[BinaryIO, bool]:
    seekable = _seekable(stream, name, counted if depth == 0 else None, resources)
    try:
        archive = resources.enter_context(zipfile.ZipFile(seekable))
        members = [each for each in archive.infolist() if _is_data(each.filename)]
        if any(each.filename == _WORKBOOK for each in archive.infolist()):
            _refuse_bomb(archive.infolist(), name)
            seekable.seek(0)
            return seekable, True
        if not members:
            raise TicketFileError(f"{name} is an empty archive.")
        if len(members) > 1:
            names = ", ".join(each.filename for each in members[:5])
            raise TicketFileError(
                f"{name} holds {len(members)} files ({names}): unpack it and name the files."
            )
        member = members[0]
        _refuse_bomb(members, name)
        packed = max(member.compress_size, 1)
        unpacked = resources.enter_context(archive.open(member))
        inner = cast(
            "BinaryIO", io.BufferedReader(_Bounded(unpacked, name, lambda: packed), _BUFFER)
        )
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, ValueError) as error:
        raise TicketFileError(f"{name}: the archive cannot be read: {error}.") from error
    return _unpack(inner, name, counted, resources, depth + 1)


def _is_data(member: str) -> bool:
    base = member.rpartition("/")[2]
    return bool(base) and not base.startswith(".") and not member.startswith("__MACOSX/")


def _refuse_bomb(members: list[zipfile.ZipInfo], name: str) -> None:
    for each in members:
        ratio = each.file_size / max(each.compress_size, 1)
        if each.file_size > MOST_UNPACKED_BYTES and ratio > MOST_RATIO:
            raise _bomb(name)


def _refuse_packed_bomb(counted: CountedFile, name: str) -> None:
    """Unpack the beginning of a gzipped file on disk, because a reader would notice too late."""
    if size_on_disk(counted.file) is None:
        return
    begin = counted.file.tell()
    counted.file.seek(0)
    trial = CountedFile(counted.file)
    unpacked = _Bounded(gzip.GzipFile(fileobj=cast("BinaryIO", trial)), name, lambda: trial.count)
    count = 0
    while count <= MOST_UNPACKED_BYTES and (read := len(unpacked.read(1 << 20) or b"")):
        count += read
    counted.file.seek(begin)


def _bomb(name: str) -> TicketFileError:
    return TicketFileError(
        f"{name} unpacks to more than {MOST_RATIO} times its size: it is not read, because such a "
        "file can fill the memory; unpack it yourself if you trust it."
    )


def _seekable(
    stream: BinaryIO, name: str, counted: CountedFile | None, resources: ExitStack
) -> BinaryIO:
    """Return the file itself if it can seek, else a temporary copy."""
    if counted is not None and size_on_disk(counted.file) is not None:
        cast("io.BufferedReader", stream).detach().seek(0)
        return cast("BinaryIO", io.BufferedReader(counted, _SMALL_BUFFER))
    copy = tempfile.TemporaryFile(prefix="spikewatch-")  # noqa: SIM115  (the caller closes it)
    resources.callback(copy.close)
    left = MOST_SPOOLED_BYTES
    while chunk := stream.read(1 << 20):
        left -= len(chunk)
        if left < 0:
            raise TicketFileError(f"{name} is too large an archive for a pipe: give it as a file.")
        copy.write(chunk)
    copy.seek(0)
    return cast("BinaryIO", copy)


class _Bounded(io.RawIOBase):
    """Unpacked bytes whose ratio to the packed ones is bounded."""

    def __init__(self, file: object, name: str, packed: Callable[[], int]) -> None:
        self._file = cast("io.BufferedReader", file)
        self._name = name
        self._packed = packed
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # narrower argument
        try:
            read = self._file.read1(len(buffer))
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise TicketFileError(f"{self._name}: reading failed: {error}.") from error
        self._count += len(read)
        if self._count > MOST_UNPACKED_BYTES and self._count > MOST_RATIO * self._packed():
            raise _bomb(self._name)
        buffer[: len(read)] = read
        return len(read)
