"""Redaction of personal data and secrets in untrusted text, so that it can be stored and shown.

`redact` replaces personal data by a one-word placeholder such as ``[email]``. It prefers to remove
a harmless number rather than keep a harmful one, but keeps what describes the problem (error codes,
versions, dates, times). `shown_text` redacts a ticket, `redact_value` a short name, and `safe_link`
a link. None of them raises, and all take linear time.
"""

import html
import re
import unicodedata
from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote

from schemas.privacy.personal_data import (
    BETWEEN,
    EMAIL,
    IBAN,
    LONG,
    RULES,
    TOKENS,
    Rule,
    has_long_word,
    iban,
)

MOST_READ: Final = 4_000
"""Maximum number of characters of a ticket's text to read. (`html.unescape` fails at a number of
4,300 digits.)"""

_SPACED: Final = str.maketrans({c: " " for c in map(chr, range(0x250)) if not c.isalpha()})
_ROUNDS: Final = 6


def redact(text: str) -> str:
    """Replace personal data and secrets in a text by placeholders such as ``[email]``.

    Invisible characters are removed, and letters, digits, dashes and quotes get their simplest
    form. Redacting the result again changes nothing.

    Example:
        >>> redact("Call +1 (555) 010-9999 or mail j.doe@example.com: HTTP 503 since 09:00:00")
        'Call [phone] or mail [email]: HTTP 503 since 09:00:00'
        >>> redact("password: hunter2 and my password is wrong at https://u:p@x.example/a?b=c")
        'password: [secret] and my password is wrong at https://x.example/a'
    """
    return redact_rules(visible(text))


def redact_rules(text: str, rules: Sequence[Rule] = RULES) -> str:
    """Apply rules to a text without invisible characters; see `visible`."""
    for _ in range(_ROUNDS):  # text that one rule removes may have hidden a match of another
        before, low = text, text.lower()
        words = set(low.translate(_SPACED).split())
        digits = sum(map(low.count, "0123456789")) if low.isascii() else len(low)
        for rule in rules:
            if digits >= rule.digits and rule.trigger(low, words):
                for pattern, replacement in rule.patterns:
                    text = pattern.sub(replacement, text)
        if text == before:
            break
    return text


def redact_value(text: str) -> str:
    """Redact a short name, such as a customer's id, only if it looks like personal data.

    Example:
        >>> redact_value("customer-123"), redact_value("4.2.1-beta+build.20241101")
        ('customer-123', '4.2.1-beta+build.20241101')
        >>> redact_value("j.doe@example.com")
        '[email]'
    """
    if "&" in text and (plain := html.unescape(text)) != text:
        return redact_value(plain)
    if len(text) < LONG and text.isascii() and not _is_suspect(text):
        return text
    plain = visible(text)
    redacted = redact_rules(plain) if _is_suspect(plain) else plain
    for pattern, replacement in TOKENS if has_long_word(plain) else ():
        redacted = pattern.sub(replacement, redacted)
    return text if redacted == plain else redacted


_is_suspect: Final = re.compile(
    rf"[@:\d-](?:(?<=@)|(?<=-)(?:[\da-fA-F]{{2}}-){{4}}|(?<=:)[\da-fA-F]{{0,4}}:|(?<=\d)(?=.{{6}})(?:(?:{BETWEEN}{{0,4}}\d){{6}}"
    r"|\d{0,2}(?:\.\d{1,3}){3}))"
).search


def shown_text(subject: str | None, body: str | None, characters: int = 800) -> str:
    """Return a ticket's text on one line, without markup and personal data.

    Args:
        subject: Subject of the ticket, which goes before the vertical bar.
        body: Body of the ticket, plain or HTML; at most `MOST_READ` characters of both are read.
        characters: Maximum length of the result; neither words nor placeholders are cut.

    Example:
        >>> shown_text("Login fails", "<p>Hi,<br>I get HTTP&nbsp;503. Regards,<br>Ann Lee</p>")
        'Login fails | Hi, I get HTTP 503. Regards, [name]'
    """
    text = " | ".join(part for part in (subject, body) if part)
    text = _head(visible(" ".join(_head(text).split())))
    if "<" in text or "&" in text:
        for _ in range(_ROUNDS):  # markup may be escaped inside markup
            text = html.unescape(_TAG.sub(_untagged, _HIDDEN.sub(" ", text)))
        text = visible(" ".join(text.split()))
    return _cut(redact_rules(" ".join(_head(text).split())), characters)


_INLINE: Final = frozenset({"a", "b", "code", "em", "font", "i", "s", "span", "strong", "u", "wbr"})
_HIDDEN: Final = re.compile(
    r"<(script|style)\b[^<>]{0,4000}>.{0,4000}?(?:</\1\s{0,9}>|\Z)", re.I | re.S
)
_TAG: Final = re.compile(
    r"<(?:!--.{0,4000}?(?:-->|\Z)|[!?][^<>]{0,300}>"
    r"|/?([a-z][a-z0-9:-]{0,20})(?:[\s/][^<>]{0,4000})?>)",
    re.I | re.S,
)


