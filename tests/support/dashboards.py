"""The committed dashboards as tests read them, and variables filled in as Grafana does it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards"
FILES: Final = sorted(FOLDER.glob("*.json"))
VARIABLE: Final = re.compile(r"\$(\w+)")


@dataclass(frozen=True)
class Asked:
    """One query: of a panel, or of an annotation."""

    dashboard: str
    panel: str
    expression: str
    instant: bool

    def __str__(self) -> str:
        """Where it stands, for people."""
        return f"{self.dashboard} / {self.panel}: {self.expression}"


def read(path: Path) -> dict[str, Any]:
    """One dashboard."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def panels(dashboard: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All panels; rows are headings, and those that are folded hold panels."""
    for panel in dashboard["panels"]:
        if panel["type"] != "row":
            yield panel
        yield from panel.get("panels", ())


def annotations(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Marks on all panels."""
    found: list[dict[str, Any]] = dashboard.get("annotations", {}).get("list", [])
    return found


def variables(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """In the order in which they are filled in."""
    found: list[dict[str, Any]] = dashboard["templating"]["list"]
    return found


def queries(dashboard: Mapping[str, Any]) -> list[Asked]:
    """Every query of every panel and every annotation."""
    title = dashboard["title"]
    found = [
        Asked(title, panel["title"], target["expr"], bool(target.get("instant")))
        for panel in panels(dashboard)
        for target in panel["targets"]
    ]
    return found + [Asked(title, one["name"], one["expr"], False) for one in annotations(dashboard)]


def several(values: list[str]) -> str:
    """As Grafana writes several values into a regular expression inside of a PromQL string."""
    escaped = [re.sub(r"[\\^$*+?.()|\[\]{}]", r"\\\\\g<0>", value) for value in values]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


def fill(expression: str, values: Mapping[str, str]) -> str:
    """The expression with its variables replaced; one that has no value is a mistake."""
    return VARIABLE.sub(lambda found: values[found[1]], expression)
