"""The AsyncAPI document: valid by the official schema, true to the topics, with real examples."""

import json
import tarfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from schemas.cloudevents import decode
from schemas.codec import read_feedback, read_record
from schemas.examples import EVENT
from schemas.tools import asyncapi, export
from schemas.tools.asyncapi import CHANNELS, DAY_MS, MESSAGES
from stream.config.sections import Config
from stream.kafka.topics import specs

SPECS = "@asyncapi/specs@6.11.1"
"""The official JSON Schemas; Apache-2.0, 0.35 MB, not in this repository."""


@pytest.fixture(scope="session")
def official(request: pytest.FixtureRequest, node: Any, tmp_path_factory: Any) -> dict[str, Any]:
    """Return the official JSON Schema of AsyncAPI 3.0.0, fetched once into pytest's cache."""
    kept = request.config.cache.mkdir("asyncapi") / f"{SPECS.rpartition('@')[2]}-3.0.0.json"
    if not kept.exists():
        folder: Path = tmp_path_factory.mktemp("specs")
        node.npm("pack", SPECS, folder=folder)
        (archive,) = folder.glob("*.tgz")
        with tarfile.open(archive) as files:
            file = files.extractfile("package/schemas/3.0.0.json")
            assert file is not None
            part = folder / "part"
            part.write_bytes(file.read())
        kept.with_suffix(".part").write_bytes(part.read_bytes())
        kept.with_suffix(".part").replace(kept)
    found: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return found


def test_the_document_is_valid_by_the_official_schema(official: dict[str, Any]) -> None:
    """The published document is AsyncAPI 3.0.0, including the Kafka bindings."""
    check = jsonschema.Draft7Validator(official)
    check.validate(asyncapi.document())


@pytest.mark.parametrize(
    "corrupt",
    [
        lambda d: d.pop("info"),
        lambda d: d["operations"]["sendEscalations"].update(action="publish"),
        lambda d: d["channels"]["escalations"]["bindings"]["kafka"].update(partitions=0),
        lambda d: d["channels"]["escalations"]["bindings"]["kafka"].update(bindingVersion="9"),
        lambda d: d["components"]["messages"]["feedback"].update(mood="bad"),
    ],
)
def test_the_official_schema_rejects_a_corrupted_document(
    official: dict[str, Any], corrupt: Any
) -> None:
    """The schema refuses a document with one error, so that the test above is meaningful."""
    document = json.loads(json.dumps(asyncapi.document()))
    corrupt(document)
    assert not jsonschema.Draft7Validator(official).is_valid(document)


def references(part: Any) -> list[str]:
    """Return every reference in a part of the document."""
    if isinstance(part, dict):
        below = [found for value in part.values() for found in references(value)]
        return [part["$ref"], *below] if isinstance(part.get("$ref"), str) else below
    return (
        [found for value in part for found in references(value)] if isinstance(part, list) else []
    )


def test_every_reference_resolves() -> None:
    """Every reference of the document leads to an object."""
    document = asyncapi.document()
    found = references(document)
    assert len(found) > 20
    for reference in found:
        place: Any = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
        assert isinstance(place, dict)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.name)
def test_examples_are_valid_by_the_schemas_of_the_document(message: asyncapi.Message) -> None:
    """The payload and the headers of each example are valid."""
    document = asyncapi.document()
    definition = document["components"]["messages"][message.name]
    (example,) = definition["examples"]

    def valid(part: str) -> jsonschema.Draft202012Validator:
        schema = {"$ref": f"#/components/messages/{message.name}/{part}", **document}
        check = jsonschema.Draft202012Validator
        return check(schema, format_checker=check.FORMAT_CHECKER)

    valid("payload").validate(example["payload"])
    assert not valid("payload").is_valid({})
    if "headers" in definition:
        valid("headers").validate(example.get("headers", {}))


CONTRACT_OF = {
    "ticketEvent": "ticket-event",
    "historyMark": "tick",
    "escalationStructured": "escalation-event",
    "deadLetter": "dead-letter",
    "feedback": "feedback",
    "auditEntry": "audit-entry",
    "silence": "silence",
}


@pytest.mark.parametrize("name", CONTRACT_OF)
def test_examples_are_valid_by_the_published_json_schemas(name: str) -> None:
    """The example of each message is valid by the JSON Schema of its contract."""
    schema = json.loads(export.render(CONTRACT_OF[name]))
    (example,) = asyncapi.document()["components"]["messages"][name]["examples"]
    check = jsonschema.Draft202012Validator
    check(schema, format_checker=check.FORMAT_CHECKER).validate(example["payload"])


def test_our_reader_accepts_every_example() -> None:
    """Each example is read with its headers, and both modes give the same event."""
    messages = asyncapi.document()["components"]["messages"]

    def record(name: str) -> tuple[dict[str, str], bytes]:
        (example,) = messages[name]["examples"]
        return example.get("headers", {}), json.dumps(example["payload"]).encode()

    for name in ("escalationStructured", "escalationBinary"):
        headers, value = record(name)
        assert decode([(n, text.encode()) for n, text in headers.items()], value) == EVENT
    for name in ("ticketEvent", "historyMark"):
        headers, value = record(name)
        assert read_record(value, headers).tenant == "acme"
    assert read_feedback(record("feedback")[1]).episode_id == EVENT.subject


def test_the_document_matches_the_topics_that_are_created() -> None:
    """Partitions, retention and clean-up equal those of `topics create`."""
    created = {spec.name: spec for spec in specs(Config())}
    for name, channel in asyncapi.document()["channels"].items():
        binding = channel["bindings"]["kafka"]
        spec = created[channel["address"]]
        assert binding["partitions"] == spec.partitions, name
        configured = binding["topicConfiguration"]
        policy = spec.settings.get("cleanup.policy", "delete")
        assert ",".join(configured["cleanup.policy"]) == policy, name
        if "delete" in policy:
            assert configured["retention.ms"] == int(spec.settings["retention.ms"]), name
        assert binding["topic"] == channel["address"]


def test_messages_and_channels_are_consistent() -> None:
    """Every message is on a topic, every topic has a message, and names are unique."""
    names = [message.name for message in MESSAGES]
    used = {name for channel in CHANNELS for name in channel.messages}
    assert len(set(names)) == len(names)
    assert used == set(names)
    assert len({channel.topic for channel in CHANNELS}) == len(CHANNELS)
    assert all(channel.actions and channel.messages for channel in CHANNELS)
    operations = asyncapi.document()["operations"]
    assert operations["receiveTickets"]["action"] == "receive"
    assert operations["sendEscalations"]["action"] == "send"


def test_a_compacted_topic_is_described_as_compacted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy of a compacted channel is compact, with a retention if it has one."""
    base = CHANNELS[-1]
    rows = [(True, None), (True, 7), (False, 7), (False, None)]
    channels = [
        asyncapi.Channel(
            f"c{i}", f"c{i}", base.actions, base.messages, "k", "w", compacted=c, retention_days=d
        )
        for i, (c, d) in enumerate(rows)
    ]
    monkeypatch.setattr(asyncapi, "CHANNELS", tuple(channels))
    configurations = [
        channel["bindings"]["kafka"]["topicConfiguration"]
        for channel in asyncapi.document()["channels"].values()
    ]
    assert [t["cleanup.policy"] for t in configurations] == [
        ["compact"],
        ["compact", "delete"],
        ["delete"],
        ["delete"],
    ]
    assert [t["retention.ms"] for t in configurations] == [-1, 7 * DAY_MS, 7 * DAY_MS, -1]
