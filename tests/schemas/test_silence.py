"""Matchers of silences, written as amtool reads them."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.silence import Matcher

LOGIN = {"product_area": "login", "tenant": "acme"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("product_area=login", "login"),
        ('product_area="login"', "login"),
        ('product_area = "login" ', "login"),
        (r'product_area="say \"hi\""', 'say "hi"'),
        (r'product_area="a\\b"', "a\\b"),
        (r'product_area="a\nb"', "a\nb"),
        (r'product_area=~"log\.in"', r"log\.in"),
        (r"product_area=~log\d", r"log\d"),
        ('product_area="a, b"', "a, b"),
        ("product_area=", ""),
        ('product_area=""', ""),
        ("product_area=a=b", "a=b"),
    ],
)
def test_a_value_is_read_as_amtool_reads_it(text: str, value: str) -> None:
    """Double quotes and escapes are syntax, not part of the value."""
    assert Matcher.parse(text).value == value


def test_a_quoted_value_matches_its_label() -> None:
    """On-call is not paged in spite of the silence."""
    assert Matcher.parse('product_area="login"').matches(LOGIN)


@pytest.mark.parametrize(
    "text",
    [
        "product_area=login,tenant=acme",
        'product_area="login",tenant="acme"',
        'product_area="login',
        'product_area=login"',
        'product_area=lo"gin',
        'product_area="lo"gin"',
        '{product_area="login"}',
    ],
)
def test_what_looks_like_something_else_is_refused(text: str) -> None:
    """A silence that would match nothing is not accepted."""
    with pytest.raises(ValueError, match=r"matcher|double quote"):
        Matcher.parse(text)


@given(
    value=st.text(st.characters(codec="utf-8"), max_size=30),
    is_equal=st.booleans(),
)
@example(value="~", is_equal=True)
def test_a_matcher_is_printed_as_it_is_read(value: str, *, is_equal: bool) -> None:
    """What a list of silences shows can be given to the command again."""
    matcher = Matcher(name="product_area", value=value, is_equal=is_equal)
    assert Matcher.parse(str(matcher)) == matcher
