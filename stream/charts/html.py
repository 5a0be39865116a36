"""HTML as a tree of calls: every text and attribute is escaped, unless it is HTML already."""

import html
from collections.abc import Iterable


class Html(str):
    """Text that is HTML: what `element` made, or a chart of our own."""


def element(name: str, *children: "str | Html", **attributes: str) -> Html:
    """One element around *children*; a trailing ``_`` in the name of an attribute is dropped.

    Example:
        >>> element("p", "1 < 2", element("b", "&"), class_="a")
        '<p class="a">1 &lt; 2<b>&amp;</b></p>'
    """
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value)}"'
        for key, value in attributes.items()
    )
    return Html(f"<{name}{told}>{join(children)}</{name}>")


def join(parts: "Iterable[str | Html]") -> Html:
    """*parts* one after the other, escaped where they are plain text."""
    return Html("".join(part if isinstance(part, Html) else html.escape(part) for part in parts))
