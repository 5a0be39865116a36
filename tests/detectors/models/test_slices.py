"""Slices: the values of an area's dimensions, each compared with the rest of its area."""

import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.foundation import state_codec
from detectors.models.slices import LEAST_AGE_HOURS, MOST_SLICES, Area, Slices, SliceScore, keys_of
from detectors.models.tenant_shares import MOST_SHARES, Shares
from tests.support.examples import examples

WEEK = 168.0
GROWN = 6 * WEEK
RATE = 4.0
EU, US, ASIA = "region\x1feu", "region\x1fus", "region\x1fasia"
USUAL = ((EU, 0.5), (US, 0.4), (ASIA, 0.1))


class AreaWithSlices:
    """An area at a constant expected rate, with its slices and its tenant's shares."""

    def __init__(self, rate: float = RATE, variance: float = 0.05) -> None:
        self.slices, self.shares = Slices(), Shares()
        self.rate, self.variance = rate, variance
        self.seen = 0.0
        self.rng = random.Random(1)
        self.best = -99.0

    def ticket(self, at: float, *keys: str, last_seen: float = float("-inf")) -> SliceScore | None:
        """Add one ticket with these values, *at* hours."""
        self.seen += 1.0
        area = Area(at * self.rate, self.seen, self.rate, self.variance, at)
        found = self.slices.observe(at, 1.0, last_seen, keys, area, self.shares)
        if found is not None:
            self.best = max(self.best, found.score.value)
        return found

    def feed(
        self,
        begin: float,
        end: float,
        rate: float | None = None,
        usual: Iterable[tuple[str, float]] = USUAL,
    ) -> "AreaWithSlices":
        """Feed Poisson traffic with the *usual* shares."""
        keys, weights = zip(*usual, strict=True)
        at = begin
        while (at := at + self.rng.expovariate(rate or self.rate)) < end:
            self.ticket(at, self.rng.choices(keys, weights)[0])
        return self


def grown(rate: float = RATE) -> AreaWithSlices:
    """Return an area after six weeks."""
    place = AreaWithSlices(rate).feed(0.0, GROWN)
    place.best = -99.0
    return place


def burst(
    place: AreaWithSlices, at: float, key: str, count: int = 12, hours: float = 1.0
) -> list[float]:
    """Return the scores of *count* tickets of one value."""
    found = [place.ticket(at + hours * number / count, key) for number in range(count)]
    return [each.score.value if each else -99.0 for each in found]


def test_a_spike_of_a_small_slice_is_found() -> None:
    """A dozen tickets within an hour of a value with a tenth of the area score."""
    place = grown()
    scores = burst(place, GROWN + 1.0, ASIA)
    assert max(scores) > 3.0
    assert place.best == max(scores)


def test_a_score_has_the_evidence_of_its_slice() -> None:
    """The count, customers, share and window are those of the slice."""
    place = grown()
    found = [place.ticket(GROWN + 1.0 + number / 12.0, ASIA) for number in range(12)][-1]
    assert found is not None
    assert (found.key, found.is_new) == (ASIA, False)
    assert 0.03 < found.share < 0.3
    assert found.score.since / 3600.0 == pytest.approx(GROWN + 1.0, abs=0.2)
    assert found.score.tickets == pytest.approx(12, abs=1)
    assert found.score.observed > 4.0 * found.score.expected
    assert found.score.customers >= 10


def test_an_incident_of_the_whole_area_scores_in_no_slice() -> None:
    """If all values rise together, no slice exceeds its share."""
    place = grown()
    place.feed(GROWN, GROWN + 6.0, rate=8.0 * RATE)
    assert place.best < 2.0


def test_noise_of_the_whole_area_scores_in_no_slice() -> None:
    """On a day half as busy again as usual, no slice exceeds its share."""
    place = grown()
    place.feed(GROWN, GROWN + 24.0, rate=1.5 * RATE)
    assert place.best < 2.0


def test_healthy_weeks_score_as_rarely_as_stated() -> None:
    """In twelve healthy weeks a score of 2 is passed a few times, by chance once in e^2 weeks."""
    place = grown()
    high = set()
    for day in range(84):
        place.best = -99.0
        place.feed(GROWN + day * 24.0, GROWN + day * 24.0 + 24.0)
        if place.best > 2.0:
            high.add(day)
    assert len(high) <= 6


