"""REST API for responses and silences, and the endpoint that Slack's buttons call.

Every path requires the bearer token, except ``/openapi.json``, which contains nothing private, and
``/slack/interactions``, which checks Slack's signature instead.

Source: OpenAPI 3.1; Slack, "Verifying requests from Slack" and "Handling user interaction".
"""

import hashlib
import hmac
import json
import os
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self
from urllib.parse import parse_qs

from aiohttp import web
from pydantic import ValidationError

from schemas.audit import audit_id
from schemas.feedback import Action
from schemas.silence import Silence
from stream.config.sections import Config
from stream.errors import UserError
from stream.notify.dispatch.silences import Silences
from stream.notify.responses import responses
from stream.notify.responses.openapi import AnswerRequest, SilenceRequest, openapi
from stream.notify.store.notify_topics import NotifyTopics
from stream.process.http_listener import FAILED, listen, log_failure

BODY_BYTES: Final = 65_536
LEAST_TOKEN: Final = 16
SLACK_SECONDS: Final = 300
TOKEN_VARIABLE, SLACK_VARIABLE = "SPIKEWATCH_API_TOKEN", "SLACK_SIGNING_SECRET"
BUTTONS: Final[dict[str, Action]] = {
    "acknowledge": "acknowledge",
    "snooze_1h": "snooze",
    "incident": "incident",
    "false_alarm": "false_alarm",
    "new_normal": "new_normal",
}


