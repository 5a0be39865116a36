"""The area of a ticket that says none: by keywords, else by the words of tagged tickets."""

import random
from collections.abc import Sequence

import msgspec
import pytest

from detectors.foundation.tokens import terms
from detectors.memory.area_classifier import LEAST_LEARNED, AreaClassifier, classify
from detectors.memory.reference_tickets import TermSketch
from detectors.policy.settings import Settings
from detectors.policy.taxonomy import AreaEntry, IssueType, Taxonomy
from detectors.simulation.texts import write
from detectors.state.snapshots import Recovery
from detectors.step.corrections import FRESH_SECONDS
from detectors.step.partition import Partition
from detectors.step.result import Step
from schemas.signals import OTHER, UNCLASSIFIED, Ticket
from tests.support.companies import HOUR, MONDAY, SETTINGS, TenantFeed

ISSUES = ("an error", "a problem", "slow pages")
AREAS = ("login", "billing", "search", "exports")
TAXONOMY = Taxonomy(
    areas=(
        AreaEntry(
            name="login",
            aliases=("sign-in", "auth"),
            keywords=("password",),
            issue_types=(IssueType(name="sso error", keywords=("saml", "kerberos")),),
        ),
        AreaEntry(name="billing", keywords=("invoice",)),
        AreaEntry(name="search"),
    )
)
RULES = msgspec.structs.replace(SETTINGS, taxonomy=TAXONOMY)
NEVER = 1e12


def text(rng: random.Random, area: str) -> str:
    """What a customer writes about *area*."""
    return " ".join(write(rng, area, rng.choice(ISSUES), "4.2.1"))


def learned(areas: Sequence[str] = AREAS, count: int = 60) -> dict[str, TermSketch]:
    """What so many tickets of each area have taught."""
    rng = random.Random(1)
    found = {}
    for area in areas:
        found[area] = TermSketch()
        for _ in range(count):
            found[area].learn(terms(text(rng, area)))
    return found


def taught(config: Settings = SETTINGS, count: int = 60, seed: int = 1) -> TenantFeed:
    """A tenant of a few days whose tickets came with their areas, in turn."""
    desk = TenantFeed(config)
    rng = random.Random(seed)
    for number in range(count * len(AREAS)):
        area = AREAS[number % len(AREAS)]
        desk.ticket(MONDAY + 900.0 * number, area, text=text(rng, area))
    return desk


def now(desk: TenantFeed) -> float:
    """A minute after its last ticket."""
    assert desk.tenant.clock is not None
    return desk.tenant.clock + 61.0


def unplaced(desk: TenantFeed, about: str, seed: int = 5) -> Ticket:
    """A ticket about an area that it does not name."""
    words = text(random.Random(seed), about)
    return desk.make(now(desk), UNCLASSIFIED, text=words)


def tickets_of(desk: TenantFeed) -> dict[str, int]:
    """How many each area has counted."""
    return {name: series.tickets for name, series in sorted(desk.tenant.areas.items())}


def words_of(desk: TenantFeed) -> dict[str, float]:
    """How many tickets each area's words were learned from."""
    areas = sorted(desk.tenant.areas.items())
    return {name: series.usual_terms.tickets for name, series in areas}


# --- rules, then words ----------------------------------------------------------------------------


def test_rules_come_before_words() -> None:
    """Whatever the words have taught, a keyword of the taxonomy decides."""
    areas = learned()
    for _ in range(20):
        areas["billing"].learn(terms("password of the monthly bill"))
    found = classify("password of the monthly bill", TAXONOMY, AreaClassifier(areas), 0.7)
    assert found == ("login", None, "rule")


def test_a_rule_tells_the_issue_type() -> None:
    """The keywords of a kind of trouble point to its area as well."""
    found = classify("since the SAML change nothing works", TAXONOMY, AreaClassifier({}), 0.7)
    assert found == ("login", "sso error", "rule")


def test_a_tie_of_rules_falls_to_the_words() -> None:
    """Keywords of two areas: what the rest of the text is like tells which."""
    placer = AreaClassifier(learned())
    for area, thing in (("login", "signing in, my session"), ("billing", "our monthly bill, card")):
        told = f"password and invoice: {thing} ends with an error since this morning, {thing}"
        assert classify(told, TAXONOMY, placer, 0.7) == (area, None, "model")


def test_words_that_point_nowhere_place_nothing() -> None:
    """Below the confidence that is asked for, the ticket stays unclassified."""
    placer = AreaClassifier(learned())
    vague = "hello again, since this morning we get an error, can you help us"
    _, confidence = placer.guess(terms(vague))
    assert confidence < 0.7
    assert classify(vague, TAXONOMY, placer, 0.7) is None
    clear = "the csv download and the pdf file, exporting a table to the archive"
    assert classify(clear, TAXONOMY, placer, 0.7) == ("exports", None, "model")
    assert classify(clear, TAXONOMY, placer, 1.01) is None


