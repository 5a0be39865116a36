"""All sinks, each against a provider that is as strict as its documentation."""

import asyncio
import contextlib
import dataclasses
import json
import logging
import re
import ssl
import unicodedata
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from stream.notify.model.errors import RefusedError, TryAgainError
from stream.notify.model.message import Action, Message, MessageContext, of_event
from stream.notify.sinks import SINKS
from stream.notify.sinks.base import Handle, Sink
from stream.notify.sinks.email import Email, MailOptions, address
from stream.notify.sinks.safe_http import Http
from stream.notify.sinks.webhook import secret_bytes, signature
from tests.support.escalations import HOSTILE, UNSEEN, account, escalation, hostile
from tests.support.examples import examples
from tests.support.providers import fakes as providers
from tests.support.receiver_cases import CASES, Case, running

AUTHORITY = trustme.CA()
CERTIFICATE = AUTHORITY.issue_cert("localhost", "127.0.0.1")
"""A certificate for localhost and its key, made for these tests."""
LINK = "https://spikewatch.example.com/#/{tenant}/{episode}"
EVERY = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
BY_HTTP = pytest.mark.parametrize(
    "case", [c for c in CASES.values() if c.http], ids=[c.name for c in CASES.values() if c.http]
)
TRANSITION: dict[Action, str] = {"open": "opened", "resolve": "resolved"}
LIFE: tuple[Action, ...] = ("open", "update", "acknowledge", "answer", "resolve")
GONE_THROUGH_TEXT = 200
"""Characters that every sink shows of a line, whatever its limits."""


def message(action: Action = "open", sequence: int = 1, **more: Any) -> Message:
    """A message of the escalation of `escalations`."""
    event = escalation(TRANSITION.get(action, "updated"), sequence=sequence)
    context = MessageContext(link=LINK, by="ann", **more)
    return of_event(event, action, "first", context)


async def tell(sink: Sink, *messages: Message, handle: Handle | None = None) -> Handle:
    """Send them one after the other, as far as the sink has a use for them."""
    known = dict(handle or {})
    for one in messages:
        if one.action in sink.actions:
            known = await sink.send(one, dict(known))
    return known


def shown(provider: Any) -> str:
    """All that a person would see."""
    if isinstance(provider, providers.Folder):
        provider.read()
    return "\n".join(provider.shown)


def test_every_kind_has_a_case() -> None:
    """A sink that is added is tried here."""
    assert {case.sink for case in CASES.values()} == set(SINKS.values())


# What is told.


@EVERY
def test_an_episode_lives_and_ends(case: Case, tmp_path: Path) -> None:
    """Opened, updated, acknowledged, judged, resolved: all under one key, and over at the end."""

    async def live() -> None:
        async with running(case, tmp_path) as (sink, provider):
            handle: Handle = {}
            for number, action in enumerate(LIFE, 1):
                handle = await tell(sink, message(action, number), handle=handle)
                if action == "open" and not isinstance(provider, providers.Folder):
                    assert set(provider.state.values()) == {"open"}
            assert "7 tickets" in shown(provider)
            if isinstance(provider, providers.Folder):
                assert len(provider.shown) == len(LIFE)
                return
            assert len(set(provider.heard)) == 1
            if not isinstance(provider, providers.Mail):
                assert set(provider.state.values()) == {"resolved"}
            assert json.loads(json.dumps(handle)) == handle
            assert all(isinstance(value, str) for value in handle.values())

    asyncio.run(live())


@EVERY
def test_the_same_message_twice_does_no_harm(case: Case, tmp_path: Path) -> None:
    """What a crash sends again has the same key and id, so that the provider sees one episode."""

    async def twice() -> None:
        async with running(case, tmp_path) as (sink, provider):
            first = message()
            handle = await tell(sink, first)
            await tell(sink, first, handle=handle)
            handle = await tell(sink, first)
            await tell(sink, message("resolve", 2), message("resolve", 2), handle=handle)
            assert len(set(provider.heard)) <= 1
            if isinstance(provider, providers.Folder):
                assert len(provider.read()) == 2
            if isinstance(provider, providers.Webhook | providers.Mail):
                assert len(set(provider.ids)) == 2

    asyncio.run(twice())


