"""E-mail over SMTP, with one thread per episode.

Source: RFC 5322 3.6.4 (Message-ID, In-Reply-To, References), RFC 3834 (Auto-Submitted).
"""

import contextlib
import html
import re
import smtplib
import ssl
from collections.abc import Iterator
from email.header import Header
from email.message import Message as MailMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import formataddr, formatdate
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from stream.config.errors import Disagreement, disagree
from stream.config.secret import Secret
from stream.config.values import host as host_name
from stream.config.values import plain
from stream.notify.model.errors import RefusedError, TryAgainError
from stream.notify.model.message import Action, Message, is_web
from stream.notify.sinks.base import Handle, Options, Sink, cut, plain_line
from stream.notify.sinks.safe_http import TIMEOUT_SECONDS

SUBJECT_CHARACTERS: Final = 200
TRANSIENT: Final = range(400, 500)
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(
    rf"(?=[^@]{{1,64}}@[^@]{{1,253}}$){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*"
)
"""Dot-atom at a domain (RFC 5322, 3.4.1); addresses that require quotes are not accepted."""


def address(text: str) -> str:
    """Check that a text is an e-mail address.

    Raises:
        ValueError: The text is not an e-mail address.
    """
    if not _ADDRESS.fullmatch(text) or not text.isascii():
        raise ValueError('an e-mail address such as "on-call@example.com"')
    return text


def is_address(text: str) -> bool:
    """Return whether a text is an e-mail address."""
    try:
        address(text)
    except ValueError:
        return False
    return True


def _addresses(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(address(text) for text in texts))


class MailOptions(Options):
    """Mail server and recipients."""

    host: Annotated[str, AfterValidator(host_name)] = Field(description="Host of the mail server.")
    port: int = Field(default=587, ge=1, le=65535, description="Port of the mail server.")
    encryption: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        description="Encryption of the connection: starttls, tls (port 465) or none.",
    )
    username: str = Field(default="", description="User name for the login; empty: no login.")
    password: Secret | None = Field(default=None, description="Password for the login.")
    sender: Annotated[str, AfterValidator(address)] = Field(
        description="Address that messages are sent from."
    )
    to: Annotated[tuple[str, ...], AfterValidator(_addresses)] = Field(
        default=(),
        description="Addresses that messages are sent to; empty: only an audience can use the "
        "receiver.",
    )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        wrong = []
        if bool(self.username) != (self.password is not None):
            wrong.append(
                Disagreement(
                    "receiver.password",
                    ("receiver.username",),
                    "username and password must be set together",
                )
            )
        if self.password is not None and self.encryption == "none":
            wrong.append(
                Disagreement(
                    "receiver.encryption",
                    ("receiver.password",),
                    "a password requires encryption: set encryption to starttls or tls",
                )
            )
        disagree(wrong)
        return self


