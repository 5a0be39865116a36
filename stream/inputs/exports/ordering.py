"""Ticket events of a file in order of time, with repeats of a ticket recognized.

The events wait in a temporary database of SQLite, which sorts on disk, so memory does not grow with
the file. It is deleted at the end.
"""

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from stream.errors import UserError

BATCH: Final = 1_000
"""Number of events to write at a time."""
CACHE_KILOBYTES: Final = 32_768
WRONG_ORDER_SECONDS: Final = 3600.0
"""A ticket that is older than an earlier one by more than this is in the wrong place."""


class _Key(msgspec.Struct):
    """Fields of a ticket event by which it is sorted and recognized."""

    ticket_id: str | int = ""
    created_at: str = ""
    occurred_at: str | None = None
    event_type: str = "created"
    tenant: str = ""
    source: str | None = None


_decode_key = msgspec.json.Decoder(_Key).decode


class Ordering:
    """Ticket events that are collected, then read in order.

    Example:
        >>> with Ordering() as ordering:
        ...     for line, day in ((2, 4), (3, 2)):
        ...         at = b'"created_at":"2026-03-0%dT09:00:00Z"' % day
        ...         ordering.add(line, b'{"ticket_id":"%d",%s}' % (line, at))
        ...     ordering.close()
        ...     [line for line, _ in ordering.events(by_time=True)], ordering.misplaced
        ([3, 2], 1)
    """

    def __init__(self) -> None:
        """Create an empty database, which is deleted at the end of the ``with``."""
        self._folder = tempfile.TemporaryDirectory(prefix="spikewatch-")
        self._base = sqlite3.connect(Path(self._folder.name) / "tickets", isolation_level=None)
        for setting in (
            "journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE",
            f"cache_size = -{CACHE_KILOBYTES}", "temp_store = FILE",
        ):  # fmt: skip
            self._base.execute(f"PRAGMA {setting}")
        self._base.execute(
            "CREATE TABLE events (seq INTEGER PRIMARY KEY, at REAL, created INTEGER, id TEXT, "
            "line INTEGER, event BLOB)"
        )
        self._base.execute("BEGIN")
        self._batch: list[tuple[float | None, bool, str, int, bytes]] = []
        self._newest = float("-inf")
        self.count = 0
        """Number of events."""
        self.disordered = 0
        """Number of events that are older than an earlier one."""
        self.misplaced = 0
        """Number of new tickets that are older than an earlier one by more than an hour."""
        self.repeated = 0
        """Number of records about a ticket that the file has already; known after `close`."""

    def __enter__(self) -> Self:
        """Return the ordering."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Delete the database."""
        self._base.close()
        self._folder.cleanup()

    def add(self, line: int, event: bytes) -> None:
        """Add an event; one that is not JSON of a ticket keeps its place in the file."""
        at, is_created, name = _key_of(event)
        if at is None:
            at = self._newest if self._newest > float("-inf") else None
        else:
            self.disordered += at < self._newest
            self.misplaced += is_created and at < self._newest - WRONG_ORDER_SECONDS
            self._newest = max(self._newest, at)
        self._batch.append((at, is_created, name, line, event))
        self.count += 1
        if len(self._batch) >= BATCH:
            self._write()

    def _write(self) -> None:
        with _in_our_words():
            self._base.executemany(
                "INSERT INTO events (at, created, id, line, event) VALUES (?, ?, ?, ?, ?)",
                self._batch,
            )
        self._batch.clear()

    def close(self, seconds_apart: float = 0.0) -> None:
        """End the collection, and find the tickets that come again.

        Args:
            seconds_apart: Repeats within this time of the first record are left as they are.
        """
        with _in_our_words():
            self._find_repeats(seconds_apart)

    def _find_repeats(self, seconds_apart: float) -> None:
        self._write()
        self._base.execute(
            "CREATE TABLE repeats AS SELECT seq, first FROM (SELECT seq, at, "
            "first_value(at) OVER same AS first, row_number() OVER same AS number "
            "FROM events WHERE created WINDOW same AS (PARTITION BY id ORDER BY at, seq)) "
            "WHERE number > 1 AND at - first >= ?",
            (seconds_apart,),
        )
        self._base.execute("CREATE UNIQUE INDEX repeats_seq ON repeats (seq)")
        (self.repeated,) = self._base.execute("SELECT count(*) FROM repeats").fetchone()
        self._base.execute("COMMIT")

    def events(self, *, by_time: bool) -> Iterator[tuple[int, bytes]]:
        """Yield each event with its line; a repeat is yielded as a change of its ticket.

        Args:
            by_time: Whether to sort by time; else the order of the file is kept.
        """
        in_order = "SELECT line, event, first FROM events LEFT JOIN repeats USING (seq) ORDER BY "
        with _in_our_words():  # sorting needs disk space too
            for line, event, first in self._base.execute(
                in_order + ("at, seq" if by_time else "seq")
            ):
                yield line, event if first is None else _as_change(event, first)


@contextlib.contextmanager
def _in_our_words() -> Iterator[None]:
    """Turn a failure of the database, which is nearly always a full disk, into a sentence."""
    try:
        yield
    except sqlite3.Error as error:
        raise UserError(
            f"the temporary folder {tempfile.gettempdir()} cannot hold the tickets ({error}): free "
            "some space, or name another folder in TMPDIR"
        ) from error


def _key_of(event: bytes) -> tuple[float | None, bool, str]:
    try:
        key = _decode_key(event)
        created_at = datetime.fromisoformat(key.created_at)
        at = datetime.fromisoformat(key.occurred_at) if key.occurred_at else created_at
        seconds = at.timestamp() if at.tzinfo else None
    except (msgspec.MsgspecError, ValueError, OverflowError):
        return None, False, ""
    is_created = key.event_type == "created" and key.ticket_id != "" and seconds is not None
    return seconds, is_created, f"{key.tenant}\0{key.source or ''}\0{key.ticket_id}"


def _as_change(event: bytes, first: float) -> bytes:
    """Return a repeated record as an update of the ticket that was created at `first`."""
    ticket = msgspec.json.decode(event)
    ticket["event_type"] = "updated"
    ticket["occurred_at"] = ticket.get("occurred_at") or ticket["created_at"]
    ticket["created_at"] = datetime.fromtimestamp(first, UTC).isoformat()
    return msgspec.json.encode(ticket)
