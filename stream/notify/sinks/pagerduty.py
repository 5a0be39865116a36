"""PagerDuty, Events API v2.

Source: PagerDuty/developer-docs, docs/events-API-v2 (overview, trigger events, ack/resolve events).
"""

from typing import Any, ClassVar, Final

from pydantic import Field

from stream.config.secret import Secret
from stream.config.values import plain
from stream.notify.model.errors import RefusedError, TryAgainError
from stream.notify.model.message import Action, Message
from stream.notify.sinks.base import Handle, Options, Sink, Url, cut, cut_bytes
from stream.notify.sinks.safe_http import Answer

KEY_CHARACTERS: Final = 255
SUMMARY_CHARACTERS: Final = 1024
ROUTING_KEY_CHARACTERS: Final = 32
ACCEPTED: Final = 202
TEXT_BYTES: Final = 100_000
"""Limit on the text, because a request may have 512 KB and JSON escapes lengthen it."""
_EVENT: Final[dict[Action, str]] = {
    "open": "trigger",
    "update": "trigger",
    "resolve": "resolve",
    "acknowledge": "acknowledge",
}


class PagerDutyOptions(Options):
    """Events API v2 integration of a service."""

    routing_key: Secret = Field(description="Integration key of the service, 32 characters long.")
    url: Url = Field(
        default="https://events.pagerduty.com/v2/enqueue",
        description="Full URL of the Events API; in the EU: "
        "https://events.eu.pagerduty.com/v2/enqueue.",
    )


class PagerDuty(Sink):
    """Sink that triggers events under one dedup key; resolved incidents cannot be reopened."""

    kind = "pagerduty"
    options = PagerDutyOptions
    actions: ClassVar[frozenset[Action]] = frozenset(_EVENT)
    can_reopen = False

    def __init__(self, name: str, options: PagerDutyOptions, http: Any) -> None:
        """Create the sink; see `Sink`."""
        super().__init__(name, options, http)
        self._key = plain(options.routing_key)
        self._url = options.url

    async def send(self, message: Message, handle: Handle) -> Handle:
        """Trigger, acknowledge or resolve the incident; only status 202 means success."""
        body: dict[str, Any] = {
            "routing_key": self._key,
            "event_action": _EVENT[message.action],
            "dedup_key": cut(message.key, KEY_CHARACTERS),
        }
        if body["event_action"] == "trigger":
            body |= {
                "client": "spikewatch",
                "payload": self._payload(message),
                "links": [
                    {"href": url, "text": cut(text, 100)} for text, url in message.links[:10]
                ],
            }
            if message.page is not None:
                body["client_url"] = message.page
        _taken(await self.ask("POST", self._url, body=body))
        return handle

    def _payload(self, message: Message) -> dict[str, Any]:
        labels = message.labels
        payload: dict[str, Any] = {
            "summary": cut(message.title, SUMMARY_CHARACTERS),
            "source": f"spikewatch/{labels.get('tenant', 'all')}",
            "severity": message.severity,
            "timestamp": message.since.isoformat(),
            "group": labels.get("product") or labels.get("tenant", "all"),
            "custom_details": {
                **dict(message.facts),
                "reason": message.reason,
                "text": cut_bytes("\n".join(message.lines), TEXT_BYTES),
            },
        }
        for key, label in (("component", "product_area"), ("class", "issue_type")):
            if labels.get(label):
                payload[key] = labels[label]
        return payload

    async def check(self) -> str:
        """Check the routing key by resolving an incident that was never triggered."""
        if len(self._key) != ROUTING_KEY_CHARACTERS:
            raise RefusedError(
                f"routing_key has {len(self._key)} characters; an integration key of Events API "
                f"v2 has {ROUTING_KEY_CHARACTERS}"
            )
        # Resolving an unknown incident has no effect, but a wrong routing key is rejected.
        answer = await self.ask(
            "POST",
            self._url,
            body={
                "routing_key": self._key,
                "event_action": "resolve",
                "dedup_key": "spikewatch-check",
            },
        )
        _taken(answer)
        return "the routing key was accepted"


def _taken(answer: Answer) -> None:
    """Check that PagerDuty itself accepted the event: status 202 and ``success``.

    Raises:
        TryAgainError: Another server responded, such as a proxy.
    """
    if answer.status != ACCEPTED or answer.json().get("status") != "success":
        raise TryAgainError(
            f"the response {answer.status} is not from PagerDuty: check url and any proxy"
        )
