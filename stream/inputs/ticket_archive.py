"""A history at rest: what a backtest plays, read once, checked, put in order, kept in a file.

Tickets are read and checked once, by several processes, and kept as internal records (without
personal data, as on the topic) in a temporary file that only this user can read; each way through
them reads that file. Memory does not grow with the history: what is out of order is sorted in
parts that are merged.
"""

import heapq
import math
import tempfile
from collections import Counter, deque
from collections.abc import Iterable, Iterator
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
"""Tickets that a process reads at a time."""
PART: Final = 50_000
"""Signals that are sorted in memory."""
MERGED: Final = 100
"""Parts that are merged at a time: each is an open file, of which a process may have few."""

MOST_NAMES: Final = 10_000
"""Areas that are counted apart: names that anyone made up may be many."""
UNDER_WAY: Final = 6
"""Chunks that were given to processes and not yet taken back."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Taken).decode


@dataclass
class Facts:
    """What a history is, as far as reading it tells."""

    tickets: int = 0
    """That can be read."""
    begin: float = 0.0
    """When the first ticket was created, seconds since 1970."""
    end: float = 0.0
    areas: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Tickets by tenant and area, as they name it."""
    nameless: int = 0
    """Tickets that name no area."""
    dead: Counter[DeadReason] = field(default_factory=Counter)
    """What cannot be read, by reason."""
    disordered: int = 0
    """Tickets that stood behind later ones."""
    verdicts: int = 0

    def add(self, at: float, tenant: str, area: str) -> None:
        """One more ticket, created *at*."""
        self.begin = min(self.begin, at) if self.tickets else at
        self.end = max(self.end, at) if self.tickets else at
        self.tickets += 1
        key = tenant, area
        if key not in self.areas and len(self.areas) >= MOST_NAMES:
            key = tenant, OTHER
        self.areas[key] += 1
        self.nameless += area == UNCLASSIFIED


class History:
    """Signals in a file of their own, in order, to be read as often as one likes.

    Example:
        >>> at = b'"created_at": "2026-03-02T09:00:00Z"'
        >>> with History() as history:
        ...     history.read([(1, b'{"ticket_id": "1", "product_area": "login", ' + at + b"}")])
        ...     history.close_book()
        ...     [taken.signal.area for _, taken in history.signals()]
        ['login']
    """

    def __init__(self) -> None:
        """Empty; the file goes with the ``with``."""
        self.facts = Facts()
        self._folder = tempfile.TemporaryDirectory(prefix="spikewatch-")
        self.path = Path(self._folder.name) / "history"
        self._file = self.path.open("wb")
        self._part: list[tuple[float, bytes]] = []
        self._parts: list[tuple[int, int, float, float]] = []
        """Of each part its first and last byte and time."""
        self._latest = 0.0

    def __enter__(self) -> Self:
        """Itself."""
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
    ) -> None:
        """Take in the ticket events of a file.

        Args:
            lines: With their numbers.
            max_bytes: A longer one is rejected unread.
            pool: Processes to read in; None: this one alone.
            since: What was created before (seconds since 1970) is left out ...
            until: ... and what was created after.
        """
        for found, dead in _read_all(iter(lines), max_bytes, pool):
            self.facts.dead.update(dead)
            for created_at, tenant, area, at, line in found:
                if since <= created_at <= until:
                    self.facts.add(created_at, tenant, area)
                    self._add(at, line, ticket=True)

    def add(self, taken: Taken) -> None:
        """One more signal, wherever it belongs."""
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
        """Nothing more comes: put all in order, the same times in the order in which they came."""
        self._write_part()
        self._file.close()
        ends = [(first, last) for _, _, first, last in self._parts]
        if all(a[1] <= b[0] for a, b in pairwise(ends)):
            return
        while len(self._parts) > 1:
            self._merge()

    def signals(self, begin: int = 0) -> Iterator[tuple[int, Taken]]:
        """All from the one that stands at *begin* on, with the place of each."""
        return signals(self.path, begin)

    def _write_part(self) -> None:
        if not self._part:
            return
        self._part.sort(key=lambda one: one[0])
        begin = self._file.tell()
        self._file.writelines(line for _, line in self._part)
        self._parts.append((begin, self._file.tell(), self._part[0][0], self._part[-1][0]))
        self._part.clear()

    def _merge(self) -> None:
        """Make one part of each group of neighbours."""
        merged = []
        path = self.path.with_suffix(".sorted")
        with path.open("wb") as file:
            for number in range(0, len(self._parts), MERGED):
                group = self._parts[number : number + MERGED]
                begin = file.tell()
                parts = [self._lines(first, last) for first, last, _, _ in group]
                file.writelines(heapq.merge(*parts, key=lambda line: _decode(line).at))
                times = min(one[2] for one in group), max(one[3] for one in group)
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
    """What stands in the file of a `History`, from *begin* on; also in another process."""
    with path.open("rb") as file:
        file.seek(begin)
        for line in file:
            yield begin, _decode(line)
            begin += len(line)


Chunk = tuple[list[tuple[float, str, str, float, bytes]], Counter[DeadReason]]
"""Of each ticket when it was created, its tenant, area, place in time and record; what is dead."""


def _read_all(
    lines: Iterator[tuple[int, bytes]], max_bytes: int, pool: Pool | None
) -> Iterator[Chunk]:
    """Chunk by chunk in their order; only a few are under way, so that memory does not grow."""
    waiting: deque[AsyncResult[Chunk]] = deque()
    while chunk := [line for _, line in islice(lines, CHUNK)]:
        if pool is None:
            yield _read_chunk(chunk, max_bytes)
            continue
        waiting.append(pool.apply_async(_read_chunk, (chunk, max_bytes)))
        if len(waiting) > UNDER_WAY:
            yield waiting.popleft().get()
    while waiting:
        yield waiting.popleft().get()


def _read_chunk(lines: list[bytes], max_bytes: int) -> Chunk:
    found: list[tuple[float, str, str, float, bytes]] = []
    dead: Counter[DeadReason] = Counter()
    for line in lines:
        try:
            if len(line) > max_bytes:
                raise Rejected("oversized", f"at most {max_bytes} bytes are read")
            ticket = to_signal(read_ticket(line), "simulated")
        except Rejected as why:
            dead[why.reason] += 1
            continue
        at = ticket.created_at if ticket.occurred_at is None else ticket.occurred_at
        record = _encode(Taken(at, ticket)) + b"\n"
        found.append((ticket.created_at, ticket.tenant, ticket.area, at, record))
    return found, dead


def processes(count: int) -> Pool:
    """A pool of so many, each a fresh Python."""
    return get_context("spawn").Pool(count)
