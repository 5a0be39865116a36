"""What others write and read stays as it is: schemas, golden cases, and real events."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.policy.settings import Settings
from detectors.state.tenant import Tenant
from detectors.step.pipeline import step
from schemas import codec, dead_letter, signals
from schemas.dead_letter import DeadLetter, Rejected
from schemas.escalation import EscalationEvent
from schemas.signals import Tick, Ticket
from schemas.tools import export
from schemas.topics import Topics

GOLDEN = Path(__file__).parent / "golden"
OBVIOUS = {
    "tenant",
    "product_area",
    "severity",
    "reason",
    "specversion",
    "datacontenttype",
    "data",
    "at",
    "note",
    "action",
}
"""Fields whose name says it all."""


def validator(name: str) -> jsonschema.Draft202012Validator:
    """A validator for one contract that checks formats as well."""
    schema = json.loads(export.render(name))
    return jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )


@pytest.fixture(scope="module")
def events() -> list[EscalationEvent]:
    """A real episode, opened and resolved."""
    tenant, settings = Tenant("acme", Settings()), Settings()
    found: list[EscalationEvent] = []
    hours = 24 * 28
    for hour in range(hours):
        ticket = Ticket("acme", f"h{hour}", hour * 3600.0, "login", customer=f"c{hour}")
        found += step(tenant, ticket, settings).escalations
    for number in range(30):
        at = hours * 3600.0 + number * 60.5
        ticket = Ticket("acme", f"i{number}", at, "login", customer=f"d{number}")
        found += step(tenant, ticket, settings).escalations
    found += step(tenant, Tick(hours * 3600.0 + 12 * 3600.0), settings).escalations
    assert found[0].transition == "opened"
    assert found[-1].transition == "resolved"
    return found


@pytest.mark.parametrize("name", export.CONTRACTS)
def test_checked_in_schemas_are_the_models(name: str) -> None:
    """Each file in ``schemas/json`` is what `schemas.tools.export` writes: nobody forgot to run
    it."""
    stored = (export.FOLDER / f"{name}.schema.json").read_text(encoding="utf-8")
    assert stored == export.render(name), "run: python -m schemas.tools.export"
    jsonschema.Draft202012Validator.check_schema(json.loads(stored))


def test_every_contract_has_its_file_and_no_other() -> None:
    """The folder of schemas holds the contracts and nothing left over."""
    stored = {path.name for path in export.FOLDER.iterdir()}
    contracts = {f"{name}.schema.json" for name in export.CONTRACTS}
    assert stored == {*contracts, export.ASYNCAPI_FILE, "released"}
    assert {path.name for path in (export.FOLDER / "released").iterdir()} <= contracts


def test_the_checked_in_asyncapi_document_is_the_models() -> None:
    """``schemas/json/asyncapi.json`` is what `schemas.tools.export` writes: nobody forgot to run
    it."""
    stored = (export.FOLDER / export.ASYNCAPI_FILE).read_text(encoding="utf-8")
    assert stored == export.render_asyncapi(), "run: python -m schemas.tools.export"


def test_main_writes_all_schemas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m schemas.tools.export` makes the folder and writes every contract and the
    document."""
    monkeypatch.setattr(export, "FOLDER", tmp_path / "json")
    export.main()
    assert len(list((tmp_path / "json").iterdir())) == len(export.CONTRACTS) + 1


@pytest.mark.parametrize("name", export.CONTRACTS)
def test_every_field_says_what_it_is(name: str) -> None:
    """A field has a description in the JSON Schema, unless its name says it all."""
    schema = json.loads(export.render(name))
    objects = [schema, *schema.get("$defs", {}).values()]
    assert all(each.get("description") for each in objects)
    silent = {
        field
        for each in objects
        for field, told in each.get("properties", {}).items()
        if not told.get("description")
    }
    assert silent <= OBVIOUS


def test_a_real_escalation_is_valid(events: list[EscalationEvent]) -> None:
    """What a real episode puts on the topic validates against the published schema."""
    check = validator("escalation-event")
    for event in events:
        check.validate(json.loads(codec.write_escalation(event)))


def test_the_schema_refuses_what_is_no_escalation(events: list[EscalationEvent]) -> None:
    """The published schema is strict: a missing, an unknown and a wrong field are all refused."""
    check = validator("escalation-event")
    good = json.loads(codec.write_escalation(events[0]))

    def refused(**changes: Any) -> bool:
        data = {k: v for k, v in {**good["data"], **changes}.items() if v is not ...}
        return not check.is_valid({**good, "data": data})

    assert not refused()
    assert refused(episode_id=...)
    assert refused(mood="bad")
    assert refused(severity="fatal")
    assert refused(sequence=0)
    assert refused(suppressed="maintenance")
    assert refused(p_value=1.5)


def test_an_escalation_is_a_cloudevent_with_the_promised_keys(
    events: list[EscalationEvent],
) -> None:
    """Source, subject, id, type and time of the CloudEvent are those the contract promises."""
    for number, event in enumerate(events, start=1):
        told = json.loads(codec.write_escalation(event))
        data = told["data"]
        assert told["specversion"] == "1.0"
        assert told["source"] == "/spikewatch/acme"
        assert told["subject"] == data["episode_id"]
        assert told["type"] == f"com.spikewatch.escalation.{event.transition}.v1"
        assert told["time"].endswith("Z")
        assert data["detected_at"].endswith("Z")
        assert data["since"].endswith("Z")
        assert data["sequence"] == number
        assert set(data) == set(json.loads(codec.write_escalation(events[0]))["data"])
        assert data["ratio_low"] <= data["ratio"] <= data["ratio_high"]
    assert len({event.id for event in events}) == len(events)
    assert len({event.data.detected_at for event in events}) == 1


