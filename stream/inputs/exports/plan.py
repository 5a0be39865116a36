"""How the records of one file become ticket events: chosen by its first records."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from stream.inputs.exports.inference import clock_column, created_column, id_column
from stream.inputs.exports.mapping import (
    AREA_OR_TEXT,
    CONSTANT,
    KINDS,
    REQUIRED,
    Columns,
    Source,
    check_fields,
    folded,
    joined,
    path_source,
)
from stream.inputs.exports.preset_tables import Preset
from stream.inputs.exports.presets import (
    GENERIC,
    LISTS,
    PRESETS,
    of_object,
    of_table,
    plain,
)
from stream.inputs.exports.records.delimited import Record
from stream.inputs.exports.refusal import TicketFileError
from stream.inputs.exports.time_shapes import is_day, parse, parse_number
from stream.inputs.exports.times import is_rfc3339

Lists = Literal["first", "joined", "all"]
_UTC = re.compile(r"\b(?:utc|gmt)\b", re.IGNORECASE)
OWN_NAMES: Final = {field: (field,) for field in KINDS}
"""The fields of a ticket event under their own names."""
SAME_FIELD: Final = {"customer": "customer.id", "customer.id": "customer"}
"""Fields that hold the same: only one of them is read."""
ALWAYS: Final = ("app_version", "language")
"""Fields that are custom fields in every helpdesk, so they have common names."""
HEADER_ROWS: Final = 50
"""Number of first rows among which the header is searched."""


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """What a user says about a ticket file; the defaults detect everything.

    Attributes:
        mapping: Column or path of each mapped field.
        preset: Name of a helpdesk; None: recognize it.
        timezone: IANA time zone of times without an offset.
        time_format: ``strptime`` pattern of all times.
        encoding: Encoding of the text.
        format: Format of the file; None: by its content and name.
        lists: Which of several areas of a ticket counts: the first, all joined by a slash to one
            name, or all, each with a ticket of its own.
    """

    mapping: Mapping[str, str] = field(default_factory=dict)
    preset: str | None = None
    timezone: str | None = None
    time_format: str | None = None
    encoding: str | None = None
    format: Literal["jsonl", "json", "csv", "xlsx"] | None = None
    lists: Lists = "first"

    @property
    def are_default(self) -> bool:
        """Whether the user said nothing about the content of the file but its time zone."""
        return self == ReadOptions(format=self.format, lists=self.lists, timezone=self.timezone)


@dataclass
class Plan:
    """Sources of the fields of one file.

    Attributes:
        sources: Source of each field that the file has.
        preset: Name of the preset; None: the names of the fields themselves, or a mapping.
        skip: Number of rows up to and with the header, 0 for JSON and for a table without one.
        has_labels: Whether areas stand among labels: several in a cell, some with a prefix such as
            ``area:``.
        is_utc: Whether the name of the column says that the creation times are in UTC.
        notes: What a user should know about the choice.
    """

    sources: dict[str, Source]
    preset: str | None = None
    skip: int = 0
    has_labels: bool = False
    is_utc: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def mapping(self) -> dict[str, str]:
        """Name of the source of each field."""
        return {name: source.label for name, source in self.sources.items()}


def plan_of_table(rows: Sequence[Record], name: str, options: ReadOptions) -> Plan:
    """Choose the columns of the fields by the first rows of a table.

    Args:
        rows: First rows, with the header among the first `HEADER_ROWS`.
        name: Name of the file, for messages.
        options: What the user said.

    Raises:
        TicketFileError: The table has no usable columns.
    """
    check_fields(options.mapping)
    if not rows:
        raise TicketFileError(f"{name} is empty: its first line must name the columns.")
    given = given_preset(options)
    best: tuple[int, int, Preset | None] = (0, 0, None)
    for number, row in enumerate(rows[:HEADER_ROWS]):
        score, preset = _fitness([str(cell) for cell in _cells(row)], given, options)
        if score > best[0]:
            best = score, number, preset
    score, number, preset = best
    numbered = [column for column in options.mapping.values() if not _is_name(column)]
    if score == 0 and numbered and len(numbered) == len(options.mapping):
        return _plan_of_numbers(rows, name, options)
    header = [str(cell) for cell in _cells(rows[number])]
    columns = Columns(header, name)
    sample = [_cells(row) for row in rows[number + 1 :]]
    named = {plain(folded(cell)): cell for cell in reversed(header)}

    def find(candidate: str) -> Source | None:
        return columns.find(candidate) or (
            columns.find(named[candidate]) if candidate in named else None
        )

    def find_all(candidate: str) -> Source | None:
        return columns.find(f"{candidate}[*]") if columns.count(candidate) > 1 else None

    sources = _mapped(options.mapping, columns.find, columns.missing)
    if preset is not None:
        _fill(sources, {"tags": preset.columns.get("tags", ())}, find_all, sample)
        _fill(sources, preset.columns, find, sample)
        _fill(sources, {name: GENERIC.columns[name] for name in ALWAYS}, find, sample)
    _fill(sources, OWN_NAMES, find, sample)
    if preset is None:
        _fill(sources, GENERIC.columns, find, sample)
        _infer(sources, columns, sample)
    chosen = preset.name if preset else _generic(sources, options)
    plan = Plan(sources, chosen, number + 1)
    if (lack := _lacks(sources)) is not None:
        raise TicketFileError(_advice(lack, name, columns.listed(), rows, number))
    if sample and all(is_day(str(sources[REQUIRED].read(row))) for row in sample):
        plan.notes.append("the times tell only the day, so incidents are found a day late")
    if number:
        lines = "1 line" if number == 1 else f"{number} lines"
        plan.notes.append(f"skipped {lines} before the header")
    plan.has_labels = _has_labels(sources)
    plan.is_utc = _UTC.search(sources[REQUIRED].label) is not None
    return plan


def plan_of_objects(records: Sequence[Record], name: str, options: ReadOptions) -> Plan:
    """Choose the paths of the fields by the first objects of a JSON file.

    Raises:
        TicketFileError: The objects have no usable keys.
    """
    check_fields(options.mapping)
    if not records:
        return Plan({})
    sample = [record.value for record in records]
    first: Any = sample[0]
    preset = given_preset(options) or (None if "ticket_id" in first else of_object(first))

    def missing(wanted: Iterable[str]) -> str:
        keys = ", ".join(map(str, list(first)[:50]))
        return f"{name} has no {' and no '.join(wanted)} in its objects; the first has {keys}."

    def find_path(path: str) -> Source | None:
        source = path_source(path)
        return source if any(_is_filled(source.read(each)) for each in sample) else None

    def find_scalar(path: str) -> Source | None:
        source = find_path(path)
        is_nested = source is not None and any(isinstance(source.read(e), dict) for e in sample)
        return None if is_nested else source

    sources = _mapped(options.mapping, find_path, missing)
    if preset is not None:
        _fill(sources, preset.paths, find_path, sample)
        _fill(sources, OWN_NAMES, find_scalar, sample)
    else:
        _fill(sources, OWN_NAMES, find_path, sample)
        names = {
            name: [c for c in columns if c.isidentifier()]
            for name, columns in GENERIC.columns.items()
        }
        _fill(sources, names, find_path, sample)
    chosen = preset.name if preset else _generic(sources, options)
    if (lack := _lacks(sources)) is not None:
        advice = f"name its path, as in --map {lack.partition(' ')[0]}=path.to.it"
        raise TicketFileError(f"{missing([lack])[:-1]}; {advice}.")
    return Plan(sources, chosen, has_labels=_has_labels(sources))


def _generic(sources: Mapping[str, Source], options: ReadOptions) -> str | None:
    """Return the name of the generic preset if common names were used."""
    is_own = all(folded(source.label) == name for name, source in sources.items())
    return None if is_own or options.mapping else GENERIC.name


def _has_labels(sources: Mapping[str, Source]) -> bool:
    area = sources.get("product_area")
    return area is not None and not LISTS.isdisjoint(re.split(r"\W+", area.label.casefold()))


def given_preset(options: ReadOptions) -> Preset | None:
    """Return the preset that the user named; None: none.

    Raises:
        TicketFileError: There is no such preset.
    """
    if options.preset is None:
        return None
    if options.preset not in PRESETS:
        names = ", ".join(sorted(PRESETS))
        raise TicketFileError(f'"{options.preset}" is not a preset; the presets are {names}.')
    return PRESETS[options.preset]


def _fitness(
    header: Sequence[str], given: Preset | None, options: ReadOptions
) -> tuple[int, Preset | None]:
    """Return how well a row serves as the header, 0 for not at all, and the preset it shows."""
    names = [folded(cell) for cell in header]
    columns = Columns(header, "")
    mapped = [column for column in options.mapping.values() if _is_name(column)]
    found = sum(columns.find(column) is not None for column in mapped)
    own = sum(each in names for each in KINDS)
    preset = given
    if given is None and "ticket_id" not in names:
        preset = of_table([plain(each) for each in names])
    known = {each for column in (preset or GENERIC).columns.values() for each in column}
    recognized = sum(plain(each) in known for each in names)
    if mapped:
        return found * 1_000 + own + recognized, preset
    return (own + recognized if own + recognized > 1 else 0), preset


def _plan_of_numbers(rows: Sequence[Record], name: str, options: ReadOptions) -> Plan:
    """Choose columns by number; the first row is data if its time can be read."""
    columns = Columns([""] * 10_000, name)
    sources = _mapped(options.mapping, columns.find, columns.missing)
    if (lack := _lacks(sources)) is not None:
        raise TicketFileError(f"{name}: --map names no {lack}, as in --map {lack}=#2.")
    written = str(sources[REQUIRED].read(_cells(rows[0])))
    is_data = bool(is_rfc3339(written) or parse(written) or parse_number(written))
    if options.time_format is not None:
        is_data = any(character.isdigit() for character in written)
    return Plan(sources, skip=0 if is_data else 1)


def _mapped(
    mapping: Mapping[str, str],
    find: Callable[[str], Source | None],
    missing: Callable[[Iterable[str]], str],
) -> dict[str, Source]:
    found = {name: find(column) for name, column in mapping.items()}
    if absent := [mapping[name] for name, source in found.items() if source is None]:
        raise TicketFileError(missing(absent))
    return {name: source for name, source in found.items() if source is not None}


def _infer(sources: dict[str, Source], columns: Columns, sample: Sequence[Sequence[str]]) -> None:
    """Find the id and the time of creation by what stands in the columns."""
    if "ticket_id" not in sources and (found := id_column(columns, sample)) is not None:
        sources["ticket_id"] = found
    if REQUIRED not in sources and (found := created_column(columns, sample)) is not None:
        sources[REQUIRED] = found
    day = sources.get(REQUIRED)
    if day is None or not all(is_day(str(day.read(row))) for row in sample):
        return
    if (clock := clock_column(columns, day, sample)) is not None:
        sources[REQUIRED] = joined([day, clock])


def _fill(
    sources: dict[str, Source],
    names: Mapping[str, Sequence[str]],
    find: Callable[[str], Source | None],
    sample: Sequence[Any],
) -> None:
    """Add sources of fields that have none: the best candidate that is not always empty.

    What is already the source of another field is left out, unless it is among labels.
    """
    used = {source.label for source in sources.values()}
    for name, candidates in names.items():
        if name in sources or SAME_FIELD.get(name) in sources:
            continue
        found = [
            source
            for each in candidates
            if (source := find(each)) is not None
            and (source.label not in used or folded(source.label) in LISTS)
        ]
        if filled := [
            source for source in found if any(_is_filled(source.read(each)) for each in sample)
        ]:
            sources[name] = filled[0]
        elif found:
            sources[name] = found[0]


def _lacks(sources: Mapping[str, Source]) -> str | None:
    if REQUIRED not in sources:
        return REQUIRED
    return None if any(each in sources for each in AREA_OR_TEXT) else " or ".join(AREA_OR_TEXT)


def _advice(lack: str, name: str, listed: str, rows: Sequence[Record], number: int) -> str:
    text = f"{name} has no column {lack}; {listed}; name the column, as in --map "
    text += f"{lack.partition(' ')[0]}=Column"
    if any(parse(str(cell)) for cell in _cells(rows[number])):
        text += ", or by its number, as in --map ticket_id=#1,created_at=#2,product_area=#3"
        text += ", because this looks like a table without a header"
    return f"{text}."


def _cells(record: Record) -> list[str]:
    return record.value if isinstance(record.value, list) else []


def _is_filled(value: Any) -> bool:
    return value not in (None, "", [], {})


def _is_name(column: str) -> bool:
    return not column.startswith(("#", CONSTANT))
