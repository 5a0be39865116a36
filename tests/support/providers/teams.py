"""Microsoft Teams, as strict as its documentation."""

from typing import Any

from aiohttp import web

from tests.support.providers.base import Provider


class Teams(Provider):
    """A workflow's webhook.

    Source: Microsoft Learn, "Create incoming webhooks with Workflows for Microsoft Teams", "Limits
    and specifications": 28 KB; Adaptive Cards schema 1.4: TextRun, RichTextBlock, Action.OpenUrl.
    """

    most_bytes = 28 * 1024
    path = "/workflows/marker5ecret0123456789"

    def take(self, request: web.Request, data: Any, body: bytes) -> web.StreamResponse:
        """Accept a card with 202."""
        del body
        if request.path != self.path:
            return web.Response(status=401, text="the signature is wrong")
        if not self.only(data, "the message", "", "type attachments"):
            return web.Response(status=400)
        self.must(data["type"] == "message", f"type {data['type']}")
        self.must(len(data["attachments"]) == 1, "one attachment")
        for attachment in data["attachments"]:
            if self.only(attachment, "an attachment", "contentUrl", "contentType content"):
                kind = "application/vnd.microsoft.card.adaptive"
                self.must(
                    attachment["contentType"] == kind, f"contentType {attachment['contentType']}"
                )
                self.must(attachment.get("contentUrl") is None, "contentUrl is null")
                self._card(attachment["content"])
        return web.Response(status=202)

    def _card(self, card: Any) -> None:
        if not self.only(
            card, "the card", "$schema actions msteams fallbackText", "type version body"
        ):
            return
        self.must(card["type"] == "AdaptiveCard", f"type {card['type']}")
        self.must(card["version"] in ("1.2", "1.3", "1.4"), f"version {card['version']}")
        before = len(self.shown)
        for block in card["body"]:
            # A TextBlock interprets Markdown; a TextRun does not.
            self.must(block.get("type") == "RichTextBlock", f"{block.get('type')} has markup")
            for run in block.get("inlines", []):
                if self.only(run, "a run", "weight size color isSubtle", "type text"):
                    self.must(run["type"] == "TextRun", f"inline {run['type']}")
                    colours = (None, "default", "accent", "good", "warning", "attention")
                    self.must(run.get("color") in colours, f"color {run.get('color')}")
                    self.text(run["text"], "a run", 1)
                    self.shown.append(run["text"])
        for action in card.get("actions", []):
            if self.only(action, "an action", "", "type title url"):
                self.must(action["type"] == "Action.OpenUrl", f"action {action['type']}")
                self.link(action["url"], "url")
        over = "[RESOLVED]" in self.shown[before]
        self.accept("", "resolved" if over else "open")