def test_a_value_never_seen_before_is_found_and_marked_as_new() -> None:
    """An unknown error type scores after a handful of tickets."""
    place = grown()
    found = [place.ticket(GROWN + 1.0 + 0.1 * n, EU, "issue_type\x1fE-4711") for n in range(10)]
    hits = [each for each in found if each is not None and each.key.startswith("issue_type")]
    assert hits
    assert max(hit.score.value for hit in hits) > 2.0
    assert all(hit.is_new for hit in hits)


def test_values_present_from_the_start_are_not_new() -> None:
    """The values of a young area are its usual mix."""
    place = grown()
    burst(place, GROWN + 1.0, ASIA)
    assert not any(each.novel for each in place.slices.of.values())


def test_a_new_value_of_one_customer_does_not_score() -> None:
    """Evidence needs four customers."""
    place = grown()
    for number in range(40):
        at = GROWN + 1.0 + 0.02 * number
        seen = float("-inf") if number == 0 else at - 0.02
        assert place.ticket(at, "issue_type\x1fE-4711", last_seen=seen) is None


def test_slices_of_a_young_area_do_not_score() -> None:
    """Shares are too uncertain in the first two weeks."""
    place = AreaWithSlices().feed(0.0, LEAST_AGE_HOURS - 12.0)
    assert place.best == -99.0
    assert burst(place, LEAST_AGE_HOURS - 10.0, ASIA) == [-99.0] * 12


def test_a_version_that_is_rolled_out_is_learned_within_days() -> None:
    """A value that takes over in steps of a day has the share of recent days."""
    place = AreaWithSlices(10.0)
    old, new = "app_version\x1f1", "app_version\x1f2"
    place.feed(0.0, GROWN, usual=((old, 1.0),))
    for day in range(10):
        share = min(0.1 * (day + 1), 0.9)
        begin = GROWN + 24.0 * day
        place.feed(begin, begin + 24.0, usual=((old, 1.0 - share), (new, share)))
    place.best = -99.0
    place.feed(GROWN + 240.0, GROWN + 408.0, usual=((old, 0.1), (new, 0.9)))
    assert place.best < 2.0
    found = place.slices._share(
        new, place.slices.of[new], place.shares, place.shares.units(GROWN + 408.0)
    )
    assert found[0] == pytest.approx(0.9, abs=0.15)


def test_a_change_in_the_whole_tenant_lowers_the_score_in_an_area() -> None:
    """A value that the rest of the tenant adopted recently is less surprising."""
    scores = []
    for elsewhere in (0.1, 0.8):
        place = AreaWithSlices()
        place.feed(0.0, GROWN)
        rng = random.Random(2)
        at = 0.0
        while (at := at + rng.expovariate(2.0)) < GROWN:  # before that a tenth, as in this area
            units = place.shares.units(max(at, place.shares.since))
            place.shares.add(*units, [ASIA if rng.random() < 0.1 else EU])
        at = GROWN
        while (at := at + rng.expovariate(20.0)) < GROWN + 8.0:
            units = place.shares.units(at)
            place.shares.add(*units, [ASIA if rng.random() < elsewhere else EU])
        scores.append(max(burst(place, GROWN + 8.0, ASIA, 8)))
    assert scores[1] < scores[0] - 1.0


def test_a_day_is_learned_a_day_later() -> None:
    """A burst does not raise the share that it is compared with."""
    place = grown()
    known = place.slices.of[ASIA].known
    burst(place, GROWN + 1.0, ASIA, 40)
    assert place.slices.of[ASIA].known == pytest.approx(known, rel=0.02)


def test_the_learned_share_of_a_spike_is_bounded() -> None:
    """Hundreds of tickets of one day are learned as at most half of them."""
    place = grown()
    known = place.slices.of[ASIA].known
    burst(place, GROWN + 1.0, ASIA, 400, 6.0)
    place.feed(GROWN + 8.0, GROWN + 72.0)
    assert place.slices.of[ASIA].known < known + 200.0


def test_withdrawn_tickets_are_no_evidence() -> None:
    """Merged tickets leave the slice as calm as before."""
    place = grown()
    assert max(burst(place, GROWN + 1.0, ASIA)) > 3.0
    today = place.slices.of[ASIA].today
    for number in range(12):
        place.slices.withdraw(GROWN + 1.0 + number / 12.0, 1.0, (ASIA,))
        place.seen -= 1.0
    assert place.slices.of[ASIA].today == today - 12.0
    assert place.ticket(GROWN + 2.1, ASIA) is None


