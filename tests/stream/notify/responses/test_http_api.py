"""Test that the OpenAPI description is valid and matches what the server accepts."""

from typing import Any

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
