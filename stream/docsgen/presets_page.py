"""Reference page of the helpdesk presets, generated from their tables."""

from collections.abc import Sequence

from stream.docsgen.markdown import GENERATED, table
from stream.inputs.exports.preset_tables import Preset
from stream.inputs.exports.presets import GENERIC, PRESETS


def page() -> str:
    """Return the page as Markdown."""
    lines = [
        "# Presets",
        "",
        GENERATED,
        "",
        "Every command that reads tickets recognizes the exports of these helpdesks by their "
        "columns or keys; `--preset NAME` skips the recognition. For each field of a ticket event, "
        "the first of these columns (or paths in JSON) that is not empty is read. Case does not "
        "matter, and `Custom field (X)` and `X [list]` are read as `X`. `--map` overrides single "
        "fields. The guides to each helpdesk say how to export.",
        "",
        "Names in other languages than English are those of the helpdesk's user interface; month "
        "names are read in English, German, French, Spanish, Italian, Portuguese and Dutch.",
    ]
    for preset in (*sorted(PRESETS.values(), key=lambda each: each.name), GENERIC):
        lines += ["", f"## {preset.name}", "", *_section(preset)]
    return "\n".join(lines) + "\n"


def _section(preset: Preset) -> list[str]:
    lines = []
    if preset is GENERIC:
        lines += ["Common names of columns, for exports of no known helpdesk.", ""]
    rows = [
        (f"`{field}`", _listed(preset.columns.get(field, ())), _listed(preset.paths.get(field, ())))
        for field in dict.fromkeys((*preset.columns, *preset.paths))
    ]
    return [*lines, *table(("field", "columns", "paths in JSON"), rows)]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`".replace("|", "\\|") for name in names) or "-"
