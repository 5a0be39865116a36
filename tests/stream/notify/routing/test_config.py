"""Test that a receivers file is read as written, or all its errors are reported at once."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from schemas.codec import write_escalation
from stream.config.errors import ConfigError
from stream.docsgen import receivers_page
from stream.notify.routing.config import read_plan
from stream.notify.routing.rules import NotificationConfig
from tests.support.command_line import run_command_as_text
from tests.support.escalations import escalation

ROOT = Path(__file__).parents[4]
DEPLOYED = ROOT / "deploy" / "config" / "notify.toml"
GOOD = """
[default]
receivers = ["inbox"]
[[receiver]]
name = "inbox"
kind = "folder"
path = "inbox"
"""
MAIL = """
[[receiver]]
name = "mail"
kind = "email"
host = "mail.example.com"
sender = "spikewatch@example.com"
"""
WRONG = """
[delivery]
link = "https://x.example.com/{user}"
private_hosts = ["http://alertmanager.internal:9093"]
alertmanager_silences = "alertmanager:9093"
storm_pages = 0
give_up_minuts = 5
fallback = ["mial"]

[default]
receivers = ["inbx"]

[[receiver]]
name = "inbox"
kind = "folder"
path = ""

[[receiver]]
name = "on-call"
kind = "pagerdty"

[[receiver]]
name = "pages"
kind = "pagerduty"
routing_ky = { env = "KEY_OF_TESTS" }

[[receiver]]
name = "chat"
kind = "slack"
token = "5ecret-in-the-file"
channel = "C1"

[[receiver]]
name = "jira"
kind = "jira"
api_key = { env = "NOT_SET_IN_TESTS" }

[[receiver]]
name = "teams"
kind = "teams"
webhook_url = { file = "/nowhere/5ecret" }

[[receiver]]
name = "mail"
kind = "email"
host = "mail.example.com:587"
sender = "ann at example.com"
username = "ann"

[[receiver]]
name = "hook"
kind = "webhook"
url = "https://ann:5ecret@hooks.example.com"
secret = { env = "KEY_OF_TESTS", file = "x" }

[[receiver]]
kind = "alertmanager"
url = 7

[[route]]
name = "nights"
areas = "login"
severity = "bad"
receivers = ["inbox", "on-cal"]
quiet_start = "22:00+01:00"
quiet_zone = "Europe/Berln"
quiet_days = ["monday"]

[[route]]
name = "nobody"
receivers = []
go_on = "perhaps"

[[audience]]
name = "owners"
owner = "account_exec"
receiver = "inbox2"
least_revenue = -1

