"""Columns of a table of unknown origin, found by what stands in them."""

import re
from collections.abc import Sequence
from itertools import islice
from typing import Final

from stream.inputs.exports.mapping import Columns, Source
from stream.inputs.exports.time_shapes import parse

LEAST_SHARE: Final = 0.9
"""Share of the filled cells that must be times in a column of times."""
CELLS: Final = 200
"""Number of filled cells to look at in each column."""

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+|#")
_BEGINNINGS: Final = frozenset(
    {"created", "create", "creation", "opened", "open", "submitted", "received", "reported",
     "raised", "logged", "registered", "start", "started", "posted", "filed"}
)  # fmt: skip
_LATER: Final = frozenset(
    {"updated", "update", "closed", "close", "resolved", "solved", "due", "modified", "last",
     "changed", "sent", "replied", "response", "completed", "end", "ended", "finished"}
)  # fmt: skip
_ID_WORDS: Final = frozenset({"id", "number", "no", "nr", "key", "#", "reference", "ref", "uuid"})
_OTHERS: Final = frozenset(
    {"customer", "account", "user", "author", "requester", "contact", "company", "agent",
     "assignee", "parent", "zip", "phone", "group", "organization", "response", "reply",
     "house", "street", "postal", "product", "store", "location", "order", "item", "tax", "version"}
)  # fmt: skip
_CLOCK = re.compile(r"\d{1,2}[:.]\d\d([:.]\d\d)?(\.\d+)?(\s*[ap]\.?m\.?)?", re.IGNORECASE)


def created_column(columns: Columns, sample: Sequence[Sequence[str]]) -> Source | None:
    """Return the column that most likely holds the times of creation; None: there are no times.

    Columns whose names speak of the beginning come before others, and those that speak of an
    update or an end come last.

    Example:
        >>> columns = Columns(["Closed", "Date/Time Opened", "Subject"], "t.csv")
        >>> created_column(columns, [["1/16/2026", "1/15/2026, 3:04 PM", "x"]]).label
        'Date/Time Opened'
    """
    times = [index for index in range(len(columns.header)) if _holds_times(sample, index)]

    def rank(index: int) -> tuple[bool, bool]:
        words = _words(columns.header[index])
        return not words & _BEGINNINGS, bool(words & _LATER)

    return _column(columns, min(times, key=rank)) if times else None


def id_column(columns: Columns, sample: Sequence[Sequence[str]]) -> Source | None:
    """Return the first column that is named like an id of the ticket and is always filled.

    Example:
        >>> columns = Columns(["Customer ID", "SR Number"], "t.csv")
        >>> id_column(columns, [["7", "1-36"]]).label
        'SR Number'
    """
    for index, name in enumerate(columns.header):
        words = _words(name)
        if not words & _ID_WORDS or words & _OTHERS:
            continue
        cells = [_cell(row, index) for row in sample]
        if all(cells) and len(set(cells)) * 4 > len(cells):  # a log of changes repeats its ids
            return _column(columns, index)
    return None


def clock_column(columns: Columns, day: Source, sample: Sequence[Sequence[str]]) -> Source | None:
    """Return the column with the time of day that belongs to a column of days; None: none.

    It is named like the column of days, with *time* for *date*, or just *Time*.

    Example:
        >>> columns = Columns(["Date Opened", "Time Opened"], "t.csv")
        >>> clock_column(columns, columns.find("Date Opened"), [["15/01/2026", "15:04"]]).label
        'Time Opened'
    """
    for name in (re.sub("(?i)date", "Time", day.label), "Time"):
        found = None if name == day.label else columns.find(name)
        if found is None:
            continue
        filled = [text for row in sample if (text := str(found.read(row)).strip())]
        if filled and all(_CLOCK.fullmatch(text) for text in filled):
            return found
    return None


def _holds_times(sample: Sequence[Sequence[str]], index: int) -> bool:
    filled = list(islice((cell for row in sample if (cell := _cell(row, index))), CELLS))
    return bool(filled) and sum(parse(cell) is not None for cell in filled) >= LEAST_SHARE * len(
        filled
    )


def _column(columns: Columns, index: int) -> Source:
    return Source(columns.header[index], lambda row: _cell(row, index))


def _words(name: str) -> set[str]:
    return {word.lower() for word in _WORDS.findall(name)}


def _cell(row: Sequence[str], index: int) -> str:
    return row[index].strip() if index < len(row) else ""
