"""Loader of the configuration: one optional TOML file, each key overridable by a variable.

The file is the path given, else that in ``SPIKEWATCH_CONFIG``, else ``./spikewatch.toml`` if there
is one, else none. ``SPIKEWATCH_<SECTION>__<KEY>`` wins over the file, for instance
``SPIKEWATCH_KAFKA__BOOTSTRAP_SERVERS=broker:9093``.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from detectors.policy.playbook import Playbook
from detectors.policy.taxonomy import Taxonomy
from stream.config.errors import ConfigError, Sources, find_mistakes, nearest
from stream.config.files import read_toml
from stream.config.policy_files.events import read_events
from stream.config.policy_files.playbook import read_playbook
from stream.config.policy_files.taxonomy import read_taxonomy
from stream.config.sections import Config

_PREFIX = "SPIKEWATCH_"
_FILE_VARIABLE = "SPIKEWATCH_CONFIG"
_DEFAULT_FILE = "spikewatch.toml"


class _Environment(Config, BaseSettings):
    """Tells the library which variables exist; Config itself never reads any."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_nested_delimiter="__")


class _Variables(EnvSettingsSource):
    """The environment, in which a list that is not JSON is a mistake like any other."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Return the value of JSON text, else the text itself, which its key then rejects."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except json.JSONDecodeError:
            return value


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Read and check the configuration.

    Args:
        path: the TOML file; None for ``SPIKEWATCH_CONFIG``, else ``./spikewatch.toml`` if it is
            there, else no file.
        environ: the environment; None for that of the process.

    Returns:
        The configuration, frozen.

    Raises:
        ConfigError: with all mistakes of file, environment and file of events, one a line.

    Example:
        >>> load(environ={"SPIKEWATCH_KAFKA__PARTITIONS": "8"}).kafka.partitions
        8
    """
    environ = os.environ if environ is None else environ
    if path is None:
        named = environ.get(_FILE_VARIABLE) or (Path(_DEFAULT_FILE).exists() and _DEFAULT_FILE)
        path = Path(named) if named else None
    text, data, mistakes = read_toml(path, "configuration file") if path else ("", {}, [])
    readable = not mistakes
    overrides, variables, unknown = _overrides(environ)
    mistakes += unknown
    for section, values in overrides.items():
        below = data.setdefault(section, {})
        # A section that is not a table is reported as a mistake below.
        if isinstance(below, dict):
            below.update(values)
    mistakes += find_mistakes(Config, data, Sources(path, text, variables), whole=readable)
    context, wrong = _files(data)
    mistakes += wrong
    if mistakes:
        raise ConfigError(mistakes)
    return Config.model_validate(data, context=context)


def _files(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Read the files that the configuration names; returns their contents and mistakes."""
    context: dict[str, Any] = {}
    mistakes: list[str] = []
    if path := _named(data, "calendar", "file"):
        context["events"], mistakes = read_events(path)
    taxonomy, wrong = None, False
    if path := _named(data, "text", "taxonomy"):
        taxonomy, found = read_taxonomy(path)
        context["taxonomy"], wrong = taxonomy, bool(found)
        mistakes += found
    if path := _named(data, "text", "playbook"):
        # The areas of a taxonomy that could not be read are unknown, so they are not checked.
        context["playbook"], found = read_playbook(path, None if wrong else taxonomy)
        mistakes += found
    return context, mistakes


def read_again(config: Config) -> tuple[Taxonomy, Playbook]:
    """Read again the files of product areas and of the playbook that a configuration names.

    Raises:
        ConfigError: with all mistakes of both, one a line.
    """
    text = {"taxonomy": config.text.taxonomy, "playbook": config.text.playbook}
    context, mistakes = _files({"text": text})
    if mistakes:
        raise ConfigError(mistakes)
    return context.get("taxonomy", Taxonomy()), context.get("playbook", Playbook())


def _named(data: Mapping[str, Any], section: str, key: str) -> Path | None:
    """Return the file that ``section.key`` names, if any."""
    values = data.get(section)
    named = values.get(key) if isinstance(values, Mapping) else None
    return Path(named) if isinstance(named, str) and named else None


def _overrides(
    environ: Mapping[str, str],
) -> tuple[dict[str, dict[str, Any]], dict[str, str], list[str]]:
    """Return the values in the environment, the variable of each key, and mistakes."""
    ours: dict[str, str | None] = {}
    variables: dict[str, str] = {}
    mistakes: list[str] = []
    for name, value in environ.items():
        section, split, key = name.upper().removeprefix(_PREFIX).lower().partition("__")
        if not name.upper().startswith(_PREFIX):
            continue
        if not split:
            word = section.partition("_")[0]
            if word in Config.model_fields and section != "config":
                fix = f"{_PREFIX}{word.upper()}__{section[len(word) + 1 :].upper()}"
                mistakes.append(f"{name}: write two underscores between section and key: {fix}")
            continue
        if section in Config.model_fields:
            ours[name.lower()] = value
            variables[f"{section}.{key.partition('__')[0]}"] = name
        else:
            hint = nearest(section, Config.model_fields)
            mistakes.append(f"{name}: {section}.{key}: no such section; {hint}")
    source = _Variables(_Environment)
    source.env_vars = ours
    return source(), variables, mistakes
