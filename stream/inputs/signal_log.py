"""All that came in, once more: from files of tickets, or from the topic that holds it."""

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
    """Tickets as `spikewatch replay` takes them in; what it would reject is left out.

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
    """What the topics hold of one tenant."""

    log: list[LoggedSignal] = field(default_factory=list)
    stored: list[EscalationEvent] = field(default_factory=list)
    """Escalations, repeats left out."""
    sources: dict[str, str] = field(default_factory=dict)
    """Id of an escalation -> where the record stands that its headers name."""
    begins: int = 0
    """The first offset that the log still has; above 0: what came before is gone."""
    place: str = ""
    """Of the log: topic and partition."""


async def from_topics(config: Config, tenant: str) -> OnTopics:
    """Read the log and the escalations of *tenant*, up to their ends as of now.

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
                    told = header_text(record.headers)
                    found.sources[event.id] = (
                        f"{topics.by_tenant}[{told.get('source-partition', '?')}]"
                        f"@{told.get('source-offset', '?')}"
                    )
                    found.stored.append(event)
    return found