class Email(Sink):
    """Sink that sends e-mails through one SMTP server."""

    kind = "email"
    options = MailOptions
    actions: ClassVar[frozenset[Action]] = frozenset(("open", "update", "resolve"))
    takes_address: ClassVar[bool] = True

    def __init__(self, name: str, options: MailOptions, http: Any) -> None:
        """Create the sink; see `Sink`."""
        super().__init__(name, options, http)
        self._options = options
        self._domain = options.sender.rpartition("@")[2]

    @classmethod
    def has_own_recipients(cls, options: Options) -> bool:
        """Return whether the options name recipients."""
        return isinstance(options, MailOptions) and bool(options.to)

    async def send(self, message: Message, handle: Handle) -> Handle:
        """Send one e-mail to the account owner or to the receiver's own recipients."""
        recipients = [message.address] if message.address else list(self._options.to)
        if not recipients:
            raise RefusedError("the receiver has no recipients: set to")
        identity = f"<{message.id.replace('/', '.')}@{self._domain}>"
        mail: MailMessage[str, Any] = MIMEMultipart("alternative")  # also takes Header objects
        mail["From"] = formataddr(("spikewatch", self._options.sender))
        try:
            mail["To"] = ", ".join(address(recipient) for recipient in recipients)
        except ValueError:
            raise RefusedError(
                "the address of the account owner is not an e-mail address"
            ) from None
        # Mail programs put messages in one thread only if their subjects are equal.
        subject = handle.get("subject") or cut(message.subject or message.title, SUBJECT_CHARACTERS)
        mail["Subject"] = _literal_header(subject)
        mail["Date"] = formatdate(localtime=False, usegmt=True)
        mail["Message-ID"] = identity
        if handle:
            mail["In-Reply-To"] = mail["References"] = handle["first"]
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Spikewatch-Key"] = _literal_header(cut(message.key, 200))
        text = [message.title, "", *message.lines, ""]
        text += [f"{name}: {url}" for name, url in message.links]
        mail.attach(MIMEText(_encodable("\n".join(text)), "plain", "utf-8"))
        mail.attach(MIMEText(_encodable(_html(message)), "html", "utf-8"))
        await self.in_thread(lambda: self._deliver(mail, recipients), 3 * TIMEOUT_SECONDS)
        return handle or {"first": identity, "subject": subject}

    def _deliver(self, mail: "MailMessage[str, Any]", recipients: list[str]) -> None:
        with _in_our_words(), self._connect() as server:
            refused = server.send_message(mail, to_addrs=recipients)
            if refused:  # the others accepted it; a retry has the same Message-ID
                raise smtplib.SMTPRecipientsRefused(refused)

    def _connect(self) -> smtplib.SMTP:
        options, context = self._options, ssl.create_default_context()
        if options.encryption == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                options.host, options.port, timeout=TIMEOUT_SECONDS, context=context
            )
        else:
            server = smtplib.SMTP(options.host, options.port, timeout=TIMEOUT_SECONDS)
        try:
            if options.encryption == "starttls":
                server.starttls(context=context)
            if options.password is not None:
                server.login(options.username, plain(options.password))
        except BaseException:
            server.close()
            raise
        return server

    async def check(self) -> str:
        """Connect to the mail server, and log in if there is a password."""

        def knock() -> None:
            with _in_our_words(), self._connect() as server:
                server.noop()

        await self.in_thread(knock, 3 * TIMEOUT_SECONDS)
        login = " and the login" if self._options.password else ""
        return f"the mail server accepted the connection{login}"


@contextlib.contextmanager
def _in_our_words() -> Iterator[None]:
    """Convert errors of the mail server or the connection to `TryAgainError` or `RefusedError`."""
    try:
        yield
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        if any(code in TRANSIENT for code in codes):
            raise TryAgainError(f"the mail server asks to try again later: {codes}") from None
        raise RefusedError(f"the mail server rejected the recipients: {codes}") from None
    except smtplib.SMTPResponseException as error:
        login = isinstance(error, smtplib.SMTPAuthenticationError)
        reply = f"the mail server replied {error.smtp_code}" + (" to the login" if login else "")
        if error.smtp_code in TRANSIENT:
            raise TryAgainError(reply) from None
        raise RefusedError(reply) from None
    except ssl.SSLCertVerificationError as error:
        raise RefusedError(
            f"the mail server's certificate is not valid: {error.verify_message}"
        ) from None
    except smtplib.SMTPNotSupportedError as error:
        raise RefusedError(f"the mail server does not support the request: {error}") from None
    except (OSError, smtplib.SMTPException) as error:
        raise TryAgainError(f"the mail server cannot be reached: {type(error).__name__}") from None


def _literal_header(text: str) -> Header:
    """Return the value of a header that a mail client shows exactly as the text.

    A text of strangers may contain an encoded word (RFC 2047), which `email.message.EmailMessage`
    decodes: an encoded line break would then begin a header of the stranger's
    (https://github.com/python/cpython/issues/121650). Such a text is encoded as a whole.
    """
    line = plain_line(_encodable(text)).strip()
    charset = "us-ascii" if line.isascii() and "=?" not in line else "utf-8"
    return Header(line, charset)


def _encodable(text: str) -> str:
    """Return a text without lone surrogates, which no charset can encode."""
    return text.encode("utf-8", "replace").decode()


def _html(message: Message) -> str:
    lines = "".join(f"<p style='margin:2px 0'>{html.escape(line)}</p>" for line in message.lines)
    links = "".join(
        f"<li><a href='{html.escape(url, quote=True)}'>{html.escape(text)}</a></li>"
        for text, url in message.links
        if is_web(url)
    )
    return (
        "<html><body style='font-family:sans-serif'>"
        f"<h3>{html.escape(message.title)}</h3>{lines}<ul>{links}</ul></body></html>"
    )