[owner]
file = "owners.csv"
"""


def write_files(path: Path, text: str, owners: str | None = None) -> Path:
    """Write a receivers file, and an owners file if one is given."""
    file = path / "notify.toml"
    file.write_text(text, encoding="utf-8")
    if owners is not None:
        (path / "owners.csv").write_text(owners, encoding="utf-8")
    return file


def plan(path: Path, text: str, owners: str | None = None) -> NotificationConfig:
    """Read the receivers file."""
    return read_plan(write_files(path, text, owners))


def mistakes(path: Path, text: str, owners: str | None = None) -> list[str]:
    """Return the errors in the receivers file without the path of its folder."""
    with pytest.raises(ConfigError) as error:
        plan(path, text, owners)
    return [mistake.replace(f"{path}{os.sep}", "") for mistake in error.value.mistakes]


def line_of(text: str, of: str) -> int:
    """Return the number of the first line that contains *of*."""
    return text[: text.index(of)].count("\n") + 1


def run(path: Path, *arguments: str, file: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line with the receivers file named by the environment."""
    return run_command_as_text(path, *arguments, SPIKEWATCH_NOTIFY__FILE=str(file))


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("link =", "delivery.link: found .*with only tenant and episode in braces"),
        ("private_hosts =", "delivery.private_hosts: found .*without a port"),
        ("alertmanager_silences =", "delivery.alertmanager_silences: found .*a URL such as"),
        ("storm_pages =", "delivery.storm_pages: found 0; allowed: a whole number from 1 "),
        ("give_up_minuts =", "no such key in .delivery.; did you mean give_up_minutes"),
        ("fallback =", "no receiver 'mial'; did you mean mail"),
        ('receivers = ["inbx"]', "no receiver 'inbx'; did you mean inbox"),
        ('path = ""', "receiver.path: found ''; "),
        ('kind = "pagerdty"', "receiver.kind: found 'pagerdty'; did you mean pagerduty"),
        ("routing_ky =", "no such key in .receiver.; did you mean routing_key"),
        (
            '[[receiver]]\nname = "pages"',
            "receiver.routing_key: is missing: Integration key",
        ),
        ('token = "5', r"receiver.token: found \*+; allowed: .* so that it is not in"),
        ("api_key =", "receiver.api_key: found .*the variable NOT_SET_IN_TESTS is not set"),
        ("webhook_url =", "the file /nowhere/5ecret cannot be read: No such file"),
        ("host =", "receiver.host: found .*without a port"),
        ("sender =", "receiver.sender: found .*an e-mail address such as"),
        (
            'url = "https://ann',
            r"receiver.url: found '\*+@hooks.example.com'; .*without a user name",
        ),
        ("secret = {", r"receiver.secret: found \*+; allowed: "),
        ('[[receiver]]\nkind = "alertmanager"', "receiver.name: is missing: Name by which"),
        ("url = 7", "receiver.url: found 7; allowed: text in quotes"),
        ("areas =", r'route.areas: found .*a list such as \["'),
        ('severity = "bad"', 'route.severity: found .*one of "info", "warning", "error"'),
        ('receivers = ["inbox", "on-cal"]', "no receiver 'on-cal'; did you mean on-call"),
        ("quiet_start =", "route.quiet_start: found .*in the time zone quiet_zone"),
        ("quiet_zone =", "route.quiet_zone: found .*did you mean Europe/Berlin"),
        ("quiet_days =", 'route.quiet_days: found .*"mon", "tue"'),
        ("receivers = []", "route.receivers: is empty: name at least one"),
        ("go_on =", "route.continue: found .*true or false"),
        ("owner =", "audience.owner: no such column; there is no .owners. file"),
        ('receiver = "inbox2"', "no receiver 'inbox2'; did you mean inbox"),
        ("least_revenue =", "audience.least_revenue: found -1; allowed: a number from 0"),
        ("[owner]", "owner: no such table; did you mean owners"),
    ],
)
def test_all_mistakes_are_reported_at_once_with_their_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str, words: str
) -> None:
    """One run reports every error with its line and with the values that are allowed."""
    monkeypatch.setenv("KEY_OF_TESTS", "5ecret-of-the-environment")
    messages = mistakes(tmp_path, WRONG)
    place = re.escape(f"notify.toml:{line_of(WRONG, at)}: ")
    assert [message for message in messages if re.match(place + ".*" + words, message)], "\n".join(
        messages
    )