TO_PEOPLE = [c for c in CASES.values() if c.sink.takes_address and c.name != "slack webhook"]


@pytest.mark.parametrize("case", TO_PEOPLE, ids=[c.name for c in TO_PEOPLE])
def test_messages_to_two_owners_differ(case: Case, tmp_path: Path) -> None:
    """Two owners are told different things of one episode: neither's is taken for a copy."""

    async def both() -> None:
        async with running(case, tmp_path) as (sink, provider):
            owners = ("on-call+1@example.com", "ann-1@example.com")
            for name in owners:
                accounts = [account(f"customer of {name}")]
                await tell(sink, message(address=name, accounts=accounts))
            for name in owners:
                assert f"customer of {name}" in shown(provider)
            assert len(set(provider.ids)) == len(provider.ids)

    asyncio.run(both())


LETTERS = ["x", "é", "東", "🔥", "👩‍👩‍👧", "&", "<", '"', "\\"]
LONG_TEXTS = [
    pytest.param(
        case,
        letter,
        id=f"{letter}-{case.name}",
        # Mails fold their lines, which takes seconds where each character has to be encoded.
        marks=pytest.mark.slow if case.name == "email" and letter != "x" else (),
    )
    for case in CASES.values()
    for letter in LETTERS
]


@pytest.mark.parametrize(("case", "letter"), LONG_TEXTS)
def test_long_text_fits(case: Case, tmp_path: Path, letter: str) -> None:
    """Ten thousand characters are cut to what the provider takes, in characters and in bytes."""
    text = letter * (10_000 // len(letter))
    name = letter * (64 // len(letter))
    event = escalation(product_area=name, tenant=text)
    long = dataclasses.replace(
        of_event(event, "open", "first", MessageContext(link=LINK)),
        title=text,
        lines=(text,) * 15,
        links=(
            ("Open the episode", f"https://e.example/{'x' * 10_000}"),
            ("Runbook", "https://e.example/#" + letter.strip('"<\\') * 500),
            *((text, f"https://e.example/{number}{'x' * 1900}") for number in range(30)),
        ),
        facts=((text, text),) * 15,
        answerable=True,
        by=text,
    )

    async def fit() -> None:
        async with running(case, tmp_path) as (sink, provider):
            handle: Handle = {}
            for number, action in enumerate(LIFE):
                one = dataclasses.replace(long, action=action, id=f"{long.id}{number}")
                handle = await tell(sink, one, handle=handle)
            text = shown(provider).replace("\u200b", "")
            assert letter * (GONE_THROUGH_TEXT // len(letter) // 4) in text

    asyncio.run(fit())


@EVERY
def test_text_of_strangers_is_literal(case: Case, tmp_path: Path) -> None:
    """Markup, templates, formulas and headers in a ticket's text are shown as they were written."""

    async def show() -> None:
        async with running(case, tmp_path) as (sink, provider):
            handle: Handle = {}
            for action in LIFE:
                event = hostile(TRANSITION.get(action, "updated"))
                one = of_event(event, action, "first", MessageContext(link=LINK, by=HOSTILE[0]))
                handle = await tell(sink, one, handle=handle)
            text = shown(provider)
            if case.name == "apprise":  # nobody knows what its service takes for a call
                assert not any(call in text for call in ("<!", "<http"))
                text = text.replace("\u200b", "")
            for piece in HOSTILE:
                assert piece in text
            assert "*x* 49" not in text  # a template that somebody filled in
            kinds = {unicodedata.category(c) for c in text if c not in "\n\r\t"}
            assert not kinds & {"Cc", "Cf", "Cs", "Zl", "Zp"}

    asyncio.run(show())


@EVERY
def test_no_title_ends_a_header(case: Case, tmp_path: Path) -> None:
    """Even a message that nobody cleaned sets no header of its own and pings nobody."""
    text = f"{' '.join(HOSTILE)}{UNSEEN}\ud800"
    raw = dataclasses.replace(
        message(), title=text, lines=(text, UNSEEN, ""), facts=((text, text),), by=text
    )

    async def show() -> None:
        async with running(case, tmp_path) as (sink, provider):
            handle = await tell(sink, raw)
            update = dataclasses.replace(raw, action="update", id=f"{raw.id}2")
            await tell(sink, update, handle=handle)
            for piece in HOSTILE:
                assert piece in shown(provider).replace("\u200b", "")
            if isinstance(provider, providers.Mail):
                assert provider.to == [["support@example.com"]] * 2
                assert all(mail["bcc"] is None for mail in provider.mails)

    asyncio.run(show())


def test_mails_of_an_episode_are_a_thread(tmp_path: Path) -> None:
    """All refer to the first; each has an id of its own, and the subject says how it stands."""

    async def thread() -> None:
        async with running(CASES["email"], tmp_path) as (sink, provider):
            await tell(sink, message(), message("update", 2), message("resolve", 3))
            first, *rest = provider.mails
            assert first["references"] is None
            assert "[RESOLVED]" in provider.mails[-1]["subject"]
            assert "[WARNING]" in first["subject"]
            assert len({mail["message-id"] for mail in provider.mails}) == 3
            for mail in rest:
                assert mail["references"] == mail["in-reply-to"] == first["message-id"]

    asyncio.run(thread())


def test_slack_edits_one_message_and_answers_in_its_thread(tmp_path: Path) -> None:
    """One message in the channel, as it stands now; what changed is below it."""

    async def edit() -> None:
        async with running(CASES["slack"], tmp_path) as (sink, provider):
            handle = await tell(sink, message(), message("update", 2), message("resolve", 3))
            assert handle == {"channel": "C0123456789", "ts": "1700000000.000000"}
            assert len(provider.messages) == 1
            assert len(provider.replies) == 2
            assert "[RESOLVED]" in provider.messages[handle["ts"]]["text"]
            provider.messages.clear()  # somebody deleted it
            assert await tell(sink, message("update", 4), handle=handle)
            assert len(provider.messages) == 1

    asyncio.run(edit())


def test_an_alert_is_one_label_set_whatever_changes(tmp_path: Path) -> None:
    """Severity, counts and explanation change within an episode; labels do not."""

    async def change() -> None:
        async with running(CASES["alertmanager"], tmp_path) as (sink, provider):
            handle = await tell(sink, message())
            event = escalation("updated", sequence=2, severity="critical", issue_type="other")
            graver = of_event(event, "update", "severity_raised", MessageContext())
            await tell(sink, graver, handle=handle)
            assert len(provider.state) == 1
            assert "critical" in provider.shown

    asyncio.run(change())


def test_an_alert_of_a_clock_that_is_ahead_is_taken(tmp_path: Path) -> None:
    """A helpdesk's clock may be ahead of ours: no alert ends before it starts."""

    async def ahead() -> None:
        async with running(CASES["alertmanager"], tmp_path) as (sink, provider):
            since = datetime.now(UTC) + timedelta(minutes=10)
            early = dataclasses.replace(message(), since=since)
            over = dataclasses.replace(message("resolve", 2), since=since)
            await tell(sink, early, over)
            assert set(provider.state.values()) == {"resolved"}

    asyncio.run(ahead())


def test_the_signature_is_that_of_the_standard() -> None:
    """The example of Standard Webhooks, which its libraries verify."""
    secret = secret_bytes("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    identifier, body = "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}'
    found = signature(secret, identifier, "1614265330", body)
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


# What does not work.


@BY_HTTP
@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
def test_what_may_pass_is_tried_again(case: Case, tmp_path: Path, status: int) -> None:
    """A provider that is busy or broken is asked again, when it says."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)

    async def fail() -> None:
        async with running(case, tmp_path) as (sink, provider):
            for header, least, most in (
                ("7", 7.0, 7.0),
                (date, 80.0, 91.0),
                ("99999", 60.0, 3600.0),
            ):
                provider.faults.append(providers.Fault(status, {"Retry-After": header}))
                with pytest.raises(TryAgainError, match=str(status)) as told:
                    await tell(sink, message())
                assert told.value.after is not None
                assert least <= told.value.after <= most
            for header in ("soon", "-3", "²", "Fri, 31 Dec 9999 23:59:59 -2359", ""):
                provider.faults.append(providers.Fault(status, {"Retry-After": header}))
                with pytest.raises(TryAgainError):
                    await tell(sink, message())
            await tell(sink, message())  # and then it works

    asyncio.run(fail())


@BY_HTTP
@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413])
def test_what_cannot_pass_is_refused(case: Case, tmp_path: Path, status: int) -> None:
    """What the provider refuses is not tried again, and its words are told."""

    async def fail() -> None:
        async with running(case, tmp_path) as (sink, provider):
            provider.faults.append(providers.Fault(status, body="the\nchannel is\x1b archived"))
            with pytest.raises(RefusedError, match=rf"{status}: the channel is\? archived"):
                await tell(sink, message())
            assert provider.requests == 1

    asyncio.run(fail())


@BY_HTTP
def test_a_redirect_is_not_followed(case: Case, tmp_path: Path) -> None:
    """Wherever it leads, nothing is sent there."""

    async def fail() -> None:
        async with running(case, tmp_path) as (sink, provider):
            for status in (301, 302, 307, 308):
                provider.faults.append(
                    providers.Fault(status, {"Location": f"{provider.url}/elsewhere"})
                )
                with pytest.raises(RefusedError, match="redirects are not followed"):
                    await tell(sink, message())
            assert provider.requests == 4

    asyncio.run(fail())


@BY_HTTP
def test_a_line_that_breaks_is_tried_again(case: Case, tmp_path: Path) -> None:
    """A reset, an answer that does not come, a port where nobody listens."""

    async def fail() -> None:
        async with running(case, tmp_path, timeout=0.3) as (sink, provider):
            provider.faults.append(providers.Fault(reset=True))
            with pytest.raises(TryAgainError, match="cannot be reached"):
                await tell(sink, message())
            provider.faults.append(providers.Fault(hang=20.0))
            with pytest.raises(TryAgainError, match="did not respond in time"):
                await tell(sink, message())
        with pytest.raises((TryAgainError, RuntimeError)):  # the client is closed
            await tell(sink, message())
        async with Http((providers.HOST,)) as http:
            sink.http = http
            with pytest.raises(TryAgainError, match="cannot be reached"):
                await tell(sink, message())

    asyncio.run(fail())


@BY_HTTP
@pytest.mark.parametrize(
    "body", ["", "null", "[]", '{"ok": true}', "[" * 60_000, "\ud7ff" * 9, "7"]
)
def test_an_answer_that_makes_no_sense_is_no_crash(case: Case, tmp_path: Path, body: str) -> None:
    """Whatever a provider answers, there are three endings: sent, again, refused."""

    async def fail() -> None:
        async with running(case, tmp_path) as (sink, provider):
            for work in (lambda: tell(sink, message()), sink.check):
                provider.faults.append(providers.Fault(200, body=body))
                with contextlib.suppress(TryAgainError, RefusedError):
                    await work()
                provider.faults.clear()

    asyncio.run(fail())


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("ratelimited", TryAgainError),
        ("internal_error", TryAgainError),
        ("channel_not_found", RefusedError),
        ("invalid_auth", RefusedError),
        ("msg_too_long", RefusedError),
    ],
)
def test_slack_says_no_with_200(tmp_path: Path, error: str, kind: type[Exception]) -> None:
    """Slack's errors come with status 200; the word decides."""

    async def fail() -> None:
        async with running(CASES["slack"], tmp_path) as (sink, provider):
            body = json.dumps({"ok": False, "error": error})
            provider.faults.append(providers.Fault(200, body=body))
            with pytest.raises(kind, match=error):
                await tell(sink, message())

    asyncio.run(fail())


@pytest.mark.parametrize(("status", "kind"), [(451, TryAgainError), (550, RefusedError)])
def test_a_mail_server_says_no(tmp_path: Path, status: int, kind: type[Exception]) -> None:
    """4xx is for now, 5xx for good."""

    async def fail() -> None:
        async with running(CASES["email"], tmp_path) as (sink, provider):
            provider.faults.append(providers.Fault(status))
            with pytest.raises(kind, match=str(status)):
                await tell(sink, message())
            await tell(sink, message())
            assert len(provider.mails) == 1

    asyncio.run(fail())


@pytest.mark.parametrize(("said", "kind"), [("451 later", TryAgainError), ("550 no", RefusedError)])
def test_one_recipient_of_two_is_not_lost_quietly(
    tmp_path: Path, said: str, kind: type[Exception]
) -> None:
    """Where a server takes a mail for one address and not for the other, that is told."""

    async def fail() -> None:
        async with running(CASES["email"], tmp_path) as (sink, provider):
            both = ("a@example.com", "b@example.com")
            options = MailOptions.model_validate(sink.settings.model_dump() | {"to": both})
            provider.refused["b@example.com"] = said
            with pytest.raises(kind, match=said[:3]):
                await tell(Email("mail", options, sink.http), message())
            assert provider.to == [["a@example.com"]]

    asyncio.run(fail())


LOCAL = st.text(min_size=1, max_size=8, alphabet=st.characters(max_codepoint=0x2FF))


@given(st.builds("{}@{}".format, LOCAL, st.text("ab.-1_é", min_size=1, max_size=8)) | LOCAL)
@example("t.:7g@.1").via("a header's parser failed at it")
@example("a@b.c\n")
@example("on-call+1@example.com")
def test_an_address_is_one_address_in_a_header(text: str) -> None:
    """What passes as an address is in a header as it is, and one; the rest is refused."""
    try:
        known = address(text)
    except ValueError:
        assert text != "on-call+1@example.com"
        return
    mail = EmailMessage()
    mail["To"] = known
    assert [one.addr_spec for one in mail["To"].addresses] == [text]


def _encrypted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """Mail to a server with a certificate and a login, which this process trusts."""
    known = folder / "authority.pem"
    AUTHORITY.cert_pem.write_to_path(known)
    monkeypatch.setenv("SSL_CERT_FILE", str(known))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CERTIFICATE.configure_cert(context)
    provider = lambda _: providers.Mail(login=True, tls=context)  # noqa: E731
    return dataclasses.replace(CASES["email"], provider=provider)


def test_a_login_is_used_over_an_encrypted_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STARTTLS, then the password, then the mail."""
    case = _encrypted(tmp_path, monkeypatch)

    async def log_in() -> None:
        async with running(case, tmp_path) as (sink, provider):
            assert "and the login" in await sink.check()
            await tell(sink, message())
            assert len(provider.mails) == 1

    asyncio.run(log_in())


def test_a_login_that_is_wrong_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By `check`, and by the first mail; never with the password."""
    case = _encrypted(tmp_path, monkeypatch)

    async def log_in() -> None:
        async with running(case, tmp_path, secret="5ecret-wrong") as (sink, _):
            for work in (lambda: tell(sink, message()), sink.check):
                with pytest.raises(RefusedError, match="535 to the login") as told:
                    await work()
                assert "5ecret" not in str(told.value)

    asyncio.run(log_in())


def test_a_certificate_of_nobody_known_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No password goes to a server that may be another."""
    case = _encrypted(tmp_path, monkeypatch)
    monkeypatch.delenv("SSL_CERT_FILE")

    async def log_in() -> None:
        async with running(case, tmp_path) as (sink, provider):
            for work in (lambda: tell(sink, message()), sink.check):
                with pytest.raises(RefusedError, match="certificate"):
                    await work()
            assert not provider.mails

    asyncio.run(log_in())


def test_a_server_without_encryption_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that cannot do STARTTLS gets neither password nor mail, and `check` says why."""
    case = _encrypted(tmp_path, monkeypatch)

    async def log_in() -> None:
        async with running(case, tmp_path) as (sink, provider), providers.Mail() as bare:
            options = MailOptions.model_validate(sink.settings.model_dump() | {"port": bare.port})
            other = Email("mail", options, sink.http)
            for work in (lambda: tell(other, message()), other.check):
                with pytest.raises(RefusedError, match="does not support the request: STARTTLS"):
                    await work()
            assert not provider.mails + bare.mails

    asyncio.run(log_in())


def test_a_mail_server_that_is_not_there_is_tried_again(tmp_path: Path) -> None:
    """Also by `check`."""

    async def fail() -> None:
        async with running(CASES["email"], tmp_path) as (sink, _):
            pass
        for work in (lambda: tell(sink, message()), sink.check):
            with pytest.raises(TryAgainError, match="cannot be reached"):
                await work()

    asyncio.run(fail())


def test_apprise_that_fails_is_tried_again(tmp_path: Path) -> None:
    """Apprise says only that it failed."""

    async def fail() -> None:
        async with running(CASES["apprise"], tmp_path) as (sink, provider):
            provider.faults.append(providers.Fault(503))
            with pytest.raises(TryAgainError):
                await tell(sink, message())
            await tell(sink, message())

    asyncio.run(fail())


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    """A file stands where the folder is to be."""
    (tmp_path / "inbox").write_text("")

    async def fail() -> None:
        case = CASES["folder"]
        sink = case.sink("inbox", case.options(case.provider(tmp_path), ""), Http())
        for work in (lambda: sink.send(message(), {}), sink.check):
            with pytest.raises(RefusedError, match=str(tmp_path)):
                await work()

    asyncio.run(fail())


# Secrets.


SECRET = [c for c in CASES.values() if c.name not in ("folder", "email")]


@pytest.mark.parametrize("case", SECRET, ids=[c.name for c in SECRET])
def test_no_secret_is_told(case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither an error, though the provider repeats the request, nor a log, nor a repr has it."""
    caplog.set_level(logging.DEBUG)
    secret = "5ecret-marker-of-this-test-1234/"  # 32 characters, one that URLs escape
    told: list[str] = []

    async def fail() -> None:
        async with running(case, tmp_path, secret=secret, timeout=0.5) as (sink, provider):
            told.extend((repr(sink.settings), str(sink.settings), repr(sink)))
            faults = [providers.Fault(status) for status in (400, 401, 404, 429, 500)]
            faults += [providers.Fault(302, {"Location": f"{provider.url}/{secret}"})]
            faults += [providers.Fault(reset=True), providers.Fault(hang=9.0)]
            if isinstance(provider, providers.Json):
                faults = faults[:2]
            for fault in faults:
                for work in (lambda: tell(sink, message()), sink.check):
                    provider.faults.clear()
                    provider.faults.append(fault)
                    try:
                        told.append(str(await work()))
                    except (TryAgainError, RefusedError) as error:
                        told.append(repr(error))

    asyncio.run(fail())
    assert any("Error(" in one for one in told)
    for text in (*told, caplog.text):
        assert not re.search(r"5ecret.marker", text), text


@pytest.mark.parametrize(
    "url", ["nosuch://5ecret-marker/x", "slack://5ecret-marker", "5ecret-marker"]
)
def test_apprise_does_not_log_a_url_that_it_does_not_know(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The URL is the secret; Apprise itself would log it."""
    caplog.set_level(logging.DEBUG)
    kind = SINKS["apprise"]
    sink = kind("other", kind.options.model_validate({"url": SecretStr(url)}), Http())
    with pytest.raises(RefusedError, match="does not know") as told:
        asyncio.run(sink.check())
    assert "5ecret" not in str(told.value) + caplog.text


@BY_HTTP
def test_a_secret_of_two_lines_is_refused(case: Case, tmp_path: Path) -> None:
    """A file with more than the key in it is told, and never sets a header."""

    async def fail() -> None:
        async with running(case, tmp_path, secret="5ecret\r\nX-Evil: 1\n") as (sink, provider):
            with pytest.raises(RefusedError) as told:
                await tell(sink, message())
            assert "5ecret" not in str(told.value)
            assert not provider.heard

    asyncio.run(fail())


# Trying it.


@EVERY
def test_check_says_that_it_works(case: Case, tmp_path: Path) -> None:
    """Right credentials are told so in a sentence, and nobody is told anything."""

    async def check() -> None:
        async with running(case, tmp_path) as (sink, provider):
            assert len(await sink.check()) > 10
            assert not provider.heard

    asyncio.run(check())


@pytest.mark.parametrize(
    "case", [c for c in CASES.values() if c.told], ids=[c.name for c in CASES.values() if c.told]
)
def test_check_says_that_credentials_are_wrong(case: Case, tmp_path: Path) -> None:
    """Where a provider can be asked, wrong credentials are found before the first page."""

    async def check() -> None:
        async with running(case, tmp_path, secret="wrong" * 6 + "12") as (sink, _):
            with pytest.raises(RefusedError):
                await sink.check()

    asyncio.run(check())


@BY_HTTP
def test_check_says_that_an_address_is_not_allowed(case: Case, tmp_path: Path) -> None:
    """A URL that may not be asked is found by `check` too, whatever else it can try."""

    async def check() -> None:
        async with running(case, tmp_path) as (sink, provider), Http() as strict:
            sink.http = strict
            for work in (lambda: tell(sink, message()), sink.check):
                with pytest.raises(RefusedError):
                    await work()
            assert not provider.requests

    asyncio.run(check())


# Any message at all.

TEXT = st.text(max_size=400) | st.sampled_from([*HOSTILE, UNSEEN, "x" * 5000, "🔥" * 3000])
NAME = st.text(min_size=1, max_size=64, alphabet=st.characters(exclude_categories=("Cs", "Cc")))
MESSAGES = st.builds(
    Message,
    key=st.from_regex(r"[0-9a-f]{32}(/[a-z.+]{1,60}@example\.com)?", fullmatch=True),
    id=st.from_regex(r"[0-9a-f]{32}\.[0-9]{1,6}\.[a-z_]{2,20}", fullmatch=True),
    action=st.sampled_from(LIFE),
    reason=st.sampled_from(["first", "grew", "severity_raised"]),
    title=TEXT.map(lambda text: f"[WARNING] {text}"),
    lines=st.lists(TEXT, max_size=60).map(tuple),
    severity=st.sampled_from(["info", "warning", "error", "critical"]),
    labels=st.fixed_dictionaries(
        {"alertname": st.just("TicketSpike"), "tenant": NAME},
        optional={"product": NAME, "product_area": NAME, "issue_type": NAME, "team": NAME},
    ),
    since=st.datetimes(
        min_value=datetime(2024, 1, 1),  # noqa: DTZ001
        max_value=datetime(2026, 1, 1),  # noqa: DTZ001
        timezones=st.timezones(),
    ),
    links=st.lists(
        st.tuples(TEXT, st.just("https://e.example/") | st.just(f"https://e.example/{'y' * 4000}")),
        max_size=12,
    ).map(tuple),
    answerable=st.booleans(),
    by=TEXT,
    facts=st.lists(st.tuples(TEXT, TEXT), max_size=12).map(tuple),
)


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_any_message_is_taken(case: Case, tmp_path: Path) -> None:
    """Whatever a message holds, what is sent is what the provider documents."""

    @settings(max_examples=examples(25))
    @given(MESSAGES)
    def taken(one: Message) -> None:
        async def send() -> None:
            async with running(case, tmp_path) as (sink, provider):
                handle = await tell(sink, dataclasses.replace(one, action="open"))
                await tell(sink, one, handle=handle)
                assert provider.requests or isinstance(provider, providers.Folder)

        asyncio.run(send())

    taken()
