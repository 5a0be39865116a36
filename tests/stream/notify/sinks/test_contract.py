"""Test every sink against a provider that is as strict as its documentation."""

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
"""A certificate for localhost with its key, issued for these tests."""
LINK = "https://spikewatch.example.com/#/{tenant}/{episode}"
EVERY = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
BY_HTTP = pytest.mark.parametrize(
    "case", [c for c in CASES.values() if c.http], ids=[c.name for c in CASES.values() if c.http]
)
TRANSITION: dict[Action, str] = {"open": "opened", "resolve": "resolved"}
LIFE: tuple[Action, ...] = ("open", "update", "acknowledge", "answer", "resolve")
LEAST_CHARACTERS = 200
"""Number of characters that every sink shows of a line, whatever its limits are."""


def message(action: Action = "open", sequence: int = 1, **more: Any) -> Message:
    """Return a message about the escalation of `tests.support.escalations`."""
    event = escalation(TRANSITION.get(action, "updated"), sequence=sequence)
    context = MessageContext(link=LINK, by="ann", **more)
    return of_event(event, action, "first", context)


async def send_all(sink: Sink, *messages: Message, handle: Handle | None = None) -> Handle:
    """Send the messages whose actions the sink supports, one after the other."""
    last_handle = dict(handle or {})
    for each in messages:
        if each.action in sink.actions:
            last_handle = await sink.send(each, dict(last_handle))
    return last_handle


def shown(provider: Any) -> str:
    """Return all text that a person would see."""
    if isinstance(provider, providers.Folder):
        provider.read()
    return "\n".join(provider.shown)


def test_every_kind_has_a_case() -> None:
    """A new kind of sink must have a case in `tests.support.receiver_cases`."""
    assert {case.sink for case in CASES.values()} == set(SINKS.values())


# Content of messages.


@EVERY
def test_all_messages_of_an_episode_share_one_key_until_it_is_resolved(
    case: Case, tmp_path: Path
) -> None:
    """The messages from opened to resolved have one key, and the provider ends as resolved."""

    async def live() -> None:
        async with running(case, tmp_path) as (sink, provider):
            handle: Handle = {}
            for number, action in enumerate(LIFE, 1):
                handle = await send_all(sink, message(action, number), handle=handle)
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
def test_a_message_sent_twice_is_recognized_as_the_same(case: Case, tmp_path: Path) -> None:
    """A message that is sent again after a crash has the same key and id."""

    async def twice() -> None:
        async with running(case, tmp_path) as (sink, provider):
            first = message()
            handle = await send_all(sink, first)
            await send_all(sink, first, handle=handle)
            handle = await send_all(sink, first)
            await send_all(sink, message("resolve", 2), message("resolve", 2), handle=handle)
            assert len(set(provider.heard)) <= 1
            if isinstance(provider, providers.Folder):
                assert len(provider.read()) == 2
            if isinstance(provider, providers.Webhook | providers.Mail):
                assert len(set(provider.ids)) == 2

    asyncio.run(twice())


TO_PEOPLE = [c for c in CASES.values() if c.sink.takes_address and c.name != "slack webhook"]


@pytest.mark.parametrize("case", TO_PEOPLE, ids=[c.name for c in TO_PEOPLE])
def test_messages_to_two_account_owners_have_different_ids(case: Case, tmp_path: Path) -> None:
    """The provider must not take one owner's message for a duplicate of another owner's."""

    async def both() -> None:
        async with running(case, tmp_path) as (sink, provider):
            owners = ("on-call+1@example.com", "ann-1@example.com")
            for name in owners:
                accounts = [account(f"customer of {name}")]
                await send_all(sink, message(address=name, accounts=accounts))
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
        # Folding the lines of a mail takes seconds if each character has to be encoded.
        marks=pytest.mark.slow if case.name == "email" and letter != "x" else (),
    )
    for case in CASES.values()
    for letter in LETTERS
]


