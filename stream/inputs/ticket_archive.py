"""History for a backtest: read once, validated, sorted, and stored in a file.

Several processes read and validate the tickets once and store them as internal records (without
personal data, as on the topic) in a temporary file that only this user can read. Each pass over the
history reads that file. Memory does not grow with the history: unordered tickets are sorted in
parts, which are then merged.
"""

import heapq
import math
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice, pairwise
from multiprocessing import get_context
from multiprocessing.pool import AsyncResult, Pool
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from detectors.evaluation.history.injection import Taken
from schemas.codec import MAX_BYTES, read_ticket, to_signal
from schemas.dead_letter import DeadReason, Rejected
from schemas.signals import OTHER, UNCLASSIFIED, Ticket, Verdict

CHUNK: Final = 1_000
"""Number of tickets in a chunk that a process parses."""
PART: Final = 50_000
"""Number of signals to sort in memory at a time."""
MERGED: Final = 100
"""Number of parts to merge at a time; each is an open file, of which a process may have few."""

MOST_NAMES: Final = 10_000
"""Maximum number of areas to count separately, because input may contain any number of names."""
UNDER_WAY: Final = 6
"""Number of chunks that processes work on at a time."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Taken).decode


@dataclass
class Facts:
    """Facts about a history, counted while it is read."""

    tickets: int = 0
    """Number of valid tickets."""
    begin: float = 0.0
    """Creation time of the first ticket, seconds since 1970."""
    end: float = 0.0
    areas: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Number of tickets by tenant and area, as named in the tickets."""
    nameless: int = 0
    """Number of tickets without an area."""
    dead: Counter[DeadReason] = field(default_factory=Counter)
    """Number of rejected tickets by reason."""
    disordered: int = 0
    """Number of tickets that were out of order."""
    repeated: int = 0
    """Number of records of tickets that the file had before, read as changes of those tickets."""
    verdicts: int = 0

    def add(self, at: float, tenant: str, area: str) -> None:
        """Count a ticket; its creation time is in seconds since 1970."""
        self.begin = min(self.begin, at) if self.tickets else at
        self.end = max(self.end, at) if self.tickets else at
        self.tickets += 1
        key = tenant, area
        if key not in self.areas and len(self.areas) >= MOST_NAMES:
            key = tenant, OTHER
        self.areas[key] += 1
        self.nameless += area == UNCLASSIFIED


