"""Generated files and the functions that render them."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from stream.docsgen import (
    api_page,
    cli_page,
    configuration_page,
    events_page,
    metrics_page,
    presets_page,
    receivers_page,
    topics_page,
)

ROOT: Final = Path(__file__).parents[2]
REFERENCE: Final = ROOT / "docs" / "reference"
PAGES: Final[dict[Path, Callable[[], str]]] = {
    REFERENCE / "cli.md": cli_page.page,
    REFERENCE / "configuration.md": configuration_page.page,
    REFERENCE / "receivers.md": receivers_page.page,
    REFERENCE / "metrics.md": metrics_page.page,
    REFERENCE / "presets.md": presets_page.page,
    REFERENCE / "topics.md": topics_page.page,
    REFERENCE / "events.md": events_page.page,
    REFERENCE / "api.md": api_page.page,
    ROOT / "deploy" / "config" / "spikewatch.example.toml": configuration_page.example,
}
