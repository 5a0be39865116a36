"""Ticket events written as CSV, for files of simulated tickets."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping


def csv_lines(tickets: Iterable[Mapping[str, object]]) -> Iterator[bytes]:
    """Yield ticket events as CSV lines, with a column for each field of the first event.

    Example:
        >>> list(csv_lines([{"ticket_id": "1", "customer": {"id": "a, b"}}]))
        [b'ticket_id,customer.id', b'1,"a, b"']
    """
    names: list[str] | None = None
    row = io.StringIO()
    writer = csv.writer(row, lineterminator="")
    for ticket in tickets:
        flat = {
            f"{name}.{inner}" if inner else name: cell
            for name, value in ticket.items()
            for inner, cell in (value.items() if isinstance(value, Mapping) else [("", value)])
        }
        if names is None:
            names = list(flat)
            writer.writerow(names)
            yield row.getvalue().encode()
        row.seek(0)
        row.truncate()
        writer.writerow([flat.get(name, "") for name in names])
        yield row.getvalue().encode()
