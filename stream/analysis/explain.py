"""``spikewatch explain``: repeat a decision and compare it with the stored one."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import msgspec

from detectors.forensics.redecide import Decision, LoggedSignal, differences, redecide
from detectors.models.base import WindowShare
from detectors.policy.settings import Settings
from detectors.step.partition import Partition
from schemas.codec import write_escalation
from schemas.escalation import EscalationEvent
from stream.errors import UserError
from stream.escalations.phrases import rounded
from stream.escalations.plain_text import clock, headline


@dataclass
class Explained:
    """A repeated decision."""

    event: EscalationEvent
    """The event that is explained."""
    decision: Decision
    found: list[EscalationEvent]
    """All events of the episode that the repetition produced."""
    wrong: list[str] = field(default_factory=list)
    """Differences from the stored events, in sentences."""
    compared: int = 0
    """Number of events that are equal byte for byte."""
    source: str = ""
    """Topic, partition and offset that the stored event's headers name; empty: not known."""


def explain(
    log: Iterable[LoggedSignal],
    settings: Settings,
    episode: str,
    sequence: int = 1,
    stored: Sequence[EscalationEvent] | None = None,
    number: int = 0,
) -> Explained:
    """Repeat the decisions of a log, up to the last event of an episode.

    Args:
        log: All signals, in order.
        settings: The settings in force now; the config hash shows whether they have changed.
        episode: Id of the episode, or its first digits.
        sequence: Number of the event to explain.
        stored: Events of the episode as they were written; None: compare with nothing.
        number: Number of the partition.

    Raises:
        UserError: The repetition did not produce the event; the text says why, if known.
    """
    found: dict[int, tuple[EscalationEvent, Decision]] = {}
    last = max((event.data.sequence for event in stored or ()), default=0)
    partition = Partition(number, owner=0, settings=settings)

    def ours(event: EscalationEvent) -> bool:
        return event.data.episode_id.startswith(episode)

    for event, decision in redecide(partition, log, ours):
        found[event.data.sequence] = event, decision
        if stored and event.data.sequence >= last:
            break
    if sequence not in found:
        raise UserError(_not_repeated(episode, sequence, found, stored, settings))
    event, decision = found[sequence]
    answer = Explained(event, decision, [one for one, _ in found.values()])
    for before in stored or ():
        again = found.get(before.data.sequence)
        if again is None:
            answer.wrong.append(f"#{before.data.sequence} {before.transition} was not repeated")
        elif write_escalation(before) == write_escalation(again[0]):
            answer.compared += 1
        else:
            answer.wrong += _differ(before, again[0])
    return answer


def _not_repeated(
    episode: str,
    sequence: int,
    found: dict[int, tuple[EscalationEvent, Decision]],
    stored: Sequence[EscalationEvent] | None,
    settings: Settings,
) -> str:
    text = f"event #{sequence} of episode {episode[:12]} was not repeated"
    if found:
        numbers = ", ".join(str(number) for number in sorted(found))
        return f"{text}; those that were are {numbers}: choose one with --sequence"
    then = {event.data.config_hash for event in stored or ()} - {settings.config_hash}
    if then:
        return (
            f"{text}: it was decided under config hash {', '.join(sorted(then))}, now it is "
            f"{settings.config_hash}; give the earlier configuration with --config"
        )
    return f"{text}: the log does not reach back to the tenant's first ticket, or has other tickets"


def _differ(stored: EscalationEvent, found: EscalationEvent) -> Iterator[str]:
    where = f"#{stored.data.sequence} {stored.transition}"
    if stored.data.config_hash != found.data.config_hash:
        yield (
            f"{where}: decided under config hash {stored.data.config_hash}, repeated under "
            f"{found.data.config_hash}: give the earlier configuration with --config"
        )
    for path, one, other in differences(stored, found):
        yield f"{where}: {path} was {one!r}, is {other!r} when repeated"


def as_json(answer: Explained) -> dict[str, Any]:
    """Return all of it as JSON values; an infinite threshold (``bar``) is null."""
    decision = msgspec.to_builtins(answer.decision)
    limit = answer.decision.limit
    decision["limit"] = limit._asdict() if limit is not None else None
    if math.isinf(answer.decision.bar):
        decision["bar"] = None
    return {
        "release": version("spikewatch"),
        "episode_id": answer.event.data.episode_id,
        "sequence": answer.event.data.sequence,
        "decision": decision,
        "event": answer.event.model_dump(mode="json"),
        "same": answer.compared,
        "wrong": answer.wrong,
        "source": answer.source or None,
    }


