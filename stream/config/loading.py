"""Loader of the configuration from an optional TOML file and environment variables.

The file is the path given, or else the one in ``SPIKEWATCH_CONFIG``, or else ``./spikewatch.toml``
if it exists. ``SPIKEWATCH_<SECTION>__<KEY>`` takes precedence over the file, for example
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
    """Model from which the library derives the variables; Config itself never reads any."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_nested_delimiter="__")


class _Variables(EnvSettingsSource):
    """Environment source that leaves a list that is not JSON for the key to reject."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Parse a value as JSON; return invalid JSON unchanged, so that its key rejects it."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except json.JSONDecodeError:
            return value


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Read and check the configuration.

    Args:
        path: The TOML file; None: ``SPIKEWATCH_CONFIG``, or else ``./spikewatch.toml`` if it
            exists, or else no file.
        environ: The environment variables; None: those of the process.

    Returns:
        The frozen configuration.

    Raises:
        ConfigError: The file, the environment or the policy files have mistakes; the text has one
            line for each.

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
        # A section that is not a table is reported by find_mistakes below.
        if isinstance(below, dict):
            below.update(values)
    mistakes += find_mistakes(Config, data, Sources(path, text, variables), whole=readable)
    context, wrong = _files(data)
    mistakes += wrong
    if mistakes:
        raise ConfigError(mistakes)
    return Config.model_validate(data, context=context)


def _files(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Read the files that the configuration names; return their contents and mistakes."""
    context: dict[str, Any] = {}
    mistakes: list[str] = []
    if path := _named(data, "calendar", "file"):
        context["events"], mistakes = read_events(path)
    taxonomy, wrong = None, False
    if path := _named(data, "text", "taxonomy"):
        taxonomy, file_mistakes = read_taxonomy(path)
        context["taxonomy"], wrong = taxonomy, bool(file_mistakes)
        mistakes += file_mistakes
    if path := _named(data, "text", "playbook"):
        # Without a readable taxonomy, areas are unknown, so those of the playbook are not checked.
        context["playbook"], file_mistakes = read_playbook(path, None if wrong else taxonomy)
        mistakes += file_mistakes
    return context, mistakes


def read_again(config: Config) -> tuple[Taxonomy, Playbook]:
    """Reload the taxonomy and the playbook that a configuration names.

    Raises:
        ConfigError: The files have mistakes; the text has one line for each.
    """
    text = {"taxonomy": config.text.taxonomy, "playbook": config.text.playbook}
    context, mistakes = _files({"text": text})
    if mistakes:
        raise ConfigError(mistakes)
    return context.get("taxonomy", Taxonomy()), context.get("playbook", Playbook())


def _named(data: Mapping[str, Any], section: str, key: str) -> Path | None:
    """Return the path in ``section.key``; None: the key is empty or missing."""
    values = data.get(section)
    path = values.get(key) if isinstance(values, Mapping) else None
    return Path(path) if isinstance(path, str) and path else None


def _overrides(
    environ: Mapping[str, str],
) -> tuple[dict[str, dict[str, Any]], dict[str, str], list[str]]:
    """Return the values from the environment, the variable of each key, and the mistakes."""
    overrides: dict[str, str | None] = {}
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
                mistakes.append(
                    f"{name}: section and key must be separated by two underscores: {fix}"
                )
            continue
        if section in Config.model_fields:
            overrides[name.lower()] = value
            variables[f"{section}.{key.partition('__')[0]}"] = name
        else:
            hint = nearest(section, Config.model_fields)
            mistakes.append(f"{name}: {section}.{key}: no such section; {hint}")
    source = _Variables(_Environment)
    source.env_vars = overrides
    return source(), variables, mistakes
