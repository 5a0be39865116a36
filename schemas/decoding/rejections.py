"""Our own sentences about what is wrong with a record, in place of pydantic's."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from schemas.dead_letter import DeadReason, Rejected
from schemas.decoding.moments import NO_OFFSET, OUT_OF_RANGE
from schemas.privacy.redaction import redact

DETAIL_CHARACTERS: Final = 200
_VALUE_CHARACTERS: Final = 40

_SENTENCES: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "list_type": "must be a list",
    "too_long": "must have at most {max_length} entries",
    "model_type": "must be a JSON object",
    "model_attributes_type": "must be a JSON object",
    "datetime_parsing": "must be a time in RFC 3339, such as 2026-03-02T09:00:00Z",
    "datetime_from_date_parsing": "must be a time in RFC 3339, such as 2026-03-02T09:00:00Z",
    "json_invalid": "is not JSON in UTF-8",
}
_REASONS: Final[Mapping[str, DeadReason]] = {
    "json_invalid": "undecodable",
    "missing": "missing_field",
    NO_OFFSET: "no_offset",
}
_REASON_ORDER: Final[Sequence[DeadReason]] = (
    "undecodable",
    "missing_field",
    "no_offset",
    "wrong_type",
)
_TIMES: Final = (NO_OFFSET, OUT_OF_RANGE)
_WITHOUT_VALUE: Final = ("missing", "json_invalid", "string_too_short", "string_too_long")


def problems(error: ValidationError) -> list[Any]:
    """Return the findings of pydantic, each with its type, location, input and context."""
    return list(error.errors(include_url=False))


def rejection(findings: Sequence[Any]) -> Rejected:
    """Return the most severe finding as a rejection.

    Example:
        >>> from schemas.tick import Tick
        >>> try:
        ...     Tick.model_validate_json('{"now": "yesterday"}')
        ... except ValidationError as error:
        ...     rejection(problems(error)).detail
        'now: must be a time in RFC 3339, such as 2026-03-02T09:00:00Z, not "yesterday"'
    """
    worst = min(findings, key=lambda finding: _REASON_ORDER.index(_reason(finding)))
    where = ".".join(str(part) for part in worst["loc"]) or "record"
    return Rejected(_reason(worst), f"{where}: {sentence(worst)}"[:DETAIL_CHARACTERS])


def sentence(finding: Any, *, with_value: bool = True) -> str:
    """Return what is wrong, with the value if it is wanted, and without personal data."""
    kind = finding["type"]
    template = _SENTENCES.get(kind)
    context = finding.get("ctx") or {}
    text = finding["msg"] if template is None else template.format_map(context)
    text = text.removeprefix("Value error, ")
    if kind in _WITHOUT_VALUE or not with_value:
        return text
    if kind in _TIMES:  # only digits and separators, which are no phone number
        return f'{text}, not "{finding["input"]}"'
    return f"{text}, not {shown(finding['input'])}"


def shown(value: object) -> str:
    """Return a value of JSON as it is shown to people: short, and without personal data.

    Example:
        >>> shown("j.doe@example.com"), shown(None), shown([1, 2]), shown("x" * 50)
        ('"[email]"', 'null', 'a list', '"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx..."')
    """
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            text = redact(value[:1_000])
            cut = "..." if len(text) > _VALUE_CHARACTERS else ""
            return f'"{text[:_VALUE_CHARACTERS]}{cut}"'
        case int() | float():
            return redact(str(value)[:_VALUE_CHARACTERS])
        case list() | tuple():
            return "a list"
        case _:
            return "an object"


def _reason(finding: Any) -> DeadReason:
    return _REASONS.get(finding["type"], "wrong_type")
