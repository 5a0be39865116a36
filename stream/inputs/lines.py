"""Lines of a file of JSON objects, one per line, such as verdicts or escalations."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from stream.inputs.exports.records.containers import open_file, unpack
from stream.inputs.exports.records.delimited import ENDLESS
from stream.inputs.exports.refusal import TicketFileError

MAX_LINE_BYTES: Final = 1_000_000
"""Length to which longer lines are cut, plus one byte; exceeds any ``[limits] ticket_bytes``."""

_BOM = b"\xef\xbb\xbf"


def read_lines(path: Path | str) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file with their numbers, from 1; blank lines are left out.

    Args:
        path: A path, or ``-`` for standard input. Gzipped and zipped files are unpacked.

    Raises:
        TicketFileError: The file cannot be opened or read.
    """
    name = "standard input" if str(path) == "-" else str(path)
    file = open_file("-" if str(path) == "-" else path, name)
    try:
        container = unpack(file, name)
        with container.resources:
            yield from numbered(container.stream, name)
    finally:
        if str(path) != "-":
            file.close()


def numbered(stream: BinaryIO, name: str) -> Iterator[tuple[int, bytes]]:
    """Yield lines with their numbers, without line ends and a BOM; cut lines that are too long.

    Raises:
        TicketFileError: Reading fails, or a line has no end.
    """
    number = 0
    try:
        while line := stream.readline(MAX_LINE_BYTES + 1):
            rest, skipped = line, 0
            while len(rest) > MAX_LINE_BYTES and not rest.endswith(b"\n"):
                rest = stream.readline(MAX_LINE_BYTES + 1)
                skipped += len(rest)
                if skipped > ENDLESS:
                    raise TicketFileError(
                        f"{name} has a line of more than {ENDLESS:,} bytes: is it a ticket file?"
                    )
            number += 1
            text = line.rstrip(b"\r\n")
            if number == 1:
                text = text.removeprefix(_BOM)
            if text.strip():
                yield number, text
    except (OSError, EOFError) as error:
        raise TicketFileError(f"{name}: reading failed: {error}.") from error
