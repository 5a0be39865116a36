"""Times as people and programs write them: shapes that are recognized, without any guess."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final, Literal

DayOrder = Literal["day first", "month first"]

# Names in English, German, French, Spanish, Italian, Portuguese and Dutch, lower case, as helpdesks
# write them in their language settings; abbreviations are matched by their beginning.
_MONTHS: Final = (
    ("jan", "jän", "ene", "gen"),
    ("feb", "fév", "fev"),
    ("mar", "mär", "mrz", "maa", "mrt"),
    ("apr", "avr", "abr"),
    ("may", "mai", "mag", "mei"),
    ("jun", "juin", "giu"),
    ("jul", "juil", "lug"),
    ("aug", "aoû", "ago"),
    ("sep", "set"),
    ("oct", "okt", "ott", "out"),
    ("nov",),
    ("dec", "dez", "déc", "dic"),
)
_MONTH_OF: Final = {
    prefix: number for number, prefixes in enumerate(_MONTHS, 1) for prefix in prefixes
}
# "juin" and "juil" share three letters, and so do no other two months of one language.
_OFFSET_HOURS: Final = {
    "Z": 0, "UTC": 0, "GMT": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6,
    "PST": -8, "PDT": -7, "WET": 0, "WEST": 1, "CET": 1, "CEST": 2, "MEZ": 1, "MESZ": 2, "EET": 2,
    "EEST": 3, "MSK": 3, "JST": 9, "KST": 9, "AEST": 10, "AEDT": 11,
}  # fmt: skip

_GERMAN_HALVES: Final = {"vorm": "a", "nachm": "p"}
_MONTH = r"[^\W\d_]{3,12}\.?"
_ZONE = r"(?P<zone>Z|(?:UTC|GMT)?[+-]\d{1,2}(?::?\d\d)?|[A-Z]{3,4}|UTC|GMT)"
_CLOCK = (
    r"(?P<hour>\d{1,2})[:.h](?P<minute>\d\d)(?:[:.](?P<second>\d\d)(?:[.,](?P<part>\d{1,9}))?)?"
    r"(?:\s*(?:(?P<half>[AaPp])\.?\s?[Mm]\.?|(?P<half_german>vorm|nachm)\.?))?"
)
_DATES: Final = {
    "ymd": r"(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})",
    "two": r"(?P<first>\d{1,2})(?P<mark>[-/.])\s?(?P<second_part>\d{1,2})(?P=mark)\s?"
    r"(?P<year>\d{4}|\d\d)",
    "day name": rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)?[\s/-]+(?:de\s+)?(?P<name>{_MONTH})"
    r"[\s/,-]+(?:de[l]?\s+)?(?P<year>\d{4}|\d\d)",
    "name day": rf"(?P<name>{_MONTH})\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}})",
    "cjk": r"(?P<year>\d{4})\s?[年년]\s?(?P<month>\d{1,2})\s?[月월]\s?(?P<day>\d{1,2})\s?[日일]",
    "digits": r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)",
}
_WEEKDAY = r"(?:[^\W\d_]{2,12}\.?,?\s+)?"
_GAP = r"(?:\s*,\s*|\s+(?:at\s+|um\s+|à\s+|-\s+)?|T|\s*T\s*)"
_SHAPES: Final = (
    *(
        (kind, re.compile(rf"{_WEEKDAY}{date}(?:{_GAP}{_CLOCK}(?:\s*{_ZONE})?(?:\s*\(.+\))?)?"))
        for kind, date in _DATES.items()
    ),
    (
        "name day",
        re.compile(
            rf"{_WEEKDAY}(?P<name>{_MONTH})\s+(?P<day>\d{{1,2}})\s+{_CLOCK}\s+(?:{_ZONE}\s+)?"
            r"(?P<year>\d{4})"
        ),
    ),
    (
        "digits",
        re.compile(
            r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)T?(?P<hour>\d\d)(?P<minute>\d\d)"
            rf"(?P<second>\d\d)?(?:\.(?P<part>\d{{1,9}}))?{_ZONE}?"
        ),
    ),
)
_EPOCH = re.compile(r"(\d{10})(?:\.(\d{1,9}))?|(\d{13})|(\d{16})")
_SERIAL = re.compile(r"[2-7]\d{4}(?:\.\d+)?")
_SERIAL_ZERO: Final = datetime(1899, 12, 30)  # noqa: DTZ001  (a serial is a local time)
SECONDS_PER_DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class WrittenTime:
    """Parts of a time, in which day and month may still be interchangeable."""

    kind: str
    """Shape of the date, such as ``ymd``; ``two`` if the order of day and month is open."""
    mark: str
    """Separator of the parts of the date."""
    year: int
    first: int
    """The month, or for ``two`` the number that is written first."""
    second: int
    """The day, or for ``two`` the number that is written second."""
    clock: tuple[int, int, int, int]
    """Hour, minute, second, microsecond."""
    zone: str | None
    has_clock: bool
    """Whether a time of day is written."""
    pattern: str
    """The shape as a ``strptime`` pattern; for ``two``, with the day first."""

    def moment(self, order: DayOrder = "day first") -> datetime:
        """Return the time, without an offset if none is written.

        Raises:
            ValueError: There is no such day or time.
        """
        month, day = self.first, self.second
        if self.kind == "two" and order == "day first":
            month, day = day, month
        hour, minute, second, micro = self.clock
        naive = datetime(self.year, month, day, hour, minute, min(second, 59), micro)  # noqa: DTZ001
        return naive if self.zone is None else naive.replace(tzinfo=_offset(self.zone))


def parse(text: str) -> WrittenTime | None:
    """Recognize a written time; None: it is none of the known shapes.

    Example:
        >>> parse("01/Mär/24 2:30 PM").moment().isoformat()
        '2024-03-01T14:30:00'
        >>> parse("Wed Oct 11 06:55:44 +0000 2017").moment().isoformat()
        '2017-10-11T06:55:44+00:00'
        >>> parse("3/2/2026").kind
        'two'
    """
    text = text.strip()
    for kind, shape in _SHAPES:
        if (found := shape.fullmatch(text)) is not None:
            return _written(kind, found.groupdict())
    return None


def is_day(text: str) -> bool:
    """Return whether a text is a date without a time of day.

    Example:
        >>> is_day("2026-03-01"), is_day("2026-03-01 00:00"), is_day("")
        (True, False, False)
    """
    written = parse(text)
    return written is not None and not written.has_clock


def parse_number(text: str) -> datetime | None:
    """Read seconds, milliseconds or microseconds since 1970, or a day number of Excel.

    Returns:
        A time in UTC, or for Excel a local time without an offset; None: it is neither.

    Example:
        >>> parse_number("1700000000").isoformat(), parse_number("45292.5").isoformat()
        ('2023-11-14T22:13:20+00:00', '2024-01-01T12:00:00')
    """
    if (found := _EPOCH.fullmatch(text)) is not None:
        digits = found[1] or found[3] or found[4]
        scale = 10.0 ** (len(digits) - 10)
        fraction = float(f"0.{found[2]}") if found[2] else 0.0
        return datetime.fromtimestamp(int(digits) / scale + fraction, UTC)
    if _SERIAL.fullmatch(text):
        return _SERIAL_ZERO + timedelta(seconds=round(float(text) * SECONDS_PER_DAY))
    return None


def _written(kind: str, parts: dict[str, str | None]) -> WrittenTime | None:
    year = int(parts["year"] or 0)
    is_short = len(parts["year"] or "") == 2
    year += (2000 if year < 69 else 1900) if is_short else 0
    name = parts.get("name")
    if name is not None:
        month = _month(name)
        if month is None:
            return None
        first, second = month, int(parts["day"] or 0)
    elif kind == "two":
        first, second = int(parts["first"] or 0), int(parts["second_part"] or 0)
    else:
        first, second = int(parts["month"] or 0), int(parts["day"] or 0)
    clock = _clock(parts)
    if clock is None:
        return None
    zone = parts.get("zone")
    if zone is not None and _offset(zone) is None:
        return None
    pattern = _pattern(kind, parts, is_short=is_short)
    has_clock = parts.get("hour") is not None
    mark = parts.get("mark") or ""
    return WrittenTime(kind, mark, year, first, second, clock, zone, has_clock, pattern)


def _month(name: str) -> int | None:
    name = name.lower().rstrip(".")
    return _MONTH_OF.get(name[:4]) or _MONTH_OF.get(name[:3])


def _clock(parts: dict[str, str | None]) -> tuple[int, int, int, int] | None:
    hour, minute, second = (int(parts.get(each) or 0) for each in ("hour", "minute", "second"))
    if half := parts.get("half") or _GERMAN_HALVES.get(parts.get("half_german") or ""):
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half in "pP" else 0)
    return hour, minute, second, int((parts.get("part") or "").ljust(6, "0")[:6])


def _offset(zone: str) -> tzinfo | None:
    """Return the offset of a written zone; None: it is unknown or ambiguous."""
    if zone in _OFFSET_HOURS:
        return timezone(timedelta(hours=_OFFSET_HOURS[zone]))
    digits = re.sub(r"\D", "", zone)
    if not digits:
        return None
    hours, minutes = (int(digits), 0) if len(digits) < 3 else (int(digits[:-2]), int(digits[-2:]))
    if hours > 14 or minutes > 59:
        return None
    delta = timedelta(hours=hours, minutes=minutes)
    return timezone(-delta if "-" in zone else delta)


def _pattern(kind: str, parts: dict[str, str | None], *, is_short: bool) -> str:
    mark, year = parts.get("mark") or "", "%y" if is_short else "%Y"
    date = {
        "ymd": f"{year}{mark}%m{mark}%d",
        "two": f"%d{mark}%m{mark}{year}",
        "day name": f"%d %b {year}",
        "name day": f"%b %d {year}",
        "cjk": "%Y年%m月%d日",
        "digits": "%Y%m%d",
    }[kind]
    if parts.get("hour") is None:
        return date
    clock = "%I:%M" if parts.get("half") else "%H:%M"
    clock += ":%S" if parts.get("second") else ""
    clock += ".%f" if parts.get("part") else ""
    clock += " %p" if parts.get("half") else ""
    return f"{date} {clock}" + (" %z" if parts.get("zone") else "")
