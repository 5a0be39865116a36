"""Generate the five dashboards as files that Grafana loads."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana.account_team import account_team
from deploy.grafana.areas_now import areas_now
from deploy.grafana.episode import episode
from deploy.grafana.operations import operations
from deploy.grafana.quality import quality

FOLDER: Final = Path(__file__).parent / "dashboards"
DASHBOARDS: Final[dict[str, Callable[[], Dashboard]]] = {
    "areas-now.json": areas_now,
    "episode.json": episode,
    "account-team.json": account_team,
    "quality.json": quality,
    "operations.json": operations,
}


def written() -> dict[str, str]:
    """Return the text of each file by its name."""
    return {name: _text(make()) for name, make in DASHBOARDS.items()}


def _text(builder: Dashboard) -> str:
    made = builder.build()
    for number, panel in enumerate(made.panels or [], start=1):
        panel.id_val = number  # links to a panel and repeated panels use it
    document = json.loads(json.dumps(made, cls=JSONEncoder))
    # An explicit null, so that Grafana finds the dashboard by its uid and never by its own number.
    return json.dumps({"id": None, **document}, indent=2, ensure_ascii=False) + "\n"


def write(folder: Path = FOLDER) -> None:
    """Write all files into *folder*."""
    for name, text in written().items():
        (folder / name).write_text(text, encoding="utf-8")
