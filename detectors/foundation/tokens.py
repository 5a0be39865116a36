"""Tokenize a ticket's text, select the terms that count, and hash them for a sketch."""

import itertools
import re
import zlib
from functools import lru_cache
from typing import Final

LANGUAGES: Final = (
    "en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "norwegian", "fi", "pl", "cs", "tr", "ru",
)  # fmt: skip
"""Languages whose stop words are all removed from every ticket, because tickets seldom state their
language."""
TELLING: Final = frozenset((
    "page", "full", "empty", "system", "number", "order", "bill", "fire", "call", "computer",
    "test", "web", "failing", "cannot", "down", "click", "twice", "null", "zero", "date", "close",
    "open", "save", "amount", "detail", "name", "state", "email",
))  # fmt: skip
"""Words on the stop-word lists that are kept because they say what broke."""
MOST_WORDS: Final = 40
"""Only this many distinct words of a ticket count, the first ones, and as many word pairs."""
MOST_CHARACTERS: Final = 40
_WORD: Final = re.compile(r"[^\W_](?:\w|[-.:/](?=\w)){0,59}")
_PLACEHOLDER: Final = re.compile(r"\[[a-z]{2,8}\]")


@lru_cache(maxsize=1)
def stop_words() -> frozenset[str]:
    """Return the stop words of all `LANGUAGES` except those in `TELLING`.

    Source: the package stop-words.

    Example:
        >>> "the" in stop_words(), "und" in stop_words(), "error" in stop_words()
        (True, True, False)
    """
    from stop_words import get_stop_words  # noqa: PLC0415  (reads files; not always needed)

    return frozenset(word for name in LANGUAGES for word in get_stop_words(name)) - TELLING


def tokens(text: str) -> list[str]:
    """Split text into case-folded words in order; keep error codes whole, drop placeholders.

    Example:
        >>> tokens("Login fails: ERR_401_sso, see ORA-12154 of [email] at net::timeout.")
        ['login', 'fails', 'err_401_sso', 'see', 'ora-12154', 'of', 'at', 'net', 'timeout']
    """
    return _WORD.findall(_PLACEHOLDER.sub(" ", text.casefold()))


def terms(text: str) -> tuple[str, ...]:
    """Return the distinct words and word pairs of a text that may be informative.

    Numbers of three to five digits count as words, because error codes look like that; other
    numbers do not. A pair is two words that are adjacent after stop words are removed.

    Example:
        >>> terms("I get error 503 in the app")
        ('error', '503', 'app', 'error 503', '503 app')
    """
    ignored = stop_words()
    words: list[str] = []
    for word in tokens(text):
        if word not in ignored and 2 <= len(word) <= MOST_CHARACTERS and _is_informative(word):
            words.append(word)
            if len(words) == 2 * MOST_WORDS:
                break
    singles = list(dict.fromkeys(words))[:MOST_WORDS]
    pairs = dict.fromkeys(
        f"{first} {second}" for first, second in itertools.pairwise(words) if first != second
    )
    return (*singles, *list(pairs)[:MOST_WORDS])


def _is_informative(word: str) -> bool:
    return not word.replace(".", "").isdigit() or (3 <= len(word) <= 5 and word.isdigit())


@lru_cache(maxsize=65_536)
def hashed(term: str) -> int:
    """Return a 32-bit hash of a term that is the same in every process."""
    return zlib.crc32(term.encode("utf-8", "replace"))
