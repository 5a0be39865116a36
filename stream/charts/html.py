"""HTML built by nested calls; plain text and attributes are escaped."""

import html
from collections.abc import Iterable


class Html(str):
    """Text that is already HTML, such as a result of `element`, or a chart."""


def element(name: str, *children: "str | Html", **attributes: str) -> Html:
    """Return an element with its children; drop a trailing ``_`` from attribute names.

    Example:
        >>> element("p", "1 < 2", element("b", "&"), class_="a")
        '<p class="a">1 &lt; 2<b>&amp;</b></p>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value)}"'
        for key, value in attributes.items()
    )
    return Html(f"<{name}{written}>{join(children)}</{name}>")


def join(parts: "Iterable[str | Html]") -> Html:
    """Join parts to one HTML text, escaping plain text."""
    return Html("".join(part if isinstance(part, Html) else html.escape(part) for part in parts))
