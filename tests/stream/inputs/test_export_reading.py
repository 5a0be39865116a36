"""Test what is recognized in ticket files: columns, paths, times, encodings, lists and repeats."""

import io
import json
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from openpyxl import Workbook

from schemas.codec import read_ticket, to_signal
from schemas.dead_letter import Rejected
from stream.inputs.exports.times import TimeReader
from stream.inputs.ticket_files import Reading, ReadOptions, TicketFile, TicketFileError
from tests.support.helpdesk_exports import table

AT = "2026-03-01T12:30:00Z"
BERLIN = ZoneInfo("Europe/Berlin")


def read(text: str | bytes, **options: Any) -> tuple[list[dict[str, Any]], Reading]:
    """Return the ticket events in a file, and what was found in it."""
    data = io.BytesIO(text.encode() if isinstance(text, str) else text)
    file = TicketFile(data, ReadOptions(**options))
    return [json.loads(event) for _, event in file], file.reading


def areas(text: str | bytes, **options: Any) -> list[str | None]:
    """Return the areas of the ticket events in a file."""
    return [each.get("product_area") for each in read(text, **options)[0]]


def test_sep_line_names_the_delimiter() -> None:
    """Excel writes ``sep=`` before the header; the line is no header."""
    assert areas(f"sep=;\nid;created_at;area\n1;{AT};a,b\n") == ["a,b"]


def test_lines_before_the_header_are_skipped_and_told() -> None:
    """Reports begin with a title and the date of the export."""
    found, reading = read(
        f"Tickets of March\nExported 2026-03-31\n\nid,created_at,area\n1,{AT},a\n"
    )
    assert found[0]["product_area"] == "a"
    assert reading.notes == ["skipped 2 lines before the header"]


def test_a_table_without_header_is_read_by_column_numbers() -> None:
    """The first row is a ticket if its time can be read, else it is the header."""
    mapping = {"ticket_id": "#1", "created_at": "#2", "product_area": "#3"}
    assert areas(f"1,{AT},a\n2,{AT},b\n", mapping=mapping) == ["a", "b"]
    assert areas(f"x,y,z\n1,{AT},a\n", mapping=mapping) == ["a"]


@pytest.mark.parametrize(
    ("column", "area"), [("Part", "b"), ("Part[1]", None), ("Part[2]", "b"), ("Part[3]", "c")]
)
def test_one_of_several_columns_with_the_same_name_is_chosen(column: str, area: str) -> None:
    """The first that is not empty counts; a number in brackets picks one."""
    text = f"id,created_at,Part,Part,Part,subject\n1,{AT},,b,c,x\n"
    assert areas(text, mapping={"product_area": column}) == [area]


@pytest.mark.parametrize(
    ("lists", "expected"),
    [("first", [("1", "a")]), ("joined", [("1", "a / b")]), ("all", [("1/1", "a"), ("1/2", "b")])],
)
def test_several_areas_of_a_ticket(lists: Any, expected: list[tuple[str, str]]) -> None:
    """The user decides whether the first counts, all together, or each in a ticket of its own."""
    text = f"id,created_at,Part,Part\n1,{AT},a,b\n"
    as_json = json.dumps([{"id": 1, "created_at": AT, "parts": [{"name": "a"}, {"name": "b"}]}])
    for file, path in ((text, "Part[*]"), (as_json, "parts[].name")):
        found, _ = read(file, mapping={"product_area": path}, lists=lists)
        assert [(each["ticket_id"], each["product_area"]) for each in found] == expected


def test_a_file_without_ids_gets_its_line_numbers() -> None:
    """Complaint lists often have no ids; each row is a ticket."""
    found, _ = read(f"created_at,area\n{AT},a\n{AT},b\n")
    assert [each["ticket_id"] for each in found] == ["2", "3"]


