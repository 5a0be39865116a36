"""E-mail headers that contain text from tickets."""

import asyncio
import dataclasses
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stream.notify.model.message import Message
from tests.support.examples import examples
from tests.support.providers.mail import Mail
from tests.support.receiver_cases import CASES, running

ENCODED_WORDS = (
    "=?utf-8?q?x=0d=0areply-to:_a=40b?=",
    "=?utf-8?q?=0d=0a=0d=0abody?=",
    "=?us-ascii?q?_=5BRESOLVED=5D?=",
    "=?utf-8?q?=E2=80=AE?=",
    "=?utf-8?b?DQpCY2M6IGFAYg==?=",
    "=?iso-8859-1?Q?=0Acc:_a@b?=",
)
"""Encoded words (RFC 2047) of line breaks, of an override of the writing direction, of a status."""
TEXT = st.lists(
    st.sampled_from(ENCODED_WORDS)
    | st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"])),
    min_size=1,
    max_size=4,
).map(" ".join)
MESSAGE = Message(
    key="episode",
    id="episode/1",
    action="open",
    reason="opened",
    title="",
    lines=("line",),
    severity="warning",
    labels={},
    since=datetime(2026, 3, 2, 9, tzinfo=UTC),
)


def deliver(message: Message, folder: Path) -> EmailMessage:
    """Send a message to a mail server, and return the mail that the server received."""

    async def send() -> EmailMessage:
        async with running(CASES["email"], folder) as (sink, provider):
            assert isinstance(provider, Mail)
            await sink.send(message, {})
            return provider.mails[-1]

    return asyncio.run(send())


def on_one_line(text: str) -> str:
    """Return a text as a header can hold it."""
    return "".join(c if c.isprintable() else " " for c in text).strip()


def test_text_from_tickets_writes_no_header(tmp_path: Path) -> None:
    """Every title and key arrives literally, and the mail has no header but ours."""

    @settings(max_examples=examples(15))
    @given(title=TEXT, key=TEXT)
    @example(title=f"[WARNING] {ENCODED_WORDS[0]} of acme", key=ENCODED_WORDS[1])
    def check(title: str, key: str) -> None:
        title, key = title[:200], key[:200]
        mail = deliver(dataclasses.replace(MESSAGE, title=title, subject=title, key=key), tmp_path)
        assert mail["subject"] == on_one_line(title)
        assert mail["x-spikewatch-key"] == on_one_line(key)

    check()


@pytest.mark.parametrize("text", ENCODED_WORDS)
def test_an_encoded_word_stays_text(tmp_path: Path, text: str) -> None:
    """A mail client shows the characters of an encoded word, not what they encode."""
    title = f"[WARNING] {text}: 6 tickets"
    mail = deliver(dataclasses.replace(MESSAGE, title=title, subject=title), tmp_path)
    assert mail["subject"] == f"[WARNING] {text}: 6 tickets"
    assert mail["reply-to"] is None


def test_all_mails_of_an_episode_have_one_subject(tmp_path: Path) -> None:
    """Mail programs thread by subject too, so what changes stands in the text."""

    opened = dataclasses.replace(MESSAGE, subject="spikewatch: login of acme (ba0e80aba3f9)")

    async def send() -> list[EmailMessage]:
        async with running(CASES["email"], tmp_path) as (sink, provider):
            assert isinstance(provider, Mail)
            handle = await sink.send(opened, {})
            elsewhere = dataclasses.replace(
                opened, id="2", title="[CRITICAL] all of acme", subject="spikewatch: all of acme"
            )
            await sink.send(elsewhere, handle)
            return provider.mails

    first, second = asyncio.run(send())
    assert first["subject"] == second["subject"] == opened.subject
    assert "tickets" not in first["subject"]
    assert second["references"] == first["message-id"]
    text = second.get_body(("plain",))
    assert text is not None
    assert "[CRITICAL] all of acme" in text.get_content()
