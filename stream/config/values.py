"""Base class of the sections, and checks of individual values.

The text of a ValueError describes the allowed values.
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
    """Parse a duration, a whole number with s, m or min, h, d or w, and return its seconds.

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
    """Return whether a text is an IP address, of the given version (4 or 6) if there is one."""
    try:
        return ipaddress.ip_address(text).version in ((version,) if version else (4, 6))
    except ValueError:
        return False


def servers(text: str) -> str:
    """Check a comma-separated list of ``host:port``, with IPv6 addresses as ``[::1]:9092``."""
    parts = [part.strip() for part in text.split(",")]
    for server in parts:
        match = _SERVER.fullmatch(server)
        if not (
            match
            and 1 <= int(match["port"]) <= _LAST_PORT
            and (is_ip(match["six"], 6) if match["six"] else _HOST.fullmatch(match["name"]))
        ):
            raise ValueError(
                'host:port, separated by commas, such as "broker1:9092,[::1]:9092" '
                "(no scheme, no password; ports 1 to 65535)"
            )
    return ",".join(parts)


def host(text: str) -> str:
    """Check a host name or IP address to listen on."""
    if not (is_ip(text) or _HOST.fullmatch(text)):
        raise ValueError("a host name or an IP address, without a port or brackets")
    return text


def web_address(text: str) -> str:
    """Check an http or https URL; empty is allowed."""
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        fits = parts.scheme in ("http", "https") and parts.hostname and not parts.fragment
        fits = fits and (parts.port is None or parts.port > 0)
    except ValueError:
        fits = False
    if not (fits and text.isprintable() and " " not in text):
        raise ValueError("a URL such as https://spikewatch.example.com/, without #")
    return text


def page_url(text: str) -> str:
    """Check the URL of the page and make it end with a slash; empty is allowed."""
    text = web_address(text)
    return f"{text}/" if text and not text.endswith("/") else text


def kafka_name(least: int, most: int) -> Callable[[str], str]:
    """Return a validator of the length and the characters of a Kafka name."""

    def check(text: str) -> str:
        if not (least <= len(text) <= most and _NAME.fullmatch(text)):
            raise ValueError(f"{least} to {most} of the characters a-z A-Z 0-9 . _ -")
        return text

    return check


def one_line(most: int) -> Callable[[str], str]:
    """Return a validator of a one-line name with a maximum number of characters."""

    def check(text: str) -> str:
        if not (text.strip() and text.isprintable() and len(text) <= most):
            raise ValueError(f"a name on one line, up to {most} characters")
        return text.strip()

    return check


def folded_names(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Normalize names of areas, products or issue types as in tickets, and remove duplicates."""
    folded = [value_name(text) for text in texts]
    if not all(folded):
        raise ValueError('names, such as ["login", "billing"]')
    return tuple(dict.fromkeys(filter(None, folded)))


def zone(name: str) -> str:
    """Check that this system knows a time zone."""
    zones = zoneinfo.available_timezones()
    if name == "UTC" or name in zones:
        return name
    if not zones:
        raise ValueError(
            'only "UTC", because this system has no time zone data: install the package tzdata'
        )
    names = {
        part.lower(): zone_name
        for zone_name in sorted(zones)
        for part in (zone_name.split("/")[-1], zone_name)
    }
    close = difflib.get_close_matches(name.lower().replace(" ", "_"), names, n=3, cutoff=0.7)
    hint = f"; did you mean {', '.join(dict.fromkeys(names[c] for c in close))}?" if close else ""
    raise ValueError(f'an IANA time zone such as "Europe/Berlin" or "UTC"{hint}')


class Section(BaseModel):
    """Base class of all sections; immutable, and rejects unknown keys."""

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
    """Unwrap a secret, or return any other value; never print the result."""
    return value.get_secret_value() if isinstance(value, SecretStr) else value
