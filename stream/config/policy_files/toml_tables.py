"""Line numbers of the tables of a TOML file, for messages about mistakes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from stream.config.errors import Sources, line_of

_HEADER: Final = re.compile(r"(?m)^[ \t]*\[\[([^\]\n]+)\]\]")


@dataclass(frozen=True)
class Part(Sources):
    """One table of a file, which knows the lines of its keys.

    Attributes:
        above: how many lines of the file are above its text.
    """

    above: int = 0

    def where(self, key: str) -> str:
        """Return ``file:line`` of a key, else the file."""
        line = line_of(self.text, key)
        return f"{self.path}:{self.above + line}" if line else str(self.path)

    def mistake(self, key: str, text: str) -> str:
        """Return a mistake about a key, with its place."""
        return f"{self.where(key)}: {key}: {text}"


def parts_of(path: Path, text: str, names: Sequence[str]) -> list[tuple[str, Part]]:
    """Return the tables that are written as ``[[name]]``, in order.

    Each goes as far as the next that is not within it. One within another has only its own name at
    the head of its text, so that its keys are found as ``issue_type.name``.
    """
    matches = [(re.sub(r"[\s\"']", "", match[1]), match) for match in _HEADER.finditer(text)]
    headers = [(name, match) for name, match in matches if name in names]
    parts, above, counted = [], 0, 0
    for number, (name, header) in enumerate(headers, 1):
        after = (m.start() for other, m in headers[number:] if not other.startswith(f"{name}."))
        above += text.count("\n", counted, header.start())
        counted = header.start()
        own = f"[[{name.rpartition('.')[2]}]]{text[header.end() : next(after, len(text))]}"
        parts.append((name, Part(path, own, {}, above)))
    return parts


def numbered(parts: list[Part], count: int, where: str, name: str) -> list[Part]:
    """Return the parts if their number fits, else placeholders that know only their number."""
    if len(parts) == count:
        return parts
    return [Part(Path(f"{where}, {name} {i}"), "", {}) for i in range(1, count + 1)]


def tables_of(
    data: dict[str, Any], key: str, where: str, shown: str, most: int
) -> tuple[list[dict[str, Any]], list[str]]:
    """Remove the list of tables under a key from *data*; returns it and mistakes about the list."""
    name = shown.strip("[]")
    tables = data.pop(key, [])
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        return [], [f"{where}: {name}: found no list of tables; allowed: {shown}, repeated"]
    if len(tables) > most:
        return [], [f"{where}: {name}: found {len(tables)}; allowed: up to {most} of {shown}"]
    return tables, []
