"""Distinctive terms of an episode: terms more frequent than in the usual tickets of its area."""

import math
import random
from collections.abc import Sequence

import pytest

from detectors.evidence.distinctive_terms import MOST_TERMS, DistinctiveTerm, distinctive_terms
from detectors.foundation.tokens import terms
from detectors.memory.deduplication import fingerprint
from detectors.memory.episode_tickets import MOST_CANDIDATES, EpisodeTickets, TicketSummary
from detectors.memory.reference_tickets import TermSketch
from detectors.simulation.texts import write

ISSUES = ("password reset", "sso error", "locked out")


def usual(area: str = "login", count: int = 100, seed: int = 1, word: str = "") -> TermSketch:
    """Return a vocabulary learned from *count* usual tickets of *area*, all with *word*."""
    rng = random.Random(seed)
    vocabulary = TermSketch()
    for _ in range(count):
        vocabulary.learn(terms(" ".join((*sentence(rng, area), word))))
    return vocabulary


def sentence(rng: random.Random, area: str = "login", word: str | None = None) -> tuple[str, str]:
    """Return the text of a ticket about *area*, with *word* added if there is one."""
    return write(rng, area, rng.choice(ISSUES), "4.2.1", word)


def inside(texts: Sequence[str]) -> EpisodeTickets:
    """Return one ticket for each of the *texts*."""
    dossier = EpisodeTickets(since=0.0)
    for number, text in enumerate(texts):
        mark = fingerprint(f"{number}")
        dossier.add(TicketSummary(mark, f"T-{number}", 0.0, 1.0, (), f"c{number}", text=text), 90)
    return dossier


def incident(count: int, word: str, share: float = 1.0, seed: int = 9) -> EpisodeTickets:
    """Return tickets of an incident, of which a *share* has the *word*."""
    rng = random.Random(seed)
    return inside(
        [" ".join(sentence(rng, word=word if rng.random() < share else None)) for _ in range(count)]
    )


def named(found: Sequence[DistinctiveTerm]) -> list[str]:
    """Return the terms without their counts."""
    return [one.term for one in found]


OTHERS = [usual(area, seed=2) for area in ("billing", "checkout", "search")]


@pytest.mark.parametrize("count", [6, 20, 80])
@pytest.mark.parametrize("seed", range(5))
def test_a_word_never_seen_before_ranks_first_and_is_new(count: int, seed: int) -> None:
    """An error code in all tickets of an incident and in no usual ticket is the first term."""
    dossier = incident(count, "err_401_sso", seed=seed)
    found = distinctive_terms(dossier, usual(seed=seed), OTHERS)
    one = found[0]
    assert (one.term, one.is_new, one.usual) == ("err_401_sso", True, 0.0)
    assert (one.tickets, one.share) == (min(count, MOST_CANDIDATES), 1.0)
    assert one.log_odds > 2.0


def test_only_a_term_that_no_usual_ticket_contains_is_new() -> None:
    """An unknown code is new; a code that a few usual tickets contain is not."""
    dossier = incident(20, "err_401_sso")
    (new,) = [
        one for one in distinctive_terms(dossier, usual(), OTHERS) if one.term == "err_401_sso"
    ]
    assert (new.is_new, new.usual) == (True, 0.0)
    known = usual()
    for _ in range(4):
        known.learn(["err_401_sso"])
    (old,) = [one for one in distinctive_terms(dossier, known, OTHERS) if one.term == "err_401_sso"]
    assert (old.is_new, old.usual) == (False, 4.0 / 104.0)
    assert old.log_odds < new.log_odds


@pytest.mark.parametrize("count", [10, 40, 100])
def test_a_word_that_is_usual_in_the_area_is_not_distinctive(count: int) -> None:
    """A word that every ticket of the area contains is not reported."""
    found = distinctive_terms(incident(count, "kerberos"), usual(word="kerberos"), OTHERS)
    assert "kerberos" not in named(found)


