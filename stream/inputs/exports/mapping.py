"""Where each field of a ticket event stands in a record: a column of a table, or a path in JSON."""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import jmespath

from schemas.codec import clean
from schemas.ticket import Customer, TicketEvent
from stream.inputs.exports.refusal import TicketFileError

Kind = Literal["time", "integer", "number", "array", "string"]
REQUIRED: Final = "created_at"
"""The one field that every file must have; a file without ids gets line numbers as ids."""
AREA_OR_TEXT: Final = ("product_area", "subject", "body")
CONSTANT: Final = "="
"""Mark before a value that all records share, as in ``tenant==acme``."""

NAME_CHARACTERS: Final = 200
"""Number of characters to keep of the name of a column."""

_NUMBERED = re.compile(r"#(\d{1,5})")
_NTH = re.compile(r"(.+)\[(\d{1,4}|\*)\]")
_SIMPLE_PATH = re.compile(r"[\w-]+(\.[\w-]+)*")


def _kinds() -> dict[str, Kind]:
    """Return the kind of each field of a ticket; fields of the customer have dotted names."""
    kinds: dict[str, Kind] = {}
    for prefix, model in (("", TicketEvent), ("customer.", Customer)):
        for name, schema in model.model_json_schema()["properties"].items():
            one = next((s for s in schema.get("anyOf", []) if s.get("type") != "null"), schema)
            is_time = one.get("format") == "date-time"
            kinds[prefix + name] = "time" if is_time else one.get("type", "string")
    return kinds


KINDS: Final = _kinds()
"""Kind of each field of a ticket event."""


@dataclass(frozen=True, slots=True)
class Source:
    """Source of one field in a record.

    Attributes:
        label: Name to show, such as that of the column.
        read: Returns the value of the field in a record; None or an empty text: it has none.
        is_constant: Whether the value is that of ``--map``, whatever the record holds.
    """

    label: str
    read: Callable[[Any], Any]
    is_constant: bool = False


def parse_mapping(text: str) -> dict[str, str]:
    """Parse the mapping of a ``--map`` option from ticket fields to columns or paths.

    Args:
        text: Comma-separated ``field=Column`` pairs. A comma in the name of a column is
            escaped with a backslash.

    Raises:
        TicketFileError: A pair has no ``=``, a field is unknown, or a field is mapped twice.

    Example:
        >>> parse_mapping("created_at=Created At,customer.id=Account")
        {'created_at': 'Created At', 'customer.id': 'Account'}
    """
    mapping: dict[str, str] = {}
    for pair in re.split(r"(?<!\\),", text):
        field, equals, column = (part.strip() for part in pair.partition("="))
        if not (field and equals and column):
            raise TicketFileError(
                f'"{pair.strip()}" is not a mapping such as created_at=Created At.'
            )
        if field in mapping:
            raise TicketFileError(f"{field} is mapped twice.")
        mapping[field] = column.replace("\\,", ",")
    check_fields(mapping)
    return mapping


def check_fields(mapping: Iterable[str]) -> None:
    """Check that all names are fields of a ticket.

    Raises:
        TicketFileError: One is not; the message suggests a similar one.
    """
    for field in mapping:
        if field not in KINDS:
            inner = {name.partition(".")[2]: name for name in KINDS if "." in name}
            close = difflib.get_close_matches(field, [*KINDS, *inner], n=1)
            named = inner.get(close[0], close[0]) if close else ""
            hint = f"did you mean {named}?" if close else f"the fields are {', '.join(KINDS)}."
            raise TicketFileError(f"{field} is not a field of a ticket; {hint}")


def folded(name: str) -> str:
    """Return the name of a column without differences of case and space.

    Example:
        >>> folded(" Created  At ")
        'created at'
    """
    return " ".join(name.split()).casefold()


