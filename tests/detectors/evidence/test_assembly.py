"""Content of a page, tested through the whole step: drivers, terms, impact and playbook entry."""

import json
from functools import lru_cache
from typing import Any

import msgspec
import pytest

from detectors.evidence.assembly import EXAMPLE_CHARACTERS, MOST_EXAMPLES
from detectors.memory.deduplication import fingerprint
from detectors.memory.episode_tickets import MOST_CANDIDATES
from detectors.policy.playbook import WHOLE_TENANT, Entry, Playbook
from detectors.policy.settings import Settings
from detectors.policy.severity_rules import RULES, Rule
from detectors.policy.taxonomy import AreaEntry, Taxonomy
from detectors.simulation.tickets import Incident, World
from detectors.state.tenant import Tenant
from detectors.step.pipeline import step
from schemas.codec import write_escalation
from schemas.escalation import Escalation, EscalationEvent
from schemas.signals import Signal, Ticket
from tests.support.stories import HOUR, MONDAY, NINE, WEEKS, grown, of_one, pages, play, signals

AREAS = {"login": 6.0, "billing": 4.0, "checkout": 3.0, "search": 2.0}
WORD = "err_401_sso"
SETTINGS = Settings()
BROKEN = Incident("login", NINE + 600.0, 2.0, 8.0, app_version="4.2.1", share=0.9, word=WORD)
EVERYWHERE = tuple(Incident(area, NINE + 600.0, 2.0, 6.0) for area in AREAS)
ENTRIES = (
    Entry(name="anything", team="support", severity="critical", steps=("look",)),
    Entry(
        name="login",
        areas=("login",),
        team="identity",
        runbook="https://runbooks.example.com/login",
        steps=("roll back", "tell status"),
        tell=("sales",),
        customer_text="{area} fails for {customers} since {since}: {status}. {unknown} {{area}}",
    ),
    Entry(name="platform", areas=(WHOLE_TENANT,), team="platform", customer_text="{area}"),
)


@lru_cache(maxsize=8)
def incident_tickets(*incidents: Incident) -> tuple[Ticket, ...]:
    """Return the tickets of a morning with *incidents* and of the two hours after it."""
    world = World(start=NINE, hours=4.5, areas=AREAS, seed=78, incidents=incidents)
    return tuple(signals(world))


@lru_cache(maxsize=32)
def _morning(settings: Settings, incidents: tuple[Incident, ...]) -> list[EscalationEvent]:
    return play(grown(AREAS, settings), incident_tickets(*incidents), settings, NINE + 16.0 * HOUR)


def morning(
    settings: Settings = SETTINGS,
    *,
    incidents: tuple[Incident, ...] = (BROKEN,),
    before: tuple[Signal, ...] = (),
    **fields: Any,
) -> list[EscalationEvent]:
    """Play that morning until its episodes are resolved, with *fields* set on every ticket."""
    if not before and not fields:
        return [*_morning(settings, incidents)]
    tickets = [msgspec.structs.replace(ticket, **fields) for ticket in incident_tickets(*incidents)]
    return play(grown(AREAS, settings), [*before, *tickets], settings, NINE + 16.0 * HOUR)


def page(events: list[EscalationEvent], area: str | None = "login") -> list[Escalation]:
    """Return the data of all events of the only page about *area*."""
    found = [event for event in pages(events) if event.data.product_area == area]
    assert len(found) == 1, [event.data.product_area for event in pages(events)]
    return of_one(events, found[0].data.episode_id)


def solved(seconds: float, count: int = 9, *, elapsed: bool = False) -> tuple[Ticket, ...]:
    """Return *count* solved login tickets whose handling times scatter around *seconds*."""
    return tuple(
        Ticket(
            "acme",
            f"solved {number}",
            NINE,
            "login",
            event_type="solved",
            mode="simulated",
            handled=seconds * (0.8 + 0.05 * number),
            elapsed=elapsed,
        )
        for number in range(count)
    )