def test_error_messages_show_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No error shows a secret from the file or from the environment."""
    monkeypatch.setenv("KEY_OF_TESTS", "5ecret-of-the-environment")
    output = "\n".join(mistakes(tmp_path, WRONG))
    assert "5ecret" not in output.replace("/nowhere/5ecret", "")


@pytest.mark.slow
def test_notify_check_exits_with_2_and_reports_all_mistakes(tmp_path: Path) -> None:
    """``notify --check`` reports every error at once, without a traceback and without secrets."""
    done = run(tmp_path, "notify", "--check", file=write_files(tmp_path, WRONG))
    assert done.returncode == 2
    assert done.stderr.count("notify.toml:") > 25
    assert "Traceback" not in done.stderr
    assert "5ecret" not in done.stderr.replace("/nowhere/5ecret", "") + done.stdout


@pytest.mark.slow
def test_notify_check_tries_every_receiver(tmp_path: Path) -> None:
    """A receiver that fails makes the exit code 1, and the others are still reported."""
    (tmp_path / "taken").write_text("")
    bad = GOOD + '[[receiver]]\nname = "bad"\nkind = "folder"\npath = "taken"\n'
    done = run(tmp_path, "notify", "--check", file=write_files(tmp_path, bad))
    assert "ok     inbox (folder)" in done.stdout
    assert "wrong  bad (folder)" in done.stdout
    assert done.returncode == 1
    assert "these receivers failed the check: bad" in done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            GOOD.replace("[default]", "[defalt]"),
            "default: is missing: add .default. with receivers",
        ),
        (GOOD.replace('"inbox"]', '"inbox"'), "not valid TOML"),
        (GOOD.replace('["inbox"]', "[]"), "default.receivers: found"),
        ('receiver = 3\n[default]\nreceivers = ["a"]', "receiver: not a list of tables"),
        (GOOD + GOOD[GOOD.index("[[") :], "receiver.name: 'inbox' is defined twice"),
        (GOOD.replace('name = "inbox"', 'name = " "'), "receiver.name: found ' '; allowed: a name"),
        (
            GOOD + MAIL.replace("host", "username = 'ann'\nhost"),
            "username and password must be set together",
        ),
        (
            GOOD + MAIL + 'username = "a"\npassword = { env = "PATH" }\nencryption = "none"',
            "receiver.encryption: a password requires encryption",
        ),
        (
            GOOD + '[[receiver]]\nname = "s"\nkind = "slack"\ntoken = { env = "PATH" }',
            "receiver.channel: is missing",
        ),
        (
            GOOD + '[[receiver]]\nname = "s"\nkind = "slack"\nchannel = "C1"',
            "either token and channel, or webhook_url",
        ),
        (
            GOOD + '[[route]]\nname = "r"\nreceivers = ["inbox"]\nquiet_start = "22:00"',
            "route.quiet_end: is missing: quiet_start requires it",
        ),
        (
            GOOD + MAIL + '[[route]]\nname = "r"\nreceivers = ["mail"]',
            "route.receivers: 'mail' has no recipients of its own",
        ),
        (
            GOOD.replace('["inbox"]', '["inbox", "mail"]') + MAIL,
            "default.receivers: 'mail' has no recipients of its own",
        ),
        (GOOD + '[delivery]\nfallback = ["who"]', "delivery.fallback: no receiver 'who'"),
        ("[default]\nreceivers = true", "default.receivers: found true"),
        ("default = 3", "default: found a number or time; allowed: a table"),
        (GOOD + '[owners]\nfile = "nowhere.csv"', "the owners file cannot be read"),
        (GOOD + "[owners]\nfile = 3", "owners.file: found 3"),
    ],
)
def test_a_mistake_is_reported_in_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    """Invalid values and invalid combinations of values are both reported."""
    messages = mistakes(tmp_path, text)
    assert [message for message in messages if re.search(words, message)], "\n".join(messages)


AUDIENCE = """
[owners]
file = "owners.csv"
[[audience]]
name = "executives"
owner = "executive"
receiver = "people"
"""
PEOPLE = MAIL.replace('"mail"', '"people"')


@pytest.mark.parametrize(
    ("owners", "words"),
    [
        ("", "owners.csv:1: the column customer is missing"),
        ("custmer,executive\na,b\n", "owners.csv:1: the column customer is missing"),
        ("customer,executive\n ,b\n", "owners.csv:2: the customer is missing"),
        ("customer,executive\na,b\na,c\n", "owners.csv:3: 'a' is listed twice"),
        ('customer,executive\n"a"b,c\n', "owners.csv:2: not valid CSV"),
        ('customer,executive\na,b\n"c', "owners.csv:3: not valid CSV"),
        ("customer,executives\na,b\n", "audience.owner: no such column; did you mean executives"),
    ],
)
def test_a_mistake_in_the_owners_file_is_reported_with_its_line(
    tmp_path: Path, owners: str, words: str
) -> None:
    """Another team maintains the owners file and needs the line to correct it."""
    messages = mistakes(tmp_path, GOOD + PEOPLE + AUDIENCE, owners)
    assert len(messages) == 1
    assert [message for message in messages if re.search(words, message)], "\n".join(messages)


def test_an_owners_file_in_another_encoding_is_rejected(tmp_path: Path) -> None:
    """A spreadsheet may export the file in an encoding other than UTF-8."""
    file = write_files(tmp_path, GOOD + PEOPLE + AUDIENCE)
    (tmp_path / "owners.csv").write_bytes("customer,executive\nM\u00fcller,a\n".encode("latin-1"))
    with pytest.raises(ConfigError, match="it is not UTF-8"):
        read_plan(file)


def test_an_owners_file_is_read_as_spreadsheets_write_it(tmp_path: Path) -> None:
    """A byte order mark, spaces, quotes, empty cells and short rows are accepted."""
    owners = (
        '\ufeffcustomer , executive,success\r\n a ,"ann@example.com",\r\n"b, Inc.",,bo\r\nc\r\n'
    )
    config = plan(tmp_path, GOOD + PEOPLE + AUDIENCE, owners)
    assert config.owners == {
        "a": {"executive": "ann@example.com"},
        "b, Inc.": {"success": "bo"},
        "c": {},
    }


@pytest.mark.parametrize(
    "receiver",
    [
        '[[receiver]]\nname = "people"\nkind = "teams"\nwebhook_url = { env = "KEY_OF_TESTS" }',
        '[[receiver]]\nname = "people"\nkind = "slack"\nwebhook_url = { env = "KEY_OF_TESTS" }',
    ],
    ids=["teams", "slack webhook"],
)
def test_an_audience_requires_a_receiver_that_addresses_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receiver: str
) -> None:
    """A channel's webhook would show one owner's customers to the whole channel."""
    monkeypatch.setenv("KEY_OF_TESTS", "https://hooks.example.com/x")
    messages = mistakes(tmp_path, GOOD + receiver + AUDIENCE, "customer,executive\na,b\n")
    assert len(messages) == 1
    assert (
        "audience.receiver: 'people' cannot send messages to a person; kinds that can: "
        in messages[0]
    )


KEY_IN_A_FILE = """
[[receiver]]
name = "a"
kind = "pagerduty"
routing_key = {{ file = "{}/key" }}
"""


def test_secrets_are_read_from_files_and_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """White space around a secret is removed, and printing the configuration hides it."""
    (tmp_path / "key").write_text("\n 5ecret-of-a-file \n")
    monkeypatch.setenv("KEY_OF_TESTS", " 5ecret-of-the-environment\n")
    text = GOOD + (
        KEY_IN_A_FILE.format(tmp_path)
        + '[[receiver]]\nname = "b"\nkind = "slack"\nchannel = "C1"\n'
        + 'token = { env = "KEY_OF_TESTS" }\n'
    )
    config = plan(tmp_path, text)
    options = [each.options.model_dump() for each in config.receivers.values()]
    assert options[1]["routing_key"].get_secret_value() == "5ecret-of-a-file"
    assert options[2]["token"].get_secret_value() == "5ecret-of-the-environment"
    assert "5ecret" not in f"{config!r} {config} {options} {[str(each) for each in options]}"


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe"], ids=["empty", "blank", "binary"])
def test_a_secret_file_without_text_is_rejected(tmp_path: Path, content: bytes) -> None:
    """An empty, blank or binary file is rejected as a source of a secret."""
    (tmp_path / "key").write_bytes(content)
    text = GOOD + KEY_IN_A_FILE.format(tmp_path)
    messages = mistakes(tmp_path, text)
    assert len(messages) == 1
    assert "is empty" in messages[0] or "not UTF-8" in messages[0]


def test_the_deployed_file_is_valid(tmp_path: Path) -> None:
    """The shipped file works unchanged and sends everything to a folder."""
    config = plan(tmp_path, DEPLOYED.read_text(encoding="utf-8"))
    assert list(config.receivers) == ["inbox"]
    assert config.default == ("inbox",)
    assert not config.routes + config.audiences


def test_the_commented_examples_in_the_deployed_file_are_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shipped file is still valid after every example in it is uncommented."""
    for name in re.findall(r'env = "([A-Z_]+)"', DEPLOYED.read_text(encoding="utf-8")):
        monkeypatch.setenv(name, "x" * 32)
    code = re.compile(r"# (\[\[?[a-z]+\]\]?$|[a-z_]+ = .+)")
    lines = DEPLOYED.read_text(encoding="utf-8").split("\n")
    text = "\n".join(code.sub(r"\1", line) if code.match(line) else line for line in lines)
    config = plan(tmp_path, text, "customer,account_executive\na,ann@example.com\n")
    assert list(config.receivers) == ["inbox", "on-call", "support channel", "mail", "alertmanager"]
    assert [table.name for table in config.routes] == ["money", "the rest, by day"]
    assert [table.name for table in config.audiences] == ["account executives"]
    assert config.general.private_hosts == ("alertmanager.internal",)
    assert config.general.fallback == ("mail",)


