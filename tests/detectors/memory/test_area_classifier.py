"""The area of an unclassified ticket: keyword rules first, then terms of classified tickets."""

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
    """Return the text of a ticket about *area*."""
    return " ".join(write(rng, area, rng.choice(ISSUES), "4.2.1"))


def learned(areas: Sequence[str] = AREAS, count: int = 60) -> dict[str, TermSketch]:
    """Return sketches of the terms in *count* tickets of each area."""
    rng = random.Random(1)
    found = {}
    for area in areas:
        found[area] = TermSketch()
        for _ in range(count):
            found[area].learn(terms(text(rng, area)))
    return found


def trained_tenant(config: Settings = SETTINGS, count: int = 60, seed: int = 1) -> TenantFeed:
    """Return the feed of a tenant with a few days of classified tickets of every area."""
    feed = TenantFeed(config)
    rng = random.Random(seed)
    for number in range(count * len(AREAS)):
        area = AREAS[number % len(AREAS)]
        feed.ticket(MONDAY + 900.0 * number, area, text=text(rng, area))
    return feed


def now(feed: TenantFeed) -> float:
    """Return the time a minute after the last ticket."""
    assert feed.tenant.clock is not None
    return feed.tenant.clock + 61.0


def unclassified_ticket(feed: TenantFeed, about: str, seed: int = 5) -> Ticket:
    """Return an unclassified ticket about an area."""
    words = text(random.Random(seed), about)
    return feed.make(now(feed), UNCLASSIFIED, text=words)


def ticket_counts(feed: TenantFeed) -> dict[str, int]:
    """Return the number of tickets that each area has counted."""
    return {name: series.tickets for name, series in sorted(feed.tenant.areas.items())}


def learned_counts(feed: TenantFeed) -> dict[str, float]:
    """Return the number of tickets from which each area has learned terms."""
    areas = sorted(feed.tenant.areas.items())
    return {name: series.usual_terms.tickets for name, series in areas}


# --- rules, then terms ----------------------------------------------------------------------------


def test_keyword_rules_take_precedence_over_learned_terms() -> None:
    """A keyword of the taxonomy decides whatever the learned terms suggest."""
    areas = learned()
    for _ in range(20):
        areas["billing"].learn(terms("password of the monthly bill"))
    found = classify("password of the monthly bill", TAXONOMY, AreaClassifier(areas), 0.7)
    assert found == ("login", None, "rule")


def test_a_keyword_rule_sets_the_issue_type() -> None:
    """Keywords of an issue type also point to its area."""
    found = classify("since the SAML change nothing works", TAXONOMY, AreaClassifier({}), 0.7)
    assert found == ("login", "sso error", "rule")


def test_learned_terms_break_a_tie_of_rules() -> None:
    """If keywords of two areas match, the rest of the text decides."""
    placer = AreaClassifier(learned())
    for area, thing in (("login", "signing in, my session"), ("billing", "our monthly bill, card")):
        words = f"password and invoice: {thing} ends with an error since this morning, {thing}"
        assert classify(words, TAXONOMY, placer, 0.7) == (area, None, "model")


def test_a_text_below_the_confidence_stays_unclassified() -> None:
    """A guess below the required confidence is discarded."""
    placer = AreaClassifier(learned())
    vague = "hello again, since this morning we get an error, can you help us"
    _, confidence = placer.guess(terms(vague))
    assert confidence < 0.7
    assert classify(vague, TAXONOMY, placer, 0.7) is None
    clear = "the csv download and the pdf file, exporting a table to the archive"
    assert classify(clear, TAXONOMY, placer, 0.7) == ("exports", None, "model")
    assert classify(clear, TAXONOMY, placer, 1.01) is None


@pytest.mark.parametrize("words", ["", "?!", "the and of", "invoice"])
def test_a_text_of_at_most_one_word_is_not_classified(words: str) -> None:
    """Empty texts, stop words and a single unknown word are not classified."""
    assert classify(words, Taxonomy(), AreaClassifier(learned()), 0.0) is None


def test_an_area_with_too_few_learned_tickets_is_no_candidate() -> None:
    """A single candidate is none either, since there is no alternative."""
    words = terms("password form, signing in")
    few = int(LEAST_LEARNED) - 1
    assert AreaClassifier(learned(("login",))).guess(words) == ("", 0.0)
    assert AreaClassifier({}).guess(words) == ("", 0.0)
    three = learned(("billing", "search")) | learned(("login",), few)
    assert AreaClassifier(three).guess(words)[0] in ("billing", "search")
    three |= learned(("login",), few + 1)
    assert AreaClassifier(three).guess(words)[0] == "login"


