"""Decoder of untrusted bytes into signals, and encoder of escalations.

This is the only module that parses untrusted records. `read_record` takes the value and headers of
a Kafka record (or a line of a file) and returns a signal, or raises `Rejected` with a reason from
a closed list. It raises nothing else, whatever the bytes.
"""

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from pydantic import ValidationError

from schemas import signals
from schemas.dead_letter import Rejected
from schemas.decoding.envelopes import open_envelope
from schemas.decoding.moments import is_within_bounds
from schemas.decoding.rejections import problems, rejection
from schemas.decoding.tickets import Omit, decode_ticket
from schemas.escalation import EscalationEvent
from schemas.feedback import Feedback
from schemas.privacy.labels import redact_label
from schemas.privacy.redaction import redact_value, safe_link, shown_text
from schemas.signals import MOST_HANDLING_SECONDS, MOST_REVENUE
from schemas.tick import Tick
from schemas.ticket import TICKET_SCHEMA_VERSION, TicketEvent

MAX_BYTES: Final = 65_536
"""Length above which records are rejected without being parsed."""
AREA_CHARACTERS: Final = 64
TEXT_CHARACTERS: Final = 600
TEXT_BYTES: Final = 900
"""Maximum number of bytes of a ticket's text to keep for terms and examples."""
NAME_BYTES: Final = 128
"""Maximum number of bytes of a dimension's value and of a customer's id."""

HEADER_MODE: Final = "spikewatch-mode"
"""Header with the mode: live, history or simulated; default: live."""
HEADER_KIND: Final = "spikewatch-kind"
"""Header with the kind of record: ticket, or mark (a `Tick`); default: ticket."""

_MODES: Final[Mapping[str, signals.Mode]] = {
    "live": "live",
    "history": "history",
    "simulated": "simulated",
}


def read_record(
    value: bytes | None,
    headers: Mapping[str, str] | None = None,
    max_bytes: int = MAX_BYTES,
    omit: Omit | None = None,
) -> signals.Signal:
    """Convert one record to a signal.

    Accepts plain JSON and CloudEvents in structured or binary mode. Optional fields of a ticket
    that cannot be read are left out.

    Args:
        value: Value of the record; None (a tombstone) is rejected as undecodable.
        headers: Headers of the record as text; see `header_text`.
        max_bytes: Length above which values are rejected without being parsed.
        omit: Called with each field that is left out, such as ``csat``.

    Raises:
        Rejected: The record is not valid, with the reason.

    Example:
        >>> ticket = '{"ticket_id":"1","created_at":"2026-03-02T09:00:00%s","product_area":"SSO "}'
        >>> read_record((ticket % "Z").encode()).area
        'sso'
        >>> read_record((ticket % "").encode())
        Traceback (most recent call last):
        schemas.dead_letter.Rejected: no_offset: created_at: needs an offset, ...
    """
    headers = headers or {}
    if value is None:
        raise Rejected("undecodable", "the record has no value")
    if len(value) > max_bytes:
        raise Rejected("oversized", f"{len(value)} bytes; the maximum is {max_bytes}")
    kind = headers.get(HEADER_KIND, "ticket")
    if kind == "mark":
        return read_mark(value)
    if kind != "ticket":
        raise Rejected("wrong_type", f"header {HEADER_KIND} must be ticket or mark")
    mode = _MODES.get(headers.get(HEADER_MODE, "live"))
    if mode is None:
        raise Rejected("wrong_type", f"header {HEADER_MODE} must be one of {', '.join(_MODES)}")
    return to_signal(read_ticket(value, headers, omit), mode)


