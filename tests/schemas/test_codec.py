"""Untrusted records become signals or are rejected with a reason, and nothing else happens."""

import base64
import json
import unicodedata
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas import codec, signals
from schemas.dead_letter import DeadReason, Rejected
from schemas.decoding.tickets import OPTIONAL_FIELDS, TIMES
from schemas.tick import Tick
from schemas.ticket import TicketEvent

AT = "2026-03-02T09:00:00Z"
SECONDS = 1772442000.0
MARK = {codec.HEADER_KIND: "mark"}


def record(**fields: object) -> bytes:
    """Return a valid ticket with *fields* changed; a field that is ... is left out."""
    ticket = {"ticket_id": "1", "created_at": AT, "product_area": "login", **fields}
    return json.dumps({k: v for k, v in ticket.items() if v is not ...}).encode()


def envelope(data: object = ..., **attributes: object) -> bytes:
    """Return a structured CloudEvent around *data* or a valid ticket."""
    inside = json.loads(record()) if data is ... else data
    event = {"specversion": "1.0", "id": "e1", "source": "/x", "type": "t", "data": inside}
    return json.dumps({k: v for k, v in (event | attributes).items() if v is not ...}).encode()


def take(value: bytes | None, headers: dict[str, str] | None = None) -> signals.Ticket:
    """Return the ticket that *value* contains."""
    signal = codec.read_record(value, headers)
    assert isinstance(signal, signals.Ticket)
    return signal


