"""Test the configuration of holidays, announced events and slices."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.foundation.calendar import Event
from detectors.policy.settings import Settings
from stream.config.errors import ConfigError
from stream.config.loading import load
from stream.config.policy_files.events import MOST_EVENTS, read_events
from stream.config.printing import show
from stream.config.sections import Config
from stream.config.step_settings import settings_of
from tests.support.command_line import run_command_as_text

ROOT = Path(__file__).parents[4]
FULL = """
[[event]]
name = "Release 5.0"
start = 2026-03-02T09:00:00+01:00
end = 2026-03-04T18:00:00+01:00
factor = 3.5
areas = ["  Login", "LOGIN", "Mobile App"]

[[event]]
name = "campaign"
start = "2026-04-20T00:00:00Z"
end = "2026-04-27T00:00:00Z"
"""
FULL_EVENTS = (
    Event(
        name="Release 5.0",
        start=1_772_438_400.0,
        end=1_772_643_600.0,
        factor=3.5,
        areas=("login", "mobile app"),
    ),
    Event(name="campaign", start=1_776_643_200.0, end=1_777_248_000.0),
)


def write(folder: Path, text: str, name: str = "events.toml") -> Path:
    """Write a file with this text."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def mistakes(environ: dict[str, str], path: Path | None = None) -> list[str]:
    """Return the errors with which loading fails."""
    with pytest.raises(ConfigError) as caught:
        load(path, environ)
    return list(caught.value.mistakes)


def wrong_events(folder: Path, text: str) -> list[str]:
    """Return the errors in a file of events without the name of its folder."""
    events, lines = read_events(write(folder, text))
    assert events == ()
    return [line.removeprefix(f"{folder}/") for line in lines]


def test_by_default_there_are_no_holidays_and_no_events() -> None:
    """By default, all four dimensions are watched."""
    settings = settings_of(Config())
    assert settings == Settings()
    assert (settings.country, settings.events) == ("", ())
    assert len(settings.slice_dimensions) == 4


def test_the_settings_of_the_step_contain_the_whole_calendar(tmp_path: Path) -> None:
    """The settings contain country, subdivision, events and dimensions."""
    events = write(tmp_path, FULL)
    text = (
        f'[calendar]\ncountry = "de"\nsubdivision = "BY"\nfile = "{events}"\n'
        '[slices]\ndimensions = ["region", "channel"]\n'
    )
    settings = settings_of(load(write(tmp_path, text, "given.toml"), {}))
    assert (settings.country, settings.subdivision) == ("DE", "BY")
    assert settings.events == FULL_EVENTS
    assert settings.slice_dimensions == ("region", "channel")
    assert settings.config_hash != Settings().config_hash


def test_the_output_of_show_loads_with_its_events(tmp_path: Path) -> None:
    """What `show` prints loads to an equal configuration, including the events."""
    config = load(
        environ={
            "SPIKEWATCH_CALENDAR__COUNTRY": "US",
            "SPIKEWATCH_CALENDAR__SUBDIVISION": "CA",
            "SPIKEWATCH_CALENDAR__FILE": str(write(tmp_path, FULL)),
            "SPIKEWATCH_SLICES__DIMENSIONS": '["app_version"]',
        }
    )
    again = load(write(tmp_path, show(config), "given.toml"), {})
    assert again == config
    assert again.calendar.events == FULL_EVENTS
    assert settings_of(again).config_hash == settings_of(config).config_hash


@pytest.mark.parametrize(
    ("country", "meant"),
    [("Germany", "DE"), ("germny", "DE"), ("USA", "US"), ("UK", "GB"), ("New Zealand", "NZ")],
)
def test_an_unknown_country_suggests_the_right_code(country: str, meant: str) -> None:
    """Names and other codes of a country are refused with the code to write."""
    (line,) = mistakes({"SPIKEWATCH_CALENDAR__COUNTRY": country})
    assert line == (
        f"SPIKEWATCH_CALENDAR__COUNTRY: calendar.country: found {country!r}; allowed: an ISO 3166 "
        f'code such as "DE" or "US", or "" for none; did you mean {meant}?'
    )


@pytest.mark.parametrize("country", ["XX", "ECB", "NYSE", "__init__", "qqqqqqqqq"])
def test_calendars_that_are_not_countries_are_refused(country: str) -> None:
    """The holidays package also has calendars of stock exchanges, which are refused."""
    (line,) = mistakes({"SPIKEWATCH_CALENDAR__COUNTRY": country})
    assert "calendar.country: found" in line


