"""Areas and values of dimensions: version numbers are kept, personal data is not."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import area_name, value_name
from schemas.privacy.labels import redact_label
from schemas.privacy.redaction import redact_value
from tests.support.planted import KINDS, plant

VERSIONS = [
    "387.1.0.34.85",
    "8.105.0 build 15 50626",
    "5.4.20.2403151200",
    "1.2.3 (20240517)",
    "1.2.3 (12345678)",
    "2024.03.15",
    "v1.2.3-rc.1+build.5114",
    "10.0.19045.4291",
    "120.0.6099.130",
    "1:2.3.4-5ubuntu1",
    "1:2.3.4.20240517-5ubuntu1~22.04.1",
    "9A334",
    "17.4.1 (21E236)",
    "23H2 (22631.3296)",
    "r12345678",
    "build 12345678",
    "20240517",
    "20240517123045",
    "24004.1309.2689.2246",
    "5.17.11.3835",
    "01.02.0003",
    "v1.2.3.4",
    "1.2.3.4-beta",
    "1.0.0-20241101123456-abcdef123456",
    "3.598.10000",
    "11.20240517.3-SNAPSHOT",
    "13.4.5.2147483647",
    "iOS 17.4.1",
]
COMPANIES = [
    "1000101 Ontario Inc.",
    "9123-4567 Québec inc.",
    "12345678 Canada Ltd",
    "3M",
    "7-Eleven",
]
PERSONAL = {
    "[email]": ["j.doe@example.com", "8.1.0 j.doe@example.com"],
    "[phone]": [
        "+49 170 1234567",
        "+49.170.1234567",
        "0172 1234567",
        "0172.1234567",
        "01.23.45.67.89",
        "555.010.9999",
        "555-0199",
        "(555) 010-9999",
        "044 123.45.67",
        "044.123 45 67",
        "build 170 1234567",
        "v1.2.3 0172 1234567",
        "1.2.3 +49 170 1234567",
    ],
    "[number]": ["tel 5550199", "03.04.1985", "1234567890"],
    "[card]": [
        "4111 1111 1111 1111",
        "4111111111111111",
        "4111.1111.1111.1111",
        "3782 822463 10005",
    ],
    "[iban]": ["DE89 3704 0044 0532 0130 00"],
    "[ip]": ["10.0.1.2", "203.0.113.7", "2001:db8::1"],
    "[id]": ["123-45-6789", "A1234567", "passport 1234567", "BSN 123456789"],
    "[secret]": ["password: 4.2.1.20240101"],
}


@pytest.mark.parametrize("text", VERSIONS + COMPANIES)
def test_versions_and_numbers_of_companies_are_kept(text: str) -> None:
    """Otherwise all versions of an app would be one value, and no slice of it could page."""
    assert redact_label(text) == text
    assert value_name(text) == area_name(text) == text.lower()


@pytest.mark.parametrize("text", VERSIONS)
def test_a_version_is_kept_beside_a_name(text: str) -> None:
    assert redact_label(f"Android {text}") == f"Android {text}"


@pytest.mark.parametrize(
    ("kind", "text"), [(kind, text) for kind, texts in PERSONAL.items() for text in texts]
)
def test_what_cannot_be_a_version_is_redacted(kind: str, text: str) -> None:
    assert kind in redact_label(text)
    assert kind in redact_label(f"app {text}")
    shown = redact_label(text)
    assert "".join(c for c in shown if c.isdigit()) in ("", "123", "810")  # of v1.2.3 and 8.1.0


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_planted_personal_data_is_never_kept_for_a_version(kind: str) -> None:
    """Of a thousand samples, nothing is kept that the rules for other names redact."""
    random = Random(20_261_130)
    for _ in range(1_000):
        planted = plant(random, kind)
        for label in (planted.text, f"app {planted.text}", f"{planted.text} login"):
            strict, kept = redact_value(label).lower(), redact_label(label).lower()
            left = [t for t in planted.traces if t in kept and t not in strict]
            assert not left, (label, kept)


@given(st.text(alphabet="0123456789.-+ ()vrbx", max_size=40))
def test_redacting_a_label_again_changes_nothing(text: str) -> None:
    redacted = redact_label(text)
    assert redact_label(redacted) == redacted
    assert redacted.isprintable()
