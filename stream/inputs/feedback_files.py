"""Verdicts from a file of `Feedback`, merged into a signal log by time."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from detectors.forensics.redecide import LoggedSignal
from schemas.codec import read_feedback
from schemas.dead_letter import Rejected
from schemas.signals import Tick, Ticket, Verdict
from stream.errors import UserError
from stream.inputs.lines import read_lines


def read_verdicts(name: str | Path) -> list[Verdict]:
    """Return the responses in a file, one `Feedback` per line, in order of time.

    Responses other than verdicts are included.

    Raises:
        UserError: The file cannot be read, or a line is not valid.
    """
    verdicts = []
    for number, line in read_lines(name):
        try:
            verdicts.append(read_feedback(line))
        except Rejected as why:
            raise UserError(
                f"{name}, line {number}: {why}; each line must be one Feedback object"
            ) from None
    return sorted(verdicts, key=lambda verdict: verdict.at)


def with_verdicts(
    log: Iterable[LoggedSignal], verdicts: Sequence[Verdict]
) -> Iterator[LoggedSignal]:
    """Merge verdicts into a signal log, each before the first later record.

    Example:
        >>> first, second = Ticket("acme", "1", 0.0), Ticket("acme", "2", 9.0)
        >>> tickets = [LoggedSignal("1", first), LoggedSignal("2", second)]
        >>> said = Verdict("acme", "e" * 32, "incident", 5.0)
        >>> [record.place for record in with_verdicts(tickets, [said])]
        ['1', 'feedback 1', '2']
    """
    waiting = list(enumerate(verdicts, start=1))
    for record in log:
        signal = record.signal
        if isinstance(signal, Ticket | Tick):
            at = signal.created_at if isinstance(signal, Ticket) else signal.now
            while waiting and waiting[0][1].at < at:
                number, verdict = waiting.pop(0)
                yield LoggedSignal(f"feedback {number}", verdict)
        yield record
    for number, verdict in waiting:
        yield LoggedSignal(f"feedback {number}", verdict)
