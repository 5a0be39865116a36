"""Test the files of the taxonomy and of the playbook: what is read, and what is refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.policy.playbook import Entry, customer_text
from detectors.policy.taxonomy import AreaEntry, IssueType, Taxonomy
from detectors.simulation.tickets import COMPANY, ISSUES
from stream.config.policy_files.playbook import MOST_ENTRIES, read_playbook
from stream.config.policy_files.taxonomy import MOST_AREAS, MOST_KEYWORDS, read_taxonomy

EXAMPLES = Path(__file__).parents[4] / "deploy/config"
AREAS = """
[[product]]
name = "Platform"

[[area]]
name = "  Login"
product = "platform"
aliases = ["SSO", "sso ", "Sign-In", "LOGIN"]
keywords = ["Log  In", "log in", "PASSWORD"]

[[area.issue_type]]
name = "SSO error"
keywords = ["SAML"]

  [[ "area" . 'issue_type' ]]  # as TOML may be written
  name = "locked out"

[[area]]
name = "billing"
"""
LOGIN = AreaEntry(
    name="login",
    product="platform",
    aliases=("sso", "sign-in"),
    keywords=("log in", "password"),
    issue_types=(
        IssueType(name="sso error", keywords=("saml",)),
        IssueType(name="locked out"),
    ),
)
TAXONOMY = Taxonomy(areas=(LOGIN, AreaEntry(name="billing")))
ENTRY = '[[entry]]\nname = "a"\nteam = "t"\n'


def write(folder: Path, text: str) -> Path:
    """Write a file with this text."""
    path = folder / "given.toml"
    path.write_text(text, encoding="utf-8")
    return path


def wrong_areas(folder: Path, text: str) -> list[str]:
    """Return the errors in a taxonomy without the name of its folder."""
    taxonomy, lines = read_taxonomy(write(folder, text))
    assert taxonomy == Taxonomy()
    return [line.replace(f"{folder}/", "") for line in lines]


def wrong_entries(folder: Path, text: str, taxonomy: Taxonomy | None = None) -> list[str]:
    """Return the errors in a playbook without the name of its folder."""
    playbook, lines = read_playbook(write(folder, text), taxonomy)
    assert playbook.entries == ()
    return [line.replace(f"{folder}/", "") for line in lines]


def test_names_of_areas_are_normalized_like_names_in_tickets(tmp_path: Path) -> None:
    """Names and keywords are folded and unique, and issue types belong to the area above them."""
    assert read_taxonomy(write(tmp_path, AREAS)) == (TAXONOMY, [])


def test_areas_can_be_written_as_inline_tables(tmp_path: Path) -> None:
    """An error in an inline table names the table by its number."""
    text = 'area = [{name = "a", issue_type = [{name = "i"}]}, {name = "b", product = "any"}]\n'
    taxonomy, lines = read_taxonomy(write(tmp_path, text))
    assert lines == []
    assert [area.name for area in taxonomy.areas] == ["a", "b"]
    assert taxonomy.areas[0].issue_types == (IssueType(name="i"),)
    wrong = 'area = [{name = "a", issue_type = [{name = "i"}, {}]}, {}]\n'
    assert wrong_areas(tmp_path, wrong) == [
        "given.toml, area 1, issue_type 2: issue_type.name: is missing: name of the issue type "
        "in tickets, in quotes",
        "given.toml, area 2: area.name: is missing: name of the area in tickets, in quotes",
    ]


def test_all_mistakes_in_a_taxonomy_are_reported_at_once(tmp_path: Path) -> None:
    """Every invalid key of every table is reported with its line."""
    text = """titel = "x"

[[product]]
name = "platform"

[[product]]
name = "Platform "

[[area]]
name = "login"
aliases = ["sso", 3]
keywords = ["ok", "!!"]
colour = "red"

[[area.issue_type]]
name = "sso error"
keywords = "saml"

[[area.issue_type]]
keyword = ["x"]

[[area.isue_type]]
name = "x"

[[area]]
name = "unclassified"
aliases = ["__OTHER__"]

[[area]]
name = " LOGIN"
aliases = ["Search", "find"]

[[area]]
name = "search"
aliases = [
  "Find",
  " ",
]

[[area]]
product = 3

[[area]]
name = "  "
issue_type = 3

