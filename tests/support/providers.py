"""Providers on this machine, as strict as their documentation; what breaks it fails the test.

Limits are from the providers' documentation, not from our sinks; each names where it stands.
"""

import asyncio
import base64
import contextlib
import email
import email.policy
import hashlib
import hmac
import json
import re
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import unquote, urlsplit

from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

HOST = "127.0.0.1"
URL = re.compile(r"https?://[^\s/]+(/\S*)?", re.ASCII)
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
URI_REFERENCE = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")
ECHO = "the provider repeats all it was sent: "


@dataclass(frozen=True)
class Fault:
    """One answer that is not the usual one."""

    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    reset: bool = False
    hang: float = 0.0
    body: str | None = None
    """None: all that was sent, headers too."""


class Provider:
    """What the fakes share: a server, faults to come, what was heard, what was wrong with it.

    Attributes:
        secret: what a request has to prove to know.
        heard: the key of each accepted message, in order.
        state: key -> how the provider sees the episode: open, acknowledged or resolved.
        shown: every text that a person would see.
        ids: of the messages, where the provider is told one.
        wrong: sentences on what broke the documented contract.
    """

    secret: ClassVar[str] = "marker-5ecret-0123456789abcdef99"
    most_bytes: ClassVar[int] = 16_000_000

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.state: dict[str, str] = {}
        self.shown: list[str] = []
        self.ids: list[str] = []
        self.wrong: list[str] = []
        self.faults: deque[Fault] = deque()
        self.requests = 0
        self.port = 0
        self._runner: web.AppRunner | None = None
        self._hanging = asyncio.Event()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.port}"

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=16_000_000)
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._hanging.set()
        if self._runner is not None:
            await self._runner.cleanup()
        assert not self.wrong, "\n".join(self.wrong)

    def must(self, holds: object, sentence: str) -> None:
        """Note *sentence* unless it *holds*."""
        if not holds:
            self.wrong.append(f"{type(self).__name__}: {sentence}")

    def text(self, value: object, name: str, least: int = 0, most: int = 10**9) -> None:
        """It is a string of so many characters."""
        self.must(isinstance(value, str), f"{name} is no string: {value!r:.80}")
        if isinstance(value, str):
            self.must(
                least <= len(value) <= most,
                f"{name} has {len(value)} characters, allowed are {least} to {most}",
            )

    def only(self, value: object, name: str, allowed: str, needed: str = "") -> bool:
        """It is an object with no keys but these, and those that are needed."""
        self.must(isinstance(value, dict), f"{name} is no object")
        if not isinstance(value, dict):
            return False
        strange = set(value) - set(allowed.split()) - set(needed.split())
        missing = set(needed.split()) - set(value)
        self.must(not strange, f"{name} has keys that are not documented: {sorted(strange)}")
        self.must(not missing, f"{name} lacks {sorted(missing)}")
        return not missing

    def link(self, value: object, name: str, most: int = 10**9) -> None:
        """It is a URL of a page."""
        self.text(value, name, 1, most)
        self.must(URL.fullmatch(str(value)), f"{name} is no URL of a page: {value!r:.80}")

    def accept(self, key: str, action: str, *shown: str) -> None:
        """Note what happened to an episode."""
        self.heard.append(key)
        self.state[key] = action
        self.shown += shown

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        body = await request.read()
        if self.faults:
            return await self._fail(self.faults.popleft(), request, body)
        self.must(len(body) <= self.most_bytes, f"{len(body)} bytes, allowed {self.most_bytes}")
        data: Any = None
        if body:
            content = request.headers.get("Content-Type", "").replace(" ", "")
            self.must("json" in content, f"the body is declared as {content}")
            try:
                data = json.loads(body.decode("utf-8"))
            except ValueError as error:
                self.must(False, f"the body is no JSON in UTF-8: {error}")
        return self.take(request, data, body)

    async def _fail(self, fault: Fault, request: web.Request, body: bytes) -> web.Response:
        if fault.reset:
            assert request.transport is not None
            request.transport.abort()
        if fault.hang:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hanging.wait(), fault.hang)
        said = fault.body
        if said is None:
            said = f"{ECHO}{request.path_qs} {dict(request.headers)} "[:500]
            said += body.decode("utf-8", "replace")
        return web.Response(status=fault.status, text=said, headers=dict(fault.headers))

    def take(self, request: web.Request, data: Any, body: bytes) -> web.StreamResponse:
        """Validate, note and answer one request."""
        raise NotImplementedError


