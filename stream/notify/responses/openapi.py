"""OpenAPI 3.1 description of the REST API, with the models of its requests."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from schemas.decoding.moments import Moment
from schemas.feedback import Action
from schemas.silence import Silence


class AnswerRequest(BaseModel):
    """Body of a request that responds to an episode."""

    model_config = ConfigDict(extra="forbid")

    tenant: str = Field(min_length=1, max_length=128)
    action: Action
    by: str = Field(min_length=1, max_length=256, description="Name of the person who responds.")
    until: Moment | None = Field(None, description="End of a snooze or of an expected event.")
    duration: str | None = Field(
        None, description="Duration, instead of until, such as 30m, 2h, 3d or 1w."
    )
    note: str | None = Field(None, max_length=4096)
    duplicate_of: str | None = Field(None, pattern="^[0-9a-f]{32}$")


class SilenceRequest(BaseModel):
    """Body of a request that starts a silence."""

    model_config = ConfigDict(extra="forbid")

    matchers: list[str] = Field(
        min_length=1,
        max_length=20,
        description="Matchers such as product_area=login or severity!=critical; all must match.",
    )
    duration: str = Field(description="Duration, such as 30m, 2h, 3d or 1w.")
    by: str = Field(
        min_length=1, max_length=256, description="Name of the person who creates the silence."
    )
    comment: str = Field("", max_length=1000)


def openapi() -> dict[str, Any]:
    """Return the OpenAPI description of the API as JSON values."""
    schemas: dict[str, Any] = {}
    for model in (AnswerRequest, SilenceRequest, Silence):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {})
        schemas[model.__name__] = schema
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "spikewatch notify",
            "version": "1",
            "description": "Responses to escalations, and silences.",
        },
        "security": [{"token": []}],
        "paths": {
            "/v1/episodes/{episode}/answers": {"post": _answer()},
            "/v1/silences": {"get": _list_silences(), "post": _silence()},
            "/v1/silences/{silence}": {"delete": _end_silence()},
            "/slack/interactions": {"post": _slack_interaction()},
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


_WRONG: dict[str, Any] = {"description": "The request was rejected; the field error says why."}


def _answer() -> dict[str, Any]:
    accepted = _of("The response was written to its topic.")
    return {
        "operationId": "answer",
        "summary": "Acknowledge, snooze or annotate an episode, or give a verdict.",
        "parameters": [_in_path("episode", "^[0-9a-f]{32}$")],
        "requestBody": _body("AnswerRequest"),
        "responses": {"202": accepted, "401": _WRONG, "422": _WRONG},
    }


def _list_silences() -> dict[str, Any]:
    return {
        "operationId": "listSilences",
        "summary": "List the silences that are active or start later, including those of "
        "Alertmanager.",
        "responses": {"200": _of("The silences.", list_of="Silence"), "401": _WRONG},
    }


def _silence() -> dict[str, Any]:
    created = _of("The new silence.", one="Silence")
    return {
        "operationId": "silence",
        "summary": "Start a silence.",
        "requestBody": _body("SilenceRequest"),
        "responses": {"201": created, "401": _WRONG, "422": _WRONG},
    }


def _end_silence() -> dict[str, Any]:
    ended = _of("The ended silence.", one="Silence")
    return {
        "operationId": "endSilence",
        "summary": "End a silence now.",
        "parameters": [
            _in_path("silence", "^.{1,64}$"),
            {"name": "by", "in": "query", "schema": {"type": "string"}},
        ],
        "responses": {"200": ended, "401": _WRONG, "404": _WRONG},
    }


def _slack_interaction() -> dict[str, Any]:
    form = {
        "type": "object",
        "properties": {"payload": {"type": "string"}},
        "required": ["payload"],
    }
    return {
        "operationId": "slackInteraction",
        "summary": "Handle a button press in Slack; Slack's signature is checked instead of the "
        "token.",
        "security": [],
        "requestBody": {
            "required": True,
            "content": {"application/x-www-form-urlencoded": {"schema": form}},
        },
        "responses": {
            "200": {"description": "The response was written to its topic."},
            "401": _WRONG,
        },
    }


def _in_path(name: str, pattern: str) -> dict[str, Any]:
    schema = {"type": "string", "pattern": pattern}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _body(name: str) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{name}"}
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _of(description: str, *, one: str = "", list_of: str = "") -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"}
    if name := one or list_of:
        schema = {"$ref": f"#/components/schemas/{name}"}
    if list_of:
        schema = {"type": "array", "items": schema}
    return {"description": description, "content": {"application/json": {"schema": schema}}}