MALFORMED: list[tuple[str, bytes | None, dict[str, str], DeadReason]] = [
    ("a tombstone", None, {}, "undecodable"),
    ("nothing", b"", {}, "undecodable"),
    ("no JSON", b"hello", {}, "undecodable"),
    ("half an object", b'{"ticket_id": "1"', {}, "undecodable"),
    ("not UTF-8", record().replace(b"login", b"\xff\xfe"), {}, "undecodable"),
    ("UTF-16", record().decode().encode("utf-16"), {}, "undecodable"),
    ("a byte order mark", b"\xef\xbb\xbf" + record(), {}, "undecodable"),
    ("half a surrogate pair", record(ticket_id="\ud800"), {}, "undecodable"),
    ("nested too deeply", b"[" * 60_000, {}, "undecodable"),
    ("an endless number", b'{"csat": 1' + b"0" * 5_000, {}, "undecodable"),
    ("two objects", record() + record(), {}, "undecodable"),
    ("too long", record(body="x" * codec.MAX_BYTES), {}, "oversized"),
    ("a list", b"[]", {}, "wrong_type"),
    ("a string", b'"ticket"', {}, "wrong_type"),
    ("null", b"null", {}, "wrong_type"),
    ("no ticket id", record(ticket_id=...), {}, "missing_field"),
    ("no time", record(created_at=...), {}, "missing_field"),
    ("no area and no text", record(product_area=...), {}, "missing_field"),
    ("a blank area and no text", record(product_area=" \t "), {}, "missing_field"),
    ("an invisible area and no text", record(product_area="\u200b\u202e"), {}, "missing_field"),
    ("blank text and no area", record(product_area=..., body=" \n"), {}, "missing_field"),
    ("missing before wrong", record(ticket_id=..., body=1), {}, "missing_field"),
    ("missing before no offset", b'{"created_at": "2026-03-02T09:00:00"}', {}, "missing_field"),
    ("a time without offset", record(created_at="2026-03-02T09:00:00"), {}, "no_offset"),
    ("no offset before wrong", record(created_at="2026-03-02T09:00:00", tenant=1), {}, "no_offset"),
    ("a date alone", record(created_at="2026-03-02"), {}, "no_offset"),
    ("an invalid time", record(created_at="yesterday"), {}, "wrong_type"),
    ("a thirteenth month", record(created_at="2026-13-02T09:00:00Z"), {}, "wrong_type"),
    ("a number as time", record(created_at=1772442000), {}, "wrong_type"),
    ("seconds in quotes", record(created_at="1772442000"), {}, "wrong_type"),
    ("seconds with an exponent", record(created_at="1.7e9"), {}, "wrong_type"),
    ("milliseconds with an exponent", record(created_at="1.7e12"), {}, "wrong_type"),
    ("a time without seconds", record(created_at="2026-03-02T09:00Z"), {}, "wrong_type"),
    ("an offset without a colon", record(created_at="2026-03-02T09:00:00+0100"), {}, "wrong_type"),
    ("an offset of a day", record(created_at="2026-03-02T09:00:00+24:00"), {}, "wrong_type"),
    ("a week date", record(created_at="2026-W10-1T09:00:00Z"), {}, "wrong_type"),
    ("a basic time", record(created_at="20260302T090000Z"), {}, "wrong_type"),
    ("digits of other scripts", record(created_at="\u0662026-03-02T09:00:00Z"), {}, "wrong_type"),
    ("a leap second at noon", record(created_at="2016-12-31T12:00:60Z"), {}, "wrong_type"),
    ("a second 61", record(created_at="2016-12-31T23:59:61Z"), {}, "wrong_type"),
    ("before 1970", record(created_at="1969-12-31T23:59:59Z"), {}, "wrong_type"),
    ("after 2099", record(created_at="2100-01-01T00:00:00Z"), {}, "wrong_type"),
    ("the first year", record(created_at="0001-01-01T00:00:00+23:59"), {}, "wrong_type"),
    ("the last year", record(created_at="9999-12-31T23:59:59-23:59"), {}, "wrong_type"),
    ("a truth value as id", record(ticket_id=True), {}, "wrong_type"),
    ("an empty id", record(ticket_id=""), {}, "wrong_type"),
    ("a long id", record(ticket_id="x" * 257), {}, "wrong_type"),
    ("an empty tenant", record(tenant=""), {}, "wrong_type"),
    ("a number as area", record(product_area=3), {}, "wrong_type"),
    ("an area without end", record(product_area="x" * 257, body="It fails"), {}, "wrong_type"),
    ("an unknown author", record(created_by=["agent"]), {}, "wrong_type"),
    ("an empty type of event", record(event_type=""), {}, "wrong_type"),
    ("a true version", record(schema_version=True), {}, "wrong_type"),
    ("version 0", record(schema_version=0), {}, "wrong_type"),
    ("the next version", record(schema_version=2), {}, "unknown_version"),
    ("a far version", record(schema_version=10**30), {}, "unknown_version"),
    ("CloudEvents 0.3", envelope(specversion="0.3"), {}, "unknown_version"),
    ("CloudEvents of a number", envelope(specversion=1.0), {}, "unknown_version"),
    ("a CloudEvent without data", b'{"specversion": "1.0", "id": "e"}', {}, "missing_field"),
    ("a CloudEvent without id", envelope(id=...), {}, "missing_field"),
    ("a CloudEvent with an empty id", envelope(id=""), {}, "missing_field"),
    ("a CloudEvent whose id is a number", envelope(id=7), {}, "missing_field"),
    ("a CloudEvent whose id is no text", envelope(id="\ud800"), {}, "undecodable"),
    ("a CloudEvent in XML", envelope(datacontenttype="text/xml"), {}, "wrong_type"),
    ("a CloudEvent around text", envelope(data="ticket"), {}, "wrong_type"),
    ("a CloudEvent around null", envelope(data=None), {}, "missing_field"),
    ("a CloudEvent with its data twice", envelope(data_base64="e30="), {}, "wrong_type"),
    ("a CloudEvent in broken base64", envelope(data=None, data_base64="?"), {}, "wrong_type"),
    ("a CloudEvent in base64 of a number", envelope(data=None, data_base64=7), {}, "wrong_type"),
    ("a CloudEvent in base64 of bytes", envelope(data=None, data_base64="/w=="), {}, "undecodable"),
    ("a CloudEvent around nothing", envelope(data={}), {}, "missing_field"),
    ("half a CloudEvent", envelope()[:-1], {}, "undecodable"),
    ("a deep CloudEvent", b'{"specversion":' + b"[" * 60_000, {}, "undecodable"),
    ("an unknown mode", record(), {codec.HEADER_MODE: "replay"}, "wrong_type"),
    ("an unknown kind", record(), {codec.HEADER_KIND: "tock"}, "wrong_type"),
    ("a mark that is no JSON", b"tick", MARK, "bad_tick"),
    ("a mark without time", b'{"tenant": "acme"}', MARK, "bad_tick"),
    ("a mark without tenant", b'{"now": "2026-03-02T09:00:00Z"}', MARK, "bad_tick"),
    (
        "a mark without offset",
        b'{"now": "2026-03-02T09:00:00", "tenant": "acme"}',
        MARK,
        "bad_tick",
    ),
    (
        "a mark in the year 2100",
        b'{"now": "2100-01-01T00:00:00Z", "tenant": "acme"}',
        MARK,
        "bad_tick",
    ),
    (
        "a mark of an unknown type",
        b'{"type": "tock", "now": "2026-03-02T09:00:00Z", "tenant": "acme"}',
        MARK,
        "bad_tick",
    ),
    ("a ticket sent as a mark", record(tenant="acme"), MARK, "bad_tick"),
]


