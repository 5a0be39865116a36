"""A consumer of our webhook, as strict as the standards that it names."""

import base64
import hashlib
import hmac
import re
from datetime import datetime
from typing import Any

from aiohttp import web

from tests.support.providers.base import RFC_3339, Provider, strings

URI_REFERENCE = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")


class Webhook(Provider):
    """A consumer of our webhook.

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
            # The escalation is the raw event of the topic and not text for people.
            shown = {k: v for k, v in data["data"].items() if k != "escalation"}
            self.accept(data["subject"], now, *strings(shown))
        return web.Response(status=204)