def read_ticket(
    value: bytes,
    headers: Mapping[str, str] | None = None,
    omit: Omit | None = None,
    max_bytes: int | None = None,
) -> TicketEvent:
    """Parse and validate a ticket event; leave out optional fields that cannot be read.

    Args:
        value: The event as JSON, plain or in a structured CloudEvent.
        headers: Headers of the record as text; see `header_text`.
        omit: Called with each field that is left out, such as ``csat``.
        max_bytes: Length above which events are rejected without being parsed; None: no limit.

    Raises:
        Rejected: oversized, undecodable, wrong_type, missing_field, no_offset or unknown_version.
    """
    if max_bytes is not None and len(value) > max_bytes:
        raise Rejected("oversized", f"longer than {max_bytes} bytes")
    cloud_event_id = (headers or {}).get("ce_id")
    if b'"specversion"' in value and (opened := open_envelope(value)) is not None:
        value, cloud_event_id = opened
    event = decode_ticket(value, omit)
    if event.schema_version > TICKET_SCHEMA_VERSION:
        raise Rejected(
            "unknown_version",
            f"schema_version is {event.schema_version}; this release reads up to "
            f"{TICKET_SCHEMA_VERSION}",
        )
    if not is_within_bounds(event.created_at):  # its offset can lead out of the years of its text
        raise Rejected("wrong_type", "created_at: must be between 1970 and 2099")
    if not clean(event.product_area or "", AREA_CHARACTERS) and not event.has_text:
        raise Rejected(
            "missing_field", "product_area, or text (subject, body) to classify, is required"
        )
    if event.event_id is None and cloud_event_id:
        event = event.model_copy(update={"event_id": cloud_event_id[:256]})
    return event


def read_mark(value: bytes) -> signals.Tick | signals.HistoryEnd:
    """Parse a tick or an end-of-history mark that a sender put among its tickets.

    Raises:
        Rejected: bad_tick, for any problem.
    """
    try:
        mark = Tick.model_validate_json(value)
    except ValidationError as error:
        raise Rejected("bad_tick", rejection(problems(error)).detail) from None
    if mark.tenant is None:
        raise Rejected("bad_tick", "tenant: a mark among tickets must name its tenant")
    if mark.type == "history_end":
        return signals.HistoryEnd(clean(mark.tenant, 128) or "default")
    return signals.Tick(mark.now.timestamp(), clean(mark.tenant, 128) or "default")


def read_feedback(
    value: bytes | None,
    headers: Mapping[str, str] | None = None,
    max_bytes: int = MAX_BYTES,
    omit: Omit | None = None,
) -> signals.Verdict:
    """Convert a record of the topic ``escalations.feedback`` to a signal.

    Raises:
        Rejected: The record is not valid, with the reason.
    """
    del headers, omit  # every field of a response is needed
    if value is None:
        raise Rejected("undecodable", "the record has no value")
    if len(value) > max_bytes:
        raise Rejected("oversized", f"{len(value)} bytes; the maximum is {max_bytes}")
    try:
        feedback = Feedback.model_validate_json(value)
    except ValidationError as error:
        raise rejection(problems(error)) from None
    tenant = clean(feedback.tenant, 128) or "default"
    return signals.Verdict(
        tenant,
        feedback.episode_id,
        feedback.action,
        feedback.at.timestamp(),
        None if feedback.until is None else feedback.until.timestamp(),
        feedback.duplicate_of,
    )


def to_signal(event: TicketEvent, mode: signals.Mode = "live") -> signals.Ticket:
    """Reduce a valid ticket event to what the step reads, with normalized names.

    The result contains no personal data, as far as they can be recognized
    (`schemas.privacy.redaction`).
    """
    account = event.account
    words = event.event_type in ("created", "reclassified")
    text = shown_text(event.subject, event.body, TEXT_CHARACTERS) if words else ""
    text = _bytes_at_most(text, TEXT_BYTES)
    handled, elapsed = _handled(event)
    return signals.Ticket(
        tenant=clean(event.tenant, 128) or "default",
        ticket_id=pseudonym(event.ticket_id) if "@" in event.ticket_id else event.ticket_id,
        created_at=event.created_at.timestamp(),
        area=area_name(event.product_area),
        event_type=event.event_type,
        occurred_at=None if event.occurred_at is None else event.occurred_at.timestamp(),
        event_id=event.event_id,
        customer=None if event.customer_id is None else pseudonym(event.customer_id),
        created_by=event.created_by,
        source=event.source or "",
        mode=mode,
        issue_type=value_name(event.issue_type),
        region=value_name(account.region) if account else None,
        app_version=value_name(event.app_version),
        channel=value_name(event.channel),
        merged_into=event.merged_into,
        feed=value_name(event.source),
        tier=value_name(account.tier) if account else None,
        segment=value_name(account.segment) if account else None,
        language=value_name(event.language),
        revenue=min(account.arr, MOST_REVENUE) if account and account.arr is not None else None,
        renewal_at=account.renewal_at.timestamp() if account and account.renewal_at else None,
        handled=handled,
        elapsed=elapsed,
        text=text or None,
        url=safe_link(event.url),
    )


