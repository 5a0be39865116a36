"""Test the ticket archive: any order, any number of processes, bounded memory."""

import json
import resource
import tracemalloc
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from detectors.evaluation.history.injection import Taken
from detectors.simulation.tickets import World, tickets
from schemas.signals import Ticket, Verdict
from stream.errors import UserError
from stream.inputs.feedback_files import read_verdicts
from stream.inputs.label_files import read_labels
from stream.inputs.ticket_archive import History, processes

START = 1_709_510_400.0


@cache
def lines(hours: float = 200.0) -> Sequence[bytes]:
    return tuple(json.dumps(ticket).encode() for ticket in tickets(World(START, hours, seed=2)))


def read(rows: Sequence[bytes], **options: float) -> tuple[History, list[Taken]]:
    with History() as history:
        history.read(enumerate(rows, 1), **options)  # type: ignore[arg-type]  # only times are passed
        history.close_book()
        return history, [taken for _, taken in history.signals()]


@pytest.mark.slow
def test_sorted_tickets_stay_in_order() -> None:
    rows = lines()
    history, signals = read(rows)
    assert [taken.signal.ticket_id for taken in signals if isinstance(taken.signal, Ticket)] == [
        json.loads(row)["ticket_id"] for row in rows
    ]
    assert history.facts.tickets == len(rows)
    assert history.facts.disordered == 0
    assert sum(history.facts.areas.values()) == len(rows)


