"""Redaction of product areas and of values of dimensions, in which version numbers are kept.

A label names a version, a plan or a company far more often than a person, so what can only be a
version or a company's number is kept. What can also be personal data, such as four numbers that
form an IP address, is redacted. Everything else follows the rules of `schemas.privacy.redaction`.
"""

import html
import re
from typing import Final

from schemas.privacy.personal_data import NUMBER_RULES, RULES
from schemas.privacy.redaction import redact_rules, redact_value, visible

_FIRST_MASK: Final = 0xE000
"""First of the private-use characters, none of which is left in a visible text."""
_STRICT_RULES: Final = tuple(rule for rule in RULES if rule not in NUMBER_RULES)
_LONGEST_STAMP: Final = 14
_MOST_DIGITS: Final = 8
"""A number that stands alone is a phone number from nine digits on."""

_STAMP: Final = r"20(?:1[5-9]|[23]\d)(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:\d\d){0,3}"
_DOTTED: Final = re.compile(
    r"(?<![\w@.+/-])(?:\d{1,3}:)?(?P<mark>[vV]\.? ?)?"
    rf"(?P<groups>\d{{1,{_LONGEST_STAMP}}}(?:\.\d{{1,{_LONGEST_STAMP}}}){{1,7}})"
    r"(?P<suffix>(?:[A-Za-z]{1,10}\d{0,6})?(?:[-+~_.][A-Za-z0-9]{1,14}){0,6})(?![\w@/]|[.+~-]\w)"
)
_BUILD: Final = re.compile(
    r"(?<!\w)(?:(?i:build|rev|revision|version|ver|release|update|patch|sdk)[ .:#_-]{0,2}|[brv])"
    r"(?P<numbers>[1-9]\d{0,9}(?: [1-9]\d{0,9}){0,2})(?!\w|[ ./-]{0,2}\d)"
)
_DATE: Final = re.compile(_STAMP)
_DATED: Final = re.compile(rf"(?<![\w.+-]){_STAMP}(?!\w)")
_COMPANY: Final = re.compile(r"(?<![\w@.+-])\d{4}-\d{4}(?= Qu[eé]bec\b)", re.I)
_ALONE: Final = re.compile(rf"(?<![\w@.+])[1-9]\d{{0,{_MOST_DIGITS - 1}}}(?![\w@])")
_CALLED: Final = re.compile(r"tel|phone|fon|mobil|fax|cell|call|whats", re.I)
_SEPARATORS: Final = " \t.-/()·"


def redact_label(text: str) -> str:
    """Redact a product area or a value of a dimension, but keep version numbers.

    Example:
        >>> redact_label("387.1.0.34.85"), redact_label("8.105.0 build 15 50626")
        ('387.1.0.34.85', '8.105.0 build 15 50626')
        >>> redact_label("1000101 Ontario Inc."), redact_label("j.doe@example.com")
        ('1000101 Ontario Inc.', '[email]')
        >>> redact_label("+49 170 1234567"), redact_label("4111 1111 1111 1111")
        ('[phone]', '[card]')
    """
    if redact_value(text) == text:
        return text
    if "&" in text and (unescaped := html.unescape(text)) != text:
        return redact_label(unescaped)
    plain = redact_rules(visible(text), _STRICT_RULES)
    kept: list[str] = []

    def mask(match: re.Match[str]) -> str:
        if not _is_kept(match):
            return match[0]
        kept.append(match[0])
        return chr(_FIRST_MASK + len(kept) - 1)

    masked = plain
    for pattern in (_DOTTED, _BUILD, _DATED, _COMPANY, _ALONE):
        masked = pattern.sub(mask, masked)
    redacted = redact_rules(masked)
    for number, version in enumerate(kept):
        redacted = redacted.replace(chr(_FIRST_MASK + number), version)
    return redacted


def _is_kept(match: re.Match[str]) -> bool:
    """Return whether a match cannot be personal data."""
    if match.re is _DOTTED:
        return _is_version(match)
    if match.re is _BUILD:
        numbers = match["numbers"].split(" ")
        return len(numbers) == 1 or sum(map(len, numbers)) <= _MOST_DIGITS
    if match.re is _ALONE:
        return not (_follows_digit(match) or _precedes_digit(match) or _CALLED.search(match.string))
    return match.re is _COMPANY or not _follows_digit(match)


def _is_version(match: re.Match[str]) -> bool:
    """Return whether numbers with dots between them are neither a phone number nor an address."""
    numbers = match["groups"].split(".")
    lengths = list(map(len, numbers))
    digits = sum(lengths)
    if match["mark"] is not None:
        return True
    has_letter = any(map(str.isalpha, match["suffix"]))
    if len(numbers) == 4 and max(map(int, numbers)) <= 255 and not has_letter:
        return False  # an IP address
    if min(lengths) >= 3 and max(lengths) <= 4 and digits > _MOST_DIGITS:
        return False  # a phone number such as 555.010.9999, or the four groups of a card
    if any(number.startswith("19") and len(number) == 4 for number in numbers):
        return False  # a date of birth
    if any(len(number) > 6 and not _DATE.fullmatch(number) for number in numbers[:-1]):
        return False
    if lengths[-1] > 6 and len(numbers) < 3:
        return False
    if sum(part.isdigit() and len(part) > 2 for part in re.split("[-+~_.]", match["suffix"])) > 1:
        return False  # groups of digits, as in a phone number
    is_padded = numbers[0].startswith("0") and lengths[0] > 1
    if is_padded and digits > _MOST_DIGITS:
        return False  # a phone number such as 01.23.45.67.89
    return not (
        _follows_digit(match) or ((is_padded or len(numbers) < 3) and _precedes_digit(match))
    )


def _follows_digit(match: re.Match[str]) -> bool:
    """Return whether there are digits before a match, with only separators in between."""
    before = match.string[: match.start()].rstrip(_SEPARATORS)
    word = re.split(r"[\s(]", before)[-1]
    return word.endswith("+") or (word[-1:].isdigit() and not any(map(str.isalpha, word)))


def _precedes_digit(match: re.Match[str]) -> bool:
    """Return whether there are digits after a match, with only separators in between."""
    return match.string[match.end() :].lstrip(_SEPARATORS)[:1].isdigit()