@pytest.mark.slow
def test_route_shows_receivers_with_reasons_and_sends_nothing(tmp_path: Path) -> None:
    """`route` shows each receiver with its route, account owner and mute, and writes no message."""
    people = '[[receiver]]\nname = "people"\nkind = "folder"\npath = "people"\n'
    night = (
        '[[route]]\nname = "by night"\nareas = ["login"]\nreceivers = ["inbox"]\n'
        'quiet_start = "00:00"\nquiet_end = "23:59"\n'
    )
    file = write_files(
        tmp_path, GOOD + people + night + AUDIENCE, "customer,executive\nc1,first\nc2,second\n"
    )
    events = [
        escalation(),
        escalation(episode_id="b" * 32, product_area="billing", impact=None),
        escalation(episode_id="c" * 32, suppressed="inside_tenant"),
        escalation("updated", sequence=2, severity="error"),
    ]
    source = tmp_path / "escalations.jsonl"
    source.write_bytes(b"\n".join(write_escalation(event) for event in events) + b"\n")
    done = run(tmp_path, "route", "--from", str(source), file=file)
    assert done.returncode == 0, done.stderr
    shown = done.stdout.splitlines()
    assert "    inbox (folder): by by night; muted by its quiet hours" in shown
    assert "    people (folder) to first: by executives, as account owner of c1" in shown
    assert "    people (folder) to second: by executives, as account owner of c2" in shown
    assert "    inbox (folder): by default" in shown
    assert "    nobody: suppressed (inside_tenant)" in shown
    assert sum("#2 [ERROR]" in line for line in shown) == 1
    assert sum("#1" in line for line in shown) == 2
    assert not (tmp_path / "inbox").exists()
    assert not (tmp_path / "people").exists()


