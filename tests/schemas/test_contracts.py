"""Compatibility of what others write and read: schemas, golden cases and real events."""

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
from schemas.decoding.moments import LATEST
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
"""Fields whose name needs no description."""


def validator(name: str) -> jsonschema.Draft202012Validator:
    """Return a validator of one contract that also checks formats."""
    schema = json.loads(export.render(name))
    return jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )


@pytest.fixture(scope="module")
def events() -> list[EscalationEvent]:
    """Return the events of a real episode that was opened and resolved."""
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
def test_committed_schemas_match_the_models(name: str) -> None:
    """Each file in ``schemas/json`` is what `schemas.tools.export` writes."""
    stored = (export.FOLDER / f"{name}.schema.json").read_text(encoding="utf-8")
    assert stored == export.render(name), "run: python -m schemas.tools.export"
    jsonschema.Draft202012Validator.check_schema(json.loads(stored))


def test_every_contract_has_a_file_and_every_file_a_contract() -> None:
    """The folder of schemas holds exactly the contracts."""
    stored = {path.name for path in export.FOLDER.iterdir()}
    contracts = {f"{name}.schema.json" for name in export.CONTRACTS}
    assert stored == {*contracts, export.ASYNCAPI_FILE, "released"}
    assert {path.name for path in (export.FOLDER / "released").iterdir()} <= contracts


def test_the_committed_asyncapi_document_matches_the_models() -> None:
    """``schemas/json/asyncapi.json`` is what `schemas.tools.export` writes."""
    stored = (export.FOLDER / export.ASYNCAPI_FILE).read_text(encoding="utf-8")
    assert stored == export.render_asyncapi(), "run: python -m schemas.tools.export"