def _handled(event: TicketEvent) -> tuple[float | None, bool]:
    """Return the seconds to solve a ticket, and whether they are elapsed time rather than work."""
    if event.event_type != "solved":
        return None, False
    if event.handling_minutes is not None:
        return min(event.handling_minutes * 60.0, MOST_HANDLING_SECONDS), False
    if event.solved_at is None:
        return None, False
    elapsed = (event.solved_at - event.created_at).total_seconds()
    return min(max(elapsed, 0.0), MOST_HANDLING_SECONDS), True


def pseudonym(name: str) -> str:
    """Return a name unchanged, or a pseudonym if it is personal data such as an e-mail address.

    Example:
        >>> pseudonym("c-17"), pseudonym("somebody@example.com")
        ('c-17', 'customer-...')
    """
    short = len(name.encode("utf-8", "replace")) <= NAME_BYTES
    if short and redact_value(name) in (name, "[token]"):  # many account ids look like a token
        return name
    return f"customer-{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:12]}"


@lru_cache(maxsize=8192)
def area_name(text: str | None) -> str:
    """Return the normalized name of an area: NFKC, case-folded, printable, at most 64 characters.

    Example:
        >>> area_name("  Single Sign-On ")
        'single sign-on'
        >>> area_name(None)
        'unclassified'
    """
    return _folded(text) or signals.UNCLASSIFIED


@lru_cache(maxsize=8192)
def value_name(text: str | None) -> str | None:
    """Return the normalized value of a dimension, as for areas; None: it is empty.

    Example:
        >>> value_name(" 4.2.1 "), value_name("  ")
        ('4.2.1', None)
    """
    return _folded(text) or None


def _folded(text: str | None) -> str:
    if text is None:
        return ""
    if not text.isprintable():  # what is removed later must not hide an address now
        text = clean(text, len(text))
    text = redact_label(text)
    if text.isascii() and text.isprintable():
        plain = text.strip().lower()[:AREA_CHARACTERS].strip()
    else:
        folded = clean(unicodedata.normalize("NFD", text), len(text) * 4)
        for _ in range(2):  # case-folding can undo the normalization: Unicode, toNFKC_Casefold
            folded = unicodedata.normalize("NFKC", folded.casefold())
        plain = _bytes_at_most(clean(folded, AREA_CHARACTERS), NAME_BYTES)
    return plain


def _bytes_at_most(text: str, most: int) -> str:
    """Cut a text to a maximum number of bytes of UTF-8."""
    if len(text) <= most and text.isascii():
        return text
    return text.encode("utf-8", "replace")[:most].decode("utf-8", "ignore").strip()


def clean(text: str, characters: int) -> str:
    """Remove control, format (bidi) and surrogate characters from a text, trim and cut it."""
    if not (text.isascii() and text.isprintable()):
        text = "".join(c for c in text if unicodedata.category(c) not in _UNPRINTABLE)
    return text.strip()[:characters].strip()


_UNPRINTABLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def header_text(headers: Iterable[tuple[str, bytes]] | None) -> dict[str, str]:
    r"""Return Kafka headers as text, except those that are not UTF-8.

    Example:
        >>> header_text([("ce_id", b"7"), ("broken", b"\xff")])
        {'ce_id': '7'}
    """
    text = {}
    for name, value in headers or ():
        try:
            text[name] = value.decode()
        except (UnicodeDecodeError, AttributeError):
            continue
    return text


def write_escalation(event: EscalationEvent) -> bytes:
    """Return an event as one line of JSON, without the newline.

    Absent fields are written as null, so that every event has the same keys.
    """
    return event.model_dump_json().encode()
