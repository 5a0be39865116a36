"""Connection and authentication options of Kafka clients."""

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stream.config.errors import ConfigError
from stream.config.kafka import Kafka
from stream.config.sections import Config
from stream.config.values import plain
from stream.kafka import batches

if TYPE_CHECKING:
    from faust.types.auth import CredentialsT


def kafka_client_options(config: Config) -> dict[str, Any]:
    """Return the keyword arguments of an aiokafka client for connection and authentication.

    TLS is at least 1.2, and the host name is verified. Never log the result: it holds the password.
    Every client is created with these options, so this function also installs the reader of hostile
    batches.

    Raises:
        ConfigError: A certificate or key file cannot be used.
    """
    batches.install()
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
    """Return Faust's ``broker_credentials``; None for PLAINTEXT.

    Faust derives the protocol from the presence of a TLS context, and without one silently sends
    SASL passwords in the clear, so it always gets our context.

    Raises:
        ConfigError: A certificate or key file cannot be used.
    """
    from faust import SASLCredentials, SSLCredentials  # noqa: PLC0415 - slow, not always needed

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
            # Pass an empty password as well: with None, OpenSSL would prompt on the terminal.
            password = plain(kafka.ssl_keyfile_password)
            context.load_cert_chain(kafka.ssl_certfile, kafka.ssl_keyfile, password)
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).lower().replace("_", " ")
        raise ConfigError([f"kafka.{keys}: not valid PEM files: {reason}"]) from None
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    return context