RECORDS = [{"id": n, "created_at": AT, "area": f"a{n}", "nested": {"who": "c"}} for n in range(3)]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(RECORDS),
        json.dumps(RECORDS, indent=2),
        "\n".join(map(json.dumps, RECORDS)),
        "".join(json.dumps(record, indent=1) for record in RECORDS),
        json.dumps({"count": 3, "next_page": None, "tickets": RECORDS}),
        json.dumps({"data": {"issues": {"nodes": RECORDS}}}),
        "\n".join(json.dumps({"tickets": [record], "next": 1}) for record in RECORDS),
        "\ufeff" + json.dumps(RECORDS),
    ],
    ids=["array", "indented", "lines", "objects", "wrapped", "nested", "pages", "bom"],
)
def test_any_json_is_read(text: str) -> None:
    """Arrays, lines, pretty-printed objects, and answers of an API in pages."""
    found, _ = read(text, mapping={"customer.id": "nested.who"})
    assert [(each["ticket_id"], each["product_area"]) for each in found] == [
        ("0", "a0"), ("1", "a1"), ("2", "a2"),
    ]  # fmt: skip
    assert {each["customer"]["id"] for each in found} == {"c"}


def test_a_path_may_be_jmespath() -> None:
    """Custom fields of many helpdesks are lists of names and values."""
    text = json.dumps({"id": 1, "created_at": AT, "custom": [{"id": 7, "value": "login"}]})
    assert areas(text, mapping={"product_area": "custom[?id==`7`].value | [0]"}) == ["login"]
    with pytest.raises(TicketFileError, match="is not a path in JSON"):
        read(text, mapping={"product_area": "custom[?"})


def test_a_constant_stands_for_all_records() -> None:
    """A tenant or a source that the file does not name is given with two equals signs."""
    found, _ = read(f"id,created_at,area\n1,{AT},a\n", mapping={"tenant": "=acme"})
    assert found[0]["tenant"] == "acme"


@pytest.mark.parametrize("constant", ["tenant", "product_area", "customer.tier"])
def test_a_row_that_holds_only_other_columns_is_no_record(constant: str) -> None:
    """A row of totals is skipped, also if a constant of --map stands for all records."""
    text = f"id,created_at,subject,Sum\n1,{AT},x,\n,,,Total: 12\n"
    for mapping in ({}, {constant: "=acme"}):
        found, reading = read(text, mapping=mapping)
        assert [each["ticket_id"] for each in found] == ["1"]
        assert (reading.rows, reading.dead) == (1, 0)


def test_a_region_without_a_customer_counts() -> None:
    """Public files have a state or a country and no customer."""
    found, _ = read(
        f"id,created_at,area,State\n1,{AT},a,TX\n", mapping={"customer.region": "State"}
    )
    signal = to_signal(read_ticket(json.dumps(found[0]).encode()))
    assert (signal.region, signal.customer) == ("tx", None)


@pytest.mark.parametrize("direction", [1, -1], ids=["oldest first", "newest first"])
def test_the_hour_that_occurs_twice_is_told_apart_by_the_order(direction: int) -> None:
    """Local times in the order of the file are the same moments as with offsets."""
    begin = datetime(2026, 10, 24, 22, tzinfo=ZoneInfo("UTC"))
    moments = [begin + timedelta(minutes=7 * n) for n in range(60)][::direction]
    local = [f"{moment.astimezone(BERLIN):%d.%m.%Y %H:%M}" for moment in moments]
    rows = [[str(n), text, "a"] for n, text in enumerate(local)]
    found, reading = read(table([["id", "created", "area"], *rows]), timezone="Europe/Berlin")
    by_id = {int(each["ticket_id"]): datetime.fromisoformat(each["created_at"]) for each in found}
    assert [by_id[n] for n in range(60)] == moments
    assert not any("occurs twice" in note for note in reading.notes)