def _untagged(match: re.Match[str]) -> str:
    return "" if (match[1] or "").lower() in _INLINE else " "


def _head(text: str) -> str:
    """Return the part to read, without the last word, which may be cut, and a number before it."""
    whole = text[:MOST_READ].rsplit(maxsplit=1)[:1]
    if len(text) <= MOST_READ or not whole or len(whole[0]) < MOST_READ - 200:
        return text[:MOST_READ]
    return re.sub(r"(?<![\d\s.\-/()+])[\d\s.\-/()+]{1,4000}\Z", "", whole[0])


def _cut(text: str, characters: int) -> str:
    """Cut a text after the last whole word, or a long word after the last whole placeholder."""
    if len(text) <= characters:
        return text
    head, space, _ = text[: characters + 1].rpartition(" ")
    if space:
        return head
    head = text[:characters]
    opened = head.rfind("[")
    return head[:opened] if opened > head.rfind("]") else head


def safe_link(url: str | None) -> str | None:
    """Return a link that is safe to show; None: the text is not such a link.

    User information, the fragment, and query parameters that may hold personal data are removed.

    Example:
        >>> safe_link("https://ann:pw@desk.example/tickets/123456789?id=123&token=x#top")
        'https://desk.example/tickets/123456789?id=123'
        >>> safe_link("javascript:alert(1)")
    """
    parts = _URL.fullmatch(url) if url and url.isprintable() and len(url) <= 2_048 else None
    if parts is None:
        return None
    path = visible(unquote(unquote(parts["path"])))
    if EMAIL.search(path) or any(p.sub(r, path) != path for p, r in (*TOKENS, (IBAN, iban))):
        return None
    query = "&".join(filter(_is_harmless, (parts["query"] or "").split("&")))
    return parts["place"] + parts["host"] + parts["path"] + (f"?{query}" if query else "")


_UNSAFE: Final = r"\s#\"<>\\^`{|}"
_URL: Final = re.compile(
    r"(?P<place>https?://)(?:[^\s/?#\\]{0,2048}@)?"
    r"(?P<host>(?:[\w-][\w.-]{0,252}|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?)"
    rf"(?P<path>(?:/[^?{_UNSAFE}]{{0,2048}})?)(?:\?(?P<query>[^{_UNSAFE}]{{0,2048}}))?"
    r"(?:#.{0,2048})?",
    re.I,
)
_PRIVATE: Final = re.compile(
    r"token|secret|pass|pwd|key|sig|auth|session|sid|code|mail|phone|tel|name|user|jwt|otp", re.I
)
_NUMBERED: Final = re.compile(
    r"(?=[^=])(?:ticket|case|issue|request|conversation)?(?:[_-]?id)?=[0-9]{1,12}", re.I
)


def _is_harmless(parameter: str) -> bool:
    """Return whether a query parameter may be shown: a ticket number may, a person's may not."""
    plain = visible(unquote(unquote(parameter.replace("+", " "))))
    name, _, value = plain.partition("=")
    if _NUMBERED.fullmatch(plain):
        return True
    return (
        bool(name)
        and not _PRIVATE.search(name)
        and redact_rules(name) + redact_rules(value) == name + value
    )


_UNPRINTABLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MOST_MARKS: Final = 30
"""Maximum number of marks on a letter, because ordering them takes quadratic time."""
_BLANK: Final = re.compile(r"[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufe00-\ufe0f]")
_MARKS: Final = re.compile(rf"[^\w\s!-~]{{{_MOST_MARKS}}}")
_STRUCK: Final = re.compile(
    r"(?<=[\dA-Za-z@.])[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{1,64}"
)
_PLAINER: Final = str.maketrans(
    "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2018\u2019\u201c\u201d", "-------''\"\""
)


def visible(text: str) -> str:
    """Return a text in NFKC without invisible characters, which could hide between digits."""
    if text.isascii() and text.isprintable():
        return text
    normal = _seen(unicodedata.normalize("NFKC", _seen(text)))
    return _STRUCK.sub("", normal).translate(_PLAINER)


def _seen(text: str) -> str:
    text = _BLANK.sub("", text)
    if text.isprintable() and not _MARKS.search(text):
        return text
    kept, marks = [], 0
    for c in text:
        kind = unicodedata.category(c)
        marks = marks + 1 if kind[0] == "M" else 0
        if c in "\t\n\r" or (kind not in _UNPRINTABLE and marks <= _MOST_MARKS):
            kept.append(c)
    return "".join(kept)
