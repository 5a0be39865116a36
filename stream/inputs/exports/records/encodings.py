"""Decoding of a ticket file: the encoding is detected, or given by the user."""

import codecs
from collections.abc import Iterator
from typing import BinaryIO, Final

from charset_normalizer import from_bytes

from stream.inputs.exports.refusal import TicketFileError

CHUNK: Final = 1 << 16
"""Number of bytes to read at a time."""
LOOK_AHEAD: Final = 4
"""Number of chunks, from the first byte that is not ASCII, by which the encoding is detected."""

AS_GOOD: Final = 0.02
"""Difference in the shares of odd characters and of plausible words that decides nothing."""

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LEGACY: Final = (
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp437",
    "cp850", "cp852", "cp866", "koi8_r", "mac_roman", "shift_jis", "cp932", "euc_jp", "gb18030",
    "big5", "euc_kr", "cp949",
)  # fmt: skip
"""Encodings to choose from when a file is not Unicode, the most common first."""
_BYTES_OF_LEGACY: Final = 32_768


class Decoder:
    r"""Decoder of a stream of bytes into chunks of text.

    As long as all bytes are ASCII, the encoding is left open; it is detected from the first other
    byte on. Bytes that are not valid in UTF-8 become lone surrogates (`surrogateescape`), so that
    only their own record is lost.

    Example:
        >>> import io
        >>> decoder = Decoder(io.BytesIO("caf\xe9;10\n".encode("cp1252")), "a.csv")
        >>> "".join(decoder.chunks()), decoder.encoding
        ('café;10\n', 'cp1252')
    """

    def __init__(self, stream: BinaryIO, name: str, encoding: str | None = None) -> None:
        """Prepare to decode.

        Args:
            stream: The bytes.
            name: Name of the file, for messages.
            encoding: Encoding to use; None: detect it.

        Raises:
            TicketFileError: There is no such encoding.
        """
        self._stream, self._name = stream, name
        self._given = checked_encoding(encoding)
        self.encoding = self._given or "utf-8"
        """Encoding of the bytes read so far."""

    def chunks(self) -> Iterator[str]:
        """Yield the text of the file, without a byte order mark.

        Raises:
            TicketFileError: Reading fails, or the bytes are not valid in the given encoding.
        """
        first = self._read()
        encoding = self._given or _marked(first)
        if encoding is None:
            while first.isascii():
                if not first:
                    return
                yield first.decode("ascii")
                first = self._read()
            ahead = [first] + [self._read() for _ in range(LOOK_AHEAD - 1)]
            encoding = _detected(b"".join(ahead))
        else:
            ahead = [first]
        self.encoding = "utf-8" if encoding == "utf-8-sig" else encoding
        yield from self._decoded(ahead, encoding)

    def _decoded(self, ahead: list[bytes], encoding: str) -> Iterator[str]:
        strategy = "replace" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"
        decoder = codecs.getincrementaldecoder(encoding)(errors=strategy)
        skip_mark = True
        try:
            while True:
                chunk = ahead.pop(0) if ahead else self._read()
                text = decoder.decode(chunk, final=not chunk and not ahead)
                if skip_mark and text:
                    text, skip_mark = text.removeprefix("\ufeff"), False
                if text:
                    yield text
                if not chunk and not ahead:
                    return
        except UnicodeError as error:
            raise TicketFileError(
                f"{self._name} is not {encoding}: {error}; name another encoding with --encoding."
            ) from error

    def _read(self) -> bytes:
        try:
            return getattr(self._stream, "read1", self._stream.read)(CHUNK)
        except (OSError, EOFError) as error:
            raise TicketFileError(f"{self._name}: reading failed: {error}.") from error


def checked_encoding(name: str | None) -> str | None:
    """Return the name of a text encoding if Python knows it; None stays None.

    Raises:
        TicketFileError: There is no such encoding.
    """
    if name is None:
        return None
    try:
        info = codecs.lookup(name)
        "a".encode(name)
    except (LookupError, ValueError) as error:
        raise TicketFileError(
            f'"{name}" is not an encoding such as utf-8, cp1252 or shift_jis.'
        ) from error
    return "utf-8-sig" if info.name == "utf-8" else info.name


def _marked(head: bytes) -> str | None:
    """Return the encoding that the first bytes show; None: they show none."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return "utf-8-sig" if encoding == "utf-8" else encoding
    start = head[:1000]
    if start.count(0) * 3 >= len(start) > 0:
        even, odd = start[::2].count(0), start[1::2].count(0)
        return "utf-16-be" if even > odd else "utf-16-le"
    return None


def _detected(sample: bytes) -> str:
    """Return the encoding of a sample that is not ASCII: UTF-8 unless most of its lines are not."""
    lines = [line for line in sample.split(b"\n") if not line.isascii()]
    if len(lines) > 1:
        lines = lines[: len(lines) - (not sample.endswith(b"\n"))] or lines
    valid = sum(_is_utf8(line) for line in lines)
    if valid * 2 >= len(lines) and valid:
        return "utf-8"
    matches = from_bytes(b"\n".join(lines)[:_BYTES_OF_LEGACY], cp_isolation=list(_LEGACY))
    best = matches.best()
    if best is None:
        return "cp1252"
    # The code page of Western Europe is by far the most common; others need better evidence.
    for match in matches:
        is_as_good = (
            match.chaos <= best.chaos + AS_GOOD and match.coherence >= best.coherence - AS_GOOD
        )
        if is_as_good and "cp1252" in (match.encoding, *match.could_be_from_charset):
            return "cp1252"
    return best.encoding


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError as error:
        return error.end == len(line) and error.reason == "unexpected end of data"
    return True
