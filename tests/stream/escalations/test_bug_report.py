"""Test ``spikewatch report``: the bug report of a real episode and of hostile episodes."""

import gzip
import json
import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from detectors.policy.playbook import Entry, Playbook
from detectors.policy.settings import Settings
from detectors.simulation.tickets import HOUR, Incident, World, tickets
from detectors.state.tenant import Tenant
from detectors.step.pipeline import step
from schemas.codec import clean, read_ticket, to_signal, write_escalation
from schemas.escalation import EscalationEvent
from schemas.signals import Tick, Ticket
from stream.escalations.bug_report import MOST_HISTORY, report
from stream.escalations.bug_report_markdown import as_markdown, literal, quoted
from stream.escalations.bug_report_model import Report
from stream.escalations.bug_report_text import CHARACTERS
from tests.support.command_line import run_command
from tests.support.kafka_rig import Rig

START = 1_772_409_600.0
"""Monday, 2 March 2026, UTC."""
NINE = START + 14 * 24 * HOUR + 9 * HOUR
AREAS = {"login": 14.0, "billing": 6.0, "search": 3.0}
PLAYBOOK = Playbook(
    entries=(
        Entry(
            name="login",
            areas=("login",),
            team="identity",
            runbook="https://wiki.example.com/login#spike",
            steps=("Look at the status page.", "Ask @identity-oncall"),
        ),
    )
)
HOSTILE = (
    "@everyone",
    "see #123 and GH-7",
    "closes acme/app#1",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "<!channel> <@U1> <https://evil.example|login>",
    "[login](https://evil.example)",
    "![](https://evil.example/p.png)",
    "https://evil.example www.evil.example me@evil.example",
    "**bold** _it_ ~~no~~ | a | b | $x$ :smile:",
    "`code` ``two`` ```fence",
    "`",
    "line\n\n# heading\r\n- list\n```\nfence",
    "a\u202eb\x1b[31mc\x00d\u200be",
    "{0.__class__} {tenant} %s %(x)s",
    "deadbeefcafe 0123456789abcdef",
    "&lt;b&gt; &#64;ann \\@ann",
    "1. one",
    "",
)


def signals(world: World) -> list[Ticket]:
    """Return the tickets of *world* as the step reads them."""
    parsed = (
        to_signal(read_ticket(json.dumps(ticket).encode()), "simulated")
        for ticket in tickets(world)
    )
    return list(parsed)


def played(*incidents: Incident) -> list[EscalationEvent]:
    """Return the escalations of a morning with *incidents* after two healthy weeks."""
    settings = Settings(playbook=PLAYBOOK)
    tenant = Tenant("acme", settings)
    for signal in signals(World(start=START, hours=14 * 24.0, areas=AREAS, seed=3)):
        step(tenant, signal, settings)
    world = World(start=NINE, hours=3.0, areas=AREAS, seed=5, incidents=incidents)
    events = [
        event for signal in signals(world) for event in step(tenant, signal, settings).escalations
    ]
    return events + step(tenant, Tick(NINE + 15 * HOUR, "acme"), settings).escalations


@pytest.fixture(scope="module", name="events")
def _events() -> list[EscalationEvent]:
    """Return the events of an episode in which version 4.2.1 in the EU fails logins."""
    incident = Incident(
        *("login", NINE + 600.0, 2.0, 8.0), app_version="4.2.1", region="eu", word="err_401_sso"
    )
    all_events = played(incident)
    return [
        event for event in all_events if event.data.episode_id == all_events[-1].data.episode_id
    ]


def changed(event: EscalationEvent, **data: Any) -> EscalationEvent:
    """Return *event* with other *data*, as it would be read from a file."""
    raw = json.loads(write_escalation(event))
    raw["data"] |= data
    raw["subject"] = raw["data"]["episode_id"]
    return EscalationEvent.model_validate_json(json.dumps(raw))


def hostile(event: EscalationEvent, text: str) -> EscalationEvent:
    """Return *event* with *text* in every field that users can write."""
    raw = json.loads(write_escalation(event))["data"]
    claim = raw["explanation"][0]
    return changed(
        event,
        tenant=text,
        product_area=text,
        slice={"dimension": text, "value": text},
        severity_rule=text,
        explanation=[
            {**claim, "dimension": "region", "value": text, "also": None},
            {**claim, "value": text, "also": {"dimension": text, "value": text}},
        ],
        not_explained_by=[text],
        terms=[{**raw["terms"][0], "term": text}],
        examples=[
            {**example, "ticket_id": text, "text": text[:200], "customer": text, "url": text}
            for example in raw["examples"]
        ],
        impact={
            **raw["impact"],
            "by_tier": {text: 3},
            "by_region": {text: 400},
            "renewals": [{**raw["impact"]["renewals"][0], "customer": text}],
        },
        actions={"entry": text, "team": text, "runbook": text, "steps": [text], "tell": [text]},
        children=[{"product_area": text, "episode_id": None, "observed": 3, "expected": 1}],
    )


