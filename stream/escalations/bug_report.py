"""Bug report of one episode from its events: facts, drivers, examples, history.

Pure. Text from tickets is unchanged, except that it is on one line and without control characters.
`stream.escalations.bug_report_markdown` escapes it for Markdown.
"""

import itertools
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from schemas.escalation import Actions, Escalation, EscalationEvent, Example, Explanation, Slice
from schemas.privacy.redaction import safe_link
from stream.escalations.bug_report_model import Frequency, HistoryEntry, Link, Report, Segment
from stream.escalations.bug_report_text import (
    PLAIN_TEXT,
    by_importance,
    in_words,
    one_line,
    reproduction,
    suspicion,
    title,
    together,
)

MOST_HISTORY: Final = 12
"""Maximum number of transitions in the history of a report."""


def report(events: Sequence[EscalationEvent]) -> Report:
    """Return the report of one episode: facts from its last event, history from all its events.

    Args:
        events: Events of one episode, in any order; repeats are allowed.

    Raises:
        ValueError: There are no events, or they belong to different episodes.

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
        >>> facts = report([event])
        >>> facts.title, facts.status
        ('login: 9 tickets, 1 expected', 'open')
        >>> facts.suspicion
        'Started at 09:00 UTC. No slice of the tickets explains the excess.'
    """
    ordered = sorted({event.data.sequence: event for event in events}.values(), key=_sequence)
    if not ordered:
        raise ValueError("a report needs at least one event")
    if len({event.data.episode_id for event in ordered}) > 1:
        raise ValueError("the events belong to different episodes")
    facts = _facts(ordered)
    sentences = {
        "title": title(facts, PLAIN_TEXT),
        "suspicion": suspicion(facts, PLAIN_TEXT),
        "reproduction": list(reproduction(facts, PLAIN_TEXT)),
    }
    return facts.model_copy(update=sentences)


def _facts(ordered: Sequence[EscalationEvent]) -> Report:
    """Return the report of ordered events, without its sentences."""
    last = ordered[-1]
    data = Escalation.model_validate(_cleaned(last.data.model_dump()))
    until = _until(ordered)
    examples = [
        example.model_copy(update={"url": safe_link(example.url)}) for example in data.examples
    ]  # a file of events may not have been written by spikewatch
    return Report(
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
        segment=[_segment(explanation, data) for explanation in data.explanation],
        not_explained_by=[in_words(name) for name in data.not_explained_by],
        areas=data.children or [],
        terms=data.terms,
        examples=examples,
        reproduction=[],
        actions=data.actions,
        links=list(_links(data.actions, examples)),
        history=_history(ordered),
    )


def _sequence(event: EscalationEvent) -> int:
    return event.data.sequence


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(item) for key, item in value.items()}
    return [_cleaned(item) for item in value] if isinstance(value, list) else value


def _where(data: Escalation) -> str:
    if data.reason == "storm":
        return f"{len(data.areas or ())} areas of {data.tenant} at once"
    if data.product_area is None:
        return f"all of {data.tenant}"
    return "unknown areas" if data.reason == "unknown_areas_surge" else data.product_area


def _until(ordered: Sequence[EscalationEvent]) -> datetime | None:
    """Return the time of the last resolution, ignoring amendments; None: the episode is open."""
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


def _segment(driver: Explanation, data: Escalation) -> Segment:
    values = [Slice(dimension=driver.dimension, value=driver.value)]
    values += [driver.also] if driver.also is not None else []
    values.sort(key=by_importance)
    inside = None  # a whole tenant's counts are weighted, but those of its slices are not
    if driver.dimension == "customer":
        inside = driver.observed / max(data.tickets, 1)
    elif data.product_area is not None and data.observed > 0.0:
        inside = driver.observed / data.observed
    return Segment(
        what=together(values, PLAIN_TEXT),
        values=values,
        share_of_excess=driver.share,
        share_of_tickets=None if inside is None else round(min(inside, 1.0), 3),
        observed=driver.observed,
        expected=driver.expected,
        lift=driver.lift,
    )


def _links(actions: Actions | None, examples: Sequence[Example]) -> Iterator[Link]:
    for example in examples:
        if example.url:
            yield Link(what=f"ticket {example.ticket_id}", target=example.url)
    if actions is not None and actions.runbook:
        yield Link(what="runbook", target=actions.runbook)


def _history(ordered: Sequence[EscalationEvent]) -> list[HistoryEntry]:
    """Return all transitions, or in long episodes those that changed the state or severity."""
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
        HistoryEntry(
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
    """Format a time in UTC."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
