"""Rows of an Excel workbook (.xlsx), read one after another."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import date, datetime, time
from functools import cache
from typing import Any, BinaryIO, Final

from openpyxl import load_workbook

from stream.inputs.exports.records.delimited import Record
from stream.inputs.exports.refusal import TicketFileError

MOST_COLUMNS: Final = 10_000
MIDNIGHT: Final = time()

_LITERAL = re.compile(r'"[^"]*"|[\\_*].|\[[^\]]*\]')


def rows(stream: BinaryIO, name: str, resources: ExitStack) -> Iterator[Record]:
    """Yield the rows of the first sheet that has any, as cells of text, blank rows left out.

    openpyxl reads the sheet as a stream; its table of distinct texts is held in memory.

    Args:
        stream: The workbook; it must be able to seek.
        name: Name of the file, for messages.
        resources: Closes the workbook when the file is closed.

    Raises:
        TicketFileError: The workbook is damaged, encrypted or too wide.
    """
    try:
        book = resources.enter_context(
            closing(load_workbook(stream, read_only=True, data_only=True))
        )
        for sheet in book.worksheets:
            sheet.reset_dimensions()  # a wrong dimension would cut rows off or pad them
            found = False
            for number, cells in enumerate(sheet.iter_rows(), 1):
                if len(cells) > MOST_COLUMNS:
                    raise TicketFileError(
                        f"{name} has {len(cells):,} columns; at most {MOST_COLUMNS:,} are read."
                    )
                texts = [_text(cell) for cell in cells]
                if any(texts):
                    found = True
                    yield Record(number, texts, "\t".join(texts))
            if found:
                return
    except TicketFileError:
        raise
    except Exception as error:
        raise TicketFileError(
            f"{name}: the workbook cannot be read ({type(error).__name__}: {error}); save it as "
            "CSV UTF-8."
        ) from error


def _text(cell: Any) -> str:
    """Return a cell as the text that a CSV file would have."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, datetime):
        if value.time() == MIDNIGHT and _shows_day_only(cell.number_format):
            return value.date().isoformat()
        return value.isoformat(sep=" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


@cache
def _shows_day_only(number_format: str) -> bool:
    """Return whether a number format of Excel shows dates without a time of day.

    Excel keeps a date as a time at midnight; only the format tells them apart.

    Example:
        >>> _shows_day_only('dd/mm/yyyy "hrs"'), _shows_day_only("yyyy-mm-dd hh:mm")
        (True, False)
    """
    codes = _LITERAL.sub("", number_format.partition(";")[0]).lower()
    return "h" not in codes and "s" not in codes and ("d" in codes or "y" in codes)
