"""``spikewatch explain``: recomputes a decision and compares it with the stored decision."""

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
    """A recomputed decision."""

    event: EscalationEvent
    """Event to explain."""
    decision: Decision
    found: list[EscalationEvent]
    """All recomputed events of the episode."""
    wrong: list[str] = field(default_factory=list)
    """Descriptions of the differences from the stored events."""
    compared: int = 0
    """Number of events that are identical byte for byte."""
    source: str = ""
    """Topic, partition and offset in the headers of the stored event; empty: unknown."""


def explain(
    log: Iterable[LoggedSignal],
    settings: Settings,
    episode: str,
    sequence: int = 1,
    stored: Sequence[EscalationEvent] | None = None,
    number: int = 0,
) -> Explained:
    """Recompute the decisions of a log, up to the last event of an episode.

    Args:
        log: All signals, in order.
        settings: The current settings; the config hash shows whether they have changed.
        episode: Id of the episode, or its first digits.
        sequence: Number of the event to explain.
        stored: Stored events of the episode; None: do not compare.
        number: Number of the partition.

    Raises:
        UserError: The event was not produced again; the text says why, if known.
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
            answer.wrong.append(f"#{before.data.sequence} {before.transition} was not reproduced")
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
    text = f"event #{sequence} of episode {episode[:12]} was not reproduced"
    if found:
        numbers = ", ".join(str(number) for number in sorted(found))
        return f"{text}; the reproduced events are {numbers}: choose one with --sequence"
    then = {event.data.config_hash for event in stored or ()} - {settings.config_hash}
    if then:
        return (
            f"{text}: it was decided under config hash {', '.join(sorted(then))}, but the current "
            f"one is {settings.config_hash}; give the earlier configuration with --config"
        )
    return f"{text}: the log begins after the tenant's first ticket, or has different tickets"


def _differ(stored: EscalationEvent, found: EscalationEvent) -> Iterator[str]:
    where = f"#{stored.data.sequence} {stored.transition}"
    if stored.data.config_hash != found.data.config_hash:
        yield (
            f"{where}: decided under config hash {stored.data.config_hash}, recomputed under "
            f"{found.data.config_hash}: give the earlier configuration with --config"
        )
    for path, one, other in differences(stored, found):
        yield f"{where}: {path} was {one!r}, is {other!r} when recomputed"


def as_json(answer: Explained) -> dict[str, Any]:
    """Return the explanation as JSON values; an infinite threshold (``bar``) is null."""
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
    """Yield the lines of the explanation."""
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
        agrees = "matches" if answer.source == decision.decided_by else "does NOT match"
        yield f"  {agrees} the headers of the stored event: {answer.source}"
    yield from _expected(decision)
    yield from _score(decision)
    yield from _limit(decision)
    yield (
        f"  evidence: {rounded(data.observed)} customer-equivalents of {data.customers} customers "
        f"({data.tickets} tickets), {rounded(data.expected)} expected: {rounded(data.ratio)} times "
        f"(90%: {rounded(data.ratio_low, 2)} to {rounded(data.ratio_high, 2)}), "
        f"p {data.p_value:.3g}"
    )
    if data.budget is not None:
        yield (
            f"  budget in false pages per week: {rounded(data.budget.per_week)}, of which "
            f"{rounded(data.budget.allowed)} for this series; expected of this series: "
            f"{rounded(data.budget.expected)}; pages per week {rounded(data.budget.pages)}, "
            f"false alarms {rounded(data.budget.false_pages)}"
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
        yield f"  differs from the stored decision ({answer.compared} events are identical):"
        yield from (f"    {line}" for line in answer.wrong)
    elif answer.compared:
        counts = f"{answer.compared} of {answer.compared} events"
        yield f"  same decision: {counts} identical byte for byte"
    else:
        yield "  not compared: give the stored events with --events"


def _expected(decision: Decision) -> Iterator[str]:
    baseline = decision.expectation
    yield (
        f"  baseline: {baseline.rate:.4g} per hour = level {baseline.level:.4g} x seasonality of "
        f"this hour {baseline.season:.3f}; based on {baseline.weeks:.1f} weeks, "
        f"{baseline.rests_on:.4g} tickets"
    )
    yield (
        f"    dispersion: hours {baseline.hour_dispersion:.4f}, "
        f"days {baseline.day_dispersion:.4f}, rate uncertainty {baseline.ignorance:.4f} "
        "(relative variances)"
    )


def _score(decision: Decision) -> Iterator[str]:
    if math.isinf(decision.bar):
        yield "  no threshold applies: this is an update or the resolution of an open episode"
        return
    yield f"  score {decision.score:.4f}, threshold {decision.bar:.4f}"
    if decision.members:
        yield (
            f"    from {len(decision.members)} windows, each testing for a multiple of the "
            "expected rate:"
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
        f"per week + {limit.by_pages:.4f} for past pages + {limit.by_verdicts:.4f} for verdicts "
        f"{limit.by_tenant:+.4f} for the tenant's spent or unspent budget; minimum 0.5"
    )
    yield (
        f"    the score exceeds 0 {limit.per_week:.3f} times per week (nu), by {limit.excess:.3f} "
        f"on average (beta), shape {limit.shape:.3f} (xi)"
    )
    if decision.bar > limit.limit:
        yield f"    raised to {decision.bar:.4f}, because similar episodes were false alarms"


def _clock(at: float) -> str:
    return clock(datetime.fromtimestamp(at, UTC))
