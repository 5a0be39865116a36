"""PagerDuty, as strict as its documentation."""

import json
from typing import Any

from aiohttp import web

from tests.support.providers.base import RFC_3339, Provider, strings


class PagerDuty(Provider):
    """Events API v2. Source: PagerDuty/developer-docs, docs/events-API-v2/02-Trigger-Events.md."""

    secret = "marker5ecret0123456789abcdef0123"  # 32 characters: "GUID" of the integration
    most_bytes = 512 * 1024  # "Size limit: 512 KB", else 413

    def take(self, request: web.Request, data: Any, body: bytes) -> web.StreamResponse:
        """Accept an event with 202, and refuse a wrong key with 400."""
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
            self.accept(data.get("dedup_key", ""), now, *strings(data), shown)
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
        for link in data.get("links", []):
            if self.only(link, "a link", "text", "href"):
                self.link(link["href"], "href")
        if "client_url" in data:
            self.link(data["client_url"], "client_url")
