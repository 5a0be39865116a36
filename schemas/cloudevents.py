"""Escalation events as Kafka records, in both content modes of CloudEvents, and back.

In *structured* mode the value of the record is the whole event. In *binary* mode the value is only
the data, and the attributes are headers, so that a consumer can route without parsing. The header
``content-type`` gives the mode of a record. A reader needs no setting: `decode` accepts both.

Sources: cloudevents/spec v1.0.2, bindings/kafka-protocol-binding.md (section 3, "Kafka Message
Mapping"), formats/json-format.md (sections 2 and 3), spec.md ("Context Attributes").
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, get_args
from urllib.parse import unquote

from pydantic import ConfigDict, ValidationError

from schemas.codec import write_escalation
from schemas.dead_letter import Rejected
from schemas.decoding.envelopes import data_of, is_json_type, without_nulls
from schemas.decoding.moments import Moment
from schemas.decoding.rejections import problems, sentence
from schemas.escalation import EVENT_TYPE_PREFIX, Escalation, EscalationEvent, Transition

ContentMode = Literal["structured", "binary"]
Header = tuple[str, bytes]

STRUCTURED_TYPE: Final = "application/cloudevents+json; charset=UTF-8"
"""``content-type`` of a record in structured mode."""
BINARY_TYPE: Final = "application/json"
"""``content-type`` of a record in binary mode, which is that of its data."""
CONTENT_TYPE: Final = "content-type"
PREFIX: Final = "ce_"
"""Prefix of headers that carry attributes in binary mode."""
REQUIRED: Final = ("specversion", "id", "source", "type", "subject", "time")
"""Attributes of every escalation event besides the content type of its data."""

_NAME: Final = re.compile("[a-z0-9]+")
_NOT_IN_BINARY: Final = ("data", "datacontenttype")
_MOST_FINDINGS: Final = 3


class EventError(ValueError):
    """A record that is not an escalation event; the text says why.

    The text names fields and headers, but never repeats their contents.
    """


class Encoded(NamedTuple):
    """Headers and value of a Kafka record."""

    headers: list[Header]
    value: bytes


class _Envelope(EscalationEvent):
    """Event while it is read; CloudEvents allows further attributes (extensions)."""

    model_config = ConfigDict(frozen=True, extra="allow")

    specversion: Literal["1.0"]  # has a default only when we write
    time: Moment


def encode(event: EscalationEvent, mode: ContentMode) -> Encoded:
    """Return the headers and the value of the record of an event.

    Args:
        event: Event to encode.
        mode: ``structured``: the value is that of `schemas.codec.write_escalation`. ``binary``: the
            value is only the data, with the same bytes as in the structured event.

    Example:
        >>> from schemas.examples import EVENT
        >>> [name for name, _ in encode(EVENT, "structured").headers]
        ['content-type']
        >>> dict(encode(EVENT, "binary").headers)["ce_type"]
        b'com.spikewatch.escalation.opened.v1'
    """
    if mode == "structured":
        return Encoded([(CONTENT_TYPE, STRUCTURED_TYPE.encode())], write_escalation(event))
    attributes = event.model_dump(mode="json", include=set(REQUIRED))
    headers = [(PREFIX + name, str(attributes[name]).encode()) for name in REQUIRED]
    headers.append((CONTENT_TYPE, event.datacontenttype.encode()))
    return Encoded(headers, event.data.model_dump_json().encode())


def decode(headers: Iterable[Header] | None, value: bytes | None) -> EscalationEvent:
    """Return the event of a record in either mode.

    A record without the header ``content-type`` and without attributes in headers is read as
    structured, like the lines of a file. Attributes that are not ours (extensions,
    ``dataschema``) and headers that are not attributes are ignored.

    Args:
        headers: Headers of the record, in any order; None: none.
        value: Value of the record; None: a tombstone, which is not an event.

    Raises:
        EventError: The record is not an escalation event; the text says why.

    Example:
        >>> from schemas.examples import EVENT
        >>> decode(*encode(EVENT, "binary")) == decode([], write_escalation(EVENT)) == EVENT
        True
        >>> decode([("content-type", b"application/json")], b"{}")
        Traceback (most recent call last):
        schemas.cloudevents.EventError: no escalation event: header ce_specversion is missing, ...
    """
    found = _texts(headers or ())
    if value is None:
        raise _wrong("the record has no value (a tombstone)")
    kind, parameters = _media_type(found.get(CONTENT_TYPE, ""))
    attributes = {n.removeprefix(PREFIX): t for n, t in found.items() if n.startswith(PREFIX)}
    if kind.startswith("application/cloudevents") or not (kind or attributes):
        return _checked(_structured(kind, parameters, value))
    return _checked(_binary(kind, parameters, attributes, value))


def _structured(kind: str, parameters: Mapping[str, str], value: bytes) -> _Envelope:
    if kind not in ("", "application/cloudevents+json"):
        raise _wrong(f"{CONTENT_TYPE} is {kind}: application/cloudevents+json is read")
    _expect_utf8(parameters)
    try:
        return _Envelope.model_validate_json(value)
    except ValidationError as error:
        findings = _findings(error)
    try:
        return _Envelope.model_validate_json(_simplest(value))
    except (ValueError, RecursionError):  # a `ValidationError` is a `ValueError`
        raise _wrong(*findings) from None
    except Rejected as rejected:
        raise _wrong(rejected.detail) from None


def _simplest(value: bytes) -> bytes:
    """Return an envelope without nulls, with its data as JSON under ``data``.

    Raises:
        ValueError: The value is not a JSON object.
        Rejected: The data cannot be read.
    """
    envelope = json.loads(value)
    if not isinstance(envelope, dict):
        raise ValueError("not a JSON object")
    envelope = without_nulls(envelope)
    data = data_of(envelope)
    if data is not None:
        envelope["data"] = json.loads(data)
    envelope.pop("data_base64", None)
    envelope["datacontenttype"] = BINARY_TYPE
    return json.dumps(envelope).encode()


def _binary(
    kind: str, parameters: Mapping[str, str], attributes: Mapping[str, str], value: bytes
) -> _Envelope:
    missing = [f"header {PREFIX}{name} is missing" for name in REQUIRED if name not in attributes]
    if not kind:
        missing.append(f"header {CONTENT_TYPE} is missing")
    if missing:
        raise _wrong(*missing)
    for name in _NOT_IN_BINARY:
        if name in attributes:
            raise _wrong(f"header {PREFIX}{name} is not allowed: see {CONTENT_TYPE} and the value")
    if not is_json_type(kind):
        raise _wrong(
            f"{CONTENT_TYPE} is {kind}: {BINARY_TYPE} and types that end in +json are read"
        )
    _expect_utf8(parameters)
    try:
        data = Escalation.model_validate_json(value)
    except ValidationError as error:
        raise _wrong(*_findings(error, "data")) from None
    try:
        return _Envelope.model_validate({**attributes, "data": data})
    except ValidationError as error:
        raise _wrong(*_findings(error, header=True)) from None


def _checked(envelope: _Envelope) -> EscalationEvent:
    """Return the event if its attributes agree with its data."""
    for name, content in (envelope.model_extra or {}).items():
        if _NAME.fullmatch(name) is None or not isinstance(content, str | bool | int | None):
            raise _wrong(
                "an extension attribute has a name or type that CloudEvents does not allow"
            )
    data = envelope.data
    if envelope.transition not in get_args(Transition):
        raise _wrong(f"type: one of {EVENT_TYPE_PREFIX}{{{','.join(get_args(Transition))}}}.v1")
    if envelope.subject != data.episode_id:
        raise _wrong("subject is not the episode_id of the data")
    if unquote(envelope.source) != f"/spikewatch/{data.tenant}":
        raise _wrong("source is not /spikewatch/ and the tenant of the data")
    ours = EscalationEvent.model_fields
    return EscalationEvent.model_construct(**{name: getattr(envelope, name) for name in ours})


def _texts(headers: Iterable[Header]) -> dict[str, str]:
    """Return the relevant headers as text; each may occur only once."""
    ours = [(n, v) for n, v in headers if n == CONTENT_TYPE or n.startswith(PREFIX)]
    for name, count in Counter(name for name, _ in ours).items():
        if count > 1:
            raise _wrong(f"header {name} occurs {count} times")
    found = {}
    for name, content in ours:
        try:
            found[name] = content.decode()
        except (UnicodeDecodeError, AttributeError):
            raise _wrong(f"header {name} is not UTF-8 text") from None
    return found


def _media_type(text: str) -> tuple[str, dict[str, str]]:
    """Return the media type and its parameters in lower case (RFC 9110, section 8.3.1).

    Example:
        >>> _media_type('Application/JSON; charset="UTF-8"')
        ('application/json', {'charset': 'utf-8'})
    """
    kind, *rest = (part.strip().lower() for part in text.split(";"))
    pairs = (part.partition("=") for part in rest if part)
    return kind, {name.strip(): content.strip(' "') for name, _, content in pairs}


def _expect_utf8(parameters: Mapping[str, str]) -> None:
    if parameters.get("charset", "utf-8") not in ("utf-8", "us-ascii"):
        raise _wrong(f"{CONTENT_TYPE}: charset=utf-8 is read")


def _wrong(*findings: str) -> EventError:
    listed = ", ".join(findings[:_MOST_FINDINGS])
    more = len(findings) - _MOST_FINDINGS
    return EventError(f"no escalation event: {listed}{f', and {more} more' if more > 0 else ''}")


def _findings(error: ValidationError, *above: str, header: bool = False) -> Sequence[str]:
    """Return the findings of pydantic with their locations, without the quoted input."""
    return [_finding(finding, above, header) for finding in problems(error)]


def _finding(error: Any, above: Sequence[str], header: bool) -> str:
    if error["type"] == "json_invalid":
        return "the value is not JSON in UTF-8"
    where = ".".join(str(part) for part in (*above, *error["loc"])) or "the value"
    return f"{f'header {PREFIX}' if header else ''}{where}: {sentence(error, with_value=False)}"