@pytest.mark.parametrize(
    ("value", "headers", "reason"), [case[1:] for case in MALFORMED], ids=[c[0] for c in MALFORMED]
)
def test_a_malformed_record_is_rejected_with_a_reason(
    value: bytes | None, headers: dict[str, str], reason: DeadReason
) -> None:
    """Every malformed record is rejected for a reason that a producer can act on."""
    with pytest.raises(Rejected) as caught:
        codec.read_record(value, headers)
    assert caught.value.reason == reason
    assert caught.value.detail


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        (record(ticket_id=...), "ticket_id: is missing"),
        (record(ticket_id=""), "ticket_id: must not be empty"),
        (record(ticket_id=True), "ticket_id: must be text, not true"),
        (record(product_area=3), "product_area: must be text, not 3"),
        (record(product_area=["login"]), "product_area: must be text, not a list"),
        (record(tenant={"id": 1}), "tenant: must be text, not an object"),
        (record(tenant="x" * 129), "tenant: must have at most 128 characters"),
        (record(schema_version=0), "schema_version: must be at least 1, not 0"),
        (record(schema_version="1"), 'schema_version: must be a whole number, not "1"'),
        (
            record(created_at="3/2/2026 9:00 AM"),
            "created_at: must be a time in RFC 3339, such as 2026-03-02T09:00:00Z, "
            'not "3/2/2026 9:00 AM"',
        ),
        (
            record(created_at="2026-13-02T09:00:00Z"),
            "created_at: must be a time in RFC 3339, such as 2026-03-02T09:00:00Z, "
            'not "2026-13-02T09:00:00Z"',
        ),
        (
            record(created_at="2026-03-02T09:00:00"),
            'created_at: needs an offset, such as Z or +01:00, not "2026-03-02T09:00:00"',
        ),
        (
            record(created_at="1969-03-02T09:00:00Z"),
            'created_at: must be between 1970 and 2099, not "1969-03-02T09:00:00Z"',
        ),
        (b"hello", "record: is not JSON in UTF-8"),
        (b"[]", "record: must be a JSON object, not a list"),
    ],
)
def test_the_detail_of_a_rejection_names_the_field_and_the_value(value: bytes, detail: str) -> None:
    """A dead letter says in a sentence of our own what was wrong and where."""
    with pytest.raises(Rejected) as caught:
        codec.read_record(value)
    assert caught.value.detail == detail


