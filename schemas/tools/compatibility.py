"""Check whether a new JSON Schema of a contract keeps the promises of the released schema.

A consumer may rely on the released schema to allow each event that we *write*. A producer may rely
on us to *read* each event that the released schema allows. Both are the same question with the
sides swapped: does one schema allow anything that the other does not?

New optional fields break nothing on either side, because readers ignore unknown fields.

Libraries exist for this question. Those considered are alpha and incomplete by their own account
(jsoncompat), unmaintained (jsonsubschema) or in another language (json-schema-diff-validator), and
none describes breaks in words.

Sources: JSON Schema 2020-12, Core (sections 8 and 10) and Validation (sections 6 and 7).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

Schema = Mapping[str, Any]
Role = Literal["written", "read"]
Above = tuple[tuple[Schema, Schema], ...]
"""Pairs of schemas that enclose the pair being compared."""

_LOWER: Final = ("minLength", "minItems", "minProperties", "minimum", "exclusiveMinimum")
_UPPER: Final = ("maxLength", "maxItems", "maxProperties", "maximum", "exclusiveMaximum")
_NOTES: Final = frozenset(
    {"$comment", "$defs", "$id", "$schema", "default", "deprecated", "description", "examples"}
    | {"readOnly", "title", "writeOnly"}
)
"""Keywords that neither allow nor forbid anything."""
_STRUCTURE: Final = frozenset(
    {"$ref", "additionalProperties", "anyOf", "const", "enum", "items", "oneOf", "properties"}
    | {"required", "type"}
)
"""Keywords with special rules below; all others must be the same on both sides."""


def breaks(old: Schema, new: Schema, role: Role) -> list[str]:
    """Return the promises of the old schema that the new schema breaks.

    Args:
        old: The released JSON Schema.
        new: The current JSON Schema.
        role: ``written``: we produce what it describes; ``read``: others do.

    Returns:
        A sentence for each break, with its JSON path (``[]`` is any item of an array, ``*`` any
        name of a map); empty if there are none.

    Example:
        >>> old = {"type": "object", "properties": {"a": {"enum": ["x", "y"]}}}
        >>> new = {"type": "object", "properties": {"a": {"enum": ["x", "z"]}, "b": {}}}
        >>> breaks(old, new, "written")
        ['$.a: may now be "z", which no consumer of the released schema expects']
        >>> breaks(old, new, "read")
        ['$.a: "y" is no longer accepted']
    """
    inner, outer = (new, old) if role == "written" else (old, new)
    comparison = _Comparison(role, inner, outer)
    return list(dict.fromkeys(comparison.wider("$", inner, outer, ())))


@dataclass(frozen=True)
class _Comparison:
    """Search for what the inner schema allows and the outer schema does not.

    For events that we write, the inner schema is the new one; for events that we read, the old one.
    """

    role: Role
    inner: Schema
    outer: Schema

    def wider(self, path: str, inner: Schema, outer: Schema, above: Above) -> Iterator[str]:
        """Yield sentences about what the inner schema allows at a path and the outer does not."""
        theirs = list(_alternatives(outer, self.outer))
        for alternative in _alternatives(inner, self.inner):
            yield from self._fits(path, alternative, theirs, above)

    def _fits(
        self, path: str, inner: Schema, theirs: Sequence[Schema], above: Above
    ) -> Iterator[str]:
        """Yield what the closest alternative lacks; nothing if an alternative allows everything."""
        alike = [other for other in theirs if _kind(inner) & _kind(other)]
        if not alike:
            yield self._say(
                path,
                f"may now be {_named(inner)}, which no consumer of the released schema expects",
                f"{_named(inner)} is no longer accepted",
            )
            return
        tried = [list(self._single(path, inner, other, above)) for other in alike]
        yield from min(tried, key=len)

    def _single(self, path: str, inner: Schema, outer: Schema, above: Above) -> Iterator[str]:
        """Compare two schemas without alternatives."""
        if (inner, outer) in above:  # a recursive schema was already compared further up
            return
        above = (*above, (inner, outer))
        for value in _values(inner):
            if not _allows(outer, value):
                yield self._say(
                    path,
                    f"may now be {_json(value)}, which no consumer of the released schema expects",
                    f"{_json(value)} is no longer accepted",
                )
        if "enum" in outer and "enum" not in inner:
            yield self._say(
                path,
                "may now be any value, not only those that were listed",
                "only listed values are accepted now",
            )
        if "enum" not in inner:
            if more := sorted(_types(inner) - _types(outer)):
                yield self._say(
                    path,
                    f"may now be of type {', '.join(more)}",
                    f"{', '.join(more)} is no longer accepted",
                )
            yield from self._limits(path, inner, outer)
        yield from self._fields(path, inner, outer, above)
        if isinstance(outer.get("items"), Mapping):
            yield from self.wider(f"{path}[]", inner.get("items") or {}, outer["items"], above)

    def _limits(self, path: str, inner: Schema, outer: Schema) -> Iterator[str]:
        """Compare bounds, patterns, formats, and every keyword without a rule of its own."""
        for names, sign in ((_LOWER, 1), (_UPPER, -1)):
            for name in names:
                if name in outer and not _as_tight(name, inner, outer, sign):
                    yield self._say(
                        path,
                        f"{name} was {outer[name]} and no longer applies",
                        f"{name} is now {outer[name]}, which is narrower",
                    )
        for name in sorted(outer.keys() - _NOTES - _STRUCTURE - {*_LOWER, *_UPPER}):
            if inner.get(name) != outer[name]:
                yield self._say(
                    path,
                    f"{name} was {_json(outer[name])} and no longer applies",
                    f"{name} is now {_json(outer[name])}, which is narrower",
                )

    def _fields(self, path: str, inner: Schema, outer: Schema, above: Above) -> Iterator[str]:
        ours, theirs = inner.get("properties", {}), outer.get("properties", {})
        old, new = (theirs, ours) if self.role == "written" else (ours, theirs)
        for name in sorted(old.keys() - new.keys()):
            yield self._say(f"{path}.{name}", "was removed", "was removed: it is no longer read")
        for name in sorted(set(outer.get("required", ())) - set(inner.get("required", ()))):
            if name in old and name not in new:
                continue  # already reported
            yield self._say(
                f"{path}.{name}", "was always present and may now be missing", "is now required"
            )
        for name in sorted(ours.keys() & theirs.keys()):
            yield from self.wider(f"{path}.{name}", ours[name], theirs[name], above)
        mine, other = (s.get("additionalProperties", True) for s in (inner, outer))
        if isinstance(other, Mapping):
            mine = mine if isinstance(mine, Mapping) else {}
            yield from self.wider(f"{path}.*", mine, other, above)
        elif other is False and mine is not False and self.role == "read":
            yield f"{path}: unknown fields are no longer accepted."

    def _say(self, path: str, written: str, read: str) -> str:
        return f"{path}: {written if self.role == 'written' else read}"


def _alternatives(schema: Schema, root: Schema) -> Iterator[Schema]:
    """Yield the alternatives of a schema, without references and with one type each."""
    while "$ref" in schema:
        target: Any = root
        for step in str(schema["$ref"]).removeprefix("#/").split("/"):
            target = target[step]
        schema = {**target, **{name: value for name, value in schema.items() if name != "$ref"}}
    for name in ("anyOf", "oneOf"):
        if name in schema:
            rest = {key: value for key, value in schema.items() if key != name}
            for one in schema[name]:
                yield from _alternatives({**rest, **one}, root)
            return
    if isinstance(schema.get("type"), list):
        for one in schema["type"]:
            yield {**schema, "type": one}
    elif "const" in schema:
        yield {**schema, "enum": [schema["const"]]}
    else:
        yield schema


def _values(schema: Schema) -> Sequence[Any]:
    values: Sequence[Any] = schema.get("enum", ())
    return values


def _allows(schema: Schema, value: Any) -> bool:
    """Return whether a schema certainly accepts a value that the other side lists."""
    if "enum" in schema:
        return any(value == one and type(value) is type(one) for one in schema["enum"])
    if _type_of(value) not in _types(schema):
        return False
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        return False
    size = len(value) if isinstance(value, str) else value
    for name in (schema.keys() & {*_LOWER, *_UPPER}) if isinstance(size, int | float) else ():
        bound = schema[name]
        kept = size > bound if name == "exclusiveMinimum" else size < bound
        if not name.startswith("exclusive"):
            kept = size >= bound if name in _LOWER else size <= bound
        if not kept:
            return False
    return not schema.keys() & {"format", "items", "properties", "required"}


_TYPES: Final = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})


def _types(schema: Schema) -> frozenset[str]:
    """Return the allowed types; ``number`` includes the integers."""
    kind = schema.get("type")
    if kind is None:
        return _TYPES
    return frozenset({"integer", "number"} if kind == "number" else {kind})


def _kind(schema: Schema) -> frozenset[str]:
    """Return the allowed types, derived from the listed values if there are any."""
    return frozenset(_type_of(value) for value in _values(schema)) or _types(schema)


def _type_of(value: Any) -> str:
    for kind, name in (
        (bool, "boolean"),
        (int, "integer"),
        (float, "number"),
        (str, "string"),
        (list, "array"),
        (dict, "object"),
    ):
        if isinstance(value, kind):
            return name
    return "null"


def _as_tight(name: str, inner: Schema, outer: Schema, sign: int) -> bool:
    """Return whether the inner schema keeps a bound of the outer, inclusive or exclusive."""
    like = {"minimum": "exclusiveMinimum", "maximum": "exclusiveMaximum"}
    if name in inner and sign * (inner[name] - outer[name]) >= 0:
        return True
    for open_, closed in ((like.get(name), False), (_closed(name), True)):
        if open_ and open_ in inner:
            distance = sign * (inner[open_] - outer[name])
            if distance > 0 or (distance == 0 and not closed):
                return True
    return False


def _closed(name: str) -> str | None:
    return {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}.get(name)


def _named(schema: Schema) -> str:
    if values := _values(schema):
        return ", ".join(_json(value) for value in values)
    return ", ".join(sorted(_types(schema))) if "type" in schema else "anything"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