@pytest.mark.parametrize(("case", "letter"), LONG_TEXTS)
def test_long_text_is_cut_to_the_limits_of_the_provider(
    case: Case, tmp_path: Path, letter: str
) -> None:
    """Ten thousand characters are cut to the provider's limits in characters and in bytes."""
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
                long_message = dataclasses.replace(long, action=action, id=f"{long.id}{number}")
                handle = await send_all(sink, long_message, handle=handle)
            text = shown(provider).replace("\u200b", "")
            assert letter * (LEAST_CHARACTERS // len(letter) // 4) in text

    asyncio.run(fit())


@EVERY
def test_hostile_text_is_shown_literally(case: Case, tmp_path: Path) -> None:
    """Markup, templates, formulas and headers in a ticket's text are shown as they were written."""

    async def show() -> None:
        async with running(case, tmp_path) as (sink, provider):
            handle: Handle = {}
            for action in LIFE:
                event = hostile(TRANSITION.get(action, "updated"))
                hostile_message = of_event(
                    event, action, "first", MessageContext(link=LINK, by=HOSTILE[0])
                )
                handle = await send_all(sink, hostile_message, handle=handle)
            text = shown(provider)
            if case.name == "apprise":  # the markup of the service behind Apprise is unknown
                assert not any(call in text for call in ("<!", "<http"))
                text = text.replace("\u200b", "")
            for piece in HOSTILE:
                assert piece in text
            assert "*x* 49" not in text  # the result of evaluating a template
            kinds = {unicodedata.category(c) for c in text if c not in "\n\r\t"}
            assert not kinds & {"Cc", "Cf", "Cs", "Zl", "Zp"}

    asyncio.run(show())


@EVERY
def test_an_unsanitized_message_cannot_inject_headers_or_mentions(
    case: Case, tmp_path: Path
) -> None:
    """A message that was not sanitized before sets no header and mentions nobody."""
    text = f"{' '.join(HOSTILE)}{UNSEEN}\ud800"
    raw = dataclasses.replace(
        message(), title=text, lines=(text, UNSEEN, ""), facts=((text, text),), by=text
    )

    async def show() -> None:
        async with running(case, tmp_path) as (sink, provider):
            handle = await send_all(sink, raw)
            update = dataclasses.replace(raw, action="update", id=f"{raw.id}2")
            await send_all(sink, update, handle=handle)
            for piece in HOSTILE:
                assert piece in shown(provider).replace("\u200b", "")
            if isinstance(provider, providers.Mail):
                assert provider.to == [["support@example.com"]] * 2
                assert all(mail["bcc"] is None for mail in provider.mails)

    asyncio.run(show())


def test_mails_of_an_episode_form_a_thread(tmp_path: Path) -> None:
    """Every mail has its own id, refers to the first mail, and has its subject.

    Mail programs put only messages of one subject into one thread; the text shows the state.
    """

    async def thread() -> None:
        async with running(CASES["email"], tmp_path) as (sink, provider):
            await send_all(sink, message(), message("update", 2), message("resolve", 3))
            first, *rest = provider.mails
            assert first["references"] is None
            assert {mail["subject"] for mail in rest} == {first["subject"]}
            assert "[RESOLVED]" in provider.mails[-1].get_body().get_content()
            assert "[WARNING]" in first.get_body().get_content()
            assert len({mail["message-id"] for mail in provider.mails}) == 3
            for mail in rest:
                assert mail["references"] == mail["in-reply-to"] == first["message-id"]

    asyncio.run(thread())


def test_slack_edits_one_message_and_replies_in_its_thread(tmp_path: Path) -> None:
    """The channel has one current message per episode, and its thread lists the changes."""

    async def edit() -> None:
        async with running(CASES["slack"], tmp_path) as (sink, provider):
            handle = await send_all(sink, message(), message("update", 2), message("resolve", 3))
            assert handle == {"channel": "C0123456789", "ts": "1700000000.000000"}
            assert len(provider.messages) == 1
            assert len(provider.replies) == 2
            assert "[RESOLVED]" in provider.messages[handle["ts"]]["text"]
            provider.messages.clear()  # somebody deleted it
            assert await send_all(sink, message("update", 4), handle=handle)
            assert len(provider.messages) == 1

    asyncio.run(edit())


def test_an_alert_keeps_its_labels_when_the_episode_changes(tmp_path: Path) -> None:
    """Severity, counts and drivers change within an episode, but the labels do not."""

    async def change() -> None:
        async with running(CASES["alertmanager"], tmp_path) as (sink, provider):
            handle = await send_all(sink, message())
            event = escalation("updated", sequence=2, severity="critical", issue_type="other")
            graver = of_event(event, "update", "severity_raised", MessageContext())
            await send_all(sink, graver, handle=handle)
            assert len(provider.state) == 1
            assert "critical" in provider.shown

    asyncio.run(change())


def test_an_alert_that_starts_in_the_future_is_accepted(tmp_path: Path) -> None:
    """A helpdesk's clock may be ahead, and an alert must not end before it starts."""

    async def ahead() -> None:
        async with running(CASES["alertmanager"], tmp_path) as (sink, provider):
            since = datetime.now(UTC) + timedelta(minutes=10)
            early = dataclasses.replace(message(), since=since)
            over = dataclasses.replace(message("resolve", 2), since=since)
            await send_all(sink, early, over)
            assert set(provider.state.values()) == {"resolved"}

    asyncio.run(ahead())


def test_the_signature_matches_the_example_of_standard_webhooks() -> None:
    """The example is the one that the libraries of Standard Webhooks verify."""
    secret = secret_bytes("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    identifier, body = "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}'
    header = signature(secret, identifier, "1614265330", body)
    assert header == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


# Failures.


@BY_HTTP
@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
def test_temporary_errors_are_retried_after_the_requested_delay(
    case: Case, tmp_path: Path, status: int
) -> None:
    """A busy or broken provider is tried again after the delay in Retry-After."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)

    async def fail() -> None:
        async with running(case, tmp_path) as (sink, provider):
            for header, least, most in (
                ("7", 7.0, 7.0),
                (date, 80.0, 91.0),
                ("99999", 60.0, 3600.0),
            ):
                provider.faults.append(providers.Fault(status, {"Retry-After": header}))
                with pytest.raises(TryAgainError, match=str(status)) as error:
                    await send_all(sink, message())
                assert error.value.after is not None
                assert least <= error.value.after <= most
            for header in ("soon", "-3", "²", "Fri, 31 Dec 9999 23:59:59 -2359", ""):
                provider.faults.append(providers.Fault(status, {"Retry-After": header}))
                with pytest.raises(TryAgainError):
                    await send_all(sink, message())
            await send_all(sink, message())  # the next attempt succeeds

    asyncio.run(fail())


@BY_HTTP
@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413])
def test_permanent_errors_are_refused(case: Case, tmp_path: Path, status: int) -> None:
    """A request that the provider rejects is not retried, and the error quotes the provider."""

    async def fail() -> None:
        async with running(case, tmp_path) as (sink, provider):
            provider.faults.append(providers.Fault(status, body="the\nchannel is\x1b archived"))
            with pytest.raises(RefusedError, match=rf"{status}: the channel is\? archived"):
                await send_all(sink, message())
            assert provider.requests == 1

    asyncio.run(fail())


@BY_HTTP
def test_a_redirect_is_not_followed(case: Case, tmp_path: Path) -> None:
    """No request is sent to the target of a redirect."""

    async def fail() -> None:
        async with running(case, tmp_path) as (sink, provider):
            for status in (301, 302, 307, 308):
                provider.faults.append(
                    providers.Fault(status, {"Location": f"{provider.url}/elsewhere"})
                )
                with pytest.raises(RefusedError, match="redirects are not followed"):
                    await send_all(sink, message())
            assert provider.requests == 4

    asyncio.run(fail())


@BY_HTTP
def test_connection_failures_are_retried(case: Case, tmp_path: Path) -> None:
    """A reset connection, a missing response and a closed port raise TryAgainError."""

    async def fail() -> None:
        async with running(case, tmp_path, timeout=0.3) as (sink, provider):
            provider.faults.append(providers.Fault(reset=True))
            with pytest.raises(TryAgainError, match="cannot be reached"):
                await send_all(sink, message())
            provider.faults.append(providers.Fault(hang=20.0))
            with pytest.raises(TryAgainError, match="did not respond in time"):
                await send_all(sink, message())
        with pytest.raises((TryAgainError, RuntimeError)):  # the client is closed
            await send_all(sink, message())
        async with Http((providers.HOST,)) as http:
            sink.http = http
            with pytest.raises(TryAgainError, match="cannot be reached"):
                await send_all(sink, message())

    asyncio.run(fail())


@BY_HTTP
@pytest.mark.parametrize(
    "body", ["", "null", "[]", '{"ok": true}', "[" * 60_000, "\ud7ff" * 9, "7"]
)
def test_an_invalid_response_raises_no_unexpected_error(
    case: Case, tmp_path: Path, body: str
) -> None:
    """Any response means that the message was sent, is retried or was refused."""

    async def fail() -> None:
        async with running(case, tmp_path) as (sink, provider):
            for work in (lambda: send_all(sink, message()), sink.check):
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
def test_slack_errors_with_status_200_are_recognized(
    tmp_path: Path, error: str, kind: type[Exception]
) -> None:
    """Slack reports errors with status 200, so the error code in the body decides."""

    async def fail() -> None:
        async with running(CASES["slack"], tmp_path) as (sink, provider):
            body = json.dumps({"ok": False, "error": error})
            provider.faults.append(providers.Fault(200, body=body))
            with pytest.raises(kind, match=error):
                await send_all(sink, message())

    asyncio.run(fail())


@pytest.mark.parametrize(("status", "kind"), [(451, TryAgainError), (550, RefusedError)])
def test_a_rejected_mail_is_retried_or_refused_by_its_code(
    tmp_path: Path, status: int, kind: type[Exception]
) -> None:
    """A 4xx code is temporary, and a 5xx code is permanent."""

    async def fail() -> None:
        async with running(CASES["email"], tmp_path) as (sink, provider):
            provider.faults.append(providers.Fault(status))
            with pytest.raises(kind, match=str(status)):
                await send_all(sink, message())
            await send_all(sink, message())
            assert len(provider.mails) == 1

    asyncio.run(fail())


@pytest.mark.parametrize(
    ("reply", "kind"), [("451 later", TryAgainError), ("550 no", RefusedError)]
)
def test_a_rejected_recipient_is_reported(
    tmp_path: Path, reply: str, kind: type[Exception]
) -> None:
    """The error is raised although the server accepts the mail for the other recipient."""

    async def fail() -> None:
        async with running(CASES["email"], tmp_path) as (sink, provider):
            both = ("a@example.com", "b@example.com")
            options = MailOptions.model_validate(sink.settings.model_dump() | {"to": both})
            provider.refused["b@example.com"] = reply
            with pytest.raises(kind, match=reply[:3]):
                await send_all(Email("mail", options, sink.http), message())
            assert provider.to == [["a@example.com"]]

    asyncio.run(fail())


LOCAL = st.text(min_size=1, max_size=8, alphabet=st.characters(max_codepoint=0x2FF))


@given(st.builds("{}@{}".format, LOCAL, st.text("ab.-1_é", min_size=1, max_size=8)) | LOCAL)
@example("t.:7g@.1").via("the header parser failed on it")
@example("a@b.c\n")
@example("on-call+1@example.com")
def test_a_valid_address_is_exactly_one_address_in_a_header(text: str) -> None:
    """An accepted address appears unchanged and alone in a header; any other text is refused."""
    try:
        known = address(text)
    except ValueError:
        assert text != "on-call+1@example.com"
        return
    mail = EmailMessage()
    mail["To"] = known
    assert [each.addr_spec for each in mail["To"].addresses] == [text]


def _encrypted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """Return a case of a mail server with TLS and a login, whose certificate is trusted."""
    known = folder / "authority.pem"
    AUTHORITY.cert_pem.write_to_path(known)
    monkeypatch.setenv("SSL_CERT_FILE", str(known))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CERTIFICATE.configure_cert(context)
    provider = lambda _: providers.Mail(login=True, tls=context)  # noqa: E731
    return dataclasses.replace(CASES["email"], provider=provider)


def test_the_mail_login_is_sent_over_an_encrypted_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sink sends STARTTLS, then the password and then the mail."""
    case = _encrypted(tmp_path, monkeypatch)

    async def log_in() -> None:
        async with running(case, tmp_path) as (sink, provider):
            assert "and the login" in await sink.check()
            await send_all(sink, message())
            assert len(provider.mails) == 1

    asyncio.run(log_in())


def test_a_wrong_mail_login_is_refused_without_showing_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both `check` and the first mail raise RefusedError without the password."""
    case = _encrypted(tmp_path, monkeypatch)

    async def log_in() -> None:
        async with running(case, tmp_path, secret="5ecret-wrong") as (sink, _):
            for work in (lambda: send_all(sink, message()), sink.check):
                with pytest.raises(RefusedError, match="535 to the login") as error:
                    await work()
                assert "5ecret" not in str(error.value)

    asyncio.run(log_in())


def test_an_untrusted_certificate_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The password is not sent to a server that cannot prove who it is."""
    case = _encrypted(tmp_path, monkeypatch)
    monkeypatch.delenv("SSL_CERT_FILE")

    async def log_in() -> None:
        async with running(case, tmp_path) as (sink, provider):
            for work in (lambda: send_all(sink, message()), sink.check):
                with pytest.raises(RefusedError, match="certificate"):
                    await work()
            assert not provider.mails

    asyncio.run(log_in())


def test_a_mail_server_without_starttls_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server receives neither the password nor the mail, and `check` names the reason."""
    case = _encrypted(tmp_path, monkeypatch)

    async def log_in() -> None:
        async with running(case, tmp_path) as (sink, provider), providers.Mail() as bare:
            options = MailOptions.model_validate(sink.settings.model_dump() | {"port": bare.port})
            other = Email("mail", options, sink.http)
            for work in (lambda: send_all(other, message()), other.check):
                with pytest.raises(RefusedError, match="does not support the request: STARTTLS"):
                    await work()
            assert not provider.mails + bare.mails

    asyncio.run(log_in())


def test_an_unreachable_mail_server_is_retried(tmp_path: Path) -> None:
    """Both `check` and a mail raise TryAgainError."""

    async def fail() -> None:
        async with running(CASES["email"], tmp_path) as (sink, _):
            pass
        for work in (lambda: send_all(sink, message()), sink.check):
            with pytest.raises(TryAgainError, match="cannot be reached"):
                await work()

    asyncio.run(fail())


def test_a_failure_of_apprise_is_retried(tmp_path: Path) -> None:
    """Apprise reports only that it failed, so every failure counts as temporary."""

    async def fail() -> None:
        async with running(CASES["apprise"], tmp_path) as (sink, provider):
            provider.faults.append(providers.Fault(503))
            with pytest.raises(TryAgainError):
                await send_all(sink, message())
            await send_all(sink, message())

    asyncio.run(fail())


def test_a_folder_that_cannot_be_created_is_refused(tmp_path: Path) -> None:
    """The folder cannot be created if a file of that name exists."""
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
def test_secrets_appear_in_no_error_log_or_repr(
    case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The secret stays hidden although the provider repeats the request in its errors."""
    caplog.set_level(logging.DEBUG)
    secret = "5ecret-marker-of-this-test-1234/"  # 32 characters, one of which URLs escape
    texts: list[str] = []

    async def fail() -> None:
        async with running(case, tmp_path, secret=secret, timeout=0.5) as (sink, provider):
            texts.extend((repr(sink.settings), str(sink.settings), repr(sink)))
            faults = [providers.Fault(status) for status in (400, 401, 404, 429, 500)]
            faults += [providers.Fault(302, {"Location": f"{provider.url}/{secret}"})]
            faults += [providers.Fault(reset=True), providers.Fault(hang=9.0)]
            if isinstance(provider, providers.Json):
                faults = faults[:2]
            for fault in faults:
                for work in (lambda: send_all(sink, message()), sink.check):
                    provider.faults.clear()
                    provider.faults.append(fault)
                    try:
                        texts.append(str(await work()))
                    except (TryAgainError, RefusedError) as error:
                        texts.append(repr(error))

    asyncio.run(fail())
    assert any("Error(" in text for text in texts)
    for text in (*texts, caplog.text):
        assert not re.search(r"5ecret.marker", text), text


@pytest.mark.parametrize(
    "url", ["nosuch://5ecret-marker/x", "slack://5ecret-marker", "5ecret-marker"]
)
def test_an_unknown_apprise_url_is_not_logged(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """The URL contains the secret, and Apprise itself would log it."""
    caplog.set_level(logging.DEBUG)
    kind = SINKS["apprise"]
    sink = kind("other", kind.options.model_validate({"url": SecretStr(url)}), Http())
    with pytest.raises(RefusedError, match="does not know") as error:
        asyncio.run(sink.check())
    assert "5ecret" not in str(error.value) + caplog.text


@BY_HTTP
def test_a_secret_with_a_line_break_is_refused(case: Case, tmp_path: Path) -> None:
    """A file with more than the secret in it is rejected and cannot set a header."""

    async def fail() -> None:
        async with running(case, tmp_path, secret="5ecret\r\nX-Evil: 1\n") as (sink, provider):
            with pytest.raises(RefusedError) as error:
                await send_all(sink, message())
            assert "5ecret" not in str(error.value)
            assert not provider.heard

    asyncio.run(fail())


# Checks.


@EVERY
def test_check_confirms_valid_credentials_and_sends_nothing(case: Case, tmp_path: Path) -> None:
    """`check` returns a sentence if the credentials are valid, and notifies nobody."""

    async def check() -> None:
        async with running(case, tmp_path) as (sink, provider):
            assert len(await sink.check()) > 10
            assert not provider.heard

    asyncio.run(check())


@pytest.mark.parametrize(
    "case",
    [c for c in CASES.values() if c.detects_bad_credentials],
    ids=[c.name for c in CASES.values() if c.detects_bad_credentials],
)
def test_check_detects_bad_credentials(case: Case, tmp_path: Path) -> None:
    """If the provider can be queried, wrong credentials are found before the first page."""

    async def check() -> None:
        async with running(case, tmp_path, secret="wrong" * 6 + "12") as (sink, _):
            with pytest.raises(RefusedError):
                await sink.check()

    asyncio.run(check())


@BY_HTTP
def test_check_refuses_an_address_that_is_not_allowed(case: Case, tmp_path: Path) -> None:
    """`check` refuses a forbidden URL for every sink and sends no request."""

    async def check() -> None:
        async with running(case, tmp_path) as (sink, provider), Http() as strict:
            sink.http = strict
            for work in (lambda: send_all(sink, message()), sink.check):
                with pytest.raises(RefusedError):
                    await work()
            assert not provider.requests

    asyncio.run(check())


# Arbitrary messages.

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
def test_any_message_is_accepted_by_the_provider(case: Case, tmp_path: Path) -> None:
    """Whatever a message contains, the request complies with the provider's documentation."""

    @settings(max_examples=examples(25))
    @given(MESSAGES)
    def send_any(any_message: Message) -> None:
        async def send() -> None:
            async with running(case, tmp_path) as (sink, provider):
                handle = await send_all(sink, dataclasses.replace(any_message, action="open"))
                await send_all(sink, any_message, handle=handle)
                assert provider.requests or isinstance(provider, providers.Folder)

        asyncio.run(send())

    send_any()
