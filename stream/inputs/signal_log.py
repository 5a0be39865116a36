"""The log of signals to replay: from files of tickets, or from the topic."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
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


def from_files(
    lines: Lines,
    name: str,
    history: tuple[Lines, str] | None = None,
    verdicts: Sequence[Verdict] = (),
    until: float | None = None,
) -> Iterator[LoggedSignal]:
    """Yield tickets as `spikewatch replay` processes them; those that it would reject are left out.

    Args:
        lines: Of the file *name*, with their numbers.
        name: For the places.
        history: Lines of earlier tickets, and the name of their file.
        verdicts: By their times.
        until: Move the clock of each tenant there in the end; None: leave it.
    """
    tenants: set[str] = set()
    if history is not None:
        for record in _read(history[0], history[1], "history"):
            tenants.add(record.signal.tenant or "")
            yield record
        for tenant in sorted(tenants):
            yield LoggedSignal(f"end of {history[1]}", HistoryEnd(tenant))

    def present() -> Iterator[LoggedSignal]:
        for record in _read(lines, name, "simulated"):
            tenants.add(record.signal.tenant or "")
            yield record

    yield from with_verdicts(present(), verdicts)
    if until is not None:
        for tenant in sorted(tenants):
            yield LoggedSignal(f"end of {name}", Tick(until, tenant))


def _read(lines: Lines, name: str, mode: Mode) -> Iterator[LoggedSignal]:
    for number, line in lines:
        with contextlib.suppress(Rejected):
            yield LoggedSignal(f"{name}:{number}", to_signal(read_ticket(line), mode))


@dataclass
class OnTopics:
    """Records of one tenant on the topics."""

    log: list[LoggedSignal] = field(default_factory=list)
    stored: list[EscalationEvent] = field(default_factory=list)
    """Escalations without duplicates."""
    sources: dict[str, str] = field(default_factory=dict)
    """Id of an escalation -> topic, partition and offset of the record that its headers name."""
    begins: int = 0
    """First offset that the log still has; above 0: retention has deleted earlier records."""
    place: str = ""
    """Topic and partition of the log."""


async def from_topics(config: Config, tenant: str) -> OnTopics:
    """Read the log and the escalations of a tenant, up to their ends as of now.

    Raises:
        UserError: No broker, or the topics are not as they must be.
    """
    await verify(config)
    topics = Topics(config.kafka.topic_prefix)
    number = partition_of(tenant, config.kafka.partitions)
    found = OnTopics(place=f"{topics.by_tenant}[{number}]")
    async with Reader(config) as reader:
        of_log = partitions_of(topics.by_tenant, config.kafka.partitions)[number]
        of_events = partitions_of(topics.escalations, config.kafka.partitions)[number]
        found.begins = (await reader.beginning_offsets([of_log]))[of_log]
        async for record in read_to_end(reader, of_log):
            signal = signals.read(record.value)
            if signal is None:
                continue  # the worker passes it over as well
            if signal.tenant in (tenant, None) or tenant.startswith(OTHER):
                place = f"{found.place}@{record.offset}"
                found.log.append(LoggedSignal(place, signal, record.timestamp / 1000.0))
        async for record in read_to_end(reader, of_events):
            with contextlib.suppress(EventError):
                event = decode(record.headers, record.value)
                if event.data.tenant == tenant and event.id not in found.sources:
                    headers = header_text(record.headers)
                    found.sources[event.id] = (
                        f"{topics.by_tenant}[{headers.get('source-partition', '?')}]"
                        f"@{headers.get('source-offset', '?')}"
                    )
                    found.stored.append(event)
    return found