def test_an_unknown_subdivision_suggests_valid_codes(tmp_path: Path) -> None:
    """A name or a lower-case code is refused with its code, and anything else with all codes."""
    for subdivision, meant in (("Bayern", "BY"), ("by", "BY"), ("Bayen", "BY")):
        text = f'[calendar]\ncountry = "DE"\n\nsubdivision = "{subdivision}"\n'
        path = write(tmp_path, text, "given.toml")
        (line,) = mistakes({}, path)
        start = (
            f"{path}:4: calendar.subdivision: found '{subdivision}'; allowed: Augsburg, BB, BE, "
        )
        assert line.startswith(start)
        assert line.endswith(f"; did you mean {meant}?")
    germany = {"SPIKEWATCH_CALENDAR__COUNTRY": "DE", "SPIKEWATCH_CALENDAR__SUBDIVISION": "TX"}
    assert "allowed: Augsburg, BB" in mistakes(germany)[0]


def test_a_subdivision_requires_a_country_with_subdivisions() -> None:
    """Bavaria is refused without a country, and so is a subdivision of Monaco."""
    bavaria = {"SPIKEWATCH_CALENDAR__SUBDIVISION": "BY"}
    assert mistakes(bavaria) == [
        "SPIKEWATCH_CALENDAR__SUBDIVISION: calendar.subdivision: requires country as well"
    ]
    assert mistakes(bavaria | {"SPIKEWATCH_CALENDAR__COUNTRY": "MC"}) == [
        "SPIKEWATCH_CALENDAR__SUBDIVISION: calendar.subdivision: found 'BY'; allowed: nothing, "
        "because MC has no subdivisions"
    ]


def test_an_invalid_country_is_one_mistake_whatever_the_subdivision() -> None:
    """The subdivision of an invalid country is not reported as well."""
    environ = {"SPIKEWATCH_CALENDAR__COUNTRY": "XX", "SPIKEWATCH_CALENDAR__SUBDIVISION": "BY"}
    (line,) = mistakes(environ)
    assert "calendar.country" in line


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            '["region", "regio"]',
            "found 'regio'; allowed: a list, [...], of one or more of \"issue_type\"",
        ),
        ("region", "found 'region'; allowed: a list, [...], of one or more of"),
        ("3", "found 3; allowed: a list, [...], of one or more of"),
        ('["region", "region"]', "found ['region', 'region']; allowed: a list without duplicates"),
    ],
)
def test_invalid_dimensions_are_refused(value: str, message: str) -> None:
    """Only the four names are allowed, each once, in a list."""
    (line,) = mistakes({"SPIKEWATCH_SLICES__DIMENSIONS": value})
    assert line.startswith(f"SPIKEWATCH_SLICES__DIMENSIONS: slices.dimensions: {message}")


def test_no_dimension_is_watched_if_the_list_is_empty(tmp_path: Path) -> None:
    """An empty list turns slices off, in the file and in a variable."""
    assert load(environ={"SPIKEWATCH_SLICES__DIMENSIONS": "[]"}).slices.dimensions == ()
    path = write(tmp_path, "[slices]\ndimensions = []\n")
    assert settings_of(load(path, {})).slice_dimensions == ()


def test_all_mistakes_in_the_events_are_reported_at_once(tmp_path: Path) -> None:
    """Every invalid key of every event is reported with its line, beside other errors."""
    text = """titel = "x"

[[event]]
name = "a"
start = 2026-03-02T09:00:00
end = 2026-03-02

[[event]]
start = 2026-03-02T09:00:00Z
end = 2026-03-02T09:00:00Z
factr = 3

[[event]]
name = " "
start = "tomorrow"
end = 1772442000
factor = 0.05
areas = ["login", " "]

[[event]]
name = "backwards"
end = 2026-03-02T10:00:00+02:00
start = 2026-03-02T09:00:00+00:00
"""
    path = write(tmp_path, text)
    example = "allowed: a time with an offset, such as 2026-03-02T09:00:00+01:00"
    expected = [
        f"{path}:1: titel: no such key; allowed: event",
        f"{path}:5: event.start: found 2026-03-02 09:00:00; {example}",
        f"{path}:6: event.end: found 2026-03-02; {example}",
        f"{path}:8: event.name: is missing: name of the event, in quotes",
        f"{path}:11: event.factr: no such key in [event]; did you mean factor?",
        f"{path}:14: event.name: found ' '; allowed: a name on one line, not empty",
        f"{path}:15: event.start: found 'tomorrow'; {example}",
        f"{path}:16: event.end: found 1772442000; {example}",
        f"{path}:17: event.factor: found 0.05; allowed: a number from 0.1 up to 100",
        f"{path}:18: event.areas: found ['login', ' ']; allowed: names of areas, such as "
        '["login", "billing"]',
        f"{path}:22: event.end: must be later than start",
    ]
    _, lines = read_events(path)
    assert sorted(lines) == sorted(expected)
    both = mistakes({"SPIKEWATCH_CALENDAR__FILE": str(path), "SPIKEWATCH_KAFKA__PARTITIONS": "0"})
    assert set(expected) < set(both)
    assert len(both) == len(expected) + 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "3"),
        ("name", "true"),
        ("name", '"a\\nb"'),
        ("name", '"' + "x" * 201 + '"'),
        ("start", "true"),
        ("start", '"2026-03-02"'),
        ("start", "0001-01-01T00:00:00Z"),
        ("start", "09:00:00"),
        ("end", "2100-01-01T00:00:00Z"),
        ("factor", "100.5"),
        ("factor", "nan"),
        ("factor", "true"),
        ("factor", '"much"'),
        ("areas", '"login"'),
        ("areas", "[3]"),
    ],
)
def test_an_invalid_value_in_an_event_is_refused(tmp_path: Path, key: str, value: str) -> None:
    """A value out of range or of the wrong type is one error that says what is allowed."""
    keys = {
        "name": '"a"',
        "start": "2026-03-02T09:00:00Z",
        "end": "2026-03-03T09:00:00Z",
        "factor": "2.0",
        "areas": "[]",
    }
    lines = "\n".join(f"{k} = {v}" for k, v in (keys | {key: value}).items())
    (line,) = wrong_events(tmp_path, f"[[event]]\n{lines}\n")
    place = 2 + list(keys).index(key)
    assert line.startswith(f"events.toml:{place}: event.{key}: found ")
    assert "; allowed: " in line


