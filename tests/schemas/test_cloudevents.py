"""Escalations as CloudEvents: both content modes, round trips, and errors of invalid records."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from urllib.parse import quote

import pytest
from cloudevents.core.bindings import kafka
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from schemas.cloudevents import (
    REQUIRED,
    STRUCTURED_TYPE,
    ContentMode,
    EventError,
    Header,
    decode,
    encode,
)
from schemas.codec import write_escalation
from schemas.escalation import EVENT_TYPE_PREFIX, Escalation, EscalationEvent, Transition
from schemas.examples import EVENT

MODES: tuple[ContentMode, ...] = get_args(ContentMode)
TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
TIMES = st.integers(365 * 86_400 * 10**6, 47_000 * 86_400 * 10**6).map(
    lambda microseconds: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
)
NUMBERS = st.floats(0, 1e9, allow_nan=False)
IDS = st.text("0123456789abcdef", min_size=32, max_size=32)


@st.composite
def events(draw: st.DrawFn) -> EscalationEvent:
    """Draw an event with arbitrary texts and numbers whose attributes agree with its data."""
    tenant, episode = draw(TEXT), draw(IDS)
    data = EVENT.data.model_copy(
        update={
            "episode_id": episode,
            "tenant": tenant,
            "product_area": draw(st.none() | TEXT),
            "sequence": draw(st.integers(1, 10**9)),
            "observed": draw(NUMBERS),
            "p_value": draw(st.floats(0, 1)),
            "score": draw(st.floats(allow_nan=False, allow_infinity=False)),
            "since": draw(TIMES),
            "areas": draw(st.none() | st.lists(TEXT, max_size=3)),
            "suppressed": draw(st.sampled_from([None, "storm", "history"])),
            "explanation": draw(st.sampled_from([[], EVENT.data.explanation])),
            "impact": draw(st.sampled_from([None, EVENT.data.impact])),
        }
    )
    return EscalationEvent(
        id=draw(IDS),
        source=f"/spikewatch/{quote(tenant, safe='')}",
        type=f"{EVENT_TYPE_PREFIX}{draw(st.sampled_from(get_args(Transition)))}.v1",
        subject=episode,
        time=draw(TIMES),
        data=Escalation.model_validate(data.model_dump()),
    )


def binary(**changes: str | None) -> list[Header]:
    """Return the headers of the example in binary mode, some changed or, with None, left out."""
    headers = dict(encode(EVENT, "binary").headers)
    for name, text in changes.items():
        key = name.replace("content_type", "content-type")
        if text is None:
            del headers[key]
        else:
            headers[key] = text.encode()
    return list(headers.items())


def structured(**changes: Any) -> bytes:
    """Return the example in structured mode, some attributes changed or, with ..., left out."""
    attributes = {**json.loads(write_escalation(EVENT)), **changes}
    return json.dumps({k: v for k, v in attributes.items() if v is not ...}).encode()


DATA = encode(EVENT, "binary").value


@given(events(), st.sampled_from(MODES))
def test_an_encoded_event_decodes_to_the_same_event(
    event: EscalationEvent, mode: ContentMode
) -> None:
    """A decoded event has the same bytes when it is encoded again."""
    headers, value = encode(event, mode)
    again = decode(headers, value)
    assert again == event
    assert type(again) is EscalationEvent
    assert write_escalation(again) == write_escalation(event)
    assert encode(again, mode) == (headers, value)


@given(events())
def test_both_modes_have_the_same_bytes_of_data(event: EscalationEvent) -> None:
    """The data is the same in both modes, and headers equal the JSON attributes."""
    headers, value = encode(event, "binary")
    structured_value = write_escalation(event)
    assert structured_value.endswith(b'"data":' + value + b"}")
    attributes = json.loads(structured_value)
    del attributes["data"]
    named = {name.removeprefix("ce_"): text.decode() for name, text in headers}
    named["datacontenttype"] = named.pop("content-type")
    assert named == attributes


def test_the_headers_of_binary_mode_do_not_change() -> None:
    """Consumers route by these header names and values."""
    assert encode(EVENT, "binary").headers == [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"3b1c6f0a9d2e4857b6c1d0e9f8a7b6c5"),
        ("ce_source", b"/spikewatch/acme"),
        ("ce_type", b"com.spikewatch.escalation.opened.v1"),
        ("ce_subject", b"ba0e80aba3f94c1d8e7f6a5b4c3d2e1f"),
        ("ce_time", b"2024-04-15T09:03:27Z"),
        ("content-type", b"application/json"),
    ]


def test_structured_mode_equals_the_output_of_replay() -> None:
    """The value is a line of replay's output, and the header names the format."""
    headers, value = encode(EVENT, "structured")
    assert value == write_escalation(EVENT)
    assert headers == [("content-type", STRUCTURED_TYPE.encode())]


