"""The words of an episode: those that come more often than in the usual tickets of its area."""

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
    """The words of *count* usual tickets of *area*, all with *word*."""
    rng = random.Random(seed)
    vocabulary = TermSketch()
    for _ in range(count):
        vocabulary.learn(terms(" ".join((*sentence(rng, area), word))))
    return vocabulary


def sentence(rng: random.Random, area: str = "login", word: str | None = None) -> tuple[str, str]:
    """What a customer writes, perhaps with a *word* of its own."""
    return write(rng, area, rng.choice(ISSUES), "4.2.1", word)


def inside(texts: Sequence[str]) -> EpisodeTickets:
    """Tickets with these *texts*."""
    dossier = EpisodeTickets(since=0.0)
    for number, text in enumerate(texts):
        mark = fingerprint(f"{number}")
        dossier.add(TicketSummary(mark, f"T-{number}", 0.0, 1.0, (), f"c{number}", text=text), 90)
    return dossier


def incident(count: int, word: str, share: float = 1.0, seed: int = 9) -> EpisodeTickets:
    """Tickets of an incident, of which a *share* has the *word*."""
    rng = random.Random(seed)
    return inside(
        [" ".join(sentence(rng, word=word if rng.random() < share else None)) for _ in range(count)]
    )


def named(found: Sequence[DistinctiveTerm]) -> list[str]:
    """The words alone."""
    return [one.term for one in found]


OTHERS = [usual(area, seed=2) for area in ("billing", "checkout", "search")]


@pytest.mark.parametrize("count", [6, 20, 80])
@pytest.mark.parametrize("seed", range(5))
def test_a_word_never_seen_before_is_first_and_new(count: int, seed: int) -> None:
    """An error code in all tickets of an incident, and in none before."""
    dossier = incident(count, "err_401_sso", seed=seed)
    found = distinctive_terms(dossier, usual(seed=seed), OTHERS)
    one = found[0]
    assert (one.term, one.is_new, one.usual) == ("err_401_sso", True, 0.0)
    assert (one.tickets, one.share) == (min(count, MOST_CANDIDATES), 1.0)
    assert one.log_odds > 2.0


def test_new_is_what_no_usual_ticket_had() -> None:
    """A code that nobody knew, and one that a few tickets had before."""
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
def test_a_word_that_is_usual_in_the_area_is_not_told(count: int) -> None:
    """All tickets of the incident say it, and so do all others of the area."""
    found = distinctive_terms(incident(count, "kerberos"), usual(word="kerberos"), OTHERS)
    assert "kerberos" not in named(found)


@pytest.mark.slow
def test_usual_tickets_have_no_words_to_tell() -> None:
    """Thirty of the same kind, often: less than one word an episode stands out by chance."""
    told = 0
    for seed in range(200):
        rng = random.Random(1_000 + seed)
        dossier = inside([" ".join(sentence(rng)) for _ in range(30)])
        told += len(distinctive_terms(dossier, usual(seed=seed), OTHERS))
    assert told < 200


def test_a_word_must_be_twice_as_frequent() -> None:
    """Half of the usual tickets have it: nearly all of a big episode is not enough."""
    background = TermSketch()
    for number in range(100):
        background.learn(["kerberos"] if number % 100 < 55 else ["other"])
    found = distinctive_terms(inside(["kerberos"] * 200), background, [])
    assert found == []
    rare = TermSketch()
    for number in range(100):
        rare.learn(["kerberos"] if number % 100 < 45 else ["other"])
    assert named(distinctive_terms(inside(["kerberos"] * 200), rare, [])) == ["kerberos"]


def test_what_other_areas_say_anyway_surprises_less() -> None:
    """A word that is new here and usual elsewhere tells less than one that is new everywhere."""
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


