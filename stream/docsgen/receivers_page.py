"""Reference page of the notification file, generated from the models of its tables."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from stream.config.errors import key_of
from stream.docsgen.markdown import GENERATED, table
from stream.notify.routing.rules import AccountOwnerRoute, Default, DeliveryOptions, Route
from stream.notify.sinks import SINKS


def page() -> str:
    """Return the page as Markdown."""
    lines = [
        "# Receivers and routes",
        "",
        GENERATED,
        "",
        "Keys of the file that `[notify] file` names. Start from `deploy/config/notify.toml`. "
        "Paths are relative to the file. A secret is written as "
        '`{ env = "NAME" }` or `{ file = "/run/secrets/name" }`.',
    ]
    tables: list[tuple[str, type[BaseModel]]] = [
        ("`[delivery]`", DeliveryOptions),
        ("`[default]`: receivers of escalations that no route matches", Default),
        ("`[[route]]`: the first matching route decides", Route),
        (
            "`[[audience]]`: account owners from the file named by `[owners] file`",
            AccountOwnerRoute,
        ),
    ]
    for title, model in tables:
        lines += ["", f"## {title}", "", *_table(model)]
    for kind, sink in SINKS.items():
        about = " ".join((sink.options.__doc__ or "").split())
        lines += ["", f"## `[[receiver]]` of kind `{kind}`", "", about, ""]
        lines += _table(sink.options)
    return "\n".join(lines) + "\n"


def _table(model: type[BaseModel]) -> Iterator[str]:
    rows = []
    for name, field in model.model_fields.items():
        default = "required" if field.is_required() else _default(field.default)
        rows.append((f"`{key_of(name, field)}`", default, str(field.description)))
    yield from table(("key", "default", "meaning"), rows)


def _default(value: Any) -> str:
    """Return a default as TOML."""
    if value in (None, "", ()):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value:g}`"