@pytest.mark.parametrize("words", ["", "?!", "the and of", "invoice"])
def test_a_word_alone_is_no_text(words: str) -> None:
    """Nothing, stop words, or one word that no rule knows."""
    assert classify(words, Taxonomy(), AreaClassifier(learned()), 0.0) is None


def test_an_area_that_has_taught_too_little_is_no_candidate() -> None:
    """Nor is the only one that has: then there is nothing to tell it from."""
    words = terms("password form, signing in")
    few = int(LEAST_LEARNED) - 1
    assert AreaClassifier(learned(("login",))).guess(words) == ("", 0.0)
    assert AreaClassifier({}).guess(words) == ("", 0.0)
    three = learned(("billing", "search")) | learned(("login",), few)
    assert AreaClassifier(three).guess(words)[0] in ("billing", "search")
    three |= learned(("login",), few + 1)
    assert AreaClassifier(three).guess(words)[0] == "login"


def test_the_words_place_most_tickets_and_a_confidence_keeps_its_word() -> None:
    """Three quarters are placed at all, and of those nine in ten rightly."""
    placer = AreaClassifier(learned())
    rng = random.Random(8)
    right = wrong = 0
    for _ in range(400):
        area = rng.choice(AREAS)
        found = classify(text(rng, area), Taxonomy(), placer, 0.7)
        right += found is not None and found.area == area
        wrong += found is not None and found.area != area
    assert right + wrong > 300
    assert right > 9 * wrong


# --- through the step -----------------------------------------------------------------------------


def test_a_ticket_is_counted_where_its_words_place_it() -> None:
    """The step says how it was placed; a ticket that names its area was not placed at all."""
    desk = taught()
    before = tickets_of(desk)
    done = desk.take(unplaced(desk, "exports"))
    assert (done.outcome, done.placed) == ("counted", "model")
    assert tickets_of(desk) == before | {"exports": before["exports"] + 1}
    assert desk.ticket(now(desk), "login", text="exporting a table").placed is None
    assert tickets_of(desk)["login"] == before["login"] + 1


def test_what_cannot_be_placed_is_unclassified() -> None:
    """It is counted there, under a name of its own, and said to be so."""
    desk = taught()
    done = desk.ticket(now(desk), UNCLASSIFIED, text="hello again")
    assert (done.outcome, done.placed) == ("counted", "unclassified")
    assert tickets_of(desk)[UNCLASSIFIED] == 1


def test_a_ticket_without_text_is_not_placed() -> None:
    """There is nothing to place it by."""
    desk = taught()
    assert desk.ticket(now(desk), UNCLASSIFIED).placed is None
    assert tickets_of(desk)[UNCLASSIFIED] == 1


def test_confidence_of_one_or_more_turns_the_words_off() -> None:
    """As the settings say."""
    config = msgspec.structs.replace(SETTINGS, placing_confidence=1.0)
    desk = taught(config)
    assert desk.take(unplaced(desk, "exports")).placed == "unclassified"


def test_a_rule_places_through_the_step() -> None:
    """With its issue type, into an area that had no ticket yet."""
    desk = TenantFeed(RULES)
    done = desk.ticket(MONDAY, UNCLASSIFIED, text="saml is broken")
    assert done.placed == "rule"
    assert tickets_of(desk) == {"login": 1}
    assert desk.tenant.areas["login"].recent_tickets[0].values[0] == "sso error"


def test_an_alias_becomes_its_area() -> None:
    """Whatever tickets call it: of created, re-tagged, merged and solved ones alike."""
    desk = TenantFeed(RULES)
    for number, name in enumerate(("login", "sign-in", "auth")):
        assert desk.ticket(MONDAY + HOUR * number, name, text="hello").placed is None
    assert tickets_of(desk) == {"login": 3}
    assert desk.ticket(now(desk), "auth", event_type="solved", handled=60.0).outcome == "solved"
    ticket = desk.make(now(desk), "search")
    desk.take(ticket)
    moved = msgspec.structs.replace(ticket, area="sign-in", event_type="reclassified")
    assert desk.take(moved).outcome == "moved"
    assert set(desk.tenant.areas) == {"login", "search"}