def test_the_detail_of_a_rejection_shows_no_personal_data() -> None:
    """Values are redacted and cut before they are shown."""
    with pytest.raises(Rejected) as caught:
        codec.read_record(record(created_at="jane.doe@example.com"))
    assert "jane" not in caught.value.detail
    with pytest.raises(Rejected) as caught:
        codec.read_record(record(created_at="x " * 20_000))
    assert len(caught.value.detail) <= 200


def test_every_time_of_a_ticket_is_read_in_all_forms() -> None:
    """The list of times that the lenient reader converts is complete."""
    for model, names in TIMES.items():
        properties = model.model_json_schema()["properties"]
        dated = [name for name, schema in properties.items() if "date-time" in json.dumps(schema)]
        assert sorted(dated) == sorted(names)


@pytest.mark.parametrize("until", ["9999-12-31T23:59:59-14:00", "1969-12-31T00:00:00Z", "1.7e9"])
def test_a_response_with_a_time_out_of_range_is_rejected(until: str) -> None:
    """All readers of responses reject the same times, so that none of them ignores one alone."""
    feedback = {
        "feedback_id": "f1",
        "tenant": "acme",
        "episode_id": "0" * 32,
        "action": "expected_event",
        "by": "on-call",
        "at": AT,
    }
    assert codec.read_feedback(json.dumps(feedback).encode()).at == SECONDS
    with pytest.raises(Rejected, match="wrong_type: until: must be "):
        codec.read_feedback(json.dumps(feedback | {"until": until}).encode())


UNREADABLE: list[tuple[dict[str, object], str]] = [
    ({"customer": ""}, "customer"),
    ({"customer": True}, "customer"),
    ({"customer": {"id": "", "tier": "gold"}}, "customer.id"),
    ({"customer": {"id": "c", "arr": "12,000.50"}}, "customer.arr"),
    ({"customer": {"id": "c", "arr": -1}}, "customer.arr"),
    ({"customer": {"id": "c", "renewal_at": "2026-03-02"}}, "customer.renewal_at"),
    ({"customer": {"id": "c", "renewal_at": "9999-12-31T23:59:59-14:00"}}, "customer.renewal_at"),
    ({"event_id": ""}, "event_id"),
    ({"priority": 3}, "priority"),
    ({"tags": [None]}, "tags"),
    ({"tags": 5}, "tags"),
    ({"csat": "4"}, "csat"),
    ({"csat": float("nan")}, "csat"),
    ({"app_version": "x" * 257}, "app_version"),
    ({"solved_at": "2026-03-02T09:00:00"}, "solved_at"),
    ({"occurred_at": "9999-12-31T23:59:59Z"}, "occurred_at"),
    ({"body": 1}, "body"),
]


@pytest.mark.parametrize(("fields", "name"), UNREADABLE, ids=[str(case[0]) for case in UNREADABLE])
def test_an_optional_field_that_cannot_be_read_is_left_out(
    fields: dict[str, object], name: str
) -> None:
    """A mistake in an optional field does not cost the complaint, and is reported by field."""
    left_out: list[str] = []
    signal = codec.read_record(record(channel="web", **fields), omit=left_out.append)
    assert left_out == [name]
    assert name in OPTIONAL_FIELDS
    kept = {key: value for key, value in fields.items() if key == "customer" and "." in name}
    for value in kept.values():
        assert isinstance(value, dict)
        value.pop(name.partition(".")[2])
    assert signal == codec.read_record(record(channel="web", **kept))


def test_several_unreadable_fields_are_left_out_together() -> None:
    """What can be read of a ticket stays, whatever else is wrong with it."""
    left_out: list[str] = []
    value = record(csat="4", priority=3, channel="web", customer={"id": "c", "arr": "x", "tier": 1})
    signal = codec.read_record(value, omit=left_out.append)
    assert left_out == ["customer.arr", "customer.tier", "csat", "priority"]
    assert signal == take(record(channel="web", customer="c"))


@pytest.mark.parametrize("field", ["csat", "customer", "tenant", "event_type", "created_by", "url"])
def test_a_null_is_an_absent_field(field: str) -> None:
    """Many exporters write null for everything that they do not know."""
    assert take(record(**{field: None})) == take(record())