def inline(markdown: str) -> list[Token]:
    """Return all inline tokens of the rendered text."""
    return [
        child
        for token in MarkdownIt("commonmark").parse(markdown)
        for child in token.children or ()
    ]


def as_one_line(text: str) -> str:
    """Return *text* as the report displays it."""
    return clean(" ".join(text.split()), CHARACTERS)


@pytest.mark.slow
def test_the_report_covers_the_whole_episode(events: Sequence[EscalationEvent]) -> None:
    """The facts are those of the last event, whatever the order and repetition of the events."""
    last = events[-1].data
    episode_report = report([*reversed(events), *events])
    assert (
        episode_report.title
        == f"login: 4.2.1 in eu: {last.tickets} tickets, {last.expected:.1f} expected"
    )
    assert (episode_report.status, episode_report.severity, episode_report.episode_id) == (
        *("resolved", "critical"),
        last.episode_id,
    )
    assert episode_report.since == last.since
    assert episode_report.until == events[-1].time
    hours = (events[-1].time - last.since) / timedelta(hours=1)
    assert episode_report.frequency.observed_per_hour == pytest.approx(
        last.observed / hours, rel=0.01
    )
    assert episode_report.frequency.expected_per_hour == pytest.approx(
        last.expected / hours, rel=0.01
    )
    assert episode_report.segment[0].what == "app version 4.2.1 and region eu"
    assert {"channel", "issue type"} <= set(episode_report.not_explained_by)
    assert episode_report.terms[0].term == "err_401_sso"
    assert len(episode_report.examples) == 3
    assert [each.what for each in episode_report.links[:1]] == [
        f"ticket {episode_report.examples[0].ticket_id}"
    ]
    assert episode_report.links[-1].target == "https://wiki.example.com/login#spike"
    assert [each.transition for each in episode_report.history] == [
        each.transition for each in events
    ]
    assert Report.model_validate_json(episode_report.model_dump_json()) == episode_report


def test_the_suspicion_names_the_start_the_driver_and_the_term(
    events: Sequence[EscalationEvent],
) -> None:
    """One sentence names the strongest driver and the most distinctive term."""
    assert re.fullmatch(
        r"Started at 09:1\d UTC; "
        r"app version 4\.2\.1 and region eu accounts for \d+% of the excess; "
        r'"err_401_sso" is in \d+% of the tickets \((usually \d+%|never seen before)\)\.',
        report(events).suspicion,
    )


def test_an_episode_without_drivers_claims_no_cause(events: Sequence[EscalationEvent]) -> None:
    """Without drivers and terms, the report only says that no slice explains the excess."""
    bare = changed(events[-1], explanation=[], terms=[], slice=None, examples=[], impact=None)
    episode_report = report([bare])
    assert episode_report.suspicion.endswith(" UTC. No slice of the tickets explains the excess.")
    assert episode_report.title.startswith("login: ")
    assert "4.2.1" not in episode_report.title
    assert "4.2.1" not in "".join(episode_report.reproduction)
    for section in ("Distinctive terms", "Examples", "Impact"):
        assert f"## {section}" not in as_markdown(episode_report)


def test_reproduction_hints_name_the_values_of_most_tickets(
    events: Sequence[EscalationEvent],
) -> None:
    """The hints name version, region and term, and which dimensions make no difference."""
    hints = "\n".join(report(events).reproduction)
    assert "app version 4.2.1" in hints
    assert "region eu" in hints
    assert '"err_401_sso"' in hints
    assert re.search(r"so any value should reproduce it: .*channel", hints)


def test_an_episode_is_open_until_it_is_resolved(events: Sequence[EscalationEvent]) -> None:
    """A reopened episode is open again, and an amendment leaves the state unchanged."""
    reopened = events[-1].model_copy(
        update={
            "type": "com.spikewatch.escalation.reopened.v1",
            "data": events[-1].data.model_copy(update={"sequence": 99}),
        }
    )
    amended = events[-1].model_copy(
        update={
            "type": "com.spikewatch.escalation.amended.v1",
            "time": events[-1].time + timedelta(hours=5),
            "data": events[-1].data.model_copy(update={"sequence": 99}),
        }
    )
    assert report(events[:-1]).status == "open"
    assert report([*events, reopened]).until is None
    assert report([*events, amended]).until == events[-1].time
    assert "**until** ongoing" in as_markdown(report(events[:1]))


