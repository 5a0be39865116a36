"""Secrets of receivers: the file names a variable or another file that holds the secret."""

import os
from pathlib import Path
from typing import Annotated, Final

from pydantic import BeforeValidator, SecretStr, WithJsonSchema

HOW: Final = (
    '{ env = "NAME" } or { file = "/run/secrets/name" }, so that it is not in the configuration'
)
MOST_BYTES: Final = 65_536


def _resolve(value: object) -> SecretStr:
    """Return the content of the variable or the file, without surrounding whitespace."""
    if isinstance(value, SecretStr):
        return value
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError(HOW)
    ((kind, name),) = value.items()
    if kind not in ("env", "file") or not isinstance(name, str) or not name:
        raise ValueError(HOW)
    if kind == "env":
        text = os.environ.get(name, "").strip()
        if not text:
            raise ValueError(f"{HOW}; the variable {name} is not set")
        return SecretStr(text)
    try:
        text = Path(name).read_bytes()[:MOST_BYTES].decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ValueError(f"{HOW}; the file {name} cannot be read: {reason}") from None
    if not text:
        raise ValueError(f"{HOW}; the file {name} is empty")
    return SecretStr(text)


Secret = Annotated[
    SecretStr,
    BeforeValidator(_resolve),
    WithJsonSchema({"type": "object", "writeOnly": True}),
]
"""Type of a secret option of a receiver; the value is never shown."""