@pytest.mark.parametrize(("number", "text"), [(7, "7"), (0, "0"), (10**25, "1" + "0" * 25)])
def test_a_number_as_an_id_is_text(number: int, text: str) -> None:
    """Ids of Zendesk and Freshdesk are numbers, and so are many customers' ids."""
    ticket = take(record(ticket_id=number, event_id=number, merged_into=number, customer=number))
    assert ticket == take(record(ticket_id=text, event_id=text, merged_into=text, customer=text))
    assert take(record(customer={"id": number})) == take(record(customer=text))


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-02t09:00:00z",
        "2026-03-02 09:00:00Z",
        "2026-03-02T09:00:00.000000000Z",
        "2026-03-02T09:00:00.000000000000Z",
        "2026-03-02T09:00:00-00:00",
        "2026-03-02T14:45:00+05:45",
    ],
)
def test_every_form_of_rfc_3339_is_read(text: str) -> None:
    """Section 5.6: small letters, a space, and any number of digits after the point."""
    assert take(record(created_at=text)).created_at == SECONDS


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
        ("1990-12-31T15:59:60-08:00", "1990-12-31T23:59:59Z"),
        ("2016-12-31t23:59:60.5z", "2016-12-31T23:59:59Z"),
    ],
)
def test_a_leap_second_is_read_as_the_second_before(text: str, same: str) -> None:
    """RFC 3339, section 5.7: a leap second is valid, but no computer's clock has it."""
    assert take(record(created_at=text)) == take(record(created_at=same))


def test_the_maximum_record_length_is_configurable() -> None:
    """A record is oversized if it is longer than the setting, not if it is as long."""
    value = record()
    codec.read_record(value, max_bytes=len(value))
    with pytest.raises(Rejected, match="oversized"):
        codec.read_record(value, max_bytes=len(value) - 1)


def test_plain_json_becomes_a_ticket() -> None:
    """A plain JSON object needs an id, a time and an area, and other fields have defaults."""
    assert take(record()) == signals.Ticket("default", "1", SECONDS, "login")
    full = record(
        tenant="acme",
        event_id="e",
        event_type="updated",
        occurred_at="2026-03-02T11:00:00+01:00",
        created_by="agent",
        customer={"id": "c1", "tier": "gold"},
    )
    assert take(full) == signals.Ticket(
        tenant="acme",
        ticket_id="1",
        created_at=SECONDS,
        area="login",
        event_type="updated",
        occurred_at=SECONDS + 3600,
        event_id="e",
        customer="c1",
        created_by="agent",
        tier="gold",
    )


def test_the_utc_offset_of_a_time_is_applied() -> None:
    """The same instant with another offset is the same second."""
    assert take(record(created_at="2026-03-02T14:45:00+05:45")).created_at == SECONDS


def test_unknown_fields_are_dropped() -> None:
    """An unknown field of a ticket or its customer is no error."""
    assert take(record(mood="angry", customer={"id": "c", "mood": 1})).customer == "c"


@pytest.mark.parametrize("customer", ["acme-7", {"id": "acme-7"}])
def test_a_customer_may_be_an_id(customer: object) -> None:
    """A customer is an object with an id, or only the id."""
    assert take(record(customer=customer)).customer == "acme-7"


@pytest.mark.parametrize("text", [{"subject": "Cannot log in"}, {"body": "It fails"}])
@pytest.mark.parametrize("area", [..., None, "", "  "])
def test_text_without_an_area_is_unclassified(text: dict[str, str], area: object) -> None:
    """A ticket with text and without an area is accepted for classification."""
    assert take(record(product_area=area, **text)).area == signals.UNCLASSIFIED


