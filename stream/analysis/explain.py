"""``spikewatch explain``: a decision made again, held against the one that was stored."""

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
from stream.escalations.plain_text import clock, headline, rounded


@dataclass
class Explained:
    """An episode made again."""

    event: EscalationEvent
    """The one that is explained."""
    decision: Decision
    found: list[EscalationEvent]
    """All events of the episode that came again."""
    wrong: list[str] = field(default_factory=list)
    """What differs from what was stored, in sentences."""
    compared: int = 0
    """Events that are the same, byte for byte."""
    source: str = ""
    """Where the stored event's headers say that it comes from; empty: not known."""


def explain(
    log: Iterable[LoggedSignal],
    settings: Settings,
    episode: str,
    sequence: int = 1,
    stored: Sequence[EscalationEvent] | None = None,
    number: int = 0,
) -> Explained:
    """Decide again what the *log* led to, up to the last event of *episode*.

    Args:
        log: All that came in.
        settings: That are in force now; the config hash says whether they decided then.
        episode: Its id, or the first digits.
        sequence: Which of its events to explain.
        stored: Its events as they were written; None: there is nothing to compare with.
        number: Of the partition.

    Raises:
        UserError: The event did not come again; with what is known of why.
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
        raise UserError(_did_not_come(episode, sequence, found, stored, settings))
    event, decision = found[sequence]
    answer = Explained(event, decision, [one for one, _ in found.values()])
    for before in stored or ():
        again = found.get(before.data.sequence)
        if again is None:
            answer.wrong.append(f"#{before.data.sequence} {before.transition} did not come again")
        elif write_escalation(before) == write_escalation(again[0]):
            answer.compared += 1
        else:
            answer.wrong += _differ(before, again[0])
    return answer


def _did_not_come(
    episode: str,
    sequence: int,
    found: dict[int, tuple[EscalationEvent, Decision]],
    stored: Sequence[EscalationEvent] | None,
    settings: Settings,
) -> str:
    said = f"event #{sequence} of episode {episode[:12]} did not come again"
    if found:
        numbers = ", ".join(str(number) for number in sorted(found))
        return f"{said}; those that did are {numbers}: choose one with --sequence"
    then = {event.data.config_hash for event in stored or ()} - {settings.config_hash}
    if then:
        return (
            f"{said}: it was decided under config hash {', '.join(sorted(then))}, in force is "
            f"{settings.config_hash}; give the configuration of then with --config"
        )
    return (
        f"{said}: the log does not reach back to the tenant's first ticket, or is of other tickets"
    )


def _differ(stored: EscalationEvent, found: EscalationEvent) -> Iterator[str]:
    where = f"#{stored.data.sequence} {stored.transition}"
    if stored.data.config_hash != found.data.config_hash:
        yield (
            f"{where}: decided under config hash {stored.data.config_hash}, made again under "
            f"{found.data.config_hash}: give the configuration of then with --config"
        )
    for path, one, other in differences(stored, found):
        yield f"{where}: {path} was {one!r}, is {other!r} when made again"


def as_json(answer: Explained) -> dict[str, Any]:
    """Everything, for programs; an infinite bar is null."""
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
    """What a person reads."""
    event, decision = answer.event, answer.decision
    data = event.data
    yield f"{_clock(decision.at)}  {headline(event)}"
    yield f"  episode {data.episode_id}, event #{data.sequence} {event.transition}"
    yield (
        f"  release {version('spikewatch')}, rules {decision.decisions}, model {decision.model}, "
        f"config hash {decision.config_hash}"
    )
    yield f"  decided by {decision.decided_by}; its window begins at " + (
        decision.begins_at or "a ticket that is not remembered"
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
            f"  budget: {rounded(data.budget.per_week)} a week; to this series "
            f"{rounded(data.budget.allowed)}, expected {rounded(data.budget.expected)}; pages a "
            f"week {rounded(data.budget.pages)}, called false {rounded(data.budget.false_pages)}"
        )
    held = [guard for guard in decision.guards if guard.held]
    yield f"  guards that held: {', '.join(guard.name for guard in held) or 'none'}"
    for guard in decision.guards:
        if guard.why:
            yield f"    {guard.name}: {guard.why}" + (" (held)" if guard.held else "")
    others = [guard.name for guard in decision.guards if not guard.held and not guard.why]
    yield f"    did not apply: {', '.join(others)}"
    yield from _comparison(answer)


def _comparison(answer: Explained) -> Iterator[str]:
    if answer.wrong:
        yield f"  NOT the same decision as was stored ({answer.compared} events are the same):"
        yield from (f"    {line}" for line in answer.wrong)
    elif answer.compared:
        yield f"  the same decision: {answer.compared} of {answer.compared} events, byte for byte"
    else:
        yield "  not compared: name what was written with --events"


def _expected(decision: Decision) -> Iterator[str]:
    known = decision.expectation
    yield (
        f"  baseline: {known.rate:.4g} an hour = level {known.level:.4g} x season of this hour "
        f"{known.season:.3f}; rests on {known.weeks:.1f} weeks, {known.rests_on:.4g} tickets"
    )
    yield (
        f"    scatter: hours {known.hour_dispersion:.4f}, days {known.day_dispersion:.4f}, not "
        f"known {known.ignorance:.4f} (relative variances)"
    )


def _score(decision: Decision) -> Iterator[str]:
    if math.isinf(decision.bar):
        yield "  no limit was asked: an update, or an end, of what runs"
        return
    yield f"  score {decision.score:.4f} against {decision.bar:.4f}"
    if decision.members:
        yield f"    of {len(decision.members)} windows, by the multiple of the rate they look for:"
    for member in decision.members:
        yield f"    {_member(member)}"


def _member(member: WindowShare) -> str:
    return (
        f"x{member.multiple:g} since {_clock(member.since)}: {member.observed:.4g} came, "
        f"{member.expected:.4g} expected, log ratio {member.log_ratio:.3f}, hours of starts "
        f"{member.hours_of_starts:.3g}, {100.0 * member.share:.1f}% of the sum"
    )


def _limit(decision: Decision) -> Iterator[str]:
    limit = decision.limit
    if limit is None:
        return
    yield (
        f"  limit {limit.limit:.4f} = {limit.reach:.4f} for {limit.allowed:.4g} false pages a week "
        f"+ {limit.by_pages:.4f} by its pages + {limit.by_verdicts:.4f} by verdicts, 0.5 at least"
    )
    yield (
        f"    its score passes 0 {limit.per_week:.3f} times a week (nu), by {limit.excess:.3f} on "
        f"average (beta), shape {limit.shape:.3f} (xi)"
    )
    if decision.bar > limit.limit:
        yield f"    raised to {decision.bar:.4f}: its like was called false"


def _clock(at: float) -> str:
    return clock(datetime.fromtimestamp(at, UTC))
