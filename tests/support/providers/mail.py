"""A mail server, as strict as the standards."""

import asyncio
import email
import email.policy
import re
from collections import Counter
from collections.abc import Callable
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any, Self
from urllib.parse import urlsplit

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support.providers.base import ECHO, HOST, Provider


class Mail(Provider):
    """A mail server.

    Source: RFC 5322 2.1.1 and 3.6, RFC 5321 4.5.3.1, RFC 3834 5.
    """

    def __init__(self, *, login: bool = False, tls: Any = None) -> None:
        super().__init__()
        self.login, self.tls = login, tls
        self.refused: dict[str, str] = {}
        self.mails: list[EmailMessage] = []
        self.to: list[list[str]] = []
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        assert not self.wrong, "\n".join(self.wrong)

    def _protocol(self) -> SMTP:
        return SMTP(
            self,
            hostname="mail.example.com",
            tls_context=self.tls,
            require_starttls=self.tls is not None,
            auth_required=self.login,
            authenticator=self._known,
        )

    def _known(self, *given: Any) -> AuthResult:
        data = given[-1]
        right = isinstance(data, LoginPassword) and data.password.decode() == self.secret
        return AuthResult(success=right, handled=right)

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Accept a recipient unless it is to be refused."""
        del server, session, options
        self.requests += 1
        if address in self.refused:
            return self.refused[address]
        if self.faults:
            return f"{self.faults.popleft().status} {ECHO} {address}"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Read one mail as strictly as the standards require."""
        del server, session
        raw = envelope.original_content or b""
        self.to.append(list(envelope.rcpt_tos))
        lines = raw.split(b"\r\n")
        self.must(all(len(line) <= 998 for line in lines), "a line of more than 998 characters")
        self.must(all(b"\n" not in line and b"\r" not in line for line in lines), "a bare line end")
        mail = email.message_from_bytes(raw, policy=email.policy.SMTP)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        count = Counter(name.lower() for name in mail)
        once = ("from", "to", "subject", "date", "message-id")
        self.must(all(count[name] == 1 for name in once), f"headers: {dict(count)}")
        known = {*once, "in-reply-to", "references", "auto-submitted", "x-spikewatch-key",
                 "mime-version", "content-type", "content-transfer-encoding"}  # fmt: skip
        self.must(set(count) <= known, f"a header that nobody set: {set(count) - known}")
        for name in ("message-id", "in-reply-to", "references"):
            if count[name]:
                token = r"<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+>"
                self.must(re.fullmatch(token, mail[name].strip()), f"{name}: {mail[name]}")
        self.must(mail["auto-submitted"] == "auto-generated", "Auto-Submitted")
        self.must(not mail["subject"].defects, f"subject: {mail['subject'].defects}")
        plain = mail.get_body(("plain",))
        html = mail.get_body(("html",))
        assert isinstance(plain, EmailMessage)
        assert isinstance(html, EmailMessage)
        page = _Page(self.must)
        page.feed(html.get_content())
        self.shown += [mail["subject"], plain.get_content(), "".join(page.text)]
        self.ids.append(mail["message-id"])
        self.accept(mail["x-spikewatch-key"], "open")
        return "250 OK"


class _Page(HTMLParser):
    """The text of an HTML body, which may contain only known tags and attributes."""

    def __init__(self, must: Callable[[object, str], None]) -> None:
        super().__init__()
        self.text: list[str] = []
        self._must = must

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._must(tag in {"html", "body", "h3", "p", "ul", "li", "a"}, f"tag {tag}")
        for name, value in attrs:
            self._must(name in ("style", "href"), f"attribute {name}")
            if name == "href":
                self._must(urlsplit(value or "").scheme in ("http", "https"), f"href {value}")

    def handle_data(self, data: str) -> None:
        self.text.append(data)
