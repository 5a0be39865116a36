"""Printing of the configuration as commented TOML."""

import json

from pydantic import SecretStr

from stream.config.errors import MASK
from stream.config.sections import Config


def show(config: Config) -> str:
    """Return the configuration as TOML, with a description of each key and with secrets masked.

    Loading the text gives an equal configuration, except for secrets.
    """
    lines: list[str] = []
    for name in Config.model_fields:
        section = getattr(config, name)
        about = " ".join((type(section).__doc__ or "").split())
        lines += [f"# {about}", f"[{name}]"]
        for key, field in type(section).model_fields.items():
            lines += [f"# {field.description}", f"{key} = {toml_value(getattr(section, key))}"]
        lines.append("")
    return "\n".join(lines)


def toml_value(value: object) -> str:
    """Return a value as TOML; a secret that is set becomes ``********``."""
    if isinstance(value, SecretStr):
        value = MASK if value.get_secret_value() else ""
    # JSON strings are valid TOML except for DEL, which only TOML requires to be escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