@pytest.mark.slow
def test_usual_tickets_have_no_distinctive_terms() -> None:
    """In thirty usual tickets, chance yields less than one term per episode on average."""
    term_count = 0
    for seed in range(200):
        rng = random.Random(1_000 + seed)
        dossier = inside([" ".join(sentence(rng)) for _ in range(30)])
        term_count += len(distinctive_terms(dossier, usual(seed=seed), OTHERS))
    assert term_count < 200


def test_a_word_must_be_twice_as_frequent() -> None:
    """A word in half of the usual tickets is not distinctive even if nearly all tickets have it."""
    background = TermSketch()
    for number in range(100):
        background.learn(["kerberos"] if number % 100 < 55 else ["other"])
    found = distinctive_terms(inside(["kerberos"] * 200), background, [])
    assert found == []
    rare = TermSketch()
    for number in range(100):
        rare.learn(["kerberos"] if number % 100 < 45 else ["other"])
    assert named(distinctive_terms(inside(["kerberos"] * 200), rare, [])) == ["kerberos"]


def test_a_word_that_is_usual_in_other_areas_ranks_lower() -> None:
    """A word new to the area but usual elsewhere ranks below one that is new everywhere."""
    background = TermSketch()
    for _ in range(20):
        background.learn(["other"])
    dossier = inside(["kerberos"] * 20 + ["other"] * 10)
    (new,) = [one for one in distinctive_terms(dossier, background, []) if one.term == "kerberos"]
    odds = [new.log_odds]
    for count in (10, 40, 80):
        elsewhere = TermSketch()
        for number in range(100):
            elsewhere.learn(["kerberos"] if number < count else ["other"])
        (known,) = [
            one
            for one in distinctive_terms(dossier, background, [elsewhere])
            if one.term == "kerberos"
        ]
        odds.append(known.log_odds)
        assert known.is_new
    assert odds == sorted(odds, reverse=True)


def test_pairs_that_add_nothing_to_their_word_are_left_out() -> None:
    """A new code between usual words is reported once, not three times."""
    dossier = inside(["login ends err_401_sso after reload"] * 20)
    background = TermSketch()
    for _ in range(50):
        background.learn(terms("login ends after reload"))
    assert named(distinctive_terms(dossier, background, [])) == ["err_401_sso"]


def test_a_pair_of_usual_words_can_be_distinctive() -> None:
    """Two usual words that never stood side by side before are reported as a pair."""
    background = TermSketch()
    for _ in range(100):
        background.learn(terms("blank kitchen door screen"))
    found = named(distinctive_terms(inside(["blank screen"] * 30), background, []))
    assert found == ["blank screen"]


def test_no_term_shares_a_word_with_another() -> None:
    """Reported terms have no word in common, and they are few."""
    for seed in range(10):
        rng = random.Random(seed)
        words = [f"code{number}" for number in range(30)]
        texts = [" ".join(rng.sample(words, 12)) for _ in range(40)]
        found = named(distinctive_terms(inside(texts), usual(), OTHERS))
        assert 1 <= len(found) <= MOST_TERMS
        reported_words = [word for term in found for word in term.split(" ")]
        assert len(reported_words) == len(set(reported_words))


def test_two_tickets_have_no_distinctive_terms() -> None:
    """Two tickets are too few however unusual their words are; three are enough."""
    for count, expected in ((1, []), (2, []), (3, ["err_401_sso"])):
        texts = ["err_401_sso"] * count + ["other words"]
        assert named(distinctive_terms(inside(texts), usual(), OTHERS)) == expected


def test_a_word_in_few_of_many_tickets_is_not_distinctive() -> None:
    """A word in less than a tenth of the tickets is not reported."""
    texts = ["kaboom"] * 9 + ["nothing new"] * 91
    assert "kaboom" not in named(
        distinctive_terms(inside(texts), usual(word="nothing new"), OTHERS)
    )
    texts = ["kaboom"] * 15 + ["nothing new"] * 85
    assert "kaboom" in named(distinctive_terms(inside(texts), usual(word="nothing new"), OTHERS))


