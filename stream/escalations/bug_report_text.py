"""Word the facts of a bug report: its title, its suspicion and its hints for reproduction.

The functions take a `Style`, so the same sentences serve plain text and Markdown. Text from tickets
goes through the style and never into a sentence directly.
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
"""Most characters of one text from a ticket."""
MOST_SHARED_WORDS: Final = 4
"""Words that all examples have in common."""
COMMON_SHARE: Final = 0.5
"""A value that a smaller share of the tickets has is no hint for reproduction."""
REGIONAL_SHARE: Final = 0.8
"""Share of the customers with a known region from which one region is worth naming."""

PLAIN_CHARACTERS: Final = 120
_WORD: Final = r"(?:[A-Za-z]+(?:-[A-Za-z]+)*|\d{1,4}(?:\.\d{1,4})*)"
PLAIN: Final = re.compile(rf"{_WORD}(?:[,;:]? {_WORD})*[.?!]?")
HASH: Final = re.compile(r"\b[0-9a-fA-F]{7,}\b")
"""Bug trackers turn such a word into a link to a commit."""
LINK: Final = re.compile(r"https?://[^\s<>\\`]+", re.I)
_FIRST_DIMENSIONS: Final = ("app_version", "issue_type")
"""Dimensions that are named first; the region is named last."""


class Style(NamedTuple):
    """How text from tickets is shown."""

    name: Callable[[str], str]
    """Shows a name or a value of a dimension."""
    quote: Callable[[str], str]
    """Shows text that somebody wrote in a ticket."""


PLAIN_TEXT: Final = Style(str, lambda text: f'"{text}"')
"""Names as they are, quotes in quotation marks."""


def one_line(text: str) -> str:
    """Return *text* on one line, cut to `CHARACTERS`."""
    return clean(" ".join(text.split()), CHARACTERS)


def by_importance(one: Slice) -> tuple[int, str]:
    """Return a sort key for slices: app version, issue type, others by name, region last."""
    if one.dimension == "region":
        return len(_FIRST_DIMENSIONS) + 1, ""
    if one.dimension in _FIRST_DIMENSIONS:
        return _FIRST_DIMENSIONS.index(one.dimension), one.dimension
    return len(_FIRST_DIMENSIONS), one.dimension


def in_words(dimension: str) -> str:
    """Return the name of a dimension with spaces instead of underscores."""
    return dimension.replace("_", " ")


def together(values: Sequence[Slice], style: Style) -> str:
    """Return the slices of one driver, joined by "and"."""
    return " and ".join(
        f"{style.name(in_words(one.dimension))} {style.name(one.value)}" for one in values
    )


def title(report: Report, style: Style) -> str:
    """Return the title: the place, the main driver, and the observed and expected counts."""
    values = [report.slice] if report.slice is not None else []
    if report.segment and report.segment[0].share_of_excess >= COMMON_SHARE:
        first = report.segment[0].values
        values = first if report.slice is None or report.slice in first else [*values, *first]
    driver = ""
    for one in values:
        if one.dimension == "region":
            driver += f" in {style.name(one.value)}"
        elif one.dimension in _FIRST_DIMENSIONS:
            driver += f" {style.name(one.value)}"
        else:
            driver += f" {style.name(in_words(one.dimension))} {style.name(one.value)}"
    counts = f"{format_number(report.frequency.tickets)} tickets"
    expected = format_number(report.frequency.expected)
    where = style.name(report.where)
    return f"{where}:{driver + ':' if driver else ''} {counts}, {expected} expected"


def suspicion(report: Report, style: Style) -> str:
    """Return one sentence with the strongest driver and the most distinctive term.

    It claims no more than these two say.
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
    """Yield what most tickets of the episode have in common, one sentence each."""
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
    known = sum(regions.values())
    largest = max(regions, key=lambda name: (regions[name], name), default="")
    if "region" not in named and known > 0 and regions[largest] >= REGIONAL_SHARE * known:
        usual = ", which is usual" if "region" in report.not_explained_by else ""
        yield f"{regions[largest]} of {known} customers are in region {style.name(largest)}{usual}."
    if report.terms:
        yield f"Search for this term: {_term(report.terms[0], style)}."
    if words := _shared_words(report):
        yield f"All examples contain: {', '.join(style.quote(word) for word in words)}."
    if report.not_explained_by:
        dimensions = ", ".join(style.name(name) for name in report.not_explained_by)
        yield f"Not a factor, so any value should reproduce it: {dimensions}."


def _shared_words(report: Report) -> list[str]:
    """Return words of every example, without the most distinctive term."""
    if len(report.examples) < 2:
        return []
    shared = dict.fromkeys(terms(report.examples[0].text))
    for example in report.examples[1:]:
        words = set(terms(example.text))
        shared = {word: None for word in shared if word in words}
    named = {report.terms[0].term} if report.terms else set()
    return [word for word in shared if word not in named][:MOST_SHARED_WORDS]


def clock(at: datetime) -> str:
    """Return a time to the minute, in UTC."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