def test_the_classifier_is_as_accurate_as_its_confidence() -> None:
    """Three quarters of tickets are classified, nine in ten of them correctly."""
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


def test_a_ticket_counts_in_the_area_of_its_classification() -> None:
    """The step says how the ticket was classified, and nothing for a ticket with an area."""
    feed = trained_tenant()
    before = ticket_counts(feed)
    done = feed.take(unclassified_ticket(feed, "exports"))
    assert (done.outcome, done.placed) == ("counted", "model")
    assert ticket_counts(feed) == before | {"exports": before["exports"] + 1}
    assert feed.ticket(now(feed), "login", text="exporting a table").placed is None
    assert ticket_counts(feed)["login"] == before["login"] + 1


def test_a_ticket_that_cannot_be_classified_is_unclassified() -> None:
    """The ticket is counted in a series of its own and reported as unclassified."""
    feed = trained_tenant()
    done = feed.ticket(now(feed), UNCLASSIFIED, text="hello again")
    assert (done.outcome, done.placed) == ("counted", "unclassified")
    assert ticket_counts(feed)[UNCLASSIFIED] == 1


def test_a_ticket_without_text_is_not_classified() -> None:
    """A ticket without text gives the classifier nothing to work with."""
    feed = trained_tenant()
    assert feed.ticket(now(feed), UNCLASSIFIED).placed is None
    assert ticket_counts(feed)[UNCLASSIFIED] == 1


def test_a_confidence_of_one_or_more_turns_learned_terms_off() -> None:
    """No ticket is classified by learned terms, as the settings promise."""
    config = msgspec.structs.replace(SETTINGS, placing_confidence=1.0)
    feed = trained_tenant(config)
    assert feed.take(unclassified_ticket(feed, "exports")).placed == "unclassified"


def test_a_rule_classifies_a_ticket_in_the_step() -> None:
    """A rule sets area and issue type, also of an area without tickets."""
    feed = TenantFeed(RULES)
    done = feed.ticket(MONDAY, UNCLASSIFIED, text="saml is broken")
    assert done.placed == "rule"
    assert ticket_counts(feed) == {"login": 1}
    assert feed.tenant.areas["login"].recent_tickets[0].values[0] == "sso error"


def test_an_alias_is_replaced_by_its_area() -> None:
    """Aliases are resolved in created, re-tagged, merged and solved tickets alike."""
    feed = TenantFeed(RULES)
    for number, name in enumerate(("login", "sign-in", "auth")):
        assert feed.ticket(MONDAY + HOUR * number, name, text="hello").placed is None
    assert ticket_counts(feed) == {"login": 3}
    assert feed.ticket(now(feed), "auth", event_type="solved", handled=60.0).outcome == "solved"
    ticket = feed.make(now(feed), "search")
    feed.take(ticket)
    moved = msgspec.structs.replace(ticket, area="sign-in", event_type="reclassified")
    assert feed.take(moved).outcome == "moved"
    assert set(feed.tenant.areas) == {"login", "search"}


def test_keywords_set_a_missing_issue_type_of_a_classified_ticket() -> None:
    """The issue type is set if the ticket has none and its text matches its own area."""
    feed = TenantFeed(RULES)
    cases = [
        ({"text": "kerberos fails"}, "sso error"),
        ({"text": "kerberos fails", "issue_type": "other"}, "other"),
        ({"text": "nothing works"}, None),
        ({}, None),
    ]
    for number, (fields, issue_type) in enumerate(cases):
        feed.ticket(MONDAY + HOUR * number, "auth", **fields)
        assert feed.tenant.areas["login"].recent_tickets[-1].values[0] == issue_type
    feed.ticket(now(feed), "billing", text="kerberos fails")
    assert feed.tenant.areas["billing"].recent_tickets[-1].values[0] is None


# --- what is learned ------------------------------------------------------------------------------