@given(events(), st.sampled_from(MODES))
def test_the_official_library_reads_our_events(event: EscalationEvent, mode: ContentMode) -> None:
    """The CloudEvents library finds each attribute and the data in both modes."""
    headers, value = encode(event, mode)
    read = kafka.from_binary_event if mode == "binary" else kafka.from_structured_event
    found = read(kafka.KafkaMessage(dict(headers), b"acme", value))
    assert found.get_specversion() == "1.0"
    assert (found.get_id(), found.get_source()) == (event.id, event.source)
    assert (found.get_type(), found.get_subject()) == (event.type, event.subject)
    assert found.get_time() == event.time
    assert found.get_datacontenttype() == "application/json"
    assert found.get_data() == json.loads(event.data.model_dump_json())


@given(events(), st.sampled_from(MODES))
def test_our_decoder_reads_events_of_the_official_library(
    event: EscalationEvent, mode: ContentMode
) -> None:
    """An event that the library writes with an extension decodes to the same event."""
    attributes = {name: getattr(event, name) for name in (*REQUIRED, "datacontenttype")}
    made = CloudEvent({**attributes, "partitionkey": "acme"}, event.data.model_dump(mode="json"))
    write = kafka.to_binary_event if mode == "binary" else kafka.to_structured_event
    message = write(made)
    assert decode(list(message.headers.items()), message.value) == event


@pytest.mark.parametrize(
    "headers",
    [
        [],
        None,
        [("source-offset", b"7"), ("trace", b"\xff")],
        [("content-type", b"application/cloudevents+json")],
        [("content-type", b'Application/CloudEvents+JSON ; charset="utf-8"')],
        [("content-type", STRUCTURED_TYPE.encode()), ("ce_id", b"as the specification allows")],
    ],
)
def test_a_structured_event_is_read_with_any_content_type_header(
    headers: list[Header] | None,
) -> None:
    """The header may be absent, spelled differently or beside other headers."""
    assert decode(headers, write_escalation(EVENT)) == EVENT


def test_extension_attributes_are_ignored() -> None:
    """Attributes that tracing or a gateway adds are no error."""
    assert decode([], structured(traceparent="00-1-2-01", sampledrate=3, dataschema=None)) == EVENT
    assert decode(binary(ce_traceparent="00-1-2-01", ce_dataschema="https://x"), DATA) == EVENT


def test_null_attributes_are_absent() -> None:
    """CloudEvents, JSON format 1.0.2, section 2.2: an attribute that is null is unset."""
    assert decode([], structured(datacontenttype=None, dataschema=None, traceparent=None)) == EVENT


def test_data_in_base64_is_decoded() -> None:
    """JSON format 1.0.2, section 3.1: the data is either under data or under data_base64."""
    coded = base64.b64encode(DATA).decode()
    assert decode([], structured(data=..., data_base64=coded)) == EVENT
    assert decode([], structured(data=None, data_base64=coded)) == EVENT
    with pytest.raises(EventError, match="data_base64: must be text in base64"):
        decode([], structured(data=..., data_base64="?"))


@pytest.mark.parametrize(
    "media_type",
    ["application/vnd.spikewatch.escalation+json", "Application/JSON", "text/json; charset=utf-8"],
)
def test_every_media_type_of_json_is_read(media_type: str) -> None:
    """A gateway may name the data more exactly; a subtype that ends in +json is JSON."""
    assert decode([], structured(datacontenttype=media_type)) == EVENT
    assert decode(binary(content_type=media_type), DATA) == EVENT