def inside(data: Escalation, until: float) -> list[Ticket]:
    """Return the tickets that belong to the page and were created by *until*."""
    since = data.since.timestamp()
    found = []
    for ticket in incident_tickets(BROKEN):
        of_slice = data.slice is None or getattr(ticket, data.slice.dimension) == data.slice.value
        if ticket.area == "login" and of_slice and since <= ticket.created_at <= until:
            found.append(ticket)
    return found


# --- drivers and distinctive terms ----------------------------------------------------------------


@pytest.mark.slow
def test_the_broken_version_is_the_driver_of_the_page() -> None:
    """The first and the last event name the version, its share of the excess and its lift."""
    for data in (page(morning())[0], page(morning())[-1]):
        one = data.explanation[0]
        assert (one.dimension, one.value, one.also) == ("app_version", "4.2.1", None)
        assert one.observed > 3.0 * one.expected
        assert one.share > 0.5
        assert one.lift > 2.0
        assert one.p_value < 0.05


def test_the_error_code_of_the_incident_is_a_distinctive_term() -> None:
    """An error code that most tickets contain and no earlier ticket did is the first term."""
    first, last = page(morning())[0], page(morning())[-1]
    term = last.terms[0]
    assert (term.term, term.new, term.usual_share) == (WORD, True, 0.0)
    assert term.share > 0.5
    assert term.tickets > 0.6 * MOST_CANDIDATES
    assert term.share == pytest.approx(term.tickets / MOST_CANDIDATES, abs=0.001)
    assert WORD in " ".join(one.term for one in first.terms)


def correlated(ticket: Ticket, kind: str) -> Ticket:
    """Return the ticket as of a company whose languages depend on the region.

    With "twins" exactly the customers in apac write Japanese; with "within" only customers in apac
    do, and most of them.
    """
    chance = fingerprint(ticket.ticket_id) % 10
    writes_japanese = ticket.region == "apac" and (kind == "twins" or chance > 0)
    return msgspec.structs.replace(ticket, language="ja" if writes_japanese else "en")


@lru_cache(maxsize=4)
def _correlated(kind: str) -> Tenant:
    tenant = Tenant("acme", SETTINGS)
    world = World(start=MONDAY, hours=WEEKS * 168.0 + 9.0, areas=AREAS)
    for ticket in signals(world):
        step(tenant, correlated(ticket, kind), SETTINGS)
    return tenant


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["twins", "within"])
@pytest.mark.parametrize("hours", [0.7, 2.0])
def test_values_that_correlate_everywhere_are_not_reported_as_a_pair(
    kind: str, hours: float
) -> None:
    """An incident in apac is explained by region or by language, never by a pair of the two."""
    event_count = 0
    for seed in range(4):
        incident = Incident("login", NINE + 600.0, hours, 8.0, region="apac")
        world = World(start=NINE, hours=3.5, areas=AREAS, seed=80 + seed, incidents=(incident,))
        tickets = [correlated(ticket, kind) for ticket in signals(world)]
        events = play(_correlated(kind).copy(), tickets, SETTINGS, NINE + 14.0 * HOUR)
        for data in page(events):
            event_count += 1
            assert data.explanation
            assert (data.explanation[0].dimension, data.explanation[0].value) in (
                ("region", "apac"),
                ("language", "ja"),
            )
            for one in data.explanation:
                values = {one.value, one.also.value if one.also else None}
                assert not values >= {"apac", "ja"}, one
    assert event_count >= 8


