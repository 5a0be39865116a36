"""The report of one episode, as a bug tracker takes it: facts, segment, words, examples, history.

Pure. In the report itself, text of strangers is as it came, but in one line and without control
characters. In Markdown it appears literally, whatever it holds: as a code span, in which there are
no mentions, references, links or tags, unless it is plain words and numbers.
"""

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from detectors.foundation.tokens import terms
from schemas.codec import clean
from schemas.escalation import (
    Actions,
    Child,
    Escalation,
    EscalationEvent,
    Example,
    Explanation,
    Impact,
    Severity,
    Slice,
    Suppressed,
    Term,
)
from schemas.privacy.redaction import safe_link
from stream.escalations.phrases import format_number, percent

CHARACTERS: Final = 2_048
"""Of any text of strangers."""
MOST_HISTORY: Final = 12
MOST_KINDS: Final = 6
"""Tiers, regions and areas that are named."""
MOST_SAID: Final = 4
"""Words that all examples share."""
SHARED: Final = 0.5
"""Of the tickets inside; a value that fewer have is no hint to reproduce it."""
REGIONAL: Final = 0.8
"""Of the customers whose region is told; the same."""

PLAIN_CHARACTERS: Final = 120
_WORD: Final = r"(?:[A-Za-z]+(?:-[A-Za-z]+)*|\d{1,4}(?:\.\d{1,4})*)"
PLAIN: Final = re.compile(rf"{_WORD}(?:[,;:]? {_WORD})*[.?!]?")
HASH: Final = re.compile(r"\b[0-9a-fA-F]{7,}\b")
"""Trackers take such a word for a commit."""
LINK: Final = re.compile(r"https?://[^\s<>\\`]+", re.I)
_ORDER: Final = ("app_version", "issue_type")
"""Dimensions that are named first; the region comes last."""