class Columns:
    """Columns of a table by name; several columns may have the same name.

    Example:
        >>> columns = Columns(["Id", "Labels", "Labels"], "t.csv")
        >>> columns.find("labels").read(["1", "", "late"])
        'late'
    """

    def __init__(self, header: Sequence[str], name: str) -> None:
        """Take the cells of the header, and the name of the file for messages."""
        self.header = [clean(cell, NAME_CHARACTERS) for cell in header]
        self._name = name
        self._by_name: dict[str, list[int]] = {}
        for index, cell in enumerate(self.header):
            self._by_name.setdefault(folded(cell), []).append(index)

    def find(self, column: str) -> Source | None:
        """Return the source of a column: its name, ``Name[2]``, ``Name[*]``, ``#3`` or ``A+B``.

        Of several columns with the same name, the first that is not empty counts; ``Name[2]`` is
        the second of them, and ``Name[*]`` are all. ``#3`` is the third column of the table.
        ``A+B`` are two columns joined by a space, such as a date and a time.
        """
        if column.startswith(CONSTANT):
            return _constant(column)
        if (number := _NUMBERED.fullmatch(column)) is not None:
            return self._of([int(number[1]) - 1], column)
        if indexes := self._by_name.get(folded(column)):
            return self._of(indexes, self.header[indexes[0]])
        if (nth := _NTH.fullmatch(column)) and (indexes := self._by_name.get(folded(nth[1]))):
            if nth[2] == "*":
                return Source(column, lambda row: [c for i in indexes if (c := _cell(row, i))])
            if 1 <= int(nth[2]) <= len(indexes):
                return self._of([indexes[int(nth[2]) - 1]], column)
        return self._joined(column) if "+" in column else None

    def count(self, column: str) -> int:
        """Return the number of columns with a name."""
        return len(self._by_name.get(folded(column), ()))

    def _joined(self, column: str) -> Source | None:
        parts = [self.find(part.strip()) for part in column.split("+")]
        found = [part for part in parts if part is not None]
        return joined(found) if len(found) == len(parts) else None

    def _of(self, indexes: list[int], label: str) -> Source:
        if len(indexes) == 1:
            index = indexes[0]
            return Source(label, lambda row: _cell(row, index))
        return Source(
            label, lambda row: next((c for index in indexes if (c := _cell(row, index))), "")
        )

    def missing(self, wanted: Iterable[str]) -> str:
        """Return a message about columns that the file does not have."""
        absent = list(wanted)
        text = f"{self._name} has no column {' and no '.join(absent)}; {self.listed()}"
        close = difflib.get_close_matches(absent[0], self.header, n=1)
        return f"{text}; did you mean {close[0]}?" if close else f"{text}."

    def listed(self) -> str:
        """Return the names of the columns as part of a sentence."""
        names = [column for column in self.header if column]
        more = f" and {len(names) - 50} more" if len(names) > 50 else ""
        return f"its columns are {', '.join(names[:50])}{more}"


def _constant(marked: str) -> Source:
    value = marked.removeprefix(CONSTANT)
    return Source(marked, lambda _record: value, is_constant=True)


def _cell(row: Sequence[str], index: int) -> str:
    return row[index].strip() if index < len(row) else ""


def joined(sources: Sequence[Source]) -> Source:
    """Return the source of several columns joined by a space, such as a date and a time."""
    label = "+".join(source.label for source in sources)
    return Source(label, lambda row: " ".join(filter(None, (each.read(row) for each in sources))))


def path_source(expression: str) -> Source:
    """Return the source of a path in JSON: dotted names, or an expression of JMESPath.

    Source: https://jmespath.org/specification.html

    Raises:
        TicketFileError: It is not a valid expression.

    Example:
        >>> issue = {"fields": {"components": [{"name": "login"}]}}
        >>> path_source("fields.components[0].name").read(issue)
        'login'
    """
    if expression.startswith(CONSTANT):
        return _constant(expression)
    if _SIMPLE_PATH.fullmatch(expression):
        names = expression.split(".")
        return Source(expression, lambda record: _walk(record, names))
    try:
        compiled = jmespath.compile(expression)
    except jmespath.exceptions.JMESPathError as error:
        why = str(error).splitlines()[0]
        raise TicketFileError(f'"{expression}" is not a path in JSON: {why}') from error

    def search(record: Any) -> Any:
        try:
            return compiled.search(record)
        except jmespath.exceptions.JMESPathError:  # a function got a value of another type
            return None

    return Source(expression, search)


def _walk(record: Any, names: Sequence[str]) -> Any:
    if isinstance(record, Mapping) and (whole := ".".join(names)) in record:
        return record[whole]
    for name in names:
        if not isinstance(record, Mapping):
            return None
        record = record.get(name)
    return record
