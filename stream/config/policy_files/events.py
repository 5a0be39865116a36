"""Reader of the file of announced events: TOML with one table ``[[event]]`` per event."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from detectors.foundation.calendar import Event
from schemas.codec import area_name
from schemas.decoding.moments import is_within_bounds
from stream.config.errors import Disagreement, Sources, disagree, find_mistakes, nearest
from stream.config.files import read_toml
from stream.config.values import Section

MOST_EVENTS: Final = 1000
"""Limit on the events in a file: every area scans all of them once a day."""
_HEADER = re.compile(r"(?m)^[ \t]*\[\[[ \t]*[\"']?event[\"']?[ \t]*\]\]")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _moment(value: object) -> float:
    """Convert a time with an offset to seconds since 1970."""
    example = "a time with an offset, such as 2026-03-02T09:00:00+01:00"
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(example) from None
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise ValueError(example)
    if not is_within_bounds(value):
        raise ValueError("a time between 1970 and 2099")
    return (value - _EPOCH).total_seconds()


def _name(text: str) -> str:
    if not (text.strip() and text.isprintable()):
        raise ValueError("a name on one line, not empty")
    return text.strip()


def _areas(names: tuple[str, ...]) -> tuple[str, ...]:
    """Normalize the names of areas as tickets are normalized, and remove duplicates."""
    if not all(name.strip() for name in names):
        raise ValueError('names of areas, such as ["login", "billing"]')
    return tuple(dict.fromkeys(area_name(name) for name in names))


Moment = Annotated[float, BeforeValidator(_moment)]


class _Event(Section):
    """One table ``[[event]]``."""

    name: Annotated[str, AfterValidator(_name)] = Field(
        max_length=200, description="name of the event, in quotes"
    )
    start: Moment = Field(description="start of the event, such as 2026-03-02T09:00:00+01:00")
    end: Moment = Field(description="end of the event, such as 2026-03-02T18:00:00+01:00")
    factor: float = Field(default=2.0, ge=0.1, le=100)
    areas: Annotated[tuple[str, ...], AfterValidator(_areas)] = ()

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.end <= self.start:
            text = "must be later than start"
            disagree([Disagreement("event.end", ("event.start",), text)])
        return self


class _File(BaseModel):
    event: _Event


def read_events(path: Path) -> tuple[tuple[Event, ...], list[str]]:
    """Return the events of a file, in the order of the file, and all its mistakes.

    Args:
        path: Path of the TOML file.

    Returns:
        The events, none if there are mistakes; and the mistakes, one line each with its location.
    """
    text, data, mistakes = read_toml(path, "file of events (calendar.file)")
    if mistakes:
        return (), mistakes
    entries = data.pop("event", [])
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        mistakes.append(f"{path}: event: not a list of tables; allowed: [[event]] tables")
        entries = []
    sources = Sources(path, text, {})
    mistakes += [
        f"{sources.where(key)}: {key}: no such key; {nearest(key, ['event'])}" for key in data
    ]
    if len(entries) > MOST_EVENTS:
        mistakes.append(f"{path}: event: found {len(entries)}; allowed: up to {MOST_EVENTS} events")
        entries = []
    events = []
    for entry, place in zip(entries, _places(path, text, len(entries)), strict=True):
        wrong = find_mistakes(_File, {"event": entry}, place)
        mistakes += wrong
        if not wrong:
            events.append(_event(entry))
    return ((), mistakes) if mistakes else (tuple(events), [])


def _event(entry: dict[str, Any]) -> Event:
    made = _Event.model_validate(entry)
    return Event(
        name=made.name, start=made.start, end=made.end, factor=made.factor, areas=made.areas
    )


def _places(path: Path, text: str, count: int) -> list[Sources]:
    """Return the location of each event's keys.

    This is the event's own part of the text, preceded by blank lines so that line numbers stay
    correct. If the events are not written as a sequence of ``[[event]]`` tables, it is only the
    event's number.
    """
    starts = [match.start() for match in _HEADER.finditer(text)]
    if len(starts) != count:
        return [Sources(Path(f"{path}, event {i}"), "", {}) for i in range(1, count + 1)]
    places = []
    for start, end in zip(starts, [*starts, len(text)][1:], strict=True):
        above = "\n" * text.count("\n", 0, start)
        places.append(Sources(path, above + text[start:end], {}))
    return places
