"""Sentences of a bug report: the title, the suspicion and the hints for reproduction.

The functions take a `Style`, so that the same sentences serve plain text and Markdown. Text from
tickets always goes through the style, never directly into a sentence.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from detectors.foundation.tokens import terms
from schemas.codec import clean
from schemas.escalation import Slice, Term
from stream.escalations.bug_report_model import Report
from stream.escalations.phrases import format_number, percent

CHARACTERS: Final = 2_048
"""Maximum number of characters of one text from a ticket."""
MOST_SHARED_WORDS: Final = 4
"""Maximum number of words shared by all examples to list."""
COMMON_SHARE: Final = 0.5
"""Minimum share of tickets from which a slice is a hint for reproduction."""
REGIONAL_SHARE: Final = 0.8
"""Minimum share of the customers with a known region from which a region is mentioned."""

PLAIN_CHARACTERS: Final = 120
_WORD: Final = r"(?:[A-Za-z]+(?:-[A-Za-z]+)*|\d{1,4}(?:\.\d{1,4})*)"
PLAIN: Final = re.compile(rf"{_WORD}(?:[,;:]? {_WORD})*[.?!]?")
HASH: Final = re.compile(r"\b[0-9a-fA-F]{7,}\b")
"""Word that bug trackers would turn into a link to a commit."""
LINK: Final = re.compile(r"https?://[^\s<>\\`]+", re.I)
_FIRST_DIMENSIONS: Final = ("app_version", "issue_type")
"""Dimensions to list first; the region is listed last."""


class Style(NamedTuple):
    """Rendering of text from tickets."""

    name: Callable[[str], str]
    """Renders a name or a value of a dimension."""
    quote: Callable[[str], str]
    """Renders text that a person wrote in a ticket."""


PLAIN_TEXT: Final = Style(str, lambda text: f'"{text}"')
"""Style with unchanged names and with quotes in quotation marks."""


def one_line(text: str) -> str:
    """Return a text on one line, cut to `CHARACTERS`."""
    return clean(" ".join(text.split()), CHARACTERS)


def by_importance(slice_: Slice) -> tuple[int, str]:
    """Return a sort key for slices: app version, issue type, others by name, region last."""
    if slice_.dimension == "region":
        return len(_FIRST_DIMENSIONS) + 1, ""
    if slice_.dimension in _FIRST_DIMENSIONS:
        return _FIRST_DIMENSIONS.index(slice_.dimension), slice_.dimension
    return len(_FIRST_DIMENSIONS), slice_.dimension


def in_words(dimension: str) -> str:
    """Return the name of a dimension with spaces instead of underscores."""
    return dimension.replace("_", " ")


def together(values: Sequence[Slice], style: Style) -> str:
    """Return the slices of one driver, joined by "and"."""
    return " and ".join(
        f"{style.name(in_words(part.dimension))} {style.name(part.value)}" for part in values
    )


def title(report: Report, style: Style) -> str:
    """Return the title: the location, the main driver, and the observed and expected counts."""
    values = [report.slice] if report.slice is not None else []
    if report.segment and report.segment[0].share_of_excess >= COMMON_SHARE:
        first = report.segment[0].values
        values = first if report.slice is None or report.slice in first else [*values, *first]
    driver = ""
    for part in values:
        if part.dimension == "region":
            driver += f" in {style.name(part.value)}"
        elif part.dimension in _FIRST_DIMENSIONS:
            driver += f" {style.name(part.value)}"
        else:
            driver += f" {style.name(in_words(part.dimension))} {style.name(part.value)}"
    counts = f"{format_number(report.frequency.tickets)} tickets"
    expected = format_number(report.frequency.expected)
    where = style.name(report.where)
    return f"{where}:{driver + ':' if driver else ''} {counts}, {expected} expected"


def suspicion(report: Report, style: Style) -> str:
    """Return one sentence with the strongest driver and the most distinctive term.

    The sentence claims no more than these two facts.
    """
    start = f"Started at {report.since:%H:%M} UTC"
    claims = []
    if report.segment and (first := report.segment[0]).share_of_excess > 0.0:
        share = percent(first.share_of_excess)
        claims.append(f"{together(first.values, style)} accounts for {share} of the excess")
    if report.terms:
        claims.append(_term(report.terms[0], style))
    if not report.segment:
        claims.insert(0, "no slice of the tickets explains the excess")
        sentence = "; ".join(claims)
        return f"{start}. {sentence[0].upper()}{sentence[1:]}."
    return "; ".join([start, *claims]) + "."


def _term(term: Term, style: Style) -> str:
    usual = "never seen before" if term.new else f"usually {percent(term.usual_share)}"
    return f"{style.quote(term.term)} is in {percent(term.share)} of the tickets ({usual})"


def reproduction(report: Report, style: Style) -> Iterator[str]:
    """Yield sentences about what most tickets of the episode have in common."""
    if report.slice is not None:
        yield f"All tickets have {together([report.slice], style)}."
    named = {report.slice.dimension} if report.slice is not None else set()
    for driver in report.segment:
        share = driver.share_of_tickets
        if share is not None and share >= COMMON_SHARE and driver.values != [report.slice]:
            who = "All tickets" if share >= 0.995 else f"{percent(share)} of the tickets"
            yield f"{who} have {together(driver.values, style)}."
            named |= {value.dimension for value in driver.values}
    regions = report.impact.by_region if report.impact is not None else {}
    customers = sum(regions.values())
    largest = max(regions, key=lambda name: (regions[name], name), default="")
    if "region" not in named and customers > 0 and regions[largest] >= REGIONAL_SHARE * customers:
        usual = ", which is usual" if "region" in report.not_explained_by else ""
        region = style.name(largest)
        yield f"{regions[largest]} of {customers} customers are in region {region}{usual}."
    if report.terms:
        yield f"Search for this term: {_term(report.terms[0], style)}."
    if words := _shared_words(report):
        yield f"All examples contain: {', '.join(style.quote(word) for word in words)}."
    if report.not_explained_by:
        dimensions = ", ".join(style.name(name) for name in report.not_explained_by)
        yield f"Not a factor, so any value should reproduce it: {dimensions}."


def _shared_words(report: Report) -> list[str]:
    """Return the words that occur in every example, except the most distinctive term."""
    if len(report.examples) < 2:
        return []
    shared = dict.fromkeys(terms(report.examples[0].text))
    for example in report.examples[1:]:
        words = set(terms(example.text))
        shared = {word: None for word in shared if word in words}
    named = {report.terms[0].term} if report.terms else set()
    return [word for word in shared if word not in named][:MOST_SHARED_WORDS]


def clock(at: datetime) -> str:
    """Format a time to the minute, in UTC."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
