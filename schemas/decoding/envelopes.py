"""CloudEvents in JSON: which records are envelopes, and where their data is.

Source: cloudevents/spec v1.0.2, formats/json-format.md, sections 2.2 (null attributes are unset)
and 3.1 (``data`` and ``data_base64``).
"""

import base64
import binascii
import json
import re
from typing import Any, Final

from schemas.dead_letter import Rejected

_JSON_TYPE: Final = re.compile(r"[^/\s]+/(?:[^/\s]+\+)?json")


def is_json_type(media_type: str) -> bool:
    """Return whether a media type is that of JSON: its subtype is json or ends in +json.

    Example:
        >>> is_json_type("application/vnd.desk+json; charset=utf-8"), is_json_type("text/xml")
        (True, False)
    """
    return _JSON_TYPE.fullmatch(media_type.split(";")[0].strip().lower()) is not None


def without_nulls(envelope: dict[str, Any]) -> dict[str, Any]:
    """Return an envelope without the members that are null, which are absent."""
    return {name: value for name, value in envelope.items() if value is not None}


def data_of(envelope: dict[str, Any]) -> bytes | None:
    """Return the data of an envelope as JSON; None: it has none.

    Raises:
        Rejected: wrong_type or undecodable; the data is not JSON, or is given twice.
    """
    media_type = envelope.get("datacontenttype", "application/json")
    if not isinstance(media_type, str) or not is_json_type(media_type):
        raise Rejected("wrong_type", "datacontenttype: must be application/json or end in +json")
    if "data" in envelope and "data_base64" in envelope:
        raise Rejected("wrong_type", "data_base64: must not be given beside data")
    if "data_base64" in envelope:
        return _from_base64(envelope["data_base64"])
    if "data" not in envelope:
        return None
    try:
        return json.dumps(envelope["data"]).encode()
    except RecursionError:
        raise Rejected("undecodable", "data: is nested too deeply") from None


def _from_base64(text: object) -> bytes:
    if isinstance(text, str):
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            pass
    raise Rejected("wrong_type", "data_base64: must be text in base64")


def open_envelope(value: bytes) -> tuple[bytes, str] | None:
    """Return the data and the id of a structured CloudEvent; None: the value is a plain ticket.

    Raises:
        Rejected: The value is not JSON, or it is an envelope that is not valid.
    """
    try:
        envelope = json.loads(value)
    except (ValueError, RecursionError):
        raise Rejected("undecodable", "record: is not JSON") from None
    if not isinstance(envelope, dict):
        return None
    envelope = without_nulls(envelope)
    if "specversion" not in envelope:
        return None
    if envelope["specversion"] != "1.0":
        raise Rejected("unknown_version", "specversion: must be 1.0")
    data = data_of(envelope)
    if data is None:
        raise Rejected("missing_field", "data: the CloudEvent has no ticket event")
    identity = envelope.get("id")
    if not isinstance(identity, str) or not identity:
        raise Rejected("missing_field", "id: a CloudEvent requires an id")
    if not _is_text(identity):
        raise Rejected("undecodable", "id: contains a lone surrogate")
    return data, identity


def _is_text(text: str) -> bool:
    """Return whether a text can be written as UTF-8, because `json` accepts lone surrogates."""
    return not any("\ud800" <= c <= "\udfff" for c in text)