def test_mistakes_in_inline_events_name_the_number_of_the_event(tmp_path: Path) -> None:
    """An inline event has no header whose line could be named."""
    good = '{name = "a", start = 2026-03-02T09:00:00Z, end = 2026-03-02T10:00:00Z}'
    bad = '{name = "b", start = 2026-03-02T09:00:00Z}'
    (line,) = wrong_events(tmp_path, f"event = [{good}, {bad}]\n")
    assert line.startswith("events.toml, event 2: event.end: is missing: ")


@pytest.mark.parametrize("text", ["event = 3", "[event]\nname = 'a'", "event = [3]"])
def test_events_that_are_not_a_list_of_tables_are_refused(tmp_path: Path, text: str) -> None:
    """A single table, which is an easy mistake, is not taken for an event."""
    (line,) = wrong_events(tmp_path, text)
    assert line == ("events.toml: event: not a list of tables; allowed: [[event]] tables")


def test_the_number_of_events_is_limited(tmp_path: Path) -> None:
    """MOST_EVENTS events are allowed, and one more is refused."""
    event = '[[event]]\nname = "a"\nstart = 2026-03-02T09:00:00Z\nend = 2026-03-03T09:00:00Z\n'
    assert len(read_events(write(tmp_path, event * MOST_EVENTS))[0]) == MOST_EVENTS == 1000
    assert wrong_events(tmp_path, event * (MOST_EVENTS + 1)) == [
        "events.toml: event: found 1001; allowed: up to 1000 events"
    ]


def test_an_unreadable_file_of_events_is_one_mistake(tmp_path: Path) -> None:
    """A missing file, a folder and invalid TOML are each one error with its place."""
    start = f"{tmp_path}/none.toml: the file of events (calendar.file) cannot be read: "
    environ = {"SPIKEWATCH_CALENDAR__FILE": f"{tmp_path}/none.toml"}
    assert mistakes(environ) == [start + "No such file or directory"]
    (line,) = mistakes({"SPIKEWATCH_CALENDAR__FILE": str(tmp_path)})
    assert line.startswith(f"{tmp_path}: the file of events (calendar.file) cannot be read: ")
    (line,) = mistakes({"SPIKEWATCH_CALENDAR__FILE": "a\0b"})
    assert "the file of events (calendar.file) cannot be read" in line
    assert wrong_events(tmp_path, "[[event]\n")[0].startswith("events.toml:1:8: not valid TOML: ")


def test_an_empty_file_announces_nothing(tmp_path: Path) -> None:
    """A file that contains only comments is not an error."""
    assert read_events(write(tmp_path, "# later\n")) == ((), [])


@given(text=st.text())
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Any text gives events or errors, and never an exception."""
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text, encoding="utf-8", errors="replace")
    events, lines = read_events(path)
    assert not (events and lines)


def test_config_check_reports_an_invalid_country(tmp_path: Path) -> None:
    """`spikewatch config check` exits with 2 and states the error."""
    done = run_command_as_text(tmp_path, "config", "check", SPIKEWATCH_CALENDAR__COUNTRY="Germany")
    assert done.returncode == 2
    assert "did you mean DE?" in done.stderr


def test_the_shipped_calendar_is_valid() -> None:
    """deploy/config/calendar.toml has three events, one of which concerns two areas."""
    events, lines = read_events(ROOT / "deploy/config/calendar.toml")
    assert lines == []
    assert [len(event.areas) for event in events] == [2, 0, 0]
    assert events[2].factor < 1.0