class PagerDuty(Provider):
    """Events API v2. Source: PagerDuty/developer-docs, docs/events-API-v2/02-Trigger-Events.md."""

    secret = "marker5ecret0123456789abcdef0123"  # 32 characters: "GUID" of the integration
    most_bytes = 512 * 1024  # "Size limit: 512 KB", else 413

    def take(self, request: web.Request, data: Any, body: bytes) -> web.StreamResponse:
        """Accept with 202, refuse a wrong key with 400."""
        del body
        self.must(request.method == "POST" and request.path == "/v2/enqueue", "POST /v2/enqueue")
        top = "payload images links client client_url"
        if not self.only(data, "the event", f"{top} dedup_key", "routing_key event_action"):
            return web.json_response({"status": "invalid event"}, status=400)
        if data["routing_key"] != self.secret:
            return web.json_response({"status": "invalid event", "errors": ["key"]}, status=400)
        action = data["event_action"]
        self.must(action in ("trigger", "acknowledge", "resolve"), f"event_action {action}")
        self.text(data.get("dedup_key", ""), "dedup_key", 0 if action == "trigger" else 1, 255)
        if action == "trigger":
            self._trigger(data)
        if data.get("dedup_key") != "spikewatch-check":
            shown = json.dumps(data, ensure_ascii=False)
            now = {"trigger": "open", "acknowledge": "acknowledged", "resolve": "resolved"}[action]
            self.accept(data.get("dedup_key", ""), now, *_strings(data), shown)
        return web.json_response({"status": "success"}, status=202)

    def _trigger(self, data: Any) -> None:
        payload = data.get("payload")
        names = "timestamp component group class custom_details"
        if self.only(payload, "payload", names, "summary source severity"):
            self.text(payload["summary"], "summary", 1, 1024)
            self.text(payload["source"], "source", 1)
            known = ("critical", "error", "warning", "info")
            self.must(payload["severity"] in known, f"severity {payload['severity']}")
            for name in ("component", "group", "class"):
                self.text(payload.get(name, ""), name)
            if "timestamp" in payload:
                self.must(RFC_3339.fullmatch(payload["timestamp"]), "timestamp is not ISO 8601")
            self.must(isinstance(payload.get("custom_details", {}), dict), "custom_details")
        for one in data.get("links", []):
            if self.only(one, "a link", "text", "href"):
                self.link(one["href"], "href")
        if "client_url" in data:
            self.link(data["client_url"], "client_url")


class Alertmanager(Provider):
    """API v2. Source: prometheus/alertmanager, api/v2/openapi.yaml, types/types.go (Validate)."""

    _name = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

    def take(self, request: web.Request, data: Any, body: bytes) -> web.StreamResponse:
        """Its status, or alerts."""
        del body
        if request.headers.get("Authorization") != f"Bearer {self.secret}":
            return web.Response(status=401, text="no")
        if request.path == "/api/v2/status":
            return web.json_response({"versionInfo": {"version": "0.28.1"}})
        right = request.method == "POST" and request.path == "/api/v2/alerts"
        self.must(right, f"{request.method} {request.path}")
        self.must(isinstance(data, list) and data, "postableAlerts is a list")
        for one in data if isinstance(data, list) else ():
            self._alert(one)
        return web.Response(status=200)

    def _alert(self, one: Any) -> None:
        names = "annotations startsAt endsAt generatorURL"
        if not self.only(one, "an alert", names, "labels"):
            return
        for what in ("labels", "annotations"):
            for name, value in one.get(what, {}).items():
                self.must(self._name.fullmatch(name), f"{what}: the name {name!r:.80}")
                self.text(value, f"{what}: {name}")
        self.must(any(one["labels"].values()), "at least one label pair required")
        times = []
        for name in ("startsAt", "endsAt"):
            self.must(RFC_3339.fullmatch(one.get(name, "")), f"{name} is not RFC 3339")
            times.append(datetime.fromisoformat(one[name]))
        self.must(times[1] >= times[0], "start time must be before end time")
        if one.get("generatorURL"):  # "format: uri", not required
            self.link(one["generatorURL"], "generatorURL")
        over = times[1] <= datetime.now(times[1].tzinfo)
        key = json.dumps(one["labels"], sort_keys=True)  # the identity of an alert is its labels
        self.accept(key, "resolved" if over else "open", *_strings(one))


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
        """One method."""
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
        # In mrkdwn "<" begins links and mentions, "&" an entity; only these three may be escaped.
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
                for one in fields:
                    self._plain(one, "field", 2000)
            elif kind == "actions" and self.only(block, "actions", "block_id", "type elements"):
                self.must(1 <= len(block["elements"]) <= 25, "1 to 25 elements")
                for one in block["elements"]:
                    self._button(one)
                    actions[one["action_id"]] += 1
            else:
                self.must(False, f"block {kind}")
        self.must(max(actions.values(), default=1) == 1, "action_id is unique within a block")
        payload = data["metadata"]["event_payload"]
        self.ids.append(payload["id"])
        resolved = "[RESOLVED]" in data["text"]
        self.accept(payload["key"], "resolved" if resolved else "open")

    def _plain(self, one: Any, name: str, most: int) -> None:
        if self.only(one, name, "emoji", "type text"):
            self.must(one["type"] == "plain_text", f"{name}: text of strangers as {one['type']}")
            self.must(one.get("emoji") is False, f"{name}: :smile: would become a picture")
            self.text(one["text"], name, 1, most)
            self.shown.append(one["text"])

    def _button(self, one: Any) -> None:
        if self.only(one, "button", "url value style confirm", "type text action_id"):
            self._plain(one["text"], "button", 75)
            self.text(one["action_id"], "action_id", 1, 255)
            self.text(one.get("value", ""), "value", 0, 2000)
            if "url" in one:
                self.link(one["url"], "button url", 3000)