class History:
    """Signals sorted in a temporary file, which can be read any number of times.

    Example:
        >>> at = b'"created_at": "2026-03-02T09:00:00Z"'
        >>> with History() as history:
        ...     history.read([(1, b'{"ticket_id": "1", "product_area": "login", ' + at + b"}")])
        ...     history.close_book()
        ...     [taken.signal.area for _, taken in history.signals()]
        ['login']
    """

    def __init__(self) -> None:
        """Create an empty history. The file is deleted at the end of the ``with``."""
        self.facts = Facts()
        self._folder = tempfile.TemporaryDirectory(prefix="spikewatch-")
        self.path = Path(self._folder.name) / "history"
        self._file = self.path.open("wb")
        self._part: list[tuple[float, bytes]] = []
        self._parts: list[tuple[int, int, float, float]] = []
        """First and last byte and the time range of each part."""
        self._latest = 0.0

    def __enter__(self) -> Self:
        """Return the history."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Delete the file."""
        self._file.close()
        self._folder.cleanup()

    def read(
        self,
        lines: Iterable[tuple[int, bytes]],
        max_bytes: int = MAX_BYTES,
        pool: Pool | None = None,
        since: float = -math.inf,
        until: float = math.inf,
        reject: Callable[[Rejected, int, bytes], None] | None = None,
    ) -> None:
        """Add the ticket events of a file.

        Args:
            lines: Numbered lines of the file.
            max_bytes: Length above which lines are rejected without being parsed.
            pool: Processes that parse tickets; None: this process alone.
            since: Earliest created_at to keep, seconds since 1970.
            until: Latest created_at to keep, seconds since 1970.
            reject: Called with each ticket that is not valid: why, its line and its bytes.
        """
        for found, dead in _read_all(iter(lines), max_bytes, pool):
            for why, number, raw in dead:
                self.facts.dead[why.reason] += 1
                if reject is not None:
                    reject(why, number, raw)
            for created_at, tenant, area, at, line in found:
                if since <= created_at <= until:
                    self.facts.add(created_at, tenant, area)
                    self._add(at, line, ticket=True)

    def add(self, taken: Taken) -> None:
        """Add a signal; it is sorted later."""
        signal = taken.signal
        if isinstance(signal, Ticket):
            self.facts.add(signal.created_at, signal.tenant, signal.area)
        self.facts.verdicts += isinstance(signal, Verdict)
        self._add(taken.at, _encode(taken) + b"\n", ticket=isinstance(signal, Ticket))

    def _add(self, at: float, line: bytes, *, ticket: bool) -> None:
        if ticket:
            self.facts.disordered += at < self._latest
            self._latest = max(self._latest, at)
        self._part.append((at, line))
        if len(self._part) >= PART:
            self._write_part()

    def close_book(self) -> None:
        """Sort all signals by time, then by order of arrival; nothing may be added afterwards."""
        self._write_part()
        self._file.close()
        ends = [(first, last) for _, _, first, last in self._parts]
        if all(a[1] <= b[0] for a, b in pairwise(ends)):
            return
        while len(self._parts) > 1:
            self._merge()

    def signals(self, begin: int = 0) -> Iterator[tuple[int, Taken]]:
        """Yield the signals from a byte position on, each with its own position."""
        return signals(self.path, begin)

    def _write_part(self) -> None:
        if not self._part:
            return
        self._part.sort(key=lambda signal: signal[0])
        begin = self._file.tell()
        self._file.writelines(line for _, line in self._part)
        self._parts.append((begin, self._file.tell(), self._part[0][0], self._part[-1][0]))
        self._part.clear()

    def _merge(self) -> None:
        """Merge each group of neighboring parts into one."""
        merged = []
        path = self.path.with_suffix(".sorted")
        with path.open("wb") as file:
            for number in range(0, len(self._parts), MERGED):
                group = self._parts[number : number + MERGED]
                begin = file.tell()
                parts = [self._lines(first, last) for first, last, _, _ in group]
                file.writelines(heapq.merge(*parts, key=lambda line: _decode(line).at))
                times = min(part[2] for part in group), max(part[3] for part in group)
                merged.append((begin, file.tell(), *times))
        path.replace(self.path)
        self._parts = merged

    def _lines(self, begin: int, end: int) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            file.seek(begin)
            while begin < end:
                line = file.readline()
                begin += len(line)
                yield line


def signals(path: Path, begin: int = 0) -> Iterator[tuple[int, Taken]]:
    """Yield the signals in the file of a `History` from a byte position on, in any process."""
    with path.open("rb") as file:
        file.seek(begin)
        for line in file:
            yield begin, _decode(line)
            begin += len(line)


Chunk = tuple[list[tuple[float, str, str, float, bytes]], list[tuple[Rejected, int, bytes]]]
"""created_at, tenant, area, sort time and record of each ticket; and the rejected ones."""


def _read_all(
    lines: Iterator[tuple[int, bytes]], max_bytes: int, pool: Pool | None
) -> Iterator[Chunk]:
    """Yield the results of chunks in order, with a bounded number of chunks in progress."""
    waiting: deque[AsyncResult[Chunk]] = deque()
    while chunk := list(islice(lines, CHUNK)):
        if pool is None:
            yield _read_chunk(chunk, max_bytes)
            continue
        waiting.append(pool.apply_async(_read_chunk, (chunk, max_bytes)))
        if len(waiting) > UNDER_WAY:
            yield waiting.popleft().get()
    while waiting:
        yield waiting.popleft().get()


def _read_chunk(lines: list[tuple[int, bytes]], max_bytes: int) -> Chunk:
    tickets: list[tuple[float, str, str, float, bytes]] = []
    dead: list[tuple[Rejected, int, bytes]] = []
    for number, line in lines:
        try:
            ticket = to_signal(read_ticket(line, max_bytes=max_bytes), "simulated")
        except Rejected as why:
            dead.append((why, number, line))
            continue
        at = ticket.created_at if ticket.occurred_at is None else ticket.occurred_at
        record = _encode(Taken(at, ticket)) + b"\n"
        tickets.append((ticket.created_at, ticket.tenant, ticket.area, at, record))
    return tickets, dead


def processes(count: int) -> Pool:
    """Start a pool of processes, each with a new Python interpreter."""
    return get_context("spawn").Pool(count)
