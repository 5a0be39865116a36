"""Times of a ticket file: the order of day and month by evidence, local times by their zone."""

import contextlib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from statistics import median
from typing import Final, Literal

from stream.inputs.exports.refusal import TicketFileError
from stream.inputs.exports.time_shapes import (
    SECONDS_PER_DAY,
    DayOrder,
    WrittenTime,
    parse,
    parse_number,
)

Direction = Literal["oldest first", "newest first", "unordered"]
LEAST_PAIRS: Final = 8
"""Number of neighboring times needed to tell day and month apart by the order of a file."""
CLEAR: Final = 5.0
"""Ratio of the sums of gaps between neighbors above which one reading is clearly right."""
MOST_DISORDER: Final = 0.2
"""Share of neighbors against the order up to which a file counts as ordered."""
NO_TIME: Final = timedelta()
LAST_MONTH: Final = 12

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_JAVA: Final = (
    ("yyyy", "%Y"), ("yy", "%y"), ("MMM", "%b"), ("MM", "%m"), ("M", "%m"), ("dd", "%d"),
    ("d", "%d"), ("HH", "%H"), ("H", "%H"), ("hh", "%I"), ("h", "%I"), ("mm", "%M"), ("ss", "%S"),
    ("a", "%p"),
)  # fmt: skip


class AmbiguousTimeError(TicketFileError):
    """Times whose day and month cannot be told apart by the records seen so far."""


def is_rfc3339(text: str) -> bool:
    """Return whether a text is a time that the ticket schema accepts as it is."""
    return _RFC3339.fullmatch(text) is not None


def check_pattern(pattern: str | None) -> None:
    """Check a ``strptime`` pattern.

    Raises:
        TicketFileError: It is none; a pattern as in Java or Excel is translated in the message.
    """
    if pattern is None:
        return
    if "%" not in pattern:
        translated = pattern
        for theirs, ours in _JAVA:
            translated = re.sub(rf"(?<![%A-Za-z]){theirs}(?![A-Za-z])", ours, translated)
        hint = f"; do you mean {translated}?" if "%" in translated else "."
        raise TicketFileError(f'"{pattern}" is not a time pattern such as %d/%m/%Y %H:%M{hint}')
    sample = datetime(2026, 12, 31, 12, 30)  # noqa: DTZ001  (a trial)
    try:
        datetime.strptime(sample.strftime(pattern), pattern)  # noqa: DTZ007  (a trial)
    except (ValueError, re.error) as error:
        raise TicketFileError(
            f'"{pattern}" is not a time pattern such as %d/%m/%Y %H:%M.'
        ) from error


