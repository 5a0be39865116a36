"""A server for the posts of Apprise, as strict as its documentation."""

from typing import Any

from aiohttp import web

from tests.support.providers.base import Provider


class Json(Provider):
    """A server for what Apprise posts to ``json://``.

    Source: caronc/apprise, wiki "Notify_Custom_JSON".
    """

    def take(self, request: web.Request, data: Any, body: bytes) -> web.StreamResponse:
        """Accept an object with the four documented keys."""
        del body
        if request.path.strip("/") != self.secret:
            return web.Response(status=401)
        if self.only(data, "the body", "attachments", "version title message type"):
            self.must(data["type"] in ("info", "success", "warning", "failure"), "type")
            self.shown += [data["title"], data["message"]]
            self.accept("", "resolved" if data["type"] == "success" else "open")
        return web.Response(status=200)
