"""Reader of the file of announced events: TOML with a table ``[[event]]`` for each."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from detectors.foundation.calendar import Event
from schemas.codec import EARLIEST, LATEST, area_name
from stream.config.errors import Disagreement, Sources, disagree, find_mistakes, nearest
from stream.config.files import read_toml
from stream.config.values import Section

MOST_EVENTS: Final = 1000
"""Every day of every area looks through all events once."""
_HEADER = re.compile(r"(?m)^[ \t]*\[\[[ \t]*[\"']?event[\"']?[ \t]*\]\]")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _moment(value: object) -> float:
    """Return a time that has an offset as seconds since 1970."""
    example = "a time with its offset, as in 2026-03-02T09:00:00+01:00"
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(example) from None
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise ValueError(example)
    seconds = (value - _EPOCH).total_seconds()
    if not EARLIEST <= seconds < LATEST:
        raise ValueError("a time between 1970 and 2099")
    return seconds


def _name(text: str) -> str:
    if not (text.strip() and text.isprintable()):
        raise ValueError("a name in one line")
    return text.strip()


def _areas(names: tuple[str, ...]) -> tuple[str, ...]:
    """Fold the names of areas as tickets are folded; each once."""
    if not all(name.strip() for name in names):
        raise ValueError('names of areas, as in ["login", "billing"]')
    return tuple(dict.fromkeys(area_name(name) for name in names))


Moment = Annotated[float, BeforeValidator(_moment)]


class _Event(Section):
    """One ``[[event]]``."""

    name: Annotated[str, AfterValidator(_name)] = Field(
        max_length=200, description="what to call it, in quotes"
    )
    start: Moment = Field(description="when it begins, as in 2026-03-02T09:00:00+01:00")
    end: Moment = Field(description="when it is over, as in 2026-03-02T18:00:00+01:00")
    factor: float = Field(default=2.0, ge=0.1, le=100)
    areas: Annotated[tuple[str, ...], AfterValidator(_areas)] = ()

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.end <= self.start:
            text = "is not after start: an event ends later than it begins"
            disagree([Disagreement("event.end", ("event.start",), text)])
        return self


class _File(BaseModel):
    event: _Event


def read_events(path: Path) -> tuple[tuple[Event, ...], list[str]]:
    """Return the events of a file, in its order, and all its mistakes.

    Args:
        path: the TOML file.

    Returns:
        The events, none if there is a mistake; the mistakes, each one line with its place.
    """
    text, data, mistakes = read_toml(path, "file of events (calendar.file)")
    if mistakes:
        return (), mistakes
    entries = data.pop("event", [])
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        mistakes.append(f"{path}: event: found no list of tables; allowed: [[event]], repeated")
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
    """Return where the keys of each event are.

    That is its own part of the text, all else blank so that lines keep their numbers; if it is not
    written as one ``[[event]]`` after the other, only which one it is.
    """
    starts = [match.start() for match in _HEADER.finditer(text)]
    if len(starts) != count:
        return [Sources(Path(f"{path}, event {i}"), "", {}) for i in range(1, count + 1)]
    places = []
    for start, end in zip(starts, [*starts, len(text)][1:], strict=True):
        above = "\n" * text.count("\n", 0, start)
        places.append(Sources(path, above + text[start:end], {}))
    return places