[[area]]
name = "api"
[[area.issue_type]]
name = "slow"
[[area.issue_type]]
name = "Slow"
"""
    names = "any name except the reserved unclassified, __other__, *tenant*"
    missing = "is missing: name of the {} in tickets, in quotes"
    assert wrong_areas(tmp_path, text) == [
        "given.toml:1: titel: no such key; allowed: area, product",
        "given.toml:7: product.name: found 'Platform ', which is already defined",
        'given.toml:11: area.aliases: found 3; allowed: a list such as ["a", "b"]',
        "given.toml:12: area.keywords: found ['ok', '!!']; allowed: words and phrases of up to 100 "
        "characters, with letters or digits",
        "given.toml:13: area.colour: no such key in [area]; allowed: aliases, issue_type, "
        "keywords, name, product",
        "given.toml:22: area.isue_type: no such key in [area]; did you mean issue_type?",
        'given.toml:17: issue_type.keywords: found \'saml\'; allowed: a list such as ["a", "b"]',
        f"given.toml:19: issue_type.name: {missing.format('issue type')}",
        "given.toml:20: issue_type.keyword: no such key in [issue_type]; did you mean keywords?",
        f"given.toml:26: area.name: found 'unclassified'; allowed: {names}",
        f"given.toml:27: area.aliases: found ['__OTHER__']; allowed: {names}",
        "given.toml:30: area.name: found ' LOGIN', which already belongs to the area 'login'; "
        "allowed: a name that no other area has",
        "given.toml:35: area.aliases: found ['Find', ' ']; allowed: a name that is not empty",
        "given.toml:34: area.name: found 'search', which already belongs to the area ' LOGIN'; "
        "allowed: a name that no other area has",
        "given.toml:35: area.aliases: found 'Find', which already belongs to the area ' LOGIN'; "
        "allowed: a name that no other area has",
        f"given.toml:40: area.name: {missing.format('area')}",
        "given.toml:41: area.product: found 3; allowed: text in quotes",
        "given.toml:45: area.issue_type: not a list of tables; allowed: [[area.issue_type]] tables",
        "given.toml:44: area.name: found '  '; allowed: a name that is not empty",
        "given.toml:52: issue_type.name: found 'Slow', which is already defined in this area",
    ]


def test_an_area_names_a_product_that_is_listed(tmp_path: Path) -> None:
    """Any product is accepted if no products are listed or their list is invalid."""
    area = '[[area]]\nname = "a"\nproduct = "platfrm"\n'
    assert read_taxonomy(write(tmp_path, area))[0].product_of("a") == "platfrm"
    assert wrong_areas(tmp_path, '[[product]]\nname = "platform"\n' + area) == [
        "given.toml:5: area.product: no such product; did you mean platform?"
    ]
    assert wrong_areas(tmp_path, "[[product]]\n" + area) == [
        "given.toml:1: product.name: is missing: name of the product, in quotes"
    ]


def test_a_keyword_may_belong_to_two_areas(tmp_path: Path) -> None:
    """The shared keyword is not an error; `check_overlap` reports it."""
    text = '[[area]]\nname = "{}"\nkeywords = ["payment"]\n'
    assert read_taxonomy(write(tmp_path, text.format("a") + text.format("b")))[1] == []


def test_the_numbers_of_areas_and_keywords_are_limited(tmp_path: Path) -> None:
    """MOST_AREAS and MOST_KEYWORDS are allowed; keywords of issue types count as well."""
    areas = [f'[[area]]\nname = "a{i}"\n' for i in range(MOST_AREAS + 1)]
    assert len(read_taxonomy(write(tmp_path, "".join(areas[:-1])))[0].areas) == MOST_AREAS == 2000
    assert wrong_areas(tmp_path, "".join(areas)) == [
        "given.toml: area: found 2001; allowed: up to 2000 [[area]] tables"
    ]
    most = [f"k{i}" for i in range(MOST_KEYWORDS)]
    text = f'[[area]]\nname = "a"\nkeywords = {most}\n[[area.issue_type]]\nname = "i"\n'
    assert read_taxonomy(write(tmp_path, text))[1] == []
    assert wrong_areas(tmp_path, text + 'keywords = ["x"]\n') == [
        "given.toml:3: area.keywords: found 201; allowed: up to 200, including those of issue types"
    ]


@pytest.mark.parametrize("text", ["area = 3", "[area]\nname = 'a'", "area = [3]"])
def test_areas_that_are_not_a_list_of_tables_are_refused(tmp_path: Path, text: str) -> None:
    """A single table, which is an easy mistake, is not taken for an area."""
    (line,) = wrong_areas(tmp_path, text)
    assert line == "given.toml: area: not a list of tables; allowed: [[area]] tables"


def test_a_playbook_is_read_and_its_names_are_normalized(tmp_path: Path) -> None:
    """Names are folded like those in tickets, aliases become areas, and texts are unchanged."""
    text = """