def test_without_an_order_the_first_pass_is_assumed_and_told() -> None:
    """A file in disorder says nothing about the doubled hour."""
    times = ["25.10.2026 02:30", "25.10.2026 09:00", "25.10.2026 01:00", "25.10.2026 05:00",
             "25.10.2026 03:00", "25.10.2026 02:10"]  # fmt: skip
    rows = [[str(n), text, "a"] for n, text in enumerate(times)]
    found, reading = read(table([["id", "created", "area"], *rows]), timezone="Europe/Berlin")
    assert next(each["created_at"] for each in found if each["ticket_id"] == "0").endswith("+02:00")
    assert any("2 times are in an hour that occurs twice" in note for note in reading.notes)


def times(written: list[str], **options: Any) -> tuple[list[str], str | None]:
    """Return the times as read, in the order of the file, and the patterns that were found."""
    rows = [[str(n), text, "a"] for n, text in enumerate(written)]
    found, reading = read(
        table([["id", "created", "area"], *rows]), **{"timezone": "UTC"} | options
    )
    by_id = {int(each["ticket_id"]): each["created_at"] for each in found}
    return [by_id.get(n, "") for n in range(len(written))], reading.time_format


@pytest.mark.parametrize(
    ("written", "moment", "pattern"),
    [
        ("2026-03-14 08:08", "2026-03-14T08:08:00+00:00", "%Y-%m-%d %H:%M"),
        ("3/14/2026 8:08 AM", "2026-03-14T08:08:00+00:00", "%m/%d/%Y %I:%M %p"),
        ("14/03/26 20:08:09", "2026-03-14T20:08:09+00:00", "%d/%m/%y %H:%M:%S"),
        ("14.3.2026, 20:08", "2026-03-14T20:08:00+00:00", "%d.%m.%Y %H:%M"),
        ("14/Mär/26 8:08 PM", "2026-03-14T20:08:00+00:00", "%d %b %y %I:%M %p"),
        ("Sat, 14 Mar 2026 08:08:00 +0100", "2026-03-14T08:08:00+01:00", "%d %b %Y %H:%M:%S %z"),
        ("Sat Mar 14 08:08:00 +0000 2026", "2026-03-14T08:08:00+00:00", "%b %d %Y %H:%M:%S %z"),
        ("March 14, 2026 at 8:08 PM", "2026-03-14T20:08:00+00:00", "%b %d %Y %I:%M %p"),
        ("20260314T080800Z", "2026-03-14T08:08:00+00:00", "%Y%m%d %H:%M:%S %z"),
        ("2026-03-14 12:00 PST", "2026-03-14T12:00:00-08:00", "%Y-%m-%d %H:%M %z"),
        ("1773475680", "2026-03-14T08:08:00+00:00", "epoch"),
        ("1773475680000", "2026-03-14T08:08:00+00:00", "epoch"),
        ("46095.5", "2026-03-14T12:00:00+00:00", "Excel serial"),
        ("2026-03-14", "2026-03-14T00:00:00+00:00", "%Y-%m-%d"),
    ],
)
def test_times_are_recognized_and_told(written: str, moment: str, pattern: str) -> None:
    """Patterns of helpdesks, mails, logs and workbooks, without any option."""
    assert times([written]) == ([moment], pattern)


def test_two_patterns_in_one_column_are_read() -> None:
    """Exports that were merged by hand mix patterns; each mark has its own order."""
    found, pattern = times(["05-02-2012", "25-02-2012", "5/2/2012", "26/2/2012"])
    assert found[0][:10] == found[2][:10] == "2012-02-05"
    assert pattern == "%d-%m-%Y, %d/%m/%Y"


@pytest.mark.parametrize("order", ["%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"])
def test_day_and_month_are_told_apart_by_neighbors(order: str) -> None:
    """Without any day above 12, records of the same days lie close together."""
    begin = datetime(2026, 3, 1, tzinfo=BERLIN)
    moments = [begin + timedelta(hours=5 * n) for n in range(40)]
    found, pattern = times([format(moment, order) for moment in moments])
    assert pattern == order
    assert found[-1].startswith(f"{moments[-1]:%Y-%m-%dT%H:%M}")


