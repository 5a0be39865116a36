"""Configuration: one optional TOML file, every key of it optional, each overridable by a variable.

The file is the path given, else that in ``SPIKEWATCH_CONFIG``, else ``./spikewatch.toml`` if there
is one, else none. ``SPIKEWATCH_<SECTION>__<KEY>`` wins over the file, for instance
``SPIKEWATCH_KAFKA__BOOTSTRAP_SERVERS=broker:9093``.
"""

import json
import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from detectors.playbook import Playbook
from detectors.taxonomy import Taxonomy
from stream.config.errors import MASK, ConfigError, Sources, find_mistakes, nearest
from stream.config.events import read_events
from stream.config.files import read_toml
from stream.config.kafka import Kafka
from stream.config.playbook import read_playbook
from stream.config.sections import Config
from stream.config.taxonomy import read_taxonomy
from stream.config.values import plain

if TYPE_CHECKING:
    from faust.types.auth import CredentialsT

__all__ = [
    "Config",
    "ConfigError",
    "faust_credentials",
    "kafka_client_options",
    "load",
    "read_again",
    "show",
]

_PREFIX = "SPIKEWATCH_"
_FILE_VARIABLE = "SPIKEWATCH_CONFIG"
_DEFAULT_FILE = "spikewatch.toml"


class _Environment(Config, BaseSettings):
    """Only tells the library which variables there are; Config itself never reads any."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_nested_delimiter="__")


class _Variables(EnvSettingsSource):
    """The environment, in which a list that is no JSON is a mistake like any other."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """What the JSON text stands for, else the text itself, to be refused by its key."""
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
        # A section that is no table is a mistake to report, not to paper over.
        if isinstance(below, dict):
            below.update(values)
    mistakes += find_mistakes(Config, data, Sources(path, text, variables), whole=readable)
    context, wrong = _files(data)
    mistakes += wrong
    if mistakes:
        raise ConfigError(mistakes)
    return Config.model_validate(data, context=context)


def _files(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What stands in the files that the configuration names, and what is wrong there."""
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
        # Areas of a taxonomy that could not be read are not known: nothing is said of them.
        context["playbook"], found = read_playbook(path, None if wrong else taxonomy)
        mistakes += found
    return context, mistakes


def read_again(config: Config) -> tuple[Taxonomy, Playbook]:
    """What stands now in the files that *config* names for areas and for what to do.

    Raises:
        ConfigError: with all mistakes of both, one a line.
    """
    text = {"taxonomy": config.text.taxonomy, "playbook": config.text.playbook}
    context, mistakes = _files({"text": text})
    if mistakes:
        raise ConfigError(mistakes)
    return context.get("taxonomy", Taxonomy()), context.get("playbook", Playbook())


def _named(data: Mapping[str, Any], section: str, key: str) -> Path | None:
    """The file that ``section.key`` names, if it does."""
    values = data.get(section)
    named = values.get(key) if isinstance(values, Mapping) else None
    return Path(named) if isinstance(named, str) and named else None


def _overrides(
    environ: Mapping[str, str],
) -> tuple[dict[str, dict[str, Any]], dict[str, str], list[str]]:
    """The values in the environment, which variable sets which key, and unknown sections."""
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
                mistakes.append(f"{name}: two underscores stand between section and key: {fix}")
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


def show(config: Config) -> str:
    """The configuration as TOML, each key with its meaning; a secret that is set as ``********``.

    What it returns can be loaded again and gives an equal configuration, secrets apart.
    """
    lines: list[str] = []
    for name in Config.model_fields:
        section = getattr(config, name)
        about = " ".join((type(section).__doc__ or "").split())
        lines += [f"# {about}", f"[{name}]"]
        for key, known in type(section).model_fields.items():
            lines += [f"# {known.description}", f"{key} = {_toml(getattr(section, key))}"]
        lines.append("")
    return "\n".join(lines)


def _toml(value: object) -> str:
    if isinstance(value, SecretStr):
        value = MASK if value.get_secret_value() else ""
    # JSON text is TOML text, but for DEL, which only TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def kafka_client_options(config: Config) -> dict[str, Any]:
    """Keyword arguments for any aiokafka client: where the brokers are and how to talk to them.

    TLS is at least 1.2, with the host name checked. Never log the result: it holds the password.

    Raises:
        ConfigError: a certificate or key file cannot be used.
    """
    kafka = config.kafka
    options: dict[str, Any] = {
        "bootstrap_servers": kafka.bootstrap_servers,
        "security_protocol": kafka.security_protocol,
    }
    if kafka.encrypted:
        options["ssl_context"] = _tls(kafka)
    if kafka.sasl_mechanism:
        options |= {
            "sasl_mechanism": kafka.sasl_mechanism,
            "sasl_plain_username": kafka.sasl_username,
            "sasl_plain_password": plain(kafka.sasl_password),
        }
    return options


def faust_credentials(config: Config) -> "CredentialsT | None":
    """What Faust wants as ``broker_credentials``; None for PLAINTEXT.

    Faust takes the protocol from whether a TLS context is there, and without one sends SASL
    passwords in the clear without a word; so it always gets ours.

    Raises:
        ConfigError: a certificate or key file cannot be used.
    """
    from faust import SASLCredentials, SSLCredentials  # noqa: PLC0415  (slow, not always needed)

    kafka = config.kafka
    context = _tls(kafka) if kafka.encrypted else None
    if kafka.sasl_mechanism:
        return SASLCredentials(
            username=kafka.sasl_username,
            password=plain(kafka.sasl_password),
            mechanism=kafka.sasl_mechanism,
            ssl_context=context,
        )
    return SSLCredentials(context=context) if context else None


def _tls(kafka: Kafka) -> ssl.SSLContext:
    mistakes: list[str] = []
    for key in ("ssl_cafile", "ssl_certfile", "ssl_keyfile"):
        if path := getattr(kafka, key):
            try:
                Path(path).open("rb").close()
            except OSError as error:
                mistakes.append(f"kafka.{key}: {path} cannot be read: {error.strerror}")
    if mistakes:
        raise ConfigError(mistakes)
    keys = "ssl_cafile"
    try:
        context = ssl.create_default_context(cafile=kafka.ssl_cafile or None)
        keys = "ssl_certfile, ssl_keyfile or ssl_keyfile_password"
        if kafka.ssl_certfile:
            # An empty password is given too: with None, OpenSSL would ask on the terminal.
            password = plain(kafka.ssl_keyfile_password)
            context.load_cert_chain(kafka.ssl_certfile, kafka.ssl_keyfile, password)
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).lower().replace("_", " ")
        raise ConfigError([f"kafka.{keys}: not usable PEM: {reason}"]) from None
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    return context