[[entry]]
name = " Single sign-on "
areas = ["SSO", "login", "*tenant*", "unclassified"]
issue_types = ["SSO Error"]
products = ["Platform"]
severity = "error"
team = "Identity"
runbook = "runbooks/login.md"
steps = ["Look", "Roll back"]
tell = ["Customer success", "Customer success"]
customer_text = \"\"\"
{area} of <!channel>:
{status}\"\"\"
"""
    playbook, lines = read_playbook(write(tmp_path, text), TAXONOMY)
    assert lines == []
    assert playbook.entries == (
        Entry(
            name="Single sign-on",
            areas=("login", "*tenant*", "unclassified"),
            issue_types=("sso error",),
            products=("platform",),
            severity="error",
            team="Identity",
            runbook="runbooks/login.md",
            steps=("Look", "Roll back"),
            tell=("Customer success",),
            customer_text="{area} of <!channel>:\n{status}",
        ),
    )
    text = customer_text(
        playbook.entries[0].customer_text, {"area": "{0.__class__}", "status": "{{7*7}} {area}"}
    )
    assert text == "{0.__class__} of <!channel>:\n{{7*7}} {area}"


def test_all_mistakes_in_a_playbook_are_reported_at_once(tmp_path: Path) -> None:
    """Every invalid key of every entry is reported with its line."""
    text = """
[[entri]]

[[entry]]
name = "a"
areas = ["logn", "SSO", "*tenant*", "unclassified"]
products = ["platfrm"]
severity = "grave"
runbook = "javascript:alert(1)"
steps = ["1", "2", "3", "4"]
customer_text = "{sinze} {since} {0.__class__}"
titel = "x"

[[entry]]
name = "b"
areas = ["sso"]
team = "t"

[[entry]]
name = "c"
areas = ["Login"]
team = "u"