def test_other_times_of_the_file_tell_day_and_month_apart() -> None:
    """An update on the 13th shows the order of the creation times too."""
    text = "id,created,area,solved_at\n1,02/03/2026 9:00,a,13/03/2026 9:00\n"
    found, _ = read(text, timezone="UTC")
    assert found[0]["created_at"] == "2026-03-02T09:00:00+00:00"


def test_an_ambiguous_day_is_asked_for() -> None:
    """Nothing is guessed; the message names both patterns."""
    with pytest.raises(TicketFileError) as caught:
        times(["02/03/2026 9:00", "02/03/2026 9:05"])
    assert "--time-format '%d/%m/%Y %H:%M' or --time-format '%m/%d/%Y %H:%M'" in str(caught.value)
    assert times(["02/03/2026 9:00"], time_format="%m/%d/%Y %H:%M")[0] == [
        "2026-02-03T09:00:00+00:00"
    ]


def test_date_and_time_in_two_columns() -> None:
    """They are joined if their names say so, or if the user does."""
    text = "id,Date,Time,area\n1,14/03/2026,09:15,a\n"
    assert read(text, timezone="UTC")[0][0]["created_at"] == "2026-03-14T09:15:00+00:00"
    text = "id,Day,Hour,area\n1,14/03/2026,09:15,a\n"
    found, reading = read(text, timezone="UTC", mapping={"created_at": "Day+Hour"})
    assert found[0]["created_at"] == "2026-03-14T09:15:00+00:00"
    assert reading.mapping["created_at"] == "Day+Hour"


def workbook(rows: Sequence[Sequence[object]], formats: dict[str, str]) -> bytes:
    """Return a workbook of these rows; the columns named have these number formats."""
    book = Workbook()
    sheet: Any = book.active
    for row in rows:
        sheet.append(row)
    for column, number_format in formats.items():
        for cell in sheet[column][1:]:
            cell.number_format = number_format
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


DAYS = [datetime(2026, 3, day) for day in (12, 13, 14)]  # noqa: DTZ001  (as Excel keeps them)


@pytest.mark.parametrize("mapping", [{}, {"created_at": "Date+Time"}])
@pytest.mark.parametrize("day_format", ["dd/mm/yyyy", "[$-407]d. mmmm yyyy", 'yyyy-mm-dd "hrs";@'])
def test_date_and_time_in_two_columns_of_a_workbook(
    day_format: str, mapping: dict[str, str]
) -> None:
    """Excel keeps a date as a time at midnight; its number format tells that it is a date."""
    rows: list[list[object]] = [["id", "Date", "Time", "area"]]
    rows += [[n, day, time(9, 15 * n), "a"] for n, day in enumerate(DAYS)]
    found, reading = read(
        workbook(rows, {"B": day_format, "C": "hh:mm"}), timezone="UTC", mapping=mapping
    )
    assert [each["created_at"] for each in found] == [
        "2026-03-12T09:00:00+00:00",
        "2026-03-13T09:15:00+00:00",
        "2026-03-14T09:30:00+00:00",
    ]
    assert reading.notes == []


def test_dates_of_a_workbook_without_times_are_told() -> None:
    """As of a CSV file; times at midnight that are shown as times are times."""
    rows: list[list[object]] = [
        ["id", "created_at", "area"],
        *([n, day, "a"] for n, day in enumerate(DAYS)),
    ]
    for number_format, is_told in (("yyyy-mm-dd", True), ("yyyy-mm-dd hh:mm", False)):
        found, reading = read(workbook(rows, {"B": number_format}), timezone="UTC")
        assert found[0]["created_at"] == "2026-03-12T00:00:00+00:00"
        assert any("tell only the day" in note for note in reading.notes) == is_told