@dataclass
class TimeReader:
    """Reader of the times of one file.

    Example:
        >>> from zoneinfo import ZoneInfo
        >>> reader = TimeReader(zone=ZoneInfo("Asia/Tokyo"))
        >>> reader.learn(["13/01/2026 12:30", "02/01/2026 12:30"])
        >>> reader.read("01/02/2026 00:30"), reader.patterns
        ('2026-02-01T00:30:00+09:00', '%d/%m/%Y %H:%M')
    """

    zone: tzinfo | None = None
    """Time zone of times without an offset; None: they are not accepted."""
    pattern: str | None = None
    """Pattern of all times, given by the user."""
    orders: dict[str, DayOrder] = field(default_factory=dict)
    """Order of day and month by the mark between them, such as ``/``."""
    direction: Direction = "unordered"
    """Order of the records in the file."""
    patterns: str = ""
    """Patterns that were found, most frequent first."""
    ambiguous: int = 0
    """Number of local times in an hour that occurs twice whose pass the order does not tell."""
    _last: datetime | None = None
    _pass: int = 0

    def learn(self, times: Iterable[str], others: Iterable[str] = ()) -> None:
        """Learn the shapes and the order from the first times of a file.

        Args:
            times: Creation times in the order of the file.
            others: Other times of the same file, which may tell day and month apart.

        Raises:
            AmbiguousTimeError: Nothing tells whether the day or the month comes first.
        """
        texts = list(times)
        if self.pattern is None:
            written = [parse(text) for text in texts]
            more = [parse(text) for text in others]
            self._learn_orders([each for each in written if each], [e for e in more if e], texts)
            self._tell(texts, written)
        else:
            self.patterns = self.pattern
        self.direction = _direction([each for text in texts if (each := self._moment(text))])
        self._pass = 1 if self.direction == "newest first" else 0

    def _learn_orders(
        self, written: list[WrittenTime], others: list[WrittenTime], texts: list[str]
    ) -> None:
        for mark in {each.mark for each in written if each.kind == "two"}:
            alike = [each for each in written if each.kind == "two" and each.mark == mark]
            evidence = alike + [e for e in others if e.kind == "two" and e.mark == mark]
            days = sum(each.first > LAST_MONTH for each in evidence)
            months = sum(each.second > LAST_MONTH for each in evidence)
            if days != months:
                self.orders[mark] = "day first" if days > months else "month first"
            elif mark == ".":  # no country writes the month first with dots
                self.orders[mark] = "day first"
            elif (order := _order_by_neighbors(alike)) is not None:
                self.orders[mark] = order
            elif any(each.first != each.second for each in alike):
                raise _ambiguous(alike[0], texts)

    def _tell(self, texts: list[str], written: list[WrittenTime | None]) -> None:
        patterns: Counter[str] = Counter()
        for text, each in zip(texts, written, strict=True):
            if is_rfc3339(text):
                patterns["RFC 3339"] += 1
            elif each is not None:
                patterns[self._pattern_of(each)] += 1
            elif (number := parse_number(text)) is not None:
                patterns["Excel serial" if number.tzinfo is None else "epoch"] += 1
        self.patterns = ", ".join(pattern for pattern, _ in patterns.most_common(3))

    def _pattern_of(self, written: WrittenTime) -> str:
        if written.kind == "two" and self.orders.get(written.mark) == "month first":
            return written.pattern.replace("%d", "%D").replace("%m", "%d").replace("%D", "%m")
        return written.pattern

    def read(self, text: str, *, in_order: bool = False) -> str | None:
        """Return a time as RFC 3339; None: it is not recognized, or has no offset and no zone.

        Args:
            text: The time as written.
            in_order: Whether times come in the order of the file, which tells apart the two passes
                of an hour that occurs twice.
        """
        if is_rfc3339(text):
            return text
        moment = self._moment(text)
        if moment is None:
            return None
        if moment.tzinfo is None:
            if self.zone is None:
                return None
            moment = self._local(moment) if in_order else moment.replace(tzinfo=self.zone)
        return moment.isoformat()

    def is_local(self, text: str) -> bool:
        """Return whether a time is recognized but has no offset."""
        moment = self._moment(text)
        return moment is not None and moment.tzinfo is None

    def _moment(self, text: str) -> datetime | None:
        try:
            if self.pattern is not None:
                return datetime.strptime(text, self.pattern)  # noqa: DTZ007  (zone is added later)
            if text[4:5] == "-" and ":" in text:  # ISO 8601, which C code reads
                with contextlib.suppress(ValueError):
                    return datetime.fromisoformat(text)
            if (written := parse(text)) is None:
                return parse_number(text)
            order = self.orders.get(written.mark)
            is_open = written.kind == "two" and written.first != written.second
            if order is None and is_open and written.mark != ".":
                return None  # it is unknown whether the day or the month comes first
            return written.moment(order or "day first")
        except (ValueError, OverflowError):
            return None

    def _local(self, moment: datetime) -> datetime:
        """Return a local time with its zone; in a doubled hour, the order tells the pass."""
        first = moment.replace(tzinfo=self.zone, fold=0)
        second = moment.replace(tzinfo=self.zone, fold=1)
        # An hour that does not exist, when clocks go forward, has the larger offset second.
        if (first.utcoffset() or NO_TIME) <= (second.utcoffset() or NO_TIME):
            self._last = None
            self._pass = 1 if self.direction == "newest first" else 0
            return first
        if self.direction == "unordered":
            self.ambiguous += 1
            return first
        if self._last is not None:
            if self.direction == "oldest first" and moment < self._last:
                self._pass = 1
            if self.direction == "newest first" and moment > self._last:
                self._pass = 0
        self._last = moment
        return first.replace(fold=self._pass)


def _order_by_neighbors(written: list[WrittenTime]) -> DayOrder | None:
    """Return the order of day and month by which neighboring times lie close together.

    Records of one export follow each other within hours or days. Read the wrong way round, a new
    day is a new month, and the next record is weeks away.
    """
    gaps: dict[DayOrder, list[float]] = {}
    orders: tuple[DayOrder, DayOrder] = ("day first", "month first")
    for order in orders:
        with contextlib.suppress(ValueError):
            times = [each.moment(order).replace(tzinfo=None) for each in written]
            gaps[order] = [abs((b - a).total_seconds()) for a, b in pairwise(times)]
    if len(gaps) < len(orders):
        return next(iter(gaps), None)
    if len(written) <= LEAST_PAIRS:
        return None
    better, worse = sorted(orders, key=lambda order: sum(gaps[order]))
    is_dense = median(gaps[better]) < SECONDS_PER_DAY
    is_clear = sum(gaps[better]) * CLEAR <= sum(gaps[worse])
    return better if is_dense and is_clear else None


def _direction(moments: list[datetime]) -> Direction:
    if len({moment.tzinfo is None for moment in moments}) > 1 or len(moments) < 2:
        return "unordered"
    up = sum(a < b for a, b in pairwise(moments))
    down = sum(a > b for a, b in pairwise(moments))
    if min(up, down) > MOST_DISORDER * (up + down):
        return "unordered"
    return "oldest first" if up >= down else "newest first"


def _ambiguous(written: WrittenTime, texts: list[str]) -> AmbiguousTimeError:
    example = next((text for text in texts if parse(text) == written), texts[0])
    day_first = written.pattern
    month_first = day_first.replace("%d", "%D").replace("%m", "%d").replace("%D", "%m")
    return AmbiguousTimeError(
        f'"{example}" may begin with the day or with the month, and no time in the file tells '
        f"which: add --time-format '{day_first}' or --time-format '{month_first}'."
    )
