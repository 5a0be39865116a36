"""Traces from a ticket's ``traceparent`` to the resulting escalation and its notifications.

Tracing is off unless ``[traces] endpoint`` names a collector. Spans are then sent in batches from a
separate thread, and are dropped rather than waited for. A ticket without a trace starts no trace.

An episode is one trace with the id of the episode. Each of its events is a span in that trace,
whose id is the first half of the event's id. So a repeat after a crash is the same span, and every
process can derive the ids. The span of an event *links* to its tickets, since there are many.

Source: W3C, "Trace Context"; OpenTelemetry, "Links between spans" and "Semantic conventions for
    Kafka"; CloudEvents, "Distributed Tracing Extension".
"""

import re
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, NamedTuple

from schemas.escalation import EscalationEvent, event_id
from schemas.signals import Ticket
from stream.config.sections import Config

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.trace import Link, SpanContext, Tracer

HEADERS: Final = ("traceparent", "ce_traceparent")
"""Headers of a record that hold a trace: W3C's, and that of a CloudEvent in binary mode."""
MOST_LINKS: Final = 64
MOST_REMEMBERED: Final = 256
"""Maximum number of tickets per tenant whose traces are remembered."""
MOST_TENANTS: Final = 1_000
MOST_QUEUED: Final = 8_192
CLOSE_SECONDS: Final = 5.0
EXPORT_SECONDS: Final = 3.0
_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NANOSECONDS: Final = 1_000_000_000
_chosen: ContextVar[tuple[int, int] | None] = ContextVar("chosen ids", default=None)


class _Seen(NamedTuple):
    """A ticket with a trace."""

    ticket_id: str
    at: float
    area: str
    parent: str


class Traces:
    """Spans of one process; has no effect if tracing is off.

    Example:
        >>> traces = Traces(Config(), "worker")
        >>> traces.on
        False
        >>> traces.taken_in({"traceparent": f"00-{1:032x}-{2:016x}-01"}, "tickets", 0, 7, "acme")
        >>> traces.close()
    """

    def __init__(
        self, config: Config, process: str, processor: "SpanProcessor | None" = None
    ) -> None:
        """Prepare the exporter.

        Args:
            config: ``[traces] endpoint`` switches tracing on.
            process: worker or notify, for the name of the service.
            processor: Receives the spans instead of the endpoint.
        """
        self.on = bool(config.traces.endpoint) or processor is not None
        self._seen: OrderedDict[str, deque[_Seen]] = OrderedDict()
        if self.on:
            self._tracer, self._provider = _provider(config, process, processor)

    def taken_in(
        self, headers: Mapping[str, str], topic: str, partition: int, offset: int, tenant: str
    ) -> str | None:
        """Record the validation of a record; return its new ``traceparent``, if it had one.

        Args:
            headers: Headers of the record, as text.
            topic: Topic of the record.
            partition: Partition of the record.
            offset: Offset of the record.
            tenant: Tenant of the ticket.
        """
        if not self.on:
            return None
        parent = next((headers[name] for name in HEADERS if name in headers), "")
        context = context_of(parent)
        if context is None:
            return None
        span = self._tracer.start_span(
            "intake",
            _inside(context),
            attributes={
                "messaging.system": "kafka",
                "messaging.operation.type": "process",
                "messaging.destination.name": topic,
                "messaging.destination.partition.id": str(partition),
                "messaging.kafka.offset": offset,
                "spikewatch.tenant": tenant,
            },
        )
        span.end()
        return traceparent(span.get_span_context())

    def counted(self, ticket: Ticket, headers: Iterable[tuple[str, bytes]]) -> None:
        """Remember the trace of a ticket after its step, if it has one."""
        if not self.on:
            return
        parent = next((value for name, value in headers if name == HEADERS[0]), None)
        if parent is None:
            return
        lately = self._seen.get(ticket.tenant)
        if lately is None:
            lately = self._seen[ticket.tenant] = deque(maxlen=MOST_REMEMBERED)
            if len(self._seen) > MOST_TENANTS:
                self._seen.popitem(last=False)
        text = parent.decode("ascii", "replace")
        lately.append(_Seen(ticket.ticket_id, ticket.created_at, ticket.area, text))

    def escalated(self, event: EscalationEvent) -> str | None:
        """Record the production of an event; return the ``traceparent`` of its record.

        The span links to the tickets with a trace since the start of the episode: those of its
        area, those without an area, and its examples.
        """
        if not self.on:
            return None
        data = event.data
        ids = _ids(data.episode_id, data.sequence)
        parent = None if data.sequence == 1 else _inside(_sampled(*_ids(data.episode_id, 1)))
        span = _as(
            ids,
            self._tracer,
            f"escalation {event.transition}",
            parent,
            links=list(self._links(event)),
            attributes={
                "spikewatch.tenant": data.tenant,
                "spikewatch.product_area": data.product_area or "",
                "spikewatch.episode_id": data.episode_id,
                "spikewatch.sequence": data.sequence,
                "spikewatch.severity": data.severity,
                "spikewatch.reason": data.reason,
                "spikewatch.suppressed": data.suppressed or "",
                "spikewatch.event_time": event.time.isoformat(),
                "cloudevents.event_id": event.id,
            },
        )
        return traceparent(span)

    def delivered(
        self, episode: str, sequence: int, receiver: str, sink: str, began: float, why: str = ""
    ) -> None:
        """Record that a receiver was notified of an event, or why not.

        Args:
            episode: Id of the episode.
            sequence: Sequence of the event.
            receiver: Name of the receiver.
            sink: Kind of the receiver.
            began: Start of the delivery, seconds since 1970.
            why: The error; empty: the message was delivered.
        """
        if not self.on or len(episode) != 32 or not sequence:
            return
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 - only when tracing is on

        span = self._tracer.start_span(
            "notify",
            _inside(_sampled(*_ids(episode, sequence))),
            start_time=int(began * _NANOSECONDS),
            attributes={
                "spikewatch.receiver": receiver,
                "spikewatch.sink": sink,
                "spikewatch.episode_id": episode,
                "spikewatch.sequence": sequence,
            },
        )
        if why:
            span.set_status(Status(StatusCode.ERROR, why[:300]))
        span.end()

    def close(self) -> None:
        """Send the remaining spans, for at most a few seconds, since the collector may be down."""
        if self.on:
            ending = threading.Thread(target=self._provider.shutdown, daemon=True)
            ending.start()
            ending.join(CLOSE_SECONDS)

    def _links(self, event: EscalationEvent) -> "Iterable[Link]":
        from opentelemetry.trace import Link  # noqa: PLC0415 - only when tracing is on

        data = event.data
        since, examples = data.since.timestamp(), {seen.ticket_id for seen in data.examples}
        inside = set(data.areas or ()) | {data.product_area}
        links = [
            seen
            for seen in self._seen.get(data.tenant, ())
            if seen.ticket_id in examples
            or (seen.at >= since - 1.0 and (seen.area in inside or not seen.area))
        ]
        for seen in links[-MOST_LINKS:]:
            context = context_of(seen.parent)
            if context is not None:
                yield Link(context, {"spikewatch.ticket_id": seen.ticket_id})