def test_a_time_that_a_workbook_holds_but_does_not_show_counts() -> None:
    """A column formatted as dates often holds times."""
    rows: list[list[object]] = [
        ["id", "created_at", "area"],
        [1, DAYS[0] + timedelta(hours=9, minutes=15), "a"],
    ]
    found, _ = read(workbook(rows, {"B": "dd/mm/yyyy"}), timezone="UTC")
    assert found[0]["created_at"] == "2026-03-12T09:15:00+00:00"


@pytest.mark.parametrize(
    ("encoding", "word"),
    [
        ("cp1252", "Größe für Schlüssel"),
        ("cp1251", "Не работает вход в личный кабинет"),  # noqa: RUF001  (Cyrillic is meant)
        ("shift_jis", "ログインできません"),
        ("utf-16", "größe"),
        ("utf-16-le", "größe"),
        ("utf-8", "größe"),
    ],
)
def test_the_encoding_is_detected_or_given(encoding: str, word: str) -> None:
    """Also if the first thousands of bytes are ASCII."""
    rows = [[str(n), AT, "login"] for n in range(3_000)] + [["9999", AT, word]] * 3
    data = table([["id", "created_at", "area"], *rows]).encode(encoding)
    assert word in areas(data)
    assert word in areas(data, encoding=encoding)


def test_a_log_of_changes_counts_each_ticket_once() -> None:
    """An export with a row per change has each ticket again, days later."""
    begin = datetime(2026, 3, 1, tzinfo=BERLIN)
    rows = [
        [f"T{n}", (begin + timedelta(hours=n, days=days)).isoformat(), status]
        for days, status in ((0, "new"), (3, "closed"))
        for n in range(20)
    ]
    found, reading = read(table([["id", "created", "area"], *rows]))
    assert (reading.tickets, reading.repeated) == (40, 20)
    changes = [each for each in found if each.get("event_type") == "updated"]
    assert len(changes) == 20
    for each in changes:
        passed = datetime.fromisoformat(each["occurred_at"]) - datetime.fromisoformat(
            each["created_at"]
        )
        assert passed == timedelta(days=3)


def test_labels_with_a_prefix_name_the_area() -> None:
    """Of the labels of an issue, the one with such a prefix is the area; others are tags."""
    text = "Issue ID,Title,Created At (UTC),Author,Labels\n"
    text += '1,x,2026-03-14 08:08:00,me,"type::bug,area::login"\n'
    text += "2,y,2026-03-14 08:09:00,me,type::bug\n"
    found, reading = read(text)
    assert reading.preset == "gitlab"
    assert [each.get("product_area") for each in found] == ["login", None]
    assert found[0]["tags"] == ["type::bug", "area::login"]
    assert found[0]["created_at"] == "2026-03-14T08:08:00+00:00"


def test_columns_of_a_helpdesk_win_over_columns_with_our_names() -> None:
    """Zammad's customer is a person and its organization the account; a state is no region."""
    text = "#,Title,State,Group,Customer,Organization,Created at,Source\n"
    text += f"1,x,open,billing,a person,acme,{AT},web\n"
    found, reading = read(text)
    assert reading.preset == "zammad"
    assert found[0]["customer"] == {"id": "acme"}
    assert "customer.region" not in reading.mapping


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        (
            "SR Number;Change Date+Time;Status;Product",
            "1-36;2010-03-31T15:59:42+01:00;Accepted;PROD582",
            ("1-36", "2010-03-31T15:59:42+01:00", "PROD582"),
        ),
        (
            "Ticket #,Customer Complaint,Date,Time,City",
            "25,Slow,22-04-15,3:53:50 PM,Abingdon",
            ("25", "2015-04-22T15:53:50+00:00", None),
        ),
        (
            "Unique Key,Created Date,Closed Date,Complaint Type",
            "7,01/31/2015 08:08:01 AM,02/01/2015 08:08:01 AM,Noise",
            ("7", "2015-01-31T08:08:01+00:00", "Noise"),
        ),
        (
            "Customer ID;Case Number;Date Opened;Time Opened;Last Update;Component",
            "9;1;15/01/2026;15:04;16/01/2026 10:00;login",
            ("1", "2026-01-15T15:04:00+00:00", "login"),
        ),
        (
            "reviewId,userName,content,score,at,appVersion",
            "abc,A,nice,5,2024-05-08 04:18:55,8.1",
            ("abc", "2024-05-08T04:18:55+00:00", None),
        ),
    ],
)
def test_columns_of_an_unknown_product_are_found(
    header: str, row: str, expected: tuple[str, str, str | None]
) -> None:
    """By common names, and by what stands in the columns: ids, times of creation, times of day."""
    (ticket,), reading = read(f"{header}\n{row}\n", timezone="UTC")
    assert (ticket["ticket_id"], ticket["created_at"], ticket.get("product_area")) == expected
    assert reading.preset == "generic"


