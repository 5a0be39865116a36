"""HTML written as a tree of calls; text and attributes that are not HTML already are escaped."""

import html
from collections.abc import Iterable


class Html(str):
    """Text that is HTML: a result of `element`, or a chart."""


def element(name: str, *children: "str | Html", **attributes: str) -> Html:
    """Return an element with its children; a trailing ``_`` of an attribute's name is dropped.

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
    """Return the parts as one HTML text; plain text is escaped."""
    return Html("".join(part if isinstance(part, Html) else html.escape(part) for part in parts))
