"""The committed dashboards as tests read them, with variables replaced as Grafana does it."""

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
    """A query of a panel or of an annotation."""

    dashboard: str
    panel: str
    expression: str
    instant: bool

    def __str__(self) -> str:
        """Return the place and the expression of the query, for people."""
        return f"{self.dashboard} / {self.panel}: {self.expression}"


def read(path: Path) -> dict[str, Any]:
    """Read one dashboard."""
    dashboard: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return dashboard


def panels(dashboard: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield all panels, including those inside collapsed rows, but not the rows."""
    for panel in dashboard["panels"]:
        if panel["type"] != "row":
            yield panel
        yield from panel.get("panels", ())


def annotations(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the annotations of a dashboard."""
    marks: list[dict[str, Any]] = dashboard.get("annotations", {}).get("list", [])
    return marks


def variables(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the variables in the order in which Grafana replaces them."""
    declared: list[dict[str, Any]] = dashboard["templating"]["list"]
    return declared


def queries(dashboard: Mapping[str, Any]) -> list[Asked]:
    """Return every query of every panel and of every annotation."""
    title = dashboard["title"]
    panel_queries = [
        Asked(title, panel["title"], target["expr"], bool(target.get("instant")))
        for panel in panels(dashboard)
        for target in panel["targets"]
    ]
    return panel_queries + [
        Asked(title, mark["name"], mark["expr"], False) for mark in annotations(dashboard)
    ]


def several(values: list[str]) -> str:
    """Join values as Grafana does for a regular expression in a PromQL string."""
    escaped = [re.sub(r"[\\^$*+?.()|\[\]{}]", r"\\\\\g<0>", value) for value in values]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


def fill(expression: str, values: Mapping[str, str]) -> str:
    """Return the expression with its variables replaced.

    Raises:
        KeyError: A variable has no value.
    """
    return VARIABLE.sub(lambda variable: values[variable[1]], expression)
