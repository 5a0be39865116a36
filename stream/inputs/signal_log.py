"""Log of signals to replay, from ticket files or from the topic."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from detectors.forensics.redecide import LoggedSignal
from schemas import signals
from schemas.cloudevents import EventError, decode
from schemas.codec import header_text, read_ticket, to_signal
from schemas.dead_letter import Rejected
from schemas.escalation import EscalationEvent
from schemas.signals import OTHER, HistoryEnd, Mode, Tick, Verdict
from schemas.topics import Topics
from stream.config.sections import Config
from stream.inputs.feedback_files import with_verdicts
from stream.kafka.partitioner import partition_of
from stream.kafka.reading import Reader, partitions_of, read_to_end
from stream.kafka.topics import verify

Lines = Iterable[tuple[int, bytes]]
Reject = Callable[[Rejected, int, bytes, str], None]
"""Takes a line that the schema rejects: why, its number, the line, and the name of its file."""


def from_files(
    lines: Lines,
    name: str,
    history: tuple[Lines, str] | None = None,
    verdicts: Sequence[Verdict] = (),
    until: float | None = None,
    reject: Reject | None = None,
) -> Iterator[LoggedSignal]:
    """Yield tickets as `spikewatch replay` processes them, except those that it would reject.

    Args:
        lines: Numbered lines of the ticket file.
        name: Name of the file, for the location of each record.
        history: Numbered lines of earlier tickets, and the name of their file.
        verdicts: Verdicts, sorted by time.
        until: Time to which each tenant's clock is advanced at the end; None: not advanced.
        reject: Called with each line that the schema rejects.
    """
    tenants: set[str] = set()
    if history is not None:
        for record in _read(history[0], history[1], "history", reject):
            tenants.add(record.signal.tenant or "")
            yield record
        for tenant in sorted(tenants):
            yield LoggedSignal(f"end of {history[1]}", HistoryEnd(tenant))

    def present() -> Iterator[LoggedSignal]:
        for record in _read(lines, name, "simulated", reject):
            tenants.add(record.signal.tenant or "")
            yield record

    yield from with_verdicts(present(), verdicts)
    if until is not None:
        for tenant in sorted(tenants):
            yield LoggedSignal(f"end of {name}", Tick(until, tenant))


def _read(lines: Lines, name: str, mode: Mode, reject: Reject | None) -> Iterator[LoggedSignal]:
    for number, line in lines:
        try:
            ticket = to_signal(read_ticket(line), mode)
        except Rejected as why:
            if reject is not None:
                reject(why, number, line, name)
            continue
        yield LoggedSignal(f"{name}:{number}", ticket)


@dataclass
class OnTopics:
    """Records of one tenant from the topics."""

    log: list[LoggedSignal] = field(default_factory=list)
    stored: list[EscalationEvent] = field(default_factory=list)
    """Escalations without duplicates."""
    sources: dict[str, str] = field(default_factory=dict)
    """Topic, partition and offset of the source record, by the id of the escalation."""
    begins: int = 0
    """First offset in the log; above 0: retention has deleted earlier records."""
    place: str = ""
    """Topic and partition of the log."""


async def from_topics(config: Config, tenant: str) -> OnTopics:
    """Read the signal log and the escalations of a tenant, up to their current ends.

    Raises:
        UserError: No broker is reachable, or the topics are missing or wrong.
    """
    await verify(config)
    topics = Topics(config.kafka.topic_prefix)
    number = partition_of(tenant, config.kafka.partitions)
    topics_of_tenant = OnTopics(place=f"{topics.by_tenant}[{number}]")
    async with Reader(config) as reader:
        of_log = partitions_of(topics.by_tenant, config.kafka.partitions)[number]
        of_events = partitions_of(topics.escalations, config.kafka.partitions)[number]
        topics_of_tenant.begins = (await reader.beginning_offsets([of_log]))[of_log]
        async for record in read_to_end(reader, of_log):
            signal = signals.read(record.value)
            if signal is None:
                continue  # workers skip it as well
            if signal.tenant in (tenant, None) or tenant.startswith(OTHER):
                place = f"{topics_of_tenant.place}@{record.offset}"
                topics_of_tenant.log.append(LoggedSignal(place, signal, record.timestamp / 1000.0))
        async for record in read_to_end(reader, of_events):
            with contextlib.suppress(EventError):
                event = decode(record.headers, record.value)
                if event.data.tenant == tenant and event.id not in topics_of_tenant.sources:
                    headers = header_text(record.headers)
                    topics_of_tenant.sources[event.id] = (
                        f"{topics.by_tenant}[{headers.get('source-partition', '?')}]"
                        f"@{headers.get('source-offset', '?')}"
                    )
                    topics_of_tenant.stored.append(event)
    return topics_of_tenant
