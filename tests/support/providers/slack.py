"""Slack, as strict as its documentation."""

import re
from collections import Counter
from typing import Any

from aiohttp import web

from tests.support.providers.base import Provider


class Slack(Provider):
    """The Web API and an incoming webhook.

    Source: Slack API reference: chat.postMessage, chat.update, auth.test, Block Kit reference
    (blocks, block elements, composition objects), "Formatting message text".
    """

    secret = "xoxb-marker-5ecret-0123456789"
    webhook_path = "/services/T000/B000/marker5ecret0123456789"
    _post = (
        "channel thread_ts reply_broadcast mrkdwn unfurl_links unfurl_media metadata blocks text"
    )
    _update = "channel ts metadata blocks text reply_broadcast"  # neither mrkdwn nor unfurl_*
    _webhook = "text blocks mrkdwn unfurl_links unfurl_media metadata thread_ts"

    def __init__(self) -> None:
        super().__init__()
        self.messages: dict[str, dict[str, Any]] = {}
        self.replies: list[dict[str, Any]] = []

    def take(self, request: web.Request, data: Any, body: bytes) -> web.StreamResponse:
        """Handle one API method or the incoming webhook."""
        del body
        if request.path.startswith("/services/"):
            if request.path != self.webhook_path:
                return web.Response(status=403, text="invalid_token")
            if self.only(data, "the message", self._webhook, "text"):
                self._message(data)
            return web.Response(text="ok")
        content = request.headers.get("Content-Type", "")
        self.must("charset=utf-8" in content, "JSON needs charset=utf-8, else a warning")
        if request.headers.get("Authorization") != f"Bearer {self.secret}":
            return web.json_response({"ok": False, "error": "invalid_auth"})
        method = request.path.removeprefix("/api/")
        if method == "auth.test":
            return web.json_response({"ok": True, "user": "spikewatch", "team": "acme"})
        if method == "chat.postMessage":
            return web.json_response(self._posted(data))
        self.must(method == "chat.update", f"no such method: {method}")
        return web.json_response(self._updated(data))

    def _posted(self, data: Any) -> dict[str, Any]:
        if not self.only(data, "chat.postMessage", self._post, "channel text"):
            return {"ok": False, "error": "invalid_arguments"}
        self.must(not data["channel"].startswith("#"), "a name of a channel may change: use its id")
        if "thread_ts" in data:
            self.must(data["thread_ts"] in self.messages, "thread_not_found")
            self.replies.append(data)
            self._text(data)
            return {"ok": True, "channel": data["channel"], "ts": "9.9"}
        ts = f"1700000000.{len(self.messages):06d}"
        self.messages[ts] = data
        self._message(data)
        return {"ok": True, "channel": "C0123456789", "ts": ts}

    def _updated(self, data: Any) -> dict[str, Any]:
        if not self.only(data, "chat.update", self._update, "channel ts text"):
            return {"ok": False, "error": "invalid_arguments"}
        self.must(re.fullmatch(r"[CDG]\w+", data["channel"]), "chat.update: channel is no id")
        if data["ts"] not in self.messages:
            return {"ok": False, "error": "message_not_found"}
        self.messages[data["ts"]] = data
        self._message(data)
        return {"ok": True, "channel": data["channel"], "ts": data["ts"]}

    def _text(self, data: Any) -> str:
        # "Truncated above 40,000 characters; keep it below 4,000".
        self.text(data["text"], "text", 1, 4000)
        # In mrkdwn, "<" begins links and mentions and "&" an entity; "<", ">" and "&" are escaped.
        bare = re.sub(r"&(amp|lt|gt);", "", data["text"])
        self.must(not set(bare) & set("<>&"), f"text has bare markup: {bare!r:.200}")
        shown = data["text"].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        self.shown.append(shown)
        return str(shown)

    def _message(self, data: Any) -> None:
        self._text(data)
        blocks = data.get("blocks", [])
        self.must(len(blocks) <= 50, f"{len(blocks)} blocks, at most 50")
        actions: Counter[str] = Counter()
        for block in blocks:
            kind = block.get("type")
            if kind == "header" and self.only(block, "header", "block_id", "type text"):
                self._plain(block["text"], "header", 150)
            elif kind == "section" and self.only(block, "section", "text fields block_id", "type"):
                self.must("text" in block or "fields" in block, "a section needs text or fields")
                if "text" in block:
                    self._plain(block["text"], "section", 3000)
                fields = block.get("fields", [])
                self.must(len(fields) <= 10, f"{len(fields)} fields, at most 10")
                for text in fields:
                    self._plain(text, "field", 2000)
            elif kind == "actions" and self.only(block, "actions", "block_id", "type elements"):
                self.must(1 <= len(block["elements"]) <= 25, "1 to 25 elements")
                for button in block["elements"]:
                    self._button(button)
                    actions[button["action_id"]] += 1
            else:
                self.must(False, f"block {kind}")
        self.must(max(actions.values(), default=1) == 1, "action_id is unique within a block")
        payload = data["metadata"]["event_payload"]
        self.ids.append(payload["id"])
        resolved = "[RESOLVED]" in data["text"]
        self.accept(payload["key"], "resolved" if resolved else "open")

    def _plain(self, text: Any, name: str, most: int) -> None:
        if self.only(text, name, "emoji", "type text"):
            self.must(text["type"] == "plain_text", f"{name}: text of strangers as {text['type']}")
            self.must(text.get("emoji") is False, f"{name}: :smile: would become a picture")
            self.text(text["text"], name, 1, most)
            self.shown.append(text["text"])

    def _button(self, button: Any) -> None:
        if self.only(button, "button", "url value style confirm", "type text action_id"):
            self._plain(button["text"], "button", 75)
            self.text(button["action_id"], "action_id", 1, 255)
            self.text(button.get("value", ""), "value", 0, 2000)
            if "url" in button:
                self.link(button["url"], "button url", 3000)
