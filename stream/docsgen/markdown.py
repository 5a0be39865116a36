"""Markdown tables, and descriptions of JSON Schema types."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

GENERATED: Final = "<!-- Written by `make generate` from the code: do not edit. -->"


def cell(text: str) -> str:
    """Escape text for a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table."""
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(cell(each) for each in row)} |"


def sentence(text: str | None) -> str:
    """Return the first paragraph of a docstring on one line."""
    return " ".join((text or "").strip().partition("\n\n")[0].split())


def name_of(reference: str) -> str:
    """Return the name that a ``$ref`` points to."""
    return reference.rpartition("/")[2]


def type_in_words(schema: Mapping[str, Any]) -> str:
    """Describe the values that a JSON Schema allows; link models to their headings.

    Example:
        >>> type_in_words({"anyOf": [{"type": "integer"}, {"type": "null"}]})
        'integer or null'
        >>> type_in_words({"type": "array", "items": {"type": "string"}})
        'list of string'
    """
    if "$ref" in schema:
        name = name_of(schema["$ref"])
        return f"[{name}](#{name.lower()})"
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(type_in_words(each) for each in schema[key]))
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list of {type_in_words(schema.get('items', {}))}"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"map to {type_in_words(values)}" if isinstance(values, dict) else "object"
    return "time (RFC 3339)" if schema.get("format") == "date-time" else str(kind)


def fields(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield a table of the properties of an object's JSON Schema."""
    required = set(schema.get("required", ()))
    rows = [
        (
            f"`{name}`",
            type_in_words(each),
            "yes" if name in required else "no",
            each.get("description", ""),
        )
        for name, each in schema.get("properties", {}).items()
    ]
    yield from table(("field", "type", "required", "meaning"), rows)