def test_no_terms_without_text_in_the_baseline_or_the_episode() -> None:
    """No term is reported if the area's usual tickets or the episode's tickets have no text."""
    assert distinctive_terms(incident(20, "err_401_sso"), TermSketch(), OTHERS) == []
    assert distinctive_terms(inside([]), usual(), OTHERS) == []
    assert distinctive_terms(inside([""] * 20), usual(), OTHERS) == []


def test_terms_are_sorted_by_surprise() -> None:
    """Ties are sorted with words before pairs, then alphabetically."""
    texts = ["zebra apple"] * 20 + ["mango"] * 12
    random.Random(1).shuffle(texts)
    background = TermSketch()
    for _ in range(100):
        background.learn(["other"])
    found = distinctive_terms(inside(texts), background, [])
    assert named(found) == ["apple", "zebra", "mango"]
    gains = [round(one.gain, 6) for one in found]
    assert gains == sorted(gains, reverse=True)
    assert gains[-1] > 0.0


def test_a_frequent_word_ranks_above_a_rare_new_word() -> None:
    """A word in all tickets, usual in one of six, ranks above a new word in a few tickets."""
    background = TermSketch()
    for number in range(100):
        background.learn(["kerberos"] if number < 16 else ["other"])
    texts = ["kerberos"] * 20 + ["kerberos kaboom"] * 4
    one, other = distinctive_terms(inside(texts), background, [])
    assert (one.term, one.share, one.is_new) == ("kerberos", 1.0, False)
    assert (other.term, other.is_new) == ("kaboom", True)
    assert one.gain > other.gain
    assert one.log_odds > 0.0


def test_the_gain_is_the_likelihood_ratio() -> None:
    """The gain compares the word's share with its usual share, each with half a ticket added."""
    background = TermSketch()
    for number in range(99):
        background.learn(["kerberos"] if number < 9 else ["other"])
    texts = ["kerberos"] * 12 + ["nothing new"] * 8
    (one,) = [o for o in distinctive_terms(inside(texts), background, []) if o.term == "kerberos"]
    share, rare = 0.6, 9.5 / 100.0
    gain = share * math.log(share / rare) + (1.0 - share) * math.log((1.0 - share) / (1.0 - rare))
    assert one.gain == pytest.approx(20 * gain)
    (every,) = distinctive_terms(inside(["kerberos"] * 20), background, [])
    assert every.gain == pytest.approx(20 * math.log(1.0 / rare))


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_a_word_in_only_some_of_the_tickets_is_found(share: float) -> None:
    """The error code is found although not every customer copies it."""
    hits = [
        "err_401_sso"
        in named(distinctive_terms(incident(60, "err_401_sso", share, seed), usual(), OTHERS))
        for seed in range(10)
    ]
    assert sum(hits) >= 9


SYLLABLES = (
    ("ba", "ko", "mi", "tu", "re", "lo", "sa", "vin"),
    ("ran", "tel", "dor", "mix", "pol", "quin"),
    ("o", "is", "et", "um", "al", "ent"),
)


def prose(rng: random.Random, size: int, word: str | None = None) -> str:
    """Return a text of *size* characters, with *word* among the first forty words if given."""
    words = ["hello"]
    while sum(map(len, words)) + len(words) < size - 20:
        words.append("".join(map(rng.choice, SYLLABLES)))
    if word is not None:
        words.insert(rng.randrange(min(len(words), 39) + 1), word)
    return " ".join(words)


@pytest.mark.parametrize("size", [40, 150, 300, 600])
@pytest.mark.parametrize("late", [False, True], ids=["all along", "later"])
def test_a_word_in_most_tickets_is_found_in_texts_of_any_length(size: int, late: bool) -> None:
    """A word in three of five tickets is found, whether they arrive at random or last."""
    for seed in range(8):
        rng = random.Random(seed)
        background = TermSketch()
        for _ in range(100):
            background.learn(terms(prose(rng, size)))
        having = [number >= 80 if late else rng.random() < 0.6 for number in range(200)]
        texts = [prose(rng, size, "zz_broken" if has else None) for has in having]
        found = distinctive_terms(inside(texts), background, [])
        assert "zz_broken" in named(found)