def test_main_writes_all_schemas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m schemas.tools.export` creates the folder and writes every file."""
    monkeypatch.setattr(export, "FOLDER", tmp_path / "json")
    export.main()
    assert len(list((tmp_path / "json").iterdir())) == len(export.CONTRACTS) + 1


@pytest.mark.parametrize("name", export.CONTRACTS)
def test_every_field_has_a_description(name: str) -> None:
    """Every field has a description unless its name is in `OBVIOUS`."""
    schema = json.loads(export.render(name))
    objects = [schema, *schema.get("$defs", {}).values()]
    assert all(each.get("description") for each in objects)
    undescribed = {
        field
        for each in objects
        for field, description in each.get("properties", {}).items()
        if not description.get("description")
    }
    assert undescribed <= OBVIOUS


def test_a_real_escalation_is_valid(events: list[EscalationEvent]) -> None:
    """The events of a real episode are valid by the published schema."""
    check = validator("escalation-event")
    for event in events:
        check.validate(json.loads(codec.write_escalation(event)))


def test_the_schema_refuses_an_invalid_escalation(events: list[EscalationEvent]) -> None:
    """The published schema refuses missing, unknown and wrong fields."""
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


def test_an_escalation_has_the_promised_cloudevent_attributes(
    events: list[EscalationEvent],
) -> None:
    """Source, subject, id, type and time are as the contract promises."""
    for number, event in enumerate(events, start=1):
        written = json.loads(codec.write_escalation(event))
        data = written["data"]
        assert written["specversion"] == "1.0"
        assert written["source"] == "/spikewatch/acme"
        assert written["subject"] == data["episode_id"]
        assert written["type"] == f"com.spikewatch.escalation.{event.transition}.v1"
        assert written["time"].endswith("Z")
        assert data["detected_at"].endswith("Z")
        assert data["since"].endswith("Z")
        assert data["sequence"] == number
        assert set(data) == set(json.loads(codec.write_escalation(events[0]))["data"])
        assert data["ratio_low"] <= data["ratio"] <= data["ratio_high"]
    assert len({event.id for event in events}) == len(events)
    assert len({event.data.detected_at for event in events}) == 1


def test_a_written_escalation_reads_back(events: list[EscalationEvent]) -> None:
    """A consumer that parses an event and writes it again gets the same bytes."""
    for event in events:
        written = codec.write_escalation(event)
        assert b"\n" not in written
        again = EscalationEvent.model_validate_json(written)
        assert again == event
        assert codec.write_escalation(again) == written


def outcome(case: dict[str, Any]) -> dict[str, Any]:
    """Return the result of a golden input as JSON."""
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
def test_golden_cases_do_not_change(name: str, generate: bool) -> None:
    """The result of reading or writing a golden input stays the same."""
    folder = GOLDEN / name
    found = outcome(json.loads((folder / "input.json").read_text(encoding="utf-8")))
    if generate:
        text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
        (folder / "output.json").write_text(text, encoding="utf-8")
    assert found == json.loads((folder / "output.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", [case for case in CASES if case.startswith("ticket-")])
def test_golden_tickets_are_valid_by_the_published_schema(name: str) -> None:
    """An accepted ticket is valid by the schema that its producer can read."""
    case = json.loads((GOLDEN / name / "input.json").read_text(encoding="utf-8"))
    record = case["record"]
    validator("ticket-event").validate(record["data"] if "specversion" in record else record)


def test_golden_cases_of_every_kind_exist() -> None:
    """Each case has an input and an output file."""
    kinds = {name.split("-")[0] for name in CASES}
    assert kinds == {"ticket", "mark", "rejected", "escalation"}
    for name in CASES:
        assert {path.name for path in (GOLDEN / name).iterdir()} == {"input.json", "output.json"}


def test_a_dead_letter_keeps_a_short_record_whole() -> None:
    """Up to 64 KiB are kept, so that the record can be repaired and sent again."""
    raw = bytes(range(256)) * 256
    assert len(raw) == dead_letter.WHOLE_BYTES
    letter = DeadLetter.of(Rejected("undecodable", "not JSON"), raw, "tickets", 3, 9)
    assert base64.b64decode(letter.raw) == raw
    assert (letter.raw_bytes, letter.sha256) == (len(raw), None)
    assert (letter.reason, letter.detail, letter.origin) == ("undecodable", "not JSON", "tickets")
    assert (letter.partition, letter.offset) == (3, 9)


def test_a_dead_letter_truncates_a_long_record() -> None:
    """Of more than 64 KiB the first KiB, the length and the digest are kept."""
    raw = b"x" * (dead_letter.WHOLE_BYTES + 1)
    letter = DeadLetter.of(Rejected("oversized", "too long"), raw, "tickets", 0, 0)
    assert base64.b64decode(letter.raw) == raw[: dead_letter.HEAD_BYTES]
    assert letter.raw_bytes == len(raw)
    assert letter.sha256 == hashlib.sha256(raw).hexdigest()
    assert len(letter.model_dump_json()) < 2_000


@given(st.binary(max_size=200))
def test_a_dead_letter_of_any_bytes_is_valid(raw: bytes) -> None:
    """The dead letter validates against its schema and gives the bytes back."""
    letter = DeadLetter.of(Rejected("undecodable", "not JSON"), raw, "in.jsonl", 0, 1)
    written = letter.model_dump_json()
    validator("dead-letter").validate(json.loads(written))
    assert base64.b64decode(DeadLetter.model_validate_json(written).raw) == raw


@given(
    st.builds(
        Ticket,
        tenant=st.text(st.characters(codec="utf-8"), min_size=1),
        ticket_id=st.text(st.characters(codec="utf-8"), min_size=1),
        created_at=st.floats(0.0, LATEST.timestamp()),
        area=st.text(st.characters(codec="utf-8")),
        customer=st.none() | st.text(st.characters(codec="utf-8")),
        mode=st.sampled_from(["live", "history", "simulated"]),
    )
    | st.builds(Tick, st.floats(0, 4e9), st.none() | st.just("acme"))
    | st.builds(signals.HistoryEnd, st.just("acme"))
)
def test_signals_survive_the_internal_topic(signal: signals.Signal) -> None:
    """Detect reads the signal that intake writes, to the last bit of its times."""
    assert signals.decode(signals.encode(signal)) == signal


def test_topic_names_start_with_the_configured_prefix() -> None:
    """All topics, the group and its changelog have the prefix and are distinct."""
    names = Topics("staging.")
    prefixed = [names.tickets, names.by_tenant, names.dead, names.escalations, names.feedback]
    prefixed += [names.group("detect"), names.changelog("detect")]
    assert all(name.startswith("staging.") for name in prefixed)
    assert len(set(prefixed)) == len(prefixed)
    assert Topics().tickets == "tickets"
    assert names.changelog("detect") == "staging.detect-state-changelog"
