"""Write the reference of all keys of the file of receivers, from where they are declared.

``python -m stream.docsgen.receivers_page``, or ``make schemas``, writes ``deploy/RECEIVERS.md``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from stream.config.errors import key_of
from stream.notify.routing.rules import AccountOwnerRoute, Default, DeliveryOptions, Route
from stream.notify.sinks import SINKS

PAGE: Final = Path(__file__).parent.parent.parent / "deploy" / "RECEIVERS.md"


def page() -> str:
    """The page, as Markdown."""
    lines = [
        "# Receivers and routes",
        "",
        "Keys of the file that `[notify] file` names; written by `make schemas` from where "
        "they are declared. `deploy/config/notify.toml` is one to begin with. Paths are as seen "
        "from the "
        'file. A secret is `{ env = "NAME" }` or `{ file = "/run/secrets/name" }`.',
    ]
    tables: list[tuple[str, type[BaseModel]]] = [
        ("`[delivery]`", DeliveryOptions),
        ("`[default]`: receivers of escalations that no route matches", Default),
        ("`[[route]]`: the first route that matches decides", Route),
        (
            "`[[audience]]`: account owners, from the file that `[owners]` names",
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
    yield "| key | default | meaning |"
    yield "|---|---|---|"
    for name, field in model.model_fields.items():
        default = "required" if field.is_required() else _shown(field.default)
        yield f"| `{key_of(name, field)}` | {default} | {field.description} |"


def _shown(value: Any) -> str:
    """A default as TOML has it."""
    if value in (None, "", ()):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value:g}`"


def main() -> None:
    """Write it."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
