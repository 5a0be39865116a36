"""Base class of the sections, and checks of single values.

The text of a ValueError says which values are allowed.
"""

import difflib
import ipaddress
import re
import zoneinfo
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from schemas.codec import value_name

_NAME = re.compile(r"[A-Za-z0-9._-]*")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})")
_LAST_PORT = 65535
_SERVER = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<name>[^:\[\]]+)):(?P<port>[0-9]{1,5})")


_DURATION = re.compile(r"(\d{1,9})\s*(s|min|m|h|d|w)")
_UNIT_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def duration_seconds(text: str) -> float:
    """Return the seconds of a duration: a whole number with s, m or min, h, d or w.

    Raises:
        ValueError: The text is not a duration.

    Example:
        >>> [duration_seconds(text) for text in ("90s", "45min", "2h", "1w")]
        [90.0, 2700.0, 7200.0, 604800.0]
    """
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(f"{text!r} is not a duration such as 90s, 30m, 2h, 3d or 1w")
    return float(int(match[1]) * _UNIT_SECONDS[match[2]])


def is_ip(text: str, version: int | None = None) -> bool:
    """Return whether a text is an IP address (of that version, 4 or 6)."""
    try:
        return ipaddress.ip_address(text).version in ((version,) if version else (4, 6))
    except ValueError:
        return False


def servers(text: str) -> str:
    """Check a comma-separated list of ``host:port``; ``[::1]:9092`` for IPv6."""
    parts = [part.strip() for part in text.split(",")]
    for server in parts:
        match = _SERVER.fullmatch(server)
        if not (
            match
            and 1 <= int(match["port"]) <= _LAST_PORT
            and (is_ip(match["six"], 6) if match["six"] else _HOST.fullmatch(match["name"]))
        ):
            raise ValueError(
                'host:port, several with commas between, as in "broker1:9092,[::1]:9092" '
                "(no scheme, no password; ports 1 to 65535)"
            )
    return ",".join(parts)


def host(text: str) -> str:
    """Check a host name or IP address to listen on."""
    if not (is_ip(text) or _HOST.fullmatch(text)):
        raise ValueError("a host name or an IP address without port and brackets")
    return text


def web_address(text: str) -> str:
    """Check an http or https address; empty is allowed."""
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        fits = parts.scheme in ("http", "https") and parts.hostname and not parts.fragment
        fits = fits and (parts.port is None or parts.port > 0)
    except ValueError:
        fits = False
    if not (fits and text.isprintable() and " " not in text):
        raise ValueError("an address such as https://spikewatch.example.com/, without #")
    return text


def page_url(text: str) -> str:
    """Check an address of the page, and end it with a slash; empty is allowed."""
    text = web_address(text)
    return f"{text}/" if text and not text.endswith("/") else text


def kafka_name(least: int, most: int) -> Callable[[str], str]:
    """Return a check for ``least`` to ``most`` characters that Kafka accepts in a topic name."""

    def check(text: str) -> str:
        if not (least <= len(text) <= most and _NAME.fullmatch(text)):
            raise ValueError(f"{least} to {most} of the characters a-z A-Z 0-9 . _ -")
        return text

    return check


def one_line(most: int) -> Callable[[str], str]:
    """Return a check for a name in one line, of at most so many characters."""

    def check(text: str) -> str:
        if not (text.strip() and text.isprintable() and len(text) <= most):
            raise ValueError(f"a name in one line, up to {most} characters")
        return text.strip()

    return check


def folded_names(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Fold names of areas, products or issue types as tickets are folded; each once."""
    folded = [value_name(text) for text in texts]
    if not all(folded):
        raise ValueError('names, as in ["login", "billing"]')
    return tuple(dict.fromkeys(filter(None, folded)))


def zone(name: str) -> str:
    """Check a time zone against those that this system knows."""
    known = zoneinfo.available_timezones()
    if name == "UTC" or name in known:
        return name
    if not known:
        raise ValueError('only "UTC", because this system has no time zone data (package tzdata)')
    names = {part.lower(): one for one in sorted(known) for part in (one.split("/")[-1], one)}
    close = difflib.get_close_matches(name.lower().replace(" ", "_"), names, n=3, cutoff=0.7)
    meant = f"; did you mean {', '.join(dict.fromkeys(names[c] for c in close))}?" if close else ""
    raise ValueError(f'an IANA time zone such as "Europe/Berlin" or "UTC"{meant}')


class Section(BaseModel):
    """Base class of all sections: immutable, without unknown keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: object, info: ValidationInfo) -> object:
        field = cls.model_fields[info.field_name or ""]
        if isinstance(value, bool) and field.annotation is not bool:
            raise PydanticCustomError("true_is_no_number", "true and false are not numbers")
        return value


def plain(value: object) -> Any:
    """Return a value, unwrapped if it is a secret; never print the result."""
    return value.get_secret_value() if isinstance(value, SecretStr) else value
