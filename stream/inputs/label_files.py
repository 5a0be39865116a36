"""Reader of known incidents from a CSV file with columns area, start, end, optionally tenant."""

import csv
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from detectors.evaluation.history.labels import ANY, Label
from schemas.codec import area_name, clean
from stream.errors import UserError
from stream.inputs.ticket_files import zone_of

WHOLE: Final = "*tenant*"
"""Value of the column area that means the whole tenant, as does an empty cell."""
NEEDED: Final = ("area", "start", "end")


def read_labels(path: Path, timezone: str | None = None) -> list[Label]:
    """Return the labels of a file, sorted by start.

    Args:
        path: CSV file in UTF-8 with a header; columns in any order, other columns are ignored.
        timezone: IANA time zone of times without an offset; None: UTC.

    Raises:
        UserError: The file, a column or a row is not valid; the text names the line.
    """
    zone = zone_of(timezone or "UTC")
    assert zone is not None
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            heads = {name.strip().lower(): name for name in rows.fieldnames or ()}
            missing = [name for name in NEEDED if name not in heads]
            if missing:
                raise UserError(
                    f"{path}: the column {missing[0]} is missing: the first line must name the "
                    "columns area, start and end, and may name tenant"
                )
            labels = [_label(path, rows.line_num, row, heads, zone) for row in rows]
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8: save it as UTF-8") from None
    except csv.Error as error:
        raise UserError(f"{path} is not valid CSV: {error}") from None
    return sorted(labels, key=lambda label: (label.start, label.end, label.area or ""))


def _label(
    path: Path, line: int, row: dict[str, str], heads: dict[str, str], zone: ZoneInfo
) -> Label:
    cell = {name: (row.get(head) or "").strip() for name, head in heads.items()}
    start = _time(path, line, "start", cell["start"], zone)
    end = _time(path, line, "end", cell["end"], zone)
    if end < start:
        raise UserError(f"{path}, line {line}: end is before start")
    area = None if cell["area"] in ("", WHOLE) else area_name(cell["area"])
    tenant = clean(cell.get("tenant", ""), 128) or ANY
    return Label(start=start, end=end, area=area, tenant=tenant)


def _time(path: Path, line: int, name: str, text: str, zone: ZoneInfo) -> float:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(
            f"{path}, line {line}: {name} is {text!r}, which is not a time such as "
            "2026-03-02T09:00:00Z"
        ) from None
    return (at.replace(tzinfo=zone) if at.tzinfo is None else at).timestamp()