def context_of(parent: str) -> "SpanContext | None":
    """Return the context of a ``traceparent``; None if it is invalid or not sampled.

    Example:
        >>> context_of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").is_remote
        True
        >>> context_of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00") is None
        True
        >>> context_of("nonsense") is None
        True
    """
    from opentelemetry.trace import SpanContext, TraceFlags  # noqa: PLC0415 - only when tracing is on

    match = _TRACEPARENT.fullmatch(parent.strip())
    if match is None or match[1] == "ff" or (match[1] == "00" and match[5]):
        return None
    flags = TraceFlags(int(match[4], 16))
    context = SpanContext(int(match[2], 16), int(match[3], 16), is_remote=True, trace_flags=flags)
    return context if context.is_valid and flags.sampled else None


def traceparent(context: "SpanContext") -> str:
    """Return the header value of a span context.

    Example:
        >>> traceparent(context_of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
        '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    """
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def _ids(episode: str, sequence: int) -> tuple[int, int]:
    """Return the trace id and the span id of an event; neither is 0."""
    return int(episode, 16) or 1, int(event_id(episode, sequence)[:16], 16) or 1


def _sampled(trace: int, span: int) -> "SpanContext":
    from opentelemetry.trace import SpanContext, TraceFlags  # noqa: PLC0415 - only when tracing is on

    return SpanContext(trace, span, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _inside(context: "SpanContext") -> "Context":
    from opentelemetry.trace import (  # noqa: PLC0415 - only when tracing is on
        NonRecordingSpan,
        set_span_in_context,
    )

    return set_span_in_context(NonRecordingSpan(context))


def _as(
    ids: tuple[int, int],
    tracer: "Tracer",
    name: str,
    parent: "Context | None",
    *,
    links: "list[Link]",
    attributes: dict[str, str | int],
) -> "SpanContext":
    """Record a span with these ids that starts and ends now."""
    from opentelemetry.context import Context  # noqa: PLC0415 - only when tracing is on

    token = _chosen.set(ids)
    try:
        span = tracer.start_span(
            name,
            Context() if parent is None else parent,
            links=links,
            attributes=attributes,
            start_time=time.time_ns(),
        )
    finally:
        _chosen.reset(token)
    span.end()
    return span.get_span_context()


def _provider(
    config: Config, process: str, processor: "SpanProcessor | None"
) -> "tuple[Tracer, TracerProvider]":
    """Return a tracer and the provider that exports its spans."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - only when tracing is on
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - only when tracing is on
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - only when tracing is on
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - only when tracing is on
    from opentelemetry.sdk.trace.id_generator import (  # noqa: PLC0415 - only when tracing is on
        IdGenerator,
        RandomIdGenerator,
    )
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON  # noqa: PLC0415 - only when tracing is on

    class Ids(IdGenerator):
        """Generator of the chosen ids, or of random ids if none were chosen."""

        def __init__(self) -> None:
            self._by_chance = RandomIdGenerator()

        def generate_trace_id(self) -> int:
            ids = _chosen.get()
            return self._by_chance.generate_trace_id() if ids is None else ids[0]

        def generate_span_id(self) -> int:
            ids = _chosen.get()
            return self._by_chance.generate_span_id() if ids is None else ids[1]

    provider = TracerProvider(
        sampler=ALWAYS_ON,
        id_generator=Ids(),
        resource=Resource.create({"service.name": f"spikewatch-{process}"}),
        shutdown_on_exit=False,
    )
    if processor is None:
        exporter = OTLPSpanExporter(endpoint=config.traces.endpoint, timeout=EXPORT_SECONDS)
        processor = BatchSpanProcessor(exporter, max_queue_size=MOST_QUEUED)
    provider.add_span_processor(processor)
    return provider.get_tracer("spikewatch"), provider
