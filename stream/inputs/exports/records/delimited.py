"""Rows of a CSV file: any delimiter, any line ends; a damaged row does not harm its neighbors."""

import csv
import re
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from stream.inputs.exports.refusal import Refusal, TicketFileError

MAX_LINE: Final = 1_000_000
"""Longest row in characters; longer ones are refused."""
ENDLESS: Final = 32_000_000
"""Length of a line above which the whole file is refused, since it has no line breaks."""
SAMPLE_LINES: Final = 60
"""Number of lines by which the delimiter is detected."""
DELIMITERS: Final = ",;\t|"

_SEP = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_LONE_RETURN = re.compile(r"\r(?!\n|$)")


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a ticket file.

    Attributes:
        line: Line on which it begins, from 1.
        value: Cells of a row, or an object of a JSON file.
        raw: The record as it stands in the file, for dead letters.
    """

    line: int
    value: object
    raw: str


def rows(chunks: Iterator[str], name: str) -> Iterator[Record | Refusal]:
    r"""Yield the rows of a CSV file with their cells, blank rows left out.

    The delimiter is detected from the first lines, or taken from a first line such as ``sep=;``.
    A row that is not valid CSV is read again with less strict rules, and refused if that fails too;
    reading continues on the line after it.

    Args:
        chunks: The text of the file.
        name: Name of the file, for messages.

    Raises:
        TicketFileError: A line has no end.

    Example:
        >>> text = 'sep=;\nid;text\n1;"a;b"\n2;"no end\n3;c\n'
        >>> [record.value for record in rows(iter([text]), "t.csv") if isinstance(record, Record)]
        [['id', 'text'], ['1', 'a;b'], ['3', 'c']]
    """
    # The limit is global; the default would reject cells that intake can judge.
    csv.field_size_limit(MAX_LINE)
    source = _Lines(_lines(chunks, name))
    sample = source.peek(SAMPLE_LINES)
    if sample and (sep := _SEP.fullmatch(sample[0].strip("\r\n"))):
        next(source)
        source.accept()
        delimiter = sep[1]
    else:
        delimiter = _delimiter(sample)
    while True:
        reader = csv.reader(source, delimiter=delimiter, strict=True)
        try:
            for cells in reader:
                line, raw = source.accept()
                if cells:
                    yield Record(line, cells, raw)
        except csv.Error as error:
            line, raw = source.reject()
            yield _repaired(line, raw, delimiter, str(error))
        else:
            return


def _repaired(line: int, raw: str, delimiter: str, why: str) -> Record | Refusal:
    """Read a single line by less strict rules."""
    if len(raw) <= MAX_LINE:
        text = _LONE_RETURN.sub(" ", raw)
        for escape in (None, "\\"):
            try:
                found = list(
                    csv.reader([text], delimiter=delimiter, strict=True, escapechar=escape)
                )
            except csv.Error:
                continue
            if len(found) == 1:
                return Record(line, found[0], raw)
    is_long = len(raw) > MAX_LINE
    return Refusal(
        line=line,
        reason="oversized" if is_long else "undecodable",
        detail=f"longer than {MAX_LINE:,} characters" if is_long else f"not valid CSV: {why}",
        value=raw[:200],
        remedy="look for a missing line break"
        if is_long
        else "look for a quote that is not doubled or not closed",
        raw=raw[: MAX_LINE + 1].encode("utf-8", "surrogateescape"),
    )


class _Lines(Iterator[str]):
    """Lines for `csv.reader` that remembers those of the current row, so it can be given up."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._ahead: deque[str] = deque()
        self._row: list[str] = []
        self._length = 0
        self._number = 0

    def peek(self, count: int) -> list[str]:
        """Return the next lines without consuming them."""
        while len(self._ahead) < count and (line := next(self._lines, None)) is not None:
            self._ahead.append(line)
        return list(self._ahead)

    def __next__(self) -> str:
        line = self._ahead.popleft() if self._ahead else next(self._lines)
        self._row.append(line)
        self._length += len(line)
        if self._length > MAX_LINE:
            raise csv.Error(
                "a quote is not closed" if len(self._row) > 1 else "the row is too long"
            )
        return line

    def accept(self) -> tuple[int, str]:
        """End the row; return its first line number and its text."""
        line, raw = self._number + 1, "".join(self._row)
        self._number += len(self._row)
        self._row.clear()
        self._length = 0
        return line, raw

    def reject(self) -> tuple[int, str]:
        """Give the row up; return its first line and put the others back."""
        first, *rest = self._row or [""]
        self._ahead.extendleft(reversed(rest))
        self._row = [first]
        return self.accept()


def _lines(chunks: Iterator[str], name: str) -> Iterator[str]:
    """Yield lines that end in LF; without any LF in the first chunk, lines end in CR."""
    rest, dropped = "", 0
    end = None
    for chunk in chunks:
        if end is None:
            end = "\r" if "\r" in chunk and "\n" not in chunk else "\n"
        *whole, rest = (rest + chunk).split(end)
        for line in whole:
            yield line + "\n"
        if len(rest) > MAX_LINE + 1:  # only its beginning is kept; the row is refused
            dropped += len(rest) - MAX_LINE - 1
            rest = rest[: MAX_LINE + 1]
            if dropped > ENDLESS:
                raise TicketFileError(
                    f"{name} has a line of more than {ENDLESS:,} characters: is it a ticket file?"
                )
        elif whole:
            dropped = 0
    if rest:
        yield rest


def _delimiter(lines: list[str]) -> str:
    """Return the delimiter by which most lines belong to rows of the same number of cells."""

    # csv.Sniffer also guesses letters as delimiters, and fails if there is only one column.
    def fit(delimiter: str) -> tuple[int, int]:
        reader = csv.reader(lines, delimiter=delimiter)
        counts: Counter[int] = Counter()
        read = 0
        try:
            for row in reader:  # a row may have several lines
                counts[len(row)] += (reader.line_num - read) * (len(row) > 1)
                read = reader.line_num
        except csv.Error:
            pass
        cells, lines_alike = max(
            counts.items(), key=lambda each: (each[1], each[0]), default=(1, 0)
        )
        return lines_alike, cells

    return max(DELIMITERS, key=fit)