def test_the_data_of_a_structured_cloudevent_is_the_ticket() -> None:
    """The id of the CloudEvent is the event id."""
    assert take(envelope()) == take(record(event_id="e1"))
    for media in ("application/json", "text/json", "application/vnd.desk.ticket+json;v=1", None):
        assert take(envelope(datacontenttype=media)).event_id == "e1"
    coded = base64.b64encode(record()).decode()
    assert take(envelope(data=None, data_base64=coded)) == take(envelope())
    assert take(record(specversion=None)) == take(record())


def test_the_id_of_a_binary_cloudevent_is_the_event_id() -> None:
    """In binary mode ``ce_id`` is the event id, and the value is the ticket."""
    assert take(record(), {"ce_id": "e1", "ce_specversion": "1.0"}) == take(record(event_id="e1"))


def test_the_event_id_of_the_ticket_takes_precedence() -> None:
    """A ticket with an event id keeps it, whatever the envelope says."""
    inside = json.loads(record(event_id="own"))
    assert take(envelope(data=inside)).event_id == "own"
    assert take(record(event_id="own"), {"ce_id": "e1"}).event_id == "own"


def test_a_long_envelope_id_is_truncated() -> None:
    """A long id is truncated and not refused, since it only serves deduplication."""
    assert take(envelope(id="x" * 300)).event_id == "x" * 256
    assert take(record(), {"ce_id": ""}).event_id is None


def test_a_ticket_may_mention_cloudevents() -> None:
    """A plain ticket whose text mentions "specversion" is a plain ticket."""
    assert take(record(body='what is "specversion"?')).ticket_id == "1"
    assert take(record(extra={"specversion": "0.1"})).event_id is None


@pytest.mark.parametrize("mode", ["live", "history", "simulated"])
def test_the_mode_is_read_from_a_header(mode: str) -> None:
    """A header says whether tickets are live, history or simulated; the default is live."""
    assert take(record(), {codec.HEADER_MODE: mode}).mode == mode
    assert take(record(), {"other": mode}).mode == "live"


def test_a_mark_is_a_tick_or_the_end_of_history() -> None:
    """A mark among tickets moves its tenant's clock or closes its history."""
    mark = {"now": AT, "tenant": " ac\u200bme "}
    assert codec.read_record(json.dumps(mark).encode(), MARK) == signals.Tick(SECONDS, "acme")
    end = json.dumps(mark | {"type": "history_end"}).encode()
    assert codec.read_record(end, MARK) == signals.HistoryEnd("acme")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Login", "login"),
        ("  Single Sign-On ", "single sign-on"),
        ("\uff2c\uff4f\uff47\uff49\uff4e", "login"),  # full width
        ("\ufb01le sharing", "file sharing"),  # a ligature
        ("Stra\u00dfe", "strasse"),
        ("\u0130stanbul", "i\u0307stanbul"),  # the Turkish capital I keeps its dot
        ("cafe\u0301", "caf\u00e9"),
        ("log\u202ein", "login"),  # right-to-left override
        ("\u2066login\u2069", "login"),  # isolates
        ("\ufefflog\u200bin", "login"),
        ("log\x00in\x1f", "login"),
        ("cafe\u200d\u0301", "caf\u00e9"),
        ("lo\ue000gin", "login"),  # private use
        ("login\u2028", "login"),
        ("\u00a0login\u3000", "login"),
        ("x" * 100, "x" * 64),
        ("\u00dc" * 100, "\u00fc" * 64),
        ("x" * 63 + " yz", "x" * 63),
        ("", "unclassified"),
        (" \u200b ", "unclassified"),
        (None, "unclassified"),
    ],
)
def test_areas_that_look_alike_are_the_same(text: str | None, name: str) -> None:
    """An area name is NFKC, case-folded, printable, trimmed and at most 64 characters long."""
    assert codec.area_name(text) == name