def test_a_written_escalation_reads_back(events: list[EscalationEvent]) -> None:
    """A consumer that parses the bytes into the model has the event, and writes the same bytes."""
    for event in events:
        written = codec.write_escalation(event)
        assert b"\n" not in written
        again = EscalationEvent.model_validate_json(written)
        assert again == event
        assert codec.write_escalation(again) == written


def outcome(case: dict[str, Any]) -> dict[str, Any]:
    """What becomes of a golden input, as JSON."""
    if "escalation" in case:
        event = EscalationEvent.model_validate_json(json.dumps(case["escalation"]))
        return {"written": json.loads(codec.write_escalation(event))}
    try:
        signal = codec.read_record(json.dumps(case["record"]).encode(), case.get("headers"))
    except Rejected as why:
        return {"rejected": why.reason, "detail": why.detail}
    return {"signal": json.loads(signals.encode(signal))}


CASES = sorted(path.name for path in GOLDEN.iterdir())


@pytest.mark.parametrize("name", CASES)
def test_golden_cases_stay(name: str, generate: bool) -> None:
    """What was read or written once is read or written the same for ever."""
    folder = GOLDEN / name
    found = outcome(json.loads((folder / "input.json").read_text(encoding="utf-8")))
    if generate:
        text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
        (folder / "output.json").write_text(text, encoding="utf-8")
    assert found == json.loads((folder / "output.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", [case for case in CASES if case.startswith("ticket-")])
def test_golden_tickets_follow_the_published_schema(name: str) -> None:
    """A ticket that is taken in is valid by the schema that its producer can read."""
    case = json.loads((GOLDEN / name / "input.json").read_text(encoding="utf-8"))
    record = case["record"]
    validator("ticket-event").validate(record["data"] if "specversion" in record else record)


def test_a_golden_case_cannot_pass_by_being_empty() -> None:
    """There are golden cases of every kind, and each has both of its files."""
    kinds = {name.split("-")[0] for name in CASES}
    assert kinds == {"ticket", "mark", "rejected", "escalation"}
    for name in CASES:
        assert {path.name for path in (GOLDEN / name).iterdir()} == {"input.json", "output.json"}


def test_a_dead_letter_keeps_what_is_short_whole() -> None:
    """Up to 64 KiB of raw bytes are kept whole, so the record can be repaired and sent again."""
    raw = bytes(range(256)) * 256
    assert len(raw) == dead_letter.WHOLE_BYTES
    letter = DeadLetter.of(Rejected("undecodable", "not JSON"), raw, "tickets", 3, 9)
    assert base64.b64decode(letter.raw) == raw
    assert (letter.raw_bytes, letter.sha256) == (len(raw), None)
    assert (letter.reason, letter.detail, letter.origin) == ("undecodable", "not JSON", "tickets")
    assert (letter.partition, letter.offset) == (3, 9)


def test_a_dead_letter_caps_what_is_long() -> None:
    """Of more than 64 KiB the first KiB is kept, with length and digest of the whole."""
    raw = b"x" * (dead_letter.WHOLE_BYTES + 1)
    letter = DeadLetter.of(Rejected("oversized", "too long"), raw, "tickets", 0, 0)
    assert base64.b64decode(letter.raw) == raw[: dead_letter.HEAD_BYTES]
    assert letter.raw_bytes == len(raw)
    assert letter.sha256 == hashlib.sha256(raw).hexdigest()
    assert len(letter.model_dump_json()) < 2_000


@given(st.binary(max_size=200))
def test_a_dead_letter_is_valid_whatever_it_holds(raw: bytes) -> None:
    """A dead letter around any bytes validates against its schema and gives the bytes back."""
    letter = DeadLetter.of(Rejected("undecodable", "not JSON"), raw, "in.jsonl", 0, 1)
    told = letter.model_dump_json()
    validator("dead-letter").validate(json.loads(told))
    assert base64.b64decode(DeadLetter.model_validate_json(told).raw) == raw


@given(
    st.builds(
        Ticket,
        tenant=st.text(st.characters(codec="utf-8"), min_size=1),
        ticket_id=st.text(st.characters(codec="utf-8"), min_size=1),
        created_at=st.floats(codec.EARLIEST, codec.LATEST),
        area=st.text(st.characters(codec="utf-8")),
        customer=st.none() | st.text(st.characters(codec="utf-8")),
        mode=st.sampled_from(["live", "history", "simulated"]),
    )
    | st.builds(Tick, st.floats(0, 4e9), st.none() | st.just("acme"))
    | st.builds(signals.HistoryEnd, st.just("acme"))
)
def test_signals_survive_the_internal_topic(signal: signals.Signal) -> None:
    """A signal that intake writes is the one that detect reads, to the last bit of its times."""
    assert signals.decode(signals.encode(signal)) == signal


def test_topic_names_carry_the_prefix_as_written() -> None:
    """Every topic, the group and its changelog stand behind the prefix, and are distinct."""
    names = Topics("staging.")
    told = [names.tickets, names.by_tenant, names.dead, names.escalations, names.feedback]
    told += [names.group("detect"), names.changelog("detect")]
    assert all(name.startswith("staging.") for name in told)
    assert len(set(told)) == len(told)
    assert Topics().tickets == "tickets"
    assert names.changelog("detect") == "staging.detect-state-changelog"
