"""Webhook: posts a signed CloudEvent to your own HTTP endpoint.

The body is a CloudEvent 1.0 in structured mode; ``data.escalation`` is the escalation event as on
the topic. The signature follows Standard Webhooks, for which most languages have libraries:
``webhook-id``, ``webhook-timestamp`` and ``webhook-signature: v1,<base64 of HMAC-SHA256 of
"id.timestamp.body">``. A retried message has the same ``webhook-id``.

Source: standard-webhooks/standard-webhooks, spec/standard-webhooks.md; cloudevents/spec,
    cloudevents/bindings/http-protocol-binding.md.
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime
from typing import Any, ClassVar, Final
from urllib.parse import quote

from pydantic import Field

from stream.config.secret import Secret
from stream.config.values import plain
from stream.notify.model.message import Action, Message
from stream.notify.sinks.base import ALL_ACTIONS, Handle, Options, Sink, Url

TYPE: Final = "com.spikewatch.notification.v1"
PREFIX: Final = "whsec_"


class WebhookOptions(Options):
    """HTTP endpoint."""

    url: Url = Field(description="URL to post events to.")
    secret: Secret = Field(
        description="Shared secret that events are signed with: whsec_ and base64, or any text."
    )


class Webhook(Sink):
    """Sink that posts signed events to one endpoint."""

    kind = "webhook"
    options = WebhookOptions
    actions: ClassVar[frozenset[Action]] = ALL_ACTIONS
    takes_address: ClassVar[bool] = True

    def __init__(self, name: str, options: WebhookOptions, http: Any) -> None:
        """Create the sink; see `Sink`."""
        super().__init__(name, options, http)
        self._url = options.url
        self._secret = secret_bytes(plain(options.secret))

    async def send(self, message: Message, handle: Handle) -> Handle:
        """Post the event once."""
        body = json.dumps(_event(message), ensure_ascii=False).encode("utf-8", "replace")
        timestamp = str(int(time.time()))
        await self.ask(
            "POST",
            self._url,
            data=body,
            headers={
                "Content-Type": "application/cloudevents+json; charset=UTF-8",
                "webhook-id": message.id,
                "webhook-timestamp": timestamp,
                "webhook-signature": signature(self._secret, message.id, timestamp, body),
            },
        )
        return handle

    async def check(self) -> str:
        """Check that the URL is allowed."""
        self.http.check(self._url)
        return await super().check()


def _event(message: Message) -> dict[str, Any]:
    tenant = quote(message.labels.get("tenant", ""), safe="", errors="replace")
    return {
        "specversion": "1.0",
        "id": message.id,
        "source": f"/spikewatch/{tenant}",
        "type": TYPE,
        "subject": message.key,
        "time": datetime.now(UTC).isoformat(),
        "datacontenttype": "application/json",
        "data": {
            "key": message.key,
            "action": message.action,
            "reason": message.reason,
            "severity": message.severity,
            "title": message.title,
            "lines": list(message.lines),
            "labels": dict(message.labels),
            "links": [{"text": text, "url": url} for text, url in message.links],
            "address": message.address or None,
            "by": message.by or None,
            "accounts": [account.model_dump(mode="json") for account in message.accounts],
            "escalation": (
                None if message.event is None else message.event.data.model_dump(mode="json")
            ),
        },
    }


def secret_bytes(text: str) -> bytes:
    """Return the signing key: the base64 after ``whsec_``, or else the bytes of the text."""
    if text.startswith(PREFIX):
        try:
            return base64.b64decode(text.removeprefix(PREFIX), validate=True)
        except binascii.Error:
            pass
    return text.encode()


def signature(secret: bytes, identifier: str, timestamp: str, body: bytes) -> str:
    """Return the value of ``webhook-signature``.

    Example:
        >>> signature(b"k", "m", "1", b"{}")
        'v1,5HDAuTkTpxOhkrk9bBHzAsIh9dH985cPnRX2CFqL5iI='
    """
    signed = b".".join((identifier.encode(), timestamp.encode(), body))
    mac = hmac.new(secret, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(mac).decode()}"