@given(st.text(max_size=100))
@example("e\u200d\u0301")
@example("0@\r0")
@example("\u0345\u0345\u03b1")
def test_a_name_is_always_printable(text: str) -> None:
    """Any text gives a name of 1 to 64 visible characters without surrounding spaces."""
    name = codec.area_name(text)
    assert 1 <= len(name) <= codec.AREA_CHARACTERS
    assert name == name.strip()
    hidden = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert not any(unicodedata.category(c) in hidden for c in name)
    assert codec.area_name(name) == name, "normalizing a normalized name must not change it"
    assert codec.area_name(f" {text}\u200b") == name


@given(st.text(max_size=100))
def test_area_names_ignore_case(text: str) -> None:
    """The same area in capitals is the same area."""
    plain = codec.area_name(text)
    if plain.isascii():
        assert codec.area_name(plain.upper()) == plain


def test_names_contain_no_key_separator() -> None:
    """No tenant or area contains the control character that separates keys of the state."""
    ticket = take(record(tenant="a\x1fb", product_area="c\x1fd"))
    assert (ticket.tenant, ticket.area) == ("ab", "cd")
    assert take(record(tenant="\u202e\x1f")).tenant == "default"


def answer(value: bytes | None, headers: dict[str, str]) -> None:
    """Read a record and require a signal that can be encoded, or a reason."""
    try:
        signal = codec.read_record(value, headers)
    except Rejected as why:
        reason = why.reason
    else:
        assert signals.decode(signals.encode(signal)) == signal
        return
    assert reason in get_args(DeadReason)


headers_of_anyone = st.dictionaries(
    st.sampled_from([codec.HEADER_MODE, codec.HEADER_KIND, "ce_id", "x"]),
    st.sampled_from(["mark", "ticket", "live", "history", "simulated", "", "\x00", "é"]),
    max_size=3,
)
json_of_anyone = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([AT, "2026-03-02", "1.0", "\ud800", "\u202e"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
FIELDS = [*TicketEvent.model_fields, *Tick.model_fields]
almost_tickets = st.builds(
    lambda base, changes: base | changes,
    st.sampled_from([{}, {"ticket_id": "1", "created_at": AT, "product_area": "login"}]),
    st.dictionaries(st.sampled_from(FIELDS), json_of_anyone, max_size=3),
)
almost_events = st.builds(
    lambda data, changes: {"specversion": "1.0", "id": "e", "data": data} | changes,
    almost_tickets,
    st.dictionaries(
        st.sampled_from(["specversion", "id", "data", "datacontenttype"]),
        json_of_anyone,
        max_size=2,
    ),
)


@given(st.binary() | st.binary().map(lambda b: b'{"specversion"' + b), headers_of_anyone)
def test_arbitrary_bytes_are_a_signal_or_rejected(value: bytes, headers: dict[str, str]) -> None:
    """Arbitrary bytes never raise anything else."""
    answer(value, headers)


@given(json_of_anyone | almost_tickets | almost_events, headers_of_anyone, st.booleans())
def test_arbitrary_json_is_a_signal_or_rejected(
    value: Any,
    headers: dict[str, str],
    ascii_only: bool,
) -> None:
    """Arbitrary JSON and nearly valid tickets never raise anything else."""
    answer(
        json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass"),
        headers,
    )


def test_headers_that_are_not_utf8_are_ignored() -> None:
    """A Kafka header that is null or not UTF-8 is treated as absent."""
    raw: list[tuple[str, Any]] = [("a", b"1"), ("b", b"\xff"), ("c", None), ("a", b"2")]
    assert codec.header_text(raw) == {"a": "2"}
    assert codec.header_text(None) == {}


@pytest.mark.parametrize("event_type", ["created", "solved"])
def test_excessive_amounts_are_capped(event_type: str) -> None:
    """Excessive revenues and working times still give finite sums."""
    value = record(
        event_type=event_type,
        customer={"id": "c1", "arr": 1e308},
        handling_minutes=1e308,
    )
    signal = codec.read_record(value)
    assert isinstance(signal, signals.Ticket)
    assert signal.revenue == signals.MOST_REVENUE
    assert signal.handled == (signals.MOST_HANDLING_SECONDS if event_type == "solved" else None)
