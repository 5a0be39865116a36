"""Silences, which mute the notifications of all matching episodes for a while."""

import re
from collections.abc import Mapping
from typing import Literal

import re2
from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.decoding.moments import BoundedTime

MATCHED = (
    "tenant", "product", "product_area", "issue_type", "severity", "team", "reason", "receiver_key"
)  # fmt: skip
"""Labels that a matcher may use besides dimensions such as ``app_version``, and ``alertname``."""


_QUIETLY = re2.Options()
_QUIETLY.log_errors = False  # it would write to standard error


_ESCAPES = {"n": "\n", '"': '"', "\\": "\\"}


class Matcher(BaseModel):
    """Condition on a label; a missing label counts as the empty text.

    Regular expressions are RE2, as in Alertmanager, so matching takes linear time.

    Source: prometheus/alertmanager, api/v2/openapi.yaml, ``matcher``.

    Example:
        >>> Matcher.parse("product_area=~log.*").matches({"product_area": "login"})
        True
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = Field(min_length=1, max_length=128, description="Name of the label.")
    value: str = Field(max_length=1024, description="Text or regular expression to match.")
    is_regex: bool = Field(default=False, description="Whether the value is a regular expression.")
    is_equal: bool = Field(
        default=True, description="Whether the label must match; false: it must not match."
    )

    @model_validator(mode="after")
    def _compiles(self) -> "Matcher":
        if self.is_regex:
            try:
                re2.compile(self.value, _QUIETLY)
            except re2.error as error:
                said = error.args[0] if error.args else ""
                why = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
                raise ValueError(
                    f"{self.value!r} is not a valid regular expression: {why}"
                ) from None
        return self

    @classmethod
    def parse(cls, text: str) -> "Matcher":
        r"""Parse ``name=value``, ``name!=value``, ``name=~regex`` or ``name!~regex``.

        As in amtool, the value may stand in double quotes, in which ``\"``, ``\\`` and ``\n`` are
        escapes. A value with a comma or a double quote needs them: without, it would look like
        several matchers or like a quoted value, and match nothing.

        Source: prometheus/alertmanager, pkg/labels/parse.go.

        Raises:
            ValueError: The text is not a matcher.

        Example:
            >>> Matcher.parse('product_area="login, sso"').value
            'login, sso'
        """
        found = re2.fullmatch(r"(?s)\s*([A-Za-z_][\w]*)\s*(=~|!~|!=|=)\s*(.*?)\s*", text)
        if found is None:
            raise ValueError(
                f"{text!r} is not a matcher such as product_area=login or severity!=critical"
            )
        name, operator, value = found.groups()
        if value.startswith('"'):
            value = _unquoted(value, text)
        elif "," in value or '"' in value:
            raise ValueError(
                f"{text!r}: give each matcher as an argument of its own, and quote a value with a "
                f'comma or a double quote, such as {name}{operator}"a, b"'
            )
        return cls(name=name, value=value, is_regex="~" in operator, is_equal="!" not in operator)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether the labels match; a regular expression must match the whole value."""
        there = labels.get(self.name, "")
        same = (
            re2.fullmatch(self.value, there, _QUIETLY) is not None
            if self.is_regex
            else there == self.value
        )
        return same is self.is_equal

    def __str__(self) -> str:
        """Return the matcher in the form that `parse` reads."""
        operator = {
            (False, True): "=", (False, False): "!=", (True, True): "=~", (True, False): "!~"
        }[self.is_regex, self.is_equal]  # fmt: skip
        return f"{self.name}{operator}{_quoted(self.value)}"


def _unquoted(value: str, text: str) -> str:
    """Return the content of a value in double quotes, with its escapes resolved."""
    if re2.fullmatch(r'(?s)"(?:[^"\\]|\\.)*"', value) is None:
        raise ValueError(
            f'{text!r}: the value has an unmatched double quote; write \\" for a quote in it'
        )
    return re.sub(r'\\([n"\\])', lambda escape: _ESCAPES[escape[1]], value[1:-1])


def _quoted(value: str) -> str:
    """Return a value as `Matcher.parse` reads it, in double quotes only if it needs them."""
    is_plain = value == value.strip() and not set(value) & set(',"\n')
    if is_plain and not value.startswith("~"):  # "=~" would begin a regular expression
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


class Silence(BaseModel):
    """Silence that mutes the notifications of all matching episodes between two times."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    silence_id: str = Field(
        min_length=1,
        max_length=64,
        description="Id of the silence; a later silence with the same id replaces it.",
    )
    matchers: tuple[Matcher, ...] = Field(
        min_length=1, max_length=20, description="Matchers, all of which must match."
    )
    starts_at: BoundedTime = Field(description="Start of the silence.")
    ends_at: BoundedTime = Field(
        description="End of the silence; a time in the past ends it at once."
    )
    by: str = Field(
        min_length=1, max_length=256, description="Name of the person who created the silence."
    )
    comment: str = Field(default="", max_length=1000, description="Reason for the silence.")
    origin: Literal["spikewatch", "alertmanager"] = Field(
        default="spikewatch", description="Program that manages the silence."
    )

    def matches(self, labels: Mapping[str, str], now: float) -> bool:
        """Return whether the silence is active at a time (seconds since 1970) for these labels."""
        return self.starts_at.timestamp() <= now < self.ends_at.timestamp() and all(
            matcher.matches(labels) for matcher in self.matchers
        )
