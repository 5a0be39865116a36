"""Section ``[calendar]`` of the configuration: public holidays and the file of events."""

import difflib
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from detectors.foundation.calendar import Event
from stream.config.errors import Disagreement, disagree
from stream.config.values import Section

_EXAMPLE = 'an ISO 3166 code such as "DE" or "US", or "" for none'


@cache
def _countries() -> dict[str, str]:
    """Map the lower-case codes and names of countries to two-letter codes."""
    from holidays.registry import COUNTRIES  # noqa: PLC0415 - slow, not always needed

    # COUNTRIES maps a lower-case name to (name in one word, two-letter code, other codes).
    code_of = {code.lower(): codes[1] for codes in COUNTRIES.values() for code in codes}
    code_of |= {name.replace("_", " "): codes[1] for name, codes in COUNTRIES.items()}
    return code_of


def _country(text: str) -> str:
    """Return the ISO 3166 code of a country whose public holidays are known; allow empty."""
    code = text.strip().upper()
    if code and code not in _countries().values():
        countries = _countries()
        # A two-letter code resembles almost any other, so only longer words get a suggestion.
        words = [word for word in countries if len(word) > len(countries[word])]
        word = code.lower()
        close = [word] if word in countries else difflib.get_close_matches(word, words, n=1)
        hint = f"; did you mean {countries[close[0]]}?" if close else ""
        raise ValueError(_EXAMPLE + hint)
    return code


@cache
def _subdivisions(country: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the codes of a country's subdivisions by case-folded code and by case-folded name."""
    from holidays import country_holidays  # noqa: PLC0415 - slow, not always needed

    known = country_holidays(country)
    codes = {code.casefold(): code for code in known.subdivisions}
    names = {name.casefold(): code for name, code in known.subdivisions_aliases.items()}
    return codes, names


class Calendar(Section):
    """Public holidays and announced events, which change the expected rates."""

    country: Annotated[str, AfterValidator(_country)] = Field(
        default="",
        description="ISO 3166 code of the country whose public holidays are treated as Sundays, "
        "such as DE or US; empty: none.",
    )
    subdivision: str = Field(
        default="",
        description="Code of the state or province whose own holidays apply as well, such as BY; "
        "empty: none.",
    )
    file: str = Field(
        default="",
        description="TOML file of announced events, each an [[event]] with name, start, end, "
        "factor and areas; empty: none.",
    )
    _events: tuple[Event, ...] = PrivateAttr(default=())

    @property
    def events(self) -> tuple[Event, ...]:
        """Return the announced events that were read when the configuration was loaded."""
        return self._events

    def model_post_init(self, context: Any) -> None:
        """Keep the events of the validation context, if it has any."""
        self._events = (context or {}).get("events", ())

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        disagree(list(self._disagreements()))
        return self

    def _disagreements(self) -> Iterator[Disagreement]:
        if not self.subdivision:
            return
        if not self.country:
            text = "requires country as well"
            yield Disagreement("calendar.subdivision", ("calendar.country",), text)
            return
        codes, names = _subdivisions(self.country)
        if self.subdivision in codes.values():
            return
        word = self.subdivision.strip().casefold()
        code_of = codes | names
        close = [word] if word in code_of else difflib.get_close_matches(word, code_of, n=1)
        shown = (
            ", ".join(sorted(codes.values()))
            or f"nothing, because {self.country} has no subdivisions"
        )
        hint = f"; did you mean {code_of[close[0]]}?" if close else ""
        text = f"found {self.subdivision[:80]!r}; allowed: {shown}{hint}"
        yield Disagreement("calendar.subdivision", ("calendar.country",), text)