def test_only_tickets_with_an_area_of_their_own_are_learned() -> None:
    """Learning from tickets that were classified by learned terms would only confirm them."""
    feed = trained_tenant(count=12)
    for seed in range(30):
        assert feed.take(unclassified_ticket(feed, "exports", seed)).placed in (
            "model",
            "unclassified",
        )
        feed.tick(
            now(feed) + 3 * HOUR
        )  # lets episodes end, since nothing is learned while one runs
    assert feed.tenant.running == set()
    assert ticket_counts(feed)["exports"] > 12 + 15
    assert learned_counts(feed)["exports"] == 12
    rng = random.Random(9)
    for _ in range(30):
        feed.ticket(now(feed), "exports", text=text(rng, "exports"))
        feed.tick(now(feed) + 3 * HOUR)
    assert learned_counts(feed)["exports"] > 12 + 15


def test_a_re_tagged_ticket_is_learned_in_its_new_area() -> None:
    """The terms of an old ticket are learned in the area to which an agent moved it."""
    feed = trained_tenant(count=12)
    ticket = unclassified_ticket(feed, "exports")
    feed.take(ticket)
    before = learned_counts(feed)
    feed.tick(now(feed) + 2 * FRESH_SECONDS)
    moved = msgspec.structs.replace(ticket, area="billing", event_type="reclassified")
    assert feed.take(moved).outcome == "moved"
    assert learned_counts(feed) == before | {"billing": before["billing"] + 1}
    assert feed.take(moved).outcome == "duplicate"
    assert learned_counts(feed)["billing"] == before["billing"] + 1


@pytest.mark.parametrize("after", [0.0, 0.5 * FRESH_SECONDS, 2 * FRESH_SECONDS])
def test_a_re_tagged_ticket_is_learned_once(after: float) -> None:
    """A ticket moved within the hour also counts in the new area but is not learned twice."""
    feed = trained_tenant(count=12)
    for _ in range(12):  # flushes the tickets that wait to be learned
        feed.tick(now(feed) + 3 * HOUR)
        feed.ticket(now(feed), "billing")
    before = learned_counts(feed)["billing"]
    ticket = unclassified_ticket(feed, "exports")
    feed.take(ticket)
    feed.tick(ticket.created_at + after)
    moved = msgspec.structs.replace(ticket, area="billing", event_type="reclassified")
    assert feed.take(moved).outcome == "moved"
    for _ in range(12):
        feed.tick(now(feed) + 3 * HOUR)
        feed.ticket(now(feed), "billing")
    assert all(
        note.ticket_id != ticket.ticket_id for note in feed.tenant.areas["billing"].recent_tickets
    )
    assert feed.tenant.running == set()
    assert learned_counts(feed)["billing"] == before + 1


def test_re_tagging_changes_the_classification_of_similar_tickets() -> None:
    """After a dozen corrections the next such ticket goes to the corrected area."""
    feed = trained_tenant(count=12)
    words = "the pdf file of our tax line: exporting it as csv download ends with an error"
    first = feed.ticket(now(feed), UNCLASSIFIED, text=words)
    assert first.placed in ("model", "unclassified")
    for _ in range(15):
        ticket = feed.make(now(feed), UNCLASSIFIED, text=words)
        feed.take(ticket)
        moved = msgspec.structs.replace(ticket, area="billing", event_type="reclassified")
        feed.take(moved)
    before = ticket_counts(feed)
    assert feed.ticket(now(feed), UNCLASSIFIED, text=words).placed == "model"
    assert ticket_counts(feed) == before | {"billing": before["billing"] + 1}


def test_the_accuracy_is_measured_before_a_ticket_is_learned() -> None:
    """The accuracy is the share of classified tickets that would have been guessed correctly."""
    feed = trained_tenant(count=200)
    assert feed.tenant.guessed > 10.0
    assert 0.8 < feed.tenant.guessed_right / feed.tenant.guessed <= 1.0


@pytest.mark.parametrize("area", [UNCLASSIFIED, OTHER])
def test_the_classifier_never_chooses_a_catch_all_area(area: str) -> None:
    """A catch-all area is no candidate, however many tickets it has."""
    feed = trained_tenant()
    for number in range(40):
        feed.ticket(now(feed), area, text=f"zebra crossing {number}")
    feed.ticket(now(feed), UNCLASSIFIED, text="zebra crossing")
    assert area not in feed.tenant.classifier


# --- corrected within the hour --------------------------------------------------------------------


def corrected(feed: TenantFeed, after: float) -> tuple[Ticket, Step]:
    """Classify a ticket about exports, and after *after* seconds re-tag it as billing."""
    ticket = unclassified_ticket(feed, "exports")
    assert feed.take(ticket).placed == "model"
    feed.tick(ticket.created_at + after)
    return ticket, feed.take(
        msgspec.structs.replace(ticket, area="billing", event_type="reclassified")
    )