@pytest.mark.slow
@pytest.mark.parametrize("part", [100, 10_000])
def test_tickets_sorted_newest_first_are_sorted(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The result equals that of a sorted file, also if the tickets do not fit into memory."""
    monkeypatch.setattr("stream.inputs.ticket_archive.PART", part)
    rows = lines()
    in_order, backwards = read(rows)[1], read(rows[::-1])
    assert backwards[1] == in_order
    assert backwards[0].facts.disordered == len(rows) - 1


@pytest.mark.slow
def test_more_parts_than_open_files_are_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts are merged in groups and in several passes, and equal times keep their order."""
    monkeypatch.setattr("stream.inputs.ticket_archive.PART", 2)
    monkeypatch.setattr("stream.inputs.ticket_archive.MERGED", 5)
    rows = lines()
    in_order = sorted(read(rows)[1], key=lambda taken: taken.at)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Path("/dev/null").open() as file:
        few = file.fileno() + 60
    assert len(rows) / 2 > few
    resource.setrlimit(resource.RLIMIT_NOFILE, (few, hard))
    try:
        merged = read(rows[::-1])[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert merged == in_order
    at_once = [Taken(START, Ticket("acme", f"{n}", START, "login")) for n in range(100)]
    with History() as history:
        for taken in [*at_once, Taken(START - 1.0, at_once[0].signal)]:
            history.add(taken)
        history.close_book()
        assert [taken for _, taken in history.signals()][1:] == at_once


@pytest.mark.slow
def test_the_archive_does_not_depend_on_the_number_of_processes() -> None:
    rows = lines()
    with History() as alone, History() as together, processes(2) as pool:
        alone.read(enumerate(rows, 1))
        together.read(enumerate(rows, 1), pool=pool)
        alone.close_book()
        together.close_book()
        assert alone.path.read_bytes() == together.path.read_bytes()
        assert alone.facts == together.facts


def test_a_position_leads_back_to_its_signal() -> None:
    with History() as history:
        history.read(enumerate(lines(50.0), 1))
        history.close_book()
        signals = list(history.signals())
        place, taken = signals[len(signals) // 2]
        assert next(history.signals(place)) == (place, taken)
        assert next(history.signals(place))[1].at == taken.at
        kept = history.path
        assert kept.stat().st_mode & 0o077 == 0 or kept.parent.stat().st_mode & 0o077 == 0
    assert not kept.exists()


def test_unreadable_lines_are_counted_by_reason() -> None:
    history, signals = read([b"{", b'{"ticket_id": "1"}', *lines(20.0)])
    assert history.facts.dead == {"undecodable": 1, "missing_field": 1}
    assert len(signals) == history.facts.tickets


@pytest.mark.slow
def test_since_and_until_limit_the_tickets() -> None:
    history, signals = read(lines(), since=START + 36_000.0, until=START + 72_000.0)
    assert signals
    assert all(START + 36_000.0 <= taken.at <= START + 72_000.0 for taken in signals)
    assert history.facts.tickets == len(signals)


def test_verdicts_are_sorted_among_the_tickets() -> None:
    with History() as history:
        history.read(enumerate(lines(20.0), 1))
        history.add(
            Taken(START + 36_000.0, Verdict("acme", "0" * 32, "incident", START + 36_000.0))
        )
        history.close_book()
        signals = [taken for _, taken in history.signals()]
    assert signals == sorted(signals, key=lambda taken: taken.at)
    assert history.facts.verdicts == 1
    assert sum(isinstance(taken.signal, Verdict) for taken in signals) == 1


@pytest.mark.slow
def test_memory_does_not_grow_with_the_history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.inputs.ticket_archive.PART", 500)
    peaks = []
    for hours in (100.0, 400.0):
        rows = lines(hours)
        tracemalloc.start()
        count = 0
        with History() as history:
            history.read(enumerate(reversed(rows), 1))
            history.close_book()
            for _, _taken in history.signals():
                count += 1
            peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert count == len(rows)
    assert peaks[1] < 1.5 * peaks[0]


def test_the_number_of_remembered_areas_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.inputs.ticket_archive.MOST_NAMES", 5)
    rows = [json.dumps({**json.loads(row), "product_area": f"a{n}"}).encode()
            for n, row in enumerate(lines(2.0))]  # fmt: skip
    history, _ = read(rows)
    assert len(history.facts.areas) == 6
    assert sum(history.facts.areas.values()) == len(rows)


def write(folder: Path, text: str, name: str = "labels.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_labels_are_read_in_their_time_zone(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "\ufeffEnd,Area,start,tenant,remark\n"
        "2024-03-05 12:00,Log In,2024-03-05 10:00,acme,x\n"
        "2024-03-04T12:00:00Z,*tenant*,2024-03-04T10:00:00+01:00,,\n"
        "2024-03-06,,2024-03-05T23:00:00,,\n",
    )
    labels = read_labels(path, "Europe/Berlin")
    assert [(label.area, label.tenant) for label in labels] == [
        (None, ""),
        ("log in", "acme"),
        (None, ""),
    ]
    assert labels[0].start == START + 9 * 3600
    assert labels[1].start == START + 33 * 3600  # 10:00 in Berlin is 09:00 UTC
    assert read_labels(path)[1].start == START + 34 * 3600


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("area,start\nlogin,2024-03-04\n", "the column end is missing"),
        ("", "the column area is missing"),
        ("area,start,end\nlogin,yesterday,2024-03-04\n", "line 2: start is 'yesterday'"),
        ("area,start,end\nlogin,2024-03-05,2024-03-04\n", "line 2: end is before start"),
        ("area,start,end\nlogin,2024-03-05\n", "line 2: end is ''"),
    ],
)
def test_invalid_labels_are_rejected_with_one_sentence(
    tmp_path: Path, text: str, wrong: str
) -> None:
    with pytest.raises(UserError, match=r"labels\.csv") as error:
        read_labels(write(tmp_path, text))
    assert wrong in str(error.value)


def test_invalid_time_zones_and_files_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not an IANA time zone"):
        read_labels(write(tmp_path, "area,start,end\n"), "Mars/Olympus")
    with pytest.raises(UserError, match="cannot be read"):
        read_labels(tmp_path / "none.csv")
    latin = tmp_path / "latin.csv"
    latin.write_bytes(b"area,start,end\n\xe4,2024-03-04,2024-03-05\n")
    with pytest.raises(UserError, match="UTF-8"):
        read_labels(latin)


def test_feedback_is_read_in_order_of_time(tmp_path: Path) -> None:
    def feedback(number: int, day: int) -> str:
        return json.dumps(
            {"feedback_id": str(number), "tenant": "acme", "episode_id": "0" * 32, "by": "on-call",
             "action": "false_alarm", "at": f"2024-03-0{day}T09:00:00Z"}
        )  # fmt: skip

    verdicts = read_verdicts(write(tmp_path, f"{feedback(1, 6)}\n\n{feedback(2, 5)}\n", "f.jsonl"))
    assert [verdict.at for verdict in verdicts] == [START + 33 * 3600, START + 57 * 3600]
    assert verdicts[0].action == "false_alarm"
    with pytest.raises(UserError, match="line 2"):
        read_verdicts(write(tmp_path, f"{feedback(1, 6)}\n{{}}\n", "f.jsonl"))
