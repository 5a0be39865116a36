"""Reference page of the configuration and example file, generated from the sections' fields."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, SecretStr

from stream.config.errors import allowed
from stream.config.printing import toml_value
from stream.config.sections import Config
from stream.docsgen.markdown import GENERATED, sentence, table


def page() -> str:
    """Return the page as Markdown."""
    lines = [
        "# Configuration",
        "",
        GENERATED,
        "",
        "The configuration is one optional TOML file, named by `--config`, or else by "
        "`SPIKEWATCH_CONFIG`, or else `./spikewatch.toml`. A variable "
        "`SPIKEWATCH_<SECTION>__<KEY>`, such as `SPIKEWATCH_KAFKA__PARTITIONS=8`, overrides the "
        "file. `spikewatch config check` reports all mistakes at once; `spikewatch config show` "
        "prints the effective value of every key. `deploy/config/spikewatch.example.toml` lists "
        "every key with its default, commented out.",
    ]
    for name, section in _sections():
        lines += ["", f"## [{name}]", "", *_description(section), ""]
        schema = section.model_json_schema()["properties"]
        rows = [
            (
                f"`{key}`",
                _allowed(schema[key]),
                f"`{_default(field.default)}`",
                str(field.description),
            )
            for key, field in section.model_fields.items()
        ]
        lines += table(("key", "allowed", "default", "meaning"), rows)
    return "\n".join(lines) + "\n"


def example() -> str:
    """Return a configuration file with every key at its default, commented out."""
    lines = [
        "# Configuration of spikewatch: every key with its default. Remove the # before a key to",
        "# change it. Written by `make generate` from the code: copy this file, do not edit it.",
    ]
    for name, section in _sections():
        lines += ["", *(f"# {line}" for line in _description(section)), f"[{name}]"]
        for key, field in section.model_fields.items():
            lines += [f"# {field.description}", f"#{key} = {_default(field.default)}"]
    return "\n".join(lines) + "\n"


def _sections() -> Iterator[tuple[str, type[BaseModel]]]:
    for name in Config.model_fields:
        yield name, type(getattr(Config(), name))


def _description(section: type[BaseModel]) -> Iterator[str]:
    for paragraph in (section.__doc__ or "").strip().split("\n\n"):
        yield sentence(paragraph)


def _allowed(schema: dict[str, Any]) -> str:
    return "text in quotes" if "anyOf" in schema else allowed(schema)


def _default(value: object) -> str:
    return '""' if isinstance(value, SecretStr) else toml_value(value)