class Jira(Provider):
    """Integration events. Source: Atlassian, JSM ops REST API v2, "Integration events".

    Limits of the fields: the same page, "Create alert"; those of Opsgenie's Alert API.
    """

    def take(self, request: web.Request, data: Any, body: bytes) -> web.StreamResponse:
        """Create, note, acknowledge, close, or the status of a request."""
        del body
        if request.headers.get("Authorization") != f"GenieKey {self.secret}":
            return web.json_response({"message": "Could not authenticate"}, status=401)
        path = request.path.removeprefix("/jsm/ops/integration/v2/alerts")
        if request.method == "GET" and path.startswith("/requests/"):
            return web.json_response({"message": "Request not found"}, status=404)
        self.must(request.method == "POST", f"{request.method} {path}")
        if path == "":
            self._create(data)
        else:
            match = re.fullmatch(r"/([^/]+)/(notes|acknowledge|close)", request.rel_url.raw_path
                                 .removeprefix("/jsm/ops/integration/v2/alerts"))  # fmt: skip
            self.must(match, f"no such path: {path}")
            self.must(request.query.get("identifierType") == "alias", "identifierType=alias")
            if match:
                self._on(unquote(match[1]), match[2], data)
        return web.json_response(
            {"result": "Request will be processed", "requestId": "r"}, status=202
        )

    def _create(self, data: Any) -> None:
        names = "alias description responders visibleTo note tags details entity source priority"
        if not self.only(data, "the alert", f"{names} user actions", "message"):
            return
        self.text(data["message"], "message", 1, 130)
        self.text(data.get("alias", ""), "alias", 1, 250)  # 512 elsewhere; the smaller holds
        self.text(data.get("description", ""), "description", 0, 15_000)
        self.text(data.get("entity", ""), "entity", 0, 512)
        self.text(data.get("source", ""), "source", 0, 100)
        self.must(data.get("priority") in ("P1", "P2", "P3", "P4", "P5"), "priority P1 to P5")
        self.must(len(data.get("tags", [])) <= 20, "at most 20 tags")
        for tag in data.get("tags", []):
            self.text(tag, "tag", 1, 50)
        details = data.get("details", {})
        for name, value in details.items():
            self.text(value, f"details {name}")
        length = sum(len(name) + len(value) for name, value in details.items())
        self.must(length <= 8000, f"details have {length} characters, at most 8000")
        self.accept(data["alias"], "open", *_strings(data))

    def _on(self, alias: str, what: str, data: Any) -> None:
        needed = "note" if what == "notes" else ""
        if self.only(data, what, "user source note", needed):
            self.text(data.get("note", ""), "note", 0, 25_000)
            self.text(data.get("user", "x"), "user", 1, 100)
            self.text(data.get("source", ""), "source", 0, 100)
            known = {"notes": self.state.get(alias, "open"), "close": "resolved"}
            self.accept(alias, known.get(what, "acknowledged"), *_strings(data))


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
        for one in data["attachments"]:
            if self.only(one, "an attachment", "contentUrl", "contentType content"):
                kind = "application/vnd.microsoft.card.adaptive"
                self.must(one["contentType"] == kind, f"contentType {one['contentType']}")
                self.must(one.get("contentUrl") is None, "contentUrl is null")
                self._card(one["content"])
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
            # A TextBlock knows Markdown; a TextRun does not.
            self.must(block.get("type") == "RichTextBlock", f"{block.get('type')} has markup")
            for run in block.get("inlines", []):
                if self.only(run, "a run", "weight size color isSubtle", "type text"):
                    self.must(run["type"] == "TextRun", f"inline {run['type']}")
                    colours = (None, "default", "accent", "good", "warning", "attention")
                    self.must(run.get("color") in colours, f"color {run.get('color')}")
                    self.text(run["text"], "a run", 1)
                    self.shown.append(run["text"])
        for one in card.get("actions", []):
            if self.only(one, "an action", "", "type title url"):
                self.must(one["type"] == "Action.OpenUrl", f"action {one['type']}")
                self.link(one["url"], "url")
        over = "[RESOLVED]" in self.shown[before]
        self.accept("", "resolved" if over else "open")