def test_merged_tickets_no_longer_count_towards_a_driver() -> None:
    """After the twelve tickets of one version are merged, the remaining mix has no driver."""
    tickets = [
        Ticket(
            "acme",
            f"T-{number}",
            NINE + 600.0 + 20.0 * number,
            "login",
            mode="simulated",
            customer=f"c{number}",
            app_version="4.2.1" if number % 2 else ("4.1.0", "4.1.0", "4.2.0")[number % 3],
            region=("us", "us", "us", "us", "eu", "eu", "eu", "eu", "apac", "apac")[number % 10],
            channel=("web", "email", "email", "chat", "web")[number % 5],
        )
        for number in range(24)
    ]
    merged = [
        msgspec.structs.replace(ticket, event_type="merged")
        for ticket in tickets
        if ticket.app_version == "4.2.1"
    ]
    assert len(merged) == 12
    before = page(play(grown(AREAS, SETTINGS), tickets, SETTINGS, NINE + 12.0 * HOUR))[-1]
    assert [one.value for one in before.explanation] == ["4.2.1"]
    events = play(grown(AREAS, SETTINGS), [*tickets, *merged], SETTINGS, NINE + 12.0 * HOUR)
    assert events[-1].transition == "resolved"
    assert page(events)[-1].explanation == []


def test_dimensions_that_are_ruled_out_are_listed() -> None:
    """Region and channel have their usual mix and are listed as ruled out; the version is not."""
    last = page(morning())[-1]
    assert set(last.not_explained_by) & {"region", "channel"}
    assert "app_version" not in last.not_explained_by


def test_a_spike_across_all_values_has_no_driver() -> None:
    """No driver is named when all values rise alike."""
    last = page(morning(incidents=(Incident("login", NINE + 600.0, 2.0, 8.0),)))[-1]
    assert last.explanation == []
    assert last.slice is None
    assert len(last.not_explained_by) >= 2


# --- examples -------------------------------------------------------------------------------------


def test_three_typical_tickets_are_shown_as_examples() -> None:
    """Examples are tickets of the page, of three customers, with unchanged text, link and time."""
    for data in page(morning()):
        tickets = {one.ticket_id: one for one in incident_tickets(BROKEN)}
        for one in data.examples:
            ticket = tickets[one.ticket_id]
            assert ticket.area == "login"
            assert ticket.text is not None
            assert one.url == ticket.url
            assert one.url is not None
            assert one.url.startswith("https://")
            assert one.customer == ticket.customer
            assert one.created_at.timestamp() == pytest.approx(ticket.created_at, abs=0.001)
            assert one.created_at >= data.since
            begin = one.text.removesuffix(" ...")
            assert ticket.text.startswith(begin)
            assert begin
        assert len({one.customer for one in data.examples}) == len(data.examples)
    last = page(morning())[-1]
    assert len(last.examples) == MOST_EXAMPLES
    assert all(tickets[one.ticket_id].app_version == "4.2.1" for one in last.examples)
    assert all(WORD in (tickets[one.ticket_id].text or "") for one in last.examples)


def test_long_example_texts_are_truncated() -> None:
    """A long text is cut at a word boundary, or anywhere if it has none."""
    for text in ("word " * 200, "w" * 600, "w" * 195 + " " + "x" * 100):
        for one in page(morning(text=text))[-1].examples:
            assert len(one.text) <= EXAMPLE_CHARACTERS
            assert one.text.endswith(" ...")
            assert text.startswith(one.text.removesuffix(" ..."))


def test_examples_can_be_turned_off() -> None:
    """Without examples no customer text is published, and all other content is unchanged."""
    settings = Settings(show_examples=False)
    shown = page(morning())
    for plain, data in zip(shown, page(morning(settings)), strict=True):
        assert data.examples == []
        assert (data.explanation, data.terms) == (plain.explanation, plain.terms)
        assert data.impact == plain.impact