def test_withdrawing_an_unknown_value_changes_nothing() -> None:
    """The state has the same bytes as before."""
    place = grown()
    before = state_codec.encode(place.slices)
    place.slices.withdraw(GROWN, 1.0, ("region\x1fnowhere",))
    assert state_codec.encode(place.slices) == before


def test_restarting_the_windows_keeps_the_shares() -> None:
    """Past tickets do not score again."""
    place = grown()
    assert max(burst(place, GROWN + 1.0, ASIA)) > 3.0
    known = place.slices.of[ASIA].known
    place.slices.restart()
    assert place.ticket(GROWN + 2.1, ASIA) is None
    assert place.slices.of[ASIA].known == known


def test_the_number_of_slices_is_bounded() -> None:
    """An area keeps the values with the most tickets, and its state is small."""
    place = AreaWithSlices()
    for number in range(4_000):
        at = number / 4.0
        place.ticket(at, EU if number % 2 else US, f"app_version\x1f{number}")
    assert len(place.slices.of) <= MOST_SLICES
    assert {EU, US} <= place.slices.of.keys()
    assert len(place.shares.counts) <= MOST_SHARES
    assert len(state_codec.encode(place.slices)) < 20_000


def test_a_retired_value_is_forgotten() -> None:
    """A value without tickets leaves the state after some months."""
    place = grown()
    for day in range(400):
        begin = GROWN + day * 24.0
        place.feed(begin, begin + 24.0, rate=1.0, usual=((EU, 1.0),))
    assert ASIA not in place.slices.of


def test_a_ticket_without_values_counts_for_the_area_alone() -> None:
    """The ticket adds no slice and counts in the rest with which slices are compared."""
    place = grown()
    place.ticket(GROWN + 0.5, EU)
    slices = set(place.slices.of)
    today = place.slices.today
    assert place.ticket(GROWN + 1.0) is None
    assert set(place.slices.of) == slices
    assert place.slices.today == today + 1.0


def test_years_of_silence_reset_the_slices() -> None:
    """After three years without a ticket, what was learned has decayed to nearly nothing."""
    place = grown()
    later = GROWN + 3 * 52 * WEEK
    for number in range(20):
        place.ticket(later + number, EU)
    assert place.slices.known < 1.0
    assert all(0.0 <= each.known < 1.0 for each in place.slices.of.values())


def test_keys_combine_dimension_and_value() -> None:
    """The same word in two dimensions gives two slices, and a missing value gives none."""
    values = (None, "eu", "", "eu", "gold", None, None, None)  # of DIMENSIONS
    assert keys_of(values, ("channel", "region")) == (
        ("channel\x1feu", "region\x1feu"),
        ("tier\x1fgold",),
    )


arrival = st.tuples(
    st.sampled_from([0.0, 0.01, 0.5, 7.0, 30.0, 500.0]),
    st.sets(st.sampled_from([EU, US, ASIA, "channel\x1fweb", "issue_type\x1fx"]), max_size=4),
    st.booleans(),
)


@given(st.lists(arrival, max_size=80))
@settings(max_examples=examples(40))
def test_any_sequence_of_tickets_keeps_the_state_valid(
    ticket_list: list[tuple[float, set[str], bool]],
) -> None:
    """No count becomes negative, and a restored state continues in the same way."""
    place, other = grown(), grown()
    at = GROWN
    for gap, keys, taken_back in ticket_list:
        at += gap
        other.slices = state_codec.decode(state_codec.encode(other.slices), Slices)
        other.shares = state_codec.decode(state_codec.encode(other.shares), Shares)
        ordered = sorted(keys)
        assert place.ticket(at, *ordered) == other.ticket(at, *ordered)
        if taken_back:
            for each in (place, other):
                each.slices.withdraw(at, 1.0, tuple(ordered))
        for slice_ in place.slices.of.values():
            assert slice_.known >= 0.0
            assert slice_.today >= 0.0
            assert 0.0 <= slice_.share <= 0.95
            assert all(window.observed >= 0.0 for window in slice_.windows if window)
    assert state_codec.encode(place.slices) == state_codec.encode(other.slices)