class Style(NamedTuple):
    """How text of strangers is shown."""

    name: Callable[[str], str]
    """A name or a value."""
    quote: Callable[[str], str]
    """What somebody wrote."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Frequency(_Part):
    """How many, and how many more than usual. Customer-equivalents where it says so."""

    tickets: int
    customers: int
    observed: float = Field(description="Customer-equivalents, as `expected`.")
    expected: float
    observed_per_hour: float
    expected_per_hour: float
    ratio: float
    ratio_low: float = Field(description="Lower end of the 90 % interval.")
    ratio_high: float = Field(description="Upper end of the 90 % interval.")


class Segment(_Part):
    """A value, or two together, that explain the episode."""

    what: str = Field(description="In words, such as: app version 4.2.1 and region eu.")
    values: list[Slice]
    share_of_excess: float
    share_of_tickets: float | None = Field(description="Of those inside; null: not known.")
    observed: float
    expected: float
    lift: float


class Link(_Part):
    """Where to read on."""

    what: str = Field(description="The runbook, or a ticket by its id.")
    target: str = Field(description="A URL, or the path of the runbook.")


class Past(_Part):
    """One transition of the episode."""

    at: AwareDatetime
    transition: str
    severity: Severity
    tickets: int
    customers: int
    expected: float


class Report(_Part):
    """One episode, as its last event tells it."""

    title: str
    suspicion: str = Field(description="One sentence: what it seems to be, or that nothing tells.")
    episode_id: str
    tenant: str
    where: str = Field(description="The area; of an episode of many, what they are.")
    since: AwareDatetime
    until: AwareDatetime | None = Field(description="Null while it lasts.")
    status: Literal["open", "resolved"]
    suppressed: Suppressed | None = Field(description="Why nobody was paged, if nobody was.")
    severity: Severity
    severity_rule: str
    frequency: Frequency
    impact: Impact | None
    slice: Slice | None = Field(description="Which all tickets have, where a slice paged.")
    segment: list[Segment]
    not_explained_by: list[str]
    areas: list[Child] = Field(description="Inside an episode of many areas.")
    terms: list[Term]
    examples: list[Example]
    reproduction: list[str] = Field(description="What the tickets share, in sentences.")
    actions: Actions | None
    links: list[Link]
    history: list[Past]


def report(events: Sequence[EscalationEvent]) -> Report:
    """What the *events* of one episode tell: facts of the last one, history of all.

    Raises:
        ValueError: There are none, or they are of different episodes.

    Example:
        >>> from datetime import UTC, datetime
        >>> at = datetime(2026, 3, 2, 9, tzinfo=UTC)
        >>> data = Escalation(
        ...     episode_id=f"{7:032x}", sequence=1, tenant="acme", product_area="login",
        ...     areas=None, reason="area_spike", severity="warning", severity_rule="by counts",
        ...     since=at, detected_at=at, observed=9, expected=1, ratio=9, ratio_low=4,
        ...     ratio_high=17, p_value=0, once_in_days=106, tickets=9, customers=9, score=3,
        ...     limit=2, model="cusum_bank", config_hash="",
        ... )
        >>> event = EscalationEvent(
        ...     id=f"{1:032x}", source="/spikewatch/acme", subject=data.episode_id, time=at,
        ...     type="com.spikewatch.escalation.opened.v1", data=data,
        ... )
        >>> found = report([event])
        >>> found.title, found.status
        ('login: 9 tickets, 1 expected', 'open')
        >>> found.suspicion
        "Began at 09:00 UTC. Nothing in the tickets' values explains it."
    """
    ordered = sorted({event.data.sequence: event for event in events}.values(), key=_sequence)
    if not ordered:
        raise ValueError("an episode has at least one event")
    if len({event.data.episode_id for event in ordered}) > 1:
        raise ValueError("the events are of different episodes")
    last = ordered[-1]
    data = Escalation.model_validate(_cleaned(last.data.model_dump()))
    until = _until(ordered)
    examples = [
        one.model_copy(update={"url": safe_link(one.url)}) for one in data.examples
    ]  # a file may hold what we did not write
    facts = Report(
        title="",
        suspicion="",
        episode_id=data.episode_id,
        tenant=data.tenant,
        where=_where(data),
        since=data.since,
        until=until,
        status="open" if until is None else "resolved",
        suppressed=data.suppressed,
        severity=data.severity,
        severity_rule=data.severity_rule,
        frequency=_frequency(data, until or last.time),
        impact=data.impact,
        slice=data.slice,
        segment=[_segment(one, data) for one in data.explanation],
        not_explained_by=[_words(name) for name in data.not_explained_by],
        areas=data.children or [],
        terms=data.terms,
        examples=examples,
        reproduction=[],
        actions=data.actions,
        links=list(_links(data.actions, examples)),
        history=_history(ordered),
    )
    told = {
        "title": title(facts, _AS_IT_IS),
        "suspicion": suspicion(facts, _AS_IT_IS),
        "reproduction": list(reproduction(facts, _AS_IT_IS)),
    }
    return facts.model_copy(update=told)


_AS_IT_IS: Final = Style(str, lambda text: f'"{text}"')


def _sequence(event: EscalationEvent) -> int:
    return event.data.sequence


def one_line(text: str) -> str:
    """Return *text* on one line, cut to length."""
    return clean(" ".join(text.split()), CHARACTERS)


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(one) for key, one in value.items()}
    return [_cleaned(one) for one in value] if isinstance(value, list) else value


def _where(data: Escalation) -> str:
    if data.reason == "storm":
        return f"{len(data.areas or ())} areas of {data.tenant} at once"
    if data.product_area is None:
        return f"all of {data.tenant}"
    return "unknown areas" if data.reason == "unknown_areas_surge" else data.product_area


def _until(ordered: Sequence[EscalationEvent]) -> datetime | None:
    """When it was resolved for the last time; an amendment leaves it as it is."""
    until = None
    for event in ordered:
        if event.transition == "resolved":
            until = event.time
        elif event.transition != "amended":
            until = None
    return until


def _frequency(data: Escalation, end: datetime) -> Frequency:
    hours = max((end - data.since).total_seconds(), 60.0) / 3600.0
    return Frequency(
        tickets=data.tickets,
        customers=data.customers,
        observed=data.observed,
        expected=data.expected,
        observed_per_hour=float(f"{data.observed / hours:.3g}"),
        expected_per_hour=float(f"{data.expected / hours:.3g}"),
        ratio=data.ratio,
        ratio_low=data.ratio_low,
        ratio_high=data.ratio_high,
    )


def _segment(one: Explanation, data: Escalation) -> Segment:
    values = [Slice(dimension=one.dimension, value=one.value)]
    values += [one.also] if one.also is not None else []
    values.sort(key=_rank)
    inside = None  # the counts of a whole tenant are weighted, those of its values are not
    if one.dimension == "customer":
        inside = one.observed / max(data.tickets, 1)
    elif data.product_area is not None and data.observed > 0.0:
        inside = one.observed / data.observed
    return Segment(
        what=together(values, _AS_IT_IS),
        values=values,
        share_of_excess=one.share,
        share_of_tickets=None if inside is None else round(min(inside, 1.0), 3),
        observed=one.observed,
        expected=one.expected,
        lift=one.lift,
    )


def _rank(one: Slice) -> tuple[int, str]:
    if one.dimension == "region":
        return len(_ORDER) + 1, ""
    known = one.dimension in _ORDER
    return _ORDER.index(one.dimension) if known else len(_ORDER), one.dimension


def _words(dimension: str) -> str:
    return dimension.replace("_", " ")


def together(values: Sequence[Slice], style: Style) -> str:
    """Return the values of one claim, joined by "and"."""
    return " and ".join(
        f"{style.name(_words(one.dimension))} {style.name(one.value)}" for one in values
    )


def title(report: Report, style: Style) -> str:
    """Return the title of a report."""
    values = [report.slice] if report.slice is not None else []
    if report.segment and report.segment[0].share_of_excess >= SHARED:
        first = report.segment[0].values
        values = first if report.slice is None or report.slice in first else [*values, *first]
    told = ""
    for one in values:
        if one.dimension == "region":
            told += f" in {style.name(one.value)}"
        elif one.dimension in _ORDER:
            told += f" {style.name(one.value)}"
        else:
            told += f" {style.name(_words(one.dimension))} {style.name(one.value)}"
    counts = f"{format_number(report.frequency.tickets)} tickets"
    expected = format_number(report.frequency.expected)
    return f"{style.name(report.where)}:{told + ':' if told else ''} {counts}, {expected} expected"


def suspicion(report: Report, style: Style) -> str:
    """What the strongest explanation and the top term say; no more than they do."""
    began = f"Began at {report.since:%H:%M} UTC"
    claims = []
    if report.segment and (first := report.segment[0]).share_of_excess > 0.0:
        share = percent(first.share_of_excess)
        claims.append(f"{share} of what is too much has {together(first.values, style)}")
    if report.terms:
        claims.append(_spoken(report.terms[0], style))
    if not report.segment:
        claims.insert(0, "nothing in the tickets' values explains it")
        said = "; ".join(claims)
        return f"{began}. {said[0].upper()}{said[1:]}."
    return "; ".join([began, *claims]) + "."


def _spoken(term: Term, style: Style) -> str:
    usual = "in none before" if term.new else f"usually {percent(term.usual_share)}"
    return f"{style.quote(term.term)} is in {percent(term.share)} of the tickets ({usual})"


def reproduction(report: Report, style: Style) -> Iterator[str]:
    """What a ticket inside most likely has."""
    if report.slice is not None:
        yield f"All of the tickets have {together([report.slice], style)}."
    named = {report.slice.dimension} if report.slice is not None else set()
    for one in report.segment:
        share = one.share_of_tickets
        if share is not None and share >= SHARED and one.values != [report.slice]:
            of = "All" if share >= 0.995 else percent(share)
            yield f"{of} of the tickets have {together(one.values, style)}."
            named |= {each.dimension for each in one.values}
    regions = report.impact.by_region if report.impact is not None else {}
    told = sum(regions.values())
    most = max(regions, key=lambda name: (regions[name], name), default="")
    if "region" not in named and told > 0 and regions[most] >= REGIONAL * told:
        usual = ", as is usual" if "region" in report.not_explained_by else ""
        yield f"{regions[most]} of {told} customers are in region {style.name(most)}{usual}."
    if report.terms:
        yield f"Look for it: {_spoken(report.terms[0], style)}."
    if said := _said_by_all(report):
        yield f"All examples say: {', '.join(style.quote(word) for word in said)}."
    if report.not_explained_by:
        alike = ", ".join(style.name(name) for name in report.not_explained_by)
        yield f"As usual, so that any should do: {alike}."


def _said_by_all(report: Report) -> list[str]:
    """Words of every example that are not told already."""
    if len(report.examples) < 2:
        return []
    shared = dict.fromkeys(terms(report.examples[0].text))
    for one in report.examples[1:]:
        words = set(terms(one.text))
        shared = {word: None for word in shared if word in words}
    known = {report.terms[0].term} if report.terms else set()
    return [word for word in shared if word not in known][:MOST_SAID]


def _links(actions: Actions | None, examples: Sequence[Example]) -> Iterator[Link]:
    for one in examples:
        if one.url:
            yield Link(what=f"ticket {one.ticket_id}", target=one.url)
    if actions is not None and actions.runbook:
        yield Link(what="runbook", target=actions.runbook)


def _history(ordered: Sequence[EscalationEvent]) -> list[Past]:
    """All of it; of a long one without the updates in the middle that changed no severity."""
    kept = list(ordered)
    if len(kept) > MOST_HISTORY:
        pairs = itertools.pairwise(ordered)
        changed = [
            event
            for before, event in pairs
            if event.transition != "updated" or event.data.severity != before.data.severity
        ]
        kept = [ordered[0], *changed]
        kept += [ordered[-1]] if kept[-1] is not ordered[-1] else []
    if len(kept) > MOST_HISTORY:
        half = MOST_HISTORY // 2
        kept = [*kept[:half], *kept[-half:]]
    return [
        Past(
            at=event.time,
            transition=event.transition,
            severity=event.data.severity,
            tickets=event.data.tickets,
            customers=event.data.customers,
            expected=event.data.expected,
        )
        for event in kept
    ]


def clock(at: datetime) -> str:
    """Return a time as text, in UTC."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
