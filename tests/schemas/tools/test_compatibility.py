"""Compatibility with the last release: promises still hold, and each kind of break is detected."""

import copy
import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.tools import export
from schemas.tools.compatibility import Role, breaks
from tests.support.examples import examples

RELEASED = sorted(path.name for path in export.RELEASED.iterdir())


@pytest.mark.parametrize("name", RELEASED)
def test_no_contract_breaks_its_released_schema(name: str) -> None:
    """Each current schema keeps the promises of the released one, or needs a new version."""
    contract = name.removesuffix(".schema.json")
    old = json.loads((export.RELEASED / name).read_text(encoding="utf-8"))
    assert contract in export.CONTRACTS, (
        f"the contract {contract} was released and no longer exists"
    )
    assert breaks(old, json.loads(export.render(contract)), export.ROLES[contract]) == []


def test_every_contract_has_a_role() -> None:
    """Each contract states who relies on it, and the released ones are compared."""
    assert export.ROLES.keys() == export.CONTRACTS.keys()
    assert {"escalation-event.schema.json", "ticket-event.schema.json"} <= set(RELEASED)


def escalation_breaks(change: Any) -> list[str]:
    """Return the breaks of the escalation event after a change of its schema."""
    old = json.loads(export.render("escalation-event"))
    new = copy.deepcopy(old)
    change(new["$defs"])
    return breaks(old, new, "written")


def ticket_breaks(change: Any) -> list[str]:
    """Return the breaks of the ticket event after a change of its schema."""
    old = json.loads(export.render("ticket-event"))
    new = copy.deepcopy(old)
    change(new)
    return breaks(old, new, "read")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda d: d["Escalation"]["properties"].pop("ratio"),
            "$.data.ratio: was removed",
        ),
        (
            lambda d: d["Escalation"]["required"].remove("ratio"),
            "$.data.ratio: was always present and may now be missing",
        ),
        (
            lambda d: d["Escalation"]["properties"]["tickets"].update(type="number"),
            "$.data.tickets: may now be of type number",
        ),
        (
            lambda d: d["Escalation"]["properties"]["severity"]["enum"].append("fatal"),
            '$.data.severity: may now be "fatal", which no consumer of the released schema expects',
        ),
        (
            lambda d: d["Escalation"]["properties"]["severity"].pop("enum"),
            "$.data.severity: may now be any value, not only those that were listed",
        ),
        (
            lambda d: d["Escalation"]["properties"]["since"].pop("format"),
            '$.data.since: format was "date-time" and no longer applies',
        ),
        (
            lambda d: d["Escalation"]["properties"]["episode_id"].update(pattern="^.*$"),
            '$.data.episode_id: pattern was "^[0-9a-f]{32}$" and no longer applies',
        ),
        (
            lambda d: d["Escalation"]["properties"]["p_value"].update(maximum=2),
            "$.data.p_value: maximum was 1 and no longer applies",
        ),
        (
            lambda d: d["Escalation"]["properties"].update(
                tenant={"anyOf": [{"type": "string"}, {"type": "null"}]}
            ),
            "$.data.tenant: may now be null, which no consumer of the released schema expects",
        ),
        (
            lambda d: d["Impact"]["properties"]["by_tier"]["additionalProperties"].update(
                type="string"
            ),
            "$.data.impact.by_tier.*: may now be string, which no consumer of the released schema "
            "expects",
        ),
        (
            lambda d: d["Term"]["properties"].pop("share"),
            "$.data.terms[].share: was removed",
        ),
        (
            lambda d: d["Example"]["properties"]["text"].pop("maxLength"),
            "$.data.examples[].text: maxLength was 200 and no longer applies",
        ),
    ],
)
def test_each_break_of_a_written_contract_is_reported(change: Any, message: str) -> None:
    """Fields that are removed, optional or wider are reported with their path."""
    assert message in escalation_breaks(change)
    assert all(sentence.startswith(message.split(":")[0]) for sentence in escalation_breaks(change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: s["required"].append("product_area"),
            "$.product_area: is now required",
        ),
        (
            lambda s: (
                s["properties"].update(mood={"type": "string"}),
                s["required"].append("mood"),
            ),
            "$.mood: is now required",
        ),
        (
            lambda s: s["properties"].pop("channel"),
            "$.channel: was removed: it is no longer read",
        ),
        (
            lambda s: s["properties"]["tenant"].update(maxLength=64),
            "$.tenant: maxLength is now 64, which is narrower",
        ),
        (
            lambda s: s["properties"]["ticket_id"].update(pattern="^[0-9]+$"),
            '$.ticket_id: pattern is now "^[0-9]+$", which is narrower',
        ),
        (
            lambda s: s["properties"]["event_type"].update(enum=["created"]),
            "$.event_type: only listed values are accepted now",
        ),
        (
            lambda s: s["properties"].update(customer={"$ref": "#/$defs/Customer"}),
            "$.customer: string is no longer accepted",
        ),
        (
            lambda s: s["properties"]["csat"].update(anyOf=[{"type": "integer"}, {"type": "null"}]),
            "$.csat: number is no longer accepted",
        ),
        (
            lambda s: s["$defs"]["Customer"].update(required=["tier"]),
            "$.customer.tier: is now required",
        ),
        (
            lambda s: s.update(additionalProperties=False),
            "$: unknown fields are no longer accepted",
        ),
    ],
)
def test_each_break_of_a_read_contract_is_reported(change: Any, message: str) -> None:
    """Fields that are newly required, no longer read or narrower are reported with their path."""
    assert message in [sentence.rstrip(".") for sentence in ticket_breaks(change)]