def test_pairs_that_say_no_more_than_their_word_are_left_out() -> None:
    """A new code between usual words: it is told once, not three times."""
    dossier = inside(["login ends err_401_sso after reload"] * 20)
    background = TermSketch()
    for _ in range(50):
        background.learn(terms("login ends after reload"))
    assert named(distinctive_terms(dossier, background, [])) == ["err_401_sso"]


def test_a_pair_of_usual_words_can_be_the_news() -> None:
    """Everybody says both, but nobody said them in a row."""
    background = TermSketch()
    for _ in range(100):
        background.learn(terms("blank kitchen door screen"))
    found = named(distinctive_terms(inside(["blank screen"] * 30), background, []))
    assert found == ["blank screen"]


def test_no_term_shares_a_word_with_another() -> None:
    """Each of those that are told says something of its own, and they are few."""
    for seed in range(10):
        rng = random.Random(seed)
        words = [f"code{number}" for number in range(30)]
        texts = [" ".join(rng.sample(words, 12)) for _ in range(40)]
        found = named(distinctive_terms(inside(texts), usual(), OTHERS))
        assert 1 <= len(found) <= MOST_TERMS
        told = [word for term in found for word in term.split(" ")]
        assert len(told) == len(set(told))


def test_two_tickets_tell_nothing() -> None:
    """However odd their words are; three do."""
    for count, expected in ((1, []), (2, []), (3, ["err_401_sso"])):
        texts = ["err_401_sso"] * count + ["other words"]
        assert named(distinctive_terms(inside(texts), usual(), OTHERS)) == expected


def test_a_word_of_few_of_many_tickets_is_not_told() -> None:
    """Less than a tenth of them."""
    texts = ["kaboom"] * 9 + ["nothing new"] * 91
    assert "kaboom" not in named(
        distinctive_terms(inside(texts), usual(word="nothing new"), OTHERS)
    )
    texts = ["kaboom"] * 15 + ["nothing new"] * 85
    assert "kaboom" in named(distinctive_terms(inside(texts), usual(word="nothing new"), OTHERS))


def test_nothing_is_told_where_nothing_is_known_or_said() -> None:
    """An area whose usual tickets have no text, and an episode without any."""
    assert distinctive_terms(incident(20, "err_401_sso"), TermSketch(), OTHERS) == []
    assert distinctive_terms(inside([]), usual(), OTHERS) == []
    assert distinctive_terms(inside([""] * 20), usual(), OTHERS) == []


def test_the_most_surprising_stands_first() -> None:
    """And among those alike, words before pairs, and the alphabet."""
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


def test_what_most_tickets_say_stands_before_what_nobody_said_before() -> None:
    """A word of all tickets that one of six had anyway tells more than a new word of a few."""
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
    """Of the word's share of the tickets against its usual one, half a ticket added to each."""
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
def test_a_word_of_some_of_the_tickets_is_found(share: float) -> None:
    """Not everyone copies the error code."""
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
    """A text of so many characters, perhaps with a *word* somewhere among the first forty."""
    words = ["hello"]
    while sum(map(len, words)) + len(words) < size - 20:
        words.append("".join(map(rng.choice, SYLLABLES)))
    if word is not None:
        words.insert(rng.randrange(min(len(words), 39) + 1), word)
    return " ".join(words)


@pytest.mark.parametrize("size", [40, 150, 300, 600])
@pytest.mark.parametrize("late", [False, True], ids=["all along", "later"])
def test_a_word_of_most_tickets_is_told_however_long_they_are(size: int, late: bool) -> None:
    """Three in five of two hundred have it, at random or all that came last; in any text."""
    for seed in range(8):
        rng = random.Random(seed)
        background = TermSketch()
        for _ in range(100):
            background.learn(terms(prose(rng, size)))
        having = [number >= 80 if late else rng.random() < 0.6 for number in range(200)]
        texts = [prose(rng, size, "zz_broken" if has else None) for has in having]
        found = distinctive_terms(inside(texts), background, [])
        assert "zz_broken" in named(found)