def test_a_tagged_tickets_issue_type_comes_from_the_keywords() -> None:
    """Where it says none, and its text points to the area that it names."""
    desk = TenantFeed(RULES)
    told = [
        ({"text": "kerberos fails"}, "sso error"),
        ({"text": "kerberos fails", "issue_type": "other"}, "other"),
        ({"text": "nothing works"}, None),
        ({}, None),
    ]
    for number, (fields, issue_type) in enumerate(told):
        desk.ticket(MONDAY + HOUR * number, "auth", **fields)
        assert desk.tenant.areas["login"].recent_tickets[-1].values[0] == issue_type
    desk.ticket(now(desk), "billing", text="kerberos fails")
    assert desk.tenant.areas["billing"].recent_tickets[-1].values[0] is None


# --- who teaches ----------------------------------------------------------------------------------


def test_only_tagged_tickets_teach() -> None:
    """What was placed by words would only confirm what is thought already."""
    desk = taught(count=12)
    for seed in range(30):
        assert desk.take(unplaced(desk, "exports", seed)).placed in ("model", "unclassified")
        desk.tick(now(desk) + 3 * HOUR)  # no episode may run: then nothing is learned at all
    assert desk.tenant.running == set()
    assert tickets_of(desk)["exports"] > 12 + 15
    assert words_of(desk)["exports"] == 12
    rng = random.Random(9)
    for _ in range(30):
        desk.ticket(now(desk), "exports", text=text(rng, "exports"))
        desk.tick(now(desk) + 3 * HOUR)
    assert words_of(desk)["exports"] > 12 + 15


def test_an_agents_re_tag_teaches() -> None:
    """The words of an old ticket that an agent moved are learned where it belongs."""
    desk = taught(count=12)
    ticket = unplaced(desk, "exports")
    desk.take(ticket)
    before = words_of(desk)
    desk.tick(now(desk) + 2 * FRESH_SECONDS)
    moved = msgspec.structs.replace(ticket, area="billing", event_type="reclassified")
    assert desk.take(moved).outcome == "moved"
    assert words_of(desk) == before | {"billing": before["billing"] + 1}
    assert desk.take(moved).outcome == "duplicate"
    assert words_of(desk)["billing"] == before["billing"] + 1


@pytest.mark.parametrize("after", [0.0, 0.5 * FRESH_SECONDS, 2 * FRESH_SECONDS])
def test_a_re_tag_teaches_once(after: float) -> None:
    """Within the hour it counts where it belongs as well: there it is not learned of once more."""
    desk = taught(count=12)
    for _ in range(12):  # what waits to be learned is learned
        desk.tick(now(desk) + 3 * HOUR)
        desk.ticket(now(desk), "billing")
    before = words_of(desk)["billing"]
    ticket = unplaced(desk, "exports")
    desk.take(ticket)
    desk.tick(ticket.created_at + after)
    moved = msgspec.structs.replace(ticket, area="billing", event_type="reclassified")
    assert desk.take(moved).outcome == "moved"
    for _ in range(12):
        desk.tick(now(desk) + 3 * HOUR)
        desk.ticket(now(desk), "billing")
    assert all(
        note.ticket_id != ticket.ticket_id for note in desk.tenant.areas["billing"].recent_tickets
    )
    assert desk.tenant.running == set()
    assert words_of(desk)["billing"] == before + 1


def test_agents_who_re_tag_change_where_such_tickets_go() -> None:
    """After a dozen corrections the next ticket of the kind goes where they went."""
    desk = taught(count=12)
    told = "the pdf file of our tax line: exporting it as csv download ends with an error"
    first = desk.ticket(now(desk), UNCLASSIFIED, text=told)
    assert first.placed in ("model", "unclassified")
    for _ in range(15):
        ticket = desk.make(now(desk), UNCLASSIFIED, text=told)
        desk.take(ticket)
        moved = msgspec.structs.replace(ticket, area="billing", event_type="reclassified")
        desk.take(moved)
    before = tickets_of(desk)
    assert desk.ticket(now(desk), UNCLASSIFIED, text=told).placed == "model"
    assert tickets_of(desk) == before | {"billing": before["billing"] + 1}


def test_how_often_a_guess_is_right_is_counted_before_it_is_learned() -> None:
    """Of the tagged tickets: the share that would have been placed rightly."""
    desk = taught(count=200)
    assert desk.tenant.guessed > 10.0
    assert 0.8 < desk.tenant.guessed_right / desk.tenant.guessed <= 1.0


@pytest.mark.parametrize("area", [UNCLASSIFIED, OTHER])
def test_what_is_no_area_is_no_place(area: str) -> None:
    """However much its tickets have taught."""
    desk = taught()
    for number in range(40):
        desk.ticket(now(desk), area, text=f"zebra crossing {number}")
    desk.ticket(now(desk), UNCLASSIFIED, text="zebra crossing")
    assert area not in desk.tenant.classifier


