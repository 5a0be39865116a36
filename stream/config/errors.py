"""Search for all mistakes in a configuration at once, with a description of each correction.

It works on any pydantic model whose fields are sections and whose sections hold plain keys. It
never shows the value of a secret, or of an unknown key, which may be a misspelled secret.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from stream.errors import ConfigError

__all__ = [
    "MASK",
    "ConfigError",
    "Disagreement",
    "Sources",
    "allowed",
    "disagree",
    "find_mistakes",
    "found",
    "line_of",
    "nearest",
]

MASK = "********"
_SHOWN = 80
_HEADER = re.compile(r"\s*\[+([^\]]+)\]")
_KEY = re.compile(r"\s*([\w.\"' -]+?)\s*=")
_CROSS = "keys_disagree"


@dataclass(frozen=True)
class Disagreement:
    """Keys that are valid individually but not in combination.

    Attributes:
        key: The key to correct, ``section.key``.
        others: The other keys that the rule reads, ``section.key``.
        text: What is wrong and how to correct it.
    """

    key: str
    others: tuple[str, ...]
    text: str


def disagree(disagreements: list[Disagreement]) -> None:
    """Raise all disagreements of a model as one pydantic error, from one of its validators.

    Raises:
        PydanticCustomError: There is at least one disagreement.
    """
    if disagreements:
        text = "; ".join(f"{rule.key}: {rule.text}" for rule in disagreements)
        raise PydanticCustomError(_CROSS, "{text}", {"text": text, "found": disagreements})


@dataclass(frozen=True)
class Sources:
    """Sources of the keys of a merged configuration.

    Attributes:
        path: The TOML file, or None if none was read.
        text: Text of the file.
        variables: Name of the environment variable that sets a key, by ``section.key``.
    """

    path: Path | None
    text: str
    variables: Mapping[str, str]

    def where(self, key: str) -> str:
        """Return the source of a key: its variable, ``file:line``, the file, or ``defaults``."""
        if key in self.variables:
            return self.variables[key]
        if self.path is None:
            return next((v for k, v in self.variables.items() if k.startswith(key)), "defaults")
        line = line_of(self.text, key)
        return f"{self.path}:{line}" if line else str(self.path)


def line_of(text: str, key: str) -> int | None:
    """Return the line (from 1) that sets ``section.key`` in TOML, or else that of its section.

    This is a plain text search that does not recognize multi-line strings.
    """
    section, table, fallback = key.partition(".")[0], "", None
    for number, line in enumerate(text.split("\n"), 1):
        if header := _HEADER.match(line):
            name = table = re.sub(r"[\s\"']", "", header[1])
        elif assigned := _KEY.match(line):
            name = ".".join(filter(None, (table, re.sub(r"[\s\"']", "", assigned[1]))))
        else:
            continue
        if name == key:
            return number
        if name == section and fallback is None:
            fallback = number
    return fallback


def nearest(word: str, names_allowed: Iterable[str]) -> str:
    """Return a hint about an unknown name: the most similar name, or else all names.

    Example:
        >>> nearest("area", ("product_area", "reason", "tenant"))
        'did you mean product_area?'
    """
    names = sorted(names_allowed)
    within = [name for name in names if word.lower() in name.split("_")]
    close = within if len(within) == 1 else difflib.get_close_matches(word.lower(), names, n=1)
    return f"did you mean {close[0]}?" if close else f"allowed: {', '.join(names)}"


def find_mistakes(
    model: type[BaseModel], data: Mapping[str, Any], sources: Sources, *, whole: bool = True
) -> list[str]:
    """Return all mistakes in a configuration, each as one line.

    pydantic checks rules between keys only once every key is valid on its own. So each invalid key
    is recorded and removed, and the rest is validated again. A rule that reads a removed key is
    skipped, because it would judge a default that nobody chose.

    Args:
        model: The model of sections to check against.
        data: The merged configuration, ``{section: {key: value}}``.
        sources: The sources of the keys.
        whole: False if a part of the configuration could not be read; rules between keys are then
            skipped, because a missing key may be in that part.

    Returns:
        The lines, in the order of the model; empty if there are no mistakes.
    """
    rest = {name: dict(v) if isinstance(v, Mapping) else v for name, v in data.items()}
    noted: set[str] = set()
    lines: list[str] = []
    while True:
        try:
            model.model_validate(rest)
        except ValidationError as error:
            errors = error.errors(include_url=False)
        else:
            return lines
        keys: set[str] = set()
        for item in errors:
            if item["type"] == _CROSS:
                for rule in item["ctx"]["found"]:
                    read = {rule.key, *rule.others}
                    if whole and not read & noted:
                        blamed = next((k for k in (rule.key, *rule.others) if _has(rest, k)), "")
                        lines.append(f"{sources.where(blamed)}: {rule.key}: {rule.text}")
                    keys |= read
            else:
                key = ".".join(str(part) for part in item["loc"][:2])
                # A required key that was removed is now missing; its mistake is already recorded.
                if key not in keys | noted:
                    section, _, name = key.partition(".")
                    shown = (
                        f"{section}.{current_key(_inner(model, section), name)}" if name else key
                    )
                    lines.append(f"{sources.where(key)}: {shown}: {_describe(model, item)}")
                keys.add(key)
        if not [key for key in keys if _drop(rest, key)]:
            return lines
        noted |= keys


def _has(data: Mapping[str, Any], key: str) -> bool:
    section, _, name = key.partition(".")
    return name in data.get(section, {}) if name else section in data


def _drop(data: dict[str, Any], key: str) -> bool:
    if not _has(data, key):
        return False
    section, _, name = key.partition(".")
    if name:
        del data[section][name]
    else:
        del data[section]
    return True


def key_of(name: str, field: FieldInfo) -> str:
    """Return the key of a field in the file: its first alias, or else its name."""
    alias = field.validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else name


def current_key(model: type[BaseModel] | None, key: str) -> str:
    """Return the current name of a key, which may be a former name of a field of the model."""
    for name, field in (model.model_fields if model is not None else {}).items():
        alias = field.validation_alias
        if isinstance(alias, AliasChoices) and key in alias.choices:
            return key_of(name, field)
    return key


def _inner(model: type[BaseModel], section: str) -> type[BaseModel] | None:
    inner = model.model_fields[section].annotation if section in model.model_fields else None
    return inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None


def _describe(model: type[BaseModel], error: ErrorDetails) -> str:
    sections = model.model_fields
    section = str(error["loc"][0])
    if section not in sections:
        return f"no such section; {nearest(section, sections)}"
    inner: Any = sections[section].annotation
    if len(error["loc"]) == 1:
        return f"found {_kind(error['input'])}; allowed: a table, [{section}], with keys under it"
    given = str(error["loc"][1])
    key = current_key(inner, given)
    fields = {key_of(name, field): field for name, field in inner.model_fields.items()}
    if key not in fields:
        return f"no such key in [{section}]; {nearest(key, fields)}"
    if error["type"] == "extra_forbidden":
        return f"is given twice: {given} is the former name of {key}"
    if error["type"] == "missing":
        return f"is missing: {fields[key].description}"
    schema = inner.model_json_schema()["properties"][key]
    schemas = (schema, *schema.get("anyOf", ()))  # an optional key has its type in anyOf
    shown = MASK if any(part.get("writeOnly") for part in schemas) else found(error["input"])
    custom = error["ctx"]["error"] if error["type"] == "value_error" else allowed(schema)
    return f"found {shown}; allowed: {custom}"


def _kind(value: object) -> str:
    return {str: "text", list: "a list", bool: "true or false"}.get(type(value), "a number or time")


def found(value: object) -> str:
    """Format a value for a message: quoted, short, printable, and masked before an ``@``."""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return str(value)[:_SHOWN]
    text = repr(re.sub(r"(?s).*@", f"{MASK}@", value))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def allowed(schema: Mapping[str, Any]) -> str:
    """Describe the values that a key may have, according to its JSON Schema."""
    if "enum" in schema:
        return "one of " + ", ".join(f'"{value}"' for value in schema["enum"])
    kind = schema.get("type")
    if kind == "boolean":
        return "true or false"
    if kind == "array":
        each = schema["items"]
        listed = ", ".join(f'"{value}"' for value in each.get("enum", ()))
        return (
            f"a list, [...], of one or more of {listed}" if listed else 'a list such as ["a", "b"]'
        )
    if kind not in {"integer", "number"}:
        return "text in quotes"
    text = "a whole number" if kind == "integer" else "a number"
    if "exclusiveMinimum" in schema:
        text += f" above {schema['exclusiveMinimum']:g}"
    if "minimum" in schema:
        text += f" from {schema['minimum']:.12g}"
    return text + (f" up to {schema['maximum']:.12g}" if "maximum" in schema else "")
