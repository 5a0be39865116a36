"""Replay of a ticket file through the production step, without Kafka.

The clock follows the tickets. The same input and ``--until`` produce the same bytes, and the same
tickets sent in simulated mode produce the same escalations. A decision never depends on later
tickets in the file. Memory does not grow with the file.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import BinaryIO

from detectors.policy.settings import Settings
from detectors.step.partition import Partition
from detectors.timelines.whole_run import BacktestTimelines
from schemas.codec import MAX_BYTES, read_ticket, to_signal, write_escalation
from schemas.dead_letter import Rejected
from schemas.escalation import EscalationEvent
from schemas.signals import HistoryEnd, Mode, Tick, Verdict


class Replay:
    """Replay of tickets.

    Example:
        >>> replay = Replay(Settings())
        >>> at = b'"created_at": "2026-03-02T09:00:00Z"'
        >>> replay.take(b'{"ticket_id": "1", "product_area": "login", ' + at + b"}")
        []
        >>> replay.counts["counted"]
        1
    """

    def __init__(
        self,
        settings: Settings,
        until: float | None = None,
        max_bytes: int = MAX_BYTES,
        verdicts: Iterable[Verdict] = (),
        lines: BacktestTimelines | None = None,
    ) -> None:
        """Start with empty state.

        Args:
            settings: Settings of the step.
            until: Tickets created later (seconds since 1970) are rejected as ``future``.
            max_bytes: Length above which tickets are rejected without being parsed.
            verdicts: Verdicts in order of time; each takes effect before the first later ticket.
            lines: Collector of the timelines of some areas.
        """
        self.counts: Counter[str] = Counter()
        """Number of tickets by outcome; rejected tickets count as ``dead``."""
        self.omitted: Counter[str] = Counter()
        """Number of optional fields that could not be read and were left out, by field."""
        self._partition = Partition(0, owner=0, settings=settings)
        self._until, self._max_bytes = until, max_bytes
        self._settings, self._lines = settings, lines
        self._verdicts = deque(verdicts)

    def take(self, line: bytes, mode: Mode = "simulated") -> list[EscalationEvent]:
        """Process one ticket event and return its escalations.

        Raises:
            Rejected: The ticket is invalid; the replay can continue with the next ticket.
        """
        try:
            ticket = read_ticket(line, omit=self._omit, max_bytes=self._max_bytes)
            signal = to_signal(ticket, mode)
            if self._until is not None and signal.created_at > self._until:
                raise Rejected("future", "created_at is after the end of the replay")
        except Rejected:
            self.counts["dead"] += 1
            raise
        events = self._apply_verdicts(signal.created_at)
        tenant = self._partition.tenants.get(signal.tenant) if self._lines else None
        if self._lines and tenant is not None:
            self._lines.look(tenant, signal.created_at, self._settings)
        done = self._partition.take(signal)
        if self._lines and tenant is not None:
            self._lines.scored(tenant)
        self.counts[done.outcome] += 1
        return events + done.escalations

    def _omit(self, name: str) -> None:
        self.omitted[name] += 1

    def _apply_verdicts(self, until: float) -> list[EscalationEvent]:
        """Apply the verdicts up to a time, in seconds since 1970, and return their escalations."""
        events: list[EscalationEvent] = []
        while self._verdicts and self._verdicts[0].at <= until:
            events += self._partition.take(self._verdicts.popleft()).escalations
        return events

    def end_history(self) -> list[EscalationEvent]:
        """End the history; later tickets can page."""
        return [
            event
            for tenant in sorted(self._partition.tenants)
            for event in self._partition.take(HistoryEnd(tenant)).escalations
        ]

    def finish(self) -> list[EscalationEvent]:
        """Advance every tenant's clock to the end of the replay, if one was given."""
        events = self._apply_verdicts(float("inf"))
        if self._lines:
            self._lines.finish(self._partition.tenants.values())
        if self._until is None:
            return events
        return events + [
            event
            for tenant in sorted(self._partition.tenants)
            for event in self._partition.take(Tick(self._until, tenant)).escalations
        ]


def replay_lines(
    replay: Replay,
    lines: Iterable[tuple[int, bytes]],
    name: str,
    write: Callable[[EscalationEvent], None],
    reject: Callable[[Rejected, int, bytes, str], None],
    mode: Mode = "simulated",
) -> None:
    """Process all lines of a file.

    Args:
        replay: The replay.
        lines: Numbered lines of the file.
        name: Name of the file, for dead letters.
        write: Called with each escalation.
        reject: Called with each ticket that is not valid: why, its line, its bytes and the file.
        mode: Mode of the tickets.
    """
    for number, line in lines:
        try:
            for event in replay.take(line, mode):
                write(event)
        except Rejected as why:
            reject(why, number, line, name)


def to_file(file: BinaryIO) -> Callable[[EscalationEvent], None]:
    """Return a function that writes events to a file, one per line, as on the topic."""

    def write(event: EscalationEvent) -> None:
        file.write(write_escalation(event) + b"\n")

    return write