HOSTILE = (
    "{{7*7}}",
    "{0.__class__}",
    "<!channel>",
    "<script>alert(1)</script>",
    "*bold* _it_ `code` [x](http://e.example)",
    "%s %(area)s $area ${area}",
    "{area} {since}",
    "\\u0041 \\n \" ' \\",
    "=cmd|' /C calc'!A0",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_passed_through_literally(text: str) -> None:
    """Nothing in the text of an example is interpolated, executed or escaped."""
    entry = Entry(name="any", team="t", customer_text="{issue} {area}")
    settings = Settings(playbook=Playbook(entries=(entry,)))
    events = morning(settings, text=text, issue_type=text.casefold())
    data = page(events)[-1]
    assert [one.text for one in data.examples] == [text] * MOST_EXAMPLES
    for event in events:
        again = EscalationEvent.model_validate_json(write_escalation(event))
        assert again == event
    raw = json.loads(write_escalation(next(e for e in events if e.data == data)))
    assert raw["data"]["examples"][0]["text"] == text


@pytest.mark.parametrize("name", ["{{7*7}}", "{0.__class__}", "<!channel>", "{since}", "x\x1ey"])
def test_hostile_names_are_passed_through_literally(name: str) -> None:
    """Hostile slice values, customer ids and tiers are published as they are."""
    entry = Entry(name="any", team="t", customer_text="{issue} in {area}")
    settings = Settings(playbook=Playbook(entries=(entry,)))
    tenant = grown(AREAS, settings)
    found = []
    for number, ticket in enumerate(incident_tickets(BROKEN)):
        if ticket.area == "login":
            fields = {"region": name, "tier": name, "customer": f"{name} {number}"}
            ticket = msgspec.structs.replace(ticket, issue_type=name, **fields)
        found.append(ticket)
    events = play(tenant, found, settings, NINE + 16.0 * HOUR)
    data = page(events)[-1]
    assert data.impact is not None
    assert set(data.impact.by_tier) == set(data.impact.by_region) == {name}
    assert all(one.customer and one.customer.startswith(name) for one in data.examples)
    for event in events:
        assert EscalationEvent.model_validate_json(write_escalation(event)) == event


# --- impact ---------------------------------------------------------------------------------------


def test_the_impact_covers_the_customers_of_the_episode() -> None:
    """Customers, tiers, regions and revenue are those of the tickets since the episode began."""
    events = morning()
    first = pages(events)[0]
    for event in events:
        if event.data.episode_id != first.data.episode_id or event.transition == "resolved":
            continue
        data, impact = event.data, event.data.impact
        assert impact is not None
        tickets_by_customer = {one.customer: one for one in inside(data, event.time.timestamp())}
        assert impact.customers == data.customers
        assert impact.customers == pytest.approx(len(tickets_by_customer), abs=1)
        assert not impact.customers_estimated
        tiers = [one.tier for one in tickets_by_customer.values()]
        assert sum(impact.by_tier.values()) == pytest.approx(len(tickets_by_customer), abs=1)
        for tier, count in impact.by_tier.items():
            assert count == pytest.approx(tiers.count(tier), abs=1)
        assert sum(impact.by_region.values()) == pytest.approx(len(tickets_by_customer), abs=1)
        revenue = sum(one.revenue or 0.0 for one in tickets_by_customer.values())
        assert impact.revenue == pytest.approx(revenue, abs=60_000.0)
        assert impact.revenue_customers == pytest.approx(len(tickets_by_customer), abs=1)
        assert impact.excess == pytest.approx(data.observed - data.expected, abs=0.01)
    assert len(page(events)) >= 3


def test_the_five_soonest_renewals_are_listed() -> None:
    """The impact lists at most five renewals within ninety days, the soonest first."""
    last = page(morning())[-1]
    assert last.impact is not None
    found = last.impact.renewals
    assert len(found) == 5
    assert [one.renewal_at for one in found] == sorted(one.renewal_at for one in found)
    assert last.impact.renewals_soon >= 5
    tickets_by_customer = {
        one.customer: one for one in incident_tickets(BROKEN) if one.area == "login"
    }
    for one in found:
        assert one.renewal_at.timestamp() == tickets_by_customer[one.customer].renewal_at
        assert one.revenue == tickets_by_customer[one.customer].revenue
        assert 0.0 <= one.renewal_at.timestamp() - NINE <= 91 * 86_400.0
    few = page(morning(Settings(renewal_days=5)))[-1].impact
    assert few is not None
    assert few.renewals_soon < last.impact.renewals_soon


def test_missing_customer_data_is_not_invented() -> None:
    """Without tier, revenue and contract the counts are empty and the revenue is null, not 0."""
    nothing: dict[str, Any] = {"tier": None, "region": None, "revenue": None, "renewal_at": None}
    impact = page(morning(**nothing))[-1].impact
    assert impact is not None
    assert (impact.by_tier, impact.by_region) == ({}, {})
    assert (impact.revenue, impact.revenue_customers) == (None, 0)
    assert (impact.renewals, impact.renewals_soon) == ([], 0)
    assert (impact.handling_hours, impact.handling_basis) == (None, None)


@pytest.mark.parametrize(
    ("before", "minutes", "basis", "seconds"),
    [
        (solved(1_800.0), 0.0, "work", 1_800.0),
        (solved(1_800.0), 45.0, "work", 1_800.0),
        (solved(90_000.0, elapsed=True), 0.0, "time_to_solve", 90_000.0),
        (solved(90_000.0, elapsed=True), 45.0, "configured", 2_700.0),
        (solved(90_000.0, elapsed=True) + solved(600.0), 0.0, "work", 600.0),
        (solved(1_800.0, count=4), 0.0, None, None),
        ((), 45.0, "configured", 2_700.0),
        ((), 0.0, None, None),
    ],
    ids=["work", "work before config", "elapsed", "config", "both", "few", "config alone", "none"],
)
def test_the_handling_time_is_that_of_the_excess_tickets(
    before: tuple[Ticket, ...], minutes: float, basis: str | None, seconds: float | None
) -> None:
    """The estimate is the excess times the median handling time, or the configured one."""
    solved_tickets = [
        msgspec.structs.replace(one, ticket_id=f"{one.ticket_id} {n}")
        for n, one in enumerate(before)
    ]
    for data in page(morning(Settings(handling_minutes=minutes), before=tuple(solved_tickets))):
        assert data.impact is not None
        assert data.impact.handling_basis == basis
        if seconds is None:
            assert data.impact.handling_hours is None
        else:
            hours = data.impact.excess * seconds / 3_600.0
            assert data.impact.handling_hours == pytest.approx(hours, rel=0.01)


# --- playbook -------------------------------------------------------------------------------------


def test_the_matching_playbook_entry_is_on_the_page() -> None:
    """The page has the team, runbook, steps and contacts, and a filled-in text for customers."""
    settings = Settings(playbook=Playbook(entries=ENTRIES))
    found = page(morning(settings))
    for number, data in enumerate(found):
        actions = data.actions
        assert actions is not None
        assert (actions.entry, actions.team) == ("login", "identity")
        assert actions.runbook == "https://runbooks.example.com/login"
        assert (actions.steps, actions.tell) == (["roll back", "tell status"], ["sales"])
        status = "resolved" if number == len(found) - 1 else "being worked on"
        since = f"{data.since:%Y-%m-%d %H:%M} UTC"
        assert actions.customer_text == (
            f"login fails for {data.customers} since {since}: {status}. {{unknown}} {{login}}"
        )


def test_the_current_severity_selects_the_entry() -> None:
    """An entry for critical pages matches once the page is critical."""
    settings = Settings(playbook=Playbook(entries=ENTRIES[:1]))
    found = page(morning(settings))
    assert {"warning", "critical"} <= {data.severity for data in found}
    for data in found:
        assert data.actions is not None
        assert data.actions.entry == ("anything" if data.severity == "critical" else None)
        assert (data.actions.team is None) is (data.actions.entry is None)


def test_a_missing_playbook_differs_from_a_missing_entry() -> None:
    """Actions are null without a playbook; their entry is null if no playbook entry matches."""
    assert all(data.actions is None for data in page(morning()))
    billing = Entry(name="billing", areas=("billing",), team="money")
    for data in page(morning(Settings(playbook=Playbook(entries=(billing,))))):
        assert data.actions is not None
        assert data.actions.entry is None
        assert (data.actions.team, data.actions.steps, data.actions.tell) == (None, [], [])


@pytest.mark.slow
def test_an_issue_type_that_is_a_driver_selects_the_entry() -> None:
    """The issue type need not be the slice that paged."""
    sso = Entry(name="sso", issue_types=("sso error",), team="sso", customer_text="{issue}")
    settings = Settings(
        playbook=Playbook(entries=(*ENTRIES, sso)), slice_dimensions=("region", "app_version")
    )
    incident = Incident("login", NINE + 600.0, 2.0, 8.0, issue_type="sso error")
    last = page(morning(settings, incidents=(incident,)))[-1]
    assert last.issue_type is None
    assert last.explanation[0].value == "sso error"
    assert last.actions is not None
    assert (last.actions.entry, last.actions.customer_text) == ("sso", "sso error")


def test_the_product_is_taken_from_the_taxonomy() -> None:
    """The product is null if the area has none."""
    areas = (AreaEntry(name="login", product="platform"), AreaEntry(name="billing"))
    settings = Settings(taxonomy=Taxonomy(areas=areas))
    assert {data.product for data in page(morning(settings))} == {"platform"}
    assert {data.product for data in page(morning())} == {None}


# --- the whole tenant -----------------------------------------------------------------------------


def test_a_tenant_wide_page_lists_its_areas() -> None:
    """Children are sorted by excess, have their own episodes, and share the handling time."""
    entries = Playbook(entries=ENTRIES)
    products = tuple(AreaEntry(name=name, product="shop") for name in AREAS)
    settings = Settings(playbook=entries, taxonomy=Taxonomy(areas=products), handling_minutes=6.0)
    events = morning(settings, incidents=EVERYWHERE)
    found = of_one(events, pages(events)[0].data.episode_id)
    assert len(pages(events)) == 1
    last = found[-1]
    assert last.product_area is None
    assert last.children is not None
    assert {child.product_area for child in last.children} == {*AREAS} == {*(last.areas or ())}
    excess = [child.observed - child.expected for child in last.children]
    assert excess == sorted(excess, reverse=True)
    assert last.children[0].product_area == "login"
    assert last.product == "shop"
    own = {e.data.product_area: e.data.episode_id for e in events if e.data.suppressed}
    for data in found:
        for child in data.children or ():
            assert child.episode_id in (None, own.get(child.product_area))
    assert len(own) >= 2
    assert {c.product_area: c.episode_id for c in last.children if c.episode_id} == own
    assert last.actions is not None
    assert (last.actions.entry, last.actions.customer_text) == ("platform", "several areas")
    assert last.impact is not None
    assert last.impact.handling_hours == pytest.approx(0.1 * last.impact.excess, rel=0.01)
    assert last.impact.excess > 0.6 * sum(excess)
    assert len(last.examples) == MOST_EXAMPLES


def test_the_areas_of_a_tenant_wide_page_grow_while_it_runs() -> None:
    """An area is listed once it is elevated, even below its own threshold, and is never removed."""
    events = morning(
        incidents=tuple(
            Incident(area, NINE + 600.0 + 900.0 * number, 2.0, 6.0)
            for number, area in enumerate(AREAS)
        )
    )
    of_whole = [event for event in events if event.data.areas is not None]
    crossed: dict[str, EscalationEvent] = {}
    for event in events:
        if event.data.suppressed and event.transition == "opened":
            crossed[event.data.product_area or ""] = event
    listed: dict[str, EscalationEvent] = {}
    for event in of_whole:
        assert event.data.areas is not None
        assert {*listed} <= {*event.data.areas}
        for name in event.data.areas:
            listed.setdefault(name, event)
    assert {*listed} == {*AREAS}
    assert len(of_whole[0].data.areas or ()) < len(AREAS)
    assert any(
        events.index(listed[name]) < events.index(crossed[name])
        for name in crossed
        if listed[name] is not of_whole[0]
    )


def test_only_tenant_wide_pages_have_children() -> None:
    """The children of an area's page are null."""
    assert all(data.children is None and data.areas is None for data in page(morning()))


def test_a_tenant_wide_page_across_two_products_has_no_product() -> None:
    """A tenant-wide page names a product only if that product has nearly all of the excess."""
    for share, expected in ((("login", "billing"), None), (("login", "billing", "checkout"), "a")):
        products = tuple(
            AreaEntry(name=name, product="a" if name in share else "b") for name in AREAS
        )
        settings = Settings(taxonomy=Taxonomy(areas=products))
        events = morning(settings, incidents=EVERYWHERE)
        last = of_one(events, pages(events)[0].data.episode_id)[-1]
        assert last.children is not None
        parts = {
            name: max(c.observed - c.expected, 0.0)
            for c in last.children
            for name in [c.product_area]
        }
        part = sum(parts[name] for name in share) / sum(parts.values())
        assert (part >= 0.8) is (expected is not None)
        assert last.product == expected


# --- severity -------------------------------------------------------------------------------------


def test_a_severity_rule_for_a_tier_is_named() -> None:
    """Three enterprise customers make the page critical before any count does."""
    rule = Rule(severity="critical", name="big accounts", tier="enterprise", tier_customers=3)
    settings = Settings(severity_rules=(rule, *RULES))
    found = page(morning(settings))
    for data in found:
        assert data.impact is not None
        if data.impact.by_tier.get("enterprise", 0) >= 3 and data.sequence < len(found):
            assert data.severity == "critical"
            assert data.severity_rule == "big accounts: enterprise customers >= 3"
    critical = next(data for data in found if data.severity == "critical")
    assert critical.severity_rule.startswith("big accounts")
    plain = next(data for data in page(morning()) if data.severity == "critical")
    assert critical.customers < plain.customers


def test_a_severity_rule_for_revenue_is_named() -> None:
    """The rule compares the combined annual revenue of the affected customers."""
    rule = Rule(severity="error", name="money", revenue=500_000.0)
    found = page(morning(Settings(severity_rules=(rule,))))
    grave = [data for data in found if data.severity == "error"]
    assert grave
    assert grave[0].severity_rule == "money: revenue >= 500000"
    assert grave[0].impact is not None
    assert (grave[0].impact.revenue or 0.0) >= 500_000.0
    assert {data.severity for data in found} <= {"info", "error"}


# --- determinism ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_same_signals_produce_the_same_bytes() -> None:
    """A second run, and a run that encodes and restores the tenant, give the same events."""
    settings = Settings(playbook=Playbook(entries=ENTRIES), handling_minutes=9.0)
    for incidents in ((BROKEN,), EVERYWHERE):
        tickets = incident_tickets(*incidents)
        first_run, second_run = (
            [*map(write_escalation, play(grown(AREAS, settings), tickets, settings))]
            for _ in range(2)
        )
        assert len(first_run) > 3
        assert second_run == first_run
        tenant = grown(AREAS, settings)
        restored_events: list[EscalationEvent] = []
        for number, ticket in enumerate(tickets):
            restored_events += step(tenant, ticket, settings).escalations
            if number % 7 == 0:
                tenant = tenant.copy()
        assert [*map(write_escalation, restored_events)] == first_run


def test_the_resolved_event_is_as_complete_as_those_before() -> None:
    """The resolved event has drivers, terms, examples and impact."""
    events = morning()
    last = page(events)[-1]
    assert [e.transition for e in events if e.data == last] == ["resolved"]
    assert last.explanation
    assert last.terms
    assert last.examples
    assert last.impact is not None


def test_the_handling_time_is_a_median() -> None:
    """One ticket that took a year to solve barely changes the estimate."""
    once = solved(600.0)
    year = msgspec.structs.replace(once[0], ticket_id="year", handled=3e7)
    plain, odd = (page(morning(before=(*once, *more)))[-1].impact for more in ((), (year,)))
    assert plain is not None
    assert odd is not None
    assert plain.handling_hours is not None
    assert odd.handling_hours is not None
    assert odd.handling_hours == pytest.approx(plain.handling_hours, rel=0.05)