@pytest.mark.parametrize("wrap", [False, True], ids=["array", "wrapped"])
def test_json_with_some_of_our_names_keeps_its_ids_and_areas(wrap: bool) -> None:
    """Objects that have created_at and subject, but their own names for the rest."""
    records = [
        {"id": 40 + n, "created_at": f"2026-02-01T1{n}:00:00Z", "subject": "a", "area": "Login"}
        for n in range(3)
    ]
    found, reading = read(json.dumps({"tickets": records} if wrap else records))
    assert [each["ticket_id"] for each in found] == ["40", "41", "42"]
    assert {each["product_area"] for each in found} == {"Login"}
    assert (reading.repeated, reading.preset) == (0, "generic")


def test_texts_with_line_breaks_and_commas_do_not_decide_the_delimiter() -> None:
    """Rows of several lines count with all their lines."""
    rows = "".join(f'{n};{AT};Billing;"Hello,\nb; c,\nd"\n' for n in range(9))
    assert areas(f"Id;Created at;Product;Description\n{rows}") == ["Billing"] * 9


@pytest.mark.parametrize(
    "text",
    [
        "Peña. No funciona la conexión",
        "Il y a un problème à l\u2019écran de Peña",
        "Größe, ¿Dónde? Søn",
    ],
)
def test_western_text_is_not_taken_for_another_code_page(text: str) -> None:
    """The code page of Western Europe wins unless another one is clearly better."""
    rows = [["1", AT, "x"], ["2", AT, text], ["3", AT, text]]
    data = table([["id", "created_at", "area"], *rows]).encode("cp1252")
    assert read(data)[1].encoding == "cp1252"
    assert text in areas(data)


def test_values_with_display_values_are_read_in_the_users_zone() -> None:
    """ServiceNow's API with sysparm_display_value=all, and a mapping beside the preset."""
    record = {
        "sys_id": {"display_value": "x", "value": "x"},
        "number": {"display_value": "INC1", "value": "INC1"},
        "opened_at": {"display_value": "2026-02-01 22:14:13", "value": "2026-02-01 21:14:13"},
        "category": {"display_value": "Login", "value": "login"},
        "sys_created_on": {"display_value": "", "value": ""},
    }
    found, reading = read(json.dumps({"result": [record]}), timezone="Europe/Berlin")
    assert reading.preset == "servicenow"
    assert found[0]["created_at"] == "2026-02-01T22:14:13+01:00"
    assert (found[0]["ticket_id"], found[0]["product_area"]) == ("INC1", "Login")
    mapping = {"created_at": "opened_at.value"}
    found, _ = read(json.dumps({"result": [record]}), timezone="UTC", mapping=mapping)
    assert found[0]["created_at"] == "2026-02-01T21:14:13+00:00"
    assert found[0]["product_area"] == "Login"


def test_times_without_a_time_of_day_are_told() -> None:
    """Incidents are found a day late then, which a user should know."""
    _, reading = read("id,created,area\n1,2026-03-01,a\n", timezone="UTC")
    assert any("tell only the day" in note for note in reading.notes)


