"""Microsoft Teams, through a workflow triggered "When a Teams webhook request is received".

Each message is posted separately, because a workflow cannot edit messages. Text from tickets is put
into text runs, where nothing is markup.

Source: Microsoft Learn, "Create incoming webhooks with Workflows"; Adaptive Cards 1.4 schema,
    RichTextBlock and TextRun; message size limit of 28 KB.
"""

import json
from typing import Any, ClassVar, Final

from pydantic import Field

from schemas.escalation import Severity
from stream.config.secret import Secret
from stream.config.values import plain
from stream.notify.model.message import Action, Message
from stream.notify.sinks.base import Handle, Options, Sink, cut

MOST_BYTES: Final = 27_000
LINE_CHARACTERS: Final = 500
MOST_ACTIONS: Final = 5
URL_CHARACTERS: Final = 1000
COLOUR: Final[dict[Severity, str]] = {
    "critical": "attention",
    "error": "attention",
    "warning": "warning",
    "info": "accent",
}


class TeamsOptions(Options):
    """Teams workflow."""

    webhook_url: Secret = Field(description="URL that the workflow shows.")


class Teams(Sink):
    """Sink that posts to one Teams workflow."""

    kind = "teams"
    options = TeamsOptions
    actions: ClassVar[frozenset[Action]] = frozenset(("open", "update", "resolve"))

    def __init__(self, name: str, options: TeamsOptions, http: Any) -> None:
        """Create the sink; see `Sink`."""
        super().__init__(name, options, http)
        self._url = plain(options.webhook_url)

    async def send(self, message: Message, handle: Handle) -> Handle:
        """Post one card, with as many lines as fit."""
        lines = list(message.lines)
        while len(body := json.dumps(_card(message, lines)).encode()) > MOST_BYTES and lines:
            lines = lines[: len(lines) * 3 // 4]
        await self.ask("POST", self._url, data=body, headers={"Content-Type": "application/json"})
        return handle

    async def check(self) -> str:
        """Check that the URL is allowed."""
        self.http.check(self._url)
        return await super().check()


def _card(message: Message, lines: list[str]) -> dict[str, Any]:
    colour = "good" if message.action == "resolve" else COLOUR[message.severity]
    blocks = [_line(message.title, weight="bolder", size="medium", color=colour)]
    blocks += [_line(line) for line in lines]
    if len(lines) < len(message.lines):
        blocks.append(_line("…"))
    actions = [
        {"type": "Action.OpenUrl", "title": cut(text, 80) or "Open", "url": url}
        for text, url in message.links_within(URL_CHARACTERS, MOST_ACTIONS)
    ]
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": blocks,
    }
    if actions:
        card["actions"] = actions
    return {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": None,
                "content": card,
            }
        ],
    }


def _line(text: str, **style: str) -> dict[str, Any]:
    run = {"type": "TextRun", "text": cut(text, LINE_CHARACTERS) or " ", **style}
    return {"type": "RichTextBlock", "inlines": [run]}
