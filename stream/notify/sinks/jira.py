"""Jira Service Management, Operations: the integration events API, which replaced Opsgenie's.

Source: Atlassian, "Jira Service Management ops REST API", group "Integration events";
JSDCLOUD-14179 for ``identifierType=alias``.
"""

from typing import Any, Final
from urllib.parse import quote

from pydantic import Field

from schemas.escalation import Severity
from stream.config.secret import Secret
from stream.config.values import plain
from stream.notify.model.message import Message
from stream.notify.sinks.base import Handle, Options, Sink, Url, cut

MESSAGE_CHARACTERS: Final = 130
ALIAS_CHARACTERS: Final = 250
DESCRIPTION_CHARACTERS: Final = 15_000
NOTE_CHARACTERS: Final = 25_000
TAG_CHARACTERS: Final = 50
URL_CHARACTERS: Final = 500
MOST_LINKS: Final = 5
NOT_FOUND: Final = 404
NOBODY: Final = "00000000-0000-0000-0000-000000000000"
PRIORITY: Final[dict[Severity, str]] = {
    "critical": "P1",
    "error": "P2",
    "warning": "P3",
    "info": "P5",
}


class JiraOptions(Options):
    """API integration of a team."""

    api_key: Secret = Field(description="Key of the API integration.")
    url: Url = Field(
        default="https://api.atlassian.com/jsm/ops/integration/v2/alerts",
        description="Full URL of the integration events API.",
    )
    tags: tuple[str, ...] = Field(
        default=(), description="Tags of each alert, in addition to spikewatch."
    )


class Jira(Sink):
    """Sink that creates, annotates and closes alerts by alias; closed alerts are not reopened."""

    kind = "jira"
    options = JiraOptions
    can_reopen = False

    def __init__(self, name: str, options: JiraOptions, http: Any) -> None:
        """Create the sink; see `Sink`."""
        super().__init__(name, options, http)
        self._headers = {"Authorization": f"GenieKey {plain(options.api_key)}"}
        self._url = options.url.rstrip("/")
        self._tags = options.tags

    async def send(self, message: Message, handle: Handle) -> Handle:
        """Create, annotate, acknowledge or close the alert."""
        alias = cut(message.key, ALIAS_CHARACTERS)
        note = cut("\n".join((message.title, *message.lines)), NOTE_CHARACTERS)
        if message.action in ("open", "update"):
            # Posting an open alert's alias again only increments its count and keeps its text ...
            await self._post("", self._alert(message, alias))
        if message.action == "update":
            await self._on(alias, "notes", {"note": note})  # ... so the change is added as a note.
        elif message.action == "acknowledge":
            await self._on(alias, "acknowledge", _by(message) | {"note": note})
        elif message.action == "answer":
            await self._on(alias, "notes", _by(message) | {"note": note})
        elif message.action == "resolve":
            await self._on(alias, "close", {"note": note})
        return handle

    def _alert(self, message: Message, alias: str) -> dict[str, Any]:
        labels = message.labels
        return {
            "message": cut(message.title, MESSAGE_CHARACTERS),
            "alias": alias,
            "description": cut(message.text, DESCRIPTION_CHARACTERS),
            "priority": PRIORITY[message.severity],
            "source": "spikewatch",
            "entity": cut(labels.get("product_area", labels.get("tenant", "all")), 512),
            "tags": [cut(tag, TAG_CHARACTERS) for tag in ("spikewatch", *self._tags)][:20],
            "details": {name: cut(value, 200) for name, value in labels.items()}
            | {
                cut(text, 100): url
                for text, url in message.links_within(URL_CHARACTERS, MOST_LINKS)
            },
        }

    async def _on(self, alias: str, what: str, body: dict[str, str]) -> None:
        await self._post(
            f"/{quote(alias, safe='')}/{what}?identifierType=alias",
            {"source": "spikewatch", **body},
        )

    async def check(self) -> str:
        """Query a request that does not exist, because the key is checked first."""
        await self.ask(
            "GET", f"{self._url}/requests/{NOBODY}", headers=self._headers, accept=(NOT_FOUND,)
        )
        return "the API key was accepted"

    async def _post(self, path: str, body: dict[str, Any]) -> None:
        await self.ask("POST", self._url + path, body=body, headers=self._headers)


def _by(message: Message) -> dict[str, str]:
    return {"user": cut(message.by, 100)} if message.by else {}