[[entry]]
name = "d"
areas = ["*tenant*"]
issue_types = ["sso error"]
team = "t"
"""
    assert wrong_entries(tmp_path, text, TAXONOMY) == [
        "given.toml:2: entri: no such key; did you mean entry?",
        'given.toml:8: entry.severity: found \'grave\'; allowed: one of "info", "warning", '
        '"error", "critical"',
        "given.toml:4: entry.team: is missing: team that responds, in quotes",
        "given.toml:9: entry.runbook: found 'javascript:alert(1)'; allowed: a URL such as "
        '"https://runbooks.example.com/login", or a relative path, up to 2000 characters on one '
        "line",
        "given.toml:10: entry.steps: found ['1', '2', '3', '4']; allowed: up to 3 steps, none of "
        "them empty",
        "given.toml:11: entry.customer_text: found '{sinze} {since} {0.__class__}'; allowed: only "
        "area, since, customers, product, issue, status in braces, not '{sinze}' (did you mean "
        "{since}?), '{0.__class__}'",
        "given.toml:12: entry.titel: no such key in [entry]; did you mean tell?",
        "given.toml:6: entry.areas: 'logn' is not in the taxonomy; did you mean login?",
        "given.toml:7: entry.products: 'platfrm' is not in the taxonomy; did you mean platform?",
        "given.toml:20: entry.name: matches the same as the entry 'b', so it would never apply",
        "given.toml:27: entry.issue_types: a tenant-wide episode has no issue type: remove either "
        "areas or issue_types",
    ]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", '" "'),
        ("name", '"a\\nb"'),
        ("team", "3"),
        ("team", '"' + "x" * 201 + '"'),
        ("areas", '"login"'),
        ("areas", '[" "]'),
        ("issue_types", "[3]"),
        ("severity", "3"),
        ("severity", '"Error"'),
        ("steps", '[" "]'),
        ("steps", '["' + "x" * 2001 + '"]'),
        ("tell", '["a\\nb"]'),
        ("customer_text", '"' + "x" * 2001 + '"'),
        ("customer_text", '"a\\u0000b"'),
        ("customer_text", '"{{7*7}}"'),
        ("customer_text", '"{}"'),
        ("customer_text", '"{area.upper}"'),
        ("runbook", '"' + "x" * 2001 + '"'),
        ("runbook", '"ftp://runbooks.example.com"'),
        ("runbook", '"file:///etc/passwd"'),
        ("runbook", '"https://"'),
        ("runbook", '"https://[1"'),
        ("runbook", '"https://a.example.com/x y"'),
        ("runbook", '"https://a.example.com/\\nx"'),
        ("runbook", '"//a.example.com"'),
        ("runbook", '"/etc/passwd"'),
        ("runbook", '"a\\tb.md"'),
    ],
)
def test_an_invalid_value_in_an_entry_is_refused(tmp_path: Path, key: str, value: str) -> None:
    """A value out of range or of the wrong type is one error that says what is allowed."""
    keys = {"name": '"a"', "team": '"t"', key: value}
    lines = "\n".join(f"{k} = {v}" for k, v in keys.items())
    (line,) = wrong_entries(tmp_path, f"[[entry]]\n{lines}\n")
    assert line.startswith(f"given.toml:{2 + list(keys).index(key)}: entry.{key}: found ")
    assert "; allowed: " in line


@pytest.mark.parametrize(
    "runbook", ["https://runbooks.example.com/a?b=c#d", "http://localhost:8080", "a b.md", "../x"]
)
def test_urls_and_relative_paths_are_valid_runbooks(tmp_path: Path, runbook: str) -> None:
    """A runbook is a web page or a relative path."""
    playbook, lines = read_playbook(write(tmp_path, f'{ENTRY}runbook = "{runbook}"\n'))
    assert lines == []
    assert playbook.entries[0].runbook == runbook


def test_without_a_taxonomy_a_playbook_may_name_any_area(tmp_path: Path) -> None:
    """Names are checked only against a taxonomy that is given."""
    text = f'{ENTRY}areas = ["logn", "Sso"]\nproducts = ["x"]\n'
    playbook, lines = read_playbook(write(tmp_path, text))
    assert lines == []
    assert playbook.entries[0].areas == ("logn", "sso")


def test_the_number_of_entries_is_limited(tmp_path: Path) -> None:
    """MOST_ENTRIES entries are allowed, and one more is refused."""
    entries = [f'{ENTRY}areas = ["a{i}"]\n' for i in range(MOST_ENTRIES + 1)]
    text = "".join(entries[:-1])
    assert len(read_playbook(write(tmp_path, text))[0].entries) == MOST_ENTRIES == 2000
    assert wrong_entries(tmp_path, "".join(entries)) == [
        "given.toml: entry: found 2001; allowed: up to 2000 [[entry]] tables"
    ]


def test_mistakes_in_inline_entries_name_the_number_of_the_entry(tmp_path: Path) -> None:
    """An inline entry has no header whose line could be named."""
    (line,) = wrong_entries(tmp_path, 'entry = [{name = "a", team = "t"}, {name = "b"}]\n')
    assert line == "given.toml, entry 2: entry.team: is missing: team that responds, in quotes"


def test_an_unreadable_file_is_one_mistake(tmp_path: Path) -> None:
    """A missing or invalid file is one error with its place, and an empty file is none."""
    path = tmp_path / "none.toml"
    reason = "cannot be read: No such file or directory"
    assert read_taxonomy(path)[1] == [f"{path}: the taxonomy file {reason}"]
    assert read_playbook(path)[1] == [f"{path}: the playbook {reason}"]
    assert wrong_areas(tmp_path, "[[area]\n")[0].startswith("given.toml:1:7: not valid TOML: ")
    assert wrong_entries(tmp_path, "[[entry]\n")[0].startswith("given.toml:1:8: not valid TOML: ")
    assert wrong_areas(tmp_path, "# later\n") == wrong_entries(tmp_path, "# later\n") == []


@given(text=st.text() | st.text("[]area.issue_typeproduct=\"\n' #{},", max_size=60))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Any text gives a result or errors, and never an exception."""
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text, encoding="utf-8", errors="replace")
    taxonomy, lines = read_taxonomy(path)
    assert not (taxonomy.areas and lines)
    playbook, lines = read_playbook(path, taxonomy)
    assert not (playbook.entries and lines)


def test_the_shipped_taxonomy_and_playbook_are_valid() -> None:
    """The shipped files contain all areas of the simulated company, and who is responsible."""
    taxonomy, lines = read_taxonomy(EXAMPLES / "taxonomy.toml")
    assert lines == []
    assert {area.name for area in taxonomy.areas} == set(COMPANY)
    issue_types = {
        area.name: tuple(issue_type.name for issue_type in area.issue_types)
        for area in taxonomy.areas
        if area.issue_types
    }
    assert issue_types == ISSUES
    assert set(taxonomy.products) == {"platform", "commerce", "workspace"}
    playbook, lines = read_playbook(EXAMPLES / "playbook.toml", taxonomy)
    assert lines == []
    names = [
        entry and entry.name
        for entry in (
            playbook.match("login", "sso error", "warning", "platform"),
            playbook.match("login", None, "critical", "platform"),
            playbook.match("billing", "refund", "info", "commerce"),
            playbook.match("checkout", None, "error", "commerce"),
            playbook.match("checkout", None, "warning", "commerce"),
            playbook.match(None, None, "critical", None),
            playbook.match("search", None, "info", "workspace"),
        )
    ]
    assert names == [
        "Single sign-on fails",
        "Login fails",
        "Billing",
        "Grave trouble in commerce",
        "Anything else",
        "Everything at once",
        "Anything else",
    ]