@pytest.mark.parametrize("after", [0.0, 0.5 * FRESH_SECONDS, FRESH_SECONDS - 1.0])
def test_a_correction_within_the_hour_moves_the_ticket(after: float) -> None:
    """The ticket is withdrawn from the guessed area and counts now in the corrected one."""
    feed = trained_tenant()
    before = ticket_counts(feed)
    seen = feed.tenant.areas["exports"].seen
    _, done = corrected(feed, after)
    assert done.outcome == "moved"
    assert ticket_counts(feed) == before | {"billing": before["billing"] + 1}
    assert feed.tenant.areas["exports"].seen == pytest.approx(seen)
    assert feed.tenant.areas["billing"].recent_tickets[-1].ticket_id == f"{feed.number}"
    assert all(
        note.ticket_id != f"{feed.number}" for note in feed.tenant.areas["exports"].recent_tickets
    )


def test_a_later_correction_is_only_learned() -> None:
    """The ticket leaves the wrong area and is no current ticket of the right one."""
    feed = trained_tenant()
    before = ticket_counts(feed)
    corrected(feed, 2 * FRESH_SECONDS)
    assert ticket_counts(feed) == before


def test_moving_a_ticket_that_had_an_area_does_not_count_it_again() -> None:
    """Many tickets that agents move out of their own area are no spike of the other."""
    feed = trained_tenant()
    before = ticket_counts(feed)
    ticket = feed.make(now(feed), "login", text="hello")
    feed.take(ticket)
    feed.take(msgspec.structs.replace(ticket, area="billing", event_type="reclassified"))
    assert ticket_counts(feed) == before


def test_a_misclassified_incident_pages_in_the_right_area() -> None:
    """If agents re-tag each ticket within minutes, only the right area pages."""
    feed = trained_tenant(count=200)
    begin = now(feed)
    for number in range(40):
        ticket = unclassified_ticket(feed, "exports", seed=number)
        ticket = msgspec.structs.replace(ticket, created_at=begin + 120.0 * number)
        feed.take(ticket)
        feed.take(msgspec.structs.replace(ticket, area="billing", event_type="reclassified"))
    assert {event.data.product_area for event in feed.pages} == {"billing"}, feed.paged()


# --- after a restart ------------------------------------------------------------------------------


def stream(seed: int) -> list[Ticket]:
    """Return tickets with and without an area, some of which agents correct."""
    rng = random.Random(seed)
    feed = TenantFeed(RULES)
    found = []
    for number in range(300):
        at = MONDAY + 600.0 * number
        area = rng.choice(AREAS)
        words = text(rng, area)
        says = area if number < 100 or rng.random() < 0.3 else UNCLASSIFIED
        ticket = feed.make(at, says, text=words)
        found.append(ticket)
        if rng.random() < 0.2:
            right = rng.choice((area, "auth", "billing"))
            moved = {"area": right, "event_type": "reclassified", "created_at": at}
            found.append(msgspec.structs.replace(ticket, **moved))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_classification_is_the_same_after_a_restart(seed: int) -> None:
    """A partition that stops and recovers anywhere classifies each ticket as before."""
    rng = random.Random(seed)
    uninterrupted, restarted = Partition(0, 1, RULES), Partition(0, 1, RULES)
    log: list[tuple[bytes, bytes]] = []
    owner, placed = 1, []
    for number, signal in enumerate(stream(seed)):
        if rng.random() < 0.05:
            log += restarted.snapshot(number, 0.0, NEVER)
            recovery = Recovery()
            for key, data in log:
                recovery.read(key, data, 0.0)
            owner += 1
            restarted = Partition(0, owner, RULES, recovery)
        expected, actual = uninterrupted.take(signal), restarted.take(signal)
        assert expected == actual
        placed.append(expected.placed)
    assert placed.count("model") > 50
    assert placed.count("rule") > 5
    ran, again = uninterrupted.tenants["acme"], restarted.tenants["acme"]
    assert again.encode() == ran.encode()
    for name, series in ran.areas.items():
        assert again.areas[name].encode() == series.encode()
    probe = terms(text(random.Random(9), "exports"))
    assert again.classifier.guess(probe) == ran.classifier.guess(probe)
