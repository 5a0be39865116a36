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
    """Map codes and names of countries, folded, to the code of two letters."""
    from holidays.registry import COUNTRIES  # noqa: PLC0415  (slow, not always needed)

    # (name in one word, code of two letters, other codes) by the name in lower case
    known = {code.lower(): codes[1] for codes in COUNTRIES.values() for code in codes}
    known |= {name.replace("_", " "): codes[1] for name, codes in COUNTRIES.items()}
    return known


def _country(text: str) -> str:
    """Return the ISO 3166 code of a country whose public holidays are known; empty: none."""
    code = text.strip().upper()
    if code and code not in _countries().values():
        known = _countries()
        # Two letters of another code are near to anything: only longer words have a nearest.
        words = [word for word in known if len(word) > len(known[word])]
        word = code.lower()
        close = [word] if word in known else difflib.get_close_matches(word, words, n=1)
        meant = f"; did you mean {known[close[0]]}?" if close else ""
        raise ValueError(_EXAMPLE + meant)
    return code


@cache
def _subdivisions(country: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the codes of a country's subdivisions by folded code, and by folded name."""
    from holidays import country_holidays  # noqa: PLC0415  (slow, not always needed)

    known = country_holidays(country)
    codes = {code.casefold(): code for code in known.subdivisions}
    names = {name.casefold(): code for name, code in known.subdivisions_aliases.items()}
    return codes, names


class Calendar(Section):
    """Public holidays and announced events, on which other rates are expected."""

    country: Annotated[str, AfterValidator(_country)] = Field(
        default="",
        description="ISO 3166 code of the country whose public holidays count as Sundays, such as "
        "DE or US; empty: none.",
    )
    subdivision: str = Field(
        default="",
        description="Code of the state or province of that country with holidays of its own, such "
        "as BY; empty: none.",
    )
    file: str = Field(
        default="",
        description="TOML file of announced events, each an [[event]] with name, start, end, "
        "factor and areas; empty: none.",
    )
    _events: tuple[Event, ...] = PrivateAttr(default=())

    @property
    def events(self) -> tuple[Event, ...]:
        """Return the events of the file as they were read when the configuration was loaded."""
        return self._events

    def model_post_init(self, context: Any) -> None:
        """Keep the events that the validation context holds, if it holds any."""
        self._events = (context or {}).get("events", ())

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        disagree(list(self._disagreements()))
        return self

    def _disagreements(self) -> Iterator[Disagreement]:
        if not self.subdivision:
            return
        if not self.country:
            text = "needs country as well"
            yield Disagreement("calendar.subdivision", ("calendar.country",), text)
            return
        codes, names = _subdivisions(self.country)
        if self.subdivision in codes.values():
            return
        word = self.subdivision.strip().casefold()
        known = codes | names
        close = [word] if word in known else difflib.get_close_matches(word, known, n=1)
        shown = ", ".join(sorted(codes.values())) or f"none, for {self.country} has none"
        meant = f"; did you mean {known[close[0]]}?" if close else ""
        text = f"found {self.subdivision[:80]!r}; allowed: {shown}{meant}"
        yield Disagreement("calendar.subdivision", ("calendar.country",), text)