def test_every_key_on_the_receivers_page_has_a_meaning() -> None:
    """The tests of docsgen check that the page itself is up to date."""
    rows = [line for line in receivers_page.page().splitlines() if line.startswith("| `")]
    assert len(rows) > 60
    assert not [row for row in rows if row.endswith("| None |")]


def test_go_on_is_accepted_and_mistakes_name_its_new_key_continue(
    tmp_path: Path,
) -> None:
    """Setting both keys is an error, and so is a value other than true or false."""
    route = '[[route]]\nname = "all"\nreceivers = ["inbox"]\n'
    after = '[[route]]\nname = "rest"\nreceivers = ["inbox"]\n'
    for key in ("continue", "go_on"):
        file = tmp_path / f"{key}.toml"
        file.write_text(f"{GOOD}{route}{key} = true\n{after}")
        assert [each.continue_ for each in read_plan(file).routes][-2:] == [True, False]
    (twice,) = mistakes(tmp_path, f"{GOOD}{route}continue = true\ngo_on = true\n")
    assert "route.continue: is given twice: go_on is the former name of continue" in twice
    (wrong,) = mistakes(tmp_path, f"{GOOD}{route}go_on = 7\n")
    assert "route.continue: found 7; allowed: true or false" in wrong


def test_mistakes_in_quiet_hours_name_the_table_in_the_file(tmp_path: Path) -> None:
    """The message names the table in the file and not the class that reads it."""
    owners = "customer,executive\na,b@example.com\n"
    messages = mistakes(tmp_path, f'{GOOD}{PEOPLE}{AUDIENCE}quiet_start = "22:00"\n', owners)
    assert [message for message in messages if "audience.quiet_end: is missing" in message], (
        messages
    )
