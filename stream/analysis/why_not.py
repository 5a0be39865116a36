"""Text output of ``spikewatch why-not``."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from detectors.forensics.why_not import MOST_MORE, WhyNot
from stream.escalations.phrases import rounded
from stream.escalations.plain_text import clock

IN_WORDS: Final = {
    "sent": "something was sent",
    "unknown_tenant": "the tenant had no tickets yet",
    "unknown_area": "the area had no tickets yet",
    "history": "history does not page",
    "open_episode": "its episode was already open",
    "cooldown": "it recurred within the cooldown and belonged to the same episode",
    "inside_tenant": "the tenant-wide page included it",
    "same_slice": "the same slice had paged for another area",
    "storm": "the digest of a storm included it",
    "announced": "its verdict was expected event",
    "called_false": "similar episodes were false alarms, so its threshold was raised",
    "inherited": "other areas lost as many tickets, so the area was renamed or split off",
    "cold_start": "the area was still in warm-up",
    "late": "tickets arrived too late",
    "duplicate": "tickets were duplicates",
    "agent_created": "tickets were created by agents",
    "imported": "tickets were created by an import",
    "repeated_customer": "tickets came from the same customers",
    "withdrawn": "tickets were merged or deleted",
    "reclassified": "tickets were moved to the area by a tag change",
    "raised_limit": "its threshold was raised",
    "too_few": "too few tickets",
    "no_tickets": "no tickets",
}
"""Description of each cause."""


def as_text(answer: WhyNot, decisions: list[str] | None = None) -> Iterator[str]:
    """Yield the lines of the answer.

    Args:
        answer: The counterfactuals.
        decisions: Lines of the episode's history with decisions not to notify, and why.
    """
    yield f"{_clock(answer.at)}  {answer.area} of {answer.tenant}: {IN_WORDS[answer.because]}"
    yield f"  because: {answer.because}; {answer.detail}"
    if answer.episode:
        yield f"  episode: {answer.episode}"
    near = answer.nearest
    if near is None:
        yield "  no score within an hour: chance alone would do as much at least once a week"
    else:
        yield (
            f"  nearest miss within an hour: at {_clock(near.at)} the {near.kind} scored "
            f"{near.score:.3f} against a threshold of {near.bar:.3f}"
        )
        yield (
            f"    {rounded(near.observed)} customer-equivalents of {near.customers} customers, "
            f"{near.expected:.3g} expected"
        )
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in answer.outcomes.items())
    yield f"  tickets of the area within the hour before and after: {outcomes or 'none'}"
    if answer.guards:
        guards = ", ".join(f"{name} {count}" for name, count in answer.guards.items())
        yield f"  guards: {guards}"
    if answer.rate:
        yield f"  expected rate at that time: {answer.rate:.3g} per hour"
    if answer.because in ("too_few", "no_tickets", "raised_limit"):
        if answer.more is None or answer.effect is None:
            yield f"  {MOST_MORE} more tickets of new customers would not have paged either"
        else:
            tickets = "1 more ticket" if answer.more == 1 else f"{answer.more} more tickets, each"
            yield (
                f"  {tickets} of another new customer, in the 15 minutes before "
                f"{answer.effect.in_words()}"
            )
    for line in decisions or ():
        yield f"  {line}"


def _clock(at: float) -> str:
    return clock(datetime.fromtimestamp(at, UTC))
