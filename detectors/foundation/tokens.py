"""The words of a ticket: which ones count, and how a word is hashed for a sketch."""

import itertools
import re
import zlib
from functools import lru_cache
from typing import Final

LANGUAGES: Final = (
    "en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "norwegian", "fi", "pl", "cs", "tr", "ru",
)  # fmt: skip
"""Languages whose stop words are left out, all at once, because a ticket seldom names its
language."""
TELLING: Final = frozenset((
    "page", "full", "empty", "system", "number", "order", "bill", "fire", "call", "computer",
    "test", "web", "failing", "cannot", "down", "click", "twice", "null", "zero", "date", "close",
    "open", "save", "amount", "detail", "name", "state", "email",
))  # fmt: skip
"""Words of those lists that say what broke and therefore count."""
MOST_WORDS: Final = 40
"""Different words of one ticket that count, the first ones, and as many pairs."""
MOST_CHARACTERS: Final = 40
_WORD: Final = re.compile(r"[^\W_](?:\w|[-.:/](?=\w)){0,59}")
_PLACEHOLDER: Final = re.compile(r"\[[a-z]{2,8}\]")


@lru_cache(maxsize=1)
def stop_words() -> frozenset[str]:
    """Return the stop words of all `LANGUAGES`, without those in `TELLING`.

    Source: the package stop-words.

    Example:
        >>> "the" in stop_words(), "und" in stop_words(), "error" in stop_words()
        (True, True, False)
    """
    from stop_words import get_stop_words  # noqa: PLC0415  (reads files; not always needed)

    return frozenset(word for name in LANGUAGES for word in get_stop_words(name)) - TELLING


def tokens(text: str) -> list[str]:
    """Return the words of *text* in order: case-folded, error codes whole, placeholders left out.

    Example:
        >>> tokens("Login fails: ERR_401_sso, see ORA-12154 of [email] at net::timeout.")
        ['login', 'fails', 'err_401_sso', 'see', 'ora-12154', 'of', 'at', 'net', 'timeout']
    """
    return _WORD.findall(_PLACEHOLDER.sub(" ", text.casefold()))


def terms(text: str) -> tuple[str, ...]:
    """Return the different words and word pairs of *text* that may say something.

    Numbers of three to five digits are words, because error codes are; other numbers are not. A
    pair is two adjacent words, stop words left out.

    Example:
        >>> terms("I get error 503 in the app")
        ('error', '503', 'app', 'error 503', '503 app')
    """
    silent = stop_words()
    words: list[str] = []
    for word in tokens(text):
        if word not in silent and 2 <= len(word) <= MOST_CHARACTERS and _tells(word):
            words.append(word)
            if len(words) == 2 * MOST_WORDS:
                break
    singles = list(dict.fromkeys(words))[:MOST_WORDS]
    pairs = dict.fromkeys(
        f"{one} {other}" for one, other in itertools.pairwise(words) if one != other
    )
    return (*singles, *list(pairs)[:MOST_WORDS])


def _tells(word: str) -> bool:
    return not word.replace(".", "").isdigit() or (3 <= len(word) <= 5 and word.isdigit())


@lru_cache(maxsize=65_536)
def hashed(term: str) -> int:
    """Return a 32-bit hash of *term*, the same in every process."""
    return zlib.crc32(term.encode("utf-8", "replace"))
