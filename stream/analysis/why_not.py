"""``spikewatch why-not``: the answer in words."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from detectors.forensics.why_not import MOST_MORE, WhyNot
from stream.escalations.plain_text import clock, rounded

IN_WORDS: Final = {
    "sent": "something was sent",
    "unknown_tenant": "nothing was known of the tenant",
    "unknown_area": "nothing was known of the area",
    "history": "history pages nobody",
    "open_episode": "its episode ran already",
    "cooldown": "it came back within the cool-down, and was told as the same episode",
    "inside_tenant": "it is inside the page of the whole tenant",
    "same_slice": "the same value paged for another area",
    "storm": "it is inside the digest of a storm",
    "announced": "somebody called it an expected event",
    "called_false": "its like was called false, so it must score higher",
    "inherited": "other areas lost as many tickets: it was renamed, or split off",
    "cold_start": "the area was too young",
    "late": "tickets came too late",
    "duplicate": "tickets were repeats",
    "agent_created": "tickets were created by agents",
    "imported": "tickets were created by an import or a machine",
    "repeated_customer": "tickets were of the same customers",
    "withdrawn": "tickets were merged or deleted",
    "reclassified": "tickets were re-tagged into it",
    "raised_limit": "its limit was raised",
    "too_few": "too few came",
    "no_tickets": "nothing came",
}
"""Each cause as a sentence begins."""


def as_text(answer: WhyNot, decisions: list[str] | None = None) -> Iterator[str]:
    """What a person reads.

    Args:
        answer: What was found.
        decisions: Lines of the episode's history that say who was not told, and why.
    """
    yield f"{_clock(answer.at)}  {answer.area} of {answer.tenant}: {IN_WORDS[answer.because]}"
    yield f"  because: {answer.because}; {answer.detail}"
    if answer.episode:
        yield f"  episode: {answer.episode}"
    near = answer.nearest
    if near is None:
        yield "  nothing scored within an hour: chance brings as much once a week, or more often"
    else:
        yield (
            f"  nearest miss within an hour: at {_clock(near.at)} the {near.kind} scored "
            f"{near.score:.3f} of {near.bar:.3f}"
        )
        yield (
            f"    {rounded(near.observed)} customer-equivalents of {near.customers} customers, "
            f"{near.expected:.3g} expected"
        )
    came = ", ".join(f"{count} {outcome}" for outcome, count in answer.outcomes.items())
    yield f"  tickets of the area within the hour before and after: {came or 'none'}"
    if answer.guards:
        told = ", ".join(f"{name} {count}" for name, count in answer.guards.items())
        yield f"  guards: {told}"
    if answer.rate:
        yield f"  due then: {answer.rate:.3g} an hour"
    if answer.because in ("too_few", "no_tickets", "raised_limit"):
        if answer.more is None:
            yield f"  {MOST_MORE} more tickets of new customers would not have paged either"
        else:
            yield (
                f"  {answer.more} more tickets of as many new customers, in the quarter of an hour "
                "before, would have paged"
            )
    for line in decisions or ():
        yield f"  {line}"


def _clock(at: float) -> str:
    return clock(datetime.fromtimestamp(at, UTC))
