"""Test that the OpenAPI description is valid and matches what the server accepts."""

import asyncio
import hashlib
import hmac
import http.client
import json
import socket
import time
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator

from stream.config.sections import Config
from stream.errors import UserError
from stream.notify.dispatch.silences import Silences
from stream.notify.responses.http_api import (
    Api,
    signed_by_slack,
)
from stream.notify.responses.openapi import AnswerRequest, SilenceRequest, openapi
from stream.notify.store.notify_topics import NotifyTopics
from tests.support.kafka_rig import free_port


def test_the_description_is_valid_openapi() -> None:
    """The official validator accepts the description and rejects a damaged one."""
    described = openapi()
    OpenAPIV31SpecValidator(described).validate()
    spoilt = {**described, "paths": {"v1": {}}}
    assert list(OpenAPIV31SpecValidator(spoilt).iter_errors())


def test_the_description_lists_every_route_and_its_parameters() -> None:
    """The description has exactly the paths of the server."""
    described = openapi()
    operations = {
        (method.upper(), path) for path, methods in described["paths"].items() for method in methods
    }
    assert operations == {
        ("POST", "/v1/episodes/{episode}/answers"),
        ("GET", "/v1/silences"),
        ("POST", "/v1/silences"),
        ("DELETE", "/v1/silences/{silence}"),
        ("POST", "/slack/interactions"),
    }
    schemas: dict[str, Any] = described["components"]["schemas"]
    for model in (AnswerRequest, SilenceRequest):
        assert schemas[model.__name__]["required"]
        assert set(schemas[model.__name__]["properties"]) == set(model.model_fields)


@pytest.mark.parametrize("token", ["", "short"])
def test_the_api_does_not_start_without_a_token(
    monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    """An API without a token would let anybody silence pages."""
    monkeypatch.setenv("SPIKEWATCH_API_TOKEN", token)
    config = Config()
    with pytest.raises(UserError, match="SPIKEWATCH_API_TOKEN"):
        Api(config, NotifyTopics(config), Silences())


@example("²", "v0=", b"", 2.0)
@given(st.text(), st.text(), st.binary(), st.floats(0.0, 1e11))
def test_random_headers_never_pass_as_a_valid_signature(
    timestamp: str, given_: str, body: bytes, now: float
) -> None:
    """Arbitrary headers cause neither an exception nor a valid signature."""
    assert not signed_by_slack("secret", timestamp, given_, body, now)


TOKEN = "t" * 20


def answered(monkeypatch: pytest.MonkeyPatch, *requests: bytes) -> list[tuple[int, Any]]:
    """Start the API without a broker, send raw requests, and return their statuses and bodies."""
    monkeypatch.setenv("SPIKEWATCH_API_TOKEN", TOKEN)
    monkeypatch.setenv("SLACK_SIGNING_SECRET", "s" * 20)
    config = Config.model_validate({"notify": {"api_port": free_port()}})

    async def run() -> list[tuple[int, Any]]:
        async with Api(config, NotifyTopics(config), Silences()):
            return [
                await asyncio.to_thread(_answer, config.notify.api_port, request)
                for request in requests
            ]

    return asyncio.run(run())


def _answer(port: int, request: bytes) -> tuple[int, Any]:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        line.sendall(request)
        answer = http.client.HTTPResponse(line)
        answer.begin()
        return answer.status, json.loads(answer.read())


def _request(method: str, path: str, *headers: bytes, body: bytes = b"") -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1".encode(),
        b"Host: localhost",
        b"Connection: close",
        f"Content-Length: {len(body)}".encode(),
        *headers,
    ]
    return b"\r\n".join((*lines, b"", body))


@pytest.mark.parametrize(
    "header",
    [
        b"Authorization: Bearer \xff",
        b"Authorization: Bearer \xed\xa0\x80",
        b"Authorization: \xff",
        b"Authorization: Bearer",
        b"Authorization: Basic tttttttttttttttttttt",
        b"Authorization: tttttttttttttttttttt",
        b"X-Other: 1",
    ],
)
def test_a_wrong_token_of_any_bytes_is_unauthorized(
    monkeypatch: pytest.MonkeyPatch, header: bytes
) -> None:
    assert answered(monkeypatch, _request("GET", "/v1/silences", header)) == [
        (401, {"error": "the bearer token is missing or wrong"})
    ]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer "])
def test_the_authentication_scheme_is_caseless(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """RFC 9110, section 11.1."""
    header = f"Authorization: {scheme} {TOKEN}".encode()
    assert answered(monkeypatch, _request("GET", "/v1/silences", header)) == [(200, [])]


@pytest.mark.parametrize("signature", [b"v0=\xff", b"v0=\xed\xa0\x80", b"", b"v0=0"])
def test_a_wrong_slack_signature_of_any_bytes_is_unauthorized(
    monkeypatch: pytest.MonkeyPatch, signature: bytes
) -> None:
    headers = (
        f"X-Slack-Request-Timestamp: {time.time():.0f}".encode(),
        b"X-Slack-Signature: " + signature,
    )
    ((status, _),) = answered(
        monkeypatch, _request("POST", "/slack/interactions", *headers, body=b"x")
    )
    assert status == 401


def test_a_failure_that_nobody_foresaw_is_a_json_response(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The topics were never opened, so writing the silence fails."""
    silence = {"matchers": ["tenant=acme"], "duration": "1h", "by": "on-call"}
    request = _request(
        "POST",
        "/v1/silences",
        f"Authorization: Bearer {TOKEN}".encode(),
        body=json.dumps(silence).encode(),
    )
    ((status, body),) = answered(monkeypatch, request)
    assert status == 500
    assert "see its log" in body["error"]
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.getMessage() == "POST /v1/silences failed"


@pytest.mark.parametrize("until", ["9999-12-31T23:59:59-14:00", "1.7e12", "tomorrow"])
def test_a_response_until_a_time_out_of_range_is_refused(
    monkeypatch: pytest.MonkeyPatch, until: str
) -> None:
    answer = {"tenant": "acme", "action": "expected_event", "by": "on-call", "until": until}
    request = _request(
        "POST",
        f"/v1/episodes/{'0' * 32}/answers",
        f"Authorization: Bearer {TOKEN}".encode(),
        body=json.dumps(answer).encode(),
    )
    ((status, body),) = answered(monkeypatch, request)
    assert status == 422
    assert body["error"].startswith("until: must be ")


def test_a_signed_interaction_with_a_lone_surrogate_is_refused(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """JSON can escape half a character, which no topic can hold."""
    action = r'{"action_id":"acknowledge","value":"\ud800|acme","action_ts":"1"}'
    body = b"payload=" + quote(f'{{"actions":[{action}]}}').encode()
    timestamp = f"{time.time():.0f}"
    signed = b":".join((b"v0", timestamp.encode(), body))
    signature = hmac.new(b"s" * 20, signed, hashlib.sha256).hexdigest()
    headers = (
        f"X-Slack-Request-Timestamp: {timestamp}".encode(),
        f"X-Slack-Signature: v0={signature}".encode(),
    )
    ((status, answer),) = answered(
        monkeypatch, _request("POST", "/slack/interactions", *headers, body=body)
    )
    assert (status, answer) == (422, {"error": "the interaction is not valid"})
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
