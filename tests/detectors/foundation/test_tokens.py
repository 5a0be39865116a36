"""Terms of a text: words, error codes, numbers and pairs, and their bounds."""

import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.foundation.tokens import (
    LANGUAGES,
    MOST_CHARACTERS,
    MOST_WORDS,
    TELLING,
    hashed,
    stop_words,
    terms,
    tokens,
)


@pytest.mark.parametrize(
    "code", ["err_401_sso", "ora-12154", "0x80070005", "e4711", "net.timeout", "ts-404.a/b"]
)
def test_an_error_code_is_one_token(code: str) -> None:
    """The code stays whole whatever joins its parts and whatever surrounds it."""
    assert code in tokens(f"It says: {code.upper()}, again!")
    assert tokens(f"({code}).") == [code]
    assert code in terms(f"it says {code} again")


def test_trailing_punctuation_is_no_part_of_a_word() -> None:
    """Points, dashes and slashes join words only if a letter or a digit follows."""
    assert tokens("login- fails... a/b, -x- _y_") == ["login", "fails", "a/b", "x", "y_"]


@pytest.mark.parametrize("placeholder", ["[email]", "[phone]", "[token]", "[card]", "[EMAIL]"])
def test_a_redaction_placeholder_is_no_word(placeholder: str) -> None:
    """A placeholder occurs in many tickets and distinguishes none of them."""
    assert tokens(f"mail {placeholder} bounced") == ["mail", "bounced"]
    assert tokens(f"mail{placeholder}bounced") == ["mail", "bounced"]


def test_other_brackets_are_text() -> None:
    """Only a short word of letters is a placeholder."""
    assert tokens("[urgent-now] [401] [a]") == ["urgent-now", "401", "a"]


@pytest.mark.parametrize(
    "sentence",
    [
        "this is not what we have",
        "und das ist aber nicht so",
        "nous ne sommes pas avec vous",
        "pero no es para nosotros",
        "non sono con questo",
        "niet voor mij maar het is ook",
    ],
)
def test_stop_words_of_all_languages_are_left_out(sentence: str) -> None:
    """All languages are combined, since a ticket seldom states its own."""
    assert terms(sentence) == ()
    assert terms(f"{sentence} kaboom {sentence}") == ("kaboom",)


def test_stop_words_cover_every_language_and_no_complaint() -> None:
    """Words that describe a problem are in no list."""
    assert len(LANGUAGES) == len(set(LANGUAGES)) == 15
    assert {"the", "und", "pour", "pero", "sono", "het", "och", "не"} <= stop_words()
    telling = {"error", "login", "password", "sso", "timeout", "crash", "invoice", "fehler"}
    assert not telling & stop_words()


@pytest.mark.parametrize("word", sorted(TELLING))
def test_a_word_that_describes_a_problem_is_no_stop_word(word: str) -> None:
    """Such a word is kept even if a list of stop words of some language has it."""
    assert word not in stop_words()
    assert terms(f"the {word.upper()} is kaboom") == (word, "kaboom", f"{word} kaboom")


def test_a_complaint_in_plain_words_has_terms() -> None:
    """Customers describe problems with words such as empty, full and twice."""
    assert {"page", "empty", "full", "order", "twice"} <= TELLING
    assert terms("the page is empty") == ("page", "empty", "page empty")
    assert terms("we got the order twice, disk full") == (
        "order", "twice", "disk", "full", "order twice", "twice disk", "disk full",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("number", "counts"),
    [
        ("5", False), ("42", False), ("404", True), ("4711", True), ("12154", True),
        ("123456", False), ("20240415", False), ("4.2.1", False), ("19.99", False),
    ],
)  # fmt: skip
def test_numbers_of_three_to_five_digits_are_words(number: str, counts: bool) -> None:
    """Error codes are kept; amounts, ids, dates and versions are not."""
    assert (number in terms(f"problem {number} appears")) is counts


def test_a_pair_is_two_consecutive_words_without_stop_words() -> None:
    """Stop words between them are skipped, and a word forms no pair with itself."""
    assert terms("payment of the card failed") == (
        "payment", "card", "failed", "payment card", "card failed",
    )  # fmt: skip
    assert terms("slow slow slow login") == ("slow", "login", "slow login")
    assert terms("error") == ("error",)


def test_each_term_counts_once_per_ticket() -> None:
    """A repeated term counts once."""
    assert terms("crash login crash login") == ("crash", "login", "crash login", "login crash")


def test_terms_ignore_case() -> None:
    """Case folding applies even where it changes more than the case."""
    assert terms("STRASSE gesperrt") == terms("Straße GESPERRT")


def test_single_letters_and_overlong_words_are_left_out() -> None:
    """A word beyond the maximum length is likely a token or a dump."""
    assert terms("x y z") == ()
    assert terms(f"{'a' * MOST_CHARACTERS} b c") == ("a" * MOST_CHARACTERS,)
    assert terms("a" * (MOST_CHARACTERS + 1)) == ()


@pytest.mark.parametrize(
    "text",
    [
        " ".join(f"word{number}" for number in range(7_000)),
        "a" * 60_000,
        "a-" * 30_000,
        "-" * 60_000,
        "[abc" * 15_000,
        "the " * 15_000,
        "ä€" * 30_000,
    ],
    ids=["words", "one word", "joined", "dashes", "brackets", "stop words", "signs"],
)
def test_terms_of_long_texts_are_bounded_and_quick(text: str) -> None:
    """The number and length of terms and the processing time are bounded for any text."""
    begin = time.process_time()
    found = terms(text)
    assert time.process_time() - begin < 0.5
    assert sum(" " not in term for term in found) <= MOST_WORDS
    assert sum(" " in term for term in found) <= MOST_WORDS
    assert max(map(len, found), default=0) <= 2 * MOST_CHARACTERS + 1


def test_the_first_words_of_a_long_text_are_kept() -> None:
    """Customers describe the problem before they paste a log."""
    found = terms("login broken " + " ".join(f"line{number}" for number in range(500)))
    assert found[:2] == ("login", "broken")
    assert found[MOST_WORDS] == "login broken"
    assert len(found) == 2 * MOST_WORDS


@given(st.text(max_size=400))
def test_any_text_gives_valid_terms(text: str) -> None:
    """Terms are distinct, no stop words, and pairs consist of words of the text."""
    found = terms(text)
    assert len(set(found)) == len(found)
    words = {term for term in found if " " not in term}
    assert not words & stop_words()
    for term in found:
        assert len(term.split(" ")) <= 2
        assert all(2 <= len(word) <= MOST_CHARACTERS for word in term.split(" "))
    for pair in set(found) - words:
        assert len(words) == MOST_WORDS or set(pair.split(" ")) <= words


@given(st.text(max_size=60))
def test_the_hash_of_a_term_is_the_same_in_every_process(term: str) -> None:
    """The 32-bit hash has no seed, so that a sketch can be read after a restart."""
    assert hashed(term) == zlib.crc32(term.encode())
    assert 0 <= hashed(term) < 2**32


def test_a_lone_surrogate_is_accepted() -> None:
    """A lone surrogate does not raise and is hashed like a question mark."""
    assert hashed("\ud800") == hashed("?")
    assert terms("bad \ud800 text")
