"""Reference page of the HTTP API of notify, generated from its OpenAPI document."""

from collections.abc import Iterator, Mapping
from typing import Any

from stream.docsgen.markdown import GENERATED, fields, name_of, sentence, table
from stream.notify.responses.openapi import openapi


def page() -> str:
    """Return the page as Markdown."""
    document = openapi()
    lines = [
        "# HTTP API",
        "",
        GENERATED,
        "",
        "`spikewatch notify` serves the API on `[notify] api_port`; it is off by default. Every "
        "request except Slack's must have the header `Authorization: Bearer TOKEN`. "
        "`GET /openapi.json` returns the OpenAPI document from which this page is generated.",
    ]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            lines += _operation(path, method, operation)
    lines += ["", "## Bodies"]
    for name, schema in document["components"]["schemas"].items():
        lines += ["", f"### {name}", "", sentence(schema.get("description")), "", *fields(schema)]
    return "\n".join(lines) + "\n"


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", f"## `{method.upper()} {path}`", "", operation["summary"], "")
    rows = [
        (f"{each['in']} parameter", f"`{each['name']}`", each["schema"].get("pattern", ""))
        for each in operation.get("parameters", ())
    ]
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        rows.append(("request body", f"`{media}`", _body(content["schema"])))
    for code, response in operation["responses"].items():
        rows.append(("response", f"`{code}`", response["description"]))
    yield from table(("part", "name", "content"), rows)


def _body(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = name_of(schema["$ref"])
        return f"[{name}](#{name.lower()})"
    return ", ".join(f"`{key}`" for key in schema.get("properties", {}))
