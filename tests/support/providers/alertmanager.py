"""Alertmanager, as strict as its documentation."""

import json
import re
from datetime import datetime
from typing import Any

from aiohttp import web

from tests.support.providers.base import RFC_3339, Provider, strings


class Alertmanager(Provider):
    """API v2. Source: prometheus/alertmanager, api/v2/openapi.yaml, types/types.go (Validate)."""

    _name = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

    def take(self, request: web.Request, data: Any, body: bytes) -> web.StreamResponse:
        """Handle a status request or alerts."""
        del body
        if request.headers.get("Authorization") != f"Bearer {self.secret}":
            return web.Response(status=401, text="no")
        if request.path == "/api/v2/status":
            return web.json_response({"versionInfo": {"version": "0.28.1"}})
        right = request.method == "POST" and request.path == "/api/v2/alerts"
        self.must(right, f"{request.method} {request.path}")
        self.must(isinstance(data, list) and data, "postableAlerts is a list")
        for alert in data if isinstance(data, list) else ():
            self._alert(alert)
        return web.Response(status=200)

    def _alert(self, alert: Any) -> None:
        names = "annotations startsAt endsAt generatorURL"
        if not self.only(alert, "an alert", names, "labels"):
            return
        for what in ("labels", "annotations"):
            for name, value in alert.get(what, {}).items():
                self.must(self._name.fullmatch(name), f"{what}: the name {name!r:.80}")
                self.text(value, f"{what}: {name}")
        self.must(any(alert["labels"].values()), "at least one label pair required")
        times = []
        for name in ("startsAt", "endsAt"):
            self.must(RFC_3339.fullmatch(alert.get(name, "")), f"{name} is not RFC 3339")
            times.append(datetime.fromisoformat(alert[name]))
        self.must(times[1] >= times[0], "start time must be before end time")
        if alert.get("generatorURL"):  # "format: uri", not required
            self.link(alert["generatorURL"], "generatorURL")
        over = times[1] <= datetime.now(times[1].tzinfo)
        key = json.dumps(alert["labels"], sort_keys=True)  # labels identify an alert
        self.accept(key, "resolved" if over else "open", *strings(alert))