class Webhook(Provider):
    """A consumer of ours.

    Source: standard-webhooks/standard-webhooks, spec/standard-webhooks.md; cloudevents/spec,
    cloudevents/spec.md (REQUIRED attributes) and formats/json-format.md.
    """

    def take(self, request: web.Request, data: Any, body: bytes) -> web.StreamResponse:
        """Verify the signature over the bytes, then the envelope."""
        if request.path == "/gone":
            return web.Response(status=404)
        identifier = request.headers.get("webhook-id", "")
        stamp = request.headers.get("webhook-timestamp", "")
        self.must(identifier and "." not in stamp and stamp.isdigit(), "webhook-id and -timestamp")
        self.must(abs(int(stamp) - datetime.now().timestamp()) < 60, "the timestamp is not now")  # noqa: DTZ005
        signed = f"{identifier}.{stamp}.".encode() + body
        mac = hmac.new(self.secret.encode(), signed, hashlib.sha256).digest()
        given = request.headers.get("webhook-signature", "").split(" ")
        if f"v1,{base64.b64encode(mac).decode()}" not in given:
            return web.Response(status=401, text="the signature is wrong")
        content = request.headers["Content-Type"]
        self.must(content.startswith("application/cloudevents+json"), f"declared as {content}")
        extra = "subject time datacontenttype dataschema data"
        if self.only(data, "the CloudEvent", extra, "specversion id source type"):
            self.must(data["specversion"] == "1.0", "specversion")
            for name in ("id", "source", "type"):
                self.text(data[name], name, 1)
            self.must(URI_REFERENCE.fullmatch(data["source"]), f"source {data['source']!r:.99}")
            self.must(RFC_3339.fullmatch(data.get("time", "")), "time is not RFC 3339")
            self.must(data["id"] == identifier, "id and webhook-id are one")
            self.ids.append(identifier)
            over = data["data"]["action"]
            now = {"resolve": "resolved", "acknowledge": "acknowledged"}.get(over, "open")
            told = {k: v for k, v in data["data"].items() if k != "escalation"}  # as on the topic
            self.accept(data["subject"], now, *_strings(told))
        return web.Response(status=204)


class Json(Provider):
    """What Apprise posts for ``json://``. Source: caronc/apprise, wiki "Notify_Custom_JSON"."""

    def take(self, request: web.Request, data: Any, body: bytes) -> web.StreamResponse:
        """Accept the four keys."""
        del body
        if request.path.strip("/") != self.secret:
            return web.Response(status=401)
        if self.only(data, "the body", "attachments", "version title message type"):
            self.must(data["type"] in ("info", "success", "warning", "failure"), "type")
            self.shown += [data["title"], data["message"]]
            self.accept("", "resolved" if data["type"] == "success" else "open")
        return web.Response(status=200)


class Mail(Provider):
    """A mail server. Source: RFC 5322 2.1.1, 3.6, RFC 5321 4.5.3.1, RFC 3834 5."""

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
        """Take a recipient unless told otherwise."""
        del server, session, options
        self.requests += 1
        if address in self.refused:
            return self.refused[address]
        if self.faults:
            return f"{self.faults.popleft().status} {ECHO} {address}"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Read one mail, as strictly as the standards are."""
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
    """The text of a page; only tags and attributes of ours may be in it."""

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


class Folder(Provider):
    """A folder; *path* is where messages go."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for one in self.path.iterdir() if self.path.exists() else ():
            self.must(one.suffix == ".txt", f"something is left over: {one.name}")
            self.must(len(one.name.encode()) <= 255, "a name of more than 255 bytes")
        assert not self.wrong, "\n".join(self.wrong)

    def read(self) -> list[str]:
        """All messages."""
        self.shown = [one.read_text(encoding="utf-8") for one in sorted(self.path.iterdir())]
        return self.shown


def _strings(value: Any) -> list[str]:
    """All texts within a value."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for one in value.values() for text in _strings(one)]
    if isinstance(value, list):
        return [text for one in value for text in _strings(one)]
    return []