@pytest.mark.parametrize("direction", [1, -1])
def test_a_local_time_that_does_not_exist_has_one_meaning(direction: int) -> None:
    """In the hour that clocks skip, the order of the file does not matter."""
    written = [f"2026-03-29 0{hour}:30" for hour in (0, 1, 2, 3, 4)][::direction]
    found, _ = times(written, timezone="Europe/Berlin")
    assert found[2] == "2026-03-29T02:30:00+01:00"


def test_all_labels_of_an_issue_are_tags() -> None:
    """Jira writes one column per label."""
    text = f"Issue key,Issue Type,Created,Component/s,Labels,Labels\nA-1,Bug,{AT},login,x,y\n"
    assert read(text)[0][0]["tags"] == ["x", "y"]


def test_html_in_texts_is_read_as_text() -> None:
    """Chats and mails come with markup."""
    text = f"id,created_at,area,subject\n1,{AT},a,<p>Cannot &amp; will not <b>log in</b></p>\n"
    assert read(text)[0][0]["subject"] == "Cannot & will not log in"


def test_a_header_that_is_repeated_is_no_record() -> None:
    """Exports of several months that were put together by hand have a header each."""
    found, reading = read(f"id,created_at,area\n1,{AT},a\nid,created_at,area\n2,{AT},b\n")
    assert [each["ticket_id"] for each in found] == ["1", "2"]
    assert (reading.rows, reading.dead) == (2, 0)


def test_records_without_ids_on_one_line_are_different_tickets() -> None:
    """An array of JSON on one line has no line numbers that tell its records apart."""
    found, reading = read(json.dumps([{"created_at": AT, "area": "a", "title": "x"}] * 3))
    assert len({each["ticket_id"] for each in found}) == 3
    assert reading.repeated == 0


def test_a_row_with_an_area_but_no_time_is_refused() -> None:
    """No row vanishes: it is read or refused."""
    _, reading = read(f"created_at,product_area\n{AT},a\n,login\n")
    assert (reading.rows, reading.dead) == (2, 1)


def test_an_id_of_something_else_is_not_the_tickets_id() -> None:
    """A product's id is filled in every row, and many rows share it."""
    found, reading = read(f"Date,Product ID,Complaint\n{AT},7,x\n{AT},7,y\n")
    assert reading.repeated == 0
    assert len(found) == 2


def test_a_date_that_nothing_explains_is_refused_not_guessed() -> None:
    """All first dates have the same day and month; a later one is open."""
    reader = TimeReader(zone=BERLIN)
    reader.learn(["1/1/2026 9:00"] * 3)
    assert reader.read("1/1/2026 10:00") == "2026-01-01T10:00:00+01:00"
    assert reader.read("1/2/2026 10:00") is None


def test_a_time_zone_leaves_ticket_events_as_they_are() -> None:
    """Times with an offset need no zone, which also means the zone of the seasons."""
    line = json.dumps({"specversion": "1.0", "id": "e", "data": {"ticket_id": "1"}}).encode()
    (event,) = TicketFile(io.BytesIO(line + b"\n"), ReadOptions(timezone="Europe/Berlin"))
    assert event == (1, line)


@pytest.mark.parametrize("written", ["1e999", "-1e999", "NaN"])
def test_a_number_that_is_none_does_not_become_an_id(written: str) -> None:
    """Many numbers are too large for a float; each of them would become the id ``inf``."""
    text = f'{{"id": {written}, "created_at": "{AT}", "area": "a"}}\n'
    assert read(text)[0][0]["ticket_id"] == written
    if written != "NaN":
        with pytest.raises(Rejected, match="ticket_id: must be a text or a finite number"):
            read_ticket(
                text.replace('"id"', '"ticket_id"').replace('"area"', '"product_area"').encode()
            )