@pytest.mark.parametrize(
    ("change", "sides"),
    [
        (lambda s: s["properties"].update(mood={"type": "string"}), "written read"),
        (lambda s: s["properties"]["a"].update(description="otherwise"), "written read"),
        (lambda s: (s["properties"].update(mood={}), s["required"].append("mood")), "written"),
        (lambda s: s["required"].append("b"), "written"),
        (lambda s: s["required"].remove("a"), "read"),
        (lambda s: s["properties"]["a"]["enum"].remove("y"), "written"),
        (lambda s: s["properties"]["a"]["enum"].append("z"), "read"),
        (lambda s: s["properties"]["b"].update(type="integer"), "written"),
        (lambda s: s["properties"]["b"].update(exclusiveMinimum=0), "written"),
        (lambda s: s["properties"]["b"].pop("minimum"), "read"),
        (
            lambda s: s["properties"]["c"].update(items={"type": "string", "maxLength": 3}),
            "written",
        ),
        (lambda s: s["properties"]["c"].pop("items"), "read"),
        (lambda s: s["properties"]["c"].update(uniqueItems=True), "written"),
        (lambda s: s.update(additionalProperties=False), "written"),
    ],
)
def test_a_change_breaks_writers_or_readers_or_neither(change: Any, sides: str) -> None:
    """The change breaks all roles except those in *sides*."""
    old = {
        "type": "object",
        "properties": {
            "a": {"enum": ["x", "y"]},
            "b": {"type": "number", "minimum": 0},
            "c": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["a"],
    }
    new = copy.deepcopy(old)
    change(new)
    roles: list[Role] = ["written", "read"]
    assert " ".join(role for role in roles if not breaks(old, new, role)) == sides


def test_a_recursive_schema_is_compared_once() -> None:
    """A break deep inside a recursive schema is found."""
    node = {
        "type": "object",
        "properties": {
            "size": {"type": "integer"},
            "left": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
        },
    }
    old = {"$ref": "#/$defs/Node", "$defs": {"Node": node}}
    new = copy.deepcopy(old)
    assert breaks(old, new, "written") == []
    new["$defs"]["Node"]["properties"]["size"] = {"type": "string"}  # type: ignore[index]
    message = "may now be string, which no consumer of the released schema expects"
    assert f"$.size: {message}" in breaks(old, new, "written")


ATOMS = st.sampled_from(
    [
        {},
        {"type": "string"},
        {"type": "string", "maxLength": 2},
        {"type": "string", "minLength": 2},
        {"type": "string", "pattern": "^a"},
        {"enum": ["a", "b"]},
        {"enum": ["b", 1, None]},
        {"const": "b"},
        {"type": "integer"},
        {"type": "number"},
        {"type": "number", "minimum": 1},
        {"type": "integer", "exclusiveMinimum": 1},
        {"type": "number", "maximum": 2},
        {"type": ["string", "null"]},
        {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        {"anyOf": [{"type": "string", "maxLength": 1}, {"type": "array", "items": {"const": 1}}]},
        {"type": "array", "items": {"type": "string"}},
        {"type": "array", "items": {"type": "string"}, "maxItems": 1},
        {"type": "array"},
        {"type": "object", "additionalProperties": {"type": "integer"}},
    ]
)
SCHEMAS = st.builds(
    lambda properties, required: {
        "type": "object",
        "properties": properties,
        "required": [name for name in required if name in properties],
    },
    st.dictionaries(st.sampled_from("pqr"), ATOMS),
    st.lists(st.sampled_from("pqr"), unique=True),
)
VALUES = st.dictionaries(
    st.sampled_from("pqr"),
    st.sampled_from(
        [None, True, 0, 1, 1.5, 2, 3, "", "a", "b", "ab", "bbb", [], [1], ["a"], ["a", "b"], {}]
    )
    | st.sampled_from([[None], {"x": 1}, {"x": "y"}]),
)


@settings(max_examples=examples(300))
@given(
    SCHEMAS,
    SCHEMAS,
    st.lists(VALUES, min_size=20, max_size=40),
    st.sampled_from(["written", "read"]),
)
def test_no_unreported_break_exists(
    old: dict[str, Any], new: dict[str, Any], values: list[dict[str, Any]], role: Role
) -> None:
    """Without a reported break, each value that is valid on one side is valid on the other.

    Fields that a side does not define are left out, since they are additions.
    """
    inner, outer = (new, old) if role == "written" else (old, new)
    if breaks(old, new, role):
        return
    for value in values:
        known = {name: field for name, field in value.items() if name in inner["properties"]}
        if jsonschema.Draft202012Validator(inner).is_valid(known):
            jsonschema.Draft202012Validator(outer).validate(known)