def as_text(answer: Explained) -> Iterator[str]:
    """Yield the explanation, line by line."""
    event, decision = answer.event, answer.decision
    data = event.data
    yield f"{_clock(decision.at)}  {headline(event)}"
    yield f"  episode {data.episode_id}, event #{data.sequence} {event.transition}"
    yield (
        f"  release {version('spikewatch')}, rules {decision.decisions}, model {decision.model}, "
        f"config hash {decision.config_hash}"
    )
    yield f"  decided by {decision.decided_by}; its window begins at " + (
        decision.begins_at or "a ticket that is no longer in memory"
    )
    if answer.source:
        agrees = "as" if answer.source == decision.decided_by else "NOT as"
        yield f"  {agrees} its headers say: {answer.source}"
    yield from _expected(decision)
    yield from _score(decision)
    yield from _limit(decision)
    yield (
        f"  evidence: {rounded(data.observed)} customer-equivalents of {data.customers} customers "
        f"({data.tickets} tickets), {rounded(data.expected)} expected: {rounded(data.ratio)} times "
        f"(90 %: {rounded(data.ratio_low, 2)} to {rounded(data.ratio_high, 2)}), "
        f"p {data.p_value:.3g}"
    )
    if data.budget is not None:
        yield (
            f"  budget: {rounded(data.budget.per_week)} false pages per week; of this series "
            f"{rounded(data.budget.allowed)}, expected {rounded(data.budget.expected)}; pages per "
            f"week {rounded(data.budget.pages)}, false alarms {rounded(data.budget.false_pages)}"
        )
    suppressing = [guard for guard in decision.guards if guard.held]
    yield f"  guards that suppressed it: {', '.join(guard.name for guard in suppressing) or 'none'}"
    for guard in decision.guards:
        if guard.why:
            yield f"    {guard.name}: {guard.why}" + (" (suppressed it)" if guard.held else "")
    others = [guard.name for guard in decision.guards if not guard.held and not guard.why]
    yield f"    did not apply: {', '.join(others)}"
    yield from _comparison(answer)


def _comparison(answer: Explained) -> Iterator[str]:
    if answer.wrong:
        yield f"  NOT the stored decision ({answer.compared} events are equal):"
        yield from (f"    {line}" for line in answer.wrong)
    elif answer.compared:
        yield f"  the same decision: {answer.compared} of {answer.compared} events, byte for byte"
    else:
        yield "  not compared: give the stored events with --events"


def _expected(decision: Decision) -> Iterator[str]:
    known = decision.expectation
    yield (
        f"  baseline: {known.rate:.4g} per hour = level {known.level:.4g} x seasonality of this "
        f"hour {known.season:.3f}; based on {known.weeks:.1f} weeks, {known.rests_on:.4g} tickets"
    )
    yield (
        f"    dispersion: hours {known.hour_dispersion:.4f}, days {known.day_dispersion:.4f}, "
        f"rate uncertainty {known.ignorance:.4f} (relative variances)"
    )


def _score(decision: Decision) -> Iterator[str]:
    if math.isinf(decision.bar):
        yield "  no threshold applies: this is an update, or the end, of an open episode"
        return
    yield f"  score {decision.score:.4f}, threshold {decision.bar:.4f}"
    if decision.members:
        yield (
            f"    of {len(decision.members)} windows, by the multiple of the rate that each looks "
            "for:"
        )
    for member in decision.members:
        yield f"    {_member(member)}"


def _member(member: WindowShare) -> str:
    return (
        f"x{member.multiple:g} since {_clock(member.since)}: {member.observed:.4g} observed, "
        f"{member.expected:.4g} expected, log ratio {member.log_ratio:.3f}, hours of starts "
        f"{member.hours_of_starts:.3g}, {100.0 * member.share:.1f}% of the sum"
    )


def _limit(decision: Decision) -> Iterator[str]:
    limit = decision.limit
    if limit is None:
        return
    yield (
        f"  threshold {limit.limit:.4f} = {limit.reach:.4f} for {limit.allowed:.4g} false pages "
        f"per week + {limit.by_pages:.4f} for its pages + {limit.by_verdicts:.4f} for verdicts; "
        "at least 0.5"
    )
    yield (
        f"    its score exceeds 0 {limit.per_week:.3f} times per week (nu), by {limit.excess:.3f} "
        f"on average (beta), shape {limit.shape:.3f} (xi)"
    )
    if decision.bar > limit.limit:
        yield f"    raised to {decision.bar:.4f}, because similar episodes were false alarms"


def _clock(at: float) -> str:
    return clock(datetime.fromtimestamp(at, UTC))