def test_a_tenant_wide_report_names_its_areas(events: Sequence[EscalationEvent]) -> None:
    """No share of tickets is given, because the counts of a whole tenant are weighted."""
    child = {"product_area": "billing", "episode_id": None, "observed": 40, "expected": 7.5}
    whole = changed(
        events[-1], product_area=None, slice=None, reason="tenant_spike", children=[child]
    )
    tenant_report = report([whole])
    assert tenant_report.title.startswith("all of acme: 4.2.1 in eu: ")
    assert tenant_report.segment[0].share_of_tickets is None
    assert "product area billing: 40 observed, 7.5 expected" in as_markdown(tenant_report)


def test_a_long_history_is_cut_in_its_middle(events: Sequence[EscalationEvent]) -> None:
    """The first and the last event are kept."""
    many = [
        event.model_copy(update={"data": event.data.model_copy(update={"sequence": number})})
        for number, event in enumerate([events[0], *[events[1]] * 60, events[-1]], 1)
    ]
    history = report(many).history
    assert len(history) <= MOST_HISTORY
    assert (history[0].transition, history[-1].transition) == ("opened", "resolved")


def test_events_of_two_episodes_are_refused(events: Sequence[EscalationEvent]) -> None:
    """A report of no events is refused as well."""
    with pytest.raises(ValueError, match="different episodes"):
        report([events[0], changed(events[1], episode_id="0" * 32)])
    with pytest.raises(ValueError, match="at least one"):
        report([])


def test_the_markdown_links_only_tickets_and_the_runbook(events: Sequence[EscalationEvent]) -> None:
    """Mentions in a step appear literally."""
    episode_report = report(events)
    rendered = inline(as_markdown(episode_report))
    links = [str(token.attrs["href"]) for token in rendered if token.type == "link_open"]
    assert links == [link.target for link in episode_report.links]
    assert "Ask @identity-oncall" in [t.content for t in rendered if t.type == "code_inline"]
    assert "- Step 1: Look at the status page." in as_markdown(episode_report)
    assert not [token for token in rendered if token.type in ("html_inline", "image")]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_appears_literally(events: Sequence[EscalationEvent], text: str) -> None:
    """Text is quoted in Markdown and unchanged in JSON, in one line without control characters."""
    hostile_report = report([hostile(events[-1], text)])
    markdown = as_markdown(hostile_report)
    tokens = MarkdownIt("commonmark").parse(markdown)
    blocks = {token.type for token in tokens}
    assert not blocks & {"html_block", "fence", "code_block", "hr"}
    assert sum(token.type == "heading_open" and token.tag == "h1" for token in tokens) == 1
    rendered = inline(markdown)
    assert {token.type for token in rendered} <= {
        *("text", "code_inline", "strong_open", "strong_close", "softbreak"),
    }
    shown = as_one_line(text)
    code = [token.content for token in rendered if token.type == "code_inline"]
    if shown:
        assert code.count(shown) >= 10 or literal(shown) == shown
    outside = " ".join(token.content for token in rendered if token.type == "text")
    for sign in ("@", "#", "<", "://", "www.", "`", "[", "{"):
        assert sign not in outside
    assert not re.search(r"\b[0-9a-f]{7,40}\b", outside)
    as_json = json.loads(hostile_report.model_dump_json())
    assert as_json["terms"][0]["term"] == shown
    assert as_json["where"] == shown
    assert all(
        c.isprintable()
        for c in "".join(
            [hostile_report.title, hostile_report.suspicion, *hostile_report.reproduction]
        )
    )
    assert all(c.isprintable() for c in markdown.replace("\n", ""))


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://a.example/x> <b>", "https://u:p@a.example/1", "//a"]
)
def test_the_links_of_tickets_are_checked_again(
    events: Sequence[EscalationEvent], url: str
) -> None:
    """A file may contain events that spikewatch did not write."""
    examples = json.loads(write_escalation(events[-1]))["data"]["examples"]
    episode_report = report(
        [changed(events[-1], examples=[{**examples[0], "url": url}], actions=None)]
    )
    assert [link.target for link in episode_report.links] in ([], ["https://a.example/1"])
    assert "u:p" not in as_markdown(episode_report)
    assert "<b>" not in as_markdown(episode_report)


@given(st.text())
def test_a_code_span_holds_exactly_the_text(text: str) -> None:
    """The quoted text survives whatever backticks it contains."""
    rendered = inline(f"x {quoted(text)} y")
    shown = as_one_line(text)
    if shown:
        assert [(token.type, token.content) for token in rendered] == [
            *[("text", "x "), ("code_inline", shown), ("text", " y")]
        ]