class Api:
    """Server of the API, which listens inside an ``async with``."""

    def __init__(self, config: Config, ledger: NotifyTopics, silences: Silences) -> None:
        """Read the secrets without listening yet.

        Raises:
            UserError: The token is missing or too short.
        """
        self._config = config.notify
        self._store = ledger
        self._silences = silences
        self._token = secret(self._config.api_token_file, TOKEN_VARIABLE)
        self._slack = secret(self._config.slack_signing_secret_file, SLACK_VARIABLE)
        if len(self._token) < LEAST_TOKEN:
            raise UserError(
                f"the API requires a token of at least {LEAST_TOKEN} characters: set "
                f"{TOKEN_VARIABLE}, or "
                "write it to the file that [notify] api_token_file names"
            )

    async def __aenter__(self) -> Self:
        """Start listening.

        Raises:
            UserError: The port cannot be bound.
        """
        app = web.Application(client_max_size=BODY_BYTES, middlewares=[self._guard])
        app.router.add_get("/openapi.json", _openapi)
        app.router.add_post("/v1/episodes/{episode}/answers", self._answer)
        app.router.add_get("/v1/silences", self._list)
        app.router.add_post("/v1/silences", self._silence)
        app.router.add_delete("/v1/silences/{silence}", self._end_silence)
        app.router.add_post("/slack/interactions", self._button)
        self._runner = await listen(
            app,
            self._config.api_host,
            self._config.api_port,
            "the API cannot listen on",
            "set another [notify] api_port, or 0 to switch the API off",
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    @web.middleware
    async def _guard(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Check the token, and return errors as JSON."""
        if request.path.startswith("/v1/"):
            scheme, _, given = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not _is_same(self._token, given.strip()):
                return _wrong(401, "the bearer token is missing or wrong")
        try:
            return await handler(request)
        except web.HTTPException as error:
            return _wrong(error.status, error.reason)
        except UserError as error:
            return _wrong(422, str(error))
        except ValidationError as error:
            return _wrong(422, responses.in_words(error))
        except Exception:
            log_failure(request)
            return _wrong(500, FAILED)

    async def _answer(self, request: web.Request) -> web.Response:
        asked = AnswerRequest.model_validate_json(await request.read())
        now = datetime.now(UTC)
        until = asked.until
        if asked.duration is not None:
            until = now + responses.duration(asked.duration)
        feedback = responses.answer(
            request.match_info["episode"],
            asked.tenant,
            asked.action,
            asked.by,
            now=now,
            until=until,
            note=asked.note,
            duplicate_of=asked.duplicate_of,
        )
        await self._store.answer(feedback)
        return web.json_response({"feedback_id": feedback.feedback_id}, status=202)

    async def _list(self, _: web.Request) -> web.Response:
        silences = self._silences.listed(time.time())
        return web.json_response([silence.model_dump(mode="json") for silence in silences])

    async def _silence(self, request: web.Request) -> web.Response:
        asked = SilenceRequest.model_validate_json(await request.read())
        now = datetime.now(UTC)
        made = responses.silence(
            asked.matchers,
            asked.by,
            asked.comment,
            now=now,
            ends_at=now + responses.duration(asked.duration),
        )
        await self._store.silence(made)
        return web.json_response(made.model_dump(mode="json"), status=201)

    async def _end_silence(self, request: web.Request) -> web.Response:
        wanted = request.match_info["silence"]
        active = next(
            (
                candidate
                for candidate in self._silences.listed(time.time())
                if candidate.silence_id == wanted and candidate.origin == "spikewatch"
            ),
            None,
        )
        if active is None:
            return _wrong(404, "there is no silence of spikewatch with this id")
        ended: Silence = responses.ended(active, request.query.get("by", "api"), datetime.now(UTC))
        await self._store.silence(ended)
        return web.json_response(ended.model_dump(mode="json"))

    async def _button(self, request: web.Request) -> web.Response:
        body = await request.read()
        if not signed_by_slack(
            self._slack,
            request.headers.get("X-Slack-Request-Timestamp", ""),
            request.headers.get("X-Slack-Signature", ""),
            body,
            time.time(),
        ):
            return _wrong(401, "Slack's signature is missing, wrong or too old")
        try:
            form = parse_qs(body.decode("utf-8", "replace"))
            pressed = json.loads(form.get("payload", ["{}"])[0])
            json.dumps(pressed, ensure_ascii=False).encode()  # refuses lone surrogates
            actions = [item for item in pressed.get("actions") or [] if isinstance(item, dict)]
            user = pressed.get("user") if isinstance(pressed.get("user"), dict) else {}
        except (ValueError, AttributeError, TypeError, RecursionError):
            return _wrong(422, "the interaction is not valid")
        for action in actions:
            name = BUTTONS.get(str(action.get("action_id")))
            episode, _, tenant = str(action.get("value", "")).partition("|")
            if name is None:
                continue
            by = f"{user.get('name') or user.get('username') or 'somebody'} ({user.get('id')})"
            now = datetime.now(UTC)
            until = now + responses.duration("1h") if name == "snooze" else None
            pressed_at = str(action.get("action_ts", ""))  # unchanged if Slack retries
            identity = audit_id("slack", episode, name, user.get("id"), pressed_at)
            made = responses.answer(
                episode, tenant, name, by[:256], now=now, until=until, identity=identity
            )
            await self._store.answer(made)
        return web.Response(status=200)


def signed_by_slack(
    signing_secret: str, timestamp: str, given: str, body: bytes, now: float
) -> bool:
    """Return whether Slack signed the request within the last five minutes.

    Example:
        >>> signed_by_slack("", "0", "v0=", b"", 0.0)  # without a secret, nothing is signed
        False
    """
    if not (signing_secret and timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 12):
        return False
    if abs(now - int(timestamp)) > SLACK_SECONDS:
        return False
    signed = b":".join((b"v0", timestamp.encode(), body))
    wanted = "v0=" + hmac.new(signing_secret.encode(), signed, hashlib.sha256).hexdigest()
    return _is_same(wanted, given)


def _is_same(wanted: str, given: str) -> bool:
    """Compare a secret with a header in constant time; the header may hold bytes of any kind."""
    # aiohttp decodes bytes that are not UTF-8 to lone surrogates.
    return hmac.compare_digest(wanted.encode(), given.encode(errors="surrogatepass"))


def secret(file: str, variable: str) -> str:
    """Return the secret from the file, or from the environment variable if no file is named.

    Raises:
        UserError: The file cannot be read.
    """
    if not file:
        return os.environ.get(variable, "").strip()
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UserError(f"{file} cannot be read: {reason}") from None


def _wrong(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)


async def _openapi(_: web.Request) -> web.Response:
    return web.json_response(openapi())