@pytest.mark.parametrize("name", REQUIRED)
def test_the_error_names_a_missing_attribute(name: str) -> None:
    """The error names each required attribute in both modes."""
    with pytest.raises(EventError, match=f"header ce_{name} is missing"):
        decode(binary(**{f"ce_{name}": None}), DATA)
    with pytest.raises(EventError, match=f"{name}: is missing"):
        decode([], structured(**{name: ...}))


@pytest.mark.parametrize(
    ("headers", "value", "message"),
    [
        ([], None, "tombstone"),
        (binary(), None, "tombstone"),
        ([], b"{", "the value is not JSON in UTF-8"),
        ([], b"\xff", "the value is not JSON in UTF-8"),
        ([], b"[]", "the value: "),
        ([], b'{"ticket_id": "1"}', "and 4 more"),
        ([], structured(time=1713171807), "time: must be a time in RFC 3339"),
        ([], structured(time="2024-04-15T09:03:27"), "time: needs an offset"),
        ([], structured(data_base64="ew=="), "an extension attribute"),
        ([], structured(traceparent={"a": 1}), "an extension attribute"),
        ([], structured(subject="f" * 32), "subject is not the episode_id"),
        ([], structured(source="/spikewatch/other"), "source is not /spikewatch/ and the tenant"),
        ([], structured(type="com.spikewatch.escalation.closed.v1"), "type: one of .*resolved"),
        ([], structured(type="com.example.order.v1"), "type: must match"),
        ([], structured(datacontenttype="text/xml"), "datacontenttype: "),
        ([], structured(data=None), "data: "),
        ([("content-type", b"application/cloudevents-batch+json")], b"[]", "batch.json: "),
        ([("content-type", b"application/cloudevents+avro")], b"", "avro: application/cloud"),
        ([("content-type", b"application/cloudevents+json; charset=utf-16")], b"", "charset=utf-8"),
        ([("content-type", b"\xff")], b"{}", "header content-type is not UTF-8 text"),
        ([("ce_id", b"1"), ("ce_id", b"2")], b"{}", "header ce_id occurs 2 times"),
        ([("content-type", b"application/json")], b"{}", "ce_specversion is missing.* and 3 more"),
        (binary(content_type=None), DATA, "header content-type is missing"),
        (binary(content_type="text/plain"), DATA, "content-type is text/plain: application/json"),
        (binary(content_type="application/json;charset=latin1"), DATA, "charset=utf-8"),
        (binary(ce_datacontenttype="application/json"), DATA, "ce_datacontenttype is not allowed"),
        (binary(ce_specversion="2.0"), DATA, "header ce_specversion: "),
        (binary(ce_time="soon"), DATA, "header ce_time: "),
        (binary(ce_time="1713171807"), DATA, "header ce_time: must be a time in RFC 3339"),
        (binary(ce_id="7"), DATA, "header ce_id: "),
        (binary(ce_subject="f" * 32), DATA, "subject is not the episode_id"),
        (binary(ce_Trace="1"), DATA, "an extension attribute"),
        (binary(), b"", "the value is not JSON in UTF-8"),
        (binary(), write_escalation(EVENT), "data.episode_id: is missing"),
    ],
)
def test_the_error_explains_an_invalid_record(
    headers: list[Header], value: bytes | None, message: str
) -> None:
    """Each kind of invalid record has an error that names the place and not the input."""
    with pytest.raises(EventError, match=message) as raised:
        decode(headers, value)
    assert str(raised.value).startswith("no escalation event: ")
    assert "1713171807" not in str(raised.value)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["content-type", "ce_id", "ce_type", "ce_x", "other"]),
            st.sampled_from([b"application/json", STRUCTURED_TYPE.encode()]) | st.binary(),
        )
    ),
    st.none() | st.binary() | st.sampled_from([DATA, write_escalation(EVENT), b"{}", b"null"]),
)
def test_any_record_is_an_event_or_an_event_error(
    headers: list[Header], value: bytes | None
) -> None:
    """No record raises anything else."""

    def outcome() -> EscalationEvent | str:
        try:
            return decode(headers, value)
        except EventError as error:
            return str(error)

    found = outcome()
    assert found == EVENT or str(found).startswith("no escalation event: ")
