"""Jira Service Management, as strict as its documentation."""

import re
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from tests.support.providers.base import Provider, strings


class Jira(Provider):
    """Integration events of Jira Service Management.

    Source: Atlassian, JSM ops REST API v2, "Integration events"; limits of the fields from "Create
    alert" on the same page and from Opsgenie's Alert API.
    """

    def take(self, request: web.Request, data: Any, body: bytes) -> web.StreamResponse:
        """Handle the creation, note, acknowledgement, closing or request status of an alert."""
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
        # The documentation also gives 512; the smaller limit applies.
        self.text(data.get("alias", ""), "alias", 1, 250)
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
        self.accept(data["alias"], "open", *strings(data))

    def _on(self, alias: str, what: str, data: Any) -> None:
        needed = "note" if what == "notes" else ""
        if self.only(data, what, "user source note", needed):
            self.text(data.get("note", ""), "note", 0, 25_000)
            self.text(data.get("user", "x"), "user", 1, 100)
            self.text(data.get("source", ""), "source", 0, 100)
            known = {"notes": self.state.get(alias, "open"), "close": "resolved"}
            self.accept(alias, known.get(what, "acknowledged"), *strings(data))
