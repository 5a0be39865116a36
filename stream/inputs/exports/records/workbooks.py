"""Rows of an Excel workbook (.xlsx), read one after another."""

from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any, BinaryIO, Final

from openpyxl import load_workbook

from stream.inputs.exports.records.delimited import Record
from stream.inputs.exports.refusal import TicketFileError

MOST_COLUMNS: Final = 10_000


def rows(stream: BinaryIO, name: str) -> Iterator[Record]:
    """Yield the rows of the first sheet that has any, as cells of text, blank rows left out.

    openpyxl reads the sheet as a stream; its table of distinct texts is held in memory.

    Args:
        stream: The workbook; it must be able to seek.
        name: Name of the file, for messages.

    Raises:
        TicketFileError: The workbook is damaged, encrypted or too wide.
    """
    try:
        book = load_workbook(stream, read_only=True, data_only=True)
        for sheet in book.worksheets:
            sheet.reset_dimensions()  # a wrong dimension would cut rows off or pad them
            found = False
            for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
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
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)