@given(st.text(alphabet="ab19 .,-:@#_*`<&\\", max_size=20))
def test_text_shown_without_quotes_has_no_meaning_in_markdown(text: str) -> None:
    """Unquoted text is rendered as a single text token with the same content."""
    if literal(text) == text:
        assert [(t.type, t.content) for t in inline(f"x {text} y")] == [("text", f"x {text} y")]
        assert not set(text) & set("@#_*`<&\\")


@pytest.fixture(name="folder")
def _folder(events: Sequence[EscalationEvent], tmp_path: Path) -> Path:
    """Return a folder with a file of two episodes with similar ids and of invalid lines."""
    digits = events[0].data.episode_id[:8]
    alike = changed(events[0], episode_id=digits + "0" * 24)
    lines = [b"{", *(write_escalation(event) for event in events), write_escalation(alike)]
    lines.append(json.dumps({"id": digits}).encode())
    (tmp_path / "out.jsonl").write_bytes(b"\n".join(lines))
    with gzip.open(tmp_path / "out.jsonl.gz", "wb") as file:
        file.write(b"\n".join(lines))
    return tmp_path


@pytest.mark.slow
def test_the_report_is_written_as_markdown_and_as_json(
    events: Sequence[EscalationEvent], folder: Path
) -> None:
    """A plain file, a gzipped file and standard input give what the functions return."""
    episode_report, digits = report(events), events[0].data.episode_id[:12]
    done = run_command(folder, "report", digits.upper(), "--from", "out.jsonl")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == as_markdown(episode_report)
    piped = (folder / "out.jsonl").read_bytes()
    assert run_command(folder, "report", digits, "--from", "-", stdin=piped).stdout == done.stdout
    done = run_command(
        folder, "report", episode_report.episode_id, "--from", "out.jsonl.gz", "--format", "json"
    )
    assert Report.model_validate_json(done.stdout) == episode_report


@pytest.mark.parametrize(
    ("digits", "words"),
    [
        (8, "several episode ids begin with"),
        (5, "at least the first 6 of its 32 hexadecimal digits"),
        (0, "at least the first 6 of its 32 hexadecimal digits"),
        (33, "at least the first 6 of its 32 hexadecimal digits"),
        (-1, "has no episode whose id begins with"),
    ],
)
def test_an_ambiguous_or_unknown_episode_id_is_reported_in_one_sentence(
    events: Sequence[EscalationEvent], folder: Path, digits: int, words: str
) -> None:
    """The command exits with 1 without a traceback."""
    name = events[0].data.episode_id * 2
    name = "fedcba987654" if digits < 0 else name[:digits] or "not an id"
    done = run_command(folder, "report", name, "--from", "out.jsonl")
    assert (done.returncode, done.stdout) == (1, b"")
    assert words in done.stderr.decode()
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_a_file_without_escalations_is_rejected(tmp_path: Path) -> None:
    """A file of tickets and a missing file give exit code 1, and an unknown format gives 2."""
    (tmp_path / "in.jsonl").write_text('{"ticket_id": "abcdef"}\n')
    done = run_command(tmp_path, "report", "abcdef", "--from", "in.jsonl")
    assert done.returncode == 1
    assert b"cannot read as escalations: 1" in done.stderr
    assert run_command(tmp_path, "report", "abcdef", "--from", "none.jsonl").returncode == 1
    assert (
        run_command(tmp_path, "report", "abcdef", "--from", "in.jsonl", "--format", "x").returncode
        == 2
    )


@pytest.mark.kafka
def test_without_a_file_the_report_reads_the_topic(
    events: Sequence[EscalationEvent], rig: Rig
) -> None:
    """The report equals that of a file, and invalid records are skipped."""
    rig.create_topics()
    records = [write_escalation(event) for event in events]
    rig.put(rig.topics.escalations, [(value, []) for value in (b"{", *records, records[0])], 0)
    digits = events[0].data.episode_id[:6]
    done = rig.run("report", digits)
    assert done.returncode == 0, done.stderr
    assert done.stdout == as_markdown(report(events))
    done = rig.run("report", "fedcba987654")
    assert done.returncode == 1
    assert "the topic of escalations has no episode" in done.stderr


def test_the_command_has_help(tmp_path: Path) -> None:
    """`--help` describes what the command does."""
    done = run_command(tmp_path, "report", "--help")
    assert done.returncode == 0
    assert b"bug tracker" in done.stdout
