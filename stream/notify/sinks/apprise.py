"""Apprise, which supports more than a hundred services through its URLs.

Apprise makes its own requests, so the rules of `stream.notify.sinks.safe_http` do not apply.

Source: caronc/apprise, wiki "Notification services".
"""

import logging
from typing import Any, ClassVar, Final

import apprise
from pydantic import Field

from schemas.escalation import Severity
from stream.config.secret import Secret
from stream.config.values import plain
from stream.notify.model.errors import RefusedError, TryAgainError
from stream.notify.model.message import Action, Message
from stream.notify.sinks.base import Handle, Options, Sink

SECONDS: Final = 30.0
INVISIBLE: Final = "\u200b"
logging.getLogger("apprise").disabled = True  # it logs unknown URLs with their secrets
logging.getLogger("urllib3").setLevel(logging.INFO)  # at lower levels it logs the paths of URLs
TYPE: Final[dict[Severity, apprise.NotifyType]] = {
    "critical": apprise.NotifyType.FAILURE,
    "error": apprise.NotifyType.FAILURE,
    "warning": apprise.NotifyType.WARNING,
    "info": apprise.NotifyType.INFO,
}


class AppriseOptions(Options):
    """One Apprise URL."""

    url: Secret = Field(
        description="Apprise URL to send messages to, such as ntfy://topic; it may contain secrets."
    )


class Apprise(Sink):
    """Sink that sends messages through one Apprise URL."""

    kind = "apprise"
    options = AppriseOptions
    actions: ClassVar[frozenset[Action]] = frozenset(("open", "update", "resolve"))

    def __init__(self, name: str, options: AppriseOptions, http: Any) -> None:
        """Create the sink; see `Sink`."""
        super().__init__(name, options, http)
        self._apprise = apprise.Apprise()
        self._known = self._apprise.add(plain(options.url))

    async def send(self, message: Message, handle: Handle) -> Handle:
        """Send the message as plain text; Apprise truncates it to the limits of the service."""
        await self.check()
        links = [f"{_without_markup(text)}: {url}" for text, url in message.links]
        kind = apprise.NotifyType.SUCCESS if message.action == "resolve" else TYPE[message.severity]
        done = await self.in_thread(
            lambda: self._apprise.notify(
                title=_without_markup(message.title),
                body=_without_markup("\n".join(message.lines)) + "\n" + "\n".join(links),
                notify_type=kind,
                body_format=apprise.NotifyFormat.TEXT,
                interpret_escapes=False,
            ),
            SECONDS,
        )
        if not done:
            raise TryAgainError("Apprise could not deliver the message")
        return handle

    async def check(self) -> str:
        """Check that Apprise knows the service of the URL."""
        if not self._known:
            raise RefusedError(
                "Apprise does not know the service of this URL, or the URL is incomplete"
            )
        service = self._apprise[0].service_name
        return f"Apprise recognizes the service {service}; the URL was not tested by sending"


def _without_markup(text: str) -> str:
    """Return a text without mentions for chat services and encoded words for mail clients."""
    text = text.replace("@", f"@{INVISIBLE}").replace("<", f"<{INVISIBLE}")
    return text.replace("=?", f"={INVISIBLE}?")
