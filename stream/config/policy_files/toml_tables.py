"""Line numbers of the tables in a TOML file, for messages about mistakes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from stream.config.errors import Sources, line_of

_HEADER: Final = re.compile(r"(?m)^[ \t]*\[\[([^\]\n]+)\]\]")


@dataclass(frozen=True)
class Part(Sources):
    """One table of a file, with the line numbers of its keys.

    Attributes:
        above: Number of lines of the file above the table's text.
    """

    above: int = 0

    def where(self, key: str) -> str:
        """Return ``file:line`` of a key, or else the file."""
        line = line_of(self.text, key)
        return f"{self.path}:{self.above + line}" if line else str(self.path)

    def mistake(self, key: str, text: str) -> str:
        """Return the message about a mistake in a key, with its location."""
        return f"{self.where(key)}: {key}: {text}"


def parts_of(path: Path, text: str, names: Sequence[str]) -> list[tuple[str, Part]]:
    """Return the tables that are written as ``[[name]]``, in order.

    A table extends to the next one that is not nested in it. The text of a nested table starts with
    the last part of its name only, so that its keys are found as ``issue_type.name``.
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
    """Return the parts if their count matches, or else placeholders with only a number each."""
    if len(parts) == count:
        return parts
    return [Part(Path(f"{where}, {name} {i}"), "", {}) for i in range(1, count + 1)]


def tables_of(
    data: dict[str, Any], key: str, where: str, shown: str, most: int
) -> tuple[list[dict[str, Any]], list[str]]:
    """Remove the list of tables under a key from the data; return the list and its mistakes."""
    name = shown.strip("[]")
    tables = data.pop(key, [])
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        return [], [f"{where}: {name}: not a list of tables; allowed: {shown} tables"]
    if len(tables) > most:
        return [], [f"{where}: {name}: found {len(tables)}; allowed: up to {most} {shown} tables"]
    return tables, []
