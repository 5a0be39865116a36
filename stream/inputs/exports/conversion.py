"""Conversion of records to ticket events, by the plan of their file."""

import html
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from stream.inputs.exports.mapping import KINDS, REQUIRED
from stream.inputs.exports.plan import Lists, Plan
from stream.inputs.exports.presets import area_label
from stream.inputs.exports.records.delimited import Record
from stream.inputs.exports.refusal import Refusal
from stream.inputs.exports.times import TimeReader

AREA: Final = "product_area"
MOST_TAGS: Final = 256
TAG_CHARACTERS: Final = 256

_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?", re.ASCII)
_AMOUNT = re.compile(
    r"[^\d.,-]*(-?\d{1,3}(?:([.,' ])\d{3}(?:\2\d{3})*)|-?\d+)(?:([.,])(\d{1,2}))?\D*", re.ASCII
)
_TAG = re.compile(r"<[^<>]{1,2000}>")
_ESCAPED = re.compile("[\udc80-\udcff]")
_NAMES_WITHIN: Final = ("name", "display_value", "displayName", "title", "value", "key", "login",
                        "email", "id")  # fmt: skip
"""Keys under which a nested object holds its name, best first."""


class Converter:
    """Converter of the records of one file to ticket events in JSON.

    Attributes:
        left_out: Number of values of optional fields that could not be read, by field.
        areas_left: Number of tickets of which only the first of several areas counts.
    """

    def __init__(
        self, plan: Plan, times: TimeReader, lists: Lists = "first", id_prefix: str = ""
    ) -> None:
        """Take the plan, the reader of times, which area counts, and the prefix of missing ids."""
        self._plan, self._times, self._lists = plan, times, lists
        self._id_prefix = id_prefix
        self._kinds = {each: KINDS[each] for each in plan.sources}
        self._prefixed = False
        self._last_line = self._same_line = 0
        self.left_out: Counter[str] = Counter()
        self.areas_left = 0

    def learn(self, sample: Sequence[Record]) -> None:
        """Learn times and labels from the first records of the file.

        Raises:
            AmbiguousTimeError: More records are needed to tell day and month apart.
        """
        moments = [text for record in sample if (text := self._text(record, REQUIRED))]
        others = [
            text
            for each, kind in self._kinds.items()
            if kind == "time" and each != REQUIRED
            for record in sample
            if (text := self._text(record, each))
        ]
        self._times.learn(moments, others)
        self._prefixed = self._plan.has_labels and any(
            area_label(label) for record in sample for label in self._areas(record.value)
        )

    def convert(self, record: Record) -> Iterator[tuple[int, bytes] | Refusal]:
        """Yield the ticket event of a record, or its events if it has several areas.

        Yields:
            The line on which the record begins and the event as JSON; or why there is none.
        """
        if _ESCAPED.search(record.raw):
            yield self._refuse(
                record, "undecodable", None, record.raw, "holds bytes of another encoding",
                "name the encoding of the file with --encoding",
            )  # fmt: skip
            return
        ticket: dict[str, Any] = {}
        customer: dict[str, Any] = {}
        holds_values = self._holds_areas(record)
        for name, source in self._plan.sources.items():
            value = source.read(record.value)
            if value in (None, "", []) or name == AREA:
                continue
            if name == REQUIRED:
                written = _name(value)
                moment = self._times.read(written, in_order=True)
                if moment is None:
                    yield self._refused_time(record, written)
                    return
                ticket[name] = moment
                holds_values = holds_values or not source.is_constant
                continue
            converted = self._value(name, value)
            if converted is None:
                self.left_out[name] += 1
                continue
            holds_values = holds_values or not source.is_constant
            outer, _, inner = name.rpartition(".")
            (customer if outer else ticket)[inner] = converted
        if not holds_values:
            return  # a row of other columns only, such as a total
        if REQUIRED not in ticket:
            remedy = "a record without a time is no ticket; else name its column with --map"
            yield self._refuse(
                record, "missing_field", REQUIRED, "", "created_at: is empty", remedy
            )
            return
        ticket.setdefault("ticket_id", self._made_up_id(record.line))
        if customer:
            ticket["customer"] = customer | (
                {"id": ticket["customer"]} if "customer" in ticket and "id" not in customer else {}
            )
        yield from self._with_areas(record, ticket)

    def _made_up_id(self, line: int) -> str:
        """Return the prefix and the line, with a number if several records begin on the line."""
        self._same_line = self._same_line + 1 if line == self._last_line else 0
        self._last_line = line
        number = f"-{self._same_line}" if self._same_line else ""
        return f"{self._id_prefix}{line}{number}"

    def _with_areas(self, record: Record, ticket: dict[str, Any]) -> Iterator[tuple[int, bytes]]:
        areas = self._areas(record.value)
        if self._prefixed:
            areas = [area for label in areas if (area := area_label(label))]
        if len(areas) > 1 and self._lists == "all":
            for number, area in enumerate(areas, 1):
                own = ticket | {"ticket_id": f"{ticket['ticket_id']}/{number}", AREA: area}
                yield record.line, _encoded(own)
            return
        if len(areas) > 1 and self._lists == "joined":
            areas = [" / ".join(areas)]
        self.areas_left += len(areas) > 1
        if areas:
            ticket[AREA] = areas[0]
        yield record.line, _encoded(ticket)

    def _holds_areas(self, record: Record) -> bool:
        source = self._plan.sources.get(AREA)
        return source is not None and not source.is_constant and bool(self._areas(record.value))

    def _areas(self, record: Any) -> list[str]:
        source = self._plan.sources.get(AREA)
        value = None if source is None else source.read(record)
        if isinstance(value, str) and self._plan.has_labels:
            value = re.split(r"[,;|]", value)
        values = value if isinstance(value, list) else [value]
        return [text for each in values if (text := _name(each))]

    def _value(self, name: str, value: Any) -> object:
        """Return a value as the schema wants it; None: it cannot be read."""
        kind = self._kinds[name]
        if kind == "array":
            separators = r"[,;|\s]" if self._plan.preset == "zendesk" else r"[,;|]"
            parts = [
                part
                for each in (value if isinstance(value, list) else [value])
                for part in re.split(separators, _name(each))
            ]
            tags = [tag[:TAG_CHARACTERS] for part in parts if (tag := part.strip())]
            return tags[:MOST_TAGS] or None
        text = _name(value)
        if kind == "time":
            return self._times.read(text)
        if kind in {"integer", "number"}:
            return number(text)
        if name in ("subject", "body") and text.startswith("<"):  # of chats and mails
            text = " ".join(html.unescape(_TAG.sub(" ", text)).split())
        return text or None

    def _text(self, record: Record, name: str) -> str:
        value = self._plan.sources[name].read(record.value)
        return "" if value is None else _name(value)

    def _refused_time(self, record: Record, written: str) -> Refusal:
        if self._times.is_local(written):
            return self._refuse(
                record, "no_offset", REQUIRED, written,
                f'created_at: "{written[:60]}" has no UTC offset',
                "name the time zone with --timezone, such as --timezone Europe/Berlin",
            )  # fmt: skip
        pattern = self._times.pattern
        if pattern is not None:
            detail = f'created_at: "{written[:60]}" does not match the pattern {pattern}'
            remedy = "correct the pattern of --time-format, or leave it out"
        else:
            detail = f'created_at: "{written[:60]}" is not a time that is recognized'
            remedy = "give its pattern, such as --time-format '%d/%m/%Y %H:%M'"
        return self._refuse(record, "wrong_type", REQUIRED, written, detail, remedy)

    def _refuse(
        self, record: Record, reason: Any, name: str | None, value: str, detail: str, remedy: str
    ) -> Refusal:
        return Refusal(
            line=record.line,
            field=name,
            value=_ESCAPED.sub("\N{REPLACEMENT CHARACTER}", value),
            reason=reason,
            detail=detail,
            remedy=remedy,
            raw=record.raw.encode("utf-8", "surrogateescape"),
        )


def number(text: str) -> int | float | None:
    """Read a number or an amount of money; None: it is neither.

    Example:
        >>> number("12,000.50"), number("EUR 1.200,5"), number("-3"), number("007"), number("x")
        (12000.5, 1200.5, -3, 7, None)
    """
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    found = _AMOUNT.fullmatch(text)
    if found is None or len(text) > 40 or found[2] == found[3] is not None:
        return None
    whole = re.sub(r"[^\d-]", "", found[1])
    return float(f"{whole}.{found[4]}") if found[4] else int(whole)


def _name(value: Any) -> str:
    """Return a value as text: of a nested object its name, of a list its first value."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, Mapping):
        found = next((value[key] for key in _NAMES_WITHIN if value.get(key)), "")
        return _name(found) if isinstance(found, str | int | float) else ""
    if isinstance(value, list):
        return next((text for each in value if (text := _name(each))), "")
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    return str(value)


def _encoded(ticket: Mapping[str, Any]) -> bytes:
    text = json.dumps(ticket, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")
