"""Test that links and ids connect a ticket's trace, its escalation and the notifications."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from detectors.simulation.tickets import HOUR
from schemas.escalation import event_id
from schemas.signals import Ticket
from stream.config.sections import Config
from stream.process.tracing import MOST_LINKS, MOST_REMEMBERED, MOST_TENANTS, Traces, context_of
from tests.support.escalations import EPISODE, SINCE, escalation
from tests.support.kafka_rig import Rig, wait_for

PARENT = f"00-{0xA1:032x}-{0xB2:016x}-01"


def recorded() -> tuple[Traces, InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    return Traces(Config(), "test", SimpleSpanProcessor(exporter)), exporter


def ticket(number: int, **changes: Any) -> Ticket:
    data: dict[str, Any] = {
        "tenant": "acme",
        "ticket_id": f"t{number}",
        "created_at": SINCE.timestamp() + number,
        "area": "login",
    }
    return Ticket(**{**data, **changes})


def carried(number: int) -> list[tuple[str, bytes]]:
    return [("x", b"\xff"), ("traceparent", f"00-{number + 1:032x}-{9:016x}-01".encode())]


def test_an_escalation_links_to_the_traces_of_its_tickets_only() -> None:
    traces, exporter = recorded()
    traces.counted(ticket(1), carried(1))
    traces.counted(ticket(2, area="billing"), carried(2))
    traces.counted(ticket(3, tenant="other"), carried(3))
    traces.counted(ticket(4, created_at=SINCE.timestamp() - 60.0), carried(4))
    traces.counted(
        ticket(5, created_at=0.0, ticket_id="acme-7"), carried(5)
    )  # an example ticket of the event
    traces.counted(ticket(6), [("traceparent", b"nonsense"), ("tracestate", b"a=b")])
    traces.counted(ticket(7), [])
    passed = traces.escalated(escalation("opened"))
    (span,) = exporter.get_finished_spans()
    assert [link.context.trace_id for link in span.links] == [2, 6]
    assert span.context.trace_id == int(EPISODE, 16)
    assert passed == f"00-{EPISODE}-{event_id(EPISODE, 1)[:16]}-01"
    assert span.parent is None
    assert span.attributes is not None
    assert span.attributes["spikewatch.severity"] == "warning"


def test_an_episode_is_one_trace_and_a_repeated_event_one_span() -> None:
    traces, exporter = recorded()
    again, other = recorded()
    traces.escalated(escalation("opened"))
    traces.escalated(escalation("updated", sequence=2))
    again.escalated(escalation("updated", sequence=2))
    again.delivered(EPISODE, 2, "on-call", "pagerduty", 100.0)
    again.delivered(EPISODE, 2, "chat", "slack", 100.0, "HTTP 500")
    again.delivered("digest:x", 2, "chat", "slack", 100.0)
    opened, updated = exporter.get_finished_spans()
    repeated, delivered, failed = other.get_finished_spans()
    assert updated.parent is not None
    assert updated.parent.span_id == opened.context.span_id
    assert repeated.context == updated.context
    for span in (delivered, failed):
        assert span.parent is not None
        assert (span.parent.trace_id, span.parent.span_id) == (
            updated.context.trace_id,
            updated.context.span_id,
        )
        assert span.context.span_id != updated.context.span_id
    assert delivered.status.is_ok
    assert failed.status.description == "HTTP 500"


def test_intake_passes_on_its_own_span() -> None:
    traces, exporter = recorded()
    for name in ("traceparent", "ce_traceparent"):
        passed = traces.taken_in({name: PARENT}, "tickets", 0, 7, "acme")
        span = exporter.get_finished_spans()[-1]
        assert passed == f"00-{0xA1:032x}-{span.context.span_id:016x}-01"
        assert span.parent is not None
        assert span.parent.span_id == 0xB2
    assert traces.taken_in({}, "tickets", 0, 8, "acme") is None
    assert traces.taken_in({"traceparent": PARENT[:-1] + "0"}, "tickets", 0, 9, "acme") is None


@given(st.text(max_size=80) | st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"))
def test_an_invalid_traceparent_header_is_ignored(text: str) -> None:
    context = context_of(text)
    assert context is None or (context.is_valid and context.trace_flags.sampled)
    traces, exporter = recorded()
    traces.counted(ticket(1), [("traceparent", text.encode("utf-8", "surrogatepass"))])
    traces.escalated(escalation("opened"))
    assert len(exporter.get_finished_spans()) == 1


def test_remembered_tickets_are_bounded() -> None:
    traces, exporter = recorded()
    for number in range(MOST_TENANTS + 50):
        traces.counted(ticket(1, tenant=f"t{number}"), carried(number))
    for number in range(MOST_REMEMBERED * 2):
        traces.counted(ticket(number), carried(number))
    assert len(traces._seen) == MOST_TENANTS
    assert len(traces._seen["acme"]) == MOST_REMEMBERED
    traces.escalated(escalation("opened"))
    (span,) = exporter.get_finished_spans()
    assert len(span.links) == MOST_LINKS


def test_without_an_endpoint_nothing_is_traced() -> None:
    traces = Traces(Config(), "test")
    traces.counted(ticket(1), carried(1))
    assert not traces._seen
    assert traces.escalated(escalation("opened")) is None
    traces.delivered(EPISODE, 1, "a", "b", 0.0)
    traces.close()


@contextmanager
def collector() -> Iterator[tuple[str, list[Any]]]:
    """Run a server that accepts OTLP over HTTP; yield its address and the received spans."""
    spans: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            request = ExportTraceServiceRequest.FromString(body)
            for resource in request.resource_spans:
                (name,) = (
                    attribute.value.string_value
                    for attribute in resource.resource.attributes
                    if attribute.key == "service.name"
                )
                for scope in resource.scope_spans:
                    spans.extend((name, span) for span in scope.spans)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", spans
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.kafka
@pytest.mark.slow
def test_a_trace_spans_ticket_escalation_and_notification(rig: Rig, tmp_path: Path) -> None:
    """Worker and notify send their spans to a collector while they work on a real Kafka."""
    plan = tmp_path / "notify.toml"
    plan.write_text(
        f'[[receiver]]\nname = "inbox"\nkind = "folder"\npath = {json.dumps(str(tmp_path / "in"))}'
        '\n[default]\nreceivers = ["inbox"]\n'
    )
    with collector() as (endpoint, spans):
        rig.extra = {
            "SPIKEWATCH_TRACES__ENDPOINT": endpoint,
            "SPIKEWATCH_NOTIFY__FILE": str(plan),
            "SPIKEWATCH_NOTIFY__METRICS_PORT": "0",
            "SPIKEWATCH_NOTIFY__HEALTH_PORT": "0",
        }
        rig.create_topics()
        worker, notify = rig.start("worker"), rig.start("notify")
        now = datetime.now(UTC).timestamp()
        records: list[tuple[bytes | None, list[tuple[str, bytes]]]] = []
        for number in range(12 * 24):  # two quiet weeks of tickets without a trace
            line = _line(f"old-{number}", now - 14 * 86_400.0 + number * HOUR, number)
            records.append((line, []))
        rig.put(rig.topics.tickets, records, 0)
        wait_for(lambda: rig.lag() < 5, 60, "the history", rig)
        fresh: list[tuple[bytes | None, list[tuple[str, bytes]]]] = [
            (_line(f"new-{n}", datetime.now(UTC).timestamp(), 1_000 + n),
             [("traceparent", f"00-{0xC0 + n:032x}-{0xD0 + n:016x}-01".encode())])
            for n in range(12)
        ]  # fmt: skip
        rig.put(rig.topics.tickets, fresh, 0)
        wait_for(lambda: bool(rig.escalations()), 60, "an escalation", rig)
        wait_for(lambda: any((tmp_path / "in").glob("*.txt")), 60, "a message", rig)
        assert notify.end() == 0
        assert worker.end() == 0
    event = json.loads(rig.escalations()[0])
    by_name: dict[str, list[Any]] = {}
    for service, span in spans:
        by_name.setdefault(f"{service} {span.name}", []).append(span)
    assert len(by_name["spikewatch-worker intake"]) == 12
    opened = by_name["spikewatch-worker escalation opened"][0]
    assert opened.trace_id.hex() == event["subject"]
    linked = {link.trace_id.hex() for link in opened.links}
    assert len(linked) >= 4
    assert linked <= {f"{0xC0 + n:032x}" for n in range(12)}
    notified = by_name["spikewatch-notify notify"][0]
    assert notified.trace_id == opened.trace_id
    assert notified.parent_span_id == opened.span_id
    (header,) = (
        value
        for record in rig.read(rig.topics.escalations)[:1]
        for name, value in record.headers
        if name == "traceparent"
    )
    assert header == f"00-{event['subject']}-{event['id'][:16]}-01".encode()


def _line(identity: str, at: float, customer: int) -> bytes:
    return json.dumps(
        {
            "ticket_id": identity,
            "tenant": "acme",
            "created_at": datetime.fromtimestamp(at, UTC).isoformat(),
            "product_area": "login",
            "customer": f"c{customer}",
        }
    ).encode()