# --- corrected within the hour --------------------------------------------------------------------


def corrected(desk: TenantFeed, after: float) -> tuple[Ticket, Step]:
    """A ticket about exports is placed by its words, and *after* so long re-tagged as billing."""
    ticket = unplaced(desk, "exports")
    assert desk.take(ticket).placed == "model"
    desk.tick(ticket.created_at + after)
    return ticket, desk.take(
        msgspec.structs.replace(ticket, area="billing", event_type="reclassified")
    )


@pytest.mark.parametrize("after", [0.0, 0.5 * FRESH_SECONDS, FRESH_SECONDS - 1.0])
def test_what_is_corrected_within_the_hour_counts_where_it_belongs(after: float) -> None:
    """It is taken back where its words had put it, and counted in its area as of now."""
    desk = taught()
    before = tickets_of(desk)
    seen = desk.tenant.areas["exports"].seen
    _, done = corrected(desk, after)
    assert done.outcome == "moved"
    assert tickets_of(desk) == before | {"billing": before["billing"] + 1}
    assert desk.tenant.areas["exports"].seen == pytest.approx(seen)
    assert desk.tenant.areas["billing"].recent_tickets[-1].ticket_id == f"{desk.number}"
    assert all(
        note.ticket_id != f"{desk.number}" for note in desk.tenant.areas["exports"].recent_tickets
    )


def test_what_is_corrected_later_is_only_learned() -> None:
    """Nobody complains anew: it leaves the wrong area, and is no ticket of now in the right one."""
    desk = taught()
    before = tickets_of(desk)
    corrected(desk, 2 * FRESH_SECONDS)
    assert tickets_of(desk) == before


def test_what_came_with_an_area_is_not_counted_anew_when_it_is_moved() -> None:
    """A tagged ticket that agents move at once: many of them are no spike of where they go."""
    desk = taught()
    before = tickets_of(desk)
    ticket = desk.make(now(desk), "login", text="hello")
    desk.take(ticket)
    desk.take(msgspec.structs.replace(ticket, area="billing", event_type="reclassified"))
    assert tickets_of(desk) == before


def test_an_incident_that_was_placed_wrongly_pages_where_it_belongs() -> None:
    """Agents re-tag each of its tickets within minutes: that area pages, and no other goes on."""
    desk = taught(count=200)
    begin = now(desk)
    for number in range(40):
        ticket = unplaced(desk, "exports", seed=number)
        ticket = msgspec.structs.replace(ticket, created_at=begin + 120.0 * number)
        desk.take(ticket)
        desk.take(msgspec.structs.replace(ticket, area="billing", event_type="reclassified"))
    assert {event.data.product_area for event in desk.pages} == {"billing"}, desk.paged()


# --- after a restart ------------------------------------------------------------------------------


def stream(seed: int) -> list[Ticket]:
    """Tickets with and without an area, and agents who correct some of them."""
    rng = random.Random(seed)
    desk = TenantFeed(RULES)
    found = []
    for number in range(300):
        at = MONDAY + 600.0 * number
        area = rng.choice(AREAS)
        told = text(rng, area)
        says = area if number < 100 or rng.random() < 0.3 else UNCLASSIFIED
        ticket = desk.make(at, says, text=told)
        found.append(ticket)
        if rng.random() < 0.2:
            right = rng.choice((area, "auth", "billing"))
            moved = {"area": right, "event_type": "reclassified", "created_at": at}
            found.append(msgspec.structs.replace(ticket, **moved))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_placing_is_the_same_after_a_restart(seed: int) -> None:
    """Stopped and recovered anywhere, each ticket goes where it would have gone."""
    rng = random.Random(seed)
    whole, broken = Partition(0, 1, RULES), Partition(0, 1, RULES)
    log: list[tuple[bytes, bytes]] = []
    owner, placed = 1, []
    for number, signal in enumerate(stream(seed)):
        if rng.random() < 0.05:
            log += broken.snapshot(number, 0.0, NEVER)
            recovery = Recovery()
            for key, data in log:
                recovery.read(key, data, 0.0)
            owner += 1
            broken = Partition(0, owner, RULES, recovery)
        one, other = whole.take(signal), broken.take(signal)
        assert one == other
        placed.append(one.placed)
    assert placed.count("model") > 50
    assert placed.count("rule") > 5
    ran, again = whole.tenants["acme"], broken.tenants["acme"]
    assert again.encode() == ran.encode()
    for name, series in ran.areas.items():
        assert again.areas[name].encode() == series.encode()
    probe = terms(text(random.Random(9), "exports"))
    assert again.classifier.guess(probe) == ran.classifier.guess(probe)
